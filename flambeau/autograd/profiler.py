"""torch.autograd.profiler: the older form of torch.profiler."""

from __future__ import annotations

from typing import Any

from .._refusing import refusing
from ..profiler import EventList, FunctionEvent, FunctionEventAvg, events_of, record_function
from ..profiler._recorder import Recorder

__all__ = [
    "EventList",
    "FunctionEvent",
    "FunctionEventAvg",
    "emit_itt",
    "emit_nvtx",
    "load_nvprof",
    "profile",
    "record_function",
]

_REASON = "it talks to a vendor's profiler; use torch.profiler.profile"
emit_nvtx = refusing("torch.autograd.profiler", "emit_nvtx", _REASON)
emit_itt = refusing("torch.autograd.profiler", "emit_itt", _REASON)
load_nvprof = refusing("torch.autograd.profiler", "load_nvprof", _REASON)


class profile:
    """Records the operations within a `with` block."""

    def __init__(
        self,
        enabled: bool = True,
        *,
        use_cuda: bool = False,
        use_device: str | None = None,
        record_shapes: bool = False,
        with_flops: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_modules: bool = False,
        use_kineto: bool = False,
        use_cpu: bool = True,
        **options: Any,
    ) -> None:
        self.enabled, self.entered = enabled, False
        self.record_shapes, self.with_flops = record_shapes or with_flops, with_flops
        self.profile_memory, self.with_stack = profile_memory, with_stack
        self.function_events: EventList | None = None
        self._recorder = Recorder(stack=with_stack)

    def __enter__(self) -> profile | None:
        if not self.enabled:
            return None
        if self.entered:
            raise RuntimeError("Profiler context manager is not reentrant")
        self._recorder.start()
        self.entered = True
        return self

    def __exit__(self, *exception: Any) -> bool:
        if self.enabled:
            self._recorder.stop()
            self.function_events = events_of(self._recorder, self.record_shapes, self.profile_memory, self.with_flops)
        return False

    def _found(self) -> EventList:
        if self.function_events is None:
            raise RuntimeError("Profiler didn't finish running")
        return self.function_events

    def __repr__(self) -> str:
        return "<unfinished torch.autograd.profile>" if self.function_events is None else repr(self.function_events)

    def __str__(self) -> str:
        return "<unfinished torch.autograd.profile>" if self.function_events is None else self.table()

    def table(self, *args: Any, **kwargs: Any) -> str:
        """The table of the events; see EventList.table."""
        return self._found().table(*args, **kwargs)

    def key_averages(
        self, group_by_input_shape: bool = False, group_by_stack_n: int = 0, group_by_overload_name: bool = False
    ) -> EventList:
        """The operations and ranges of one name together."""
        return self._found().key_averages(group_by_input_shape, group_by_stack_n)

    def total_average(self) -> FunctionEventAvg:
        """All events together."""
        return self._found().total_average()

    @property
    def self_cpu_time_total(self) -> float:
        return self._found().self_cpu_time_total

    def export_chrome_trace(self, path: str) -> None:
        """Writes a trace that chrome://tracing and Perfetto show."""
        self._found().export_chrome_trace(path)

    def export_stacks(self, path: str, metric: str = "self_cpu_time_total") -> None:
        """Writes a line for each place of the program, for drawing flame graphs."""
        self._found().export_stacks(path, metric)
