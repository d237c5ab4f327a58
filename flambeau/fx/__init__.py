"""torch.fx: programs are not traced into PyTorch's graphs; its names say so when they are called."""

from __future__ import annotations

from collections.abc import Callable

from .._refusing import module_getattr, refusing

_REASON = "operations are recorded as they are called: flambeau.explain() shows what was run"
_lookup = module_getattr("torch.fx", _REASON, globals())


def wrap(fn_or_name: str | Callable) -> str | Callable:
    """The function itself: nothing is traced, so nothing need be kept whole."""
    return fn_or_name


symbolic_trace = refusing("torch.fx", "symbolic_trace", _REASON)
Tracer = refusing("torch.fx", "Tracer", _REASON)
Graph = refusing("torch.fx", "Graph", _REASON)
GraphModule = refusing("torch.fx", "GraphModule", _REASON)
Interpreter = refusing("torch.fx", "Interpreter", _REASON)
Node = refusing("torch.fx", "Node", _REASON)
Proxy = refusing("torch.fx", "Proxy", _REASON)
Transformer = refusing("torch.fx", "Transformer", _REASON)


def __getattr__(name: str) -> object:
    return _lookup(name)
