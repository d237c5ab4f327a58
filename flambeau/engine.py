"""Pending work: what has been recorded and not yet run, cut into programs that are kept by their structural key."""

from __future__ import annotations

import os
import threading
import warnings
import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence
from sys import getrefcount
from time import perf_counter
from typing import Any

from .backends import Program, symbolic, tiers
from .backends import numpy as backend
from .graph import Kind, Node, order
from .ops._op import caller
from .reports import Stats, difference, output_bytes, start_log


def _own_references() -> int:
    """What getrefcount says of an element of a list that nothing else refers to."""
    probe = [object()]
    return getrefcount(probe[0])


_OWN = _own_references()
LONG_SUM = 1000  # additions to one sum on the tape after which it warns


class Engine:
    """Nodes wait in `pending`, in the order of recording, until a value is needed or `load` passes `bound`.

    `load` is the bytes that pending nodes read and write, plus 512 for each; a bound of 0 runs every operation at once.
    """

    __slots__ = (
        *("pending", "load", "bound", "lock", "programs", "capacity", "counts", "forbidden", "log", "seen"),
        *("ended", "capture", "compiled", "plans"),
    )

    def __init__(self) -> None:
        self.pending: list[Node] = []
        self.load = 0
        self.bound = (
            0
            if os.environ.get("FLAMBEAU_EAGER", "") not in ("", "0")
            else int(os.environ.get("FLAMBEAU_PENDING", 1 << 28))
        )
        self.lock = threading.RLock()
        self.programs: OrderedDict[tuple, Any] = OrderedDict()
        self.capacity = 1024
        self.counts = {"programs": 0, "hits": 0, "misses": 0, "instructions": 0}
        self.forbidden = False
        self.log: Any = None
        self.seen: set[int] = set()  # numbers of programs that a report has shown
        self.plans: dict[tuple, Plan] = {}
        self.capture: Any = None  # a function being recorded for `compile`: it is told what runs
        self.compiled: weakref.WeakSet = weakref.WeakSet()  # compiled functions, for `stats`
        self.ended = 0.0  # when the last cut of a report ended

    # ---- cutting

    def take(self) -> list[Node]:
        """All pending nodes, in order. They wait no longer: the caller runs them."""
        batch = self.pending[:]
        del self.pending[: len(batch)]
        self.load = 0
        return [n for n in dict.fromkeys(batch) if n.value is None]

    def flush(self, why: str = "asked") -> None:
        """Runs everything pending. Values that tensors hold, and those that a later backward() reads, are kept."""
        with self.lock:
            batch = self.take()
            if batch:
                self.run_batch(batch, why)

    def run_batch(self, batch: list[Node], why: str) -> None:
        if self.forbidden:
            self.pending[:0] = batch
            raise RuntimeError(f"flambeau.no_execution(): a value is needed here ({why})")
        start = perf_counter()
        kinds = tuple([n.kind for n in batch])
        references = [*map(getrefcount, batch)]
        followed = self.follow(kinds, batch, references)
        if followed is not None:
            (program, places), have, leaves = followed
        else:
            cut = linearize(batch)
            if cut is None:
                batch = order(batch)
                cut = linearize(batch)
                assert cut is not None
                kinds = ()
            held = cut.held(batch)
            full = (*cut.key, None, *held)
            found = self.find(full)
            if found is None:
                found = self.keep(full, build(cut, held))
            elif kinds:
                self.plan(kinds, batch, references, cut, found)
            program, places = found
            have, leaves = list(cut.slots), cut.leaves
        for place, value in zip(places, self.run(program, leaves, batch, why, start), strict=True):
            settle(have[place], value)
        if self.capture is not None:
            self.capture.ran(program, leaves, [have[place] for place in places])

    def force(self, node: Node) -> Any:
        """The value of `node`, now."""
        if self.capture is not None:
            self.capture.looked()
        if node.value is None:
            with self.lock:
                self.check(node)
                self.flush("a value was needed")
                if node.value is None:
                    self.check(node)
                    self.run_batch(order([node]), "a value was needed")
                self.check(node)
        return node.value

    def check(self, node: Node) -> None:
        """Raises again the error of an operation that failed before."""
        if type(node.extra) is dict and "error" in node.extra:
            raise node.extra["error"]

    # ---- programs

    def follow(self, key: tuple, batch: list[Node], references: list[int]) -> tuple | None:
        """What was found for a batch that this one is like, node by node: what was kept, nodes by place, leaves."""
        plan = self.plans.get(key)
        if plan is None or plan.programs is not self.programs or references != plan.references:
            return None
        try:
            found = plan.match(batch)
        except (AttributeError, ValueError):  # inputs that were let go
            return None
        if found is None:
            return None
        self.counts["hits"] += 1
        return plan.found, *found

    def plan(self, key: tuple, batch: list[Node], references: list[int], cut: Cut, found: Any) -> None:
        """Remembers how to know a batch such as this again without writing its structural key."""
        match = matcher(batch, cut)
        if match is not None:
            if len(self.plans) >= self.capacity:
                self.plans.clear()
            self.plans[key] = Plan(match, references, found, self.programs)

    def find(self, key: tuple) -> Any:
        found = self.programs.get(key)
        if found is None:
            self.counts["misses"] += 1
            return None
        self.counts["hits"] += 1
        return found

    def keep(self, key: tuple, program: Any) -> Any:
        """Remembers a program; the oldest go when there are too many."""
        if tiers.policy.log is not None:
            made = program_of(program)
            if made is not None:
                file, line = caller()
                what = difference(key, [k for k, _ in zip(reversed(self.programs), range(100), strict=False)])
                tiers.policy.say(f"new {tiers.described(made)} at {file}:{line}" + (f"; {what}" if what else ""))
        self.programs[key] = program
        while len(self.programs) > self.capacity:
            self.programs.popitem(last=False)
        return program

    def run(self, program: Program, leaves: Sequence[Any], batch: list[Node], why: str, start: float) -> tuple:
        """Runs `program`; when an operation fails, the others that do not depend on it still get their values."""
        counts = self.counts
        counts["programs"] += 1
        counts["instructions"] += len(program.nodes)
        try:
            if self.log is not None:
                return self.logged(program, leaves, why, start)
            return execute(program, leaves)
        except Exception as error:
            failing = backend.failed(error, program)
            if failing is None:
                raise
            self.isolate(batch)
            raise

    def logged(self, program: Program, leaves: Sequence[Any], why: str, start: float) -> tuple:
        """Runs `program` and notes what `flambeau.explain` tells of it."""
        planned, compiling = perf_counter(), program.tier.compile_seconds
        values = execute(program, leaves)
        ended, compiling = perf_counter(), program.tier.compile_seconds - compiling
        self.log.append(
            {
                "why": why,
                "line": caller(),
                "operations": len(program.nodes),
                "results": len(values),
                "bytes": output_bytes(program),
                "program": program.number,
                "backend": program.tier.settled,
                "new": program.number not in self.seen,
                "record": max(start - self.ended, 0.0),
                "plan": planned - start,
                "compile": min(compiling, ended - planned),
                "run": max(ended - planned - compiling, 0.0),
            }
        )
        self.ended = ended
        self.seen.add(program.number)
        return values

    def isolate(self, batch: list[Node]) -> None:
        """Runs `batch` node by node, gives the failing ones their error, and raises the first."""
        first: Exception | None = None
        for node in batch:
            if node.value is not None:
                continue
            broken = next(
                (s for s in node.inputs if type(s) is Node and type(s.extra) is dict and "error" in s.extra), None
            )
            error = broken.extra["error"] if broken is not None else None
            if error is None:
                try:
                    settle(node, run_one(node))
                    continue
                except Exception as raised:
                    error = explained(raised, node)
                    first = first or error
            node.extra = {**(node.extra if type(node.extra) is dict else {}), "error": error}
        if first is not None:
            raise first from None


def execute(program: Program, leaves: Sequence[Any]) -> tuple:
    """The results of `program`, which is timed."""
    values = [v.value if type(v) is Node else v for v in leaves] if program.fetch is None else program.fetch(leaves)
    start = perf_counter()
    results = program.run(values)
    seconds = perf_counter() - start
    program.runs += 1
    program.seconds += seconds
    if program.seconds > program.due:
        tiers.consider(program, values, seconds)
    return results


def settle(node: Node, value: Any) -> None:
    """Gives `node` its value. Off the tape it is a leaf from now on, and lets its inputs go."""
    node.value = value
    kind = node.kind
    if kind.tape and kind.op.name == "add" and node.spec.numel == 1:
        count_sum(node)
    if (not kind.tape or kind.op.name == "_leaf") and type(node.spec) is not tuple:
        node.kind, node.inputs = node.spec.leaf if not kind.state else node.spec.leaf.variant(kind.state), ()


def count_sum(node: Node) -> None:
    """Warns when a sum of losses has kept the tape of many steps (`total += loss` where `total += loss.item()` was
    meant)."""
    first = node.inputs[0]
    extra = first.extra if type(first) is Node and type(first.extra) is dict else {}
    count = extra.get("sum", 0) + 1
    node.extra = {**(node.extra if type(node.extra) is dict else {}), "sum": count}
    if count == LONG_SUM:
        warnings.warn(
            f"a sum that needs a gradient has been added to {LONG_SUM} times and keeps the tape of every term; if it "
            f"is only to be "
            "looked at, add loss.item() or loss.detach()",
            stacklevel=8,
        )


def run_one(node: Node) -> Any:
    """The value of a node whose inputs have theirs."""
    cut = linearize([node])
    assert cut is not None
    nodes, inputs = symbolic(cut.key)
    program = Program(inputs, [nodes[-1]], tiers.prepare_host)
    return program.run([v.value if type(v) is Node else v for v in cut.leaves])[0]


def explained(error: Exception, node: Node) -> Exception:
    """`error` with the operation and the line that recorded it."""
    line = node.extra.get("line") if type(node.extra) is dict else None
    where = f", recorded at {line[0]}:{line[1]}" if line else ""
    error.add_note(f"flambeau: in {node.kind.op.name}{where}")
    return error.with_traceback(None)


class Cut:
    """A part of the graph in the form of a structural key, with what ties it to these nodes. See
    `backends.symbolic`."""

    __slots__ = ("key", "leaves", "slots", "places", "uses", "taped")

    def __init__(
        self, key: list, leaves: list, slots: dict[Node, int], places: list[int], uses: list[int], taped: bool
    ) -> None:
        self.key, self.leaves = key, leaves  # the values it stands on: nodes and numbers
        self.slots, self.places = slots, places  # each node's slot; the slots of the nodes cut out
        self.uses = uses  # per slot: how often nodes of the cut refer to it
        self.taped = taped  # it stands on results that belong to a tape

    def held(self, nodes: list[Node]) -> list[int]:
        """Slots of those nodes that something outside refers to: a tensor, or a node that is not run now."""
        uses, own = self.uses, _OWN + 1  # the dictionary of slots refers to each once
        return [slot for i, slot in enumerate(self.places) if getrefcount(nodes[i]) - own > uses[slot]]


class Plan:
    """A batch that came back: how to check that another is like it, and what was found for it."""

    __slots__ = ("match", "references", "found", "programs")

    def __init__(self, match: Callable, references: list[int], found: Any, programs: Any) -> None:
        self.match, self.references, self.found, self.programs = match, references, found, programs


def matcher(batch: list[Node], cut: Cut) -> Callable | None:
    """A function that compares a batch with this one, whose kinds are the same: None, or its nodes by place and its
    leaves.

    The comparison is written as source, a line an input, which takes a third of the time of writing the key.
    """
    names = {node: f"n{i}" for i, node in enumerate(batch)}
    space: dict[str, Any] = {"Node": Node}
    first = len(batch)
    lines = ["def match(batch):", f" {''.join(f'n{i}, ' for i in range(first))} = batch"]
    leaves: list[str] = []
    for i, node in enumerate(batch):
        if node.value is not None or not node.inputs:
            return None
        given = [f"i{i}_{j}" for j in range(len(node.inputs))]
        lines.append(f" {''.join(g + ', ' for g in given)} = n{i}.inputs")
        for name, source in zip(given, node.inputs, strict=True):
            if type(source) is not Node:
                space[f"t{name}"] = type(source)
                lines.append(f" if type({name}) is not t{name}: return None")
                leaves.append(name)
            elif source in names:
                lines.append(f" if {name} is not {names[source]}: return None")
            else:
                names[source] = name
                space[f"k{name}"] = source.kind
                lines.append(f" if {name}.kind is not k{name} or {name}.value is None: return None")
                leaves.append(name)
    apart = [names[n] for n in cut.slots if names[n][0] == "i"]
    lines.append(f" if len({{{', '.join(apart) or '0'}}}) != {max(len(apart), 1)}: return None")
    lines.append(f" return [{', '.join(names[n] for n in cut.slots)}], [{', '.join(leaves)}]")
    exec(compile("\n".join(lines), "<flambeau plan>", "exec"), space)
    return space["match"]


def linearize(nodes: list[Node]) -> Cut | None:
    """The cut of `nodes`, inputs first. None if a node comes before what it needs."""
    slots: dict[Node, int] = {}
    key: list[Any] = []
    leaves: list[Any] = []
    places: list[int] = []
    uses: list[int] = []
    taped = False
    for node in nodes:
        key.append(node.kind)
        for source in node.inputs:
            if type(source) is Node:
                slot = slots.get(source)
                if slot is None:
                    if source.value is None:
                        return None
                    slots[source] = len(uses)
                    uses.append(0)
                    kind = source.kind
                    if kind.op is not None:
                        taped = taped or kind.tape
                        kind = leaf_kind(source)
                    key.append(kind)
                    leaves.append(source)
                else:
                    uses[slot] += 1
                    key.append(slot)
            else:
                if type(source) is str:
                    raise freed_error()
                key.append(type(source))
                leaves.append(source)
                uses.append(0)
        if node.value is not None:
            key.append("supplied")
            leaves.append(node)
        slots[node] = len(uses)
        places.append(len(uses))
        uses.append(0)
    return Cut(key, leaves, slots, places, uses, taped)


def build(cut: Cut, held: list[int]) -> tuple[Program, list[int]]:
    """The program of a cut, and the positions (in the order of its slots) of the nodes that get values."""
    nodes, inputs = symbolic(cut.key)
    at = {nodes[slot]: place for place, slot in enumerate(cut.slots.values())}
    wanted = dict.fromkeys(nodes[slot] for slot in held)
    wanted.update((n, None) for n in saved(order(wanted)))
    return Program(inputs, list(wanted), tiers.prepare), [at[n] for n in wanted]


def saved(nodes: Sequence[Node]) -> list[Node]:
    """Those values, not known yet, that the gradients of `nodes` will read."""
    found = []
    for node in nodes:
        if node.kind.tape and node.kind.op is not None:
            read = [node.inputs[i] for i in node.kind.saves] + ([node] if node.kind.saves_out else [])
            found += [n for n in read if type(n) is Node and n.value is None]
    return found


def leaf_kind(node: Node) -> Kind:
    """The kind under which a computed node enters a program."""
    return node.spec.leaf if type(node.spec) is not tuple else node.kind


def freed_error() -> RuntimeError:
    return RuntimeError(
        "Trying to backward through the graph a second time (or directly access saved tensors after they have already "
        "been freed). Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). "
        "Specify retain_graph=True if you need to backward through the graph a second time or if you need to access "
        "saved tensors after calling backward."
    )


def program_of(entry: Any) -> Program | None:
    """The program in an entry of the cache."""
    return entry[0] if type(entry) is tuple else getattr(entry, "program", None)


engine = Engine()
tiers.policy.watchers += [lambda: engine.programs.clear(), lambda: engine.plans.clear()]
start_log()


def stats() -> Stats:
    """What ran so far: how many programs and instructions, how often a key was known, which backend ran what.

    A dictionary of numbers that prints as a table.

    >>> import flambeau as torch
    >>> torch.ones(2).sum().item()
    2.0
    >>> torch.engine.stats()["programs"] > 0
    True
    """
    programs = [p for p in map(program_of, engine.programs.values()) if p is not None]
    numbers = {
        **engine.counts,
        "kept": len(engine.programs),
        "pending": len(engine.pending),
        "compiles": tiers.policy.compiles,
        "compile_seconds": tiers.policy.compile_seconds,
        "seconds": float(sum(p.seconds for p in programs)),
    }
    return Stats(numbers, programs, sorted(c.note() for c in engine.compiled))
