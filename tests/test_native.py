"""The native backend against NumPy: every operation's cases, whole networks, odd inputs, checks, updates in place."""

import collections

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from hypothesis import given, settings
from hypothesis import strategies as st
from test_every_op import arguments, call, differentiable, lacking, table, weighted

import flambeau
from flambeau import nn, optim
from flambeau.backends import Refused, _module, native, tiers
from flambeau.backends import numpy as host
from flambeau.engine import engine
from flambeau.optim import bucket
from flambeau.tensor import Tensor, from_array

CASES = list(table())


class Both:
    """Runs each program on NumPy and, where that can be, as machine code; the results have to agree."""

    def __init__(self, rtol=1e-5, atol=1e-6):
        self.rtol, self.atol = rtol, atol
        self.native, self.left = collections.Counter(), collections.Counter()
        self.made = []

    def prepare(self, program):
        plain, fast = host.prepare(program), []

        def run(values):
            expected = plain(values)
            if not fast:
                fast.append(native.compiled(program, values))
                (self.native if fast[0] else self.left).update(n.kind.op.name for n in program.nodes)
                self.made.append((program, list(values), fast[0]))
            if fast[0] is not None:
                for _ in range(2):
                    compare(expected, fast[0](values), self.rtol, self.atol)
            return expected

        program.tier = tiers.Tier(plain)
        return run


def compare(expected, found, rtol=3e-6, atol=1e-6):
    assert len(expected) == len(found)
    for a, b in zip(expected, found, strict=True):
        if type(a) is tuple:
            compare(a, b, rtol, atol)
            continue
        if isinstance(a, (bool, int, float)):
            assert type(a) is type(b)
        else:
            assert isinstance(b, (np.ndarray, np.generic)) and b.dtype == a.dtype and np.shape(b) == np.shape(a)
        np.testing.assert_allclose(b, a, rtol=rtol, atol=atol)


@pytest.fixture
def both_backends(monkeypatch):
    monkeypatch.setattr(host, "CHECK", False)
    monkeypatch.setattr(engine, "programs", type(engine.programs)())
    monkeypatch.setattr(engine, "bound", float("inf"))
    found = Both()
    monkeypatch.setattr(tiers, "prepare", found.prepare)
    return found


def run_case(op, case):
    args, words, leaves = arguments(case, grad=differentiable(op))
    outs = [o for o in call(op, args, words) if isinstance(o, Tensor)]
    top = weighted(outs) if differentiable(op) and leaves and not lacking(op, case) else None
    if top is not None and top.requires_grad:
        top.backward()
    for o in outs:
        o.detach()._value()


@pytest.mark.parametrize("op, case", CASES)
def test_every_case_agrees(op, case, both_backends, monkeypatch):
    """Values and gradients, the machine code hardly optimized: that is quicker than to compile it well."""
    monkeypatch.setattr(_module, "LEVEL", 0)
    run_case(op, case)


@pytest.mark.parametrize("op, case", CASES[::25])
def test_optimized_cases_agree(op, case, both_backends):
    run_case(op, case)


USUAL = (
    "add sub mul div neg exp log sqrt rsqrt tanh sigmoid relu relu_backward abs sign maximum minimum clamp _where "
    "_to_copy _view _expand _permute matmul mm addmm linear _folded _rows_summed sum mean amax _softmax _log_softmax "
    "_softmax_backward _log_softmax_backward _cross_entropy _cross_backward _nll_loss _nll_backward _mse_loss "
    "_mse_backward _l1_loss _huber_loss _bce_logits _logits_backward _binary_cross_entropy _bce_backward gelu "
    "_gelu_backward _silu _leaky_relu softplus _statistics _normalize _norm_input _norm_weight _rnn _lstm _gru cat "
    "pow log1p expm1 eq lt where cumsum argmax index_select gather"
)


@pytest.fixture(scope="module")
def done():
    """The operations that some case of the table had compiled."""
    patch = pytest.MonkeyPatch()
    patch.setattr(host, "CHECK", False)
    patch.setattr(_module, "LEVEL", 0)
    patch.setattr(engine, "bound", float("inf"))
    found = Both()
    patch.setattr(tiers, "prepare", found.prepare)
    names = {*USUAL.split(), "layer_norm", "batch_norm"}
    for p in CASES:
        op, case = p.values
        if op.name in names or op.name.strip("_") in names or "_" + op.name in names or op.name.endswith("_layer"):
            engine.programs.clear()
            run_case(op, case)
    patch.undo()
    engine.programs.clear()
    return found.native


@pytest.mark.parametrize("name", [n for n in USUAL.split() if n in flambeau.ops.registry])
def test_usual_operations_are_compiled(name, done):
    if isinstance(flambeau.ops.registry[name], flambeau.ops.Op):
        assert done[name]


# ---- networks


def train(net, x, y, loss, steps=3):
    optimizer = optim.SGD(net.parameters(), 0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(net(x), y).backward()
        optimizer.step()


def network(*sizes, act=nn.ReLU):
    layers = []
    for a, b in zip(sizes, sizes[1:], strict=False):
        layers += [nn.Linear(a, b), act()]
    return nn.Sequential(*layers[:-1])


@pytest.mark.parametrize("batch", [1, 2, 4, 5, 16])
def test_regression_step(batch, both_backends):
    train(network(10, 64, 32, 16, 1), flambeau.randn(batch, 10), flambeau.randn(batch, 1), nn.MSELoss())
    assert both_backends.native["_folded"] and not both_backends.left


@pytest.mark.parametrize("act", [nn.Tanh, nn.GELU, nn.SiLU, nn.ELU, nn.Softplus, nn.LeakyReLU, nn.Sigmoid])
def test_classifier_step(act, both_backends):
    train(network(7, 19, 3, act=act), flambeau.randn(6, 7), flambeau.randint(0, 3, (6,)), nn.CrossEntropyLoss())
    assert both_backends.native["_cross_backward"] and not both_backends.left


def test_normalized_block_step(both_backends):
    net = nn.Sequential(nn.Linear(5, 8), nn.LayerNorm(8), nn.Dropout(0.3), nn.Linear(8, 4), nn.Softmax(-1))
    train(net, flambeau.randn(3, 6, 5), flambeau.rand(3, 6, 4), nn.MSELoss())
    assert both_backends.native["_norm_input"] and not both_backends.left


def test_batch_norm_step(both_backends):
    net = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1))
    train(net, flambeau.randn(6, 5), flambeau.rand(6, 1), nn.BCEWithLogitsLoss())
    assert both_backends.native["_running"] and not both_backends.left


def test_attention_and_embedding_step(both_backends):
    table = nn.Embedding(11, 8)
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    both_backends.atol = 1e-5
    out = layer(table(flambeau.randint(0, 11, (2, 5))))
    out.pow(2).mean().backward()
    assert both_backends.native["_softmax"] or both_backends.native["matmul"]


def test_recurrent_step(both_backends):
    both_backends.atol = 1e-5
    for made in (nn.RNN, nn.LSTM, nn.GRU):
        made(3, 4)(flambeau.randn(5, 2, 3))[0].sum().backward()
    assert both_backends.native["_lstm"] and both_backends.native["_gru_backward"]


def test_double_precision(both_backends):
    both_backends.rtol, both_backends.atol = 1e-12, 1e-14
    net = network(4, 9, 2, act=nn.Tanh).double()
    train(net, flambeau.randn(5, 4).double(), flambeau.randint(0, 2, (5,)), nn.CrossEntropyLoss())
    assert not both_backends.left


# ---- what goes in and out


def made(build, *arrays):
    """The program of `build` over leaves with these values, the values, and its machine code."""
    found = Both()
    before, programs, bound = tiers.prepare, engine.programs, engine.bound
    tiers.prepare, engine.programs, engine.bound = found.prepare, type(programs)(), float("inf")
    try:
        results = build(*[from_array(np.asarray(a)) for a in arrays])
        for r in results if isinstance(results, tuple) else (results,):
            r._value()
    finally:
        tiers.prepare, engine.programs, engine.bound = before, programs, bound
    (program, values, run), *_ = found.made
    assert run is not None
    return program, values, run


def test_sees_other_and_changed_arrays():
    a, b = np.arange(6, dtype="f4").reshape(2, 3), np.ones(3, "f4")
    _, _, run = made(lambda x, y: x * y + 1, a, b)
    values = [a, b, 1]
    compare([a * b + 1], run(values))
    a[0, 0] = 50
    compare([a * b + 1], run(values))
    c = a * 7
    compare([c * b + 1], run([c, b, 1]))
    compare([c * b + 3], run([c, b, 3]))


def test_results_are_nobody_elses():
    a = np.arange(6, dtype="f4").reshape(2, 3)
    _, values, run = made(lambda x: (x.t(), x + 0.0, x.reshape(3, 2), x.sum()), a)
    first = run(values)
    kept = [np.array(v) for v in first]
    a += 1
    second = run(values)
    compare(kept, first)
    arrays = [v for v in (*first, *second, a) if v.ndim]
    assert not any(np.shares_memory(x, y) for i, x in enumerate(arrays) for y in arrays[:i])


@pytest.mark.parametrize("form", ["turned", "stepped", "reversed", "offset", "stretched", "scalar"])
def test_odd_strides(form):
    base = np.arange(48, dtype="f4").reshape(6, 8) / 10
    x = {
        "turned": base.T[:4, :6], "stepped": base[::2, ::2][:, :4], "reversed": base[::-1, ::-1],
        "offset": base[1:, 3:], "stretched": np.broadcast_to(base[:1, :4], (5, 4)), "scalar": np.float32(2.5),
    }[form]  # fmt: skip
    program, values, run = made(lambda t: (t * 2, t.sum(0) if t.ndim else t + 1), x)
    plain = host.prepare(program)
    for other in (x, np.array(x), np.array(x, order="F"), np.array(x)[..., None].repeat(2, -1)[..., 0]):
        other = other if np.ndim(x) else np.float32(other[()])
        swapped = [other if hasattr(v, "shape") and v.shape == x.shape else v for v in values]
        compare(plain(swapped), run(swapped))


def test_special_values():
    special = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e-40, -1e-40, 88.7, -104.0, 3e38, 1e-8, 17.0]
    unary = "exp log log1p expm1 tanh sqrt rsqrt sigmoid relu abs sign floor ceil round trunc neg reciprocal isnan"
    unary += " isinf isfinite signbit erf"
    for dtype, rtol in (("f4", 2e-6), ("f8", 1e-12)):
        x = np.array(special, dtype)
        for name in unary.split():
            program, values, run = made(lambda t, name=name: getattr(flambeau, name)(t), x)
            expected, found = host.prepare(program)(values), run(values)
            compare(expected, found, rtol, 1e-44 if dtype == "f4" else 0)
            if name not in ("relu", "isnan", "isinf", "isfinite", "signbit"):  # NumPy itself does as it likes
                number = ~np.isnan(expected[0])
                np.testing.assert_array_equal(np.signbit(expected[0])[number], np.signbit(found[0])[number])
        for name in ("maximum", "minimum", "fmod", "remainder", "div", "mul", "eq", "lt", "ge", "copysign", "pow"):
            program, values, run = made(
                lambda a, b, name=name: getattr(flambeau, name)(a, b), x[:, None] + np.zeros_like(x), x
            )
            with np.errstate(all="ignore"):
                compare(host.prepare(program)(values), run(values), rtol, 1e-44 if dtype == "f4" else 0)


@pytest.mark.parametrize("name", ["exp", "log", "log1p", "expm1", "tanh"])
def test_single_precision_functions_are_accurate(name):
    rng = np.random.default_rng(0)
    above, below = 10.0 ** rng.uniform(-30, 30, 3000), -(10.0 ** rng.uniform(-30, 0, 3000))
    x = np.concatenate([rng.uniform(-20, 20, 3000), above, below]).astype("f4")
    with np.errstate(all="ignore"):
        exact = getattr(np, name)(x.astype("f8")).astype("f4")
    _, values, run = made(lambda t: getattr(flambeau, name)(t), x)
    np.testing.assert_array_max_ulp(np.nan_to_num(run(values)[0]), np.nan_to_num(exact), 1)


def test_an_output_with_several_results():
    layer = nn.LSTM(3, 4)
    weights = [np.array(p.detach()._value()) for p in layer.parameters()]
    x = np.random.default_rng(0).standard_normal((5, 2, 3)).astype("f4")

    def build(x, *weights):
        for p, w in zip(layer.parameters(), weights, strict=True):
            p.data = w
        return layer(x)[0]  # what its gradient needs of it is kept

    program, values, run = made(build, x, *weights)
    found, expected = run(values), host.prepare(program)(values)
    assert any(type(v) is tuple for v in expected)
    compare(expected, found, 1e-5)


def test_another_exponent():
    x = np.linspace(0.5, 2, 7, dtype="f4")
    program, values, run = made(lambda t: t**2.0, x)
    place = [i for i, n in enumerate(program.inputs) if n.spec.weak][0]
    for exponent in (2.0, 3.0, 0.5, -1.0, 1.7, *np.linspace(3, 5, 12).tolist()):
        values[place] = exponent
        compare([x**exponent], run(values))


def test_checks_are_refused():
    logits, target = np.ones((4, 3), "f4"), np.array([0, 1, 2, 0])
    _, values, run = made(lambda x, t: flambeau.nn.functional.cross_entropy(x, t), logits, target)
    run(values)
    place = next(i for i, v in enumerate(values) if v.dtype == np.int64)
    for bad in (3, -1, 10**12):
        values[place] = np.array([0, bad, 2, 0])
        with pytest.raises(Refused):
            run(values)
    values[place] = np.array([0, -100, 2, 0])  # ignored
    run(values)


def test_integer_division_by_zero_is_refused():
    a, b = np.array([7, -7, 7, -7]), np.array([2, 2, -2, -2])
    for name in ("floor_divide", "remainder"):
        program, values, run = made(lambda x, y, name=name: getattr(flambeau, name)(x, y), a, b)
        compare(host.prepare(program)(values), run(values))
        with pytest.raises(Refused):
            run([a, np.array([1, 0, 1, 1])])


def test_too_large_is_left_to_others():
    before, engine.bound = engine.bound, float("inf")
    found = Both()
    prepare, tiers.prepare = tiers.prepare, found.prepare
    try:
        x = flambeau.ones(300, 300)
        (x @ x @ x)._value()
    finally:
        engine.bound, tiers.prepare = before, prepare
        engine.programs.clear()
    assert found.left["matmul"] and not found.native


# ---- shapes

SIZES = st.integers(1, 21)


@settings(max_examples=40, deadline=None)
@given(SIZES, SIZES, st.integers(1, 40), st.booleans(), st.booleans(), st.sampled_from(["f4", "f8"]))
def test_products(n, k, m, turn_left, turn_right, dtype):
    rng = np.random.default_rng(n * k * m)
    a = rng.standard_normal((k, n) if turn_left else (n, k)).astype(dtype)
    b = rng.standard_normal((m, k) if turn_right else (k, m)).astype(dtype)
    program, values, run = made(
        lambda x, y: (x.t() if turn_left else x) @ (y.t() if turn_right else y), a, b
    )
    compare(host.prepare(program)(values), run(values), 1e-5, 1e-5 if dtype == "f4" else 1e-13)


@pytest.mark.parametrize("feature", ["avx512f", "avx2", "none"])
def test_products_with_shorter_vectors(feature, monkeypatch):
    """As other processors run them: the code is made for vectors of 64, 32 and 16 bytes."""
    monkeypatch.setattr(_module, "has", lambda name: name == feature)
    rng = np.random.default_rng(0)
    for n, k, m in ((1, 3, 70), (4, 5, 4), (5, 64, 17), (9, 7, 33), (6, 1, 130)):
        for dtype in ("f4", "f8"):
            a, b = rng.standard_normal((n, k)).astype(dtype), rng.standard_normal((m, k)).astype(dtype)
            _, values, run = made(lambda x, y: x @ y.t(), a, b)
            compare([a @ b.T], run(values), 1e-5, 1e-5 if dtype == "f4" else 1e-13)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.data())
def test_broadcasting_and_reductions(shape, data):
    rng = np.random.default_rng(len(shape))
    other = [data.draw(st.sampled_from([1, s])) for s in shape][data.draw(st.integers(0, len(shape) - 1)):]
    dims = tuple(i for i in range(len(shape)) if data.draw(st.booleans()))
    keep = data.draw(st.booleans())
    a, b = rng.standard_normal(shape).astype("f4"), rng.standard_normal(other).astype("f4")

    def build(x, y):
        z = x * y + y
        return z, z.sum(dims, keep), z.amax(dims, keep), z.mean(dims, keep).exp(), z.argmax(0), z.cumsum(-1)

    program, values, run = made(build, a, b)
    compare(host.prepare(program)(values), run(values), 1e-5, 1e-5)


# ---- updates


def updates(make, steps=7):
    """The programs of an optimizer's updates, and how many arrays each has."""
    found = []
    before = bucket.plan

    def caught(program, arrays, elementwise=True):
        made = before(program, arrays, elementwise)
        found.append((program, arrays, made))
        return made

    bucket.plan = caught
    try:
        p = nn.Parameter(flambeau.randn(30))
        optimizer = make([p])
        for _ in range(steps):
            p.grad = flambeau.randn(30)
            optimizer.step()
    finally:
        bucket.plan = before
    return found


OPTIMIZERS = {
    "SGD": lambda p: optim.SGD(p, 0.1),
    "momentum": lambda p: optim.SGD(p, 0.1, momentum=0.9, weight_decay=0.01, nesterov=True),
    "Adam": lambda p: optim.Adam(p, weight_decay=0.01),
    "AdamW": lambda p: optim.AdamW(p, amsgrad=True),
    "RMSprop": lambda p: optim.RMSprop(p, momentum=0.9, centered=True),
    "Adagrad": optim.Adagrad, "Adadelta": optim.Adadelta, "Adamax": optim.Adamax, "NAdam": optim.NAdam,
    "RAdam": optim.RAdam, "Rprop": optim.Rprop, "ASGD": optim.ASGD,
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_updates_in_place(name, monkeypatch):
    monkeypatch.setattr(host, "CHECK", False)
    rng = np.random.default_rng(0)
    programs = updates(OPTIMIZERS[name])
    assert programs
    for program, arrays, plan in programs:
        run = native.updating(program, arrays)
        assert run is not None
        numbers = [0.4 + 0.03 * i if n.spec.dtype.category == 2 else 3 for i, n in enumerate(program.inputs[arrays:])]
        for size in (1, 7, 30, 1000):
            expected = [rng.random(size, "f4") + np.float32(0.1) for _ in range(arrays)]
            found = [a.copy() for a in expected]
            scratch = [np.empty(size, "f4") for _ in range(plan.scratch)]
            for _ in range(3):
                with np.errstate(all="ignore"):
                    plan.run(*expected, *numbers, *scratch)
                run(*found, *numbers, *scratch)
            for a, b in zip(expected, found, strict=True):
                np.testing.assert_allclose(b, a, rtol=1e-5, atol=2e-6)


def test_updates_want_vectors_in_order():
    ((program, arrays, _),) = updates(OPTIMIZERS["SGD"])
    run = native.updating(program, arrays)
    p = np.ones(10, "f4")
    with pytest.raises(ValueError, match="vectors of one length"):
        run(p[::2], np.ones(5, "f4"), 0.1)
    with pytest.raises(ValueError, match="vectors of one length"):
        run(p, np.ones(10), 0.1)
    run(p, np.ones(10, "f4"), 0.25)
    np.testing.assert_array_equal(p, np.full(10, 0.75, "f4"))


def test_what_is_not_elementwise_is_left_to_numpy():
    class Normed(optim.SGD):
        def update(self, p, g, s, lr):
            return p - lr * g / g.norm()

    for program, arrays, _ in updates(lambda p: Normed(p, 0.1)):
        assert native.updating(program, arrays) is None
