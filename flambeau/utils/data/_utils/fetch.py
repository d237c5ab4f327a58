"""How a loader calls a dataset."""

from ..fetch import _IterableDatasetFetcher, _MapDatasetFetcher

__all__ = ["_IterableDatasetFetcher", "_MapDatasetFetcher"]
