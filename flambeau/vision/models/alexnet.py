"""AlexNet, in the form of Krizhevsky, arXiv 1404.5997."""

from __future__ import annotations

from ... import nn
from ...tensor import Tensor
from ._api import define, entry

__all__ = ["AlexNet", "AlexNet_Weights", "alexnet"]

# Width, kernel, stride, padding, and whether pooling follows.
CONVOLUTIONS = [
    (64, 11, 4, 2, True),
    (192, 5, 1, 2, True),
    (384, 3, 1, 1, False),
    (256, 3, 1, 1, False),
    (256, 3, 1, 1, True),
]


class AlexNet(nn.Module):
    """Five convolutions, three linear layers: (N, 3, H, W) -> (N, num_classes)."""

    def __init__(self, num_classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for width, kernel, stride, padding, pooled in CONVOLUTIONS:
            layers += [nn.Conv2d(channels, width, kernel, stride, padding), nn.ReLU(inplace=True)]
            layers += [nn.MaxPool2d(3, 2)] if pooled else []
            channels = width
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(256 * 6 * 6, 4096), nn.ReLU(inplace=True),
            nn.Dropout(dropout), nn.Linear(4096, 4096), nn.ReLU(inplace=True),
            nn.Linear(4096, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


AlexNet_Weights, alexnet = define(
    "AlexNet_Weights", "alexnet", __name__, AlexNet, entry("alexnet-owt-7be5be79", 61100840, 56.522, 79.066),
    min_size=(63, 63))
