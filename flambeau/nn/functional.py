"""torch.nn.functional: the registry's functions under their names there, and those that draw random numbers."""

from __future__ import annotations

from typing import Any

from ..namespaces import SPACES
from .random_functional import (
    alpha_dropout,
    dropout,
    dropout1d,
    dropout2d,
    dropout3d,
    feature_alpha_dropout,
    gumbel_softmax,
    rrelu,
)

__all__ = [
    "alpha_dropout",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "feature_alpha_dropout",
    "gumbel_softmax",
    "rrelu",
]

globals().update(SPACES["nn.functional"])


def __getattr__(name: str) -> Any:
    raise AttributeError(f"module 'flambeau.nn.functional' has no attribute {name!r}")
