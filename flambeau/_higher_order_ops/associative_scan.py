"""Running totals by any associative function, in as many rounds as the length has binary digits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import binding
from ..utils import _pytree


def associative_scan(
    combine_fn: Callable, xs: Any, dim: int, reverse: bool = False, combine_mode: str = "pointwise"
) -> Any:
    """For each place along `dim`, `combine_fn` over all elements up to it (from it on, if reverse).

    xs is a tensor, or a tree of tensors of equal size along `dim`; combine_fn takes two such and returns one. Hillis
    and Steele, Data parallel algorithms, 1986.
    """
    if combine_mode not in ("pointwise", "generic"):
        raise ValueError(f"Combine_mode must either 'pointwise' or 'generic', but got {combine_mode}")
    leaves, build = _pytree.tree_flatten(xs)
    if not leaves:
        raise ValueError("Expected at least 1 xs leaf")
    length = leaves[0].shape[dim]
    if any(leaf.shape[dim] != length for leaf in leaves):
        raise ValueError("All xs leaves must at least have 'dim' number of dimensions and scan dimension > 0")
    join = binding.registry["cat"]
    step = 1
    while step < length:
        count = length - step
        low, high = [[leaf.narrow(dim, start, count) for leaf in leaves] for start in (0, step)]
        first, second = (high, low) if reverse else (low, high)
        found = combine_fn(_pytree.tree_unflatten(first, build), _pytree.tree_unflatten(second, build))
        totals = _pytree.tree_flatten(found)[0]
        kept = [leaf.narrow(dim, count if reverse else 0, step) for leaf in leaves]
        pairs = zip(totals, kept, strict=True)
        leaves = [join((t, k) if reverse else (k, t), dim) for t, k in pairs]
        step *= 2
    return _pytree.tree_unflatten(leaves, build)
