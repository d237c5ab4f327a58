"""Which dtypes elementwise operations refuse, in PyTorch's words; zero gradients."""
from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .. import dtypes
from ..graph import Spec
from .core import filled

TITLES = {name: kind.title for name, kind in dtypes.dtype.by_name.items()}
WORDS = {dtypes.BOOL: "bool", dtypes.INTEGER: "int", dtypes.FLOATING: "float", dtypes.COMPLEX: "complex"}


def refusing(kinds: str, text: str, rule: Callable, error: type[Exception] = NotImplementedError) -> Callable:
    """`rule`, for operands whose (common) dtype is of none of `kinds`.

    `kinds` are letters of b(ool), i(nteger), f(loating), c(omplex); `text` is the message, or the
    name of the kernel that PyTorch says is not implemented.
    """
    message = text if " " in text else f'"{text}" not implemented for \'%s\''

    @functools.wraps(rule)
    def checked(input: Any, *rest: Any) -> Any:
        if "bifc"[input.dtype.category] in kinds:
            raise error(message % TITLES[input.dtype.name] if "%s" in message else message)
        return rule(input, *rest)
    return checked


def tensors_only(name: str, rule: Callable) -> Callable:
    """`rule` of two operands, for operations that take no Python number as the second."""
    def checked(input: Spec, other: Spec, given: tuple) -> Any:
        if other.weak:
            word = WORDS[given[-1].dtype.category]
            raise TypeError(f"{name}(): argument 'other' (position 2) must be Tensor, not {word}")
        return rule(input, other)
    return checked


def need_tensors(name: str, **given: Any) -> None:
    """Raises PyTorch's TypeError where a composite was given something else than tensors."""
    for i, (key, value) in enumerate(given.items()):
        if not hasattr(value, "dtype"):
            raise TypeError(f"{name}(): argument '{key}' (position {i + 1}) must be Tensor, not {type(value).__name__}")


def outside(xp: Any, index: Any, low: int, end: int) -> Any:
    """Whether values of `index` lie below `low` or reach `end`."""
    if xp.host:
        return index.size > 0 and (xp.min(index) < low or xp.max(index) >= end)
    return (index < low) | (index >= end)


def first_outside(xp: Any, index: Any, low: int, end: int) -> int:
    """The first value of `index` that lies below `low` or reaches `end`."""
    index = xp.asarray(index)
    return int(index[(index < low) | (index >= end)].reshape(-1)[0])


def flat(g, input_spec):
    """The gradient of what is constant between its steps."""
    return filled(g, input_spec.shape, 0)


def flat_other(g, other_spec):
    """As `flat`, for the second operand."""
    return filled(g, other_spec.shape, 0)
