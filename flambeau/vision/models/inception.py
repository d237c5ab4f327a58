"""Inception, the third version: wide kernels split into long ones. Szegedy et al., arXiv 1512.00567."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from typing import Any

from ... import nn
from ...nn import functional as F
from ...tensor import Tensor
from .._torch import torch
from ._api import define, entry
from .googlenet import as_inception_saw, draw_truncated, warn_of_initial_weights, with_auxiliary

__all__ = ["Inception3", "InceptionOutputs", "Inception_V3_Weights", "inception_v3"]

Layer = Callable[..., nn.Module]
# A convolution's channels and kernel; its stride is 1 (the size stays), or 2 (nothing is padded).
Step = tuple[int, Any] | tuple[int, Any, int]

InceptionOutputs = namedtuple("InceptionOutputs", ["logits", "aux_logits"])
_InceptionOutputs = InceptionOutputs


def same(kernel: int | tuple[int, int]) -> dict[str, Any]:
    """The padding with which the size stays, if any."""
    if kernel == 1:
        return {}
    return {"padding": kernel // 2 if isinstance(kernel, int) else tuple(side // 2 for side in kernel)}


def averaged(x: Tensor) -> Tensor:
    """Means of three by three, the size kept."""
    return F.avg_pool2d(x, kernel_size=3, stride=1, padding=1)


def halved(x: Tensor) -> Tensor:
    """The greatest of each three by three, at half the size."""
    return F.max_pool2d(x, kernel_size=3, stride=2)


class BasicConv2d(nn.Module):
    """A convolution, BatchNorm and ReLU."""

    def __init__(self, in_channels: int, out_channels: int, **kwargs: Any) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, bias=False, **kwargs)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)), inplace=True)


class _Branches(nn.Module):
    """Chains of convolutions side by side, and a pooling.

    `chains` are the names of the convolutions; where a chain ends in a list, all of that see what is before it.
    """

    chains: list[list[Any]]
    pooling: Any  # averaged or halved, called as a function
    behind_pooling: str | None = None

    def __init__(self, in_channels: int, conv_block: Layer | None, sizes: list[list[Any]],
                 pooled: Step | None = None) -> None:
        super().__init__()
        conv = conv_block or BasicConv2d

        def add(name: str, channels: int, step: Step) -> int:
            width, kernel, *stride = step
            options = {"stride": stride[0]} if stride else same(kernel)
            setattr(self, name, conv(channels, width, kernel_size=kernel, **options))
            return width

        for names, steps in zip(self.chains, sizes, strict=True):
            channels = in_channels
            for name, step in zip(names, steps, strict=True):
                if isinstance(name, list):
                    for one, its in zip(name, step, strict=True):
                        add(one, channels, its)
                else:
                    channels = add(name, channels, step)
        if self.behind_pooling is not None and pooled is not None:
            add(self.behind_pooling, in_channels, pooled)

    def forward(self, x: Tensor) -> Tensor:
        found = []
        for names in self.chains:
            end = x
            for name in names:
                if isinstance(name, list):
                    found += [getattr(self, one)(end) for one in name]
                else:
                    end = getattr(self, name)(end)
            found += [] if isinstance(names[-1], list) else [end]
        pooled = type(self).pooling(x)
        return torch.cat([*found, getattr(self, self.behind_pooling)(pooled) if self.behind_pooling else pooled], 1)


ROW, COLUMN = (1, 7), (7, 1)


class InceptionA(_Branches):
    """(N, C, H, W) -> (N, 224 + pool_features, H, W)."""

    chains = [["branch1x1"], ["branch5x5_1", "branch5x5_2"], ["branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"]]
    pooling, behind_pooling = averaged, "branch_pool"

    def __init__(self, in_channels: int, pool_features: int, conv_block: Layer | None = None) -> None:
        super().__init__(in_channels, conv_block,
                         [[(64, 1)], [(48, 1), (64, 5)], [(64, 1), (96, 3), (96, 3)]], (pool_features, 1))


class InceptionB(_Branches):
    """(N, C, H, W) -> (N, 480 + C, about H / 2, W / 2)."""

    chains = [["branch3x3"], ["branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"]]
    pooling = halved

    def __init__(self, in_channels: int, conv_block: Layer | None = None) -> None:
        super().__init__(in_channels, conv_block, [[(384, 3, 2)], [(64, 1), (96, 3), (96, 3, 2)]])


class InceptionC(_Branches):
    """(N, C, H, W) -> (N, 768, H, W)."""

    chains = [["branch1x1"], ["branch7x7_1", "branch7x7_2", "branch7x7_3"],
              ["branch7x7dbl_1", "branch7x7dbl_2", "branch7x7dbl_3", "branch7x7dbl_4", "branch7x7dbl_5"]]
    pooling, behind_pooling = averaged, "branch_pool"

    def __init__(self, in_channels: int, channels_7x7: int, conv_block: Layer | None = None) -> None:
        width = channels_7x7
        super().__init__(in_channels, conv_block, [
            [(192, 1)],
            [(width, 1), (width, ROW), (192, COLUMN)],
            [(width, 1), (width, COLUMN), (width, ROW), (width, COLUMN), (192, ROW)],
        ], (192, 1))


class InceptionD(_Branches):
    """(N, C, H, W) -> (N, 512 + C, about H / 2, W / 2)."""

    chains = [["branch3x3_1", "branch3x3_2"], ["branch7x7x3_1", "branch7x7x3_2", "branch7x7x3_3", "branch7x7x3_4"]]
    pooling = halved

    def __init__(self, in_channels: int, conv_block: Layer | None = None) -> None:
        super().__init__(in_channels, conv_block, [
            [(192, 1), (320, 3, 2)], [(192, 1), (192, ROW), (192, COLUMN), (192, 3, 2)]])


class InceptionE(_Branches):
    """(N, C, H, W) -> (N, 2048, H, W)."""

    chains = [["branch1x1"], ["branch3x3_1", ["branch3x3_2a", "branch3x3_2b"]],
              ["branch3x3dbl_1", "branch3x3dbl_2", ["branch3x3dbl_3a", "branch3x3dbl_3b"]]]
    pooling, behind_pooling = averaged, "branch_pool"

    def __init__(self, in_channels: int, conv_block: Layer | None = None) -> None:
        both = [(384, (1, 3)), (384, (3, 1))]
        super().__init__(in_channels, conv_block, [[(320, 1)], [(384, 1), both], [(448, 1), (384, 3), both]], (192, 1))


class InceptionAux(nn.Module):
    """A classifier half way, for training: (N, C, 17, 17) -> (N, num_classes)."""

    def __init__(self, in_channels: int, num_classes: int, conv_block: Layer | None = None) -> None:
        super().__init__()
        conv = conv_block or BasicConv2d
        self.conv0 = conv(in_channels, 128, kernel_size=1)
        self.conv1 = conv(128, 768, kernel_size=5)
        self.fc = nn.Linear(768, num_classes)
        self.fc.stddev = 0.001

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(self.conv0(F.avg_pool2d(x, kernel_size=5, stride=3)))
        return self.fc(F.adaptive_avg_pool2d(x, (1, 1)).flatten(1))


class Inception3(nn.Module):
    """Eleven blocks: (N, 3, H, W) -> (N, num_classes), in training with the logits of an auxiliary classifier."""

    def __init__(self, num_classes: int = 1000, aux_logits: bool = True, transform_input: bool = False,
                 inception_blocks: list[Layer] | None = None, init_weights: bool | None = None,
                 dropout: float = 0.5) -> None:
        super().__init__()
        blocks = inception_blocks
        if blocks is None:
            blocks = [BasicConv2d, InceptionA, InceptionB, InceptionC, InceptionD, InceptionE, InceptionAux]
        if init_weights is None:
            warn_of_initial_weights("inception_v3")
        if len(blocks) != 7:
            raise ValueError(f"length of inception_blocks should be 7 instead of {len(blocks)}")
        conv, a, b, c, d, e, auxiliary = blocks
        self.aux_logits, self.transform_input = aux_logits, transform_input
        self.Conv2d_1a_3x3 = conv(3, 32, kernel_size=3, stride=2)
        self.Conv2d_2a_3x3 = conv(32, 32, kernel_size=3)
        self.Conv2d_2b_3x3 = conv(32, 64, kernel_size=3, padding=1)
        self.maxpool1 = nn.MaxPool2d(kernel_size=3, stride=2)
        self.Conv2d_3b_1x1 = conv(64, 80, kernel_size=1)
        self.Conv2d_4a_3x3 = conv(80, 192, kernel_size=3)
        self.maxpool2 = nn.MaxPool2d(kernel_size=3, stride=2)
        self.Mixed_5b = a(192, pool_features=32)
        self.Mixed_5c = a(256, pool_features=64)
        self.Mixed_5d = a(288, pool_features=64)
        self.Mixed_6a = b(288)
        self.Mixed_6b = c(768, channels_7x7=128)
        self.Mixed_6c = c(768, channels_7x7=160)
        self.Mixed_6d = c(768, channels_7x7=160)
        self.Mixed_6e = c(768, channels_7x7=192)
        self.AuxLogits = auxiliary(768, num_classes) if aux_logits else None
        self.Mixed_7a = d(768)
        self.Mixed_7b = e(1280)
        self.Mixed_7c = e(2048)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(p=dropout)
        self.fc = nn.Linear(2048, num_classes)
        if init_weights is not False:
            draw_truncated(self, 0.1)

    def forward(self, x: Tensor) -> Any:
        if self.transform_input:
            x = as_inception_saw(x)
        seen = None
        for name, module in self.named_children():
            if name == "AuxLogits":
                seen = module(x) if self.training else None
            elif name == "dropout":
                x = module(x.flatten(1))
            else:
                x = module(x)
        return InceptionOutputs(x, seen) if self.training and self.aux_logits else x


def _fill(model: Inception3, state: dict[str, Any], kept: bool) -> None:
    model.load_state_dict(state)
    if not kept:
        model.aux_logits, model.AuxLogits = False, None


Inception_V3_Weights, inception_v3 = define(
    "Inception_V3_Weights", "inception_v3", __name__, Inception3,
    entry("inception_v3_google-0cc3c7bd", 27161264, 77.294, 93.45, crop_size=299, resize_size=342),
    min_size=(75, 75), with_weights=with_auxiliary(True), fill=_fill)
