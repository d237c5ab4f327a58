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
from .graph import FREED, Node, Spec, order
from .tensor import Tensor


class Writer:
    """Writes a replay as the source of a Python function of the arguments `a`; `d` are the numbers drawn."""

    def __init__(self) -> None:
        self.space: dict[str, Any] = {"Node": Node, "Tensor": Tensor, "new": object.__new__, "tensor_of": tensor_of}
        self.space.update(engine=engine, force=engine.force, execute=execute, rebind=views.rebind, fed=fed, put=put)
        self.names: dict[int, str] = {}
        self.needed: set[int] = set()  # slots that are read

    def name(self, value: Any) -> str:
        """The name of an object."""
        name = self.names.get(id(value))
        if name is None:
            name = self.names[id(value)] = f"c{len(self.space)}"
            self.space[name] = value
        return name

    def tensor(self, where: Any) -> str:
        """A tensor that lives on."""
        return f"a[{int(where)}]" if type(where) is Place else self.name(where)

    def node(self, source: Any) -> str:
        """What a source stands for."""
        kind = type(source)
        if kind is Slot:
            self.needed.add(int(source))
            return f"s{int(source)}"
        if kind is Place or isinstance(source, Tensor):
            return f"{self.tensor(source)}._node"
        if kind is GradientOf:
            return f"{self.tensor(source[0])}._grad._node"
        if kind is ValueOf:
            return f"Node({self.name(source[1].leaf)}, (), force({self.tensor(source[0])}._node))"
        if kind is Draw:
            return f"put(d[{source[0]}], {self.name(source[1])})"
        return self.name(source)

    def result(self, result: Any) -> str:
        """A result, as `Capture.rebuilt` describes it."""
        what, given = result
        if what == "known":
            return self.tensor(given)
        if what == "tensor":
            return f"tensor_of({self.node(given)})"
        if what == "again":
            return f"t{given}"
        if what == "value":
            return self.name(given)
        if what == "dict":
            return "{" + ", ".join(f"{self.name(k)}: {self.result(v)}" for k, v in given.items()) + "}"
        parts = "".join(self.result(v) + ", " for v in given)
        if what is list:
            return f"[{parts}]"
        return f"({parts})" if what is tuple else f"{self.name(what._make)}(({parts}))"

    def assign(self, state: list[tuple]) -> list[str]:
        """Gives tensors their new values and gradients, all at once."""
        lines, then = [], []
        for i, (where, new, grad) in enumerate(state):
            t = self.tensor(where)
            if new is not None:
                lines.append(f"n{i} = {self.node(new)}")
                then.append(f"rebind({t}, n{i})")
            if grad is None:
                then.append(f"{t}._grad = None")
            elif grad:
                keeps, source = grad
                lines += [] if keeps else [f"g{i} = new(Tensor)"]
                lines.append(f"{'m' if keeps else 'g'}{i}{'' if keeps else '._node'} = {self.node(source)}")
                then.append(f"{t}._grad._node = m{i}" if keeps else f"{t}._grad = g{i}")
        return lines + then

    def finish(self, lines: list[str], results: tuple[list, Any]) -> list[str]:
        """The end of the function: what it returns."""
        shared, result = results
        for number, source in enumerate(shared):
            lines.append(f"t{number} = tensor_of({self.node(source)})")
        returned = self.result(result)
        return [*lines, f"return {returned}"]

    def made(self, lines: list[str], before: str = "") -> Callable:
        """The function."""
        source = before + "def replay(a, function):\n" + "".join(f"    {line}\n" for line in lines)
        exec(compile(source, "<flambeau replay>", "exec"), self.space)
        return self.space["replay"]


def put(value: Any, like: Spec) -> Node:
    """Drawn numbers as a leaf."""
    return Node(like.leaf, (), np.asarray(value).astype(like.dtype.numpy, copy=False).reshape(like.shape))


def steps(capture: Capture, freed: dict[Node, tuple], result: tuple[list, Any]) -> Callable:
    """The replay of a function that runs programs."""
    writer, lines, before = Writer(), [], ""
    blocks: list[list[str]] = []
    drawn = writer.name(capture.drawn)
    safe = True  # nothing has been changed so far: what fails is run again as without `compile`
    for i, (what, *rest) in enumerate(capture.events):
        if what == "run":
            program, sources, places, nodes = rest
            given, slots, ready = [], [], []
            for j, source in enumerate(sources):
                expression = writer.node(source)
                if type(source) is Slot:
                    slots.append(expression)
                elif "._node" in expression and type(source) is not ValueOf:
                    ready.append(f"    n{j} = {expression}\n    if n{j}.value is None: force(n{j})\n")
                    expression = f"n{j}"
                given.append(expression)
            heads = ", ".join(["a", "d", *dict.fromkeys(slots)])
            before += f"def run{i}({heads}):\n{''.join(ready)}"  # a function of its own: it holds on to nothing
            before += f"    return execute({writer.name(program)}, [{', '.join(given)}])\n"
            call = f"v = run{i}({heads})"
            if safe:
                blocks.append(["try:", f"    {call}", f"except Exception: return fed(function, d, {drawn})"])
            else:
                blocks.append([call])
            for j, (place, node) in enumerate(zip(places, nodes, strict=True)):
                inputs = FREED if node.inputs is FREED else freed.get(node, ())
                kind, spec = writer.name(node.kind), writer.name(node.kind.spec)
                made = f"s{place} = s = new(Node); s.kind = {kind}; s.spec = {spec}; s.extra = None; "  # a call is dear
                blocks.append([place, f"{made}s.inputs = {writer.name(inputs)}; s.value = v[{j}]"])
        elif what == "draw":
            blocks.append([f"d[{rest[0]}] = {drawn}[{rest[0]}].again()"])
        elif what == "call":
            safe = False
            method, args, words = rest
            given = [writer.name(v) for v in args] + [f"{k}={writer.name(v)}" for k, v in words.items()]
            blocks.append(["v = None", f"{writer.name(method)}({', '.join(given)})"])
        elif rest[0]:
            safe = False
            blocks.append(writer.assign(rest[0]))
    end = writer.finish([], result)
    lines.append(f"d = [None] * {len(capture.drawn)}" if capture.drawn else "d = ()")
    for block in blocks:
        if type(block[0]) is not int:
            lines += block
        elif block[0] in writer.needed:
            lines += block[1:]
    return writer.made([*lines, *end], before)


def nodes(capture: Capture, finals: list[Node], state: list[tuple], result: tuple[list, Any]) -> Callable:
    """The replay of a function that runs nothing: its nodes are made again."""
    writer = Writer()
    made = order(finals)
    names = {node: f"m{i}" for i, node in enumerate(made)}
    drawn = writer.name(capture.drawn)
    lines = [f"d = [w.again() for w in {drawn}]"] if capture.drawn else []
    taped = any(n.kind.tape for n in made)

    def name(value: Any) -> str:
        if type(value) is not Node:
            return writer.name(value)
        if value not in names:
            source = capture.source(value)
            if type(source) is ValueOf:
                capture.refuse("it changes what takes part in a gradient")
            names[value] = f"l{len(names)}"
            lines.append(f"{names[value]} = {writer.node(source)}")
        return names[value]

    for i, node in enumerate(made):
        if node.kind.state and (taped or node.kind.state != "changed"):
            capture.refuse("it writes to what the tape has kept, or a hook is registered on its tensors")
        given = "".join(name(v) + ", " for v in node.inputs)
        lines.append(f"m{i} = Node({writer.name(node.kind)}, ({given}))")
        if node.extra is not None:
            if type(node.extra) is not dict or set(node.extra) - {"line", "version", "writer"}:
                capture.refuse("it makes a leaf of the tape")
            elif "line" in node.extra:
                lines.append(f"m{i}.extra = {{'line': {writer.name(node.extra['line'])}}}")
    lines.append(f"engine.pending += ({''.join(f'm{i}, ' for i in range(len(made)))})")
    lines.append(f"engine.load += {sum(n.kind.weight for n in made)}")
    lines += [f"s{i} = {names[node]}" for i, node in enumerate(finals)]
    lines += writer.assign(state)
    end = writer.finish([], result)
    lines += [*end[:-1], end[-1].replace("return ", "result = ", 1)]
    lines += ["if engine.load > engine.bound: engine.flush('the bound on pending work')", "return result"]
    return writer.made(lines)


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
            replay = steps(capture, kinds, make)
    elif "call" in calls:
        capture.refuse("it calls an optimizer or a scheduler, but runs nothing before")
    else:
        changed = [t._node for k, t in capture.known.items() if t._node is not capture.before[k][0]]
        changed += [t._grad._node for t in capture.known.values() if t._grad is not None]
        finals = list(dict.fromkeys(n for n in (*wanted, *changed) if n.value is None))
        capture.slots.update({node: i for i, node in enumerate(finals)})
        state = capture.state()
        made = capture.rebuilt(result, state)
        capture.slots.clear()
        replay = nodes(capture, finals, state, made)
    if len(capture.used) < len(capture.drawn):
        capture.refuse("it draws random numbers that do not become tensors as they are")
    for drawn in capture.drawn:
        drawn.value = None
    return None if capture.reason else replay
