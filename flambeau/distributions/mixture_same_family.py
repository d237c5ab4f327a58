"""Mixtures of distributions of one kind."""

from __future__ import annotations

from typing import Any

from ..size import Size
from ..tensor import Tensor
from . import constraints
from ._torch import torch
from .categorical import Categorical
from .distribution import Distribution

__all__ = ["MixtureSameFamily"]


class MixtureSameFamily(Distribution):
    """Samples of the component that `mixture_distribution` (a Categorical) picks along the last batch dimension of
    `component_distribution`.

    >>> import flambeau as torch
    >>> from flambeau.distributions import Normal
    >>> MixtureSameFamily(Categorical(torch.ones(2)), Normal(torch.tensor([-1., 3.]), 1.)).mean
    tensor(1.)
    """

    arg_constraints: Any = {}
    has_rsample = False

    def __init__(self, mixture_distribution: Categorical, component_distribution: Distribution,
                 validate_args: bool | None = None) -> None:
        self._mixture_distribution, self._component_distribution = mixture_distribution, component_distribution
        if not isinstance(mixture_distribution, Categorical):
            raise ValueError(" The Mixture distribution needs to be an  instance of torch.distributions.Categorical")
        if not isinstance(component_distribution, Distribution):
            raise ValueError("The Component distribution needs to be an instance of torch.distributions.Distribution")
        outer, inner = mixture_distribution.batch_shape, component_distribution.batch_shape[:-1]
        if any(1 not in (i, j) and i != j for i, j in zip(reversed(outer), reversed(inner), strict=False)):
            raise ValueError(f"`mixture_distribution.batch_shape` ({outer}) is not compatible with "
                             f"`component_distribution.batch_shape`({inner})")
        count, components = mixture_distribution.logits.shape[-1], component_distribution.batch_shape[-1]
        if count != components:
            raise ValueError(f"`mixture_distribution component` ({count}) does not equal "
                             f"`component_distribution.batch_shape[-1]` ({components})")
        self._num_component, self._event_ndims = count, len(component_distribution.event_shape)
        super().__init__(inner, component_distribution.event_shape, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._get_checked_instance(MixtureSameFamily, _instance)
        new._mixture_distribution = self._mixture_distribution.expand(batch_shape)
        new._component_distribution = self._component_distribution.expand(Size(batch_shape) + (self._num_component,))
        new._num_component, new._event_ndims = self._num_component, self._event_ndims
        return self._shaped(new, batch_shape, self._event_shape)

    @constraints.dependent_property
    def support(self) -> Any:
        return constraints.MixtureSameFamilyConstraint(self._component_distribution.support)

    @property
    def mixture_distribution(self) -> Categorical:
        """The distribution of the component's index."""
        return self._mixture_distribution

    @property
    def component_distribution(self) -> Distribution:
        """The components."""
        return self._component_distribution

    def _pad(self, value: Tensor) -> Tensor:
        return value.unsqueeze(-1 - self._event_ndims)

    def _average(self, value: Tensor) -> Tensor:
        """The mean over components of value (B, k, E) -> (B, E)."""
        probs = self.mixture_distribution.probs
        return (probs.reshape(probs.shape + (1,) * self._event_ndims) * value).sum(-1 - self._event_ndims)

    @property
    def mean(self) -> Tensor:
        return self._average(self.component_distribution.mean)

    @property
    def variance(self) -> Tensor:
        away = (self.component_distribution.mean - self._pad(self.mean)).pow(2.0)
        return self._average(self.component_distribution.variance) + self._average(away)

    def cdf(self, value: Tensor) -> Tensor:
        return (self.component_distribution.cdf(self._pad(value)) * self.mixture_distribution.probs).sum(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        each = self.component_distribution.log_prob(self._pad(self._checked(value)))
        return (each + self.mixture_distribution.logits.log_softmax(-1)).logsumexp(-1)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with torch.no_grad():
            picked = self.mixture_distribution.sample(sample_shape)
            drawn = self.component_distribution.sample(sample_shape)
            dim = len(Size(sample_shape)) + len(self._batch_shape)
            index = picked.reshape(picked.shape + (1,) * (len(self._event_shape) + 1))
            shape = drawn.shape[:dim] + (1,) + drawn.shape[dim + 1:]
            return drawn.gather(dim, index.expand(shape)).squeeze(dim)

    def __repr__(self) -> str:
        return f"MixtureSameFamily(\n  {self.mixture_distribution},\n  {self.component_distribution})"
