"""What the networks get is what torchvision would give them, and the names are torchvision's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from liftwing_host import InvalidInput
from liftwing_plugin_alexnet.architectures import ALEXNET, EFFICIENTNET_LITE0
from liftwing_plugin_alexnet.categories import CATEGORIES
from liftwing_plugin_alexnet.decoding import decode

HERE = Path(__file__).parent
REFERENCES = np.load(HERE / "references.npz")
STRIDE = 8
PIXELS = 25_000_000

PLACES = {
    path.name: path
    for folder in ("tests/images", "photographs")
    for path in (HERE.parent / folder).glob("*.*g")
}
PREPROCESSINGS = {
    "alexnet": ALEXNET.preprocessing,
    "efficientnet-lite0": EFFICIENTNET_LITE0.preprocessing,
}
NAMES = sorted({key.split("/")[1] for key in REFERENCES.files if "/" in key})


def test_there_are_references_for_all_images() -> None:
    assert sorted(PLACES) == NAMES
    assert len(NAMES) == 11


@pytest.mark.parametrize("image", NAMES)
@pytest.mark.parametrize("name", PREPROCESSINGS)
def test_the_values_are_torchvisions(name: str, image: str) -> None:
    preprocessing = PREPROCESSINGS[name]
    values = preprocessing.apply(decode(PLACES[image].read_bytes(), PIXELS), PIXELS)
    assert values.shape == (3, 224, 224)
    assert values.dtype == np.float32
    # Decoders of JPEG may differ by a level of 255; all else is exact to float32's rounding.
    tolerance = 1.01 / 255 / min(preprocessing.std) if image.endswith(".jpg") else 1e-5
    expected = REFERENCES[f"{name}/{image}/values"]
    assert np.abs(values[:, ::STRIDE, ::STRIDE] - expected).max() <= tolerance
    assert (
        np.abs(values.mean(axis=(1, 2), dtype=np.float64) - REFERENCES[f"{name}/{image}/means"]).max() < 1e-3
    )


def test_an_image_that_is_all_length_is_refused_and_not_blown_up() -> None:
    with pytest.raises(InvalidInput) as caught:
        ALEXNET.preprocessing.apply(Image.new("RGB", (1, 4000)), PIXELS)
    assert caught.value.message == "the image is too long for its width (1 x 4000 pixels): crop it."


def test_every_class_has_a_name_of_its_own() -> None:
    assert len(CATEGORIES) == len(set(CATEGORIES)) == 1000
    assert (CATEGORIES[0], CATEGORIES[258], CATEGORIES[999]) == ("tench", "Samoyed", "toilet tissue")
    assert (CATEGORIES[134], CATEGORIES[517]) == ("crane bird", "crane")
