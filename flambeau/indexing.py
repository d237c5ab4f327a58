"""`x[key]` and `x[key] = value`, with all that PyTorch takes for a key. Reading gives views where it can."""

from __future__ import annotations

import operator
import warnings
from sys import getrefcount
from typing import Any

import numpy as np

from . import binding, dtypes
from .device import CPU
from .engine import engine
from .graph import Node, leaf, mode, spec
from .ops import registry
from .ops._rules import title
from .ops.indexing import basic_shape, converted, masked_indices
from .placement import same_device
from .tensor import Tensor, from_array
from .views import make_view, rebind, write

_basic: Any = registry["_basic"]
_record_basic: Any = None  # the recording form of `_basic`, once installed
_new = object.__new__
ONE = ((0, 1, 1),)


def basic(input: Any, index: tuple) -> Any:
    """The view of `input` at a basic index: at once if its value is known and the tape does not care, else recorded."""
    if isinstance(input, Tensor):
        node = input._node
        if node.value is not None and not (mode.grad and node.spec.requires_grad) and engine.capture is None:
            return _known(input, node, index)
    return _record_basic(input, index)


def _known(input: Tensor, node: Node, index: tuple) -> Tensor:
    value = node.value
    s = node.spec
    if not isinstance(value, np.ndarray) and s.device is CPU:
        value = np.asarray(value)
    found = value[tuple([slice(*k) if type(k) is tuple else k for k in index])]
    t = _new(Tensor)
    t._node = Node(spec(found.shape, s.dtype, s.device).leaf, (), found)
    return make_view(t, input, _basic, (index,))


def getitem(self: Tensor, key: Any) -> Tensor:
    """The elements at `key`: integers, slices, None, Ellipsis, bools, tensors, sequences, in any mixture."""
    kind = type(key)
    if kind is int:
        shape = self._node.spec.shape
        if shape and -shape[0] <= key < shape[0]:
            return basic(self, (key if key >= 0 else key + shape[0],))
    elif kind is slice:
        shape = self._node.spec.shape
        if shape:
            return basic(self, (_bounds(key, shape[0]),))
    elif kind is tuple:
        index = _all_basic(key, self._node.spec.shape)
        if index is not None:
            return basic(self, index)
    return _mixed(self, key)


def _bounds(key: slice, size: int) -> tuple[int, int, int]:
    """A slice as (start, stop, step) within `size`."""
    step = key.step
    if step is not None:
        step = operator.index(step)
        if step <= 0:
            raise ValueError("step must be greater than zero" if step else "slice step cannot be zero")
        start, stop, step = slice(key.start, key.stop, step).indices(size)
    else:
        start, stop, step = key.indices(size)
    return start, stop if stop > start else start, step


def _all_basic(key: tuple, shape: tuple) -> tuple | None:
    """The basic index of a tuple of ints, slices and None without surprises; None if there is anything else in it."""
    found: list[Any] = []
    at = 0
    for k in key:
        kind = type(k)
        if kind is int:
            if at == len(shape) or not -shape[at] <= k < shape[at]:
                return None
            found.append(k if k >= 0 else k + shape[at])
            at += 1
        elif kind is slice:
            if at == len(shape):
                return None
            found.append(_bounds(k, shape[at]))
            at += 1
        elif k is None:
            found.append(None)
        elif k is Ellipsis:
            taken = (
                sum(e is not None and e is not Ellipsis for e in key)
                if all(type(e) in (int, slice) or e is None or e is Ellipsis for e in key)
                else -1
            )
            if taken < 0 or taken > len(shape) or sum(e is Ellipsis for e in key) > 1:
                return None
            found += [(0, n, 1) for n in shape[at : at + len(shape) - taken]]
            at += len(shape) - taken
        else:
            return None
    return tuple(found)


# ---- any key


class Parts:
    """A key taken apart: a basic index, what to do to its result by tensors.

    `chosen` are 0-d integer tensors, each with the dimension that it picks from and takes away, in order;
    `indices` stand for dimensions of
    what is left: an index tensor or mask, or None for a whole dimension.
    """

    __slots__ = ("index", "chosen", "indices")

    def __init__(self, index: tuple, chosen: list, indices: list) -> None:
        self.index, self.chosen, self.indices = index, chosen, indices


def _listed(key: Any) -> tuple:
    """The parts of a key. A list with sequences, slices or tensors in it counts as a tuple, as PyTorch still has it."""
    if type(key) is tuple:
        return key
    if (
        isinstance(key, list)
        and len(key) < 32
        and any(
            isinstance(k, (Tensor, list, tuple, slice, np.ndarray, range)) or k is None or k is Ellipsis for k in key
        )
    ):
        warnings.warn(
            "Using a non-tuple sequence for multidimensional indexing is deprecated and will be changed in pytorch "
            "2.9; use "
            "x[tuple(seq)] instead of x[seq]. In pytorch 2.9 this will be interpreted as tensor index, "
            "x[torch.tensor(seq)], which "
            "will result either in an error or a different result",
            UserWarning,
            stacklevel=4,
        )
        return tuple(key)
    return (key,)


def _tensor_of(k: Any) -> Tensor:
    """An index tensor of a tensor, array or sequence."""
    if isinstance(k, Tensor):
        found = k
    else:
        array = k if isinstance(k, np.ndarray) else None
        if array is None:
            from .creation import tensor

            found = tensor(k)
            if not found.numel() and found.dtype.is_floating_point:
                found = tensor(k, dtype=dtypes.int64)
        else:
            found = from_array(np.array(array))
    if found.dtype not in (dtypes.int64, dtypes.int32, dtypes.uint8, dtypes.bool_):
        raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
    if found.dtype is dtypes.uint8:
        warnings.warn(
            "indexing with dtype torch.uint8 is now deprecated, please use a dtype torch.bool instead.",
            UserWarning,
            stacklevel=5,
        )
        found = found != 0
    return found


def _is_bool(k: Any) -> bool:
    return (
        k is True
        or k is False
        or isinstance(k, Tensor)
        and k._node.spec.dtype is dtypes.bool_
        and not k._node.spec.ndim
    )


def parts_of(self: Tensor, key: Any) -> Parts:
    """Takes a key apart; PyTorch's IndexError for what cannot be one."""
    shape = self._node.spec.shape
    items: list[Any] = []
    for k in _listed(key):
        if k is None or k is Ellipsis or isinstance(k, (bool, slice)):
            items.append(k)
        elif isinstance(k, (Tensor, np.ndarray, list, tuple, range)):
            items.append(_tensor_of(k))
        elif isinstance(k, np.bool_) or not hasattr(k, "__index__"):
            if isinstance(k, str):
                raise TypeError("new(): invalid data type 'str'")
            name = "numpy.bool" if isinstance(k, np.bool_) else type(k).__name__
            raise IndexError(
                "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices "
                f"(got {name})"
            )
        else:
            items.append(operator.index(k))
    taken = 0
    for k in items:
        if isinstance(k, Tensor):
            taken += max(k.ndim, 1) if k.dtype is dtypes.bool_ and k.ndim else 0 if k.dtype is dtypes.bool_ else 1
        elif k is not None and k is not Ellipsis and not isinstance(k, bool):
            taken += 1
    if taken > len(shape):
        if not shape and len(items) == 1 and type(items[0]) is int:
            raise IndexError(
                "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to "
                "convert a 0-dim "
                "tensor to a number"
            )
        if not shape and len(items) == 1 and type(items[0]) is slice:
            raise IndexError("slice() cannot be applied to a 0-dim tensor.")
        raise IndexError(f"too many indices for tensor of dimension {len(shape)}")
    return _assembled(items, shape, len(shape) - taken)


def _assembled(items: list, shape: tuple, free: int) -> Parts:
    """The parts of checked items; the first Ellipsis stands for `free` dimensions."""
    index: list[Any] = []
    chosen: list[tuple[Any, int]] = []
    indices: list[Any] = []
    at = 0  # the dimension of the tensor; len(indices) is that of the result
    for k in items:
        if k is Ellipsis:
            index += [(0, n, 1) for n in shape[at : at + free]]
            indices += [None] * free
            at, free = at + free, 0
        elif k is None:
            index.append(None)
            indices.append(None)
        elif _is_bool(k):
            index.append(None)
            indices.append(_one_or_none(bool(k)))
        elif isinstance(k, slice):
            index.append(_bounds(k, shape[at]))
            indices.append(None)
            at += 1
        elif isinstance(k, int):
            if not -shape[at] <= k < shape[at]:
                raise IndexError(f"index {k} is out of bounds for dimension {at} with size {shape[at]}")
            index.append(k % shape[at])
            at += 1
        elif k.ndim == 0:
            if k._node.value is not None:  # a number that is known
                place = int(k.item())
                if not -shape[at] <= place < shape[at]:
                    raise IndexError(f"index {place} is out of bounds for dimension {at} with size {shape[at]}")
                index.append(place % shape[at])
            else:
                index.append((0, shape[at], 1))
                chosen.append((k, len(indices)))
            at += 1
        else:
            wide = k.ndim if k.dtype is dtypes.bool_ else 1
            if wide != 1 or k.dtype is dtypes.bool_:
                _check_mask(k, shape, at)
            index += [(0, n, 1) for n in shape[at : at + wide]]
            indices += [k] + [Ellipsis] * (wide - 1)  # a mask stands for several dimensions
            at += wide
    while indices and indices[-1] is None:
        indices.pop()
    while index and type(index[-1]) is tuple and index[-1] == (0, shape[at - 1], 1):
        index.pop()
        at -= 1
    return Parts(tuple(index), chosen, indices)


def _check_mask(mask: Tensor, shape: tuple, at: int) -> None:
    for i, size in enumerate(mask.shape):
        if size != shape[at + i]:
            raise IndexError(
                f"The shape of the mask {list(mask.shape)} at index {i} does not match the shape of the indexed tensor "
                f"{list(shape)} at index {at + i}"
            )


def _one_or_none(wanted: bool) -> Tensor:
    return from_array(np.zeros(int(wanted), np.int64))


def _viewed(self: Tensor, parts: Parts) -> Tensor:
    """The view that the parts other than index tensors give."""
    found = basic(self, parts.index) if parts.index else self
    for place, dim in parts.chosen:
        found = registry["_select_at"](found, place, dim)
    return found


def _mixed(self: Tensor, key: Any) -> Tensor:
    """`self[key]` for any key."""
    parts = parts_of(self, key)
    if not parts.indices:
        return _viewed(self, parts) if parts.index or parts.chosen else basic(self, ())
    found = _viewed(self, parts)
    indices = _positions(found, parts.indices)
    node = found._node
    known = (
        node.value is not None
        and not (mode.grad and node.spec.requires_grad)
        and all(i is None or i._node.value is not None for i in indices)
        and node.spec.device is CPU
        and engine.capture is None
    )
    if known:  # data on its way into a step is prepared outside of it
        result = _taken(node, indices)
        if result is not None:
            return result
    result = registry["_index"](found, indices)
    if known:
        engine.force(result._node)
    return result


def _taken(node: Node, indices: tuple) -> Tensor | None:
    """The elements at index tensors, all values being known; None if there is an error to be told."""
    try:
        found = np.asarray(node.value)[
            tuple([slice(None) if i is None else np.asarray(i._node.value) for i in indices])
        ]
    except IndexError:
        return None
    return from_array(found, False, spec(found.shape, node.spec.dtype, node.spec.device))


def _positions(of: Tensor, indices: list) -> tuple:
    """Index tensors alone: a mask becomes the positions where it is true."""
    found: list[Any] = []
    for i, k in enumerate(indices):
        if k is Ellipsis:
            continue
        if k is not None and k.dtype is dtypes.bool_:
            found += masked_indices(k, of._node.spec.shape, i)
        else:
            found.append(k)
    return tuple(found)


# ---- writing


def setitem(self: Tensor, key: Any, value: Any) -> None:
    """Writes `value`, broadcast, to the elements at `key`."""
    value = _value(self, value)
    shape = self._node.spec.shape
    kind = type(key)
    index = (
        _all_basic(key if kind is tuple else (key,), shape)
        if kind in (int, slice, tuple) or key is None or key is Ellipsis
        else None
    )
    if index is not None:
        return _put(self, index, value)
    parts = parts_of(self, key)
    if not parts.indices and not parts.chosen:
        return _put(self, parts.index, value)
    target = _viewed(self, parts)
    if not parts.indices:
        value = value if isinstance(value, Tensor) else registry["_full"].record((), value, target.dtype, None)
        target.copy_(value if isinstance(value, Tensor) else binding.wrap(value))
        return None
    _put_at(target, parts.indices, value)
    return None


def _value(self: Tensor, value: Any) -> Any:
    """What is to be written, as a tensor or a number."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (bool, int, float, complex)):
        if isinstance(value, complex) and not self.dtype.is_complex:
            raise RuntimeError(f"value cannot be converted to type {_c_name(self.dtype)} without overflow")
        if isinstance(value, int) and self.dtype.category == dtypes.INTEGER:
            info = np.iinfo(self.dtype.numpy)
            if not info.min <= value <= info.max and not info.min <= -value <= info.max:
                raise RuntimeError(f"value cannot be converted to type {_c_name(self.dtype)} without overflow")
        return value
    from .autograd.walk import type_name

    raise TypeError(f"can't assign a {type(value).__name__} to a torch.{type_name(self.dtype)}")


def _c_name(kind: Any) -> str:
    return {"float32": "float", "float64": "double", "float16": "at::Half", "bfloat16": "at::BFloat16"}.get(
        kind.name, kind.name + "_t"
    )


def _same_place(self: Tensor, index: tuple, value: Tensor) -> bool:
    """Whether `value` is the very view of `self` at `index`: what `x[key] += 1` assigns has been written already."""
    chain = value._chain
    return (
        bool(chain)
        and (value._base_tensor is self or value._base_tensor is self._base_tensor is not None)
        and len(chain) == len(self._chain) + 1
        and chain[-1][0] is _basic
        and chain[-1][1] == (index,)
        and chain[:-1] == self._chain
    )


def _put(self: Tensor, index: tuple, value: Any) -> None:
    """Writes at a basic index."""
    if mode.grad and self.is_leaf and self.requires_grad:
        raise RuntimeError("a view of a leaf Variable that requires grad is being used in an in-place operation.")
    if isinstance(value, Tensor):
        if _same_place(self, index, value):
            return
        shape = tuple(basic_shape(self._node.spec.shape, index))
        node = value._node
        if node.spec.shape != shape:
            node = _fitted(value, shape)
        given: Any = binding.cast_node(same_device(node, self.device), self.dtype)
    else:
        given = value
    if not _put_now(self, index, given):
        write(self, registry["_put_basic"].record(self._node, given, index), "copy_")


def _put_now(self: Tensor, index: tuple, given: Any) -> bool:
    """Writes into the very array of a tensor that nothing else refers to, all values being known; else says no.

    So a loop that fills a tensor element by element takes a copy of it once, not every time.
    """
    node = self._node
    array = node.value
    if engine.capture is not None or node.kind.valueless:
        return False
    if type(given) is Node:
        if given.value is None or mode.grad and given.spec.requires_grad:
            return False
        given = given.value
    if self._base_tensor is not None or type(array) is not np.ndarray or node.spec.requires_grad:
        return False
    views = self.__dict__.get("_views")
    if views:
        if any(ref() is not None for ref in views):
            return False
        views.clear()
    owned = array.flags.owndata and array.flags.writeable
    if not (owned and getrefcount(array) == OWN_ARRAY and getrefcount(node) == OWN_NODE):
        array = np.array(array)
        node = leaf(array, node.spec)
        rebind(self, node)
        if engine.pending and engine.pending[-1] is node:
            engine.pending.pop()  # there is nothing to run, and the list would count as a reference
    else:
        self._changes = self._version + 1
    with np.errstate(all="ignore"):
        array[tuple([slice(*k) if type(k) is tuple else k for k in index])] = converted(np, given, array.dtype)
    return True


OWN_ARRAY = 3  # references to a value that only its node has: the node's, a variable's, the argument's
OWN_NODE = 3  # and to a node that only its tensor has


def _fitted(value: Tensor, shape: tuple) -> Node:
    """The node of `value` without needless sizes of 1 in front; PyTorch's error if it does not broadcast to `shape`."""
    node, own = value._node, value._node.spec.shape
    extra = len(own) - len(shape)
    if extra > 0 and all(n == 1 for n in own[:extra]):
        node, own = registry["_view"].record(node, own[extra:], "View"), own[extra:]
    if len(own) > len(shape):
        from .autograd.walk import type_name

        raise RuntimeError(
            f"expand(torch.{type_name(value.dtype)}{{{list(own)}}}, size={list(shape)}): the number of sizes provided "
            f"({len(shape)}) must be greater or equal to the number of dimensions in the tensor ({len(own)})"
        )
    for i in range(1, len(own) + 1):
        if own[-i] not in (1, shape[-i]):
            raise RuntimeError(
                f"The expanded size of the tensor ({shape[-i]}) must match the existing size ({own[-i]}) at "
                "non-singleton "
                f"dimension {len(shape) - i}.  Target sizes: {list(shape)}.  Tensor sizes: {list(own)}"
            )
    return node


def _put_at(target: Tensor, indices: list, value: Any) -> None:
    """Writes at index tensors and masks."""
    s = target._node.spec
    if isinstance(value, Tensor) and value.dtype is not s.dtype:
        if value.ndim or value.dtype.category != s.dtype.category and not dtypes.can_cast(value.dtype, s.dtype):
            raise _mismatch(s, value)
        raise _mismatch(s, value)
    first = indices[0]
    single = value if not isinstance(value, Tensor) else value if value.ndim == 0 else None
    if single is not None and first is not None and first.dtype is dtypes.bool_ and len(indices) == max(first.ndim, 1):
        mask = first._node  # one value under one mask: no shape depends on what is true
        if s.ndim > first.ndim:
            mask = registry["_view"].record(mask, (*mask.shape, *[1] * (s.ndim - first.ndim)), "View")
        write(target, registry["masked_fill"].record(target._node, mask, _node(single)), "index_put_")
        return
    places = tuple([None if i is None else i._node for i in _positions(target, indices)])
    given = _node(value)
    if type(given) is Node:
        from .ops.indexing import index_shape

        shape = index_shape(s, tuple([None if p is None else p.spec for p in places]))
        extra = len(given.shape) - len(shape)
        if extra > 0 and all(n == 1 for n in given.shape[:extra]):
            given = registry["_view"].record(given, given.shape[extra:], "View")
    write(target, registry["_index_put"].record(target._node, places, given, False), "index_put_")


def _mismatch(s: Any, value: Tensor) -> RuntimeError:
    return RuntimeError(
        f"Index put requires the source and destination dtypes match, got {title(s.dtype)} for the destination and "
        f"{title(value.dtype)} for the source."
    )


def _node(value: Any) -> Any:
    return value._node if isinstance(value, Tensor) else value


def install() -> None:
    """Gives tensors `[]`, and views of known values their short way."""
    global _record_basic
    _record_basic = _basic.public
    _basic.public = basic
    Tensor.__getitem__ = getitem  # type: ignore[attr-defined]
    Tensor.__setitem__ = setitem  # type: ignore[attr-defined]
