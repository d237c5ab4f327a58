"""ResNet, ResNeXt, Wide ResNet. He et al., arXiv 1512.03385; Xie et al., 1611.05431; Zagoruyko et al., 1605.07146."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ... import nn
from ...nn import init
from ...tensor import Tensor
from ._api import define, entry
from ._utils import he_fan_out, initialise

__all__ = [
    "ResNeXt50_32X4D_Weights",
    "ResNeXt101_32X8D_Weights",
    "ResNeXt101_64X4D_Weights",
    "ResNet",
    "ResNet18_Weights",
    "ResNet34_Weights",
    "ResNet50_Weights",
    "ResNet101_Weights",
    "ResNet152_Weights",
    "Wide_ResNet50_2_Weights",
    "Wide_ResNet101_2_Weights",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnext50_32x4d",
    "resnext101_32x8d",
    "resnext101_64x4d",
    "wide_resnet50_2",
    "wide_resnet101_2",
]

Layer = Callable[..., nn.Module]


def conv3x3(in_planes: int, out_planes: int, stride: int = 1, groups: int = 1, dilation: int = 1) -> nn.Conv2d:
    """A convolution of three by three that keeps the size at stride 1, without bias."""
    return nn.Conv2d(in_planes, out_planes, 3, stride, dilation, dilation, groups, bias=False)


def conv1x1(in_planes: int, out_planes: int, stride: int = 1) -> nn.Conv2d:
    """A convolution of one by one, without bias."""
    return nn.Conv2d(in_planes, out_planes, 1, stride, bias=False)


class BasicBlock(nn.Module):
    """Two convolutions of three by three around which the input is led."""

    expansion: int = 1

    def __init__(self, inplanes: int, planes: int, stride: int = 1, downsample: nn.Module | None = None,
                 groups: int = 1, base_width: int = 64, dilation: int = 1, norm_layer: Layer | None = None) -> None:
        super().__init__()
        norm = norm_layer or nn.BatchNorm2d
        if groups != 1 or base_width != 64:
            raise ValueError("BasicBlock only supports groups=1 and base_width=64")
        if dilation > 1:
            raise NotImplementedError("Dilation > 1 not supported in BasicBlock")
        self.conv1 = conv3x3(inplanes, planes, stride)
        self.bn1 = norm(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = conv3x3(planes, planes)
        self.bn2 = norm(planes)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        around = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(x)) + around)


class Bottleneck(nn.Module):
    """A convolution of three by three between two of one by one, around which the input is led.

    The stride is the middle one's, which is better than the first one's (the paper's) by about half a percent.
    """

    expansion: int = 4

    def __init__(self, inplanes: int, planes: int, stride: int = 1, downsample: nn.Module | None = None,
                 groups: int = 1, base_width: int = 64, dilation: int = 1, norm_layer: Layer | None = None) -> None:
        super().__init__()
        norm = norm_layer or nn.BatchNorm2d
        width = int(planes * (base_width / 64.0)) * groups
        self.conv1 = conv1x1(inplanes, width)
        self.bn1 = norm(width)
        self.conv2 = conv3x3(width, width, stride, groups, dilation)
        self.bn2 = norm(width)
        self.conv3 = conv1x1(width, planes * self.expansion)
        self.bn3 = norm(planes * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        around = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        return self.relu(self.bn3(self.conv3(x)) + around)


class ResNet(nn.Module):
    """Four stages of residual blocks: (N, 3, H, W) -> (N, num_classes)."""

    def __init__(self, block: type[BasicBlock | Bottleneck], layers: list[int], num_classes: int = 1000,
                 zero_init_residual: bool = False, groups: int = 1, width_per_group: int = 64,
                 replace_stride_with_dilation: list[bool] | None = None, norm_layer: Layer | None = None) -> None:
        super().__init__()
        self._norm_layer = norm_layer or nn.BatchNorm2d
        self.inplanes, self.dilation = 64, 1
        dilate = [False, False, False] if replace_stride_with_dilation is None else replace_stride_with_dilation
        if len(dilate) != 3:
            raise ValueError(f"replace_stride_with_dilation should be None or a 3-element tuple, got {dilate}")
        self.groups, self.base_width = groups, width_per_group
        self.conv1 = nn.Conv2d(3, self.inplanes, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = self._norm_layer(self.inplanes)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = self._make_layer(block, 64, layers[0])
        self.layer2 = self._make_layer(block, 128, layers[1], 2, dilate[0])
        self.layer3 = self._make_layer(block, 256, layers[2], 2, dilate[1])
        self.layer4 = self._make_layer(block, 512, layers[3], 2, dilate[2])
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512 * block.expansion, num_classes)
        initialise(self, he_fan_out)
        if zero_init_residual:
            # Each block begins as the identity. Goyal et al., arXiv 1706.02677.
            for module in self.modules():
                if isinstance(module, (BasicBlock, Bottleneck)):
                    last = module.bn3 if isinstance(module, Bottleneck) else module.bn2
                    if last.weight is not None:
                        init.zeros_(last.weight)

    def _make_layer(self, block: type[BasicBlock | Bottleneck], planes: int, blocks: int, stride: int = 1,
                    dilate: bool = False) -> nn.Sequential:
        """One stage; the first block halves the size, or dilates instead."""
        before, width = self.dilation, planes * block.expansion
        if dilate:
            self.dilation, stride = self.dilation * stride, 1
        downsample = None
        if stride != 1 or self.inplanes != width:
            downsample = nn.Sequential(conv1x1(self.inplanes, width, stride), self._norm_layer(width))
        rest = (self.groups, self.base_width)
        stage = [block(self.inplanes, planes, stride, downsample, *rest, before, self._norm_layer)]
        self.inplanes = width
        stage += [block(width, planes, 1, None, *rest, self.dilation, self._norm_layer) for _ in range(1, blocks)]
        return nn.Sequential(*stage)

    def _forward_impl(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))

    def forward(self, x: Tensor) -> Tensor:
        return self._forward_impl(x)


def _grouped(block: Any, layers: list[int], groups: int, width: int, **options: Any) -> ResNet:
    for name, value in (("groups", groups), ("width_per_group", width)):
        if options.setdefault(name, value) != value:
            raise ValueError(f"The parameter '{name}' expected value {value} but got {options[name]} instead.")
    return ResNet(block, layers, **options)


def _wide(block: Any, layers: list[int], **options: Any) -> ResNet:
    return _grouped(block, layers, options.pop("groups", 1), 128, **options)


_V2: dict[str, Any] = {"name": "IMAGENET1K_V2", "resize_size": 232}

ResNet18_Weights, resnet18 = define(
    "ResNet18_Weights", "resnet18", __name__, partial(ResNet, BasicBlock, [2, 2, 2, 2]),
    entry("resnet18-f37072fd", 11689512, 69.758, 89.078))
ResNet34_Weights, resnet34 = define(
    "ResNet34_Weights", "resnet34", __name__, partial(ResNet, BasicBlock, [3, 4, 6, 3]),
    entry("resnet34-b627a593", 21797672, 73.314, 91.42))
ResNet50_Weights, resnet50 = define(
    "ResNet50_Weights", "resnet50", __name__, partial(ResNet, Bottleneck, [3, 4, 6, 3]),
    entry("resnet50-0676ba61", 25557032, 76.13, 92.862),
    entry("resnet50-11ad3fa6", 25557032, 80.858, 95.434, **_V2))
ResNet101_Weights, resnet101 = define(
    "ResNet101_Weights", "resnet101", __name__, partial(ResNet, Bottleneck, [3, 4, 23, 3]),
    entry("resnet101-63fe2227", 44549160, 77.374, 93.546),
    entry("resnet101-cd907fc2", 44549160, 81.886, 95.78, **_V2))
ResNet152_Weights, resnet152 = define(
    "ResNet152_Weights", "resnet152", __name__, partial(ResNet, Bottleneck, [3, 8, 36, 3]),
    entry("resnet152-394f9c45", 60192808, 78.312, 94.046),
    entry("resnet152-f82ba261", 60192808, 82.284, 96.002, **_V2))
ResNeXt50_32X4D_Weights, resnext50_32x4d = define(
    "ResNeXt50_32X4D_Weights", "resnext50_32x4d", __name__, partial(_grouped, Bottleneck, [3, 4, 6, 3], 32, 4),
    entry("resnext50_32x4d-7cdf4587", 25028904, 77.618, 93.698),
    entry("resnext50_32x4d-1a0047aa", 25028904, 81.198, 95.34, **_V2))
ResNeXt101_32X8D_Weights, resnext101_32x8d = define(
    "ResNeXt101_32X8D_Weights", "resnext101_32x8d", __name__, partial(_grouped, Bottleneck, [3, 4, 23, 3], 32, 8),
    entry("resnext101_32x8d-8ba56ff5", 88791336, 79.312, 94.526),
    entry("resnext101_32x8d-110c445d", 88791336, 82.834, 96.228, **_V2))
ResNeXt101_64X4D_Weights, resnext101_64x4d = define(
    "ResNeXt101_64X4D_Weights", "resnext101_64x4d", __name__, partial(_grouped, Bottleneck, [3, 4, 23, 3], 64, 4),
    entry("resnext101_64x4d-173b62eb", 83455272, 83.246, 96.454, resize_size=232))
Wide_ResNet50_2_Weights, wide_resnet50_2 = define(
    "Wide_ResNet50_2_Weights", "wide_resnet50_2", __name__, partial(_wide, Bottleneck, [3, 4, 6, 3]),
    entry("wide_resnet50_2-95faca4d", 68883240, 78.468, 94.086),
    entry("wide_resnet50_2-9ba9bcbe", 68883240, 81.602, 95.758, **_V2))
Wide_ResNet101_2_Weights, wide_resnet101_2 = define(
    "Wide_ResNet101_2_Weights", "wide_resnet101_2", __name__, partial(_wide, Bottleneck, [3, 4, 23, 3]),
    entry("wide_resnet101_2-32ee1156", 126886696, 78.848, 94.284),
    entry("wide_resnet101_2-d733dc28", 126886696, 82.51, 96.02, **_V2))
