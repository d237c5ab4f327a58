"""Scripts: a module or function, under the classes that torch.jit gives them."""

from __future__ import annotations

import copy
import functools
import inspect
import textwrap
from collections.abc import Callable
from typing import Any, NoReturn

from ..nn import Module

_NO_GRAPH = "flambeau: scripts have no graph of their own; flambeau.explain() shows what was run"
_NO_ARCHIVE = "flambeau: TorchScript is not written; use torch.save(model.state_dict(), path)"


def _source(function: Any) -> str:
    try:
        return textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):
        return ""


class ScriptFunction:
    """A function that was scripted or traced: calls it."""

    def __init__(self, function: Callable) -> None:
        functools.update_wrapper(self, function)
        self._function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._function(*args, **kwargs)

    @property
    def name(self) -> str:
        return self._function.__name__

    @property
    def qualified_name(self) -> str:
        return f"{self._function.__module__}.{self._function.__qualname__}"

    @property
    def code(self) -> str:
        """The function's source."""
        return _source(self._function)

    @property
    def graph(self) -> NoReturn:
        """Refused."""
        raise NotImplementedError(_NO_GRAPH)

    inlined_graph = graph

    def save(self, filename: Any, _extra_files: Any = None) -> NoReturn:
        """Refused."""
        raise NotImplementedError(_NO_ARCHIVE)

    def __reduce__(self) -> tuple:
        return ScriptFunction, (self._function,)


class ScriptModule(Module):
    """The class of scripted modules, and of those that programs define with script_method."""

    @property
    def graph(self) -> NoReturn:
        """Refused."""
        raise NotImplementedError(_NO_GRAPH)

    inlined_graph = graph

    @property
    def code(self) -> str:
        """The source of the method `forward`."""
        return _source(self.forward)

    @property
    def original_name(self) -> str:
        return type(self).__name__

    def define(self, src: str) -> NoReturn:
        """Refused."""
        raise NotImplementedError("flambeau: TorchScript's source is not compiled; write the method in the class")

    def save(self, f: Any, **kwargs: Any) -> NoReturn:
        """Refused."""
        raise NotImplementedError(_NO_ARCHIVE)

    save_to_buffer = save


class RecursiveScriptModule(ScriptModule):
    """A module as a script: it has the module's own parameters, submodules, hooks and attributes, not copies."""

    __slots__ = ("_original",)
    _original: Module

    def __init__(self, module: Module) -> None:
        object.__setattr__(self, "_original", module)
        # one dictionary for both: what is set, moved or loaded on one is so on the other
        object.__setattr__(self, "__dict__", module.__dict__)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes."""
        return self._original.forward(*args, **kwargs)

    @property
    def original_name(self) -> str:
        return type(self._original).__name__

    @property
    def code(self) -> str:
        return _source(type(self._original).forward)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)

    def train(self, mode: bool = True) -> Any:
        self._original.train(mode)
        return self

    def __len__(self) -> int:
        return len(self._original)  # type: ignore[arg-type]

    def __iter__(self) -> Any:
        return iter(self._original)  # type: ignore[call-overload]

    def __getitem__(self, index: Any) -> Any:
        return self._original[index]  # type: ignore[index]

    def __contains__(self, key: Any) -> bool:
        return key in self._original  # type: ignore[operator, attr-defined]

    def __bool__(self) -> bool:
        return True

    def __copy__(self) -> Any:
        return type(self)(copy.copy(self._original))

    def __deepcopy__(self, memo: dict) -> Any:
        return type(self)(copy.deepcopy(self._original, memo))

    def __reduce_ex__(self, protocol: Any) -> tuple:
        return type(self), (self._original,)

    def _get_name(self) -> str:
        return "RecursiveScriptModule"

    def __repr__(self) -> str:
        return shown(self._original, "RecursiveScriptModule")


class TracedModule(RecursiveScriptModule):
    """A module that was traced."""

    def _get_name(self) -> str:
        return self.original_name

    def __repr__(self) -> str:
        return shown(self._original, "")


class TopLevelTracedModule(TracedModule):
    """A module that was traced."""


def shown(module: Any, name: str) -> str:
    """The text of a script: each module's class as its original name, under `name` or, without, its own."""
    original = getattr(module, "original_name", type(module).__name__)
    head = name or original
    inside = [f"({key}): {textwrap.indent(shown(child, name), '  ').lstrip()}"
              for key, child in module.named_children()]  # fmt: skip
    if not inside:
        return f"{head}(original_name={original})"
    return f"{head}(\n  " + "\n  ".join([f"original_name={original}", *inside]) + "\n)"
