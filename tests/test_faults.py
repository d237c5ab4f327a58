"""Interrupted at any moment, nothing is lost: values can still be had, training goes on, files are whole, no process
is left. (Workers that fail are in test_data_workers.py, full disks in test_serialization_damage.py.)"""
from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import flambeau as torch
from flambeau import nn

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals work otherwise on Windows")
REPOSITORY = Path(__file__).resolve().parent.parent


class Trainer:
    """A loop with everything that keeps state: momentum, dropout, running statistics, a schedule, a sampler."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 3))
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=0.01)
        self.scheduler = torch.optim.lr_scheduler.StepLR(self.optimizer, 2, gamma=0.5)
        data = torch.utils.data.TensorDataset(torch.randn(48, 6), torch.randint(3, (48,)))
        self.loader = torch.utils.data.DataLoader(data, batch_size=8, shuffle=True)
        self.total = torch.zeros(())

    def epoch(self) -> None:
        for x, y in self.loader:
            loss = nn.functional.cross_entropy(self.model(x), y)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.total = self.total + loss.detach()
        self.scheduler.step()

    def save(self, path: Path) -> None:
        torch.save({"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(), "total": self.total,
                    "scheduler": self.scheduler.state_dict(), "random": torch.get_rng_state()}, path)

    def load(self, path: Path) -> None:
        found = torch.load(path)
        self.model.load_state_dict(found["model"])
        self.optimizer.load_state_dict(found["optimizer"])
        self.scheduler.load_state_dict(found["scheduler"])
        self.total = found["total"]
        torch.set_rng_state(found["random"])

    def values(self) -> list[np.ndarray]:
        return [t.numpy() for t in (*self.model.state_dict().values(), self.total)]


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.fixture
def alarm():
    """Sets a timer that interrupts, as Ctrl-C does, after a number of seconds; 0 takes it back."""
    before = signal.signal(signal.SIGALRM, interrupt)
    yield lambda seconds: signal.setitimer(signal.ITIMER_REAL, seconds)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_training_interrupted_anywhere_goes_on_from_its_checkpoint(alarm, tmp_path):
    expected, times = Trainer(), []
    for _ in range(6):
        times.append(time.perf_counter())
        expected.epoch()
    length = time.perf_counter() - times[-1]
    trainer, path, draw = Trainer(), tmp_path / "checkpoint.pt", random.Random(0)
    trainer.save(path)
    done = interrupted = 0
    while done < 6:
        try:
            # Soon interrupted at first, later seldom.
            alarm(max(1e-5, draw.random() * length * (0.5 + interrupted / 40)))
            trainer.epoch()
            alarm(0)
        except KeyboardInterrupt:
            interrupted += 1
            assert all(np.isfinite(value).all() for value in trainer.values())
            trainer.load(path)
            continue
        trainer.save(path)
        done += 1
    assert interrupted > 10
    for value, reference in zip(trainer.values(), expected.values(), strict=True):
        np.testing.assert_allclose(value, reference, rtol=1e-5, atol=1e-6)


def test_pending_values_interrupted_on_their_way_can_be_had_again(alarm):
    interrupted = 0
    for attempt in range(60):
        torch.manual_seed(attempt)
        x = torch.randn(64, 64, requires_grad=True)
        layers = [x]
        for _ in range(20):
            layers.append(torch.tanh(layers[-1] @ x / 8 + torch.rand(64)))
        loss = layers[-1].square().sum()
        alarm(1e-4 * (1 + attempt % 30))
        try:
            found = loss.item()
            alarm(0)
        except KeyboardInterrupt:
            interrupted += 1
            found = loss.item()
        loss.backward()
        again = x.detach().requires_grad_()
        torch.manual_seed(attempt)
        torch.randn(64, 64)
        y = again
        for layer in layers[1:]:
            y = torch.tanh(y @ again / 8 + torch.rand(64))
            assert torch.equal(y, layer)
        y.square().sum().backward()
        assert found == pytest.approx(y.square().sum().item())
        assert torch.allclose(x.grad, again.grad, rtol=1e-4, atol=1e-4)
    assert interrupted > 5


TRAINING = """\
import sys, time
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

class Slow(Dataset):
    def __len__(self):
        return 4000
    def __getitem__(self, i):
        time.sleep(0.001)
        return torch.full((4,), float(i)), i % 2

def main(path, workers):
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6, momentum=0.9)
    steps = 0
    try:
        for x, y in DataLoader(Slow(), batch_size=4, num_workers=workers):
            loss = nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            steps += 1
            if steps == 3:
                print("training", flush=True)
    except KeyboardInterrupt:
        torch.save({"steps": steps, "model": model.state_dict(), "loss": loss}, path)
        print("saved", steps, flush=True)
        sys.exit(3)

if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
"""


def group_is_gone(group: int) -> bool:
    """Whether all processes of a group end within some seconds."""
    for _ in range(100):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("workers", [0, 2])
def test_a_program_interrupted_in_training_saves_and_leaves_no_process(workers, tmp_path):
    program, path = tmp_path / "program.py", tmp_path / "model.pt"
    program.write_text(TRAINING, encoding="utf-8")
    variables = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([sys.executable, "-m", "flambeau", "run", str(program), str(path), str(workers)],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=variables,
                               start_new_session=True)
    assert process.stdout is not None and process.stdout.readline() == "training\n"
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the program and its workers
    said, errors = process.communicate(timeout=60)
    assert process.returncode == 3, errors
    found = torch.load(path)
    assert said == f"saved {found['steps']}\n" and found["steps"] >= 3
    assert torch.isfinite(found["loss"]) and torch.isfinite(found["model"]["weight"]).all()
    assert "Traceback" not in errors
    assert group_is_gone(process.pid)


SAVING = """\
import sys, flambeau as torch
state = {"number": 0, "a": torch.zeros(100_000)}
print("saving", flush=True)
while True:
    state = {"number": state["number"] + 1, "a": state["a"] + 1}
    torch.save(state, sys.argv[1])
"""


def test_killed_while_saving_leaves_a_whole_file(tmp_path):
    path, draw = tmp_path / "model.pt", random.Random(1)
    torch.save({"number": 0, "a": torch.zeros(100_000)}, path)
    for _ in range(4):
        process = subprocess.Popen([sys.executable, "-c", SAVING, str(path)], stdout=subprocess.PIPE, text=True,
                                   env={**os.environ, "PYTHONPATH": str(REPOSITORY)})
        assert process.stdout is not None and process.stdout.readline() == "saving\n"
        time.sleep(0.02 + 0.05 * draw.random())
        process.kill()
        process.communicate()
        found = torch.load(path)
        assert (found["a"] == found["number"]).all()
