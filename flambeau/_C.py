"""torch._C: of PyTorch's compiled module, what Python programs reach for; there is nothing to switch off here."""
from __future__ import annotations

from contextlib import nullcontext


class _DisableFuncTorch(nullcontext):
    """A context without the function transforms' own dispatch, of which there is none."""


class _DisableTorchDispatch(nullcontext):
    """A context without dispatch to subclasses of tensors, of which there is none."""


def _log_api_usage_once(event: str) -> None:
    """Nothing: uses of names are not counted."""
