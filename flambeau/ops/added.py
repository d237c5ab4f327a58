"""Products that are added to something: addmm and its kin, and the bilinear form."""
from __future__ import annotations

from typing import Any

from .. import dtypes
from ..graph import Spec
from ._op import S, T, composite, op
from .elementwise import conj
from .linalg import (
    _bmm,
    _folded,
    _mv,
    _rows_summed,
    added,
    bmm,
    check_expands,
    check_vectors,
    cpp_name,
    linear,
)

# ---- products that are added: beta * input + alpha * product

def scaled(x: Any, factor: Any) -> Any:
    """A kernel's `factor * x` in the dtype of x; a fraction of integers is cut off first, as PyTorch does."""
    if x.dtype.kind in "iu":
        factor = int(factor)
    return x if type(factor) is not complex and factor == 1 else x * factor


def blended(xp: Any, input: Any, product: Any, beta: Any, alpha: Any) -> Any:
    """`beta * input + alpha * product`; with beta 0 the values of `input` do not count, NaN or not."""
    product = scaled(product, alpha)
    return product if not (int(beta) if product.dtype.kind in "iu" else beta) else product + scaled(input, beta)


def times(g: Any, factor: Any) -> Any:
    """In a gradient: `g` times the conjugate of a number."""
    factor = factor.conjugate() if type(factor) is complex else factor
    return g if factor == 1 else g * factor


@op(lambda input, mat1, mat2: added(input, mat1, mat2), api="torch method inplace out", static="beta alpha",
    grad=dict(input=lambda g, beta: times(g, beta), mat1=lambda g, mat2, alpha: times(linear(g, conj(mat2)), alpha),
              mat2=lambda g, mat1, alpha: times(_folded(conj(mat1), g), alpha)),
    cases=[(S(4), S(2, 3), S(3, 4)), (S(2, 4), S(2, 3), S(3, 4), {"beta": 0.5, "alpha": 2})])
def addmm(xp, input: T, mat1: T, mat2: T, *, beta=1, alpha=1):
    """`beta * input + alpha * (mat1 @ mat2)`: input stretches to (N, M), mat1 (N, K), mat2 (K, M) -> (N, M)."""
    return blended(xp, input, xp.matmul(mat1, mat2), beta, alpha)


@op(lambda input, mat, vec: _mv(mat, vec, input), api="torch method inplace out", static="beta alpha",
    grad=dict(input=lambda g, beta: times(g, beta), mat=lambda g, vec, alpha: times(g.unsqueeze(-1) * conj(vec), alpha),
              vec=lambda g, mat, alpha: times(_folded(g, conj(mat)), alpha)),
    cases=[(S(2), S(2, 3), S(3)), (S(), S(2, 3), S(3), {"beta": 0.5, "alpha": 2})])
def addmv(xp, input: T, mat: T, vec: T, *, beta=1, alpha=1):
    """`beta * input + alpha * (mat @ vec)`: input stretches to (N,), mat (N, K), vec (K,) -> (N,)."""
    return blended(xp, input, xp.matmul(mat, vec), beta, alpha)


def _addbmm(input: Spec, batch1: Spec, batch2: Spec) -> Spec:
    for name, s in (("batch1", batch1), ("batch2", batch2)):
        if s.ndim != 3:
            raise RuntimeError(f"{name} must be a 3D tensor")
    if batch1.shape[0] != batch2.shape[0]:
        raise RuntimeError(
            f"batch1 and batch2 must have same number of batches, got {batch1.shape[0]} and {batch2.shape[0]}"
        )
    if batch1.shape[2] != batch2.shape[1]:
        raise RuntimeError(
            f"Incompatible matrix sizes for bmm ({batch1.shape[1]}x{batch1.shape[2]} and "
            f"{batch2.shape[1]}x{batch2.shape[2]})"
        )
    out = (batch1.shape[1], batch2.shape[2])
    check_expands(input, out)
    return added(input, batch1.like(batch1.shape[1:]), batch2.like(batch2.shape[1:]))


@op(_addbmm, api="torch method out", static="beta alpha",
    grad=dict(input=lambda g, beta: times(g, beta), batch1=lambda g, batch2, alpha: times(g @ conj(batch2).mT, alpha),
              batch2=lambda g, batch1, alpha: times(conj(batch1).mT @ g, alpha)),
    cases=[(S(4), S(5, 2, 3), S(5, 3, 4)), (S(2, 4), S(5, 2, 3), S(5, 3, 4), {"beta": 0.5, "alpha": 2})])
def addbmm(xp, input: T, batch1: T, batch2: T, *, beta=1, alpha=1):
    """`beta * input + alpha * (batch1 @ batch2).sum(0)`: batch1 (B, N, K), batch2 (B, K, M) -> (N, M)."""
    product = xp.tensordot(batch1, batch2, axes=((0, 2), (0, 1)))
    return blended(xp, input, product, beta, alpha)


@composite("method", cases=[])
def addbmm_(input, batch1, batch2, *, beta=1, alpha=1):
    """`addbmm` written to `input`, which takes the result's shape."""
    y = addbmm(input, batch1, batch2, beta=beta, alpha=alpha)
    if input.shape == y.shape:
        return input.copy_(y)
    from ..views import check_writable, rebind  # `resize_` would refuse what requires grad
    check_writable(input)
    rebind(input, y._node)
    return input


def _baddbmm(input: Spec, batch1: Spec, batch2: Spec) -> Spec:
    out = _bmm(batch1, batch2) if batch1.dtype is batch2.dtype or input.dtype is batch1.dtype else None
    if out is None or input.dtype is not out.dtype:
        raise RuntimeError(f"Input dtypes must be the same, got: input {cpp_name(input)}, batch1: {cpp_name(batch1)}, "
                           f"batch2: {cpp_name(batch2)}")
    check_expands(input, out.shape)
    return out


@op(
    _baddbmm,
    api="torch method inplace out",
    static="beta alpha",
    grad=dict(
        input=lambda g, beta: times(g, beta),
        batch1=lambda g, batch2, alpha: times(bmm(g, conj(batch2).mT), alpha),
        batch2=lambda g, batch1, alpha: times(bmm(conj(batch1).mT, g), alpha),
    ),
    cases=[(S(4), S(5, 2, 3), S(5, 3, 4)), (S(5, 2, 4), S(5, 2, 3), S(5, 3, 4), {"beta": 0.5, "alpha": 2})],
)
def baddbmm(xp, input: T, batch1: T, batch2: T, *, beta=1, alpha=1):
    """`beta * input + alpha * (batch1 @ batch2)`: batch1 (B, N, K), batch2 (B, K, M) -> (B, N, M)."""
    return blended(xp, input, xp.matmul(batch1, batch2), beta, alpha)


def _addr(input: Spec, vec1: Spec, vec2: Spec, beta, alpha) -> Spec:
    check_vectors("addr", vec1, vec2, "vec1")
    out = (vec1.shape[0], vec2.shape[0])
    check_expands(input, out)
    for name, factor in (("beta", beta), ("alpha", alpha)):
        if input.dtype.category < dtypes.FLOATING and type(factor) is float:
            raise RuntimeError(f"For integral input tensors, argument {name} must not be a floating point number.")
    return input.like(out)


@op(_addr, promote="input vec1 vec2", api="torch method inplace out", static="beta alpha",
    grad=dict(input=lambda g, beta: times(g, beta), vec1=lambda g, vec2, alpha: times(g @ conj(vec2), alpha),
              vec2=lambda g, vec1, alpha: times(_folded(conj(vec1), g), alpha)),
    cases=[(S(3), S(2), S(3)), (S(2, 3), S(2), S(3), {"beta": 0.5, "alpha": 2})])
def addr(xp, input: T, vec1: T, vec2: T, *, beta=1, alpha=1):
    """`beta * input + alpha * outer(vec1, vec2)`: input stretches to (N, M)."""
    product = vec1[:, None] * vec2
    if product.dtype.kind == "b":
        return xp.logical_or(product & bool(alpha), input & bool(beta))
    return blended(xp, input, product, beta, alpha)


# ---- bilinear

def _check_bilinear(input1: Any, input2: Any, weight: Any, bias: Any) -> None:
    if input1.ndim != input2.ndim:
        raise RuntimeError(f"bilinear(): input dimensions do not match: got {input1.ndim} and {input2.ndim}")
    for i, (a, b) in enumerate(zip(input1.shape[:-1], input2.shape[:-1], strict=True)):
        if a != b:
            raise RuntimeError(f"bilinear(): input batch dimensions do not match at dim {i}: got {a} and {b}")
    for i, x in ((1, input1), (2, input2)):
        if i >= weight.ndim or x.shape[-1] != weight.shape[i]:
            raise RuntimeError(f"bilinear(): input{i} size does not match weight size: got {x.shape[-1]} but expected "
                               f"{weight.shape[i] if i < weight.ndim else 0}")
    if bias is not None and bias.shape[0] != weight.shape[0]:
        raise RuntimeError(
            f"bilinear(): bias size does not match weight size: got {bias.shape[0]} but expected {weight.shape[0]}"
        )


def _bilinear(input1: Spec, input2: Spec, weight: Spec, bias: Spec | None) -> Spec:
    _check_bilinear(input1, input2, weight, bias)
    return input1.like((*input1.shape[:-1], weight.shape[0]))


@op(
    _bilinear,
    api="nn.functional",
    shown=lambda kind: "Add" if kind.arity == 4 else "View",
    grad=dict(
        input1=lambda g, input2, weight: _half_product(g, input2, weight, True),
        input2=lambda g, input1, weight: _half_product(g, input1, weight, False),
        weight=lambda g, input1, input2, weight_spec: _folded(g, _pairs(conj(input1), conj(input2))).reshape(
            weight_spec.shape
        ),
        bias=lambda g: _rows_summed(g),
    ),
    cases=[(S(5, 2), S(5, 3), S(4, 2, 3), S(4)), (S(2, 5, 2), S(2, 5, 3), S(4, 2, 3))],
)
def bilinear(xp, input1: T, input2: T, weight: T, bias: T = None):
    """y_o = sum_ij input1_i weight_oij input2_j + bias_o: input1 (*, A), input2 (*, B), weight (O, A, B) -> (*, O)."""
    out, left, right = weight.shape
    half = xp.matmul(input1, xp.reshape(xp.transpose(weight, (1, 0, 2)), (left, out * right)))
    y = xp.matmul(xp.reshape(half, (*input1.shape[:-1], out, right)), input2[..., None])[..., 0]
    return y if bias is None else y + bias


def _half_product(g, other, weight, first: bool):
    """sum_oj g_o weight_oij other_j, or, for the second operand, sum_oi g_o weight_oij other_i."""
    rows = _pairs(g, conj(other))
    table = conj(weight).permute((0, 2, 1) if first else (0, 1, 2))
    return rows @ table.reshape((table.shape[0] * table.shape[1], table.shape[2]))


def _pairs(a, b):
    """All products of an element of `a` with one of `b`, along the last dimension."""
    return (a.unsqueeze(-1) * b.unsqueeze(-2)).reshape((*a.shape[:-1], a.shape[-1] * b.shape[-1]))
