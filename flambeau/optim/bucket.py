"""Parameters that move together, in flat buffers: the whole step of an optimizer is one cached program, whatever their
number.
"""
from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from sys import getrefcount
from time import perf_counter
from typing import Any

import numpy as np

from .. import dtypes
from ..backends import SUPPLIED, Program, tiers
from ..device import CPU
from ..engine import engine
from ..graph import Node, Spec, leaf, mode, spec
from ..views import mark_changed, rebind
from .hot import NEVER, Hot
from .inplace import Plan, plan

CHUNK = 1 << 15            # elements worked on at a time, so that all arrays of an update stay in the cache


def _references() -> tuple[set[int], set[int], int]:
    """What getrefcount says of nodes that their tensors and the bucket hold, of arrays that only their nodes hold, and
    of an array that its owner alone refers to, as `Bucket.alone` asks."""
    node = Node(spec((), dtypes.float32).leaf, (), np.zeros(1))
    tensor, nodes = {"_node": node}, [node]
    del node
    counted = {*map(getrefcount, nodes)}, {*map(getrefcount, [n.value for n in nodes])}, getrefcount(nodes[0].value)
    del tensor
    return counted


_NODE, _ARRAY, _FLAT = _references()


_made: weakref.WeakSet[Any] = weakref.WeakSet()


def back_to_numpy() -> None:
    """After another choice of a backend, updates that have become machine code are NumPy's again."""
    for update in _made:
        update.run, update.native, update.asked = update.plan.run, False, False


tiers.policy.watchers.append(back_to_numpy)


class Update:
    """How a parameter moves, as a program over it, its gradient, its state and the numbers that change."""
    __slots__ = ("plan", "state", "program", "run", "native", "asked", "__weakref__")

    def __init__(self, rule: Callable, like: Spec, state: dict[str, Spec], fixed: dict[str, Any],
                 derived: dict[str, Any], elementwise: bool) -> None:
        inputs: list[Node] = []

        def given(of: Any) -> Node:
            node = Node(of, (), SUPPLIED)
            inputs.append(node)
            return node

        number = spec((), dtypes.float64, weak=True).leaf
        before = mode.grad, mode.key
        mode.grad = mode.key = False
        try:
            p, g = given(like.leaf), given(like.leaf)
            known = {name: given(s.leaf) for name, s in state.items()}
            values = {name: symbol(name, value, lambda: given(number)) for name, value in fixed.items()}
            values.update({name: given(number) if type(value) is float else value for name, value in derived.items()})
            new = rule(p, g, known, **values)
        finally:
            mode.grad, mode.key = before
        self.state = tuple(known)
        found: list[Plan] = []

        def prepare(program: Program) -> Callable[..., None]:
            found.append(plan(program, 2 + len(known), elementwise))
            return found[0].run
        self.program = Program(inputs, [new, *known.values()], prepare)
        self.plan = found[0]
        self.run: Callable[..., None] = self.plan.run
        _made.add(self)
        self.native = False                       # whether `run` is machine code
        self.asked = False                        # whether it has been given to a compiler


def is_input(name: str, value: Any) -> bool:
    """Whether a setting is a number that may change without a new program. Zero switches things off, except as a
    learning rate.
    """
    return type(value) is float and (value != 0.0 or name == "lr")


def symbol(name: str, value: Any, make: Callable[[], Any]) -> Any:
    """A setting as an update sees it: numbers that may change from step to step as inputs, zero and flags as they
    are.
    """
    if type(value) is tuple:
        return tuple([make() if type(v) is float else v for v in value])
    return make() if is_input(name, value) else 0 if type(value) is float else value


def shape_of(name: str, value: Any) -> Any:
    """What of a setting is part of the program's key."""
    return symbol(name, value, lambda: float)


def numbers(fixed: dict[str, Any]) -> list[float]:
    """The settings that are inputs, in order."""
    found: list[float] = []
    for name, value in fixed.items():
        if type(value) is tuple:
            found += [v for v in value if type(v) is float]
        elif is_input(name, value):
            found.append(value)
    return found


class Bucket:
    """Parameters of one group, dtype and step count, whose values, gradients and state lie in flat arrays.

    Complex numbers are worked on as pairs of real ones. With `apart` it is one parameter that keeps its shape, and so
    does its state.
    """
    where = CPU

    def __init__(self, params: list, state: dict[Any, dict], names: Sequence[str], initial: Callable, count: int,
                 scalars: dict[str, float], apart: bool = False) -> None:
        self.params, self.names, self.count, self.scalars, self.apart = params, tuple(names), count, scalars, apart
        self.dtype = params[0].dtype
        self.real = np.zeros((), self.dtype.numpy).real.dtype
        self.width = 2 if params[0].is_complex() else 1
        self.shapes = [tuple(p.shape) for p in params]
        sizes = [p.numel() for p in params]
        self.size = sum(sizes)
        ends = np.cumsum([0, *sizes]).tolist()
        self.ranges = list(zip(ends[:-1], ends[1:], strict=True))
        self.state: dict[str, np.ndarray] = {}
        for name in names:
            held = [state.get(p, {}).get(name) for p in params]
            if apart:
                first = np.asarray(initial(name, params[0]) if held[0] is None else held[0]._value(), self.dtype.numpy)
                self.state[name] = np.array(first if first.ndim else np.broadcast_to(first, self.shapes[0]))
                continue
            flat = self.state[name] = np.empty(self.size, self.dtype.numpy)
            for p, old, (a, b) in zip(params, held, self.ranges, strict=True):
                if old is not None:
                    flat[a:b] = np.asarray(old._value()).reshape(-1)
                else:
                    flat.view(self.real)[a * self.width:b * self.width] = np.asarray(initial(name, p)).reshape(-1)
        self.raw: list | None = None              # the group's settings as they were
        self.flags: tuple = ()
        self.fixed: list[float] = []
        self.update: Any = None
        self.numbers: list[float] = []
        self.nodes: list[Node] = [None] * len(params)  # type: ignore[list-item]
        self.scratch: list[np.ndarray] = []
        self.hot = Hot()
        self.pieces: list[tuple[int, int, list[tuple[int, int, int]]]] = []
        if self.width * self.size > CHUNK and not apart:
            self.pieces = self.cut()
        self.adopt()

    def form(self) -> tuple[int, ...]:
        """The shape in which an update sees a parameter."""
        return self.shapes[0] if self.apart else (min(self.width * self.size, CHUNK),)

    def cut(self) -> list[tuple[int, int, list[tuple[int, int, int]]]]:
        """The chunks: where each begins and ends, and of which parts of which gradients it consists."""
        w, pieces, i = self.width, [], 0
        for start in range(0, w * self.size, CHUNK):
            end, parts = min(start + CHUNK, w * self.size), []
            while i < len(self.ranges) and w * self.ranges[i][0] < end:
                a, b = w * self.ranges[i][0], w * self.ranges[i][1]
                if max(a, start) < min(b, end):
                    parts.append((i, max(a, start) - a, min(b, end) - a))
                if b > end:
                    break
                i += 1
            pieces.append((start, end, parts))
        return pieces

    def adopt(self, memory: np.ndarray | None = None) -> None:
        """Takes the present values of the parameters into a flat buffer (`memory`), and makes them views of it."""
        old = [engine.force(p._node) for p in self.params]
        flat = self.flat = np.empty(self.size, self.dtype.numpy) if memory is None else memory
        for value, (a, b) in zip(old, self.ranges, strict=True):
            flat[a:b] = np.asarray(value).reshape(-1)
        for i, (p, (a, b), shape) in enumerate(zip(self.params, self.ranges, self.shapes, strict=True)):
            self.nodes[i] = self.place(p, flat[a:b].reshape(shape))

    def place(self, p: Any, value: np.ndarray) -> Node:
        """Makes `value` (equal to the present one) the value of the parameter, in a node of its own."""
        s = p._node.spec
        node = leaf(value, s)
        if s.requires_grad:
            node.extra = weakref.ref(p)  # type: ignore[assignment]
        p._node = node
        return node

    def fits(self) -> bool:
        """Whether the parameters still have the shapes and the dtype they came with."""
        if [p._node for p in self.params] == self.nodes:
            return True
        return all(p._node is n or p._node.shape == shape and p._node.dtype is self.dtype and p._node.device is CPU
                   for p, n, shape in zip(self.params, self.nodes, self.shapes, strict=True))

    def alone(self) -> bool:
        """Whether nothing but the parameters looks at the flat buffer, so that it can be written to."""
        nodes = self.nodes
        if [p._node for p in self.params] != nodes or {*map(getrefcount, nodes)} != _NODE:
            return False
        for p in self.params:
            if "_views" in p.__dict__ and any(ref() is not None for ref in p._views):
                return False
        return {*map(getrefcount, [n.value for n in nodes])} == _ARRAY and getrefcount(self.flat) == _FLAT + len(nodes)

    def step(self, negate: bool) -> None:
        """One step: gradients in, parameters and state moved."""
        force = engine.force
        gradients = [n.value if n.value is not None else force(n) for n in [p._grad._node for p in self.params]]
        start = perf_counter()
        alone = self.alone()
        if not alone and any(p._node is not n for p, n in zip(self.params, self.nodes, strict=True)):
            self.adopt()
            alone = self.alone()
        flat = self.flat if alone or self.hot.memories else self.flat.copy()
        if self.update.native:
            self.move_all(flat, [g.ravel() for g in gradients], negate)
        else:
            with np.errstate(all="ignore"):
                if self.apart:
                    self.move(flat.reshape(self.shapes[0]), np.array(gradients[0], self.real, order="C"), negate)
                elif self.hot.memories:
                    flat = self.hot.move(self, alone, [g.ravel() for g in gradients], negate)
                else:
                    self.move_all(flat, [g.ravel() for g in gradients], negate)
        if alone:
            for p in self.params:
                own = p.__dict__
                own["_changes"] = own.get("_changes", 0) + 1
        else:
            self.show(flat)
        if self.hot.due != NEVER:
            self.hot.ran(self, perf_counter() - start)

    def move(self, p: np.ndarray, g: np.ndarray, negate: bool) -> None:
        """Moves one parameter in its own shape."""
        if negate:
            np.negative(g, out=g)
        self.update.plan.run(p, g, *[self.state[n] for n in self.update.state], *self.numbers, *self.room(p.shape))

    def move_all(self, p: np.ndarray, gradients: list[np.ndarray], negate: bool) -> None:
        """Moves the flat buffer, a chunk at a time."""
        real, run = self.real, self.update.run
        state = [self.state[n] for n in self.update.state]
        if self.width == 2:
            p, gradients = p.view(real), [np.asarray(g, self.dtype.numpy).view(real) for g in gradients]
            state = [s.view(real) for s in state]
        g, *spare = self.room(self.form(), 1)
        if not self.pieces:
            np.concatenate(gradients, out=g)
            if negate:
                np.negative(g, out=g)
            run(p, g, *state, *self.numbers, *spare)
            return
        for start, end, parts in self.pieces:
            if end - start != len(g):
                g, spare = g[:end - start], [t[:end - start] for t in spare]
            i, a, b = parts[0]
            if len(parts) == 1 and not negate and gradients[i].dtype == real:
                piece = gradients[i][a:b]
            else:
                piece = np.concatenate([gradients[i][a:b] for i, a, b in parts], out=g)
                if negate:
                    np.negative(g, out=g)
            run(p[start:end], piece, *[s[start:end] for s in state], *self.numbers, *spare)

    def room(self, shape: tuple[int, ...], more: int = 0) -> list[np.ndarray]:
        """The arrays that an update works in."""
        while len(self.scratch) < self.update.plan.scratch + more:
            self.scratch.append(np.empty(shape, self.real))
        return self.scratch[:self.update.plan.scratch + more]

    def show(self, flat: np.ndarray) -> None:
        """Makes another flat buffer the value of the parameters: somebody still looks at the old one."""
        self.flat = flat
        for i, (p, (a, b), shape) in enumerate(zip(self.params, self.ranges, self.shapes, strict=True)):
            old = p._node
            mark_changed(old, p.__dict__.get("_changes", 0))
            node = leaf(flat[a:b].reshape(shape), old.spec)
            if old.spec.requires_grad:
                node.extra = weakref.ref(p)  # type: ignore[assignment]
            if "_views" in p.__dict__:
                with_views(p, node)
            else:
                p._changes = p.__dict__.get("_changes", 0) + 1
                p._node = node
            self.nodes[i] = p._node

    def give(self, name: str, i: int) -> np.ndarray:
        """The part of a state buffer that belongs to the i-th parameter."""
        if self.apart:
            return self.state[name]
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
