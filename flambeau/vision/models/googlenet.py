"""GoogLeNet: kernels of several sizes side by side. Szegedy et al., arXiv 1409.4842."""

from __future__ import annotations

import warnings
from collections import namedtuple
from collections.abc import Callable
from typing import Any

from ... import nn
from ...nn import functional as F
from ...nn import init
from ...tensor import Tensor
from .._torch import torch
from ._api import define, entry
from ._utils import _ovewrite_named_param, fill_norms

__all__ = ["GoogLeNet", "GoogLeNetOutputs", "GoogLeNet_Weights", "googlenet"]

Layer = Callable[..., nn.Module]

GoogLeNetOutputs = namedtuple("GoogLeNetOutputs", ["logits", "aux_logits2", "aux_logits1"])
_GoogLeNetOutputs = GoogLeNetOutputs


class BasicConv2d(nn.Module):
    """A convolution, BatchNorm and ReLU."""

    def __init__(self, in_channels: int, out_channels: int, **kwargs: Any) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, bias=False, **kwargs)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)), inplace=True)


def as_inception_saw(x: Tensor) -> Tensor:
    """Pictures normalised by ImageNet's means, as the nets that came from TensorFlow want them: in [-1, 1]."""
    channels = [x[:, i : i + 1] * (std / 0.5) + (mean - 0.5) / 0.5
                for i, (mean, std) in enumerate(((0.485, 0.229), (0.456, 0.224), (0.406, 0.225)))]
    return torch.cat(channels, 1)


def draw_truncated(model: nn.Module, std: float) -> None:
    """Normal weights cut off at 2, of a layer's own `stddev` if it has one; biases stay as they are."""
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            init.trunc_normal_(module.weight, mean=0.0, std=float(getattr(module, "stddev", std)), a=-2, b=2)
        else:
            fill_norms(module)


def warn_of_initial_weights(name: str) -> None:
    """What torchvision says when nobody chose how to draw the weights."""
    warnings.warn(
        f"The default weight initialization of {name} will be changed in future releases of "
        "torchvision. If you wish to keep the old behavior (which leads to long initialization times"
        " due to scipy/scipy#11299), please set init_weights=True.", FutureWarning, stacklevel=3)


def with_auxiliary(default: bool) -> Callable[[Any, dict[str, Any]], bool]:
    """What weights that hold the auxiliary heads need; returns whether the caller wants the heads kept."""

    def options_for(weights: Any, options: dict[str, Any]) -> bool:
        kept = options.get("aux_logits", default)
        options.setdefault("transform_input", True)
        _ovewrite_named_param(options, "aux_logits", True)
        _ovewrite_named_param(options, "init_weights", False)
        return kept

    return options_for


class Inception(nn.Module):
    """Four branches side by side: (N, C, H, W) -> (N, ch1x1 + ch3x3 + ch5x5 + pool_proj, H, W).

    The third branch has a kernel of three although it is named after one of five: the weights are trained so.
    """

    def __init__(self, in_channels: int, ch1x1: int, ch3x3red: int, ch3x3: int, ch5x5red: int, ch5x5: int,
                 pool_proj: int, conv_block: Layer | None = None) -> None:
        super().__init__()
        conv = conv_block or BasicConv2d
        self.branch1 = conv(in_channels, ch1x1, kernel_size=1)
        self.branch2 = nn.Sequential(conv(in_channels, ch3x3red, kernel_size=1),
                                     conv(ch3x3red, ch3x3, kernel_size=3, padding=1))
        self.branch3 = nn.Sequential(conv(in_channels, ch5x5red, kernel_size=1),
                                     conv(ch5x5red, ch5x5, kernel_size=3, padding=1))
        self.branch4 = nn.Sequential(nn.MaxPool2d(kernel_size=3, stride=1, padding=1, ceil_mode=True),
                                     conv(in_channels, pool_proj, kernel_size=1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.children()], 1)


class InceptionAux(nn.Module):
    """A classifier half way, for training: (N, C, H, W) -> (N, num_classes)."""

    def __init__(self, in_channels: int, num_classes: int, conv_block: Layer | None = None,
                 dropout: float = 0.7) -> None:
        super().__init__()
        self.conv = (conv_block or BasicConv2d)(in_channels, 128, kernel_size=1)
        self.fc1 = nn.Linear(2048, 1024)
        self.fc2 = nn.Linear(1024, num_classes)
        self.dropout = nn.Dropout(p=dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(F.adaptive_avg_pool2d(x, (4, 4))).flatten(1)
        return self.fc2(self.dropout(F.relu(self.fc1(x), inplace=True)))


# By name: the arguments of an Inception, or the kernel of a pooling of stride 2.
STAGES: dict[str, tuple[int, ...]] = {
    "inception3a": (192, 64, 96, 128, 16, 32, 32),
    "inception3b": (256, 128, 128, 192, 32, 96, 64),
    "maxpool3": (3,),
    "inception4a": (480, 192, 96, 208, 16, 48, 64),
    "inception4b": (512, 160, 112, 224, 24, 64, 64),
    "inception4c": (512, 128, 128, 256, 24, 64, 64),
    "inception4d": (512, 112, 144, 288, 32, 64, 64),
    "inception4e": (528, 256, 160, 320, 32, 128, 128),
    "maxpool4": (2,),
    "inception5a": (832, 256, 160, 320, 32, 128, 128),
    "inception5b": (832, 384, 192, 384, 48, 128, 128),
}
# Behind which stage an auxiliary classifier looks.
AUXILIARY = {"inception4a": "aux1", "inception4d": "aux2"}


class GoogLeNet(nn.Module):
    """Nine Inceptions: (N, 3, H, W) -> (N, num_classes), in training with the logits of two auxiliary classifiers."""

    __constants__ = ["aux_logits", "transform_input"]

    def __init__(self, num_classes: int = 1000, aux_logits: bool = True, transform_input: bool = False,
                 init_weights: bool | None = None, blocks: list[Layer] | None = None, dropout: float = 0.2,
                 dropout_aux: float = 0.7) -> None:
        super().__init__()
        blocks = [BasicConv2d, Inception, InceptionAux] if blocks is None else blocks
        if init_weights is None:
            warn_of_initial_weights("GoogleNet")
        if len(blocks) != 3:
            raise ValueError(f"blocks length should be 3 instead of {len(blocks)}")
        conv, inception, auxiliary = blocks
        self.aux_logits, self.transform_input = aux_logits, transform_input
        self.conv1 = conv(3, 64, kernel_size=7, stride=2, padding=3)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.conv2 = conv(64, 64, kernel_size=1)
        self.conv3 = conv(64, 192, kernel_size=3, padding=1)
        self.maxpool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        for name, sizes in STAGES.items():
            pooled = len(sizes) == 1
            setattr(self, name, nn.MaxPool2d(sizes[0], stride=2, ceil_mode=True) if pooled else inception(*sizes))
        self.aux1 = auxiliary(512, num_classes, dropout=dropout_aux) if aux_logits else None
        self.aux2 = auxiliary(528, num_classes, dropout=dropout_aux) if aux_logits else None
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(p=dropout)
        self.fc = nn.Linear(1024, num_classes)
        if init_weights is not False:
            draw_truncated(self, 0.01)

    def forward(self, x: Tensor) -> Any:
        if self.transform_input:
            x = as_inception_saw(x)
        x = self.maxpool2(self.conv3(self.conv2(self.maxpool1(self.conv1(x)))))
        seen: dict[str, Tensor | None] = {"aux1": None, "aux2": None}
        for name in STAGES:
            x = getattr(self, name)(x)
            head = AUXILIARY.get(name)
            if head and self.training and getattr(self, head) is not None:
                seen[head] = getattr(self, head)(x)
        logits = self.fc(self.dropout(self.avgpool(x).flatten(1)))
        if self.training and self.aux_logits:
            return GoogLeNetOutputs(logits, seen["aux2"], seen["aux1"])
        return logits


def _fill(model: GoogLeNet, state: dict[str, Any], kept: bool) -> None:
    model.load_state_dict(state)
    if kept:
        warnings.warn(
            "auxiliary heads in the pretrained googlenet model are NOT pretrained, so make sure to train them",
            stacklevel=4)
    else:
        model.aux_logits, model.aux1, model.aux2 = False, None, None


GoogLeNet_Weights, googlenet = define(
    "GoogLeNet_Weights", "googlenet", __name__, GoogLeNet, entry("googlenet-1378be20", 6624904, 69.778, 89.53),
    min_size=(15, 15), with_weights=with_auxiliary(False), fill=_fill)
