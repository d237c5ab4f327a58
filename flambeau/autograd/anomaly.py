"""Looking for nan in gradients: torch.autograd.detect_anomaly."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ..engine import engine
from ..graph import Node

_state = {"on": False, "check_nan": True}


def is_anomaly_enabled() -> bool:
    """Whether backward() looks at every gradient on its way."""
    return _state["on"]


def is_anomaly_check_nan_enabled() -> bool:
    """Whether a nan found so is an error."""
    return _state["check_nan"]


def set_anomaly_enabled(enabled: bool, check_nan: bool = True) -> None:
    """Switches the search on or off."""
    _state["on"], _state["check_nan"] = bool(enabled), bool(check_nan)


class set_detect_anomaly:
    """Switches the search on or off, at once; as a context, until its end."""

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self.before = dict(_state)
        set_anomaly_enabled(mode, check_nan)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: Any) -> None:
        _state.update(self.before)


class detect_anomaly:
    """A context in which backward() raises RuntimeError, naming the operation, as soon as a gradient is nan."""

    def __init__(self, check_nan: bool = True) -> None:
        self.check_nan = check_nan
        warnings.warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should only be enabled for "
            "debugging.",
            stacklevel=2,
        )

    def __enter__(self) -> None:
        self.before = dict(_state)
        set_anomaly_enabled(True, self.check_nan)

    def __exit__(self, *_: Any) -> None:
        _state.update(self.before)


def watched(rule: Callable) -> Callable:
    """A gradient rule whose results are looked at: nan is an error that names the operation."""

    def inside(node: Node, g: Any, reach: set[Node]) -> list:
        from .hooks import GradFn

        pairs = rule(node, g, reach)
        for i, (_, part) in enumerate(pairs):
            if type(part) is Node and part.spec.differentiable and np.isnan(np.asarray(engine.force(part))).any():
                raise RuntimeError(f"Function '{GradFn(node).name()}' returned nan values in its {i}th output.")
        return pairs

    return inside
