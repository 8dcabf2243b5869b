"""From the bytes of an image file to pixels: whatever the file is, within limits."""

from __future__ import annotations

import io
import struct
import warnings
import zlib

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from liftwing_host import InvalidInput

__all__ = ["FORMATS", "decode"]

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
"""Pillow can open more, some of them by running other programs."""

_SIXTEEN_BITS = ("I", "I;16", "I;16B", "I;16L", "I;16N")

# What Pillow's decoders raise on files that are broken in one way or another.
_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    NotImplementedError,
    struct.error,
    zlib.error,
)


def decode(data: bytes, max_pixels: int) -> Image.Image:
    """The picture in a file, upright, in mode RGB.

    Of an animation, the first frame. Transparency is dropped, palettes, grey and CMYK are converted: what
    torchvision's loader does (`Image.open(file).convert("RGB")`). Unlike there, the orientation in the EXIF data is
    heeded, and of 16 bits of grey the upper 8 count.

    Args:
        data: The file.
        max_pixels: How many pixels it may have; looked at before any is decoded.

    Raises:
        InvalidInput: It is no image that can be decoded, or too large a one.
    """
    # Beyond twice this, Pillow refuses a file itself: some of its decoders take memory as soon as one is opened.
    Image.MAX_IMAGE_PIXELS = max_pixels
    try:
        with warnings.catch_warnings():
            # What Pillow warns of is in the client's file, and nobody here can mend it.
            warnings.simplefilter("ignore")
            return _decoded(data, max_pixels)
    except Image.DecompressionBombError:
        raise _too_large(max_pixels) from None
    except UnidentifiedImageError:
        raise InvalidInput(
            f"this is not an image in one of the formats {', '.join(FORMATS)}: send the file as it is, in base64."
        ) from None
    except _BROKEN as error:
        raise InvalidInput(f"the image is broken or cut off ({error}): send the whole file.") from None


def _decoded(data: bytes, max_pixels: int) -> Image.Image:
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        if image.width * image.height > max_pixels:
            raise _too_large(max_pixels)
        image.load()
        return _rgb(_upright(image))


def _too_large(max_pixels: int) -> InvalidInput:
    return InvalidInput(
        f"the image has more than the {max_pixels} pixels that are allowed: send a smaller one; "
        f"256 pixels on the shorter side are enough."
    )


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except _BROKEN:
        return image  # Its metadata is broken, the picture is not.


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode == "F":
        raise InvalidInput(
            "the image has floating-point pixels, of no known range: send it with 8 bits a channel."
        )
    if image.mode in _SIXTEEN_BITS:
        image = Image.fromarray(np.clip(np.asarray(image) >> 8, 0, 255).astype(np.uint8))
    # It is dropped anyway, and Pillow warns of what it cannot convert.
    image.info.pop("transparency", None)
    return image.convert("RGB")
