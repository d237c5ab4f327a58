"""Mixed precision: which operations run in which precision, and the scaler."""

import numpy as np
import pytest

import flambeau
from flambeau import nn


def results(t):
    f = t.nn.functional
    a, b = t.ones(4, 4), t.ones(4, 4)
    low = a.to(t.bfloat16)
    with t.autocast("cpu"):
        found = {
            "matmul": a @ b,
            "linear": f.linear(a, b),
            "conv": f.conv2d(t.ones(1, 2, 5, 5), t.ones(3, 2, 3, 3)),
            "einsum": t.einsum("ij,jk->ik", a, b),
            "attention": f.scaled_dot_product_attention(a[None], a[None], a[None]),
            "double": a.double() @ b.double(),
            "softmax": f.softmax(low, -1),
            "mse": f.mse_loss(low, low),
            "entropy": f.cross_entropy(low, t.tensor([0, 1, 2, 3])),
            "sum": low.sum(),
            "exp": low.exp(),
            "prod": low.prod(),
            "cat": t.cat([a, low]),
        }
        with t.no_grad():
            found["within no_grad"] = a @ b
        with t.autocast("cpu", enabled=False):
            found["switched off"] = a @ b
    found["after"] = a @ b
    return {name: str(value.dtype) for name, value in found.items()}


def test_precisions_are_pytorchs(torch):
    assert results(flambeau) == results(torch)


def test_training_under_autocast():
    flambeau.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 1))
    optimizer = flambeau.optim.SGD(model.parameters(), lr=0.05)
    x = flambeau.randn(32, 3)
    y = x.sum(1, keepdim=True)
    losses = []
    for _ in range(60):
        with flambeau.autocast("cpu", dtype=flambeau.bfloat16):
            loss = nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert loss.dtype is flambeau.float32 and model[0].weight.grad.dtype is flambeau.float32
    assert losses[-1] < 0.1 * losses[0]


def test_scaler_scales_steps_and_skips_overflow():
    w = nn.Parameter(flambeau.tensor([1.0]))
    optimizer = flambeau.optim.SGD([w], lr=0.5)
    scaler = flambeau.amp.GradScaler("cpu", init_scale=8.0, growth_interval=1)
    scaler.scale((w * 2).sum()).backward()
    assert w.grad.item() == 16.0
    scaler.step(optimizer)
    scaler.update()
    assert w.item() == 0.0 and scaler.get_scale() == 16.0
    w.grad = flambeau.tensor([np.inf])
    scaler.step(optimizer)
    scaler.update()
    assert w.item() == 0.0 and scaler.get_scale() == 8.0
    with pytest.raises(AssertionError, match="No inf checks"):
        scaler.update()
