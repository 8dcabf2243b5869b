"""The models' hooks: decode the images, ask the network, tell the five likeliest classes."""

from __future__ import annotations

import logging
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from liftwing_host import ConfigurationError, InvalidInput, Model, ModelConfig

from .architectures import ALEXNET, EFFICIENTNET_LITE0, Architecture
from .categories import CATEGORIES
from .decoding import decode
from .example import EXAMPLE
from .instances import image_files, in_instance
from .preprocessing import CROP
from .settings import ClassifierSettings
from .weights import find_weights, load_network

__all__ = ["AlexNetClassifier", "EfficientNetLite0Classifier", "ImageClassifier"]

_logger = logging.getLogger("liftwing_plugin_alexnet")

_TOLD = 5
_AT_ONCE = 4
"""Images that the network sees at once. With more, AlexNet takes less time for each, EfficientNet-Lite0 more."""

_SHAPE = (3, CROP, CROP)


class ImageClassifier(Model):
    """Tells what photographs show.

    What goes between the hooks has the form of KServe's v1 protocol, so that it can be sent from a transformer to a
    predictor: `preprocess` gives ``{"instances": float32 (n, 3, 224, 224)}``, `predict` ``{"predictions": float32
    (n, 1000)}``, the probabilities of the classes.
    """

    settings: ClassifierSettings
    example: ClassVar[Any] = EXAMPLE
    max_batch_size = _AT_ONCE
    _architecture: ClassVar[Architecture]

    def load(self, config: ModelConfig) -> None:
        """Load the network, which a transformer needs not; of the demo, the one whose weights a package brings."""
        self._serving = _of_demo(self._architecture) if config.demo else self._architecture
        if self._serving is not self._architecture:
            _logger.info("%s: the demo answers by %s instead", config.name, self._serving.title)
        if config.role != "transformer":
            self._network = load_network(self._serving, find_weights(self._serving, config))

    def start(self) -> None:
        """Classify once, so that no client waits for the first time, and see whether that gives numbers.

        Here and not in `load`, since it may start threads, beside which nothing could be forked.

        Raises:
            ConfigurationError: It gives none.
        """
        if self.config.role == "transformer":
            return
        if not np.isfinite(self._probabilities(np.zeros((1, *_SHAPE), dtype=np.float32))).all():
            raise ConfigurationError(
                f"the weights of {self._serving.title} give no numbers: they are damaged or hold NaN. Get them anew."
            )
        _logger.info("%s classifies; threads: %d", self._serving.title, torch.get_num_threads())

    def preprocess(self, payload: Any) -> dict[str, Any]:
        """Decode the images, and make them what the network takes."""
        files = image_files(payload, self.settings.max_instances)
        return {"instances": np.stack([self._prepared(*numbered) for numbered in enumerate(files)])}

    def predict(self, features: dict[str, Any]) -> dict[str, Any]:
        """Ask the network."""
        return {"predictions": self._probabilities(_images(features))}

    def predict_batch(self, features: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Ask the network for the images of several requests together."""
        images = [_images(each) for each in features]
        ends = np.cumsum([len(each) for each in images])[:-1]
        probabilities = self._probabilities(np.concatenate(images))
        return [{"predictions": part} for part in np.split(probabilities, ends)]

    def postprocess(self, prediction: dict[str, Any]) -> dict[str, Any]:
        """Tell the five likeliest classes: for one image as Lift Wing does, for several in a list."""
        told = [_likeliest(np.asarray(each)) for each in prediction["predictions"]]
        return told[0] if len(told) == 1 else {"predictions": told}

    def _prepared(self, number: int, file: bytes) -> NDArray[np.float32]:
        with in_instance(number):
            image = decode(file, self.settings.max_pixels)
            return self._serving.preprocessing.apply(image, self.settings.max_pixels)

    def _probabilities(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            parts = [
                torch.softmax(self._network(part), dim=1) for part in torch.from_numpy(images).split(_AT_ONCE)
            ]
            found: NDArray[np.float32] = torch.cat(parts).numpy()
        return found


class AlexNetClassifier(ImageClassifier):
    """AlexNet, with the weights that torchvision publishes."""

    files = tuple(filter(None, [ALEXNET.published]))
    _architecture = ALEXNET


class EfficientNetLite0Classifier(ImageClassifier):
    """EfficientNet-Lite0, with weights that come as a package."""

    _architecture = EFFICIENTNET_LITE0


def _of_demo(architecture: Architecture) -> Architecture:
    """The architecture itself, or another one, if no package brings its weights."""
    return architecture if architecture.weights is not None else EFFICIENTNET_LITE0


def _images(features: dict[str, Any]) -> NDArray[np.float32]:
    """The images in what `preprocess` gave, which may have become lists on its way."""
    try:
        images = np.asarray(features["instances"], dtype=np.float32)
    except (KeyError, TypeError, ValueError):
        images = np.empty(0, dtype=np.float32)
    if images.shape[1:] != _SHAPE or not len(images):
        raise InvalidInput(
            'Expected {"instances": …} with numbers of the shape (images, 3, 224, 224), as preprocess makes them.'
        )
    return images


def _likeliest(probabilities: NDArray[np.float32]) -> dict[str, float]:
    order = np.argsort(-probabilities, kind="stable")[:_TOLD]
    return {CATEGORIES[index]: float(probabilities[index]) for index in order}
