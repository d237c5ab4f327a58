"""torch.distributed: one process computes; the rest says so. Programs ask `is_available()` before they use it."""

from __future__ import annotations

import os
from typing import Any, NoReturn

from .._refusing import module_getattr, refusing

_REASON = "flambeau trains in one process; run the program without a launcher such as torchrun"
_NAMES = """
    ReduceOp ProcessGroup Backend Store TCPStore FileStore HashStore PrefixStore Work P2POp DeviceMesh all_gather
    all_gather_into_tensor all_gather_object all_reduce all_to_all all_to_all_single barrier broadcast
    broadcast_object_list destroy_process_group gather gather_object get_backend get_group_rank get_global_rank
    get_process_group_ranks get_rank get_world_size irecv isend monitored_barrier new_group new_subgroups recv reduce
    reduce_scatter reduce_scatter_tensor scatter scatter_object_list send batch_isend_irecv init_device_mesh
""".split()
_lookup = module_getattr("torch.distributed", _REASON, globals())


def is_available() -> bool:
    """Whether several processes can compute together: they cannot."""
    return False


def is_initialized() -> bool:
    """Whether a group of processes has been set up: never."""
    return False


def is_torchelastic_launched() -> bool:
    """Whether a launcher such as torchrun has started this process."""
    return os.environ.get("TORCHELASTIC_RUN_ID") is not None


def is_nccl_available() -> bool:
    """Whether there is NVIDIA's library of communication: there is not."""
    return False


is_gloo_available = is_mpi_available = is_ucc_available = is_xccl_available = is_nccl_available


def init_process_group(backend: str | None = None, *args: Any, **kwargs: Any) -> NoReturn:
    """Raises: there is no group to join."""
    raise NotImplementedError(f"flambeau: torch.distributed.init_process_group is not supported; {_REASON}")


def __getattr__(name: str) -> object:
    if name in _NAMES:
        found = globals()[name] = refusing("torch.distributed", name, _REASON)
        return found
    return _lookup(name)
