"""ExponentialFamily: distributions with density h(x) exp(<t(x), theta> - A(theta))."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor
from ._torch import torch
from .distribution import Distribution

__all__ = ["ExponentialFamily"]


class ExponentialFamily(Distribution):
    """A distribution with natural parameters theta, log normaliser A and carrier measure h.

    The entropy follows from them: A(theta) - <theta, grad A(theta)> - E log h(x).
    """

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        raise NotImplementedError

    def _log_normalizer(self, *natural_params: Any) -> Tensor:
        raise NotImplementedError

    @property
    def _mean_carrier_measure(self) -> Any:
        """The mean of log h(x)."""
        raise NotImplementedError

    def entropy(self) -> Tensor:
        parameters = [p.detach().requires_grad_() for p in self._natural_params]
        normalizer = self._log_normalizer(*parameters)
        result = normalizer - self._mean_carrier_measure
        for p, slope in zip(parameters, torch.autograd.grad(normalizer.sum(), parameters, create_graph=True),
                            strict=True):
            result = result - (p * slope).reshape(tuple(self._batch_shape) + (-1,)).sum(-1)
        return result
