"""MobileNetV2: depthwise convolutions between narrow ends. Sandler et al., arXiv 1801.04381."""

from __future__ import annotations

from collections.abc import Callable

from ... import nn
from ...tensor import Tensor
from ..ops.misc import Conv2dNormActivation
from ._api import define, entry
from ._utils import _make_divisible, he_fan_out, initialise, small_normal

__all__ = ["MobileNetV2", "MobileNet_V2_Weights", "mobilenet_v2"]

Layer = Callable[..., nn.Module]

# How much each block widens, its channels, how many times, the stride of the first.
SETTING = [[1, 16, 1, 1], [6, 24, 2, 2], [6, 32, 3, 2], [6, 64, 4, 2], [6, 96, 3, 1], [6, 160, 3, 2], [6, 320, 1, 1]]


class InvertedResidual(nn.Module):
    """Wider, a depthwise convolution, narrow again, and the input added where shapes allow."""

    def __init__(self, inp: int, oup: int, stride: int, expand_ratio: int, norm_layer: Layer | None = None) -> None:
        super().__init__()
        if stride not in (1, 2):
            raise ValueError(f"stride should be 1 or 2 instead of {stride}")
        norm, width = norm_layer or nn.BatchNorm2d, round(inp * expand_ratio)
        self.stride = stride
        self.use_res_connect = stride == 1 and inp == oup
        layers: list[nn.Module] = []
        if expand_ratio != 1:
            layers.append(Conv2dNormActivation(inp, width, 1, norm_layer=norm, activation_layer=nn.ReLU6))
        layers.append(Conv2dNormActivation(width, width, stride=stride, groups=width, norm_layer=norm,
                                           activation_layer=nn.ReLU6))
        layers += [nn.Conv2d(width, oup, 1, 1, 0, bias=False), norm(oup)]
        self.conv = nn.Sequential(*layers)
        self.out_channels = oup
        self._is_cn = stride > 1

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


class MobileNetV2(nn.Module):
    """Inverted residuals: (N, 3, H, W) -> (N, num_classes)."""

    def __init__(self, num_classes: int = 1000, width_mult: float = 1.0,
                 inverted_residual_setting: list[list[int]] | None = None, round_nearest: int = 8,
                 block: Layer | None = None, norm_layer: Layer | None = None, dropout: float = 0.2) -> None:
        super().__init__()
        block, norm = block or InvertedResidual, norm_layer or nn.BatchNorm2d
        setting = SETTING if inverted_residual_setting is None else inverted_residual_setting
        if len(setting) == 0 or len(setting[0]) != 4:
            raise ValueError(f"inverted_residual_setting should be non-empty or a 4-element list, got {setting}")
        channels = _make_divisible(32 * width_mult, round_nearest)
        self.last_channel = _make_divisible(1280 * max(1.0, width_mult), round_nearest)
        features: list[nn.Module] = [
            Conv2dNormActivation(3, channels, stride=2, norm_layer=norm, activation_layer=nn.ReLU6)
        ]
        for expand, width, count, stride in setting:
            width = _make_divisible(width * width_mult, round_nearest)
            for i in range(count):
                features.append(block(channels, width, 1 if i else stride, expand_ratio=expand, norm_layer=norm))
                channels = width
        features.append(Conv2dNormActivation(channels, self.last_channel, kernel_size=1, norm_layer=norm,
                                             activation_layer=nn.ReLU6))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(self.last_channel, num_classes))
        initialise(self, he_fan_out, small_normal)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.adaptive_avg_pool2d(self.features(x), (1, 1))
        return self.classifier(x.flatten(1))


MobileNet_V2_Weights, mobilenet_v2 = define(
    "MobileNet_V2_Weights", "mobilenet_v2", __name__, MobileNetV2,
    entry("mobilenet_v2-b0353104", 3504872, 71.878, 90.286),
    entry("mobilenet_v2-7ebf99e0", 3504872, 72.154, 90.822, "IMAGENET1K_V2", resize_size=232))
