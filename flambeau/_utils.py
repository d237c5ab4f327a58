"""torch._utils: what libraries take from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .ops import registry
from .tensor import Tensor


def _flatten_dense_tensors(tensors: Sequence[Tensor]) -> Any:
    """All elements in one tensor of one dimension."""
    flat: Any = registry["cat"]
    return flat([t.reshape(-1) for t in tensors]) if len(tensors) > 1 else tensors[0].reshape(-1)


def _unflatten_dense_tensors(flat: Tensor, tensors: Iterable[Tensor]) -> tuple:
    """The elements of `flat` in the shapes of `tensors`, in order."""
    found, start = [], 0
    for t in tensors:
        found.append(flat[start : start + t.numel()].view(t.shape))
        start += t.numel()
    return tuple(found)
