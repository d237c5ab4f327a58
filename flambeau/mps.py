"""torch.mps: Apple's GPUs, which are not used."""

from __future__ import annotations

from ._refusing import module_getattr

__getattr__ = module_getattr("torch.mps", "Apple's GPUs are not used; ask torch.backends.mps.is_available()", globals())


def is_available() -> bool:
    """Whether such a device can be used: it cannot."""
    return False


def device_count() -> int:
    """The number of such devices."""
    return 0


def manual_seed(seed: int) -> None:
    """Nothing to seed."""


def empty_cache() -> None:
    """Nothing to give back."""


def synchronize() -> None:
    """Nothing runs beside the program."""
