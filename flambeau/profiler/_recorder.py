"""Recording what runs: while a recorder is on, operations run when they are called, one by one, each timed.

The engine is given another class for that time, so that nothing is looked at, and nothing costs, at other times.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

import numpy as np

from .. import binding
from ..backends import Program
from ..backends import numpy as backend
from ..backends.tiers import elsewhere
from ..engine import Engine, engine
from ..graph import Node
from ..ops._op import caller
from ._costs import HIDDEN, NAMES, names_of, result_bytes


class Span:
    """A stretch of time: an operation, or a range that the program named."""

    __slots__ = ("names", "start", "end", "thread", "depth", "node", "line", "memory", "user")

    def __init__(self, names: list[str], start: float, depth: int, user: bool) -> None:
        self.names, self.start, self.end, self.depth, self.user = names, start, start, depth, user
        self.thread = threading.get_ident()
        self.node: Node | None = None
        self.line: tuple[str, int] | None = None
        self.memory = 0


class Recorder:
    """Collects spans between `start` and `stop`. One is on at a time."""

    active: Recorder | None = None

    def __init__(self, stack: bool = False, on_node: Callable[[Node], None] | None = None) -> None:
        self.spans: list[Span] = []
        self.stack, self.on_node = stack, on_node
        self.depths = threading.local()
        self.started = self.ended = 0.0

    def start(self) -> None:
        """Runs what is pending, and records from now on."""
        if Recorder.active is not None:
            raise RuntimeError("Profiler is already enabled on this thread")
        engine.flush("profiler")
        self.before = engine.bound, engine.__class__, binding.evaluated
        Recorder.active = self
        engine.bound, engine.__class__ = 0, RecordingEngine
        binding.evaluated = self.evaluated
        from ..optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

        steps: list[Span] = []
        self.hooks = [
            register_optimizer_step_pre_hook(
                lambda o, args, kwargs: steps.append(self.open(f"Optimizer.step#{type(o).__name__}.step"))
            ),
            register_optimizer_step_post_hook(lambda o, args, kwargs: self.close(steps.pop())),
        ]
        self.started = perf_counter()

    def stop(self) -> None:
        """Records no longer; the engine is as it was."""
        engine.flush("profiler")
        self.ended = perf_counter()
        for hook in self.hooks:
            hook.remove()
        engine.bound, engine.__class__, binding.evaluated = self.before
        Recorder.active = None

    # ---- ranges

    def open(self, name: str) -> Span:
        """Begins a range."""
        depth = getattr(self.depths, "now", 0)
        self.depths.now = depth + 1
        span = Span([name], perf_counter(), depth, True)
        if self.stack:
            span.line = caller()
        self.spans.append(span)
        return span

    def close(self, span: Span) -> None:
        """Ends a range."""
        span.end = perf_counter()
        self.depths.now = span.depth

    # ---- operations

    def operation(self, node: Node, run: Callable[[], Any]) -> Any:
        """Runs one operation and notes it."""
        if self.on_node is not None:
            self.on_node(node)
        if node.kind.op.name in HIDDEN:
            return run()
        span = Span(names_of(node), perf_counter(), getattr(self.depths, "now", 0), False)
        value = run()
        span.end = perf_counter()
        span.node, span.memory = node, result_bytes(node)
        if self.stack:
            span.line = caller()
        self.spans.append(span)
        return value

    def evaluated(self, op: Any, given: tuple) -> Any:
        """Runs and notes an operation whose shapes depend on values, which is never pending."""
        span = Span(["aten::" + NAMES.get(op.name, op.name)], perf_counter(), getattr(self.depths, "now", 0), False)
        result = self.before[2](op, given)
        span.end = perf_counter()
        if self.stack:
            span.line = caller()
        self.spans.append(span)
        return result


class RecordingEngine(Engine):
    """The engine while a recorder is on."""

    __slots__ = ()

    def run(self, program: Program, leaves: Sequence[Any], batch: list[Node], why: str, start: float) -> tuple:
        """Runs `program`, each operation by itself; what lives on a GPU runs whole."""
        recorder = Recorder.active
        if recorder is None or elsewhere(program):
            return super().run(program, leaves, batch, why, start)
        fetch = getattr(program, "fetch", None)
        values = fetch(leaves) if fetch else [v.value if type(v) is Node else v for v in leaves]
        known: dict[Node, Any] = dict(zip(program.inputs, values, strict=True))
        try:
            with np.errstate(all="ignore"):
                for node in program.nodes:
                    have = tuple([known[s] if type(s) is Node else s for s in node.inputs])
                    known[node] = recorder.operation(node, lambda n=node, h=have: backend.evaluate(n, h))  # type: ignore
        except Exception:
            self.isolate(batch)
            raise
        return tuple([known[node] for node in program.outputs])
