"""torch.backends.cudnn: switches that programs set; without a GPU they change nothing."""
from __future__ import annotations

enabled, benchmark, deterministic, allow_tf32 = True, False, False, True


def is_available() -> bool:
    """Whether cuDNN can be used."""
    return False


def version() -> None:
    """The version of cuDNN: there is none."""
