"""Convolution, pooling, normalisation, vision: where shapes are intricate, and a few values worked out by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flambeau as torch
import flambeau.nn.functional as F
from flambeau.backends.numpy import xp
from flambeau.ops import registry

RANDOM = np.random.default_rng(0)


@st.composite
def convolutions(draw, n: int) -> dict:
    """Shapes and numbers of a convolution over `n` dimensions that fit together."""
    groups = draw(st.integers(1, 3))
    kernel = tuple(draw(st.integers(1, 3)) for _ in range(n))
    dilation = tuple(draw(st.integers(1, 2)) for _ in range(n))
    padding = tuple(draw(st.integers(0, 2)) for _ in range(n))
    sizes = tuple(
        max(1, d * (k - 1) + 1 - 2 * p) + draw(st.integers(0, 4))
        for k, d, p in zip(kernel, dilation, padding, strict=True)
    )
    return dict(
        images=(draw(st.integers(1, 3)), groups * draw(st.integers(1, 2)), *sizes),
        features=groups * draw(st.integers(1, 2)),
        kernel=kernel,
        stride=tuple(draw(st.integers(1, 3)) for _ in range(n)),
        padding=padding,
        dilation=dilation,
        groups=groups,
    )


def naive(x: np.ndarray, w: np.ndarray, stride: tuple, padding: tuple, dilation: tuple, groups: int) -> np.ndarray:
    """The sum that defines a convolution, term by term."""
    x = np.pad(x, [(0, 0), (0, 0), *((p, p) for p in padding)])
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, w.shape[2:], strict=True)]
    out = [(n - r) // s + 1 for n, r, s in zip(x.shape[2:], reach, stride, strict=True)]
    y = np.zeros((x.shape[0], w.shape[0], *out))
    each, share = w.shape[0] // groups, w.shape[1]
    for o, c in itertools.product(range(w.shape[0]), range(share)):
        for tap in np.ndindex(*w.shape[2:]):
            key = tuple(
                slice(t * d, t * d + s * (m - 1) + 1, s) for t, d, s, m in zip(tap, dilation, stride, out, strict=True)
            )
            y[:, o] += w[(o, c, *tap)] * x[(slice(None), o // each * share + c, *key)]
    return y


@pytest.mark.parametrize("n", [1, 2, 3])
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_convolution_is_its_sum_and_the_transpose_its_adjoint(n, data):
    case = data.draw(convolutions(n))
    x = RANDOM.normal(size=case["images"])
    w = RANDOM.normal(size=(case["features"], case["images"][1] // case["groups"], *case["kernel"]))
    numbers = case["stride"], case["padding"], case["dilation"], case["groups"]
    images, weight = torch.tensor(x, requires_grad=True), torch.tensor(w, requires_grad=True)
    y = getattr(F, f"conv{n}d")(images, weight, None, *numbers)
    expected = naive(x, w, *numbers)
    np.testing.assert_allclose(y.detach().numpy(), expected, atol=1e-10)
    g = RANDOM.normal(size=expected.shape)
    y.backward(torch.tensor(g))
    np.testing.assert_allclose((images.grad.numpy() * x).sum(), (g * expected).sum(), atol=1e-8)
    np.testing.assert_allclose((weight.grad.numpy() * w).sum(), (g * expected).sum(), atol=1e-8)
    stride, padding, dilation, groups = numbers
    missing = tuple(
        have - ((m - 1) * s - 2 * p + d * (k - 1) + 1)
        for have, m, s, p, d, k in zip(x.shape[2:], g.shape[2:], stride, padding, dilation, w.shape[2:], strict=True)
    )
    back = getattr(F, f"conv_transpose{n}d")(
        torch.tensor(g), weight.detach(), None, stride, padding, missing, groups, dilation
    )
    np.testing.assert_allclose(back.numpy(), images.grad.numpy(), atol=1e-10)


@settings(max_examples=30, deadline=None)
@given(case=convolutions(2))
def test_convolution_is_its_formula_and_the_others_its_adjoints(case):
    """Each output is a product of the kernel with a window; gradients are adjoint to it."""
    x = RANDOM.normal(size=case["images"])
    w = RANDOM.normal(size=(case["features"], case["images"][1] // case["groups"], *case["kernel"]))
    pads = tuple((p, p + 1) for p in case["padding"])
    numbers = case["stride"], pads, case["dilation"], case["groups"]
    y = registry["_convolution"].body(xp, x, w, *numbers)
    framed, share = np.pad(x, ((0, 0), (0, 0), *pads)), w.shape[1]
    for n, o, i, j in np.ndindex(*y.shape):
        first = o // (w.shape[0] // case["groups"]) * share
        window = framed[n, first : first + share]
        for axis, at in ((1, i), (2, j)):
            stride, dilation, size = case["stride"][axis - 1], case["dilation"][axis - 1], w.shape[axis + 1]
            window = window.take(at * stride + dilation * np.arange(size), axis)
        np.testing.assert_allclose(y[n, o, i, j], np.sum(window * w[o]), atol=1e-10)
    g = RANDOM.normal(size=y.shape)
    by_input = registry["_conv_input"].body(xp, g, w, x.shape[2:], *numbers)
    by_weight = registry["_conv_weight"].body(xp, x, g, w.shape[2:], *numbers)
    np.testing.assert_allclose(np.sum(x * by_input), np.sum(y * g), atol=1e-9)
    np.testing.assert_allclose(np.sum(w * by_weight), np.sum(y * g), atol=1e-9)


def test_the_first_of_equal_maxima_gets_the_gradient():
    x = torch.zeros(1, 1, 4, 4, requires_grad=True)
    F.max_pool2d(x, 2).sum().backward()
    assert x.grad.flatten().nonzero().flatten().tolist() == [0, 2, 8, 10]
    x = torch.zeros(1, 1, 3, 3, requires_grad=True)
    F.max_pool2d(x, 2, 1).sum().backward()
    assert x.grad.tolist() == [[[[1, 1, 0], [1, 1, 0], [0, 0, 0]]]]


def test_pooling_passes_nan_on_and_padding_never_wins():
    x = torch.tensor([[[-1.0, float("nan"), -3.0, -4.0]]])
    values, indices = F.max_pool1d(x, 2, return_indices=True)
    assert values[0, 0, 0].isnan() and values[0, 0, 1].item() == -3 and indices.tolist() == [[[1, 2]]]
    assert F.max_pool1d(torch.tensor([[[-5.0, -6.0]]]), 2, 2, 1).tolist() == [[[-5.0, -6.0]]]


@settings(max_examples=30, deadline=None)
@given(size=st.integers(2, 9), kernel=st.integers(1, 4), stride=st.integers(1, 4), ceil=st.booleans(), data=st.data())
def test_unpooling_puts_maxima_back(size, kernel, stride, ceil, data):
    padding = data.draw(st.integers(0, kernel // 2))
    if size + 2 * padding < kernel:
        return
    x = torch.tensor(RANDOM.normal(size=(2, 3, size, size)))
    values, indices = F.max_pool2d(x, kernel, stride, padding, 1, ceil, True)
    assert (x.flatten(2).gather(2, indices.flatten(2)) == values.flatten(2)).all()
    mean = F.avg_pool2d(x, kernel, stride, padding, ceil, False)
    assert mean.shape == values.shape and (mean <= values + 1e-12).all()


def test_running_statistics_follow_the_batch():
    x = torch.tensor([[1.0, 10.0], [3.0, 10.0], [5.0, 40.0]])
    mean, variance = torch.zeros(2), torch.ones(2)
    y = F.batch_norm(x, mean, variance, training=True, momentum=0.5)
    np.testing.assert_allclose(mean.numpy(), [1.5, 10.0])
    np.testing.assert_allclose(variance.numpy(), [2.5, 150.5], rtol=1e-6)
    np.testing.assert_allclose(y.mean(0).numpy(), [0, 0], atol=1e-6)
    fixed = F.batch_norm(x, mean, variance, eps=0.0)
    np.testing.assert_allclose(fixed[0].numpy(), [-0.5 / 2.5**0.5, 0.0], atol=1e-6)


def test_statistics_of_shifted_values_keep_their_precision():
    x = torch.tensor(RANDOM.normal(size=(4, 8, 50)).astype("float32") + 1000)
    for y in (F.layer_norm(x, (50,)), F.group_norm(x, 2), F.batch_norm(x, None, None, training=True)):
        assert abs(y.std().item() - 1) < 1e-2 and abs(y.mean().item()) < 1e-3


def test_borders_by_hand():
    x = torch.tensor([[[1.0, 2.0, 3.0]]])
    assert F.pad(x, (2, 1), "reflect").tolist() == [[[3, 2, 1, 2, 3, 2]]]
    assert F.pad(x, (2, 1), "replicate").tolist() == [[[1, 1, 1, 2, 3, 3]]]
    assert F.pad(x, (2, 1), "circular").tolist() == [[[2, 3, 1, 2, 3, 1]]]
    assert F.pad(x, (-1, 1), value=7).tolist() == [[[2, 3, 7]]]


def test_interpolation_by_hand():
    x = torch.tensor([[[0.0, 4.0]]])
    assert F.interpolate(x, 4).tolist() == [[[0, 0, 4, 4]]]
    assert F.interpolate(x, 4, mode="linear").tolist() == [[[0, 1, 3, 4]]]
    np.testing.assert_allclose(
        F.interpolate(x, 4, mode="linear", align_corners=True).numpy(), [[[0, 4 / 3, 8 / 3, 4]]], rtol=1e-6
    )


@settings(max_examples=30, deadline=None)
@given(
    sizes=st.tuples(st.integers(3, 6), st.integers(3, 6)),
    kernel=st.integers(1, 3),
    padding=st.integers(0, 1),
    stride=st.integers(1, 2),
)
def test_fold_adds_up_what_unfold_took(sizes, kernel, padding, stride):
    x = torch.tensor(RANDOM.normal(size=(2, 3, *sizes)))
    count = F.fold(F.unfold(torch.ones_like(x), kernel, 1, padding, stride), sizes, kernel, 1, padding, stride)
    again = F.fold(F.unfold(x, kernel, 1, padding, stride), sizes, kernel, 1, padding, stride)
    np.testing.assert_allclose(again.numpy(), (x * count).numpy())


def test_grid_of_the_identity_gives_the_image_back():
    x = torch.tensor(RANDOM.normal(size=(1, 2, 4, 5)))
    for align in (True, False):
        grid = F.affine_grid(torch.tensor([[[1.0, 0, 0], [0, 1.0, 0]]], dtype=torch.float64), (1, 2, 4, 5), align)
        np.testing.assert_allclose(F.grid_sample(x, grid, align_corners=align).numpy(), x.numpy(), atol=1e-12)
