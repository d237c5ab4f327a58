"""torch.cuda.streams: JAX orders the work of a GPU by what needs what, so that there is one stream, and events."""

from __future__ import annotations

from time import perf_counter
from typing import Any

from ..device import gpus, here
from ._devices import index_of, wait


def _need(name: str) -> None:
    """Raises without a GPU."""
    if not gpus.count():
        raise NotImplementedError(
            f"flambeau: torch.cuda.{name} is not supported; there is no GPU; ask torch.cuda.is_available()"
        )


class Stream:
    """The stream of a GPU. All are the same: what depends on nothing may run side by side in any case."""

    def __init__(self, device: Any = None, priority: int = 0, **_: Any) -> None:
        _need("Stream")
        self.device = gpus.device(index_of(device))
        self.device_index, self.priority = self.device.index, priority
        self.cuda_stream = self.stream_id = 0
        self.before: list[int] = []

    def synchronize(self) -> None:
        """Waits until the GPU is done."""
        wait(index_of(self.device))

    def query(self) -> bool:
        """Whether all work is done: it is, once it was waited for."""
        self.synchronize()
        return True

    def wait_stream(self, stream: Stream) -> None:
        """Nothing to wait for: results are used when they are there."""

    def wait_event(self, event: Event) -> None:
        """Nothing to wait for: results are used when they are there."""

    def record_event(self, event: Event | None = None) -> Event:
        """Records an event, a new one if none is given."""
        event = event if event is not None else Event()
        event.record(self)
        return event

    def __enter__(self) -> Stream:
        self.before.append(here.index)
        here.index = index_of(self.device)
        return self

    def __exit__(self, *_: Any) -> None:
        here.index = self.before.pop()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and other.device is self.device

    def __hash__(self) -> int:
        return hash((self.cuda_stream, self.device))

    def __repr__(self) -> str:
        return f"<torch.cuda.Stream device={self.device} cuda_stream={self.cuda_stream:#x}>"


class ExternalStream(Stream):
    """A stream that another library made: here the one there is."""

    def __init__(self, stream_ptr: int, device: Any = None, **_: Any) -> None:
        _need("ExternalStream")
        super().__init__(device)


class Event:
    """A moment in the work of a GPU. With `enable_timing`, `record` waits for the GPU and reads the host's clock."""

    def __init__(
        self, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False, external: bool = False
    ) -> None:
        _need("Event")
        self.enable_timing, self.blocking = enable_timing, blocking
        self.at: float | None = None
        self.device: Any = None

    def record(self, stream: Stream | None = None) -> None:
        """Makes this the moment that the event stands for."""
        self.device = stream.device if stream is not None else gpus.device(index_of())
        if self.enable_timing:
            wait(index_of(self.device))
        self.at = perf_counter()

    def wait(self, stream: Stream | None = None) -> None:
        """Nothing to wait for: results are used when they are there."""

    def query(self) -> bool:
        """Whether the work before the event is done: it is, once it was waited for."""
        self.synchronize()
        return True

    def synchronize(self) -> None:
        """Waits until the work before the event is done."""
        if self.at is not None:
            wait(index_of(self.device))

    def elapsed_time(self, end_event: Event) -> float:
        """Milliseconds from this event to another."""
        if not (self.enable_timing and end_event.enable_timing):
            raise ValueError("Both events must be created with argument 'enable_timing=True'.")
        if self.at is None or end_event.at is None:
            raise ValueError("Both events must be recorded before calculating elapsed time.")
        return 1e3 * (end_event.at - self.at)

    def __repr__(self) -> str:
        return "<torch.cuda.Event uninitialized>" if self.at is None else f"<torch.cuda.Event {self.at}>"


class StreamContext:
    """Context of a stream; of None, nothing."""

    def __init__(self, stream: Stream | None) -> None:
        self.stream = stream

    def __enter__(self) -> None:
        if isinstance(self.stream, Stream):
            self.stream.__enter__()

    def __exit__(self, *_: Any) -> None:
        if isinstance(self.stream, Stream):
            self.stream.__exit__()


def stream(stream: Stream | None) -> StreamContext:
    """Context in which work belongs to a stream, and the stream's GPU is the one in use."""
    return StreamContext(stream)


def set_stream(stream: Stream | None) -> None:
    """Makes the GPU of a stream the one in use."""
    _need("set_stream")
    if stream is not None:
        here.index = index_of(stream.device)


def current_stream(device: Any = None) -> Stream:
    """The stream of a GPU."""
    return Stream(index_of(device))


def default_stream(device: Any = None) -> Stream:
    """The stream of a GPU."""
    return Stream(index_of(device))
