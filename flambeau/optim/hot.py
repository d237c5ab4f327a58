"""The update of a bucket, compiled: ordered once the steps have cost as much as compiling does. It becomes native code,
one loop over the old arrays; without llvmlite a large one is compiled by XLA, and kept if that is quicker.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..backends import tiers
from ..backends.tiers import NEVER

SMALLEST = 1 << 14         # elements from which a compiled update can be quicker than NumPy's
TRIALS = 5


class Hot:
    """A bucket's way to a compiled update. Its arrays move into memory that XLA may write new values into."""

    __slots__ = ("seconds", "due", "best", "quick", "runs", "future", "update", "program", "memories", "gradient")

    def __init__(self) -> None:
        self.seconds = 0.0
        self.due = 0.0                            # the seconds after which it is looked at; 0 before the first step
        self.best = self.quick = NEVER      # the shortest steps of NumPy and of XLA
        self.runs = 0
        self.future: Any = None
        self.update: Any = None
        self.program: Any = None                  # the one that `update` was compiled from
        self.memories: list[Any] = []
        self.gradient: Any = None

    def ran(self, bucket: Any, seconds: float) -> None:
        """A step of `bucket` took so long."""
        self.seconds += seconds
        if self.seconds <= self.due:
            return
        policy = tiers.policy
        if tiers.installed("native") and policy.choice in ("auto", "native"):
            if self.due == 0.0:
                self.due = NEVER if bucket.apart else native_due(bucket.update)
            else:
                self.due = NEVER
                make_native(bucket.update)
        elif self.due == 0.0:
            fits = bucket.size >= SMALLEST and not bucket.apart and bucket.width == 1 and bucket.real.itemsize >= 4
            wanted = fits and policy.choice != "numpy" and not policy.pinned and tiers.installed()
            self.due = tiers.expected_compile(bucket.update.program) if wanted else NEVER
            if wanted and policy.choice == "xla":
                self.order(bucket)
                self.future.result()
        elif self.future is None:
            self.order(bucket)
        elif self.update is None:
            self.best = min(self.best, seconds)
            self.runs += 1
            if self.future.done() and self.runs >= TRIALS:
                self.adopt(bucket)
        elif self.program is not bucket.update.program:
            self.leave(bucket)                    # the settings changed in kind
        else:
            self.compare(bucket, seconds)

    def order(self, bucket: Any) -> None:
        """Has the update compiled in the background."""
        self.program = bucket.update.program
        program, arrays, size = self.program, 2 + len(bucket.update.state), bucket.size

        def work() -> Any:
            from ..backends.xla import Update
            return Update(program, arrays, size)

        self.future = tiers.in_background(work)

    def adopt(self, bucket: Any) -> None:
        """Moves the arrays to where the compiled update works."""
        if self.future.exception() is not None:
            tiers.warn_of(f"the update of an optimizer over {bucket.size} numbers", self.future.exception())
            self.due = NEVER
            return
        from ..backends.xla import Memory
        self.update, self.runs = self.future.result(), 0
        self.gradient = tiers.aligned_empty((bucket.size,), bucket.real)
        self.memories = [Memory(bucket.flat), *[Memory(bucket.state[n]) for n in bucket.update.state]]
        for name, memory in zip(bucket.update.state, self.memories[1:], strict=True):
            bucket.state[name] = memory.view()
        bucket.adopt(self.memories[0].view())

    def move(self, bucket: Any, alone: bool, gradients: Sequence[np.ndarray], negate: bool) -> np.ndarray:
        """One step; the flat array of new values."""
        if self.program is not bucket.update.program or bucket.flat.base is not self.memories[0]:
            self.leave(bucket)
            flat = bucket.flat if alone else bucket.flat.copy()
            bucket.move_all(flat, gradients, negate)
            return flat
        if not alone:                             # somebody still looks at the old values: they stay
            from ..backends.xla import Memory
            self.memories[0] = Memory(bucket.flat)
        np.concatenate(gradients, out=self.gradient)
        if negate:
            np.negative(self.gradient, out=self.gradient)
        self.update(self.memories, self.gradient, bucket.numbers)
        return bucket.flat if alone else self.memories[0].view()

    def compare(self, bucket: Any, seconds: float) -> None:
        """After a few compiled steps, the quicker way stays."""
        self.runs += 1
        if self.runs > 2:                         # the first ones touch new memory
            self.quick = min(self.quick, seconds)
        if self.runs >= TRIALS + 2:
            if self.quick > self.best and tiers.policy.choice == "auto":
                self.leave(bucket)
            tiers.policy.say(f"update of {bucket.size} numbers: NumPy {self.best * 1e6:.0f} us, XLA "
                             f"{self.quick * 1e6:.0f} us; {'xla' if self.memories else 'numpy'} stays")
            self.due = NEVER

    def leave(self, bucket: Any) -> None:
        """Back to NumPy, which works on the same memory."""
        self.memories, self.update, self.gradient = [], None, None
        self.due = NEVER


def native_due(update: Any) -> float:
    """The seconds of steps from which native code for an update pays."""
    if tiers.policy.pinned:
        return NEVER
    return 1e-9 if tiers.policy.choice == "native" else tiers.expected_compile(update.program, "native")


def make_native(update: Any) -> None:
    """Has an update compiled in the background; it runs as native code from then on, wherever it is used."""
    if update.asked:
        return
    update.asked = True

    def work() -> None:
        from ..backends.native import updating
        made = updating(update.program, 2 + len(update.state))
        if made is not None:
            update.run, update.native = made, True

    tiers.in_background(work)
