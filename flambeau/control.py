"""Looking at the engine and steering it: run at once, forbid running, tell what was cut and why."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from .engine import engine


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


class Report:
    """What ran within `explain()`: one entry for each program, in order."""

    def __init__(self) -> None:
        self.cuts: list[dict[str, Any]] = []

    def __str__(self) -> str:
        head = ["cause", "line", "operations", "results", "bytes", "program", "plan us", "run us"]
        rows = [
            [
                c["why"],
                "{}:{}".format(c["line"][0].rsplit("/", 1)[-1], c["line"][1]),
                str(c["operations"]),
                str(c["results"]),
                str(c["bytes"]),
                ("new " if c["new"] else "") + str(c["program"]),
                f"{c['plan'] * 1e6:.0f}",
                f"{c['run'] * 1e6:.0f}",
            ]
            for c in self.cuts
        ]
        wide = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
        lines = ["  ".join(v.ljust(w) for v, w in zip(row, wide, strict=True)).rstrip() for row in [head, *rows]]
        new = sum(c["new"] for c in self.cuts)
        seconds = sum(c["plan"] + c["run"] for c in self.cuts)
        lines.append(f"{len(self.cuts)} cuts, {new} new programs, {seconds * 1e3:.2f} ms")
        return "\n".join(lines)


@contextlib.contextmanager
def explain(show: bool = True) -> Iterator[Report]:
    """Prints, at its end, every cut made within: its cause, the line of the program, sizes, whether its program was
    new, times.

    `with explain(show=False) as report:` keeps the report to be looked at.
    """
    report = Report()
    before, engine.log = engine.log, report.cuts
    try:
        yield report
    finally:
        engine.log = before
        if show:
            print(report)
