"""torch.backends.mps: Apple's GPUs, which this backend does not use."""
from __future__ import annotations


def is_available() -> bool:
    """Whether an Apple GPU can be used."""
    return False


def is_built() -> bool:
    """Whether this build could use one."""
    return False
