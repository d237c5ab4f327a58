"""Losses for classes: cross-entropy from logits, negative log-likelihood, and their binary kin."""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..graph import Kind, Spec
from ._losses import check_reduction, legacy, refuse_weight, shared_out, size_of, total
from ._op import NUMBERS, S, T, composite, op
from ._rules import broadcast_shapes, need_floating, title
from .activation import _log_softmax, _softmax, _softmax_backward
from .core import filled
from .linalg import linear

# ---- what both index losses know of their targets


def check_target(input: Spec, target: Spec, weight: Spec | None, kernel: str) -> None:
    """Raises PyTorch's errors unless `target` holds one class index for each place of `input` (N, C, ...)."""
    a, b = input.shape, target.shape
    if not a:
        raise ValueError("Expected 1 or more dimensions (got 0)")
    if len(a) == 1 and len(b) == 1 and b[0] != 1:
        raise ValueError(f"For 1D input, 1D target must have size 1, but got target size: {b[0]}")
    if len(a) != 1 and (not b or a[0] != b[0]):
        raise ValueError(f"Expected input batch_size ({a[0]}) to match target batch_size ({b[0] if b else 0}).")
    if len(a) <= 2 and len(b) > 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if len(a) == 4 and len(b) != 3:
        raise RuntimeError(
            f"only batches of spatial targets supported (3D tensors) but got targets of dimension: {len(b)}"
        )
    if len(a) > 2 and (a[0], *a[2:]) != b:
        if len(a) == 4:
            raise RuntimeError(f"size mismatch (got input: {list(a)} , target: {list(b)}")
        raise RuntimeError(f"Expected target size {[a[0], *a[2:]]}, got {list(b)}")
    need_floating(kernel, input)
    if target.dtype not in (dtypes.int64, dtypes.uint8):
        raise RuntimeError(f"expected target dtype to be Long or Byte, but got {title(target.dtype)}")
    if weight is not None:
        refuse_weight("nll_loss_forward", weight)
        classes = a[1] if len(a) > 1 else a[0]
        if weight.shape != (classes,):
            raise RuntimeError(
                f"weight tensor should be defined either for all {classes} classes or no classes but got weight "
                f"tensor of shape: {list(weight.shape)}"
            )
        if weight.dtype is not input.dtype:
            raise RuntimeError(f"expected scalar type {title(input.dtype)} but found {title(weight.dtype)}")


def _per_place(input: Spec, target: Spec, reduction: str) -> Spec:
    check_reduction(reduction)
    return input.like(target.shape if reduction == "none" and input.ndim > 1 else ())


def class_axis(x: Any) -> int:
    """Where the classes lie: dimension 1, or 0 of a single vector."""
    return 1 if x.ndim > 1 else 0


def labels(xp: Any, target: Any, weight: Any, ignore_index: int, classes: int, floating: Any) -> tuple[Any, Any, Any]:
    """Each place's class (0 where it is ignored), its factor (None: all 1), and the sum of the factors.

    Refuses a class that does not exist with PyTorch's IndexError.
    """
    if target.dtype != "int64":
        target = target.astype("int64")
    factor = None
    if (
        not 0 <= ignore_index < classes
        and xp.host
        and target.size
        and xp.maximum.reduce(target.ravel().view("uint64")) < classes
    ):
        index, count = target, target.size  # nothing ignored, nothing out of range: the usual case
    else:
        valid = target != ignore_index
        index = xp.where(valid, target, 0)
        wrong = valid & ((target < 0) | (target >= classes))
        xp.refuse(
            wrong,
            lambda: IndexError(f"Target {target[wrong].flat[0] if target.ndim else target} is out of bounds."),
        )
        factor = valid.astype(floating)
        count = total(xp, factor)
    if weight is not None:
        taken = weight[index]
        factor = taken if factor is None else factor * taken
        count = total(xp, factor)
    return index, factor, count


def at_class(xp: Any, x: Any, index: Any) -> Any:
    """The element of `x` (N, C, ...) at each place's class."""
    if x.ndim == 1:
        return x[index.reshape(())]
    if x.ndim == 2:
        return x[xp.arange(len(index)), index]
    return xp.take_along_axis(x, index[:, None], 1)[:, 0]


def at_class_add(xp: Any, x: Any, index: Any, value: Any) -> Any:
    """`x` with `value` added at each place's class; `x` is new and may be written to."""
    if not xp.host:  # part of the pass that makes `x`, where adding at positions would be another
        axis = class_axis(x)
        here = xp.arange(x.shape[axis]).reshape(-1, *(1,) * (x.ndim - axis - 1)) == xp.expand_dims(
            xp.reshape(index, [s for i, s in enumerate(x.shape) if i != axis]), axis
        )
        value = xp.asarray(value, x.dtype)
        if value.ndim:
            value = xp.expand_dims(xp.reshape(value, [s for i, s in enumerate(x.shape) if i != axis]), axis)
        return x + xp.where(here, value, xp.zeros((), x.dtype))
    if x.ndim == 1:
        key: Any = index.reshape(())
        value = value if xp.ndim(value) == 0 else value.reshape(())
    elif x.ndim == 2:
        key = xp.arange(len(index)), index
    else:
        key = (
            *(xp.arange(n).reshape((-1,) + (1,) * (index.ndim - 1 - i)) for i, n in enumerate(index.shape[:1])),
            index,
            *(xp.arange(n).reshape((-1,) + (1,) * (index.ndim - 2 - i)) for i, n in enumerate(index.shape[1:])),
        )
    x[key] += value  # a place has one class: no position comes twice
    return x


# ---- negative log-likelihood


def _planar(kind: Kind) -> str:
    return "NllLoss2D" if kind.env["spatial"] else "NllLoss"


def _nll_spec(input: Spec, target: Spec, weight: Spec | None, reduction: str) -> Spec:
    check_target(input, target, weight, "nll_loss_out_frame")
    return _per_place(input, target, reduction)


@op(
    _nll_spec,
    api="",
    checks=True,
    shown=_planar,
    cases=[(S(4, 3), S(4, dtype="int64"), None, "mean", -100, False)],
    grad=dict(
        input=lambda g, input_spec, target, weight, reduction, ignore_index: _nll_backward(
            g, target, weight, input_spec.shape, reduction, ignore_index
        )
    ),
)
def _nll_loss(xp, input: T, target: T, weight: T = None, reduction="mean", ignore_index=-100, spatial=False):
    """-input at each place's class, times the class's weight; "mean" divides by the sum of the weights."""
    classes = input.shape[class_axis(input)]
    index, factor, count = labels(xp, target, weight, ignore_index, classes, input.dtype)
    loss = -at_class(xp, input, index) if target.size else xp.zeros(target.shape, input.dtype)
    if factor is not None:
        loss = loss * factor.reshape(loss.shape)
    return loss if reduction == "none" else total(xp, loss) if reduction == "sum" else total(xp, loss) / count


@op(
    lambda input, size: input.like(size),
    api="",
    checks=True,
    grad=lambda g, target, weight, reduction, ignore_index: _nll_loss(g, target, weight, reduction, ignore_index),
    cases=[(S(), S(4, dtype="int64"), None, (4, 3), "mean", -100)],
)
def _nll_backward(xp, input: T, target: T, weight: T = None, size=(), reduction="mean", ignore_index=-100):
    """The gradient of nll_loss: `-input` at each place's class, weighted and divided as there."""
    classes = size[1 if len(size) > 1 else 0]
    index, factor, count = labels(xp, target, weight, ignore_index, classes, input.dtype)
    share = -input if factor is None else -input * factor
    if reduction == "mean":
        share = share / count
    return at_class_add(xp, xp.zeros(size, input.dtype), index, share)


@composite("nn.functional", cases=[(S(4, 3), S(4, dtype="int64"))])
def nll_loss(input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean"):
    """-input at each place's class: input (N, C, ...), target (N, ...) -> (), or (N, ...) with reduction "none".

    Raises IndexError for a target that is no class.
    """
    if size_average is not None or reduce is not None:
        reduction = legacy(size_average, reduce, reduction)
    return _nll_loss(input, target, weight, reduction, ignore_index, len(size_of(input)) > 2)


# ---- cross-entropy with class indices


def _cross_spec(input: Spec, target: Spec, weight: Spec | None, reduction: str) -> Spec:
    if input.ndim:
        last = input.ndim <= 2
        need_floating(f"log_softmax_{'lastdim_' if last else ''}kernel_impl", input)
    check_target(input, target, weight, "nll_loss_out_frame")
    return _per_place(input, target, reduction)


def _smoothed(kind: Kind) -> str:
    return "Add" if kind.env["label_smoothing"] else _planar(kind)


def _log_sums(xp: Any, input: Any, axis: int) -> tuple[Any, Any]:
    """`input` shifted by its maximum, and the logarithm of the sum of its exponentials, along `axis`."""
    if not xp.host:
        x = input - xp.max(input, axis=axis, keepdims=True)
        return x, xp.log(xp.sum(xp.exp(x), axis=axis, keepdims=True))
    x = input - xp.maximum.reduce(input, axis=axis, keepdims=True)
    return x, xp.log(xp.add.reduce(xp.exp(x), axis=axis, keepdims=True))


def _along_classes(xp: Any, weight: Any, x: Any) -> Any:
    """A value for each class, shaped to multiply `x` (N, C, ...)."""
    return weight if x.ndim < 3 else weight.reshape((-1,) + (1,) * (x.ndim - 2))


@op(
    _cross_spec,
    api="",
    checks=True,
    shown=_smoothed,
    static="label_smoothing",
    cases=[
        (S(4, 3), S(4, dtype="int64"), None, "mean", 1, 0.1, False),
        (S(2, 3, 5), S(2, 5, dtype="int64"), None, "none", -100, 0.0, True),
    ],
    grad=dict(
        input=lambda g, input, target, weight, reduction, ignore_index, label_smoothing: _cross_backward(
            g, input, target, weight, reduction, ignore_index, label_smoothing
        )
    ),
)
def _cross_entropy(
    xp, input: T, target: T, weight: T = None, reduction="mean", ignore_index=-100, label_smoothing=0.0, spatial=False
):
    """-log(softmax(input)) at each place's class, computed together; `label_smoothing` spreads part over all."""
    axis = class_axis(input)
    classes = input.shape[axis]
    index, factor, count = labels(xp, target, weight, ignore_index, classes, input.dtype)
    if not target.size:
        loss = xp.zeros(target.shape, input.dtype)
    else:
        x, sums = _log_sums(xp, input, axis)
        picked = at_class(xp, x, index)
        loss = sums.reshape(picked.shape) - picked
        if factor is not None:
            loss = loss * factor.reshape(loss.shape)
        if label_smoothing:
            x = sums - x
            x = (x if weight is None else x * _along_classes(xp, weight, x)).sum(axis=axis)
            if factor is not None:
                x = xp.where((target != ignore_index).reshape(x.shape), x, 0)
            loss = (1 - label_smoothing) * loss + (label_smoothing / classes) * x
    return loss if reduction == "none" else total(xp, loss) if reduction == "sum" else total(xp, loss) / count


def _cross_to_g(g, input, other, target, weight, reduction, ignore_index, label_smoothing):
    ones = filled(input, input.shape, 1)
    values = g * _cross_backward(ones, other, target, weight, reduction, ignore_index, label_smoothing)
    return values.sum(class_axis(other)) if reduction == "none" and other.ndim > 1 else values.sum()


def _cross_second(g, input, other, target, weight, reduction, ignore_index, label_smoothing):
    axis = class_axis(other)
    scale = _cross_scale(input, target, weight, other.shape, reduction, ignore_index, label_smoothing)
    return _softmax_backward(g * scale, _softmax(other, axis), axis)


def _cross_backward_spec(input: Spec, other: Spec) -> Spec:
    return other.like()


@op(
    _cross_backward_spec,
    api="",
    checks=True,
    static="label_smoothing",
    grad=dict(input=_cross_to_g, other=_cross_second),
    cases=[
        (S(), S(4, 3), S(4, dtype="int64"), None, "mean", 1, 0.1),
        (S(2, 5), S(2, 3, 5), S(2, 5, dtype="int64"), None, "none"),
    ],
)
def _cross_backward(
    xp, input: T, other: T, target: T, weight: T = None, reduction="mean", ignore_index=-100, label_smoothing=0.0
):
    """The gradient of cross-entropy at the logits `other`: softmax minus the wanted distribution, times `input`."""
    if not target.size:
        return xp.zeros_like(other)
    axis = class_axis(other)
    classes = other.shape[axis]
    index, factor, count = labels(xp, target, weight, ignore_index, classes, other.dtype)
    share = input / count if reduction == "mean" else input  # a scalar, or one for each place
    if factor is not None:
        share = share * factor
    if xp.host:
        p = other - xp.maximum.reduce(other, axis=axis, keepdims=True)
        xp.exp(p, out=p)
        norm = xp.add.reduce(p, axis=axis, keepdims=True)
    else:
        p = xp.exp(other - xp.max(other, axis=axis, keepdims=True))
        norm = xp.sum(p, axis=axis, keepdims=True)
    if not label_smoothing:
        mass = share
    else:
        valid = (input / count if reduction == "mean" else input) * (
            (target != ignore_index) if factor is not None else 1
        )
        spread = valid * (label_smoothing / classes)
        share = share * (1 - label_smoothing)
        mass = share + spread * (classes if weight is None else total(xp, weight))
    if xp.ndim(mass) == 0 or other.ndim == 1:
        p = p * (xp.reshape(mass, ()) / norm)
    else:
        p = p * (xp.expand_dims(mass, 1) / norm)
    if label_smoothing:
        each = xp.expand_dims(spread, 1) if xp.ndim(spread) and other.ndim > 1 else xp.reshape(spread, ())
        p = p - each * (1 if weight is None else _along_classes(xp, weight, other))
    return at_class_add(xp, p, index, -share)


def _scale_spec(input: Spec, size: tuple) -> Spec:
    return input.like((size[0], 1, *size[2:]) if len(size) > 1 else (1,))


def _scale_to_g(g, input, target, weight, size, reduction, ignore_index, label_smoothing):
    ones = filled(input, input.shape, 1)
    values = g * _cross_scale(ones, target, weight, size, reduction, ignore_index, label_smoothing)
    return values.sum(1) if reduction == "none" and len(size) > 1 else values.sum()


@op(
    _scale_spec,
    api="",
    checks=True,
    static="label_smoothing",
    grad=_scale_to_g,
    cases=[(S(), S(4, dtype="int64"), None, (4, 3), "mean", 1, 0.1)],
)
def _cross_scale(
    xp, input: T, target: T, weight: T = None, size=(), reduction="mean", ignore_index=-100, label_smoothing=0.0
):
    """`input` times what each place's wanted distribution sums to, divided as the reduction says: (N, 1, ...)."""
    classes = size[1 if len(size) > 1 else 0]
    index, factor, count = labels(xp, target, weight, ignore_index, classes, input.dtype)
    share = input / count if reduction == "mean" else input
    ones = xp.ones(target.shape, input.dtype)
    mass = ones if factor is None else factor
    if label_smoothing:
        every = ones if factor is None else (target != ignore_index).astype(input.dtype)
        mass = (1 - label_smoothing) * mass + (label_smoothing / classes) * (
            classes if weight is None else total(xp, weight)
        ) * every
    mass = mass * share
    return xp.expand_dims(mass, 1) if len(size) > 1 else xp.reshape(mass, (1,))


# ---- cross-entropy with probabilities


def _soft_spec(input: Spec, target: Spec, weight: Spec | None, reduction: str) -> Spec:
    need_floating(f"log_softmax_{'lastdim_' if input.ndim <= 2 else ''}kernel_impl", input)
    classes = input.shape[1 if input.ndim > 1 else 0]
    if weight is not None and weight.shape != (classes,):
        raise RuntimeError(
            f"cross_entropy: weight tensor should be defined either for all {classes} classes or no classes but "
            f"got weight tensor of shape: {list(weight.shape)}"
        )
    check_reduction(reduction)
    return input.like((input.shape[0], *input.shape[2:]) if reduction == "none" and input.ndim > 1 else ())


def _places(x: Any) -> int:
    """How many distributions `x` (N, C, ...) holds."""
    count = x.shape[0] if x.ndim > 1 else 1
    for n in x.shape[2:]:
        count *= n
    return count


def _soft_share(g, input, reduction):
    g = shared_out(g, _places(input), reduction)
    return g.unsqueeze(1) if g.ndim and input.ndim > 1 else g


def _soft_wanted(input, target, weight, label_smoothing):
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / input.shape[class_axis(input)]
    if weight is None:
        return target
    return target * (weight if input.ndim < 3 else weight.reshape((-1,) + (1,) * (input.ndim - 2)))


def _soft_grad(g, input, target, weight, reduction, label_smoothing):
    wanted = _soft_wanted(input, target, weight, label_smoothing)
    return _soft_backward(_soft_share(g, input, reduction), input, wanted)


def _soft_to_target(g, input, target, weight, reduction, label_smoothing):
    slope = -_log_softmax(input, class_axis(input)) * _soft_share(g, input, reduction) * (1 - label_smoothing)
    return (
        slope
        if weight is None
        else slope * (weight if input.ndim < 3 else weight.reshape((-1,) + (1,) * (input.ndim - 2)))
    )


def _soft_to_weight(g, input, target, reduction, label_smoothing):
    wanted = _soft_wanted(input, target, None, label_smoothing)
    slope = -_log_softmax(input, class_axis(input)) * _soft_share(g, input, reduction) * wanted
    return slope.sum(tuple(i for i in range(input.ndim) if i != class_axis(input))) if input.ndim > 1 else slope


@op(
    _soft_spec,
    promote="input target weight",
    api="",
    static="label_smoothing",
    shown=lambda kind: "Div" if kind.env["reduction"] == "mean" else "Neg",
    grad=dict(input=_soft_grad, target=_soft_to_target, weight=_soft_to_weight),
    cases=[(S(4, 3), S(4, 3), S(3), "mean", 0.1), (S(2, 3, 5), S(2, 3, 5), None, "none", 0.0)],
)
def _cross_entropy_soft(xp, input: T, target: T, weight: T = None, reduction="mean", label_smoothing=0.0):
    """-sum over classes of target * log(softmax(input)), weighted; "mean" divides by the number of distributions."""
    axis = class_axis(input)
    if not input.size:
        loss = xp.zeros((input.shape[0], *input.shape[2:]) if input.ndim > 1 else (), input.dtype)
    else:
        x, sums = _log_sums(xp, input, axis)
        wanted = target
        if label_smoothing:
            wanted = target * (1 - label_smoothing) + label_smoothing / input.shape[axis]
        if weight is not None:
            wanted = wanted * _along_classes(xp, weight, input)
        loss = (wanted * (sums - x)).sum(axis=axis)
    return loss if reduction == "none" else total(xp, loss) if reduction == "sum" else total(xp, loss) / _places(input)


@op(
    lambda input, other, target: other.like(broadcast_shapes(input.shape, other.shape)),
    api="",
    cases=[(S(4, 1), S(4, 3), S(4, 3)), (S(), S(3), S(3))],
    grad=dict(
        input=lambda g, other, target: g * _soft_backward(filled(g, (), 1), other, target),
        other=lambda g, input, other, target: _softmax_backward(
            g * (input * target.sum(class_axis(other), True)), _softmax(other, class_axis(other)), class_axis(other)
        ),
        target=lambda g, input, other: (
            (_softmax(other, class_axis(other)) * g).sum(class_axis(other), True) * input - g * input
        ),
    ),
)
def _soft_backward(xp, input: T, other: T, target: T):
    """The gradient of cross-entropy at the logits `other`: (softmax * sum(target) - target) * input."""
    axis = class_axis(other)
    p = xp.exp(other - xp.max(other, axis=axis, keepdims=True)) if other.size else other
    return (p * (xp.sum(target, axis=axis, keepdims=True) / xp.sum(p, axis=axis, keepdims=True)) - target) * input


@composite("nn.functional", cases=[(S(4, 3), S(4, dtype="int64")), (S(4, 3), S(4, 3), {"label_smoothing": 0.1})])
def cross_entropy(
    input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean", label_smoothing=0.0
):
    """-log(softmax(input)) at each place's class, or its mean under a distribution over the classes.

    input (N, C, ...), target (N, ...) of class indices or (N, C, ...) of probabilities -> (), or (N, ...) with
    reduction "none". Raises IndexError for a target that is no class.
    """
    if size_average is not None or reduce is not None:
        reduction = legacy(size_average, reduce, reduction)
    if label_smoothing and not 0 <= label_smoothing <= 1:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing:g}")
    for place, operand in enumerate((input, target)):
        if isinstance(operand, NUMBERS):
            name = ("input", "target")[place]
            raise TypeError(
                f"cross_entropy_loss(): argument '{name}' (position {place + 1}) must be Tensor, "
                f"not {type(operand).__name__}"
            )
    shape = size_of(input)
    if shape != size_of(target):
        return _cross_entropy(input, target, weight, reduction, ignore_index, label_smoothing, len(shape) > 2)
    if not shape:
        raise RuntimeError(
            f"Expected floating point type for target with class probabilities, got {title(target.dtype)}"
            if target.dtype.category != dtypes.FLOATING
            else "Expected 1 or more dimensions (got 0)"
        )
    if target.dtype.category != dtypes.FLOATING:
        raise RuntimeError(
            f"Expected floating point type for target with class probabilities, got {title(target.dtype)}"
        )
    if ignore_index >= 0:
        raise RuntimeError("ignore_index is not supported for floating point target")
    return _cross_entropy_soft(input, target, weight, reduction, label_smoothing)


@composite(
    "nn.functional", cases=[(S(4, 5), S(3, 5), S(4, dtype="int64")), (S(2, 5), S(3, 4, 5), S(2, 4, dtype="int64"))]
)
def linear_cross_entropy(
    input,
    linear_weight,
    target,
    *,
    linear_bias=None,
    weight=None,
    reduction="mean",
    ignore_index=None,
    label_smoothing=0.0,
    options=None,
):
    """Cross-entropy of the logits `input @ linear_weight.T + linear_bias`: input (N, F), linear_weight (C, ..., F).

    target as in cross_entropy. `options`, which in PyTorch choose how to save memory, change nothing here.
    """
    if input.ndim not in (1, 2):
        raise RuntimeError(f"expected input with dimensionality 1 or 2, got {input.ndim}")
    if linear_weight.ndim < 2:
        raise RuntimeError(f"expected linear_weight with dimensionality at least 2, got {linear_weight.ndim}")
    features, shape = size_of(input)[-1], size_of(linear_weight)
    if features != shape[-1]:
        raise RuntimeError(
            "expected equal input and linear_weight last dimensions (in_features), got "
            f"{features} and {shape[-1]}, respectively"
        )
    if len(shape) > 2 and input.ndim == 1:
        raise RuntimeError(
            f"K-dimensional loss defined by linear_weight shape {shape} requires batched input, (N, {features}), "
            f"got unbatched input with shape {size_of(input)}"
        )
    if linear_bias is not None and size_of(linear_bias) != shape[:-1]:
        raise RuntimeError(f"expected linear_bias shape {shape[:-1]}, got {size_of(linear_bias)}")
    if ignore_index is not None and target.dtype.category == dtypes.FLOATING:
        raise RuntimeError("ignore_index cannot be specified when target contains probabilities")
    if len(shape) > 2:
        flat = None if linear_bias is None else linear_bias.reshape((-1,))
        logits = linear(input, linear_weight.reshape((-1, features)), flat).reshape((size_of(input)[0], *shape[:-1]))
    else:
        logits = linear(input, linear_weight, linear_bias)
    return cross_entropy(
        logits, target, weight, None, -100 if ignore_index is None else ignore_index, None, reduction, label_smoothing
    )
