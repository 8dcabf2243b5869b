"""Weights for AlexNet that anybody can make again, and requests as its clients send them."""

from __future__ import annotations

import base64
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["PHOTOGRAPHS", "PLUGIN", "generated", "question"]

PLUGIN = Path(__file__).parent.parent / "plugins" / "alexnet"
PHOTOGRAPHS = PLUGIN / "photographs"


def generated(name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The values of a parameter: drawn by a generator that numpy has promised not to change, by the name as its seed.

    They are as wide as He's initialisation has them, so that neither the logits nor their differences vanish.
    """
    width = math.sqrt(6 / math.prod(shape[1:])) if len(shape) > 1 else 0.1
    drawn = np.random.RandomState(zlib.crc32(name.encode())).random_sample(shape)
    return ((drawn * 2 - 1) * width).astype(np.float32)


def question(*files: Path | bytes) -> dict[str, Any]:
    """A request about some images."""
    contents = [file if isinstance(file, bytes) else file.read_bytes() for file in files]
    return {"instances": [{"image": {"b64": base64.b64encode(content).decode()}} for content in contents]}
