"""Initial values: every function of nn.init draws what PyTorch draws from the same seed."""

import numpy as np
import pytest

import flambeau
from flambeau.nn import init

CASES = [
    ("uniform_", (5, 4), (-2.0, 3.0)),
    ("normal_", (5, 4), (1.0, 2.0)),
    ("normal_", (3,), ()),
    ("trunc_normal_", (20, 30), (0.5, 2.0, -1.0, 2.0)),
    ("trunc_normal_", (9,), ()),
    ("trunc_normal_", (20, 30), (0.0, 1.0, 1.0, 2.0)),
    ("trunc_normal_", (20, 30), (0.0, 1.0, -0.1, 0.1)),
    ("constant_", (2, 3), (4.5,)),
    ("ones_", (2,), ()),
    ("zeros_", (2,), ()),
    ("eye_", (3, 5), ()),
    ("dirac_", (6, 3, 3, 3), (2,)),
    ("xavier_uniform_", (7, 4), (1.5,)),
    ("xavier_normal_", (7, 4, 3, 3), ()),
    ("kaiming_uniform_", (7, 4), (0.2, "fan_out", "leaky_relu")),
    ("kaiming_normal_", (7, 4, 3), (0, "fan_in", "relu")),
    ("orthogonal_", (6, 4), (2.0,)),
    ("orthogonal_", (4, 6, 2), ()),
    ("sparse_", (20, 5), (0.3,)),
]


@pytest.mark.parametrize("name, shape, settings", CASES)
def test_values_are_pytorchs(torch, name, shape, settings):
    flambeau.manual_seed(5)
    torch.manual_seed(5)
    ours, theirs = flambeau.empty(shape), torch.empty(shape)
    assert getattr(init, name)(ours, *settings) is ours
    getattr(torch.nn.init, name)(theirs, *settings)
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=2e-5, atol=2e-6)


def test_parameters_stay_leaves():
    p = flambeau.nn.Parameter(flambeau.empty(3, 3))
    init.xavier_uniform_(p)
    assert p.is_leaf and p.requires_grad and abs(p.detach()).sum() > 0


def test_old_names_warn():
    with pytest.warns(FutureWarning, match="nn.init.xavier_uniform_"):
        init.xavier_uniform(flambeau.empty(2, 2))


@pytest.mark.parametrize("name, value", [("relu", 2**0.5), ("tanh", 5 / 3), ("linear", 1), ("selu", 0.75)])
def test_gain(name, value):
    assert init.calculate_gain(name) == pytest.approx(value)
    with pytest.raises(ValueError, match="Unsupported nonlinearity"):
        init.calculate_gain("nothing")
    with pytest.raises(ValueError, match="fewer than 2 dimensions"):
        init.xavier_uniform_(flambeau.empty(3))
