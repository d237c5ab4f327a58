"""torch.multiprocessing: Python's multiprocessing, through which tensors can be sent and shared.

A tensor after `share_memory_()` (a module after `share_memory()`) is the same in all processes that have it: what one
writes, the others read. Any other tensor is sent by value, and what its receiver writes to it stays there.
"""

from __future__ import annotations

import multiprocessing as _standard
from multiprocessing import *  # noqa: F403

from .reductions import init_reductions
from .spawn import (
    ProcessContext,
    ProcessException,
    ProcessExitedException,
    ProcessRaisedException,
    SpawnContext,
    spawn,
    start_processes,
)

__all__ = [
    "get_all_sharing_strategies",
    "get_sharing_strategy",
    "set_sharing_strategy",
    "spawn",
    "start_processes",
    *_standard.__all__,  # type: ignore[attr-defined]
]
# The memory is a file without a name, whose descriptor is handed over.
_STRATEGY = "file_descriptor"


def get_all_sharing_strategies() -> set[str]:
    """The ways in which shared tensors reach other processes."""
    return {_STRATEGY}


def get_sharing_strategy() -> str:
    """The way in which shared tensors reach other processes."""
    return _STRATEGY


def set_sharing_strategy(new_strategy: str) -> None:
    """Chooses among `get_all_sharing_strategies()`. "file_system" of PyTorch's is taken and changes nothing."""
    if new_strategy not in (_STRATEGY, "file_system"):
        raise AssertionError(
            f"invalid sharing strategy {new_strategy!r}, expected one of {sorted(get_all_sharing_strategies())}"
        )


init_reductions()
