"""The Kumaraswamy distribution."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor
from . import constraints
from ._torch import torch
from .transformed_distribution import ParametricTransformed
from .transforms import AffineTransform, PowerTransform
from .uniform import Uniform
from .utils import broadcast_all, euler_constant

__all__ = ["Kumaraswamy"]


class Kumaraswamy(ParametricTransformed):
    """(1 - u ** (1 / b)) ** (1 / a) for u uniform, with a = concentration1, b = concentration0.

    >>> import flambeau as torch
    >>> Kumaraswamy(1., 1.).mean
    tensor(0.5000)
    """

    arg_constraints = {"concentration1": constraints.positive, "concentration0": constraints.positive}
    support = constraints.unit_interval
    has_rsample = True
    _tensors = ("concentration1", "concentration0")

    def __init__(self, concentration1: Any, concentration0: Any, validate_args: bool | None = None) -> None:
        self.concentration1, self.concentration0 = broadcast_all(concentration1, concentration0)
        super().__init__(*self._parts(validate_args), validate_args=validate_args)

    def _parts(self, validate_args: bool | None) -> tuple[Any, list]:
        a, b = self.concentration1, self.concentration0
        base = Uniform(torch.zeros_like(b), torch.ones_like(b), validate_args=validate_args)
        reverse = AffineTransform(loc=1.0, scale=-1.0)
        return base, [PowerTransform(b.reciprocal()), reverse, PowerTransform(a.reciprocal())]

    def _moment(self, n: int) -> Tensor:
        """The mean of x ** n."""
        power, b = 1 + n / self.concentration1, self.concentration0
        return b * (power.lgamma() + b.lgamma() - (power + b).lgamma()).exp()

    @property
    def mean(self) -> Tensor:
        return self._moment(1)

    @property
    def mode(self) -> Tensor:
        a, b = self.concentration1, self.concentration0
        log_mode = b.reciprocal() * (-b).log1p() - (-b * a).log1p()
        return log_mode.masked_fill((b < 1) | (a < 1), torch.nan).exp()

    @property
    def variance(self) -> Tensor:
        return self._moment(2) - self.mean.pow(2)

    def entropy(self) -> Tensor:
        a, b = self.concentration1, self.concentration0
        harmonic = (b + 1).digamma() + euler_constant
        return 1 - b.reciprocal() + (1 - a.reciprocal()) * harmonic - a.log() - b.log()
