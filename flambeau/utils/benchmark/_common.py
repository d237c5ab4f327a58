"""Measured times and what they are times of."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}
ENGLISH = {"ns": "nanosecond", "us": "microsecond", "ms": "millisecond", "s": "second"}


@dataclass(frozen=True)
class TaskSpec:
    """What is measured."""

    stmt: str
    setup: str
    global_setup: str = ""
    label: str | None = None
    sub_label: str | None = None
    description: str | None = None
    env: str | None = None
    num_threads: int = 1

    @property
    def title(self) -> str:
        """The labels, or the statement."""
        if self.label is not None:
            return self.label + (f": {self.sub_label}" if self.sub_label else "")
        if "\n" not in self.stmt:
            return self.stmt + (f": {self.sub_label}" if self.sub_label else "")
        lines = "\n".join("  " + line for line in self.stmt.splitlines())
        return f"stmt:{f' ({self.sub_label})' if self.sub_label else ''}\n{lines}"

    def setup_str(self) -> str:
        """The preparation, as text."""
        return "" if self.setup in ("", "pass") else f"setup: {self.setup}"

    def summarize(self) -> str:
        """All of it, as text."""
        parts = [self.title, self.description or "", self.setup_str()]
        return "\n".join(part for part in parts if part)


@dataclass
class Measurement:
    """Times of runs of a statement, `number_per_run` times each."""

    number_per_run: int
    raw_times: list[float]
    task_spec: TaskSpec
    metadata: dict[Any, Any] | None = field(default=None)

    @property
    def times(self) -> list[float]:
        """Seconds a statement."""
        return [t / self.number_per_run for t in self.raw_times]

    @property
    def median(self) -> float:
        return float(np.median(self.times))

    @property
    def mean(self) -> float:
        return float(np.mean(self.times))

    @property
    def iqr(self) -> float:
        """The width of the middle half."""
        low, high = np.percentile(self.times, [25, 75])
        return float(high - low)

    @property
    def significant_figures(self) -> int:
        """How many digits mean something, from how far the times are spread."""
        width = max(1.645 * self.iqr / 1.35 / math.sqrt(len(self.times)), 1e-12 * self.median)
        ratio = self.median / width if width else 1.0
        return max(1, min(int(math.log10(ratio) + 1) if ratio >= 1 else 1, 5, 2 if len(self.times) == 1 else 5))

    @property
    def has_warnings(self) -> bool:
        """Whether the times are spread too far to mean much."""
        return bool(self.iqr / self.median > 0.1)

    def meets_confidence(self, threshold: float = 0.1) -> bool:
        """Whether the times agree well enough to stop measuring."""
        return self.iqr / self.median < threshold

    title = property(lambda self: self.task_spec.title)
    env = property(lambda self: self.task_spec.env or "Unspecified env")
    as_row_name = property(lambda self: self.task_spec.sub_label or self.task_spec.stmt or "[Unknown]")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "task_spec":
            raise AttributeError(name)
        return getattr(self.task_spec, name)

    def __repr__(self) -> str:
        unit, scale = select_unit(self.median)
        lines = [f"{object.__repr__(self)}", self.title]
        lines += [text for text in (self.task_spec.description, self.task_spec.setup_str()) if text]
        middle = f"{self.median / scale:.2f} {unit}"
        threads = f"{self.task_spec.num_threads} thread{'s' if self.task_spec.num_threads > 1 else ''}"
        runs = f"{len(self.times)} measurement{'s' if len(self.times) > 1 else ''}, {self.number_per_run} runs "
        if len(self.times) == 1:
            return "\n".join([*lines, f"  {middle}", f"  {runs}, {threads}"])
        low, high = np.percentile(self.times, [25, 75]) / scale
        lines += [f"  Median: {middle}", f"  IQR:    {self.iqr / scale:.2f} {unit} ({low:.2f} to {high:.2f})",
                  f"  {runs}per measurement, {threads}"]  # fmt: skip
        if self.has_warnings:
            lines += [f"  WARNING: Interquartile range is {self.iqr / self.median:.1%} of the median measurement.",
                      "           This suggests significant environmental influence."]  # fmt: skip
        return "\n".join(lines)

    @staticmethod
    def merge(measurements: Iterable[Measurement]) -> list[Measurement]:
        """Those of the same task together."""
        groups: dict[TaskSpec, list[Measurement]] = defaultdict(list)
        for measurement in measurements:
            groups[measurement.task_spec].append(measurement)
        return [
            Measurement(1, [t for one in group for t in one.times], task, None) for task, group in groups.items()
        ]


def select_unit(t: float) -> tuple[str, float]:
    """The unit that suits a time in seconds, and its length."""
    unit = next((name for name, scale in UNITS.items() if t < scale * 1000), "s")
    return unit, UNITS[unit]


def unit_to_english(u: str) -> str:
    """The name of a unit."""
    return ENGLISH[u]


def trim_sigfig(x: float, n: int) -> float:
    """A number rounded to `n` digits."""
    if x == 0:
        return 0.0
    scale = 10.0 ** (math.floor(math.log10(abs(x))) + 1 - n)
    return float(np.round(x / scale) * scale)


def ordered_unique(elements: Iterable[Any]) -> list[Any]:
    """Each element once, in order."""
    return list(dict.fromkeys(elements))


@contextmanager
def set_torch_threads(n: int) -> Iterator[None]:
    """Within, operations use `n` threads."""
    import flambeau

    before = flambeau.get_num_threads()
    flambeau.set_num_threads(n)
    try:
        yield
    finally:
        flambeau.set_num_threads(before)
