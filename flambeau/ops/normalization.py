"""Normalisation: elements brought to mean 0 and variance 1 over some group of them, then scaled and shifted.

All of it rests on one picture: the input seen as (outer, groups, inner), each group having its own mean and variance.
The statistics are an operation off the tape; the gradient rules know that they depend on the input.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import dtypes
from ..graph import Spec
from ._op import S, T, composite, op
from .core import filled
from .padding import _pad_constant
from .pooling import _avg_pool

# ---- kernels: x is (outer, groups, inner); what belongs to a group is (groups,)


def _total(xp: Any, x: Any, y: Any) -> Any:
    """The sum of x * y over each group."""
    if not xp.host:
        return xp.sum(x * y, axis=(0, 2))
    if x.shape[2] == 1:
        return xp.einsum("og,og->g", x[..., 0], y[..., 0])
    return xp.vecdot(x[0], y[0]) if x.shape[0] == 1 else xp.sum(xp.vecdot(x, y), axis=0)


def _mean(xp: Any, x: Any) -> Any:
    outer, groups, inner = x.shape
    if outer * inner == 0:
        return xp.full(groups, xp.nan, dtype=x.dtype)
    if not xp.host:
        return xp.mean(x, axis=(0, 2))
    # products with ones: a third of the time of a sum
    total = (
        xp.dot(x.reshape(outer * groups, inner), xp.ones(inner, dtype=x.dtype)).reshape(outer, groups)
        if inner > 1
        else x[..., 0]
    )
    return (total[0] if outer == 1 else xp.dot(xp.ones(outer, dtype=x.dtype), total)) / x.dtype.type(outer * inner)


def _times(xp: Any, x: Any, y: Any) -> Any:
    """x * y, in the memory of the temporary x where that can be."""
    return np.multiply(x, y, out=x) if xp.host else x * y


def _plus(xp: Any, x: Any, y: Any) -> Any:
    """x + y, in the memory of the temporary x where that can be."""
    return np.add(x, y, out=x) if xp.host else x + y


def _inverse(xp: Any, statistics: Any, eps: Any) -> Any:
    """1 / standard deviation."""
    return 1 / xp.sqrt(statistics[1] + eps)


def _wide(dtype: dtypes.dtype) -> dtypes.dtype:
    return dtypes.float32 if dtype.half else dtype


@op(
    lambda input, view: input.like((2, view[1]), _wide(input.dtype)),
    api="",
    detaches=True,
    cases=[(S(2, 3, 4), (2, 3, 4), True)],
)
def _statistics(xp, input: T, view, centre):
    """Mean and variance (without correction) of each group; without `centre` zeros and the mean of squares."""
    x, count = input.reshape(view), view[0] * view[2]
    mean = _mean(xp, x) if centre else xp.zeros(view[1], dtype=input.dtype)
    c = x - mean[:, None] if centre else x
    square = _total(xp, c, c) / x.dtype.type(count) if count else xp.full(view[1], xp.nan, dtype=x.dtype)
    return xp.stack([mean, square])


def _channel(xp: Any, values: Any, view: tuple, shape: tuple) -> Any:
    """What belongs to groups, for each channel of an input (N, C, ...): (C, 1, ...) or (N, C, 1, ...)."""
    if view[0] == 1:
        values = xp.repeat(values, shape[0] * shape[1] // max(1, len(values))).reshape(shape[0], shape[1])
    return values.reshape(*values.shape, *(1,) * (len(shape) - 2))


def _spread(weight: Any, ndim: int, channels: bool) -> Any:
    """A weight in the shape in which it broadcasts."""
    return weight.reshape((*weight.shape, *(1,) * (ndim - 2))) if channels and ndim > 2 else weight


def _normalized(input: Spec, weight: Spec | None, bias: Spec | None, channels, shown) -> Spec:
    if input.dtype.category != dtypes.FLOATING:
        kernel = {"NativeLayerNorm": "LayerNormKernelImpl", "NativeGroupNorm": "GroupNormKernelImpl"}.get(
            shown, "batch_norm"
        )
        title = {
            "int64": "Long",
            "int32": "Int",
            "int16": "Short",
            "int8": "Char",
            "uint8": "Byte",
            "bool": "Bool",
            "complex64": "ComplexFloat",
            "complex128": "ComplexDouble",
        }.get(input.dtype.name, input.dtype.name)
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{title}'")
    for name, part in (("weight", weight), ("bias", bias)):
        if part is None:
            continue
        if part.dtype is not input.dtype and not (input.dtype.half and part.dtype is dtypes.float32):
            raise RuntimeError(
                "mixed dtype (CPU): expect parameter to have scalar type of "
                f"{'Double' if input.dtype.itemsize == 8 else 'Float'}"
            )
        if channels and part.shape != input.shape[1:2]:
            if shown == "NativeGroupNorm":
                raise RuntimeError(
                    f"Expected {name} to be a vector of size equal to the number of channels in input, but got {name} "
                    "of "
                    f"shape {list(part.shape)} and input of shape {list(input.shape)}"
                )
            raise RuntimeError(f"{name} should contain {input.shape[1]} elements not {part.numel}")
    return input.like()


def _reduced_to(g: Any, spec: Spec, channels: bool) -> Any:
    """A sum over all dimensions that a weight broadcasts over."""
    over = (0, *range(2, g.ndim)) if channels else tuple(range(g.ndim - spec.ndim))
    return g.sum(over) if over else g


def _weighted(g: Any, weight: Any, channels: bool) -> Any:
    return g if weight is None else g * _spread(weight, g.ndim, channels)


@op(
    _normalized,
    api="",
    shown=lambda kind: kind.env["shown"],
    grad=dict(
        input=lambda g, input, statistics, weight, view, channels, eps, centre: _norm_input(
            _weighted(g, weight, channels), input, statistics, view, eps, centre
        ),
        weight=lambda g, input, statistics, weight_spec, view, channels, eps, centre: _norm_weight(
            g, input, statistics, view, channels, weight_spec.shape, eps, centre
        ),
        bias=lambda g, bias_spec, channels: _reduced_to(g, bias_spec, channels),
    ),
)
def _normalize(
    xp,
    input: T,
    statistics: T,
    view,
    channels,
    weight: T = None,
    bias: T = None,
    eps=1e-5,
    centre=True,
    shown="Normalize",
):
    """(input - mean) / sqrt(variance + eps) * weight + bias, the statistics being those of the groups of `view`.

    With `channels` weight and bias belong to dimension 1, else to the last dimensions.
    """
    scale, mean = _inverse(xp, statistics, eps), statistics[0]
    if channels:
        scale, mean = _channel(xp, scale, view, input.shape), _channel(xp, mean, view, input.shape)
        scale = scale if weight is None else scale * _spread(weight, input.ndim, True)
        shift = -mean * scale if bias is None else _spread(bias, input.ndim, True) - mean * scale
        return _plus(xp, input * scale, shift)
    x = input.reshape(view)
    x = _times(xp, x - mean[:, None], scale[:, None]) if centre else x * scale[:, None]
    x = x.reshape(input.shape)
    x = x if weight is None else _times(xp, x, weight)
    return x if bias is None else _plus(xp, x, bias)


def _again(g, value, input, statistics, view, eps, centre):
    """The gradient of <g, _norm_input(value, input)> in the input, on which mean and deviation depend."""
    x, h, v = input.reshape(view), g.reshape(view), value.reshape(view)
    c = x - x.mean((0, 2), keepdim=True) if centre else x
    scale = 1 / ((c * c).mean((0, 2), keepdim=True) + eps).sqrt()
    unit = c * scale
    to_h = _norm_input(g, input, statistics, view, eps, centre).reshape(view)
    to_v = _norm_input(value, input, statistics, view, eps, centre).reshape(view)
    found = (
        unit * (h * to_v).mean((0, 2), keepdim=True)
        + to_h * (v * unit).mean((0, 2), keepdim=True)
        + to_v * (h * unit).mean((0, 2), keepdim=True)
    )
    return -(scale * found).reshape(input.shape)


@op(
    lambda value: value.like(),
    api="",
    shown="NativeNormBackward",
    grad=dict(
        value=lambda g, input, statistics, view, eps, centre: _norm_input(g, input, statistics, view, eps, centre),
        input=_again,
    ),
)
def _norm_input(xp, value: T, input: T, statistics: T, view, eps=1e-5, centre=True):
    """The gradient in the input of the plain normalisation: `value` less mean and part along the input, scaled."""
    x, v, count = input.reshape(view), value.reshape(view), view[0] * view[2]
    if not x.size:
        return xp.zeros(value.shape, dtype=value.dtype)
    scale = _inverse(xp, statistics, eps)
    c = x - statistics[0][:, None] if centre else +x
    along = _total(xp, v, c) * (-scale * scale / scale.dtype.type(count))
    c = _plus(xp, _times(xp, c, along[:, None]), v)
    if centre:
        c = _plus(xp, c, -_mean(xp, v)[:, None])
    return _times(xp, c, scale[:, None]).reshape(value.shape)


@op(
    lambda value, input, size, statistics: value.like(size, statistics.dtype if value.dtype.half else None),
    api="",
    shown="NativeNormWeight",
    grad=dict(
        value=lambda g, input, statistics, view, channels, eps, centre: (
            _normalize(input, statistics, view, channels, None, None, eps, centre, "Normalize")
            * _spread(g, input.ndim, channels)
        ),
        input=lambda g, value, input, statistics, view, channels, eps, centre: _norm_input(
            value * _spread(g, value.ndim, channels), input, statistics, view, eps, centre
        ),
    ),
)
def _norm_weight(xp, value: T, input: T, statistics: T, view, channels, size, eps=1e-5, centre=True):
    """The gradient in the weight: the sum of `value` times the normalised input."""
    scale, mean = _inverse(xp, statistics, eps), statistics[0]
    x, v = input.reshape(view), value.reshape(view)
    if not x.size:
        return xp.zeros(size, dtype=scale.dtype)
    c = x - mean[:, None] if centre else +x
    if channels and view[0] != 1:  # the groups are the channels
        return _total(xp, v, c) * scale
    c = _times(xp, c, v)
    if not channels and view[2] == math.prod(size) and xp.host:
        return xp.dot(scale, c[0]).reshape(size)
    c = _times(xp, c, scale[:, None]).reshape(value.shape)
    if channels:
        return xp.sum(c, axis=(0, *range(2, c.ndim)))
    return xp.sum(c.reshape(-1, *size), axis=0)


# ---- over the last dimensions


def _last(form: str, input: Any, normalized_shape: Any, weight: Any, bias: Any) -> tuple[int, int, int]:
    """The view for normalisation over the last dimensions; PyTorch's errors."""
    shape, last = tuple(input.shape), tuple(normalized_shape)
    if not last:
        raise RuntimeError(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, "
            "but got normalized_shape = []"
        )
    for name, part in (("weight", weight), ("bias", bias)):
        if part is not None and tuple(part.shape) != last:
            raise RuntimeError(
                f"Expected {name} to be of same shape as normalized_shape, but got {name} of shape {list(part.shape)} "
                f"and normalized_shape = {list(last)}"
            )
    if shape[-len(last) :] != last:
        comma = ", " if form == "layer_norm" else ""
        raise RuntimeError(
            f"Given normalized_shape={list(last)}, expected input with shape [*{comma}{', '.join(map(str, last))}], "
            f"but got input of size{list(shape)}"
        )
    return 1, math.prod(shape[: -len(last)]), math.prod(last)


@composite(
    "nn.functional",
    cases=[(S(2, 3, 4), (4,), S(4), S(4)), (S(2, 3, 4), (3, 4))],
    wrong=[
        ((S(2, 5), (4,)), RuntimeError, "expected input with shape [*, 4]"),
        ((S(2, 5), (5,), S(4)), RuntimeError, "Expected weight to be of same shape as normalized_shape"),
    ],
)
def layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-05):
    """(x - mean) / sqrt(variance + eps) * weight + bias over the last dimensions: (*, *normalized_shape) -> the same.

    RuntimeError if shapes differ. Ba, Kiros and Hinton, arXiv 1607.06450.
    """
    if isinstance(normalized_shape, int):
        normalized_shape = (normalized_shape,)
    view = _last("layer_norm", input, normalized_shape, weight, bias)
    return _normalize(input, _statistics(input, view, True), view, False, weight, bias, eps, True, "NativeLayerNorm")


@composite("", alias="torch.layer_norm")
def _layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-05, cudnn_enable=True):
    """As nn.functional.layer_norm."""
    return layer_norm(input, normalized_shape, weight, bias, eps)


@composite(
    "torch nn.functional",
    cases=[(S(2, 3, 4), (4,), S(4)), (S(2, 3, 4), (3, 4), None, 0.1)],
    wrong=[((S(2, 5), (4,)), RuntimeError, "expected input with shape [*4]")],
)
def rms_norm(input, normalized_shape, weight=None, eps=None):
    """x / sqrt(mean of x ** 2 + eps) * weight over the last dimensions. Zhang and Sennrich, arXiv 1910.07467."""
    view = _last("rms_norm", input, normalized_shape, weight, None)
    if eps is None:
        eps = 2.0**-52 if input.dtype in (dtypes.float64, dtypes.complex128) else 2.0**-23
    if input.dtype.is_complex:
        found = input / ((input * input).mean(tuple(range(-len(normalized_shape), 0)), keepdim=True) + eps).sqrt()
        return found if weight is None else found * weight
    return _normalize(input, _statistics(input, view, False), view, False, weight, None, eps, False, "Mul")


# ---- over channels


def _grouped(input: Any, groups: int) -> tuple[int, int, int]:
    shape = tuple(input.shape)
    return 1, shape[0] * groups, shape[1] // groups * math.prod(shape[2:])


@composite(
    "nn.functional",
    cases=[(S(2, 4, 3), 2, S(4), S(4)), (S(2, 4, 3, 2), 4)],
    wrong=[
        ((S(2, 5), 2), RuntimeError, "divisible by num_groups"),
        ((S(5), 2), RuntimeError, "at least 2 dimensions"),
        ((S(1, 4), 4), ValueError, "Expected more than 1 value per channel"),
    ],
)
def group_norm(input, num_groups, weight=None, bias=None, eps=1e-05):
    """(x - mean) / sqrt(variance + eps) over groups of an image's channels, scaled and shifted: (N, C, *) -> the same.

    RuntimeError unless `num_groups` divides C. Wu and He, arXiv 1803.08494.
    """
    shape = tuple(input.shape)
    if len(shape) < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {len(shape)}")
    if shape[0] * shape[1] // num_groups * math.prod(shape[2:]) == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {list(shape)}")
    return _group_norm(input, num_groups, weight, bias, eps)


@composite("", alias="torch.group_norm")
def _group_norm(input, num_groups, weight=None, bias=None, eps=1e-05, cudnn_enabled=True):
    """As nn.functional.group_norm, groups of one element allowed."""
    if input.shape[1] % num_groups:
        raise RuntimeError(
            "Expected number of channels in input to be divisible by num_groups, but got input of shape "
            f"{list(input.shape)} "
            f"and num_groups={num_groups}"
        )
    view = _grouped(input, num_groups)
    return _normalize(input, _statistics(input, view, True), view, True, weight, bias, eps, True, "NativeGroupNorm")


@op(lambda running: running.like(), api="", detaches=True, cases=[(S(3), S(2, 3), 0.1, 0, 4)])
def _running(xp, running: T, statistics: T, momentum=0.1, row=0, count=1):
    """A running mean (row 0) or variance (row 1) moved toward new statistics; if of several images, their average."""
    new = statistics[row].reshape(max(1, statistics.shape[1] // max(1, running.size)), running.size).mean(0)
    new = new * (count / max(count - 1, 1)) if row else new
    return ((1 - momentum) * running + momentum * new).astype(running.dtype)


def _follow(running_mean: Any, running_var: Any, statistics: Any, momentum: float, count: int) -> None:
    """Updates running statistics in place."""
    for row, running in enumerate((running_mean, running_var)):
        if running is not None:
            running.copy_(_running(running, statistics, float(momentum), row, count))


def _sized(name: str, value: Any, count: int) -> None:
    if value is not None and tuple(value.shape) != (count,):
        raise RuntimeError(f"{name} should contain {count} elements not {math.prod(value.shape)}")


@composite("", alias="torch.batch_norm", cases=[(S(3, 2, 4), S(2), S(2), None, None, True, 0.1, 1e-5, True)])
def _batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps, cudnn_enabled=True):
    """As nn.functional.batch_norm, one value per channel allowed."""
    shape = tuple(input.shape)
    channels = shape[1] if len(shape) > 1 else 0
    for name, value in (
        ("running_mean", running_mean),
        ("running_var", running_var),
        ("weight", weight),
        ("bias", bias),
    ):
        if value is not None:
            _sized(name, value, channels)
        elif not training and name.startswith("running"):
            raise RuntimeError(f"{name} must be defined in evaluation mode")
    if not training:
        return _batch_norm_fixed(input, running_mean, running_var, weight, bias, eps)
    view = (shape[0], channels, math.prod(shape[2:]))
    statistics = _statistics(input, view, True)
    count = view[0] * view[2]
    if count:                                           # an empty batch changes nothing
        _follow(running_mean, running_var, statistics, momentum, count)
    return _normalize(input, statistics, view, True, weight, bias, eps, True, "NativeBatchNorm")


@composite(
    "nn.functional",
    cases=[(S(3, 2, 4), S(2), S(2), S(2), S(2)), (S(3, 2), None, None, S(2), S(2), True)],
    wrong=[
        ((S(1, 4), S(4), S(4), None, None, True), ValueError, "Expected more than 1 value per channel when training"),
        ((S(2, 4), S(3), S(4)), RuntimeError, "running_mean should contain 4 elements not 3"),
    ],
)
def batch_norm(input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-05):
    """(x - mean) / sqrt(variance + eps) * weight + bias for each channel: (N, C, *) -> the same.

    In training the statistics are the batch's, and the running ones move toward them in place; else those are used.
    RuntimeError if a size differs. Ioffe and Szegedy, arXiv 1502.03167.
    """
    if training and input.shape[0] * math.prod(input.shape[2:]) == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {input.shape}")
    if training and eps <= 0.0:
        raise ValueError(f"batch_norm eps must be positive during training, but got {eps}")
    if eps < 0.0:
        raise ValueError(f"batch_norm eps must be non-negative, but got {eps}")
    return _batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps)


def _fixed(input: Spec, running_mean: Spec, running_var: Spec, weight: Spec | None, bias: Spec | None) -> Spec:
    return _normalized(input, weight, bias, True, "NativeBatchNorm")


@op(
    _fixed,
    api="",
    shown="NativeBatchNorm",
    cases=[(S(3, 2, 4), S(2), S(2), S(2), S(2), 1e-5)],
    grad=dict(
        input=lambda g, running_var, weight, eps: g * _spread(_slope(running_var, weight, eps), g.ndim, True),
        weight=lambda g, input, running_mean, running_var, eps: (
            _reduced_to(g * (input - _spread(running_mean, g.ndim, True)), running_mean.spec, True)
            * _slope(running_var, None, eps)
        ),
        running_mean=lambda g, running_mean_spec, running_var, weight, eps: (
            -_reduced_to(g, running_mean_spec, True) * _slope(running_var, weight, eps)
        ),
        running_var=lambda g, input, running_mean, running_var, weight, eps: (
            _reduced_to(g * (input - _spread(running_mean, g.ndim, True)), running_mean.spec, True)
            * _slope(running_var, weight, eps)
            / (-2 * (running_var + eps))
        ),
        bias=lambda g, bias_spec: _reduced_to(g, bias_spec, True),
    ),
)
def _batch_norm_fixed(xp, input: T, running_mean: T, running_var: T, weight: T = None, bias: T = None, eps=1e-5):
    """(input - running_mean) / sqrt(running_var + eps) * weight + bias, by channel."""
    scale = 1 / xp.sqrt(running_var + eps)
    scale = scale if weight is None else scale * weight
    shift = -running_mean * scale if bias is None else bias - running_mean * scale
    return _plus(xp, input * _spread(scale, input.ndim, True), _spread(shift, input.ndim, True))


def _slope(running_var, weight, eps):
    return (1 if weight is None else weight) / (running_var + eps).sqrt()


def _as_kept(found, statistics, weight, eps, shape):
    """A result with its mean and 1 / standard deviation, in 16 bits only if the weight is."""
    dtype = found.dtype if weight is None or weight.dtype is found.dtype else statistics.dtype
    return found, statistics[0].reshape(shape).to(dtype), (1 / (statistics[1] + eps).sqrt()).reshape(shape).to(dtype)


@composite("torch", cases=[(S(2, 3), (3,), S(3), S(3), 1e-5)])
def native_layer_norm(input, normalized_shape, weight, bias, eps):
    """layer_norm, and the mean and 1 / standard deviation that it used."""
    view = _last("layer_norm", input, normalized_shape, weight, bias)
    statistics = _statistics(input, view, True)
    found = _normalize(input, statistics, view, False, weight, bias, eps, True, "NativeLayerNorm")
    kept = (*input.shape[: input.ndim - len(normalized_shape)], *(1,) * len(normalized_shape))
    return _as_kept(found, statistics, weight, eps, kept)


@composite("torch", cases=[(S(2, 3, 4), S(3), S(3), None, None, True, 0.1, 1e-5)])
def native_batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps):
    """batch_norm, and the mean and 1 / standard deviation of the batch (empty unless `training`)."""
    found = _batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps)
    if not training:
        return found, filled(input, (0,), 0), filled(input, (0,), 0)
    statistics = _statistics(input, (input.shape[0], input.shape[1], math.prod(input.shape[2:])), True)
    return _as_kept(found, statistics, weight, eps, (input.shape[1],))


@composite("torch", cases=[(S(2, 4, 3), S(4), S(4), 2, 4, 3, 2, 1e-5)])
def native_group_norm(input, weight, bias, N, C, HxW, group, eps):
    """group_norm of N images with C channels of HxW elements, and the mean and 1 / standard deviation of each group."""
    found = _group_norm(input, group, weight, bias, eps)
    x = input.reshape((N, group, C // group * HxW))
    mean = x.mean(2, keepdim=True)
    deviation = (((x - mean) ** 2).mean(2) + eps).sqrt()
    return found, mean.reshape((N, group)), 1 / deviation


@composite("", alias="torch.instance_norm")
def _instance_norm(input, weight, bias, running_mean, running_var, use_input_stats, momentum, eps, cudnn_enabled=True):
    """As nn.functional.instance_norm, one element per channel allowed."""
    if not use_input_stats and (running_mean is None or running_var is None):
        raise RuntimeError("Expected running_mean and running_var to be defined when use_input_stats is false")
    shape = tuple(input.shape)
    for name, value in (
        ("running_mean", running_mean),
        ("running_var", running_var),
        ("weight", weight),
        ("bias", bias),
    ):
        if value is not None and tuple(value.shape) != (shape[1],):
            raise RuntimeError(
                f"{name} should contain {shape[0] * shape[1]} elements not {shape[0] * math.prod(value.shape)}"
            )
    if not use_input_stats:
        return _batch_norm_fixed(input, running_mean, running_var, weight, bias, eps)
    view = _grouped(input, shape[1])
    statistics = _statistics(input, view, True)
    _follow(running_mean, running_var, statistics, momentum, view[2])
    return _normalize(input, statistics, view, True, weight, bias, eps, True, "NativeBatchNorm")


@composite(
    "nn.functional",
    cases=[(S(2, 3, 4), None, None, S(3), S(3)), (S(2, 3, 4, 2),)],
    wrong=[((S(2, 4, 1),), ValueError, "Expected more than 1 spatial element when training")],
)
def instance_norm(
    input, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True, momentum=0.1, eps=1e-05
):
    """(x - mean) / sqrt(variance + eps) for each channel of each image, then scaled and shifted: (N, C, *) -> the same.

    Ulyanov, Vedaldi and Lempitsky, arXiv 1607.08022.
    """
    if use_input_stats and math.prod(input.shape[2:]) == 1:
        raise ValueError(f"Expected more than 1 spatial element when training, got input size {input.shape}")
    return _instance_norm(input, weight, bias, running_mean, running_var, use_input_stats, momentum, eps)


# ---- by neighbours and by norms


@composite("nn.functional", cases=[(S(2, 5, 3), 3), (S(1, 4, 2, 3), 2, 0.1, 0.5, 2.0)])
def local_response_norm(input, size, alpha=0.0001, beta=0.75, k=1.0):
    """x / (k + alpha * mean of x ** 2 over `size` neighbouring channels) ** beta: (N, C, *) -> the same.

    Krizhevsky, Sutskever and Hinton, ImageNet classification with deep convolutional neural networks, 2012.
    """
    if input.ndim < 3:
        raise ValueError(
            f"Expected 3D or higher dimensionality                          input (got {input.ndim} dimensions)"
        )
    if math.prod(input.shape) == 0:
        return input
    squares = _pad_constant((input * input).transpose(1, -1), (size // 2, (size - 1) // 2), 0)
    lead = tuple(squares.shape[:-1])
    squares = squares.reshape((math.prod(lead), 1, squares.shape[-1]))
    mean = _avg_pool(squares, 1, size, 1, 0, False, True, None).reshape((*lead, input.shape[1]))
    return input / ((mean.transpose(1, -1) * alpha + k) ** beta)


@composite("nn.functional", cases=[(S(2, 3),), (S(2, 3), 1, 0)])
def normalize(input, p=2.0, dim=1, eps=1e-12, out=None):
    """x / max(norm of x along `dim`, eps), the norm being the p-norm."""
    norm = input.norm(p, dim, keepdim=True).clamp_min(eps)
    found = input / norm.expand_as(input)
    return found if out is None else out.copy_(found)
