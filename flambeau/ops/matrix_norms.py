"""What follows from singular values: norms of matrices, condition, rank, pseudo-inverse; and the exponential."""
from __future__ import annotations

import math
from typing import Any

from .. import dtypes
from ..graph import Spec
from ._lapack import check_floating, check_matrix, check_square
from ._op import S, T, composite, op
from ._rules import title, wrap
from .core import filled
from .decompositions import _svdvals
from .joining import cat
from .norms import _vector_norm
from .solving import _inv_ex, h

# ---- norms of matrices

def _check_norm(A: Any, ord: Any, dim: Any, dtype: Any) -> tuple[int, int]:
    check_matrix("linalg.matrix_norm", A)
    if A.dtype.category < dtypes.FLOATING:
        raise RuntimeError(
            f"linalg.matrix_norm: Expected a floating point or complex tensor as input. Got {title(A.dtype)}"
        )
    dims = (dim,) if isinstance(dim, int) else tuple(dim)
    if len(dims) != 2:
        raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple. Got {' '.join(map(str, dims))}")
    if (
        isinstance(ord, str)
        and ord not in ("fro", "nuc")
        or not isinstance(ord, str)
        and abs(ord) not in (1, 2, math.inf)
    ):
        raise RuntimeError(f"linalg.matrix_norm: Order {ord if isinstance(ord, str) else f'{ord:g}'} not supported.")
    rows, columns = wrap(dims[0], A.ndim), wrap(dims[1], A.ndim)
    if rows == columns:
        raise RuntimeError(f"linalg.matrix_norm: dims must be different. Got ({dims[0]}, {dims[1]})")
    if dtype is not None:
        if dtype.category < dtypes.FLOATING:
            raise RuntimeError(f"linalg.matrix_norm: dtype should be floating point or complex, but got {title(dtype)}")
        if A.dtype.is_complex != dtype.is_complex:
            kind = "complex" if A.dtype.is_complex else "real"
            raise RuntimeError(f"linalg.matrix_norm: dtype should be {kind} for {kind} inputs, but got {title(dtype)}")
        if dtypes.promote(A.dtype, dtype) is not dtype:
            raise RuntimeError(
                f"linalg.matrix_norm: the dtype of the input ({title(A.dtype)}) should be convertible without "
                "narrowing to the "
                f"specified dtype ({title(dtype)})"
            )
    return rows, columns


@composite("linalg out", cases=[(S(3, 4),), (S(3, 4), "nuc"), (S(2, 3, 4), 1), (S(3, 4), -2)])
def matrix_norm(A, ord="fro", dim=(-2, -1), keepdim=False, *, dtype=None):
    """The norm of matrices over two dimensions.

    "fro": root of the sum of squares; "nuc": sum of singular values; 2, -2: largest, smallest singular value;
    1, -1: largest, smallest sum of a column's moduli; inf, -inf: of a row's.
    """
    rows, columns = _check_norm(A, ord, dim, dtype)
    if ord == "fro":
        return _vector_norm(A, 2, (rows, columns), keepdim, dtype=dtype)
    if dtype is not None:
        A = A.to(dtype)
    if ord == "nuc" or abs(ord) == 2:
        y = _svdvals(A.movedim((rows, columns), (-2, -1)))
        y = y.sum(-1) if ord == "nuc" else _extreme(y, -1, ord > 0)
    else:
        if abs(ord) == math.inf:
            rows, columns = columns, rows
        sums = A.abs().sum(rows)
        y = _extreme(sums, columns - (columns > rows), ord > 0)
    if keepdim:
        for d in sorted((rows, columns)):
            y = y.unsqueeze(d)
    return y


def _extreme(x, dim, largest: bool):
    if not x.shape[dim] and largest:
        return x.sum(dim)                  # the norm of a matrix without elements is 0
    return x.amax(dim) if largest else x.amin(dim)


@composite("out", alias="linalg.norm", cases=[(S(3, 4),), (S(3), 3), (S(3, 4), "nuc")])
def _linalg_norm(A, ord=None, dim=None, keepdim=False, *, dtype=None):
    """The norm of all elements, of vectors (one `dim`, or a 1-D A) or of matrices (two, or a 2-D A)."""
    if dim is not None and not isinstance(dim, int) and len(dim) not in (1, 2):
        raise RuntimeError(f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {list(dim)}")
    if dim is None and ord is not None and A.ndim not in (1, 2):
        raise RuntimeError(
            f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {A.ndim}D."
        )
    over = (dim,) if isinstance(dim, int) else dim
    if ord is not None and (over is not None and len(over) == 2 or over is None and A.ndim == 2):
        return matrix_norm(A, ord, (0, 1) if over is None else over, keepdim, dtype=dtype)
    if isinstance(ord, str):
        return matrix_norm(A, ord, (-2, -1) if over is None else over, keepdim, dtype=dtype)
    return _vector_norm(A, 2 if ord is None else ord, over, keepdim, dtype=dtype)


@composite("out", alias="linalg.cond", cases=[(S(3, 3),), (S(3, 3), "fro")])
def _cond(A, p=None):
    """How much a square system amplifies errors: the norm of A times that of its inverse; infinite for a singular A."""
    if p is not None and (
        isinstance(p, str) and p not in ("fro", "nuc") or not isinstance(p, str) and abs(p) not in (1, 2, math.inf)
    ):
        raise RuntimeError(f"linalg.cond got an invalid norm type: {p}")
    if A.ndim < 2:
        raise RuntimeError("linalg.cond: The input tensor must have at least 2 dimensions.")
    if p is None or not isinstance(p, str) and abs(p) == 2:
        if not min(A.shape[-2:]):
            return filled(A, tuple(A.shape[:-2]), 0, A.dtype.to_real())
        values = _svdvals(A)
        first, last = values.select(-1, 0), values.select(-1, values.shape[-1] - 1)
        return last / first if p is not None and p < 0 else first / last
    check_square(f"linalg.cond(ord={p if isinstance(p, str) else f'{p:g}'})", A)
    if not A.shape[-1]:
        return filled(A, tuple(A.shape[:-2]), 0, A.dtype.to_real())
    inverse, info = _inv_ex(A, "linalg.cond", False)
    return (matrix_norm(A, p) * matrix_norm(inverse, p)).masked_fill(info.ne(0), math.inf)


# ---- pseudo-inverse, rank, exponential

def _tolerances(A: Any, atol: Any, rtol: Any, default: float | None = None) -> tuple[Any, Any]:
    """Tolerances as tensors: `rtol` is epsilon times the longer side unless told, or 0 if `atol` is told."""
    kind = A.dtype.to_real()
    epsilon = {"float32": 2.0 ** -23, "float64": 2.0 ** -52}.get(kind.name, 0.0)
    if rtol is None:
        rtol = (
            0.0
            if atol is not None and not (isinstance(atol, (int, float)) and atol <= 0)
            else max(A.shape[-2:]) * epsilon
        )
    made = [
        filled(A, (), float(v), kind) if isinstance(v, (int, float)) else v
        for v in (0.0 if atol is None else atol, rtol)
    ]
    return made[0], made[1]


def _pinv_spec(A: Spec, atol: Spec, rtol: Spec, hermitian) -> Spec:
    if hermitian:
        check_square("linalg.eigh", A)
    return A.like((*A.shape[:-2], A.shape[-1], A.shape[-2]))


def _pinv_grad(g, out, A):
    """Golub and Pereyra, The differentiation of pseudo-inverses (1973)."""
    P, PH = out, h(out)
    y = -(PH @ h(h(g)) @ PH)
    y = y + (lambda X: X - A @ (P @ X))(h(g) @ P @ PH)
    return y + (lambda X: X - (X @ P) @ A)(PH @ P @ h(g))


@op(
    _pinv_spec,
    api="",
    shown="LinalgPinv",
    grad=dict(A=_pinv_grad),
    cases=[(S(3, 2), S(low=0, high=1e-6), S(low=0, high=1e-6), False)],
)
def _pinv(xp, A: T, atol: T, rtol: T, hermitian):
    """The Moore-Penrose pseudo-inverse; values up to max(atol, rtol * largest) count as 0."""
    if not A.size:
        return xp.zeros((*A.shape[:-2], A.shape[-1], A.shape[-2]), A.dtype)
    if hermitian:
        values, V = xp.linalg.eigh(A)
        U, Vh, size = V, xp.conj(xp.swapaxes(V, -1, -2)), xp.abs(values)
    else:
        U, values, Vh = xp.linalg.svd(A, full_matrices=False)
        size = values
    keep = size > xp.maximum(atol[..., None], rtol[..., None] * xp.max(size, axis=-1, keepdims=True))
    inverse = xp.where(keep, 1 / xp.where(keep, values, xp.ones((), values.dtype)), xp.zeros((), values.dtype))
    return xp.matmul(xp.conj(xp.swapaxes(Vh, -1, -2)) * inverse[..., None, :], xp.conj(xp.swapaxes(U, -1, -2)))


@composite("out", alias="linalg.pinv", cases=[(S(3, 2),), (S(2, 2, 3),)])
def _linalg_pinv(A, rcond=None, hermitian=False, *, atol=None, rtol=None):
    """The Moore-Penrose pseudo-inverse: (*, M, N) -> (*, N, M); values up to max(atol, rtol * largest) count as 0."""
    if A.ndim < 2 or A.dtype.category < dtypes.FLOATING:
        raise RuntimeError(
            f"linalg.pinv({title(A.dtype)}{{{list(A.shape)}}}): expected a tensor with 2 or more dimensions of "
            "float, double, "
            "cfloat or cdouble types"
        )
    atol, rtol = _tolerances(A, atol, rcond if rtol is None else rtol)
    return _pinv(A, atol, rtol, bool(hermitian))


@composite("torch method", cases=[(S(3, 2),)])
def pinverse(input, rcond=1e-15):
    """The Moore-Penrose pseudo-inverse; singular values up to `rcond` times the largest count as 0."""
    return _linalg_pinv(input, rcond)


def _ranked(A: Spec, atol: Spec, rtol: Spec, hermitian) -> Spec:
    if hermitian:
        check_square("linalg.eigh", A)
    return A.like(A.shape[:-2], dtypes.int64)


@op(_ranked, api="", detaches=True, cases=[(S(3, 2), S(low=0, high=1e-6), S(low=0, high=1e-6), False)])
def _rank(xp, A: T, atol: T, rtol: T, hermitian):
    """How many singular values of matrices are above max(atol, rtol * largest)."""
    if not A.size:
        return xp.zeros(A.shape[:-2], "int64")
    size = xp.abs(xp.linalg.eigvalsh(A)) if hermitian else xp.linalg.svd(A, compute_uv=False)
    return xp.sum(
        size > xp.maximum(atol[..., None], rtol[..., None] * xp.max(size, axis=-1, keepdims=True)), axis=-1
    ).astype("int64")


@composite("out", alias="linalg.matrix_rank", cases=[(S(3, 2),)])
def _matrix_rank(A, tol=None, hermitian=False, *, atol=None, rtol=None):
    """The number of singular values above max(atol, rtol * largest), `tol` being an older name for atol."""
    check_matrix("torch.linalg.matrix_rank", A, "input")
    if A.dtype.category < dtypes.FLOATING:
        raise RuntimeError("This function doesn't handle types other than float and double")
    atol, rtol = _tolerances(A, tol if atol is None else atol, rtol)
    return _rank(A, atol, rtol, bool(hermitian))


def _exponential(A: Spec) -> Spec:
    check_square("linalg.matrix_exp", A)
    check_floating("linalg.matrix_exp", A, True)
    return A.like()


def _exp_grad(g, A):
    """The upper right block of exp([[A.mH, g], [0, A.mH]]) (Mathias, A chain rule for matrix functions, 1996)."""
    n = A.shape[-1]
    AH = h(A)
    block = cat((cat((AH, g), -1), cat((filled(g, g.shape, 0), AH), -1)), -2)
    return matrix_exp(block).narrow(-2, 0, n).narrow(-1, n, n)


@op(
    _exponential,
    api="torch method",
    alias="linalg.matrix_exp",
    shown="LinalgMatrixExp",
    grad=_exp_grad,
    cases=[(S(3, 3),), (S(2, 3, 3),)],
)
def matrix_exp(xp, A: T):
    """The sum over n of A ** n / n!, for square matrices."""
    from scipy.linalg import expm
    return xp.asarray(expm(A), dtype=A.dtype) if A.size else A


@matrix_exp.lower("xla")
def _matrix_exp_xla(xp, A):
    return xp.expm(A) if A.size else A
