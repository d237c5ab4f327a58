"""Reductions, sorting and statistics beyond the table of operations: ties, zeros, NaN, odd shapes, PyTorch's errors."""
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import flambeau

SHAPES = arrays.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=5)
WHOLE = arrays.arrays(np.float64, SHAPES, elements=st.integers(-3, 3).map(float))       # ties and zeros are common
WITH_NAN = arrays.arrays(np.float64, SHAPES, elements=st.one_of(st.integers(-3, 3).map(float), st.just(math.nan)))


def gradient(function, x):
    leaf = flambeau.tensor(x, requires_grad=True)
    function(leaf).sum().backward()
    return leaf.grad.numpy()


def test_equal_extrema_share_the_gradient_of_amax_and_one_has_that_of_max():
    x = np.array([[2.0, 5.0, 5.0, 1.0]])
    assert gradient(lambda t: t.amax(1), x).tolist() == [[0, 0.5, 0.5, 0]]
    assert gradient(lambda t: t.max(), x).tolist() == [[0, 0.5, 0.5, 0]]
    assert gradient(lambda t: t.max(1)[0], x).tolist() == [[0, 1, 0, 0]]
    assert gradient(lambda t: t.norm(math.inf), x).tolist() == [[0, 0.5, 0.5, 0]]


@given(WHOLE)
@settings(max_examples=60, deadline=None)
def test_gradients_of_products_are_products_of_the_others(x):
    """Also where there are zeros, one or several, which no quotient can do."""
    expected = np.empty(x.size)
    for i in range(x.size):
        expected[i] = np.prod(np.delete(x.ravel(), i))
    np.testing.assert_allclose(gradient(lambda t: t.prod(), x), expected.reshape(x.shape))
    row = x.reshape(-1)
    sums = [sum(np.prod(np.delete(row[:i + 1], k)) for i in range(k, row.size)) for k in range(row.size)]
    np.testing.assert_allclose(gradient(lambda t: t.cumprod(0), row), sums)


def test_the_norm_of_zero_has_no_slope():
    for p in (1, 1.5, 2, 3, math.inf, 0):
        assert gradient(lambda t, p=p: t.norm(p), np.zeros(3)).tolist() == [0, 0, 0]


@given(WITH_NAN, st.booleans(), st.data())
@settings(max_examples=60, deadline=None)
def test_sorting_is_stable_and_takes_nan_for_the_largest(x, descending, data):
    dim = data.draw(st.integers(-x.ndim, x.ndim - 1))
    values, indices = flambeau.tensor(x).sort(dim, descending)
    rank = np.where(np.isnan(x), 9, x)
    expected = np.argsort(-rank if descending else rank, axis=dim, kind="stable")
    np.testing.assert_array_equal(indices.numpy(), expected)
    np.testing.assert_array_equal(values.numpy(), np.take_along_axis(x, expected, dim))
    k = data.draw(st.integers(0, x.shape[dim]))
    top = flambeau.tensor(x).topk(k, dim, descending)[0].numpy()
    np.testing.assert_array_equal(top, np.take(values.numpy(), range(k), axis=dim))


@pytest.mark.parametrize("largest", [True, False])
def test_few_of_many(largest):
    x = np.random.default_rng(0).permutation(1000).astype(np.float32)
    x[[3, 4]] = np.nan
    values, indices = flambeau.tensor(x).topk(4, largest=largest)
    expected = [np.nan, np.nan, 999, 998] if largest else [0, 1, 2, 3]
    np.testing.assert_array_equal(x[indices.numpy()], values.numpy())
    np.testing.assert_array_equal(values.numpy()[:2], expected[:2])
    assert not np.isnan(values.numpy()[2:]).any()


@given(WITH_NAN, st.data())
@settings(max_examples=60, deadline=None)
def test_medians_and_quantiles(x, data):
    dim = data.draw(st.integers(-x.ndim, x.ndim - 1))
    q = data.draw(st.sampled_from([0.0, 0.25, 0.3, 1.0]))
    t = flambeau.tensor(x)
    how = data.draw(st.sampled_from(["linear", "lower", "higher", "midpoint"]))
    with np.errstate(all="ignore"):
        expected = np.quantile(x, q, axis=dim, method=how)
    np.testing.assert_allclose(t.quantile(q, dim, interpolation=how).numpy(), expected)
    middle = np.quantile(x, 0.5, axis=dim, method="lower")
    np.testing.assert_array_equal(t.median(dim)[0].numpy(), middle)
    kept = np.sort(x, axis=dim)
    count = np.maximum((x == x).sum(dim, keepdims=True) - 1, 0) // 2
    np.testing.assert_array_equal(t.nanmedian(dim, True)[0].numpy(), np.take_along_axis(kept, count, dim))


@given(WHOLE)
@settings(max_examples=40, deadline=None)
def test_distinct_elements_put_the_input_together_again(x):
    t = flambeau.tensor(x)
    for values, places, counts in (t.unique(return_inverse=True, return_counts=True),
                                   t.unique_consecutive(return_inverse=True, return_counts=True)):
        np.testing.assert_array_equal(values.numpy()[places.numpy()], x)
        assert np.bincount(places.numpy().ravel()).tolist() == counts.tolist()
    values, places = t.unique(return_inverse=True, dim=0)
    np.testing.assert_array_equal(values.numpy()[places.numpy()], x)


@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 5), st.booleans(), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_places_in_rows(rows, size, asked, right, seed):
    rng = np.random.default_rng(seed)
    bounds, x = np.sort(rng.integers(0, 4, (rows, size)), axis=1), rng.integers(-1, 5, (rows, asked))
    found = flambeau.searchsorted(flambeau.tensor(bounds), flambeau.tensor(x), right=right).numpy()
    side = "right" if right else "left"
    np.testing.assert_array_equal(found, [np.searchsorted(b, v, side) for b, v in zip(bounds, x, strict=True)])


@pytest.mark.parametrize("shape", [(16385,), (300, 5000), (257, 100), (5000, 7), (200, 30, 5)])
def test_sums_of_many_elements_round_little(shape):
    x = np.random.default_rng(0).random(shape, dtype=np.float32)
    for dim in (None, *range(len(shape))):
        found = (flambeau.tensor(x).sum() if dim is None else flambeau.tensor(x).sum(dim)).numpy()
        np.testing.assert_allclose(found, x.sum(dim, dtype=np.float64), rtol=1e-6)


def test_sixteen_bits_are_rounded_once():
    x = np.full(4096, 1.0009765625, np.float16)
    assert flambeau.tensor(x).sum().item() == np.float16(4100)
    assert flambeau.tensor(x).mean().item() == np.float16(1.0009765625)


def test_variance_without_freedom():
    with pytest.warns(UserWarning, match=r"std\(\): degrees of freedom is <= 0"):
        assert math.isnan(flambeau.tensor([3.0]).std().item())


CALLS = """
x.sum(3) | x.sum((0, 0)) | empty.max() | empty.amax() | empty.argmax() | empty.aminmax() | empty.median(0)
empty.mode(0) | whole.mean() | whole.std() | torch.var_mean(whole) | whole.norm() | whole.logcumsumexp(0)
x.cumsum(0, dtype=torch.bool) | x.topk(9) | x.kthvalue(9)
x.quantile(2.0) | x.quantile(torch.tensor(2.0)) | x.quantile(0.5, interpolation="no") | whole.quantile(0.5)
z.sort() | z.amax() | z.max() | z.max(0) | z.argmax() | z.cummax(0) | z.median() | z.topk(1) | z.unique() | z.nansum()
torch.searchsorted(x, 1.0) | torch.searchsorted(x, x[:1]) | torch.bucketize(x, x) | torch.bincount(whole - 9)
torch.histc(x, 0) | torch.histc(whole) | torch.histogram(x, 4, range=(3, 1)) | torch.histogramdd(x[0], 4)
torch.renorm(x, -1, 0, 1) | torch.cov(x.reshape(1, 2, 3)) | torch.diff(x, n=-1) | x.sum_to_size(2, 2)
torch.linalg.vector_norm(empty, math.inf) | torch.linalg.vector_norm(x.double(), dtype=torch.float32)
torch.trapezoid(x, x[0, :2]) | torch.segment_reduce(x, "sum") | torch.unravel_index(x, (2, 3)) | torch.isin(x, True)
"""


@pytest.mark.parametrize("code", [c.strip() for line in CALLS.strip().splitlines() for c in line.split("|")])
def test_errors_are_pytorchs(code):
    reference = pytest.importorskip("torch")

    def outcome(torch):
        space = {"torch": torch, "math": math, "x": torch.ones(2, 3), "empty": torch.zeros(0, 2),
                 "whole": torch.zeros(3, dtype=torch.int64), "z": torch.ones(2, 2, dtype=torch.complex64)}
        with pytest.raises(Exception) as caught:
            eval(code, space)
        return caught.type.__name__, str(caught.value).split("\n")[0]
    assert outcome(flambeau) == outcome(reference)
