"""What a profiler hands out: events, their averages, and the table of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from ._costs import ELEMENTWISE, flops_of, shapes_of, types_of
from ._recorder import Recorder, Span

DEVICE = "CPU"


class Interval(NamedTuple):
    """A stretch of time, in microseconds."""

    start: float
    end: float

    def elapsed_us(self) -> float:
        """Its length."""
        return self.end - self.start


class _Times:
    """What events and averages have in common: no device but the processor, times as text."""

    cpu_time_total: float
    self_cpu_time_total: float
    count: int
    device_type = DEVICE
    use_device = None
    is_async = is_remote = is_legacy = False
    node_id = -1
    device_time = device_time_total = self_device_time_total = cuda_time = cuda_time_total = 0.0
    self_cuda_time_total = 0.0
    device_memory_usage = self_device_memory_usage = cuda_memory_usage = 0

    @property
    def cpu_time(self) -> float:
        """Microseconds a call."""
        return self.cpu_time_total / self.count if self.count else 0.0

    cpu_time_str = property(lambda self: time_text(self.cpu_time))
    cpu_time_total_str = property(lambda self: time_text(self.cpu_time_total))
    self_cpu_time_total_str = property(lambda self: time_text(self.self_cpu_time_total))


class FunctionEvent(_Times):
    """One call of an operation, or one range."""

    def __init__(self, id: int, name: str, start: float, end: float, thread: int) -> None:
        self.id, self.name, self.thread, self.count = id, name, thread, 1
        self.time_range = Interval(start, end)
        self.cpu_children: list[FunctionEvent] = []
        self.cpu_parent: FunctionEvent | None = None
        self.input_shapes: list[list[int]] = []
        self.input_types: list[str] = []
        self.stack: list[str] = []
        self.cpu_memory_usage = 0
        self.flops: int | None = None
        self.is_user_annotation = False
        self.scope = 0
        self.overload_name = ""

    @property
    def key(self) -> str:
        return self.name

    @property
    def cpu_time_total(self) -> float:  # type: ignore[override]
        return self.time_range.elapsed_us()

    @property
    def self_cpu_time_total(self) -> float:  # type: ignore[override]
        return self.cpu_time_total - sum(child.cpu_time_total for child in self.cpu_children)

    @property
    def self_cpu_memory_usage(self) -> int:
        return self.cpu_memory_usage - sum(child.cpu_memory_usage for child in self.cpu_children)

    def __repr__(self) -> str:
        return (
            f"<FunctionEvent id={self.id} name={self.name} device_type=DeviceType.CPU "
            f"cpu_time={self.cpu_time_str} start_us={self.time_range.start} end_us={self.time_range.end} "
            f"cpu_children={[child.id for child in self.cpu_children]} thread={self.thread} "
            f"input_shapes={self.input_shapes} cpu_memory_usage={self.cpu_memory_usage}>"
        )


class FunctionEventAvg(_Times):
    """All calls of one name (and, if asked for, of one set of shapes or one line)."""

    def __init__(self) -> None:
        self.key: str = ""
        self.count = 0
        self.cpu_time_total = self.self_cpu_time_total = 0.0
        self.cpu_memory_usage = self.self_cpu_memory_usage = 0
        self.input_shapes: Any = None
        self.stack: list[str] = []
        self.flops = 0
        self.is_user_annotation = False
        self.scope = 0
        self.overload_name = ""

    def add(self, other: FunctionEvent | FunctionEventAvg) -> FunctionEventAvg:
        """Takes in more calls."""
        if not self.count:
            self.key = self.key or other.key
            self.input_shapes, self.stack = other.input_shapes, other.stack
            self.is_user_annotation = other.is_user_annotation
        self.count += other.count
        self.cpu_time_total += other.cpu_time_total
        self.self_cpu_time_total += other.self_cpu_time_total
        self.cpu_memory_usage += other.cpu_memory_usage
        self.self_cpu_memory_usage += other.self_cpu_memory_usage
        self.flops += other.flops or 0
        return self

    __iadd__ = add

    def __repr__(self) -> str:
        return (
            f"<FunctionEventAvg key={self.key} self_cpu_time={self.self_cpu_time_total_str} "
            f"cpu_time={self.cpu_time_str}  self_cuda_time=0.000us cuda_time=0.000us "
            f"input_shapes={self.input_shapes} cpu_memory_usage={self.cpu_memory_usage} cuda_memory_usage=0>"
        )


class EventList(list):
    """Events or averages."""

    def __init__(self, events: Iterable = (), *, profile_memory: bool = False, with_flops: bool = False) -> None:
        super().__init__(events)
        self._profile_memory, self._with_flops = profile_memory, with_flops

    def __str__(self) -> str:
        return self.table()

    @property
    def self_cpu_time_total(self) -> float:
        return sum(event.self_cpu_time_total for event in self)

    def key_averages(
        self, group_by_input_shapes: bool = False, group_by_stack_n: int = 0, group_by_overload_name: bool = False
    ) -> EventList:
        """The events of one name together."""
        found: dict[tuple, FunctionEventAvg] = {}
        for event in self:
            name = "ProfilerStep*" if event.name.startswith("ProfilerStep#") else event.name
            lines = event.stack[:group_by_stack_n]
            average = found.setdefault(
                (name, str(event.input_shapes) if group_by_input_shapes else "", tuple(lines)), FunctionEventAvg()
            )
            average.key = name
            average.add(event)
            average.stack = lines
            if not group_by_input_shapes:
                average.input_shapes = ""
        return EventList(found.values(), profile_memory=self._profile_memory, with_flops=self._with_flops)

    def total_average(self) -> FunctionEventAvg:
        """All events together."""
        total = FunctionEventAvg()
        total.key = "Total"
        for event in self:
            total.add(event)
        total.key = "Total"
        return total

    def table(
        self,
        sort_by: str | None = None,
        row_limit: int = 100,
        max_src_column_width: int = 75,
        max_name_column_width: int = 55,
        max_shapes_column_width: int = 80,
        header: str | None = None,
        top_level_events_only: bool = False,
        time_unit: str | None = None,
    ) -> str:
        """A table of the events, the largest by `sort_by` first."""
        return table(
            self, sort_by, row_limit, max_src_column_width, max_name_column_width, max_shapes_column_width, header,
            top_level_events_only, time_unit,
        )  # fmt: skip

    def export_chrome_trace(self, path: str) -> None:
        """Writes the events as a trace that chrome://tracing and Perfetto show."""
        from ._trace import write

        write(self, path)

    def export_stacks(self, path: str, metric: str) -> None:
        """Writes a line for each place of the program, with the time spent there, for drawing flame graphs."""
        if metric not in ("self_cpu_time_total", "self_cuda_time_total", "self_xpu_time_total"):
            raise ValueError("metric should be one of: ['self_cpu_time_total', 'self_cuda_time_total', ...]")
        with open(path, "w", encoding="utf-8") as file:
            for event in self:
                if event.stack and int(getattr(event, metric, 0)) > 0:
                    places = [line.replace(" ", "_").replace(";", "_") for line in reversed(event.stack)]
                    file.write(f"{';'.join([*places, event.name])} {int(getattr(event, metric))}\n")


# ---- from spans to events


def events_of(recorder: Recorder, shapes: bool, memory: bool, flops: bool) -> EventList:
    """The events of a recorder, each with those within it."""
    found: list[FunctionEvent] = []
    for span in recorder.spans:
        start, end = (span.start - recorder.started) * 1e6, (span.end - recorder.started) * 1e6
        for level, name in enumerate(span.names):
            event = FunctionEvent(len(found), name, start, end, span.thread)
            event.is_user_annotation = span.user
            _describe(event, span, shapes, memory, flops and level == len(span.names) - 1)
            found.append(event)
    found.sort(key=lambda e: (e.time_range.start, -e.time_range.end, e.id))
    open_by_thread: dict[int, list[FunctionEvent]] = {}
    for i, event in enumerate(found):
        event.id = i
        around = open_by_thread.setdefault(event.thread, [])
        while around and around[-1].time_range.end < event.time_range.end:
            around.pop()
        while around and around[-1].time_range.end <= event.time_range.start:
            around.pop()
        if around:
            event.cpu_parent = around[-1]
            around[-1].cpu_children.append(event)
        around.append(event)
    if memory:
        for event in reversed(found):
            if event.is_user_annotation:
                event.cpu_memory_usage = sum(child.cpu_memory_usage for child in event.cpu_children)
    return EventList(found, profile_memory=memory, with_flops=flops)


def _describe(event: FunctionEvent, span: Span, shapes: bool, memory: bool, flops: bool) -> None:
    if span.line is not None:
        event.stack = ["{}({})".format(*span.line)]
    node = span.node
    if node is None:
        return
    if shapes:
        event.input_shapes, event.input_types = shapes_of(node), types_of(node)
    if memory:
        event.cpu_memory_usage = span.memory
    if flops:
        name = node.kind.op.name
        size = (node.spec[0] if type(node.spec) is tuple else node.spec).numel
        event.flops = size if name in ELEMENTWISE else flops_of(node)


# ---- the table


def time_text(us: float, unit: str | None = None) -> str:
    """A time with its unit."""
    if unit == "s" or unit is None and us >= 1e6:
        return f"{us / 1e6:.3f}s"
    if unit == "ms" or unit is None and us >= 1e3:
        return f"{us / 1e3:.3f}ms"
    return f"{us:.3f}us"


def memory_text(size: float) -> str:
    """A number of bytes with its unit."""
    for factor, unit in ((1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "KB")):
        if abs(size) >= factor:
            return f"{size / factor:.2f} {unit}"
    return f"{size} B"


def _share(part: float, whole: float) -> str:
    return f"{part * 100 / whole:.2f}%" if whole else "NaN"


def _cut(text: str, width: int | None) -> str:
    return text if width is None or len(text) < width else text[: width - 3] + "..."


def table(events: EventList, sort_by: str | None, row_limit: int, source_width: int | None, name_width: int | None,
          shape_width: int | None, header: str | None, top_only: bool, unit: str | None) -> str:  # fmt: skip
    """Events as lines of text."""
    if not events:
        return ""
    rows = list(events)
    if sort_by is not None:
        key = sort_by.replace("cuda", "device").replace("xpu", "device")
        rows.sort(key=lambda e: getattr(e, key if hasattr(e, key) else sort_by), reverse=True)
    whole = sum(e.self_cpu_time_total for e in events)
    names = [_cut(e.key, name_width) for e in rows]
    stacks = [_cut(e.stack[0], source_width) if e.stack else "" for e in rows]
    shapes = [_cut(str(e.input_shapes or ""), shape_width) for e in rows]
    heads = ["Name", "Self CPU %", "Self CPU", "CPU total %", "CPU total", "CPU time avg"]
    widths = [max(len(name) for name in names) + 4, *[12] * 5]
    if events._profile_memory:
        heads += ["CPU Mem", "Self CPU Mem"]
        widths += [12, 12]
    heads.append("# of Calls")
    widths.append(12)
    if any(shapes):
        heads.append("Input Shapes")
        widths.append(max(len(shape) for shape in shapes) + 4)
    if any(stacks):
        heads.append("Source Location")
        widths.append(max(len(line) for line in stacks) + 4)
    flops, flops_unit = _flops(rows) if events._with_flops else ([], "")
    if flops_unit:
        heads.append(f"Total {flops_unit}")
        widths.append(12)

    def line(cells: Sequence[str]) -> str:
        return "".join(
            (cell.ljust(width) if head == "Source Location" else cell.rjust(width)) + "  "
            for cell, width, head in zip(cells, widths, heads, strict=True)
        )

    rule = line(["-" * width for width in widths])
    text: list[str] = []
    if header is not None:
        text += ["=" * len(rule), header]
    if top_only:
        text += ["=" * len(rule), "This report only display top-level ops statistics"]
    text += [rule, line(heads), rule]
    shown = 0
    for i, event in enumerate(rows):
        if shown == row_limit:
            break
        if top_only and getattr(event, "cpu_parent", None) is not None:
            continue
        shown += 1
        cells = [
            names[i],
            _share(event.self_cpu_time_total, whole),
            time_text(event.self_cpu_time_total, unit),
            _share(event.cpu_time_total, whole),
            time_text(event.cpu_time_total, unit),
            time_text(event.cpu_time, unit),
        ]
        if events._profile_memory:
            cells += [memory_text(event.cpu_memory_usage), memory_text(event.self_cpu_memory_usage)]
        cells.append(str(event.count))
        if any(shapes):
            cells.append(shapes[i])
        if any(stacks):
            cells.append(stacks[i])
        if flops_unit:
            cells.append(flops[i])
        text.append(line(cells))
    text += [rule, f"Self CPU time total: {time_text(whole, unit)}", ""]
    return "\n".join(text)


def _flops(rows: list) -> tuple[list[str], str]:
    """The operations of each row as text, in the unit that suits the smallest."""
    counts = [event.flops or 0 for event in rows]
    known = [count for count in counts if count > 0]
    if not known:
        return [], ""
    power = 0
    while min(known) >= 1000 ** (power + 1) and power < 5:
        power += 1
    unit = ("FLOPs", "KFLOPs", "MFLOPs", "GFLOPs", "TFLOPs", "PFLOPs")[power]
    return [f"{count / 1000**power:.3f}" if count else "--" for count in counts], unit
