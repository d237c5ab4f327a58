"""Running the program of an update over flat buffers: results go where the old values lay, intermediate ones into a few
scratch arrays.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..backends import Program, shown_argument
from ..backends import numpy as backend
from ..graph import Node

UFUNCS = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "sqrt": np.sqrt,
          "maximum": np.maximum, "minimum": np.minimum, "neg": np.negative, "abs": np.absolute, "sign": np.sign}


class Plan:
    """How a program runs in place: `run(*arrays, *numbers, *scratch)` writes each result over the input it replaces."""
    __slots__ = ("run", "scratch", "source")

    def __init__(self, run: Callable[..., None], scratch: int, source: str) -> None:
        self.run, self.scratch, self.source = run, scratch, source


def plan(program: Program, arrays: int, elementwise: bool = True) -> Plan:
    """The plan of `program`, whose first `arrays` inputs are arrays; they are the parameter, its gradient and its
    state.

    The outputs are the new parameter and the new state. The gradient is only read.
    What is not elementwise may look at old values through views, so that nothing is overwritten before the end.
    """
    space: dict[str, Any] = {"xp": backend.xp, "put": np.copyto}
    names = {node: f"v{i}" for node, i in program.place.items()}
    where = {node: names[node] for node in program.inputs[:arrays]}        # the array that holds a value
    targets = [names[node] for i, node in enumerate(program.inputs[:arrays]) if i != 1]
    kept = [*targets, names[program.inputs[1]]]                            # places that are no scratch
    last = dict(program.last)
    for node in program.outputs:
        last[node] = len(program.nodes)
    ends: dict[int, list[Node]] = {}
    for node, i in last.items():
        ends.setdefault(i, []).append(node)
    holders: dict[str, Node | None] = {where[node]: node for node in program.inputs[:arrays]}
    free: list[str] = []
    made = 0
    lines: list[str] = []

    def constant(value: Any) -> str:
        if value is None or type(value) in (bool, int):
            return repr(value)
        name = f"c{len(space)}"
        space[name] = value
        return name

    for i, node in enumerate(program.nodes):
        sources = [where.get(s, names[s]) if type(s) is Node else constant(s) for s in node.inputs]
        function = direct(node, program.inputs[0]) if elementwise else None
        gone = [n for n in ends.get(i, ()) if n in where]
        if function is None:
            space[f"k{i}"] = backend.kernel(node)
            words = node.kind.op.keywords
            given = "".join(f", {words.get(j, '')}" + shown_argument(a, sources, constant)
                            for j, a in enumerate(node.kind.args))
            lines.append(f" {names[node]} = {backend.inlined(node, sources) or f'k{i}(xp{given})'}")
            release(gone, where, holders, free, kept)
            continue
        space[f"f{i}"] = function
        release(gone, where, holders, free, kept)
        place = chosen(node, program.outputs, targets, holders)
        if place is None:
            if not free:
                free.append(f"t{made}")
                made += 1
            place = free.pop()
        where[node], holders[place] = place, node
        lines.append(f" f{i}({', '.join(sources)}, out={place})")
    written = [(target, where.get(node, names[node])) for target, node in zip(targets, program.outputs, strict=True)]
    moves = [(a, b) for a, b in written if a != b]
    blocked = {b for _, b in moves} & {a for a, _ in moves}                # a place both read and written at the end
    for j, (a, b) in enumerate(moves):
        if b in blocked:
            lines.append(f" m{j} = {b}.copy()")
            moves[j] = (a, f"m{j}")
    lines += [f" put({a}, {b})" for a, b in moves]
    scratch = [f"t{j}" for j in range(made)]
    head = f"def program({', '.join([names[n] for n in program.inputs] + scratch)}):"
    source = "\n".join([head, *(lines or [" pass"])])
    exec(compile(source, f"<flambeau update {program.number}>", "exec"), space)
    return Plan(space["program"], made, source)


def direct(node: Node, like: Node) -> Any:
    """The ufunc that computes `node` straight into an array, if there is one."""
    s = node.spec
    if type(s) is tuple or s.weak or s.dtype.half or (s.shape, s.dtype) != (like.shape, like.dtype):
        return None
    op = node.kind.op
    for parameter, where in zip(op.parameters, node.kind.args, strict=True):
        if not parameter.operand if type(where) is int else where.value != parameter.default:
            return None                        # a factor or a rounding that the ufunc does not know
    return UFUNCS.get(op.name)


def release(gone: Sequence[Node], where: dict[Node, str], holders: dict[str, Node | None], free: list[str],
            kept: Sequence[str]) -> None:
    """Marks the places of values that are not read again as empty; those not kept are scratch."""
    for node in gone:
        place = where[node]
        if holders.get(place) is node:
            holders[place] = None
            if place not in kept:
                free.append(place)


def chosen(node: Node, outputs: Sequence[Node], targets: Sequence[str], holders: dict[str, Node | None]) -> str | None:
    """Where a result belongs, if the value it replaces is not needed any more."""
    for output, target in zip(outputs, targets, strict=True):
        if output is node and holders[target] is None:
            return target
    return None
