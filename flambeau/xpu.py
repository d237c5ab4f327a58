"""torch.xpu: Intel's GPUs, of which there are none."""

from __future__ import annotations

from typing import Any

from ._refusing import module_getattr

__getattr__ = module_getattr("torch.xpu", "there is no such device; ask is_available()", globals())


def is_available() -> bool:
    """Whether there is such a device: there is not."""
    return False


def is_initialized() -> bool:
    """Whether such a device has been set up: it has not."""
    return False


def device_count() -> int:
    """The number of such devices."""
    return 0


def manual_seed(seed: int) -> None:
    """Nothing to seed."""


def manual_seed_all(seed: int) -> None:
    """Nothing to seed."""


def empty_cache() -> None:
    """Nothing to give back."""


def is_bf16_supported(including_emulation: bool = True) -> Any:
    """Whether such a device computes in bfloat16: there is none."""
    return False
