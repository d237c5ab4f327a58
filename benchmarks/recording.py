"""What recording costs: the time of a call of each operation on small tensors, nothing being run, in microseconds.

    python benchmarks/recording.py [--all]

The median over all operations with samples in the registry, the slowest, and what remembering the line of the
program costs (operations
whose values can be wrong remember it).
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np

import flambeau
from flambeau.dtypes import dtype
from flambeau.engine import engine
from flambeau.ops import Op, registry
from flambeau.ops._op import Sample, caller
from flambeau.tensor import from_array

ROUNDS, CALLS = 5, 40


def tensor(sample: Sample):
    """A tensor as a sample describes it."""
    kind = dtype.by_name[sample.dtype]
    rng = np.random.default_rng(0)
    if kind.category < 2:
        return from_array(
            rng.integers(sample.low, 2 if sample.dtype == "bool" else sample.high, sample.shape).astype(kind.numpy)
        )
    return from_array(np.asarray(rng.uniform(sample.low, sample.high, sample.shape)).astype(kind.numpy))


def made(value):
    if isinstance(value, Sample):
        return tensor(value)
    return type(value)(made(v) for v in value) if isinstance(value, (tuple, list)) else value


def cost(op: Op, case: tuple) -> float:
    """Microseconds of one call, the best of several rounds."""
    args, words = (case[:-1], case[-1]) if case and isinstance(case[-1], dict) else (case, {})
    args, words = [made(a) for a in args], {k: made(v) for k, v in words.items()}
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(CALLS):
            op.public(*args, **words)
        best = min(best, (time.perf_counter() - start) / CALLS)
        engine.pending.clear()
    return best * 1e6


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--all", action="store_true", help="print every operation")
    options = parser.parse_args()
    engine.bound = float("inf")  # type: ignore[assignment]
    costs = {}
    for op in registry.values():
        if isinstance(op, Op) and op.api and not op.eager and op.cases:
            costs[op.name] = cost(op, op.cases[0])
    for simple in ("add", "mul", "relu", "exp", "matmul"):
        t = flambeau.ones(4, 4)
        op = registry[simple]
        assert isinstance(op, Op)
        costs[simple] = cost(op, (t, t) if simple in ("add", "mul", "matmul") else (t,))
    ordered = sorted(costs.items(), key=lambda item: item[1])
    for name, us in ordered if options.all else ordered[:5] + ordered[-5:]:
        print(f"{name:32}{us:8.2f} us")
    print(f"median of {len(costs)} operations: {statistics.median(costs.values()):.2f} us")
    start = time.perf_counter()
    for _ in range(10_000):
        caller()
    print(f"remembering the line: {(time.perf_counter() - start) * 100:.2f} us")


if __name__ == "__main__":
    main()
