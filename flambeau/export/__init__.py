"""torch.export: nothing is exported; its names say so when they are called."""

from __future__ import annotations

from .._refusing import module_getattr

__getattr__ = module_getattr(
    "torch.export", "save the model's state_dict with torch.save; what recurs is compiled without an export", globals()
)
