"""The order of a loader: indices, one after the other or in batches, drawn as PyTorch draws them.

Each sampler that a loader knows has its indices also as arrays (`chunks`), so that a batch can be taken from
tensors at once. An array is drawn when its first index is asked for, which is when PyTorch draws it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from typing import Any, Generic, TypeVar

import numpy as np

from ... import dtypes
from ...creation import as_tensor
from ...generator import Stream
from ...random import Generator, stream
from ...tensor import Tensor

__all__ = [
    "BatchSampler",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "SubsetRandomSampler",
    "WeightedRandomSampler",
]

T_co = TypeVar("T_co", covariant=True)
WITH_REPLACEMENT = 32  # indices that are drawn at a time
_spare = Stream()


class Sampler(Generic[T_co]):
    """What yields indices, or lists of them. A subclass writes `__iter__`, and `__len__` where the number is known."""

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError


class SequentialSampler(Sampler[int]):
    """0, 1, 2, ... to the last index."""

    data_source: Sized

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def chunks(self) -> Iterator[np.ndarray]:
        """The indices, as one array."""
        yield np.arange(len(self.data_source))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """`num_samples` indices in random order: the whole shuffled, again and again, or each drawn anew (`replacement`).

    Without a generator, each pass takes a seed from the default one.
    """

    data_source: Sized
    replacement: bool
    _seed: int | None = None  # of the last pass
    _given_seed: int | None = None  # taken by the next pass in place of a draw

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        if not isinstance(replacement, bool):
            raise TypeError(f"replacement should be a boolean value, but got replacement={replacement}")
        if not isinstance(self.num_samples, int) or self.num_samples <= 0:
            raise ValueError(f"num_samples should be a positive integer value, but got num_samples={self.num_samples}")

    @property
    def num_samples(self) -> int:
        """How many indices a pass yields."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def chunks(self) -> Iterator[np.ndarray]:
        """The indices, as arrays of one shuffle each, or of 32 draws each."""
        n, wanted = len(self.data_source), self.num_samples
        draws = self.generator
        if draws is None:
            self._seed = draw_seed(None) if self._given_seed is None else self._given_seed
            self._given_seed = None
            if wanted == n and not self.replacement:
                # A stream costs as much as many batches: this one is never needed beyond this line.
                yield _spare.manual_seed(self._seed).permutation(n)
                return
            draws = Generator().manual_seed(self._seed)
        if self.replacement:
            for _ in range(wanted // WITH_REPLACEMENT):
                yield stream(draws).integers((WITH_REPLACEMENT,), 0, n)
            yield stream(draws).integers((wanted % WITH_REPLACEMENT,), 0, n)
            return
        for _ in range(wanted // n):
            yield stream(draws).permutation(n)
        # One more shuffle is drawn even if none of it is wanted, which a generator of the program's shows.
        if wanted % n or self.generator is not None:
            yield stream(draws).permutation(n)[: wanted % n]

    def __iter__(self) -> Iterator[int]:
        for chunk in self.chunks():
            yield from chunk.tolist()

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """The given indices in random order."""

    indices: Sequence[int]

    def __init__(self, indices: Sequence[int], generator: Generator | None = None) -> None:
        self.indices = indices
        self.generator = generator

    def chunks(self) -> Iterator[np.ndarray]:
        """The indices, as one array."""
        yield np.asarray(self.indices)[stream(self.generator).permutation(len(self.indices))]

    def __iter__(self) -> Iterator[int]:
        for i in stream(self.generator).permutation(len(self.indices)).tolist():
            yield self.indices[i]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """`num_samples` indices, each i with a probability proportional to weights[i]."""

    weights: Tensor
    num_samples: int
    replacement: bool

    def __init__(
        self, weights: Sequence[float], num_samples: int, replacement: bool = True, generator: Generator | None = None
    ) -> None:
        if not isinstance(num_samples, int) or isinstance(num_samples, bool) or num_samples <= 0:
            raise ValueError(f"num_samples should be a positive integer value, but got num_samples={num_samples}")
        if not isinstance(replacement, bool):
            raise ValueError(f"replacement should be a boolean value, but got replacement={replacement}")
        self.weights = as_tensor(weights, dtype=dtypes.float64)
        if self.weights.ndim != 1:
            raise ValueError(
                f"weights should be a 1d sequence but given weights have shape {tuple(self.weights.shape)}"
            )
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def chunks(self) -> Iterator[np.ndarray]:
        """The indices, as one array."""
        weights = np.asarray(self.weights.detach()._value())  # type: ignore[attr-defined]
        yield stream(self.generator).multinomial(weights, self.num_samples, self.replacement)

    def __iter__(self) -> Iterator[int]:
        for chunk in self.chunks():
            yield from chunk.tolist()

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Lists of `batch_size` indices of another sampler; the last may be shorter, unless `drop_last`.

    >>> list(BatchSampler(SequentialSampler(range(5)), batch_size=2, drop_last=False))
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Sampler[int] | Iterable[int], batch_size: int, drop_last: bool) -> None:
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size <= 0:
            raise ValueError(f"batch_size should be a positive integer value, but got batch_size={batch_size}")
        if not isinstance(drop_last, bool):
            raise ValueError(f"drop_last should be a boolean value, but got drop_last={drop_last}")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        while True:
            batch = list(itertools.islice(indices, self.batch_size))
            if not batch or self.drop_last and len(batch) < self.batch_size:
                return
            yield batch

    def __len__(self) -> int:
        n = len(self.sampler)  # type: ignore[arg-type]
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)


def draw_seed(generator: Generator | None) -> int:
    """The next 64-bit number of a generator, as `torch.empty((), dtype=torch.int64).random_()` draws it."""
    return stream(generator).random64() & 2**63 - 1


_IN_ARRAYS: dict[Callable, Callable] = {
    c.__iter__: c.chunks for c in (SequentialSampler, RandomSampler, SubsetRandomSampler, WeightedRandomSampler)
}


def in_arrays(cls: Any) -> Any:
    """Declares that `chunks` of a sampler's class gives the indices of its `__iter__`."""
    _IN_ARRAYS[cls.__iter__] = cls.chunks
    return cls


def index_arrays(sampler: Any) -> Iterator[np.ndarray] | None:
    """The indices of a sampler as arrays; None for one that a program wrote."""
    chunks = _IN_ARRAYS.get(getattr(type(sampler), "__iter__", None))  # type: ignore[arg-type]
    return None if chunks is None else chunks(sampler)
