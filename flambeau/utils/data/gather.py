"""Batches of a TensorDataset taken from its tensors at once, without a row ever being a tensor of its own."""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ...graph import Node, Spec, mode, spec
from ...tensor import Tensor
from .dataset import Subset, TensorDataset
from .sampler import BatchSampler, index_arrays

BLOCK_BYTES = 1 << 18  # rows that are taken at a time: small batches are slices of them
_new = object.__new__


def source_of(dataset: Any) -> tuple[TensorDataset, Any] | None:
    """The TensorDataset behind `dataset`, and the rows of it that a Subset leaves (None: all). None if there is other code between."""
    rows: Any = None
    while type(dataset) is Subset:
        indices = dataset.indices
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


def batches(dataset: TensorDataset, rows: Any, index_sampler: Any) -> Iterator[list[Tensor]] | None:
    """The collated batches of a pass, in order; None if the order is not made by samplers of this package."""
    if type(index_sampler) is not BatchSampler:
        return None
    arrays = index_arrays(index_sampler.sampler)
    if arrays is None:
        return None
    return _taken(dataset, rows, arrays, index_sampler.batch_size, index_sampler.drop_last)


def _taken(dataset: TensorDataset, rows: Any, arrays: Iterable[np.ndarray], size: int, drop_last: bool) -> Iterator[list[Tensor]]:
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
    row_bytes = sum(t.nbytes // max(len(t), 1) for t in dataset.tensors) * size
    ahead = max(1, BLOCK_BYTES // max(row_bytes, 1)) * size
    kinds = [_leaf_kind(t, size) for t in dataset.tensors]
    while done < total:
        values = [t._value() for t in dataset.tensors]
        nodes = [t._node for t in dataset.tensors]
        stop = min(done + ahead, total)
        blocks = [value.take(indices[done:stop], 0) for value in values]
        tensors = dataset.tensors
        for start in range(0, stop - done, size):
            for t, node in zip(tensors, nodes, strict=True):
                if t._node is not node:
                    break
            else:
                batch = []
                for kind, block in zip(kinds, blocks, strict=True):
                    t = _new(Tensor)
                    t._node = Node(kind, (), block[start:start + size])
                    batch.append(t)
                yield batch
                continue
            stop = done + start
            break
        done = stop


def _leaf_kind(t: Tensor, size: int) -> Any:
    s: Spec = t._node.spec
    return spec((size, *s.shape[1:]), s.dtype, s.device).leaf
