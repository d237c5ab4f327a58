"""Matrices taken apart: QR, singular values and vectors, eigenvalues and eigenvectors."""
from __future__ import annotations

from typing import Any

from .. import dtypes
from ..graph import Spec
from ._lapack import LinAlgError, check_floating, check_matrix, check_square
from ._op import S, T, composite, op
from ._rules import title
from .complex import real
from .core import filled
from .elementwise import conj
from .joining import cat
from .products import eye_like
from .solving import h, return_named, solved, triangular

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
        raise RuntimeError(
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or 'complete'"
        )
    *batch, m, n = A.shape
    k = m if mode == "complete" else min(m, n)
    return A.like((0,) if mode == "r" else (*batch, m, k)), A.like((*batch, k, n))


def _qr_grad(g, out, A, mode):
    if mode == "r":
        raise RuntimeError(
            "The derivative of linalg.qr depends on Q, which is not computed when mode='r'. Please use linalg.qr(A, "
            "mode="
            "'reduced') if you are going to require gradients."
        )
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


@op(
    _qr_spec,
    api="",
    shown="LinalgQr",
    grad=_qr_grad,
    cases=[(S(3, 3), "reduced"), (S(4, 3), "reduced"), (S(2, 3, 4), "complete")],
)
def _qr(xp, A: T, mode):
    """Q with orthonormal columns and R upper triangular, A = Q @ R."""
    if mode == "r":
        return xp.zeros((0,), A.dtype), xp.linalg.qr(A, mode="r")
    Q, R = xp.linalg.qr(A, mode=mode)
    return Q, R


@composite("out", alias="linalg.qr", cases=_MATRICES)
def _linalg_qr(A, mode="reduced"):
    """A = Q @ R with orthonormal columns in Q and upper triangular R: A (*, M, N) -> Q (*, M, K), R (*, K, N).

    K is min(M, N), or M for the mode "complete"; "r" leaves Q empty.
    """
    return return_named("linalg_qr", "Q R", _qr(A, mode))


@composite("torch method out", cases=_MATRICES)
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
    return (
        A.like((*batch, m, m if full_matrices else k)),
        A.like((*batch, k), A.dtype.to_real()),
        A.like((*batch, n if full_matrices else k, n)),
    )


def _skew(x):
    return x - h(x)


def _svd_grad(g, out, A):
    """Giles, Collected matrix derivative results (2008), 3.7; Townsend, Differentiating the SVD (2016)."""
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


def _first_bad(xp: Any, A: Any) -> str:
    """Which matrix of a batch is the first that is not finite, in PyTorch's words."""
    if A.ndim == 2:
        return ""
    return f"(Batch element {int(xp.flatnonzero(~xp.isfinite(A).all(axis=(-2, -1)))[0])}): "


def _finite(xp: Any, A: Any, name: str) -> None:
    def error() -> Exception:
        return LinAlgError(
            f"{name}: {_first_bad(xp, A)}The algorithm failed to converge because the input matrix contained "
            "non-finite values."
        )

    xp.refuse(~xp.isfinite(A), error)


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
        raise RuntimeError(
            "torch.linalg.svd: keyword argument `driver=` is only supported on CUDA inputs with cuSOLVER backend."
        )


@composite("out", alias="linalg.svd", cases=[(S(3, 4), {"full_matrices": False})])
def _linalg_svd(A, full_matrices=True, *, driver=None):
    """A = U @ diag(S) @ Vh: A (*, M, N) -> U (*, M, M), S (*, K), Vh (*, N, N); K = min(M, N).

    Unless `full_matrices`, only the first K vectors are given.
    """
    _check_driver(driver)
    return return_named("linalg_svd", "U S Vh", _svd(A, bool(full_matrices)))


@composite("out", alias="linalg.svdvals", cases=_MATRICES)
def _linalg_svdvals(A, *, driver=None):
    """The singular values of matrices, in falling order."""
    _check_driver(driver)
    return _svdvals(A)


@composite("torch method out", cases=_MATRICES)
def svd(input, some=True, compute_uv=True):
    """A = U @ diag(S) @ V.mH; all the vectors if not `some`; U and V zero if not `compute_uv`."""
    if compute_uv:
        U, singular, Vh = _svd(input, not some)
        return return_named("svd", "U S V", (U, singular, h(Vh)))
    *batch, m, n = input.shape
    return return_named(
        "svd", "U S V", (filled(input, (*batch, m, m), 0), _svdvals(input), filled(input, (*batch, n, n), 0))
    )


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


def _converging(xp: Any, name: str, A: Any) -> None:
    """Refuses matrices for which the algorithm does not converge with PyTorch's error."""

    def error() -> Exception:
        return LinAlgError(
            f"{name}: {_first_bad(xp, A)}The algorithm failed to converge because the input matrix is "
            f"ill-conditioned or has too many repeated eigenvalues (error code: {A.shape[-1] - 1})."
        )

    xp.refuse(~xp.isfinite(A), error)


@op(_eigh_spec, api="", checks=True, shown="LinalgEigh", grad=_eigh_grad, cases=[(S(1, 1), "L")])
def _eigh(xp, A: T, UPLO):
    """Eigenvalues in rising order and orthonormal eigenvectors of Hermitian matrices, of which one triangle is read."""
    _converging(xp, "linalg.eigh", A)
    values, vectors = xp.linalg.eigh(_hermitian(xp, A, UPLO))
    return values, vectors


@_eigh.lower("xla")
def _eigh_xla(xp, A, UPLO):
    _converging(xp, "linalg.eigh", A)
    values, vectors = xp.linalg.eigh(_hermitian(xp, A, UPLO), UPLO="L", symmetrize_input=False)
    return values, vectors


@op(lambda A, UPLO: _eigh_spec(A, UPLO)[0], api="", checks=True, shown="LinalgEigh",
    cases=[(S(1, 1), "U")],
    grad=lambda g, A, UPLO: (lambda _, V: (V * g.unsqueeze(-2)) @ h(V))(*_eigh(A, UPLO)))
def _eigvalsh(xp, A: T, UPLO):
    """Eigenvalues in rising order of Hermitian matrices."""
    _converging(xp, "linalg.eigh", A)
    return xp.linalg.eigvalsh(_hermitian(xp, A, UPLO))


@_eigvalsh.lower("xla")
def _eigvalsh_xla(xp, A, UPLO):
    return _eigh_xla(xp, A, UPLO)[0]


@composite("out", alias="linalg.eigh", cases=[(S(2, 1, 1),)])
def _linalg_eigh(A, UPLO="L"):
    """Eigenvalues and eigenvectors of Hermitian matrices A = V @ diag(L) @ V.mH, reading one triangle."""
    return return_named("linalg_eigh", "eigenvalues eigenvectors", _eigh(A, UPLO))


@composite("out", alias="linalg.eigvalsh", cases=[(S(2, 1, 1),)])
def _linalg_eigvalsh(A, UPLO="L"):
    """Eigenvalues in rising order of Hermitian matrices, reading the triangle `UPLO`."""
    return _eigvalsh(A, UPLO)


def _eig_spec(A: Spec) -> tuple:
    check_square("linalg.eig", A)
    check_floating("linalg.eig", A)
    found = A.dtype.to_complex()
    return A.like(A.shape[:-1], found), A.like(dtype=found)


def _eig_grad(g, out):
    """Boeddeker et al., On the computation of complex-valued gradients (2017), 4.60 and 4.63."""
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
    xp.refuse(
        ~xp.isfinite(A), lambda: RuntimeError("torch.linalg.eig: input tensor should not contain infs or NaNs.")
    )


@op(_eig_spec, api="", checks=True, host=True, shown="LinalgEig", grad=_eig_grad, cases=[(S(1, 1),)])
def _eig(xp, A: T):
    """Eigenvalues and eigenvectors of length 1 of square matrices, both complex."""
    _all_finite(xp, A)
    values, vectors = xp.linalg.eig(A)
    to = "complex64" if A.dtype.itemsize == 4 or A.dtype.name == "complex64" else "complex128"
    return values.astype(to), vectors.astype(to)


@op(lambda A: _eig_spec(A)[0], api="", checks=True, host=True, shown="LinalgEig",
    cases=[(S(1, 1),)],
    grad=lambda g, A: (lambda _, V: solved(h(V), g.unsqueeze(-1) * h(V)))(*_eig(A)))
def _eigvals(xp, A: T):
    """Eigenvalues of square matrices, complex."""
    _all_finite(xp, A)
    return xp.linalg.eigvals(A).astype(
        "complex64" if A.dtype.itemsize == 4 or A.dtype.name == "complex64" else "complex128"
    )


@composite("out", alias="linalg.eig", cases=[(S(2, 1, 1),)])
def _linalg_eig(A):
    """Eigenvalues (*, N) and eigenvectors (*, N, N) of square matrices, both complex: A @ V = V @ diag(L)."""
    return return_named("linalg_eig", "eigenvalues eigenvectors", _eig(A))


@composite("out", alias="linalg.eigvals", cases=[(S(2, 1, 1),)])
def _linalg_eigvals(A):
    """Eigenvalues of square matrices, complex."""
    if A.dtype.category < dtypes.FLOATING:
        raise RuntimeError(f"Unknown Complex ScalarType for {title(A.dtype)}")
    return _eigvals(A)
