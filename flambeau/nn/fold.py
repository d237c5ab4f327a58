"""Sliding windows of an image as columns, and their sum back into an image."""

from __future__ import annotations

from typing import Any

from ._layer import layer
from .module import Module


@layer("fold", "output_size kernel_size dilation padding stride")
class Fold(Module):
    """Columns summed into the image whose windows they are.

    (N, C * kH * kW, L) -> (N, C, *output_size), or without N.
    """

    output_size: Any
    kernel_size: Any
    dilation: Any = 1
    padding: Any = 0
    stride: Any = 1


@layer("unfold", "kernel_size dilation padding stride")
class Unfold(Module):
    """The windows of an image as columns: (N, C, H, W) -> (N, C * kH * kW, L), or without N."""

    kernel_size: Any
    dilation: Any = 1
    padding: Any = 0
    stride: Any = 1
