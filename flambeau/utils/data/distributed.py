"""The order of a loader whose dataset is shared out among processes."""

from __future__ import annotations

import importlib
import importlib.util
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ...generator import Stream
from .dataset import Dataset
from .sampler import Sampler, in_arrays

__all__ = ["DistributedSampler"]


@in_arrays
class DistributedSampler(Sampler[int]):
    """Every `num_replicas`-th index from `rank` on, of an order that is the same in all processes.

    All get as many: the order is filled up from its beginning, or with `drop_last` cut short. `set_epoch` before
    each epoch makes the next order another one.
    """

    def __init__(
        self,
        dataset: Dataset,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if num_replicas is None:
            num_replicas = _group().get_world_size()
        if rank is None:
            rank = _group().get_rank()
        if not 0 <= rank < num_replicas:
            raise ValueError(f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]")
        self.dataset = dataset
        self.num_replicas = num_replicas
        self.rank = rank
        self.epoch = 0
        self.drop_last = drop_last
        n = len(dataset)  # type: ignore[arg-type]
        self.num_samples = n // num_replicas if drop_last else math.ceil(n / num_replicas)
        self.total_size = self.num_samples * num_replicas
        self.shuffle = shuffle
        self.seed = seed

    def _order(self) -> np.ndarray:
        n = len(self.dataset)  # type: ignore[arg-type]
        order = Stream(self.seed + self.epoch).permutation(n) if self.shuffle else np.arange(n)
        if self.drop_last:
            order = order[: self.total_size]
        elif n:
            order = np.resize(order, self.total_size)
        if len(order) != self.total_size:
            raise AssertionError(f"Number of indices ({len(order)}) does not match total_size ({self.total_size})")
        return order[self.rank :: self.num_replicas]

    def chunks(self) -> Iterator[np.ndarray]:
        """The indices, as one array."""
        yield self._order()

    def __iter__(self) -> Iterator[int]:
        return iter(self._order().tolist())

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Chooses the order of the next pass."""
        self.epoch = epoch


def _group() -> Any:
    """torch.distributed, once there are several processes."""
    if importlib.util.find_spec("flambeau.distributed") is None:
        raise RuntimeError("Requires distributed package to be available")
    return importlib.import_module("flambeau.distributed")
