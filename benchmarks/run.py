"""flambeau beside PyTorch, in turns, in one run: a table of medians.

    python benchmarks/run.py [--rounds N] [--threads N] [WORKLOAD ...]

Each library runs in a process of its own, stopped while the other is timed (idle thread pools spin). A line gives
the median time of each
and the median of the ratios PyTorch / flambeau of neighbouring rounds; above 1, flambeau is faster. Without PyTorch,
only flambeau's times.
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


def serve(library: str, threads: int) -> None:
    """Answers each line on standard input, the name of a workload, with the microseconds of one repeat."""
    torch = importlib.import_module(library)
    torch.set_num_threads(threads)
    ready: dict[str, workloads.Timed] = {}
    print("ready", flush=True)
    for line in sys.stdin:
        name = line.strip()
        if name not in ready:
            ready[name] = getattr(workloads, name)(torch)
            for _ in range(3):
                ready[name][0]()
        function, repeats = ready[name]
        start = time.perf_counter()
        for _ in range(repeats):
            function()
        print((time.perf_counter() - start) / repeats * 1e6, flush=True)


class Side:
    """One library in a process of its own, which runs only while it is timed."""

    def __init__(self, library: str, threads: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--serve", library, "--threads", str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
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
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.threads)
        return
    sides = [Side("flambeau", options.threads)]
    if importlib.util.find_spec("torch"):
        sides.append(Side("torch", options.threads))
    print(f"{'workload':22}{'flambeau us':>13}{'PyTorch us':>13}{'ratio':>8}")
    for name in options.workloads:
        for side in sides:
            side.time(name)
        times = [[side.time(name) for side in sides] for _ in range(options.rounds)]
        shown = "".join(f"{statistics.median(column):13.1f}" for column in zip(*times, strict=True))
        ratio = f"{statistics.median(row[1] / row[0] for row in times):8.2f}" if len(sides) > 1 else ""
        print(f"{name:22}{shown}{ratio}", flush=True)
    for side in sides:
        side.close()


if __name__ == "__main__":
    main()
