"""A table of measurements: statements in rows, descriptions in columns."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from ._common import Measurement, ordered_unique, select_unit, trim_sigfig, unit_to_english


class Colorize(Enum):
    """What the best of is shown in colour."""

    NONE = "none"
    COLUMNWISE = "columnwise"
    ROWWISE = "rowwise"


class Compare:
    """Measurements to be shown side by side."""

    def __init__(self, results: list[Measurement]) -> None:
        self._results: list[Measurement] = []
        self._trim = self._warn = False
        self._colour = Colorize.NONE
        self.extend_results(results)

    def extend_results(self, results: Iterable[Measurement]) -> None:
        """Takes in more."""
        for result in results:
            if not isinstance(result, Measurement):
                raise ValueError(f"Expected an instance of `Measurement`, got {type(result)} instead.")
            self._results.append(result)

    def trim_significant_figures(self) -> None:
        """Shows only digits that mean something."""
        self._trim = True

    def colorize(self, rowwise: bool = False) -> None:
        """Marks the best of each column, or of each row."""
        self._colour = Colorize.ROWWISE if rowwise else Colorize.COLUMNWISE

    def highlight_warnings(self) -> None:
        """Marks times that are spread too far."""
        self._warn = True

    def __str__(self) -> str:
        found = Measurement.merge(self._results)
        labels = ordered_unique(result.task_spec.label for result in found)
        return "\n\n".join(self._table([r for r in found if r.task_spec.label == label], label) for label in labels)

    def print(self) -> None:
        """Shows the table."""
        print(str(self))

    def _table(self, results: list[Measurement], label: str | None) -> str:
        unit, scale = select_unit(min(result.median for result in results))
        heads = ordered_unique(result.task_spec.description or "" for result in results)
        rows = ordered_unique((result.task_spec.num_threads, result.as_row_name) for result in results)
        cells: dict[tuple, str] = {}
        for result in results:
            value = result.median / scale
            value = trim_sigfig(value, result.significant_figures) if self._trim else value
            text = f"{value:.1f}"
            if self._warn and result.has_warnings:
                text += f" (! {result.iqr / result.median:.0%})"
            cells[result.task_spec.num_threads, result.as_row_name, result.task_spec.description or ""] = text
        if self._colour is not Colorize.NONE:
            self._mark(results, cells)
        left = max(len("1 threads: "), *(len(name) + 6 for _, name in rows))
        widths = [max(len(head), *(len(cells.get((*row, head), "")) for row in rows)) + 2 for head in heads]
        width = left + sum(w + 3 for w in widths)
        title = f" {label} " if label else ""
        lines = [f"[{title.center(width - 2, '-')}]"]
        lines.append(" " * left + "".join(" | " + head.center(w) for head, w in zip(heads, widths, strict=True)))
        threads = None
        for row in rows:
            if row[0] != threads:
                threads = row[0]
                lines.append(f"{threads} threads: ".ljust(width, "-"))
            texts = [cells.get((*row, head), "") for head in heads]
            lines.append(
                f"      {row[1]}".ljust(left)
                + "".join(" | " + text.center(w) for text, w in zip(texts, widths, strict=True))
            )
        return "\n".join([*lines, "", f"Times are in {unit_to_english(unit)}s ({unit}).", ""])

    def _mark(self, results: list[Measurement], cells: dict[tuple, str]) -> None:
        """Puts a star before the best of each column or row."""
        groups: dict[object, list[Measurement]] = {}
        for result in results:
            key = result.as_row_name if self._colour is Colorize.ROWWISE else result.task_spec.description
            groups.setdefault(key, []).append(result)
        for group in groups.values():
            best = min(group, key=lambda result: result.median).task_spec
            name = best.sub_label or best.stmt or "[Unknown]"
            cells[best.num_threads, name, best.description or ""] = (
                "*" + cells[best.num_threads, name, best.description or ""]
            )
