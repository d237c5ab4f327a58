"""The memory that tensors of a checkpoint share, and tensors made anew over it."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from . import dtypes
from .device import CPU, device
from .dtypes import dtype
from .graph import spec
from .nn.parameter import Parameter
from .ops import registry
from .ops._layout import contiguous_strides
from .tensor import Tensor, from_array
from .views import make_view

# PyTorch's names of typed storages; other types are kept untyped, beside their dtype
STORAGES = {
    "DoubleStorage": dtypes.float64,
    "FloatStorage": dtypes.float32,
    "HalfStorage": dtypes.float16,
    "LongStorage": dtypes.int64,
    "IntStorage": dtypes.int32,
    "ShortStorage": dtypes.int16,
    "CharStorage": dtypes.int8,
    "ByteStorage": dtypes.uint8,
    "BoolStorage": dtypes.bool_,
    "BFloat16Storage": dtypes.bfloat16,
    "ComplexDoubleStorage": dtypes.complex128,
    "ComplexFloatStorage": dtypes.complex64,
}
STORAGE_OF = {kind: name for name, kind in STORAGES.items()}


class StorageType:
    """The class of a storage as a pickle names it (torch.FloatStorage); `dtype` is None where it is untyped."""

    def __init__(self, name: str, kind: dtype | None) -> None:
        self.__name__, self.dtype = name, kind

    def __repr__(self) -> str:
        return f"StorageType(name={self.__name__})"


STORAGE_TYPES = {name: StorageType(name, kind) for name, kind in STORAGES.items()}
UNTYPED = StorageType("UntypedStorage", None)


class Storage:
    """A stretch of memory read from a file; what `map_location` is called with."""

    def __init__(self, memory: np.ndarray, kind: dtype | None, location: str, swapped: bool = False) -> None:
        self.memory, self.dtype, self.location, self.swapped = memory, kind, location, swapped
        self.where: Any = CPU  # the device that its tensors are to be on
        self.root: Tensor | None = None  # the tensor that owns the memory, once there is one
        self._typed: dict[dtype, np.ndarray] = {}

    @property
    def device(self) -> device:
        return self.where

    def nbytes(self) -> int:
        """The size in bytes."""
        return self.memory.size

    def size(self) -> int:
        """The number of elements, or of bytes where the type is not known."""
        return self.memory.size // (self.dtype.itemsize if self.dtype else 1)

    __len__ = size

    def on(self, where: Any) -> Storage:
        """This storage, its tensors to be on a device."""
        if self.where is not where:
            self.where, self.root = where, None
        return self

    def cpu(self) -> Storage:
        """This storage, its tensors to be on the processor."""
        return self.on(CPU)

    def cuda(self, device: Any = None, non_blocking: bool = False) -> Storage:
        """This storage on a GPU."""
        from .serialization import default_restore_location

        return default_restore_location(self, "cuda" if device is None else f"cuda:{device}")

    def elements(self, kind: dtype) -> np.ndarray:
        """The memory as elements of a type, put into this machine's byte order."""
        found = self._typed.get(kind)
        if found is None:
            whole = self.memory[: self.memory.size // kind.itemsize * kind.itemsize]
            found = whole.view(kind.numpy)
            if self.swapped:
                found = (
                    whole.view(np.uint16).byteswap().view(kind.numpy) if kind is dtypes.bfloat16 else found.byteswap()
                )
            self._typed[kind] = found
        return found


def _checked(storage: Any, kind: Any, offset: Any, size: Any, stride: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Size and strides, once it is certain that they stay within the storage."""
    numbers = (offset, *size, *stride)
    if not isinstance(storage, Storage) or not isinstance(kind, dtype):
        raise TypeError(f"a tensor needs a storage and a dtype, not {type(storage).__name__} and {type(kind).__name__}")
    if any(type(n) is not int or n < 0 for n in numbers) or len(size) != len(stride):
        raise RuntimeError(
            f"a tensor cannot have sizes {list(size)}, strides {list(stride)} and storage offset {offset}"
        )
    if 0 not in size:
        needed = kind.itemsize * (1 + offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True)))
        if needed > storage.nbytes():
            raise RuntimeError(
                f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {offset}, and itemsize "
                f"{kind.itemsize} requiring a storage size of {needed} are out of bounds for storage of size "
                f"{storage.nbytes()}"
            )
    return tuple(size), tuple(stride)


def over(storage: Storage, kind: dtype, offset: int, size: Any, stride: Any) -> Tensor:
    """A tensor of the elements at these places: the owner of the storage's memory, or a view of the owner."""
    size, stride = _checked(storage, kind, offset, size, stride)
    values = storage.elements(kind)
    total = 1
    for n in size:
        total *= n
    ordered = stride == contiguous_strides(size) or total == 0
    if total == 0:
        value = np.zeros(size, kind.numpy)
    elif ordered:
        value = values[offset : offset + total].reshape(size)
    else:
        value = np.lib.stride_tricks.as_strided(values[offset:], size, [n * kind.itemsize for n in stride])
    found = from_array(value, s=spec(size, kind, storage.where))
    if storage.root is None:
        if ordered and offset == 0 and total == len(values):
            storage.root = found
            found._loaded_into = weakref.ref(storage)  # type: ignore[attr-defined]
            return found
        storage.root = from_array(values, s=spec(values.shape, kind, storage.where))
    if storage.root.dtype is kind and total:
        apart = make_view(from_array(values, s=storage.root._node.spec.like()), storage.root, registry["detach"], ())
        make_view(
            found, apart, registry["_as_strided"], (size, stride, offset)
        )  # the memory is shared, the tape is not
    return found


def rebuild_tensor(storage: Storage, storage_offset: int, size: Any, stride: Any) -> Tensor:
    """torch._utils._rebuild_tensor: a tensor over a typed storage."""
    if not isinstance(storage, Storage):
        raise TypeError(f"a tensor needs a storage, not {type(storage).__name__}")
    return over(storage, storage.dtype or dtypes.uint8, storage_offset, size, stride)


def _finished(t: Tensor, requires_grad: Any, metadata: Any) -> Tensor:
    if metadata:  # bits of PyTorch's lazy views, which the stored elements do not have in them
        value = t._value()
        value = np.conj(value) if metadata.get("conj") else value
        value = np.negative(value) if metadata.get("neg") else value
        t = from_array(value, s=spec(tuple(t.shape), t.dtype, t.device))
    return t.requires_grad_() if requires_grad else t


def rebuild_tensor_v2(
    storage: Storage,
    storage_offset: int,
    size: Any,
    stride: Any,
    requires_grad: bool,
    backward_hooks: Any,
    metadata: Any = None,
) -> Tensor:
    """torch._utils._rebuild_tensor_v2: a tensor over a typed storage, with its flags."""
    return _finished(rebuild_tensor(storage, storage_offset, size, stride), requires_grad, metadata)


def rebuild_tensor_v3(
    storage: Storage,
    storage_offset: int,
    size: Any,
    stride: Any,
    requires_grad: bool,
    backward_hooks: Any,
    dtype: dtype,
    metadata: Any = None,
) -> Tensor:
    """torch._utils._rebuild_tensor_v3: a tensor over an untyped storage."""
    return _finished(over(storage, dtype, storage_offset, size, stride), requires_grad, metadata)


def rebuild_parameter(data: Tensor, requires_grad: bool, backward_hooks: Any) -> Parameter:
    """torch._utils._rebuild_parameter: the parameter takes its data's place as owner of the memory."""
    found = Parameter(data, requires_grad)
    storage = data.__dict__.get("_loaded_into", lambda: None)()
    if storage is not None and storage.root is data and not data.__dict__.get("_views"):
        storage.root = found
    return found


def rebuild_parameter_with_state(data: Tensor, requires_grad: bool, backward_hooks: Any, state: Any) -> Parameter:
    """torch._utils._rebuild_parameter_with_state: a parameter that has attributes."""
    return set_attributes(rebuild_parameter(data, requires_grad, backward_hooks), state)


def rebuild_from_type(make: Callable, kind: type, args: tuple, state: Any) -> Any:
    """torch._tensor._rebuild_from_type_v2: a tensor of another class, or with attributes."""
    allowed = (*REBUILD.values(), rebuild_from_type)
    if make not in allowed or not (isinstance(kind, type) and issubclass(kind, Tensor)):
        raise TypeError(f"a tensor cannot be made by {make} as {kind}")
    found = make(*args)
    if kind not in (Tensor, type(found)):
        found.__class__ = kind
    return set_attributes(found, state)


def set_attributes(t: Any, state: Any) -> Any:
    """Gives a tensor the attributes that a user put on it."""
    held, slots = state if isinstance(state, tuple) and len(state) == 2 else (state, None)
    for values in (held, slots):
        for name, value in (values or {}).items():
            if type(name) is str and not name.startswith("_"):
                t.__dict__[name] = value
    return t


def from_numpy(data: Any, kind: dtype, where: Any, requires_grad: bool) -> Tensor:
    """torch._utils._rebuild_device_tensor_from_numpy: a tensor of another device, stored as an array."""
    t = from_array(np.array(data).astype(kind.numpy))
    return t.requires_grad_() if requires_grad else t


REBUILD: dict[str, Callable] = {
    "_rebuild_tensor": rebuild_tensor,
    "_rebuild_tensor_v2": rebuild_tensor_v2,
    "_rebuild_tensor_v3": rebuild_tensor_v3,
    "_rebuild_parameter": rebuild_parameter,
    "_rebuild_parameter_with_state": rebuild_parameter_with_state,
}
