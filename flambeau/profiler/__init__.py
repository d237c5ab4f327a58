"""torch.profiler: what runs, how often, how long.

While a profiler records, every operation runs when it is called, by NumPy and by itself, so that its time is its own:
a profiled step is slower than one that runs as a compiled program.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any

from .._refusing import refusing
from ._events import EventList, FunctionEvent, FunctionEventAvg, events_of
from ._ranges import record_function
from ._recorder import Recorder
from ._trace import write

__all__ = [
    "DeviceType",
    "ExecutionTraceObserver",
    "ProfilerAction",
    "ProfilerActivity",
    "kineto_available",
    "profile",
    "record_function",
    "schedule",
    "supported_activities",
    "tensorboard_trace_handler",
]

ExecutionTraceObserver = refusing("torch.profiler", "ExecutionTraceObserver", "use export_chrome_trace")


class ProfilerActivity(Enum):
    """Where operations run."""

    CPU = 0
    XPU = 1
    MTIA = 2
    CUDA = 3
    HPU = 4
    PrivateUse1 = 5


class DeviceType(Enum):
    """Kinds of devices."""

    CPU = 0
    CUDA = 1
    XPU = 12
    MPS = 13


class ProfilerAction(Enum):
    """What a profiler does in a step."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


def kineto_available() -> bool:
    """Whether traces can be written: they can."""
    return True


def supported_activities() -> set[ProfilerActivity]:
    """Where operations can be watched."""
    return {ProfilerActivity.CPU}


def schedule(
    *, wait: int, warmup: int, active: int, repeat: int = 0, skip_first: int = 0, skip_first_wait: int = 0
) -> Callable[[int], ProfilerAction]:
    """The plan: after `skip_first` steps, `repeat` times (0: for ever) `wait` steps off, `warmup`, `active` steps
    recorded. With `skip_first_wait`, the first time does not wait."""
    if wait < 0 or warmup < 0 or active <= 0 or repeat < 0 or skip_first < 0:
        raise AssertionError(
            f"Invalid profiler schedule arguments. Got wait={wait} (need >= 0), warmup={warmup} (need >= 0), "
            f"active={active} (need > 0), repeat={repeat} (need >= 0), skip_first={skip_first} (need >= 0)."
        )
    length = wait + warmup + active

    def plan(step: int) -> ProfilerAction:
        if step < 0:
            raise AssertionError(f"Step must be non-negative. Got {step}.")
        step -= skip_first
        if step < 0:
            return ProfilerAction.NONE
        if skip_first_wait:
            step += wait
        if repeat and step // length >= repeat:
            return ProfilerAction.NONE
        place = step % length
        if place < wait:
            return ProfilerAction.NONE
        if place < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD if place < length - 1 else ProfilerAction.RECORD_AND_SAVE

    return plan


def _always(step: int) -> ProfilerAction:
    return ProfilerAction.RECORD


def tensorboard_trace_handler(
    dir_name: str, worker_name: str | None = None, use_gzip: bool = False, use_python_export: bool = False
) -> Callable[[Any], None]:
    """For `on_trace_ready`: writes each trace to a file of its own in a folder that TensorBoard looks into."""

    def handle(profiler: Any) -> None:
        os.makedirs(dir_name, exist_ok=True)
        name = worker_name or f"{socket.gethostname()}_{os.getpid()}"
        ending = ".pt.trace.json.gz" if use_gzip else ".pt.trace.json"
        profiler.export_chrome_trace(os.path.join(dir_name, f"{name}.{time.time_ns()}{ending}"))

    return handle


class profile:
    """Records operations within a `with` block, or in the steps that a schedule chooses.

    >>> import flambeau as torch
    >>> with torch.profiler.profile() as profiler:
    ...     _ = torch.ones(2) + 1
    >>> [row.key for row in profiler.key_averages()]
    ['aten::add']
    """

    def __init__(
        self,
        *,
        activities: Iterable[ProfilerActivity] | None = None,
        schedule: Callable[[int], ProfilerAction] | None = None,
        on_trace_ready: Callable[..., Any] | None = None,
        record_shapes: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_flops: bool = False,
        with_modules: bool = False,
        experimental_config: Any = None,
        execution_trace_observer: Any = None,
        acc_events: bool = False,
        use_cuda: bool | None = None,
        custom_trace_id_callback: Callable[[], str] | None = None,
        **kwargs: Any,
    ) -> None:
        self.activities = set(activities) if activities is not None else supported_activities()
        if not self.activities:
            raise AssertionError("No valid profiler activities found")
        self.schedule, self.on_trace_ready, self.acc_events = schedule or _always, on_trace_ready, acc_events
        self.record_steps = schedule is not None
        self.record_shapes, self.profile_memory = record_shapes, profile_memory
        self.with_stack, self.with_flops, self.with_modules = with_stack, with_flops, with_modules
        self.step_num = 0
        self.current_action = self.schedule(0)
        self._recorder: Recorder | None = None
        self._started = False
        self._step: Any = None
        self._events: EventList | None = None
        self._metadata: dict[str, Any] = {}

    @property
    def profiler(self) -> Any:
        """What has been recorded, or None."""
        return self._events

    # ---- recording

    def start(self) -> None:
        """Begins with step 0."""
        self._started = True
        self._enter(self.current_action)
        self._open_step()

    def stop(self) -> None:
        """Ends. What has been recorded is handed to `on_trace_ready`."""
        self._close_step()
        self._started = False
        if self._recorder is not None:
            self._finish()
            if self.on_trace_ready is not None:
                self.on_trace_ready(self)

    def __enter__(self) -> profile:
        self.start()
        return self

    def __exit__(self, *exception: Any) -> None:
        self.stop()

    def step(self) -> None:
        """Says that a step of the program ends here."""
        self._close_step()
        before, self.step_num = self.current_action, self.step_num + 1
        self.current_action = self.schedule(self.step_num)
        recorded = self._recorder is not None
        if recorded and (before is ProfilerAction.RECORD_AND_SAVE or self.current_action.value < 2):
            self._finish()
            if before is ProfilerAction.RECORD_AND_SAVE and self.on_trace_ready is not None:
                self.on_trace_ready(self)
        if self._started:
            self._enter(self.current_action)
            self._open_step()

    def _enter(self, action: ProfilerAction) -> None:
        if action.value >= 2 and self._recorder is None:
            self._recorder = Recorder(stack=self.with_stack)
            try:
                self._recorder.start()
            except RuntimeError:
                self._recorder = None
                raise

    def _open_step(self) -> None:
        if self.record_steps and self._recorder is not None:
            self._step = self._recorder.open(f"ProfilerStep#{self.step_num}")

    def _close_step(self) -> None:
        if self._step is not None and self._recorder is not None:
            self._recorder.close(self._step)
        self._step = None

    def _finish(self) -> None:
        assert self._recorder is not None
        recorder, self._recorder = self._recorder, None
        recorder.stop()
        found = events_of(recorder, self.record_shapes, self.profile_memory, self.with_flops)
        if self.acc_events and self._events is not None:
            found[:0] = self._events
        self._events = found

    # ---- what was recorded

    def _found(self, doing: str) -> EventList:
        if self._events is None:
            raise AssertionError(f"Profiler must be initialized before {doing}")
        return self._events

    def events(self) -> EventList:
        """Each operation and range."""
        return self._found("accessing events")

    def key_averages(
        self, group_by_input_shape: bool = False, group_by_stack_n: int = 0, group_by_overload_name: bool = False
    ) -> EventList:
        """The operations and ranges of one name together (and of one set of shapes, or one line of the program)."""
        return self._found("getting key averages").key_averages(group_by_input_shape, group_by_stack_n)

    def export_chrome_trace(self, path: str) -> None:
        """Writes a trace that chrome://tracing and Perfetto show; compressed if the name ends in .gz."""
        write(self._found("exporting chrome trace"), path, self._metadata)

    def export_stacks(self, path: str, metric: str = "self_cpu_time_total") -> None:
        """Writes a line for each place of the program, for drawing flame graphs; needs `with_stack=True`."""
        self._found("exporting stacks").export_stacks(path, metric)

    def add_metadata(self, key: str, value: str) -> None:
        """Puts text into the trace."""
        self._metadata[key] = value

    def add_metadata_json(self, key: str, value: str) -> None:
        """Puts JSON into the trace."""
        import json

        self._metadata[key] = json.loads(value)

    preset_metadata_json = add_metadata_json

    def toggle_collection_dynamic(self, enable: bool, activities: Iterable[ProfilerActivity]) -> None:
        """Refused."""
        raise NotImplementedError("flambeau: use a profiler for each part of the program")

    def export_memory_timeline(self, path: str, device: str | None = None) -> None:
        """Refused."""
        raise NotImplementedError("flambeau: there is no timeline of memory; profile_memory=True gives each row's")


_KinetoProfile = profile
