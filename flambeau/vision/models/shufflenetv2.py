"""ShuffleNetV2: half of the channels pass by, then all are mixed. Ma et al., arXiv 1807.11164."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ... import nn
from ...nn import functional as F
from ...tensor import Tensor
from .._torch import torch
from ._api import define, entry

__all__ = [
    "ShuffleNetV2",
    "ShuffleNet_V2_X0_5_Weights",
    "ShuffleNet_V2_X1_0_Weights",
    "ShuffleNet_V2_X1_5_Weights",
    "ShuffleNet_V2_X2_0_Weights",
    "shufflenet_v2_x0_5",
    "shufflenet_v2_x1_0",
    "shufflenet_v2_x1_5",
    "shufflenet_v2_x2_0",
]


def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    """Channels of `groups` groups in turns: (N, C, H, W) -> (N, C, H, W)."""
    return F.channel_shuffle(x, groups)


class InvertedResidual(nn.Module):
    """Half of the channels through convolutions; at stride 2 all of them, by two ways."""

    def __init__(self, inp: int, oup: int, stride: int) -> None:
        super().__init__()
        if not 1 <= stride <= 3:
            raise ValueError("illegal stride value")
        self.stride, width = stride, oup // 2
        if stride == 1 and inp != 2 * width:
            raise ValueError(
                f"Invalid combination of stride {stride}, inp {inp} and oup {oup} values. If stride == 1 then inp "
                "should be equal to oup // 2 << 1."
            )
        self.branch1 = nn.Sequential()
        if stride > 1:
            self.branch1 = nn.Sequential(
                self.depthwise_conv(inp, inp, kernel_size=3, stride=stride, padding=1), nn.BatchNorm2d(inp),
                *_pointwise(inp, width),
            )
        self.branch2 = nn.Sequential(
            *_pointwise(inp if stride > 1 else width, width),
            self.depthwise_conv(width, width, kernel_size=3, stride=stride, padding=1), nn.BatchNorm2d(width),
            *_pointwise(width, width),
        )

    @staticmethod
    def depthwise_conv(i: int, o: int, kernel_size: int, stride: int = 1, padding: int = 0,
                       bias: bool = False) -> nn.Conv2d:
        """A convolution of each channel by itself."""
        return nn.Conv2d(i, o, kernel_size, stride, padding, bias=bias, groups=i)

    def forward(self, x: Tensor) -> Tensor:
        passing, changed = x.chunk(2, dim=1) if self.stride == 1 else (self.branch1(x), x)
        return channel_shuffle(torch.cat((passing, self.branch2(changed)), dim=1), 2)


def _pointwise(inp: int, oup: int) -> list[nn.Module]:
    return [nn.Conv2d(inp, oup, 1, bias=False), nn.BatchNorm2d(oup), nn.ReLU(inplace=True)]


class ShuffleNetV2(nn.Module):
    """Three stages between two convolutions: (N, 3, H, W) -> (N, num_classes)."""

    def __init__(self, stages_repeats: list[int], stages_out_channels: list[int], num_classes: int = 1000,
                 inverted_residual: Callable[..., nn.Module] = InvertedResidual) -> None:
        super().__init__()
        if len(stages_repeats) != 3:
            raise ValueError("expected stages_repeats as list of 3 positive ints")
        if len(stages_out_channels) != 5:
            raise ValueError("expected stages_out_channels as list of 5 positive ints")
        self._stage_out_channels = stages_out_channels
        channels, *widths, last = stages_out_channels
        self.conv1 = nn.Sequential(nn.Conv2d(3, channels, 3, 2, 1, bias=False), nn.BatchNorm2d(channels),
                                   nn.ReLU(inplace=True))
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        for stage, (count, width) in enumerate(zip(stages_repeats, widths, strict=True), start=2):
            first = inverted_residual(channels, width, 2)
            rest = [inverted_residual(width, width, 1) for _ in range(count - 1)]
            setattr(self, f"stage{stage}", nn.Sequential(first, *rest))
            channels = width
        self.conv5 = nn.Sequential(*_pointwise(channels, last))
        self.fc = nn.Linear(last, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stage4(self.stage3(self.stage2(self.maxpool(self.conv1(x)))))
        return self.fc(self.conv5(x).mean([2, 3]))


def _shufflenet(size: str, widths: list[int], weights: Any) -> tuple[Any, Callable[..., Any]]:
    return define(f"ShuffleNet_V2_X{size}_Weights", f"shufflenet_v2_x{size}", __name__,
                  partial(ShuffleNetV2, [4, 8, 4], widths), weights)


ShuffleNet_V2_X0_5_Weights, shufflenet_v2_x0_5 = _shufflenet(
    "0_5", [24, 48, 96, 192, 1024], entry("shufflenetv2_x0.5-f707e7126e", 1366792, 60.552, 81.746))
ShuffleNet_V2_X1_0_Weights, shufflenet_v2_x1_0 = _shufflenet(
    "1_0", [24, 116, 232, 464, 1024], entry("shufflenetv2_x1-5666bf0f80", 2278604, 69.362, 88.316))
ShuffleNet_V2_X1_5_Weights, shufflenet_v2_x1_5 = _shufflenet(
    "1_5", [24, 176, 352, 704, 1024], entry("shufflenetv2_x1_5-3c479a10", 3503624, 72.996, 91.086, resize_size=232))
ShuffleNet_V2_X2_0_Weights, shufflenet_v2_x2_0 = _shufflenet(
    "2_0", [24, 244, 488, 976, 2048], entry("shufflenetv2_x2_0-8be3c8ee", 7393996, 76.23, 93.006, resize_size=232))
