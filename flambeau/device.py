"""Devices: where a tensor lives."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable

TYPES = (
    "cpu",
    "cuda",
    "ipu",
    "xpu",
    "mkldnn",
    "opengl",
    "opencl",
    "ideep",
    "hip",
    "ve",
    "fpga",
    "maia",
    "xla",
    "lazy",
    "vulkan",
    "mps",
    "meta",
    "hpu",
    "mtia",
    "privateuseone",
)


class AcceleratorError(RuntimeError):
    """A GPU cannot do what it was asked."""


class OutOfMemoryError(RuntimeError):
    """The memory of a GPU is full."""


class device:
    """`device("cpu")`, `device("cuda:1")`, `device("cuda", 1)`: a kind of processor and, where there are several,
    which.

    >>> import flambeau as torch
    >>> torch.device("cpu")
    device(type='cpu')
    """

    __slots__ = ("type", "index")

    def __init__(self, type: str | int | device, index: int | None = None) -> None:
        if isinstance(type, device):
            kind, index = type.type, type.index
        elif isinstance(type, int):
            if not gpus.count():
                raise RuntimeError("Cannot access accelerator device when none is available.")
            kind, index = "cuda", type
        elif not isinstance(type, str):
            raise TypeError(f"device(): argument 'type' (position 1) must be str, not {type.__class__.__name__}")
        elif index is None:
            found = re.fullmatch(r"([a-z_]+)(?::(0|[1-9]\d*))?", type)
            if not found:
                raise RuntimeError(f"Invalid device string: '{type}'")
            kind, index = found[1], int(found[2]) if found[2] else None
        else:
            kind = type
        if kind not in TYPES:
            raise RuntimeError(f"Expected one of {', '.join(TYPES)} device type at start of device string: {kind}")
        self.type: str = kind
        self.index: int | None = index

    def __repr__(self) -> str:
        return f"device(type='{self.type}'" + (f", index={self.index})" if self.index is not None else ")")

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __enter__(self) -> device:
        here.before = (*here.before, here.default)
        here.default = resolve(self)
        return self

    def __exit__(self, *_: object) -> None:
        *rest, here.default = here.before
        here.before = tuple(rest)

    def __reduce__(self) -> tuple:
        return device, (self.type, self.index)


CPU = device("cpu")
META = device("meta")  # tensors without values: a shape and a dtype


class Here(threading.local):
    """What a thread means by devices that are not named."""

    default: device = CPU  # where new tensors go
    before: tuple[device, ...] = ()  # those of the `with` blocks around
    index = 0  # the GPU that "cuda" without a number is


class GPUs:
    """The GPUs of this machine. `count` is set by the layer that can find them."""

    def __init__(self) -> None:
        self.count: Callable[[], int] = lambda: 0
        self.known: dict[int, device] = {}

    def device(self, index: int) -> device:
        """The one object for a GPU, so that devices can be compared by identity."""
        found = self.known.get(index)
        if found is None:
            found = self.known[index] = device("cuda", index)
        return found


here = Here()
gpus = GPUs()


def resolve(where: object) -> device:
    """The device meant by a `device=` argument; an error if this machine has none such."""
    if where is None:
        return here.default
    if where is CPU:
        return CPU
    found = where if isinstance(where, device) else device(where)  # type: ignore[arg-type]
    if found.type == "cpu":
        return CPU
    if found.type == "cuda":
        count = gpus.count()
        if not count:
            raise AssertionError("Torch not compiled with CUDA enabled")
        index = here.index if found.index is None else found.index
        if not 0 <= index < count:
            raise AcceleratorError("CUDA error: invalid device ordinal")
        return gpus.device(index)
    if found.type == "meta":
        return META
    raise RuntimeError(f"flambeau has no '{found.type}' device on this machine; use device='cpu'")
