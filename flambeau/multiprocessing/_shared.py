"""Tensors in memory that several processes read and write: what share_memory_() makes of a tensor.

Values of the graph never change, so a shared tensor is a handle that takes a copy of the memory when another process
has written to it, and writes each new value of its own back. Operations in place (`counter.add_(1)`) read and write
under a lock. An optimizer's step reads, computes and stores whole tensors: of two steps in the same moment one can be
lost, as training in this way (Hogwild) allows.
"""

from __future__ import annotations

import itertools
import mmap
import os
import tempfile
import weakref
from functools import cache
from typing import Any

import numpy as np

from .. import dtypes
from ..engine import engine
from ..graph import Node, leaf, spec
from ..tensor import Tensor

HEADER = 64  # bytes before the elements: the stamp of the last write
_writes = itertools.count(1)

if os.name == "posix":
    import fcntl


class Memory:
    """Elements in a file without a name, mapped into every process that holds its descriptor."""

    def __init__(self, shape: tuple[int, ...], kind: dtypes.dtype, descriptor: int | None = None) -> None:
        self.shape, self.kind = shape, kind
        count = int(np.prod(shape, dtype=np.int64))
        size = HEADER + count * kind.itemsize
        if descriptor is None:
            descriptor = _new_file(size)
        self.descriptor = descriptor
        weakref.finalize(self, os.close, descriptor)
        whole = np.frombuffer(mmap.mmap(descriptor, size), np.uint8)
        self.stamps = whole[:16].view(np.int64)
        self.elements = whole[HEADER:].view(kind.numpy).reshape(shape)

    def stamp(self) -> tuple[int, int]:
        """Who wrote last, and when in that process's life."""
        return int(self.stamps[0]), int(self.stamps[1])

    def lock(self, how: int) -> None:
        """Keeps other processes from writing, or lets them again."""
        fcntl.lockf(self.descriptor, how)

    def write(self, value: Any) -> tuple[int, int]:
        """Stores elements; gives the stamp of this write."""
        np.copyto(self.elements, value)
        self.stamps[:] = os.getpid(), next(_writes)
        return self.stamp()


def _new_file(size: int) -> int:
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("flambeau-shared")
    elif os.name == "posix":
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    else:
        raise NotImplementedError("flambeau: share_memory_() needs Linux or macOS; send tensors through a Queue")
    os.ftruncate(descriptor, size)
    return descriptor


class Shared:
    """What the class of a shared tensor adds to that of a plain one: reading and binding `_node` go to the memory."""

    __dict__: dict[str, Any]
    _plain: type

    @property
    def _node(self) -> Node:
        own = self.__dict__
        memory: Memory | None = own.get("_memory")
        if memory is not None and memory.stamp() != own["_seen"]:
            old: Node = own["_node"]
            own["_seen"] = memory.stamp()
            own["_node"] = own["_kept"] = self._leaf_of(np.array(memory.elements), old)
            own["_leaves"] = [*own.get("_leaves", ())[-3:], old]
        return own["_node"]

    @_node.setter
    def _node(self, node: Node) -> None:
        own = self.__dict__
        memory: Memory | None = own.get("_memory")
        old: Node | None = own.get("_node")
        # a second reference keeps optimizers from writing to the value where it lies, unseen by this handle
        own["_node"] = own["_kept"] = node
        if memory is None:
            return
        if node.spec.shape != memory.shape or node.spec.dtype is not memory.kind:
            del own["_memory"]  # another tensor has been put in place of this one: `.data = ...`
            return
        with engine.lock:
            memory.lock(fcntl.LOCK_EX)
            try:
                leaves = own.pop("_leaves", [])
                if node.value is None and old is not None and (leaves or memory.stamp() != own["_seen"]):
                    for stale in (*leaves, old):  # what is computed now starts from the newest elements
                        if stale.kind.op is None:
                            stale.value = np.array(memory.elements)
                own["_seen"] = memory.write(engine.force(node))
            finally:
                memory.lock(fcntl.LOCK_UN)

    def _leaf_of(self, value: np.ndarray, old: Node) -> Node:
        node = leaf(value, old.spec)
        if old.spec.requires_grad:
            node.extra = weakref.ref(self)  # type: ignore[assignment]
        return node

    def __reduce_ex__(self, protocol: Any) -> tuple:
        how: Any = super().__reduce_ex__(protocol)  # what the tensor's own class says
        made, args = how
        return made, (self._plain, *args[1:])

    def __deepcopy__(self, memo: dict) -> Any:
        new = super().__deepcopy__(memo)  # type: ignore[misc]
        new.__dict__.pop("_kept", None)
        new.__class__ = self._plain
        return new


@cache
def shared_class(plain: type) -> type:
    """The class of shared tensors that otherwise are of the class `plain`, under whose name it goes."""
    members = {"_plain": plain, "__module__": plain.__module__, "__qualname__": plain.__qualname__,
               "__doc__": plain.__doc__}  # fmt: skip
    return type(plain.__name__, (Shared, plain), members)


def is_shared(t: Tensor) -> bool:
    """Whether other processes can see what is written to the tensor."""
    return isinstance(t, Shared) and "_memory" in t.__dict__


def share(t: Tensor) -> Tensor:
    """Moves the elements of a tensor to memory that processes share. Returns the tensor itself."""
    if is_shared(t) or t.is_cuda:  # whoever has the memory of a GPU may look into it
        return t
    if t._base_tensor is not None:
        raise NotImplementedError(
            "flambeau: a view cannot be shared with other processes; share the tensor that it looks into, or a clone"
        )
    if not t.is_leaf:
        raise NotImplementedError("flambeau: only leaves of the graph can be shared; share a detached clone")
    value = np.asarray(t._value())
    return into(t, Memory(tuple(t.shape), t.dtype), value)


def into(t: Any, memory: Memory, value: Any = None) -> Any:
    """Makes `t` the handle on shared memory; with `value`, stores that first."""
    node = t.__dict__.pop("_node", None)
    if not isinstance(t, Shared):
        t.__class__ = shared_class(type(t))  # type: ignore[arg-type]
    own = t.__dict__
    if value is not None:
        memory.write(value)
    own["_memory"], own["_seen"] = memory, memory.stamp()
    own["_node"] = own["_kept"] = node
    return t


def attached(plain: type, memory: Memory, requires_grad: bool) -> Any:
    """A tensor on memory that another process has made."""
    t: Any = object.__new__(plain)
    s = spec(memory.shape, memory.kind, requires_grad=requires_grad)
    node = leaf(np.array(memory.elements), s)
    if requires_grad:
        node.extra = weakref.ref(t)  # type: ignore[assignment]
    t.__dict__["_node"] = node
    return into(t, memory)
