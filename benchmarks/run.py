"""flambeau beside PyTorch, in turns, in one run: a table of medians.

    python benchmarks/run.py [--rounds N] [--warm SECONDS] [WORKLOAD ...]

Each library runs in a process of its own, stopped while another is timed (idle thread pools spin). PyTorch runs twice,
with its default number of threads and with one, and the quicker of the two counts. Before it is timed a workload runs
for some seconds, so that what is compiled in the background is. A line gives the median times and the median of the
ratios PyTorch / flambeau of neighbouring rounds; above 1, flambeau is faster. Without PyTorch, only flambeau's times.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import signal
import statistics
import subprocess
import sys
import time

import workloads

AGAIN = 0.15  # seconds that a workload runs before it is timed: threads that were stopped find their processors again
LEAST = 0.2  # seconds that it is timed


def serve(library: str, warm: float) -> None:
    """Answers each line on standard input, the name of a workload, with the mean microseconds of a repeat."""
    torch = importlib.import_module(library)
    ready: dict[str, workloads.Timed] = {}
    print("ready", flush=True)
    for line in sys.stdin:
        name = line.strip()
        if name not in ready:
            ready[name] = function, repeats = getattr(workloads, name)(torch)
            begin = time.perf_counter()
            while time.perf_counter() - begin < warm:
                function()
        function, repeats = ready[name]
        begin = time.perf_counter()
        while time.perf_counter() - begin < AGAIN:
            function()
        start, count = time.perf_counter(), 0
        while time.perf_counter() - start < LEAST:
            for _ in range(repeats):
                function()
            count += repeats
        print((time.perf_counter() - start) / count * 1e6, flush=True)


class Side:
    """One library in a process of its own, which runs only while it is timed."""

    def __init__(self, library: str, threads: int | None, warm: float) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--serve", library, "--warm", str(warm)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **({"OMP_NUM_THREADS": str(threads)} if threads else {})},
        )
        assert self.process.stdout is not None and self.process.stdin is not None
        self.answers, self.questions = self.process.stdout, self.process.stdin
        if self.answers.readline().strip() != "ready":
            raise RuntimeError(f"{library} did not start")
        self.signal("SIGSTOP")

    def signal(self, name: str) -> None:
        if hasattr(signal, name):
            self.process.send_signal(getattr(signal, name))

    def time(self, workload: str) -> float:
        """Microseconds of one repeat."""
        self.signal("SIGCONT")
        self.questions.write(workload + "\n")
        self.questions.flush()
        took = float(self.answers.readline())
        self.signal("SIGSTOP")
        return took

    def close(self) -> None:
        self.signal("SIGCONT")
        self.questions.close()
        self.process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", default=[w.__name__ for w in workloads.ALL])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--warm", type=float, default=4.0, help="seconds that flambeau runs before it is timed")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.warm)
        return
    sides = [Side("flambeau", None, options.warm)]
    if importlib.util.find_spec("torch"):
        sides += [Side("torch", None, 0.5), Side("torch", 1, 0.5)]
    print(f"{'workload':22}{'flambeau us':>13}{'PyTorch us':>13}{'1 thread us':>13}{'ratio':>8}")
    for name in options.workloads:
        for side in sides:
            side.time(name)
        times = [[side.time(name) for side in sides] for _ in range(options.rounds)]
        columns = list(zip(*times, strict=True))
        shown = "".join(f"{statistics.median(column):13.1f}" for column in columns)
        ratio = ""
        if len(sides) > 1:
            best = min((1, 2), key=lambda i: statistics.median(columns[i]))
            ratio = f"{statistics.median(row[best] / row[0] for row in times):8.2f}"
        print(f"{name:22}{shown}{ratio}", flush=True)
    for side in sides:
        side.close()


if __name__ == "__main__":
    main()
