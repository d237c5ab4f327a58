"""torch.overrides: objects that answer for functions themselves. Functions here ask them only where they are written
with `handle_torch_function`; operations on subclasses of tensors give plain tensors."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from .tensor import Tensor

__all__ = [
    "BaseTorchFunctionMode",
    "TorchFunctionMode",
    "get_ignored_functions",
    "get_overridable_functions",
    "get_testing_overrides",
    "handle_torch_function",
    "has_torch_function",
    "is_tensor_like",
    "is_tensor_method_or_property",
    "resolve_name",
    "wrap_torch_function",
]


def _answers(value: Any) -> bool:
    return hasattr(type(value), "__torch_function__")


def has_torch_function(relevant_args: Iterable[Any]) -> bool:
    """Whether an argument wants to answer for functions itself."""
    return any(_answers(value) for value in relevant_args)


def has_torch_function_unary(value: Any) -> bool:
    """Whether the argument wants to answer for functions itself."""
    return _answers(value)


def has_torch_function_variadic(*values: Any) -> bool:
    """Whether one of the arguments wants to answer for functions itself."""
    return has_torch_function(values)


def handle_torch_function(public_api: Callable, relevant_args: Iterable[Any], *args: Any, **kwargs: Any) -> Any:
    """What the first argument that answers for `public_api` gives; subclasses are asked before their bases."""
    asked: list[Any] = []
    for value in relevant_args:
        if _answers(value) and type(value) not in map(type, asked):
            place = next((i for i, other in enumerate(asked) if issubclass(type(value), type(other))), len(asked))
            asked.insert(place, value)
    types = tuple(type(value) for value in asked)
    for value in asked:
        result = value.__torch_function__(public_api, types, args, kwargs)
        if result is not NotImplemented:
            return result
    name = f"{getattr(public_api, '__module__', '')}.{getattr(public_api, '__name__', public_api)}"
    raise TypeError(f"no implementation found for '{name}' on types that implement __torch_function__: {list(types)}")


def wrap_torch_function(dispatcher: Callable[..., Iterable[Any]]) -> Callable[[Callable], Callable]:
    """A decorator: of the arguments that `dispatcher` gives, those that answer for the function are asked."""

    def decorate(function: Callable) -> Callable:
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            relevant = dispatcher(*args, **kwargs)
            if has_torch_function(relevant):
                return handle_torch_function(wrapped, relevant, *args, **kwargs)
            return function(*args, **kwargs)

        return wrapped

    return decorate


def is_tensor_like(inp: Any) -> bool:
    """Whether a value is a tensor, or answers for functions as one."""
    return isinstance(inp, Tensor) or _answers(inp)


def is_tensor_method_or_property(func: Callable) -> bool:
    """Whether a function is a method of tensors, or reads a property of theirs."""
    members = [vars(kind) for kind in Tensor.__mro__]
    name = getattr(func, "__name__", "")
    if name == "__get__":
        return True
    if getattr(func, "__module__", "") == "torch":  # one function serves as method and function
        return False
    return any(table.get(name) is func for table in members)


def resolve_name(f: Any) -> str | None:
    """The name under which a function of PyTorch's is found."""
    import flambeau

    spaces = [("torch", vars(flambeau)), ("torch.nn.functional", vars(flambeau.nn.functional)),
              ("torch.linalg", vars(flambeau.linalg)), ("torch.Tensor", vars(Tensor))]  # fmt: skip
    for path, names in spaces:
        for name, value in names.items():
            if value is f and not name.startswith("_"):
                return f"{path}.{name}"
    return None


def get_ignored_functions() -> set[Callable]:
    """Functions that never ask their arguments: none are listed."""
    return set()


def _refused(name: str) -> Callable[..., NoReturn]:
    def function(*args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError(
            f"flambeau: torch.overrides.{name} is not supported; functions do not ask __torch_function__ of their "
            "arguments"
        )

    function.__name__ = function.__qualname__ = name
    return function


get_overridable_functions = _refused("get_overridable_functions")
get_testing_overrides = _refused("get_testing_overrides")
enable_reentrant_dispatch = _refused("enable_reentrant_dispatch")


class TorchFunctionMode:
    """A mode in which a method answers for all functions. Entering it is refused: it would not be asked."""

    def __torch_function__(self, func: Callable, types: Any, args: tuple = (), kwargs: Any = None) -> Any:
        raise NotImplementedError

    def __enter__(self) -> NoReturn:
        raise NotImplementedError(
            "flambeau: TorchFunctionMode is not supported; flambeau.explain() shows what runs, hooks see modules"
        )

    def __exit__(self, *exception: Any) -> None:
        pass


class BaseTorchFunctionMode(TorchFunctionMode):
    """A mode that calls the functions."""

    def __torch_function__(self, func: Callable, types: Any, args: tuple = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))
