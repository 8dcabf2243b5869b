"""AlexNet as torchvision has it, so that the weights that torchvision publishes fit by name and shape."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["AlexNet"]

CLASSES = 1000


class AlexNet(nn.Module):
    """The network of "One weird trick for parallelizing convolutional neural networks" (arXiv:1404.5997).

    The numbers of the layers within `features` and `classifier` are those of `torchvision.models.AlexNet`, and
    so the names of the parameters, `features.0.weight` to `classifier.6.bias`. Layers without parameters
    count, too.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, kernel_size=11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(64, 192, kernel_size=5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(192, 384, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = nn.Sequential(
            nn.Dropout(),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Linear(4096, CLASSES),
        )

    def forward(self, images: Tensor) -> Tensor:
        """The logits of the classes.

        Args:
            images: (n, 3, height, width), normalised; 224 x 224 as it was trained.

        Returns:
            (n, 1000).
        """
        pooled = self.avgpool(self.features(images))
        logits: Tensor = self.classifier(pooled.flatten(1))
        return logits
