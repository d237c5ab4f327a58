"""Checks of gradients tell right from wrong; long chains; nan found on the way."""

from __future__ import annotations

import pytest
from side_by_side import same

import flambeau


def wrong_by(factor):
    class Square(flambeau.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return factor * x * g

    return Square.apply


class WrongSecond(flambeau.autograd.Function):
    """A square whose gradient is right and cannot be differentiated: its derivative is lost."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 2 * x.detach() * g


def test_gradcheck_tells_right_from_wrong(both):
    x = flambeau.rand(3, dtype=flambeau.float64, requires_grad=True)
    assert flambeau.autograd.gradcheck(wrong_by(2), (x,))
    assert flambeau.autograd.gradcheck(
        lambda a, b: (a @ b, a.sum()), (x, flambeau.rand(3, dtype=flambeau.float64, requires_grad=True))
    )
    with pytest.raises(RuntimeError, match="Jacobian mismatch for output 0 with respect to input 0"):
        flambeau.autograd.gradcheck(wrong_by(2.01), (x,))
    assert not flambeau.autograd.gradcheck(wrong_by(2.01), (x,), raise_exception=False)
    z = flambeau.rand(2, dtype=flambeau.complex128, requires_grad=True)
    assert flambeau.autograd.gradcheck(lambda t: t * t.conj() + t.exp(), (z,))
    with pytest.raises(ValueError, match="at least one input tensor to require gradient"):
        flambeau.autograd.gradcheck(wrong_by(2), (x.detach(),))


def test_gradgradcheck_tells_right_from_wrong(both):
    x = flambeau.rand(3, dtype=flambeau.float64, requires_grad=True)
    assert flambeau.autograd.gradgradcheck(wrong_by(2), (x,))
    with pytest.raises(RuntimeError, match="Jacobian mismatch"):
        flambeau.autograd.gradgradcheck(WrongSecond.apply, (x,))


# ---- size and anomalies


def test_a_chain_of_forty_thousand_nodes(both):
    x = flambeau.ones(2, requires_grad=True)
    y = x
    for _ in range(40_000):
        y = y * 1.0
    y.sum().backward()
    assert x.grad.tolist() == [1, 1]


def test_a_chain_with_a_hook_and_second_order():
    x = flambeau.ones(1, requires_grad=True)
    y = x
    for _ in range(5_000):
        y = y * 1.0
    y.register_hook(lambda g: g * 2)
    (g,) = flambeau.autograd.grad(y * y, x, create_graph=True)
    assert g.item() == 4
    assert flambeau.autograd.grad(g, x)[0].item() == 8


def test_anomaly_detection_names_the_operation(torch, both):
    def found(m):
        x = m.tensor([0.0], requires_grad=True)
        with m.autograd.detect_anomaly():
            (x.sqrt() * 0).sum().backward()

    same(found, torch)
    x = flambeau.tensor([0.0], requires_grad=True)
    with flambeau.autograd.set_detect_anomaly(False):
        (x.sqrt() * 0).sum().backward()
    assert x.grad.isnan().all() and not flambeau.is_anomaly_enabled()
