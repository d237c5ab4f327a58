"""torch.cuda: on this machine's NumPy backend there is no GPU, and everything says so as PyTorch without one does."""

from __future__ import annotations

from typing import Any

from .._refusing import refusing as _refusing
from ..device import device as _device


def is_available() -> bool:
    """Whether a GPU can be used."""
    return False


def is_initialized() -> bool:
    """Whether a GPU is in use."""
    return False


def device_count() -> int:
    """The number of GPUs."""
    return 0


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Whether the GPU computes in bfloat16."""
    return False


def _none() -> Any:
    raise AssertionError("Torch not compiled with CUDA enabled")


def current_device() -> int:
    """The number of the GPU in use."""
    return _none()


def get_device_name(device: Any = None) -> str:
    """The name of a GPU."""
    return _none()


def get_device_properties(device: Any = None) -> Any:
    """What a GPU can do."""
    return _none()


def get_device_capability(device: Any = None) -> tuple[int, int]:
    """The generation of a GPU."""
    return _none()


def set_device(device: Any) -> None:
    """Chooses the GPU to use."""
    if (device if isinstance(device, int) else _device(device).index or 0) >= 0:
        _none()


def init() -> None:
    """Starts the GPU."""
    _none()


def synchronize(device: Any = None) -> None:
    """Waits for a GPU."""
    _none()


def empty_cache() -> None:
    """Nothing is cached without a GPU."""


def ipc_collect() -> None:
    """Nothing to collect without a GPU."""


def reset_peak_memory_stats(device: Any = None) -> None:
    """Nothing is counted without a GPU."""


def memory_allocated(device: Any = None) -> int:
    """Bytes of GPU memory in use."""
    return 0


def max_memory_allocated(device: Any = None) -> int:
    """The most bytes of GPU memory that were in use."""
    return 0


def memory_reserved(device: Any = None) -> int:
    """Bytes of GPU memory set aside."""
    return 0


def max_memory_reserved(device: Any = None) -> int:
    """The most bytes of GPU memory that were set aside."""
    return 0


def manual_seed(seed: int) -> None:
    """Seeds the GPU's generator, if there were one."""


def manual_seed_all(seed: int) -> None:
    """Seeds the generators of all GPUs, if there were any."""


def seed() -> None:
    """Seeds the GPU's generator from the system, if there were one."""


seed_all = seed


def get_rng_state(device: Any = "cuda") -> Any:
    """The state of a GPU's generator. There is none."""
    _none()


def get_rng_state_all() -> list:
    """The states of the generators of all GPUs: none."""
    return []


def set_rng_state(new_state: Any, device: Any = "cuda") -> None:
    """Sets the state of a GPU's generator. There is none."""
    _none()


def set_rng_state_all(new_states: Any) -> None:
    """Sets the states of the generators of all GPUs: of none."""
    for state in new_states:
        set_rng_state(state)


def is_current_stream_capturing() -> bool:
    """Whether a graph of a GPU's work is being recorded: never."""
    return False


# What programs name in annotations, or call once they have asked for a GPU.
for _name in ("Stream StreamContext ExternalStream Event CUDAGraph MemPool graph stream current_stream default_stream "
              "set_stream make_graphed_callables graph_pool_handle mem_get_info").split():
    globals().setdefault(_name, _refusing("torch.cuda", _name, "there is no GPU; ask torch.cuda.is_available()"))
