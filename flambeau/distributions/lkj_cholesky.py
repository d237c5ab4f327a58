"""The LKJ distribution of Cholesky factors of correlation matrices."""

from __future__ import annotations

import math
from typing import Any

from ..size import Size
from ..tensor import Tensor
from . import constraints
from ._torch import torch
from .beta import Beta
from .distribution import Distribution
from .utils import broadcast_all

__all__ = ["LKJCholesky"]


class LKJCholesky(Distribution):
    """Cholesky factors L of correlation matrices M = L @ L.T of density proportional to det(M) ** (concentration - 1).

    Sampled row by row, by the onion method of Lewandowski, Kurowicka and Joe, J. Multivariate Analysis 100 (2009).

    >>> import flambeau as torch
    >>> (LKJCholesky(3, 0.5).sample().norm(dim=-1) - 1).abs().max() < 1e-6
    tensor(True)
    """

    arg_constraints = {"concentration": constraints.positive}
    support = constraints.corr_cholesky

    def __init__(self, dim: int, concentration: Any = 1.0, validate_args: bool | None = None) -> None:
        if dim < 2:
            raise ValueError(f"Expected dim to be an integer greater than or equal to 2. Found dim={dim}.")
        self.dim = dim
        (self.concentration,) = broadcast_all(concentration)
        steps = torch.arange(dim - 1, dtype=self.concentration.dtype, device=self.concentration.device)
        offset = torch.cat([steps.new_zeros((1,)), steps])
        # The squared length of a row's elements below the diagonal.
        self._beta = Beta(offset + 0.5, (self.concentration + 0.5 * (dim - 2)).unsqueeze(-1) - 0.5 * offset)
        super().__init__(self.concentration.size(), Size((dim, dim)), validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._get_checked_instance(LKJCholesky, _instance)
        new.dim, new.concentration = self.dim, self.concentration.expand(batch_shape)
        new._beta = self._beta.expand(Size(batch_shape) + (self.dim,))
        return self._shaped(new, batch_shape, self._event_shape)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with torch.no_grad():
            square = self._beta.sample(sample_shape).unsqueeze(-1)
            normal = torch.randn(self._extended_shape(sample_shape), dtype=square.dtype, device=square.device).tril(-1)
            length = normal.norm(dim=-1, keepdim=True)
            directions = normal / length.masked_fill(length == 0, 1)  # the first row has nothing below the diagonal
            below = square.sqrt() * directions
            rest = (1 - (below**2).sum(-1)).clamp(min=torch.finfo(below.dtype).tiny)
            return below + rest.sqrt().diag_embed()

    def log_prob(self, value: Tensor) -> Tensor:
        eta, n = self.concentration, self.dim
        diagonal = self._checked(value).diagonal(dim1=-1, dim2=-2)[..., 1:]
        # det(M) ** (eta - 1), and the determinant of the map from factors to correlations: row i has L_ii ** (n - i).
        power = 2 * (eta - 1).unsqueeze(-1) + n - torch.arange(2, n + 1, device=eta.device)
        alpha = eta + 0.5 * (n - 1)
        normalizer = 0.5 * (n - 1) * math.log(math.pi) + (alpha - 0.5).mvlgamma(n - 1) - (n - 1) * alpha.lgamma()
        return (power * diagonal.log()).sum(-1) - normalizer
