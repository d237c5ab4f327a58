"""A result may be written to before backward() where PyTorch does not keep it for the gradient; else both say so."""
from __future__ import annotations

import pytest

import flambeau

CASES = {
    "division": lambda t, x: x / (x + 1),
    "softsign": lambda t, x: t.nn.functional.softsign(x),
    "normalize": lambda t, x: t.nn.functional.normalize(x),
    "erfinv": lambda t, x: t.erfinv(x),
    "max_pool1d": lambda t, x: t.nn.functional.max_pool1d(x, 2),
    "max_pool2d": lambda t, x: t.nn.functional.max_pool2d(x[None], 2),
    "max_pool3d": lambda t, x: t.nn.functional.max_pool3d(x[None, None], (1, 2, 2)),
    "exp": lambda t, x: x.exp(),
    "sigmoid": lambda t, x: x.sigmoid(),
    "softmax": lambda t, x: x.softmax(-1),
    "relu": lambda t, x: x.relu(),
    "sqrt": lambda t, x: x.sqrt(),
    "reciprocal": lambda t, x: x.reciprocal(),
    "log": lambda t, x: x.log(),
    "elu": lambda t, x: t.nn.functional.elu(x),
    "amax": lambda t, x: x.amax(1),
    "maximum": lambda t, x: t.maximum(x, 2 * x),
    "product": lambda t, x: x @ x.T,
}


def outcome(torch, case):
    x = (torch.arange(24.0).reshape(4, 6) % 7 / 8 + 0.05).requires_grad_()
    y = case(torch, x)
    try:
        y.add_(1)
        (y * y).sum().backward()
    except RuntimeError as error:
        return str(error).partition(":")[0]
    return x.grad.tolist()


@pytest.mark.parametrize("name", CASES)
def test_as_pytorch(name):
    torch = pytest.importorskip("torch")
    found, expected = outcome(flambeau, CASES[name]), outcome(torch, CASES[name])
    assert type(found) is type(expected)
    if isinstance(expected, str):
        assert found == expected
    else:
        flambeau.testing.assert_close(flambeau.tensor(found), flambeau.tensor(expected), rtol=1e-4, atol=1e-5)


def test_the_network_that_pools_before_an_activation_in_place():
    def gradient(inplace):
        flambeau.manual_seed(0)
        nn = flambeau.nn
        layers = nn.Conv2d(1, 3, 3), nn.MaxPool2d(2), nn.ReLU(inplace), nn.Conv2d(3, 2, 2), nn.MaxPool2d(2)
        model = nn.Sequential(*layers, nn.ReLU(inplace))
        for _ in range(3):  # recorded, then found again
            model.zero_grad()
            model(flambeau.arange(200.0).reshape(2, 1, 10, 10).cos()).square().sum().backward()
        return [p.grad.tolist() for p in model.parameters()]

    assert gradient(True) == gradient(False)
