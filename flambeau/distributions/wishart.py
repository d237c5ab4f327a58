"""The Wishart distribution."""

from __future__ import annotations

import math
import warnings
from typing import Any

from ..size import Size
from ..tensor import Tensor
from . import constraints
from ._covariance import GivenCovariance, half_log_det
from ._torch import torch
from .chi2 import Chi2
from .exp_family import ExponentialFamily
from .utils import lazy_property

__all__ = ["Wishart"]


class Wishart(GivenCovariance, ExponentialFamily):
    """Positive definite matrices X @ X.T, with the columns of X `df` normal vectors of the given covariance.

    Sampled by Bartlett's decomposition.

    >>> import flambeau as torch
    >>> Wishart(torch.tensor(3.), torch.eye(2)).mean
    tensor([[3., 0.],
            [0., 3.]])
    """

    support = constraints.positive_definite
    has_rsample = True
    _mean_carrier_measure = 0
    _tensors = ("df", "covariance_matrix", "precision_matrix", "scale_tril")
    _wrong_count = AssertionError

    def __init__(self, df: Any, covariance_matrix: Tensor | None = None, precision_matrix: Tensor | None = None,
                 scale_tril: Tensor | None = None, validate_args: bool | None = None) -> None:
        name, matrix = self._take_matrix(dict(covariance_matrix=covariance_matrix, scale_tril=scale_tril,
                                              precision_matrix=precision_matrix))
        if matrix.dim() < 2:
            raise ValueError("scale_tril must be at least two-dimensional, with optional leading batch dimensions")
        n = matrix.shape[-1]
        degrees = df if isinstance(df, Tensor) else torch.tensor(df, dtype=matrix.dtype, device=matrix.device)
        batch = torch.broadcast_shapes(matrix.shape[:-2], degrees.shape)
        self.df = degrees.expand(batch)
        if bool((self.df <= n - 1).any()):
            raise ValueError(f"Value of df={df} expected to be greater than ndim - 1 = {n - 1}.")
        setattr(self, name, matrix.expand(batch + (-1, -1)))
        if bool((self.df < n).any()):
            warnings.warn("Low df values detected. Singular samples are highly likely to occur for "
                          "ndim - 1 < df < ndim.", stacklevel=2)
        super().__init__(batch, matrix.shape[-2:], validate_args=validate_args)
        self._factorize(name, matrix)

    @property
    def arg_constraints(self) -> dict[str, Any]:
        return {"covariance_matrix": constraints.positive_definite,
                "precision_matrix": constraints.positive_definite, "scale_tril": constraints.lower_cholesky,
                "df": constraints.greater_than(self.event_shape[-1] - 1)}

    def _wide_df(self) -> Tensor:
        return self.df.reshape(self._batch_shape + (1, 1))

    @property
    def mean(self) -> Tensor:
        return self._wide_df() * self.covariance_matrix

    @property
    def mode(self) -> Tensor:
        factor = self._wide_df() - self._event_shape[-1] - 1
        return factor.masked_fill(factor <= 0, math.nan) * self.covariance_matrix

    @property
    def variance(self) -> Tensor:
        variances = self.covariance_matrix.diagonal(dim1=-2, dim2=-1)
        return self._wide_df() * (self.covariance_matrix.pow(2) + variances.unsqueeze(-1) * variances.unsqueeze(-2))

    @lazy_property
    def _dist_chi2(self) -> Chi2:
        kind = self._unbroadcasted_scale_tril
        return Chi2(self.df.unsqueeze(-1) - torch.arange(self._event_shape[-1], dtype=kind.dtype, device=kind.device))

    def _bartlett_sampling(self, sample_shape: Any = ()) -> Tensor:
        n = self._event_shape[-1]
        roots = self._dist_chi2.rsample(sample_shape).sqrt()
        diagonal = roots.clamp(min=torch.finfo(roots.dtype).eps)
        shape = Size(sample_shape) + self._batch_shape + (n * (n - 1) // 2,)
        below = torch.randn(shape, dtype=roots.dtype, device=roots.device)
        rows, columns = torch.tril_indices(n, n, -1)
        flat = torch.zeros(shape[:-1] + (n * n,), dtype=roots.dtype, device=roots.device)
        noise = flat.scatter(-1, (rows * n + columns).expand(shape), below).reshape(shape[:-1] + (n, n))
        factor = self._unbroadcasted_scale_tril @ (noise + diagonal.diag_embed())
        return factor @ factor.mT

    def rsample(self, sample_shape: Any = (), max_try_correction: int | None = None) -> Tensor:
        """Samples; those that rounding has made singular are drawn again, `max_try_correction` times (10)."""
        drawn = self._bartlett_sampling(sample_shape)
        # PyTorch draws those again that are positive definite, the first time: so do the random numbers here.
        again = self._any_of_batch(self.support.check(drawn))
        for _ in range(10 if max_try_correction is None else max_try_correction):
            if not bool(again.any()):
                break
            new = self._bartlett_sampling((int(again.sum()),))
            drawn = drawn.index_put((again,), new) if again.dim() else new[0]
            singular = self._any_of_batch(~self.support.check(new))
            again = again.index_put((again,), singular) if again.dim() else singular[0]
        return drawn

    def _any_of_batch(self, found: Tensor) -> Tensor:
        dims = len(self._batch_shape)
        return found.reshape(found.shape[: found.dim() - dims] + (-1,)).any(-1) if dims else found

    def log_prob(self, value: Tensor) -> Tensor:
        value, df, n, factor = self._checked(value), self.df, self._event_shape[-1], self._unbroadcasted_scale_tril
        trace = torch.cholesky_solve(value, factor).diagonal(dim1=-2, dim2=-1).sum(-1)
        normalizer = df * (n * math.log(2) / 2 + half_log_det(factor)) + (df / 2).mvlgamma(n)
        return (df - n - 1) / 2 * torch.linalg.slogdet(value).logabsdet - trace / 2 - normalizer

    def entropy(self) -> Tensor:
        half, n = self.df / 2, self._event_shape[-1]
        steps = torch.arange(n, dtype=half.dtype, device=half.device) / 2
        slope = (half.unsqueeze(-1) - steps).digamma().sum(-1)  # of the multivariate gamma function's logarithm
        scale = n * math.log(2) / 2 + half_log_det(self._unbroadcasted_scale_tril)
        return (n + 1) * scale + half.mvlgamma(n) - (self.df - n - 1) / 2 * slope + self.df * n / 2

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return -self.precision_matrix / 2, (self.df - self._event_shape[-1] - 1) / 2

    def _log_normalizer(self, x: Any, y: Any) -> Tensor:  # type: ignore[override]
        n = self._event_shape[-1]
        half_df = y + (n + 1) / 2
        return half_df * (n * math.log(2) - torch.linalg.slogdet(-2 * x).logabsdet) + half_df.mvlgamma(n)
