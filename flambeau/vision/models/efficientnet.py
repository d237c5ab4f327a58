"""EfficientNet, one and two. Tan and Le, arXiv 1905.11946 and 2104.00298."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ... import nn
from ...nn import init
from ...tensor import Tensor
from ..ops.misc import Conv2dNormActivation, SqueezeExcitation
from ..ops.stochastic_depth import StochasticDepth
from ._api import define, entry
from ._utils import _make_divisible, he_fan_out, initialise

__all__ = [
    "EfficientNet",
    *[f"EfficientNet_{size}_Weights" for size in ("B0", "B1", "B2", "B3", "B4", "B5", "B6", "B7")],
    *[f"EfficientNet_V2_{size}_Weights" for size in ("S", "M", "L")],
    *[f"efficientnet_{size}" for size in ("b0", "b1", "b2", "b3", "b4", "b5", "b6", "b7", "v2_s", "v2_m", "v2_l")],
]

Layer = Callable[..., nn.Module]


@dataclass
class _MBConvConfig:
    """A stage: how much wider its blocks are inside, their kernel, and so on; the stride is the first block's."""

    expand_ratio: float
    kernel: int
    stride: int
    input_channels: int
    out_channels: int
    num_layers: int
    block: Layer

    @staticmethod
    def adjust_channels(channels: int, width_mult: float, min_value: int | None = None) -> int:
        """Channels at another width, a multiple of 8."""
        return _make_divisible(channels * width_mult, 8, min_value)


class MBConvConfig(_MBConvConfig):
    """A stage of `MBConv`, scaled in width and depth."""

    def __init__(self, expand_ratio: float, kernel: int, stride: int, input_channels: int, out_channels: int,
                 num_layers: int, width_mult: float = 1.0, depth_mult: float = 1.0, block: Layer | None = None) -> None:
        super().__init__(expand_ratio, kernel, stride, self.adjust_channels(input_channels, width_mult),
                         self.adjust_channels(out_channels, width_mult), self.adjust_depth(num_layers, depth_mult),
                         block or MBConv)

    @staticmethod
    def adjust_depth(num_layers: int, depth_mult: float) -> int:
        """How many blocks at another depth."""
        return math.ceil(num_layers * depth_mult)


class FusedMBConvConfig(_MBConvConfig):
    """A stage of `FusedMBConv`."""

    def __init__(self, expand_ratio: float, kernel: int, stride: int, input_channels: int, out_channels: int,
                 num_layers: int, block: Layer | None = None) -> None:
        super().__init__(expand_ratio, kernel, stride, input_channels, out_channels, num_layers, block or FusedMBConv)


class _Residual(nn.Module):
    """Layers around which the input is led where shapes allow, left out at random in training."""

    def __init__(self, cnf: _MBConvConfig, stochastic_depth_prob: float, layers: list[nn.Module]) -> None:
        super().__init__()
        if not 1 <= cnf.stride <= 2:
            raise ValueError("illegal stride value")
        self.use_res_connect = cnf.stride == 1 and cnf.input_channels == cnf.out_channels
        self.block = nn.Sequential(*layers)
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")
        self.out_channels = cnf.out_channels

    def forward(self, input: Tensor) -> Tensor:
        found = self.block(input)
        return self.stochastic_depth(found) + input if self.use_res_connect else found


class MBConv(_Residual):
    """Wider, a depthwise convolution, squeeze and excitation, narrow again."""

    def __init__(self, cnf: MBConvConfig, stochastic_depth_prob: float, norm_layer: Layer,
                 se_layer: Layer = SqueezeExcitation) -> None:
        unit = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=nn.SiLU)
        width = cnf.adjust_channels(cnf.input_channels, cnf.expand_ratio)
        super().__init__(cnf, stochastic_depth_prob, [
            *([unit(cnf.input_channels, width, kernel_size=1)] if width != cnf.input_channels else []),
            unit(width, width, kernel_size=cnf.kernel, stride=cnf.stride, groups=width),
            se_layer(width, max(1, cnf.input_channels // 4), activation=partial(nn.SiLU, inplace=True)),
            unit(width, cnf.out_channels, kernel_size=1, activation_layer=None),
        ])


class FusedMBConv(_Residual):
    """One ordinary convolution, and one to narrow again if it was widening."""

    def __init__(self, cnf: FusedMBConvConfig, stochastic_depth_prob: float, norm_layer: Layer) -> None:
        unit = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=nn.SiLU)
        width = cnf.adjust_channels(cnf.input_channels, cnf.expand_ratio)
        widens = width != cnf.input_channels
        layers: list[nn.Module] = [
            unit(cnf.input_channels, width if widens else cnf.out_channels, kernel_size=cnf.kernel, stride=cnf.stride)
        ]
        if widens:
            layers.append(unit(width, cnf.out_channels, kernel_size=1, activation_layer=None))
        super().__init__(cnf, stochastic_depth_prob, layers)


class EfficientNet(nn.Module):
    """Stages of blocks between two convolutions: (N, 3, H, W) -> (N, num_classes)."""

    def __init__(self, inverted_residual_setting: Sequence[_MBConvConfig], dropout: float,
                 stochastic_depth_prob: float = 0.2, num_classes: int = 1000, norm_layer: Layer | None = None,
                 last_channel: int | None = None) -> None:
        super().__init__()
        setting = inverted_residual_setting
        if not setting:
            raise ValueError("The inverted_residual_setting should not be empty")
        if not isinstance(setting, Sequence) or not all(isinstance(stage, _MBConvConfig) for stage in setting):
            raise TypeError("The inverted_residual_setting should be List[MBConvConfig]")
        norm = norm_layer or nn.BatchNorm2d
        unit = partial(Conv2dNormActivation, norm_layer=norm, activation_layer=nn.SiLU)
        layers: list[nn.Module] = [unit(3, setting[0].input_channels, kernel_size=3, stride=2)]
        count, place = sum(stage.num_layers for stage in setting), 0
        for stage in setting:
            blocks: list[nn.Module] = []
            for i in range(stage.num_layers):
                one = copy.copy(stage)
                if i:
                    one.input_channels, one.stride = one.out_channels, 1
                # Blocks are dropped more often the deeper they are.
                blocks.append(one.block(one, stochastic_depth_prob * float(place) / count, norm))
                place += 1
            layers.append(nn.Sequential(*blocks))
        channels = setting[-1].out_channels
        width = 4 * channels if last_channel is None else last_channel
        layers.append(unit(channels, width, kernel_size=1))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(dropout, inplace=True), nn.Linear(width, num_classes))
        initialise(self, he_fan_out, _draw_linear)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def _draw_linear(weight: Tensor) -> None:
    bound = 1.0 / math.sqrt(weight.shape[0])
    init.uniform_(weight, -bound, bound)


FUSED, PLAIN = FusedMBConvConfig, MBConvConfig
FIRST = [(1, 3, 1, 32, 16, 1), (6, 3, 2, 16, 24, 2), (6, 5, 2, 24, 40, 2), (6, 3, 2, 40, 80, 3), (6, 5, 1, 80, 112, 3),
         (6, 5, 2, 112, 192, 4), (6, 3, 1, 192, 320, 1)]
SECOND: dict[str, list[tuple[Any, ...]]] = {
    "s": [(FUSED, 1, 3, 1, 24, 24, 2), (FUSED, 4, 3, 2, 24, 48, 4), (FUSED, 4, 3, 2, 48, 64, 4),
          (PLAIN, 4, 3, 2, 64, 128, 6), (PLAIN, 6, 3, 1, 128, 160, 9), (PLAIN, 6, 3, 2, 160, 256, 15)],
    "m": [(FUSED, 1, 3, 1, 24, 24, 3), (FUSED, 4, 3, 2, 24, 48, 5), (FUSED, 4, 3, 2, 48, 80, 5),
          (PLAIN, 4, 3, 2, 80, 160, 7), (PLAIN, 6, 3, 1, 160, 176, 14), (PLAIN, 6, 3, 2, 176, 304, 18),
          (PLAIN, 6, 3, 1, 304, 512, 5)],
    "l": [(FUSED, 1, 3, 1, 32, 32, 4), (FUSED, 4, 3, 2, 32, 64, 7), (FUSED, 4, 3, 2, 64, 96, 7),
          (PLAIN, 4, 3, 2, 96, 192, 10), (PLAIN, 6, 3, 1, 192, 224, 19), (PLAIN, 6, 3, 2, 224, 384, 25),
          (PLAIN, 6, 3, 1, 384, 640, 7)],
}


def _build_first(width: float, depth: float, norm: Layer | None, drop: float, **options: Any) -> EfficientNet:
    options.setdefault("dropout", drop)
    if norm is not None:
        options["norm_layer"] = norm
    return EfficientNet([MBConvConfig(*stage, width_mult=width, depth_mult=depth) for stage in FIRST], **options)


def _build_second(size: str, drop: float, **options: Any) -> EfficientNet:
    options.setdefault("dropout", drop)
    options["norm_layer"] = partial(nn.BatchNorm2d, eps=1e-03)
    return EfficientNet([kind(*stage) for kind, *stage in SECOND[size]], last_channel=1280, **options)


def _b(size: int, width: float, depth: float, drop: float, *weights: Any) -> tuple[Any, Callable[..., Any]]:
    norm = partial(nn.BatchNorm2d, eps=0.001, momentum=0.01) if size >= 5 else None
    return define(f"EfficientNet_B{size}_Weights", f"efficientnet_b{size}", __name__,
                  partial(_build_first, width, depth, norm, drop), *weights)


def _v2(size: str, drop: float, weights: Any) -> tuple[Any, Callable[..., Any]]:
    return define(f"EfficientNet_V2_{size.upper()}_Weights", f"efficientnet_v2_{size}", __name__,
                  partial(_build_second, size, drop), weights, min_size=(33, 33))


def _entry(file: str, parameters: int, top1: float, top5: float, crop: int, resize: int, **more: Any) -> Any:
    return entry(file, parameters, top1, top5,
                 **{"crop_size": crop, "resize_size": resize, "interpolation": "bicubic", **more})


EfficientNet_B0_Weights, efficientnet_b0 = _b(
    0, 1.0, 1.0, 0.2, _entry("efficientnet_b0_rwightman-7f5810bc", 5288548, 77.692, 93.532, 224, 256))
EfficientNet_B1_Weights, efficientnet_b1 = _b(
    1, 1.0, 1.1, 0.2, _entry("efficientnet_b1_rwightman-bac287d4", 7794184, 78.642, 94.186, 240, 256),
    _entry("efficientnet_b1-c27df63c", 7794184, 79.838, 94.934, 240, 255, interpolation="bilinear",
           name="IMAGENET1K_V2"))
EfficientNet_B2_Weights, efficientnet_b2 = _b(
    2, 1.1, 1.2, 0.3, _entry("efficientnet_b2_rwightman-c35c1473", 9109994, 80.608, 95.31, 288, 288))
EfficientNet_B3_Weights, efficientnet_b3 = _b(
    3, 1.2, 1.4, 0.3, _entry("efficientnet_b3_rwightman-b3899882", 12233232, 82.008, 96.054, 300, 320))
EfficientNet_B4_Weights, efficientnet_b4 = _b(
    4, 1.4, 1.8, 0.4, _entry("efficientnet_b4_rwightman-23ab8bcd", 19341616, 83.384, 96.594, 380, 384))
EfficientNet_B5_Weights, efficientnet_b5 = _b(
    5, 1.6, 2.2, 0.4, _entry("efficientnet_b5_lukemelas-1a07897c", 30389784, 83.444, 96.628, 456, 456))
EfficientNet_B6_Weights, efficientnet_b6 = _b(
    6, 1.8, 2.6, 0.5, _entry("efficientnet_b6_lukemelas-24a108a5", 43040704, 84.008, 96.916, 528, 528))
EfficientNet_B7_Weights, efficientnet_b7 = _b(
    7, 2.0, 3.1, 0.5, _entry("efficientnet_b7_lukemelas-c5b4e57e", 66347960, 84.122, 96.908, 600, 600))
EfficientNet_V2_S_Weights, efficientnet_v2_s = _v2(
    "s", 0.2, _entry("efficientnet_v2_s-dd5fe13b", 21458488, 84.228, 96.878, 384, 384, interpolation="bilinear"))
EfficientNet_V2_M_Weights, efficientnet_v2_m = _v2(
    "m", 0.3, _entry("efficientnet_v2_m-dc08266a", 54139356, 85.112, 97.156, 480, 480, interpolation="bilinear"))
EfficientNet_V2_L_Weights, efficientnet_v2_l = _v2(
    "l", 0.4, _entry("efficientnet_v2_l-59c71312", 118515272, 85.808, 97.788, 480, 480, mean=(0.5, 0.5, 0.5),
                     std=(0.5, 0.5, 0.5)))
