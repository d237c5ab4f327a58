"""Loops over steps in time, for recurrent layers and alignments: Python's on NumPy, one instruction when compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def times(steps: int, reverse: bool) -> range:
    """The steps in the order in which they are taken."""
    return range(steps - 1, -1, -1) if reverse else range(steps)


def gathered(xp: Any, parts: list, reverse: bool) -> Any:
    """The arrays (N, ...) of all steps, in the order in which they were made, as one (T, N, ...)."""
    return xp.concatenate(parts[::-1] if reverse else parts).reshape(len(parts), *parts[0].shape)


def stepped(xp: Any, step: Callable, carry: tuple, xs: tuple, reverse: bool) -> tuple[tuple, tuple]:
    """Runs `step(carry, x) -> carry, results` over the first dimension of the arrays `xs`; the results as arrays.

    None among `xs` stays None.
    """
    if not xp.host and len(xs[0]) > 1:
        return xp.scan(step, carry, xs, reverse)
    made = []
    for t in times(len(xs[0]), reverse):
        carry, found = step(carry, [None if x is None else x[t] for x in xs])
        made.append(found)
    return carry, tuple([gathered(xp, list(parts), reverse) for parts in zip(*made, strict=True)])
