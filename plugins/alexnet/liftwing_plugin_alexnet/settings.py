"""What an operator can set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from liftwing_host import setting

__all__ = ["ClassifierSettings"]


@dataclass(frozen=True)
class ClassifierSettings:
    """The settings of each model.

    Attributes:
        model_path: The file of the weights. None: what a package brings, or what is in the usual places
            (`ModelConfig.find_file`).
        max_pixels: How many pixels an image may have, before and after it is resized. Each takes 3 bytes in the
            worker, and some formats as many again while they are decoded.
        max_instances: How many images one request may bring.
    """

    model_path: Path | None = setting(
        None, env="MODEL_PATH", help="the weights: a PyTorch or safetensors file"
    )
    max_pixels: int = setting(
        25_000_000, env="MAX_PIXELS", minimum=1_000_000, help="pixels that an image may have"
    )
    max_instances: int = setting(32, env="MAX_INSTANCES", minimum=1, help="images that a request may bring")
