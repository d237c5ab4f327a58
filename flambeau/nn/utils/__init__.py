"""torch.nn.utils: gradients clipped, parameters as vectors, weights normed, pruned or parametrized, sequences."""

from __future__ import annotations

from . import rnn

__all__ = ["rnn"]
