"""Floats of 8 bits: kept, converted and shown as PyTorch does; computing with them is refused."""
from __future__ import annotations

import numpy as np
import pytest

import flambeau

NAMES = ["float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu"]
NUMBERS = [0.0, 0.1, -0.3, 1.5, 448, 460, 470.0, 500, 1e6, -1e6, float("inf"), float("nan")]


def what(torch, name):
    """What can be asked about a type, as text."""
    kind = getattr(torch, name)
    x = torch.tensor(NUMBERS)
    y = x.to(kind)
    yield kind, kind.itemsize, kind.is_floating_point, kind.is_signed
    yield torch.finfo(kind)
    shown = y if name != "float8_e8m0fnu" else y.float()  # whose columns PyTorch makes wider than it needs
    yield shown
    yield y.float(), y[1:].to(torch.float16), x.double().to(kind).float(), x.bfloat16().to(kind).float()
    yield y[:10].view(torch.uint8), y[1:5].view(2, 2).t(), torch.cat([y[1:4], y[:0]]), torch.ones(2, dtype=kind), y == y
    yield str(y.tolist()), y[1].item(), y.type()


@pytest.mark.parametrize("name", NAMES)
def test_conversions_and_text(name):
    torch = pytest.importorskip("torch")
    for found, expected in zip(what(flambeau, name), what(torch, name), strict=True):
        assert repr(found) == repr(expected)


def test_rounding_of_every_float16():
    torch = pytest.importorskip("torch")
    bits = np.arange(2**16, dtype=np.uint16).view(np.float16).astype(np.float32)
    for name in NAMES:
        found = flambeau.tensor(bits).to(getattr(flambeau, name)).float().numpy()
        expected = torch.tensor(bits).to(getattr(torch, name)).float().numpy()
        np.testing.assert_array_equal(found, expected)


def test_gradients_pass_through():
    x = flambeau.tensor([1.0, 2.0], requires_grad=True)
    (x.to(flambeau.float8_e5m2).float() * 3).sum().backward()
    assert x.grad.tolist() == [3, 3]


def test_computing_is_refused():
    x = flambeau.ones(2).to(flambeau.float8_e4m3fn)
    for compute in (lambda: x + x, lambda: x.exp(), lambda: x.sum(), lambda: x.sort(), lambda: x.nonzero()):
        with pytest.raises(NotImplementedError, match="not implemented for 'Float8_e4m3fn'"):
            compute()
    with pytest.raises(RuntimeError, match="Promotion for Float8 Types is not supported, attempted"):
        x + flambeau.ones(2)
    with pytest.raises(TypeError, match="Got unsupported ScalarType Float8_e4m3fn"):
        x.numpy()


def test_files(tmp_path):
    x = flambeau.tensor([1.0, -2.0]).to(flambeau.float8_e4m3fn)
    flambeau.save({"x": x}, tmp_path / "x.pt")
    back = flambeau.load(tmp_path / "x.pt")["x"]
    assert (back.dtype, back.tolist()) == (flambeau.float8_e4m3fn, [1, -2])
    torch = pytest.importorskip("torch")
    assert torch.load(tmp_path / "x.pt")["x"].float().tolist() == [1, -2]
