"""torch.accelerator: there is none yet, and everything says so as PyTorch without one does."""
from __future__ import annotations

from typing import Any, NoReturn

from .device import device

__all__ = ["current_accelerator", "current_device_index", "current_stream", "device_count", "empty_cache",
           "is_available", "memory_allocated", "set_device_index", "synchronize"]


def is_available() -> bool:
    """Whether there is an accelerator."""
    return False


def device_count() -> int:
    """The number of accelerators."""
    return 0


def current_accelerator(check_available: bool = False) -> device | None:
    """The kind of accelerator there is, or None."""
    return None


def _none(*args: Any, **kwargs: Any) -> NoReturn:
    """Raises PyTorch's error: there is no accelerator."""
    raise RuntimeError("Cannot access accelerator device when none is available.")


current_device_index = set_device_index = current_stream = synchronize = empty_cache = memory_allocated = _none
