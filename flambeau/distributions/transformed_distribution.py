"""Distributions of transformed samples."""

from __future__ import annotations

import math
from typing import Any

from ..size import Size
from ..tensor import Tensor
from . import constraints
from ._torch import torch
from .distribution import Distribution
from .independent import Independent
from .transforms import ComposeTransform, Transform
from .utils import _sum_rightmost

__all__ = ["TransformedDistribution"]


class TransformedDistribution(Distribution):
    """t(x) for x of `base_distribution`: log p(y) = log p(x) - log |det dy/dx|.

    >>> import flambeau as torch
    >>> from flambeau.distributions import ExpTransform, Normal
    >>> TransformedDistribution(Normal(0., 1.), ExpTransform()).log_prob(torch.tensor(1.))
    tensor(-0.9189)
    """

    arg_constraints: Any = {}
    base_dist: Any

    def __init__(self, base_distribution: Distribution, transforms: Any, validate_args: bool | None = None) -> None:
        if isinstance(transforms, Transform):
            self.transforms = [transforms]
        elif not isinstance(transforms, list):
            raise ValueError(f"transforms must be a Transform or list, but was {transforms}")
        elif not all(isinstance(t, Transform) for t in transforms):
            raise ValueError("transforms must be a Transform or a list of Transforms")
        else:
            self.transforms = transforms
        whole, base = ComposeTransform(self.transforms), base_distribution
        shape = base.batch_shape + base.event_shape
        base_dims, inner, outer = len(base.event_shape), whole.domain.event_dim, whole.codomain.event_dim
        if len(shape) < inner:
            raise ValueError(f"base_distribution needs to have shape with size at least {inner}, but got {shape}.")
        after = whole.forward_shape(shape)
        needed = whole.inverse_shape(after)
        if shape != needed:  # parameters of the transforms have more batch dimensions
            base = base.expand(needed[: len(needed) - base_dims])
        self.base_dist = Independent(base, inner - base_dims) if inner > base_dims else base
        cut = len(after) - max(outer, base_dims + outer - inner)
        super().__init__(after[:cut], after[cut:], validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._get_checked_instance(TransformedDistribution, _instance)
        shape = Size(batch_shape) + self._event_shape
        for t in reversed(self.transforms):
            shape = t.inverse_shape(shape)
        new.base_dist = self.base_dist.expand(shape[: len(shape) - len(self.base_dist.event_shape)])
        new.transforms = self.transforms
        return self._shaped(new, batch_shape, self._event_shape)

    @constraints.dependent_property(is_discrete=False)
    def support(self) -> Any:
        if not self.transforms:
            return self.base_dist.support
        found = self.transforms[-1].codomain
        more = len(self._event_shape) - found.event_dim
        return constraints.independent(found, more) if more > 0 else found

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        return self.base_dist.has_rsample

    def _forward(self, x: Tensor) -> Tensor:
        for t in self.transforms:
            x = t(x)
        return x

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with torch.no_grad():
            return self._forward(self.base_dist.sample(sample_shape))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self._forward(self.base_dist.rsample(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        y, event_dim, total = self._checked(value), len(self._event_shape), 0.0
        for t in reversed(self.transforms):
            x = t.inv(y)
            event_dim += t.domain.event_dim - t.codomain.event_dim
            total = total - _sum_rightmost(t.log_abs_det_jacobian(x, y), event_dim - t.domain.event_dim)
            y = x
        return total + _sum_rightmost(self.base_dist.log_prob(y), event_dim - len(self.base_dist.event_shape))

    def _turned(self, share: Tensor) -> Tensor:
        """A share of probability, counted from above where the transforms fall."""
        sign: Any = math.prod(t.sign for t in self.transforms)
        return share if isinstance(sign, int) and sign == 1 else sign * (share - 0.5) + 0.5

    def cdf(self, value: Tensor) -> Tensor:
        for t in reversed(self.transforms):
            value = t.inv(value)
        if self._validate_args:
            self.base_dist._validate_sample(value)
        return self._turned(self.base_dist.cdf(value))

    def icdf(self, value: Tensor) -> Tensor:
        return self._forward(self.base_dist.icdf(self._turned(value)))


class ParametricTransformed(TransformedDistribution):
    """A TransformedDistribution whose base and transforms are made by `_parts` from its own parameters."""

    def _parts(self, validate_args: bool | None) -> tuple[Any, list]:
        raise NotImplementedError

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        return Distribution.expand(self, batch_shape, _instance)

    def _expand_into(self, new: Any, batch_shape: Size) -> Any:
        super()._expand_into(new, batch_shape)
        new.base_dist, new.transforms = new._parts(False)
        return new
