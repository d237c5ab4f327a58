"""Switches of torch's top level that a processor can answer: threads, determinism, precision."""

from __future__ import annotations

import os
import warnings
from typing import Any

from .backends.tiers import policy
from .device import CPU, device, here, resolve

_state: dict[str, Any] = {
    "threads": int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1),
    "interop": os.cpu_count() or 1,
    "deterministic": False,
    "warn_only": False,
    "warn_always": False,
}


def get_num_threads() -> int:
    """The number of threads asked for."""
    return _state["threads"]


def set_num_threads(threads: int) -> None:
    """Asks for a number of threads. NumPy's products follow OMP_NUM_THREADS, set before the program starts."""
    if not isinstance(threads, int):
        raise TypeError(f"set_num_threads expects an int, but got {type(threads).__name__}")
    if threads <= 0:
        raise RuntimeError("set_num_threads expects a positive integer")
    _state["threads"] = threads


def get_num_interop_threads() -> int:
    """The number of threads asked for between operations."""
    return _state["interop"]


def set_num_interop_threads(threads: int) -> None:
    """Asks for a number of threads between operations."""
    _state["interop"] = threads


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Asks for the same bits every time: a program stays on one backend, NumPy's unless XLA was chosen.

    Without it, a loop that is compiled on the way goes on with results that may differ in their last bits.
    """
    _state["deterministic"], _state["warn_only"] = bool(mode), bool(warn_only)
    policy.choose(policy.choice, bool(mode))


def are_deterministic_algorithms_enabled() -> bool:
    """Whether use_deterministic_algorithms(True) was called."""
    return _state["deterministic"]


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """Whether non-deterministic operations would only warn."""
    return _state["deterministic"] and _state["warn_only"]


def set_warn_always(b: bool, /) -> None:
    """Asks for warnings every time; Python's filters decide that here."""
    _state["warn_always"] = bool(b)


def is_warn_always_enabled() -> bool:
    """What set_warn_always was given."""
    return _state["warn_always"]


def set_default_device(device: Any) -> None:
    """Where new tensors go, in this thread; None for the processor."""
    here.default = CPU if device is None else resolve(device)


def get_default_device() -> device:
    """Where new tensors go."""
    return here.default


def set_float32_matmul_precision(precision: str) -> None:
    """How a GPU may round the factors of products of float32; "highest" is not at all. A processor never does."""
    if precision not in ("highest", "high", "medium"):
        warnings.warn(
            f"{precision} is not one of 'highest', 'high', or 'medium'; the current setting is unchanged", stacklevel=2
        )
        return
    policy.choose_precision(precision)


def get_float32_matmul_precision() -> str:
    """What set_float32_matmul_precision was given."""
    return policy.precision


def set_flush_denormal(mode: bool) -> bool:
    """Whether tiny numbers can be flushed to zero: not here."""
    return False
