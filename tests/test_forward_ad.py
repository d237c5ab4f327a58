"""Tangents beside values, as torch.autograd.forward_ad has them."""
from __future__ import annotations

import pytest

import flambeau as torch
from flambeau.autograd import forward_ad


def test_tangent_of_a_product():
    x, t = torch.tensor([1.0, 2.0]), torch.tensor([1.0, 10.0])
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(x, t)
        assert forward_ad.unpack_dual(dual).tangent is t
        value, tangent = forward_ad.unpack_dual((dual * dual).cumsum(0))
        assert (value.tolist(), tangent.tolist()) == ([1, 5], [2, 42])
        assert forward_ad.unpack_dual(dual + 3).tangent.tolist() == [1, 10]
        assert forward_ad.unpack_dual(x * 2).tangent is None
        other = forward_ad.make_dual(torch.ones(2), torch.tensor([0.5, 0.0]))
        assert forward_ad.unpack_dual(dual * other).tangent.tolist() == [1.5, 10]
    assert not forward_ad.unpack_dual(dual).tangent


def test_tangents_of_parameters_can_be_differentiated():
    w = torch.tensor([3.0], requires_grad=True)
    with forward_ad.dual_level():
        tangent = forward_ad.unpack_dual(forward_ad.make_dual(w, torch.ones(1)) ** 3).tangent
        assert tangent.tolist() == [27]
        assert torch.autograd.grad(tangent.sum(), w)[0].tolist() == [18]


def test_errors():
    x = torch.ones(2)
    with pytest.raises(RuntimeError, match="no level exists, make sure to enter_dual_level"):
        forward_ad.make_dual(x, x)
    with forward_ad.dual_level():
        with pytest.raises(RuntimeError, match="Nested forward mode AD is not supported at the moment"):
            forward_ad.enter_dual_level()
        with pytest.raises(ValueError, match="Expected primal to be floating point or complex, but got: torch.int64"):
            forward_ad.make_dual(torch.tensor([1]), x)
        with pytest.raises(RuntimeError, match="same size as the primal"):
            forward_ad.make_dual(x, torch.ones(3))
