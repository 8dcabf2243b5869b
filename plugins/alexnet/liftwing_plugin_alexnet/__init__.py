"""What a photograph shows, among the 1000 classes of ImageNet."""

from __future__ import annotations

from .model import AlexNetClassifier, EfficientNetLite0Classifier

__all__ = ["AlexNetClassifier", "EfficientNetLite0Classifier"]
