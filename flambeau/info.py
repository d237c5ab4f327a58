"""Questions about dtypes and tensors: limits of number types, promotion, the default type."""

from __future__ import annotations

import sys
from typing import Any

import ml_dtypes
import numpy as np

from . import dtypes
from .dtypes import dtype
from .graph import spec
from .ops._rules import broadcast_shapes as _common
from .tensor import Size, Tensor


class finfo:
    """The limits of a floating-point type: eps, max, min, tiny, resolution, bits."""

    def __init__(self, type: Any = None) -> None:
        kind = dtypes.default_dtype() if type is None else type
        if not isinstance(kind, dtype):
            raise TypeError(f"finfo(): argument 'type' (position 1) must be torch.dtype, not {kind.__class__.__name__}")
        if kind.category < dtypes.FLOATING:
            raise TypeError(
                "torch.finfo() requires a floating point input type. Use torch.iinfo to handle 'torch.finfo'"
            )
        limits: Any = (ml_dtypes if kind.half or kind.narrow else np).finfo(kind.to_real().numpy)
        self.bits, self.dtype = 8 * kind.to_real().itemsize, kind.to_real().name
        # PyTorch says so of this type, though 1.25 is its first number above 1.
        self.eps = 0.125 if kind is dtypes.float8_e5m2fnuz else float(limits.eps)
        self.max, self.min = float(limits.max), float(limits.min)
        self.tiny = self.smallest_normal = float(limits.tiny)
        self.resolution = 1.0 if kind.narrow else float(f"1e-{int(limits.precision)}")

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, eps={self.eps:g}, "
            f"smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, dtype={self.dtype})"
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, finfo) and self.dtype == other.dtype

    def __hash__(self) -> int:
        return hash(self.dtype)


class iinfo:
    """The limits of an integer type: max, min, bits."""

    def __init__(self, type: Any) -> None:
        if not isinstance(type, dtype):
            raise TypeError(f"iinfo(): argument 'type' (position 1) must be torch.dtype, not {type.__class__.__name__}")
        if type.category >= dtypes.FLOATING:
            raise TypeError("torch.iinfo() requires an integer input type. Use torch.finfo to handle 'torch.iinfo'")
        if type.category == dtypes.BOOL:
            raise TypeError("torch.bool is not supported by torch.iinfo")
        limits: Any = np.iinfo(type.numpy)
        self.bits, self.max, self.min, self.dtype = 8 * type.itemsize, int(limits.max), int(limits.min), type.name

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, iinfo) and self.dtype == other.dtype

    def __hash__(self) -> int:
        return hash(self.dtype)


class memory_format:
    """How the elements of a tensor lie in memory; here always in order, so that it makes no difference."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return f"torch.{self._name}"

    def __reduce__(self) -> str:
        return self._name


class layout(memory_format):
    """The sort of storage of a tensor; here always strided."""


contiguous_format, preserve_format = memory_format("contiguous_format"), memory_format("preserve_format")
channels_last, channels_last_3d = memory_format("channels_last"), memory_format("channels_last_3d")
strided, sparse_coo, sparse_csr = layout("strided"), layout("sparse_coo"), layout("sparse_csr")
sparse_csc, sparse_bsr = layout("sparse_csc"), layout("sparse_bsr")
sparse_bsc, jagged = layout("sparse_bsc"), layout("jagged")


def is_tensor(obj: Any, /) -> bool:
    """Whether `obj` is a tensor."""
    return isinstance(obj, Tensor)


def is_storage(obj: Any, /) -> bool:
    """Whether `obj` is the memory of tensors, as torch.storage has it."""
    storages = sys.modules.get("flambeau.storage")
    return storages is not None and isinstance(obj, (storages.TypedStorage, storages.UntypedStorage))


def numel(input: Tensor) -> int:
    """The number of elements."""
    return input.numel()


def is_floating_point(input: Tensor) -> bool:
    """Whether the elements are floating-point numbers."""
    return input.is_floating_point()


def is_complex(input: Tensor) -> bool:
    """Whether the elements are complex numbers."""
    return input.is_complex()


def is_inference(input: Tensor) -> bool:
    """Whether the tensor can never take part in a gradient: none here is restricted so."""
    return False


def is_nonzero(input: Tensor) -> bool:
    """Whether the one element is not zero; RuntimeError if there is not exactly one."""
    return bool(input)


def get_default_dtype() -> dtype:
    """The floating type of new tensors."""
    return dtypes.default_dtype()


def set_default_dtype(d: dtype, /) -> None:
    """Makes `d` the floating type of new tensors."""
    if not isinstance(d, dtype):
        raise TypeError("invalid dtype object: only floating-point types are supported as the default type")
    if d.category != dtypes.FLOATING:
        raise TypeError("only floating-point types are supported as the default type")
    dtypes.set_default(d)


def set_default_tensor_type(t: Any, /) -> None:
    """Makes the type of a tensor class, or of its name, the floating type of new tensors."""
    name = t if isinstance(t, str) else getattr(t, "__name__", str(t))
    found = {
        "FloatTensor": dtypes.float32,
        "DoubleTensor": dtypes.float64,
        "HalfTensor": dtypes.float16,
        "BFloat16Tensor": dtypes.bfloat16,
    }.get(name.rpartition(".")[2])
    if found is None:
        raise TypeError(f"invalid type object: {name}")
    dtypes.set_default(found)


def promote_types(type1: dtype, type2: dtype) -> dtype:
    """The smallest type that holds both."""
    return dtypes.promote(type1, type2)


def result_type(tensor1: Any, tensor2: Any) -> dtype:
    """The type that arithmetic on two operands (tensors or numbers) has."""
    return dtypes.result_type(
        [
            t._node.spec if isinstance(t, Tensor) else spec((), dtypes.of_scalar(type(t)), weak=True)
            for t in (tensor1, tensor2)
        ]
    )


def can_cast(from_: dtype, to: dtype) -> bool:
    """Whether a result of type `from_` may be stored in a tensor of type `to`."""
    return dtypes.can_cast(from_, to)


def broadcast_shapes(*shapes: Any) -> Size:
    """The common shape of several; a size of 1 stretches."""
    given = [(s,) if isinstance(s, int) else tuple(s) for s in shapes]
    for shape in given:
        for n in shape:
            if n < 0:
                raise RuntimeError(f"Trying to create tensor with negative dimension ({n}): ({n})")
    for i in range(1, len(given)):
        before = _common(*given[:i])
        try:
            _common(before, given[i])
        except RuntimeError:
            for j in range(1, 1 + min(len(before), len(given[i]))):
                if 1 not in (before[-j], given[i][-j]) and before[-j] != given[i][-j]:
                    raise RuntimeError(
                        f"Attempting to broadcast a dimension of length {given[i][-j]} at -{j}! Mismatching "
                        f"argument at index {i} "
                        f"had {given[i]}; but expected shape should be broadcastable to {list(before)}"
                    ) from None
    return Size(_common(*given))
