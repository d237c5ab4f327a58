"""What runs in a worker: it loads the batches that it is asked for, until it is told to stop or its loader is gone."""

from __future__ import annotations

import contextlib
import os
import queue
import random
import signal
import sys
import threading
import time
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from ...engine import engine
from ...random import manual_seed
from ...settings import set_num_threads
from . import transport
from .fetch import _DatasetKind, create_fetcher
from .worker_info import WorkerInfo, set_worker_info

STOP, RESUME = "stop", "resume"  # tasks that are not (pass, number, indices, wanted)
BATCH, ERROR, END, SKIPPED = "batch", "error", "end", "skipped"  # what is sent back
PARENT_CHECK = 1.0  # seconds between looks at whether the loader's process lives
LAST_WORDS = 2.0  # seconds that a worker whose loader is gone has to finish what it is at


@dataclass
class Job:
    """All that a worker has to know: sent once, by pickle unless the worker is a fork."""

    dataset_kind: int
    dataset: Any
    auto_collation: bool
    collate_fn: Any
    drop_last: bool
    base_seed: int
    worker_init_fn: Any
    num_workers: int


class Failure:
    """An exception of a worker's, as it is told in the main process."""

    def __init__(self, error: BaseException, where: str) -> None:
        self.kind: Any = type(error)
        self.where = where
        self.text = "".join(traceback.format_exception(error))

    def reraise(self) -> None:
        """Raises an exception of the same type whose message holds the worker's traceback."""
        message: Any = f"Caught {self.kind.__name__} {self.where}.\nOriginal {self.text}"
        if self.kind is KeyError:
            message = _Lines(message)
        try:
            error = self.kind(message=message) if getattr(self.kind, "message", None) else self.kind(message)
        except Exception:
            raise RuntimeError(message) from None
        raise error

    def plain(self) -> Failure:
        """The same as a RuntimeError, for an exception whose class cannot be found by name."""
        self.text = f"(an exception of {self.kind.__module__}.{self.kind.__qualname__}) " + self.text
        self.kind = RuntimeError
        return self


class _Lines(str):
    """A message that a KeyError, which shows its argument's repr, shows line by line."""

    def __repr__(self) -> str:
        return str(self)


def seed_all(base_seed: int, number: int) -> int:
    """Starts Python's, NumPy's and this package's generators from seeds of this worker's own."""
    seed = base_seed + number
    random.seed(seed)
    manual_seed(seed)
    np.random.seed(np.random.SeedSequence([number, base_seed & 0xFFFFFFFF, base_seed >> 32, 0]).generate_state(4))
    return seed


def main(connection: Connection, others: list[Connection], job: Job | None, number: int) -> None:
    """The life of worker `number`. `others` are connections that only a fork has, and that it closes.

    Without a job, that is the first message.
    """
    for other in others:
        other.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes: the main one decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    engine.pending.clear()
    engine.load = 0
    engine.lock = threading.RLock()  # a fork may have been made while another thread held it
    set_num_threads(1)
    failure: Failure | None = None
    if job is None:
        _, body, buffers = transport.receive(connection, private=True)
        try:
            job = transport.load(body, buffers)
        except Exception as error:
            failure = Failure(error, _where(number))
    tasks: queue.SimpleQueue = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(connection, tasks), daemon=True).start()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the loader is gone: so is the reason to go on
        _work(connection, tasks, job, number, failure)
    sys.stdout.flush()
    sys.stderr.flush()


def _listen(connection: Connection, tasks: queue.SimpleQueue) -> None:
    """Puts what arrives into `tasks`, so that the loader is always heard. Ends this process with the loader's."""
    parent = os.getppid()
    while True:
        try:
            while not connection.poll(PARENT_CHECK):
                if os.getppid() != parent:
                    raise EOFError
            task = connection.recv()
        except (EOFError, OSError):
            tasks.put(STOP)
            time.sleep(LAST_WORDS)
            os._exit(1)
        tasks.put(task)
        if task == STOP:
            return


def _where(number: int) -> str:
    return f"in DataLoader worker process {number}"


def _work(connection: Connection, tasks: queue.SimpleQueue, job: Any, number: int, failure: Failure | None) -> None:
    where = _where(number)
    fetcher: Any = None

    def begin(first: bool) -> Failure | None:
        nonlocal fetcher
        try:
            if first and job.worker_init_fn is not None:
                job.worker_init_fn(number)
            fetcher = create_fetcher(job.dataset_kind, job.dataset, job.auto_collation, job.collate_fn, job.drop_last)
        except Exception as error:
            return Failure(error, where)
        return None

    if failure is None:
        seed = seed_all(job.base_seed, number)
        set_worker_info(WorkerInfo(id=number, num_workers=job.num_workers, seed=seed, dataset=job.dataset))
        failure = begin(first=True)
    ended = False
    while True:
        task = tasks.get()
        if task == STOP:
            return
        if task == RESUME:
            ended = False
            if failure is None:
                failure = begin(first=False)
            continue
        turn, place, index, wanted = task
        if ended:
            continue
        kind, content = SKIPPED, None
        if failure is not None:
            kind, content = ERROR, failure
        else:
            try:
                content = fetcher.fetch(index)
                if wanted:
                    kind = BATCH
            except Exception as error:
                if isinstance(error, StopIteration) and job.dataset_kind == _DatasetKind.Iterable:
                    kind, ended = END, True
                else:
                    kind, content = ERROR, Failure(error, where)
        _answer(connection, (turn, place, kind), content if kind in (BATCH, ERROR) else None, where)
        content = None


def _answer(connection: Connection, head: tuple, content: Any, where: str) -> None:
    """Sends a result; if it cannot be sent, the reason."""
    try:
        transport.send(connection, head, content)
    except (BrokenPipeError, ConnectionResetError):
        raise
    except Exception as error:
        failure = content.plain() if isinstance(content, Failure) else Failure(error, where)
        transport.send(connection, (*head[:2], ERROR), failure)
