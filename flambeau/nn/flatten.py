"""Layers that join dimensions or split one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..tensor import Tensor
from .module import Module


class Flatten(Module):
    """Joins the dimensions from `start_dim` to `end_dim`: (N, A, B) -> (N, A * B)."""

    __constants__ = ["start_dim", "end_dim"]
    start_dim: int
    end_dim: int

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Tensor) -> Tensor:
        return input.flatten(self.start_dim, self.end_dim)  # type: ignore[attr-defined]

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Splits the dimension `dim` into several: (N, A * B) -> (N, A, B)."""

    __constants__ = ["dim", "unflattened_size"]
    dim: int | str
    unflattened_size: Sequence[Any]

    def __init__(self, dim: int | str, unflattened_size: Sequence[Any]) -> None:
        super().__init__()
        if isinstance(dim, int):
            if not isinstance(unflattened_size, (tuple, list)):
                raise TypeError(
                    f"unflattened_size must be a tuple of ints, but found type {type(unflattened_size).__name__}"
                )
            for place, size in enumerate(unflattened_size):
                if not isinstance(size, int):
                    raise TypeError(
                        "unflattened_size must be tuple of ints, but found element of type "
                        f"{type(size).__name__} at pos {place}"
                    )
        elif isinstance(dim, str):
            if not isinstance(unflattened_size, tuple):
                raise TypeError(
                    f"unflattened_size must be a tuple of tuples, but found type {type(unflattened_size).__name__}"
                )
            for place, pair in enumerate(unflattened_size):
                if not isinstance(pair, tuple):
                    raise TypeError(
                        "unflattened_size must be tuple of tuples, but found element of type "
                        f"{type(pair).__name__} at pos {place}"
                    )
        else:
            raise TypeError("invalid argument type for dim parameter")
        self.dim, self.unflattened_size = dim, unflattened_size

    def forward(self, input: Tensor) -> Tensor:
        return input.unflatten(self.dim, self.unflattened_size)  # type: ignore[attr-defined]

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
