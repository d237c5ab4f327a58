"""Activations, losses, embeddings and attention: what the table of operations cannot say. Values against formulas."""

from __future__ import annotations

import itertools
import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flambeau as torch

F = torch.nn.functional


def log_softmax(x: np.ndarray, axis: int) -> np.ndarray:
    x = x - x.max(axis, keepdims=True)
    return x - np.log(np.exp(x).sum(axis, keepdims=True))


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 4),
    st.integers(2, 5),
    st.lists(st.integers(1, 3), max_size=3),
    st.sampled_from(["none", "mean", "sum"]),
    st.sampled_from([-100, 0]),
    st.sampled_from([0.0, 0.3]),
    st.booleans(),
    st.integers(0, 999),
)
def test_cross_entropy_is_its_formula(rows, classes, rest, reduction, ignored, smoothing, weighted, seed):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(rows, classes, *rest))
    target = rng.integers(0, classes, (rows, *rest))
    weight = rng.uniform(0.5, 2, classes) if weighted else np.ones(classes)
    logs = np.moveaxis(log_softmax(logits, 1), 1, -1)
    valid = target != ignored
    hard = -np.take_along_axis(logs, target[..., None], -1)[..., 0] * weight[target]
    soft = -(logs * weight).sum(-1) / classes
    each = ((1 - smoothing) * hard + smoothing * soft) * valid
    count = (weight[target] * valid).sum()
    with np.errstate(all="ignore"):
        expected = {"none": each, "sum": each.sum(), "mean": each.sum() / count}[reduction]
    given_weight = torch.tensor(weight) if weighted else None
    found = F.cross_entropy(
        torch.tensor(logits),
        torch.tensor(target),
        given_weight,
        ignore_index=ignored,
        reduction=reduction,
        label_smoothing=smoothing,
    )
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9, equal_nan=True)


def test_cross_entropy_of_large_logits_does_not_overflow():
    loss = F.cross_entropy(torch.tensor([[1e4, 0.0], [0.0, -1e4]]), torch.tensor([1, 0]))
    assert loss.item() == pytest.approx(5000)


@pytest.mark.parametrize("target", [[0, 3], [-1, 0]])
def test_a_target_that_is_no_class_is_named(target):
    wrong = next(t for t in target if not 0 <= t < 3)
    with pytest.raises(IndexError, match=f"Target {wrong} is out of bounds."):
        F.cross_entropy(torch.zeros(2, 3), torch.tensor(target)).item()
    with pytest.raises(IndexError, match=f"Target {wrong} is out of bounds."):
        F.nll_loss(torch.zeros(2, 3), torch.tensor(target)).item()


def test_an_index_beyond_the_table_is_an_error():
    for index in (5, -1):
        with pytest.raises(IndexError, match="index out of range in self"):
            F.embedding(torch.tensor([0, index]), torch.zeros(5, 2)).sum().item()


def test_embedding_gradient_sums_repeats_and_skips_padding():
    for rows in (5, 4000):  # a product for small tables, sorting for large ones
        index = np.random.default_rng(0).integers(0, rows, 300)
        table = torch.zeros(rows, 2, requires_grad=True)
        F.embedding(torch.tensor(index), table, padding_idx=1).sum().backward()
        expected = np.bincount(index, minlength=rows).astype(np.float32)
        expected[1] = 0
        np.testing.assert_array_equal(table.grad.numpy(), np.stack([expected, expected], 1))


def test_max_norm_changes_only_the_rows_looked_up():
    table = torch.full((3, 4), 2.0, requires_grad=True)
    out = F.embedding(torch.tensor([1]), table, max_norm=1.0)
    np.testing.assert_allclose(np.linalg.norm(out.detach().numpy()), 1, rtol=1e-6)
    assert table.detach()[0].tolist() == [2.0] * 4 and table.requires_grad and table.is_leaf


def test_different_sizes_in_a_loss_are_warned_of():
    with pytest.warns(UserWarning, match=r"Using a target size \(torch.Size\(\[3\]\)\) that is different"):
        F.mse_loss(torch.zeros(3, 1), torch.zeros(3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        F.mse_loss(torch.zeros(3, 1), torch.zeros(3, 1))
    with pytest.warns(UserWarning, match="please use reduction='sum' instead"):
        F.mse_loss(torch.zeros(3), torch.zeros(3), size_average=False)


def test_gelu_of_many_elements_is_that_of_few():
    x = np.linspace(-9, 9, 40_001, dtype=np.float32)
    many = F.gelu(torch.tensor(x)).numpy()
    exact = x * np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in x.tolist()])
    np.testing.assert_allclose(many, exact, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "hardtanh", "softplus", "silu", "logsigmoid", "mish", "elu"])
def test_extreme_inputs_stay_what_they_are(name):
    x = torch.tensor([-1e30, -100.0, 100.0, float("nan")], requires_grad=True)
    out = getattr(F, name)(x)
    out.sum().backward()
    values, slopes = out.detach().numpy(), x.grad.numpy()
    assert np.isnan(values[3]) and np.isfinite(values[:3]).all() and np.isfinite(slopes[:3]).all()


def test_relu_stops_an_infinite_gradient():
    x = torch.tensor([-1.0, 1.0], requires_grad=True)
    F.relu(x).backward(torch.tensor([float("inf"), 1.0]))
    assert x.grad.tolist() == [0.0, 1.0]


def test_in_place_activations_write_and_are_differentiated():
    for name in ("relu", "leaky_relu", "elu", "celu", "selu", "hardtanh", "silu", "mish", "hardswish", "relu6"):
        x = torch.tensor([-0.5, 0.5], requires_grad=True)
        plain = getattr(F, name)(x)
        (expected,) = torch.autograd.grad(plain.sum(), x)
        y = x * 1
        out = getattr(F, name)(y, inplace=True)
        assert out is y and out.tolist() == plain.tolist()
        out.sum().backward()
        assert x.grad.tolist() == expected.tolist()


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 4), st.booleans(), st.integers(0, 99))
def test_attention_is_its_formula(rows, places, width, causal, seed):
    rng = np.random.default_rng(seed)
    q, k, v = (rng.normal(size=(2, n, width)) for n in (rows, places, places))
    allowed = np.tril(np.ones((rows, places), bool)) if causal else rng.random((rows, places)) > 0.4
    with np.errstate(all="ignore"):
        e = np.exp(q @ k.swapaxes(1, 2) / math.sqrt(width)) * allowed
        weights = np.nan_to_num(e / e.sum(-1, keepdims=True))
    mask = {"is_causal": True} if causal else {"attn_mask": torch.tensor(allowed)}
    found = F.scaled_dot_product_attention(torch.tensor(q), torch.tensor(k), torch.tensor(v), **mask)
    np.testing.assert_allclose(found.numpy(), weights @ v, rtol=1e-8, atol=1e-12)


def test_ctc_loss_is_the_sum_over_all_alignments():
    rng = np.random.default_rng(3)
    logs = log_softmax(rng.normal(size=(4, 1, 3)), 2)
    for labels in ([1, 2], [1, 1], [2], []):
        total = 0.0
        for path in itertools.product(range(3), repeat=4):
            merged = [c for c, _ in itertools.groupby(path)]
            if [c for c in merged if c] == labels:
                total += math.exp(sum(logs[t, 0, c] for t, c in enumerate(path)))
        target = torch.tensor([labels], dtype=torch.int64).reshape(1, -1)
        found = F.ctc_loss(torch.tensor(logs), target, (4,), (len(labels),), reduction="none")
        assert found.item() == pytest.approx(-math.log(total))


def test_softmax_without_a_dimension_is_warned_of():
    with pytest.warns(UserWarning, match="Implicit dimension choice for softmax has been deprecated"):
        out = F.softmax(torch.zeros(2, 4))
    assert out.tolist() == [[0.25] * 4] * 2


def test_ctc_gradient_through_log_softmax_is_a_derivative():
    rng = np.random.default_rng(4)
    logits, direction = rng.normal(size=(5, 2, 3)), rng.normal(size=(5, 2, 3))

    def loss(values, **grad):
        x = torch.tensor(values, **grad)
        targets = torch.tensor([[1, 2], [2, 0]])
        return x, F.ctc_loss(F.log_softmax(x, -1), targets, torch.tensor([5, 4]), torch.tensor([2, 1]))

    x, out = loss(logits, requires_grad=True)
    out.backward()
    ends = [loss(logits + sign * 1e-5 * direction)[1].item() for sign in (1, -1)]
    assert (x.grad.numpy() * direction).sum() == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-6)


def test_a_weight_that_cannot_be_differentiated_is_refused():
    weight = torch.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="not differentiable with respect to argument 'weight'"):
        F.cross_entropy(torch.zeros(2, 3), torch.tensor([0, 1]), weight)
