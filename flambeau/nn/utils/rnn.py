"""Sequences of different lengths in one tensor: padded to the longest, or packed without padding."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...namespaces import SPACES
from ...tensor import Tensor, from_array

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]


class _Packed(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(_Packed):
    """Sequences step by step, longest first: `data` holds all first steps, then all second ones, and so on.

    `batch_sizes[t]` says how many sequences have a step t; `sorted_indices` how they were put into order.
    """

    def __new__(
        cls,
        data: Tensor,
        batch_sizes: Tensor | None = None,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> PackedSequence:
        if batch_sizes is None:
            if not (isinstance(data, (list, tuple)) and len(data) == 2):
                raise AssertionError("Expected data to be a list or tuple of length 2")
            data, batch_sizes = data
        elif batch_sizes.device.type != "cpu":
            raise ValueError("batch_sizes should always be on CPU. They are made by pack_sequence and its like.")
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def _changed(self, data: Tensor) -> PackedSequence:
        return self if data is self.data else type(self)(data, *self[1:])

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The data converted or moved; this object itself if nothing changes."""
        return self._changed(self.data.to(*args, **kwargs))

    def cpu(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The data in the processor's memory."""
        return self._changed(self.data.cpu())

    def cuda(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The data on a GPU."""
        return self._changed(self.data.cuda(*args, **kwargs))

    def pin_memory(self) -> PackedSequence:
        """As it is: memory here needs no pinning."""
        return self

    @property
    def is_cuda(self) -> bool:
        return self.data.device.type == "cuda"

    def is_pinned(self) -> bool:
        """Whether the data is in pinned memory."""
        return bool(self.data.is_pinned())  # type: ignore[attr-defined]


def _conversion(name: str) -> Callable:
    def method(self: PackedSequence) -> PackedSequence:
        return self._changed(getattr(self.data, name)())

    method.__name__, method.__doc__ = name, f"The data as {name}."
    return method


for _name in ("double", "float", "half", "long", "int", "short", "char", "byte"):
    setattr(PackedSequence, _name, _conversion(_name))


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """Where each index went: `permutation[result[i]] == i`."""
    if permutation is None:
        return None
    values = permutation._value()
    found = np.empty_like(values)
    found[values] = np.arange(len(values))
    return from_array(found).to(permutation.device)


def _counts(batch_sizes: Tensor) -> np.ndarray:
    return np.asarray(batch_sizes._value())


def row_lengths(batch_sizes: Tensor) -> np.ndarray:
    """The length of each packed sequence, longest first."""
    counts = _counts(batch_sizes)
    rows = int(counts[0]) if len(counts) else 0
    return (counts[:, None] > np.arange(rows)).sum(0)


def places(batch_sizes: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Where the packed rows stand in the padded (T * N,), and which packed row stands at each place (0 for padding)."""
    counts = _counts(batch_sizes)
    rows = int(counts[0]) if len(counts) else 0
    there = counts[:, None] > np.arange(rows)
    packed = np.flatnonzero(there)
    padded = np.zeros(there.size, np.int64)
    padded[packed] = np.arange(len(packed))
    return packed, padded


def _whole(lengths: Any) -> np.ndarray:
    return np.asarray(lengths._value() if isinstance(lengths, Tensor) else lengths).astype(np.int64)


def pack_padded_sequence(
    input: Tensor, lengths: Tensor | Sequence[int], batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Packs padded sequences: input (T, N, *), or (N, T, *) if `batch_first`, the first lengths[n] steps of each.

    They have to come longest first, unless `enforce_sorted` is False: then they are sorted here.
    """
    sizes = _whole(lengths)
    order = None
    if not enforce_sorted:
        order = np.argsort(-sizes, kind="stable")
        sizes = sizes[order]
    if input.numel() == 0:
        raise RuntimeError("Cannot pack empty tensors.")
    rows, steps = (input.shape[0], input.shape[1]) if batch_first else (input.shape[1], input.shape[0])
    if len(sizes) != rows:
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {len(sizes)} (batch_size={rows})"
        )
    if (sizes <= 0).any():
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0"
        )
    if (sizes[:-1] < sizes[1:]).any():
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass "
            "`enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this requirement if you "
            "do not need ONNX exportability."
        )
    if sizes[0] > steps:
        raise RuntimeError(f"start (0) + length ({sizes[0]}) exceeds dimension size ({steps}).")
    there = sizes > np.arange(int(sizes[0]))[:, None]
    step, row = np.nonzero(there)
    if order is not None:
        row = order[row]
    flat = row * steps + step if batch_first else step * rows + row
    places = from_array(flat.astype(np.int64)).to(input.device)
    data = input.reshape((rows * steps, *input.shape[2:])).index_select(0, places)
    batch_sizes = from_array(there.sum(1).astype(np.int64))
    sorted_indices = None if order is None else from_array(order.astype(np.int64)).to(input.device)
    return PackedSequence(data, batch_sizes, sorted_indices, None)


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Tensor, Tensor]:
    """The packed sequences padded to one length, (T, N, *) or (N, T, *), and the length of each, a tensor (N,)."""
    data, batch_sizes, _, unsorted = sequence
    counts = _counts(batch_sizes)
    steps = len(counts)
    if total_length is not None:
        if total_length < steps:
            raise ValueError(
                "Expected total_length to be at least the length of the longest sequence in input, but got "
                f"total_length={total_length} and max sequence length being {steps}"
            )
        counts = np.concatenate([counts, np.zeros(total_length - steps, counts.dtype)])
    rows = int(counts[0])
    lengths = row_lengths(batch_sizes)
    there = counts[:, None] > np.arange(rows)
    packed = np.where(there, np.cumsum(there).reshape(there.shape) - 1, -1)
    if unsorted is not None:
        where = unsorted._value()
        packed, lengths = packed[:, where], lengths[where]
    if batch_first:
        packed = packed.T
    padding = packed.reshape(-1) < 0
    rest = tuple(data.shape[1:])
    found = data.index_select(0, from_array(np.where(padding, 0, packed.reshape(-1)).astype(np.int64)).to(data.device))
    if padding.any():
        mask = from_array(padding.reshape(-1, *(1,) * len(rest))).to(data.device)
        found = found.masked_fill(mask, padding_value)
    return found.reshape((*packed.shape, *rest)), from_array(lengths.astype(np.int64))


def pad_sequence(
    sequences: Tensor | Iterable[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Tensors (L_i, *) one beside the other, filled up to the longest: (T, N, *), or (N, T, *) if `batch_first`."""
    if not isinstance(sequences, Iterable):
        raise RuntimeError(
            f"pad_sequence: Expected iterable for input sequences, but got arg of type: {type(sequences)}"
        )
    parts = tuple(sequences)
    if not parts:
        raise RuntimeError("received an empty list of sequences")
    if padding_side not in ("left", "right"):
        raise RuntimeError(f"Expected padding_side to be one of left or right, but got {padding_side}.")
    longest, rest = max(p.shape[0] for p in parts), tuple(parts[0].shape[1:])
    pad = SPACES["nn.functional"]["pad"]
    filled = []
    for p in parts:
        if tuple(p.shape[1:]) != rest:
            raise RuntimeError(
                f"The size of tensor a ({longest}) must match the size of tensor b ({p.shape[-1]}) in all but the "
                "first dimension"
            )
        lack = longest - p.shape[0]
        ends = (0, lack) if padding_side == "right" else (lack, 0)
        filled.append(pad(p, (0, 0) * len(rest) + ends, "constant", padding_value) if lack else p)
    return SPACES["torch"]["stack"](filled, 0 if batch_first else 1)


def unpad_sequence(padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False) -> list[Tensor]:
    """The sequences of a padded tensor (T, N, *), or (N, T, *), each with its own length again."""
    dim = 0 if batch_first else 1
    sizes = _whole(lengths)
    if len(sizes) != padded_sequences.shape[dim]:
        raise ValueError(f"expected a length for each of {padded_sequences.shape[dim]} sequences, got {len(sizes)}")
    rows = padded_sequences.unbind(dim)
    return [row.narrow(0, 0, min(int(n), row.shape[0])) for row, n in zip(rows, sizes, strict=True)]


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Packs tensors (L_i, *), longest first unless `enforce_sorted` is False."""
    lengths = [s.shape[0] for s in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The tensors that were packed."""
    return unpad_sequence(*pad_packed_sequence(packed_sequences, batch_first=True), batch_first=True)
