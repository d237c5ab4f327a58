"""Loading in workers: the same batches as without, seeds as PyTorch's, and every way for a worker to fail."""

import gc
import os
import pathlib
import random
import signal
import subprocess
import sys
import textwrap
import time
import warnings

import numpy as np
import pytest

import flambeau
from flambeau.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset, get_worker_info
from flambeau.utils.data.worker_loop import Job

ROOT = pathlib.Path(flambeau.__file__).parent.parent
STARTS = [start for start in ("fork", "spawn") if start in __import__("multiprocessing").get_all_start_methods()]


class Squares(Dataset):
    """Numbers, arrays and text, with something to do at a chosen index."""

    def __init__(self, n, width=3, at=None, act=None):
        self.n, self.width, self.at, self.act = n, width, at, act

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        if i == self.at:
            self.act()
        return i, np.full(self.width, i * i, np.float32), f"number {i}"


class Drawn(Dataset):
    def __len__(self):
        return 16

    def __getitem__(self, i):
        return i, get_worker_info().seed, random.random(), np.random.rand(), flambeau.rand(1).item()


class Shared(IterableDataset):
    """0 to n - 1, each worker every so many of them."""

    def __init__(self, n):
        self.n = n

    def __iter__(self):
        info = get_worker_info()
        first, step = (info.id, info.num_workers) if info else (0, 1)
        return iter(range(first, self.n, step))


class Odd(Exception):
    def __init__(self, one, two):
        super().__init__(one, two)


def fail():
    raise ValueError("no such picture")


def fail_oddly():
    raise Odd(1, 2)


def miss():
    raise KeyError("shoe")


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def die_with_a_child():
    if os.fork() == 0:
        time.sleep(4)  # and keeps what the worker had open
        os._exit(0)
    die()


def leave():
    os._exit(3)


def sleep():
    time.sleep(600)


def nap():
    time.sleep(0.5)


def unsendable(batch):
    return lambda: batch


def first_number(batch):
    return np.array([row[0] for row in batch])


def plain(batches):
    return [[part.tolist() if hasattr(part, "tolist") else list(part) for part in batch] for batch in batches]


def numbers(loader):
    return [i for batch in loader for i in batch[0].tolist()]


@pytest.fixture(autouse=True)
def no_worker_is_left():
    yield
    gc.collect()
    import multiprocessing

    deadline = time.monotonic() + 5
    while multiprocessing.active_children() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("width", [3, 50_000], ids=["in the message", "in shared memory"])
def test_batches_and_their_order_are_those_of_one_process(start, width):
    found = []
    for workers in (0, 2):
        flambeau.manual_seed(1)
        loader = DataLoader(
            Squares(21, width), 4, shuffle=True, num_workers=workers, multiprocessing_context=start if workers else None
        )
        found.append([plain(loader), flambeau.rand(1).item()])
    assert found[0] == found[1]


def test_batches_from_workers_can_be_written_to():
    for batch in DataLoader(Squares(4, 50_000), 2, num_workers=1):
        batch[1][0, 0] = 7
        batch[1].add_(1)
        assert batch[1][0, 0] == 8
    arrays = list(DataLoader(Squares(4), 2, num_workers=1, collate_fn=first_number))
    arrays[1] += 1
    assert [a.tolist() for a in arrays] == [[0, 1], [3, 4]]


def test_more_large_batches_can_be_kept_than_files_opened():
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, limits[1]))
    try:
        kept = list(DataLoader(Squares(300, 20_000), 1, num_workers=1))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert [batch[1][0, -1].item() for batch in kept] == [i * i for i in range(300)]


def test_a_lambda_and_a_local_class_reach_forked_workers():
    class Local(Squares):
        pass

    assert plain(DataLoader(Local(4), 2, num_workers=1, collate_fn=lambda rows: [[r[0] for r in rows]])) == [
        [[0, 1]],
        [[2, 3]],
    ]


def test_seeds_are_those_of_pytorch(torch):
    import torch.utils.data as reference

    class Theirs(reference.Dataset):
        def __len__(self):
            return 16

        def __getitem__(self, i):
            return i, reference.get_worker_info().seed, random.random(), np.random.rand(), torch.rand(1).item()

    torch.manual_seed(5)
    flambeau.manual_seed(5)
    for _ in range(2):
        theirs = reference.DataLoader(Theirs(), 2, shuffle=True, num_workers=2, multiprocessing_context="fork")
        assert plain(DataLoader(Drawn(), 2, shuffle=True, num_workers=2)) == plain(theirs)
    with_own = [
        plain(make(data, 2, num_workers=2, generator=g.manual_seed(9), multiprocessing_context="fork"))
        for make, data, g in (
            (DataLoader, Drawn(), flambeau.Generator()),
            (reference.DataLoader, Theirs(), torch.Generator()),
        )
    ]
    assert with_own[0] == with_own[1]
    assert flambeau.rand(2).tolist() == torch.rand(2).tolist()


# ---- what can go wrong


def test_an_error_comes_with_the_workers_traceback_and_the_pass_goes_on():
    batches = iter(DataLoader(Squares(8, at=3, act=fail), 2, num_workers=2))
    assert next(batches)[0].tolist() == [0, 1]
    with pytest.raises(
        ValueError, match=r"Caught ValueError in DataLoader worker process 1\.\nOriginal Traceback"
    ) as error:
        next(batches)
    assert "in fail" in str(error.value) and "no such picture" in str(error.value)
    assert [batch[0].tolist() for batch in batches] == [[4, 5], [6, 7]]


@pytest.mark.parametrize("act, kind", [(miss, KeyError), (fail_oddly, RuntimeError)])
def test_errors_of_awkward_classes(act, kind):
    with pytest.raises(kind) as error:
        list(DataLoader(Squares(2, at=0, act=act), num_workers=1))
    assert str(error.value).startswith(
        f"Caught {'KeyError' if kind is KeyError else 'Odd'} in DataLoader worker process 0.\n"
    )


def test_what_cannot_be_sent_is_an_error():
    with pytest.raises(Exception, match=r"unsendable.*in DataLoader|Caught \w+ in DataLoader worker process 0"):
        next(iter(DataLoader(Squares(2), num_workers=1, collate_fn=unsendable)))


def test_worker_init_fn_is_called_and_its_error_told():
    def init(number):
        get_worker_info().dataset.n = 100 + number

    def bad(number):
        fail()

    class Counted(Squares):
        def __getitem__(self, i):
            return self.n

    found = DataLoader(Counted(6), 1, num_workers=2, worker_init_fn=init)
    assert [batch.item() for batch in found] == [100, 101] * 3
    with pytest.raises(ValueError, match="no such picture"):
        next(iter(DataLoader(Squares(2), num_workers=1, worker_init_fn=bad)))


@pytest.mark.parametrize("start", STARTS)
def test_a_killed_worker_is_named(start):
    batches = iter(DataLoader(Squares(40, at=5, act=die), 2, num_workers=2, multiprocessing_context=start))
    pids = [worker.pid for worker in batches._workers]
    with pytest.raises(RuntimeError) as error:
        list(batches)
    assert str(error.value) == f"DataLoader worker (pid(s) {pids[0]}) exited unexpectedly"
    assert f"(pid {pids[0]}) is killed by signal: Killed" in str(error.value.__cause__)
    with pytest.raises(RuntimeError, match="exited unexpectedly"):
        next(batches)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_killed_worker_whose_child_lives_on_is_named():
    start = time.monotonic()
    with pytest.raises(RuntimeError, match="exited unexpectedly"):
        list(DataLoader(Squares(4, at=1, act=die_with_a_child), num_workers=1))
    assert time.monotonic() - start < 3.5


def test_a_worker_that_ends_by_itself_is_named():
    with pytest.raises(
        RuntimeError, match=r"DataLoader worker \(pid\(s\) \d+\) exited unexpectedly\nIt ended with exit code 3"
    ):
        list(DataLoader(Squares(4, at=1, act=leave), num_workers=1))


def test_a_persistent_loader_recovers_from_a_killed_worker():
    loader = DataLoader(Squares(6), 2, num_workers=1, persistent_workers=True)
    assert numbers(loader) == list(range(6))
    os.kill(loader._iterator._workers[0].pid, signal.SIGKILL)
    with pytest.raises(RuntimeError, match="exited unexpectedly"):
        list(loader)
    assert numbers(loader) == list(range(6))
    del loader


def test_timeout():
    start = time.monotonic()
    with pytest.raises(RuntimeError, match=r"DataLoader timed out after 0\.3 seconds"):
        list(DataLoader(Squares(4, at=0, act=sleep), num_workers=1, timeout=0.3))
    gc.collect()
    assert time.monotonic() - start < 3
    assert numbers(DataLoader(Squares(3, at=1, act=nap), num_workers=1, timeout=30)) == [0, 1, 2]


def test_a_pass_left_in_the_middle_ends_its_workers():
    for start in STARTS:
        batches = iter(DataLoader(Squares(1000), num_workers=2, multiprocessing_context=start))
        next(batches)
        workers = [worker.process for worker in batches._workers]
        del batches
        gc.collect()
        assert not any(worker.is_alive() for worker in workers)


def run(program, tmp_path, **how):
    file = tmp_path / "program.py"
    file.write_text(textwrap.dedent(program))
    return subprocess.Popen(
        [sys.executable, str(file)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        **how,
    )


SLOW = """
    import os, sys, time
    import flambeau as torch
    from flambeau.utils.data import DataLoader, Dataset
    class Slow(Dataset):
        def __len__(self): return 1000
        def __getitem__(self, i):
            time.sleep(0.05)
            return i
    if __name__ == "__main__":
        batches = iter(DataLoader(Slow(), num_workers=2, multiprocessing_context={start!r}))
        print(next(batches).item(), *[worker.pid for worker in batches._workers], flush=True)
        for batch in batches: pass
    """


def gone(pid):
    """Whether a process has ended; it may wait there to be collected."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
@pytest.mark.parametrize("start", [None, "spawn"])
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_the_main_process(start, end, tmp_path):
    process = run(SLOW.format(start=start), tmp_path, start_new_session=True)
    first, *pids = map(int, process.stdout.readline().split())
    assert first == 0 and len(pids) == 2
    # Ctrl-C reaches the whole group, a kill one process.
    os.killpg(process.pid, end) if end == signal.SIGINT else os.kill(process.pid, end)
    _, errors = process.communicate(timeout=20)
    if end == signal.SIGINT:
        assert errors.count("Traceback") == 1 and errors.rstrip().endswith("KeyboardInterrupt")
    deadline = time.monotonic() + 10
    while not all(map(gone, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert all(map(gone, pids))


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="other systems import the main module, as under PyTorch"
)
def test_a_program_without_a_guard(tmp_path):
    process = run(
        """
        import flambeau as torch
        from flambeau.utils.data import DataLoader
        scale = 3
        loader = DataLoader(range(6), 2, num_workers=2, collate_fn=lambda rows: [scale * r for r in rows])
        print(list(loader), list(loader) == list(loader))
        """,
        tmp_path,
    )
    out, errors = process.communicate(timeout=20)
    assert (out, errors) == ("[[0, 3], [6, 9], [12, 15]] True\n", "")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems never fork by themselves")
def test_a_process_with_a_compiler_is_forked_only_if_it_must(monkeypatch):
    from flambeau.utils.data.workers import start_method

    def method(collate_fn):
        return start_method(Job(0, range(3), True, collate_fn, False, 0, None, 1)).get_start_method()

    monkeypatch.delitem(sys.modules, "jax", raising=False)
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", sys.__spec__, raising=False)  # a program that is imported
    assert method(first_number) == "fork"
    monkeypatch.setitem(sys.modules, "jax", sys)
    assert method(first_number) == "spawn"
    assert method(lambda rows: rows) == "fork"
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)
    monkeypatch.setattr(sys.modules["__main__"], "__file__", __file__, raising=False)
    assert method(first_number) == "fork"  # this file has no guard


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_a_busy_worker_does_not_outlive_its_loader_for_long(tmp_path):
    program = SLOW.format(start="spawn").replace("time.sleep(0.05)", "time.sleep(0.05 if i < 2 else 600)")
    process = run(program, tmp_path)
    _, *pids = map(int, process.stdout.readline().split())
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 15
    while not all(map(gone, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert all(map(gone, pids))


def test_what_spawned_workers_cannot_get_is_told():
    with (
        pytest.warns(UserWarning, match="Got pickle error"),
        pytest.raises((AttributeError, TypeError, __import__("pickle").PicklingError)),
    ):
        iter(DataLoader(range(3), num_workers=1, collate_fn=lambda rows: rows, multiprocessing_context="spawn"))


# ---- streams, order, kept workers


def test_streams_are_loaded_as_pytorch_does(torch):
    import torch.utils.data as reference

    class Theirs(reference.IterableDataset):
        def __init__(self, n):
            self.n = n

        def __iter__(self):
            info = reference.get_worker_info()
            return iter(range(info.id, self.n, info.num_workers))

    for n, size, drop in [(11, 2, False), (11, 2, True), (1, 3, False), (9, None, False), (12, 5, False)]:
        kwargs = dict(batch_size=size, drop_last=drop, num_workers=2)
        found = [b.tolist() if hasattr(b, "tolist") else b for b in DataLoader(Shared(n), **kwargs)]
        theirs = reference.DataLoader(Theirs(n), multiprocessing_context="fork", **kwargs)
        assert found == [b.tolist() if hasattr(b, "tolist") else b for b in theirs]


def test_a_stream_longer_than_it_says_warns():
    class Liar(Shared):
        def __len__(self):
            return 2

    loader = DataLoader(Liar(3), None, num_workers=1)
    assert len(loader) == 2
    with pytest.warns(UserWarning, match=r"was reported to be 2.*but 3 samples have been fetched"):
        assert list(loader) == [0, 1, 2]


def test_kept_workers_serve_every_pass():
    kept = DataLoader(Squares(10), 3, shuffle=True, num_workers=2, persistent_workers=True)
    next(iter(kept))
    pids = [worker.pid for worker in kept._iterator._workers]
    for _ in range(2):
        batches = iter(kept)
        first = next(batches)[0].tolist()
        # A pass left in the middle leaves nothing behind for the next.
        assert len(first) == 3 and sorted(numbers(kept)) == list(range(10))
    assert [worker.pid for worker in kept._iterator._workers] == pids
    stream = DataLoader(Shared(5), 2, num_workers=2, persistent_workers=True)
    assert [[b.tolist() for b in stream] for _ in range(3)] == [[[0, 2], [1, 3], [4]]] * 3


def test_kept_workers_draw_as_in_pytorch(torch):
    import torch.utils.data as reference

    found = []
    for make, library, where in (
        (DataLoader, flambeau, {}),
        (reference.DataLoader, torch, {"multiprocessing_context": "fork"}),
    ):
        library.manual_seed(3)
        loader = make(range(10), 4, shuffle=True, num_workers=2, persistent_workers=True, **where)
        found.append(([[b.tolist() for b in loader] for _ in range(3)], library.rand(1).item()))
        del loader
    assert found[0] == found[1]


def test_out_of_order():
    loader = DataLoader(Squares(12, at=0, act=nap), 1, num_workers=2, in_order=False)
    found = numbers(loader)
    assert sorted(found) == list(range(12)) and found[0] != 0
    stream = DataLoader(Shared(9), 2, num_workers=2, in_order=False)
    assert sorted(i for batch in stream for i in batch.tolist()) == list(range(9))


def test_rows_of_tensors_are_taken_in_workers():
    rows, labels = flambeau.randn(30, 5), flambeau.arange(30)
    for workers in (1, 2):
        for x, y in DataLoader(TensorDataset(rows, labels), 7, shuffle=True, num_workers=workers):
            assert (rows[y] == x).all()


def test_a_pass_goes_on_where_it_was():
    for data, drawn in ((Drawn(), True), (Shared(30), False)):
        loader = DataLoader(data, 2, num_workers=2, **({"shuffle": True} if drawn else {}))
        flambeau.manual_seed(8)
        batches = iter(loader)
        for _ in range(3):
            next(batches)
        state = loader.state_dict()
        rng = flambeau.get_rng_state()
        rest = [list(map(plain, [batches])), plain(loader)] if drawn else [[b.tolist() for b in batches]]
        flambeau.manual_seed(123)
        again = DataLoader(data, 2, num_workers=2, **({"shuffle": True} if drawn else {}))
        again.load_state_dict(state)
        flambeau.set_rng_state(rng)
        batches = iter(again)
        assert rest == ([list(map(plain, [batches])), plain(again)] if drawn else [[b.tolist() for b in batches]])


def test_more_workers_than_processors_warns():
    with pytest.warns(UserWarning, match="This DataLoader will create 4096 worker processes in total"):
        DataLoader(range(3), num_workers=4096)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        DataLoader(range(3), num_workers=1)
