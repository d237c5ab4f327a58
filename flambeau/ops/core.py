"""What the engine itself records: casts, results picked out of several, leaves, values made from nothing."""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..device import CPU, META, resolve
from ..graph import Spec, spec
from ._op import NUMBERS, T, Ts, op


@op(lambda input, dtype: input.like(dtype=dtype), grad=lambda g: g, api="", upcast=False, shown="ToCopy")
def _to_copy(xp, input: T, dtype):
    """`input` with elements of type `dtype`."""
    if dtype.category < dtypes.COMPLEX and input.dtype.kind == "c":
        input = xp.real(input)
    if dtype.category == dtypes.INTEGER and input.dtype.kind not in "iub":
        return _truncated(xp, input, dtype)
    if dtype is dtypes.float8_e4m3fn and input.dtype.kind != "b":
        return xp.where(xp.isnan(input), input, xp.clip(input, -448, 448)).astype(dtype.numpy)
    if dtype is dtypes.float8_e8m0fnu:  # neither a sign nor zero
        return xp.maximum(xp.abs(input.astype("float32")), 2.0**-127).astype(dtype.numpy)
    return input.astype(dtype.numpy)


def _truncated(xp: Any, input: Any, dtype: dtypes.dtype) -> Any:
    """Floats to integers toward zero, through int64 as PyTorch's conversions on x86 do for what does not fit."""
    if not xp.host:  # compilers bring what does not fit to the nearest that does; processors to the lowest
        fits = (input >= -(2.0**63)) & (input < 2.0**63)
        return xp.where(fits, input.astype("int64"), -(2**63)).astype(dtype.numpy)
    return xp.asarray(input, dtype="float64").astype("int64").astype(dtype.numpy)


def _there(input: Spec, device: Any) -> Spec:
    if input.device is META and device is not META:
        raise NotImplementedError("Cannot copy out of meta tensor; no data!")
    return spec(input.shape, input.dtype, device)


@op(
    _there,
    grad=lambda g: g,
    api="",
    upcast=False,
    places=True,
    shown="ToCopy",
)
def _moved(xp, input: T, device):
    """`input` on another device. The backend moves what an operation of one device reads from another."""
    return input


@op(lambda input, index: input[index].like(), grad=lambda g: g, api="", upcast=False)
def _pick(xp, input: T, index):
    """One of the results of an operation that has several."""
    return input[index]


@op(lambda input: input.like(), api="", upcast=False, starts=True)
def _leaf(xp, input: T):
    """`input` as the start of a tape."""
    return input


@op(
    lambda input: input.like(),
    api="torch method",
    upcast=False,
    view=True,
    put=lambda input, value: value,
    detaches=True,
)
def detach(xp, input: T):
    """`input`, off the tape: shares memory, needs no gradient."""
    return input


@op(lambda input: input.like(), api="", upcast=False, view=True, put=lambda input, value: value, detaches=True)
def _data(xp, input: T):
    """As `detach`, writes through it going unnoticed by the tape (`Tensor.data`)."""
    return input


def _filled(size: tuple, fill_value: Spec, dtype: Any, device: Any) -> Spec:
    found = dtype or (dtypes.of_category(fill_value.dtype.category) if fill_value.weak else fill_value.dtype)
    for n in size:
        if n < 0:
            raise RuntimeError(f"Trying to create tensor with negative dimension {n}: {list(size)}")
    return spec(tuple(size), found, resolve(device) if device is not None else CPU)


@op(_filled, api="", upcast=False, detaches=True, places=True)
def _full(xp, size, fill_value: T, dtype=None, device=None):
    """A tensor of shape `size`, each element `fill_value`."""
    return xp.full(size, fill_value, dtype=_numpy_dtype(xp, fill_value, dtype))


def _numpy_dtype(xp: Any, value: Any, dtype: Any) -> Any:
    if dtype is not None:
        return dtype.numpy
    return dtypes.of_scalar(type(value)).numpy if type(value) in NUMBERS else value.dtype


@op(lambda input, size, dtype: input.like(size, dtype), api="", upcast=False, detaches=True)
def _filled_like(xp, input: T, size, fill_value, dtype):
    """A tensor of shape `size`, each element `fill_value`, in the company of `input`."""
    return xp.full(size, fill_value, dtype=input.dtype if dtype is None else dtype.numpy)


def filled(input, size, fill_value, dtype=None):
    """A constant for use with `input` (a tensor or a node) inside composites and gradient rules."""
    return _filled_like(input, tuple(size), fill_value, dtype)


@op(
    lambda input, start, end, step, dtype: input.like((max(0, -(-(end - start) // step)),), dtype),
    api="",
    upcast=False,
    detaches=True,
)
def _counted_like(xp, input: T, start, end, step, dtype):
    """The integers from `start` to below `end`, in the company of `input`."""
    return xp.arange(start, end, step, dtype=dtype.numpy)


def counted(input, end, start=0, step=1, dtype=dtypes.int64):
    """Indices start, start + step, ... below `end`, for use with `input` inside composites and gradient rules."""
    return _counted_like(input, start, end, step, dtype)


@op(
    lambda results, inputs, function: tuple(r.like() for r in results),
    api="",
    upcast=False,
    grad=dict(inputs=lambda g: None),
    places=True,
)
def _custom(xp, results: Ts, inputs: Ts, function):
    """The results of a function with a gradient of its own (`autograd.Function`); `inputs` only tie it to the tape."""
    return tuple(results)


@op(
    lambda value, inputs, name: value.like(),
    api="",
    upcast=False,
    shown=lambda kind: kind.env["name"],
    grad=dict(inputs=lambda g, inputs: [filled(g, i.shape, 0, i.dtype) for i in inputs]),
)
def _drawn(xp, value: T, inputs: Ts, name):
    """Random numbers whose distribution depends on `inputs`: on their tape, with gradient zero."""
    return value
