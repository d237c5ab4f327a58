"""Nested tuples, lists and dictionaries, taken apart into their tensors and put together again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def flatten(tree: Any) -> tuple[list, Callable[[list], Any]]:
    """The leaves of a tree, in order, and the function that builds such a tree from other leaves."""
    leaves: list = []
    build = _walk(tree, leaves)
    return leaves, lambda new: build(iter(new))


def _walk(tree: Any, leaves: list) -> Callable:
    if isinstance(tree, dict):
        parts = {key: _walk(value, leaves) for key, value in tree.items()}
        return lambda new: type(tree)((key, part(new)) for key, part in parts.items())
    if isinstance(tree, (list, tuple)):
        inner = [_walk(value, leaves) for value in tree]
        if hasattr(tree, "_fields"):
            return lambda new: type(tree)(*[part(new) for part in inner])
        return lambda new: type(tree)([part(new) for part in inner])
    leaves.append(tree)
    return next
