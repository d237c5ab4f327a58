"""Windows against SciPy's, masked functions against selected elements, names out of scope, small functions of torch."""

import math
import subprocess
import sys

import numpy as np
import pytest
from scipy.signal import windows as known

import flambeau as fb
from flambeau import out_of_scope

WINDOWS = {
    "bartlett": {}, "blackman": {}, "cosine": {}, "hamming": {}, "hann": {}, "nuttall": {},
    "exponential": {"tau": 2.0}, "gaussian": {"std": 1.5}, "kaiser": {"beta": 8.0},
    "general_cosine": {"a": [0.5, 0.3, 0.2]}, "general_hamming": {"alpha": 0.6},
}


@pytest.mark.parametrize("length", [0, 1, 2, 7, 8])
@pytest.mark.parametrize("sym", [True, False])
@pytest.mark.parametrize("name", WINDOWS)
def test_windows_are_those_of_scipy(name, sym, length):
    expected = getattr(known, name)(length, sym=sym, **WINDOWS[name])
    found = getattr(fb.signal.windows, name)(length, sym=sym, dtype=fb.float64, **WINDOWS[name])
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("name", ["bartlett", "blackman", "hamming", "hann", "kaiser"])
def test_windows_of_torch_are_periodic(name):
    found = getattr(fb, name + "_window")(6)
    np.testing.assert_allclose(found.numpy(), getattr(fb.signal.windows, name)(6, sym=False).numpy(), atol=1e-6)
    with pytest.raises(RuntimeError, match="requires non-negative window_length, got window_length=-1"):
        getattr(fb, name + "_window")(-1)
    with pytest.raises(TypeError, match=r"\(position 1\) must be int, not float"):
        getattr(fb, name + "_window")(2.5)


X = np.array([[0.5, -1.0, 2.0], [3.0, 0.25, -4.0]])
KEPT = np.array([[True, False, True], [True, True, False]])


def rows(function):
    return np.array([function(x[k]) for x, k in zip(X, KEPT, strict=True)])


@pytest.mark.parametrize(("name", "function"), [
    ("sum", np.sum), ("prod", np.prod), ("amax", np.max), ("amin", np.min), ("mean", np.mean),
    ("norm", np.linalg.norm), ("logsumexp", lambda x: np.log(np.exp(x).sum())), ("median", np.min),
    ("var", lambda x: x.var(ddof=1)), ("std", lambda x: x.std(ddof=1)),
])
def test_masked_reductions_see_what_is_kept(name, function):
    found = getattr(fb.masked, name)(fb.tensor(X), dim=1, mask=fb.tensor(KEPT))
    np.testing.assert_allclose(found.numpy(), rows(function), rtol=1e-12)


@pytest.mark.parametrize(("name", "expected"), [("argmax", [2, 0]), ("argmin", [0, 1])])
def test_masked_places_have_the_dtype_of_the_input(name, expected):
    found = getattr(fb.masked, name)(fb.tensor(X), 1, mask=fb.tensor(KEPT))
    assert found.dtype is fb.float64 and found.tolist() == expected


@pytest.mark.parametrize(("name", "sign"), [("softmax", 1), ("softmin", -1), ("log_softmax", 1)])
def test_masked_normalizations_leave_out_what_is_not_kept(name, sign):
    found = getattr(fb.masked, name)(fb.tensor(X), 1, mask=fb.tensor(KEPT))
    weights = np.where(KEPT, np.exp(sign * X), 0)
    expected = weights / weights.sum(1, keepdims=True)
    np.testing.assert_allclose((found.exp() if name == "log_softmax" else found).numpy(), expected, atol=1e-12)


def test_masked_cumulative_normalize_and_logaddexp():
    x, mask = fb.tensor(X), fb.tensor(KEPT)
    np.testing.assert_allclose(fb.masked.cumsum(x, 1, mask=mask).numpy(), np.where(KEPT, X, 0).cumsum(1))
    np.testing.assert_allclose(fb.masked.cumprod(x, 1, mask=mask).numpy(), np.where(KEPT, X, 1).cumprod(1))
    scaled = fb.masked.normalize(x, 2.0, 1, mask=mask).numpy()
    np.testing.assert_allclose((scaled ** 2).sum(1), 1)
    assert (scaled[~KEPT] == 0).all()
    found = fb.masked.logaddexp(x, x, input_mask=mask, other_mask=mask).numpy()
    np.testing.assert_allclose(found, np.where(KEPT, X + math.log(2), -np.inf))


def test_masked_gradient_is_zero_where_nothing_is_kept():
    x = fb.tensor(X, requires_grad=True)
    fb.masked.mean(x, mask=fb.tensor(KEPT)).backward()
    np.testing.assert_allclose(x.grad.numpy(), KEPT / KEPT.sum())


def test_masked_errors():
    with pytest.raises(ValueError, match="Could not infer output dtype"):
        fb.masked.mean(fb.tensor([1, 2]))
    with pytest.raises(IndexError, match="mask dimensionality higher"):
        fb.masked.sum(fb.ones(2), mask=fb.ones(1, 2, dtype=fb.bool))
    with pytest.raises(ValueError, match="no fully masked out rows"):
        fb.masked.median(fb.tensor([1, 2]), mask=fb.tensor([False, False]))
    with pytest.raises(RuntimeError, match="dim=1 appears multiple times"):
        fb.masked.amax(fb.ones(2, 2), (0, 1, 1))


@pytest.mark.parametrize("path", out_of_scope.NAMES)
def test_names_out_of_scope_say_so(path):
    place = fb
    for part in path.split(".")[1:]:
        place = getattr(place, part)
    for reason, names in out_of_scope.NAMES[path].items():
        for name in names.split():
            with pytest.raises(NotImplementedError, match=f"flambeau: {path}.{name} is out of scope; ") as caught:
                getattr(place, name)(fb.ones(2))
            assert out_of_scope.REASONS[reason] in str(caught.value)


def test_modules_of_registry_names_can_be_imported_under_both_names():
    program = ("from flambeau._aliases import install; install(); import torch.special, torch.sparse, torch.fft; "
               "from torch.special import expit; from torch.signal.windows import hann; print(hann(3)[1].item())")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "1.0\n"


def test_elements_replaced_by_a_function():
    x = fb.tensor([1.0, 2.0])
    assert x.apply_(lambda v: v + 1) is x and x.tolist() == [2, 3]
    assert x.map_(fb.tensor([5.0, 6.0]), lambda v, w: v * w).tolist() == [10, 18]
    assert x.map2_(fb.tensor(1.0), fb.tensor(2.0), lambda v, w, u: v + w - u).tolist() == [9, 17]
    with pytest.raises(RuntimeError, match=r"Can't call apply_\(\) on Variable that requires grad."):
        fb.ones(2, requires_grad=True).apply_(abs)


def test_names_and_places():
    assert fb.typename(fb.ones(1)) == "torch.FloatTensor" and fb.typename(3) == "int"
    assert fb.get_device(fb.ones(1)) == -1 and not fb.is_inference(fb.ones(1)) and not fb.is_distributed(fb.ones(1))
    assert fb.ones(2, dtype=fb.int32).to_dense(fb.float64).dtype is fb.float64
    assert (fb.pi, fb.inf, fb.newaxis) == (math.pi, math.inf, None)
    x = fb.tensor([4.0])
    assert fb.sqrt_(x) is x and x.item() == 2


def test_accelerator_is_absent():
    assert not fb.accelerator.is_available() and fb.accelerator.device_count() == 0
    assert fb.accelerator.current_accelerator() is None
    with pytest.raises(RuntimeError, match="Cannot access accelerator device when none is available."):
        fb.accelerator.synchronize()


def test_addbmm_in_place_takes_the_shape_of_the_result():
    start = fb.ones(3, requires_grad=True)
    x = start.clone()
    x.addbmm_(fb.ones(2, 2, 4), fb.ones(2, 4, 3)).sum().backward()
    assert x.shape == (2, 3) and start.grad.tolist() == [2, 2, 2]


def test_as_strided_scatter_stays_inside_its_tensor():
    with pytest.raises(RuntimeError, match="are out of bounds for storage of size 16"):
        fb.as_strided_scatter(fb.ones(4), fb.ones(2), (2,), (100,))
