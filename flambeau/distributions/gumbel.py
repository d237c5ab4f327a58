"""The Gumbel distribution."""

from __future__ import annotations

import math
from typing import Any

from ..tensor import Tensor
from . import constraints
from ._torch import torch
from .transformed_distribution import ParametricTransformed
from .transforms import AffineTransform, ExpTransform
from .uniform import Uniform
from .utils import broadcast_all, euler_constant

__all__ = ["Gumbel"]


class Gumbel(ParametricTransformed):
    """loc - scale * log(-log(u)) for u uniform: the largest of many numbers is about so distributed.

    >>> import flambeau as torch
    >>> Gumbel(0., 1.).mean
    tensor(0.5772)
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    _tensors = ("loc", "scale")

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(*self._parts(validate_args), validate_args=validate_args)

    def _parts(self, validate_args: bool | None) -> tuple[Any, list]:
        limits = torch.finfo(self.loc.dtype)
        base = Uniform(torch.full_like(self.loc, limits.tiny), torch.full_like(self.loc, 1 - limits.eps),
                       validate_args=validate_args)
        negative = AffineTransform(loc=0, scale=-torch.ones_like(self.scale))
        placed = AffineTransform(loc=self.loc, scale=-self.scale)
        return base, [ExpTransform().inv, negative, ExpTransform().inv, placed]

    @property
    def mean(self) -> Tensor:
        return self.loc + self.scale * euler_constant

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def stddev(self) -> Tensor:
        return math.pi / math.sqrt(6) * self.scale

    @property
    def variance(self) -> Tensor:
        return self.stddev.pow(2)

    def log_prob(self, value: Tensor) -> Tensor:
        y = (self.loc - self._checked(value)) / self.scale
        return (y - y.exp()) - self.scale.log()

    def entropy(self) -> Tensor:
        return self.scale.log() + (1 + euler_constant)
