"""From a photograph to what a network takes: resize, crop from the middle, normalise; as torchvision does it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image, Resampling

from liftwing_host import InvalidInput

__all__ = ["CROP", "Preprocessing"]

RESIZE = 256
CROP = 224


@dataclass(frozen=True)
class Preprocessing:
    """Resize the shorter side to 256, crop 224 x 224 from the middle, normalise.

    The sizes are rounded as in `torchvision.transforms.Resize(256)` and `CenterCrop(224)` on a PIL image, and the
    numbers are those of `ToTensor()` and `Normalize(mean, std)`.

    Attributes:
        resample: How pixels are interpolated.
        mean: Taken off each channel, of values from 0.0 to 1.0.
        std: What the rest is divided by.
    """

    resample: Resampling
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def apply(self, image: Image, max_pixels: int) -> NDArray[np.float32]:
        """What the network takes.

        Args:
            image: In mode RGB.
            max_pixels: How many pixels the resized image may have.

        Returns:
            float32 (3, 224, 224).

        Raises:
            InvalidInput: The image is so long that it would be too large once it was resized.
        """
        width, height = _resized(*image.size)
        if width * height > max_pixels:
            raise InvalidInput(
                f"the image is too long for its width ({image.width} x {image.height} pixels): crop it."
            )
        left, top = _middle(width), _middle(height)
        resized = image.resize((width, height), self.resample)
        crop = np.asarray(resized.crop((left, top, left + CROP, top + CROP)), dtype=np.float32) / 255
        normalised = (crop - np.asarray(self.mean, np.float32)) / np.asarray(self.std, np.float32)
        return np.ascontiguousarray(normalised.transpose(2, 0, 1), dtype=np.float32)


def _resized(width: int, height: int) -> tuple[int, int]:
    """The shorter side becomes 256; the longer one is cut to a whole number, not rounded."""
    if width <= height:
        return RESIZE, int(RESIZE * height / width)
    return int(RESIZE * width / height), RESIZE


def _middle(length: int) -> int:
    return round((length - CROP) / 2.0)
