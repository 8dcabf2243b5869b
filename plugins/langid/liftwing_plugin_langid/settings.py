"""What an operator can set, under the name that Lift Wing uses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from liftwing_host import setting

__all__ = ["LangidSettings"]


@dataclass(frozen=True)
class LangidSettings:
    """The plugin's settings.

    Attributes:
        model_path: The fastText model. None: the usual places (`ModelConfig.find_file`).
    """

    model_path: Path | None = setting(None, env="MODEL_PATH", help="the fastText model")
