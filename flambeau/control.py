"""Looking at the engine and steering it: run at once, forbid running, tell what was cut and why."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from time import perf_counter

from .engine import engine
from .reports import Report


@contextlib.contextmanager
def eager() -> Iterator[None]:
    """Within, every operation runs when it is called. FLAMBEAU_EAGER=1 does so for a whole program.

    >>> import flambeau as torch
    >>> with torch.eager():
    ...     torch.ones(2) + 1
    tensor([2., 2.])
    """
    engine.flush("eager")
    before, engine.bound = engine.bound, 0
    try:
        yield
    finally:
        engine.bound = before


@contextlib.contextmanager
def no_execution() -> Iterator[None]:
    """Within, whatever would run a program raises RuntimeError instead: to find where a loop looks at a value."""
    engine.flush("no_execution")
    before, engine.forbidden = engine.forbidden, True
    try:
        yield
    finally:
        engine.forbidden = before


@contextlib.contextmanager
def explain(show: bool = True) -> Iterator[Report]:
    """Prints, at its end, every cut made within: its cause, the line of the program, sizes, whether its program was
    new, times.

    `with explain(show=False) as report:` keeps the report to be looked at.
    """
    report = Report()
    before, engine.log = engine.log, report.cuts
    engine.ended = perf_counter()
    try:
        yield report
    finally:
        engine.log = before
        if show:
            print(report)
