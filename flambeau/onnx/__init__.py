"""torch.onnx: nothing is exported; its names say so when they are called."""

from __future__ import annotations

from .._refusing import module_getattr

__getattr__ = module_getattr(
    "torch.onnx", "load the state_dict, saved by torch.save, into the model under PyTorch and export there", globals()
)


def is_in_onnx_export() -> bool:
    """Whether an export is going on: never."""
    return False
