"""Ranges that a program names: record_function."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ._recorder import Recorder, Span


class record_function:
    """A context, or decorator, whose time a profiler shows under a name. Without a profiler, nothing."""

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name, self.args = name, args
        self._span: Span | None = None

    def __enter__(self) -> record_function:
        if Recorder.active is not None:
            self._span = Recorder.active.open(self.name)
        return self

    def __exit__(self, *exception: Any) -> None:
        if self._span is not None and Recorder.active is not None:
            Recorder.active.close(self._span)
        self._span = None

    def __call__(self, function: Callable) -> Callable:
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with record_function(self.name, self.args):
                return function(*args, **kwargs)

        return wrapped
