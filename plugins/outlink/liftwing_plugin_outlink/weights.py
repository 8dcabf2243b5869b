"""The fastText model: where its file is looked for, and how it is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, cast

import fasttext

from liftwing_host import ConfigurationError, ModelConfig, PublishedFile

from .fasttext_file import is_whole_model
from .settings import OutlinkSettings

__all__ = ["PUBLISHED", "Weights", "load_weights"]

PUBLISHED = PublishedFile(
    url="https://analytics.wikimedia.org/published/wmf-ml-models/articletopic/outlink/20221111111111/model.bin",
    name="model.bin",
    licence="CC0",
)

_DEMO = Path(__file__).parent / "demo" / "model.ftz"


class Weights(Protocol):
    """What `fasttext.load_model` gives."""

    def predict(self, text: str, k: int = 1) -> tuple[tuple[str, ...], tuple[float, ...]]:
        """The `k` likeliest labels (-1: all) of one line of text, and the score of each."""


def load_weights(config: ModelConfig, settings: OutlinkSettings) -> Weights:
    """Load the model that was asked for: the demo's, or that of the settings, or the one that was downloaded.

    Raises:
        ModelFileMissing: There is no such file. The message says how to get it.
        ConfigurationError: The file is not a fastText model.
    """
    path = (
        _DEMO
        if config.demo
        else config.find_file(PUBLISHED.name, path=settings.model_path, advice=_advice(config))
    )
    try:
        if not is_whole_model(path):
            raise _not_a_model(path, "it is cut off, or something else")
        return cast("Weights", fasttext.load_model(str(path)))
    except (OSError, ValueError, RuntimeError, MemoryError) as error:
        raise _not_a_model(path, _reason(error, path)) from error


def _reason(error: Exception, path: Path) -> str:
    """What went wrong, without the path, with which fastText's own messages begin and Python's end."""
    if isinstance(error, OSError) and error.strerror is not None:
        return error.strerror
    return str(error).removeprefix(f"{path} ").rstrip("!") or type(error).__name__


def _not_a_model(path: Path, reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"{path} cannot be loaded as a fastText model: {reason}. The real model is published at {PUBLISHED.url}"
    )


def _advice(config: ModelConfig) -> str:
    return (
        f"MODEL_PATH says where to look. The real model is published at {PUBLISHED.url} ; "
        f"`liftwing-host download {config.name}` fetches it. "
        f"To try without it, `--demo` serves the small demo model."
    )
