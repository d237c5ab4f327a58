"""torch.backends.cudnn: switches that programs set; XLA chooses by itself, and is deterministic where it can."""
from __future__ import annotations

from ..device import gpus

enabled, benchmark, deterministic, allow_tf32 = True, False, False, True


def is_available() -> bool:
    """Whether convolutions run on a GPU."""
    return gpus.count() > 0


def version() -> None:
    """The version of cuDNN: JAX does not tell."""
