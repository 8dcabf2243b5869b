"""Asks torchvision itself what the plugin must give: ``tests/references.npz`` and the names of the classes.

Run from the root of the repository, in an environment of its own::

    python -m venv references
    references/bin/pip install torch==2.13.0 torchvision==0.28.0 --index-url https://download.pytorch.org/whl/cpu
    PYTHONPATH=tests references/bin/python plugins/alexnet/tools/make_references.py

Written are, for each image, the preprocessed values at every eighth row and column and their means by channel,
the probabilities that torchvision's AlexNet gives with generated weights, and the names and shapes of its parameters.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torchvision import models, transforms

from alexnet import PHOTOGRAPHS, PLUGIN, generated

IMAGES = PLUGIN / "tests" / "images"
STRIDE = 8
SIZES = ((640, 427), (333, 1000), (224, 224), (256, 256), (257, 255), (7, 5), (300, 900), (50, 1201))

BILINEAR = transforms.InterpolationMode.BILINEAR
BICUBIC = transforms.InterpolationMode.BICUBIC
TRANSFORMS = {
    "alexnet": (BILINEAR, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "efficientnet-lite0": (BICUBIC, (127 / 255,) * 3, (128 / 255,) * 3),
}


def synthetic(width: int, height: int) -> Image.Image:
    """Slopes with edges: what differs most where an image is resampled otherwise."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    channels = (x * 3 + y, (x // 7 + y // 5) % 2 * 255, y * 2)
    return Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))


def transform(name: str) -> Any:
    """torchvision's preprocessing for a network."""
    interpolation, mean, std = TRANSFORMS[name]
    return transforms.Compose(
        [
            transforms.Resize(256, interpolation),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize(mean, std),
        ]
    )


def main() -> None:
    """Write everything."""
    IMAGES.mkdir(exist_ok=True)
    for width, height in SIZES:
        synthetic(width, height).save(IMAGES / f"{width}x{height}.png", optimize=True)
    network = models.alexnet(weights=None).eval()
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    network.load_state_dict(
        {name: torch.from_numpy(generated(name, shape)) for name, shape in shapes.items()}
    )
    told: dict[str, NDArray[Any]] = {
        "parameters": np.array([f"{name} {'x'.join(map(str, shape))}" for name, shape in shapes.items()])
    }
    for path in sorted([*IMAGES.glob("*.png"), *PHOTOGRAPHS.glob("*.jpg")]):
        image = Image.open(path).convert("RGB")
        for name in TRANSFORMS:
            values = transform(name)(image)
            told[f"{name}/{path.name}/values"] = values[:, ::STRIDE, ::STRIDE].numpy()
            told[f"{name}/{path.name}/means"] = values.mean(dim=(1, 2), dtype=torch.float64).numpy()
        with torch.inference_mode():
            logits = network(transform("alexnet")(image)[None])
        told[f"probabilities/{path.name}"] = torch.softmax(logits, dim=1)[0].numpy()
    np.savez_compressed(PLUGIN / "tests" / "references.npz", **told)
    categories = models.AlexNet_Weights.IMAGENET1K_V1.meta["categories"]
    names = "".join(f"{name}\n" for name in categories)
    (PLUGIN / "liftwing_plugin_alexnet" / "imagenet_categories.txt").write_text(names, encoding="utf-8")


if __name__ == "__main__":
    main()
