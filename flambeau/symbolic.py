"""Functions of numbers that PyTorch's tracer may not know yet, branches as functions, modules of devices. Here numbers
are Python's, and Python branches."""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any, NoReturn

from . import settings
from .device import resolve
from .tensor import Tensor


class SymInt:
    """A whole number that is not known yet. There are none; programs ask whether a size is one."""

    def __new__(cls, *args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError(f"flambeau: there is no torch.{cls.__name__}; sizes are numbers")


class SymFloat(SymInt):
    """A number that is not known yet. There are none."""


class SymBool(SymInt):
    """A truth value that is not known yet. There are none."""


def sym_int(a: Any) -> int:
    """A number cut off to a whole one."""
    return int(a)


def sym_float(a: Any) -> float:
    """A number as a float."""
    return float(a)


def sym_not(a: Any) -> bool:
    """The opposite of a truth value."""
    return not a


def sym_max(a: Any, b: Any) -> Any:
    """The larger of two numbers; a float if one of them is."""
    found = builtins.max(a, b)
    return float(found) if isinstance(a, float) or isinstance(b, float) else found


def sym_min(a: Any, b: Any) -> Any:
    """The smaller of two numbers; a float if one of them is."""
    found = builtins.min(a, b)
    return float(found) if isinstance(a, float) or isinstance(b, float) else found


def sym_sum(args: Iterable[Any]) -> Any:
    """The sum of numbers."""
    return builtins.sum(args)


def sym_ite(b: Any, t: Any, f: Any) -> Any:
    """`t` if `b`, else `f`."""
    if not isinstance(b, bool) or type(t) is not type(f):
        raise AssertionError(f"a truth value and two values of one type are needed, not {b!r}, {t!r} and {f!r}")
    return t if b else f


def sym_sqrt(a: Any) -> float:
    """The square root of a number."""
    return math.sqrt(a)


def cond(pred: Any, true_fn: Callable, false_fn: Callable, operands: tuple | list = ()) -> Any:
    """`true_fn(*operands)` if `pred`, else `false_fn(*operands)`; only that one is called."""
    if isinstance(pred, Tensor) and pred.numel() != 1:
        raise RuntimeError(f"Expected pred to be bool or single-element tensor, but got {pred}.")
    if not isinstance(pred, (bool, Tensor)):
        raise RuntimeError(f"Expected pred to be bool or tensor, but got {pred}.")
    if not callable(true_fn) or not callable(false_fn):
        raise RuntimeError("Expect both branches to be callable.")
    return true_fn(*operands) if pred else false_fn(*operands)


def get_device_module(device: Any = None) -> ModuleType:
    """The module of a device: torch.cpu, torch.cuda."""
    import flambeau

    kind = str(device).partition(":")[0] if device is not None else resolve(None).type
    found = getattr(flambeau, kind, None)
    if not isinstance(found, ModuleType):
        raise RuntimeError(
            f"Invalid device module '{kind}'. Please make sure the corresponding device module is available."
        )
    return found


def get_deterministic_debug_mode() -> int:
    """What happens at operations without a deterministic form: 0 nothing, 1 a warning, 2 an error."""
    if not settings.are_deterministic_algorithms_enabled():
        return 0
    return 1 if settings.is_deterministic_algorithms_warn_only_enabled() else 2


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """Sets what happens at operations without a deterministic form: "default", "warn" or "error", or 0, 1, 2."""
    if not isinstance(debug_mode, (int, str)):
        raise TypeError(f"debug_mode must be str or int, but got {type(debug_mode)}")
    names = {"default": 0, "warn": 1, "error": 2}
    if isinstance(debug_mode, str):
        if debug_mode not in names:
            raise RuntimeError(
                f"invalid value of debug_mode, expected one of `default`, `warn`, `error`, but got {debug_mode}"
            )
        debug_mode = names[debug_mode]
    if debug_mode not in (0, 1, 2):
        raise RuntimeError(f"invalid value of debug_mode, expected 0, 1, or 2, but got {debug_mode}")
    settings.use_deterministic_algorithms(debug_mode > 0, warn_only=debug_mode == 1)
