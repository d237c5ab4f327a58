"""Layers that are one function and its settings.

the class is written from the fields, the settings being attributes.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from typing import Any, TypeVar, dataclass_transform

from . import functional as F
from .module import Module

C = TypeVar("C", bound=type[Module])
LEGACY = ("size_average", "reduce")  # settings of old that are now one: reduction
BUFFERS = ("weight", "pos_weight")


def reduction_of(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """The reduction that a loss was asked for, in the old way or the new."""
    if size_average is None and reduce is None:
        return reduction
    found = "none" if reduce is False else "sum" if size_average is False else "mean"
    warnings.warn(
        f"size_average and reduce args will be deprecated, please use reduction='{found}' instead.", stacklevel=4
    )
    return found


@dataclass_transform()
def layer(function: str, shown: str = "", operands: str = "input", keywords: bool = True) -> Callable[[C], C]:
    """Decorator: makes `__init__`, `forward` and `extra_repr` of a class whose annotated names are its settings.

    `forward` calls `function` of nn.functional (looked up when called) with the operands and every setting. `shown`
    names the settings that
    the text of the module says; `inplace` is said when it is true.
    """

    def make(cls: C) -> C:
        fields = {n: a for n, a in cls.__dict__.get("__annotations__", {}).items() if not a.startswith("ClassVar")}
        space: dict[str, Any] = {
            "F": F,
            "Module": Module,
            "reduction_of": reduction_of,
            **vars(sys.modules[cls.__module__]),
        }
        heads, lines, marked = ["self"], ["  Module.__init__(self)"], False
        for name, annotation in fields.items():
            if name == "_":  # what follows is given by keyword only
                heads.append("*")
                continue
            default = cls.__dict__.get(name, sys)
            head = f"{name}: '{annotation}'"
            if default is not sys:
                space[f"default_{name}"] = default
                head += f" = default_{name}"
                delattr(cls, name)
            heads.append(head)
            if name in BUFFERS:
                lines.append(f"  self.register_buffer({name!r}, {name})")
            elif name == "reduction" and "reduce" in fields:
                lines.append("  self.reduction = reduction_of(size_average, reduce, reduction)")
            elif name not in LEGACY:
                lines.append(f"  self.{name} = {name}")
        settings = [n for n in fields if n not in LEGACY and n != "_"]
        given = ", ".join([*operands.split(), *(f"{n}=self.{n}" if keywords else f"self.{n}" for n in settings)])
        marked = "inplace" in fields
        source = [
            f"def __init__({', '.join(heads)}) -> None:",
            *lines,
            f"def forward(self, {', '.join(n + chr(58) + ' Tensor' for n in operands.split())}) -> Tensor:",
            f"  return F.{function}({given})",
        ]
        parts = [f"{n}={{self.{n}!r}}" for n in shown.split()]
        if parts or marked:
            text = ", ".join(parts)
            tail = f" + ({', inplace=True' if parts else 'inplace=True'!r} if self.inplace else '')" if marked else ""
            source += ["def extra_repr(self) -> str:", f"  return f{text!r}{tail}"]
        made: dict[str, Any] = {}
        exec(compile("\n".join(source), f"<flambeau {cls.__name__}>", "exec"), space, made)
        for name, member in made.items():
            if name not in cls.__dict__:
                member.__qualname__, member.__module__ = f"{cls.__name__}.{name}", cls.__module__
                setattr(cls, name, member)
        if "__constants__" not in cls.__dict__:
            cls.__constants__ = [n for n in settings if n not in BUFFERS]  # type: ignore[attr-defined]
        return cls

    return make
