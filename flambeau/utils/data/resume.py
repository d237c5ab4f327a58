"""How far a pass has come, and what it takes to make its order again."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from typing import Any

import numpy as np

from ...random import Generator, default_generator
from .dataset import IterableDataset
from .distributed import DistributedSampler
from .sampler import BatchSampler, RandomSampler, SequentialSampler

KEYS = {"batches", "base_seed", "seed", "order", "generators"}


class Progress:
    """`done` batches of a pass whose workers' seeds start from `base_seed`, and what its order is drawn from.

    That is the `seed` of a RandomSampler; of an order that other code makes, `before`: the states that the generators
    were in when it was not yet drawn: the default one's, then of those that the loader and its samplers were given.
    """

    def __init__(self, loader: Any, state: dict[str, Any] | None = None) -> None:
        batches, sampler = loader.batch_sampler, loader.sampler
        if batches is not None:
            sampler = getattr(batches, "sampler", None)
        found = [getattr(owner, "generator", None) for owner in (loader, batches, sampler)]
        self.generators = list(dict.fromkeys([default_generator, *[g for g in found if isinstance(g, Generator)]]))
        self.shuffler = sampler if type(sampler) is RandomSampler and sampler.generator is None else None
        self.simple = (
            (self.shuffler is not None or type(sampler) in (SequentialSampler, DistributedSampler))
            and (batches is None or type(batches) is BatchSampler)
            and not isinstance(loader.dataset, IterableDataset)
        )
        self.done, self.ended = 0, False
        self.base_seed: int | None = None
        self.seed: int | None = None
        self.before: list | None = None
        if state is not None:
            self.load(state)

    def load(self, state: Any) -> None:
        """Takes what `state` said. Raises ValueError if it cannot be of such a loader."""
        if not isinstance(state, dict) or KEYS - state.keys():
            raise ValueError(f"DataLoader.load_state_dict: expected a dict with {', '.join(sorted(KEYS))}")
        theirs, others = len(state["generators"]), len(self.generators) - 1
        if theirs != others:
            raise ValueError(
                f"DataLoader.load_state_dict: the state is of a loader with {theirs} generators of its own, "
                f"this one has {others}"
            )
        self.done, self.base_seed, self.seed = state["batches"], state["base_seed"], state["seed"]
        self.before = state["order"]

    def begin(self) -> None:
        """The order is about to be drawn."""
        self.before = [] if self.simple else [g.get_state() for g in self.generators]

    def begun(self) -> None:
        """The order, or its first part, was drawn."""
        if self.shuffler is not None:
            self.seed = self.shuffler._seed

    def state(self) -> dict[str, Any]:
        """All of it, in numbers and tensors. Of the default generator only what this pass began with."""
        return {
            "batches": self.done,
            "base_seed": self.base_seed,
            "seed": self.seed,
            "order": self.before,
            "generators": [g.get_state() for g in self.generators[1:]],
        }

    def restore_generators(self, state: dict[str, Any]) -> None:
        """Puts the loader's own generators where they were when `state` was taken."""
        for g, found in zip(self.generators[1:], state["generators"], strict=True):
            g.set_state(found)

    @contextlib.contextmanager
    def replaying(self) -> Iterator[None]:
        """Within, the generators are where the pass began; afterwards all are as if nothing had been drawn."""
        now = [g.get_state() for g in self.generators]
        others = random.getstate(), np.random.get_state()
        for g, found in zip(self.generators, self.before or now, strict=True):
            g.set_state(found)
        if self.shuffler is not None:
            self.shuffler._given_seed = self.seed
        try:
            yield
        finally:
            for g, found in zip(self.generators, now, strict=True):
                g.set_state(found)
            random.setstate(others[0])
            np.random.set_state(others[1])
