"""torch.cuda.nvtx: marks for NVIDIA's profiler, which sees XLA's kernels but takes no marks from here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..device import gpus

_open: list[str] = []


def _need() -> None:
    """Raises without a GPU."""
    if not gpus.count():
        raise RuntimeError("NVTX functions not installed. Are you sure you have a CUDA build?")


def range_push(msg: str) -> int:
    """Begins a range; returns how many are open around it."""
    _need()
    _open.append(msg)
    return len(_open) - 1


def range_pop() -> int:
    """Ends the range that was begun last; returns how many are open around it."""
    _need()
    if _open:
        _open.pop()
    return len(_open)


def range_start(msg: str) -> int:
    """Begins a range that may overlap others; returns its number."""
    _need()
    return 0


def range_end(range_id: int) -> None:
    """Ends a range that range_start began."""
    _need()


def mark(msg: str) -> None:
    """Marks a moment."""
    _need()


@contextmanager
def range(msg: str, *args: Any, **kwargs: Any) -> Iterator[None]:
    """A range as a context; `msg` is formatted with the other arguments."""
    range_push(msg.format(*args, **kwargs))
    try:
        yield
    finally:
        range_pop()
