"""torch.cuda.random: the numbers of GPUs come from the processor's generator, so that they are the same as there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..device import gpus
from ..random import default_generator
from ._devices import index_of


def manual_seed(seed: int) -> None:
    """Seeds the generator that a GPU's numbers come from, the processor's. Without a GPU does nothing."""
    if gpus.count():
        default_generator.manual_seed(int(seed))


def manual_seed_all(seed: int) -> None:
    """As `manual_seed`: all GPUs share one generator."""
    manual_seed(seed)


def seed() -> None:
    """Seeds the generator from the system. Without a GPU does nothing."""
    if gpus.count():
        default_generator.seed()


seed_all = seed


def initial_seed() -> int:
    """The seed of the generator."""
    index_of()
    return default_generator.initial_seed()


def get_rng_state(device: Any = "cuda") -> Any:
    """The state of the generator."""
    index_of(device)
    return default_generator.get_state()


def get_rng_state_all() -> list:
    """The state of the generator, once for each GPU."""
    return [default_generator.get_state() for _ in range(gpus.count())]


def set_rng_state(new_state: Any, device: Any = "cuda") -> None:
    """Puts the generator into a state."""
    index_of(device)
    default_generator.set_state(new_state)


def set_rng_state_all(new_states: Iterable[Any]) -> None:
    """Puts the generator into a state; the last one given holds."""
    for i, state in enumerate(new_states):
        set_rng_state(state, i)
