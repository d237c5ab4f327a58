"""Tensors from values: lists, numbers, arrays, other tensors; and filled ones."""

from __future__ import annotations

import functools
import operator
from typing import Any

import numpy as np

from . import binding, dtypes
from .device import META, resolve
from .dtypes import dtype
from .graph import spec
from .tensor import Size, Tensor, from_array

_NUMBERS = (bool, int, float, complex, np.generic)


def _elements(data: Any, exact: bool = False) -> np.ndarray:
    """The array of anything that has elements; PyTorch's errors for what has none."""
    if isinstance(data, np.ndarray):
        return data
    if isinstance(data, Tensor):
        return np.asarray(data.detach()._value())  # type: ignore[attr-defined]
    if isinstance(data, (list, tuple)):
        return _nested(data, exact)
    if isinstance(data, str):
        raise TypeError("new(): invalid data type 'str'")
    if hasattr(data, "__array__"):
        return np.asarray(data)
    if hasattr(data, "__len__") and hasattr(data, "__getitem__") and not isinstance(data, dict):
        return _nested([data[i] for i in range(len(data))], exact)
    if isinstance(data, int) and not -(2**63) <= data < 2**64 or isinstance(data, int) and data >= 2**63 and not exact:
        raise ValueError("Overflow when unpacking long long")
    if isinstance(data, _NUMBERS):
        return np.asarray(data)
    raise RuntimeError(f"Could not infer dtype of {type(data).__name__}")


def _nested(data: Any, exact: bool) -> np.ndarray:
    """The array of nested sequences, whose lengths must agree; `exact`: not rounded to the default dtype."""
    shape: list[int] = []
    level: Any = data
    while isinstance(level, (list, tuple)) or isinstance(level, np.ndarray) and level.ndim or _is_sequence(level):
        shape.append(len(level))
        if not len(level):
            break
        level = level[0]
    flat: list[Any] = []
    kinds: set[Any] = set()
    _flatten(data, tuple(shape), 0, flat, kinds)
    kind = _common(flat, kinds)
    if exact and kind.kind in "fc" and kind.name != "bfloat16":
        kind = np.result_type(kind, np.float64)
    try:
        array = np.array(flat, dtype=kind)
    except OverflowError:
        raise ValueError("Overflow when unpacking long long") from None
    return array.reshape(tuple(shape))


def _is_sequence(value: Any) -> bool:
    return (
        hasattr(value, "__len__")
        and hasattr(value, "__getitem__")
        and not isinstance(value, (str, bytes, dict, np.ndarray, Tensor, np.generic))
    )


def _flatten(data: Any, shape: tuple, depth: int, into: list, kinds: set) -> None:
    """Puts the numbers within `data` into one list, and the dtypes of those that are not Python's into `kinds`."""
    if depth == len(shape):
        if isinstance(data, (list, tuple)):
            text = isinstance(into[0], (float, complex)) if into else False
            raise TypeError(
                "must be real number, not list"
                if text
                else f"'{type(data).__name__}' object cannot be interpreted as an integer"
            )
        if isinstance(data, Tensor):
            if data.numel() != 1 and not data.is_floating_point():
                raise TypeError("only integer tensors of a single element can be converted to an index")
            if data.numel() != 1:
                raise ValueError("only one element tensors can be converted to Python scalars")
            kinds.add(data.dtype)
            data = data.item()
        elif isinstance(data, np.ndarray):
            data = data[()]
        into.append(data)
        return
    if isinstance(data, str):
        raise ValueError("too many dimensions 'str'")
    if not (isinstance(data, (list, tuple, np.ndarray)) or _is_sequence(data)):
        raise TypeError("not a sequence")
    if len(data) != shape[depth]:
        raise ValueError(f"expected sequence of length {shape[depth]} at dim {depth} (got {len(data)})")
    if isinstance(data, np.ndarray) and data.ndim == len(shape) - depth and data.dtype.kind in "biufc":
        kinds.add(dtypes.dtype.by_numpy[data.dtype.newbyteorder("=")])
        into.extend(data.reshape(-1).tolist())
        return
    if depth == len(shape) - 1 and isinstance(data, (list, tuple)) and set(map(type, data)) <= _PYTHON:
        into.extend(data)
        return
    for value in data:
        _flatten(value, shape, depth + 1, into, kinds)


_PYTHON = {bool, int, float, complex}


def _common(flat: list, kinds: set) -> np.dtype:
    """The NumPy dtype that PyTorch infers for numbers, Python's or NumPy's, beside the dtypes in `kinds`."""
    for kind in set(map(type, flat)):
        if kind in _PYTHON:
            kinds.add(dtypes.of_scalar(kind))
        elif issubclass(kind, np.generic) and np.dtype(kind) in dtypes.dtype.by_numpy:
            kinds.add(dtypes.dtype.by_numpy[np.dtype(kind)])
        elif issubclass(kind, str):
            raise (
                ValueError("too many dimensions 'str'")
                if type(flat[0]) is kind
                else TypeError(f"new(): invalid data type '{kind.__name__}'")
            )
        elif issubclass(kind, bytes):
            raise TypeError(f"new(): invalid data type '{kind.__name__}'")
        elif hasattr(kind, "__index__"):
            kinds.add(dtypes.int64)
        elif hasattr(kind, "__float__"):
            kinds.add(dtypes.default_dtype())
        else:
            raise RuntimeError(f"Could not infer dtype of {kind.__name__}")
    return functools.reduce(dtypes.promote, kinds).numpy if kinds else dtypes.default_dtype().numpy


def _dtype_for(data: Any, array: np.ndarray) -> dtype:
    """The dtype that `torch.tensor(data)` has."""
    if isinstance(data, Tensor):
        return data.dtype
    if isinstance(data, (bool, int, float, complex)) and not isinstance(data, np.generic):
        return dtypes.of_scalar(type(data))
    found = dtypes.dtype.by_numpy.get(array.dtype.newbyteorder("="))
    if found is None:
        raise TypeError(
            f"can't convert np.ndarray of type numpy.{array.dtype.type.__name__}. The only supported types are: "
            "float64, float32, "
            "float16, complex64, complex128, int64, int32, int16, int8, uint64, uint32, uint16, uint8, and bool."
        )
    return found


def tensor(
    data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False
) -> Tensor:
    """A new leaf tensor with the elements of `data` (numbers, nested sequences, arrays, tensors), copied.

    Python floats become the default dtype, integers int64. Ragged sequences raise ValueError.

    >>> import flambeau as torch
    >>> torch.tensor([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]])
    """
    where = resolve(device) if device is not None or not isinstance(data, Tensor) else data.device
    array = _elements(data, exact=dtype is not None)
    kind = kind_of(dtype, "tensor(): ") if dtype is not None else _dtype_for(data, array)
    if type(data) is int and kind.category == dtypes.INTEGER:
        _fitting(data, kind)
    with np.errstate(all="ignore"):
        value = np.array(array, dtype=kind.numpy, order="C", copy=True)
    if requires_grad and kind.category < dtypes.FLOATING:
        raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
    return from_array(value, requires_grad, spec(value.shape, kind, where))


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """`data` as a tensor: itself if it is one of the dtype asked for, else a new one."""
    if isinstance(data, Tensor):
        return data.to(dtype=dtype, device=device)
    return tensor(data, dtype=dtype, device=device)


def from_numpy(ndarray: np.ndarray) -> Tensor:
    """A tensor with the elements of an array, copied: later writes to the array do not show in the tensor."""
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})")
    return tensor(ndarray, device="cpu")


def legacy_tensor(cls: type, *args: Any, dtype: Any = None, device: Any = None) -> Any:
    """`torch.Tensor(...)`: of sizes, uninitialised (zeros here); of a sequence or array, its elements as floats."""
    kind = dtype or dtypes.default_dtype()
    if len(args) == 1 and not isinstance(args[0], (int, Size)):
        if isinstance(args[0], Tensor):
            found = args[0].detach()  # type: ignore[attr-defined]
            found = found if cls is Tensor else _as_class(cls, found)
            return found
        if isinstance(args[0], (str, *_NUMBERS)):
            what = (
                f"data must be a sequence (got {type(args[0]).__name__})"
                if isinstance(args[0], _NUMBERS)
                else "invalid data type 'str'"
            )
            raise TypeError(f"new(): {what}")
        found = tensor(args[0], dtype=kind, device=device)
    else:
        sizes = tuple(args[0]) if args and isinstance(args[0], Size) else args
        for n in sizes:
            if not isinstance(n, int):
                raise TypeError(
                    "new() received an invalid combination of arguments - got "
                    f"({', '.join(type(a).__name__ for a in args)})"
                )
        found = from_array(
            np.zeros(sizes if sizes else (0,), kind.numpy), s=spec(sizes if sizes else (0,), kind, resolve(device))
        )
    return found if cls is Tensor else _as_class(cls, found)


def _as_class(cls: type, t: Tensor) -> Any:
    new = object.__new__(cls)
    new._node = t._node
    return new


def kind_of(given: Any, where: str = "") -> dtype:
    """The dtype that an argument means: a dtype, or one of Python's number classes."""
    if isinstance(given, dtype):
        return given
    if given in (bool, int, float, complex):
        return {bool: dtypes.bool_, int: dtypes.int64, float: dtypes.float64, complex: dtypes.complex128}[given]
    raise TypeError(f"{where}argument 'dtype' must be torch.dtype, not {type(given).__name__}")


def finished(
    value: np.ndarray, kind: dtype, device: Any = None, requires_grad: bool = False, out: Any = None
) -> Tensor:
    """A leaf around `value`, or `out` with its elements."""
    made = from_array(value, False, spec(value.shape, kind, resolve(device)))
    if out is not None:
        return binding.copy_into(out, made)
    if requires_grad and kind.category < dtypes.FLOATING:
        raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
    return made.requires_grad_() if requires_grad else made


def _sized(size: tuple, name: str = "zeros") -> tuple[int, ...]:
    """Sizes given one by one, or as one sequence."""
    if len(size) == 1 and isinstance(size[0], (tuple, list)):
        size = tuple(size[0])
    for i, n in enumerate(size):
        if type(n) is not int:
            if not hasattr(n, "__index__"):
                if i == 0:
                    raise TypeError(
                        f"{name}(): argument 'size' (position 1) must be tuple of ints, not {type(n).__name__}"
                    )
                raise TypeError(
                    f"{name}(): argument 'size' failed to unpack the object at pos {i + 1} with error "
                    '"type must be tuple of ints,'
                    f'but got {type(n).__name__}"'
                )
            return tuple([operator.index(k) for k in size])
    return size


def filled(
    size: tuple,
    value: Any,
    name: str,
    out: Any = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    memory_format: Any = None,
    names: Any = None,
) -> Tensor:
    """A leaf of shape `size`, each element `value`."""
    kind = kind_of(dtype) if dtype is not None else out.dtype if out is not None else dtypes.default_dtype()
    shape = _sized(size, name)
    for n in shape:
        if n < 0:
            raise RuntimeError(
                f"{name}: Dimension size must be non-negative."
                if name == "zeros"
                else f"Trying to create tensor with negative dimension {n}: {list(shape)}"
            )
    if value != 0:
        value = _fitting(value, kind)
    if resolve(device) is META:
        made = np.broadcast_to(np.zeros((), kind.numpy), shape)
    elif value == 0:
        made = np.zeros(shape, kind.numpy)
    else:
        made = np.full(shape, value, kind.numpy)
    return finished(made, kind, device, requires_grad, out)


def _fitting(value: Any, kind: dtype) -> Any:
    """A number as an element of `kind`; PyTorch's error if it cannot be one."""
    if isinstance(value, complex) and not kind.is_complex:
        raise RuntimeError(f"value cannot be converted to type {kind.name} without overflow")
    if kind.category == dtypes.INTEGER:
        value = int(value)
        limits = np.iinfo(kind.numpy)
        if not limits.min <= value <= limits.max and not (limits.min == 0 and -limits.max <= value < 0):
            suffix = "" if kind.name in ("uint8", "int8") else "_t"
            raise RuntimeError(f"value cannot be converted to type {kind.name}{suffix} without overflow")
        return value if value >= limits.min else value + limits.max + 1
    return bool(value) if kind.category == dtypes.BOOL else value


def zeros(*size: Any, **how: Any) -> Tensor:
    """A tensor of zeros of the given shape.

    >>> import flambeau as torch
    >>> torch.zeros(2, 3)
    tensor([[0., 0., 0.],
            [0., 0., 0.]])
    """
    return filled(size or (how.pop("size", ()),), 0, "zeros", **how)


def ones(*size: Any, **how: Any) -> Tensor:
    """A tensor of ones of the given shape."""
    return filled(size or (how.pop("size", ()),), 1, "ones", **how)


def empty(*size: Any, **how: Any) -> Tensor:
    """A tensor of the given shape whose elements are not set to anything in particular (here: zeros)."""
    return filled(size or (how.pop("size", ()),), 0, "empty", **how)


def full(size: Any, fill_value: Any, **how: Any) -> Tensor:
    """A tensor of the given shape, each element `fill_value`, whose kind of number decides the dtype."""
    if isinstance(size, int):
        raise TypeError("full(): argument 'size' (position 1) must be tuple of ints, not int")
    if isinstance(fill_value, (Tensor, np.generic)):
        fill_value = fill_value.item()
    if how.get("dtype") is None and how.get("out") is None:
        how["dtype"] = dtypes.of_scalar(type(fill_value))
    return filled((size,), fill_value, "full", **how)


def like(
    input: Tensor,
    value: Any,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
    pin_memory: bool = False,
    name: str = "full_like",
) -> Tensor:
    """A leaf of the shape of `input`, each element `value`."""
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    return filled(
        tuple(input.shape),
        value,
        "full_like",
        dtype=dtype or input.dtype,
        device=device or input.device,
        requires_grad=requires_grad,
    )


def zeros_like(input: Tensor, **how: Any) -> Tensor:
    """Zeros in the shape, dtype and place of `input`."""
    return like(input, 0, name="zeros_like", **how)


def ones_like(input: Tensor, **how: Any) -> Tensor:
    """Ones in the shape, dtype and place of `input`."""
    return like(input, 1, name="ones_like", **how)


def empty_like(input: Tensor, **how: Any) -> Tensor:
    """A tensor in the shape, dtype and place of `input`, its elements not set to anything in particular."""
    return like(input, 0, name="empty_like", **how)


def full_like(input: Tensor, fill_value: Any, **how: Any) -> Tensor:
    """`fill_value` in the shape, dtype and place of `input`."""
    return like(input, fill_value.item() if isinstance(fill_value, (Tensor, np.generic)) else fill_value, **how)


def empty_strided(size: Any, stride: Any, **how: Any) -> Tensor:
    """A tensor of the given shape, its elements not set to anything; they lie in order, whatever `stride` says."""
    if len(size) != len(stride):
        raise RuntimeError("mismatch in length of strides and shape")
    return filled((tuple(size),), 0, "empty_strided", **how)


def empty_permuted(size: Any, physical_layout: Any, **how: Any) -> Tensor:
    """A tensor of the given shape, its elements not set to anything; they lie in order of the dimensions."""
    if len(size) != len(physical_layout):
        raise RuntimeError(
            "Number of dimensions in size does not match the length of the physical_layout; i.e. len(size) = "
            f"{len(size)} "
            f"is not equal to len(physical_layout) = {len(physical_layout)}"
        )
    return filled((tuple(size),), 0, "empty_permuted", **how)


def scalar_tensor(
    s: Any,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """A 0-d tensor of a number."""
    kind = kind_of(dtype) if dtype is not None else dtypes.default_dtype()
    return filled(
        ((),),
        s.item() if isinstance(s, Tensor) else s,
        "scalar_tensor",
        dtype=kind,
        device=device,
        requires_grad=requires_grad,
    )


def asarray(
    obj: Any, *, dtype: Any = None, device: Any = None, copy: Any = None, requires_grad: bool = False
) -> Tensor:
    """`obj` as a tensor: itself if it is one already and nothing is to change, else a new one."""
    if isinstance(obj, Tensor):
        found = obj.to(dtype=dtype, device=device)
        if copy and found is obj:
            found = obj.clone()  # type: ignore[attr-defined]
        if found.requires_grad and not requires_grad:
            found = found.detach()  # type: ignore[attr-defined]
        return found.requires_grad_() if requires_grad and not found.requires_grad else found
    if isinstance(obj, (bytes, bytearray, memoryview)):
        return frombuffer(obj, dtype=dtype or dtypes.default_dtype(), requires_grad=requires_grad)
    return tensor(obj, dtype=dtype, device=device, requires_grad=requires_grad)


def frombuffer(buffer: Any, *, dtype: dtype, count: int = -1, offset: int = 0, requires_grad: bool = False) -> Tensor:
    """A vector of the bytes of `buffer` (copied) read as `dtype`: `count` elements from the byte `offset` on."""
    size, item = memoryview(buffer).nbytes, dtype.itemsize
    if size == 0 or count == 0:
        raise ValueError("both buffer length (" + f"{size}) and count ({count}) must not be 0")
    if not 0 <= offset < size:
        raise ValueError(
            f"offset ({offset} bytes) must be non-negative and no greater than buffer length ({size} bytes) minus 1"
        )
    if count < 0 and (size - offset) % item:
        raise ValueError(
            f"buffer length ({size - offset} bytes) after offset ({offset} bytes) must be a multiple of element "
            f"size ({item})"
        )
    if count > 0 and offset + count * item > size:
        raise ValueError(
            f"requested buffer length ({count} * {item} bytes) after offset ({offset} bytes) must not be greater "
            "than actual "
            f"buffer length ({size} bytes)"
        )
    return finished(np.frombuffer(bytes(buffer), dtype.numpy, count, offset).copy(), dtype, None, requires_grad)
