"""`compile`: records a function once for each sort of arguments, and from then on replays what it did.

While a function is recorded it runs as ever; the engine notes what it is asked. There are two sorts of functions:

* One that runs nothing (a model's forward): its nodes are made again from their kinds, without the Python in between.
  They are pending like any others, take part in gradients, and are cut together with what follows.
* One that runs programs (a training step, with backward and the optimizer): the programs run again, in order, on the
  values that their inputs have by then; optimizers and schedulers are called again; in the end parameters, buffers and
  gradients are given their new values.

Random numbers are drawn again in order. What the function depends on is compared first (`guards`). Where it looks at
a value, or does what a replay would leave out, it is recorded at every call as without `compile`, and
`engine.stats()` says why.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any

from . import views
from .engine import engine, execute
from .graph import FREED, Node, mode, order
from .guards import Guards, Reason, is_plain
from .nn.module import Module
from .tensor import Tensor

SORTS = 16  # sorts of arguments that one function is kept for


compile_source = compile


class Drawn:
    """Numbers that the function drew: how to draw the next ones, and those of the recording."""

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

            value = again()
            self._capture.drawn.append(Drawn(again, value))
            return value

        return draw


class Capture:
    """What the engine was asked while a function ran."""

    def __init__(self, known: dict[int, Tensor], places: dict[int, Place]) -> None:
        self.known = known  # tensors that live on: arguments, parameters, buffers, globals
        self.places = places  # which of them are arguments
        self.events: list[tuple] = []
        self.drawn: list[Drawn] = []
        self.made: dict[int, Node] = {}  # leaves that the function made of its own
        self.slots: dict[Node, int] = {}  # values that programs of the function gave
        self.touched: dict[int, Tensor] = {}  # tensors that were written to
        self.before = {k: (t._node, t._grad) for k, t in known.items()}
        self.had = {k for k, t in known.items() if t._grad is not None}
        self.added: set[int] = set()  # tensors to whose gradient of before something was added
        self.graded: set[int] = set()  # tensors that get a gradient
        self.inside = 0  # calls of optimizers, which are called again
        self.reason = ""
        self.used: set[int] = set()  # draws that were found in leaves

    def refuse(self, reason: str) -> None:
        self.reason = self.reason or reason

    def looked(self) -> None:
        """A value was looked at."""
        if not self.inside:
            self.refuse("it looks at a value")

    def created(self, node: Node) -> None:
        """A leaf was made from given numbers."""
        self.made[id(node)] = node

    def stream(self, get: Callable) -> Any:
        return get() if self.inside else RecordingStream(get, self)

    def draw(self, make: Callable[[], Any], wrap: Callable[[Any], Tensor]) -> Tensor:
        """What `make` draws, as a tensor by `wrap`."""
        self.inside += 1
        try:
            value = make()
        finally:
            self.inside -= 1
        self.drawn.append(Drawn(make, value))
        return wrap(value)

    def wrote(self, t: Tensor) -> None:
        """`t` was given another node."""
        if not self.inside:
            self.touched[id(t)] = t

    def ran(self, program: Any, leaves: list, results: list[Node]) -> None:
        """A program ran."""
        if self.inside:
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
        owner = node.extra() if type(node.extra) is weakref.ref else None
        if owner is not None and id(owner) in self.known and owner._node is node:
            return self.places.get(id(owner), owner)
        for t in self.known.values():
            if t._node is node:
                return self.places.get(id(t), t)
            if t._grad is not None and t._grad._node is node:
                self.added.add(id(t))
                return GradientOf((self.places.get(id(t), t),))
        for number, draw in enumerate(self.drawn):
            if node.value is draw.value or getattr(node.value, "base", None) is draw.value:
                self.used.add(number)
                return Draw((number, node))
        if id(node) in self.made or node.spec.weak:
            return node
        self.refuse("it reads a tensor that is neither an argument nor a parameter, buffer or variable it names")
        return node

    def again(self, method: Callable, args: tuple, words: dict) -> Any:
        """A method of an optimizer or a schedule is called, which a replay calls again."""
        if not all(is_plain(v) for v in (*args[1:], *words.values())):
            self.refuse(f"{type(args[0]).__name__} is given a closure or a tensor")
        engine.flush("compile")
        self.events.append(("state", self.state()))
        self.inside += 1
        try:
            result = method(*args, **words)
        finally:
            self.inside -= 1
        self.events.append(("call", method, args, words))
        self.before = {k: (t._node, t._grad) for k, t in self.known.items()}
        return result

    def state(self) -> list[tuple]:
        """What has changed of the known tensors: the tensor, and where its new value and gradient are found."""
        found = []
        for key, t in self.known.items():
            node, grad = self.before[key]
            new = None if t._node is node or t._base_tensor is not None else self.source(t._node)
            change: Any = KEEP
            if t._grad is not grad or grad is not None and id(grad) in self.touched:
                change = None if t._grad is None else self.source(t._grad._node)
                self.graded.add(key)
            if new is not None or change is not KEEP:
                found.append((self.places.get(key, t), new, change))
        return found

    def finish(self, result: Any, sort: Sort) -> None:
        """Makes the replay."""
        wanted = [t._node for t in tensors_in(result)]
        changed = [t._node for k, t in self.known.items() if t._node is not self.before[k][0]]
        changed += [t._grad._node for t in self.known.values() if t._grad is not None]
        if any(e[0] == "run" for e in self.events):
            if any(n.value is None for n in (*wanted, *changed)):
                engine.capture = self
                try:
                    engine.flush("compile")
                finally:
                    engine.capture = None
            for node in wanted:
                if node.kind.tape and node.kind.op is not None and node.inputs is not FREED:
                    self.refuse("a result still belongs to a tape")
            self.events.append(("state", self.state()))
            replay: Any = Steps(self, self.rebuilt(result))
        elif self.events:
            self.refuse("it calls an optimizer or a scheduler, but runs nothing before")
        else:
            finals = list(dict.fromkeys(n for n in (*wanted, *changed) if n.value is None))
            replay = Nodes(self, finals, [], lambda found: None)
            self.slots.update(replay.slots)
            replay.state, replay.result = self.state(), self.rebuilt(result)
        if len(self.used) < len(self.drawn):
            self.refuse("it draws random numbers that do not become tensors as they are")
        sort.reason = self.reason
        if not self.reason:
            sort.replay = replay
            sort.grads = [
                (self.places.get(k, self.known[k]), k in self.had)
                for k in self.graded
                if k not in self.had or k in self.added
            ]

    def rebuilt(self, result: Any) -> Callable[[Found], Any]:
        """How to make a result such as `result`."""
        if isinstance(result, Tensor):
            if id(result) in self.known:
                where = self.places.get(id(result), result)
                return lambda found: found.tensor(where)
            if result._base_tensor is not None and id(views.root_of(result)) in self.known:
                self.refuse("it returns a view of a tensor that lives on")
            if type(result) is not Tensor:
                self.refuse(f"it returns a {type(result).__name__}")
            source = self.source(result._node)
            return lambda found: tensor_of(found(source))
        if is_plain(result):
            return lambda found: result
        if type(result) in (list, tuple) or isinstance(result, tuple) and hasattr(result, "_make"):
            parts = [self.rebuilt(r) for r in result]
            build = getattr(type(result), "_make", type(result))
            return lambda found: build([p(found) for p in parts])
        if type(result) is dict:
            pairs = {k: self.rebuilt(v) for k, v in result.items()}
            return lambda found: {k: p(found) for k, p in pairs.items()}
        self.refuse(f"it returns a {type(result).__name__}")
        return lambda found: result


def tensors_in(result: Any) -> list[Tensor]:
    """The tensors in a result."""
    if isinstance(result, Tensor):
        return [result]
    if isinstance(result, (list, tuple)):
        return [t for r in result for t in tensors_in(r)]
    return [t for r in result.values() for t in tensors_in(r)] if isinstance(result, dict) else []


class Slot(int):
    """The number of a value that a program of the function gave."""


class Place(int):
    """The number of an argument."""


class GradientOf(tuple):
    """The tensor whose gradient is meant."""


class Draw(tuple):
    """The number of a draw, and the node that it was put into."""


KEEP = object()  # a gradient is what it was


class Found:
    """What the sources of one call stand for."""

    __slots__ = ("arguments", "draws", "slots")

    def __init__(self, arguments: list[Tensor], drawn: list[Drawn], slots: int) -> None:
        self.arguments, self.slots = arguments, [None] * slots
        self.draws = [d.again() for d in drawn]

    def tensor(self, source: Any) -> Tensor:
        """A tensor that lives on."""
        return self.arguments[source] if type(source) is Place else source

    def __call__(self, source: Any) -> Any:
        kind = type(source)
        if kind is Slot:
            return self.slots[source]
        if kind is Place:
            return self.arguments[source]._node
        if kind is GradientOf:
            return self.tensor(source[0])._grad._node  # type: ignore[union-attr]
        if kind is Draw:
            number, like = source
            value = self.draws[number].astype(like.spec.dtype.numpy, copy=False).reshape(like.spec.shape)
            return Node(like.spec.leaf, (), value)
        return source._node if isinstance(source, Tensor) else source


class Steps:
    """A function that runs programs, replayed."""

    def __init__(self, capture: Capture, result: Callable[[Found], Any]) -> None:
        self.drawn, self.result, self.count = capture.drawn, result, len(capture.slots)
        self.events: list[tuple] = []
        for what, *rest in capture.events:
            if what == "run":
                program, sources, places, nodes = rest
                rest = [program, sources, places, [(n.kind, FREED if n.inputs is FREED else ()) for n in nodes]]
            if what != "state" or rest[0]:
                self.events.append((what, *rest))

    def __call__(self, arguments: list[Tensor]) -> Any:
        found = Found(arguments, self.drawn, self.count)
        for what, *rest in self.events:
            if what == "run":
                run(found, *rest)
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


class Nodes:
    """A function that runs nothing, replayed: its nodes are made again."""

    def __init__(self, capture: Capture, finals: list[Node], state: list[tuple], result: Callable) -> None:
        self.drawn, self.state, self.result = capture.drawn, state, result
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
            return names[value]

        for i, node in enumerate(nodes):
            if node.kind.state:
                capture.refuse("it writes to what the tape has kept, or a hook is registered on its tensors")
            space[f"k{i}"] = node.kind
            given = "".join(name(v) + ", " for v in node.inputs)
            lines.append(f" n{i} = Node(k{i}, ({given}))")
            if node.extra is not None:
                if type(node.extra) is not dict or set(node.extra) - {"line"}:
                    capture.refuse("it makes a leaf of the tape")
                space[f"e{i}"] = node.extra
                lines.append(f" n{i}.extra = dict(e{i})")
        made = "".join(f"n{i}, " for i in range(len(nodes)))
        wanted = "".join(name(n) + ", " for n in finals)
        heads = ", ".join(f"l{i}" for i in range(len(self.sources)))
        lines = [f"def replay({heads}):", *lines, f" return ({made}), ({wanted})"]
        exec(compile_source("\n".join(lines), "<flambeau replay>", "exec"), space)
        self.make = space["replay"]
        self.weight = sum(n.kind.weight for n in nodes)
        self.slots = {node: Slot(i) for i, node in enumerate(finals)}

    def __call__(self, arguments: list[Tensor]) -> Any:
        found = Found(arguments, self.drawn, 0)
        nodes, found.slots = self.make(*[found(s) for s in self.sources])
        with engine.lock:
            engine.pending += nodes
            engine.load += self.weight
        assign(self.state, found)
        result = self.result(found)
        if engine.load > engine.bound:
            engine.flush("the bound on pending work")
        return result


def assign(state: list[tuple], found: Found) -> None:
    """Gives tensors their new values and gradients."""
    for where, new, grad in state:
        t = found.tensor(where)
        if new is not None:
            views.rebind(t, found(new))
        if grad is not KEEP:
            t._grad = None if grad is None else tensor_of(found(grad))


def tensor_of(node: Node) -> Tensor:
    t: Tensor = object.__new__(Tensor)
    t._node = node
    return t


class Sort:
    """What is known of a function for one sort of arguments: how to replay it, or why not."""

    def __init__(self) -> None:
        self.reason = ""
        self.replay: Any = None
        self.guards = Guards()
        self.specs: list[tuple[Tensor, Any]] = []
        self.grads: list[tuple[Any, bool]] = []  # tensors, and whether they had a gradient
        self.recorded = 0
        self.kept: Any = None  # the arguments that are compared by identity live as long

    def holds(self, arguments: list[Tensor]) -> bool:
        """Whether what the function depended on is as it was."""
        for t, had in self.grads:
            if ((arguments[t] if type(t) is Place else t)._grad is not None) is not had:
                return False
        for t, s in self.specs:
            if t._node.spec is not s:
                return False
        return self.guards.hold()


class Compiled:
    """A function that is replayed. See `compile`."""

    def __init__(self, function: Callable) -> None:
        functools.update_wrapper(self, function, updated=())
        self._function = function
        self._sorts: dict[tuple, Sort] = {}
        self.replays = self.recordings = 0
        engine.compiled.add(self)

    def __get__(self, obj: Any, owner: Any = None) -> Any:
        return self if obj is None else functools.partial(self, obj)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if engine.bound <= 0 or engine.capture is not None or engine.forbidden or engine.log is not None:
            return self._function(*args, **kwargs)
        tensors: list[Tensor] = []
        others: list[Any] = []
        key = (mode.key, mode.inference, *[form(a, tensors, others) for a in args])
        if kwargs:
            key = (*key, *[(name, form(a, tensors, others)) for name, a in kwargs.items()])
        sort = self._sorts.get(key)
        if sort is None:
            if len(self._sorts) >= SORTS:
                self.recordings += 1
                return self._function(*args, **kwargs)
            sort = self._sorts[key] = Sort()
        if sort.replay is not None and sort.holds(tensors):
            self.replays += 1
            return sort.replay(tensors)
        self.recordings += 1
        if sort.reason:
            return self._function(*args, **kwargs)
        if sort.recorded >= SORTS:
            sort.reason, sort.replay = "what it depends on changes from call to call", None
            return self._function(*args, **kwargs)
        sort.recorded += 1
        return record(self._function, sort, args, kwargs, tensors, others)

    def note(self) -> str:
        """A line for `engine.stats()`."""
        reasons = sorted({s.reason for s in self._sorts.values() if s.reason})
        name = getattr(self._function, "__qualname__", type(self._function).__name__)
        text = f"compiled {name}: {self.replays} calls replayed, {self.recordings} recorded"
        if len(self._sorts) >= SORTS:
            reasons.append(f"more than {SORTS} sorts of arguments")
        return text + "".join(f"; not replayed, since {r}" for r in reasons)


def form(value: Any, tensors: list[Tensor], others: list[Any]) -> Any:
    """What of an argument decides how the function runs; the tensors in it are collected."""
    kind = type(value)
    if isinstance(value, Tensor):
        if any(t is value for t in tensors):
            return "again", [t is value for t in tensors].index(True)
        tensors.append(value)
        return kind, value._node.spec
    if kind in (list, tuple):
        return kind, tuple([form(v, tensors, others) for v in value])
    if kind is dict:
        return kind, tuple([(k, form(v, tensors, others)) for k, v in value.items()])
    if is_plain(value):
        return kind, value
    others.append(value)
    return kind, id(value)


def record(function: Callable, sort: Sort, args: tuple, kwargs: dict, tensors: list[Tensor], others: list[Any]) -> Any:
    """Runs the function and keeps how to replay it, or why it cannot be replayed."""
    sort.replay, sort.guards, sort.kept = None, Guards(), others
    guards = sort.guards
    try:
        for value in others:
            guards.value(value)
        guards.function(function)
        guards.close()
    except Reason as reason:
        sort.reason = str(reason)
        return function(*args, **kwargs)
    places = {id(t): Place(i) for i, t in enumerate(tensors)}
    lasting = {k: t for k, t in guards.tensors.items() if k not in places}
    with engine.lock:
        engine.flush("compile")
    for t in (*tensors, *lasting.values()):
        if t._base_tensor is not None and id(root := views.root_of(t)) not in places:
            lasting.setdefault(id(root), root)
    capture = Capture({**{id(t): t for t in tensors}, **lasting}, places)
    engine.capture = capture
    try:
        result = function(*args, **kwargs)
    finally:
        engine.capture = None
    capture.finish(result, sort)
    sort.specs = [(t, t._node.spec) for t in lasting.values()]
    return result


class OptimizedModule(Module):
    """A module whose calls are replayed: what `compile` makes of a module. Its attributes are those of the module."""

    def __init__(self, module: Module) -> None:
        super().__init__()
        self._orig_mod = module
        self.__dict__["_compiled"] = Compiled(module)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """See the module."""
        return self.__dict__["_compiled"](*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        own = self.__dict__
        return own["_modules"]["_orig_mod"] if name == "_orig_mod" else getattr(own["_modules"]["_orig_mod"], name)

    def train(self, mode: bool = True) -> Any:
        """Sets training mode, there too."""
        super().train(mode)
        return self


def compile(
    model: Callable | None = None,
    *,
    fullgraph: bool = False,
    dynamic: bool | None = None,
    backend: Any = "inductor",
    mode: str | None = None,
    options: dict[str, Any] | None = None,
    disable: bool = False,
) -> Any:
    """`model` (a function or a module), recorded once for each sort of arguments and replayed from then on.

    A training step (zero_grad, forward, backward, optimizer and scheduler) is replayed whole. What the function depends
    on, the settings of its modules and the plain values it reads, is compared before. A function that looks at values
    or has effects that a replay would leave out (print, storing) runs as without `compile`; `engine.stats()` says why.
    With `fullgraph` that is a RuntimeError. Usable as a decorator, with or without arguments; `dynamic`, `backend`,
    `mode` and `options` are accepted and change nothing.

    >>> import flambeau as torch
    >>> @torch.compile
    ... def f(x):
    ...     return torch.sin(x) ** 2 + torch.cos(x) ** 2
    >>> [f(torch.zeros(2)).sum().item() for _ in range(3)]
    [2.0, 2.0, 2.0]
    """
    if model is None:
        return lambda function: compile(function, fullgraph=fullgraph, disable=disable)
    if not callable(model):
        raise RuntimeError(f"torch.compile expects a function or a module, not {type(model).__name__}")
    if disable:
        return model
    made = OptimizedModule(model) if isinstance(model, Module) else Compiled(model)
    (made.__dict__["_compiled"] if isinstance(made, Module) else made).fullgraph = fullgraph
    return made
