"""The walk: from the graph of a result to its gradients, as a cached program or, where the user's code takes part,
as recorded nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from sys import getrefcount
from time import perf_counter
from typing import Any

from ..backends import SUPPLIED, Program, symbolic, tiers
from ..engine import Cut, engine, freed_error, linearize, saved, settle
from ..graph import FREED, Kind, Node, mode, order, tape_under
from ..ops import registry
from ..ops._op import cast, picks

# Rules that read a result which PyTorch does not save: there it may be written to, and here the node keeps its value.
UNSAVED = frozenset({"div", "_max_pool", "erfinv"})
RECORD = object()  # stands in the cache for a graph whose gradient runs the user's code


def sum_to(g: Node, shape: tuple) -> Node:
    """Undoes broadcasting: `g` summed over the dimensions that `shape` lacks or has as 1."""
    if g.shape == shape:
        return g
    ahead = g.ndim - len(shape)
    dims = (*range(ahead), *(i + ahead for i, size in enumerate(shape) if size == 1 and g.shape[i + ahead] != 1))
    if dims:
        g = registry["sum"](g, dims, True)
    return g if g.shape == shape else registry["reshape"](g, shape)


def fitted(g: Node, like: Any) -> Node:
    """The gradient `g` in the shape and dtype of what it is the gradient of."""
    g = sum_to(g, like.shape)
    if g.spec.device is not like.device:
        g = registry["_moved"].record(g, like.device)  # type: ignore[union-attr]
    if like.dtype.is_complex or not g.spec.is_complex:
        return cast(g, like.dtype)
    return cast(registry["real"](g), like.dtype)


def pull(
    nodes: Sequence[Node],
    seeds: dict[Node, Any],
    keep: set[Node],
    special: Callable | None = None,
    arrived: Callable | None = None,
) -> dict[Node, Any]:
    """Gradients of the `seeds` with respect to the nodes in `keep`, as nodes. `nodes` is in order of recording.

    `special` differentiates nodes of custom functions; `arrived` may replace a gradient once it is complete (hooks).
    """
    total: dict[Node, Any] = dict(seeds)
    reach = set(keep)  # a rule runs only where its result leads to a node asked for
    for node in nodes:
        if node.kind.tape and any(type(s) is Node and s in reach for s in node.inputs):
            reach.add(node)
    for node in reversed(nodes):
        g = total.get(node)
        if g is None or not node.kind.tape:
            continue
        if arrived is not None:
            g = total[node] = arrived(node, g)
            if g is None:
                continue
        if not any(type(s) is Node and s in reach for s in node.inputs):
            continue
        if node.kind.op.name == "_pick":
            parent, index = node.inputs[0], node.kind.env["index"]
            parts = total.setdefault(parent, [None] * len(parent.spec))
            parts[index] = g if parts[index] is None else parts[index] + g
            continue
        for source, part in (special or builtin)(node, g, reach):
            part = fitted(part, source.spec)
            total[source] = total[source] + part if source in total and total[source] is not None else part
    return total


def builtin(node: Node, g: Any, reach: set[Node]) -> list[tuple[Node, Node]]:
    """Pairs (input, gradient) of `node` by the rules of its operation."""
    op = node.kind.op
    if not op.grads:
        raise NotImplementedError(f"the derivative for '{op.name}' is not implemented")
    if node.inputs is FREED:
        raise freed_error()
    for i in node.kind.saves:
        if type(node.inputs[i]) is Node and "changed" in node.inputs[i].kind.state:
            raise changed_error(node.inputs[i])
    if node.kind.saves_out and "changed" in node.kind.state and op.name not in UNSAVED:
        raise changed_error(node, node)
    env = op.environment(node)
    env["g"] = tuple(g) if type(g) is list else g
    env["out"] = picks(node) if type(node.spec) is tuple else node
    found = []
    for name, rule in op.grads.items():
        source = env[name]
        if type(source) is tuple:
            if any(type(s) is Node and s in reach for s in source):
                found += [
                    (s, part)
                    for s, part in zip(source, rule(env), strict=True)
                    if type(s) is Node and s in reach and part is not None
                ]
        elif type(source) is Node and source in reach:
            part = rule(env)
            if part is not None:
                found.append((source, part))
    return found


def changed_error(node: Node, made_by: Node | None = None) -> RuntimeError:
    """PyTorch's error for a value that the tape had saved and a write has replaced."""
    extra = node.extra if type(node.extra) is dict else {}
    now, then = extra.get("version", (1, 0))
    writer = made_by.kind.op.backward_name(made_by.kind).removesuffix("Backward0") if made_by else extra.get("writer")
    name = f", which is output 0 of {writer}," if writer else ""
    space = "torch.cuda" if node.device.type == "cuda" else "torch"
    return RuntimeError(
        f"one of the variables needed for gradient computation has been modified by an inplace operation: "
        f"[{space}.{type_name(node.dtype)} {list(node.shape)}]{name} is at version {now}; expected version {then} "
        f"instead. "
        "Hint: enable anomaly detection to find the operation that failed to compute its gradient, with "
        "torch.autograd.set_detect_anomaly(True, check_nan=False)."
    )


def type_name(dtype: Any) -> str:
    """The name of the tensor class of a dtype: FloatTensor."""
    return dtype.title + "Tensor"


class Step:
    """A gradient program found by key. Its fields are positions in the list of nodes that the key was made of.

    values: which nodes get values; freed: which leave the tape; targets: which leaves get gradients, and the
    gradients' kinds.
    """

    __slots__ = ("program", "values", "freed", "targets")

    def __init__(self, program: Program, values: list[int], freed: list[int], targets: list[tuple[int, Kind]]) -> None:
        self.program, self.values, self.freed, self.targets = program, values, freed, targets


def tape_of(roots: Sequence[Node], batch: list[Node]) -> tuple[list[Node], Cut]:
    """All that was pending, and the part of the tape under `roots` that has run already; inputs first."""
    cut = linearize(batch)
    if cut is not None and not cut.taped:
        for root in roots:
            if root not in cut.slots:
                break
        else:
            return batch, cut
    under = order(roots, tape=True)
    known = set(under)
    nodes = under + [n for n in order(batch) if n not in known]
    del under, known
    cut = linearize(nodes)
    assert cut is not None
    return nodes, cut


def gradients(
    roots: list[Node], seeds: list[Node | None], wanted: list[Node] | None, retain: bool
) -> list[tuple[Node, Node]] | None:
    """Runs what is pending together with the gradient of `roots`, as one program kept by its key.

    Returns pairs (leaf, gradient) for the leaves that collect one, or for `wanted`. None if the user's code takes part
    (hooks, custom functions): `recorded` does those.
    """
    with engine.lock:
        if engine.forbidden:
            raise RuntimeError("flambeau.no_execution(): a gradient is needed here")
        start = perf_counter()
        nodes = engine.take()
        plain = wanted is None and len(roots) == 1 and seeds[0] is None
        kinds = (retain, "backward", *[n.kind for n in nodes]) if plain and nodes and nodes[-1] is roots[0] else ()
        references = [*map(getrefcount, nodes)]
        followed = engine.follow(kinds, nodes, references) if kinds else None
        if followed is not None:
            step, have, leaves = followed
        else:
            nodes, cut = tape_of(roots, batch := nodes)
            if nodes is not batch:
                batch, kinds = [], ()  # what refers to a node counts
            slots, leaves = cut.slots, cut.leaves
            if wanted is not None:
                as_recorded(wanted, slots)
            held = cut.held(nodes)
            given: list[Any] = []
            for seed in seeds:
                if seed is None or seed in slots:
                    given.append(None if seed is None else slots[seed])
                else:
                    given.append(seed.spec.leaf)
                    leaves.append(seed)
            full = (
                *cut.key,
                retain,
                *given,
                *[slots[n] for n in roots],
                None,
                *held,
                None if wanted is None else tuple([slots.get(n) for n in wanted]),
            )
            step = engine.find(full)
            if step is None:
                step = engine.keep(full, build(cut, given, roots, held, wanted, retain))
            elif kinds and step is not RECORD:
                engine.plan(kinds, nodes, references, cut, step)
            if step is RECORD:
                if engine.capture is not None:
                    engine.capture.refuse("the program's own code takes part in its gradient")
                engine.pending[:0] = [n for n in nodes if n.value is None]
                return None
            have = list(slots)
        results = engine.run(step.program, leaves, nodes, "backward", start)
        place = first = len(step.values)
        for place, value in zip(step.values, results, strict=False):
            settle(have[place], value)
        for place in step.freed:
            have[place].inputs = FREED
        found = [
            (have[place], Node(kind, (), value))
            for (place, kind), value in zip(step.targets, results[first:], strict=True)
        ]
        if engine.capture is not None:
            engine.capture.ran(step.program, leaves, [have[v] for v in step.values] + [g for _, g in found])
        return found


def build(cut: Cut, seeds: list, roots: list[Node], held: list[int], wanted: list[Node] | None, retain: bool) -> Any:
    """Works out the program of a gradient from the structure alone."""
    slots = cut.slots
    nodes, inputs = symbolic(cut.key)
    if any("hooked" in n.kind.state or n.kind.op is not None and n.kind.op.name == "_custom" for n in nodes):
        return RECORD
    for actual, slot in slots.items():
        if actual.kind.state:
            nodes[slot].extra = actual.extra
    at = {nodes[slot]: place for place, slot in enumerate(slots.values())}
    tops = [nodes[slots[r]] for r in roots]
    targets = [n for n in at if is_target(n)] if wanted is None else [nodes[slots[w]] for w in wanted if w in slots]
    before = mode.grad, mode.key
    mode.grad = mode.key = False
    try:
        start: dict[Node, Any] = {}
        for top, given in zip(tops, seeds, strict=True):
            if type(given) is int:
                seed = nodes[given]
            elif given is None:
                seed = registry["_full"].record(top.shape, 1, top.dtype, top.device)
            else:
                seed = Node(given, (), SUPPLIED)
                inputs.append(seed)
            start[top] = start[top] + seed if top in start else seed
        total = pull(nodes, start, set(targets))
    finally:
        mode.grad, mode.key = before
    under = tape_under(tops)
    values = dict.fromkeys([n for n in [*(nodes[slot] for slot in held), *tops] if n.value is None])
    kept = [n for n in order(values) if retain or n not in under]  # their gradients may be asked for later
    values.update((n, None) for n in saved(kept))
    freed = [] if retain else [at[n] for n in under if n.kind.saves or n.kind.saves_out]
    reached = [t for t in targets if total.get(t) is not None]
    program = Program(inputs, [*values, *[total[t] for t in reached]], tiers.prepare)
    return Step(program, [at[v] for v in values], freed, [(at[t], t.spec.like().leaf) for t in reached])


def as_recorded(wanted: list[Node], nodes: Iterable[Node]) -> None:
    """Replaces leaves whose tensors were written to since by the leaves that the tape knows of these tensors."""
    for i, node in enumerate(wanted):
        if node not in nodes and is_target(node):
            t = owner(node)
            wanted[i] = next((n for n in nodes if is_target(n) and t is not None and owner(n) is t), node)


def owner(node: Node) -> Any:
    """The tensor that collects the gradient of a leaf, if it still lives."""
    ref = node.extra
    if type(ref) is dict:
        ref = ref.get("owner")
    return ref() if ref is not None else None


def is_target(node: Node) -> bool:
    """Whether `node` is a leaf whose tensor collects a gradient."""
    return (
        (node.kind.op is None or node.kind.op.name == "_leaf")
        and type(node.spec) is not tuple
        and node.spec.requires_grad
    )


def recorded(
    roots: list[Node],
    seeds: list[Node | None],
    wanted: list[Node] | None,
    retain: bool,
    create_graph: bool,
    special: Callable,
    arrived: Callable,
) -> list[tuple[Node, Node]]:
    """The gradient as recorded nodes, which can be differentiated again; hooks and custom functions are called on
    the way."""
    nodes = order(roots, tape=True)
    for node in nodes:
        if node.inputs is FREED:
            raise freed_error()
    if wanted is not None:
        as_recorded(wanted, {s: None for n in nodes for s in (n, *n.inputs) if type(s) is Node})
    targets = wanted
    if targets is None:
        targets = list(dict.fromkeys(s for n in [*nodes] for s in n.inputs if type(s) is Node and is_target(s)))
        targets += [r for r in roots if is_target(r) and r not in targets]
    before = mode.grad, mode.key
    mode.grad = mode.key = create_graph
    try:
        start: dict[Node, Any] = {}
        for root, seed in zip(roots, seeds, strict=True):
            first = registry["_full"].record(root.shape, 1, root.dtype, root.device) if seed is None else seed
            start[root] = start[root] + first if root in start else first
        total = pull(nodes, start, set(targets), special, arrived)
    finally:
        mode.grad, mode.key = before
    found = [(t, total[t]) for t in targets if total.get(t) is not None]
    engine.pending += [g for _, g in found if g.value is None]
    if not retain:
        engine.flush("backward")
        for _, g in found:
            if g.value is None:
                engine.force(g)
        for node in tape_under(roots):
            if node.kind.saves or node.kind.saves_out:
                node.inputs = FREED
            elif type(node.extra) is dict and "call" in node.extra:
                node.extra["call"].ctx._freed = True
    return found
