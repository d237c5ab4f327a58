"""The multivariate normal distribution."""

from __future__ import annotations

import math
from typing import Any

from ..tensor import Tensor
from . import constraints
from ._covariance import GivenCovariance, half_log_det, product, squared_distance
from ._torch import torch
from .utils import _standard_normal

__all__ = ["MultivariateNormal"]


class MultivariateNormal(GivenCovariance):
    """Vectors loc + L @ z with z standard normal and L = scale_tril, the Cholesky factor of the covariance matrix.

    >>> import flambeau as torch
    >>> MultivariateNormal(torch.zeros(2), torch.tensor([[4., 0.], [0., 1.]])).scale_tril
    tensor([[2., 0.],
            [0., 1.]])
    """

    arg_constraints = {"loc": constraints.real_vector, "covariance_matrix": constraints.positive_definite,
                       "precision_matrix": constraints.positive_definite, "scale_tril": constraints.lower_cholesky}
    support = constraints.real_vector
    has_rsample = True
    _tensors = ("loc", "covariance_matrix", "precision_matrix", "scale_tril")

    def __init__(self, loc: Tensor, covariance_matrix: Tensor | None = None, precision_matrix: Tensor | None = None,
                 scale_tril: Tensor | None = None, validate_args: bool | None = None) -> None:
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        name, matrix = self._take_matrix(dict(scale_tril=scale_tril, covariance_matrix=covariance_matrix,
                                              precision_matrix=precision_matrix))
        if matrix.dim() < 2:
            raise ValueError(f"{name} must be at least two-dimensional, with optional leading batch dimensions")
        batch = torch.broadcast_shapes(matrix.shape[:-2], loc.shape[:-1])
        setattr(self, name, matrix.expand(batch + (-1, -1)))
        self.loc = loc.expand(batch + (-1,))
        super().__init__(batch, self.loc.shape[-1:], validate_args=validate_args)
        self._factorize(name, matrix)

    @property
    def mean(self) -> Tensor:
        return self.loc

    mode = mean

    @property
    def variance(self) -> Tensor:
        found = self._unbroadcasted_scale_tril.pow(2).sum(-1)
        return found.expand(self._batch_shape + self._event_shape)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        noise = _standard_normal(self._extended_shape(sample_shape), self.loc.dtype, self.loc.device)
        return self.loc + product(self._unbroadcasted_scale_tril, noise)

    def log_prob(self, value: Tensor) -> Tensor:
        factor = self._unbroadcasted_scale_tril
        distance = squared_distance(factor, self._checked(value) - self.loc)
        return -0.5 * (self._event_shape[0] * math.log(2 * math.pi) + distance) - half_log_det(factor)

    def entropy(self) -> Tensor:
        per_dimension = 0.5 * (1.0 + math.log(2 * math.pi))
        found = self._event_shape[0] * per_dimension + half_log_det(self._unbroadcasted_scale_tril)
        return found.expand(self._batch_shape)
