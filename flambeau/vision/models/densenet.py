"""DenseNet: each layer sees all before it. Huang et al., arXiv 1608.06993."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from ... import nn
from ...nn import functional as F
from ...nn import init
from ...tensor import Tensor
from ...utils.checkpoint import checkpoint
from .._torch import torch
from ._api import define, entry
from ._utils import fill_norms

__all__ = [
    "DenseNet",
    "DenseNet121_Weights",
    "DenseNet161_Weights",
    "DenseNet169_Weights",
    "DenseNet201_Weights",
    "densenet121",
    "densenet161",
    "densenet169",
    "densenet201",
]


class _DenseLayer(nn.Module):
    """What a layer adds: (N, C, H, W), or a list that makes C together, -> (N, growth_rate, H, W)."""

    def __init__(self, num_input_features: int, growth_rate: int, bn_size: int, drop_rate: float,
                 memory_efficient: bool = False) -> None:
        super().__init__()
        width = bn_size * growth_rate
        self.norm1 = nn.BatchNorm2d(num_input_features)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(num_input_features, width, kernel_size=1, stride=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, growth_rate, kernel_size=3, stride=1, padding=1, bias=False)
        self.drop_rate = float(drop_rate)
        self.memory_efficient = memory_efficient

    def _narrow(self, *features: Tensor) -> Tensor:
        return self.conv1(self.relu1(self.norm1(torch.cat(features, 1))))

    def forward(self, input: Tensor | list[Tensor]) -> Tensor:
        features = [input] if isinstance(input, Tensor) else input
        if self.memory_efficient and any(feature.requires_grad for feature in features):
            x = checkpoint(self._narrow, *features, use_reentrant=False)
        else:
            x = self._narrow(*features)
        x = self.conv2(self.relu2(self.norm2(x)))
        return F.dropout(x, p=self.drop_rate, training=self.training) if self.drop_rate > 0 else x


class _DenseBlock(nn.ModuleDict):
    """Layers, each fed with the input and all that those before it added."""

    _version = 2

    def __init__(self, num_layers: int, num_input_features: int, bn_size: int, growth_rate: int, drop_rate: float,
                 memory_efficient: bool = False) -> None:
        super().__init__()
        for i in range(num_layers):
            self.add_module(f"denselayer{i + 1}", _DenseLayer(num_input_features + i * growth_rate, growth_rate,
                                                              bn_size, drop_rate, memory_efficient))

    def forward(self, init_features: Tensor) -> Tensor:
        features = [init_features]
        for layer in self.values():
            features.append(layer(features))
        return torch.cat(features, 1)


class _Transition(nn.Sequential):
    """Fewer channels and half the size between two blocks."""

    def __init__(self, num_input_features: int, num_output_features: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(num_input_features)
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(num_input_features, num_output_features, kernel_size=1, stride=1, bias=False)
        self.pool = nn.AvgPool2d(kernel_size=2, stride=2)


class DenseNet(nn.Module):
    """Four dense blocks: (N, 3, H, W) -> (N, num_classes). `memory_efficient` computes narrow layers twice."""

    def __init__(self, growth_rate: int = 32, block_config: tuple[int, ...] = (6, 12, 24, 16),
                 num_init_features: int = 64, bn_size: int = 4, drop_rate: float = 0, num_classes: int = 1000,
                 memory_efficient: bool = False) -> None:
        super().__init__()
        width = num_init_features
        self.features = nn.Sequential()
        self.features.add_module("conv0", nn.Conv2d(3, width, kernel_size=7, stride=2, padding=3, bias=False))
        self.features.add_module("norm0", nn.BatchNorm2d(width))
        self.features.add_module("relu0", nn.ReLU(inplace=True))
        self.features.add_module("pool0", nn.MaxPool2d(kernel_size=3, stride=2, padding=1))
        for i, count in enumerate(block_config, start=1):
            block = _DenseBlock(count, width, bn_size, growth_rate, drop_rate, memory_efficient)
            self.features.add_module(f"denseblock{i}", block)
            width += count * growth_rate
            if i < len(block_config):
                self.features.add_module(f"transition{i}", _Transition(width, width // 2))
                width //= 2
        self.features.add_module("norm5", nn.BatchNorm2d(width))
        self.classifier = nn.Linear(width, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                init.kaiming_normal_(module.weight)
            elif module is self.classifier:
                init.zeros_(self.classifier.bias)  # type: ignore[arg-type]
            else:
                fill_norms(module)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.features(x), inplace=True)
        return self.classifier(F.adaptive_avg_pool2d(x, (1, 1)).flatten(1))


OLD_NAME = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12])\.")


def _fill(model: DenseNet, state: dict[str, Any], asked: Any) -> None:
    """Loads weights whose names may still have a dot where there is none today (norm.1 for norm1)."""
    model.load_state_dict({OLD_NAME.sub(r"\1\2.", name): value for name, value in state.items()})


def _densenet(name: str, growth: int, blocks: tuple[int, ...], first: int,
              weights: Any) -> tuple[Any, Callable[..., Any]]:
    return define(f"DenseNet{name[8:]}_Weights", name, __name__, partial(DenseNet, growth, blocks, first), weights,
                  min_size=(29, 29), fill=_fill)


DenseNet121_Weights, densenet121 = _densenet(
    "densenet121", 32, (6, 12, 24, 16), 64, entry("densenet121-a639ec97", 7978856, 74.434, 91.972))
DenseNet161_Weights, densenet161 = _densenet(
    "densenet161", 48, (6, 12, 36, 24), 96, entry("densenet161-8d451a50", 28681000, 77.138, 93.56))
DenseNet169_Weights, densenet169 = _densenet(
    "densenet169", 32, (6, 12, 32, 32), 64, entry("densenet169-b2777c0a", 14149480, 75.6, 92.806))
DenseNet201_Weights, densenet201 = _densenet(
    "densenet201", 32, (6, 12, 48, 32), 64, entry("densenet201-c1103571", 20013928, 76.896, 93.37))
