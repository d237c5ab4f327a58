"""Where the user's code takes part in a gradient: hooks, functions of their own, the names in `grad_fn`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .. import binding
from ..graph import Node
from .walk import builtin, is_target


def _tensor(node: Node) -> Any:
    t = object.__new__(binding.Tensor)
    t._node = node
    return t


def arrived(accumulating: bool) -> Callable[[Node, Any], Any]:
    """What happens to the finished gradient of a node: its hooks, and `.grad` if it is retained."""

    def finish(node: Node, g: Any) -> Any:
        extra = node.extra
        if type(extra) is not dict or type(g) is list or is_target(node):
            return g
        for hook in list(extra.get("hooks", {}).values()):
            g = replaced(hook, g)
        holder = extra["retain"]() if "retain" in extra and accumulating else None
        if holder is not None:
            holder._grad = _tensor(g)
        return g

    return finish


def replaced(hook: Callable, g: Node) -> Node:
    """The gradient `g` as the hook leaves it."""
    changed = hook(_tensor(g))
    if changed is None:
        return g
    if not isinstance(changed, binding.Tensor):
        raise TypeError(f"expected Variable, but hook returned '{type(changed).__name__}'")
    return changed._node


def special(create_graph: bool) -> Callable[[Node, Any, set[Node]], list]:
    """The gradient rule of any node, the user's functions included."""

    def rule(node: Node, g: Any, reach: set[Node]) -> list:
        if node.kind.op.name == "_custom":
            return node.extra["call"].differentiate(g, reach, create_graph)
        return builtin(node, g, reach)

    return rule


def shown(node: Node) -> GradFn:
    """The description of a node of the tape."""
    found = GradFn(node)
    found.__class__ = class_of(found.name())
    return found


class GradFn:
    """The node of the tape that a tensor came from, as far as programs look at it."""

    def __init__(self, node: Node) -> None:
        self._of = node

    def name(self) -> str:
        """PyTorch's name of the node."""
        node = self._of
        if node.kind.op.name == "_pick":
            node = node.inputs[0]
        if node.kind.op.name == "_custom":
            return node.kind.env["function"].__name__ + "Backward"
        return node.kind.op.backward_name(node.kind)

    @property
    def next_functions(self) -> tuple:
        """The nodes it stands on, each with the number of the result used."""
        found = []
        for source in self._of.inputs:
            if type(source) is Node and source.spec.requires_grad:
                found.append((AccumulateGrad(source) if is_target(source) else shown(source), 0))
        return tuple(found)

    def __repr__(self) -> str:
        return f"<{self.name()} object at {hex(id(self._of))}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GradFn) and other._of is self._of

    def __hash__(self) -> int:
        return id(self._of)


@functools.cache
def class_of(name: str) -> type[GradFn]:
    """The class of the nodes of a name, since programs ask for `type(t.grad_fn).__name__`."""
    return type(name, (GradFn,), {"__module__": "torch.autograd"})


class AccumulateGrad(GradFn):
    """The end of the tape: where the gradient of a leaf is added up."""

    def name(self) -> str:
        return "torch::autograd::AccumulateGrad"

    @property
    def variable(self) -> Any:
        """The leaf tensor."""
        owner = self._of.extra if type(self._of.extra) is not dict else self._of.extra.get("owner")
        return owner() if owner is not None else None

    next_functions = ()  # type: ignore[assignment]
