"""The operations, by family. Importing this package fills the registry."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from typing import Any

from ..graph import Node
from ._op import Composite, Op, composite, op, registry

__all__ = ["Composite", "Op", "composite", "op", "registry"]

for _module in pkgutil.iter_modules(__path__):
    if not _module.name.startswith("_"):
        importlib.import_module(f"{__name__}.{_module.name}")


def __getattr__(name: str) -> Any:
    """torch.ops.name: the operations of a namespace, a program's own or (aten) those that have a name in torch."""
    found = None if name.startswith("_") else sys.modules["flambeau"].library.namespace(name)
    if found is None:
        raise AttributeError(f"module 'torch.ops' has no attribute '{name}'")
    return found


OPERATORS = {
    "__add__": "add",
    "__sub__": "sub",
    "__mul__": "mul",
    "__truediv__": "div",
    "__matmul__": "matmul",
    "__neg__": "neg",
    "__pow__": "pow",
    "__gt__": "gt",
    "__ge__": "ge",
    "__lt__": "lt",
    "__le__": "le",
    "__invert__": "bitwise_not",
    "__and__": "bitwise_and",
    "__or__": "bitwise_or",
    "__xor__": "bitwise_xor",
    "__abs__": "abs",
    "__mod__": "remainder",
    "__floordiv__": "floor_divide",
    "__lshift__": "bitwise_left_shift",
    "__rshift__": "bitwise_right_shift",
}
REVERSED = {
    "__radd__": "add",
    "__rsub__": "sub",
    "__rmul__": "mul",
    "__rtruediv__": "div",
    "__rpow__": "pow",
    "__rmod__": "remainder",
    "__rfloordiv__": "floor_divide",
    "__rmatmul__": "matmul",
    "__rand__": "bitwise_and",
    "__ror__": "bitwise_or",
    "__rxor__": "bitwise_xor",
    "__rlshift__": "bitwise_left_shift",
    "__rrshift__": "bitwise_right_shift",
}


def _install_on_nodes() -> None:
    """Gives nodes the operations as methods, so that gradient rules read like programs."""
    for name, operation in registry.items():
        if "method" in operation.api and name not in Node.__dict__:
            setattr(Node, name, operation)
    for special, name in OPERATORS.items():
        if name in registry:
            setattr(Node, special, registry[name])
    for special, name in REVERSED.items():
        if name in registry:
            operation = registry[name]
            setattr(
                Node, special, lambda self, other, operation=operation: operation.record(*operation.bind(other, self))
            )
    Node.mT = property(lambda self: registry["transpose"](self, -2, -1))  # type: ignore[attr-defined]


_install_on_nodes()
