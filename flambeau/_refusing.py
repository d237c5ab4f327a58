"""Public modules of PyTorch's whose every name says, when it is used, that flambeau does without and what to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn


def refusing(path: str, name: str, reason: str) -> Any:
    """A function, or a class where the name is a class's, that raises NotImplementedError when it is called."""

    def function(*args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError(f"flambeau: {path}.{name} is not supported; {reason}")

    function.__name__ = function.__qualname__ = name
    function.__doc__, function.__module__ = f"Not supported: {reason}.", path
    if not name[:1].isupper() or name.isupper():
        return function
    members = {"__new__": function, "__doc__": function.__doc__, "__module__": path}
    return type(name, (), members)


def module_getattr(path: str, reason: str, existing: Mapping[str, Any]) -> Callable[[str], Any]:
    """A module's `__getattr__`: PyTorch's public names of the module refuse, others do not exist."""

    def lookup(name: str) -> Any:
        from ._names import missing, modules

        if name not in modules().get(path, ()):
            raise missing(path, name, existing)
        found = refusing(path, name, reason)
        existing[name] = found  # type: ignore[index]  # the same class each time
        return found

    return lookup
