"""Replays: a function that `compile` has recorded, done again without its Python.

There are two sorts of functions:

* One that runs nothing (a model's forward): its nodes are made again from their kinds. They are pending like any
  others, take part in gradients, and are cut together with what follows.
* One that runs programs (a training step, with backward and the optimizer): the programs run again, in order, on the
  values that their inputs have by then; optimizers and schedulers are called again; in the end parameters, buffers and
  gradients are given their new values.

Random numbers are drawn again in order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import views
from .capture import Capture, Draw, Drawn, GradientOf, Place, Slot, ValueOf, tensor_of, tensors_in
from .engine import engine, execute
from .graph import FREED, Node, order
from .tensor import Tensor


class Found:
    """What the sources of one call stand for."""

    __slots__ = ("arguments", "draws", "slots", "same")

    def __init__(self, arguments: list[Tensor], draws: int, slots: int) -> None:
        self.arguments = arguments
        self.slots: list[Any] = [None] * slots
        self.draws: list[Any] = [None] * draws
        self.same: dict[int, Tensor] | None = None

    def tensor(self, source: Any) -> Tensor:
        """A tensor that lives on."""
        return self.arguments[source] if type(source) is Place else source

    def shared(self, number: int, source: Any) -> Tensor:
        """A tensor that is returned in several places."""
        if self.same is None:
            self.same = {}
        if number not in self.same:
            self.same[number] = tensor_of(self(source))
        return self.same[number]

    def __call__(self, source: Any) -> Any:
        kind = type(source)
        if kind is Slot:
            return self.slots[source]
        if kind is Place:
            return self.arguments[source]._node
        if kind is GradientOf:
            return self.tensor(source[0])._grad._node  # type: ignore[union-attr]
        if kind is ValueOf:
            return Node(source[1].leaf, (), engine.force(self.tensor(source[0])._node))
        if kind is Draw:
            number, like = source
            value = np.asarray(self.draws[number]).astype(like.dtype.numpy, copy=False).reshape(like.shape)
            return Node(like.leaf, (), value)
        return source._node if isinstance(source, Tensor) else source


class Steps:
    """A function that runs programs, replayed."""

    def __init__(self, capture: Capture, freed: dict[Node, tuple], result: Callable[[Found], Any]) -> None:
        self.drawn, self.result, self.count = capture.drawn, result, len(capture.slots)
        self.events: list[tuple] = []
        for what, *rest in capture.events:
            if what == "run":
                program, sources, places, nodes = rest
                kinds = [(n.kind, FREED if n.inputs is FREED else freed.get(n, ())) for n in nodes]
                rest = [program, sources, places, kinds]
            if what != "state" or rest[0]:
                self.events.append((what, *rest))

    def __call__(self, arguments: list[Tensor], function: Callable[[], Any]) -> Any:
        found = Found(arguments, len(self.drawn), self.count)
        for place, (what, *rest) in enumerate(self.events):
            if what == "run":
                try:
                    run(found, *rest)
                except Exception:
                    if any(event[0] in ("state", "call") for event in self.events[:place]):
                        raise
                    return fed(function, found.draws, self.drawn)
            elif what == "draw":
                found.draws[rest[0]] = self.drawn[rest[0]].again()
            elif what == "call":
                rest[0](*rest[1], **rest[2])
            else:
                assign(rest[0], found)
        return self.result(found)


def run(found: Found, program: Any, sources: list, places: list[int], kinds: list[tuple]) -> None:
    """Runs a program on what its inputs are by now. (In a function of its own: optimizers change in place what nobody
    else looks at.)"""
    leaves = [found(s) for s in sources]
    for leaf in leaves:
        if type(leaf) is Node and leaf.value is None:
            engine.force(leaf)
    slots = found.slots
    for place, (kind, inputs), value in zip(places, kinds, execute(program, leaves), strict=True):
        slots[place] = Node(kind, inputs, value)


class Fed:
    """Stands for a capture while a function runs whose random numbers have been drawn already."""

    inside = 0

    def __init__(self, draws: list) -> None:
        self.draws = draws

    def next(self, draw: Callable[[], Any]) -> Any:
        """The next numbers: those of the replay as far as they go."""
        return self.draws.pop(0) if self.draws and self.draws[0] is not None else draw()

    def stream(self, get: Callable) -> Any:
        return FedStream(get, self)

    def draw(self, make: Callable[[], Any], wrap: Callable[[Any], Tensor]) -> Tensor:
        """What `make` would draw."""
        engine.capture = None
        try:
            return wrap(self.next(make))
        finally:
            engine.capture = self

    def again(self, method: Callable, args: tuple, words: dict) -> Any:
        """A method of an optimizer is called."""
        return method(*args, **words)

    def ignore(self, *_: Any) -> None:
        """Nothing is noted."""

    looked = created = wrote = graded = ran = refuse = ignore


class FedStream:
    """A random stream whose next numbers have been drawn."""

    def __init__(self, get: Callable, fed: Fed) -> None:
        self._get, self._fed = get, fed

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **words: self._fed.next(lambda: getattr(self._get(), name)(*args, **words))


def fed(function: Callable[[], Any], draws: list, drawn: list[Drawn]) -> Any:
    """Runs a function as without `compile`, after its replay has failed: so the error names the line."""
    engine.capture = Fed(draws)
    try:
        return function()
    finally:
        engine.capture = None


class Nodes:
    """A function that runs nothing, replayed: its nodes are made again."""

    def __init__(self, capture: Capture, finals: list[Node]) -> None:
        self.drawn = capture.drawn
        self.state: list[tuple] = []
        self.result: Callable[[Found], Any]
        nodes = order(finals)
        names = {node: f"n{i}" for i, node in enumerate(nodes)}
        space: dict[str, Any] = {"Node": Node}
        self.sources: list[Any] = []
        lines: list[str] = []

        def name(value: Any) -> str:
            if type(value) is not Node:
                space[f"c{len(space)}"] = value
                return f"c{len(space) - 1}"
            if value not in names:
                names[value] = f"l{len(self.sources)}"
                self.sources.append(capture.source(value))
                if type(self.sources[-1]) is ValueOf:
                    capture.refuse("it changes what takes part in a gradient")
            return names[value]

        taped = any(n.kind.tape for n in nodes)
        for i, node in enumerate(nodes):
            if node.kind.state and (taped or node.kind.state != "changed"):
                capture.refuse("it writes to what the tape has kept, or a hook is registered on its tensors")
            space[f"k{i}"] = node.kind
            given = "".join(name(v) + ", " for v in node.inputs)
            lines.append(f" n{i} = Node(k{i}, ({given}))")
            if node.extra is not None:
                if type(node.extra) is not dict or set(node.extra) - {"line", "version", "writer"}:
                    capture.refuse("it makes a leaf of the tape")
                elif "line" in node.extra:
                    space[f"e{i}"] = {"line": node.extra["line"]}
                    lines.append(f" n{i}.extra = dict(e{i})")
        made = "".join(f"n{i}, " for i in range(len(nodes)))
        wanted = "".join(name(n) + ", " for n in finals)
        heads = ", ".join(f"l{i}" for i in range(len(self.sources)))
        lines = [f"def replay({heads}):", *lines, f" return ({made}), ({wanted})"]
        exec(compile("\n".join(lines), "<flambeau replay>", "exec"), space)
        self.make = space["replay"]
        self.weight = sum(n.kind.weight for n in nodes)

    def __call__(self, arguments: list[Tensor], function: Callable[[], Any]) -> Any:
        found = Found(arguments, 0, 0)
        found.draws = [d.again() for d in self.drawn]
        nodes, found.slots = self.make(*[found(s) for s in self.sources])
        engine.pending += nodes
        engine.load += self.weight
        assign(self.state, found)
        result = self.result(found)
        if engine.load > engine.bound:
            engine.flush("the bound on pending work")
        return result


def assign(state: list[tuple], found: Found) -> None:
    """Gives tensors their new values and gradients, all at once."""
    given: list[tuple] = [(new if new is None else found(new), grad and found(grad[1])) for _, new, grad in state]
    for (where, new, grad), (node, gradient) in zip(state, given, strict=True):
        t = found.tensor(where)
        if new is not None:
            views.rebind(t, node)
        if grad is None:
            t._grad = None
        elif grad:
            if grad[0]:
                t._grad._node = gradient  # type: ignore[union-attr]
            else:
                t._grad = tensor_of(gradient)


def replay_of(capture: Capture, result: Any) -> Any:
    """The replay of what was recorded; None, and the reason in `capture`, if there can be none."""
    tensors = tensors_in(result)
    wanted = [t._node for t in tensors]
    calls = {e[0] for e in capture.events}
    capture.check(tensors)
    replay: Any = None
    if "run" in calls:
        engine.capture = capture
        try:
            capture.compute(wanted)
        finally:
            engine.capture = None
        kinds = {}
        for node in wanted:
            if node.kind.tape and node.kind.op is not None and node.inputs is not FREED and node in capture.slots:
                if not any(n.inputs is FREED for n in order([node], tape=True)):
                    capture.refuse("a result still belongs to a tape")
                kinds[node] = FREED
        state = capture.state()
        make = capture.rebuilt(result, state)
        capture.events.append(("state", state))
        if not capture.reason:
            replay = Steps(capture, kinds, make)
    elif "call" in calls:
        capture.refuse("it calls an optimizer or a scheduler, but runs nothing before")
    else:
        changed = [t._node for k, t in capture.known.items() if t._node is not capture.before[k][0]]
        changed += [t._grad._node for t in capture.known.values() if t._grad is not None]
        finals = list(dict.fromkeys(n for n in (*wanted, *changed) if n.value is None))
        replay = Nodes(capture, finals)
        capture.slots.update({node: i for i, node in enumerate(finals)})
        replay.state = capture.state()
        replay.result = capture.rebuilt(result, replay.state)
    if len(capture.used) < len(capture.drawn):
        capture.refuse("it draws random numbers that do not become tensors as they are")
    for drawn in capture.drawn:
        drawn.value = None
    return None if capture.reason else replay
