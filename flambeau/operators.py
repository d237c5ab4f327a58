"""Python's operators on tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import binding, dtypes
from .ops import OPERATORS, REVERSED, Op, registry
from .tensor import Tensor, from_array


def function_of(name: str) -> Callable[..., Any]:
    """What the registry's operation `name` is over tensors."""
    operation = registry[name]
    return operation.public if isinstance(operation, Op) and operation.public is not None else operation


def _operator(name: str) -> Callable:
    """An operator method; operands it does not know are left to the other side."""
    function = function_of(name)

    def method(self: Any, other: Any) -> Any:
        try:
            return function(self, other)
        except TypeError:
            if name == "matmul" and not isinstance(other, (Tensor, np.ndarray)):
                return NotImplemented
            if isinstance(other, (Tensor, int, float, complex, np.generic)):
                raise
            if isinstance(other, np.ndarray):
                return function(self, from_array(np.array(other)))
            return NotImplemented

    method.__name__ = name
    return method


def _reversed(name: str, left: Any, right: Any) -> Any:
    """`left op right` where only the right side is a tensor."""
    if isinstance(left, np.ndarray):
        left = from_array(np.array(left))
    elif isinstance(left, np.generic):
        left = left.item()
    elif not isinstance(left, (bool, int, float, complex, Tensor)):
        return NotImplemented
    op = registry[name]
    return binding.call(op, op.bind(left, right), strict=False) if isinstance(op, Op) else op(left, right)


COMMUTING = ("__radd__", "__rmul__", "__rand__", "__ror__", "__rxor__")


def _divided(self: Tensor, other: Any) -> Any:
    """`other / self` for a number: as PyTorch has it, the reciprocal times the number."""
    return self.reciprocal() * other  # type: ignore[attr-defined]


def _positive(self: Tensor) -> Tensor:
    if self.dtype.name == "bool":
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return self


def _inverted(self: Tensor) -> Any:
    if self.dtype.category >= dtypes.FLOATING:
        raise TypeError("~ (operator.invert) is only implemented on integer and Boolean-type tensors")
    return registry["bitwise_not"].public(self)  # type: ignore[union-attr, misc]


def install_operators() -> None:
    """Gives tensors Python's operators, in-place ones included."""
    unary = {"__neg__", "__invert__", "__abs__"}
    for special, name in OPERATORS.items():
        if name not in registry:
            continue
        setattr(Tensor, special, function_of(name) if special in unary else _operator(name))
        inplace = "__i" + special[2:]
        if (
            special not in unary
            and hasattr(Tensor, name + "_")
            and special not in ("__gt__", "__ge__", "__lt__", "__le__", "__matmul__")
        ):
            setattr(Tensor, inplace, getattr(Tensor, name + "_"))
    for special, name in REVERSED.items():
        if name in registry:
            setattr(
                Tensor,
                special,
                _operator(name)
                if special in COMMUTING
                else lambda self, other, name=name: _reversed(name, other, self),
            )
    Tensor.__rsub__ = _operator("rsub")  # type: ignore[attr-defined]
    Tensor.__rtruediv__ = _divided  # type: ignore[attr-defined]
    for special, name in (("__eq__", "eq"), ("__ne__", "ne")):
        if name in registry:
            setattr(Tensor, special, _comparison(name))
    Tensor.__pos__ = _positive  # type: ignore[attr-defined]
    Tensor.__invert__ = _inverted  # type: ignore[attr-defined]
    Tensor.__hash__ = lambda self: id(self)  # type: ignore[method-assign, assignment]


def _comparison(name: str) -> Callable:
    function = function_of(name)

    def method(self: Any, other: Any) -> Any:
        if isinstance(other, (Tensor, bool, int, float, complex, np.generic)):
            return function(self, other)
        if isinstance(other, np.ndarray):
            return function(self, from_array(np.array(other)))
        return NotImplemented

    method.__name__ = name
    return method
