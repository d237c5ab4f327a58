"""From an index, or a list of them, to a batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import gather
from .collate import default_collate, default_collate_fn_map, is_default


class _DatasetKind:
    """Whether samples have an index."""

    Map = 0
    Iterable = 1

    @staticmethod
    def create_fetcher(kind: int, dataset: Any, auto_collation: bool, collate_fn: Callable, drop_last: bool) -> Any:
        """What loads from a dataset of this kind."""
        return create_fetcher(kind, dataset, auto_collation, collate_fn, drop_last)


def create_fetcher(kind: int, dataset: Any, auto_collation: bool, collate_fn: Callable, drop_last: bool) -> Any:
    """What loads from a dataset of this kind: `fetch(index)` gives a batch, StopIteration at a stream's end."""
    if kind == _DatasetKind.Iterable:
        return _IterableDatasetFetcher(dataset, auto_collation, collate_fn, drop_last)
    if auto_collation and stacks(collate_fn):
        found = gather.source_of(dataset)
        if found is not None:
            return _TensorFetcher(dataset, auto_collation, collate_fn, drop_last, *found)
    return _MapDatasetFetcher(dataset, auto_collation, collate_fn, drop_last)


def stacks(collate_fn: Callable) -> bool:
    """Whether collate_fn does no more than to stack tensors."""
    return collate_fn is default_collate and is_default(default_collate_fn_map)


class _MapDatasetFetcher:
    """Loads the samples at given indices."""

    def __init__(self, dataset: Any, auto_collation: bool, collate_fn: Callable, drop_last: bool) -> None:
        self.dataset, self.auto_collation, self.collate_fn = dataset, auto_collation, collate_fn

    def fetch(self, index: Any) -> Any:
        """The batch of a list of indices; without batches, the sample at one index."""
        dataset = self.dataset
        if not self.auto_collation:
            return self.collate_fn(dataset[index])
        many = getattr(dataset, "__getitems__", None)
        return self.collate_fn(many(index) if many else [dataset[i] for i in index])


class _IterableDatasetFetcher:
    """Loads the next samples of a stream."""

    def __init__(self, dataset: Any, auto_collation: bool, collate_fn: Callable, drop_last: bool) -> None:
        self.auto_collation, self.collate_fn, self.drop_last = auto_collation, collate_fn, drop_last
        self.samples = iter(dataset)
        self.ended = False

    def fetch(self, index: Any) -> Any:
        """The next batch, of as many samples as there are indices; StopIteration at the end."""
        if self.ended:
            raise StopIteration
        if not self.auto_collation:
            return self.collate_fn(next(self.samples))
        found = []
        for _ in index:
            try:
                found.append(next(self.samples))
            except StopIteration:
                self.ended = True
                break
        if not found or self.drop_last and len(found) < len(index):
            raise StopIteration
        return self.collate_fn(found)


class _TensorFetcher(_MapDatasetFetcher):
    """Takes rows of a TensorDataset's tensors at once."""

    def __init__(
        self, dataset: Any, auto_collation: bool, collate_fn: Callable, drop_last: bool, source: Any, rows: Any
    ) -> None:
        super().__init__(dataset, auto_collation, collate_fn, drop_last)
        self.source, self.rows = source, rows

    def fetch(self, index: Any) -> Any:
        """The batch of a list of indices; any that is not a list of integers goes through the dataset."""
        if type(index) is list and index and all([type(i) is int for i in index]):
            taken = np.array(index)
            size = len(self.source if self.rows is None else self.rows)
            if -size <= taken.min() and taken.max() < size:
                return gather.rows_of(self.source, taken if self.rows is None else self.rows[taken])
        return super().fetch(index)
