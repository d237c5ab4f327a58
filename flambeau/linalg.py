"""torch.linalg: the functions come from the registry of operations; here is what is not a function."""
from __future__ import annotations

from .ops._lapack import LinAlgError

__all__ = ["LinAlgError"]
