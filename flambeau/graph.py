"""The graph: one Node per recorded operation, and what is known of it before it is computed. Imports no layer above."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

import numpy as np

from .device import CPU, META, device
from .dtypes import COMPLEX, FLOATING, dtype

_BOUND = 5_000  # entries of a cache of descriptions, after which it is dropped and made anew


class Spec:
    """What is known of a tensor before its value: shape, dtype, device, whether it is differentiated. Made by
    `spec`, one object each.

    `weak` marks a Python number: it takes part in promotion by its category only.
    """

    __slots__ = ("shape", "dtype", "device", "requires_grad", "weak", "ndim", "numel", "leaf")

    def __init__(self, shape: tuple, dtype: dtype, device: device, requires_grad: bool, weak: bool) -> None:
        self.shape, self.dtype, self.device, self.requires_grad, self.weak = shape, dtype, device, requires_grad, weak
        self.ndim, self.numel = len(shape), 1
        for size in shape:
            self.numel *= size
        self.leaf = Kind(None, self, (), {})

    nbytes = property(lambda self: self.numel * self.dtype.itemsize)
    differentiable = property(lambda self: self.dtype.category >= FLOATING)
    is_complex = property(lambda self: self.dtype.category == COMPLEX)

    def like(self, shape: Iterable[int] | None = None, dtype: dtype | None = None) -> Spec:
        """This description with another shape or dtype (not differentiated, not weak: recording decides that)."""
        return spec(self.shape if shape is None else tuple(shape), dtype or self.dtype, self.device)

    def __repr__(self) -> str:
        return f"{self.dtype.name}{list(self.shape)}"


_specs: dict[tuple, Spec] = {}


def spec(shape: tuple, dtype: dtype, device: device = CPU, requires_grad: bool = False, weak: bool = False) -> Spec:
    """The one Spec of these properties, so that caches can compare by identity."""
    key = (shape, dtype, device, requires_grad, weak)
    found = _specs.get(key)
    if found is None:
        if len(_specs) > _BOUND:
            _specs.clear()
        found = _specs[key] = Spec(*key)
    return found


class Kind:
    """All that nodes of one sort share: the operation, its unchanging arguments, the result's Spec. A letter of the
    structural key.

    `args` says, per parameter of the operation: an index into a node's inputs, a `Seq` of such, or a `Const`.
    """

    __slots__ = (
        "op",
        "spec",
        "args",
        "env",
        "casts",
        "weight",
        "view",
        "saves_out",
        "saves",
        "state",
        "tape",
        "arity",
        "variants",
        "valueless",
    )

    def __init__(
        self, op: Any, spec: Any, args: tuple, env: dict[str, Any], casts: tuple | None = None, weight: int = 0
    ) -> None:
        self.op, self.spec, self.args, self.env, self.casts, self.weight = op, spec, args, env, casts, weight
        self.tape = any(s.requires_grad for s in spec) if type(spec) is tuple else spec.requires_grad
        self.view = op is not None and op.view
        self.valueless = (spec[0] if type(spec) is tuple else spec).device is META
        self.arity = sum(type(a) is int or type(a) is Seq and sum(type(w) is int for w in a) for a in args)
        self.saves_out: bool = False  # a gradient rule reads the result
        self.saves: tuple[int, ...] = ()  # inputs that gradient rules read
        self.variants: dict[str, Kind] = {}
        self.state = ""  # "changed": a handle was written in place since; "hooked": calls the user's code

    def variant(self, state: str) -> Kind:
        """A copy that differs from this one in the structural key."""
        if state in self.state:
            return self
        if state not in self.variants:
            new = self.variants[state] = Kind(self.op, self.spec, self.args, self.env, self.casts, self.weight)
            new.saves_out, new.saves, new.state = self.saves_out, self.saves, self.state + state
        return self.variants[state]

    def __repr__(self) -> str:
        return f"{self.op.name if self.op else 'leaf'}{self.spec}"


class Const:
    """An argument that is part of a program's structure."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


class Seq(tuple):
    """Indices of inputs that are given to the operation as one tuple."""


class Node:
    """One recorded operation, or a value (`kind.op` is None). What it computes never changes; `value` is filled once
    known."""

    __slots__ = ("kind", "inputs", "value", "spec", "extra")

    def __init__(self, kind: Kind, inputs: tuple = (), value: Any = None) -> None:
        self.kind, self.inputs, self.value, self.spec, self.extra = kind, inputs, value, kind.spec, None

    shape = property(lambda self: self.spec.shape)
    dtype = property(lambda self: self.spec.dtype)
    ndim = property(lambda self: len(self.spec.shape))
    device = property(lambda self: self.spec.device)
    requires_grad = property(lambda self: self.spec.requires_grad)

    def __repr__(self) -> str:
        return repr(self.kind)


FREED: tuple = ("freed",)  # the inputs of a node whose part of the tape backward() has released


def leaf(value: Any, spec: Spec) -> Node:
    """A node that is a value."""
    return Node(spec.leaf, (), value)


def valueless(s: Spec) -> Node:
    """A node of the meta device: a shape and a dtype. Its value, which nobody may see, takes one element's memory."""
    return leaf(np.broadcast_to(np.zeros((), s.dtype.numpy), s.shape), spec(s.shape, s.dtype, s.device))


class Mode(threading.local):
    """What of the surroundings changes how a thread records: part of every key."""

    grad = True
    inference = False
    autocast: Any = None  # the dtype that products are computed in, under autocast
    autocast_on = "cpu"  # the sort of device for which
    key: Any = True

    def set_grad(self, grad: bool) -> None:
        """Switches the tape on or off."""
        self.grad = grad
        self.key = grad if self.autocast is None else (grad, self.autocast, self.autocast_on)

    def set_autocast(self, dtype: Any, on: str = "cpu") -> None:
        """Sets the dtype for products on one sort of device; None for none."""
        self.autocast, self.autocast_on = dtype, on
        self.set_grad(self.grad)


mode = Mode()


def order(roots: Iterable[Node], tape: bool = False, under: set[Node] | None = None) -> list[Node]:
    """The nodes under `roots` that have no value yet, inputs first, each once; with `tape`, also those that have, as
    far as the gradient of `roots` goes (to `under`, if that is known).

    Does not recurse: a chain of any length will do.
    """
    roots = list(roots)
    done: list[Node] = []
    seen: set[Node] = set()
    stack: list[tuple[Node, bool]] = [(root, False) for root in roots]
    while stack:
        node, ready = stack.pop()
        if ready:
            done.append(node)
            continue
        if node in seen or node.kind.op is None:
            continue
        if node.value is not None and not (tape and node.kind.tape and (under is None or node in under)):
            continue
        seen.add(node)
        stack.append((node, True))
        # What is detached may stand on another tape, or on a part of this one, which is then a value.
        leaves_tape = tape and under is None and not node.kind.tape
        for source in node.inputs:
            if type(source) is Node and source not in seen:
                if leaves_tape and source.kind.tape and source.kind.op is not None:
                    return order(roots, True, tape_under(roots))
                stack.append((source, False))
    return done


def tape_under(roots: Iterable[Node]) -> set[Node]:
    """The nodes of the tape that `roots` stand on."""
    seen: set[Node] = set()
    stack = list(roots)
    while stack:
        node = stack.pop()
        if node not in seen and node.kind.tape and node.kind.op is not None:
            seen.add(node)
            stack += [s for s in node.inputs if type(s) is Node]
    return seen
