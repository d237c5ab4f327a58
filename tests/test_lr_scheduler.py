"""Schedules of the learning rate against PyTorch's and their formulas; means of weights."""
import copy
import math
import warnings

import numpy as np
import pytest

import flambeau as torch
from flambeau import nn
from flambeau.engine import stats
from flambeau.optim import lr_scheduler
from flambeau.optim.swa_utils import SWALR, AveragedModel, get_ema_multi_avg_fn, update_bn

TABLE = [
    ("LambdaLR", {"lr_lambda": lambda k: 1 / (1 + k)}),
    ("MultiplicativeLR", {"lr_lambda": [lambda k: 0.9, lambda k: 0.8]}),
    ("StepLR", {"step_size": 3, "gamma": 0.5}),
    ("MultiStepLR", {"milestones": [2, 2, 5], "gamma": 0.5}),
    ("ConstantLR", {"factor": 0.5, "total_iters": 4}),
    ("LinearLR", {"start_factor": 0.25, "total_iters": 6}),
    ("ExponentialLR", {"gamma": 0.8}),
    ("PolynomialLR", {"total_iters": 8, "power": 2.0}),
    ("CosineAnnealingLR", {"T_max": 5, "eta_min": 0.01}),
    ("CosineAnnealingWarmRestarts", {"T_0": 3, "T_mult": 2}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 3, "mode": "triangular2"}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 2, "step_size_down": 3,
                  "scale_fn": lambda x: 0.5 ** x, "scale_mode": "iterations"}),
    ("OneCycleLR", {"max_lr": [0.1, 0.2], "total_steps": 14}),
    ("OneCycleLR", {"max_lr": 0.1, "total_steps": 14, "three_phase": True, "anneal_strategy": "linear"}),
    ("SWALR", {"swa_lr": 0.02, "anneal_epochs": 4}),
    ("SWALR", {"swa_lr": [0.02, 0.03], "anneal_epochs": 3, "anneal_strategy": "linear"}),
    ("ReduceLROnPlateau", {"patience": 1, "factor": 0.5}),
    ("SequentialLR", {"milestones": [4]}),
    ("ChainedScheduler", {}),
]
STEPS = 14


def optimizer(M, name="SGD", **how):
    groups = [{"params": [M.nn.Parameter(M.zeros(2))]}, {"params": [M.nn.Parameter(M.zeros(2))], "lr": 0.05}]
    for group in groups:
        group["params"][0].grad = M.ones(2)
    return getattr(M.optim, name)(groups, **({"lr": 0.2, "momentum": 0.9} | how if name == "SGD"
                                             else {"lr": 0.2} | how))


def schedule(M, opt, name, how):
    S = M.optim.lr_scheduler
    if name == "SWALR":
        return M.optim.swa_utils.SWALR(opt, **how)
    if name == "SequentialLR":
        return S.SequentialLR(opt, [S.LinearLR(opt, total_iters=3), S.CosineAnnealingLR(opt, T_max=8)], **how)
    if name == "ChainedScheduler":
        return S.ChainedScheduler([S.ConstantLR(opt, factor=0.5), S.ExponentialLR(opt, gamma=0.9)])
    return getattr(S, name)(opt, **how)


def advance(opt, plan):
    opt.step()
    if type(plan).__name__ == "ReduceLROnPlateau":
        plan.step(1.0)
    else:
        plan.step()


def rates(opt, plan, steps=STEPS):
    found = []
    for _ in range(steps):
        advance(opt, plan)
        found.append([float(g["lr"]) for g in opt.param_groups] + [float(v) for v in plan.get_last_lr()]
                     + [float(g["betas"][0] if "betas" in g else g["momentum"]) for g in opt.param_groups])
    return found


@pytest.mark.parametrize("name, how", TABLE)
@pytest.mark.parametrize("kind, settings", [("SGD", {}), ("Adam", {}), ("SGD", {"lr": "tensor"})])
def test_as_pytorch(name, how, kind, settings):
    reference = pytest.importorskip("torch")

    def played(M):
        given = {"lr": M.tensor(0.2, dtype=M.float64)} if settings else {}
        opt = optimizer(M, kind, **given)
        return rates(opt, schedule(M, opt, name, how))
    np.testing.assert_allclose(played(torch), played(reference), rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("name, how", TABLE)
def test_it_goes_on_from_its_state(name, how):
    opt = optimizer(torch)
    plan = schedule(torch, opt, name, how)
    rates(opt, plan, 5)
    saved = copy.deepcopy([opt.state_dict(), plan.state_dict()])
    other = optimizer(torch)
    again = schedule(torch, other, name, how)
    other.load_state_dict(saved[0])
    again.load_state_dict(saved[1])
    assert rates(opt, plan, 6) == rates(other, again, 6)


@pytest.mark.parametrize("name, how", TABLE)
def test_state_has_pytorchs_names(name, how):
    reference = pytest.importorskip("torch")
    if name == "SWALR":
        return

    def kept(M):
        return schedule(M, optimizer(M), name, how).state_dict()
    assert set(kept(torch)) == set(kept(reference))


@pytest.mark.parametrize("name, how", [row for row in TABLE[:10] if row[0] != "MultiplicativeLR"])
def test_last_epoch_goes_on_where_another_schedule_was(name, how):
    reference = pytest.importorskip("torch")

    def played(M):
        opt = optimizer(M)
        rates(opt, schedule(M, opt, name, how), 4)
        return rates(opt, schedule(M, opt, name, {**how, "last_epoch": 3}), 5)
    np.testing.assert_allclose(played(torch), played(reference), rtol=1e-9)


@pytest.mark.parametrize("name, how", [row for row in TABLE[:10] if row[0] != "MultiplicativeLR"])
def test_an_epoch_may_be_named(name, how):
    reference = pytest.importorskip("torch")

    def played(M):
        opt = optimizer(M)
        plan = schedule(M, opt, name, how)
        opt.step()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            plan.step(7)
        return [g["lr"] for g in opt.param_groups] + [plan.last_epoch]
    np.testing.assert_allclose(played(torch), played(reference), rtol=1e-9)


@pytest.mark.parametrize("name, how", TABLE)
@pytest.mark.parametrize("kind, settings", [("SGD", {}), ("Adam", {}), ("NAdam", {}), ("RMSprop", {"momentum": 0.9})])
def test_no_schedule_makes_a_new_program(name, how, kind, settings):
    opt = optimizer(torch, kind, **settings)
    plan = schedule(torch, opt, name, how)
    advance(opt, plan)
    advance(opt, plan)
    before, traced = stats()["misses"], len(opt._updates)
    rates(opt, plan, STEPS - 2)
    assert stats()["misses"] == before and len(opt._updates) == traced


def test_cosine_by_its_formula():
    opt = optimizer(torch)
    found = rates(opt, lr_scheduler.CosineAnnealingLR(opt, T_max=6, eta_min=0.05))
    expected = [0.05 + 0.15 * (1 + math.cos(math.pi * k / 6)) / 2 for k in range(1, STEPS + 1)]
    np.testing.assert_allclose([f[0] for f in found], expected, atol=1e-12)


def test_a_schedule_before_the_first_step_warns():
    opt = optimizer(torch)
    plan = lr_scheduler.StepLR(opt, 2)
    with pytest.warns(UserWarning, match=r"Detected call of `lr_scheduler.step\(\)` before `optimizer.step\(\)`"):
        plan.step()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        opt.step()
        plan.step()
    fresh = optimizer(torch)
    plan = lr_scheduler.StepLR(fresh, 2)
    fresh.step = lambda: None
    with pytest.warns(UserWarning, match=r"Seems like `optimizer.step\(\)` has been overridden"):
        plan.step()


def test_rates_asked_from_outside_warn():
    with pytest.warns(UserWarning, match="please use `get_last_lr"):
        lr_scheduler.StepLR(optimizer(torch), 2).get_lr()


def test_a_schedule_of_the_user():
    class Halved(lr_scheduler.LRScheduler):
        def get_lr(self):
            return [base * 0.5 ** self.last_epoch for base in self.base_lrs]
    opt = optimizer(torch)
    plan = Halved(opt)
    assert isinstance(plan, lr_scheduler.LRScheduler) and plan.get_last_lr() == [0.2, 0.05]
    advance(opt, plan)
    assert plan.get_last_lr() == [0.1, 0.025]


@pytest.mark.parametrize("make, kind, text", [
    (lambda o: lr_scheduler.StepLR(3, 3), TypeError, "int is not an Optimizer"),
    (lambda o: lr_scheduler.StepLR(o, 3, last_epoch=2), KeyError,
     "param 'initial_lr' is not specified in param_groups"),
    (lambda o: lr_scheduler.LambdaLR(o, [abs]), ValueError, "Expected 2 lr_lambdas, but got 1"),
    (lambda o: lr_scheduler.MultiplicativeLR(o, 3), TypeError, "lr_lambda should be a function, but got int"),
    (lambda o: lr_scheduler.ConstantLR(o, factor=2), ValueError, "Constant multiplicative factor expected to be "
                                                                 "between 0 and 1."),
    (lambda o: lr_scheduler.LinearLR(o, start_factor=0), ValueError, "Starting multiplicative factor expected"),
    (lambda o: lr_scheduler.LinearLR(o, end_factor=2), ValueError, "Ending multiplicative factor expected"),
    (lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 0), ValueError, "Expected positive integer T_0, but got 0"),
    (lambda o: lr_scheduler.CyclicLR(o, 0.1, 1.0, mode="x"), ValueError, "mode is invalid and scale_fn is None"),
    (lambda o: lr_scheduler.CyclicLR(o, [0.1], 1.0), ValueError, "base_lr has 1 values, param_groups has 2."),
    (lambda o: lr_scheduler.OneCycleLR(o, 0.1), ValueError, "You must define either total_steps OR"),
    (lambda o: lr_scheduler.OneCycleLR(o, 0.1, total_steps=5, pct_start=2), ValueError,
     "Expected float between 0 and 1 pct_start, but got 2"),
    (lambda o: lr_scheduler.OneCycleLR(torch.optim.Rprop([nn.Parameter(torch.ones(1))]), 0.1, total_steps=5),
     ValueError, "optimizer must support momentum or beta1"),
    (lambda o: rates(o, lr_scheduler.OneCycleLR(o, 0.1, total_steps=3)), ValueError, "Tried to step 4 times"),
    (lambda o: lr_scheduler.ReduceLROnPlateau(o, factor=1.0), ValueError, "Factor should be < 1.0."),
    (lambda o: lr_scheduler.ReduceLROnPlateau(o, mode="x"), ValueError, "mode x is unknown!"),
    (lambda o: lr_scheduler.ReduceLROnPlateau(o, min_lr=[0.1]), ValueError, "expected 2 min_lrs, got 1"),
    (lambda o: lr_scheduler.ChainedScheduler([]), ValueError, "expects at least one scheduler to be chained, but got "
                                                              "no scheduler."),
    (lambda o: lr_scheduler.SequentialLR(o, [lr_scheduler.StepLR(o, 1)], [2]), ValueError,
     "number of schedulers provided to be one more"),
    (lambda o: lr_scheduler.SequentialLR(o, [lr_scheduler.ReduceLROnPlateau(o)], []), ValueError,
     "does not support `ReduceLROnPlateau`"),
    (lambda o: lr_scheduler.ChainedScheduler([lr_scheduler.StepLR(o, 1)], optimizer(torch)), ValueError,
     "to belong to the same optimizer"),
    (lambda o: SWALR(o, 0.1, anneal_strategy="x"), ValueError, "anneal_strategy must be one of 'cos' or 'linear'"),
])
def test_errors(make, kind, text):
    with pytest.raises(kind, match=text):
        make(optimizer(torch))


# ---- means of weights

def test_averaged_models_hold_means():
    model = nn.Linear(1, 1, bias=False)
    plain, moving = AveragedModel(model), AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.75))
    for value in (1.0, 2.0, 6.0):
        with torch.no_grad():
            model.weight.fill_(value)
        plain.update_parameters(model)
        moving.update_parameters(model)
    assert plain.module.weight.item() == 3.0 and plain.n_averaged.item() == 3
    assert moving.module.weight.item() == 0.75 * 1.25 + 0.25 * 6
    assert plain(torch.ones(1, 1)).item() == 3.0
    assert sorted(plain.state_dict()) == ["module.weight", "n_averaged"]


def test_averaged_models_as_pytorch():
    reference = pytest.importorskip("torch")

    def played(M, **how):
        M.manual_seed(0)
        model = M.nn.Sequential(M.nn.Linear(3, 2), M.nn.BatchNorm1d(2))
        mean = M.optim.swa_utils.AveragedModel(model, **how)
        opt = M.optim.SGD(model.parameters(), lr=0.1)
        for k in range(4):
            opt.zero_grad()
            model(M.arange(12.0).reshape(4, 3) * (k + 1)).pow(2).sum().backward()
            opt.step()
            mean.update_parameters(model)
        found = [v.clone().numpy() for v in mean.state_dict().values()]
        M.optim.swa_utils.update_bn([M.arange(12.0).reshape(4, 3), (M.ones(2, 3), 1)], mean)
        return found + [v.numpy() for v in mean.state_dict().values()]
    for how in ({}, {"use_buffers": True}, {"avg_fn": lambda mean, new, n: 0.5 * mean + 0.5 * new}):
        for a, b in zip(played(torch, **how), played(reference, **how), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_statistics_are_those_of_all_batches():
    model = nn.Sequential(nn.BatchNorm1d(1)).eval()
    update_bn([torch.tensor([[0.0], [2.0]]), torch.tensor([[4.0], [6.0]])], model)
    assert model[0].running_mean.tolist() == [3.0] and model[0].running_var.tolist() == [2.0]
    assert model[0].momentum == 0.1 and not model.training
