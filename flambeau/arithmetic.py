"""What a type checker is told of the operators that `flambeau.operators` gives tensors at import."""

from __future__ import annotations

from typing import Any


class Arithmetic:
    """The base of Tensor: names its operators, which come from the registry."""

    __add__: Any
    __radd__: Any
    __iadd__: Any
    __sub__: Any
    __rsub__: Any
    __isub__: Any
    __mul__: Any
    __rmul__: Any
    __imul__: Any
    __truediv__: Any
    __rtruediv__: Any
    __itruediv__: Any
    __floordiv__: Any
    __rfloordiv__: Any
    __mod__: Any
    __rmod__: Any
    __pow__: Any
    __rpow__: Any
    __matmul__: Any
    __rmatmul__: Any
    __neg__: Any
    __pos__: Any
    __invert__: Any
    __abs__: Any
    __and__: Any
    __or__: Any
    __xor__: Any
    __lt__: Any
    __le__: Any
    __gt__: Any
    __ge__: Any
    __getitem__: Any
    __setitem__: Any
