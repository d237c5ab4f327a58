"""Losses that ask for a margin: between classes, pairs, triplets."""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..graph import Spec
from ._checks import outside
from ._losses import check_reduction, finish, gathered, legacy, reduced_spec, refuse_weight, shared_out, size_of, total
from ._op import S, T, composite, op
from ._rules import title
from .activation import relu, relu_backward
from .comparison import minimum, where
from .core import filled

ROWS, CLASSES = S(4, 3), S(4, dtype="int64")


@composite("nn.functional", cases=[(S(2, 3), S(2, 3))])
def hinge_embedding_loss(input, target, margin=1.0, size_average=None, reduce=None, reduction="mean"):
    """input where target is 1, max(0, margin - input) where it is -1."""
    if size_average is not None or reduce is not None:
        reduction = legacy(size_average, reduce, reduction)
    check_reduction(reduction)
    return finish(where(target != 1, relu(margin - input), 0) + where(target != -1, input, 0), reduction)


@composite("nn.functional", cases=[(S(4), S(4), S(4))])
def margin_ranking_loss(input1, input2, target, margin=0, size_average=None, reduce=None, reduction="mean"):
    """max(0, margin - target * (input1 - input2)): target 1 says that input1 should rank higher, -1 input2."""
    if size_average is not None or reduce is not None:
        reduction = legacy(size_average, reduce, reduction)
    check_reduction(reduction)
    if not input1.ndim == input2.ndim == target.ndim:
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {input1.size()}, input2: {input2.size()}, target: {target.size()} "
        )
    return finish(relu(-target * (input1 - input2) + margin), reduction)


@composite("nn.functional", cases=[(S(4, 3), S(4, 3), S(4))])
def cosine_embedding_loss(input1, input2, target, margin=0, size_average=None, reduce=None, reduction="mean"):
    """1 - cos(input1, input2) where target is 1, max(0, cos(input1, input2) - margin) where it is -1."""
    if size_average is not None or reduce is not None:
        reduction = legacy(size_average, reduce, reduction)
    check_reduction(reduction)
    if target.ndim > 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if not input1.ndim == input2.ndim == target.ndim + 1:
        raise RuntimeError(
            f"{target.ndim}D target tensor expects {target.ndim + 1}D input tensors, but found inputs with sizes "
            f"{list(size_of(input1))} and {list(size_of(input2))}."
        )
    tiny = 1e-12
    norms = ((input1 * input1).sum(-1) + tiny) * ((input2 * input2).sum(-1) + tiny)
    cosine = (input1 * input2).sum(-1) / norms.sqrt()
    return finish(where(target == 1, 1 - cosine, 0) + where(target == -1, relu(cosine - margin), 0), reduction)


def _triplet(near: Any, far: Any, other: Any, margin: Any, swap: bool, reduction: str) -> Any:
    """max(0, margin + near - far), `far` being the lesser of two distances if the pair may be swapped."""
    return finish(relu(margin + near - (minimum(far, other) if swap else far)), reduction)


def _check_triplet(anchor: Any, positive: Any, negative: Any, margin: float, reduction: str) -> None:
    check_reduction(reduction)
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: "
            f"anchor {anchor.ndim}D, positive {positive.ndim}D, and negative {negative.ndim}D inputs"
        )


@composite("nn.functional", cases=[(S(4, 3), S(4, 3, low=1, high=2), S(4, 3), {"swap": True})])
def triplet_margin_loss(
    anchor, positive, negative, margin=1.0, p=2, eps=1e-6, swap=False, size_average=None, reduce=None, reduction="mean"
):
    """max(0, margin + d(anchor, positive) - d(anchor, negative)) with d the p-norm of the difference plus eps.

    Balntas et al., BMVC 2016, who also take the lesser of the distances to the negative (`swap`).
    """
    from .distances import pairwise_distance

    if size_average is not None or reduce is not None:
        reduction = legacy(size_average, reduce, reduction)
    _check_triplet(anchor, positive, negative, margin, reduction)
    near, far = pairwise_distance(anchor, positive, p, eps), pairwise_distance(anchor, negative, p, eps)
    return _triplet(near, far, pairwise_distance(positive, negative, p, eps) if swap else None, margin, swap, reduction)


@composite("nn.functional", cases=[(S(4, 3), S(4, 3, low=1, high=2), S(4, 3))])
def triplet_margin_with_distance_loss(
    anchor, positive, negative, *, distance_function=None, margin=1.0, swap=False, reduction="mean"
):
    """max(0, margin + d(anchor, positive) - d(anchor, negative)) with any distance d; Euclidean if none is given."""
    from .distances import pairwise_distance

    _check_triplet(anchor, positive, negative, margin, reduction)
    distance = distance_function or pairwise_distance
    near, far = distance(anchor, positive), distance(anchor, negative)
    return _triplet(near, far, distance(positive, negative) if swap else None, margin, swap, reduction)


# ---- between classes


def _check_rows(input: Spec) -> None:
    if input.ndim > 2 or input.ndim and input.shape[-1] == 0:
        raise RuntimeError(
            f"Expected non-empty vector or matrix with optional 0-dim batch size, but got: {list(input.shape)}"
        )


def _need_wide(kernel: str, input: Spec) -> None:
    if input.dtype not in (dtypes.float32, dtypes.float64):
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{title(input.dtype)}'")


def _multi_margin_spec(input: Spec, target: Spec, p: int, weight: Spec | None, reduction: str) -> Spec:
    check_reduction(reduction)
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    _check_rows(input)
    rows = input.shape[0] if input.ndim == 2 else 1
    if target.numel != rows or target.ndim > 1:
        raise RuntimeError(
            "multi_margin_loss: target tensor should be 1-D with size equal to the number of input samples "
            "(batch size). "
            f"Expected target size [{rows}], but got {list(target.shape)}. Input has shape {list(input.shape)}."
        )
    classes = input.shape[-1] if input.ndim else 1
    if weight is not None and weight.numel != classes:
        raise RuntimeError(f"inconsistent weight size, expected {classes} but got {list(weight.shape)}")
    refuse_weight("multi_margin_loss", weight)
    _need_wide("multi_margin_loss_cpu_kernel", input)
    if target.dtype is not dtypes.int64:
        raise RuntimeError(f"expected scalar type Long but found {title(target.dtype)}")
    return reduced_spec(input.like(target.shape if input.ndim < 2 else (rows,)), reduction)


def _multi_margin_grad(g, input, target, p, margin, weight, reduction):
    shape = (-1, input.shape[-1] if input.ndim else 1)
    x = input.reshape(shape)
    own = _is_class(x, target)
    z = margin - (x * own).sum(1, True) + x
    slope = (2 * relu(z) if p == 2 else relu_backward(filled(z, z.shape, 1), z)) * (1 - own)
    if weight is not None:
        slope = slope * (own * weight).sum(1, True)
    g = shared_out(g, x.shape[0], reduction)
    slope = slope * ((g.reshape((-1, 1)) if g.ndim else g) / x.shape[1])
    return (slope - own * slope.sum(1, True)).reshape(input.shape)


@op(lambda input: input.like(), api="", detaches=True, cases=[(ROWS, CLASSES)])
def _is_class(xp, input: T, target: T):
    """1 at the class of each row of `input` (N, C), else 0."""
    return (xp.arange(input.shape[1]) == target.reshape(-1, 1)).astype(input.dtype)


@op(
    _multi_margin_spec,
    api="",
    checks=True,
    shown="MultiMarginLoss",
    grad=_multi_margin_grad,
    cases=[(ROWS, CLASSES, 1, 1.0, None, "mean"), (ROWS, CLASSES, 2, 0.5, None, "none")],
)
def _multi_margin(xp, input: T, target: T, p=1, margin=1.0, weight: T = None, reduction="mean"):
    """The sum over wrong classes of max(0, margin - input at the class + input) ** p, by the number of classes."""
    x = input.reshape(-1, input.shape[-1] if input.ndim else 1)
    index = target.reshape(-1)
    xp.refuse(outside(xp, index, 0, x.shape[1]), lambda: RuntimeError("target out of range"))
    own = xp.arange(x.shape[1]) == index[:, None]
    z = xp.maximum(margin - xp.sum(x * own, axis=1, keepdims=True) + x, 0)
    z = (z if p == 1 else z * z) * ~own
    if weight is not None:
        z = z * weight.reshape(-1)[index][:, None]
    loss = xp.sum(z, axis=1) / x.shape[1]
    if reduction == "none":
        return loss.reshape(target.shape if input.ndim < 2 else -1)
    return total(xp, loss) / (loss.size if reduction == "mean" else 1)


@composite("nn.functional", cases=[(ROWS, CLASSES)])
def multi_margin_loss(input, target, p=1, margin=1.0, weight=None, size_average=None, reduce=None, reduction="mean"):
    """The sum over wrong classes of max(0, margin - input at the class + input) ** p, by the number of classes."""
    if size_average is not None or reduce is not None:
        reduction = legacy(size_average, reduce, reduction)
    return _multi_margin(input, target, p, margin, weight, reduction)


def _multilabel_spec(input: Spec, target: Spec, reduction: str) -> Spec:
    check_reduction(reduction)
    _check_rows(input)
    if input.shape != target.shape and not (input.numel == target.numel == 1):
        raise RuntimeError(f"inconsistent target size: {list(target.shape)} for input of size: {list(input.shape)}")
    _need_wide("multilabel_margin_loss_forward_out_frame", input)
    if target.dtype is not dtypes.int64:
        raise RuntimeError(f"expected scalar type Long but found {title(target.dtype)}")
    return reduced_spec(input.like(input.shape[:1] if input.ndim == 2 else ()), reduction)


def _wanted(xp: Any, input: Any, target: Any) -> tuple[Any, Any, Any, Any]:
    """The rows, each row's wanted classes up to the first -1 (0 beyond), which of these count, and which pairs do."""
    x = input.reshape(-1, input.shape[-1] if input.ndim else 1)
    index = target.reshape(x.shape)
    xp.refuse(outside(xp, index, -1, x.shape[1]), lambda: RuntimeError("argument #2 'target' is out of range"))
    counts = xp.cumprod(index >= 0, axis=1) > 0
    index = xp.where(counts, index, 0)
    chosen = ((index[:, :, None] == xp.arange(x.shape[1])) & counts[:, :, None]).any(axis=1)
    return x, index, counts, counts[:, :, None] & ~chosen[:, None, :]


@op(
    _multilabel_spec,
    api="",
    checks=True,
    shown="MultilabelMarginLoss",
    cases=[(ROWS, S(4, 3, dtype="int64", low=-1), "mean"), (ROWS, S(4, 3, dtype="int64", low=-1), "none")],
    grad=dict(input=lambda g, input, target, reduction: _multilabel_backward(g, input, target, reduction)),
)
def _multilabel_margin(xp, input: T, target: T, reduction="mean"):
    """Sums max(0, 1 - (input at a wanted class - input at another)) over such pairs, by the number of classes."""
    x, index, _, pairs = _wanted(xp, input, target)
    z = xp.maximum(1 - xp.take_along_axis(x, index, 1)[:, :, None] + x[:, None, :], 0) * pairs
    loss = xp.sum(z, axis=(1, 2)) / x.shape[1]
    if reduction == "none":
        return loss.reshape(input.shape[:1] if input.ndim == 2 else ())
    return total(xp, loss) / (loss.size if reduction == "mean" else 1)


def _multilabel_to_g(g, input, other, target, reduction):
    values = g * _multilabel_backward(filled(input, input.shape, 1), other, target, reduction)
    return gathered(values.sum(-1) if reduction == "none" and other.ndim else values, reduction)


@op(
    lambda input, other: other.like(),
    api="",
    cases=[(S(4), ROWS, S(4, 3, dtype="int64", low=-1), "none")],
    grad=dict(input=_multilabel_to_g, other=lambda g, other_spec: filled(g, other_spec.shape, 0)),
)
def _multilabel_backward(xp, input: T, other: T, target: T, reduction="mean"):
    """The gradient of multilabel_margin_loss at `other`."""
    x, index, _, pairs = _wanted(xp, other, target)
    short = ((1 - xp.take_along_axis(x, index, 1)[:, :, None] + x[:, None, :] > 0) & pairs).astype(x.dtype)
    own = (index[:, :, None] == xp.arange(x.shape[1])).astype(x.dtype)
    slope = xp.sum(short, axis=1) - xp.sum(xp.sum(short, axis=2)[:, :, None] * own, axis=1)
    share = input / max(1, x.shape[0]) if reduction == "mean" else input
    share = share.reshape(-1, 1) if xp.ndim(share) else share
    return (slope * share / x.shape[1]).reshape(other.shape)


@composite("nn.functional", cases=[(ROWS, S(4, 3, dtype="int64", low=-1))])
def multilabel_margin_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    """Sums max(0, 1 - (input at a wanted class - input at another)) over such pairs, by the number of classes.

    target (N, C) lists each row's classes; a -1 ends the list.
    """
    if size_average is not None or reduce is not None:
        reduction = legacy(size_average, reduce, reduction)
    return _multilabel_margin(input, target, reduction)
