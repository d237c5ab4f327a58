"""SqueezeNet: few weights, by squeezing channels before wide kernels. Iandola et al., arXiv 1602.07360."""

from __future__ import annotations

from functools import partial

from ... import nn
from ...nn import init
from ...tensor import Tensor
from .._torch import torch
from ._api import define, entry

__all__ = ["SqueezeNet", "SqueezeNet1_0_Weights", "SqueezeNet1_1_Weights", "squeezenet1_0", "squeezenet1_1"]


class Fire(nn.Module):
    """A narrow layer, then kernels of one and of three side by side."""

    def __init__(self, inplanes: int, squeeze_planes: int, expand1x1_planes: int, expand3x3_planes: int) -> None:
        super().__init__()
        self.inplanes = inplanes
        self.squeeze = nn.Conv2d(inplanes, squeeze_planes, kernel_size=1)
        self.squeeze_activation = nn.ReLU(inplace=True)
        self.expand1x1 = nn.Conv2d(squeeze_planes, expand1x1_planes, kernel_size=1)
        self.expand1x1_activation = nn.ReLU(inplace=True)
        self.expand3x3 = nn.Conv2d(squeeze_planes, expand3x3_planes, kernel_size=3, padding=1)
        self.expand3x3_activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze_activation(self.squeeze(x))
        narrow = self.expand1x1_activation(self.expand1x1(x))
        return torch.cat([narrow, self.expand3x3_activation(self.expand3x3(x))], 1)


# The first convolution (width, kernel), then the width that each Fire expands to; 0 is a pooling.
VERSIONS = {
    "1_0": ((96, 7), (0, 64, 64, 128, 0, 128, 192, 192, 256, 0, 256)),
    "1_1": ((64, 3), (0, 64, 64, 0, 128, 128, 0, 192, 192, 256, 256)),
}


class SqueezeNet(nn.Module):
    """Fire modules and a convolution that classifies: (N, 3, H, W) -> (N, num_classes)."""

    def __init__(self, version: str = "1_0", num_classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        self.num_classes = num_classes
        if version not in VERSIONS:
            raise ValueError(f"Unsupported SqueezeNet version {version}: 1_0 or 1_1 expected")
        (channels, kernel), widths = VERSIONS[version]
        layers: list[nn.Module] = [nn.Conv2d(3, channels, kernel_size=kernel, stride=2), nn.ReLU(inplace=True)]
        for width in widths:
            if width:
                layers.append(Fire(channels, width // 4, width, width))
                channels = 2 * width
            else:
                layers.append(nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True))
        self.features = nn.Sequential(*layers)
        last = nn.Conv2d(512, num_classes, kernel_size=1)
        self.classifier = nn.Sequential(nn.Dropout(dropout), last, nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d((1, 1)))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                if module is last:
                    init.normal_(module.weight, mean=0.0, std=0.01)
                else:
                    init.kaiming_uniform_(module.weight)
                if module.bias is not None:
                    init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x)).flatten(1)


SqueezeNet1_0_Weights, squeezenet1_0 = define(
    "SqueezeNet1_0_Weights", "squeezenet1_0", __name__, partial(SqueezeNet, "1_0"),
    entry("squeezenet1_0-b66bff10", 1248424, 58.092, 80.42), min_size=(21, 21))
SqueezeNet1_1_Weights, squeezenet1_1 = define(
    "SqueezeNet1_1_Weights", "squeezenet1_1", __name__, partial(SqueezeNet, "1_1"),
    entry("squeezenet1_1-b8a52dc0", 1235496, 58.178, 80.624), min_size=(17, 17))
