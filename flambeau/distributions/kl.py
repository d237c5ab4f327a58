"""Kullback and Leibler's divergence: kl_divergence(p, q) is the mean of log p(x) - log q(x) for x of p."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable
from typing import Any

from ..tensor import Tensor
from .distribution import Distribution

__all__ = ["register_kl", "kl_divergence"]

_KL_REGISTRY: dict[tuple[type, type], Callable] = {}


def register_kl(type_p: type, type_q: type) -> Callable[[Callable], Callable]:
    """A decorator that registers a function of (p, q) for these two classes and those below them.

    Of several that fit, the one for the closest class of p is used, then the closest of q.
    """
    for name, kind in (("type_p", type_p), ("type_q", type_q)):
        if not (isinstance(kind, type) and issubclass(kind, Distribution)):
            raise TypeError(f"Expected {name} to be a Distribution subclass but got {kind}")

    def register(function: Callable) -> Callable:
        _KL_REGISTRY[type_p, type_q] = function
        _found.cache_clear()
        return function

    return register


@functools.cache
def _found(type_p: type, type_q: type) -> Callable | None:
    """The function for two classes, or None. Where the closest for p is not the closest for q, a warning says so."""
    fitting = [pair for pair in _KL_REGISTRY if issubclass(type_p, pair[0]) and issubclass(type_q, pair[1])]
    if not fitting:
        return None
    # How many classes a class is away from that of p, and of q.
    distance = {pair: (type_p.__mro__.index(pair[0]), type_q.__mro__.index(pair[1])) for pair in fitting}
    by_p = min(fitting, key=lambda pair: distance[pair])
    by_q = min(fitting, key=lambda pair: distance[pair][::-1])
    if _KL_REGISTRY[by_p] is not _KL_REGISTRY[by_q]:
        warnings.warn(f"Ambiguous kl_divergence({type_p.__name__}, {type_q.__name__}). "
                      f"Please register_kl({by_p[0].__name__}, {by_q[1].__name__})", RuntimeWarning, stacklevel=3)
    return _KL_REGISTRY[by_p]


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """The divergence of `q` from `p`, in nats, for each of the batch.

    >>> from flambeau.distributions import Normal
    >>> kl_divergence(Normal(0., 1.), Normal(1., 1.))
    tensor(0.5000)
    """
    kinds: Any = type(p), type(q)
    function = _found(*kinds)
    if function is None:
        raise NotImplementedError(
            f"No KL(p || q) is implemented for p type {type(p).__name__} and q type {type(q).__name__}")
    return function(p, q)


def where_infinite(condition: Any, value: Tensor) -> Tensor:
    """`value`, infinite where `condition` holds."""
    return value.masked_fill(condition, math.inf)


from . import _kl_across, _kl_alike  # noqa: E402, F401  (they register their functions)
