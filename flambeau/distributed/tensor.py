"""torch.distributed.tensor: tensors spread over devices. None is, so that asking whether one is has an answer."""

from __future__ import annotations

from .._refusing import refusing

_REASON = "flambeau trains in one process; use a Tensor"

DTensor, DeviceMesh, Placement, Replicate, Shard, Partial, distribute_tensor, distribute_module = (
    refusing("torch.distributed.tensor", name, _REASON)
    for name in ("DTensor", "DeviceMesh", "Placement", "Replicate", "Shard", "Partial", "distribute_tensor",
                 "distribute_module")
)  # fmt: skip
