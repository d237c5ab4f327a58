"""torch._dynamo: what programs say to PyTorch's tracer. Nothing is traced here, so it changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..compiler import (
    allow_in_graph,
    assume_constant_result,
    disable,
    is_compiling,
    list_backends,
    reset,
    set_stance,
    substitute_in_graph,
)
from . import config, eval_frame
from .eval_frame import OptimizedModule

__all__ = [
    "OptimizedModule",
    "allow_in_graph",
    "assume_constant_result",
    "config",
    "disable",
    "disallow_in_graph",
    "eval_frame",
    "graph_break",
    "is_compiling",
    "list_backends",
    "mark_dynamic",
    "mark_static",
    "mark_static_address",
    "maybe_mark_dynamic",
    "optimize",
    "reset",
    "run",
    "set_stance",
    "substitute_in_graph",
]


def disallow_in_graph(fn: Callable) -> Callable:
    """The function itself."""
    return fn


forbid_in_graph = disallow_in_graph


def graph_break(msg: str = "") -> None:
    """Nothing to break."""


def mark_dynamic(t: Any, index: Any, **limits: Any) -> None:
    """Nothing to mark: a program is found by its shapes."""


def maybe_mark_dynamic(t: Any, index: Any) -> None:
    """Nothing to mark: a program is found by its shapes."""


def mark_static(t: Any, index: Any = None) -> None:
    """Nothing to mark: a program is found by its shapes."""


def mark_static_address(t: Any, guard: bool = False) -> None:
    """Nothing to mark: tensors have no address of their own."""


def optimize(*args: Any, **kwargs: Any) -> Callable[[Any], Any]:
    """A decorator that gives its function or module."""
    return lambda model: model


def run(fn: Any = None) -> Any:
    """The function itself."""
    return fn
