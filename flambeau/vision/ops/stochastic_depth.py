"""Stochastic depth: residual branches left out at random."""

from __future__ import annotations

from ... import nn
from ...tensor import Tensor
from .._torch import torch


def stochastic_depth(input: Tensor, p: float, mode: str, training: bool = True) -> Tensor:
    """`input` with each row (mode "row"), or all of it (mode "batch"), zero with probability p, the rest / (1 - p).

    Huang et al., arXiv 1603.09382.
    """
    if p < 0.0 or p > 1.0:
        raise ValueError(f"drop probability has to be between 0 and 1, but got {p}")
    if mode not in ("batch", "row"):
        raise ValueError(f"mode has to be either 'batch' or 'row', but got {mode}")
    if not training or p == 0.0:
        return input
    kept = 1.0 - p
    size = [input.shape[0] if mode == "row" else 1] + [1] * (input.ndim - 1)
    mask = torch.empty(size, dtype=input.dtype, device=input.device).bernoulli_(kept)
    return input * (mask / kept if kept > 0.0 else mask)


class StochasticDepth(nn.Module):
    """`stochastic_depth` in training, the input as it is otherwise."""

    def __init__(self, p: float, mode: str) -> None:
        super().__init__()
        self.p, self.mode = p, mode

    def forward(self, input: Tensor) -> Tensor:
        return stochastic_depth(input, self.p, self.mode, self.training)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p}, mode={self.mode})"
