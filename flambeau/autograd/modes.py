"""Contexts and decorators that switch the tape on and off, for the thread they are used in."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from ..graph import mode


class _Switch:
    """A context manager and decorator that sets the mode and puts it back."""

    grad: bool = True
    inference: bool | None = None

    def __init__(self) -> None:
        self._before: list[tuple] = []

    def __enter__(self) -> None:
        self._before.append((mode.grad, mode.inference))
        mode.set_grad(self.grad)
        if self.inference is not None:
            mode.inference = self.inference

    def __exit__(self, *_: Any) -> None:
        grad, mode.inference = self._before.pop()
        mode.set_grad(grad)

    def clone(self) -> Any:
        return type(self)()

    def __call__(self, function: Callable) -> Callable:
        if inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def generate(*args: Any, **kwargs: Any) -> Any:
                produced = function(*args, **kwargs)
                step: Callable = produced.send
                given: Any = None
                while True:
                    try:
                        with self.clone():
                            value = step(given)
                    except StopIteration as end:
                        return end.value
                    try:
                        given = yield value
                        step = produced.send
                    except GeneratorExit:
                        with self.clone():
                            produced.close()
                        raise
                    except BaseException as error:
                        step, given = produced.throw, error

            return generate

        @functools.wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with self.clone():
                return function(*args, **kwargs)

        return inside


class _Plain(_Switch):
    """A switch without settings can decorate with or without parentheses."""

    def __new__(cls, function: Callable | None = None) -> Any:
        switch = object.__new__(cls)
        if function is None:
            return switch
        switch.__init__()  # type: ignore[misc]
        return switch(function)

    def __init__(self, function: Callable | None = None) -> None:
        super().__init__()


class no_grad(_Plain):
    """Nothing recorded within needs a gradient.

    >>> import flambeau as torch
    >>> x = torch.ones(1, requires_grad=True)
    >>> with torch.no_grad():
    ...     (x * 2).requires_grad
    False
    """

    grad = False


class enable_grad(_Plain):
    """Switches the tape on within `no_grad`."""

    grad = True


class set_grad_enabled(_Switch):
    """Switches the tape on or off, at once; as a context, until its end."""

    def __init__(self, mode: bool) -> None:
        super().__init__()
        self.grad = bool(mode)
        self._first = True
        self._set()

    def _set(self) -> None:
        super().__enter__()

    def __enter__(self) -> None:
        if self._first:
            self._first = False
        else:
            super().__enter__()

    def clone(self) -> Any:
        return set_grad_enabled(self.grad)

    def __call__(self, function: Callable) -> Callable:
        if self._first:
            self.__exit__()
            self._first = False
        return super().__call__(function)


class inference_mode(_Switch):
    """As `no_grad`, for code that will never be differentiated."""

    def __new__(cls, mode: Any = True) -> Any:
        switch = object.__new__(cls)
        if callable(mode):
            switch.__init__(True)  # type: ignore[misc]
            return switch(mode)
        return switch

    def __init__(self, mode: bool = True) -> None:
        super().__init__()
        self.inference, self.grad = bool(mode), not mode

    def clone(self) -> Any:
        return inference_mode(self.inference)


def is_grad_enabled() -> bool:
    """Whether operations are recorded on the tape."""
    return mode.grad


def is_inference_mode_enabled() -> bool:
    """Whether inference_mode is on."""
    return mode.inference
