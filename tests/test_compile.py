"""flambeau.compile: a replay gives what the plain call gives, to the bit; else there is none, and stats() says why."""

import collections
import contextlib
import copy
import functools
import gc
import random
import threading
import time
import types
import weakref

import numpy as np
import pytest

import flambeau as torch
from flambeau import nn
from flambeau.engine import engine

F = nn.functional


@pytest.fixture(autouse=True)
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


OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, amsgrad=True),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.01),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("none", [True, False])
def test_training_step(name, none):
    """A whole step, with dropout, BatchNorm, clipping and a schedule."""

    def make():
        model = network(nn.BatchNorm1d(8), nn.Dropout(0.4))
        opt = OPTIMIZERS[name](model.parameters())
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(opt, 10)

        def step(x, y):
            opt.zero_grad(set_to_none=none)
            loss = F.mse_loss(model(x), y)
            loss.backward()
            norm = nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            opt.step()
            schedule.step()
            return {"loss": loss, "norm": [norm, None, 3]}

        return step, leavings(model, opt)

    both_ways(make)


def test_loss_without_saved_values():
    def make():
        model = network()
        opt = torch.optim.SGD(model.parameters(), lr=0.1)

        def step(x, y):
            loss = ((model(x) - y) ** 2).mean()
            opt.zero_grad()
            loss.backward()
            opt.step()
            return loss

        return step, leavings(model, opt)

    step = both_ways(make)
    loss = step(torch.ones(4, 3), torch.ones(4, 2))
    assert loss.requires_grad
    with pytest.raises(RuntimeError, match="second time"):
        loss.backward()


def test_accumulation_outside():
    """Gradients are forgotten at every second call only, by the loop around."""
    for way in ("plain", "compiled"):
        torch.manual_seed(1)
        model = network()
        opt = torch.optim.Adam(model.parameters(), lr=0.01)

        def step(x, y, model=model):
            loss = F.mse_loss(model(x), y)
            loss.backward()
            return loss

        if way == "compiled":
            step = torch.compile(step)
        rows = []
        for i in range(12):
            rows.append(bits([step(torch.randn(4, 3), torch.randn(4, 2)), [p.grad for p in model.parameters()]]))
            if i % 2:
                opt.step()
                opt.zero_grad()
        if way == "plain":
            expected = rows
    assert rows == expected
    assert step.replays == 10 and step.recordings == 2


def test_hand_written_update():
    def make():
        w = torch.randn(3, 2, requires_grad=True)
        b = torch.zeros(2, requires_grad=True)

        def step(x, y):
            loss = ((x @ w + b - y) ** 2).mean()
            loss.backward()
            with torch.no_grad():
                for p in (w, b):
                    p -= 0.1 * p.grad
                    p.grad = None
            return loss.detach()

        return step, lambda: (w.detach().clone(), b.detach().clone(), w.grad)

    both_ways(make)


def test_hand_written_update_data_and_zero():
    def make():
        w = torch.randn(3, 2, requires_grad=True)

        def step(x, y):
            loss = ((x @ w - y) ** 2).mean()
            loss.backward()
            with torch.no_grad():
                w.sub_(w.grad, alpha=0.1)
                w.grad.zero_()
            return loss.detach()

        return step, lambda: (w.detach().clone(), w.grad.clone())

    both_ways(make)


def test_manual_gradient_and_autograd_grad():
    def make():
        w = torch.randn(3, 2, requires_grad=True)

        def step(x, y):
            loss = ((x @ w - y) ** 2).mean()
            (g,) = torch.autograd.grad(loss, w)
            with torch.no_grad():
                w.copy_(w - 0.1 * g)
            return loss.detach(), g

        return step, lambda: w.detach().clone()

    both_ways(make)


def test_tied_weights():
    def make():
        embed = nn.Embedding(7, 4)
        out = nn.Linear(4, 7, bias=False)
        out.weight = embed.weight
        model = nn.Sequential(embed, nn.Tanh(), out)
        opt = torch.optim.SGD(model.parameters(), lr=0.1)

        def step(x, y):
            opt.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            opt.step()
            return loss

        return step, leavings(model), lambda i: (torch.randint(0, 7, (5,)), torch.randint(0, 7, (5,)))

    both_ways(make)


def test_two_networks():
    """Two models and two optimizers in one step, as adversaries; one is frozen meanwhile."""

    def make():
        maker, judge = nn.Linear(3, 2), nn.Linear(2, 1)
        a, b = torch.optim.Adam(maker.parameters()), torch.optim.SGD(judge.parameters(), lr=0.1)

        def step(z, real):
            b.zero_grad()
            fake = maker(z)
            loss = F.softplus(-judge(real)).mean() + F.softplus(judge(fake.detach())).mean()
            loss.backward()
            b.step()
            a.zero_grad()
            other = F.softplus(-judge(maker(z + 0.1 * torch.randn_like(z)))).mean()
            other.backward()
            a.step()
            return loss.detach(), other.detach()

        both = nn.ModuleList([maker, judge])
        return step, leavings(both)

    both_ways(make)


# ---- forward only


def test_forward_of_a_module():
    """A compiled model in a loop written by hand."""
    for way in ("plain", "compiled"):
        torch.manual_seed(2)
        model = network(nn.BatchNorm1d(8), nn.Dropout(0.3))
        run = torch.compile(model) if way == "compiled" else model
        opt = torch.optim.AdamW(model.parameters(), lr=0.01)
        rows = []
        for i in range(10):
            run.train(i % 4 != 3)
            opt.zero_grad()
            loss = F.mse_loss(run(torch.randn(4, 3)), torch.randn(4, 2))
            loss.backward()
            opt.step()
            rows.append((bits(loss), bits(dict(model.state_dict())), generator_state()))
        if way == "plain":
            expected = rows
    assert rows == expected
    assert run._compiled.replays >= 4, run._compiled.note()


def test_wrapper_of_a_module():
    model = network()
    run = torch.compile(model)
    assert isinstance(run, nn.Module) and run._orig_mod is model
    assert list(run.state_dict()) == ["_orig_mod." + k for k in model.state_dict()]
    assert [n for n, _ in run.named_parameters()][0] == "_orig_mod.0.weight"
    run.load_state_dict({"_orig_mod." + k: v + 1 for k, v in model.state_dict().items()})
    run.eval()
    assert not model.training and not run.training
    twin = copy.deepcopy(run)
    x = torch.randn(2, 3)
    assert bits(twin(x)) == bits(run(x)) == bits(model(x))
    assert twin._orig_mod is not model


def test_module_that_changes():
    """Each change shows at the next call."""
    model = network(nn.Dropout(0.5))
    run = torch.compile(model)
    x = torch.randn(4, 3)

    def check():
        for _ in range(3):
            torch.manual_seed(3)
            expected = bits(model(x))
            torch.manual_seed(3)
            assert bits(run(x)) == expected

    check()
    model[2].p = 0.9
    check()
    model.eval()
    check()
    model.train()
    check()
    model[0].weight = nn.Parameter(torch.ones(8, 3))
    check()
    model[0].requires_grad_(False)
    check()
    assert not run(x).is_leaf
    model.requires_grad_(False)
    assert not run(x).requires_grad
    check()
    model.load_state_dict({k: v + 1 for k, v in model.state_dict().items()})
    check()
    model.double()
    x = x.double()
    check()
    model[1] = nn.ReLU()
    check()
    model[3] = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 2)).double()
    check()
    model.append(nn.Sigmoid())
    check()
    handle = model[0].register_forward_hook(lambda m, a, out: out * 2)
    check()
    handle.remove()
    check()
    assert run._compiled.replays >= 10, run._compiled.note()


def test_half():
    model = nn.Linear(3, 2)
    run = torch.compile(model)
    x = torch.randn(4, 3)
    for _ in range(3):
        run(x)
    model.half()
    assert run(x.half()).dtype is torch.float16
    assert bits(run(x.half())) == bits(model(x.half()))


def test_modes():
    """With and without gradients, under autocast, with another default dtype."""
    w = torch.randn(3, 2, requires_grad=True)

    @torch.compile
    def f(x):
        return x @ w + torch.ones(2)

    x = torch.randn(4, 3)
    for _ in range(3):
        assert f(x).requires_grad
        with torch.no_grad():
            assert not f(x).requires_grad
        with torch.inference_mode():
            assert not f(x).requires_grad
        with torch.autocast("cpu", torch.bfloat16):
            assert (x @ w).dtype is torch.bfloat16
            assert bits(f(x)) == bits(x @ w + torch.ones(2))
    y = x.double()
    wide = torch.compile(lambda x: x + torch.rand(3))
    for _ in range(2):
        assert wide(x).dtype is torch.float32
    torch.set_default_dtype(torch.float64)
    try:
        for _ in range(2):
            assert wide(x).dtype is torch.float64 and wide(y).dtype is torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert f.replays >= 6


# ---- arguments and results


def test_trees_of_arguments():
    def f(a, b, c, *, scale, more):
        total = a * scale + b[0].sum() + b[1]["x"].float().sum() + more["k"][0]
        return {"t": total, "l": [a, (total.T.exp(), None, "s")], "n": (1, 2.5)}

    g = torch.compile(f)
    for i in range(8):
        dtype = (torch.float32, torch.float64)[i % 2]
        shape = (2, 3) if i % 3 else (1, 2)
        args = (
            torch.randn(shape, dtype=dtype), (torch.randn(2), {"x": torch.arange(3)}), None,
        )  # fmt: skip
        words = {"scale": 2.0, "more": {"k": [torch.randn(())]}}
        expected, found = f(*args, **words), g(*args, **words)
        assert bits(expected) == bits(found)
        assert found["l"][0] is args[0] and isinstance(found["l"][1], tuple)
    assert g.replays == 4


def test_plain_arguments():
    def f(x, n, flag, zero=0.0):
        return (x / zero if flag else x * n) + n

    g = torch.compile(f)
    x = torch.ones(2)
    for args in [(x, 1, True), (x, 1.0, True), (x, True, True), (x, 2, False), (x, 1, True, -0.0), (x, 1, True)] * 2:
        assert bits(f(*args)) == bits(g(*args))
    named = __import__("collections").namedtuple("named", "a b")
    h = torch.compile(lambda t: named(t.b, t.a * 2))
    for _ in range(3):
        found = h(named(x, x + 1))
        assert type(found) is named and bits(found) == bits(named(x + 1, x * 2))
    assert h.replays == 2


def test_returned_identity():
    """What is one tensor stays one; an argument comes back itself."""
    f = torch.compile(lambda x: (x, x + 1))
    g = torch.compile(lambda x: (lambda y: (y, [y]))(x * 2))
    for _ in range(3):
        x = torch.ones(2)
        a, b = f(x)
        assert a is x
        b.add_(1)
        y, (z,) = g(x)
        assert y is z
        y.add_(1)
        assert bits(z) == bits(torch.full((2,), 3.0)) and bits(x) == bits(torch.ones(2))
    assert f.replays == g.replays == 2


def test_returned_views():
    """A view shares memory with what it looks into, also when both are returned, or when it looks into an argument."""

    def pair(x):
        y = x * 2
        return y, y[0]

    def look(x):
        return x[0]

    def rows(x):
        y = x * 2
        return y.T

    for f in (pair, look, rows):
        for way in (f, torch.compile(f)):
            out = []
            for _ in range(4):
                x = torch.ones(2, 3)
                found = way(x)
                first = found[1] if isinstance(found, tuple) else found
                first.add_(1)
                out.append(bits([x, found]))
            if way is f:
                expected = out
        assert out == expected


def test_writes_to_arguments():
    def make():
        total, count = torch.zeros(3), torch.zeros((), dtype=torch.int64)

        def f(x, y):
            x.mul_(2)
            x[0] = 5
            y[:, 0] += 1
            total.add_(x.sum(0))
            count.add_(1)
            return x + 1

        held = []

        def inputs(i):
            held[:] = [torch.randn(4, 3), torch.randn(4, 2)]
            return held

        return f, lambda: (total.clone(), count.clone(), [t.clone() for t in held]), inputs

    both_ways(make)


def test_writes_through_views():
    """Arguments that look into other tensors, into each other, or into what the function reads."""
    base = torch.zeros(4, 3)

    def bump(x, y):
        x.add_(1)
        return y * 2, base.sum()

    outcomes = []
    for f in (bump, torch.compile(bump)):
        base.zero_()
        rows = []
        data = torch.zeros(6, 3)
        for i in range(6):
            for args in [
                (data[i], data[5 - i]), (data[i], data), (data, data[i]), (base[i % 4], data), (base, base[0]),
                (torch.ones(3), torch.ones(3)), (torch.ones(3), base[1]), (base.T, base),
            ]:  # fmt: skip
                rows.append(bits([f(*args), data, base]))
        outcomes.append(rows)
    assert outcomes[0] == outcomes[1]


def test_parameter_as_argument():
    """A tensor that the function also reads by name may be an argument, and then another."""
    w = torch.ones(3)

    def f(x):
        w.add_(1)
        return x * 2 + w

    outcomes = []
    for g in (f, torch.compile(f)):
        w.fill_(1)
        other = torch.zeros(3)
        outcomes.append([bits([g(t), w, other]) for t in (w, other, w, other, other, w[:], w)])
    assert outcomes[0] == outcomes[1]


def test_argument_on_a_tape():
    """A computed argument passes the gradient on; a leaf collects it."""

    def f(x):
        loss = (x * x).sum()
        loss.backward()
        return loss.detach()

    outcomes = []
    for g in (f, torch.compile(f)):
        rows = []
        leaf = torch.ones(2, requires_grad=True)
        for i in range(8):
            x = leaf * 3 if i in (2, 3, 5) else torch.full((2,), 2.0, requires_grad=True)
            rows.append(bits([g(x), leaf.grad, x.grad if x.is_leaf else None]))
        outcomes.append(rows)
    assert outcomes[0] == outcomes[1]


def test_same_memory_different_tensors():
    """Two arguments that stand on one node are still two."""
    f = torch.compile(lambda a, b: a - b)
    x = torch.ones(2)
    y = torch.zeros(2).copy_(x)
    z = torch.zeros(2)
    z.data = x
    assert f(x, z).sum().item() == 0
    assert f(x, y).sum().item() == 0
    assert f(x, torch.zeros(2)).sum().item() == 2


def test_swapping_values():
    def make():
        a, b = torch.ones(2), torch.zeros(2)

        def f(x, y):
            old = a.clone()
            a.copy_(b + 1)
            b.copy_(old)
            return a + b

        return f, lambda: (a.clone(), b.clone())

    both_ways(make)


def test_exchange_of_data():
    def make():
        a, b = torch.ones(2), torch.zeros(2)

        def f(x, y):
            a.data, b.data = b.data, a.data
            return a + 2 * b

        return f, lambda: (a.clone(), b.clone())

    both_ways(make, replays=0)


def test_constants_are_made_anew():
    def f(x):
        made = torch.zeros(2)
        made[0] = 7
        table = torch.tensor([1.0, 2.0])
        return made, table, x + table

    g = torch.compile(f)
    for _ in range(4):
        made, table, total = g(torch.ones(2))
        assert bits([made, table, total]) == bits(f(torch.ones(2)))
        made.add_(1), table.mul_(0)


def test_returned_leaf_collects():
    @torch.compile
    def f(x):
        return x.detach().clone().requires_grad_()

    for _ in range(3):
        x = f(torch.ones(2))
        (x * 3).sum().backward()
        assert x.grad.tolist() == [3, 3]


def test_gradient_is_the_same_tensor():
    w = torch.ones(2, requires_grad=True)

    @torch.compile
    def f(x):
        (w * x).sum().backward()

    f(torch.ones(2))
    held = w.grad
    for i in range(4):
        f(torch.ones(2))
        assert held is w.grad and held.tolist() == [i + 2.0] * 2


# ---- what the function depends on

SCALE = 2.0
TABLE = [1.0, 2.0]
SETTINGS = types.SimpleNamespace(scale=2.0, inner=types.SimpleNamespace(shift=1.0))


class Constants:
    scale = 2.0


class Slots:
    __slots__ = ("scale",)


def read_global(x):
    return x * SCALE


def test_globals(monkeypatch):
    f = torch.compile(read_global)
    x = torch.ones(1)
    for value in (2.0, 2.0, 3.0, 3.0, -1, 2.0):
        monkeypatch.setitem(globals(), "SCALE", value)
        assert f(x).item() == value
    assert f.replays >= 2


def test_state_of_objects():
    cfg = types.SimpleNamespace(scale=2.0, inner=types.SimpleNamespace(shift=1.0))
    slots = Slots()
    slots.scale = 2.0
    table, mapping, group = [1.0, 2.0], {"a": 1.0}, {1.0}

    class Own:
        factor = 3.0

        def __init__(self):
            self.shift = 1.0

        @property
        def both(self):
            return self.shift * self.factor

        @classmethod
        def of_class(cls):
            return cls.factor

        @staticmethod
        def apart(x):
            return x * Constants.scale

        def __getitem__(self, i):
            return self.shift + i

    own = Own()

    def reads():
        return {
            "attribute": lambda x: x * cfg.scale, "deep": lambda x: x + cfg.inner.shift,
            "slots": lambda x: x * slots.scale,
            "list": lambda x: x * table[0], "len": lambda x: x * len(table), "dict": lambda x: x * mapping["a"],
            "set": lambda x: x * sum(group), "class": lambda x: x * Constants.scale, "property": lambda x: x * own.both,
            "classmethod": lambda x: x * own.of_class(), "static": lambda x: own.apart(x), "item": lambda x: x * own[2],
            "getattr": lambda x: x * getattr(own, "shift"),  # noqa: B009
            "dynamic": lambda x: x * getattr(own, "sh" + "ift"),
            "hasattr": lambda x: x * 2 if hasattr(own, "late") else x, "vars": lambda x: x * getattr(own, "late", 1.0),
        }  # fmt: skip

    def changes():
        yield
        cfg.scale = 5.0
        yield
        cfg.inner.shift = 7.0
        yield
        cfg.inner = types.SimpleNamespace(shift=9.0)
        yield
        slots.scale = 4.0
        yield
        table.append(3.0)
        yield
        table[0] = 9.0
        yield
        mapping["a"] = 8.0
        yield
        group.add(5.0)
        yield
        Constants.scale = 6.0
        yield
        own.shift = 11.0
        yield
        Own.factor = 13.0
        yield
        own.late = 17.0
        yield

    plain = reads()
    compiled = {name: torch.compile(f) for name, f in plain.items()}
    x = torch.ones(1)
    try:
        for _ in changes():
            for name, f in plain.items():
                for _ in range(2):
                    assert compiled[name](x).item() == f(x).item(), name
    finally:
        Constants.scale = 2.0
    for name, f in compiled.items():
        assert f.replays >= 10, (name, f.note())


def test_defaults_closures_and_functions():
    def outer():
        k = 2.0

        def f(x, d=3.0):
            return x * k + d

        def change(v):
            nonlocal k
            k = v

        return f, change

    f, change = outer()
    g = torch.compile(f)
    x = torch.ones(1)
    for v in (2.0, 2.0, 4.0, 4.0):
        change(v)
        assert g(x).item() == v + 3
    assert g.replays == 2
    helper = {"f": torch.sin}
    h = torch.compile(lambda x: helper["f"](x))
    assert bits(h(x)) == bits(torch.sin(x)) == bits(h(x))
    helper["f"] = torch.cos
    assert bits(h(x)) == bits(torch.cos(x))


def test_sorts_of_callables():
    class Model:
        def __init__(self):
            self.w = torch.randn(3)

        def run(self, x):
            return self.helper(x) * self.w

        def helper(self, x):
            return x + 1

        def __call__(self, x):
            return self.run(x) * 2

    class Derived(Model):
        def run(self, x):
            return super().run(x) - 1

    def twice(f):
        @functools.wraps(f)
        def inside(*args):
            return f(*args) * 2

        return inside

    def countdown(x, n=3):
        return x if n == 0 else countdown(x * 2, n - 1)

    decorated = twice(lambda x: x + 1)
    model, derived = Model(), Derived()
    x = torch.randn(3)
    for f in (  # noqa: B020
        model.run, model, derived, derived.run, decorated, countdown, torch.no_grad()(decorated),
        functools.partial(lambda a, x, b: a * x + b, model.w, b=3), lambda x: [f(x) for f in (model, decorated)],
        lambda x: sum(t * 2 for t in x.unbind(0)), torch.compile(model.run), torch.sin,
        lambda x: model.helper(x).view(-1),
    ):  # fmt: skip
        g = torch.compile(f)
        for _ in range(3):
            assert bits(g(x)) == bits(f(x))
        assert g.replays == 2, g.note()
        model.w = model.w + 1
        for _ in range(2):
            assert bits(g(x)) == bits(f(x))

    class WithMethod(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(3, 3)

        @torch.compile
        def go(self, x):
            return self.a(x)

    m = WithMethod()
    for _ in range(3):
        assert bits(m.go(x)) == bits(m.a(x))


def test_module_with_settings():
    """A module's own lists, objects and class attributes."""

    class Net(nn.Module):
        gain = 2.0

        def __init__(self):
            super().__init__()
            self.cfg = types.SimpleNamespace(scale=2.0)
            self.factors = [1.0, 2.0]
            self.parts = [nn.Linear(3, 3)]
            self.act = torch.tanh

        def forward(self, x):
            for part in self.parts:
                x = part(x)
            return self.act(x) * self.cfg.scale * self.gain * sum(self.factors)

    net = Net()
    run = torch.compile(net)
    x = torch.randn(2, 3)

    def check():
        for _ in range(2):
            assert bits(run(x)) == bits(net(x))

    check()
    net.cfg.scale = 3.0
    check()
    net.factors.append(5.0)
    check()
    Net.gain = 7.0
    check()
    net.gain = 11.0
    check()
    net.act = torch.sigmoid
    check()
    net.parts.append(nn.Linear(3, 3))
    check()
    net.forward = types.MethodType(lambda self, x: x, net)
    check()
    assert run._compiled.replays >= 6, run._compiled.note()


# ---- what must not be replayed

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


# ---- more steps as people write them


def steps():
    """Name, and what `both_ways` wants: each is replayed."""

    def two_steps_in_one():
        model = network(nn.Dropout(0.5))
        opt = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.5)

        def step(x, y):
            losses = []
            for _ in range(2):
                opt.zero_grad()
                loss = F.mse_loss(model(x), y)
                loss.backward()
                opt.step()
                losses.append(loss.detach())
            return torch.stack(losses).sum(), losses

        return step, leavings(model, opt)

    def optimizer_that_draws():
        class Noisy(torch.optim.Optimizer):
            def __init__(self, params):
                super().__init__(params, {"lr": 0.1})

            @torch.no_grad()
            def step(self):
                for p in self.param_groups[0]["params"]:
                    p.add_(p.grad + torch.randn_like(p) * 0.01, alpha=-0.1)

        model = network()
        opt = Noisy(model.parameters())

        def step(x, y):
            opt.zero_grad()
            loss = F.mse_loss(model(x + torch.randn(4, 3)), y)
            loss.backward()
            opt.step()
            return loss.detach(), torch.rand(2)

        return step, leavings(model)

    def settings_from_outside():
        model = network()
        groups = [{"params": model[0].parameters()}, {"params": model[2].parameters(), "lr": 0.05}]
        opt = torch.optim.Adam(groups, lr=0.01)

        def step(x, y):
            opt.zero_grad()
            loss = F.mse_loss(model(x), y)
            loss.backward()
            opt.step()
            return loss

        def inputs(i):
            opt.param_groups[0]["lr"] = 0.01 * (i + 1)
            if i == 3:
                opt.param_groups[1].update(weight_decay=0.1, maximize=True)
            if i == 4:
                opt.load_state_dict(opt.state_dict())
            return torch.randn(4, 3), torch.randn(4, 2)

        return step, leavings(model, opt), inputs

    def moving_average():
        model = network()
        mean = copy.deepcopy(model)
        opt = torch.optim.SGD(model.parameters(), lr=0.1)

        def step(x, y):
            opt.zero_grad()
            loss = F.mse_loss(model(x), y)
            loss.backward()
            opt.step()
            with torch.no_grad():
                for a, b in zip(mean.parameters(), model.parameters(), strict=True):
                    a.mul_(0.9).add_(b, alpha=0.1)
            return loss

        return step, leavings(nn.ModuleList([model, mean]))

    def frozen_meanwhile():
        maker, judge = nn.Linear(3, 2), nn.Linear(2, 1)
        a, b = torch.optim.Adam(maker.parameters()), torch.optim.Adam(judge.parameters())

        def step(x, y):
            for p in judge.parameters():
                p.requires_grad = False
            a.zero_grad()
            loss = judge(maker(x)).mean()
            loss.backward()
            a.step()
            for p in judge.parameters():
                p.requires_grad_(True)
            b.zero_grad()
            other = judge(y).mean() - judge(maker(x).detach()).mean()
            other.backward()
            b.step()
            return loss.detach(), other.detach()

        return step, leavings(nn.ModuleList([maker, judge]))

    def gradient_penalty():
        model = network()
        opt = torch.optim.SGD(model.parameters(), lr=0.1)

        def step(x, y):
            x = x.clone().requires_grad_()
            opt.zero_grad()
            (g,) = torch.autograd.grad(model(x).sum(), x, create_graph=True)
            loss = ((g.norm(dim=1) - 1) ** 2).mean() + F.mse_loss(model(x), y)
            loss.backward()
            opt.step()
            return loss.detach()

        return step, leavings(model)

    def trainer():
        class Trainer:
            def __init__(self):
                self.model, self.loss, self.limit = network(nn.Dropout(0.2)), nn.MSELoss(), 0.5
                self.opt = torch.optim.Adam(self.model.parameters())
                self.schedule = torch.optim.lr_scheduler.ExponentialLR(self.opt, 0.9)

            def step(self, x, y):
                self.opt.zero_grad()
                loss = self.loss(self.model(x), y)
                loss.backward()
                nn.utils.clip_grad_value_(self.model.parameters(), self.limit)
                self.opt.step()
                self.schedule.step()
                return loss

        t = Trainer()
        return t.step, leavings(t.model, t.opt)

    def recurrent():
        model = nn.ModuleList([nn.LSTM(3, 4, 2, batch_first=True, dropout=0.2), nn.Linear(4, 2)])
        opt = torch.optim.Adam(model.parameters())

        def step(x, y):
            opt.zero_grad()
            loss = F.mse_loss(model[1](model[0](x.unsqueeze(0))[0][0]), y)
            loss.backward()
            opt.step()
            return loss

        return step, leavings(model, opt)

    def convolutions():
        model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3))
        opt = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

        def step(x, y):
            opt.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            opt.step()
            return loss

        return step, leavings(model, opt), lambda i: (torch.randn(2, 1, 4, 4), torch.randint(0, 3, (2,)))

    def attention():
        model = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True, dropout=0.3)
        opt = torch.optim.AdamW(model.parameters())

        def step(x):
            opt.zero_grad()
            loss = model(x, src_mask=nn.Transformer.generate_square_subsequent_mask(5)).pow(2).mean()
            loss.backward()
            opt.step()
            return loss

        return step, leavings(model, opt), lambda i: (torch.randn(2, 5, 4),)

    def autocast_within():
        model = network()

        def step(x, y):
            model.zero_grad()
            with torch.autocast("cpu", torch.bfloat16):
                out = model(x)
            F.mse_loss(out.float(), y).backward()

        return step, leavings(model)

    def transformed():
        w = torch.randn(3, 2)

        def step(x, y):
            g = torch.func.grad(lambda w: ((x @ w - y) ** 2).mean())(w)
            w.sub_(g * 0.1)
            return g

        return step, lambda: w.clone()

    def hidden_state():
        state, layer = torch.zeros(4, 3), nn.Linear(3, 3)

        def step(x, y):
            out = layer(x + state).tanh()
            with torch.no_grad():
                state.copy_(out)
            out.sum().backward()
            return out.detach()

        return step, lambda: (state.clone(), state.requires_grad, layer.weight.grad.clone())

    def all_sorts_of_draws():
        def f(x, y):
            return (
                torch.randperm(5), torch.randn(3), torch.randint(0, 9, (2,)), torch.rand_like(x), torch.randn(3, 2).T,
                torch.empty(3).normal_(), torch.empty(2, 2).uniform_(-1, 1), torch.randn(4, 4)[1:], F.dropout(x, 0.3),
                torch.randn(17).double(), torch.empty(3).exponential_(), F.dropout1d(x[None], 0.5), torch.randn(()),
            )  # fmt: skip

        return f, lambda: 0

    def scattered():
        table = torch.zeros(5)

        def f(x, y):
            table[x] += y
            table.index_add_(0, x, y)
            torch.add(table, 1, out=table)
            return table * 2

        return f, lambda: table.clone(), lambda i: (torch.randint(0, 5, (3,)), torch.randn(3))

    def gradients_by_hand():
        w = torch.ones(3, requires_grad=True)

        def f(x, y):
            w.grad = x[0] * 2
            w.grad.add_(1)
            return w.grad.sum()

        return f, lambda: w.grad.clone()

    return {name: f for name, f in locals().items() if isinstance(f, types.FunctionType)}


@pytest.mark.parametrize("name", steps())
def test_replayed(name):
    both_ways(steps()[name])


def test_sometimes_replayed():
    """Where a hook comes and goes, the learning rate is asked for, or a gradient is an argument."""

    def hook_comes_and_goes():
        model = network()
        handles = []

        def step(x, y):
            model.zero_grad()
            F.mse_loss(model(x), y).backward()

        def inputs(i):
            if i == 3:
                handles.append(model[0].weight.register_hook(lambda g: g * 2))
            if i == 5:
                handles.pop().remove()
            return torch.randn(4, 3), torch.randn(4, 2)

        return step, leavings(model), inputs

    def asks_for_the_rate():
        model = network()
        opt = torch.optim.SGD(model.parameters(), lr=0.1)
        schedule = torch.optim.lr_scheduler.StepLR(opt, 2)

        def step(x, y):
            opt.step()
            schedule.step()
            return x * schedule.get_last_lr()[0], x * opt.param_groups[0]["lr"]

        return step, leavings(model)

    def gradient_is_an_argument():
        w, held = torch.ones(4, 3, requires_grad=True), []

        def step(x):
            w.grad = x
            return x + 1

        def inputs(i):
            held[:] = [torch.randn(4, 3)]
            return held

        return step, lambda: (w.grad.clone(), w.grad is held[0]), inputs

    def own_gradient():
        class Cube(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return x**3

            @staticmethod
            def backward(ctx, g):
                return 5 * ctx.saved_tensors[0] * g

        w = torch.randn(3, requires_grad=True)

        def step(x, y):
            w.grad = None
            Cube.apply(w * x).sum().backward()

        return step, lambda: w.grad.clone()

    for make in (hook_comes_and_goes, asks_for_the_rate, gradient_is_an_argument, own_gradient):
        both_ways(make, replays=0)


# ---- errors, memory, threads


def test_error_in_a_replay():
    """The error of the plain call, with its line; parameters, optimizer and random numbers are as after that."""
    notes = []
    for way in ("plain", "compiled"):
        torch.manual_seed(4)
        model = nn.Sequential(nn.Embedding(5, 4), nn.Dropout(0.5), nn.Linear(4, 3))
        opt = torch.optim.Adam(model.parameters(), lr=0.1)

        def step(x, y, model=model, opt=opt):
            opt.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            opt.step()
            return loss

        call = torch.compile(step) if way == "compiled" else step
        rows = []
        good, bad = [([0, 1], [0, 1]), ([1, 4], [2, 0]), ([1, 2], [0, 0])], [([1, 5], [0, 0]), ([1, 2], [0, 3])]
        for x, y in (*good, *bad, ([0, 4], [1, 1])):
            try:
                rows.append(bits(call(torch.tensor(x), torch.tensor(y))))
            except Exception as error:
                rows.append((type(error), str(error)))
                notes.append([n.rpartition("recorded at")[2] for n in error.__notes__ if "recorded at" in n])
            rows.append((bits(leavings(model, opt)()[::2]), generator_state()))
        if way == "plain":
            expected = rows
    assert rows == expected
    assert call.replays == 4 and len(notes) == 4
    assert notes[:2] == notes[2:] and all(notes)


def test_memory_of_replays():
    """Thousands of calls hold on to nothing; neither does a compiled function to its arguments and results."""
    model = network(nn.Dropout(0.5))
    opt = torch.optim.Adam(model.parameters())

    @torch.compile
    def step(x, y):
        opt.zero_grad()
        loss = F.mse_loss(model(x), y)
        loss.backward()
        opt.step()
        return loss

    forward = torch.compile(network(nn.Dropout(0.5)))

    def once():
        x, y = torch.randn(4, 3), torch.randn(4, 2)
        found = step(x, y), forward(x)
        found[1].tolist()
        return [weakref.ref(t) for t in (x, y, *found)], [weakref.ref(t._node.value) for t in (x, y)]

    for _ in range(3):
        refs = once()
        engine.flush()
        gc.collect()
        assert not [r for part in refs for r in part if r() is not None]
    before = len(gc.get_objects()), len(engine.programs)
    for _ in range(2000):
        once()
    engine.flush()
    gc.collect()
    assert len(gc.get_objects()) - before[0] < 200 and len(engine.programs) == before[1]
    assert step.replays > 2000
    assert not engine.pending


def test_threads():
    """Threads that call one function, and one that works while another records."""
    f = torch.compile(lambda x: (x * 2).sum(0) + 1)
    wrong, rows = [], [torch.full((3, 2), float(i)) for i in range(8)]

    def work(i):
        for _ in range(50):
            if f(rows[i]).tolist() != [i * 6 + 1.0] * 2:
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert not wrong and f.replays > 0
    total = torch.zeros(2)

    def aside():
        total.add_(1)
        total.tolist()

    started = []

    @torch.compile
    def slow(x):
        thread = threading.Thread(target=aside) if not started else None
        if thread is not None:
            thread.start()
            thread.join()
        return x * 2

    for _ in range(3):
        assert slow(torch.ones(2)).tolist() == [2, 2]
    assert total.tolist() == [3, 3]


def test_reports_and_modes():
    """Under explain, eager and no_execution the function itself runs; `stats` tells of replays."""
    f = torch.compile(lambda x: x.exp() * 2)
    x = torch.ones(2)
    for _ in range(3):
        f(x)
    assert f"compiled {f.__qualname__}: 2 calls replayed, 1 recorded" in str(torch.engine.stats())
    with torch.explain(show=False) as report:
        f(x).tolist()
    assert report.cuts
    with torch.eager():
        assert bits(f(x)) == bits(x.exp() * 2)
    with torch.no_execution():
        y = f(x)
    assert bits(y) == bits(x.exp() * 2)
    assert torch.compile(f, disable=True) is f
    with pytest.raises(RuntimeError, match="expects a function or a module"):
        torch.compile(3)

    @torch.compile(fullgraph=True, mode="reduce-overhead", dynamic=False)
    def g(x):
        return x + 1

    assert g(x).tolist() == g(x).tolist() == [2, 2] and g.replays == 1


def test_many_sorts():
    """Arguments of ever new shapes: right, bounded, and told."""
    f = torch.compile(lambda x: x * 2)
    for n in range(40):
        assert f(torch.ones(n + 1)).sum().item() == 2 * (n + 1)
    assert len(f._sorts) <= 16 and "more than 16 sorts" in f.note()


# ---- in ways that are easily missed


def surroundings():
    """Name, and a maker of a function, a look at what it leaves behind, and changes before certain calls."""

    def function_of_another_file():
        helper = other_file("FACTOR = 2.0\ndef scale(x): return x * FACTOR")
        return lambda x: helper.scale(x), lambda: 0, {3: lambda: setattr(helper, "FACTOR", 5.0)}

    def value_of_another_file():
        helper = other_file("FACTOR = 2.0")
        return lambda x: x * helper.FACTOR, lambda: 0, {3: lambda: setattr(helper, "FACTOR", 5.0)}

    def function_that_is_replaced():
        helper = other_file("def scale(x): return x * 2")
        return lambda x: helper.scale(x), lambda: 0, {3: lambda: setattr(helper, "scale", torch.exp)}

    def effect_in_another_file():
        helper = other_file("SEEN = []\ndef note(x):\n    SEEN.append(1)\n    return x * 1")
        return lambda x: helper.note(x), lambda: len(helper.SEEN)

    def context_manager():
        log = []

        @contextlib.contextmanager
        def noting():
            log.append(1)
            yield

        def f(x):
            with noting():
                return x * 2

        return f, lambda: len(log)

    def full_deque():
        recent = collections.deque([0, 0], maxlen=2)

        def f(x):
            recent.append(7)
            return x * 1

        return f, lambda: list(recent)

    def attribute_named_grad():
        box = types.SimpleNamespace(grad=None)

        def f(x):
            box.grad = x * 2
            return x * 1

        return f, lambda: box.grad

    def own_list_of_a_module():
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.history = []

            def forward(self, x):
                self.history.append(1)
                return x * len(self.history)

        net = Net()
        return net, lambda: len(net.history)

    def buffer_that_is_replaced():
        net = nn.BatchNorm1d(3).eval()
        net.double().float()
        return (
            lambda x: net(x[None]), lambda: 0,
            {
                2: lambda: setattr(net, "running_mean", torch.ones(3)),
                4: lambda: net._buffers.update(running_mean=torch.zeros(3)),
            },
        )  # fmt: skip

    def parameters_that_are_swapped():
        net = nn.Linear(3, 3)
        return net, lambda: 0, {3: lambda: net._parameters.update(weight=nn.Parameter(torch.zeros(3, 3)))}

    def module_that_is_taken_out():
        parts = nn.ModuleDict({"a": nn.Tanh(), "b": nn.Sigmoid()})

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.parts = parts

            def forward(self, x):
                for part in self.parts.values():
                    x = part(x)
                return x

        return Net(), lambda: 0, {2: lambda: parts.pop("a"), 4: parts.clear}

    def shape_of_a_variable():
        w = torch.ones(3)
        return lambda x: (x[:1] * w).sum(), lambda: 0, {3: lambda: setattr(w, "data", torch.ones(5))}

    def gradients_of_a_variable():
        w = torch.ones(3)

        def f(x):
            y = w * x
            return y.requires_grad, y.detach()

        return f, lambda: 0, {3: lambda: w.requires_grad_(True)}

    def version_of_a_variable():
        w = torch.ones(3)
        return lambda x: x * w._version, lambda: 0, {3: lambda: w.add_(0)}

    def value_that_decides():
        w = torch.arange(3.0) + 1
        return lambda x: x * 2 if torch.equal(x, w) else x, lambda: 0, {3: lambda: w.add_(1)}

    def mode_of_a_module():
        m = nn.Dropout(0.5)
        return lambda x: x * 2 if m.training else x, lambda: 0, {2: m.eval, 4: m.train}

    def forgotten_gradients():
        w = torch.ones(3, requires_grad=True)
        opt = torch.optim.SGD([w], lr=0.1)

        def f(x):
            opt.zero_grad()
            return x * 2

        return f, lambda: w.grad, {2: lambda: setattr(w, "grad", torch.ones(3))}

    def gradient_that_is_kept():
        w = torch.ones(3, requires_grad=True)

        def f(x):
            y = w * x
            y.retain_grad()
            y.sum().backward()
            return y.grad

        return f, lambda: w.grad.clone()

    def argument_on_the_tape():
        w = torch.ones(3, requires_grad=True)

        def f(x):
            x.mul_(w)
            x.sum().backward()
            return x.requires_grad

        return f, lambda: w.grad.clone()

    def copies_of_parameters():
        m = nn.Linear(3, 3)
        return lambda x: m.state_dict()["weight"] * 2, lambda: 0, {3: lambda: m.weight.data.zero_()}

    def loader_within():
        data = torch.arange(6.0)

        def f(x):
            rows = torch.utils.data.TensorDataset(data)
            return [b[0] for b in torch.utils.data.DataLoader(rows, 2, shuffle=True)]

        return f, generator_state

    def parameters_that_are_added():
        m, w = nn.Linear(3, 3), torch.ones(3, requires_grad=True)
        opt = torch.optim.SGD(m.parameters(), lr=0.1)

        def f(x):
            opt.zero_grad()
            (m(x) * w).sum().backward()
            opt.step()

        return f, lambda: (w.detach().clone(), w.grad.clone()), {3: lambda: opt.add_param_group({"params": [w]})}

    def method_that_is_replaced():
        class Twice:
            def run(self, x):
                return x * 2

        two = Twice()
        return lambda x: two.run(x), lambda: 0, {3: lambda: setattr(Twice, "run", lambda self, x: x * 5)}

    def forward_that_is_replaced():
        class Twice(nn.Module):
            def forward(self, x):
                return x * 2

        return Twice(), lambda: 0, {3: lambda: setattr(Twice, "forward", lambda self, x: x * 5)}

    def attributes_by_getattr():
        class Box:
            def __init__(self):
                self.__dict__["store"] = {"w": 2.0}

            def __getattr__(self, name):
                return self.__dict__["store"][name]

        box = Box()
        return lambda x: x * box.w, lambda: 0, {3: lambda: box.store.update(w=7.0)}

    def hook_of_an_optimizer():
        m = nn.Linear(3, 3)
        opt = torch.optim.SGD(m.parameters(), lr=0.1)
        calls = []

        def limit(*_):
            calls.append(1)
            with torch.no_grad():
                m.weight.clamp_(-0.1, 0.1)

        opt.register_step_post_hook(limit)

        def f(x):
            opt.zero_grad()
            m(x).sum().backward()
            opt.step()
            return m(x).detach()

        return f, lambda: (m.weight.detach().clone(), len(calls))

    def step_that_is_wrapped():
        m = nn.Linear(3, 3)
        opt = torch.optim.SGD(m.parameters(), lr=0.1)
        calls, plain = [], opt.step
        opt.step = lambda: (calls.append(1), plain())

        def f(x):
            opt.zero_grad()
            m(x).sum().backward()
            opt.step()

        return f, lambda: (m.weight.detach().clone(), len(calls))

    def gradient_from_outside():
        a, b = torch.ones(3, requires_grad=True), torch.ones(3, requires_grad=True)
        opt = torch.optim.SGD([a, b], lr=0.1)

        def f(x):
            (a * x).sum().backward()
            norm = nn.utils.clip_grad_norm_([a, b], 1.0)
            opt.step()
            a.grad = None
            return norm

        look = lambda: (a.detach().clone(), b.detach().clone())  # noqa: E731
        return f, look, {3: lambda: setattr(b, "grad", torch.ones(3) * 5)}

    def error_that_is_caught():
        def f(x):
            try:
                return x.view(7)
            except RuntimeError:
                return x * 2

        return f, lambda: 0

    return {name: f for name, f in locals().items() if isinstance(f, types.FunctionType)}


def other_file(source):
    """A module of the program."""
    module = types.ModuleType("helper")
    module.__file__ = "helper.py"
    exec(compile(source, "helper.py", "exec"), module.__dict__)
    return module


@pytest.mark.parametrize("name", surroundings())
def test_easily_missed(name):
    outcomes = []
    for way in ("plain", "compiled"):
        torch.manual_seed(0)
        f, look, *changes = surroundings()[name]()
        call = torch.compile(f) if way == "compiled" else f
        rows = []
        for i in range(6):
            for change in changes:
                change.get(i, int)()
            rows.append((bits(call(torch.arange(3.0) + 1)), bits(look())))
        outcomes.append(rows)
    assert outcomes[0] == outcomes[1]


def test_functional_call_of_a_compiled_module():
    run = torch.compile(nn.Linear(3, 3))
    x = torch.ones(3)
    given = {"_orig_mod.weight": torch.zeros(3, 3), "_orig_mod.bias": torch.full((3,), 2.0)}
    for _ in range(3):
        with torch.no_grad():
            assert bits(run(x)) == bits(run._orig_mod(x))
            assert torch.func.functional_call(run, given, x).tolist() == [2, 2, 2]
    assert run._compiled.replays == 4
