"""VGG: convolutions of three by three in a row. Simonyan and Zisserman, arXiv 1409.1556."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from ... import nn
from ...tensor import Tensor
from ._api import define, entry
from ._utils import he_fan_out, initialise, small_normal

__all__ = [
    "VGG",
    "VGG11_BN_Weights",
    "VGG11_Weights",
    "VGG13_BN_Weights",
    "VGG13_Weights",
    "VGG16_BN_Weights",
    "VGG16_Weights",
    "VGG19_BN_Weights",
    "VGG19_Weights",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
]

# Widths of the convolutions, in the five stages that a pooling ends.
COUNTS = {"A": (1, 1, 2, 2, 2), "B": (2, 2, 2, 2, 2), "D": (2, 2, 3, 3, 3), "E": (2, 2, 4, 4, 4)}
cfgs: dict[str, list[Any]] = {
    name: [layer for width, count in zip((64, 128, 256, 512, 512), counts, strict=True)
           for layer in (*[width] * count, "M")]
    for name, counts in COUNTS.items()
}


def make_layers(cfg: list[str | int], batch_norm: bool = False) -> nn.Sequential:
    """The convolutions of a configuration: an integer is a width, "M" a pooling."""
    layers: list[nn.Module] = []
    channels = 3
    for width in cfg:
        if isinstance(width, str):
            layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
            continue
        layers.append(nn.Conv2d(channels, width, kernel_size=3, padding=1))
        layers += [nn.BatchNorm2d(width)] if batch_norm else []
        layers.append(nn.ReLU(inplace=True))
        channels = width
    return nn.Sequential(*layers)


class VGG(nn.Module):
    """Convolutions, then three linear layers: (N, 3, H, W) -> (N, num_classes)."""

    def __init__(self, features: nn.Module, num_classes: int = 1000, init_weights: bool = True,
                 dropout: float = 0.5) -> None:
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096), nn.ReLU(True), nn.Dropout(dropout),
            nn.Linear(4096, 4096), nn.ReLU(True), nn.Dropout(dropout),
            nn.Linear(4096, num_classes),
        )
        if init_weights:
            initialise(self, he_fan_out, small_normal)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def _build(cfg: str, batch_norm: bool, **options: Any) -> VGG:
    return VGG(make_layers(cfgs[cfg], batch_norm), **options)


def _uninitialised(weights: Any, options: dict[str, Any]) -> None:
    options["init_weights"] = False


def _vgg(name: str, cfg: str, *entries: Any, batch_norm: bool = False) -> tuple[Any, Callable[..., Any]]:
    return define(f"{name.upper()}_Weights", name, __name__, partial(_build, cfg, batch_norm), *entries,
                  min_size=(32, 32), with_weights=_uninitialised)


VGG11_Weights, vgg11 = _vgg("vgg11", "A", entry("vgg11-8a719046", 132863336, 69.02, 88.628))
VGG13_Weights, vgg13 = _vgg("vgg13", "B", entry("vgg13-19584684", 133047848, 69.928, 89.246))
VGG16_Weights, vgg16 = _vgg(
    "vgg16", "D", entry("vgg16-397923af", 138357544, 71.592, 90.382),
    # These are for a detector's features, in the order and scale of colours that Caffe used.
    entry("vgg16_features-amdegroot-88682ab5", 138357544, math.nan, math.nan, "IMAGENET1K_FEATURES",
          mean=(0.48235, 0.45882, 0.40784), std=(1.0 / 255.0,) * 3))
VGG19_Weights, vgg19 = _vgg("vgg19", "E", entry("vgg19-dcbb9e9d", 143667240, 72.376, 90.876))
VGG11_BN_Weights, vgg11_bn = _vgg(
    "vgg11_bn", "A", entry("vgg11_bn-6002323d", 132868840, 70.37, 89.81), batch_norm=True)
VGG13_BN_Weights, vgg13_bn = _vgg(
    "vgg13_bn", "B", entry("vgg13_bn-abd245e5", 133053736, 71.586, 90.374), batch_norm=True)
VGG16_BN_Weights, vgg16_bn = _vgg(
    "vgg16_bn", "D", entry("vgg16_bn-6c64b313", 138365992, 73.36, 91.516), batch_norm=True)
VGG19_BN_Weights, vgg19_bn = _vgg(
    "vgg19_bn", "E", entry("vgg19_bn-c79401a0", 143678248, 74.218, 91.842), batch_norm=True)
