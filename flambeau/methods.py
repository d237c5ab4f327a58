"""Methods of tensors beside the operations: conversions by name, new tensors of the same sort, shapes in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import dtypes
from .creation import filled, tensor
from .graph import leaf, spec
from .ops import registry
from .ops.shape import sizes
from .tensor import Size, Tensor
from .views import check_writable, make_view, rebind, write

_fill: Any = registry["fill"]
_full: Any = registry["_full"]
_strided_put: Any = registry["_strided_put"]
CONVERSIONS = {
    "float": dtypes.float32,
    "double": dtypes.float64,
    "half": dtypes.float16,
    "bfloat16": dtypes.bfloat16,
    "int": dtypes.int32,
    "long": dtypes.int64,
    "short": dtypes.int16,
    "char": dtypes.int8,
    "byte": dtypes.uint8,
    "bool": dtypes.bool_,
    "cfloat": dtypes.complex64,
    "cdouble": dtypes.complex128,
}


def _conversion(kind: dtypes.dtype) -> Callable:
    def method(self: Tensor, memory_format: Any = None) -> Tensor:
        return self.to(kind)

    method.__doc__ = f"This tensor with elements of type {kind.name}; itself if they are already."
    return method


def _new(value: int) -> Callable:
    def method(
        self: Tensor,
        *size: Any,
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool = False,
        layout: Any = None,
        pin_memory: bool = False,
        **named: Any,
    ) -> Tensor:
        return filled(
            size or (named.pop("size", ()),),
            value,
            "new",
            dtype=dtype or self.dtype,
            device=device or self.device,
            requires_grad=requires_grad,
        )

    return method


def new_full(
    self: Tensor,
    size: Any,
    fill_value: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor of the given shape, each element `fill_value`, of the dtype of this one."""
    number = fill_value.item() if isinstance(fill_value, Tensor) else fill_value
    return filled(
        (size,),
        number,
        "new_full",
        dtype=dtype or self.dtype,
        device=device or self.device,
        requires_grad=requires_grad,
    )


def new_tensor(
    self: Tensor,
    data: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor with the elements of `data`, of the dtype of this one."""
    return tensor(data, dtype=dtype or self.dtype, device=device or self.device, requires_grad=requires_grad)


def new_empty_strided(self: Tensor, size: Any, stride: Any, **how: Any) -> Tensor:
    """A tensor of the given shape, its elements not set to anything in particular."""
    return self.new_empty(size, **how)  # type: ignore[attr-defined]


def new(self: Tensor, *args: Any, device: Any = None) -> Tensor:
    """A tensor of the dtype of this one: of sizes, or with the elements of a sequence."""
    if len(args) == 1 and isinstance(args[0], (list, tuple)) and not hasattr(args[0], "numel"):
        return new_tensor(self, args[0])
    return self.new_empty(*args) if args else self.new_empty(0)  # type: ignore[attr-defined]


# ---- writing


def fill_(self: Tensor, value: Any) -> Tensor:
    """Makes every element `value`: a number, or a 0-d tensor."""
    check_writable(self)
    given = value._node if isinstance(value, Tensor) else _plain(value)
    if isinstance(value, Tensor) or self.requires_grad or isinstance(value, complex):
        return write(self, _fill.record(self._node, given), "fill_")
    return write(self, _full.record(tuple(self.shape), given, self.dtype, self.device), "fill_")


def _plain(value: Any) -> Any:
    return value if isinstance(value, (bool, int, float, complex)) else value.item()


def zero_(self: Tensor) -> Tensor:
    """Makes every element zero."""
    return fill_(self, 0)


def set_(self: Tensor, source: Tensor) -> Tensor:
    """Makes this tensor share the value of `source`: a tensor, or a storage, whose elements it takes."""
    self.data = source if isinstance(source, Tensor) else source._elements()
    return self


def resize_(self: Tensor, *shape: Any, memory_format: Any = None) -> Tensor:
    """Changes the shape in place, keeping the elements in order; new ones are zero."""
    wanted = tuple(int(s) for s in sizes(shape))
    if self.requires_grad:
        raise RuntimeError("cannot resize variables that require grad")
    flat = np.asarray(self._value()).reshape(-1)
    total = Size(wanted).numel()
    fresh = np.zeros(total, flat.dtype)
    fresh[: min(total, flat.size)] = flat[:total]
    rebind(self, leaf(fresh.reshape(wanted), spec(wanted, self.dtype, self.device)))
    return self


def resize_as_(self: Tensor, other: Tensor, memory_format: Any = None) -> Tensor:
    """Changes the shape in place to that of `other`."""
    return resize_(self, *other.shape)


def share_memory_(self: Tensor) -> Tensor:
    """Moves the elements to memory that processes share: what one of them writes, the others read."""
    from .multiprocessing._shared import share

    return share(self)


def is_shared(self: Tensor) -> bool:
    """Whether other processes can see what is written to the tensor."""
    return "_memory" in self.__dict__


def pin_memory(self: Tensor, device: Any = None) -> Tensor:
    """This tensor; without a GPU there is nothing to pin for."""
    return self


def is_pinned(self: Tensor, device: Any = None) -> bool:
    """Whether: never."""
    return False


def is_inference(self: Tensor) -> bool:
    """Whether the tensor can never take part in a gradient: none here is restricted so."""
    return False


def fill_diagonal_(self: Tensor, fill_value: Any, wrap: bool = False) -> Tensor:
    """Makes the main diagonal `fill_value`; with `wrap`, a tall matrix's begins anew every n + 1 rows."""
    if self.ndim < 2:
        raise RuntimeError("dimensions must larger than 1")
    if self.ndim > 2 and len(set(self.shape)) > 1:
        raise RuntimeError("all dimensions of input must be of equal length")
    step = sum(self.new_empty(self.shape).stride())  # type: ignore[attr-defined]
    rows, columns = self.shape[0], self.shape[1]
    count = min(self.shape)
    if wrap and self.ndim == 2 and rows > columns + 1:
        count = (self.numel() + step - 1) // step
    value = fill_value.item() if isinstance(fill_value, Tensor) else fill_value
    part = filled(((count,),), value, "fill_diagonal_", dtype=self.dtype)
    return write(self, _strided_put.record(self._node, part._node, (count,), (step,), 0, False), "fill_diagonal_")


# ---- another shape in place


def reshaped(t: Tensor, view: Tensor) -> Tensor:
    """Makes `t` be what its view `view` is. Other views of the same memory keep seeing it."""
    check_writable(t)
    if t._base_tensor is None and not any(
        ref() is not None and ref() is not view for ref in t.__dict__.get("_views", ())
    ):
        t._node = view._node
        t.__dict__.pop("_views", None)
        return t
    if t._base_tensor is None:  # its views need what it was: a tensor nobody sees takes its place
        root = object.__new__(Tensor)
        root._node = t._node
        for name in ("_views", "_views_limit", "_changes"):
            if name in t.__dict__:
                root.__dict__[name] = t.__dict__.pop(name)
        for ref in root.__dict__.get("_views", ()):
            other = ref()
            if other is not None:
                other._base_tensor = root
    t._node = view._node
    *before, (op, args, grad) = view._chain
    t._base_tensor, t._chain = view._base_tensor, ()
    made = make_view(t, view._base_tensor, op, args)
    made._chain = (*before, (op, args, grad))
    return t


def _in_place(name: str) -> Callable:
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return reshaped(self, getattr(Tensor, name)(self, *args, **kwargs))

    method.__name__ = name + "_"
    method.__doc__ = f"`{name}`, this tensor itself taking the new shape."
    return method


def as_strided_(self: Tensor, size: Any, stride: Any, storage_offset: Any = None) -> Tensor:
    """`as_strided`, this tensor itself taking the new shape."""
    return reshaped(self, self.as_strided(size, stride, storage_offset))  # type: ignore[attr-defined]


def install() -> None:
    """Gives the methods to tensors."""
    for name, kind in CONVERSIONS.items():
        setattr(Tensor, name, _conversion(kind))
    for name, value in (("new_zeros", 0), ("new_ones", 1), ("new_empty", 0)):
        setattr(Tensor, name, _new(value))
    for name in ("squeeze", "unsqueeze", "transpose", "t", "swapaxes", "swapdims"):
        setattr(Tensor, name + "_", _in_place(name))
    for function in (
        new_full,
        new_tensor,
        new_empty_strided,
        new,
        fill_,
        zero_,
        set_,
        resize_,
        resize_as_,
        share_memory_,
        is_inference,
        is_shared,
        pin_memory,
        is_pinned,
        fill_diagonal_,
        as_strided_,
    ):
        setattr(Tensor, function.__name__, function)
