"""Matrices taken apart: QR, singular values, eigenvalues, and what follows from them: norms, ranks, pseudo-inverses, exponentials."""
from __future__ import annotations

import math
from typing import Any

from .. import dtypes
from ..graph import Spec
from ._lapack import LinAlgError, check_floating, check_matrix, check_square, lapack, over_batch
from ._op import S, T, composite, op
from ._rules import title, wrap
from .complex import real
from .core import filled
from .elementwise import conj
from .joining import cat
from .norms import _vector_norm
from .products import eye_like, unit_like
from .solving import h, inv, return_named, solved, triangular

_MATRICES = [(S(3, 3),), (S(4, 3),), (S(2, 3, 4),)]


def diagonal(x):
    """The diagonals of matrices."""
    return x.diagonal(0, -2, -1)


def _half(x):
    """`x + x.mH` with the diagonal counted once, and real."""
    both = x + h(x)
    return both - (diagonal(both) / 2).diag_embed()


# ---- QR

def _qr_spec(A: Spec, mode) -> tuple:
    check_matrix("linalg.qr", A)
    check_floating("linalg.qr", A)
    if mode not in ("reduced", "r", "complete"):
        raise RuntimeError(f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or 'complete'")
    *batch, m, n = A.shape
    k = m if mode == "complete" else min(m, n)
    return A.like((0,) if mode == "r" else (*batch, m, k)), A.like((*batch, k, n))


def _qr_grad(g, out, A, mode):
    if mode == "r":
        raise RuntimeError("The derivative of linalg.qr depends on Q, which is not computed when mode='r'. Please use linalg.qr(A, mode="
                           "'reduced') if you are going to require gradients.")
    m, n = A.shape[-2:]
    if mode == "complete" and m > n:
        raise RuntimeError("The QR decomposition is not differentiable when mode='complete' and nrows > ncols")
    (g_q, g_r), (Q, R) = g, out
    right = None
    if n > m:
        R, rest = R.narrow(-1, 0, m), A.narrow(-1, m, n - m)
        if g_r is not None:
            tail = g_r.narrow(-1, m, n - m)
            right, g_r = Q @ tail, g_r.narrow(-1, 0, m)
            more = rest @ h(tail)
            g_q = more if g_q is None else g_q + more
    inner = None
    if g_r is not None:
        inner = g_r @ h(R)
    if g_q is not None:
        turn = h(Q) @ g_q
        inner = -turn if inner is None else inner - turn
    left = Q @ _half(inner.triu())
    if g_q is not None:
        left = left + g_q
    left = h(triangular(R, h(left), True))
    if n <= m:
        return left
    return cat((left, filled(left, (*left.shape[:-1], n - m), 0) if right is None else right), -1)


@op(_qr_spec, api="", shown="LinalgQr", grad=_qr_grad, cases=[(S(3, 3), "reduced"), (S(4, 3), "reduced"), (S(2, 3, 4), "complete")])
def _qr(xp, A: T, mode):
    """Q with orthonormal columns and R upper triangular, A = Q @ R."""
    if mode == "r":
        return xp.zeros((0,), A.dtype), xp.linalg.qr(A, mode="r")
    Q, R = xp.linalg.qr(A, mode=mode)
    return Q, R


@composite("out", alias="linalg.qr")
def _linalg_qr(A, mode="reduced"):
    """A = Q @ R: A (*, M, N) -> Q (*, M, K) with orthonormal columns, R (*, K, N) upper triangular; K = min(M, N), M if "complete"."""
    return return_named("linalg_qr", "Q R", _qr(A, mode))


@composite("torch method out")
def qr(input, some=True):
    """As linalg.qr, `some` False for the complete form."""
    return return_named("qr", "Q R", _qr(input, "reduced" if some else "complete"))


# ---- singular values

def _svd_spec(A: Spec, full_matrices) -> tuple:
    check_matrix("linalg.svd", A)
    check_floating("linalg.svd", A, True)
    if A.dtype.half:
        raise NotImplementedError(f'"linalg_svd_cpu" not implemented for \'{title(A.dtype)}\'')
    *batch, m, n = A.shape
    k = min(m, n)
    return A.like((*batch, m, m if full_matrices else k)), A.like((*batch, k), A.dtype.to_real()), A.like((*batch, n if full_matrices else k, n))


def _skew(x):
    return x - h(x)


def _svd_grad(g, out, A):
    """Giles, An extended collection of matrix derivative results (2008), 3.7; Townsend, Differentiating the SVD (2016)."""
    m, n = A.shape[-2:]
    k = min(m, n)
    (g_u, g_s, g_vh), (U, singular, Vh) = g, out
    U, Vh = U.narrow(-1, 0, k), Vh.narrow(-2, 0, k)
    if g_u is None and g_vh is None:
        return (U * g_s.unsqueeze(-2)) @ Vh
    row, column = singular.unsqueeze(-2), singular.unsqueeze(-1)
    gaps = row * row - column * column + eye_like(singular, k)
    inner = None if g_s is None else g_s.diag_embed()
    if g_u is not None:
        g_u = g_u.narrow(-1, 0, k)
        turn = h(U) @ g_u
        part = _skew(turn) / gaps * row
        if A.spec.is_complex:
            part = part + (diagonal(_skew(turn)) / (2 * singular)).diag_embed()
        inner = part if inner is None else inner + part
    if g_vh is not None:
        g_v = h(g_vh.narrow(-2, 0, k))
        part = column * (_skew(Vh @ g_v) / gaps)
        inner = part if inner is None else inner + part
    if m > k and g_u is not None:
        left = U @ inner + (g_u - U @ (h(U) @ g_u)) / row
        y = left @ Vh
    else:
        y = U @ (inner @ Vh)
    if n > k and g_vh is not None:
        g_vh = h(g_v)
        y = y + U @ ((g_vh - (g_vh @ h(Vh)) @ Vh) / column)
    return y


def _finite(xp: Any, A: Any, name: str) -> None:
    if xp.host and not xp.isfinite(A).all():
        where = ""
        if A.ndim > 2:
            bad = xp.flatnonzero(~xp.isfinite(A).all(axis=(-2, -1)))
            where = f"(Batch element {int(bad[0])}): "
        raise LinAlgError(f"{name}: {where}The algorithm failed to converge because the input matrix contained non-finite values.")


@op(_svd_spec, api="", checks=True, shown="LinalgSvd", grad=_svd_grad, cases=[(S(2, 4, 3), False), (S(3, 4), False)])
def _svd(xp, A: T, full_matrices):
    """A = U @ diag(S) @ Vh, singular values in falling order."""
    _finite(xp, A, "linalg.svd")
    U, singular, Vh = xp.linalg.svd(A, full_matrices=full_matrices)
    return U, singular, Vh


@op(lambda A: _svd_spec(A, False)[1], api="", checks=True, shown="LinalgSvd", cases=_MATRICES,
    grad=lambda g, A: (lambda U, _, Vh: (U * g.unsqueeze(-2)) @ Vh)(*_svd(A, False)))
def _svdvals(xp, A: T):
    """The singular values of matrices, in falling order."""
    _finite(xp, A, "linalg.svd")
    return xp.linalg.svd(A, compute_uv=False)


def _check_driver(driver: Any) -> None:
    if driver is not None:
        raise RuntimeError("torch.linalg.svd: keyword argument `driver=` is only supported on CUDA inputs with cuSOLVER backend.")


@composite("out", alias="linalg.svd")
def _linalg_svd(A, full_matrices=True, *, driver=None):
    """A = U @ diag(S) @ Vh: A (*, M, N) -> U (*, M, M), S (*, K), Vh (*, N, N); only the first K = min(M, N) vectors if not full."""
    _check_driver(driver)
    return return_named("linalg_svd", "U S Vh", _svd(A, bool(full_matrices)))


@composite("out", alias="linalg.svdvals")
def _linalg_svdvals(A, *, driver=None):
    """The singular values of matrices, in falling order."""
    _check_driver(driver)
    return _svdvals(A)


@composite("torch method out")
def svd(input, some=True, compute_uv=True):
    """A = U @ diag(S) @ V.mH; all the vectors if not `some`; U and V zero if not `compute_uv`."""
    if compute_uv:
        U, singular, Vh = _svd(input, not some)
        return return_named("svd", "U S V", (U, singular, h(Vh)))
    *batch, m, n = input.shape
    return return_named("svd", "U S V", (filled(input, (*batch, m, m), 0), _svdvals(input), filled(input, (*batch, n, n), 0)))


# ---- eigenvalues

def _eigh_spec(A: Spec, UPLO) -> tuple:
    check_square("linalg.eigh", A)
    check_floating("linalg.eigh", A)
    if str(UPLO).upper() not in ("L", "U"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    return A.like(A.shape[:-1], A.dtype.to_real()), A.like()


def _eigh_grad(g, out):
    (g_values, g_vectors), (values, V) = g, out
    if g_vectors is None:
        return (V * g_values.unsqueeze(-2)) @ h(V)
    n = values.shape[-1]
    unit = eye_like(values, n)
    gaps = values.unsqueeze(-2) - values.unsqueeze(-1) + unit
    inner = h(V) @ g_vectors / gaps * (1 - unit)
    if g_values is not None:
        inner = inner + g_values.diag_embed()
    return V @ inner @ h(V)


def _hermitian(xp: Any, A: Any, UPLO: str) -> Any:
    if UPLO.upper() == "L":
        return A
    above = xp.triu(A)
    return above + xp.conj(xp.swapaxes(xp.triu(A, 1), -1, -2))


def _converged(xp: Any, name: str, A: Any, function: Any) -> Any:
    """`function()`, its failure to converge as PyTorch's error."""
    if xp.host and not xp.isfinite(A).all():
        where = f"(Batch element {int(xp.flatnonzero(~xp.isfinite(A).all(axis=(-2, -1)))[0])}): " if A.ndim > 2 else ""
        raise LinAlgError(f"{name}: {where}The algorithm failed to converge because the input matrix is ill-conditioned or has too many repeated "
                          f"eigenvalues (error code: {A.shape[-1] - 1}).")
    return function()


@op(_eigh_spec, api="", checks=True, shown="LinalgEigh", grad=_eigh_grad)
def _eigh(xp, A: T, UPLO):
    """Eigenvalues in rising order and orthonormal eigenvectors of Hermitian matrices, of which one triangle is read."""
    values, vectors = _converged(xp, "linalg.eigh", A, lambda: xp.linalg.eigh(_hermitian(xp, A, UPLO)))
    return values, vectors


@op(lambda A, UPLO: _eigh_spec(A, UPLO)[0], api="", checks=True, shown="LinalgEigh",
    grad=lambda g, A, UPLO: (lambda _, V: (V * g.unsqueeze(-2)) @ h(V))(*_eigh(A, UPLO)))
def _eigvalsh(xp, A: T, UPLO):
    """Eigenvalues in rising order of Hermitian matrices."""
    return _converged(xp, "linalg.eigh", A, lambda: xp.linalg.eigvalsh(_hermitian(xp, A, UPLO)))


@composite("out", alias="linalg.eigh")
def _linalg_eigh(A, UPLO="L"):
    """Eigenvalues in rising order and eigenvectors of Hermitian matrices, reading the triangle `UPLO`: A = V @ diag(L) @ V.mH."""
    return return_named("linalg_eigh", "eigenvalues eigenvectors", _eigh(A, UPLO))


@composite("out", alias="linalg.eigvalsh")
def _linalg_eigvalsh(A, UPLO="L"):
    """Eigenvalues in rising order of Hermitian matrices, reading the triangle `UPLO`."""
    return _eigvalsh(A, UPLO)


def _eig_spec(A: Spec) -> tuple:
    check_square("linalg.eig", A)
    check_floating("linalg.eig", A)
    found = A.dtype.to_complex()
    return A.like(A.shape[:-1], found), A.like(dtype=found)


def _eig_grad(g, out):
    """Boeddeker et al., On the computation of complex-valued gradients (2017), 4.60 and 4.63, for eigenvectors of length 1."""
    (g_values, g_vectors), (values, V) = g, out
    if g_vectors is None:
        return solved(h(V), g_values.unsqueeze(-1) * h(V))
    turn = h(V) @ g_vectors
    free = turn - h(V) @ (V * real(diagonal(turn)).unsqueeze(-2))
    unit = eye_like(values, values.shape[-1])
    inner = free / conj(values.unsqueeze(-2) - values.unsqueeze(-1) + unit) * (1 - unit)
    if g_values is not None:
        inner = inner + g_values.diag_embed()
    return solved(h(V), inner @ h(V))


def _all_finite(xp: Any, A: Any) -> None:
    if xp.host and not xp.isfinite(A).all():
        raise RuntimeError("torch.linalg.eig: input tensor should not contain infs or NaNs.")


@op(_eig_spec, api="", checks=True, shown="LinalgEig", grad=_eig_grad)
def _eig(xp, A: T):
    """Eigenvalues and eigenvectors of length 1 of square matrices, both complex."""
    _all_finite(xp, A)
    values, vectors = xp.linalg.eig(A)
    to = "complex64" if A.dtype.itemsize == 4 or A.dtype.name == "complex64" else "complex128"
    return values.astype(to), vectors.astype(to)


@op(lambda A: _eig_spec(A)[0], api="", checks=True, shown="LinalgEig",
    grad=lambda g, A: (lambda _, V: solved(h(V), g.unsqueeze(-1) * h(V)))(*_eig(A)))
def _eigvals(xp, A: T):
    """Eigenvalues of square matrices, complex."""
    _all_finite(xp, A)
    return xp.linalg.eigvals(A).astype("complex64" if A.dtype.itemsize == 4 or A.dtype.name == "complex64" else "complex128")


@composite("out", alias="linalg.eig")
def _linalg_eig(A):
    """Eigenvalues (*, N) and eigenvectors (*, N, N) of square matrices, both complex: A @ V = V @ diag(L)."""
    return return_named("linalg_eig", "eigenvalues eigenvectors", _eig(A))


@composite("out", alias="linalg.eigvals")
def _linalg_eigvals(A):
    """Eigenvalues of square matrices, complex."""
    if A.dtype.category < dtypes.FLOATING:
        raise RuntimeError(f"Unknown Complex ScalarType for {title(A.dtype)}")
    return _eigvals(A)


# ---- norms of matrices

def _check_norm(A: Any, ord: Any, dim: Any, dtype: Any) -> tuple[int, int]:
    check_matrix("linalg.matrix_norm", A)
    if A.dtype.category < dtypes.FLOATING:
        raise RuntimeError(f"linalg.matrix_norm: Expected a floating point or complex tensor as input. Got {title(A.dtype)}")
    dims = (dim,) if isinstance(dim, int) else tuple(dim)
    if len(dims) != 2:
        raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple. Got {' '.join(map(str, dims))}")
    if isinstance(ord, str) and ord not in ("fro", "nuc") or not isinstance(ord, str) and abs(ord) not in (1, 2, math.inf):
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
            raise RuntimeError(f"linalg.matrix_norm: the dtype of the input ({title(A.dtype)}) should be convertible without narrowing to the "
                               f"specified dtype ({title(dtype)})")
    return rows, columns


@composite("linalg out", cases=[(S(3, 4),), (S(3, 4), "nuc"), (S(2, 3, 4), 1), (S(3, 4), -2)])
def matrix_norm(A, ord="fro", dim=(-2, -1), keepdim=False, *, dtype=None):
    """The norm of matrices over two dimensions.

    "fro": root of the sum of squares; "nuc": sum of singular values; 2, -2: largest, smallest singular value; 1, -1: largest, smallest
    sum of a column's moduli; inf, -inf: of a row's.
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
        raise RuntimeError(f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {A.ndim}D.")
    over = (dim,) if isinstance(dim, int) else dim
    if ord is not None and (over is not None and len(over) == 2 or over is None and A.ndim == 2):
        return matrix_norm(A, ord, (0, 1) if over is None else over, keepdim, dtype=dtype)
    if isinstance(ord, str):
        return matrix_norm(A, ord, (-2, -1) if over is None else over, keepdim, dtype=dtype)
    return _vector_norm(A, 2 if ord is None else ord, over, keepdim, dtype=dtype)


@composite("out", alias="linalg.cond")
def _cond(A, p=None):
    """How much a square system amplifies errors: the norm of A times that of its inverse; infinite for a singular A."""
    if p is not None and (isinstance(p, str) and p not in ("fro", "nuc") or not isinstance(p, str) and abs(p) not in (1, 2, math.inf)):
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
    from .solving import _inv_ex
    inverse, info = _inv_ex(A, "linalg.cond", False)
    return (matrix_norm(A, p) * matrix_norm(inverse, p)).masked_fill(info.ne(0), math.inf)


# ---- pseudo-inverse, rank, exponential

def _tolerances(A: Any, atol: Any, rtol: Any, default: float | None = None) -> tuple[Any, Any]:
    """Tolerances as tensors: `rtol` is epsilon times the longer side unless told, or 0 if `atol` is told."""
    kind = A.dtype.to_real()
    epsilon = {"float32": 2.0 ** -23, "float64": 2.0 ** -52}.get(kind.name, 0.0)
    if rtol is None:
        rtol = 0.0 if atol is not None and not (isinstance(atol, (int, float)) and atol <= 0) else max(A.shape[-2:]) * epsilon
    made = [filled(A, (), float(v), kind) if isinstance(v, (int, float)) else v for v in (0.0 if atol is None else atol, rtol)]
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


@op(_pinv_spec, api="", shown="LinalgPinv", grad=dict(A=_pinv_grad))
def _pinv(xp, A: T, atol: T, rtol: T, hermitian):
    """The Moore-Penrose pseudo-inverse; singular values up to max(atol, rtol * largest) count as 0."""
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


@composite("out", alias="linalg.pinv")
def _linalg_pinv(A, rcond=None, hermitian=False, *, atol=None, rtol=None):
    """The Moore-Penrose pseudo-inverse: (*, M, N) -> (*, N, M); singular values up to max(atol, rtol * largest) count as 0."""
    if A.ndim < 2 or A.dtype.category < dtypes.FLOATING:
        raise RuntimeError(f"linalg.pinv({title(A.dtype)}{{{list(A.shape)}}}): expected a tensor with 2 or more dimensions of float, double, "
                           "cfloat or cdouble types")
    atol, rtol = _tolerances(A, atol, rcond if rtol is None else rtol)
    return _pinv(A, atol, rtol, bool(hermitian))


@composite("torch method")
def pinverse(input, rcond=1e-15):
    """The Moore-Penrose pseudo-inverse; singular values up to `rcond` times the largest count as 0."""
    return _linalg_pinv(input, rcond)


def _ranked(A: Spec, atol: Spec, rtol: Spec, hermitian) -> Spec:
    if hermitian:
        check_square("linalg.eigh", A)
    return A.like(A.shape[:-2], dtypes.int64)


@op(_ranked, api="", detaches=True)
def _rank(xp, A: T, atol: T, rtol: T, hermitian):
    """How many singular values of matrices are above max(atol, rtol * largest)."""
    if not A.size:
        return xp.zeros(A.shape[:-2], "int64")
    size = xp.abs(xp.linalg.eigvalsh(A)) if hermitian else xp.linalg.svd(A, compute_uv=False)
    return xp.sum(size > xp.maximum(atol[..., None], rtol[..., None] * xp.max(size, axis=-1, keepdims=True)), axis=-1).astype("int64")


@composite("out", alias="linalg.matrix_rank")
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


@op(_exponential, api="torch method", alias="linalg.matrix_exp", shown="LinalgMatrixExp", grad=_exp_grad, cases=[(S(3, 3),), (S(2, 3, 3),)])
def matrix_exp(xp, A: T):
    """The sum over n of A ** n / n!, for square matrices."""
    from scipy.linalg import expm
    return xp.asarray(expm(A), dtype=A.dtype) if A.size else A


# ---- reflections

def _check_reflectors(name: str, input: Any, tau: Any) -> None:
    if input.ndim < 2:
        raise RuntimeError(f"{name}: input must have at least 2 dimensions.")
    if tau.ndim != input.ndim - 1:
        raise RuntimeError(f"{name}: Expected tau to have one dimension less than input, but got tau.ndim equal to {tau.ndim} and "
                           f"input.ndim is equal to {input.ndim}")


def _reflected(input, tau, other, adjoint: bool):
    """H_1 ... H_k @ other (the adjoint of the product if told), H_i = 1 - tau_i v_i v_i.mH, v_i in the columns of `input` below a 1."""
    rows, columns = input.shape[-2:]
    vectors = input.tril(-1) + eye_like(input, rows, columns)
    places = range(tau.shape[-1])
    for i in (places if adjoint else reversed(places)):
        v = vectors.narrow(-1, i, 1)
        factor = tau.narrow(-1, i, 1).unsqueeze(-1)
        factor = factor.conj() if adjoint and tau.dtype.is_complex else factor
        other = other - (factor * v) @ (h(v) @ other)
    return other


@composite("out", alias="linalg.householder_product")
def _householder_product(input, tau):
    """The first columns of H_1 ... H_k, H_i = 1 - tau_i v_i v_i.mH, v_i in the columns of `input` below a 1."""
    name = "torch.linalg.householder_product"
    if input.ndim < 2:
        raise RuntimeError(f"{name}: input must have at least 2 dimensions.")
    if input.shape[-2] < input.shape[-1]:
        raise RuntimeError(f"{name}: input.shape[-2] must be greater than or equal to input.shape[-1]")
    if tau.ndim and input.shape[-1] < tau.shape[-1]:
        raise RuntimeError(f"{name}: input.shape[-1] must be greater than or equal to tau.shape[-1]")
    _check_reflectors(name, input, tau)
    if tuple(input.shape[:-2]) != tuple(tau.shape[:-1]):
        raise RuntimeError(f"{name}: Expected batch dimensions of tau to be equal to input.shape[:-2], but got {list(tau.shape[:-1])}")
    if input.dtype is not tau.dtype:
        raise RuntimeError(f"{name}: tau dtype {title(tau.dtype)} does not match input dtype {title(input.dtype)}")
    return _reflected(input, tau, unit_like(input), False)


@composite("torch method")
def orgqr(input, tau):
    """As linalg.householder_product."""
    return _householder_product(input, tau)


@composite("torch method out")
def ormqr(input, tau, other, left=True, transpose=False):
    """Q @ other (other @ Q if not `left`; Q.mH if `transpose`), Q the product of reflections of householder_product."""
    name, side = "torch.ormqr", -2 if left else -1
    if input.ndim < 2:
        raise RuntimeError(f"{name}: input must have at least 2 dimensions.")
    if other.ndim < 2:
        raise RuntimeError(f"{name}: other must have at least 2 dimensions.")
    if tau.shape[-1] > input.shape[-1]:
        raise RuntimeError(f"{name}: tau.shape[-1] must be equal to min(other.shape[{side}], input.shape[-1])")
    if other.shape[side] != input.shape[-2]:
        raise RuntimeError(f"{name}: other.shape[{side}] must be equal to input.shape[-2]")
    if tau.shape[-1] != min(other.shape[side], input.shape[-1]):
        raise RuntimeError(f"{name}: tau.shape[-1] must be equal to min(other.shape[{side}], input.shape[-1])")
    _check_reflectors(name, input, tau)
    if left:
        return _reflected(input, tau, other, transpose)
    return h(_reflected(input, tau, h(other), not transpose))


def _geqrf_spec(input: Spec) -> tuple:
    if input.ndim < 2:
        raise RuntimeError("torch.geqrf: input must have at least 2 dimensions.")
    if input.dtype.category < dtypes.FLOATING or input.dtype.half:
        raise NotImplementedError(f'"geqrf_cpu" not implemented for \'{title(input.dtype)}\'')
    return input.like(), input.like((*input.shape[:-2], min(input.shape[-2:])))


@op(_geqrf_spec, names="a tau", api="torch method out", cases=_MATRICES)
def geqrf(xp, input: T):
    """QR as LAPACK keeps it: R in the upper triangle, reflections below it, and their factors."""
    if not input.size:
        return input, xp.zeros((*input.shape[:-2], min(input.shape[-2:])), input.dtype)
    return over_batch(lambda a: lapack("geqrf", a)(a)[:2], (input, 2))
