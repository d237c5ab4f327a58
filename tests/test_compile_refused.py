"""flambeau.compile: what must not be replayed is not, and stats() names the reason."""

import functools
import random
import time
import types

import numpy as np
import pytest
from replays import bits, generator_state, lazy  # noqa: F401

import flambeau as torch
from flambeau import nn

F = nn.functional
pytestmark = pytest.mark.usefixtures("lazy")


EVENTS: list = []
COUNT = 0
CALLS = random.Random(3)
NUMBERS = np.arange(3.0)


class Counter:
    def __init__(self):
        self.n = 0
        self.log = []

    def add(self):
        self.n += 1

    def keep(self, x):
        self.log.append(x)


def unreplayable():
    """Name, function of a tensor, what the reason says."""
    counter = Counter()
    kept: list = []
    noted: dict = {}
    box = [0]
    n = 0
    state = {"counter": counter}
    w = torch.ones(3, requires_grad=True)

    def printing(x):
        print("here")
        return x + 1

    def item(x):
        return x * x.sum().item()

    def branch(x):
        return x * 2 if x.sum() > 0 else x * 3

    def appending(x):
        kept.append(x * 2)
        return x + len(kept)

    def in_place_list(x):
        box[0] += 1
        return x + box[0]

    def attribute(x):
        counter.n += 1
        return x + counter.n

    def method(x):
        state["counter"].add()
        return x + counter.n

    def method_append(x):
        counter.keep(x)
        return x + len(counter.log)

    def noting(x):
        noted["x"] = x * 2
        return x

    def global_counter(x):
        global COUNT
        COUNT += 1
        return x + COUNT

    def closure_counter(x):
        nonlocal n
        n += 1
        return x + n

    def python_random(x):
        return x * random.random()

    def random_object(x):
        return x * CALLS.random()

    def clock(x):
        return x * (time.perf_counter() > 0)

    def numpy_random(x):
        return x * float(np.random.default_rng(0).random())

    def numpy_array(x):
        return x + torch.from_numpy(NUMBERS).float()

    def seeding(x):
        torch.manual_seed(3)
        return x + torch.rand(3)

    def own_generator(x):
        return x + torch.rand(3, generator=torch.Generator())

    def state_of_generator(x):
        return x + torch.get_rng_state()[:3]

    def forked(x):
        with torch.random.fork_rng():
            return x + torch.rand(3)

    def choice(x):
        return x * int(torch.randint(0, 9, (1,)))

    def hook(x):
        y = w * x
        y.register_hook(lambda g: EVENTS.append(1))
        y.sum().backward()
        return y.detach()

    def drawn_for_python(x):
        return x if random.choice([True, False]) else x * 2

    def mask(x):
        return x[x > 0].sum()

    def nonzero(x):
        return x.nonzero().sum() + x

    def indexed(x):
        i = x.argmax()
        return x[int(i)]

    def caching(x):
        if not hasattr(counter, "cache"):
            counter.cache = 0
        counter.cache += 1
        return x + counter.cache

    def new_optimizer(x):
        opt = torch.optim.SGD([w], lr=0.1, momentum=0.9)
        opt.zero_grad()
        (w * x).sum().backward()
        opt.step()
        return w.detach().clone()

    def gradient_mode(x):
        torch.set_grad_enabled(not torch.is_grad_enabled())
        return x * 2

    def numpy_result(x):
        return x.numpy() * 2

    def to_list(x):
        return (x * 2).tolist()

    def text(x):
        return f"{x.sum()}"

    def iterator(x):
        return x + next(EVENTS_ITERATOR)

    def memo(x):
        return x * cached(3)

    def hidden(x):
        globals()["EVENTS"].append(1)
        return x + len(EVENTS)

    def contains(x):
        return x * (3 in x)

    for name, f in list(locals().items()):
        if isinstance(f, types.FunctionType):
            yield name, f


@functools.lru_cache
def cached(n):
    EVENTS.append(n)
    return n + len(EVENTS)


EVENTS_ITERATOR = iter(range(1000))
REASONS = {
    "printing": "it calls print", "item": "looks at a value", "branch": "looks at a value",
    "appending": "changes what it",
    "in_place_list": "changes what it", "attribute": "sets the attribute n", "method": "sets the attribute n",
    "method_append": "changes what it", "noting": "changes what it", "global_counter": "assigns COUNT",
    "closure_counter": "assigns n", "python_random": "uses random", "random_object": "reads a random.Random",
    "clock": "uses time", "numpy_random": "uses numpy", "numpy_array": "numpy", "seeding": "random generator",
    "own_generator": "random generator", "state_of_generator": "random generator", "forked": "random generator",
    "choice": "looks at a value", "hook": "hook", "drawn_for_python": "uses random", "mask": "looks at a value",
    "nonzero": "looks at a value", "indexed": "looks at a value", "caching": "sets the attribute cache",
    "new_optimizer": "SGD is made by it", "gradient_mode": "gradient mode", "numpy_result": "looks at a value",
    "to_list": "looks at a value", "text": "looks at a value", "iterator": "calls next", "memo": "remembers results",
    "hidden": "calls globals", "contains": "looks at a value",
}  # fmt: skip


@pytest.mark.parametrize("name", REASONS)
def test_not_replayed(name, capsys):
    """Right at every call, and named with its reason."""
    outcomes = []
    for way in ("plain", "compiled"):
        torch.manual_seed(1)
        random.seed(1)
        CALLS.seed(3)
        EVENTS.clear()
        cached.cache_clear()
        globals()["EVENTS_ITERATOR"] = iter(range(1000))
        globals()["COUNT"] = 0
        f = dict(unreplayable())[name]
        call = torch.compile(f) if way == "compiled" else f
        rows = []
        before = torch.is_grad_enabled()
        try:
            for i in range(6):
                out = call(torch.tensor([1.0, 2.0, 3.0]) * (-1) ** i)
                out = out.copy() if isinstance(out, np.ndarray) else out
                rows.append((bits(out) if not isinstance(out, np.ndarray) else out.tolist(), len(EVENTS), COUNT,
                             generator_state(), torch.is_grad_enabled()))  # fmt: skip
        finally:
            torch.set_grad_enabled(before)
        outcomes.append((rows, capsys.readouterr().out))
    assert outcomes[0] == outcomes[1]
    assert REASONS[name] in call.note() and call.replays == 0, call.note()
    assert call.note() in str(torch.engine.stats())
    full = torch.compile(f, fullgraph=True)
    try:
        with pytest.raises(RuntimeError, match="fullgraph"):
            for _ in range(3):
                full(torch.tensor([1.0, 2.0, 3.0]))
    finally:
        torch.set_grad_enabled(before)
