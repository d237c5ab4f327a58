"""flambeau.compile: a replay gives what the plain call gives, to the bit; else there is none, and stats() says why."""

import copy
import gc
import threading
import weakref

import pytest
from replays import bits, both_ways, generator_state, lazy, leavings, network  # noqa: F401

import flambeau as torch
from flambeau import nn
from flambeau.engine import engine

F = nn.functional
pytestmark = pytest.mark.usefixtures("lazy")


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
