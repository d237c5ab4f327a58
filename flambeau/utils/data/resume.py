"""How far a pass has come, and what it takes to make its order again."""
from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from typing import Any

import numpy as np

from ...random import Generator, default_generator

KEYS = {"batches", "base_seed", "order", "generators"}


class Progress:
    """`done` batches of a pass with the seed `base_seed`; `before`: the generators' states when the order was not yet drawn.

    Of the generators the default one comes first, then those that the loader and its samplers were given.
    """

    def __init__(self, loader: Any, state: dict[str, Any] | None = None) -> None:
        batches = loader.batch_sampler
        owners = (loader, loader.sampler, batches, getattr(batches, "sampler", None))
        found = [g for owner in owners if isinstance(g := getattr(owner, "generator", None), Generator)]
        self.generators = list(dict.fromkeys([default_generator, *found]))
        self.done, self.base_seed, self.before, self.ended = 0, None, None, False
        if state is None:
            return
        if not isinstance(state, dict) or KEYS - state.keys():
            raise ValueError(f"DataLoader.load_state_dict: expected a dict with {', '.join(sorted(KEYS))}, as state_dict() gives")
        others = len(self.generators) - 1
        if len(state["generators"]) != others:
            raise ValueError(f"DataLoader.load_state_dict: the state is of a loader with {len(state['generators'])} generators of its "
                             f"own; this one has {others}")
        self.done, self.base_seed, self.before = state["batches"], state["base_seed"], state["order"]

    def begin(self) -> None:
        """Notes the generators' states: the order is about to be drawn."""
        self.before = [g.get_state() for g in self.generators]

    def state(self) -> dict[str, Any]:
        """All of it, in numbers and tensors. Of the default generator only what this pass began with."""
        return {"batches": self.done, "base_seed": self.base_seed, "order": self.before,
                "generators": [g.get_state() for g in self.generators[1:]]}

    def restore_generators(self, state: dict[str, Any]) -> None:
        """Puts the loader's own generators where they were when `state` was taken."""
        for g, found in zip(self.generators[1:], state["generators"], strict=True):
            g.set_state(found)

    @contextlib.contextmanager
    def replaying(self) -> Iterator[None]:
        """Within, the generators are where the pass began; afterwards they and Python's and NumPy's are as if nothing was drawn."""
        now = [g.get_state() for g in self.generators]
        others = random.getstate(), np.random.get_state()
        for g, found in zip(self.generators, self.before or now, strict=True):
            g.set_state(found)
        try:
            yield
        finally:
            for g, found in zip(self.generators, now, strict=True):
                g.set_state(found)
            random.setstate(others[0])
            np.random.set_state(others[1])
