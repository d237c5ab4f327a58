"""Systems of linear equations: inverses, determinants, solutions, the factorizations of Cholesky and LU."""
from __future__ import annotations

from typing import Any

from .. import dtypes
from ..graph import Spec
from ._lapack import (
    LinAlgError,
    blas,
    check_alike,
    check_floating,
    check_matrix,
    check_square,
    failed,
    lapack,
    over_batch,
)
from ._op import S, T, composite, op, return_type
from ._rules import broadcast_shapes, title
from .complex import imag
from .elementwise import conj
from .products import eye_like

_SQUARE = [(S(3, 3, low=-2, high=2),), (S(2, 3, 3, low=-2, high=2),)]


def h(x):
    """The conjugate transpose of matrices."""
    return (x.conj() if x.dtype.is_complex else x).mT


# ---- inverse and determinant

def _info(a: Spec) -> Spec:
    return a.like(a.shape[:-2], dtypes.int32)


def _inverted(A: Spec, caller, check_errors) -> tuple:
    check_square("linalg.inv", A)
    check_floating("linalg.inv", A)
    return A.like(), _info(A)


@op(
    _inverted,
    api="",
    checks=True,
    shown="LinalgInvEx",
    cases=[(S(3, 3), "linalg.inv", True), (S(2, 3, 3, low=-2, high=2), "linalg.inv", True)],
    grad=lambda g, out: None if g[0] is None else -(h(out[0]) @ g[0] @ h(out[0])),
)
def _inv_ex(xp, A: T, caller, check_errors):
    """Inverses, and 0 for each, or the place of the zero on the diagonal that prevents it."""
    return xp.linalg.inv(A), xp.zeros(A.shape[:-2], dtype="int32")


@_inv_ex.lower("xla")
def _inv_xla(xp, A, caller, check_errors):
    if A.size:
        xp.refuse(zero_pivot(xp, xp.lax.linalg.lu(A)[0]) > 0, lambda: LinAlgError(caller))  # NumPy says which
    return _inv_ex.body(xp, A, caller, check_errors)


def zero_pivot(xp: Any, packed: Any) -> Any:
    """For each matrix, factored into L and U, 0 or the place (from 1) of the first zero on U's diagonal."""
    zero = xp.diagonal(packed, axis1=-2, axis2=-1) == 0
    return xp.where(zero.any(axis=-1), xp.argmax(zero, axis=-1) + 1, 0).astype("int32")


@_inv_ex.lower("numpy")
def _inv_numpy(xp, A, caller, check_errors):
    try:
        return xp.linalg.inv(A), xp.zeros(A.shape[:-2], dtype="int32")
    except xp.linalg.LinAlgError:
        pass

    def one(a: Any) -> tuple:
        lu, pivots, info = lapack("getrf", a)(a)
        y = lapack("getri", a)(lu, pivots)[0] if info == 0 else xp.full_like(a, xp.inf)
        return y, xp.int32(info)
    y, info = over_batch(one, (A, 2))
    if check_errors:
        raise failed(
            caller,
            info,
            "The diagonal element {info} is zero, the inversion could not be completed because the input matrix is "
            "singular.",
        )
    return y, info


def inv(A):
    """The inverse of square matrices."""
    return _inv_ex(A, "linalg.inv", True)[0]


@composite("out", alias="linalg.inv", cases=_SQUARE)
def _linalg_inv(A):
    """The inverse of square matrices: (*, N, N) -> (*, N, N). Raises LinAlgError for a singular one."""
    return inv(A)


@composite(
    "torch method out",
    cases=_SQUARE,
    wrong=[
        ((S(2, 3),), RuntimeError, "linalg.inv: A must be batches of square matrices, but they are 2 by 3 matrices")
    ],
)
def inverse(input):
    """The inverse of square matrices: (*, N, N) -> (*, N, N). Raises LinAlgError for a singular one."""
    return inv(input)


def return_named(name: str, fields: str, values: tuple) -> Any:
    """Several results as torch.return_types has them; plain on nodes."""
    made = _return_types.get(name)
    if made is None:
        made = _return_types[name] = return_type(name, fields)
    return made(*values)


_return_types: dict[str, Any] = {}


@composite("out", alias="linalg.inv_ex", cases=_SQUARE)
def _linalg_inv_ex(A, *, check_errors=False):
    """Inverses of square matrices, and for each 0 or the place of the zero that prevents it."""
    return return_named("linalg_inv_ex", "inverse info", _inv_ex(A, "linalg.inv_ex", check_errors))


def _determined(A: Spec) -> Spec:
    check_square("linalg.det", A)
    check_floating("linalg.det", A)
    return A.like(A.shape[:-2])


@op(
    _determined,
    api="torch method out",
    alias="linalg.det",
    shown="LinalgDet",
    cases=_SQUARE,
    grad=lambda g, A: g.unsqueeze(-1).unsqueeze(-1) * conj(_cofactors(A)),
    wrong=[
        ((S(2, 3),), RuntimeError, "linalg.det: A must be batches of square matrices, but they are 2 by 3 matrices")
    ],
)
def det(xp, A: T):
    """The determinant of square matrices: (*, N, N) -> (*)."""
    return xp.linalg.det(A).astype(A.dtype)


def _cofactor_grad(g, A):
    inverse = inv(A).mT
    scale = det(A).unsqueeze(-1).unsqueeze(-1)
    inner = (g * conj(inverse)).sum((-2, -1), True)
    return conj(scale) * (inner * conj(inverse) - conj(inverse) @ g.mT @ conj(inverse))


@op(lambda input: input.like(), api="", cases=_SQUARE, grad=lambda g, input: _cofactor_grad(g, input))
def _cofactors(xp, input: T):
    """The derivative of the determinant: det(A) * inv(A).mT, which exists for singular matrices too."""
    u, s, vh = xp.linalg.svd(input)
    n = input.shape[-1]
    others = xp.where(xp.eye(n, dtype=bool), xp.ones((), s.dtype), s[..., None, :])
    weight = xp.prod(others, axis=-1) * (xp.linalg.det(u) * xp.linalg.det(vh))[..., None]
    return xp.matmul(xp.conj(u) * weight[..., None, :], xp.conj(vh)).astype(input.dtype)


def _log_determined(A: Spec) -> tuple:
    check_square("linalg.slogdet", A)
    check_floating("linalg.slogdet", A)
    return A.like(A.shape[:-2]), A.like(A.shape[:-2], A.dtype.to_real())


def _log_grad(g, out, A):
    """Of the sign's gradient only the turn of a complex sign counts: a real one does not move."""
    weight = g[1]
    if A.spec.is_complex and g[0] is not None:
        turn = imag(conj(g[0]) * out[0]) * 1j
        weight = -turn if weight is None else weight - turn
    if weight is None:
        return None
    return weight.unsqueeze(-1).unsqueeze(-1) * h(inv(A))


@op(_log_determined, api="", shown="LinalgSlogdet", grad=_log_grad, cases=_SQUARE)
def _slogdet(xp, A: T):
    """The determinant's sign (of modulus 1 if complex) and the logarithm of its modulus."""
    sign, log = xp.linalg.slogdet(A)
    return sign, log


@composite("torch method", cases=_SQUARE)
def slogdet(input):
    """The sign of the determinant and the logarithm of its modulus: (*, N, N) -> (*), (*)."""
    return return_named("slogdet", "sign logabsdet", _slogdet(input))


@composite("out", alias="linalg.slogdet", cases=_SQUARE)
def _linalg_slogdet(A):
    """The sign of the determinant and the logarithm of its modulus: (*, N, N) -> (*), (*)."""
    return return_named("linalg_slogdet", "sign logabsdet", _slogdet(A))


@composite("torch method", cases=[(S(1, 1),), (S(2, 1, 1),)])
def logdet(input):
    """The logarithm of the determinant; NaN where it is negative."""
    check_square("logdet", input)
    sign, log = _slogdet(input)
    if input.dtype.is_complex:
        return sign.log() + log
    return log.masked_fill(sign.eq(-1), float("nan"))


# ---- solve

def check_fits(name: str, A: Any, B: Any, left: bool) -> None:
    """Raises PyTorch's error unless `A @ X = B` (`X @ A = B` if not `left`) can hold."""
    if A.shape[-2] != B.shape[-2 if left else -1]:
        raise RuntimeError(f"{name}: Incompatible shapes of A and B for the equation {'AX = B' if left else 'XA = B'} "
                           f"({A.shape[-2]}x{A.shape[-1]} and {B.shape[-2]}x{B.shape[-1]})")


def _solved(A: Spec, B: Spec, caller, check_errors) -> tuple:
    batch = broadcast_shapes(B.shape[:-2], A.shape[:-2])
    return B.like((*batch, *B.shape[-2:])), A.like(A.shape[:-2], dtypes.int32)


@op(_solved, api="", checks=True, shown="LinalgSolveEx", cases=[(S(3, 3), S(3, 2), "linalg.solve", True)],
    grad=dict(A=lambda g, A, out: None if g[0] is None else -(solved(h(A), g[0]) @ h(out[0])),
              B=lambda g, A: None if g[0] is None else solved(h(A), g[0])))
def _solve_ex(xp, A: T, B: T, caller, check_errors):
    """X with A @ X = B, and for each matrix 0 or the place of the zero that prevents it."""
    return xp.linalg.solve(A, B), xp.zeros(A.shape[:-2], dtype="int32")


@_solve_ex.lower("xla")
def _solve_xla(xp, A, B, caller, check_errors):
    if A.size:
        xp.refuse(zero_pivot(xp, xp.lax.linalg.lu(A)[0]) > 0, lambda: LinAlgError(caller))  # NumPy says which
    return _solve_ex.body(xp, A, B, caller, check_errors)


@_solve_ex.lower("numpy")
def _solve_numpy(xp, A, B, caller, check_errors):
    try:
        return xp.linalg.solve(A, B), xp.zeros(A.shape[:-2], dtype="int32")
    except xp.linalg.LinAlgError:
        pass
    info = over_batch(lambda a: (xp.int32(lapack("getrf", a)(a)[2]),), (A, 2))[0]
    if check_errors:
        raise failed(caller, info, "The solver failed because the input matrix is singular.")
    x = over_batch(
        lambda a, b, bad: (xp.linalg.solve(a, b) if bad == 0 else xp.full_like(b, xp.nan),), (A, 2), (B, 2), (info, 0)
    )[0]
    return x, info


def solved(A, B):
    """X with A @ X = B, for matrices; inside gradients, where a singular A was an error before."""
    return _solve_ex(A, B, "torch.linalg.solve", True)[0]


def _solve(name: str, A: Any, B: Any, left: bool, check_errors: bool) -> tuple:
    check_square("linalg.solve", A)
    check_floating("linalg.solve", A)
    check_alike("linalg.solve", A, B)
    vector = B.ndim == 1 or A.ndim - 1 == B.ndim and tuple(B.shape) == tuple(A.shape[:-1])
    if vector:
        B = B.unsqueeze(-1)
    check_fits("linalg.solve", A, B, left)
    X, info = _solve_ex(A, B, name, check_errors) if left else _solve_ex(A.mT, B.mT, name, check_errors)
    X = X if left else X.mT
    return (X.reshape(tuple(X.shape[:-1])) if vector else X), info


@composite(
    "out",
    alias="linalg.solve",
    cases=[(S(3, 3), S(3)), (S(2, 3, 3, low=-2, high=2), S(2, 3)), (S(3, 3), S(2, 3), {"left": False})],
)
def _linalg_solve(A, B, *, left=True):
    """X with A @ X = B (X @ A = B if not `left`): A (*, N, N), B (*, N, K) or (*, N).

    Raises LinAlgError for a singular A.
    """
    return _solve("torch.linalg.solve", A, B, left, True)[0]


@composite("out", alias="linalg.solve_ex", cases=[(S(3, 3), S(3, 2))])
def _linalg_solve_ex(A, B, *, left=True, check_errors=False):
    """As linalg.solve, and for each matrix 0 or the place of the zero that prevents it."""
    return return_named("linalg_solve_ex", "result info", _solve("torch.linalg.solve_ex", A, B, left, check_errors))


# ---- triangular systems

def _triangular(A: Spec, B: Spec, upper, unitriangular) -> Spec:
    batch = broadcast_shapes(A.shape[:-2], B.shape[:-2])
    if B.dtype.category < dtypes.FLOATING or B.dtype.half:
        raise NotImplementedError(f'"triangular_solve_cpu" not implemented for \'{title(B.dtype)}\'')
    return B.like((*batch, *B.shape[-2:]))


def triangle(x, upper: bool, strict: bool = False):
    """The part of matrices on one side of the diagonal, with it unless `strict`."""
    return x.triu(int(strict)) if upper else x.tril(-int(strict))


@op(
    _triangular,
    api="",
    shown="LinalgSolveTriangular",
    cases=[(S(3, 3), S(3, 2), True, False), (S(2, 3, 3), S(3, 2), False, True)],
    grad=dict(
        A=lambda g, A, out, upper, unitriangular: triangle(
            -(triangular(h(A), g, not upper, unitriangular) @ h(out)), upper, unitriangular
        ),
        B=lambda g, A, upper, unitriangular: triangular(h(A), g, not upper, unitriangular),
    ),
)
def _solve_triangular(xp, A: T, B: T, upper, unitriangular):
    """X with A @ X = B, reading one triangle of A."""
    a = xp.triu(A) if upper else xp.tril(A)
    if unitriangular:
        a = xp.where(xp.eye(a.shape[-1], dtype=bool), xp.ones((), a.dtype), a)
    return xp.linalg.solve(a, B)


@_solve_triangular.lower("xla")
def _solve_triangular_xla(xp, A, B, upper, unitriangular):
    batch = broadcast_shapes(A.shape[:-2], B.shape[:-2])
    A, B = xp.broadcast_to(A, (*batch, *A.shape[-2:])), xp.broadcast_to(B, (*batch, *B.shape[-2:]))
    return xp.lax.linalg.triangular_solve(A, B, left_side=True, lower=not upper, unit_diagonal=unitriangular)


@_solve_triangular.lower("numpy")
def _solve_triangular_numpy(xp, A, B, upper, unitriangular):
    if not A.size or not B.size:
        return xp.zeros((*broadcast_shapes(A.shape[:-2], B.shape[:-2]), *B.shape[-2:]), B.dtype)
    routine = blas("trsm", B)
    return over_batch(lambda a, b: (routine(1, a, b, lower=not upper, diag=unitriangular),), (A, 2), (B, 2))[0]


def triangular(A, B, upper, unitriangular=False):
    """X with A @ X = B for triangular A, both matrices; B becomes complex if A is."""
    return _solve_triangular(A, B, upper, unitriangular)


@composite(
    "out",
    alias="linalg.solve_triangular",
    cases=[(S(3, 3), S(3, 2), {"upper": True}), (S(3, 3), S(2, 3), {"upper": False, "left": False})],
)
def _linalg_solve_triangular(A, B, *, upper, left=True, unitriangular=False):
    """X with A @ X = B (X @ A = B if not `left`), reading one triangle of A; 1 on its diagonal if `unitriangular`."""
    check_square("linalg.solve_triangular", A)
    check_matrix("linalg.solve_triangular", B, "B")
    check_fits("linalg.solve_triangular", A, B, left)
    if left:
        return _solve_triangular(A, B, bool(upper), bool(unitriangular))
    return _solve_triangular(A.mT, B.mT, not upper, bool(unitriangular)).mT


@composite("torch method out", cases=[(S(3, 2), S(3, 3)), (S(3, 2), S(3, 3), False, True)])
def triangular_solve(b, A, upper=True, transpose=False, unitriangular=False):
    """X with A @ X = b for triangular A (its transpose if `transpose`), and A."""
    check_square("triangular_solve", A)
    check_matrix("triangular_solve", b, "b")
    check_fits("triangular_solve", A, b, True)
    X = (
        _solve_triangular(A.mT, b, not upper, unitriangular)
        if transpose
        else _solve_triangular(A, b, upper, unitriangular)
    )
    return return_named("triangular_solve", "solution cloned_coefficient", (X, A.clone()))


# ---- Cholesky

def _factored(A: Spec, caller, check_errors) -> tuple:
    check_square(caller.replace("_ex", ""), A)
    check_floating(caller.replace("_ex", ""), A)
    return A.like(), _info(A)


def _cholesky_grad(g, out):
    if g[0] is None:
        return None
    L = out[0]
    inner = (h(L) @ g[0]).tril()
    inner = inner - (inner.diagonal(0, -2, -1) / 2).diag_embed()
    both = (inner + h(inner)) / 2
    left = triangular(h(L), both, True)
    return h(triangular(h(L), h(left), True))


@op(
    _factored,
    api="",
    checks=True,
    shown="LinalgCholeskyEx",
    grad=_cholesky_grad,
    cases=[(S(1, 1), "linalg.cholesky", True)],
)
def _cholesky_ex(xp, A: T, caller, check_errors):
    """The lower factor of positive-definite matrices, from their lower triangle; for each 0 or the minor at fault."""
    lower = xp.tril(A)
    both = lower + xp.conj(xp.swapaxes(xp.tril(A, -1), -1, -2))
    return xp.linalg.cholesky(both), xp.zeros(A.shape[:-2], dtype="int32")


@_cholesky_ex.lower("xla")
def _cholesky_xla(xp, A, caller, check_errors):
    L = xp.lax.linalg.cholesky(A, symmetrize_input=False)
    xp.refuse(xp.isnan(L), lambda: LinAlgError(caller))  # NumPy says which minor it is
    return L, xp.zeros(A.shape[:-2], dtype="int32")


@_cholesky_ex.lower("numpy")
def _cholesky_numpy(xp, A, caller, check_errors):
    try:
        L = xp.linalg.cholesky(A)            # reads the lower triangle only
        if not L.dtype.kind == "c" or xp.isfinite(A).all():
            return L, xp.zeros(A.shape[:-2], dtype="int32")
    except xp.linalg.LinAlgError:
        pass

    def one(a: Any) -> tuple:
        c, info = lapack("potrf", a)(a, lower=1, clean=1)
        return xp.tril(c), xp.int32(info)
    L, info = over_batch(one, (A, 2))
    if check_errors and info.any():
        raise failed(
            caller,
            info,
            "The factorization could not be completed because the input is not positive-definite (the leading minor "
            "of order {info} is not positive-definite).",
        )
    return L, info


def _cholesky(A: Any, caller: str, upper: bool, check_errors: bool) -> tuple:
    L, info = _cholesky_ex(h(A) if upper and A.ndim > 1 else A, caller, check_errors)
    return (h(L) if upper else L), info


@composite("torch method out", cases=[(S(2, 1, 1),)])
def cholesky(input, upper=False):
    """The triangular factor of positive-definite matrices: A = L @ L.mH, or U.mH @ U. Raises LinAlgError for others."""
    return _cholesky(input, "cholesky", upper, True)[0]


@composite("out", alias="linalg.cholesky", cases=[(S(1, 1), {"upper": True})])
def _linalg_cholesky(A, *, upper=False):
    """The triangular factor of positive-definite matrices: A = L @ L.mH, or U.mH @ U. Raises LinAlgError for others."""
    return _cholesky(A, "linalg.cholesky", upper, True)[0]


@composite("out", alias="linalg.cholesky_ex", cases=[(S(1, 1),)])
def _linalg_cholesky_ex(A, *, upper=False, check_errors=False):
    """As linalg.cholesky, and for each matrix 0 or the order of the leading minor that is not positive-definite."""
    return return_named("linalg_cholesky_ex", "L info", _cholesky(A, "linalg.cholesky_ex", upper, check_errors))


@composite("torch method out", cases=[(S(3, 2), S(3, 3)), (S(3, 2), S(3, 3), True)])
def cholesky_solve(input, L, upper=False):
    """X with A @ X = input, given the Cholesky factor of A: L @ L.mH = A, or L.mH @ L = A if `upper`."""
    for name, x in (("b", input), ("u", L)):
        if x.ndim < 2:
            raise RuntimeError(f"{name} should have at least 2 dimensions, but has {x.ndim} dimensions instead")
    check_square("cholesky_solve", L)
    if L.shape[-1] != input.shape[-2]:
        raise RuntimeError(
            f"Incompatible matrix sizes for cholesky_solve: each A matrix is {L.shape[-1]} by {L.shape[-1]} "
            f"but each b matrix is {input.shape[-2]} by {input.shape[-1]}"
        )
    lower, above = (h(L), L) if upper else (L, h(L))
    return triangular(above, triangular(lower, input, False), True)


@composite("torch method out", cases=[(S(3, 3),)])
def cholesky_inverse(L, upper=False):
    """The inverse of A, given its Cholesky factor: L @ L.mH = A, or L.mH @ L = A if `upper`."""
    check_square("cholesky_inverse", L)
    return cholesky_solve(eye_like(L, L.shape[-1]), L, upper)


# ---- solving with tensors

def _count(shape: Any) -> int:
    total = 1
    for n in shape:
        total *= n
    return total


@composite("out", alias="linalg.tensorinv", cases=[(S(2, 3, 6),)])
def _tensorinv(A, ind=2):
    """The inverse of A as a linear map from its last dimensions to its first `ind`."""
    if ind <= 0:
        raise RuntimeError(f"Expected a strictly positive integer for 'ind', but got {ind}")
    first, last = tuple(A.shape[:ind]), tuple(A.shape[ind:])
    if _count(first) != _count(last):
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), but got "
            f"{_count(last)} "
            f"!= {_count(first)}"
        )
    return _inv_ex(A.reshape((_count(first), _count(last))), "inv", True)[0].reshape((*last, *first))


@composite("out", alias="linalg.tensorsolve", cases=[(S(2, 3, 6), S(2, 3))])
def _tensorsolve(A, B, dims=None):
    """X with tensordot(A, X, X.ndim) = B; `dims` of A are moved to its end first."""
    if dims is not None:
        A = A.movedim(tuple(dims), tuple(range(A.ndim - len(dims), A.ndim)))
    first, last = tuple(A.shape[:B.ndim]), tuple(A.shape[B.ndim:])
    if _count(first) != _count(last):
        raise RuntimeError(
            f"Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == prod(self.shape[:other.ndim]), "
            f"but got {_count(last)} != {_count(first)}"
        )
    X = solved(A.reshape((_count(first), _count(last))), B.reshape((_count(first), 1)))
    return X.reshape(last)
