"""Products of reflections, as LAPACK keeps the orthogonal factor of QR."""
from __future__ import annotations

from typing import Any

from .. import dtypes
from ..graph import Spec
from ._lapack import lapack, over_batch
from ._op import S, T, composite, op
from ._rules import title
from .products import eye_like, unit_like
from .solving import h

# ---- reflections

def _check_reflectors(name: str, input: Any, tau: Any) -> None:
    if input.ndim < 2:
        raise RuntimeError(f"{name}: input must have at least 2 dimensions.")
    if tau.ndim != input.ndim - 1:
        raise RuntimeError(
            f"{name}: Expected tau to have one dimension less than input, but got tau.ndim equal to {tau.ndim} and "
            f"input.ndim is equal to {input.ndim}"
        )


def _reflected(input, tau, other, adjoint: bool):
    """H_1 ... H_k @ other, or its adjoint; H_i = 1 - tau_i v_i v_i.mH, v_i in the columns of `input` below a 1."""
    rows, columns = input.shape[-2:]
    vectors = input.tril(-1) + eye_like(input, rows, columns)
    places = range(tau.shape[-1])
    for i in (places if adjoint else reversed(places)):
        v = vectors.narrow(-1, i, 1)
        factor = tau.narrow(-1, i, 1).unsqueeze(-1)
        factor = factor.conj() if adjoint and tau.dtype.is_complex else factor
        other = other - (factor * v) @ (h(v) @ other)
    return other


@composite("out", alias="linalg.householder_product", cases=[(S(4, 3), S(2))])
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
        raise RuntimeError(
            f"{name}: Expected batch dimensions of tau to be equal to input.shape[:-2], but got {list(tau.shape[:-1])}"
        )
    if input.dtype is not tau.dtype:
        raise RuntimeError(f"{name}: tau dtype {title(tau.dtype)} does not match input dtype {title(input.dtype)}")
    return _reflected(input, tau, unit_like(input), False)


@composite("torch method", cases=[(S(4, 3), S(3))])
def orgqr(input, tau):
    """As linalg.householder_product."""
    return _householder_product(input, tau)


@composite("torch method out", cases=[(S(4, 3), S(3), S(4, 2)), (S(4, 3), S(3), S(2, 4), False, True)])
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


@op(_geqrf_spec, names="a tau", api="torch method out", cases=[(S(3, 3),), (S(4, 3),), (S(2, 3, 4),)])
def geqrf(xp, input: T):
    """QR as LAPACK keeps it: R in the upper triangle, reflections below it, and their factors."""
    if not input.size:
        return input, xp.zeros((*input.shape[:-2], min(input.shape[-2:])), input.dtype)
    return over_batch(lambda a: lapack("geqrf", a)(a)[:2], (input, 2))


@geqrf.lower("xla")
def _geqrf_xla(xp, input):
    if not input.size:
        return geqrf.body(xp, input)
    packed, tau = xp.linalg.qr(input, mode="raw")
    return xp.swapaxes(packed, -1, -2), tau
