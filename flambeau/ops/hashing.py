"""Hashes of tensors."""
from __future__ import annotations

from .. import dtypes
from ..graph import Spec
from ._op import S, T, op
from ._rules import axes, reduced, title


def _hashed(input: Spec, dim, keepdim, mode) -> Spec:
    if mode != 0:
        raise RuntimeError(f"Unknown hash_tensor mode: {mode}")
    if input.is_complex:
        raise NotImplementedError(f"\"xor_sum_cpu\" not implemented for '{title(input.dtype)}'")
    if input.numel == 0 and dim in (None, ()):
        raise RuntimeError("hash_tensor: Expected reduction dim to be specified for input.numel() == 0. "
                           "Specify the reduction dim with the 'dim' argument.")
    return reduced(input, dim, keepdim).like(dtype=dtypes.uint64)


@op(_hashed, upcast=False, detaches=True, api="torch method out",
    cases=[(S(2, 3),), (S(2, 3), 1, {"keepdim": True}), (S(3, dtype="int64", low=-5, high=5),)],
    wrong=[((S(0),), RuntimeError, "to be specified"),
           ((S(2, dtype="complex64"),), NotImplementedError, "xor_sum_cpu")])
def hash_tensor(xp, input: T, dim=(), *, keepdim=False, mode=0):
    """The elements' 64 bits joined by exclusive or: floats are made doubles, integers keep their sign."""
    kind = input.dtype.kind
    wide = input.astype("float64" if kind in "fV" else "uint64" if kind == "u" else "int64")
    return xp.bitwise_xor.reduce(wide.view("uint64"), axis=axes(dim, input.ndim), keepdims=keepdim)
