"""What becomes of image files of all kinds, good and bad."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from liftwing_host import InvalidInput
from liftwing_plugin_alexnet.decoding import FORMATS, decode

PIXELS = 1_000_000
ORIENTATION = 0x0112
RED, BLUE = (255, 0, 0), (0, 0, 255)


def halves(size: tuple[int, int] = (40, 30)) -> Image.Image:
    """Left red, right blue, and a black corner at the upper left."""
    image = Image.new("RGB", size, RED)
    image.paste(BLUE, (size[0] // 2, 0, *size))
    image.paste((0, 0, 0), (0, 0, size[0] // 4, size[1] // 4))
    return image


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """An image as a file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def refused(data: bytes, max_pixels: int = PIXELS) -> str:
    """What is said where a file is not taken."""
    with pytest.raises(InvalidInput) as caught:
        decode(data, max_pixels)
    return caught.value.message


def png_of(width: int, height: int) -> bytes:
    """The beginning of a PNG that says how large it is, and has no pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"")


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_is_decoded(kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {"quality": 95} if kind == "JPEG" else {}
    pixels = np.asarray(decode(encoded(halves(), kind, **options), PIXELS)).astype(int)
    assert pixels.shape == (30, 40, 3)
    wrong = np.abs(pixels - np.asarray(halves()))
    assert wrong.mean() < 5 if kind == "JPEG" else wrong.max() == 0


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("P", "PNG"), ("P", "GIF"), ("RGBA", "PNG"), ("CMYK", "JPEG"), ("CMYK", "TIFF"), ("RGBA", "WEBP")],
)
def test_other_colours_become_rgb(mode: str, kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    image = decode(encoded(halves().convert(mode), kind, **options), PIXELS)
    assert image.mode == "RGB"
    assert np.abs(np.subtract(image.getpixel((12, 25)), RED, dtype=int)).max() < 10
    assert np.abs(np.subtract(image.getpixel((35, 5)), BLUE, dtype=int)).max() < 10


@pytest.mark.parametrize("mode", ["L", "LA", "1"])
def test_grey_becomes_three_equal_channels(mode: str) -> None:
    grey = Image.new("L", (20, 10), 0)
    grey.paste(255, (10, 0, 20, 10))
    image = decode(encoded(grey.convert(mode), "PNG"), PIXELS)
    assert [image.getpixel((x, 5)) for x in (2, 17)] == [(0, 0, 0), (255, 255, 255)]


def test_a_transparent_colour_of_a_palette_is_no_reason_to_warn() -> None:
    image = halves().convert("P")
    data = encoded(image, "PNG", transparency=bytes([0, 128, 255]))
    assert decode(data, PIXELS).mode == "RGB"


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_of_sixteen_bits_of_grey_the_upper_eight_count(kind: str) -> None:
    levels = np.array([[0, 255, 256, 32768, 65535]], dtype=np.uint16)
    image = decode(encoded(Image.fromarray(levels), kind), PIXELS)
    assert [image.getpixel((x, 0))[0] for x in range(5)] == [0, 0, 1, 128, 255]


def test_pixels_of_floating_point_are_refused() -> None:
    told = refused(encoded(Image.fromarray(np.ones((4, 4), dtype=np.float32)), "TIFF"))
    assert "8 bits a channel" in told


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_of_an_animation_the_first_frame_counts(kind: str) -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in (RED, BLUE)]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    assert np.abs(np.subtract(decode(data, PIXELS).getpixel((9, 9)), RED, dtype=int)).max() < 10


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_a_picture_is_turned_upright(orientation: int, kind: str) -> None:
    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    stored = halves() if orientation == 1 else halves().transpose(turns[orientation])
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    found = decode(encoded(stored, kind, exif=exif), PIXELS)
    assert np.array_equal(np.asarray(found), np.asarray(halves()))


def test_broken_metadata_does_not_cost_the_picture() -> None:
    data = encoded(halves(), "JPEG", exif=b"Exif\x00\x00MM\x00\x2a\xff\xff\xff\xff rubbish")
    assert decode(data, PIXELS).size == (40, 30)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_that_is_cut_off_says_so(kind: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8))
    data = encoded(noise, kind)
    told = refused(data[: len(data) // 2])
    assert "broken or cut off" in told or "not an image" in told


@pytest.mark.parametrize(
    "data",
    [b"x", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"P6 1 1 255 abc", b"\x00" * 100],
)  # fmt: skip
def test_what_is_no_image_is_told_the_formats(data: bytes) -> None:
    assert "BMP, GIF, JPEG, PNG, TIFF, WEBP" in refused(data)


def test_the_size_is_looked_at_before_anything_is_decoded() -> None:
    # This file has no pixels: whoever tried to decode it would find it broken.
    for side in (1001, 50_000):
        told = refused(png_of(side, side))
        assert told.startswith(
            "the image has more than the 1000000 pixels that are allowed: send a smaller one"
        )
    assert "broken" in refused(png_of(1000, 1000))


@pytest.mark.parametrize("kind", FORMATS)
def test_the_limit_of_pixels_holds_for_every_format(kind: str) -> None:
    data = encoded(halves((50, 20)), kind)
    assert decode(data, 1000).size == (50, 20)
    assert "send a smaller one" in refused(data, 999)


@pytest.mark.parametrize("kind", FORMATS)
def test_whatever_is_broken_in_a_file_it_is_an_image_or_invalid(kind: str) -> None:
    drawn = np.random.RandomState(zlib.crc32(kind.encode()))
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    whole = encoded(halves(), kind, **({} if kind in ("BMP", "GIF") else {"exif": exif}))
    outcomes = set()
    for _ in range(400):
        data = bytearray(whole)
        for _ in range(drawn.randint(1, 9)):
            data[drawn.randint(min(len(data), drawn.choice((64, len(data)))))] = drawn.randint(256)
        try:
            outcomes.add(decode(bytes(data), PIXELS).mode)
        except InvalidInput:
            outcomes.add("invalid")
    assert outcomes == {"RGB", "invalid"}
