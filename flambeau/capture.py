"""What a function asks of the engine while `compile` records it: programs, random numbers, writes, calls."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from threading import get_ident
from typing import Any

import numpy as np

from . import views
from .device import here
from .dtypes import default_dtype
from .engine import engine
from .graph import Node, mode, order
from .guards import is_plain
from .tensor import Tensor

UNKNOWN = "a tensor that is neither an argument nor a parameter, buffer or variable it names"


class Drawn:
    """Numbers that the function drew: how to draw the next ones, and, while it is recorded, those of the recording."""

    __slots__ = ("again", "value")

    def __init__(self, again: Callable[[], Any], value: Any) -> None:
        self.again, self.value = again, value


class RecordingStream:
    """A random stream whose draws are noted."""

    def __init__(self, get: Callable, capture: Capture) -> None:
        self._get, self._capture = get, capture

    def __getattr__(self, name: str) -> Any:
        def draw(*args: Any, **words: Any) -> Any:
            def again() -> Any:
                return getattr(self._get(), name)(*args, **words)

            return self._capture.drew(again, again())

        return draw


class Capture:
    """What the engine was asked while a function ran."""

    def __init__(self, known: dict[int, Tensor], places: dict[int, Place], seen: dict[int, Any]) -> None:
        self.known = known  # tensors that live on: arguments, parameters, buffers, globals
        self.places = places  # which of them are arguments
        self.seen = seen  # other objects that live on
        self.thread = get_ident()
        self.events: list[tuple] = []
        self.drawn: list[Drawn] = []
        self.made: dict[int, Node] = {}  # leaves that the function made of its own
        self.slots: dict[Node, int] = {}  # values that programs of the function gave
        self.touched: dict[int, Tensor] = {}  # tensors that were written to
        self.inside = 0  # calls of optimizers, which are called again
        self.reason = ""
        self.used: set[int] = set()  # draws that were found in leaves
        self.surroundings = surroundings()
        self.specs = [t._node.spec for t in known.values()]
        self.mark()

    def mark(self) -> None:
        """From here on, tensors are known by the nodes they have now: so a replay finds them."""
        self.before = {k: (t._node, t._grad, None if t._grad is None else t._grad._node) for k, t in self.known.items()}
        self.where: dict[Node, Any] = {}
        self.values: dict[int, Any] = {}
        for k, (node, _, grad) in self.before.items():
            where = self.places.get(k, self.known[k])
            self.where.setdefault(node, where)
            self.values.setdefault(id(node.value), where)
            if grad is not None:
                self.where.setdefault(grad, GradientOf((where,)))

    def refuse(self, reason: str) -> None:
        self.reason = self.reason or reason

    def elsewhere(self) -> bool:
        """Whether this is asked for by another thread than the function's."""
        if get_ident() == self.thread:
            return False
        self.refuse("another thread worked meanwhile")
        return True

    def looked(self) -> None:
        """A value was looked at."""
        if not self.elsewhere() and not self.inside:
            self.refuse("it looks at a value")

    def created(self, node: Node) -> None:
        """A leaf was made from given numbers."""
        self.made[id(node)] = node

    def stream(self, get: Callable) -> Any:
        return get() if self.elsewhere() or self.inside else RecordingStream(get, self)

    def drew(self, again: Callable[[], Any], value: Any) -> Any:
        """Random numbers were drawn."""
        self.events.append(("draw", len(self.drawn)))
        self.drawn.append(Drawn(again, value))
        return value

    def draw(self, make: Callable[[], Any], wrap: Callable[[Any], Tensor]) -> Tensor:
        """What `make` draws, as a tensor by `wrap`."""
        if self.elsewhere():
            return wrap(make())
        self.inside += 1
        try:
            value = make()
        finally:
            self.inside -= 1
        return wrap(self.drew(make, value))

    def wrote(self, t: Tensor, old: Node) -> None:
        """`t`, whose node was `old`, was given another one."""
        if self.elsewhere() or self.inside:
            return
        self.touched[id(t)] = t
        if not self.is_near(t, old):
            self.refuse(f"it writes to {UNKNOWN}")

    def graded(self, t: Tensor) -> None:
        """The gradient of `t` was set."""
        if not self.elsewhere() and not self.inside and not self.is_near(t, t._node):
            self.refuse("it sets the gradient of a tensor that it reaches in a way that is not looked at")

    def is_near(self, t: Tensor, node: Node) -> bool:
        """Whether `t`, which has or had `node`, is one of those known or was made by the function."""
        if id(t) in self.known or node.value is None or id(node) in self.made or node in self.slots:
            return True
        return any(is_whole(node.value, d.value) for d in self.drawn) or any(g is t for _, g, _ in self.before.values())

    def ran(self, program: Any, leaves: list, results: list[Node]) -> None:
        """A program ran."""
        if self.elsewhere() or self.inside:
            return
        sources = [self.source(v) if type(v) is Node else v for v in leaves]
        places = []
        for node in results:
            places.append(self.slots.setdefault(node, len(self.slots)))
        self.events.append(("run", program, sources, places, results))

    def source(self, node: Node) -> Any:
        """Where a replay finds what `node` stands for: a slot, a tensor, a draw, or the node itself."""
        if node in self.slots:
            return Slot(self.slots[node])
        where = self.where.get(node)
        if where is not None:
            return where
        owner = node.extra() if type(node.extra) is weakref.ref else None
        if owner is not None and id(owner) in self.known and self.before[id(owner)][0].value is node.value:
            return self.places.get(id(owner), owner)  # the same values, and a gradient from now on
        for number, draw in enumerate(self.drawn):
            if is_whole(node.value, draw.value):
                self.used.add(number)
                return Draw((number, node.spec))
        if id(node) in self.made or node.spec.weak:
            return node
        if node.kind.op is None and id(node.value) in self.values:
            return ValueOf((self.values[id(node.value)], node.spec))
        self.refuse(f"it reads {UNKNOWN}")
        return node

    def again(self, method: Callable, args: tuple, words: dict) -> Any:
        """A method of an optimizer or a schedule is called, which a replay calls again."""
        if self.elsewhere():
            return method(*args, **words)
        if not all(is_plain(v) for v in (*args[1:], *words.values())):
            self.refuse(f"{type(args[0]).__name__} is given a closure or a tensor")
        if id(args[0]) not in self.seen:
            self.refuse(f"its {type(args[0]).__name__} is made by it, or reached in a way that is not looked at")
        self.compute()
        self.events.append(("state", self.state()))
        self.inside += 1
        try:
            result = method(*args, **words)
            self.compute()
        finally:
            self.inside -= 1
        self.events.append(("call", method, args, words))
        self.mark()
        return result

    def compute(self, more: Sequence[Node] = ()) -> None:
        """Runs what is pending, so that the tensors that live on (and `more`) have their values."""
        nodes = [*more]
        for t in self.known.values():
            nodes += [t._node] if t._grad is None else [t._node, t._grad._node]
        engine.flush("compile")
        for node in nodes:
            if node.value is None:
                engine.run_batch(order([node]), "compile")

    def state(self) -> list[tuple]:
        """What has changed of the known tensors: the tensor, its new value, and its new gradient, by where they are."""
        found = []
        for key, t in self.known.items():
            node, grad, grad_node = self.before[key]
            new = None
            if t._base_tensor is None and t._node is not node:
                new = self.source(t._node)
                new = None if new is self.places.get(key, t) else new
                self.check_tape(t._node)
            change: Any = KEEP
            if t._grad is not grad or grad is not None and grad._node is not grad_node:
                change = None
                if t._grad is not None:
                    if id(t._grad) in self.known:
                        self.refuse("it makes an argument or variable a gradient")
                    self.check_tape(t._grad._node)
                    change = (t._grad is grad, self.source(t._grad._node))
            if new is not None or change is not KEEP:
                found.append((self.places.get(key, t), new, change))
        return found

    def check_tape(self, node: Node) -> None:
        """What a tensor that lives on is given must be a value, not part of a tape."""
        if self.slots.get(node) is not None and node.kind.tape and not views.is_leaf_node(node):
            self.refuse("a tensor that lives on becomes part of a tape")

    def check(self, tensors: list[Tensor]) -> None:
        """Looks for what a replay could not do."""
        if surroundings() != self.surroundings:
            self.refuse("it changes the dtype, device or gradient mode of what follows")
        if [t._node.spec for t in self.known.values()] != self.specs:
            self.refuse("it changes the shape, dtype or requires_grad of a tensor that lives on")
        written = {k for k in self.touched if k in self.known}
        for key in self.places:
            if id(self.known[key]._base_tensor) in written:
                self.refuse("it writes to the memory of an argument that is a view")
        single = {id(t): t for t in tensors}
        roots = [id(views.root_of(t)) for t in single.values()]
        if any(t._base_tensor is not None and roots.count(r) > 1 for t, r in zip(single.values(), roots, strict=True)):
            self.refuse("it returns tensors that share memory")
        for t in single.values():
            if id(t) in self.known:
                continue
            if t._base_tensor is not None and id(t._base_tensor) in self.known:
                self.refuse("it returns a view of a tensor that lives on")
            elif type(t) is not Tensor:
                self.refuse(f"it returns a {type(t).__name__}")
            elif t.requires_grad and t.is_leaf:
                self.refuse("it returns a new tensor that collects a gradient")
            elif any(k._grad is t for k in self.known.values()):
                self.refuse("it returns the gradient of a tensor that lives on")
            elif t._grad is not None or t._hooks or set(t.__dict__) - MARKS:
                self.refuse("it returns a tensor with attributes")

    def rebuilt(self, result: Any, state: list[tuple]) -> tuple[list, Any]:
        """How to make a result such as `result`: the sources of tensors that it has more than once, and its form."""
        changed = {id(self.known_of(where)) for where, _, _ in state}
        all_tensors = tensors_in(result)
        shared: dict[int, tuple[int, Any]] = {}

        def form(part: Any) -> tuple:
            if isinstance(part, Tensor):
                if id(part) in self.known:
                    return "known", self.places.get(id(part), part)
                source = self.source(part._node)
                root = source[0] if type(source) in (GradientOf, ValueOf) else source
                if isinstance(root, (Place, Tensor)) and id(self.known_of(root)) in changed:
                    self.refuse("it returns an old value of a tensor that it changes")
                if sum(t is part for t in all_tensors) > 1:
                    return "again", shared.setdefault(id(part), (len(shared), source))[0]
                return "tensor", source
            if is_plain(part):
                return "value", part
            if type(part) in (list, tuple) or isinstance(part, tuple) and hasattr(part, "_make"):
                return type(part), [form(p) for p in part]
            if type(part) is dict:
                return "dict", {k: form(v) for k, v in part.items()}
            self.refuse(f"it returns a {type(part).__name__}")
            return "value", None

        made = form(result)
        for value in containers_in(result):
            if id(value) in self.seen:
                self.refuse(f"it returns a {type(value).__name__} that lives on")
        return [source for _, source in shared.values()], made

    def known_of(self, where: Any) -> Tensor:
        """The tensor of the recording that a place or tensor stands for."""
        if type(where) is not Place:
            return where
        return next(self.known[k] for k, p in self.places.items() if p == where)


MARKS = {"_node", "_base_tensor", "_chain", "_changes", "_views", "_views_limit", "_grad"}  # that replays make anew


def surroundings() -> tuple:
    """What outside of a function decides how it is recorded."""
    return mode.key, mode.inference, default_dtype(), here.default


def is_whole(value: Any, drawn: Any) -> bool:
    """Whether an array is what was drawn, in another shape at most."""
    if value is drawn:
        return True
    if type(value) is not np.ndarray or type(drawn) is not np.ndarray or value.dtype != drawn.dtype:
        return False
    if value.size != drawn.size or not (value.flags.c_contiguous and drawn.flags.c_contiguous):
        return False
    return value.size > 0 and value.ctypes.data == drawn.ctypes.data


def tensors_in(result: Any) -> list[Tensor]:
    """The tensors in a result."""
    if isinstance(result, Tensor):
        return [result]
    if isinstance(result, (list, tuple)):
        return [t for r in result for t in tensors_in(r)]
    return [t for r in result.values() for t in tensors_in(r)] if isinstance(result, dict) else []


def containers_in(result: Any) -> list:
    """The lists and dictionaries in a result."""
    if isinstance(result, (list, tuple)):
        return [*([result] if type(result) is list else []), *[c for r in result for c in containers_in(r)]]
    return [result, *[c for r in result.values() for c in containers_in(r)]] if isinstance(result, dict) else []


def tensor_of(node: Node) -> Tensor:
    t: Tensor = object.__new__(Tensor)
    t._node = node
    return t


class Slot(int):
    """The number of a value that a program of the function gave."""


class Place(int):
    """The number of an argument."""


class GradientOf(tuple):
    """The tensor whose gradient is meant."""


class ValueOf(tuple):
    """The tensor whose value is meant, and what it counts as: on the tape or not."""


class Draw(tuple):
    """The number of a draw, and what its numbers are put into."""


KEEP = ()  # a gradient is what it was
