"""Memory over a long loop: the salary network's step 100,000 times, the process's peak printed every 20,000 steps.

python benchmarks/memory.py [STEPS]
"""

from __future__ import annotations

import resource
import sys
import time

import flambeau as torch
from flambeau import nn


def main() -> None:
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 1)
    )
    optimizer, criterion = torch.optim.SGD(model.parameters(), lr=1e-3), nn.MSELoss()
    x, y = torch.randn(4, 10), torch.randn(4, 1)
    start = time.perf_counter()
    for step in range(1, steps + 1):
        loss = criterion(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % max(1, steps // 5) == 0:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(
                f"step {step:7}  peak {peak:7.1f} MiB  {(time.perf_counter() - start) / step * 1e6:6.1f} us a step",
                flush=True,
            )


if __name__ == "__main__":
    main()
