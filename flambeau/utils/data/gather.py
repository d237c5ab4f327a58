"""Batches of a TensorDataset taken from its tensors at once, without a row ever being a tensor of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ...graph import Node, Spec, mode, spec
from ...tensor import Tensor, from_array
from .dataset import Subset, TensorDataset
from .sampler import BatchSampler, index_arrays

BLOCK_BYTES = 1 << 18  # rows that are taken at a time: small batches are slices of them
_new = object.__new__


def source_of(dataset: Any) -> tuple[TensorDataset, Any] | None:
    """The TensorDataset behind `dataset`, and the rows a Subset leaves (None: all). None if other code is between."""
    rows: Any = None
    while type(dataset) is Subset:
        indices: Any = dataset.indices
        if isinstance(indices, Tensor):
            indices = indices.detach()._value()  # type: ignore[attr-defined]
        indices = np.asarray(indices)
        if indices.ndim != 1 or indices.dtype.kind not in "iu" or rows is not None and _outside(rows, len(indices)):
            return None
        rows = indices if rows is None else indices[rows]
        dataset = dataset.dataset
    if type(dataset) is not TensorDataset or rows is not None and _outside(rows, len(dataset)):
        return None
    for t in dataset.tensors:
        if type(t) is not Tensor or not t.ndim or t.requires_grad and mode.grad:
            return None
    return dataset, rows


def _outside(rows: np.ndarray, size: int) -> bool:
    return bool(rows.size) and not (-size <= rows.min() and rows.max() < size)


def rows_of(dataset: TensorDataset, indices: np.ndarray) -> list[Tensor]:
    """One batch."""
    return [
        from_array(np.asarray(t._value()).take(indices, 0), s=_leaf_kind(t, len(indices)).spec) for t in dataset.tensors
    ]


def batches(dataset: TensorDataset, rows: Any, index_sampler: Any) -> Iterator[list[Tensor]] | None:
    """The collated batches of a pass, in order; None if the order is not made by samplers of this package."""
    if type(index_sampler) is not BatchSampler:
        return None
    arrays = index_arrays(index_sampler.sampler)
    if arrays is None:
        return None
    return _taken(dataset, rows, arrays, index_sampler.batch_size, index_sampler.drop_last)


def _taken(
    dataset: TensorDataset, rows: Any, arrays: Iterable[np.ndarray], size: int, drop_last: bool
) -> Iterator[list[Tensor]]:
    rest = np.empty(0, np.int64)
    for array in arrays:
        indices = np.concatenate([rest, array]) if len(rest) else array
        whole = len(indices) - len(indices) % size
        yield from _sliced(dataset, rows, indices[:whole], size)
        rest = indices[whole:]
    if len(rest) and not drop_last:
        yield from _sliced(dataset, rows, rest, len(rest))


def _sliced(dataset: TensorDataset, rows: Any, indices: np.ndarray, size: int) -> Iterator[list[Tensor]]:
    """Batches of `size` at `indices`, whose number is a multiple of it. Rows are taken a block of batches ahead.

    A tensor that is written to has another node from then on: blocks taken before are then taken again.
    """
    if rows is not None:
        indices = rows[indices]
    done, total = 0, len(indices)
    tensors = dataset.tensors
    batch_bytes = size * sum(t.nbytes // max(len(t), 1) for t in tensors)
    ahead = max(1, BLOCK_BYTES // max(batch_bytes, 1)) * size
    kinds = [_leaf_kind(t, size) for t in tensors]
    while done < total:
        values = [t._value() for t in tensors]
        nodes = [t._node for t in tensors]
        block = indices[done : done + ahead]
        columns = [_batched(value.take(block, 0), size, kind) for value, kind in zip(values, kinds, strict=True)]
        for batch in zip(*columns, strict=True):
            if [t._node for t in tensors] != nodes:
                break
            done += size
            yield list(batch)


def _batched(taken: np.ndarray, size: int, kind: Any) -> list[Tensor]:
    """Every `size` rows as a tensor."""
    found = []
    for value in taken.reshape(len(taken) // size, size, *taken.shape[1:]):
        t = _new(Tensor)
        t._node = Node(kind, (), value)
        found.append(t)
    return found


def _leaf_kind(t: Tensor, size: int) -> Any:
    s: Spec = t._node.spec
    return spec((size, *s.shape[1:]), s.dtype, s.device).leaf
