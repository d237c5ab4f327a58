"""What losses share: the reduction to one number, its older spelling, and the warning about sizes that differ."""

from __future__ import annotations

import warnings
from typing import Any

from ..graph import Spec, mode

REDUCTIONS = ("none", "mean", "sum")


def check_reduction(reduction: str) -> None:
    """Raises PyTorch's error unless `reduction` is known."""
    if reduction not in REDUCTIONS:
        raise ValueError(f"{reduction} is not a valid value for reduction")


def legacy(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """The reduction that a loss's arguments mean, those of PyTorch's first versions included."""
    if size_average is None and reduce is None:
        return reduction
    reduction = "none" if reduce is False else "sum" if size_average is False else "mean"
    warnings.warn(
        f"size_average and reduce args will be deprecated, please use reduction='{reduction}' instead.", stacklevel=3
    )
    return reduction


def size_of(operand: Any) -> tuple[int, ...]:
    """The shape of a tensor or node as a plain tuple, which compares quickest."""
    try:
        return getattr(operand, "_node", operand).shape
    except AttributeError:
        raise AttributeError(f"'{type(operand).__name__}' object has no attribute 'size'") from None


def warn_sizes(input: Any, target: Any) -> None:
    """Warns, as PyTorch does, where target and input differ in size: broadcasting is seldom meant."""
    if size_of(input) != size_of(target):
        warnings.warn(
            f"Using a target size ({target.size()}) that is different to the input size ({input.size()}). This will "
            "likely lead to incorrect results due to broadcasting. Please ensure they have the same size.",
            stacklevel=3,
        )


def reduced_spec(out: Spec, reduction: str) -> Spec:
    """What is left of `out` by the reduction."""
    check_reduction(reduction)
    return out if reduction == "none" else out.like(())


def total(xp: Any, x: Any) -> Any:
    """The sum of all elements."""
    return xp.add.reduce(x, axis=None) if xp.host else xp.sum(x)


def reduced(xp: Any, x: Any, reduction: str) -> Any:
    """`x` itself, its sum, or its mean (NaN if there is nothing to average)."""
    if reduction == "none":
        return x
    summed = total(xp, x)
    return summed if reduction == "sum" else summed / x.size


def shared_out(g: Any, numel: int, reduction: str) -> Any:
    """The gradient of each of `numel` values that a reduction took together."""
    return g / max(1, numel) if reduction == "mean" else g


def gathered(values: Any, reduction: str) -> Any:
    """What the gradient of `shared_out` with respect to `g` is: the values, or their sum."""
    return values if reduction == "none" else values.sum()


def refuse_weight(function: str, weight: Any, name: str = "weight") -> None:
    """Raises PyTorch's error for class weights that are to be differentiated: no formula is there for them."""
    if weight is not None and weight.requires_grad and mode.grad:
        raise RuntimeError(
            f"The function '{function}' is not differentiable with respect to argument '{name}'. This input "
            "cannot have requires_grad True."
        )


def finish(values: Any, reduction: str) -> Any:
    """A composite loss: `values`, their sum or their mean."""
    if reduction == "mean":
        return values.mean()
    if reduction == "sum":
        return values.sum()
    check_reduction(reduction)
    return values
