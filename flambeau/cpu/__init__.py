"""torch.cpu: the processor as a device."""

from __future__ import annotations

from . import amp


def is_available() -> bool:
    """Whether there is a processor."""
    return True


def device_count() -> int:
    """The processor counts as one device."""
    return 1


def synchronize(device: object = None) -> None:
    """Nothing runs beside the program."""
