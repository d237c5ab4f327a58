"""torch._dynamo.eval_frame: the class of compiled modules, which libraries look for."""

from __future__ import annotations

from ..compiling import OptimizedModule

__all__ = ["OptimizedModule", "is_dynamo_supported"]


def is_dynamo_supported() -> bool:
    """Whether torch.compile works on this system: it does."""
    return True
