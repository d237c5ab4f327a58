"""The GPUs there are, and which one a thread uses."""

from __future__ import annotations

from typing import Any

from ..backends import devices
from ..device import device as _device
from ..device import gpus, here
from ..engine import engine

MISSING = "Torch not compiled with CUDA enabled"


def index_of(device: Any = None) -> int:
    """The number of the GPU that an argument means; an error if there is none such."""
    if not gpus.count():
        raise AssertionError(MISSING)
    found = here.index
    if isinstance(device, int):
        found = device
    elif device is not None:
        given = _device(device)
        if given.type != "cuda":
            raise ValueError(f"Expected a cuda device, but got: {device}")
        found = here.index if given.index is None else given.index
    if not 0 <= found < gpus.count():
        raise AssertionError("Invalid device id")
    return found


def as_jax_knows(device: Any = None) -> Any:
    """A GPU as JAX knows it."""
    return devices.found()[index_of(device)]


def is_available() -> bool:
    """Whether a GPU can be used: JAX, its plugin for NVIDIA's GPUs, a driver and a GPU are there."""
    return gpus.count() > 0


def is_initialized() -> bool:
    """Whether a GPU is in use."""
    return devices.started()


def init() -> None:
    """Starts the GPU."""
    index_of()


def device_count() -> int:
    """The number of GPUs."""
    return gpus.count()


def current_device() -> int:
    """The number of the GPU in use."""
    return index_of()


def set_device(device: Any) -> None:
    """Chooses the GPU to use."""
    number = device if isinstance(device, int) else _device(device).index
    if number is None or number >= 0:
        here.index = index_of(device)


def get_device_name(device: Any = None) -> str:
    """The name of a GPU."""
    return as_jax_knows(device).device_kind


def get_device_capability(device: Any = None) -> tuple[int, int]:
    """The generation of a GPU: (9, 0) for Hopper; (0, 0) if JAX does not tell."""
    major, _, minor = str(getattr(as_jax_knows(device), "compute_capability", "0.0")).partition(".")
    return int(major), int(minor or 0)


class DeviceProperties:
    """What there is to know of a GPU, as far as JAX tells."""

    def __init__(self, name: str, major: int, minor: int, total_memory: int, multi_processor_count: int) -> None:
        self.name, self.major, self.minor, self.total_memory = name, major, minor, total_memory
        self.multi_processor_count = multi_processor_count

    def __repr__(self) -> str:
        return (
            f"_CudaDeviceProperties(name='{self.name}', major={self.major}, minor={self.minor}, "
            f"total_memory={self.total_memory >> 20}MB, multi_processor_count={self.multi_processor_count})"
        )


def get_device_properties(device: Any = None) -> DeviceProperties:
    """What there is to know of a GPU. `total_memory` is what JAX may use of it."""
    from .memory import mem_get_info

    number = index_of(device)
    cores = int(getattr(as_jax_knows(number), "core_count", 0) or 0)
    return DeviceProperties(get_device_name(number), *get_device_capability(number), mem_get_info(number)[1], cores)


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Whether the GPU computes in bfloat16; XLA sees to it on those that cannot."""
    return is_available() and (including_emulation or get_device_capability()[0] >= 8)


def is_tf32_supported() -> bool:
    """Whether the GPU computes in TensorFloat-32."""
    return is_available() and get_device_capability()[0] >= 8


def can_device_access_peer(device: Any, peer_device: Any) -> bool:
    """Whether a GPU reads the memory of another by itself: JAX does not tell, and copies either way."""
    return index_of(device) == index_of(peer_device)


def get_arch_list() -> list[str]:
    """The generations of GPUs that programs are compiled for: those that are there."""
    return sorted({"sm_{}{}".format(*get_device_capability(i)) for i in range(gpus.count())})


def synchronize(device: Any = None) -> None:
    """Runs what is pending, and waits until a GPU is done."""
    wait(index_of(device))


def wait(index: int) -> None:
    """Runs what is pending, and waits until the GPU of that number is done."""
    engine.flush("synchronize")
    for array in devices.arrays_on(index):
        array.block_until_ready()


def ipc_collect() -> None:
    """Nothing to collect: processes share no GPU memory."""


class device:
    """Context in which another GPU is the one in use: `with torch.cuda.device(1):`."""

    def __init__(self, device: Any) -> None:
        number = device if isinstance(device, int) or device is None else _device(device).index
        self.idx = -1 if number is None else number
        self.before = 0

    def __enter__(self) -> None:
        self.before = here.index
        if self.idx >= 0:
            here.index = index_of(self.idx)

    def __exit__(self, *_: Any) -> None:
        here.index = self.before


class device_of(device):
    """Context in which the GPU of a tensor is the one in use; for a tensor of the processor nothing changes."""

    def __init__(self, obj: Any) -> None:
        super().__init__(obj.get_device())
