"""Which backend runs what: the choice, the way from NumPy to compiled code, errors, reports, updates of optimizers."""

import os
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest

import flambeau as torch
from flambeau import nn
from flambeau.backends import tiers
from flambeau.engine import engine

F = nn.functional
needs_jax = pytest.mark.skipif(not tiers.installed("xla"), reason="needs jax")
needs_compiler = pytest.mark.skipif(not (tiers.installed("xla") or tiers.installed("native")), reason="no compiler")
COMPILERS = [
    pytest.param(name, marks=pytest.mark.skipif(not tiers.installed(name), reason=f"needs {name}"))
    for name in ("xla", "native")
]


def program(source, *options, **surroundings):
    """What a program of its own prints, on stdout and on stderr; its exit status."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("FLAMBEAU_")}
    run = subprocess.run(
        [sys.executable, *options, "-c", source], capture_output=True, text=True, timeout=120,
        env={**kept, "JAX_PLATFORMS": "cpu", "PYTHONPATH": os.pathsep.join(sys.path), **surroundings},
    )  # fmt: skip
    return run.stdout, run.stderr, run.returncode


# ---- the choice


def test_values_of_the_variable():
    source = "import flambeau, sys\n"
    source += "print(flambeau.backends.current(), flambeau.ones(3).sum().item(), 'jax' in sys.modules)"
    for value, shown in [("numpy", "numpy"), ("auto", "auto"), ("", "auto"), (" NumPy ", "numpy")]:
        out, err, code = program(source, FLAMBEAU_BACKEND=value)
        assert (out, err, code) == (f"{shown} 3.0 False\n", "", 0)
    out, err, code = program(source, FLAMBEAU_BACKEND="cuda-please")
    assert code and not out
    assert "ValueError: FLAMBEAU_BACKEND must be one of auto, numpy, xla" in err and "'cuda-please'" in err


def test_choosing():
    assert torch.backends.available()[0] == "numpy"
    before = torch.backends.current()
    with torch.backends.use("auto"):
        assert torch.backends.current() == "auto"
        with torch.backends.use("numpy"):
            assert torch.backends.current() == "numpy"
        assert torch.backends.current() == "auto"
    assert torch.backends.current() == before
    with pytest.raises(ValueError, match="backend must be one of"):
        torch.backends.use("fast").__enter__()
    with pytest.raises(ZeroDivisionError), torch.backends.use("auto"):
        raise ZeroDivisionError
    assert torch.backends.current() == before


WITHOUT = """
import sys, flambeau as torch
from flambeau.backends import tiers
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("jax", "jaxlib", "llvmlite"):
            raise ImportError(name + " is kept away")
sys.meta_path.insert(0, Blocker())
print(torch.backends.available())
x = torch.ones(700, 700)
tiers.LOAD = tiers.COMPILE = tiers.COMPILE_INSTRUCTION = 0.0
for _ in range(6):
    x = (x @ x).tanh()
    x.sum().item()
    y = (x @ x).sigmoid()
    y.sum().item()
print(x.sum().item())
model = torch.nn.Linear(300, 300)
optimizer = torch.optim.Adam(model.parameters())
for _ in range(12):
    optimizer.zero_grad()
    model(torch.ones(2, 300)).sum().backward()
    optimizer.step()
for name in ("xla", "native"):
    try:
        with torch.backends.use(name):
            pass
    except ImportError as error:
        print(error)
"""


def test_without_the_extras():
    out, err, code = program(WITHOUT)
    assert code == 0, err
    lines = out.splitlines()
    assert lines[0] == "['numpy']" and float(lines[1]) == 490000.0
    assert "pip install 'flambeau[xla]'" in lines[2] and "pip install 'flambeau[native]'" in lines[3]
    assert err.count("pip install 'flambeau[xla]'") == 1, err
    out, err, code = program(WITHOUT, FLAMBEAU_BACKEND="numpy")
    assert code == 0 and err == ""
    out, err, code = program("import flambeau\nflambeau.ones(2).sum().item()", FLAMBEAU_BACKEND="xla")
    assert code == 0 or "pip install 'flambeau[xla]'" in err


# ---- from NumPy to compiled code


@pytest.fixture
def eager_compiler(monkeypatch):
    """Everything that comes back is compiled at once."""
    for name in ("LOAD", "COMPILE", "COMPILE_INSTRUCTION", "CALL", "VALUE", "INSTRUCTION"):
        monkeypatch.setattr(tiers, name, 1e-12)
    for name in ("NATIVE_LOAD", "NATIVE_COMPILE", "NATIVE_INSTRUCTION"):
        monkeypatch.setattr(tiers, name, 1e-12)
    monkeypatch.setattr(tiers.policy, "factor", 1.0)
    with torch.backends.use("auto"):
        yield


def wait():
    """For the compiler's thread to be done."""
    tiers.in_background(lambda: None).result()


def only(monkeypatch, backend):
    """The one compiler that is there."""
    there = tiers.installed
    monkeypatch.setattr(tiers, "installed", lambda name="xla": there(name) and name in (backend, "numpy", "auto"))


@pytest.mark.parametrize("backend", COMPILERS)
def test_tier_up(backend, eager_compiler, monkeypatch):
    """Values stay what they were; the report tells which backend stays."""
    only(monkeypatch, backend)
    x = torch.randn(64, 64)

    def value():
        return ((x @ x).tanh() * 2 + x.exp()).sum(0).numpy()

    first = value()
    seen = set()
    for i in range(60):
        if i < 8:
            wait()
        np.testing.assert_allclose(value(), first, rtol=2e-5, atol=2e-5)
        seen |= {p.tier.settled for p in torch.engine.stats().rows}
    assert "trial" in seen
    [row] = [p for p in torch.engine.stats().rows if p.runs >= 60]
    assert row.tier.settled in ("numpy", backend) and row.due == tiers.NEVER
    assert row.tier.best[0] < 1 and row.tier.best[1] < 1
    assert row.tier.settled in str(torch.engine.stats()) and torch.engine.stats()["compiles"] > 0


@needs_jax
def test_the_quicker_one_stays(eager_compiler, monkeypatch):
    """Decided by the times of both, whichever it is."""
    only(monkeypatch, "xla")
    for slow, settled in ((0, "xla"), (1, "numpy")):
        number = 3.0 + slow
        build = tiers.build

        def delayed(program, *rest, slow=slow, build=build):
            function = build(program, *rest)
            host = program.tier.host

            def wait_first(run):
                return lambda values: (time.sleep(0.002), run(values))[1]

            program.tier.host = host if slow else wait_first(host)
            return wait_first(function) if slow else function

        with monkeypatch.context() as patch:
            patch.setattr(tiers, "build", delayed)
            x = torch.ones(3 + slow)
            for _ in range(4 * tiers.TRIALS):
                assert (x * number).sum().item() == number * (3 + slow)
                wait()
        last = max(torch.engine.stats().rows, key=lambda p: p.number)
        assert last.tier.settled == settled


@needs_compiler
def test_the_main_thread_never_waits(eager_compiler, monkeypatch):
    """A compiler that takes its time."""
    go = threading.Event()
    started = threading.Event()

    def slow(program, tier, values, backend):
        started.set()
        assert go.wait(20)
        return tier.host

    monkeypatch.setattr(tiers, "build", slow)
    x = torch.ones(5)
    longest = 0.0
    try:
        for _ in range(300):
            start = time.perf_counter()
            assert (x * 7).sum().item() == 35
            longest = max(longest, time.perf_counter() - start)
        assert started.wait(5)
    finally:
        go.set()
    assert longest < 1.0
    wait()


@needs_compiler
def test_a_failed_compilation(eager_compiler, monkeypatch):
    """Warns, names the program, and goes on with NumPy."""

    def broken(program, tier, values, backend):
        raise NotImplementedError("no such instruction\nand more")

    monkeypatch.setattr(tiers, "build", broken)
    x = torch.ones(5)
    with pytest.warns(RuntimeWarning) as caught:
        for _ in range(20):
            assert (x * 11).cos().sum().item() == pytest.approx(5 * np.cos(11), rel=1e-6)
            wait()
    text = [str(w.message) for w in caught]
    assert len(text) == 1
    assert "program " in text[0] and "(mul ... sum, 3 operations)" in text[0]
    assert text[0].endswith("could not be compiled and stays on NumPy: NotImplementedError: no such instruction")
    assert "numpy (not compiled)" in str(torch.engine.stats())


def test_two_thousand_shapes():
    """None is compiled, and what is kept is bounded."""
    with torch.backends.use("auto"):
        before = torch.engine.stats()["compiles"]
        for n in range(1, 2500):
            assert (torch.ones(n) * 2).sum().item() == 2 * n
        numbers = torch.engine.stats()
        assert numbers["compiles"] == before and numbers["kept"] <= engine.capacity < 2500


def test_deterministic_algorithms_pin(eager_compiler):
    """Programs stay on the backend that they began on."""
    x = torch.randn(33)
    torch.use_deterministic_algorithms(True)
    try:
        before = torch.engine.stats()["compiles"]
        values = {(x.exp() * 3).sum().item() for _ in range(50)}
        wait()
        assert len(values) == 1 and torch.engine.stats()["compiles"] == before
        assert {p.tier.settled for p in torch.engine.stats().rows} <= {"numpy"}
        model = nn.Linear(200, 200)
        opt = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        for _ in range(10):
            model(torch.ones(2, 200)).sum().backward()
            opt.step()
        wait()
        assert torch.engine.stats()["compiles"] == before
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("backend", COMPILERS)
def test_compiled_functions_follow_the_choice(backend):
    """flambeau.compile: what was recorded under one backend is not replayed under another."""
    x = torch.randn(9)

    @torch.compile
    def f(x):
        y = (x * 2).exp()
        y.sum().backward() if y.requires_grad else None
        return y

    expected = f(x).numpy()
    with torch.backends.use(backend):
        for _ in range(3):
            np.testing.assert_allclose(f(x).numpy(), expected, rtol=1e-6)
        assert backend in {p.tier.settled for p in torch.engine.stats().rows}
    before = torch.engine.stats()["programs"]
    assert (f(x).numpy() == expected).all() and (f(x).numpy() == expected).all()
    assert torch.engine.stats()["programs"] == before + 2
    assert {p.tier.settled for p in torch.engine.stats().rows} <= {"numpy"}
    w = torch.ones(9, requires_grad=True)

    @torch.compile
    def step(x):
        w.grad = None
        (w * x).exp().sum().backward()

    for name in ("numpy", backend, "numpy"):
        with torch.backends.use(name):
            for _ in range(3):
                step(x)
            np.testing.assert_allclose(w.grad.numpy(), x.numpy() * np.exp(x.numpy()), rtol=1e-5)
            assert {p.tier.settled for p in torch.engine.stats().rows} == {name}


# ---- errors and random numbers


@pytest.mark.parametrize("backend", COMPILERS)
def test_errors_that_only_values_show(backend):
    """The same type, text and note, from NumPy and from compiled code."""
    logits, table = torch.randn(3, 4), torch.randn(5, 2)
    cases = [
        lambda: F.cross_entropy(logits, torch.tensor([0, 4, 1])),
        lambda: F.embedding(torch.tensor([1, 5]), table),
        lambda: torch.linalg.solve(torch.zeros(2, 2), torch.ones(2)),
        lambda: torch.linalg.inv(torch.zeros(2, 2)),
        lambda: logits.gather(1, torch.tensor([[9]])),
        lambda: table[torch.tensor([7])],
        lambda: torch.linalg.cholesky(-torch.eye(2)),
    ]
    for case in cases:
        told = []
        for name in ("numpy", backend):
            with torch.backends.use(name):
                for _ in range(2):
                    with pytest.raises(Exception) as caught:
                        (case() * 1.5).tolist()
                    told.append((type(caught.value), str(caught.value), getattr(caught.value, "__notes__", None)))
        assert told[0] == told[1] == told[2] == told[3]
        assert told[0][0] in (IndexError, RuntimeError, torch.linalg.LinAlgError)
    _, _, notes = told[0]
    assert "test_backends.py" in " ".join(notes)


@pytest.mark.parametrize("backend", COMPILERS)
def test_same_random_numbers(backend):
    outcomes = []
    for name in ("numpy", backend):
        with torch.backends.use(name):
            torch.manual_seed(3)
            x = torch.ones(40)
            drawn = F.dropout(x, 0.5), torch.rand(5), torch.randn(20), F.dropout(x * 2, 0.1), torch.randperm(9)
            outcomes.append(([d.tolist() for d in drawn], torch.get_rng_state().tolist()))
    assert outcomes[0] == outcomes[1]


# ---- reports

CACHED = """
import flambeau as torch, sys
with torch.backends.use("xla"):
    x = torch.ones(70, 70)
    for _ in range(3):
        print(((x @ x).tanh() + x.exp()).sum().item())
"""


@needs_jax
def test_cache_on_disk(tmp_path):
    """Compiled programs are kept where it is asked for, and used by another process."""
    folder = tmp_path / "kept"
    first = program(CACHED, FLAMBEAU_CACHE=str(folder), JAX_LOG_COMPILES="0")
    assert first[2] == 0, first[1]
    files = sorted(p.name for p in folder.iterdir() if "atime" not in p.name)
    assert files
    logged = "import logging; logging.basicConfig(level=logging.DEBUG)\n" + CACHED
    second = program(logged, FLAMBEAU_CACHE=str(folder))
    assert second[0] == first[0] and second[2] == 0
    assert "cache hit" in second[1].lower()
    assert sorted(p.name for p in folder.iterdir() if "atime" not in p.name) == files


def test_log():
    source = """
import flambeau as torch
w = torch.ones(3, 2)
for rows in (64, 64, 12):
    (torch.ones(rows, 3) @ w).tanh().sum().item()
"""
    out, err, code = program(source, FLAMBEAU_LOG="engine", FLAMBEAU_BACKEND="numpy")
    assert code == 0 and out == ""
    lines = [line for line in err.splitlines() if line.startswith("flambeau: new program")]
    assert len(lines) == 2 and "<string>:5" in lines[0]
    assert "here, " in lines[1] and "12" in lines[1].partition(";")[2] and "64" in lines[1].partition("here")[2]
    assert program(source, FLAMBEAU_LOG="other") == ("", "", 0)


def test_line_at_the_end():
    """Only where compiling took more than a tenth of the time."""
    source = "from flambeau.backends import tiers\ntiers.policy.compile_seconds = {}\ntiers.tell_cost()"
    assert "flambeau: compiling took 5.0 s of" in program(source.format(5.0))[1]
    assert "FLAMBEAU_CACHE" in program(source.format(5.0))[1]
    assert program(source.format(0.01))[1] == ""


def test_stats_and_explain():
    x = torch.ones(6)
    (x + 1).sum().item()
    before = torch.engine.stats()
    for _ in range(3):
        (x + 1).sum().item()
    after = torch.engine.stats()
    assert after["programs"] == before["programs"] + 3 and after["hits"] == before["hits"] + 3
    assert after["misses"] == before["misses"] and after["kept"] == before["kept"] and after["pending"] == 0
    assert set(after) >= {"instructions", "compiles", "compile_seconds", "seconds"} and after["seconds"] > 0
    head, columns, *rows = str(after).splitlines()
    assert head.startswith(f"programs {after['programs']}, ")
    assert columns.split()[:3] == ["program", "backend", "runs"] and "numpy" in rows[0]
    with torch.explain(show=False) as report:
        (x + 1).sum().item()
        (x * 9).cos().tolist()
    first, second = report.cuts
    assert first["why"] == second["why"] == "a value was needed" and first["line"][0].endswith("test_backends.py")
    assert second["line"][1] == first["line"][1] + 1
    assert (first["operations"], first["results"], first["bytes"]) == (2, 1, 4)
    assert (second["operations"], second["results"], second["bytes"]) == (2, 1, 24)
    assert first["backend"] == "numpy" and second["new"]
    assert all(first[part] >= 0 for part in ("record", "plan", "compile", "run"))
    head, *rows, end = str(report).splitlines()
    for column in ("cause", "line", "operations", "bytes", "program", "backend", "record us", "run us"):
        assert column in head
    assert len(rows) == 2 and "test_backends.py:" in rows[0] and end.startswith("2 cuts, ")


def test_threads_that_compute_at_once():
    """Two threads, each with its own loop, on each other's pending work."""
    wrong = []

    def train(seed):
        generator = torch.Generator().manual_seed(seed)
        w = torch.zeros(3, requires_grad=True)
        x = torch.randn(20, 3, generator=generator)
        y = x @ torch.tensor([1.0, -2.0, float(seed)])
        opt = torch.optim.SGD([w], lr=0.2)
        for _ in range(150):
            opt.zero_grad()
            ((x @ w - y) ** 2).mean().backward()
            opt.step()
        if not np.allclose(w.detach().numpy(), [1, -2, seed], atol=1e-3):
            wrong.append(seed)

    threads = [threading.Thread(target=train, args=(s,)) for s in (1, 2, 3)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert not wrong


# ---- the updates of optimizers

OPTIMIZERS = {
    "momentum": lambda p, **k: torch.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=0.01, **k),
    "adam": lambda p, **k: torch.optim.Adam(p, lr=0.01, **k),
    "adamw": lambda p, **k: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1, **k),
    "rmsprop": lambda p, **k: torch.optim.RMSprop(p, lr=0.01, momentum=0.5, **k),
}


class Training:
    """A model large enough for a compiled update, and a loop."""

    def __init__(self, name):
        torch.manual_seed(1)
        self.model = nn.Sequential(nn.Linear(60, 150), nn.Tanh(), nn.Linear(150, 60))
        self.opt = OPTIMIZERS[name](self.model.parameters())
        self.x, self.y = torch.randn(8, 60), torch.randn(8, 60)

    def steps(self, count):
        for _ in range(count):
            self.opt.zero_grad()
            F.mse_loss(self.model(self.x), self.y).backward()
            self.opt.step()

    def values(self):
        return [p.detach().numpy() for p in self.model.parameters()]


def alike(a, b, atol=1e-6):
    for x, y in zip(a, b, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=atol)


def in_the_middle(t):
    """Things that programs do between steps. Each yields what must be the same with and without a compiled update."""
    t.steps(8)
    held = [p.detach() for p in t.model.parameters()]
    cloned = [h.clone() for h in held]
    kept = [p.data.view(-1)[:3] for p in t.model.parameters()]
    t.steps(2)
    yield [h.numpy() for h in held] + [k.numpy() for k in kept] + [c.numpy() for c in cloned]
    alike([h.numpy() for h in held], t.values())  # detached parameters see the steps
    saved = t.opt.state_dict()
    yield [v.numpy() for s in saved["state"].values() for v in s.values()]
    t.steps(2)
    t.opt.param_groups[0]["lr"] = 0.002
    t.steps(2)
    t.opt.param_groups[0]["maximize"] = True
    t.steps(1)
    t.opt.param_groups[0]["maximize"] = False
    yield t.values()
    t.model.load_state_dict({k: v * 0.5 for k, v in t.model.state_dict().items()})
    t.steps(3)
    yield t.values()
    t.opt.load_state_dict(saved)
    t.steps(2)
    with torch.no_grad():
        t.model[0].weight.mul_(0.9)
        t.model[2].bias[0] = 7
    before = t.model[0].weight.detach().numpy().copy()
    old = t.model[0].weight.data.clone()
    t.steps(2)
    assert (old.numpy() == before).all()
    yield t.values()
    t.model.double().float()
    t.steps(2)
    t.model[0].weight.requires_grad_(False)
    t.steps(2)
    t.model[0].weight.requires_grad_(True)
    t.steps(3)
    yield t.values()
    values = t.values()
    t.opt = None
    import gc

    gc.collect()
    alike(values, t.values())
    yield [t.model(t.x).detach().numpy()]


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("backend", COMPILERS)
def test_compiled_updates(name, backend, eager_compiler, monkeypatch):
    """As NumPy's, in all that a program may do with parameters meanwhile."""
    with torch.backends.use("numpy"):
        expected = [[np.array(v) for v in part] for part in in_the_middle(Training(name))]
        plain = Training(name)
        plain.steps(20)
    only(monkeypatch, backend)
    monkeypatch.setattr(tiers, "prepare", lambda program: tiers.host.prepare(program))  # updates only
    if backend == "xla":
        from flambeau.optim import hot

        monkeypatch.setattr(hot.Hot, "compare", lambda self, bucket, seconds: None)  # it stays, quicker or not
    t = Training(name)
    for _ in range(10):
        t.steps(2)
        wait()
    [bucket] = [b for _, buckets in t.opt._filled.values() for b in buckets]
    assert bucket.hot.memories if backend == "xla" else bucket.update.native
    alike(t.values(), plain.values())
    t = Training(name)
    found = in_the_middle(Slowly(t))
    for part, wanted in zip(found, expected, strict=True):
        alike([np.array(v) for v in part], wanted, 2e-5)  # small gradients' signs count


class Slowly:
    """A training whose steps leave the compiler time."""

    def __init__(self, training):
        self.__dict__["training"] = training

    def __getattr__(self, name):
        return getattr(self.training, name)

    def __setattr__(self, name, value):
        setattr(self.training, name, value)

    def steps(self, count):
        for _ in range(count):
            self.training.steps(1)
            wait()


def test_warnings_are_not_errors_elsewhere():
    """Nothing above leaves a compiler working on what is gone."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        wait()
        assert torch.ones(2).sum().item() == 2


@pytest.mark.skipif(not tiers.installed("native"), reason="needs llvmlite")
def test_another_choice_takes_updates_back():
    with torch.backends.use("native"):
        p = torch.nn.Parameter(torch.ones(100))
        opt = torch.optim.Adam([p])
        for _ in range(4):
            p.grad = torch.ones(100)
            opt.step()
            wait()
        update = opt._filled[0][1][0].update
        assert update.native
    assert not update.native and update.run == update.plan.run
