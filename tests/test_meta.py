"""The meta device: tensors with a shape and a dtype and no values."""
from __future__ import annotations

import copy

import pytest

import flambeau as torch
from flambeau import nn


def test_shapes_are_worked_out_without_values():
    x = torch.empty(200_000, 300_000, device="meta")  # would be 240 GB
    assert (x.is_meta, x.device, x.nbytes) == (True, torch.device("meta"), 240_000_000_000)
    assert (x + 1).shape == (200_000, 300_000) and (x @ x.T).is_meta
    assert x[:, 0].max(0).values.shape == () and torch.cat([x[:2], x[:3]]).shape == (5, 300_000)
    x[0] = 1
    assert x.uniform_().add_(2) is x


def test_text():
    x = torch.empty(2, 3, device="meta")
    assert repr(x) == "tensor(..., device='meta', size=(2, 3))"
    assert repr(x.half()) == "tensor(..., device='meta', size=(2, 3), dtype=torch.float16)"
    assert repr(torch.zeros(2, device="meta", requires_grad=True)) == (
        "tensor(..., device='meta', size=(2,), requires_grad=True)")


@pytest.mark.parametrize("look", [lambda x: x.cpu(), lambda x: x.tolist(), lambda x: torch.ones(2).copy_(x)])
def test_values_cannot_be_seen(look):
    with pytest.raises(NotImplementedError, match="Cannot copy out of meta tensor; no data!"):
        look(torch.ones(2, device="meta"))


def test_one_value_cannot_be_seen():
    x = torch.ones((), device="meta")
    for look in (x.item, lambda: bool(x), lambda: float(x)):
        with pytest.raises(RuntimeError, match=r"Tensor.item\(\) cannot be called on meta tensors"):
            look()
    with pytest.raises(NotImplementedError, match="meta tensors have not"):
        torch.ones(3, device="meta").nonzero()


def test_modules_draw_no_numbers_and_are_filled_later():
    torch.manual_seed(0)
    with torch.device("meta"):
        model = nn.Sequential(nn.Linear(10, 20), nn.LayerNorm(20), nn.Dropout(0.1), nn.LSTM(20, 2))
    first = torch.rand(1)
    torch.manual_seed(0)
    assert first == torch.rand(1)
    assert all(p.is_meta and p.requires_grad for p in copy.deepcopy(model).parameters())
    assert model[0](torch.empty(4, 10, device="meta")).shape == (4, 20)
    with pytest.raises(NotImplementedError, match=r"Please use torch.nn.Module.to_empty\(\) instead"):
        model.to("cpu")
    weight = torch.ones(20, 10)
    model[0].load_state_dict({"weight": weight, "bias": torch.zeros(20)}, assign=True)
    assert model[0](torch.ones(10)).tolist() == [10] * 20
    assert not any(p.is_meta for p in model.to_empty(device="cpu").parameters())
