"""Products of matrices."""
from __future__ import annotations

from ..graph import Kind, Spec
from ._op import T, op
from ._rules import broadcast_shapes
from .elementwise import conj


def _product(input: Spec, other: Spec) -> Spec:
    a, b = input.shape, other.shape
    if not a or not b:
        raise RuntimeError(f"both arguments to matmul need to be at least 1D, but they are {len(a)}D and {len(b)}D")
    same_dtype(input, other)
    m, n = (a if len(a) > 1 else (1, *a)), (b if len(b) > 1 else (*b, 1))
    if m[-1] != n[-2]:
        if len(a) == len(b) == 1:
            raise RuntimeError(f"inconsistent tensor size, expected tensor [{a[0]}] and src [{b[0]}] to have the same number of elements, "
                               f"but got {a[0]} and {b[0]} elements respectively")
        if len(b) == 1:
            raise RuntimeError(f"size mismatch, got input ({m[-2]}), mat ({m[-2]}x{m[-1]}), vec ({b[0]})")
        if len(a) <= 2 and len(b) <= 2:
            raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({m[-2]}x{m[-1]} and {n[-2]}x{n[-1]})")
        batch = broadcast_shapes(m[:-2], n[:-2])
        raise RuntimeError(f"Expected size for first two dimensions of batch2 tensor to be: [{_count(batch)}, {m[-1]}] "
                           f"but got: [{_count(batch)}, {n[-2]}].")
    batch = broadcast_shapes(m[:-2], n[:-2])
    return input.like(batch + ((m[-2],) if len(a) > 1 else ()) + ((n[-1],) if len(b) > 1 else ()))


def _count(shape: tuple) -> int:
    total = 1
    for s in shape:
        total *= s
    return total


def same_dtype(input: Spec, other: Spec) -> None:
    """Raises PyTorch's error unless two operands of a product have one dtype: products do not promote."""
    if input.dtype is not other.dtype:
        names = {"float32": "float", "float64": "double", "int64": "long int", "int32": "int", "float16": "c10::Half",
                 "bfloat16": "c10::BFloat16", "bool": "bool", "uint8": "unsigned char", "int8": "signed char", "int16": "short int",
                 "complex64": "c10::complex<float>", "complex128": "c10::complex<double>"}
        raise RuntimeError(f"expected m1 and m2 to have the same dtype, but got: {names[input.dtype.name]} != {names[other.dtype.name]}")


def _shown(kind: Kind) -> str:
    return "Mm" if kind.spec.ndim == 2 else "Mv" if kind.spec.ndim == 1 else "Dot" if kind.spec.ndim == 0 else "UnsafeView"


@op(_product, api="torch method out", shown=_shown)
def matmul(xp, input: T, other: T):
    """Matrix product of the last two dimensions; those before are broadcast; a vector is a row on the left, a column on the right."""
    return xp.matmul(input, other)


@matmul.lower("numpy")
def _matmul(xp, input, other):
    # ndarray.dot has half the overhead of matmul where both are matrices
    return input.dot(other) if input.ndim == 2 == other.ndim else xp.matmul(input, other)


def _to_left(g, input_spec, other):
    row, column = input_spec.ndim == 1, other.ndim == 1
    g = g.unsqueeze(-1) if column else g
    g = g.unsqueeze(-2) if row else g
    other = other.unsqueeze(1) if column else other
    left = g @ conj(other).mT
    return left.reshape((*left.shape[:-2], left.shape[-1])) if row else left


def _to_right(g, input, other_spec):
    row, column = input.ndim == 1, other_spec.ndim == 1
    g = g.unsqueeze(-1) if column else g
    g = g.unsqueeze(-2) if row else g
    input = input.unsqueeze(0) if row else input
    right = conj(input).mT @ g
    return right.reshape(right.shape[:-1]) if column else right


matmul.grad(input=_to_left, other=_to_right)


def _linear(input: Spec, weight: Spec, bias: Spec | None) -> Spec:
    if input.ndim == 0 or weight.ndim not in (1, 2):
        raise RuntimeError(f"linear(): input and weight need at least 1 and at most 2 dimensions, got {input.ndim} and {weight.ndim}")
    same_dtype(input, weight)
    if input.shape[-1] != weight.shape[-1]:
        rows = _count(input.shape[:-1])
        if input.ndim == 1 or weight.ndim == 1:
            raise RuntimeError(f"size mismatch, got input ({rows}), mat ({rows}x{input.shape[-1]}), vec ({weight.shape[-1]})")
        raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({rows}x{input.shape[-1]} and {weight.shape[1]}x{weight.shape[0]})")
    out = input.shape[:-1] + weight.shape[:-1]
    if bias is not None:
        same_dtype(input, bias)
        if broadcast_shapes(out, bias.shape) != out:
            raise RuntimeError(f"The expanded size of the tensor ({out[-1]}) must match the existing size ({bias.shape[-1]}) at non-singleton "
                               f"dimension {len(out) - 1}.  Target sizes: {list(out)}.  Tensor sizes: {list(bias.shape)}")
    return input.like(out)


@op(_linear, api="nn.functional", shown=lambda kind: ("Addmm" if kind.arity == 3 else "Mm") if kind.spec.ndim == 2 else "View")
def linear(xp, input: T, weight: T, bias: T = None):
    """`input @ weight.T + bias`: input (*, in), weight (out, in), bias (out,) -> (*, out)."""
    y = xp.matmul(input, weight.T)
    return y if bias is None else y + bias


@linear.lower("numpy")
def _linear_numpy(xp, input, weight, bias=None):
    if input.ndim > 2:
        y = input.reshape(-1, input.shape[-1]).dot(weight.T).reshape(*input.shape[:-1], *weight.shape[:-1])
    else:
        y = input.dot(weight.T)
    if bias is not None:
        y += bias
    return y


def _flat(x):
    return x if x.ndim == 2 else x.reshape((-1, x.shape[-1]))


def _linear_weight(g, input, weight_spec):
    if weight_spec.ndim == 1:
        return (g.unsqueeze(-1) * conj(input)).sum(tuple(range(input.ndim - 1))) if input.ndim > 1 else g * conj(input)
    return _flat(g).mT @ conj(_flat(input))


linear.grad(
    input=lambda g, input_spec, weight: g @ conj(weight) if weight.ndim == 2 else g.unsqueeze(-1) * conj(weight),
    weight=_linear_weight,
    bias=lambda g: g)
