"""torch.backends.mkl: Intel's library, which NumPy may or may not use."""
from __future__ import annotations


def is_available() -> bool:
    """Whether products go through MKL as far as flambeau knows."""
    return False
