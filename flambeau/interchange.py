"""Tensors handed to other libraries and processes: DLPack, NumPy's functions, storages, shared memory."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np

from .backends import devices
from .creation import from_array
from .device import CPU
from .engine import engine
from .info import channels_last, channels_last_3d, contiguous_format
from .ops import registry
from .tensor import Tensor
from .views import root_of


class DLDeviceType(IntEnum):
    """DLPack's numbers of kinds of devices."""

    kDLCPU = 1
    kDLCUDA = 2
    kDLCUDAHost = 3
    kDLOpenCL = 4
    kDLVulkan = 7
    kDLMetal = 8
    kDLVPI = 9
    kDLROCM = 10
    kDLROCMHost = 11
    kDLExtDev = 12
    kDLCUDAManaged = 13
    kDLOneAPI = 14
    kDLWebGPU = 15
    kDLHexagon = 16
    kDLMAIA = 17


# ---- DLPack


def __dlpack__(
    self: Tensor,
    *,
    stream: Any = None,
    max_version: tuple[int, int] | None = None,
    dl_device: tuple[int, int] | None = None,
    copy: bool | None = None,
) -> Any:
    """A capsule of DLPack's with the elements, always copied: what the other library writes does not come back."""
    if self.requires_grad:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
    if copy is False:
        raise BufferError("flambeau: tensors have no memory that others may write to; they are exported by copy only")
    if self.device is not CPU:
        engine.force(self._node)
        value = devices.copied(devices.fetched([self._node])[0], self.device)
        return value.__dlpack__(stream=stream, max_version=max_version, dl_device=dl_device)
    if dl_device is not None and tuple(dl_device) != (1, 0):
        raise BufferError(f"the tensor is on the CPU and cannot be exported to the device {tuple(dl_device)}")
    value = np.array(self._value())
    if value.dtype.isbuiltin != 1:
        raise BufferError(f"flambeau: NumPy, which makes the capsule, has no DLPack type for {self.dtype}")
    return value.__dlpack__(max_version=max_version)


def __dlpack_device__(self: Tensor) -> tuple[DLDeviceType, int]:
    """Where the elements are, in DLPack's numbers."""
    if self.device is not CPU:
        engine.force(self._node)
        kind, index = devices.fetched([self._node])[0].__dlpack_device__()
        return DLDeviceType(kind), index
    return DLDeviceType.kDLCPU, 0


class _Capsule:
    """A bare capsule as an object that gives it, once."""

    def __init__(self, capsule: Any) -> None:
        self.capsule = capsule

    def __dlpack__(self, **kwargs: Any) -> Any:
        return self.capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor with the elements of another library's tensor, or of a capsule. Always a copy, so later writes on one
    side are not seen on the other."""
    if copy is False:
        raise BufferError("flambeau: from_dlpack always copies; copy=False cannot be had")
    if isinstance(ext_tensor, Tensor):
        return ext_tensor.clone()  # type: ignore[attr-defined]
    if not hasattr(ext_tensor, "__dlpack__"):
        if type(ext_tensor).__name__ != "PyCapsule":
            raise RuntimeError(
                "from_dlpack received an invalid capsule. Note that DLTensor capsules can be consumed only once, so "
                "you might have already constructed a tensor from it once."
            )
        ext_tensor = _Capsule(ext_tensor)
    elif ext_tensor.__dlpack_device__()[0] != DLDeviceType.kDLCPU:
        raise BufferError("flambeau: from_dlpack takes tensors that are on the CPU")
    try:
        found = from_array(np.array(np.from_dlpack(ext_tensor)))
    except ValueError as error:
        raise RuntimeError(
            "from_dlpack received an invalid capsule. Note that DLTensor capsules can be consumed only once, so "
            "you might have already constructed a tensor from it once."
        ) from error
    return found if device is None else found.to(device)


def to_dlpack(tensor: Tensor) -> Any:
    """A capsule of DLPack's with the elements of a tensor."""
    return tensor.__dlpack__()  # type: ignore[attr-defined]


# ---- NumPy


def __array_wrap__(self: Tensor, array: Any, context: Any = None, return_scalar: bool = False) -> Tensor:
    """What NumPy's functions give of tensors: a tensor, of uint8 where NumPy has booleans, as in PyTorch."""
    found = np.asarray(array)
    return from_array(found.astype(np.uint8) if found.dtype == bool else found)


# ---- storages


def data_ptr(self: Tensor) -> int:
    """The address of the first element, in memory that the views of a tensor share; it holds until the tensor is
    written to, and is 0 if there are no elements."""
    if not self.numel():
        return 0
    root = root_of(self)
    if self.device is not CPU:
        return devices.address(root._node) + self.storage_offset() * self.element_size()
    value = root._value()
    if type(value) is not np.ndarray or not value.flags.c_contiguous:
        value = root._node.value = np.array(value, order="C")
    return value.__array_interface__["data"][0] + self.storage_offset() * self.element_size()


def storage(self: Tensor) -> Any:
    """The memory that the tensor and its views share, element by element."""
    from .storage import TypedStorage

    return TypedStorage(wrap_storage=untyped_storage(self), dtype=self.dtype, _internal=True)


def untyped_storage(self: Tensor) -> Any:
    """The memory that the tensor and its views share, byte by byte."""
    from .storage import UntypedStorage

    return UntypedStorage._of(root_of(self))


def storage_type(self: Tensor) -> Any:
    """The class of the old typed storages for this dtype."""
    from . import storage as storages
    from ._storage import STORAGE_OF

    return getattr(storages, STORAGE_OF[self.dtype])


def is_set_to(self: Tensor, tensor: Tensor) -> bool:
    """Whether both look at the same memory, in the same way."""
    same = root_of(self) is root_of(tensor) and self.storage_offset() == tensor.storage_offset()
    return same and self.shape == tensor.shape and self.stride() == tensor.stride()


def dim_order(self: Tensor, *, ambiguity_check: Any = False) -> tuple[int, ...]:
    """The dimensions from the one with the largest steps in memory to that with the smallest."""
    shape, steps = tuple(self.shape), self.stride()
    order = sorted(range(self.ndim), key=lambda d: (-steps[d], d))
    formats = [contiguous_format, channels_last, channels_last_3d] if isinstance(ambiguity_check, list) else []
    if (ambiguity_check is True or formats) and any(shape[d] == 1 for d in order):
        raise RuntimeError(
            "The tensor does not have unique dim order, or cannot map to exact one of the given formats."
        )
    return tuple(order)


# ---- classes


def as_subclass(self: Tensor, cls: type) -> Any:
    """The same elements as an object of a subclass. Results of operations are plain tensors."""
    if not (isinstance(cls, type) and issubclass(cls, Tensor)):
        raise TypeError("cls must be a type and a subclass of torch.Tensor")
    found = registry["view_as"](self, self) if self.requires_grad else self.detach()  # type: ignore
    found.__class__ = cls
    return found


def _make_subclass(cls: type, data: Tensor, require_grad: bool = False, **kwargs: Any) -> Any:
    """The elements of `data` as an object of a subclass, a leaf."""
    found = data.detach()  # type: ignore[attr-defined]
    found.__class__ = cls
    return found.requires_grad_(require_grad)


def module_load(self: Tensor, other: Tensor, assign: bool = False) -> Tensor:
    """What load_state_dict puts in place of `self`."""
    return other.detach() if assign else self.copy_(other)  # type: ignore[attr-defined]


def record_stream(self: Tensor, stream: Any) -> None:
    """Nothing to note: there are no streams."""


METHODS = (__dlpack__, __dlpack_device__, __array_wrap__, data_ptr, storage, untyped_storage, storage_type, is_set_to,
           dim_order, as_subclass, module_load, record_stream)  # fmt: skip


def install() -> None:
    """Gives the methods to tensors."""
    for function in METHODS:
        setattr(Tensor, function.__name__, function)
    Tensor._make_subclass = staticmethod(_make_subclass)  # type: ignore[attr-defined]
    never = property(lambda self: False, doc="Whether the tensor is on such a device: no.")
    for name in ("is_xla", "is_ipu", "is_hpu", "is_mtia", "is_maia", "is_vulkan", "is_sparse_csr"):
        if name not in vars(Tensor):
            setattr(Tensor, name, never)
    if "name" not in vars(Tensor):
        Tensor.name = property(lambda self: None, doc="None.")  # type: ignore[attr-defined]
