"""Optimizers: formulas, one table of all against two functions and against PyTorch, state, errors."""
import copy
import pickle

import numpy as np
import pytest

import flambeau as torch
from flambeau import nn

TABLE = [
    ("SGD", {"lr": 0.05}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.02}),
    ("SGD", {"lr": 0.005, "momentum": 0.8, "nesterov": True, "maximize": True}),
    ("Adam", {"lr": 0.1}),
    ("Adam", {"lr": 0.1, "amsgrad": True, "weight_decay": 0.1, "betas": (0.0, 0.9)}),
    ("AdamW", {"lr": 0.1, "weight_decay": 0.1}),
    ("Adamax", {"lr": 0.1, "weight_decay": 0.1}),
    ("NAdam", {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("RAdam", {"lr": 0.1, "weight_decay": 0.1}),
    ("Adadelta", {"lr": 2.0, "rho": 0.8}),
    ("Adagrad", {"lr": 0.3, "lr_decay": 0.1, "initial_accumulator_value": 0.2}),
    ("RMSprop", {"lr": 0.05, "centered": True, "momentum": 0.5}),
    ("Rprop", {"lr": 0.05}),
    ("ASGD", {"lr": 0.1, "t0": 3, "lambd": 0.01}),
    ("Adafactor", {"lr": 0.1, "weight_decay": 0.05}),
    ("Muon", {"lr": 0.05}),
    ("LBFGS", {"lr": 0.5, "max_iter": 4}),
    ("LBFGS", {"max_iter": 6, "line_search_fn": "strong_wolfe", "history_size": 3}),
]
IDS = [f"{name}-{i}" for i, (name, _) in enumerate(TABLE)]
RNG = np.random.default_rng(0)
STARTS = {"float": [RNG.uniform(-1, 1, s) for s in ((3, 4), (2, 2))]}
STARTS["complex"] = [a + 1j * a[::-1] for a in STARTS["float"]]


def bowl(M, params):
    """A quartic bowl."""
    return sum(((p.abs() if p.is_complex() else p) ** 2).sum() + ((p - 0.5).abs() ** 4).sum() / 4 for p in params)


def valley(M, params):
    """Rosenbrock's function of the first two entries, and a small bowl around the others."""
    flat = M.cat([p.reshape(-1) for p in params])
    return (1 - flat[0]) ** 2 + 5 * (flat[1] - flat[0] ** 2) ** 2 + 0.1 * (flat[2:] ** 2).sum()


def parameters(M, dtype="float32", kind="float"):
    return [M.nn.Parameter(M.tensor(a.copy()).to(getattr(M, dtype))) for a in STARTS[kind]]


def run(M, name, how, function, steps=8, dtype="float32", kind="float", optimizer=None):
    """The parameters after each step."""
    params = parameters(M, dtype, kind) if optimizer is None else optimizer.param_groups[0]["params"]
    opt = getattr(M.optim, name)(params, **how) if optimizer is None else optimizer

    def closure():
        opt.zero_grad()
        loss = function(M, params)
        loss.backward()
        return loss
    seen = []
    for _ in range(steps):
        opt.step(closure)
        seen.append([numbers(p) for p in params])
    return opt, seen


def numbers(t):
    t = t.detach()
    return np.array((t.float() if t.dtype.itemsize == 2 else t).numpy())


def compare(ours, theirs, **tolerance):
    for mine, reference in zip(ours, theirs, strict=True):
        for a, b in zip(mine, reference, strict=True):
            assert a.dtype == b.dtype and a.shape == b.shape
            np.testing.assert_allclose(a, b, **tolerance)


# ---- what they compute

@pytest.mark.parametrize("function", [bowl, valley])
@pytest.mark.parametrize("name, how", TABLE, ids=IDS)
def test_every_optimizer_goes_down_and_traces_no_more_than_twice(name, how, function):
    opt, seen = run(torch, name, {k: v for k, v in how.items() if k != "maximize"}, function, 12)
    first, last = (function(torch, [torch.tensor(a) for a in where]).item() for where in (STARTS["float"], seen[-1]))
    assert last < 0.9 * first
    shapes = 2 if name in ("Adafactor", "Muon") else 1
    assert len(opt._updates) <= 2 * shapes


# In 16 bits rounding decides which way some of them go.
RUNS = [(*row, function, dtype) for row in TABLE for dtype in ("float32", "float64", "float16", "bfloat16")
        for function in ((bowl, valley) if dtype in ("float32", "float64") else (bowl,))
        if dtype in ("float32", "float64") or row[0] not in ("LBFGS", "Rprop", "Muon")]


@pytest.mark.parametrize("name, how, function, dtype", RUNS)
def test_as_pytorch(name, how, function, dtype):
    reference = pytest.importorskip("torch")
    loose = {"float64": dict(rtol=1e-7, atol=1e-9), "float32": dict(rtol=1e-4, atol=2e-5),
             "float16": dict(rtol=2e-2, atol=1e-2), "bfloat16": dict(rtol=6e-2, atol=6e-2)}[dtype]
    if name == "Muon":
        loose = dict(rtol=1e-3, atol=1e-3)                        # it works in bfloat16
    _, ours = run(torch, name, how, function, dtype=dtype)
    _, theirs = run(reference, name, how, function, dtype=dtype)
    compare(ours, theirs, **loose)


@pytest.mark.parametrize("name, how", [row for row in TABLE if row[0] not in ("Adafactor", "Muon", "LBFGS")])
def test_complex_parameters_as_pytorch(name, how):
    reference = pytest.importorskip("torch")
    _, ours = run(torch, name, how, bowl, dtype="complex64", kind="complex")
    _, theirs = run(reference, name, how, bowl, dtype="complex64", kind="complex")
    compare(ours, theirs, rtol=1e-4, atol=1e-5)


def test_adam_by_its_formula():
    w = nn.Parameter(torch.tensor([1.0, -2.0]))
    opt = torch.optim.Adam([w], lr=0.1, betas=(0.8, 0.9))
    p, m, v = np.array([1.0, -2.0]), np.zeros(2), np.zeros(2)
    for t in range(1, 5):
        opt.zero_grad()
        (w ** 3).sum().backward()
        opt.step()
        g = 3 * p ** 2
        m, v = 0.8 * m + 0.2 * g, 0.9 * v + 0.1 * g * g
        p = p - 0.1 * (m / (1 - 0.8 ** t)) / (np.sqrt(v / (1 - 0.9 ** t)) + 1e-8)
        np.testing.assert_allclose(w.detach().numpy(), p, rtol=1e-5)


def test_nesterov_by_its_formula():
    w = nn.Parameter(torch.tensor([2.0]))
    opt = torch.optim.SGD([w], lr=0.1, momentum=0.5, nesterov=True)
    p = b = None
    for t in range(4):
        opt.zero_grad()
        (w * w).sum().backward()
        opt.step()
        p = 2.0 if p is None else p
        g = 2 * p
        b = g if t == 0 else 0.5 * b + g
        p -= 0.1 * (g + 0.5 * b)
        np.testing.assert_allclose(w.item(), p, rtol=1e-6)


@torch.backends.use("numpy")
def test_large_buffers_move_in_chunks_as_small_ones_do():
    values, push = RNG.uniform(-1, 1, 70_001).astype("f4"), RNG.uniform(-1, 1, 70_001).astype("f4")
    ends = [0, 10, 33_000, 33_001, 69_000, 70_001]
    for name, how in TABLE[:12]:
        whole, parts = nn.Parameter(torch.tensor(values)), [nn.Parameter(torch.tensor(values[a:b])) for a,
                                                            b in zip(ends[:-1], ends[1:], strict=True)]
        pieces = [nn.Parameter(torch.tensor(values[a:a + 7000])) for a in range(0, 70_001, 7000)]
        alone = [getattr(torch.optim, name)([p], **how) for p in pieces]
        for params, opts in (([whole], [getattr(torch.optim, name)([whole], **how)]),
                             (parts, [getattr(torch.optim, name)(parts, **how)]), (pieces, alone)):
            for k in range(3):
                start = 0
                for p in params:
                    p.grad = torch.tensor(push[start:start + p.numel()] * (k + 1))
                    start += p.numel()
                for opt in opts:
                    opt.step()
        joined = [torch.cat([p.detach() for p in of]).numpy() for of in ([whole], parts, pieces)]
        np.testing.assert_array_equal(joined[0], joined[1])
        np.testing.assert_array_equal(joined[0], joined[2])
        assert np.abs(joined[0] - values).max() > 1e-3


@pytest.mark.parametrize("name", ["SGD", "Adam", "ASGD"])
def test_differentiable_steps(name):
    reference = pytest.importorskip("torch")

    def slope(M):
        start = M.tensor([1.0, 2.0], dtype=M.float64, requires_grad=True)
        w = start.clone()
        opt = getattr(M.optim, name)([w], lr=0.1, differentiable=True)
        w.grad = (start ** 2).detach() * 2
        scale = M.tensor(3.0, dtype=M.float64, requires_grad=True)
        w.grad = w.grad * scale
        opt.step()
        (w ** 2).sum().backward()
        return start.grad.numpy(), scale.grad.numpy()
    for a, b in zip(slope(torch), slope(reference), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4)


# ---- state

def test_groups_are_shown_as_in_pytorch():
    reference = pytest.importorskip("torch")
    shown = []
    for m in (torch, reference):
        groups = [{"params": [m.ones(2, requires_grad=True)]}, {"params": [m.ones(3, requires_grad=True)], "lr": 2}]
        shown.append(repr(m.optim.Adam(groups)))
    assert shown[0] == shown[1]


@pytest.mark.parametrize("name, how", TABLE, ids=IDS)
def test_state_goes_both_ways_between_pytorch_and_us(name, how):
    reference = pytest.importorskip("torch")
    mine, theirs = run(torch, name, how, bowl, 3)[0], run(reference, name, how, bowl, 3)[0]
    ours, other = mine.state_dict(), theirs.state_dict()
    assert list(ours["param_groups"][0]) == list(other["param_groups"][0])
    assert repr(mine) == repr(theirs)
    assert ours["state"].keys() == other["state"].keys()
    for key, values in other["state"].items():
        assert set(ours["state"][key]) == set(values)
        for n, v in values.items():
            if isinstance(v, reference.Tensor):
                a = ours["state"][key][n]
                assert tuple(a.shape) == tuple(v.shape) and str(a.dtype) == str(v.dtype)
                np.testing.assert_allclose(a.numpy(), v.numpy(), rtol=1e-3, atol=1e-3)

    def translated(value, M, kind):
        if isinstance(value, dict):
            return {k: translated(v, M, kind) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(translated(v, M, kind) for v in value)
        return M.tensor(np.array(value.numpy())) if isinstance(value, kind) else value
    fresh = getattr(torch.optim, name)(parameters(torch), **how)
    foreign = getattr(reference.optim, name)(parameters(reference), **how)
    fresh.load_state_dict(other)                          # PyTorch's tensors as they are
    foreign.load_state_dict(translated(ours, reference, torch.Tensor))
    compare(run(torch, name, how, bowl, 3, optimizer=fresh)[1], run(reference, name, how, bowl, 3,
                                                                    optimizer=foreign)[1], rtol=2e-3, atol=1e-3)


@pytest.mark.parametrize("name, how", TABLE, ids=IDS)
def test_a_run_goes_on_after_state_dict_pickle_and_deepcopy(name, how):
    opt, _ = run(torch, name, how, bowl, 3)
    middle = [p.detach().clone() for p in opt.param_groups[0]["params"]]
    saved = copy.deepcopy(opt.state_dict())
    clones = [copy.deepcopy(opt), pickle.loads(pickle.dumps(opt))]
    expected = run(torch, name, how, bowl, 3, optimizer=opt)[1]
    resumed = getattr(torch.optim, name)([nn.Parameter(p) for p in middle], **how)
    resumed.load_state_dict(saved)
    for other in [resumed, *clones]:
        compare(run(torch, name, how, bowl, 3, optimizer=other)[1], expected, rtol=1e-6, atol=1e-7)


def test_state_can_be_read_and_changed_between_steps():
    w = nn.Parameter(torch.ones(3))
    opt = torch.optim.SGD([w], lr=0.1, momentum=0.5)

    def step():
        w.grad = torch.ones(3)
        opt.step()
    step()
    seen = opt.state[w]["momentum_buffer"]
    step()
    assert seen.tolist() == [1, 1, 1] and opt.state[w]["momentum_buffer"].tolist() == [1.5] * 3
    opt.state[w]["momentum_buffer"].zero_()
    step()
    assert opt.state[w]["momentum_buffer"].tolist() == [1] * 3


def test_parameters_without_gradient_stay_and_keep_their_count():
    a, b = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    opt = torch.optim.Adam([a, b], lr=0.1)
    for k in range(4):
        a.grad, b.grad = torch.ones(2), torch.ones(2) if k % 2 else None
        opt.step()
    assert opt.state[a]["step"].item() == 4 and opt.state[b]["step"].item() == 2
    np.testing.assert_allclose(a.detach().numpy(), [0.6, 0.6], rtol=1e-5)
    np.testing.assert_allclose(b.detach().numpy(), [0.8, 0.8], rtol=1e-5)


def test_groups_have_settings_of_their_own_and_can_come_later():
    a, b, c = (nn.Parameter(torch.ones(2)) for _ in range(3))
    opt = torch.optim.SGD([{"params": [a]}, {"params": b, "lr": 0.5}], lr=0.1)
    for p in (a, b, c):
        p.grad = torch.ones(2)
    opt.step()
    opt.add_param_group({"params": [c], "weight_decay": 1.0})
    opt.step()
    assert [round(p[0].item(), 6) for p in (a, b, c)] == [0.8, 0.0, 0.8]
    assert [g["weight_decay"] for g in opt.param_groups] == [0, 0, 1.0]


def test_zero_grad():
    w = nn.Parameter(torch.ones(2))
    opt = torch.optim.SGD([w])
    w.grad = torch.ones(2)
    opt.zero_grad(set_to_none=False)
    assert w.grad.tolist() == [0, 0]
    opt.zero_grad()
    assert w.grad is None


def test_a_tensor_as_learning_rate_may_be_changed_in_place():
    w, rate = nn.Parameter(torch.zeros(1)), torch.tensor(0.5)
    opt = torch.optim.SGD([w], lr=rate)
    for _ in range(2):
        w.grad = torch.ones(1)
        opt.step()
        rate.mul_(0.5)
    assert w.item() == -0.75 and len(opt._updates) == 1


def test_models_that_change_dtype_keep_training():
    model = nn.Linear(2, 1)
    opt = torch.optim.Adam(model.parameters(), lr=0.1)
    for dtype in (torch.float32, torch.float64):
        model.to(dtype)
        opt.zero_grad()
        before = model.weight.detach().clone()
        model(torch.ones(3, 2, dtype=dtype)).sum().backward()
        opt.step()
        np.testing.assert_allclose((before - model.weight.detach()).numpy(), [[0.1, 0.1]], rtol=1e-4)
    assert opt.state[model.weight]["exp_avg"].dtype is torch.float64


def test_hooks_of_a_step():
    w = nn.Parameter(torch.ones(1))
    opt, seen = torch.optim.SGD([w]), []
    handles = [opt.register_step_pre_hook(lambda o, a, k: seen.append("before")),
               opt.register_step_post_hook(lambda o, a, k: seen.append("after")),
               torch.optim.optimizer.register_optimizer_step_post_hook(lambda o, a, k: seen.append("all"))]
    opt.step()
    for handle in handles:
        handle.remove()
    opt.step()
    assert seen == ["before", "after", "all"]


def test_an_optimizer_of_the_user():
    class Plain(torch.optim.Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, {"lr": lr})

        @torch.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    self.state[p]["n"] = self.state[p].get("n", 0) + 1
                    p.add_(p.grad, alpha=-group["lr"])
    w = nn.Parameter(torch.ones(2))
    opt = Plain([w], lr=0.25)
    w.grad = torch.ones(2)
    opt.step()
    opt.step()
    assert w.tolist() == [0.5, 0.5] and opt.state[w]["n"] == 2


# ---- errors

def one():
    return nn.Parameter(torch.ones(2, 2))


@pytest.mark.parametrize("make, kind, text", [
    (lambda: torch.optim.SGD([]), ValueError, "optimizer got an empty parameter list"),
    (lambda: torch.optim.SGD(torch.ones(2)), TypeError, "iterable of Tensors or dicts, but got torch.FloatTensor"),
    (lambda: torch.optim.SGD([1]), TypeError, "optimizer can only optimize Tensors, but one of the params is int"),
    (lambda: torch.optim.SGD([one() * 2]), ValueError, "can't optimize a non-leaf Tensor"),
    (lambda: torch.optim.SGD([{"params": {one()}}]), TypeError, "ordered collections"),
    (lambda: torch.optim.SGD([("a", one()), one()]), ValueError, "Some param names are missing"),
    (lambda: torch.optim.SGD([one()], nesterov=True), ValueError, "requires a momentum and zero dampening"),
    (lambda: torch.optim.SGD([one()], fused=True, foreach=True), RuntimeError, "cannot be `True` together"),
    (lambda: torch.optim.Adam([one()], lr=torch.ones(2)), ValueError, "Tensor lr must be 1-element"),
    (lambda: torch.optim.Adam([one()], betas=(0.5, 1.0)), ValueError, "Invalid beta parameter at index 1: 1.0"),
    (lambda: torch.optim.Muon([nn.Parameter(torch.ones(2))]), ValueError, "Muon only supports 2D parameters"),
    (lambda: torch.optim.LBFGS([{"params": [one()]}, {"params": [one()]}]), ValueError,
     "doesn't support per-parameter options"),
])
def test_errors_of_construction(make, kind, text):
    with pytest.raises(kind, match=text):
        make()


@pytest.mark.parametrize("name", sorted({name for name, _ in TABLE}))
def test_a_negative_learning_rate_is_refused(name):
    with pytest.raises(ValueError, match="(?i)learning rate.*-1"):
        getattr(torch.optim, name)([one()], lr=-1.0)


def test_parameters_given_twice():
    w = one()
    with pytest.warns(UserWarning, match="duplicate parameters"):
        torch.optim.SGD([w, w])
    with pytest.raises(ValueError, match="some parameters appear in more than one parameter group"):
        torch.optim.SGD([{"params": [w]}, {"params": [w]}])


def test_state_dicts_that_do_not_fit():
    opt = torch.optim.SGD([one()])
    with pytest.raises(ValueError, match="different number of parameter groups"):
        opt.load_state_dict({"state": {}, "param_groups": []})
    with pytest.raises(ValueError, match="doesn't match the size of optimizer's group"):
        opt.load_state_dict({"state": {}, "param_groups": [{"params": [0, 1]}]})


def test_errors_of_steps():
    w = one()
    w.grad = torch.ones(2, 2)
    with pytest.raises(RuntimeError, match="SparseAdam does not support dense gradients, please consider Adam instead"):
        torch.optim.SparseAdam([w]).step()
    with pytest.raises(AssertionError, match="If capturable=True"):
        torch.optim.Adam([w], capturable=True).step()
    with pytest.raises(TypeError, match="closure"):
        torch.optim.LBFGS([w]).step()
