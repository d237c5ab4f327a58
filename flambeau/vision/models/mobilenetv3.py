"""MobileNetV3: squeeze and excitation, and hard swish. Howard et al., arXiv 1905.02244."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ... import nn
from ...tensor import Tensor
from ..ops.misc import Conv2dNormActivation, SqueezeExcitation
from ._api import define, entry
from ._utils import _make_divisible, he_fan_out, initialise, small_normal

__all__ = [
    "MobileNetV3",
    "MobileNet_V3_Large_Weights",
    "MobileNet_V3_Small_Weights",
    "mobilenet_v3_large",
    "mobilenet_v3_small",
]

Layer = Callable[..., nn.Module]
SQUEEZE = partial(SqueezeExcitation, scale_activation=nn.Hardsigmoid)


class InvertedResidualConfig:
    """One row of the paper's tables 1 and 2."""

    def __init__(self, input_channels: int, kernel: int, expanded_channels: int, out_channels: int, use_se: bool,
                 activation: str, stride: int, dilation: int, width_mult: float) -> None:
        self.input_channels = self.adjust_channels(input_channels, width_mult)
        self.kernel = kernel
        self.expanded_channels = self.adjust_channels(expanded_channels, width_mult)
        self.out_channels = self.adjust_channels(out_channels, width_mult)
        self.use_se, self.use_hs = use_se, activation == "HS"
        self.stride, self.dilation = stride, dilation

    @staticmethod
    def adjust_channels(channels: int, width_mult: float) -> int:
        """Channels at another width, a multiple of 8."""
        return _make_divisible(channels * width_mult, 8)


class InvertedResidual(nn.Module):
    """One row's layers; the input is added where shapes allow."""

    def __init__(self, cnf: InvertedResidualConfig, norm_layer: Layer,
                 se_layer: Layer = SQUEEZE) -> None:
        super().__init__()
        if not 1 <= cnf.stride <= 2:
            raise ValueError("illegal stride value")
        self.use_res_connect = cnf.stride == 1 and cnf.input_channels == cnf.out_channels
        unit = partial(Conv2dNormActivation, norm_layer=norm_layer,
                       activation_layer=nn.Hardswish if cnf.use_hs else nn.ReLU)
        width = cnf.expanded_channels
        layers: list[nn.Module] = []
        if width != cnf.input_channels:
            layers.append(unit(cnf.input_channels, width, kernel_size=1))
        layers.append(unit(width, width, kernel_size=cnf.kernel, stride=1 if cnf.dilation > 1 else cnf.stride,
                           dilation=cnf.dilation, groups=width))
        if cnf.use_se:
            layers.append(se_layer(width, _make_divisible(width // 4, 8)))
        layers.append(unit(width, cnf.out_channels, kernel_size=1, activation_layer=None))
        self.block = nn.Sequential(*layers)
        self.out_channels = cnf.out_channels
        self._is_cn = cnf.stride > 1

    def forward(self, input: Tensor) -> Tensor:
        return self.block(input) + input if self.use_res_connect else self.block(input)


class MobileNetV3(nn.Module):
    """Inverted residuals and two linear layers: (N, 3, H, W) -> (N, num_classes)."""

    def __init__(self, inverted_residual_setting: list[InvertedResidualConfig], last_channel: int,
                 num_classes: int = 1000, block: Layer | None = None, norm_layer: Layer | None = None,
                 dropout: float = 0.2, **kwargs: Any) -> None:
        super().__init__()
        setting = inverted_residual_setting
        if not setting:
            raise ValueError("The inverted_residual_setting should not be empty")
        if not isinstance(setting, Sequence) or not all(isinstance(row, InvertedResidualConfig) for row in setting):
            raise TypeError("The inverted_residual_setting should be List[InvertedResidualConfig]")
        block = block or InvertedResidual
        norm = norm_layer or partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)
        unit = partial(Conv2dNormActivation, norm_layer=norm, activation_layer=nn.Hardswish)
        channels = setting[-1].out_channels
        self.features = nn.Sequential(
            unit(3, setting[0].input_channels, kernel_size=3, stride=2),
            *[block(row, norm) for row in setting],
            unit(channels, 6 * channels, kernel_size=1),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Linear(6 * channels, last_channel), nn.Hardswish(inplace=True), nn.Dropout(dropout, inplace=True),
            nn.Linear(last_channel, num_classes),
        )
        initialise(self, he_fan_out, small_normal)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


# Input channels, kernel, expanded and output channels, squeeze and excitation, activation, stride. The last
# three rows are the tail, which `reduced_tail` halves and `dilated` dilates.
ROWS: dict[str, list[tuple[int, int, int, int, bool, str, int]]] = {
    "mobilenet_v3_large": [
        (16, 3, 16, 16, False, "RE", 1),
        (16, 3, 64, 24, False, "RE", 2),
        (24, 3, 72, 24, False, "RE", 1),
        (24, 5, 72, 40, True, "RE", 2),
        (40, 5, 120, 40, True, "RE", 1),
        (40, 5, 120, 40, True, "RE", 1),
        (40, 3, 240, 80, False, "HS", 2),
        (80, 3, 200, 80, False, "HS", 1),
        (80, 3, 184, 80, False, "HS", 1),
        (80, 3, 184, 80, False, "HS", 1),
        (80, 3, 480, 112, True, "HS", 1),
        (112, 3, 672, 112, True, "HS", 1),
        (112, 5, 672, 160, True, "HS", 2),
        (160, 5, 960, 160, True, "HS", 1),
        (160, 5, 960, 160, True, "HS", 1),
    ],
    "mobilenet_v3_small": [
        (16, 3, 16, 16, True, "RE", 2),
        (16, 3, 72, 24, False, "RE", 2),
        (24, 3, 88, 24, False, "RE", 1),
        (24, 5, 96, 40, True, "HS", 2),
        (40, 5, 240, 40, True, "HS", 1),
        (40, 5, 240, 40, True, "HS", 1),
        (40, 5, 120, 48, True, "HS", 1),
        (48, 5, 144, 48, True, "HS", 1),
        (48, 5, 288, 96, True, "HS", 2),
        (96, 5, 576, 96, True, "HS", 1),
        (96, 5, 576, 96, True, "HS", 1),
    ],
}
LAST_CHANNEL = {"mobilenet_v3_large": 1280, "mobilenet_v3_small": 1024}


def _mobilenet_v3_conf(arch: str, width_mult: float = 1.0, reduced_tail: bool = False, dilated: bool = False,
                       **kwargs: Any) -> tuple[list[InvertedResidualConfig], int]:
    """The rows of an architecture and the width of its last hidden layer."""
    if arch not in ROWS:
        raise ValueError(f"Unsupported model type {arch}")
    cut, dilation = 2 if reduced_tail else 1, 2 if dilated else 1
    *body, first, second, third = ROWS[arch]
    rows = [(*row, 1) for row in body]
    rows.append((*first[:3], first[3] // cut, *first[4:], dilation))  # type: ignore[arg-type]
    rows += [(row[0] // cut, row[1], row[2] // cut, row[3] // cut, *row[4:], dilation)  # type: ignore[misc]
             for row in (second, third)]
    setting = [InvertedResidualConfig(*row, width_mult) for row in rows]
    return setting, InvertedResidualConfig.adjust_channels(LAST_CHANNEL[arch] // cut, width_mult)


def _build(arch: str, width_mult: float = 1.0, reduced_tail: bool = False, dilated: bool = False,
           **options: Any) -> MobileNetV3:
    return MobileNetV3(*_mobilenet_v3_conf(arch, width_mult, reduced_tail, dilated), **options)


MobileNet_V3_Large_Weights, mobilenet_v3_large = define(
    "MobileNet_V3_Large_Weights", "mobilenet_v3_large", __name__, partial(_build, "mobilenet_v3_large"),
    entry("mobilenet_v3_large-8738ca79", 5483032, 74.042, 91.34),
    entry("mobilenet_v3_large-5c1a4163", 5483032, 75.274, 92.566, "IMAGENET1K_V2", resize_size=232))
MobileNet_V3_Small_Weights, mobilenet_v3_small = define(
    "MobileNet_V3_Small_Weights", "mobilenet_v3_small", __name__, partial(_build, "mobilenet_v3_small"),
    entry("mobilenet_v3_small-047dcff4", 2542856, 67.668, 87.402))
