"""The names of ImageNet's 1000 classes, in the order of the networks' outputs.

They are torchvision's (`torchvision.models.AlexNet_Weights.IMAGENET1K_V1.meta["categories"]`, BSD-3-Clause), which
are all different: where older lists have "crane" and "maillot" twice, so that one of two probabilities was lost in
an answer that is an object, torchvision tells "crane bird" from "crane" and "maillot tank suit" from "maillot".
"""

from __future__ import annotations

from importlib import resources

__all__ = ["CATEGORIES"]

CATEGORIES = tuple(
    (resources.files(__package__) / "imagenet_categories.txt").read_text(encoding="utf-8").splitlines()
)
