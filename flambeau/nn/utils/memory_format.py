"""Memory formats of convolution weights: here every tensor is stored in the order of its dimensions."""

from __future__ import annotations

from typing import Any

from ..module import Module


def convert_conv2d_weight_memory_format(module: Module, memory_format: Any) -> Module:
    """The module as it is: the order of storage is no property of tensors here."""
    return module


convert_conv3d_weight_memory_format = convert_conv2d_weight_memory_format
