"""torch.jit: scripted and traced functions and modules, which run as the Python that they are.

Nothing is translated or frozen: what comes back behaves as what was given, branches included. Archives of TorchScript
are neither written nor read.
"""

from __future__ import annotations

import builtins
import inspect
import os
from collections.abc import Callable
from contextlib import contextmanager, nullcontext
from typing import Any, Final, NamedTuple, NoReturn

from .._refusing import refusing
from ..nn import Module
from ._modules import (
    RecursiveScriptModule,
    ScriptFunction,
    ScriptModule,
    TopLevelTracedModule,
    TracedModule,
)
from ._tasks import Future, fork, wait
from ._types import annotate, isinstance

__all__ = [
    "Attribute",
    "CompilationUnit",
    "Error",
    "Final",
    "Future",
    "RecursiveScriptModule",
    "ScriptFunction",
    "ScriptModule",
    "ScriptWarning",
    "TopLevelTracedModule",
    "TracedModule",
    "TracerWarning",
    "TracingCheckError",
    "annotate",
    "enable_onednn_fusion",
    "export",
    "export_opnames",
    "fork",
    "freeze",
    "ignore",
    "interface",
    "is_scripting",
    "is_tracing",
    "isinstance",
    "load",
    "onednn_fusion_enabled",
    "optimize_for_inference",
    "save",
    "script",
    "script_if_tracing",
    "script_method",
    "set_fusion_strategy",
    "strict_fusion",
    "trace",
    "trace_module",
    "unused",
    "wait",
]
_is = builtins.isinstance  # the module has a function of that name
CompilationUnit = refusing("torch.jit", "CompilationUnit", "TorchScript's source is not compiled; write the function")
last_executed_optimized_graph = refusing(
    "torch.jit", "last_executed_optimized_graph", "flambeau.explain() shows what was run"
)
export_opnames = refusing("torch.jit", "export_opnames", "flambeau.explain() shows what was run")


class Error(RuntimeError):
    """What PyTorch raises from within scripted code."""


class TracingCheckError(Exception):
    """What PyTorch raises when a trace does not repeat itself."""


class ScriptWarning(Warning):
    """A warning about scripted code."""


class TracerWarning(Warning):
    """A warning about traced code."""


class Attribute(NamedTuple):
    """A value with the type that it is declared to have."""

    value: Any
    type: Any


def is_scripting() -> bool:
    """Whether the code runs as TorchScript: never."""
    return False


def is_tracing() -> bool:
    """Whether operations are being noted for a trace: never, since nothing is frozen by one."""
    return False


# ---- making scripts


def script(
    obj: Any,
    optimize: None = None,
    _frames_up: int = 0,
    _rcb: Callable[[str], Any] | None = None,
    example_inputs: Any = None,
) -> Any:
    """A ScriptModule or ScriptFunction that does what `obj` does, and shares its parameters. Classes, lists and
    dictionaries come back as they are."""
    if _is(obj, (ScriptModule, ScriptFunction)) or _is(obj, (type, list, dict)):
        return obj
    if _is(obj, Module):
        return RecursiveScriptModule(obj)
    if inspect.isroutine(obj):
        return ScriptFunction(obj)
    raise TypeError(f"torch.jit.script takes a module, function or class, not {type(obj).__name__}")


def script_method(fn: Callable) -> Callable:
    """The method itself."""
    return fn


def script_if_tracing(fn: Callable) -> Callable:
    """The function itself."""
    return fn


def trace(
    func: Any,
    example_inputs: Any = None,
    optimize: Any = None,
    check_trace: bool = True,
    check_inputs: Any = None,
    check_tolerance: float = 1e-5,
    strict: bool = True,
    _force_outplace: bool = False,
    _module_class: Any = None,
    _compilation_unit: Any = None,
    example_kwarg_inputs: dict[str, Any] | None = None,
    _store_inputs: bool = True,
) -> Any:
    """`func` as a script, after one run with the examples, whose errors show here.

    Unlike PyTorch's, a trace keeps its branches and loops: later calls with other inputs take their own way.
    """
    if _is(func, (ScriptModule, ScriptFunction)):
        return func
    if example_kwarg_inputs is not None:
        args, words = (), dict(example_kwarg_inputs)
    else:
        if example_inputs is None:
            raise RuntimeError("example_kwarg_inputs should be a dict")
        args, words = (tuple(example_inputs) if _is(example_inputs, (tuple, list)) else (example_inputs,)), {}
    if not callable(func):
        raise TypeError(f"torch.jit.trace takes a module or function, not {type(func).__name__}")
    func(*args, **words)
    return TopLevelTracedModule(func) if _is(func, Module) else ScriptFunction(func)


def trace_module(mod: Module, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
    """`mod` as a script, after one run of each method named in `inputs`."""
    if not _is(mod, Module):
        raise AttributeError("expected torch.nn.Module as the first argument")
    if not _is(inputs, dict):
        raise AttributeError("expected a dictionary of (method_name, input) pairs")
    for name, given in inputs.items():
        method = mod if name == "forward" else getattr(mod, name)
        method(**given) if _is(given, dict) else method(*(given if _is(given, tuple) else (given,)))
    return TopLevelTracedModule(mod)


def freeze(mod: Any, preserved_attrs: list[str] | None = None, optimize_numerics: bool = True) -> Any:
    """A copy of a script in evaluation mode, whose parameters need no gradient."""
    if not _is(mod, ScriptModule):
        raise RuntimeError(
            "Freezing expects a ScriptModule as input. "
            "Please use torch.jit.script or torch.jit.trace to script your 'nn.Module'."
        )
    if mod.training:
        raise RuntimeError(
            "Freezing is currently only implemented for modules in eval mode. "
            "Please call .eval() on your module before freezing."
        )
    import copy

    return copy.deepcopy(mod).requires_grad_(False)


def optimize_for_inference(mod: Any, other_methods: list[str] | None = None) -> Any:
    """A script in evaluation mode, frozen; one in training mode, itself."""
    if not _is(mod, ScriptModule):
        raise RuntimeError(
            "optimize_for_inference expects a ScriptModule as input. "
            "Please use torch.jit.script or torch.jit.trace to script your 'nn.Module'."
        )
    return mod if mod.training else freeze(mod, other_methods)


def run_frozen_optimizations(mod: Any, optimize_numerics: bool = True, preserved_methods: Any = None) -> None:
    """Nothing is left to do for a frozen module."""


# ---- marks on functions and methods


def ignore(drop: Any = False, **kwargs: Any) -> Any:
    """Marks a method that is not compiled. Nothing is: the method itself, or a decorator that gives it."""
    return drop if callable(drop) else lambda function: function


def unused(fn: Any) -> Any:
    """Marks a method that scripts do not call; the method itself."""
    return fn


def export(fn: Callable) -> Callable:
    """Marks a method that a script keeps; the method itself."""
    return fn


def interface(obj: Any) -> Any:
    """Marks a class that describes modules; the class itself."""
    return obj


def _overload(function: Callable) -> Callable:
    return function


_overload_method = _overload


# ---- archives


def save(m: Any, f: Any, _extra_files: Any = None) -> NoReturn:
    """Refused: there is no TorchScript to write."""
    raise NotImplementedError(
        "flambeau: torch.jit.save is not supported, TorchScript is not written; "
        "use torch.save(model.state_dict(), path) and load it into the model's class"
    )


def load(f: Any, map_location: Any = None, _extra_files: Any = None, _restore_shapes: bool = False) -> NoReturn:
    """Refused: TorchScript cannot be run."""
    if _is(f, (str, os.PathLike)):
        if not os.path.exists(f):
            raise ValueError(f"The provided filename {f} does not exist")
        if os.path.isdir(f):
            raise ValueError(f"The provided filename {f} is a directory")
    raise NotImplementedError(
        "flambeau: torch.jit.load is not supported, TorchScript archives cannot be run; under PyTorch, save the state "
        "with torch.save(torch.jit.load(path).state_dict(), other) and load it into the model's class"
    )


# ---- switches of PyTorch's compiler, which change nothing


def enable_onednn_fusion(enabled: bool) -> None:
    """Nothing to switch."""


def onednn_fusion_enabled() -> bool:
    """Whether a switch without effect is on: it is not."""
    return False


def set_fusion_strategy(strategy: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Nothing to switch; gives the strategy back."""
    return strategy


@contextmanager
def optimized_execution(should_optimize: bool) -> Any:
    """A context that changes nothing."""
    yield


def fuser(name: str) -> nullcontext:
    """A context that changes nothing."""
    return nullcontext()


class strict_fusion(nullcontext):
    """A context that changes nothing."""
