"""Tables of vectors: rows looked up by index, alone or summed in bags."""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..graph import Spec
from ._op import S, T, composite, op
from ._rules import title

ROWS, WHICH = S(5, 3), S(2, 4, dtype="int64", high=5)


def check_indices(name: str, indices: Spec) -> None:
    """Raises PyTorch's error unless `indices` holds int64 or int32."""
    if indices.dtype not in (dtypes.int64, dtypes.int32):
        raise RuntimeError(
            f"Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but "
            f"got torch.{title(indices.dtype)}Tensor instead (while checking arguments for {name})"
        )


def _looked_up(weight: Spec, indices: Spec) -> Spec:
    if weight.ndim != 2:
        raise RuntimeError("'weight' must be 2-D")
    check_indices("embedding", indices)
    return weight.like((*indices.shape, weight.shape[1]))


def in_range(xp: Any, indices: Any, rows: int) -> None:
    """Refuses an index that is no row with PyTorch's IndexError."""
    if xp.host:
        unsigned = "uint64" if indices.dtype == "int64" else "uint32"  # negative ones become the largest
        if indices.size and xp.maximum.reduce(indices.ravel().view(unsigned)) >= rows:
            raise IndexError("index out of range in self")
    else:
        xp.refuse((indices < 0) | (indices >= rows), lambda: IndexError("index out of range in self"))


@op(
    _looked_up,
    api="torch",
    checks=True,
    cases=[(ROWS, WHICH)],
    grad=dict(
        weight=lambda g, weight_spec, indices, padding_idx, scale_grad_by_freq: _scattered_rows(
            g, indices, weight_spec.shape[0], padding_idx, scale_grad_by_freq
        )
    ),
    wrong=[
        ((S(3), WHICH), RuntimeError, "'weight' must be 2-D"),
        ((ROWS, S(2)), RuntimeError, "scalar types: Long, Int"),
    ],
)
def embedding(xp, weight: T, indices: T, padding_idx=-1, scale_grad_by_freq=False, sparse=False):
    """The rows of `weight` (V, D) at `indices` (...): (..., D). Row `padding_idx` gets no gradient.

    Raises IndexError for an index that is no row.
    """
    in_range(xp, indices, weight.shape[0])
    return rows_at(xp, weight, indices)


def rows_at(xp: Any, weight: Any, indices: Any) -> Any:
    """The rows of `weight` at indices that are known to be in range."""
    return xp.take(weight, indices, axis=0) if xp.host else xp.take(weight, indices, axis=0, mode="clip")


def _factors(xp: Any, flat: Any, rows: int, padding_idx: int, scale_grad_by_freq: bool, like: Any) -> Any:
    """What each row's gradient is multiplied by: 0 for padding, 1 / occurrences if scaled; None for 1."""
    factor = None
    if padding_idx >= 0:
        factor = (flat != padding_idx).astype(like)
    if scale_grad_by_freq:
        counts = xp.at_add(xp.zeros(rows, "int64"), flat, 1) if not xp.host else xp.bincount(flat, minlength=rows)
        share = 1 / xp.maximum(counts[flat], 1)
        factor = share.astype(like) if factor is None else factor * share.astype(like)
    return factor


@op(
    lambda input, indices, rows: input.like((rows, input.shape[-1])),
    api="",
    cases=[(S(2, 4, 3), WHICH, 5, 1, True)],
    grad=lambda g, indices, padding_idx, scale_grad_by_freq: _taken_rows(g, indices, padding_idx, scale_grad_by_freq),
)
def _scattered_rows(xp, input: T, indices: T, rows, padding_idx=-1, scale_grad_by_freq=False):
    """A table of `rows` rows, each vector of `input` (..., D) added at its index: the gradient of embedding."""
    flat, values = indices.reshape(-1), input.reshape(-1, input.shape[-1])
    factor = _factors(xp, flat, rows, padding_idx, scale_grad_by_freq, input.dtype)
    if factor is not None:
        values = values * factor[:, None]
    return add_rows(xp, values, flat, rows)


def add_rows(xp: Any, values: Any, flat: Any, rows: int) -> Any:
    """The sums of the rows of `values` that share an index: (rows, D)."""
    out = xp.zeros((rows, values.shape[1]), values.dtype)
    if not xp.host:
        return xp.at_add(out, flat, values)
    if not flat.size:
        return out
    if rows * flat.size <= 1 << 16:
        hot = xp.zeros((flat.size, rows), values.dtype)  # for small tables one product beats sorting
        hot[xp.arange(flat.size), flat] = 1
        return hot.T.dot(values)
    order = xp.argsort(flat, kind="stable")
    ordered = flat[order]
    starts = xp.flatnonzero(xp.concatenate(([True], ordered[1:] != ordered[:-1])))
    out[ordered[starts]] = xp.add.reduceat(values[order], starts, axis=0)
    return out


@op(
    lambda weight, indices: weight.like((*indices.shape, weight.shape[1])),
    api="",
    cases=[(ROWS, WHICH, 1, True)],
    grad=dict(
        weight=lambda g, weight_spec, indices, padding_idx, scale_grad_by_freq: _scattered_rows(
            g, indices, weight_spec.shape[0], padding_idx, scale_grad_by_freq
        )
    ),
)
def _taken_rows(xp, weight: T, indices: T, padding_idx=-1, scale_grad_by_freq=False):
    """The rows of `weight` at `indices`, times what embedding's gradient multiplies them by."""
    flat = indices.reshape(-1)
    taken = rows_at(xp, weight, flat)
    factor = _factors(xp, flat, weight.shape[0], padding_idx, scale_grad_by_freq, weight.dtype)
    if factor is not None:
        taken = taken * factor[:, None]
    return taken.reshape((*indices.shape, weight.shape[1]))


@op(_looked_up, api="", checks=True, detaches=True, cases=[(ROWS, WHICH, 0.5, 2.0)])
def _renormed_offsets(xp, weight: T, indices: T, max_norm=1.0, norm_type=2.0):
    """The rows of `weight` at `indices`, those of a norm above `max_norm` brought down to it."""
    in_range(xp, indices, weight.shape[0])
    rows = rows_at(xp, weight, indices)
    norm = xp.sum(xp.abs(rows) ** norm_type, axis=-1, keepdims=True) ** (1 / norm_type)
    return (rows * xp.where(norm > max_norm, max_norm / (norm + 1e-7), 1)).astype(weight.dtype)


@op(lambda input, indices, rows: input.like(), api="", upcast=False, detaches=True, cases=[(ROWS, WHICH, S(2, 4, 3))])
def _rows_set(xp, input: T, indices: T, rows: T):
    """`input` with the rows at `indices` replaced by `rows`."""
    return xp.at_set(input, indices, rows)


@composite("torch")
def embedding_renorm_(input, indices, max_norm, norm_type=2.0):
    """Brings the rows of `input` at `indices` that have a norm above `max_norm` down to it, in place."""
    table = input.detach()
    table.copy_(_rows_set(table, indices, _renormed_offsets(table, indices, float(max_norm), float(norm_type))))
    return input


def padding_row(padding_idx: int | None, rows: int) -> int:
    """`padding_idx` counted from the front; -1 for none."""
    if padding_idx is None:
        return -1
    if not -rows <= padding_idx < rows:
        raise AssertionError("Padding_idx must be within num_embeddings")
    return padding_idx % rows


@composite("", alias="nn.functional.embedding", cases=[(WHICH, ROWS)])
def _functional_embedding(
    input, weight, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, sparse=False
):
    """The rows of `weight` (V, D) at the indices `input` (...): (..., D). Row `padding_idx` gets no gradient.

    Rows looked up that have a norm above `max_norm` are first brought down to it, in place. Raises IndexError for an
    index that is no row.
    """
    padding = -1 if padding_idx is None else padding_row(padding_idx, weight.shape[0])
    if max_norm is not None:
        embedding_renorm_(weight, input, max_norm, norm_type)
    return embedding(weight, input, padding, scale_grad_by_freq)
