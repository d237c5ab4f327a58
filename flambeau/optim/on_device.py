"""Parameters on a GPU that move together: the step of an optimizer is one compiled function over lists of arrays."""
from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from sys import getrefcount
from typing import Any

import numpy as np

from ..backends import devices
from ..engine import engine
from ..graph import Node, leaf
from ..views import mark_changed
from .bucket import CHUNK, with_views


def _references() -> tuple[int, int]:
    """What getrefcount says of a node that its tensor and a variable hold, and of an array that only its node holds."""
    tensor = {"_node": Node(devices.NOTHING.leaf, (), np.zeros(1))}
    node = tensor["_node"]
    return getrefcount(node), getrefcount(node.value)


_NODE, _ARRAY = _references()


class DeviceBucket:
    """Parameters of one group, device, dtype and step count, and their state, in the memory of a GPU.

    It stands in for a `Bucket`. Old values are given up for the new ones where nothing else looks at them. With `apart`
    it is one parameter that an update sees in its own shape, else each is seen as a vector.
    """

    def __init__(self, params: list, state: dict[Any, dict], names: Sequence[str], initial: Callable, count: int,
                 scalars: dict[str, float], apart: bool = False) -> None:
        self.params, self.names, self.count, self.scalars, self.apart = params, tuple(names), count, scalars, apart
        self.dtype, self.where = params[0].dtype, params[0].device
        self.shapes = [tuple(p.shape) for p in params]
        self.state = {name: [self.first(p, state.get(p, {}).get(name), initial, name) for p in params]
                      for name in names}
        self.raw: list | None = None              # the group's settings as they were
        self.flags: tuple = ()
        self.fixed: list[float] = []
        self.update: Any = None
        self.numbers: list[float] = []
        self.steps: dict[tuple, Any] = {}         # compiled updates, by program and by the sign of the gradient

    def first(self, p: Any, held: Any, initial: Callable, name: str) -> Any:
        """A state array as it is before the next step, in memory of its own."""
        if held is not None:
            return devices.copied(engine.force(held._node), self.where)
        kind = self.dtype.numpy
        value = np.asarray(initial(name, p))
        if not self.apart:                        # a number is one for both parts of a complex number
            found = np.empty(tuple(p.shape), kind)
            found.reshape(-1).view(np.zeros((), kind).real.dtype)[...] = value.reshape(-1)
            value = found
        elif not value.ndim:
            value = np.broadcast_to(value, tuple(p.shape))
        return devices.copied(np.array(value, kind), self.where)

    def form(self) -> tuple[int, ...]:
        """The shape in which an update sees a parameter."""
        return self.shapes[0] if self.apart else (CHUNK,)

    def fits(self) -> bool:
        """Whether the parameters still have the shapes, the dtype and the device they came with."""
        return all(p._node.shape == shape and p._node.dtype is self.dtype and p._node.device is self.where
                   for p, shape in zip(self.params, self.shapes, strict=True))

    def give(self, name: str, i: int) -> Any:
        """The state array that belongs to the i-th parameter."""
        return self.state[name][i]

    def step(self, negate: bool) -> None:
        """One step: gradients in, parameters and state moved."""
        for p in self.params:
            engine.force(p._node)
            engine.force(p._grad._node)
        gradients = devices.fetched([p._grad._node for p in self.params])
        alone = all([only_its_own(p) for p in self.params])
        values = devices.fetched([p._node for p in self.params])
        names = self.update.state
        key = self.update.program.number, negate
        run = self.steps.get(key)
        if run is None:
            run = self.steps[key] = devices.step(self.update.program, self.where, not self.apart, negate)
        state = list(zip(*[self.state[n] for n in names], strict=True)) if names else [()] * len(values)
        new, held = run(values, state, gradients, tuple(self.numbers), alone)
        for name, arrays in zip(names, zip(*held, strict=True), strict=True):
            self.state[name] = list(arrays)
        for p, value in zip(self.params, new, strict=True):
            if alone:
                p._node.value = value
                p._changes = p.__dict__.get("_changes", 0) + 1
            else:
                replace(p, value)


def only_its_own(p: Any) -> bool:
    """Whether nothing but the parameter looks at its memory."""
    node = p._node
    if getrefcount(node) != _NODE or getrefcount(node.value) != _ARRAY:
        return False
    return not any(ref() is not None for ref in p.__dict__.get("_views", ()))


def replace(p: Any, value: Any) -> None:
    """Gives a parameter a new value; whoever looks at the old one keeps it, or follows if it is a view."""
    old = p._node
    mark_changed(old, p.__dict__.get("_changes", 0))
    node = leaf(value, old.spec)
    if old.spec.requires_grad:
        node.extra = weakref.ref(p)  # type: ignore[assignment]
    if "_views" in p.__dict__:
        with_views(p, node)
    else:
        p._changes = p.__dict__.get("_changes", 0) + 1
        p._node = node
