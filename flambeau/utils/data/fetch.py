"""From an index, or a list of them, to a batch."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any


class _DatasetKind:
    """Whether samples have an index."""
    Map = 0
    Iterable = 1

    @staticmethod
    def create_fetcher(kind: int, dataset: Any, auto_collation: bool, collate_fn: Callable, drop_last: bool) -> Any:
        """What loads from a dataset of this kind."""
        return create_fetcher(kind, dataset, auto_collation, collate_fn, drop_last)


def create_fetcher(kind: int, dataset: Any, auto_collation: bool, collate_fn: Callable, drop_last: bool) -> Any:
    """What loads from a dataset of this kind: its `fetch(index)` gives a batch, or raises StopIteration at a stream's end."""
    return (_IterableDatasetFetcher if kind == _DatasetKind.Iterable else _MapDatasetFetcher)(
        dataset, auto_collation, collate_fn, drop_last)


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
