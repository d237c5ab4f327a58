"""The continuous Bernoulli distribution."""

from __future__ import annotations

import math
from typing import Any

from ..tensor import Tensor
from . import constraints
from ._chance import ProbsOrLogits
from ._torch import torch
from .exp_family import ExponentialFamily
from .utils import broadcast_all, clamp_probs, lazy_property, logits_to_probs

__all__ = ["ContinuousBernoulli"]


class ContinuousBernoulli(ProbsOrLogits, ExponentialFamily):
    """Numbers in [0, 1] of density proportional to probs ** x * (1 - probs) ** (1 - x).

    Near probs = 0.5 (between the `lims`) the formulas divide 0 by 0, and Taylor's series stands in for them.

    Loaiza-Ganem and Cunningham, NeurIPS 2019.

    >>> import flambeau as torch
    >>> ContinuousBernoulli(torch.tensor(0.25)).mean
    tensor(0.4102)
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.unit_interval
    has_rsample = True
    _mean_carrier_measure = 0
    _tensors = ("probs", "logits")
    _constants = ("_by_logits", "_lims")

    def __init__(self, probs: Any = None, logits: Any = None, lims: tuple[float, float] = (0.499, 0.501),
                 validate_args: bool | None = None) -> None:
        self._lims = lims
        self._take_chance(probs, logits)
        if probs is not None:
            # Checked only where it is asked for: PyTorch clamps what it is given otherwise.
            if validate_args and not bool(self.arg_constraints["probs"].check(self.probs).all()):
                raise ValueError("The parameter probs has invalid values")
            self.probs = clamp_probs(self.probs)
        super().__init__(self._param.size(), validate_args=validate_args)

    @lazy_property
    def probs(self) -> Tensor:
        return clamp_probs(logits_to_probs(self.logits, is_binary=True))

    def _regular(self) -> Tensor:
        return (self.probs <= self._lims[0]) | (self.probs > self._lims[1])

    def _regular_probs(self) -> Tensor:
        """probs, moved to a limit where the formulas do not hold, so that their unused values stay finite."""
        return torch.where(self._regular(), self.probs, self._lims[0] * torch.ones_like(self.probs))

    def _choose(self, formula: Tensor, series: Tensor) -> Tensor:
        return torch.where(self._regular(), formula, series)

    def _cont_bern_log_norm(self) -> Tensor:
        """The logarithm of what makes the density integrate to one."""
        p = self._regular_probs()
        below = torch.where(p <= 0.5, p, torch.zeros_like(p))
        above = torch.where(p >= 0.5, p, torch.ones_like(p))
        spread = torch.where(p <= 0.5, (-2.0 * below).log1p(), (2.0 * above - 1.0).log())
        formula = ((-p).log1p() - p.log()).abs().log() - spread
        x = (self.probs - 0.5) ** 2
        return self._choose(formula, math.log(2.0) + (4.0 / 3.0 + 104.0 / 45.0 * x) * x)

    @property
    def mean(self) -> Tensor:
        p, x = self._regular_probs(), self.probs - 0.5
        formula = p / (2.0 * p - 1.0) + 1.0 / ((-p).log1p() - p.log())
        return self._choose(formula, 0.5 + (1.0 / 3.0 + 16.0 / 45.0 * x * x) * x)

    @property
    def variance(self) -> Tensor:
        p, x = self._regular_probs(), (self.probs - 0.5) ** 2
        formula = p * (p - 1.0) / (1.0 - 2.0 * p) ** 2 + 1.0 / ((-p).log1p() - p.log()) ** 2
        return self._choose(formula, 1.0 / 12.0 - (1.0 / 15.0 - 128.0 / 945.0 * x) * x)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        return self.icdf(torch.rand(shape, dtype=self.probs.dtype, device=self.probs.device))

    def log_prob(self, value: Tensor) -> Tensor:
        value = self._checked(value)
        logits, value = broadcast_all(self.logits, value)
        cross = torch.nn.functional.binary_cross_entropy_with_logits(logits, value, reduction="none")
        return self._cont_bern_log_norm() - cross

    def cdf(self, value: Tensor) -> Tensor:
        value, p = self._checked(value), self._regular_probs()
        formula = (p**value * (1.0 - p) ** (1.0 - value) + p - 1.0) / (2.0 * p - 1.0)
        inside = self._choose(formula, value)
        return torch.where(value <= 0, torch.zeros_like(value), torch.where(value >= 1, torch.ones_like(value), inside))

    def icdf(self, value: Tensor) -> Tensor:
        p = self._regular_probs()
        log_failure = (-p).log1p()
        formula = ((-p + value * (2.0 * p - 1.0)).log1p() - log_failure) / (p.log() - log_failure)
        return self._choose(formula, value)

    def entropy(self) -> Tensor:
        log_failure = (-self.probs).log1p()
        return self.mean * (log_failure - self.probs.log()) - self._cont_bern_log_norm() - log_failure

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return (self.logits,)

    def _log_normalizer(self, x: Any) -> Tensor:  # type: ignore[override]
        regular = (x <= self._lims[0] - 0.5) | (x > self._lims[1] - 0.5)
        y = torch.where(regular, x, (self._lims[0] - 0.5) * torch.ones_like(x))
        return torch.where(regular, y.expm1().abs().log() - y.abs().log(), 0.5 * x + x**2 / 24.0 - x**4 / 2880.0)
