"""Tasks of scripts: torch.jit.fork runs at once, and wait hands out what came of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Future:
    """What a task gave or raised."""

    def __init__(self, *, devices: Any = None) -> None:
        self._value: Any = None
        self._error: BaseException | None = None
        self._done = False
        self._callbacks: list[Callable[[Future], Any]] = []

    def done(self) -> bool:
        """Whether there is a result."""
        return self._done

    def set_result(self, result: Any) -> None:
        """Gives the task its result."""
        if self._done:
            raise RuntimeError("Future already completed")
        self._value, self._done = result, True
        for callback in self._callbacks:
            callback(self)

    def set_exception(self, result: BaseException) -> None:
        """Lets the task fail with an exception."""
        if not isinstance(result, Exception):
            raise AssertionError(f"{result} is of type {type(result)}, not an Exception.")
        self._error = result
        self.set_result(None)

    def wait(self) -> Any:
        """The result; raises what the task raised."""
        if not self._done:
            raise RuntimeError("this Future has no result, and no other thread that could give it one")
        if self._error is not None:
            raise self._error
        return self._value

    value = wait

    def then(self, callback: Callable[[Future], Any]) -> Future:
        """The task of calling `callback` with this one when it is done."""
        following = Future()

        def act(done: Future) -> None:
            try:
                following.set_result(callback(done))
            except Exception as error:
                following.set_exception(error)

        self.add_done_callback(act)
        return following

    def add_done_callback(self, callback: Callable[[Future], Any]) -> None:
        """Has `callback` called with this task when it is done."""
        if self._done:
            callback(self)
        else:
            self._callbacks.append(callback)


def fork(func: Callable, *args: Any, **kwargs: Any) -> Future:
    """The task `func(*args, **kwargs)`, which has run when this returns; wait() raises what it raised."""
    task = Future()
    try:
        task.set_result(func(*args, **kwargs))
    except Exception as error:
        task.set_exception(error)
    return task


def wait(future: Future) -> Any:
    """The result of a task."""
    return future.wait()
