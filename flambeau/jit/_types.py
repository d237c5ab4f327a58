"""Types that scripts ask about: annotate and isinstance."""

from __future__ import annotations

import builtins
import types
import typing
from typing import Any


def annotate(the_type: Any, the_value: Any) -> Any:
    """The value; its type is told to compilers only."""
    return the_value


def isinstance(obj: Any, target_type: Any) -> bool:
    """Whether a value is of a type, its elements included: `isinstance([1], List[int])`."""
    if builtins.isinstance(target_type, tuple):
        return any(isinstance(obj, one) for one in target_type)
    if target_type is None:
        return obj is None
    origin, args = typing.get_origin(target_type), typing.get_args(target_type)
    if origin is None:
        if target_type in (typing.List, typing.Dict, typing.Tuple, list, dict, tuple, typing.Optional):  # noqa: UP006
            raise RuntimeError(
                f"Attempted to use {target_type} without a contained type. Please add a contained type, e.g. List[int]"
            )
        return builtins.isinstance(obj, target_type)
    if origin in (typing.Union, types.UnionType):
        return any(obj is None if one is type(None) else isinstance(obj, one) for one in args)
    if not builtins.isinstance(obj, origin):
        return False
    if origin is dict:
        return all(isinstance(k, args[0]) and isinstance(v, args[1]) for k, v in obj.items())
    if origin is tuple:
        if len(args) == 2 and args[1] is Ellipsis:
            return all(isinstance(v, args[0]) for v in obj)
        return len(obj) == len(args) and all(isinstance(v, one) for v, one in zip(obj, args, strict=True))
    return all(isinstance(v, args[0]) for v in obj)
