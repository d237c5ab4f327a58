"""MNASNet, variant B1: found by a search. Tan et al., arXiv 1807.11626."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ... import nn
from ...nn import init
from ...tensor import Tensor
from ._api import define, entry
from ._utils import _make_divisible, he_fan_out, initialise

__all__ = [
    "MNASNet",
    "MNASNet0_5_Weights",
    "MNASNet0_75_Weights",
    "MNASNet1_0_Weights",
    "MNASNet1_3_Weights",
    "mnasnet0_5",
    "mnasnet0_75",
    "mnasnet1_0",
    "mnasnet1_3",
]

# TensorFlow's 0.9997, which counts the other way.
_BN_MOMENTUM = 1 - 0.9997
# Kernel, stride, how much a block widens, how many of them; the widths are those of `_get_depths` from the second on.
STACKS = [(3, 2, 3, 3), (5, 2, 3, 3), (5, 2, 6, 3), (3, 1, 6, 2), (5, 2, 6, 4), (3, 1, 6, 1)]


def _unit(inp: int, oup: int, kernel: int, stride: int = 1, groups: int = 1, momentum: float = _BN_MOMENTUM,
          activated: bool = True) -> list[nn.Module]:
    layers = [nn.Conv2d(inp, oup, kernel, stride, kernel // 2, groups=groups, bias=False),
              nn.BatchNorm2d(oup, momentum=momentum)]
    return [*layers, nn.ReLU(inplace=True)] if activated else layers


class _InvertedResidual(nn.Module):
    """Wider, a depthwise convolution, narrow again, and the input added where shapes allow."""

    def __init__(self, in_ch: int, out_ch: int, kernel_size: int, stride: int, expansion_factor: int,
                 bn_momentum: float = 0.1) -> None:
        super().__init__()
        if stride not in (1, 2):
            raise ValueError(f"stride should be 1 or 2 instead of {stride}")
        if kernel_size not in (3, 5):
            raise ValueError(f"kernel_size should be 3 or 5 instead of {kernel_size}")
        width = in_ch * expansion_factor
        self.apply_residual = in_ch == out_ch and stride == 1
        self.layers = nn.Sequential(
            *_unit(in_ch, width, 1, momentum=bn_momentum),
            *_unit(width, width, kernel_size, stride, width, bn_momentum),
            *_unit(width, out_ch, 1, momentum=bn_momentum, activated=False),
        )

    def forward(self, input: Tensor) -> Tensor:
        return self.layers(input) + input if self.apply_residual else self.layers(input)


def _get_depths(alpha: float) -> list[int]:
    """The widths at a scale, multiples of 8."""
    return [_make_divisible(width * alpha, 8) for width in (32, 16, 24, 40, 80, 96, 192, 320)]


class MNASNet(nn.Module):
    """Six stacks of inverted residuals: (N, 3, H, W) -> (N, num_classes). `alpha` scales the widths."""

    # States of version 1 have a stem that is not scaled.
    _version = 2

    def __init__(self, alpha: float, num_classes: int = 1000, dropout: float = 0.2) -> None:
        super().__init__()
        if alpha <= 0.0:
            raise ValueError(f"alpha should be greater than 0.0 instead of {alpha}")
        self.alpha, self.num_classes = alpha, num_classes
        first, second, *widths = _get_depths(alpha)
        layers = [*_unit(3, first, 3, 2), *_unit(first, first, 3, groups=first), *_unit(first, second, 1,
                                                                                        activated=False)]
        channels = second
        for width, (kernel, stride, expand, count) in zip(widths, STACKS, strict=True):
            blocks = []
            for i in range(count):
                blocks.append(_InvertedResidual(channels, width, kernel, 1 if i else stride, expand, _BN_MOMENTUM))
                channels = width
            layers.append(nn.Sequential(*blocks))
        self.layers = nn.Sequential(*layers, *_unit(channels, 1280, 1))
        self.classifier = nn.Sequential(nn.Dropout(dropout, inplace=True), nn.Linear(1280, num_classes))
        initialise(self, he_fan_out, _draw_linear)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.layers(x).mean([2, 3]))

    def _load_from_state_dict(self, state_dict: Any, prefix: str, local_metadata: dict, *rest: Any) -> None:
        version = local_metadata.get("version")
        if version not in (1, 2):
            raise ValueError(f"version should be set to 1 or 2 instead of {version}")
        if version == 1 and self.alpha != 1.0:
            raise NotImplementedError("flambeau: weights of MNASNet's first version fit alpha 1.0 only")
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)


def _draw_linear(weight: Tensor) -> None:
    init.kaiming_uniform_(weight, mode="fan_out", nonlinearity="sigmoid")


def _mnasnet(size: str, weights: Any) -> tuple[Any, Callable[..., Any]]:
    return define(f"MNASNet{size}_Weights", f"mnasnet{size}", __name__, partial(MNASNet, float(size.replace("_", "."))),
                  weights)


MNASNet0_5_Weights, mnasnet0_5 = _mnasnet(
    "0_5", entry("mnasnet0.5_top1_67.823-3ffadce67e", 2218512, 67.734, 87.49))
MNASNet0_75_Weights, mnasnet0_75 = _mnasnet(
    "0_75", entry("mnasnet0_75-7090bc5f", 3170208, 71.18, 90.496, resize_size=232))
MNASNet1_0_Weights, mnasnet1_0 = _mnasnet(
    "1_0", entry("mnasnet1.0_top1_73.512-f206786ef8", 4383312, 73.456, 91.51))
MNASNet1_3_Weights, mnasnet1_3 = _mnasnet(
    "1_3", entry("mnasnet1_3-a4c69d6f", 6282256, 76.506, 93.522, resize_size=232))
