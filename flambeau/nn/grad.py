"""Gradients of convolutions as functions (torch.nn.grad)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..autograd import enable_grad, grad, is_grad_enabled
from ..creation import zeros
from ..tensor import Tensor
from . import functional as F


def _input(
    convolution: Callable, input_size: Sequence[int], weight: Tensor, grad_output: Tensor, *settings: Any
) -> Tensor:
    further = is_grad_enabled() and (weight.requires_grad or grad_output.requires_grad)
    with enable_grad():
        input = zeros(tuple(input_size), dtype=weight.dtype).requires_grad_()  # type: ignore[attr-defined]
        out = convolution(input, weight, None, *settings)
        return grad(out, input, grad_output, create_graph=further)[0]


def _weight(
    convolution: Callable, input: Tensor, weight_size: Sequence[int], grad_output: Tensor, *settings: Any
) -> Tensor:
    further = is_grad_enabled() and (input.requires_grad or grad_output.requires_grad)
    with enable_grad():
        weight = zeros(tuple(weight_size), dtype=input.dtype).requires_grad_()  # type: ignore[attr-defined]
        out = convolution(input, weight, None, *settings)
        return grad(out, weight, grad_output, create_graph=further)[0]


def conv1d_input(
    input_size: Sequence[int],
    weight: Tensor,
    grad_output: Tensor,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """The gradient of conv1d with respect to its input, which has the shape `input_size`."""
    return _input(F.conv1d, input_size, weight, grad_output, stride, padding, dilation, groups)


def conv1d_weight(
    input: Tensor,
    weight_size: Sequence[int],
    grad_output: Tensor,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """The gradient of conv1d with respect to its weight, which has the shape `weight_size`."""
    return _weight(F.conv1d, input, weight_size, grad_output, stride, padding, dilation, groups)


def conv2d_input(
    input_size: Sequence[int],
    weight: Tensor,
    grad_output: Tensor,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """The gradient of conv2d with respect to its input, which has the shape `input_size`."""
    return _input(F.conv2d, input_size, weight, grad_output, stride, padding, dilation, groups)


def conv2d_weight(
    input: Tensor,
    weight_size: Sequence[int],
    grad_output: Tensor,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """The gradient of conv2d with respect to its weight, which has the shape `weight_size`."""
    return _weight(F.conv2d, input, weight_size, grad_output, stride, padding, dilation, groups)


def conv3d_input(
    input_size: Sequence[int],
    weight: Tensor,
    grad_output: Tensor,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """The gradient of conv3d with respect to its input, which has the shape `input_size`."""
    return _input(F.conv3d, input_size, weight, grad_output, stride, padding, dilation, groups)


def conv3d_weight(
    input: Tensor,
    weight_size: Sequence[int],
    grad_output: Tensor,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """The gradient of conv3d with respect to its weight, which has the shape `weight_size`."""
    return _weight(F.conv3d, input, weight_size, grad_output, stride, padding, dilation, groups)
