"""ConvNeXt: convolutions built the way transformers are. Liu et al., arXiv 2201.03545."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ... import nn
from ...nn import functional as F
from ...nn import init
from ...tensor import Tensor
from .._torch import torch
from ..ops.misc import Conv2dNormActivation, Permute
from ..ops.stochastic_depth import StochasticDepth
from ._api import define, entry
from ._utils import initialise

__all__ = [
    "ConvNeXt",
    "ConvNeXt_Base_Weights",
    "ConvNeXt_Large_Weights",
    "ConvNeXt_Small_Weights",
    "ConvNeXt_Tiny_Weights",
    "convnext_base",
    "convnext_large",
    "convnext_small",
    "convnext_tiny",
]

Layer = Callable[..., nn.Module]


class LayerNorm2d(nn.LayerNorm):
    """LayerNorm over the channels of each pixel: (N, C, H, W) -> (N, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        x = F.layer_norm(x.permute(0, 2, 3, 1), self.normalized_shape, self.weight, self.bias, self.eps)
        return x.permute(0, 3, 1, 2)


class CNBlock(nn.Module):
    """A wide depthwise convolution, two linear layers for each pixel, scaled, around which the input is led."""

    def __init__(self, dim: int, layer_scale: float, stochastic_depth_prob: float,
                 norm_layer: Layer | None = None) -> None:
        super().__init__()
        norm = norm_layer or partial(nn.LayerNorm, eps=1e-6)
        self.block = nn.Sequential(
            nn.Conv2d(dim, dim, kernel_size=7, padding=3, groups=dim),
            Permute([0, 2, 3, 1]),
            norm(dim),
            nn.Linear(dim, 4 * dim),
            nn.GELU(),
            nn.Linear(4 * dim, dim),
            Permute([0, 3, 1, 2]),
        )
        self.layer_scale = nn.Parameter(torch.ones(dim, 1, 1) * layer_scale)
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")

    def forward(self, input: Tensor) -> Tensor:
        return self.stochastic_depth(self.layer_scale * self.block(input)) + input


class CNBlockConfig:
    """A stage: its channels, those of the next (None for the last), and how many blocks."""

    def __init__(self, input_channels: int, out_channels: int | None, num_layers: int) -> None:
        self.input_channels, self.out_channels, self.num_layers = input_channels, out_channels, num_layers

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value}' for name, value in vars(self).items())})"


class ConvNeXt(nn.Module):
    """Stages of blocks, halved in size between: (N, 3, H, W) -> (N, num_classes)."""

    def __init__(self, block_setting: list[CNBlockConfig], stochastic_depth_prob: float = 0.0,
                 layer_scale: float = 1e-6, num_classes: int = 1000, block: Layer | None = None,
                 norm_layer: Layer | None = None, **kwargs: Any) -> None:
        super().__init__()
        if not block_setting:
            raise ValueError("The block_setting should not be empty")
        if not isinstance(block_setting, Sequence) or not all(isinstance(s, CNBlockConfig) for s in block_setting):
            raise TypeError("The block_setting should be List[CNBlockConfig]")
        block, norm = block or CNBlock, norm_layer or partial(LayerNorm2d, eps=1e-6)
        layers: list[nn.Module] = [
            Conv2dNormActivation(3, block_setting[0].input_channels, kernel_size=4, stride=4, padding=0,
                                 norm_layer=norm, activation_layer=None, bias=True)
        ]
        count, place = sum(stage.num_layers for stage in block_setting), 0
        for stage in block_setting:
            # Blocks are dropped more often the deeper they are.
            layers.append(nn.Sequential(*[
                block(stage.input_channels, layer_scale, stochastic_depth_prob * i / (count - 1.0))
                for i in range(place, place + stage.num_layers)
            ]))
            place += stage.num_layers
            if stage.out_channels is not None:
                layers.append(nn.Sequential(norm(stage.input_channels),
                                            nn.Conv2d(stage.input_channels, stage.out_channels, 2, 2)))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        last = block_setting[-1]
        width = last.input_channels if last.out_channels is None else last.out_channels
        self.classifier = nn.Sequential(norm(width), nn.Flatten(1), nn.Linear(width, num_classes))
        initialise(self, _draw, _draw)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)))


def _draw(weight: Tensor) -> None:
    init.trunc_normal_(weight, std=0.02)


def _build(widths: tuple[int, ...], depth: int, drop: float, **options: Any) -> ConvNeXt:
    stages = [CNBlockConfig(*stage) for stage in zip(widths, (*widths[1:], None), (3, 3, depth, 3), strict=True)]
    options.setdefault("stochastic_depth_prob", drop)
    return ConvNeXt(stages, **options)


def _convnext(size: str, widths: tuple[int, ...], depth: int, drop: float,
              weights: Any) -> tuple[Any, Callable[..., Any]]:
    return define(f"ConvNeXt_{size.title()}_Weights", f"convnext_{size}", __name__,
                  partial(_build, widths, depth, drop), weights, min_size=(32, 32))


ConvNeXt_Tiny_Weights, convnext_tiny = _convnext(
    "tiny", (96, 192, 384, 768), 9, 0.1, entry("convnext_tiny-983f1562", 28589128, 82.52, 96.146, resize_size=236))
ConvNeXt_Small_Weights, convnext_small = _convnext(
    "small", (96, 192, 384, 768), 27, 0.4, entry("convnext_small-0c510722", 50223688, 83.616, 96.65, resize_size=230))
ConvNeXt_Base_Weights, convnext_base = _convnext(
    "base", (128, 256, 512, 1024), 27, 0.5, entry("convnext_base-6075fbad", 88591464, 84.062, 96.87, resize_size=232))
ConvNeXt_Large_Weights, convnext_large = _convnext(
    "large", (192, 384, 768, 1536), 27, 0.5,
    entry("convnext_large-ea097f82", 197767336, 84.414, 96.976, resize_size=232))
