"""Layers that make the input wider: with zeros, a constant, its mirror image, its edge, or its other end."""

from __future__ import annotations

from ..tensor import Tensor
from . import functional as F
from .module import Module
from .tuples import _ntuple


class _Pad(Module):
    """The base of padding layers: what is added before and after each dimension, the last dimension first."""

    __constants__ = ["padding"]
    padding: tuple[int, ...]

    def extra_repr(self) -> str:
        return f"{self.padding}"


def _check(input: Tensor, low: int) -> None:
    if input.dim() not in (low, low + 1):
        raise ValueError(f"expected {low}D or {low + 1}D input (got {input.dim()}D input)")


class _CircularPadNd(_Pad):
    def _check_input_dim(self, input: Tensor) -> None:
        raise NotImplementedError

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        return F.pad(input, self.padding, "circular")


class CircularPad1d(_CircularPadNd):
    """Each end continued with the other: (N, C, L) or (C, L) -> (N, C, left + L + right) or without N."""

    def __init__(self, padding: int | tuple[int, int]) -> None:
        super().__init__()
        self.padding = _ntuple(2)(padding)

    def _check_input_dim(self, input: Tensor) -> None:
        _check(input, 2)


class CircularPad2d(_CircularPadNd):
    """Each side continued with the opposite one: (N, C, H, W) or (C, H, W); padding (left, right, top, bottom)."""

    def __init__(self, padding: int | tuple[int, int, int, int]) -> None:
        super().__init__()
        self.padding = _ntuple(4)(padding)

    def _check_input_dim(self, input: Tensor) -> None:
        _check(input, 3)


class CircularPad3d(_CircularPadNd):
    """Each side continued with the opposite one: (N, C, D, H, W) or (C, D, H, W); padding of six numbers."""

    def __init__(self, padding: int | tuple[int, int, int, int, int, int]) -> None:
        super().__init__()
        self.padding = _ntuple(6)(padding)

    def _check_input_dim(self, input: Tensor) -> None:
        _check(input, 4)


class _ConstantPadNd(_Pad):
    __constants__ = ["padding", "value"]
    value: float

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPadNd):
    """`value` before and after the last dimension: (*, L) -> (*, left + L + right)."""

    def __init__(self, padding: int | tuple[int, int], value: float) -> None:
        super().__init__(value)
        self.padding = _ntuple(2)(padding)


class ConstantPad2d(_ConstantPadNd):
    """`value` around the last two dimensions: (*, H, W) -> (*, top + H + bottom, left + W + right)."""

    def __init__(self, padding: int | tuple[int, int, int, int], value: float) -> None:
        super().__init__(value)
        self.padding = _ntuple(4)(padding)


class ConstantPad3d(_ConstantPadNd):
    """`value` around the last three dimensions: (*, D, H, W) -> (*, D', H', W'); padding of six numbers."""

    def __init__(self, padding: int | tuple[int, int, int, int, int, int], value: float) -> None:
        super().__init__(value)
        self.padding = _ntuple(6)(padding)


class _ReflectionPadNd(_Pad):
    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, "reflect")


class ReflectionPad1d(_ReflectionPadNd):
    """The mirror image at each end, the end itself not repeated.

    (N, C, L) or (C, L) -> (N, C, left + L + right) or without N.
    """

    def __init__(self, padding: int | tuple[int, int]) -> None:
        super().__init__()
        self.padding = _ntuple(2)(padding)


class ReflectionPad2d(_ReflectionPadNd):
    """The mirror image at each side, the edge itself not repeated.

    (N, C, H, W) or (C, H, W); padding (left, right, top, bottom).
    """

    def __init__(self, padding: int | tuple[int, int, int, int]) -> None:
        super().__init__()
        self.padding = _ntuple(4)(padding)


class ReflectionPad3d(_ReflectionPadNd):
    """The mirror image at each side, the face itself not repeated.

    (N, C, D, H, W) or (C, D, H, W); padding of six numbers.
    """

    def __init__(self, padding: int | tuple[int, int, int, int, int, int]) -> None:
        super().__init__()
        self.padding = _ntuple(6)(padding)


class _ReplicationPadNd(_Pad):
    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, "replicate")


class ReplicationPad1d(_ReplicationPadNd):
    """The value at each end, repeated: (N, C, L) or (C, L) -> (N, C, left + L + right) or without N."""

    def __init__(self, padding: int | tuple[int, int]) -> None:
        super().__init__()
        self.padding = _ntuple(2)(padding)


class ReplicationPad2d(_ReplicationPadNd):
    """The value at each edge, repeated: (N, C, H, W) or (C, H, W); padding (left, right, top, bottom)."""

    def __init__(self, padding: int | tuple[int, int, int, int]) -> None:
        super().__init__()
        self.padding = _ntuple(4)(padding)


class ReplicationPad3d(_ReplicationPadNd):
    """The value at each face, repeated: (N, C, D, H, W) or (C, D, H, W); padding of six numbers."""

    def __init__(self, padding: int | tuple[int, int, int, int, int, int]) -> None:
        super().__init__()
        self.padding = _ntuple(6)(padding)


class ZeroPad1d(ConstantPad1d):
    """Zeros before and after the last dimension: (*, L) -> (*, left + L + right)."""

    def __init__(self, padding: int | tuple[int, int]) -> None:
        super().__init__(padding, 0.0)

    extra_repr = _Pad.extra_repr


class ZeroPad2d(ConstantPad2d):
    """Zeros around the last two dimensions: (*, H, W) -> (*, top + H + bottom, left + W + right)."""

    def __init__(self, padding: int | tuple[int, int, int, int]) -> None:
        super().__init__(padding, 0.0)

    extra_repr = _Pad.extra_repr


class ZeroPad3d(ConstantPad3d):
    """Zeros around the last three dimensions: (*, D, H, W) -> (*, D', H', W'); padding of six numbers."""

    def __init__(self, padding: int | tuple[int, int, int, int, int, int]) -> None:
        super().__init__(padding, 0.0)

    extra_repr = _Pad.extra_repr
