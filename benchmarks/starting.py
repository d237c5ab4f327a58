"""How a program starts: seconds to the first finished step, the longest pause in the next 200, the peak of memory.

    python benchmarks/starting.py [WORKLOAD ...]
    python benchmarks/starting.py --shapes     2,000 different shapes in a row: time and memory by the hundred

One process for each library and workload, one after the other. PyTorch runs with one thread, where its loops of this
size are quicker. Without PyTorch, only flambeau's figures.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import time

import workloads

LOOPS = ["salary_sgd", "salary_adam", "salary_compiled", "mnist_mlp", "small_cnn", "gpt", "lstm"]


def peak() -> float:
    """The largest size of this process so far, in MiB."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def begin(library: str, workload: str, born: float) -> None:
    """Prints the seconds from the process's start to the end of its first step, the longest pause, and the peak."""
    torch = importlib.import_module(library)
    step = getattr(workloads, workload)(torch)[0]
    step()
    first, longest = time.time() - born, 0.0
    for _ in range(200):
        start = time.perf_counter()
        step()
        longest = max(longest, time.perf_counter() - start)
    print(first, longest, peak(), flush=True)


def shapes(library: str) -> None:
    """Prints, for each hundred of 2,000 shapes that come once, the milliseconds of a step and the peak."""
    torch = importlib.import_module(library)
    nn = torch.nn
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 1))
    opt = torch.optim.SGD(model.parameters(), lr=1e-3)
    for hundred in range(20):
        start = time.perf_counter()
        for rows in range(100 * hundred + 1, 100 * hundred + 101):
            opt.zero_grad()
            nn.functional.mse_loss(model(torch.ones(rows, 16)), torch.ones(rows, 1)).backward()
            opt.step()
        print((time.perf_counter() - start) * 10, peak(), flush=True)


def answer(*options: str, library: str) -> list[list[float]]:
    """The rows of figures that this file prints in a process of its own."""
    env = {**os.environ, **({"OMP_NUM_THREADS": "1"} if library == "torch" else {})}
    born = str(time.time())
    command = [sys.executable, __file__, *options, "--library", library, "--born", born]
    told = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True).stdout
    return [[float(v) for v in line.split()] for line in told.splitlines()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", default=LOOPS)
    parser.add_argument("--shapes", action="store_true")
    parser.add_argument("--library", help=argparse.SUPPRESS)
    parser.add_argument("--born", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.library:
        if options.shapes:
            shapes(options.library)
        else:
            begin(options.library, options.workloads[0], options.born)
        return
    libraries = ["flambeau", "torch"] if importlib.util.find_spec("torch") else ["flambeau"]
    if options.shapes:
        columns = [answer("--shapes", library=library) for library in libraries]
        print(f"{'shapes':>8}" + "".join(f"{name + ' ms a step':>22}{'peak MiB':>10}" for name in libraries))
        for i, rows in enumerate(zip(*columns, strict=True)):
            print(f"{100 * (i + 1):8}" + "".join(f"{ms:22.2f}{mib:10.1f}" for ms, mib in rows))
        return
    print(f"{'workload':18}{'library':>10}{'first step s':>14}{'longest pause ms':>18}{'peak MiB':>10}")
    for name in options.workloads:
        for library in libraries:
            first, longest, mib = answer(name, library=library)[0]
            print(f"{name:18}{library:>10}{first:14.2f}{longest * 1e3:18.1f}{mib:10.1f}", flush=True)


if __name__ == "__main__":
    main()
