"""torch.backends.cuda: how a GPU computes products, and switches that change nothing here."""

from __future__ import annotations

from typing import Any

from ..device import gpus
from .tiers import policy


class _Products:
    """`torch.backends.cuda.matmul`: the precision of matrix products."""

    allow_fp16_reduced_precision_reduction = allow_bf16_reduced_precision_reduction = True
    allow_fp16_accumulation = False

    @property
    def allow_tf32(self) -> bool:
        """Whether products of float32 may round their factors to 10 bits: as `set_float32_matmul_precision`."""
        return policy.precision != "highest"

    @allow_tf32.setter
    def allow_tf32(self, wanted: bool) -> None:
        policy.choose_precision("high" if wanted else "highest")

    @property
    def fp32_precision(self) -> str:
        """ "ieee" for products of float32 in full, "tf32" for rounded factors."""
        return "tf32" if self.allow_tf32 else "ieee"

    @fp32_precision.setter
    def fp32_precision(self, wanted: str) -> None:
        self.allow_tf32 = wanted == "tf32"


matmul = _Products()
_ways = {"flash": True, "mem_efficient": True, "math": True, "cudnn": True}


def is_built() -> bool:
    """Whether GPUs can be computed on."""
    return gpus.count() > 0


def flash_sdp_enabled() -> bool:
    """What enable_flash_sdp was given."""
    return _ways["flash"]


def mem_efficient_sdp_enabled() -> bool:
    """What enable_mem_efficient_sdp was given."""
    return _ways["mem_efficient"]


def math_sdp_enabled() -> bool:
    """What enable_math_sdp was given."""
    return _ways["math"]


def cudnn_sdp_enabled() -> bool:
    """What enable_cudnn_sdp was given."""
    return _ways["cudnn"]


def enable_flash_sdp(enabled: bool) -> None:
    """Accepted: attention is one operation, which XLA compiles."""
    _ways["flash"] = bool(enabled)


def enable_mem_efficient_sdp(enabled: bool) -> None:
    """Accepted: attention is one operation, which XLA compiles."""
    _ways["mem_efficient"] = bool(enabled)


def enable_math_sdp(enabled: bool) -> None:
    """Accepted: attention is one operation, which XLA compiles."""
    _ways["math"] = bool(enabled)


def enable_cudnn_sdp(enabled: bool) -> None:
    """Accepted: attention is one operation, which XLA compiles."""
    _ways["cudnn"] = bool(enabled)


class sdp_kernel:
    """Context that accepts a choice of ways to compute attention."""

    def __init__(self, *ways: Any, **flags: Any) -> None:
        self.flags = flags

    def __enter__(self) -> dict[str, Any]:
        return self.flags

    def __exit__(self, *_: Any) -> None:
        return None
