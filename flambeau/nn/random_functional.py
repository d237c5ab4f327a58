"""Functions of nn.functional that draw random numbers: dropout in its forms, rrelu, gumbel_softmax.

What is drawn is drawn at the call, on the host, in PyTorch's order, and enters the graph as a value.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from .. import dtypes, random
from ..graph import Spec
from ..namespaces import SPACES
from ..ops._rules import title
from ..tensor import Tensor, from_array

ALPHA = 1.7580993408473766  # -scale * alpha of selu: what its left end tends to


def _kept(like: Spec, p: float, feature: bool) -> np.ndarray:
    """Whether each element is kept; with `feature`, whether each channel is, (N, C, 1, ...)."""
    shape = like.shape
    if feature:
        if len(shape) < 2:
            raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
        shape = shape[:2] + (1,) * (len(shape) - 2)
    if like.dtype.category != dtypes.FLOATING:
        raise RuntimeError(f"result type Float can't be cast to the desired output type {title(like.dtype)}")
    return random.stream(None).below(math.prod(shape), 1 - p).reshape(shape)


def _idle(input: Any, p: float, train: bool) -> bool:
    """Whether nothing is to be dropped; raises if the arguments are wrong."""
    if not 0 <= p <= 1:
        raise RuntimeError(f"dropout probability has to be between 0 and 1, but got {p:g}")
    if not isinstance(input, Tensor):
        raise TypeError(f"dropout(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    return p == 0 or not train or input._node.spec.numel == 0


def _dropped(input: Any, p: float, train: bool, write: bool, feature: bool = False) -> Tensor:
    """`input` times a mask that is 1 / (1 - p) or 0."""
    if _idle(input, p, train):
        return input
    if p == 1:
        return input.mul_(0) if write else input * 0.0
    kind = input._node.spec.dtype.numpy.type
    scale = 1 / (1 - p) if kind is np.float64 else np.float32(1) / np.float32(1 - p)
    like = input._node.spec  # a replay of `compile` draws again, and must not hold on to the input
    noise = random.from_draws(lambda: _kept(like, p, feature) * kind(scale), like.device)
    return input.mul_(noise) if write else input * noise


def _alpha_dropped(input: Any, p: float, train: bool, write: bool, feature: bool = False) -> Tensor:
    """`a * x + b` where kept, `a * -ALPHA + b` where dropped, with the a and b that keep mean 0 and variance 1."""
    if _idle(input, p, train):
        return input
    if p == 1:
        return input.mul_(0) if write else input * 0.0
    kind = input._node.spec.dtype.numpy.type
    mask = _kept(input._node.spec, p, feature).astype(kind)
    a = 1 / math.sqrt((ALPHA * ALPHA * p + 1) * (1 - p))
    shift = from_array((mask + kind(-1)) * kind(ALPHA * a) + kind(ALPHA * a * p)).to(input.device)
    noise = from_array(mask * kind(a)).to(input.device)
    return input.mul_(noise).add_(shift) if write else input * noise + shift


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """x with each element zero with probability p, the others times 1 / (1 - p).

    x (*) -> (*); x itself unless `training`.
    """
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    return _dropped(input, p, training, inplace)


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Dropout to the left end of selu, keeping mean 0 and variance 1: x (*) -> (*).

    Klambauer et al., arXiv 1706.02515.
    """
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    return _alpha_dropped(input, p, training, inplace)


def feature_alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """alpha_dropout of whole channels: (N, C, *) -> (N, C, *)."""
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    return _alpha_dropped(input, p, training, inplace, True)


def _meant_for(n: int) -> str:
    """What dropout1d to dropout3d say of themselves when the input has other dimensions."""
    return (
        f"Note that dropout{n}d exists to provide channel-wise dropout on inputs with {n} spatial "
        f"dimension{'s' if n > 1 else ''}, a channel dimension, and an optional batch dimension "
        f"(i.e. {n + 1}D or {n + 2}D inputs)."
    )


def _warn_of_dimensions(n: int, ndim: int) -> None:
    warnings.warn(
        f"dropout{n}d: Received a {ndim}-D input to dropout{n}d, which is deprecated and will result in an error in a "
        "future release. To retain the behavior and silence this warning, please use dropout instead. " + _meant_for(n),
        stacklevel=3,
    )


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Dropout of whole channels: (N, C, L) or (C, L) -> the same. RuntimeError for other dimensions."""
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    if input.ndim not in (2, 3):
        raise RuntimeError(f"dropout1d: Expected 2D or 3D input, but received a {input.ndim}D input. " + _meant_for(1))
    return _of_channels(input, p, training, inplace, input.ndim == 2)


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Dropout of whole channels: (N, C, H, W) -> the same. A three-dimensional input is taken to be (N, C, L)."""
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    if input.ndim not in (3, 4):
        _warn_of_dimensions(2, input.ndim)
    elif input.ndim == 3:
        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout behavior is desired "
            "- input is interpreted as shape (N, C, L), where C is the channel dim. This behavior will change in a "
            "future release to interpret the input as one without a batch dimension, i.e. shape (C, H, W). To maintain "
            "the 1D channel-wise dropout behavior, please switch to using dropout1d instead.",
            stacklevel=2,
        )
    return _of_channels(input, p, training, inplace, False)


def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Dropout of whole channels: (N, C, D, H, W) or (C, D, H, W) -> the same."""
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    if input.ndim not in (4, 5):
        _warn_of_dimensions(3, input.ndim)
    return _of_channels(input, p, training, inplace, input.ndim == 4)


def _of_channels(input: Any, p: float, training: bool, inplace: bool, single: bool) -> Tensor:
    if not single:
        return _dropped(input, p, training, inplace, True)
    whole = input.unsqueeze_(0) if inplace else input.unsqueeze(0)
    out = _dropped(whole, p, training, inplace, True)
    return out.squeeze_(0) if inplace else out.squeeze(0)


def _slopes(input: Tensor, lower: float, upper: float, generator: Any) -> Tensor:
    """1 above zero, elsewhere a slope uniform in [lower, upper).

    only those are drawn, in order, in double precision.
    """
    value = np.asarray(input._value(), order="C")
    kind = np.float64 if value.dtype == np.float64 else np.float32
    low, high = float(kind(lower)), float(kind(upper))
    slope = np.ones(value.shape, kind)
    below = value <= 0
    slope[below] = random.stream(generator)._uniform53(int(below.sum())) * (high - low) + low
    return from_array(slope).to(input.device)


def rrelu(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, inplace: bool = False
) -> Tensor:
    """x above zero, `a * x` below: a is drawn from [lower, upper) if `training`, else their mean; x (*) -> (*).

    Xu et al., arXiv 1505.00853.
    """
    return (_rrelu_ if inplace else _rrelu)(input, lower, upper, training)


def _rrelu(
    input: Any, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, generator: Any = None
) -> Tensor:
    """As nn.functional.rrelu."""
    if lower > upper:
        raise RuntimeError("Lower bound should be less than or equal to the upper bound")
    if training:
        return (input * _slopes(input, lower, upper, generator)).to(input.dtype)
    return SPACES["nn.functional"]["leaky_relu"](input, (lower + upper) / 2)


def _rrelu_(
    input: Any, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, generator: Any = None
) -> Tensor:
    """As nn.functional.rrelu, written to `input`."""
    before = input.clone() if input.requires_grad else input        # its gradient reads what was there
    return input.copy_(_rrelu(before, lower, upper, training, generator))


def gumbel_softmax(logits: Any, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Tensor:
    """softmax((logits + g) / tau) along `dim` with g drawn from Gumbel's distribution; `hard`.

    one-hot, with the gradient of the soft one.

    logits (*) -> (*). Jang et al., arXiv 1611.01144.
    """
    if eps != 1e-10:
        warnings.warn("`eps` parameter is deprecated and has no effect.", stacklevel=2)
    kind = logits.dtype
    drawn = random.stream(None).exponential(tuple(logits.shape), 1.0, kind.name)
    noise = -from_array(drawn).to(logits.device).log()  # type: ignore[attr-defined]
    soft = ((logits + noise) / tau).softmax(dim)
    if not hard:
        return soft
    place = soft.detach().argmax(dim, keepdim=True)
    zeros = SPACES["torch"]["zeros_like"](logits.detach())
    return zeros.scatter_(dim, place, 1.0) - soft.detach() + soft


def _torch_form(compute: Any, name: str, feature: bool, write: bool) -> Any:
    """The function of torch itself: `train` has no default."""

    def function(input: Tensor, p: float, train: bool) -> Tensor:
        return compute(input, p, train, write, feature)

    function.__name__ = function.__qualname__ = name
    function.__module__, function.__doc__ = (
        "torch",
        f"As nn.functional's {name.rstrip('_')}" + (", written to `input`." if write else "."),
    )
    return function


def _install() -> None:
    functional, top = SPACES["nn.functional"], SPACES["torch"]
    for function in (
        dropout,
        dropout1d,
        dropout2d,
        dropout3d,
        alpha_dropout,
        feature_alpha_dropout,
        rrelu,
        gumbel_softmax,
    ):
        functional[function.__name__] = function
    functional["rrelu_"] = _rrelu_
    top["rrelu"], top["rrelu_"] = _rrelu, _rrelu_
    for name, compute, feature in (
        ("dropout", _dropped, False),
        ("feature_dropout", _dropped, True),
        ("alpha_dropout", _alpha_dropped, False),
        ("feature_alpha_dropout", _alpha_dropped, True),
    ):
        for write in (False, True):
            shown = name + "_" * write
            top[shown] = _torch_form(compute, shown, feature, write)


_install()
