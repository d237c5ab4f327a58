"""Divergences between distributions of different families.

Each is -H(p) - E log q(x): the entropy of p, and the moments of p that q's logarithm asks for.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..tensor import Tensor
from ._torch import torch
from .bernoulli import Bernoulli
from .beta import Beta
from .binomial import Binomial
from .continuous_bernoulli import ContinuousBernoulli
from .distribution import Distribution
from .exponential import Exponential
from .gamma import Gamma
from .gumbel import Gumbel
from .kl import register_kl, where_infinite
from .laplace import Laplace
from .normal import Normal
from .pareto import Pareto
from .poisson import Poisson
from .uniform import Uniform
from .utils import euler_constant

# q gives probability zero to values that p has.
INFINITE: dict[Any, list] = {
    Beta: [Pareto],
    ContinuousBernoulli: [Pareto],
    Exponential: [Beta, ContinuousBernoulli, Pareto, Uniform],
    Gamma: [Beta, ContinuousBernoulli, Pareto, Uniform],
    Gumbel: [Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform],
    Laplace: [Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform],
    Normal: [Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform],
    Pareto: [Beta, ContinuousBernoulli, Uniform],
    Poisson: [Bernoulli, Binomial],
}

# ---- moments of p


def _mean_x_log_x(p: Any, low: Tensor, high: Tensor) -> Tensor:
    """The mean of log(x) for x uniform from `low` to `high`."""
    return (high.xlogy(high) - low.xlogy(low)) / (high - low) - 1


MEAN_LOG: dict[type, Callable[[Any], Tensor]] = {
    Beta: lambda p: p.concentration1.digamma() - (p.concentration1 + p.concentration0).digamma(),
    Exponential: lambda p: -euler_constant - p.rate.log(),
    Pareto: lambda p: p.alpha.reciprocal() + p.scale.log(),
    Uniform: lambda p: _mean_x_log_x(p, p.low, p.high),
}

# The mean of exp(-t * x).
MEAN_EXP: dict[type, Callable[[Any, Tensor], Tensor]] = {
    Exponential: lambda p, t: p.rate / (p.rate + t),
    Gamma: lambda p, t: (1 + t / p.rate).pow(-p.concentration),
    Normal: lambda p, t: (0.5 * (t * p.scale).pow(2) - t * p.loc).exp(),
    Uniform: lambda p, t: ((-t * p.low).exp() - (-t * p.high).exp()) / (t * (p.high - p.low)),
}

# ---- -E log q(x), by the class of q


def _to_exponential(p: Any, q: Any) -> Tensor:
    return q.rate * p.mean - q.rate.log()


def _to_gamma(p: Any, q: Any) -> Tensor:
    a = q.concentration
    mean_log = next(rule for kind, rule in MEAN_LOG.items() if isinstance(p, kind))(p)
    return a.lgamma() - a * q.rate.log() - (a - 1) * mean_log + q.rate * p.mean


def _to_gumbel(p: Any, q: Any) -> Tensor:
    t = q.scale.reciprocal()
    mean_exp = next(rule for kind, rule in MEAN_EXP.items() if isinstance(p, kind))(p, t)
    return q.scale.log() + (p.mean - q.loc) * t + (q.loc * t).exp() * mean_exp


def _to_normal(p: Any, q: Any) -> Tensor:
    square = p.variance + (p.mean - q.loc).pow(2)
    return 0.5 * (2 * math.pi * q.variance).log() + 0.5 * square / q.variance


def _to_uniform(p: Any, q: Any) -> Tensor:
    outside = (q.low > p.support.lower_bound) | (q.high < p.support.upper_bound)
    return where_infinite(outside, (q.high - q.low).log() + torch.zeros_like(p.mean))


def _continuous_bernoulli_to_uniform(p: Any, q: Any) -> Tensor:
    return where_infinite((q.low >= 0) | (q.high <= 1), _to_uniform(p, q))  # as PyTorch: the ends too


def _to_continuous_bernoulli(p: Any, q: Any) -> Tensor:
    return -p.mean * q.logits - (-q.probs).log1p() - q._cont_bern_log_norm()


def _normal_to_laplace(p: Any, q: Any) -> Tensor:
    away = p.loc - q.loc
    ratio = away / p.scale
    mean_distance = (math.sqrt(2 / math.pi) * p.scale * (-0.5 * ratio.pow(2)).exp()
                     + away * (math.sqrt(0.5) * ratio).erf())
    return (2 * q.scale).log() + mean_distance / q.scale


def _bernoulli_to_poisson(p: Any, q: Any) -> Tensor:
    return q.rate - p.probs * q.rate.log()


def _uniform_to_beta(p: Any, q: Any) -> Tensor:
    a, b = q.concentration1, q.concentration0
    log_beta = a.lgamma() + b.lgamma() - (a + b).lgamma()
    mean_log = _mean_x_log_x(p, p.low, p.high)
    value = log_beta - (a - 1) * mean_log - (b - 1) * _mean_x_log_x(p, 1 - p.high, 1 - p.low)
    return where_infinite((p.high > 1) | (p.low < 0), value)


def _uniform_to_continuous_bernoulli(p: Any, q: Any) -> Tensor:
    return where_infinite((p.high >= 1) | (p.low <= 0), _to_continuous_bernoulli(p, q))  # as PyTorch: the ends too


def _uniform_to_pareto(p: Any, q: Any) -> Tensor:
    mean_log = _mean_x_log_x(p, p.low, p.high)
    value = (q.alpha + 1) * mean_log - q.alpha.log() - q.alpha * q.scale.log()
    return where_infinite(p.low < q.scale, value)


def _positive_only(rule: Callable) -> Callable:
    """The rule for uniform p: infinite where p has negative numbers."""
    return lambda p, q: where_infinite(p.low < 0, rule(p, q))


FINITE: list[tuple[Any, Any, Callable]] = [
    (Bernoulli, Poisson, _bernoulli_to_poisson),
    (Normal, Laplace, _normal_to_laplace),
    (Uniform, Beta, _uniform_to_beta),
    (Uniform, ContinuousBernoulli, _uniform_to_continuous_bernoulli),
    (Uniform, Exponential, _positive_only(_to_exponential)),
    (Uniform, Gamma, _positive_only(_to_gamma)),
    (Uniform, Pareto, _uniform_to_pareto),
    (Beta, ContinuousBernoulli, _to_continuous_bernoulli),
    *[(p, Exponential, _to_exponential) for p in (Beta, ContinuousBernoulli, Gamma, Pareto)],
    *[(p, Gamma, _to_gamma) for p in (Beta, Exponential, Pareto)],
    *[(p, Gumbel, _to_gumbel) for p in (Exponential, Gamma, Normal, Uniform)],
    *[(p, Normal, _to_normal) for p in (Beta, ContinuousBernoulli, Exponential, Gamma, Gumbel, Laplace, Pareto,
                                        Uniform)],
    (Beta, Uniform, _to_uniform),
    (ContinuousBernoulli, Uniform, _continuous_bernoulli_to_uniform),
]


def _with_entropy(cross_entropy: Callable) -> Callable:
    return lambda p, q: cross_entropy(p, q) - p.entropy()


def _infinite(p: Distribution, q: Distribution) -> Tensor:
    shape = torch.broadcast_shapes(p.batch_shape, q.batch_shape)
    return torch.full(shape, math.inf, dtype=p.mean.dtype, device=p.mean.device)


for _p, _q, _rule in FINITE:
    register_kl(_p, _q)(_with_entropy(_rule))
for _p, _q in [(p, q) for p, all_q in INFINITE.items() for q in all_q]:
    register_kl(_p, _q)(_infinite)
