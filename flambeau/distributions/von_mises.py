"""The von Mises distribution."""

from __future__ import annotations

import math
from typing import Any

from ..size import Size
from ..tensor import Tensor
from . import constraints
from ._torch import torch
from .distribution import Distribution
from .utils import broadcast_all, lazy_property

__all__ = ["VonMises"]


class VonMises(Distribution):
    """Angles of density exp(concentration * cos(x - loc)) / (2 pi I0(concentration)).

    Sampled by rejection, in float64: Best and Fisher, Applied Statistics 28 (1979).

    >>> import flambeau as torch
    >>> VonMises(0., 1.).log_prob(torch.tensor(0.)).exp()
    tensor(0.3417)
    """

    arg_constraints = {"loc": constraints.real, "concentration": constraints.positive}
    support = constraints.real
    has_rsample = False
    _tensors = ("loc", "concentration")

    def __init__(self, loc: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self.loc, self.concentration = broadcast_all(loc, concentration)
        super().__init__(self.loc.shape, Size(), validate_args)

    @property
    def mean(self) -> Tensor:
        """The mean of angles, which is `loc`."""
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @lazy_property
    def variance(self) -> Tensor:
        """The variance of angles: one less the length of their mean on the circle."""
        return 1 - torch.special.i1e(self.concentration) / torch.special.i0e(self.concentration)

    def log_prob(self, value: Tensor) -> Tensor:
        kappa = self.concentration
        log_bessel = torch.special.i0e(kappa).log() + kappa
        return kappa * (self._checked(value) - self.loc).cos() - math.log(2 * math.pi) - log_bessel

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with torch.no_grad():
            loc, kappa = self.loc.double(), self.concentration.double()
            tau = 1 + (1 + 4 * kappa**2).sqrt()
            rho = (tau - (2 * tau).sqrt()) / (2 * kappa)
            # For a small concentration the quotient loses all its digits.
            r = torch.where(kappa < 1e-5, 1 / kappa + kappa, (1 + rho**2) / (2 * rho))
            shape = self._extended_shape(sample_shape)
            found = torch.zeros(shape, dtype=torch.double)
            done = torch.zeros(shape, dtype=torch.bool)
            while not bool(done.all()):
                first, second, third = torch.rand((3,) + shape, dtype=torch.double).unbind()
                z = (math.pi * first).cos()
                f = (1 + r * z) / (r + z)
                c = kappa * (r - f)
                accepted = (c * (2 - c) - second > 0) | ((c / second).log() + 1 - c >= 0)
                # As in PyTorch, a later accepted number replaces an earlier one.
                found = torch.where(accepted, (third - 0.5).sign() * f.acos(), found)
                done = done | accepted
            return ((found + math.pi + loc) % (2 * math.pi) - math.pi).to(self.loc.dtype)
