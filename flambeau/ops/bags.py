"""Bags of embeddings: rows of a table, looked up and at once summed, averaged or maximised bag by bag."""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..graph import Spec
from ._losses import size_of
from ._op import S, T, composite, op
from ._rules import title
from .core import _to_copy
from .embedding import _scattered_rows, check_indices, embedding, embedding_renorm_

ROWS, WHICH = S(5, 3), S(4, 2, dtype="int64", high=5)
FLAT, STARTS = S(6, dtype="int64", high=5), S(1, dtype="int64", high=1)


def _bag_ids(xp: Any, indices: Any, offsets: Any, last: bool) -> tuple[Any, Any, int]:
    """For each index its bag, and whether it lies in one; how many bags there are. Raises for offsets out of range."""
    count = indices.shape[0]
    if offsets is None:
        bags, length = indices.shape
        ids = xp.repeat(xp.arange(bags), length)
        return ids, xp.ones(ids.shape, bool), bags
    xp.refuse(
        offsets[:1] != 0,
        lambda: RuntimeError(
            "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from position 0. "
            f"However, got {offsets[0]}"
        ),
    )
    xp.refuse(
        offsets[-1:] > count,
        lambda: RuntimeError(
            f"offsets[-1] can not be greater than input's length {count} but got offsets[-1] of {offsets[-1]}"
        ),
    )
    bags = offsets.shape[0] - last
    ids = xp.searchsorted(offsets, xp.arange(count), side="right") - 1
    return xp.minimum(ids, max(bags - 1, 0)), ids < bags, bags


def _bagged(indices: Spec, offsets: Spec | None, last: bool) -> int:
    return indices.shape[0] if offsets is None else max(offsets.shape[0] - last, 0)


def _bag_spec(
    weight: Spec, indices: Spec, offsets: Spec | None, per_sample_weights: Spec | None, include_last_offset: bool
) -> Spec:
    if weight.ndim != 2:
        raise RuntimeError("'weight' must be 2-D")
    check_indices("embedding_bag", indices)
    if per_sample_weights is not None and per_sample_weights.dtype is not weight.dtype:
        raise RuntimeError(
            "Expected tensor for argument #1 'weight' to have the same type as tensor for argument #1 "
            f"'per_sample_weights'; but type torch.{title(weight.dtype)}Tensor does not equal "
            f"torch.{title(per_sample_weights.dtype)}Tensor (while checking arguments for embedding_bag)"
        )
    return weight.like((_bagged(indices, offsets, include_last_offset), weight.shape[1]))


@op(
    lambda weight, indices: (weight.like((indices.numel,), dtypes.int64), weight.like((indices.numel,))),
    api="",
    detaches=True,
    names="bag factor",
    cases=[(ROWS, WHICH, None, "mean", False, 1)],
)
def _bag_factors(xp, weight: T, indices: T, offsets: T = None, mode="sum", include_last_offset=False, padding_idx=-1):
    """For each index its bag, and what its row is multiplied by: 0 for padding, 1 / the bag's size for a mean."""
    ids, inside, bags = _bag_ids(xp, indices, offsets, include_last_offset)
    inside = inside & (indices.reshape(-1) != padding_idx)
    factor = inside.astype(weight.dtype)
    if mode == "mean" and factor.size:
        sizes = (
            xp.bincount(ids, weights=factor, minlength=bags)
            if xp.host
            else xp.at_add(xp.zeros(bags, factor.dtype), ids, factor)
        )
        factor = factor / xp.maximum(sizes[ids], 1)
    return ids, factor.astype(weight.dtype)


def _spread(g, weight, indices, offsets, mode, include_last_offset, padding_idx):
    """The gradient of each row looked up, before a weight of its own: g of its bag, times its factor."""
    bag, factor = _bag_factors(weight, indices, offsets, mode, include_last_offset, padding_idx)
    return embedding(g, bag) * factor.unsqueeze(1)


def _bag_to_weight(
    g, weight, indices, offsets, per_sample_weights, mode, include_last_offset, padding_idx, scale_grad_by_freq
):
    rows = _spread(g, weight, indices, offsets, mode, include_last_offset, padding_idx)
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.reshape((-1, 1))
    return _scattered_rows(rows, indices.reshape((-1,)), weight.shape[0], -1, scale_grad_by_freq)


def _bag_to_samples(g, weight, indices, offsets, per_sample_weights, mode, include_last_offset, padding_idx):
    rows = _spread(g, weight, indices, offsets, mode, include_last_offset, padding_idx)
    return (rows * embedding(weight, indices.reshape((-1,)))).sum(1).reshape(per_sample_weights.shape)


def check_range(xp: Any, indices: Any, rows: int) -> None:
    """Refuses an index that is no row with PyTorch's error."""
    flat = indices.reshape(-1)
    wrong = (flat < 0) | (flat >= rows)

    def error() -> Exception:
        place = int(wrong.argmax())
        return RuntimeError(
            f"Index {place} of input takes value {flat[place]} which is not in the valid range [0, {rows})"
        )

    xp.refuse(wrong, error)


@op(
    _bag_spec,
    api="",
    checks=True,
    shown="EmbeddingBag",
    grad=dict(weight=_bag_to_weight, per_sample_weights=_bag_to_samples),
    cases=[(ROWS, WHICH, None, S(4, 2)), (ROWS, WHICH, None, None, "mean", False, 1), (ROWS, FLAT, STARTS)],
)
def _embedding_bag(
    xp,
    weight: T,
    indices: T,
    offsets: T = None,
    per_sample_weights: T = None,
    mode="sum",
    include_last_offset=False,
    padding_idx=-1,
    scale_grad_by_freq=False,
):
    """The sums or means, bag by bag, of the rows of `weight` at `indices`."""
    check_range(xp, indices, weight.shape[0])
    bag, factor = _bag_factors.body(xp, weight, indices, offsets, mode, include_last_offset, padding_idx)
    if per_sample_weights is not None:
        factor = factor * per_sample_weights.reshape(-1)
    rows = xp.take(weight, indices.reshape(-1), axis=0) * factor[:, None]
    bags = _bagged(indices, offsets, include_last_offset)
    if offsets is None:
        return xp.sum(rows.reshape(bags, indices.shape[1], weight.shape[1]), axis=1)
    return xp.at_add(xp.zeros((bags, weight.shape[1]), rows.dtype), bag, rows) if bags else rows[:0]


def _winner_spec(weight: Spec, indices: Spec, offsets: Spec | None, include_last_offset: bool) -> tuple[Spec, Spec]:
    out = _bag_spec(weight, indices, offsets, None, include_last_offset)
    return out.like(dtype=dtypes.int64), out.like(dtype=dtypes.bool_)


@op(_winner_spec, api="", checks=True, detaches=True, names="row found", cases=[(ROWS, WHICH, None, False, 1)])
def _bag_winners(xp, weight: T, indices: T, offsets: T = None, include_last_offset=False, padding_idx=-1):
    """For each bag and column the row of `weight` with the greatest element there, and whether the bag has a row."""
    check_range(xp, indices, weight.shape[0])
    bag, inside, bags = _bag_ids(xp, indices, offsets, include_last_offset)
    flat = indices.reshape(-1)
    inside = inside & (flat != padding_idx)
    member = (bag == xp.arange(bags)[:, None]) & inside
    if not flat.size or not bags:
        return xp.zeros((bags, weight.shape[1]), "int64"), xp.zeros((bags, weight.shape[1]), bool)
    seen = xp.where(member[:, :, None], xp.take(weight, flat, axis=0), xp.asarray(-xp.inf, weight.dtype))
    found = xp.broadcast_to(xp.any(member, axis=1)[:, None], (bags, weight.shape[1]))
    # a bag whose elements are all -inf still has to name one of its own
    first = xp.argmax(member, axis=1)[:, None]
    best = xp.where(xp.max(seen, axis=1) == -xp.inf, first, xp.argmax(seen, axis=1))
    return flat[best], found


@composite(
    "nn.functional", cases=[(WHICH, ROWS), (WHICH, ROWS, {"mode": "max"}), (FLAT, ROWS, STARTS, {"mode": "sum"})]
)
def embedding_bag(
    input,
    weight,
    offsets=None,
    max_norm=None,
    norm_type=2,
    scale_grad_by_freq=False,
    mode="mean",
    sparse=False,
    per_sample_weights=None,
    include_last_offset=False,
    padding_idx=None,
):
    """The sum, mean or maximum, bag by bag, of rows of `weight` (V, D): (B, D). Rows `padding_idx` do not count.

    input (B, N): each row is a bag. input (N), offsets (B): a bag starts at each offset; with `include_last_offset` the
    last offset is the end of the last bag. per_sample_weights, shaped as input, multiplies the rows of a sum.
    """
    if per_sample_weights is not None and size_of(input) != size_of(per_sample_weights):
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({per_sample_weights.shape}) is not None, then it must have the "
            f"same shape as the input ({input.shape})"
        )
    if input.ndim == 2:
        if offsets is not None:
            raise ValueError(
                "if input is 2D, then offsets has to be None, as input is treated is a mini-batch of fixed length "
                f"sequences. However, found offsets of type {type(offsets)}"
            )
    elif input.ndim == 1:
        if offsets is None:
            raise ValueError("offsets has to be a 1D Tensor but got None")
        if offsets.ndim != 1:
            raise ValueError("offsets has to be a 1D Tensor")
    else:
        raise ValueError(f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.ndim}")
    if mode not in ("sum", "mean", "max"):
        raise ValueError("mode has to be one of sum, mean or max")
    if mode == "max" and scale_grad_by_freq:
        raise ValueError("max mode does not support scaling the gradient by the frequency")
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError(
            "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for "
            f"mode='sum' (got mode='{mode}'). Please open a feature request on GitHub."
        )
    rows = weight.shape[0]
    if padding_idx is not None and not -rows <= padding_idx < rows:
        raise RuntimeError(
            f"padding_idx must be within the number of embeddings, -{rows} through {rows - 1}, but got {padding_idx}"
        )
    padding = -1 if padding_idx is None else padding_idx % rows
    if max_norm is not None:
        embedding_renorm_(weight, input, max_norm, norm_type)
    if input.dtype is dtypes.int32:
        input = _to_copy(input, dtypes.int64)
    if offsets is not None and offsets.dtype is dtypes.int32:
        offsets = _to_copy(offsets, dtypes.int64)
    if mode != "max":
        return _embedding_bag(
            weight, input, offsets, per_sample_weights, mode, include_last_offset, padding, scale_grad_by_freq
        )
    row, found = _bag_winners(weight, input, offsets, include_last_offset, padding)
    return weight.gather(0, row) * found
