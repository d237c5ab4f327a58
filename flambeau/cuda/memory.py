"""torch.cuda.memory: what JAX tells of the memory of GPUs."""

from __future__ import annotations

import os
from collections import OrderedDict
from typing import Any

from ..backends import devices
from ..device import gpus
from ._devices import as_jax_knows, index_of

_peaks: dict[int, list[int]] = {}  # by GPU: JAX's peak when it was last reset, the most that was seen since


def _stats(index: int) -> dict[str, int]:
    """What JAX tells of a GPU; where it keeps no count, the arrays that are alive are counted."""
    told = as_jax_knows(index).memory_stats()
    if told:
        return dict(told)
    return {"bytes_in_use": sum(a.nbytes for a in devices.arrays_on(index))}


def _counted(device: Any) -> tuple[int, int, int]:
    """Bytes in use, the most since the last reset, bytes that JAX holds."""
    if not gpus.count():
        return 0, 0, 0
    index = index_of(device)
    stats = _stats(index)
    used, peak = stats["bytes_in_use"], stats.get("peak_bytes_in_use", 0)
    before = _peaks.setdefault(index, [0, 0])
    before[1] = max(before[1], used, peak if peak > before[0] else 0)
    return used, before[1], max(stats.get("pool_bytes", 0), stats.get("bytes_reserved", 0), used)


def memory_allocated(device: Any = None) -> int:
    """Bytes of GPU memory in use."""
    return _counted(device)[0]


def max_memory_allocated(device: Any = None) -> int:
    """The most bytes of GPU memory that were in use since the start, or the last reset.

    JAX keeps one peak for good: after a reset what lies below it is seen only when these functions look.
    """
    return _counted(device)[1]


def memory_reserved(device: Any = None) -> int:
    """Bytes of GPU memory that JAX holds."""
    return _counted(device)[2]


def max_memory_reserved(device: Any = None) -> int:
    """The most bytes of GPU memory that JAX held."""
    _, peak, held = _counted(device)
    return max(peak, held)


memory_cached, max_memory_cached = memory_reserved, max_memory_reserved


def reset_peak_memory_stats(device: Any = None) -> None:
    """Starts counting the most bytes in use anew."""
    if gpus.count():
        index = index_of(device)
        stats = _stats(index)
        _peaks[index] = [stats.get("peak_bytes_in_use", 0), stats["bytes_in_use"]]


reset_max_memory_allocated = reset_max_memory_cached = reset_peak_memory_stats


def reset_accumulated_memory_stats(device: Any = None) -> None:
    """Nothing is added up over time."""


def mem_get_info(device: Any = None) -> tuple[int, int]:
    """Bytes that are free on a GPU, and all that JAX may use of it."""
    stats = _stats(index_of(device))
    total = stats.get("bytes_limit") or _host_memory()
    return total - stats["bytes_in_use"], total


def _host_memory() -> int:
    """Bytes of this machine's memory."""
    if hasattr(os, "sysconf"):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return 1 << 34


def memory_stats(device: Any = None) -> OrderedDict[str, Any]:
    """Counts of a GPU's memory under PyTorch's names, as far as JAX keeps them; empty without a GPU."""
    if not gpus.count():
        return OrderedDict()
    used, peak, held = _counted(device)
    stats = _stats(index_of(device))
    found = {
        "active_bytes.all.current": used,
        "active_bytes.all.peak": peak,
        "allocated_bytes.all.current": used,
        "allocated_bytes.all.peak": peak,
        "allocation.all.allocated": stats.get("num_allocs", 0),
        "num_alloc_retries": 0,
        "num_ooms": 0,
        "reserved_bytes.all.current": held,
        "reserved_bytes.all.peak": max(peak, held),
    }
    return OrderedDict(sorted(found.items()))


def memory_summary(device: Any = None, abbreviated: bool = False) -> str:
    """The counts of a GPU's memory as a table."""
    index = index_of(device)
    rows = [f"| {name:<30}{value:>20} |" for name, value in memory_stats(index).items()]
    line = "|" + "=" * 52 + "|"
    return "\n".join([line, f"| {f'memory of cuda:{index}, in bytes':<50} |", line, *rows, line])


def empty_cache() -> None:
    """Does nothing: JAX gives no memory back before the program ends, and uses what is free again."""


def set_per_process_memory_fraction(fraction: float, device: Any = None) -> None:
    """Accepted. XLA_PYTHON_CLIENT_MEM_FRACTION, set before the program starts, is what JAX reads."""
    index_of(device)
    if not 0 <= fraction <= 1:
        raise ValueError(f"Invalid fraction value: {fraction}. Allowed range: 0~1")
