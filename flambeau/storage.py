"""torch.storage: the memory of tensors, as old programs look at it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from . import dtypes
from ._storage import STORAGES
from .creation import tensor, zeros
from .device import device
from .dtypes import dtype
from .tensor import Tensor, from_array

__all__ = ["TypedStorage", "UntypedStorage"]


class UntypedStorage:
    """The bytes that a tensor and its views share. They can be read; writing goes through a tensor."""

    _root: Tensor

    def __init__(self, size: int = 0, *, device: Any = None) -> None:
        self._root = zeros(size, dtype=dtypes.uint8)

    @classmethod
    def _of(cls, root: Tensor) -> UntypedStorage:
        found = object.__new__(cls)
        found._root = root
        return found

    @staticmethod
    def from_file(filename: Any, shared: bool = False, nbytes: int = 0) -> UntypedStorage:
        """The first `nbytes` bytes of a file, read as they are looked at."""
        if shared:
            raise NotImplementedError("flambeau: a file cannot be written to through a storage; use shared=False")
        return UntypedStorage._of(from_array(np.asarray(np.memmap(filename, np.uint8, "r", shape=(nbytes,)))))

    def _bytes(self) -> np.ndarray:
        return np.ascontiguousarray(self._root._value()).reshape(-1).view(np.uint8)

    def nbytes(self) -> int:
        """The size in bytes."""
        return self._root.nbytes

    size = __len__ = nbytes

    @property
    def device(self) -> device:
        return self._root.device

    is_cuda = property(lambda self: self.device.type == "cuda")

    def element_size(self) -> int:
        """The size of an element: a byte."""
        return 1

    def data_ptr(self) -> int:
        """The address of the memory: the same for all views of it, until it is written to."""
        return self._root.data_ptr()

    def tolist(self) -> list[int]:
        """The bytes as numbers."""
        return self._bytes().tolist()

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return UntypedStorage._of(from_array(self._bytes()[index].copy()))
        return int(self._bytes()[index])

    def __iter__(self) -> Iterator[int]:
        return iter(self.tolist())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self._bytes(), dtype)

    def __sizeof__(self) -> int:
        return object.__sizeof__(self) + len(self)

    def __setitem__(self, index: Any, value: Any) -> None:
        raise NotImplementedError("flambeau: a storage cannot be written to, write to the tensor")

    def is_shared(self) -> bool:
        """Whether other processes can write to the memory."""
        return self._root.is_shared()  # type: ignore[attr-defined]

    def share_memory_(self) -> UntypedStorage:
        """Moves the memory to where other processes can write to it."""
        self._root.share_memory_()  # type: ignore[attr-defined]
        return self

    def untyped(self) -> UntypedStorage:
        """Itself."""
        return self

    def cpu(self) -> UntypedStorage:
        """Itself."""
        return self

    def clone(self) -> UntypedStorage:
        """A copy."""
        return UntypedStorage._of(self._root.clone())  # type: ignore[attr-defined]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UntypedStorage) and other._root is self._root

    def __hash__(self) -> int:
        return id(self._root)

    def __repr__(self) -> str:
        lines = "".join(f" {byte}\n" for byte in self)
        return f"{lines}[torch.storage.UntypedStorage(device={self.device}) of size {len(self)}]"


class TypedStorage:
    """The elements that a tensor and its views share, in order."""

    dtype: dtype

    def __init__(self, *args: Any, wrap_storage: Any = None, dtype: Any = None, device: Any = None,
                 _internal: bool = False) -> None:  # fmt: skip
        self.dtype = dtype or getattr(type(self), "dtype", None) or dtypes.default_dtype()
        if wrap_storage is not None:
            self._untyped = wrap_storage
        elif args and not isinstance(args[0], int):
            self._untyped = UntypedStorage._of(tensor(list(args[0]), dtype=self.dtype))
        else:
            self._untyped = UntypedStorage._of(zeros(args[0] if args else 0, dtype=self.dtype))

    def _elements(self) -> Any:
        """The elements as a tensor of one dimension, writing to which writes to the memory."""
        return self._untyped._root.view(-1)

    def untyped(self) -> UntypedStorage:
        """The same memory as bytes."""
        return self._untyped

    @property
    def device(self) -> device:
        return self._untyped.device

    is_cuda = property(lambda self: self.device.type == "cuda")
    is_sparse = False

    def size(self) -> int:
        """The number of elements."""
        return self._untyped.nbytes() // self.dtype.itemsize

    __len__ = size

    def nbytes(self) -> int:
        """The size in bytes."""
        return self._untyped.nbytes()

    def element_size(self) -> int:
        """The size of an element in bytes."""
        return self.dtype.itemsize

    def data_ptr(self) -> int:
        """The address of the memory."""
        return self._untyped.data_ptr()

    def tolist(self) -> list:
        """The elements as numbers."""
        return self._elements().tolist()

    def __iter__(self) -> Iterator:
        return iter(self.tolist())

    def __getitem__(self, index: int) -> Any:
        if isinstance(index, slice):
            raise RuntimeError("slices are only supported in UntypedStorage.__getitem__")
        return self._elements()[index].item()

    def __setitem__(self, index: int, value: Any) -> None:
        self._elements()[index] = value

    def fill_(self, value: Any) -> TypedStorage:
        """Makes every element `value`."""
        self._elements().fill_(value)
        return self

    def copy_(self, source: Any, non_blocking: bool = False) -> TypedStorage:
        """Writes the elements of another storage."""
        self._elements().copy_(source._elements())
        return self

    def clone(self) -> TypedStorage:
        """A copy."""
        return TypedStorage(wrap_storage=self._untyped.clone(), dtype=self.dtype)

    def cpu(self) -> TypedStorage:
        """Itself."""
        return self

    def is_shared(self) -> bool:
        """Whether other processes can write to the memory."""
        return self._untyped.is_shared()

    def share_memory_(self) -> TypedStorage:
        """Moves the memory to where other processes can write to it."""
        self._untyped.share_memory_()
        return self

    def pickle_storage_type(self) -> str:
        """The name of the old class of such storages."""
        from ._storage import STORAGE_OF

        return STORAGE_OF[self.dtype]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TypedStorage) and other._untyped == self._untyped

    def __hash__(self) -> int:
        return hash(self._untyped)

    def __repr__(self) -> str:
        lines = "".join(f" {value}\n" for value in self)
        return (
            f"{lines}[torch.storage.TypedStorage(dtype={self.dtype}, device={self.device}) of size {self.size()}]"
        )


class _LegacyStorage(TypedStorage):
    """A class of storages of one dtype."""


for _name, _kind in STORAGES.items():
    globals()[_name] = type(_name, (_LegacyStorage,), {"dtype": _kind, "__doc__": f"Storages of {_kind.name}."})
