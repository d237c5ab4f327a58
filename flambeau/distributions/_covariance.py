"""What distributions share that are given a covariance matrix, its inverse or its Cholesky factor."""

from __future__ import annotations

from typing import Any, ClassVar

from ..size import Size
from ..tensor import Tensor
from ._torch import torch
from .distribution import Distribution
from .utils import lazy_property


def product(matrix: Tensor, vector: Tensor) -> Tensor:
    """matrix (*, n, m), vector (*, m) -> (*, n)."""
    return (matrix @ vector.unsqueeze(-1)).squeeze(-1)


def squared_distance(factor: Tensor, vector: Tensor) -> Tensor:
    """x.T @ inv(L @ L.T) @ x for L = factor (B, n, n), x = vector (S, B, n) -> (S, B)."""
    batch = vector.shape[vector.dim() + 1 - factor.dim() : -1]
    # One solution for all samples: they stand side by side, as columns.
    columns = vector.reshape((-1,) + batch + vector.shape[-1:]).movedim(0, -1)
    solved = torch.linalg.solve_triangular(factor, columns, upper=False)
    return solved.pow(2).sum(-2).movedim(-1, 0).reshape(vector.shape[:-1])


def half_log_det(factor: Tensor) -> Tensor:
    """log(det(L @ L.T)) / 2 for L = factor (*, n, n) -> (*)."""
    return factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)


def factor_of_inverse(matrix: Tensor) -> Tensor:
    """The Cholesky factor of the inverse: with the order of rows turned round, that of `matrix` is its transposed
    inverse."""
    turned = torch.linalg.cholesky(matrix.flip((-2, -1))).flip((-2, -1)).mT
    identity = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    return torch.linalg.solve_triangular(turned, identity, upper=False)


class GivenCovariance(Distribution):
    """A distribution with one of `covariance_matrix`, `precision_matrix` and `scale_tril`; the others are worked out
    when asked for."""

    _constants: ClassVar[tuple[str, ...]] = ("_unbroadcasted_scale_tril",)
    _unbroadcasted_scale_tril: Tensor

    def _take_matrix(self, given: dict[str, Tensor | None]) -> tuple[str, Tensor]:
        named = [(name, matrix) for name, matrix in given.items() if matrix is not None]
        if len(named) != 1:
            raise self._wrong_count(
                "Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified.")
        return named[0]

    _wrong_count: type[Exception] = ValueError

    def _factorize(self, name: str, matrix: Tensor) -> None:
        self._unbroadcasted_scale_tril = (
            matrix if name == "scale_tril" else torch.linalg.cholesky(matrix) if name == "covariance_matrix"
            else factor_of_inverse(matrix))

    def _spread(self, matrix: Tensor) -> Tensor:
        size = matrix.shape[-2:]
        return matrix.expand(Size(self._batch_shape) + size)

    @lazy_property
    def scale_tril(self) -> Tensor:
        return self._spread(self._unbroadcasted_scale_tril)

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        return self._spread(self._unbroadcasted_scale_tril @ self._unbroadcasted_scale_tril.mT)

    @lazy_property
    def precision_matrix(self) -> Tensor:
        factor = self._unbroadcasted_scale_tril
        identity: Any = torch.eye(factor.shape[-1], dtype=factor.dtype, device=factor.device)
        return self._spread(torch.cholesky_solve(identity, factor))
