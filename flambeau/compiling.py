"""`compile`: records a function once for each sort of arguments, and from then on replays what it did.

While a function is recorded it runs as ever; the engine notes what it is asked (`capture`). What the function depends
on is compared before each replay (`guards`). Where it looks at a value, or does what a replay would leave out, it runs
at every call as without `compile`, and `engine.stats()` says why.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from . import views
from .autograd import HOOKS
from .backends import tiers
from .capture import Capture, Place
from .device import here
from .dtypes import default_dtype
from .engine import engine
from .graph import leaf, mode
from .guards import Guards, Reason, is_plain
from .nn.module import Module
from .replay import replay_of
from .tensor import Tensor

SORTS = 16  # sorts of arguments that one function is kept for
VARIANTS = 4  # recordings for one sort of arguments: where gradients were there or not, in training or not


class Variant:
    """One recording of a function, and what must be so that it can be replayed."""

    __slots__ = ("replay", "guards", "tensors", "places", "known", "hooks", "holds")

    def __init__(self, guards: Guards, arguments: list[Tensor]) -> None:
        self.replay: Any = None
        self.guards, self.hooks = guards, HOOKS[0]
        self.places = {id(t): Place(i) for i, t in enumerate(arguments)}
        found = {**{id(t): t for t in arguments}, **guards.tensors}
        found.update({id(r): r for r in map(views.root_of, list(found.values()))})
        self.tensors = apart(found)  # all that live on
        lasting = [t for k, t in found.items() if k not in self.places and k in guards.tensors]
        lasting += [r for r in map(views.root_of, lasting) if id(r) not in guards.tensors]
        self.known = {id(t) for t in (*guards.tensors.values(), *lasting)}
        self.holds = self.written(arguments, lasting)

    def written(self, arguments: list[Tensor], lasting: list[Tensor]) -> Callable[[list[Tensor]], bool]:
        """The function that says whether what was depended on is as it was, given the arguments `a`."""
        space: dict[str, Any] = {"known": self.known, "HOOKS": HOOKS, "variant": self, "hold": self.guards.hold}
        tests = []

        def name(value: Any) -> str:
            space[f"c{len(space)}"] = value
            return f"c{len(space) - 1}"

        for i, t in enumerate(arguments):
            root = views.root_of(t)
            own = f"(id(a[{i}]) if a[{i}]._base_tensor is None else id(a[{i}]._base_tensor))"
            tests.append(f"{own} == {id(root)}" if id(root) in self.known else f"{own} not in known")
            if t._node.spec.requires_grad:
                tests.append(f"a[{i}]._grad is {'' if t._grad is None else 'not '}None")
        for t in lasting:
            there = name(t)
            tests.append(f"{there}._node.spec is {name(t._node.spec)}")
            if t._node.spec.requires_grad:
                tests.append(f"{there}._grad is {'' if t._grad is None else 'not '}None")
        tests += ["(HOOKS[0] == variant.hooks or variant.unhooked(a))", "hold()"]
        exec(f"def holds(a):\n    return {' and '.join(tests)}\n", space)
        return space["holds"]

    def unhooked(self, arguments: list[Tensor]) -> bool:
        """Whether the hooks that were registered meanwhile are on other tensors."""
        if any(t._hooks or t._after_hooks for t in (*arguments, *self.guards.tensors.values())):
            return False
        self.hooks = HOOKS[0]
        return True


def apart(tensors: dict[int, Tensor]) -> dict[int, Tensor]:
    """The same tensors, no two of which have a node in common, so that a recording can tell them apart."""
    nodes = set()
    for t in tensors.values():
        if t._node in nodes and not t._node.spec.requires_grad:
            t._node = leaf(t._node.value, t._node.spec)
        nodes.add(t._node)
    return tensors


class Sort:
    """What is known of a function for one sort of arguments: how to replay it, or why not."""

    __slots__ = ("reason", "variants", "recorded", "failed", "kept")

    def __init__(self, kept: list) -> None:
        self.reason = ""
        self.variants: list[Variant] = []
        self.recorded = self.failed = 0
        self.kept = kept  # the arguments that are compared by identity live as long


class Compiled:
    """A function that is replayed. See `compile`."""

    def __init__(self, function: Callable, fullgraph: bool = False) -> None:
        functools.update_wrapper(self, function, updated=())
        self._function, self.fullgraph = function, fullgraph
        self._sorts: dict[tuple, Sort] = {}
        self.replays = self.recordings = 0
        engine.compiled.add(self)

    def __reduce__(self) -> tuple:
        return Compiled, (self._function, self.fullgraph)

    def __get__(self, obj: Any, owner: Any = None) -> Any:
        return self if obj is None else functools.partial(self, obj)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if engine.bound <= 0 or engine.capture is not None or engine.forbidden or engine.log is not None:
            return self._function(*args, **kwargs)
        tensors: list[Tensor] = []
        others: list[Any] = []
        key = (mode.key, mode.inference, default_dtype(), here.default, *[form(a, tensors, others) for a in args])
        if kwargs:
            key = (*key, *[(name, form(a, tensors, others)) for name, a in kwargs.items()])
        for t in tensors:
            if t._base_tensor is not None:
                key = (*key, *aliases(tensors))
                break
        sort = self._sorts.get(key)
        if sort is None:
            if len(self._sorts) >= SORTS:
                self.recordings += 1
                return self._function(*args, **kwargs)
            sort = self._sorts[key] = Sort(others)
        for variant in sort.variants:
            if variant.holds(tensors):
                self.replays += 1
                if variant is not sort.variants[0]:
                    sort.variants.remove(variant)
                    sort.variants.insert(0, variant)
                with engine.lock:
                    return variant.replay(tensors, lambda: self._function(*args, **kwargs))
        self.recordings += 1
        if not sort.reason and sort.recorded >= SORTS:
            sort.reason, sort.variants = "what it depends on changes from call to call", []
        if sort.reason:
            self.complain(sort)
            return self._function(*args, **kwargs)
        sort.recorded += 1
        result = record(self, sort, args, kwargs, tensors, others)
        self.complain(sort)
        return result

    def complain(self, sort: Sort) -> None:
        """Where the whole function must be replayed, it is an error that it cannot be."""
        if self.fullgraph and sort.reason:
            raise RuntimeError(f"torch.compile(fullgraph=True): {name_of(self)} is not replayed, since {sort.reason}")

    def note(self) -> str:
        """A line for `engine.stats()`."""
        reasons = sorted({s.reason for s in self._sorts.values() if s.reason})
        text = f"compiled {name_of(self)}: {self.replays} calls replayed, {self.recordings} recorded"
        if len(self._sorts) >= SORTS:
            reasons.append(f"there are more than {SORTS} sorts of arguments")
        return text + "".join(f"; not replayed, since {r}" for r in reasons)


def forget() -> None:
    """Drops all recordings: programs that were chosen for another backend."""
    for compiled in list(engine.compiled):
        compiled._sorts.clear()


tiers.policy.watchers.append(forget)


def name_of(compiled: Compiled) -> str:
    """What a function is called in messages."""
    function = compiled._function
    return getattr(function, "__qualname__", type(function).__name__)


def form(value: Any, tensors: list[Tensor], others: list[Any]) -> Any:
    """What of an argument decides how the function runs; the tensors in it are collected."""
    kind = type(value)
    if kind is Tensor or isinstance(value, Tensor):
        for i, t in enumerate(tensors):
            if t is value:
                return "again", i
        tensors.append(value)
        node = value._node
        s = node.spec
        if kind is Tensor and not s.requires_grad:
            return s
        return kind, s, views.is_leaf_node(node)
    if isinstance(value, (list, tuple)):
        return kind, tuple([form(v, tensors, others) for v in value])
    if kind is dict:
        return kind, tuple([(k, form(v, tensors, others)) for k, v in value.items()])
    if is_plain(value):
        return kind, value if value or kind is not float else str(value)  # -0.0 is another number than 0.0
    others.append(value)
    return kind, id(value)


def aliases(tensors: list[Tensor]) -> list[int]:
    """Of each argument, which is the first that shares its memory."""
    roots = [id(views.root_of(t)) for t in tensors]
    return [roots.index(r) for r in roots]


def record(compiled: Compiled, sort: Sort, args: tuple, kwargs: dict, tensors: list[Tensor], others: list[Any]) -> Any:
    """Runs the function and keeps how to replay it, or why it cannot be replayed."""
    function, guards = compiled._function, Guards()
    try:
        if any(t._hooks or t._after_hooks for t in tensors):
            raise Reason("a hook is registered on an argument")
        for value in others:
            guards.value(value)
        guards.function(function)
        guards.close()
    except Reason as reason:
        sort.reason, sort.variants = str(reason), []
        compiled.complain(sort)
        return function(*args, **kwargs)
    with engine.lock:
        engine.flush("compile")
        variant = Variant(guards, tensors)
        capture = Capture(variant.tensors, variant.places, guards.seen)
        engine.capture = capture
        try:
            result = function(*args, **kwargs)
        finally:
            engine.capture = None
        variant.replay = replay_of(capture, result)
        if variant.replay is not None and not guards.hold():
            variant.replay = None
            sort.failed += 1
            if sort.failed > 1:
                capture.refuse("it changes what it depends on")
        if capture.reason:
            sort.reason, sort.variants = capture.reason, []
        elif variant.replay is not None:
            sort.variants = [variant, *sort.variants[: VARIANTS - 1]]
        variant.tensors, variant.places = {}, {}  # the arguments must not live on
    return result


class OptimizedModule(Module):
    """A module whose calls are replayed: what `compile` makes of a module. Its attributes are those of the module."""

    def __init__(self, module: Module, fullgraph: bool = False) -> None:
        super().__init__()
        self.__dict__["_modules"]["_orig_mod"] = module
        self.__dict__["_compiled"] = Compiled(module, fullgraph)

    def __reduce__(self) -> tuple:
        return OptimizedModule, (self._orig_mod, self.__dict__["_compiled"].fullgraph)

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
    return OptimizedModule(model, fullgraph) if isinstance(model, Module) else Compiled(model, fullgraph)
