"""What the engine did, as tables: all programs at once (`engine.stats()`), and cut by cut (`explain()`)."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from .backends import Program
from .backends.tiers import described, policy


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows under a head, in columns."""
    lines = [list(head), *map(list, rows)]
    wide = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(v.ljust(w) for v, w in zip(line, wide, strict=True)).rstrip() for line in lines)


def output_bytes(program: Program) -> int:
    """The size of a program's results."""
    return sum(s.nbytes for n in program.outputs for s in (n.spec if type(n.spec) is tuple else (n.spec,)))


class Stats(dict):
    """Numbers by name; prints as a table, with a row for each program that took time.

    programs and instructions: how many ran. hits and misses: how often a structural key was known. kept and pending:
    programs remembered, operations waiting. compiles and compile_seconds: XLA's. seconds: spent running programs.
    """

    def __init__(self, numbers: dict[str, Any], programs: Iterable[Program], notes: Iterable[str] = ()) -> None:
        super().__init__(numbers)
        self.rows = sorted(programs, key=lambda p: -p.seconds)
        self.notes = list(notes)

    def __str__(self) -> str:
        lines = [", ".join(f"{name} {shown(value)}" for name, value in self.items())]
        if self.rows:
            head = ["program", "backend", "runs", "mean us", "total ms", "compile s", "result bytes", "operations"]
            lines.append(table(head, [row(p) for p in self.rows[:20]]))
        if len(self.rows) > 20:
            lines.append(f"and {len(self.rows) - 20} more")
        return "\n".join([*lines, *self.notes])

    __repr__ = __str__


def shown(value: Any) -> str:
    return f"{value:.3f}" if type(value) is float else str(value)


def row(p: Program) -> list[str]:
    """A program's line in the table."""
    mean = p.seconds / p.runs * 1e6 if p.runs else 0.0
    what = described(p).partition(" (")[2].rstrip(")")
    return [
        str(p.number),
        p.tier.settled if p.tier is not None else "numpy",
        str(p.runs),
        f"{mean:.0f}",
        f"{p.seconds * 1e3:.1f}",
        f"{p.tier.compile_seconds:.2f}" if p.tier is not None else "",
        str(output_bytes(p)),
        what,
    ]


class Report:
    """What ran within `explain()`: one entry for each program, in order.

    Times of a cut: record (since the cut before: the user's Python, which records), plan (finding the program),
    compile, run.
    """

    def __init__(self) -> None:
        self.cuts: list[dict[str, Any]] = []

    def __str__(self) -> str:
        head = ["cause", "line", "operations", "results", "bytes", "program", "backend"]
        head += ["record us", "plan us", "compile us", "run us"]
        rows = [
            [
                c["why"],
                "{}:{}".format(c["line"][0].rsplit("/", 1)[-1], c["line"][1]),
                str(c["operations"]),
                str(c["results"]),
                str(c["bytes"]),
                ("new " if c["new"] else "") + str(c["program"]),
                c["backend"],
                *[f"{c[part] * 1e6:.0f}" for part in ("record", "plan", "compile", "run")],
            ]
            for c in self.cuts
        ]
        new = sum(c["new"] for c in self.cuts)
        seconds = sum(c["plan"] + c["compile"] + c["run"] for c in self.cuts)
        return f"{table(head, rows)}\n{len(self.cuts)} cuts, {new} new programs, {seconds * 1e3:.2f} ms"


def difference(key: Sequence[Any], others: Iterable[Sequence[Any]]) -> str:
    """What sets a new structural key apart from the most alike of those known: "" if none is alike."""
    for other in others:
        if len(other) == len(key):
            apart = [(a, b) for a, b in zip(key, other, strict=True) if a is not b and a != b]
            if 0 < len(apart) <= len(key) // 2 and all(named(a) == named(b) is not None for a, b in apart):
                return f"{apart[0][0]!r} here, {apart[0][1]!r} before"
    return ""


def named(letter: Any) -> str | None:
    """The operation of a letter of a key; None for what is not one."""
    if not hasattr(letter, "spec"):
        return None
    return letter.op.name if letter.op is not None else "leaf"


def start_log() -> None:
    """Lines on stderr about programs, where FLAMBEAU_LOG=engine asks for them."""
    if "engine" in os.environ.get("FLAMBEAU_LOG", "").split(","):
        policy.log = lambda text: print(f"flambeau: {text}", file=sys.stderr, flush=True)
