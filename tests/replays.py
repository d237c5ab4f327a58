"""What the tests of flambeau.compile share: calling compiled and plain functions side by side, and comparing."""

import random

import numpy as np
import pytest

import flambeau as torch
from flambeau import nn
from flambeau.engine import engine

F = nn.functional


@pytest.fixture
def lazy(monkeypatch):
    """Programs on NumPy, whatever the surroundings say: bit for bit."""
    monkeypatch.setattr(engine, "bound", 1 << 26)
    with torch.backends.use("numpy"):
        yield


def bits(value):
    """Anything as something that compares by its bits."""
    if isinstance(value, torch.Tensor):
        value = value.detach().to(torch.float32) if value.dtype is torch.bfloat16 else value.detach()
        return str(value.dtype), np.array(value.numpy()).shape, np.array(value.numpy()).tobytes()
    if isinstance(value, dict):
        return {k: bits(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [bits(v) for v in value]
    return value


def generator_state():
    return torch.get_rng_state().numpy().tobytes()


def both_ways(make, calls=6, replays=None, reason=None):
    """`make()` gives a function and a way to look at all it leaves behind. Compiled and plain are called in the same
    way, and compared after each call."""
    seen = []
    for way in ("plain", "compiled"):
        torch.manual_seed(5)
        random.seed(5)
        function, look, *more = make()
        inputs = more[0] if more else None
        if way == "compiled":
            function = torch.compile(function)
        rows = []
        for i in range(calls):
            args = inputs(i) if inputs else (torch.randn(4, 3), torch.randn(4, 2))
            rows.append((bits(function(*args)), bits(look()), generator_state()))
        seen.append(rows)
    for i, (plain, found) in enumerate(zip(*seen, strict=True)):
        assert plain == found, f"call {i}"
    inner = function.__dict__.get("_compiled", function)
    note = inner.note()
    if reason is not None:
        assert reason in note, note
        assert inner.replays == 0, note
    elif replays != 0:
        assert inner.replays >= (calls - 3 if replays is None else replays), note
    return inner


def network(*more):
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), *more, nn.Linear(8, 2))


def leavings(model, opt=None):
    def look():
        state = {k: v.clone() for k, v in model.state_dict().items()}
        grads = [p.grad.clone() if p.grad is not None else None for p in model.parameters()]
        held = [v for p in model.parameters() for v in opt.state[p].values()] if opt is not None else []
        return state, grads, held

    return look
