"""A pass that loads in other processes: hands out indices, takes in batches, and notices when a worker is gone."""

from __future__ import annotations

import ast
import contextlib
import itertools
import multiprocessing
import os
import pickle
import signal
import sys
import time
import warnings
import weakref
from collections.abc import Iterator
from multiprocessing import connection as connections
from typing import Any, NoReturn

from . import transport
from .dataloader import DataLoader, _BaseDataLoaderIter
from .worker_loop import BATCH, END, ERROR, RESUME, STOP, Job, main

LOOK = 1.0  # seconds between looks at whether workers live, where nothing arrives
PATIENCE = 5.0  # seconds that workers get to finish what they are at, when all goes well
_ours: weakref.WeakSet[Any] = (
    weakref.WeakSet()
)  # this process's ends of all connections, which forks must not keep open


def start_method(job: Job) -> Any:
    """The context that starts workers where the program does not choose one.

    A fork is what PyTorch's programs on Linux are written for: nothing is pickled, the main module needs no guard. A
    process with a compiler's threads is not forked if the job can be pickled and the program can be imported.
    """
    chosen = multiprocessing.get_start_method(allow_none=True)
    if sys.platform != "linux" or chosen not in (None, "fork"):
        return multiprocessing.get_context(chosen or "spawn")
    if "jax" not in sys.modules or not _can_be_imported():
        return multiprocessing.get_context("fork")
    try:
        pickle.dumps(job)
    except Exception:
        return multiprocessing.get_context("fork")
    return multiprocessing.get_context("spawn")


def _can_be_imported() -> bool:
    """Whether the main module does its work under `if __name__ == "__main__"`, so that a worker may import it."""
    program = sys.modules.get("__main__")
    file = getattr(program, "__file__", None)
    if getattr(program, "__spec__", None) is not None:
        return True
    if file is None:
        return False
    try:
        with open(file, encoding="utf-8") as source:
            statements = ast.parse(source.read()).body
    except (OSError, SyntaxError, UnicodeDecodeError):
        return False
    return any(isinstance(s, ast.If) and "__name__" in ast.unparse(s.test) for s in statements)


class _Worker:
    """One worker: its process, this side of its connection, and whether it still takes tasks in this pass."""

    def __init__(self, context: Any, job: Job | None, number: int) -> None:
        self.connection, theirs = context.Pipe(duplex=True)
        _ours.add(self.connection)
        others = list(_ours) if context.get_start_method() == "fork" else []
        self.process = context.Process(target=main, args=(theirs, others, job, number), daemon=True)
        with _no_interrupt(), warnings.catch_warnings():
            # Python warns of a fork beside threads; those here (BLAS, a notebook's) are made for it.
            warnings.simplefilter("ignore", DeprecationWarning)
            self.process.start()
        theirs.close()
        self.active = True
        self.tasks = 0

    @property
    def pid(self) -> int:
        return self.process.pid

    def send(self, task: Any) -> None:
        """Gives it a task; of one that is gone, `receive` will tell."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.connection.send(task)


@contextlib.contextmanager
def _no_interrupt() -> Iterator[None]:
    """Holds Ctrl-C back, for this thread and the processes started within, until the end."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _stop(workers: list[_Worker], owner: int, patience: list[float]) -> None:
    """Ends workers: they are asked to, then told to, then made to."""
    if os.getpid() != owner:
        return
    for worker in workers:
        worker.send(STOP)
        worker.connection.close()
    deadline = time.monotonic() + patience[0]
    for worker in workers:
        worker.process.join(max(0.0, deadline - time.monotonic()))
    for worker in workers:
        if worker.process.is_alive():
            worker.process.terminate()
    for worker in workers:
        worker.process.join(1.0)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()
    workers.clear()


class _MultiProcessingDataLoaderIter(_BaseDataLoaderIter):
    """A pass whose batches workers load, each in turn."""

    def __init__(self, loader: DataLoader) -> None:
        super().__init__(loader)
        if loader.prefetch_factor is None or loader.prefetch_factor <= 0:
            raise AssertionError("prefetch_factor must be greater than 0 for MultiProcessingDataLoaderIter")
        self._ahead = loader.prefetch_factor * self._num_workers
        self._in_order = loader.in_order
        assert self._base_seed is not None
        job = Job(
            self._dataset_kind,
            self._dataset,
            self._auto_collation,
            self._collate_fn,
            self._drop_last,
            self._base_seed,
            loader.worker_init_fn,
            self._num_workers,
        )
        self._workers: list[_Worker] = []
        self._patience = [PATIENCE]
        self._broken: Exception | None = None
        self._shut = weakref.finalize(self, _stop, self._workers, os.getpid(), self._patience)
        self._start(loader.multiprocessing_context or start_method(job), job)
        self._turn = -1
        self._reset(loader, first=True)

    def _start(self, context: Any, job: Job) -> None:
        """Starts the workers. The job's arrays are sent once, and are shared until a worker writes to them."""
        packed: transport.Packed | None = None
        if context.get_start_method() != "fork":
            with contextlib.suppress(Exception):  # locks and queues of multiprocessing can only go along at the start
                packed = transport.Packed(job)
        try:
            for number in range(self._num_workers):
                self._workers.append(_Worker(context, None if packed else job, number))
            if packed is not None:
                for worker in self._workers:
                    with contextlib.suppress(
                        BrokenPipeError, ConnectionResetError
                    ):  # of a dead worker `_receive` tells
                        packed.send(worker.connection)
        except (TypeError, AttributeError, pickle.PicklingError):
            warnings.warn(
                "Got pickle error when attempting to start a worker Process. The dataset, collate_fn and "
                "worker_init_fn are sent to workers by pickle: functions must be defined at the top of a module, "
                "not as a lambda; files are best opened in the worker.",
                stacklevel=6,
            )
            self._shut()
            raise
        finally:
            if packed is not None:
                packed.close()

    def _reset(self, loader: DataLoader, first: bool = False) -> None:
        """Starts a pass: with workers that were kept from the one before, unless it is the first."""
        if not first:
            from .resume import Progress

            self._progress = Progress(loader, loader._resume)
            self._progress.base_seed = self._base_seed
            loader._resume = None
            self._IterableDataset_len_called = loader._IterableDataset_len_called
        self._turn += 1
        self._sampler_iter = iter(self._index_sampler)
        self._num_yielded = 0
        self._sent = self._due = 0  # numbers of the next batch to be asked for, and to be yielded
        self._owner: dict[int, int] = {}  # batch asked for -> worker
        self._arrived: dict[int, Any] = {}
        self._cycle = itertools.cycle(range(self._num_workers))
        for worker in self._workers:
            worker.active, worker.tasks = True, 0
            if not first:
                worker.send(RESUME)
        progress = self._progress
        skipped = progress.done
        if not skipped:
            progress.begin()
        in_order, self._in_order = self._in_order, self._in_order or bool(skipped)
        with progress.replaying() if skipped else contextlib.nullcontext():
            for _ in range(self._ahead):
                self._ask()
            for _ in range(skipped):
                if self._next() is None:
                    break
        self._in_order = in_order
        progress.begun()
        self._num_yielded = progress.done = skipped

    # ---- handing out

    def _ask(self) -> None:
        """Gives the next batch's indices to the next worker that can take them."""
        try:
            index = next(self._sampler_iter)
        except StopIteration:
            return
        working = sum(worker.active for worker in self._workers)
        for _ in self._workers:
            number = next(self._cycle)
            worker = self._workers[number]
            if worker.active and (self._in_order or worker.tasks < self._ahead // working):
                break
        else:
            return
        worker.tasks += 1
        self._owner[self._sent] = number
        worker.send((self._turn, self._sent, index, self._sent >= self._progress.done))
        self._sent += 1

    # ---- taking in

    def _next(self) -> tuple[str, Any] | None:
        """What came of the next batch, in order or as it arrives; None at the end."""
        if self._broken is not None:
            raise self._broken
        while True:
            while self._due < self._sent and self._due not in self._arrived:
                number = self._owner.get(self._due)
                if number is not None and self._workers[number].active:
                    break
                self._owner.pop(self._due, None)  # of a stream that had ended, or yielded before its turn
                self._due += 1
            if self._due == self._sent:
                return None
            if self._due in self._arrived:
                found = self._arrived.pop(self._due)
                return self._taken(self._due, *found)
            turn, place, kind, content = self._receive()
            if turn != self._turn:
                continue
            if kind == END:
                self._workers[self._owner[place]].active = False
                self._ask()
            elif place == self._due or not self._in_order:
                return self._taken(place, kind, content)
            else:
                self._arrived[place] = kind, content

    def _taken(self, place: int, kind: str, content: Any) -> tuple[str, Any]:
        self._workers[self._owner.pop(place)].tasks -= 1
        if place == self._due:
            self._due += 1
        self._ask()
        return kind, content

    def _receive(self) -> tuple[int, int, str, Any]:
        """The next result of any worker. RuntimeError if none comes in time, or a worker that is needed is gone."""
        deadline = time.monotonic() + self._timeout if self._timeout > 0 else None
        while True:
            waiting = {worker.connection: worker for worker in self._workers if worker.active}
            left = LOOK if deadline is None else min(LOOK, max(0.0, deadline - time.monotonic()))
            ready = connections.wait(list(waiting), left)
            if ready:
                found = ready[0]
                try:
                    head, body, buffers = transport.receive(found)  # type: ignore[arg-type]
                except (EOFError, ConnectionResetError):
                    self._lost([waiting[found]])  # type: ignore[index]
                except BaseException:
                    self._shut()  # half a message was read: there is no going on
                    raise
                return (*head, transport.load(body, buffers))
            # A process that a dead worker has started may keep its connection open.
            dead = [worker for worker in waiting.values() if not worker.process.is_alive()]
            if dead:
                self._lost(dead)
            if deadline is not None and time.monotonic() >= deadline:
                self._patience[0] = 0.0  # a worker that does not answer is not asked to stop
                raise RuntimeError(f"DataLoader timed out after {self._timeout} seconds")

    def _lost(self, workers: list[_Worker]) -> NoReturn:
        """Raises the error that names workers which are gone."""
        for worker in workers:
            worker.process.join(1.0)
        pids = ", ".join(str(worker.pid) for worker in workers)
        code = workers[0].process.exitcode
        reason: Exception | None = None
        if code is not None and code < 0:
            name = signal.strsignal(-code)
            text = f"DataLoader worker (pid {workers[0].pid}) is killed by signal: {name}. "
            if -code == signal.SIGKILL:
                text += "If nobody did that by hand, memory ran out: fewer workers or smaller batches help."
            reason = RuntimeError(text)
        self._patience[0] = 0.0
        self._shut()
        ended = "" if code is None or code < 0 else f"\nIt ended with exit code {code}; what it printed says why."
        self._broken = RuntimeError(f"DataLoader worker (pid(s) {pids}) exited unexpectedly{ended}")
        raise self._broken from reason

    def __next__(self) -> Any:
        found = self._next()
        if found is None:
            self._progress.ended = True
            if not self._persistent_workers:
                self._shut()
            raise StopIteration
        kind, content = found
        self._progress.done += 1
        if kind == ERROR:
            content.reraise()
        assert kind == BATCH
        self._num_yielded += 1
        self._check_length()
        return content

    def _shutdown_workers(self) -> None:
        """Ends the workers."""
        self._shut()
