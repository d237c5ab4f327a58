"""A Program: instructions over values, cut out of the graph. A backend is a way to run one."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from ..dtypes import of_scalar
from ..graph import Kind, Node, Seq, order, spec

SUPPLIED = object()  # the value of a symbolic node that is handed to the program
_numbers = itertools.count(1)


class Refused(Exception):
    """A check on values failed. The same program on NumPy says which operation, and where it was recorded."""


class Program:
    """Instructions in order, from `inputs` (symbolic nodes) to `outputs`; whatever no output needs is left out.

    Knows no values: the same program runs every time its key comes back.
    """

    __slots__ = (
        *("number", "inputs", "outputs", "nodes", "place", "last", "run"),
        *("runs", "seconds", "due", "tier", "fetch"),  # what `tiers` keeps
    )

    def __init__(self, inputs: Sequence[Node], outputs: Sequence[Node], prepare: Callable[[Program], Callable]) -> None:
        self.number = next(_numbers)
        self.inputs, self.outputs = list(inputs), list(outputs)
        self.nodes = order(outputs)
        self.place = {node: i for i, node in enumerate([*self.inputs, *self.nodes])}
        self.last: dict[Node, int] = {}  # the instruction after which a value is not read again
        for i, node in enumerate(self.nodes):
            for source in node.inputs:
                if type(source) is Node:
                    self.last[source] = i
        for node in self.outputs:
            self.last.pop(node, None)
        self.runs, self.seconds = 0, 0.0  # how often it ran, and the time that took
        self.due = float("inf")  # the seconds after which `tiers` looks at it again
        self.tier: Any = None
        self.fetch: Any = None  # takes the values of leaves, where a backend wants them in its own way
        self.run = prepare(self)

    def __repr__(self) -> str:
        lines = [
            f"program {self.number}: {len(self.inputs)} inputs, {len(self.nodes)} instructions, {len(self.outputs)} "
            f"outputs"
        ]
        for node in self.nodes:
            sources = ", ".join(f"%{self.place[s]}" if type(s) is Node else repr(s) for s in node.inputs)
            lines.append(f"  %{self.place[node]} = {node.kind}({sources})")
        return "\n".join(lines)


def symbolic(key: Sequence[Any]) -> tuple[list[Node], list[Node]]:
    """The nodes that a structural key describes, by slot, and those among them whose values are handed in."""
    nodes: list[Node] = []
    inputs: list[Node] = []
    place = 0
    while place < len(key):
        kind, sources = key[place], []
        place += 1
        for _ in range(kind.arity):
            entry = key[place]
            place += 1
            if type(entry) is int:
                sources.append(nodes[entry])
                continue
            found = Node(entry if type(entry) is Kind else spec((), of_scalar(entry), weak=True).leaf, (), SUPPLIED)
            nodes.append(found)
            inputs.append(found)
            sources.append(found)
        node = Node(kind, tuple(sources))
        if place < len(key) and key[place] == "supplied":
            place += 1
            node.value = SUPPLIED
            inputs.append(node)
        nodes.append(node)
    return nodes, inputs


def shown_argument(where: Any, names: Sequence[str], constant: Callable[[Any], str]) -> str:
    """The source of an argument that an entry of `Kind.args` stands for."""
    if type(where) is int:
        return names[where]
    if type(where) is Seq:
        return "(" + "".join(shown_argument(w, names, constant) + ", " for w in where) + ")"
    return constant(where.value)


from . import devices
from .tiers import available, cache, current, use
