"""torch.accelerator: the GPU, if there is one; else everything says so as PyTorch without one does."""
from __future__ import annotations

from typing import Any

from . import cuda
from .device import device, gpus

__all__ = ["current_accelerator", "current_device_index", "current_stream", "device_count", "empty_cache",
           "is_available", "memory_allocated", "set_device_index", "synchronize"]


def is_available() -> bool:
    """Whether there is an accelerator."""
    return gpus.count() > 0


def device_count() -> int:
    """The number of accelerators."""
    return gpus.count()


def current_accelerator(check_available: bool = False) -> device | None:
    """The kind of accelerator there is, or None."""
    return device("cuda") if gpus.count() else None


def _need() -> None:
    """Raises PyTorch's error if there is no accelerator."""
    if not gpus.count():
        raise RuntimeError("Cannot access accelerator device when none is available.")


def current_device_index() -> int:
    """The number of the accelerator in use."""
    _need()
    return cuda.current_device()


def set_device_index(device: Any, /) -> None:
    """Chooses the accelerator to use."""
    _need()
    cuda.set_device(device)


def current_stream(device: Any = None, /) -> Any:
    """The stream of an accelerator."""
    _need()
    return cuda.current_stream(device)


def synchronize(device: Any = None, /) -> None:
    """Waits until an accelerator is done."""
    _need()
    cuda.synchronize(device)


def empty_cache() -> None:
    """Does nothing: see torch.cuda.empty_cache."""
    _need()


def memory_allocated(device: Any = None, /) -> int:
    """Bytes of an accelerator's memory in use."""
    _need()
    return cuda.memory_allocated(device)
