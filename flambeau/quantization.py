"""torch.quantization, also torch.ao.quantization: out of scope; its names say so when they are called."""

from __future__ import annotations

from ._refusing import module_getattr

__getattr__ = module_getattr(
    "torch.quantization", "quantised tensors are not planned, use float16 or bfloat16", globals()
)
