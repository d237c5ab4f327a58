"""The salary network 10-64-32-16-1, batch 4, mean squared error, a loop written by hand: flambeau beside PyTorch, in turns.

    python benchmarks/salary.py            (PyTorch must be installed for the ratios)

Each side runs in a process of its own (OMP_NUM_THREADS=1), stopped while the other is timed; a line a workload gives the median
of the ratios PyTorch / flambeau, above 1 meaning that flambeau is faster.
"""
from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import time

STEPS = 400


def worker(library: str) -> None:
    """Answers each line on standard input (the name of a workload) with the microseconds of one step."""
    if library == "torch":
        import torch
        torch.set_num_threads(1)
    else:
        import flambeau as torch  # type: ignore[no-redef]
    nn = torch.nn
    torch.manual_seed(0)
    criterion = nn.MSELoss()
    x, y = torch.randn(4, 10), torch.randn(4, 1)
    data = torch.utils.data.TensorDataset(torch.randn(608, 10), torch.randn(608, 1))
    loader = torch.utils.data.DataLoader(data, batch_size=4, shuffle=True)

    def trained(name: str):
        model = nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 1))
        optimizer = getattr(torch.optim, name)(model.parameters(), lr=1e-3)

        def step(features, targets):
            loss = criterion(model(features), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss
        return step
    steps = {"SGD": trained("SGD"), "Adam": trained("Adam")}
    epoch = trained("SGD")

    def measure(name: str) -> float:
        start = time.perf_counter()
        if name == "epoch":
            for features, targets in loader:
                epoch(features, targets)
            return (time.perf_counter() - start) / 152 * 1e6
        for _ in range(STEPS):
            loss = steps[name](x, y)
        loss.item()
        return (time.perf_counter() - start) / STEPS * 1e6
    print("ready", flush=True)
    for line in sys.stdin:
        print(measure(line.strip()), flush=True)


class Side:
    """One library in a process of its own, which only runs while it is timed."""

    def __init__(self, library: str) -> None:
        self.process = subprocess.Popen([sys.executable, __file__, "--worker", library], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
        assert self.process.stdout is not None
        if self.process.stdout.readline().strip() != "ready":
            raise RuntimeError(f"{library} did not start")
        self.pause()

    def pause(self) -> None:
        if hasattr(signal, "SIGSTOP"):
            self.process.send_signal(signal.SIGSTOP)

    def __call__(self, workload: str) -> float:
        if hasattr(signal, "SIGCONT"):
            self.process.send_signal(signal.SIGCONT)
        self.process.stdin.write(workload + "\n")
        self.process.stdin.flush()
        took = float(self.process.stdout.readline())
        self.pause()
        return took

    def close(self) -> None:
        if hasattr(signal, "SIGCONT"):
            self.process.send_signal(signal.SIGCONT)
        self.process.stdin.close()
        self.process.wait()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--worker")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    if options.worker:
        worker(options.worker)
        return
    ours = Side("flambeau")
    try:
        theirs: Side | None = Side("torch")
    except RuntimeError:
        theirs = None
        print("PyTorch is not installed: only flambeau's times")
    print(f"{'workload':12}{'flambeau us':>13}{'PyTorch us':>13}{'ratio':>8}")
    for workload in ("SGD", "Adam", "epoch"):
        ours(workload)
        if theirs is not None:
            theirs(workload)
        mine, other = [], []
        for _ in range(options.rounds):
            mine.append(ours(workload))
            if theirs is not None:
                other.append(theirs(workload))
        ratios = [b / a for a, b in zip(mine, other, strict=False)]
        shown = (f"{statistics.median(other):13.1f}", f"{statistics.median(ratios):8.2f}") if ratios else ("", "")
        print(f"{workload:12}{statistics.median(mine):13.1f}{shown[0]}{shown[1]}", flush=True)
    ours.close()
    if theirs is not None:
        theirs.close()


if __name__ == "__main__":
    main()
