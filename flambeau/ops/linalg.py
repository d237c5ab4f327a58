"""Products of matrices and vectors: matmul, linear and the products that add."""
from __future__ import annotations

import functools
import math
from typing import Any

from .. import dtypes
from ..graph import Kind, Spec
from ._op import S, T, composite, op
from ._rules import broadcast_shapes, title
from .elementwise import conj

CPP_NAMES = {
    "float32": "float",
    "float64": "double",
    "int64": "long int",
    "int32": "int",
    "float16": "c10::Half",
    "bool": "bool",
    "bfloat16": "c10::BFloat16",
    "uint8": "unsigned char",
    "int8": "signed char",
    "int16": "short int",
    "complex64": "c10::complex<float>",
    "complex128": "c10::complex<double>",
}


def cpp_name(s: Spec) -> str:
    """A dtype as PyTorch's products name it in errors: `long int`."""
    return CPP_NAMES.get(s.dtype.name, s.dtype.name)


def no_bool(s: Spec, kernel: str) -> None:
    """Raises PyTorch's error for products of boolean matrices."""
    if s.dtype is dtypes.bool_:
        raise NotImplementedError(f'"{kernel}" not implemented for \'Bool\'')


def one_dtype(input: Spec, other: Spec) -> None:
    """Raises the error of batched products unless both have one dtype: products do not promote."""
    if input.dtype is not other.dtype:
        raise RuntimeError(f"expected scalar type {title(input.dtype)} but found {title(other.dtype)}")


# ---- rules

def _mm(input: Spec, mat2: Spec) -> Spec:
    if input.ndim != 2:
        raise RuntimeError("self must be a matrix")
    if mat2.ndim != 2:
        raise RuntimeError("mat2 must be a matrix")
    (rows, inner), (other, columns) = input.shape, mat2.shape
    if inner != other:
        raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({rows}x{inner} and {other}x{columns})")
    if input.dtype is not mat2.dtype:
        raise RuntimeError(f"expected m1 and m2 to have the same dtype, but got: {cpp_name(input)} != {cpp_name(mat2)}")
    no_bool(input, "addmm_impl_cpu_")
    return input.like((rows, columns))


def _bmm(input: Spec, mat2: Spec) -> Spec:
    for name, s in (("batch1", input), ("batch2", mat2)):
        if s.ndim != 3:
            raise RuntimeError(f"{name} must be a 3D tensor")
    batch, _, inner = input.shape
    if mat2.shape[:2] != (batch, inner):
        raise RuntimeError(f"Expected size for first two dimensions of batch2 tensor to be: [{batch}, {inner}] "
                           f"but got: [{mat2.shape[0]}, {mat2.shape[1]}].")
    one_dtype(input, mat2)
    no_bool(input, "bmm")
    return input.like((*input.shape[:2], mat2.shape[2]))


def _mv(input: Spec, vec: Spec, self: Spec | None = None) -> Spec:
    if input.ndim != 2 or vec.ndim != 1 or self is not None and self.ndim > 1:
        raise RuntimeError(
            f"vector + matrix @ vector expected, got {1 if self is None else self.ndim}, {input.ndim}, {vec.ndim}"
        )
    rows, columns = input.shape
    if columns != vec.shape[0] or self is not None and self.numel not in (rows, 1):
        raise RuntimeError(
            f"size mismatch, got input ({rows if self is None else self.numel}), mat ({rows}x{columns}), vec "
            f"({vec.shape[0]})"
        )
    if input.dtype is not vec.dtype or self is not None and self.dtype is not vec.dtype:
        raise RuntimeError(
            f"addmv input tensors must have the same dtype, but got {title((vec if self is None else self).dtype)}, "
            f"{title(input.dtype)}, "
            f"and {title(vec.dtype)}"
        )
    no_bool(input, "addmv_impl_cpu")
    return input.like((rows,))


def _dot(input: Spec, tensor: Spec) -> Spec:
    if input.ndim != 1 or tensor.ndim != 1:
        raise RuntimeError(f"1D tensors expected, but got {input.ndim}D and {tensor.ndim}D tensors")
    if input.dtype is not tensor.dtype:
        raise RuntimeError(
            f"dot : expected both vectors to have same dtype, but found {title(input.dtype)} and {title(tensor.dtype)}"
        )
    if input.shape != tensor.shape:
        raise RuntimeError(
            f"inconsistent tensor size, expected tensor [{input.numel}] and src [{tensor.numel}] to have the same "
            "number of "
            f"elements, but got {input.numel} and {tensor.numel} elements respectively"
        )
    no_bool(input, "dot")
    return input.like(())


def _product(input: Spec, other: Spec, name: str = "matmul") -> Spec:
    a, b = input.shape, other.shape
    if not a or not b:
        raise RuntimeError(f"both arguments to {name} need to be at least 1D, but they are {len(a)}D and {len(b)}D")
    if len(a) == len(b) == 1:
        return _dot(input, other)
    rows = math.prod(a[:-1])
    if len(b) == 1:
        _mv(input.like((rows, a[-1])), other)
        return input.like(a[:-1])
    if len(b) == 2:
        _mm(input.like((rows, a[-1])), other)
        return input.like((*a[:-1], b[-1]))
    m = a if len(a) > 1 else (1, *a)
    batch = broadcast_shapes(m[:-2], b[:-2])
    count = math.prod(batch)
    _bmm(input.like((count, *m[-2:])), other.like((count, *b[-2:])))
    return input.like((*batch, *a[-2:-1], b[-1]))


# ---- the products that every training step runs

def _shown(kind: Kind) -> str:
    return {2: "Mm", 1: "Mv", 0: "Dot"}.get(kind.spec.ndim, "UnsafeView")


@op(
    lambda input, other: _product(input, other),
    fresh=True,
    api="torch method out",
    alias="linalg.matmul",
    shown=_shown,
    cases=[
        (S(2, 3), S(3, 4)),
        (S(3), S(3)),
        (S(3), S(3, 2)),
        (S(2, 3), S(3)),
        (S(5, 2, 3), S(3, 4)),
        (S(2, 1, 2, 3), S(4, 3, 2)),
        (S(3), S(4, 3, 2)),
        (S(5, 2, 3), S(3)),
    ],
    wrong=[
        ((S(2, 3), S(2, 3)), RuntimeError, "mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)"),
        (
            (S(2, 3), S(3, 2, dtype="float64")),
            RuntimeError,
            "expected m1 and m2 to have the same dtype, but got: float != double",
        ),
    ],
)
def matmul(xp, input: T, other: T):
    """Matrix product of the last two dimensions; those before are broadcast.

    A vector is a row on the left, a column on the right: input (*, N, K), other (*, K, M) -> (*, N, M).
    """
    return xp.matmul(input, other)


@matmul.lower("numpy")
def _matmul(xp, input, other):
    # ndarray.dot has half the overhead of matmul for two matrices, and is one product where a batch meets one matrix
    if other.ndim > 2:
        return xp.matmul(input, other)
    if input.ndim <= 2:
        return input.dot(other)
    return (
        input.reshape(-1, input.shape[-1] or 1).dot(other).reshape(*input.shape[:-1], *other.shape[1:])
        if input.size
        else xp.matmul(input, other)
    )


def _to_left(g, input_spec, other):
    if other.ndim == 2:
        return linear(g, conj(other))
    if other.ndim == 1:
        return g.unsqueeze(-1) * conj(other)
    left = (g.unsqueeze(-2) if input_spec.ndim == 1 else g) @ conj(other).mT
    return left.reshape((*left.shape[:-2], left.shape[-1])) if input_spec.ndim == 1 else left


def _to_right(g, input, other_spec):
    if other_spec.ndim == 2:
        return _folded(conj(input), g)
    if other_spec.ndim == 1:
        return _folded(g, conj(input)) if input.ndim > 1 else g * conj(input)
    if input.ndim == 1:
        return g.unsqueeze(-2) * conj(input).unsqueeze(-1)
    return conj(input).mT @ g


matmul.grad(input=_to_left, other=_to_right)


def _folds(left: Spec, right: Spec) -> Spec:
    return left.like(
        left.shape[right.ndim - 1 :] + right.shape[-1:]
        if left.ndim < right.ndim
        else left.shape[-1:] + right.shape[-1:]
    )


@op(
    _folds,
    fresh=True,
    api="",
    grad=dict(
        left=lambda g, left_spec, right: linear(conj(right), g) if left_spec.ndim == right.ndim else conj(right) @ g,
        right=lambda g, left: conj(left) @ g if g.ndim == 2 else conj(left).unsqueeze(-1) * g,
    ),
    cases=[(S(5, 3), S(5, 2)), (S(2, 5, 3), S(2, 5, 4)), (S(5), S(5, 2)), (S(3), S(2))],
)
def _folded(xp, left: T, right: T):
    """The sum over rows of outer products: left (*, A), right (*, B) -> (A, B); left (*), right (*, B) -> (B,)."""
    flat = xp.reshape(right, (-1, right.shape[-1]) if right.size else (math.prod(right.shape[:-1]), right.shape[-1]))
    if left.ndim < right.ndim:
        return xp.matmul(xp.reshape(left, (-1,)), flat)
    return xp.matmul(xp.reshape(left, (flat.shape[0], left.shape[-1])).T, flat)


@_folded.lower("numpy")
def _folded_numpy(xp, left, right):
    if right.ndim == left.ndim == 2:
        return left.T.dot(right)
    return _folded.body(xp, left, right)


def _linear(input: Spec, weight: Spec, bias: Spec | None) -> Spec:
    if not input.ndim or not weight.ndim:
        raise RuntimeError(
            f"both arguments to linear need to be at least 1D, but they are {input.ndim}D and {weight.ndim}D"
        )
    if weight.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {weight.ndim}D")
    if bias is None or weight.ndim == 1 and input.ndim != 2:
        return _product(input, weight.like(weight.shape[::-1]), "linear")
    if weight.ndim == 1:
        raise RuntimeError("mat2 must be a matrix, got 1-D tensor")
    rows, out = math.prod(input.shape[:-1]), (*input.shape[:-1], weight.shape[0])
    added(bias, input.like((rows, input.shape[-1])), weight.like(weight.shape[::-1]))
    if bias.ndim > 1 and broadcast_shapes(out, bias.shape) != out:
        raise RuntimeError(f"linear(): a bias of shape {list(bias.shape)} does not fit a result of shape {list(out)}")
    return input.like(out)


def added(input: Spec, mat1: Spec, mat2: Spec) -> Spec:
    """The rule of `input + mat1 @ mat2`."""
    for name, s in (("mat1", mat1), ("mat2", mat2)):
        if s.ndim != 2:
            raise RuntimeError(f"{name} must be a matrix, got {s.ndim}-D tensor")
    if mat1.dtype is not mat2.dtype:
        raise RuntimeError(
            f"mat1 and mat2 must have the same dtype, but got {title(mat1.dtype)} and {title(mat2.dtype)}"
        )
    if input.dtype is not mat2.dtype:
        raise RuntimeError(
            f"self and mat2 must have the same dtype, but got {title(input.dtype)} and {title(mat2.dtype)}"
        )
    out = _mm(mat1, mat2)
    check_expands(input, out.shape)
    return out


def check_expands(s: Spec, shape: tuple) -> None:
    """Raises the error of `expand` unless `s` stretches to `shape`."""
    if s.ndim > len(shape):
        raise RuntimeError(
            f"expand(torch.{title(s.dtype)}Tensor{{{list(s.shape)}}}, size={list(shape)}): the number of sizes "
            "provided "
            f"({len(shape)}) must be greater or equal to the number of dimensions in the tensor ({s.ndim})"
        )
    ahead = len(shape) - s.ndim
    for i in reversed(range(s.ndim)):
        if s.shape[i] not in (1, shape[i + ahead]):
            raise RuntimeError(
                f"The expanded size of the tensor ({shape[i + ahead]}) must match the existing size ({s.shape[i]}) at "
                f"non-singleton dimension {i + ahead}.  Target sizes: {list(shape)}.  Tensor sizes: {list(s.shape)}"
            )


def _linear_shown(kind: Kind) -> str:
    if kind.spec.ndim == 2:
        return "Addmm" if kind.arity == 3 else "Mm"
    return "View" if kind.arity == 3 else _shown(kind)


@op(
    _linear,
    fresh=True,
    api="nn.functional",
    shown=_linear_shown,
    cases=[
        (S(5, 3), S(4, 3), S(4)),
        (S(2, 5, 3), S(4, 3), S(4)),
        (S(5, 3), S(4, 3)),
        (S(3), S(4, 3), S(4)),
        (S(5, 3), S(3)),
    ],
    wrong=[((S(2, 3), S(4, 2)), RuntimeError, "mat1 and mat2 shapes cannot be multiplied (2x3 and 2x4)")],
)
def linear(xp, input: T, weight: T, bias: T = None):
    """`input @ weight.T + bias`: input (*, in), weight (out, in), bias (out,) -> (*, out)."""
    y = xp.matmul(input, weight.T)
    return y if bias is None else y + bias


@linear.lower("numpy")
def _linear_numpy(xp, input, weight, bias=None):
    if input.ndim > 2:
        y = (
            input.reshape(math.prod(input.shape[:-1]), input.shape[-1])
            .dot(weight.T)
            .reshape(*input.shape[:-1], *weight.shape[:-1])
        )
    else:
        y = input.dot(weight.T)
    if bias is None:
        return y
    if not y.ndim:
        return y + bias
    y += bias
    return y


def _linear_weight(g, input, weight_spec):
    if weight_spec.ndim == 1:
        return _folded(g, conj(input)) if input.ndim > 1 else g * conj(input)
    return _folded(g, conj(input))


linear.grad(
    input=lambda g, input_spec, weight: g @ conj(weight) if weight.ndim == 2 else g.unsqueeze(-1) * conj(weight),
    weight=_linear_weight,
    bias=lambda g, bias_spec: (
        _rows_summed(g) if bias_spec.ndim == 1 < g.ndim and bias_spec.shape[0] == g.shape[-1] else g
    ),
)


@op(lambda input: input.like(input.shape[-1:]), api="", grad=lambda g, input_spec: g.expand(input_spec.shape),
    cases=[(S(2, 3),), (S(2, 3, 4),)])
def _rows_summed(xp, input: T):
    """The sum over all dimensions but the last."""
    return xp.sum(xp.reshape(input, (math.prod(input.shape[:-1]), input.shape[-1])), axis=0, dtype=input.dtype)


@_rows_summed.lower("numpy")
def _rows_summed_numpy(xp, input):
    if input.ndim != 2:
        input = input.reshape(math.prod(input.shape[:-1]), input.shape[-1])
    if input.dtype.kind == "f" and input.shape[0] < 256 and input.dtype.itemsize > 2:
        return _ones(input.shape[0], input.dtype).dot(input)     # half the time of a reduction
    return xp.add.reduce(input, 0)


@functools.lru_cache(64)
def _ones(rows: int, dtype: Any) -> Any:
    import numpy
    return numpy.ones(rows, dtype)


# ---- the same products by their other names

@op(
    _mm,
    api="torch method out",
    grad=dict(input=lambda g, mat2: linear(g, conj(mat2)), mat2=lambda g, input: _folded(conj(input), g)),
    cases=[(S(2, 3), S(3, 4))],
    wrong=[((S(3), S(3, 2)), RuntimeError, "self must be a matrix")],
)
def mm(xp, input: T, mat2: T):
    """Product of two matrices: (N, K), (K, M) -> (N, M)."""
    return input.dot(mat2)


@op(
    _bmm,
    api="torch method out",
    grad=dict(input=lambda g, mat2: bmm(g, conj(mat2).mT), mat2=lambda g, input: bmm(conj(input).mT, g)),
    cases=[(S(5, 2, 3), S(5, 3, 4))],
    wrong=[((S(3, 2), S(3, 2)), RuntimeError, "batch1 must be a 3D tensor")],
)
def bmm(xp, input: T, mat2: T):
    """Products of the matrices of two batches: (B, N, K), (B, K, M) -> (B, N, M)."""
    return xp.matmul(input, mat2)


@op(lambda input, vec: _mv(input, vec), api="torch method out",
    grad=dict(input=lambda g, vec: g.unsqueeze(-1) * conj(vec), vec=lambda g, input: _folded(g, conj(input))),
    cases=[(S(2, 3), S(3))])
def mv(xp, input: T, vec: T):
    """Product of a matrix and a vector: (N, K), (K,) -> (N,)."""
    return input.dot(vec)


@op(
    _dot,
    api="torch method out",
    grad=dict(input=lambda g, tensor: g * conj(tensor), tensor=lambda g, input: g * conj(input)),
    cases=[(S(3), S(3))],
)
def dot(xp, input: T, tensor: T):
    """The sum of the products of two vectors' elements."""
    return xp.dot(input, tensor)


@op(lambda input, other: _dot(input, other), api="torch method out",
    grad=dict(input=lambda g, other: conj(g) * other, other=lambda g, input: g * input),
    cases=[(S(3), S(3))])
def vdot(xp, input: T, other: T):
    """The sum of the products of two vectors' elements, those of the first conjugated."""
    return xp.vdot(input, other)


@composite("torch method out", cases=[(S(2, 3), S(4, 3)), (S(3), S(3))])
def inner(input, other):
    """Sums of products along the last dimension: (*A, K), (*B, K) -> (*A, *B); a 0-d tensor multiplies."""
    if input.ndim == 0 or other.ndim == 0:
        return input * other
    if input.dtype is not other.dtype:
        raise RuntimeError("both inputs should have same dtype")
    if input.shape[-1] != other.shape[-1]:
        raise RuntimeError("inner() the last dimension must match on both input tensors but got shapes "
                           f"{list(input.shape)} and {list(other.shape)}")
    if input.ndim == other.ndim == 1:
        return dot(input, other)
    rows = other.reshape((math.prod(other.shape[:-1]), other.shape[-1]))
    return linear(input, rows).reshape((*input.shape[:-1], *other.shape[:-1]))


def check_vectors(name: str, input: Any, vec2: Any, first: str = "self") -> None:
    """Raises PyTorch's error unless both have one dimension."""
    for label, v in ((first, input), ("vec2", vec2)):
        if v.ndim != 1:
            raise RuntimeError(f"{name}: Expected 1-D argument {label}, but got {v.ndim}-D")


def _outer(input: Spec, vec2: Spec) -> Spec:
    check_vectors("outer", input, vec2)
    return input.like((input.shape[0], vec2.shape[0]))


@op(_outer, promote=True, api="torch method out", alias="ger", shown="Mul",
    grad=dict(input=lambda g, vec2: g @ conj(vec2), vec2=lambda g, input: _folded(conj(input), g)),
    cases=[(S(3), S(2))])
def outer(xp, input: T, vec2: T):
    """All products of an element of one vector with one of the other: (N,), (M,) -> (N, M)."""
    return input[:, None] * vec2
