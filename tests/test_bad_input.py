"""What is wrong is refused with PyTorch's exception and first line, and says where in the model it was."""

from __future__ import annotations

import pytest
from side_by_side import same, table

import flambeau
from flambeau import nn

WRONG = table(
    lambda m: m.cumsum(m.ones(3)),
    lambda m: m.cumsum(m.ones(3), bxis=0),
    lambda m: m.gather(m.ones(3), 0),
    lambda m: m.ones(3).gather(),
    lambda m: m.tensor([[1, 2], [3]]),
    lambda m: m.tensor([[1], 2]),
    lambda m: m.tensor(["a"]),
    lambda m: m.tensor(object()),
    lambda m: m.tensor([1, 2], requires_grad=True),
    lambda m: m.ones(2, 3) + m.ones(2, 4),
    lambda m: m.ones(2, 3) @ m.ones(4, 2),
    lambda m: m.nn.Linear(3, 1)(m.ones(2, 4)),
    lambda m: m.nn.Linear(3, 1)(m.ones(4)),
    lambda m: m.nn.Linear(3, 1)(m.ones(2, 3, dtype=m.float64)),
    lambda m: m.nn.Linear(3, 1)(m.ones(2, 3, dtype=m.int64)),
    lambda m: m.nn.Linear(3, 1)([1.0, 2.0, 3.0]),
    lambda m: m.nn.Linear(-1, 1),
    lambda m: m.nn.Embedding(3, 2)(m.tensor([0.5])),
    lambda m: m.nn.Embedding(3, 2)(m.tensor([3])).sum().item(),
    lambda m: m.nn.Embedding(3, 2)(m.tensor([-1])).sum().item(),
    lambda m: m.nn.Conv2d(3, 4, 3)(m.ones(1, 2, 8, 8)),
    lambda m: m.nn.Conv2d(3, 4, 3)(m.ones(1, 3, 2, 2)),
    lambda m: m.nn.BatchNorm1d(3)(m.ones(1, 3)),
    lambda m: m.nn.BatchNorm1d(3)(m.ones(2, 4)),
    lambda m: m.nn.LayerNorm(3)(m.ones(2, 4)),
    lambda m: m.nn.Dropout(2.0),
    lambda m: m.ones(3)[3],
    lambda m: m.ones(3)[-4],
    lambda m: m.ones(3)[m.tensor(5)].item(),
    lambda m: m.ones(3)[m.tensor([0, 5])].tolist(),
    lambda m: m.ones(3)[m.tensor([True, False])],
    lambda m: m.ones(3)[m.tensor([0.5])],
    lambda m: m.ones(3)[0, 1],
    lambda m: m.ones(3)[::-1],
    lambda m: m.ones(3)["a"],
    lambda m: m.ones(3).__setitem__(5, 1.0),
    lambda m: m.ones(3).__setitem__(slice(None), m.ones(2)),
    lambda m: m.ones(2, 2).gather(0, m.tensor([[5]])).tolist(),
    lambda m: m.ones(3).index_select(0, m.tensor([7])).tolist(),
    lambda m: m.nn.functional.cross_entropy(m.zeros(2, 3), m.tensor([0, 3])).item(),
    lambda m: m.nn.functional.cross_entropy(m.zeros(2, 3), m.tensor([0, -1])).item(),
    lambda m: m.nn.functional.cross_entropy(m.zeros(2, 3), m.tensor([0, 1, 2])).item(),
    lambda m: m.nn.functional.cross_entropy(m.zeros(2, 3), m.tensor([0.0, 1.0])).item(),
    lambda m: m.nn.functional.cross_entropy(m.zeros(2, 3), m.zeros(2, 4)).item(),
    lambda m: m.nn.functional.cross_entropy(m.zeros(2, 3, dtype=m.int64), m.tensor([0, 1])).item(),
    lambda m: m.nn.functional.cross_entropy(m.zeros(2, 3), m.tensor([0, 1]), reduction="all"),
    lambda m: m.nn.functional.cross_entropy(m.zeros(2, 3), m.tensor([0, 1]), weight=m.ones(2)),
    lambda m: m.nn.functional.cross_entropy(m.zeros(2, 3), m.tensor([0, 1]), label_smoothing=2.0),
    lambda m: m.nn.functional.nll_loss(m.zeros(2, 3), m.tensor([0, 4])).item(),
    lambda m: m.nn.functional.one_hot(m.tensor([0, 4]), 3),
    lambda m: m.nn.functional.mse_loss(m.ones(2), m.ones(3)),
    lambda m: m.nn.functional.mse_loss(m.ones(2)),
    lambda m: m.nn.functional.binary_cross_entropy(m.tensor([1.5]), m.tensor([1.0])).item(),
    lambda m: m.nn.functional.binary_cross_entropy(m.ones(2), m.ones(3)),
    lambda m: m.nn.functional.relu(3),
    lambda m: m.nn.CrossEntropyLoss(weights=m.ones(2)),
    lambda m: m.optim.SGD([], lr=0.1),
    lambda m: m.optim.SGD(m.ones(2), lr=0.1),
    lambda m: m.optim.SGD([m.ones(2)], lr=-1.0),
    lambda m: m.optim.SGD([3], lr=0.1),
    lambda m: m.optim.SGD([m.ones(2, requires_grad=True) * 2], lr=0.1),
    lambda m: m.optim.Adam([m.nn.Parameter(m.ones(2))], betas=(1.5, 0.9)),
    lambda m: m.optim.Adam([m.nn.Parameter(m.ones(2))], learning_rate=0.1),
    lambda m: m.utils.data.TensorDataset(m.ones(2), m.ones(3)),
    lambda m: m.utils.data.DataLoader([1, 2], batch_size=0),
    lambda m: m.utils.data.DataLoader([1, 2], shuffle=True, sampler=[0]),
    lambda m: list(m.utils.data.DataLoader([m.ones(1), m.ones(2)], batch_size=2)),
    lambda m: m.linalg.inv(m.zeros(2, 2)).tolist(),
    lambda m: m.linalg.cholesky(-m.eye(2)).tolist(),
    lambda m: m.arange(3).softmax(0),
    lambda m: m.ones(2, 3).view(4),
    lambda m: m.zeros(3).max(dim=2),
    lambda m: m.ones(2).to("nowhere"),
)


@pytest.mark.parametrize("function", WRONG)
def test_refused_as_in_pytorch(torch, both, function):
    expected = same(function, torch)
    assert expected[0] == "raises", "PyTorch accepts this"


def test_an_error_names_the_module_and_its_shapes(both):
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Sequential(nn.Linear(9, 1)))
    with pytest.raises(RuntimeError, match=r"mat1 and mat2 shapes cannot be multiplied \(2x8 and 9x1\)") as caught:
        model(flambeau.ones(2, 4))
    notes = " ".join(caught.value.__notes__)
    assert "in module Sequential.2.0 (Linear(in_features=9, out_features=1, bias=True)) given [2, 8]" in notes


def test_an_unknown_keyword_names_it(both):
    for call in (
        lambda: flambeau.ones(2).sum(colour=1),
        lambda: flambeau.zeros(2, colour=1),
        lambda: flambeau.exp(flambeau.ones(1), colour=1),
        lambda: nn.Linear(1, 1, colour=1),
        lambda: nn.MSELoss(colour=1),
        lambda: flambeau.optim.SGD([nn.Parameter(flambeau.ones(1))], lr=1.0, colour=1),
        lambda: flambeau.ones(2).to(colour=1),
        lambda: flambeau.randint(3, (2,), colour=1),
        lambda: flambeau.tensor([1], colour=1),
        lambda: flambeau.nn.functional.mse_loss(flambeau.ones(1), flambeau.ones(1), colour=1),
    ):
        with pytest.raises(TypeError, match="colour"):
            call()


def test_a_loss_that_is_nan_is_left_alone(both):
    w = flambeau.tensor([1.0], requires_grad=True)
    loss = (w * float("inf") - w * float("inf")).sum()
    loss.backward()
    assert loss.isnan() and w.grad.isnan().all()
    opt = flambeau.optim.SGD([w], lr=0.1)
    opt.step()
    assert w.isnan().all()
    assert nn.functional.mse_loss(flambeau.tensor([float("nan")]), flambeau.ones(1)).isnan()
    assert flambeau.tensor([-1.0]).log().isnan().all() and (flambeau.tensor([1.0]) / 0).isinf().all()


def test_an_error_in_a_pending_operation_does_not_spoil_what_follows(both):
    table_of = nn.Embedding(3, 2)
    with pytest.raises(IndexError, match="index out of range in self"):
        table_of(flambeau.tensor([7])).sum().item()
    assert table_of(flambeau.tensor([1])).shape == (1, 2)
    loss = table_of(flambeau.tensor([0, 2])).sum()
    loss.backward()
    assert table_of.weight.grad.tolist() == [[1, 1], [0, 0], [1, 1]]


def test_a_bad_label_is_found_at_the_latest_by_backward(both):
    model = nn.Linear(2, 3)
    with pytest.raises(IndexError, match="Target 3 is out of bounds"):
        nn.functional.cross_entropy(model(flambeau.ones(2, 2)), flambeau.tensor([0, 3])).backward()


def test_an_error_in_the_users_forward_is_the_users(both):
    class Mine(nn.Module):
        def forward(self, x):
            return x.no_such_method()

    with pytest.raises(AttributeError, match="'Tensor' object has no attribute 'no_such_method'"):
        Mine()(flambeau.ones(1))
