"""Factors that are kept packed: LU with its row exchanges, LDL; least squares; random low-rank factors."""
from __future__ import annotations

from typing import Any

from .. import dtypes
from ..graph import Spec
from ._checks import outside
from ._lapack import LinAlgError, check_alike, check_matrix, check_square, failed, lapack, over_batch
from ._op import S, T, composite, op
from ._rules import broadcast_shapes, title
from .core import filled
from .decompositions import _qr, _svd
from .joining import cat
from .matrix_norms import _linalg_pinv
from .products import eye_like
from .solving import check_fits, h, return_named, triangular, zero_pivot

# ---- LU

def _lu_spec(A: Spec, caller, pivot, check_errors) -> tuple:
    if A.ndim < 2:
        name = "linalg.lu" if caller == "linalg.lu" else "torch.lu_factor"
        raise RuntimeError(f"{name}: Expected tensor with 2 or more dimensions. Got size: {list(A.shape)} instead")
    if A.dtype.category < dtypes.FLOATING or A.dtype.half:
        raise NotImplementedError(f'"lu_cpu" not implemented for \'{title(A.dtype)}\'')
    if not pivot:
        raise RuntimeError(
            f"{caller.replace('torch.', '').replace('_ex', '')}: LU without pivoting is not implemented on the CPU"
        )
    k = min(A.shape[-2:])
    return A.like(), A.like((*A.shape[:-2], k), dtypes.int32), A.like(A.shape[:-2], dtypes.int32)


def _lu_grad(g, out):
    """Of the packed factors L and U of P.mT @ A, one block for square matrices and two for others."""
    if g[0] is None:
        return None
    packed, (m, n) = out[0], out[0].shape[-2:]
    k = min(m, n)
    P = _permutation(out[1], m, packed.dtype)
    g_low, g_up = g[0].tril(-1), g[0].triu()
    L, U = packed.narrow(-2, 0, k).narrow(-1, 0, k), packed.narrow(-2, 0, k).narrow(-1, 0, k).triu()
    L = L.tril(-1) + eye_like(packed, k)
    below = (h(L) @ g_low.narrow(-2, 0, k).narrow(-1, 0, k)).tril(-1)
    above = (g_up.narrow(-2, 0, k).narrow(-1, 0, k) @ h(U)).triu()
    if m < n:
        rest, g_rest = packed.narrow(-1, k, n - k), g_up.narrow(-1, k, n - k)
        below = below - (g_rest @ h(rest)).tril(-1)
    elif m > n:
        rest, g_rest = packed.narrow(-2, k, m - k), g_low.narrow(-2, k, m - k)
        above = above - (h(rest) @ g_rest).triu()
    y = triangular(h(L), below + above, True, True)
    y = h(triangular(U, h(y), True))
    if m < n:
        y = cat((y, triangular(h(L), g_rest, True, True)), -1)
    elif m > n:
        y = cat((y, h(triangular(U, h(g_rest), True))), -2)
    return P @ y


@op(
    _lu_spec,
    api="",
    checks=True,
    shown="LinalgLuFactorEx",
    grad=_lu_grad,
    cases=[(S(3, 3), "lu", True, False), (S(2, 3, 4), "lu", True, False)],
)
def _lu_factor(xp, A: T, caller, pivot, check_errors):
    """L and U packed in one matrix, the rows exchanged at each step (from 1), and 0 or the place of a zero in U."""
    k = min(A.shape[-2:])
    if not A.size:
        return A, xp.zeros((*A.shape[:-2], k), "int32"), xp.zeros(A.shape[:-2], "int32")

    def one(a: Any) -> tuple:
        lu, pivots, info = lapack("getrf", a)(a)
        return lu, (pivots + 1).astype("int32"), xp.int32(info)
    packed, pivots, info = over_batch(one, (A, 2))
    if check_errors and info.any():
        flat = info.reshape(-1)
        place = int(xp.flatnonzero(flat)[0])
        where = f"(Batch element {place}): " if info.ndim else ""
        raise RuntimeError(
            f"{caller}: {where}U[{flat[place]},{flat[place]}] is zero and using it on lu_solve would result in a "
            "division by zero. "
            "If you still want to perform the factorization, consider calling linalg.lu(A, pivot) or "
            "linalg.lu_factor_ex(A, pivot)"
        )
    return packed, pivots, info


@_lu_factor.lower("xla")
def _lu_factor_xla(xp, A, caller, pivot, check_errors):
    if not A.size:
        return _lu_factor.body(xp, A, caller, pivot, check_errors)
    packed, pivots, _ = xp.lax.linalg.lu(A)
    info = zero_pivot(xp, packed)
    if check_errors:
        xp.refuse(info > 0, lambda: LinAlgError(caller))  # NumPy's turn, which says which
    return packed, pivots + 1, info


@op(
    lambda pivots, rows, dtype: pivots.like((*pivots.shape[:-1], rows, rows), dtype),
    api="",
    checks=True,
    detaches=True,
    upcast=False,
    cases=[(S(3, dtype="int32", low=1, high=4), 3, dtypes.float32)],
)
def _permutation(xp, pivots: T, rows, dtype):
    """The matrix P of row exchanges, P @ L @ U = A."""
    xp.refuse(
        outside(xp, pivots, 1, rows + 1),
        lambda: RuntimeError(
            "pivots passed to lu_unpack must be between 1 and LU.size(-2) inclusive."
            "Did you properly pass the result of lu_factor?"
        ),
    )
    order = xp.broadcast_to(xp.arange(rows), (*pivots.shape[:-1], rows))
    for i in range(pivots.shape[-1]):
        j = pivots[..., i:i + 1].astype("int64") - 1
        mine, other = order[..., i:i + 1], xp.take_along_axis(order, j, axis=-1)
        swapped = xp.where(xp.arange(rows) == j, mine, order)
        order = xp.where(xp.arange(rows) == i, other, swapped)
    return xp.swapaxes(order[..., :, None] == xp.arange(rows), -1, -2).astype(dtype.numpy)


def _unpacked(packed: Any) -> tuple[Any, Any]:
    m, n = packed.shape[-2:]
    k = min(m, n)
    return packed.narrow(-1, 0, k).tril(-1) + eye_like(packed, m, k), packed.narrow(-2, 0, k).triu()


@composite("out", alias="linalg.lu", cases=[(S(3, 3),), (S(2, 4, 3),)])
def _linalg_lu(A, *, pivot=True):
    """A = P @ L @ U: P exchanges rows, L is lower triangular with 1 on its diagonal, U upper triangular."""
    packed, pivots, _ = _lu_factor(A, "linalg.lu", bool(pivot), False)
    return return_named("linalg_lu", "P L U", (_permutation(pivots, A.shape[-2], A.dtype), *_unpacked(packed)))


@composite("out", alias="linalg.lu_factor", cases=[(S(3, 3),)])
def _linalg_lu_factor(A, *, pivot=True):
    """L and U packed in one matrix, and the exchanges of rows. Raises for a zero on U's diagonal."""
    return return_named("linalg_lu_factor", "LU pivots", _lu_factor(A, "torch.linalg.lu_factor", bool(pivot), True)[:2])


@composite("out", alias="linalg.lu_factor_ex", cases=[(S(3, 4),)])
def _linalg_lu_factor_ex(A, *, pivot=True, check_errors=False):
    """As linalg.lu_factor, and for each matrix 0 or the place of a zero on U's diagonal."""
    return return_named(
        "linalg_lu_factor_ex",
        "LU pivots info",
        _lu_factor(A, "torch.linalg.lu_factor_ex", bool(pivot), bool(check_errors)),
    )


@composite("torch method", cases=[(S(3, 3),)])
def lu(A, pivot=True, get_infos=False, out=None):
    """L and U packed in one matrix, and the exchanges of rows; with `get_infos` also where U has a zero."""
    found = _lu_factor(A, "torch.linalg.lu_factor_ex", bool(pivot), False)
    return return_named("_lu_with_info", "LU pivots info", found) if get_infos else tuple(found[:2])


@composite("torch out", cases=[(S(3, 3), S(3, dtype="int32", low=1, high=4))])
def lu_unpack(LU_data, LU_pivots, unpack_data=True, unpack_pivots=True):
    """P, L and U from what lu_factor returned; parts not asked for are empty."""
    if LU_pivots.dtype is not dtypes.int32:
        raise RuntimeError("torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of torch.int32 dtype.")
    if (
        unpack_pivots
        and LU_pivots.shape[-1:] != LU_data.shape[-2:][:1]
        and LU_pivots.shape[-1] != min(LU_data.shape[-2:])
    ):
        raise RuntimeError("pivots passed to lu_unpack must be between 1 and LU.size(-2) inclusive."
                           "Did you properly pass the result of lu_factor?")
    none = filled(LU_data, (0,), 0)
    P = _permutation(LU_pivots, LU_data.shape[-2], LU_data.dtype) if unpack_pivots else none
    low, up = _unpacked(LU_data) if unpack_data else (none, none)
    return return_named("lu_unpack", "P L U", (P, low, up))


@composite("out", alias="linalg.lu_solve", cases=[(S(3, 3), S(3, dtype="int32", low=1, high=4), S(3, 2))])
def _linalg_lu_solve(LU, pivots, B, *, left=True, adjoint=False):
    """X with A @ X = B (A.mH if `adjoint`; X @ A = B if not `left`), given linalg.lu_factor(A)."""
    if pivots.dtype is not dtypes.int32:
        raise RuntimeError("linalg.lu_solve: pivots should be a Tensor of scalar type torch.int32")
    check_square("linalg.lu_solve", LU, "LU")
    check_matrix("linalg.lu_solve", B, "B")
    check_alike("linalg.lu_solve", LU, B, "LU")
    if pivots.shape[-1:] != LU.shape[-1:]:
        raise RuntimeError("linalg.lu_solve: Number of pivots per batch should be same as the dimension of the matrix")
    check_fits("linalg.lu_solve", LU, B, left)
    if not left:
        return h(_linalg_lu_solve(LU, pivots, h(B), adjoint=not adjoint))
    P = _permutation(pivots, LU.shape[-1], LU.dtype)
    if adjoint:
        return P @ triangular(h(LU), triangular(h(LU), B, False), True, True)
    return triangular(LU, triangular(LU, P.mT @ B, False, True), True)


@composite("torch method out", cases=[(S(3, 2), S(3, 3), S(3, dtype="int32", low=1, high=4))])
def lu_solve(b, LU_data, LU_pivots):
    """X with A @ X = b, given the LU factors of A."""
    return _linalg_lu_solve(LU_data, LU_pivots, b)


# ---- LDL

def _ldl_spec(A: Spec, caller, hermitian, check_errors) -> tuple:
    check_square("torch.linalg.ldl_factor_ex", A)
    if A.dtype.category < dtypes.FLOATING or A.dtype.half:
        raise RuntimeError(
            f"torch.linalg.ldl_factor_ex: Expected a floating point or complex tensor as input. Got {title(A.dtype)}"
        )
    return A.like(), A.like(A.shape[:-1], dtypes.int32), A.like(A.shape[:-2], dtypes.int32)


def _symmetric(name: str, a: Any, hermitian: bool) -> Any:
    return lapack(("he" if hermitian and a.dtype.kind == "c" else "sy") + name, a)


@op(_ldl_spec, api="", checks=True, host=True, cases=[(S(3, 3), "linalg.ldl_factor", False, True)])
def _ldl(xp, A: T, caller, hermitian, check_errors):
    """L and the block-diagonal D of symmetric (Hermitian) matrices, as LAPACK packs them, and exchanges of rows."""
    if not A.size:
        return A, xp.zeros(A.shape[:-1], "int32"), xp.zeros(A.shape[:-2], "int32")

    def one(a: Any) -> tuple:
        packed, pivots, info = _symmetric("trf", a, hermitian)(a, lower=1)
        return xp.tril(packed), pivots.astype("int32"), xp.int32(info)
    packed, pivots, info = over_batch(one, (A, 2))
    if check_errors and info.any():
        raise failed(caller, info, "The diagonal element {info} of D is zero, D is singular.")
    return packed, pivots, info


@composite("out", alias="linalg.ldl_factor")
def _ldl_factor(A, *, hermitian=False):
    """L and D with A = L @ D @ L.mT (L.mH if `hermitian`), packed as LAPACK does, and the exchanges of rows."""
    return return_named("linalg_ldl_factor", "LD pivots", _ldl(A, "torch.linalg.ldl_factor", bool(hermitian), True)[:2])


@composite("out", alias="linalg.ldl_factor_ex")
def _ldl_factor_ex(A, *, hermitian=False, check_errors=False):
    """As linalg.ldl_factor, and for each matrix 0 or the place of a zero in D."""
    return return_named(
        "linalg_ldl_factor_ex",
        "LD pivots info",
        _ldl(A, "torch.linalg.ldl_factor_ex", bool(hermitian), bool(check_errors)),
    )


def _ldl_solve_spec(LD: Spec, pivots: Spec, B: Spec, hermitian) -> Spec:
    name = "torch.linalg.ldl_solve"
    check_square(name, LD, "LD")
    if B.ndim < 2:
        raise IndexError("Dimension out of range (expected to be in range of [-1, 0], but got -2)")
    if B.shape[-2] != LD.shape[-1]:
        raise RuntimeError(
            f"{name}: Incompatible shapes of A and B for the equation AX = B ({LD.shape[-2]}x{LD.shape[-1]} and "
            f"{B.shape[-2]}x{B.shape[-1]})"
        )
    if pivots.dtype.category != dtypes.INTEGER:
        raise RuntimeError(f"{name}: Expected pivots to be integers. Got {title(pivots.dtype)}")
    if LD.shape[:-1] != pivots.shape:
        raise RuntimeError(
            f"{name}: Expected LD.shape[:-1] and pivots.shape to be the same, but got pivots with shape "
            f"{list(pivots.shape)} "
            "instead"
        )
    if LD.dtype is not B.dtype:
        raise RuntimeError(f"{name}: LD dtype {title(LD.dtype)} does not match b dtype {title(B.dtype)}")
    return B.like((*broadcast_shapes(LD.shape[:-2], B.shape[:-2]), *B.shape[-2:]))


@op(
    _ldl_solve_spec, api="out", alias="linalg.ldl_solve", host=True,
    cases=[(S(3, 3), S(3, dtype="int32", low=1, high=2), S(3, 2))],
)
def _ldl_solve(xp, LD: T, pivots: T, B: T, *, hermitian=False):
    """X with A @ X = B, given linalg.ldl_factor(A)."""
    if not B.size:
        return xp.zeros((*broadcast_shapes(LD.shape[:-2], B.shape[:-2]), *B.shape[-2:]), B.dtype)
    return over_batch(
        lambda a, p, b: (_symmetric("trs", a, hermitian)(a, p.astype("int32"), b, lower=1)[0],),
        (LD, 2),
        (pivots, 1),
        (B, 2),
    )[0]


# ---- least squares

_DRIVERS = ("gels", "gelsy", "gelsd", "gelss")


def _lstsq_spec(A: Spec, B: Spec, rcond, driver) -> tuple:
    *batch, m, n = A.shape
    batch = list(broadcast_shapes(batch, B.shape[:-2]))
    k = min(m, n)
    return (A.like((*batch, n, B.shape[-1])), A.like((0,) if driver == "gels" else batch, dtypes.int64),
            A.like((*batch, k) if driver in ("gelsd", "gelss") else (0,), A.dtype.to_real()))


def _lstsq_grad_b(g, A):
    return None if g[0] is None else h(_linalg_pinv(A)) @ g[0]


def _lstsq_grad_a(g, A, B, out):
    """Through X = pinv(A) @ B, for A of full rank."""
    if g[0] is None:
        return None
    P, X = _linalg_pinv(A), out[0]
    PH = h(P)
    y = -(PH @ g[0] @ h(X)) + (B - A @ X) @ (h(g[0]) @ P @ PH)
    if A.shape[-2] < A.shape[-1]:
        y = y + PH @ X @ (h(g[0]) - h(g[0]) @ P @ A)
    return y


@op(_lstsq_spec, api="", checks=True, static="rcond", host=True, shown="LinalgLstsq",
    grad=dict(A=_lstsq_grad_a, B=_lstsq_grad_b),
    cases=[(S(4, 2), S(4, 3), None, "gelsy"), (S(2, 4), S(2, 1), None, "gelsy")])
def _lstsq(xp, A: T, B: T, rcond, driver):
    """X with least |A @ X - B|, rank and singular values of A; those below `rcond` times the largest count as 0."""
    from scipy.linalg import lstsq as solve
    m, n = A.shape[-2:]
    k = min(m, n)
    cut = rcond if rcond is not None else float(xp.finfo(A.dtype).eps) * max(m, n)

    def one(a: Any, b: Any) -> tuple:
        if not a.size or not b.size:
            return xp.zeros((n, b.shape[-1]), a.dtype), xp.int64(0), xp.zeros(k, xp.real(a).dtype)
        if driver == "gels":
            routine = lapack("gels", a)
            padded = xp.zeros((max(m, n), b.shape[-1]), a.dtype)
            padded[:m] = b
            _, x, info = routine(a, padded)
            if info:
                raise LinAlgError(
                    "torch.linalg.lstsq: The least squares solution could not be computed because the input matrix "
                    "does not have "
                    f"full rank (error code: {info})."
                )
            return x[:n], xp.int64(k), xp.zeros(k, xp.real(a).dtype)
        x, _, rank, values = solve(a, b, cond=cut, lapack_driver=driver, check_finite=False)
        return x.astype(a.dtype), xp.int64(rank), xp.zeros(k, xp.real(a).dtype) if values is None else values
    X, rank, values = over_batch(one, (A, 2), (B, 2))
    empty = xp.zeros(0, xp.int64)
    return X, empty if driver == "gels" else rank, values if driver in ("gelsd", "gelss") else xp.zeros(0, values.dtype)


@composite("", alias="linalg.lstsq", cases=[(S(4, 2), S(4, 3)), (S(4, 2), S(4, 3), {"driver": "gelsd"})])
def _linalg_lstsq(A, B, rcond=None, *, driver=None):
    """X with least |A @ X - B|: A (*, M, N), B (*, M, K) or (*, M) -> X, squared residuals, rank, singular values.

    Residuals need M > N and full rank, singular values the drivers "gelsd" and "gelss"; others are empty.
    """
    name = "torch.linalg.lstsq"
    if A.ndim < 2:
        raise RuntimeError(f"{name}: input must have at least 2 dimensions.")
    if B.ndim < 1:
        raise RuntimeError(f"{name}: other must have at least 1 dimension.")
    if A.dtype is not B.dtype:
        raise RuntimeError(
            f"{name}: Expected input and other to have the same dtype, but got input's dtype {title(A.dtype)} and "
            "other's dtype "
            f"{title(B.dtype)}"
        )
    if A.dtype.category < dtypes.FLOATING or A.dtype.half:
        raise RuntimeError(f"{name}: Expected a floating point or complex tensor as input. Got {title(A.dtype)}")
    vector = A.ndim - 1 == B.ndim and tuple(A.shape[:-1]) == tuple(B.shape)
    right = B.unsqueeze(-1) if vector else B
    if right.ndim < 2 or A.shape[-2] != right.shape[-2]:
        where = "-1" if vector or B.ndim < 2 else "-2"
        raise RuntimeError(f"{name}: input.size(-2) should match other.size({where})")
    driver = "gelsy" if driver is None else driver
    if driver not in _DRIVERS:
        raise RuntimeError(f"{name}: parameter `driver` should be one of (gels, gelsy, gelsd, gelss)")
    rcond = rcond.item() if hasattr(rcond, "item") else rcond
    X, rank, values = _lstsq(A, right, None if rcond is None else float(rcond), driver)
    m, n = A.shape[-2:]
    residuals = filled(A, (0,), 0, A.dtype.to_real())
    if m > n and driver != "gelsy" and (driver == "gels" or bool(rank.eq(n).all())):
        residuals = (A @ X - right).abs().pow(2).sum(-2)
    if vector:
        X = X.reshape(tuple(X.shape[:-1]))
    return return_named(
        "linalg_lstsq", "solution residuals rank singular_values", (X, residuals, rank, values.detach())
    )


# ---- low-rank factors by random projection

def _basis(A, q: int, niter: int):
    """Orthonormal columns that nearly span the range of A (Halko, Martinsson and Tropp, 2011, algorithm 4.4)."""
    from ..random import randn  # random numbers are a layer above the operations
    Q = _qr(A @ randn(A.shape[-1], q, dtype=A.dtype), "reduced")[0]
    for _ in range(niter):
        Q = _qr(h(A) @ Q, "reduced")[0]
        Q = _qr(A @ Q, "reduced")[0]
    return Q


@composite("torch")
def svd_lowrank(A, q=6, niter=2, M=None):
    """U, S, V of about the first `q` singular values of A (of A - M): (*, M, N) -> (*, M, q), (*, q), (*, N, q)."""
    if M is not None:
        A = A - M
    wide = A.shape[-2] < A.shape[-1]
    A = h(A) if wide else A
    Q = _basis(A, 6 if q is None else q, niter)
    U, values, Vh = _svd(h(Q) @ A, False)
    U, V = Q @ U, h(Vh)
    return (V, values, U) if wide else (U, values, V)


@composite("torch")
def pca_lowrank(A, q=None, center=True, niter=2):
    """The first `q` principal components of the rows of A: U, S, V as svd_lowrank, their mean taken off if `center`."""
    most = min(A.shape[-2:])
    if q is None:
        q = min(6, most)
    elif not 0 <= q <= most:
        raise ValueError(f"q(={q}) must be non-negative integer and not greater than min(m, n)={most}")
    if niter < 0:
        raise ValueError(f"niter(={niter}) must be non-negative integer")
    return svd_lowrank(A - A.mean(-2, True) if center else A, q, niter)
