"""torch.masked: reductions and normalizations that leave out the elements where a mask is False.

A mask is boolean and broadcasts to its tensor. An element left out is replaced by what changes nothing (0 in a sum,
1 in a product, -inf in a maximum), so that gradients follow by themselves: they are zero there. Where everything is
left out, the result is that neutral value, or nan where there is none. The class MaskedTensor is not here.
"""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .. import dtypes
from ..dtypes import dtype as Kind
from ..info import finfo, iinfo
from ..ops._op import registry
from ..tensor import Tensor

__all__ = ["amax", "amin", "argmax", "argmin", "cumprod", "cumsum", "log_softmax", "logaddexp", "logsumexp", "mean",
           "median", "norm", "normalize", "prod", "softmax", "softmin", "std", "sum", "var"]

Dims = int | Sequence[int] | None
_WIDENED = (dtypes.uint8, dtypes.bool_, dtypes.int8, dtypes.int16, dtypes.int32)


def _dims(dim: Dims, ndim: int) -> tuple[int, ...]:
    """The dimensions meant by `dim`, in order; PyTorch's errors for those that are not there or are named twice."""
    if dim is None or dim == ():
        return tuple(range(ndim))
    found = []
    size = max(ndim, 1)
    for d in (dim,) if isinstance(dim, int) else dim:
        if not -size <= d < size:
            raise IndexError(f"Dimension out of range (expected to be in range of [{-size}, {size - 1}], but got {d})")
        if d % size in found:
            raise RuntimeError(f"dim={d} appears multiple times in the list of dims")
        found.append(d % size)
    return tuple(sorted(found))


def _spread(mask: Tensor, input: Tensor) -> Tensor:
    """The mask as booleans of the input's shape."""
    if mask.ndim > input.ndim:
        raise IndexError("_input_mask expected broadcastable mask (got mask dimensionality higher than of the input)")
    return mask.to(dtypes.bool_).expand(input.shape)


def _without(input: Tensor, mask: Tensor | None, neutral: Any) -> Tensor:
    """`input` with `neutral` where the mask is False."""
    return input if mask is None else input.masked_fill(~_spread(mask, input), neutral)


def _lowest(input: Tensor, name: str) -> Any:
    """What is below every value of the input's dtype."""
    if input.dtype.category == dtypes.FLOATING or name == "logsumexp" and input.is_complex():
        return -math.inf
    return iinfo(_ordered(input, name)).min


def _highest(input: Tensor, name: str) -> Any:
    """What is above every value of the input's dtype."""
    return math.inf if input.dtype.category == dtypes.FLOATING else iinfo(_ordered(input, name)).max


def _ordered(input: Tensor, name: str) -> Kind:
    """The input's dtype, if it is one of integers with a least and a greatest value."""
    if input.dtype.category != dtypes.INTEGER:
        raise NotImplementedError(f"identity of {name} on {input.dtype} input")
    return input.dtype


def _total_kind(input: Tensor, dtype: Kind | None) -> Kind:
    """The dtype of a sum or product: short integers are added up in int64."""
    return dtype or (dtypes.int64 if input.dtype in _WIDENED else input.dtype)


def sum(input: Tensor, dim: Dims = None, *, keepdim: bool | None = False, dtype: Kind | None = None,
        mask: Tensor | None = None) -> Tensor:
    """The sum of the elements that the mask keeps.

    >>> import flambeau as torch
    >>> torch.masked.sum(torch.tensor([1., 2., 4.]), mask=torch.tensor([True, False, True]))
    tensor(5.)
    """
    kept = _without(input, mask, 0)
    return kept.sum(_dims(dim, input.ndim), bool(keepdim), dtype=_total_kind(input, dtype))


def prod(input: Tensor, dim: Dims = None, *, keepdim: bool | None = False, dtype: Kind | None = None,
         mask: Tensor | None = None) -> Tensor:
    """The product of the elements that the mask keeps."""
    result = _without(input, mask, 1).to(_total_kind(input, dtype))
    for d in reversed(_dims(dim, input.ndim)):
        result = result.prod(d, bool(keepdim))
    return result


def cumsum(input: Tensor, dim: int, *, dtype: Kind | None = None, mask: Tensor | None = None) -> Tensor:
    """Running sums along `dim`; what is left out adds nothing."""
    kind = dtype or input.dtype
    return _without(input, mask, 0).cumsum(_dims(dim, input.ndim)[0], dtype=kind)


def cumprod(input: Tensor, dim: int, *, dtype: Kind | None = None, mask: Tensor | None = None) -> Tensor:
    """Running products along `dim`; what is left out counts as 1."""
    kind = dtype or input.dtype
    return _without(input, mask, 1).cumprod(_dims(dim, input.ndim)[0], dtype=kind)


def amax(input: Tensor, dim: Dims = None, *, keepdim: bool | None = False, dtype: Kind | None = None,
         mask: Tensor | None = None) -> Tensor:
    """The greatest element that the mask keeps."""
    kept = input if mask is None else _without(input, mask, _lowest(input, "amax"))
    return kept.amax(_dims(dim, input.ndim), bool(keepdim)).to(dtype or input.dtype)


def amin(input: Tensor, dim: Dims = None, *, keepdim: bool | None = False, dtype: Kind | None = None,
         mask: Tensor | None = None) -> Tensor:
    """The least element that the mask keeps."""
    kept = input if mask is None else _without(input, mask, _highest(input, "amin"))
    return kept.amin(_dims(dim, input.ndim), bool(keepdim)).to(dtype or input.dtype)


def argmax(input: Tensor, dim: int | None = None, *, keepdim: bool | None = False, dtype: Kind | None = None,
           mask: Tensor | None = None) -> Tensor:
    """Where `amax` is found; the result has the input's dtype unless `dtype` says otherwise."""
    kept = input if mask is None else _without(input, mask, _lowest(input, "argmax"))
    return kept.argmax(dim, bool(keepdim)).to(dtype or input.dtype)


def argmin(input: Tensor, dim: int | None = None, *, keepdim: bool | None = False, dtype: Kind | None = None,
           mask: Tensor | None = None) -> Tensor:
    """Where `amin` is found; the result has the input's dtype unless `dtype` says otherwise."""
    kept = input if mask is None else _without(input, mask, _highest(input, "argmin"))
    return kept.argmin(dim, bool(keepdim)).to(dtype or input.dtype)


def _count(input: Tensor, dim: Dims, keepdim: bool, mask: Tensor | None) -> Tensor:
    """How many elements are kept."""
    kept = input.new_ones(input.shape, dtype=dtypes.bool_) if mask is None else _spread(mask, input)
    return kept.sum(_dims(dim, input.ndim), keepdim)


def mean(input: Tensor, dim: Dims = None, *, keepdim: bool | None = False, dtype: Kind | None = None,
         mask: Tensor | None = None) -> Tensor:
    """The mean of the elements that the mask keeps; nan if there are none."""
    kind = dtype or input.dtype
    if kind.category < dtypes.FLOATING:
        source = "Optional" if dtype else "Input"
        raise ValueError(f"mean(): Could not infer output dtype. {source} dtype must be either "
                         f"a floating point or complex dtype. Got: {kind}")
    return sum(input, dim, keepdim=keepdim, dtype=kind, mask=mask) / _count(input, dim, bool(keepdim), mask)


def median(input: Tensor, dim: int = -1, *, keepdim: bool = False, dtype: Kind | None = None,
           mask: Tensor | None = None) -> Tensor:
    """The median along `dim` of the elements that the mask keeps; nan if there are none, an error among integers."""
    floating = input.dtype.category == dtypes.FLOATING
    kept = _without(input if floating else input.to(dtypes.float32), mask, math.nan)
    found = kept.nanmedian(_dims(dim, input.ndim)[0], keepdim).values
    if floating:
        return found
    if found.isnan().any():
        raise ValueError("masked median expects no fully masked out rows if dtype is not floating point")
    return found.to(dtype or input.dtype)


def logsumexp(input: Tensor, dim: Dims = None, *, keepdim: bool = False, dtype: Kind | None = None,
              mask: Tensor | None = None) -> Tensor:
    """log(sum(exp(input))) over the elements that the mask keeps."""
    kept = input if mask is None else _without(input, mask, _lowest(input, "logsumexp"))
    return kept.logsumexp(_dims(dim, input.ndim), keepdim).to(dtype or input.dtype)


def logaddexp(input: Tensor, other: Tensor, *, dtype: Kind | None = None, input_mask: Tensor | None = None,
              other_mask: Tensor | None = None) -> Tensor:
    """log(exp(input) + exp(other)), each with a mask of its own."""
    first = input if input_mask is None else _without(input, input_mask, _lowest(input, "logaddexp"))
    second = other if other_mask is None else _without(other, other_mask, _lowest(other, "logaddexp"))
    return first.logaddexp(second).to(dtype or input.dtype)


def norm(input: Tensor, ord: float | None = 2.0, dim: Dims = None, *, keepdim: bool | None = False,
         dtype: Kind | None = None, mask: Tensor | None = None) -> Tensor:
    """The vector norm of the elements that the mask keeps."""
    kept = _without(input, mask, math.inf if ord == -math.inf else 0)
    vector_norm: Any = registry["vector_norm"]
    return vector_norm(kept, ord, _dims(dim, input.ndim), bool(keepdim), dtype=dtype or input.dtype)


def var(input: Tensor, dim: Dims = None, unbiased: bool | None = None, *, correction: float | None = None,
        keepdim: bool | None = False, dtype: Kind | None = None, mask: Tensor | None = None) -> Tensor:
    """The variance of the elements that the mask keeps: squared distances from the mean over count - correction."""
    if unbiased is not None and correction is not None:
        raise AssertionError("Only one of unbiased and correction may be given")
    less = float(unbiased if unbiased is not None else 1 if correction is None else correction)
    kind = dtype or (input.dtype if input.dtype.category >= dtypes.FLOATING else dtypes.float32)
    inner = kind if kind.category >= dtypes.FLOATING else dtypes.float32
    count = _count(input, dim, True, mask)
    centred = input - sum(input, dim, keepdim=True, dtype=kind, mask=mask) / count
    total = sum(centred * centred.conj(), dim, keepdim=keepdim, dtype=inner, mask=mask)
    count = count.reshape(total.shape)
    if less:
        real = finfo(inner).dtype if inner.category > dtypes.FLOATING else inner.name
        count = (count.to(dtypes.dtype.by_name[real]) - less).clamp(min=0)
    return (total / count).to(kind)


def std(input: Tensor, dim: Dims = None, unbiased: bool | None = None, *, correction: float | None = None,
        keepdim: bool | None = False, dtype: Kind | None = None, mask: Tensor | None = None) -> Tensor:
    """The square root of `var`."""
    return var(input, dim, unbiased, correction=correction, keepdim=keepdim, dtype=dtype, mask=mask).sqrt()


def softmax(input: Tensor, dim: int, *, dtype: Kind | None = None, mask: Tensor | None = None) -> Tensor:
    """`softmax` along `dim`, zero where the mask is False."""
    kept = input if mask is None else _without(input, mask, _lowest(input, "amax"))
    return kept.softmax(_dims(dim, input.ndim)[0], dtype=dtype or input.dtype)


def log_softmax(input: Tensor, dim: int, *, dtype: Kind | None = None, mask: Tensor | None = None) -> Tensor:
    """`log_softmax` along `dim`, -inf where the mask is False."""
    kept = input if mask is None else _without(input, mask, _lowest(input, "amax"))
    return kept.log_softmax(_dims(dim, input.ndim)[0], dtype=dtype or input.dtype)


def softmin(input: Tensor, dim: int, *, dtype: Kind | None = None, mask: Tensor | None = None) -> Tensor:
    """`softmax` of the negated input, zero where the mask is False."""
    kept = input if mask is None else _without(input, mask, _highest(input, "amin"))
    return (-kept).softmax(_dims(dim, input.ndim)[0], dtype=dtype or input.dtype)


def normalize(input: Tensor, ord: float, dim: int, *, eps: float = 1e-12, dtype: Kind | None = None,
              mask: Tensor | None = None) -> Tensor:
    """The elements that the mask keeps over their norm along `dim` (at least `eps`); zero for the others."""
    length = norm(input, ord, dim, keepdim=True, dtype=dtype, mask=mask)
    return _without(input, mask, 0) / length.clamp(min=eps)
