"""The Weibull distribution."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor
from . import constraints
from ._torch import torch
from .exponential import Exponential
from .transformed_distribution import ParametricTransformed
from .transforms import AffineTransform, PowerTransform
from .utils import broadcast_all, euler_constant, lazy_property

__all__ = ["Weibull"]


class Weibull(ParametricTransformed):
    """scale * e ** (1 / concentration) for e of Exponential(1).

    >>> import flambeau as torch
    >>> Weibull(1., 1.).mean
    tensor(1.)
    """

    arg_constraints = {"scale": constraints.positive, "concentration": constraints.positive}
    support = constraints.positive
    _tensors = ("scale", "concentration")

    def __init__(self, scale: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self.scale, self.concentration = broadcast_all(scale, concentration)
        super().__init__(*self._parts(validate_args), validate_args=validate_args)

    @lazy_property
    def concentration_reciprocal(self) -> Tensor:
        """1 / concentration."""
        return self.concentration.reciprocal()

    def _parts(self, validate_args: bool | None) -> tuple[Any, list]:
        base = Exponential(torch.ones_like(self.scale), validate_args=validate_args)
        return base, [PowerTransform(self.concentration_reciprocal), AffineTransform(loc=0, scale=self.scale)]

    @property
    def mean(self) -> Tensor:
        return self.scale * (1 + self.concentration_reciprocal).lgamma().exp()

    @property
    def mode(self) -> Tensor:
        return self.scale * ((self.concentration - 1) / self.concentration) ** self.concentration.reciprocal()

    @property
    def variance(self) -> Tensor:
        once, twice = (1 + self.concentration_reciprocal).lgamma(), (1 + 2 * self.concentration_reciprocal).lgamma()
        return self.scale.pow(2) * (twice.exp() - (2 * once).exp())

    def entropy(self) -> Tensor:
        inverse = self.concentration_reciprocal
        return euler_constant * (1 - inverse) + (self.scale * inverse).log() + 1
