"""torch.cuda: the GPUs that JAX can use. Without one everything says so as PyTorch does without one."""

from __future__ import annotations

from typing import Any

from .._refusing import refusing as _refusing
from ..device import AcceleratorError, OutOfMemoryError
from . import memory, nvtx, random, streams
from ._devices import (
    can_device_access_peer,
    current_device,
    device,
    device_count,
    device_of,
    get_arch_list,
    get_device_capability,
    get_device_name,
    get_device_properties,
    init,
    ipc_collect,
    is_available,
    is_bf16_supported,
    is_initialized,
    is_tf32_supported,
    set_device,
    synchronize,
)
from .memory import (
    empty_cache,
    max_memory_allocated,
    max_memory_cached,
    max_memory_reserved,
    mem_get_info,
    memory_allocated,
    memory_cached,
    memory_reserved,
    memory_stats,
    memory_summary,
    reset_accumulated_memory_stats,
    reset_max_memory_allocated,
    reset_max_memory_cached,
    reset_peak_memory_stats,
    set_per_process_memory_fraction,
)
from .random import (
    get_rng_state,
    get_rng_state_all,
    initial_seed,
    manual_seed,
    manual_seed_all,
    seed,
    seed_all,
    set_rng_state,
    set_rng_state_all,
)
from .streams import (
    Event,
    ExternalStream,
    Stream,
    StreamContext,
    current_stream,
    default_stream,
    set_stream,
    stream,
)

has_half, has_magma = True, False


def is_current_stream_capturing() -> bool:
    """Whether a graph of a GPU's work is being recorded: never."""
    return False


# What programs name in annotations, or call once they have asked for a GPU.
for _name in "CUDAGraph MemPool graph make_graphed_callables graph_pool_handle".split():
    globals()[_name] = _refusing("torch.cuda", _name, "programs on a GPU are compiled whole already; call the function")


def __getattr__(name: str) -> Any:
    if name == "default_generators":
        from ..random import default_generator

        return (default_generator,) * device_count()
    from ..namespaces import _missing_in

    return _missing_in("cuda", globals())(name)
