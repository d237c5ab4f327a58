"""Timing statements."""

from __future__ import annotations

import timeit
from collections.abc import Callable
from enum import Enum
from time import perf_counter
from typing import Any, NoReturn

from ...control import eager
from ._common import Measurement, TaskSpec, set_torch_threads

DEFAULT_RUNS = 1_000_000


class Language(Enum):
    """What a statement is written in."""

    PYTHON = 0
    CPP = 1


def timer() -> float:
    """The time in seconds, when all that was called has run."""
    from ...engine import engine

    engine.flush("timer")
    return perf_counter()


class Timer:
    """Measures a Python statement, as timeit does, with one thread unless said otherwise.

    Every operation runs when it is called: a result that nothing uses would not be computed at all otherwise.

    >>> from flambeau.utils.benchmark import Timer
    >>> Timer("x + 1", setup="import flambeau; x = flambeau.ones(3)").timeit(10).number_per_run
    10
    """

    def __init__(
        self,
        stmt: str = "pass",
        setup: str = "pass",
        global_setup: str = "",
        timer: Callable[[], float] = timer,
        globals: dict[str, Any] | None = None,
        label: str | None = None,
        sub_label: str | None = None,
        description: str | None = None,
        env: str | None = None,
        num_threads: int = 1,
        language: Any = Language.PYTHON,
    ) -> None:
        if language not in (Language.PYTHON, "py", "python"):
            raise NotImplementedError("flambeau: torch.utils.benchmark.Timer measures statements of Python only")
        if not isinstance(stmt, str):
            raise ValueError("Currently only a `str` stmt is supported.")
        if global_setup:
            raise ValueError(
                "global_setup is C++ only, most likely you wanted to use `setup` instead of `global_setup`."
            )
        import flambeau

        names = {"torch": flambeau, **(globals or {})}
        self._timer = timeit.Timer(stmt=stmt, setup=setup, timer=timer, globals=names)
        self._task_spec = TaskSpec(stmt, setup, global_setup, label, sub_label, description, env, num_threads)

    def _time(self, number: int) -> float:
        return max(self._timer.timeit(number), 1e-9)

    def timeit(self, number: int = DEFAULT_RUNS) -> Measurement:
        """One measurement of `number` runs."""
        with set_torch_threads(self._task_spec.num_threads), eager():
            self._time(max(number // 100, 2))
            return Measurement(number, [self._time(number)], self._task_spec)

    def repeat(self, repeat: int = -1, number: int = -1) -> NoReturn:
        """Refused, as in PyTorch: use `blocked_autorange`."""
        raise NotImplementedError("See `Timer.blocked_autorange.`")

    def autorange(self, callback: Callable[[int, float], NoReturn] | None = None) -> NoReturn:
        """Refused, as in PyTorch: use `blocked_autorange`."""
        raise NotImplementedError("See `Timer.blocked_autorange.`")

    def _block(self, seconds: float) -> int:
        """How many runs make a measurement that the clock's own time does not disturb."""
        number = 1
        while True:
            taken = self._time(number)
            if taken > seconds / 1000 and taken > 1e-4 or number >= DEFAULT_RUNS:
                return number
            number *= 10

    def blocked_autorange(
        self, callback: Callable[[int, float], Any] | None = None, min_run_time: float = 0.2
    ) -> Measurement:
        """Measurements until they have taken `min_run_time` seconds together."""
        return self._until(lambda measurement, spent: spent >= min_run_time, min_run_time, callback)

    def adaptive_autorange(
        self,
        threshold: float = 0.1,
        *,
        min_run_time: float = 0.01,
        max_run_time: float = 10.0,
        callback: Callable[[int, float], Any] | None = None,
    ) -> Measurement:
        """Measurements until they agree, or have taken `max_run_time` seconds together."""
        return self._until(
            lambda m, spent: spent >= max_run_time
            or spent >= min_run_time and len(m.raw_times) > 3 and m.meets_confidence(threshold),
            min_run_time,
            callback,
        )

    def _until(self, done: Callable[[Measurement, float], bool], seconds: float, callback: Any) -> Measurement:
        with set_torch_threads(self._task_spec.num_threads), eager():
            number = self._block(seconds)
            found = Measurement(number, [], self._task_spec)
            spent = 0.0
            while not found.raw_times or not done(found, spent):
                taken = self._time(number)
                spent += taken
                found.raw_times.append(taken)
                if callback is not None:
                    callback(number, taken)
        return found

    def collect_callgrind(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused."""
        raise NotImplementedError("flambeau: Timer.collect_callgrind is not supported; use blocked_autorange")
