"""Transforms made of one transform for each piece of a tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..tensor import Tensor
from . import constraints
from ._torch import torch
from .transforms import Transform
from .utils import _sum_rightmost, lazy_property


class _JoinedTransform(Transform):
    """A transform for each piece along `dim`."""

    def __init__(self, tseq: Sequence[Transform], dim: int, cache_size: int) -> None:
        if not all(isinstance(t, Transform) for t in tseq):
            raise AssertionError("All elements of tseq must be Transform instances")
        super().__init__(cache_size=cache_size)
        self.transforms = [t.with_cache(cache_size) for t in tseq] if cache_size else list(tseq)
        self.dim = dim

    @property
    def bijective(self) -> bool:  # type: ignore[override]
        return all(t.bijective for t in self.transforms)

    def _pieces(self, name: str, value: Tensor) -> Sequence[Tensor]:
        raise NotImplementedError

    def _join(self, pieces: list) -> Tensor:
        raise NotImplementedError

    def _check_dim(self, value: Tensor) -> None:
        if not -value.dim() <= self.dim < value.dim():
            raise AssertionError(f"dim {self.dim} out of range for tensor with {value.dim()} dimensions")

    def _call(self, x: Tensor) -> Tensor:
        return self._join([t(piece) for t, piece in zip(self.transforms, self._pieces("x", x), strict=True)])

    def _inverse(self, y: Tensor) -> Tensor:
        return self._join([t.inv(piece) for t, piece in zip(self.transforms, self._pieces("y", y), strict=True)])

    def _log_dets(self, x: Tensor, y: Tensor) -> list[Tensor]:
        pairs = zip(self.transforms, self._pieces("x", x), self._pieces("y", y), strict=True)
        return [t.log_abs_det_jacobian(before, after) for t, before, after in pairs]


class CatTransform(_JoinedTransform):
    """Transforms of pieces of lengths `lengths` along `dim`, put together by `torch.cat`.

    >>> import flambeau as torch
    >>> from flambeau.distributions.transforms import ExpTransform, identity_transform
    >>> CatTransform([ExpTransform(), identity_transform], lengths=[1, 2])(torch.zeros(3))
    tensor([1., 0., 0.])
    """

    _fields = ("transforms", "dim", "lengths")

    def __init__(self, tseq: Sequence[Transform], dim: int = 0, lengths: Sequence[int] | None = None,
                 cache_size: int = 0) -> None:
        super().__init__(tseq, dim, cache_size)
        self.lengths = [1] * len(self.transforms) if lengths is None else list(lengths)
        if len(self.lengths) != len(self.transforms):
            raise AssertionError(f"lengths ({len(self.lengths)}) must match transforms ({len(self.transforms)})")

    @lazy_property
    def event_dim(self) -> int:
        return max(t.event_dim for t in self.transforms)

    @lazy_property
    def length(self) -> int:
        return sum(self.lengths)

    domain = constraints.dependent_property(
        lambda self: constraints.cat([t.domain for t in self.transforms], self.dim, self.lengths))
    codomain = constraints.dependent_property(
        lambda self: constraints.cat([t.codomain for t in self.transforms], self.dim, self.lengths))

    def _pieces(self, name: str, value: Tensor) -> Sequence[Tensor]:
        self._check_dim(value)
        if value.shape[self.dim] != self.length:
            raise AssertionError(
                f"{name}.size({self.dim}) = {value.shape[self.dim]} must equal length {self.length}")
        return value.split(self.lengths, self.dim)

    def _join(self, pieces: list) -> Tensor:
        return torch.cat(pieces, self.dim)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Any:
        found = [_sum_rightmost(value, self.event_dim - t.event_dim)
                 for t, value in zip(self.transforms, self._log_dets(x, y), strict=True)]
        dim = (self.dim if self.dim < 0 else self.dim - x.dim()) + self.event_dim
        return torch.cat(found, dim) if dim < 0 else sum(found)  # `dim` may be one that was summed


class StackTransform(_JoinedTransform):
    """Transforms of the slices along `dim`, put together by `torch.stack`."""

    _fields = ("transforms", "dim")

    def __init__(self, tseq: Sequence[Transform], dim: int = 0, cache_size: int = 0) -> None:
        super().__init__(tseq, dim, cache_size)

    domain = constraints.dependent_property(
        lambda self: constraints.stack([t.domain for t in self.transforms], self.dim))
    codomain = constraints.dependent_property(
        lambda self: constraints.stack([t.codomain for t in self.transforms], self.dim))

    def _pieces(self, name: str, value: Tensor) -> Sequence[Tensor]:
        self._check_dim(value)
        if value.shape[self.dim] != len(self.transforms):
            raise AssertionError(f"{name}.size({self.dim}) = {value.shape[self.dim]} must equal len(transforms) "
                                 f"{len(self.transforms)}")
        return value.unbind(self.dim)

    def _join(self, pieces: list) -> Tensor:
        return torch.stack(pieces, self.dim)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return torch.stack(self._log_dets(x, y), self.dim)
