"""torch.ao.quantization: out of scope; its names say so when they are called."""

from __future__ import annotations

from .. import quantization as _same


def __getattr__(name: str) -> object:
    return getattr(_same, name)
