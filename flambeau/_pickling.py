"""Objects as pickles that PyTorch reads: tensors by their storages, classes under PyTorch's names."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from functools import cache
from types import BuiltinFunctionType, FunctionType
from typing import Any

import numpy as np

from . import _names
from ._locations import tag_of
from ._storage import STORAGE_OF
from .device import device
from .dtypes import dtype
from .info import layout, memory_format
from .nn import TransformerDecoderLayer, TransformerEncoderLayer
from .nn.parameter import Buffer, Parameter, _Uninitialized
from .tensor import Size, Tensor, view_layout
from .views import root_of


class Name:
    """Stands in a pickle for something of PyTorch's, by its name."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def __call__(self) -> None:
        raise TypeError(f"{self.module}.{self.name} is written, never called")


@cache
def named(module: str, name: str) -> Name:
    """The one stand-in of that name, so that a pickle mentions it once."""
    return Name(module, name)


class StoredMemory:
    """The memory of one tensor and of its views, to be written once."""

    def __init__(self, key: str, owner: Tensor) -> None:
        self.key, self.owner = key, owner
        self.values = np.ascontiguousarray(owner._value()).reshape(-1)

    def bytes(self) -> np.ndarray:
        """The elements as bytes."""
        return self.values.view(np.uint8)


def torch_path(thing: Any) -> tuple[str, str] | None:
    """Module and name under which PyTorch, or torchvision, has a class or function of flambeau's, or None."""
    module = getattr(thing, "__module__", None) or ""
    if module.startswith("flambeau.vision.") and callable(thing):
        return "torchvision" + module.removeprefix("flambeau.vision"), thing.__qualname__
    if isinstance(thing, type) and module.partition(".")[0] == "flambeau":
        return _class_path(module, thing.__qualname__)
    if callable(thing) and module.partition(".")[0] in ("flambeau", "torch"):
        return _function_path(thing)
    return None


@cache
def _class_path(module: str, name: str) -> tuple[str, str] | None:
    table = _names.modules()
    same = "torch" + module.removeprefix("flambeau")
    homes = [same]
    if module.startswith("flambeau.nn."):
        homes += [home for home in table if home.startswith("torch.nn.modules.")]
    homes += [same.rsplit(".", depth)[0] for depth in range(1, same.count(".") + 1)]
    return next(((home, name) for home in homes if name in table.get(home, ())), None)


def _function_path(thing: Any) -> tuple[str, str] | None:
    import flambeau

    from .nn import functional

    for home, members in (("torch.nn.functional", vars(functional)), ("torch", vars(flambeau))):
        for name, value in members.items():
            if value is thing and not name.startswith("_"):
                return home, name
    return None


def plain_class(t: Tensor) -> type:
    """The class of a tensor; of one in shared memory, the class that it had before."""
    return getattr(type(t), "_plain", type(t))


def reduced(t: Tensor, store: Any) -> tuple:
    """How a tensor is rebuilt, as a pickle says it; `store` gives its memory, offset and strides."""
    if isinstance(t, _Uninitialized):
        return type(t), (t.requires_grad,)
    attributes = {
        k: v
        for k, v in t.__dict__.items()
        if not k.startswith("_") and not (isinstance(t, Buffer) and k == "persistent")
    }
    if isinstance(t, Parameter):
        data = t.detach()  # type: ignore[attr-defined]
        if not attributes:
            return named("torch._utils", "_rebuild_parameter"), (data, t.requires_grad, OrderedDict())
        return named("torch._utils", "_rebuild_parameter_with_state"), (
            data,
            t.requires_grad,
            OrderedDict(),
            attributes,
        )
    memory, offset, strides = store(t)
    args: tuple = (memory, offset, tuple(t.shape), strides, t.requires_grad, OrderedDict())
    made: tuple = (named("torch._utils", "_rebuild_tensor_v2"), args)
    if t.dtype not in STORAGE_OF:
        made = named("torch._utils", "_rebuild_tensor_v3"), (*args, t.dtype)
    kind = plain_class(t)
    if attributes or kind not in (Tensor, Buffer):
        return named("torch._tensor", "_rebuild_from_type_v2"), (
            made[0],
            Tensor if kind is Buffer else kind,
            made[1],
            attributes,
        )
    return made


_Pickler: Any = pickle._Pickler  # type: ignore[attr-defined]


class CheckpointPickler(_Pickler):
    """Python's pickler, with PyTorch's words for tensors, dtypes and classes; collects the memory to store."""

    def __init__(self, file: Any, protocol: int = 2, legacy: bool = False) -> None:
        super().__init__(file, protocol=protocol)
        self.legacy = legacy
        self.stored: dict[int, StoredMemory] = {}

    def persistent_id(self, thing: Any) -> Any:
        """What is said in place of stored memory."""
        if type(thing) is not StoredMemory:
            return None
        kind = thing.owner.dtype
        typed = kind in STORAGE_OF
        name = named("torch", STORAGE_OF[kind]) if typed else named("torch.storage", "UntypedStorage")
        said = (
            "storage",
            name,
            thing.key,
            tag_of(thing.owner),
            thing.values.size if typed else thing.values.nbytes,
        )
        return (*said, None) if self.legacy else said

    def reducer_override(self, thing: Any) -> Any:
        """How the things that PyTorch has too are made again."""
        if isinstance(thing, Tensor):
            own = plain_class(thing).__reduce_ex__ is Tensor.__reduce_ex__
            return reduced(thing, self.memory_of) if own else NotImplemented
        if isinstance(thing, Size):
            return named("torch", "Size"), (tuple(thing),)
        if isinstance(thing, device):
            return named("torch", "device"), (thing.type,) if thing.index is None else (thing.type, thing.index)
        if isinstance(thing, layout):
            return named("torch.serialization", "_get_layout"), (repr(thing),)
        if isinstance(thing, (TransformerEncoderLayer, TransformerDecoderLayer)) and callable(thing.activation):
            # PyTorch keeps the function, where a plain pickle has its name
            plain: Any = thing.__reduce_ex__(2)
            return plain[0], plain[1], {**plain[2], "activation": thing.activation}
        return NotImplemented

    def memory_of(self, t: Tensor) -> tuple[StoredMemory, int, tuple[int, ...]]:
        """The stored memory that holds a tensor's elements, and where they lie in it."""
        root = root_of(t)
        memory = self._stored(root)
        if root is t:
            return memory, 0, view_layout(t)[1]
        offset, strides = view_layout(t)
        if root.dtype is t.dtype and self._lies_so(t, memory, offset, strides):
            return memory, offset, strides
        copy = t.clone() if t._base_tensor is not None else t  # type: ignore[attr-defined]
        return self._stored(copy), 0, view_layout(copy)[1]

    def _stored(self, owner: Tensor) -> StoredMemory:
        found = self.stored.get(id(owner))
        if found is None:
            found = self.stored[id(owner)] = StoredMemory(str(len(self.stored)), owner)
        return found

    @staticmethod
    def _lies_so(t: Tensor, memory: StoredMemory, offset: int, strides: tuple[int, ...]) -> bool:
        """Whether the elements of a view are what its layout says: a conjugate, for one, is not."""
        shape, values = tuple(t.shape), memory.values
        if 0 in shape or len(strides) != len(shape):
            return False
        if offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True)) >= values.size:
            return False
        seen = np.lib.stride_tricks.as_strided(values[offset:], shape, [n * values.itemsize for n in strides])
        own = np.asarray(t._value())
        if seen.ctypes.data == own.ctypes.data and seen.strides == own.strides:
            return True
        return np.array_equal(
            np.ascontiguousarray(seen).reshape(-1).view(np.uint8), np.ascontiguousarray(own).reshape(-1).view(np.uint8)
        )

    def _write_name(self, thing: Any, module: str, name: str) -> None:
        if self.proto >= 4:
            self.save(module)
            self.save(name)
            self.write(pickle.STACK_GLOBAL)
        else:
            self.write(pickle.GLOBAL + f"{module}\n{name}\n".encode())
        self.memoize(thing)

    def save_global(self, obj: Any, name: str | None = None) -> None:
        """A class or function by name: PyTorch's name, if it is one of those that flambeau answers for."""
        path = torch_path(obj)
        if path is None:
            super().save_global(obj, name)
        else:
            self._write_name(obj, *path)

    def save_type(self, obj: Any) -> None:
        """A class; the types of None, NotImplemented and `...` have no name of their own."""
        if torch_path(obj) is None:
            super().save_type(obj)
        else:
            self.save_global(obj)

    dispatch = dict(_Pickler.dispatch)
    dispatch[type] = save_type
    dispatch[FunctionType] = dispatch[BuiltinFunctionType] = save_global
    dispatch[Name] = lambda self, thing: self._write_name(thing, thing.module, thing.name)
    dispatch[dtype] = lambda self, thing: self._write_name(thing, "torch", thing.name)
    dispatch[memory_format] = lambda self, thing: self._write_name(thing, "torch", repr(thing).removeprefix("torch."))
