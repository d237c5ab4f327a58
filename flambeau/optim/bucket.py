"""Parameters that move together, in flat buffers: the whole step of an optimizer is one cached program, whatever their number."""
from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Sequence
from sys import getrefcount
from typing import Any

import numpy as np

from ..backends import SUPPLIED, Program
from ..backends import numpy as backend
from ..engine import engine
from ..graph import Node, Spec, leaf, mode, spec
from ..views import mark_changed, rebind

CHUNK = 1 << 15            # elements worked on at a time, so that all arrays of an update stay in the cache


def _references() -> tuple[int, int]:
    """What getrefcount says of a node that its tensor and the bucket hold, and of an array that only its node holds."""
    node = Node(spec((), np_float()).leaf, (), np.zeros(1))
    tensor, nodes = {"_node": node}, [node]
    del node
    counted = getrefcount(nodes[0]), getrefcount(nodes[0].value)
    del tensor
    return counted


def np_float() -> Any:
    from ..dtypes import float32
    return float32


_NODE, _ARRAY = _references()


class Update:
    """How one flat parameter moves, as a program over it, its gradient, its state and the numbers that change."""
    __slots__ = ("program", "state", "clock")

    def __init__(self, rule: Callable, like: Spec, state: Sequence[str], settings: dict[str, Any]) -> None:
        s = like
        inputs: list[Node] = []

        def given(of: Any) -> Node:
            node = Node(of, (), SUPPLIED)
            inputs.append(node)
            return node

        weak = {kind: spec((), d, weak=True).leaf for kind, d in ((float, float64()),)}
        before = mode.grad, mode.key
        mode.grad = mode.key = False
        try:
            p, g = given(s.leaf), given(s.leaf)
            known = {name: given(s.leaf) for name in state}
            values = {name: symbol(value, lambda: given(weak[float])) for name, value in settings.items()}
            new = rule(p, g, known, **values)
        finally:
            mode.grad, mode.key = before
        self.state = tuple(known)
        self.clock = len(numbers(dict(itertools.takewhile(lambda item: item[0] != "step", settings.items())))) if "step" in settings else -1
        self.program = Program(inputs, [new, *known.values()], backend.prepare)


def float64() -> Any:
    from ..dtypes import float64 as found
    return found


def symbol(value: Any, make: Callable[[], Node]) -> Any:
    """A setting as an update sees it: numbers that may change from step to step as inputs, zero and flags as they are."""
    if type(value) is float and value != 0.0:
        return make()
    if type(value) is tuple:
        return tuple([symbol(v, make) for v in value])
    return 0 if value == 0.0 and type(value) is float else value


def shape_of(value: Any) -> Any:
    """What of a setting is part of the program's key."""
    if type(value) is float and value != 0.0:
        return float
    return tuple([shape_of(v) for v in value]) if type(value) is tuple else value


def numbers(settings: dict[str, Any]) -> list[float]:
    """The settings that are inputs, in order."""
    found: list[float] = []
    for value in settings.values():
        for v in value if type(value) is tuple else (value,):
            if type(v) is float and v != 0.0:
                found.append(v)
    return found


class Bucket:
    """Parameters of one group, dtype and step count, whose values, gradients and state lie in flat arrays."""

    def __init__(self, params: list, state: dict[Any, dict], names: Sequence[str], initial: Callable, count: int) -> None:
        self.params, self.names, self.count = params, tuple(names), count
        self.dtype = params[0].dtype
        self.shapes = [tuple(p.shape) for p in params]
        sizes = [p.numel() for p in params]
        self.size = sum(sizes)
        ends = np.cumsum([0, *sizes]).tolist()
        self.ranges = list(zip(ends[:-1], ends[1:], strict=True))
        kind = self.dtype.numpy
        self.flat = np.empty(self.size, kind)
        self.gradient = np.empty(self.size, kind)
        self.state: dict[str, np.ndarray] = {}
        for name in names:
            flat = self.state[name] = np.empty(self.size, kind)
            for p, (a, b) in zip(params, self.ranges, strict=True):
                held = state.get(p, {}).get(name)
                flat[a:b] = np.asarray(held._value()).reshape(-1) if held is not None else initial(name, p)
        self.raw: list | None = None              # the group's settings as they were
        self.update: Any = None
        self.numbers: list[float] = []
        self.nodes: list[Node] = [None] * len(params)  # type: ignore[list-item]
        self.adopt()

    def adopt(self) -> None:
        """Takes the present values of the parameters into the flat buffer, and makes them views of it."""
        old = [engine.force(p._node) for p in self.params]
        flat = self.flat = np.empty(self.size, self.dtype.numpy)
        for value, (a, b) in zip(old, self.ranges, strict=True):
            flat[a:b] = np.asarray(value).reshape(-1)
        for i, (p, (a, b), shape) in enumerate(zip(self.params, self.ranges, self.shapes, strict=True)):
            self.nodes[i] = self.place(p, flat[a:b].reshape(shape))

    def place(self, p: Any, value: np.ndarray) -> Node:
        """Makes `value` (equal to the present one) the value of the parameter, in a node of its own."""
        s = p._node.spec
        node = leaf(value, s)
        if s.requires_grad:
            node.extra = weakref.ref(p)
        p._node = node
        return node

    def fits(self, params: list) -> bool:
        """Whether these are still the parameters to move."""
        mine = self.params
        return len(mine) == len(params) and all(a is b for a, b in zip(mine, params, strict=True))

    def alone(self) -> bool:
        """Whether nothing but the parameters looks at the flat buffer, so that it can be written to."""
        nodes = self.nodes
        for i, p in enumerate(self.params):
            if p._node is not nodes[i] or getrefcount(nodes[i]) != _NODE or getrefcount(nodes[i].value) != _ARRAY:
                return False
            if "_views" in p.__dict__ and any(ref() is not None for ref in p._views):
                return False
        return getrefcount(self.flat) == _ARRAY + len(nodes)

    def step(self, negate: bool) -> None:
        """One step: gradients in, parameters and state moved."""
        update, total = self.update, self.gradient
        np.concatenate([engine.force(p._grad._node).ravel() for p in self.params], out=total)
        if negate:
            np.negative(total, out=total)
        alone = self.alone()
        if not alone and any(p._node is not n for p, n in zip(self.params, self.nodes, strict=True)):
            self.adopt()
            alone = self.alone()
        extra = self.numbers
        if update.clock >= 0:
            extra[update.clock] = float(self.count)
        flat = self.flat if alone else self.flat.copy()
        state = [self.state[n] for n in update.state]
        if self.size <= CHUNK:
            new, *states = update.program.run([flat, total, *state, *extra])
            np.copyto(flat, new)
            for name, value in zip(update.state, states, strict=True):
                self.state[name] = value.copy() if value is total or value is flat else value
        else:
            for start in range(0, self.size, CHUNK):
                part = slice(start, start + CHUNK)
                new, *states = update.program.run([flat[part], total[part], *[s[part] for s in state], *extra])
                flat[part] = new
                for s, value in zip(state, states, strict=True):
                    s[part] = value
        if alone:
            for p in self.params:
                own = p.__dict__
                own["_changes"] = own.get("_changes", 0) + 1
        else:
            self.flat = flat
            for i, (p, (a, b), shape) in enumerate(zip(self.params, self.ranges, self.shapes, strict=True)):
                old = p._node
                mark_changed(old, p.__dict__.get("_changes", 0))
                node = leaf(flat[a:b].reshape(shape), old.spec)
                node.extra = weakref.ref(p) if old.spec.requires_grad else None
                if "_views" in p.__dict__:
                    with_views(p, node)
                else:
                    p._changes = p.__dict__.get("_changes", 0) + 1
                    p._node = node
                self.nodes[i] = p._node

    def give(self, name: str, i: int) -> np.ndarray:
        """The part of a state buffer that belongs to the i-th parameter."""
        a, b = self.ranges[i]
        return self.state[name][a:b].reshape(self.shapes[i])


def with_views(p: Any, node: Node) -> None:
    """Rebinds a parameter that has views, outside the tape."""
    before = mode.grad, mode.key
    mode.grad = mode.key = False
    try:
        rebind(p, node)
    finally:
        mode.grad, mode.key = before
