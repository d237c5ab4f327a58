"""What code that runs in a worker can ask about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """This worker's number, how many there are, the seed its generators started from, its copy of the dataset."""

    id: int
    num_workers: int
    seed: int
    dataset: Any
    rng: Any = None
    worker_method: str | None = "multiprocessing"


_worker_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """What is known of the worker that this code runs in; None in the main process."""
    return _worker_info


def set_worker_info(info: WorkerInfo) -> None:
    """Says that this process is a worker."""
    global _worker_info
    _worker_info = info
