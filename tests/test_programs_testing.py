"""torch.testing: what assert_close accepts and says, and tensors made for tests."""

import numpy as np
import pytest

import flambeau

CASES = {
    "equal": lambda m: m.testing.assert_close(m.tensor([1.0, 2.0]), m.tensor([1.0, 2.0 + 1e-7])),
    "elements": lambda m: m.testing.assert_close(m.tensor([1.0, 2.0]), m.tensor([1.0, 2.5])),
    "matrix": lambda m: m.testing.assert_close(
        m.tensor([[1.0, 2.0], [3.0, 4.0]]), m.tensor([[1.0, 2.0], [3.5, 5.0]]), rtol=0, atol=0
    ),
    "0-d": lambda m: m.testing.assert_close(m.tensor(1.0), m.tensor(2.0)),
    "floats": lambda m: m.testing.assert_close(1.0, 2.0),
    "integers": lambda m: m.testing.assert_close(1, 2),
    "booleans": lambda m: m.testing.assert_close(True, False),
    "integer tensors": lambda m: m.testing.assert_close(m.tensor([1, 2]), m.tensor([1, 3])),
    "bytes": lambda m: m.testing.assert_close(m.tensor([200, 2], dtype=m.uint8), m.tensor([1, 2], dtype=m.uint8)),
    "boolean tensors": lambda m: m.testing.assert_close(m.tensor([True, False]), m.tensor([True, True])),
    "complex": lambda m: m.testing.assert_close(m.tensor([1 + 1j]), m.tensor([1 + 2j])),
    "half": lambda m: m.testing.assert_close(
        m.tensor([1.0, 2.0], dtype=m.bfloat16), m.tensor([1.0, 2.5], dtype=m.bfloat16)
    ),
    "shape": lambda m: m.testing.assert_close(m.tensor([1, 2]), m.tensor([1, 3, 4])),
    "dtype": lambda m: m.testing.assert_close(m.tensor([1.0]), m.tensor([1.0]).double()),
    "dtype unchecked": lambda m: m.testing.assert_close(m.tensor([1.0]), m.tensor([1.0]).double(), check_dtype=False),
    "stride": lambda m: m.testing.assert_close(
        m.tensor([[1.0, 2.0], [3.0, 4.0]]).t(), m.tensor([[1.0, 3.0], [2.0, 4.0]]), check_stride=True
    ),
    "list": lambda m: m.testing.assert_close([m.tensor([1.0]), 3], [m.tensor([1.0]), 4]),
    "nested": lambda m: m.testing.assert_close({"a": [m.tensor([1.0])]}, {"a": [m.tensor([2.0])]}),
    "keys": lambda m: m.testing.assert_close({"a": 1, "b": 2}, {"a": 1, "c": 2}),
    "missing key": lambda m: m.testing.assert_close({"a": 1}, {"a": 1, "c": 2}),
    "lengths": lambda m: m.testing.assert_close([1.0], [1.0, 2.0]),
    "list and tuple": lambda m: m.testing.assert_close([1], (1,)),
    "text": lambda m: m.testing.assert_close("a", "a"),
    "none": lambda m: m.testing.assert_close(None, m.tensor(1.0)),
    "both none": lambda m: m.testing.assert_close(None, None),
    "nan": lambda m: m.testing.assert_close(m.tensor([float("nan")]), m.tensor([float("nan")])),
    "equal nan": lambda m: m.testing.assert_close(m.tensor([float("nan")]), m.tensor([float("nan")]), equal_nan=True),
    "infinite": lambda m: m.testing.assert_close(m.tensor([1.0]), m.tensor([float("inf")])),
    "zero": lambda m: m.testing.assert_close(m.tensor([1.0]), m.tensor([0.0])),
    "arrays": lambda m: m.testing.assert_close(np.array([1.0]), np.array([2.0])),
    "numpy number": lambda m: m.testing.assert_close(np.float32(1), 1.0),
    "int and float": lambda m: m.testing.assert_close(1, 1.0),
    "one tolerance": lambda m: m.testing.assert_close(1.0, 1.0, rtol=0.1),
    "message": lambda m: m.testing.assert_close(1.0, 2.0, msg="mine"),
    "message made": lambda m: m.testing.assert_close([1.0], [2.0], msg=lambda text: "mine: " + text),
    "no such interval": lambda m: m.testing.make_tensor((2,), dtype=m.float32, device="cpu", low=2, high=1),
    "out of range": lambda m: m.testing.make_tensor((2,), dtype=m.uint8, device="cpu", low=300, high=301),
    "integers need none": lambda m: m.testing.make_tensor((2,), dtype=m.int8, device="cpu", requires_grad=True),
}


def said(function, m):
    try:
        function(m)
    except Exception as error:
        return type(error).__name__, str(error)
    return None


@pytest.mark.parametrize("name", CASES)
def test_says_what_pytorch_says(torch, name):
    assert said(CASES[name], flambeau) == said(CASES[name], torch)


@pytest.mark.parametrize("dtype", "float32 float64 bfloat16 float16 int64 int8 uint8 bool complex64 complex128".split())
@pytest.mark.parametrize("how", [{}, {"noncontiguous": True}, {"exclude_zero": True}, {"low": 0, "high": 2}])
def test_makes_the_tensors_that_pytorch_makes(torch, dtype, how):
    made = []
    for m in (flambeau, torch):
        m.manual_seed(3)
        made.append(m.testing.make_tensor(3, 4, dtype=getattr(m, dtype), device="cpu", **how))
    assert str(made[0].dtype) == str(made[1].dtype)
    np.testing.assert_allclose(np.array(made[0].tolist()), np.array(made[1].tolist()), rtol=1e-6)
    assert made[0].is_contiguous() == made[1].is_contiguous()


def test_a_difference_is_named():
    with pytest.raises(AssertionError, match=r"Mismatched elements: 1 / 3 \(33.3%\)") as caught:
        flambeau.testing.assert_close(flambeau.tensor([1.0, 2.0, 3.0]), flambeau.tensor([1.0, 2.0, 7.0]))
    assert "Greatest absolute difference: 4.0 at index (2,) (up to 1e-05 allowed)" in str(caught.value)


def test_a_tensor_that_needs_a_gradient_can_be_compared():
    x = flambeau.ones(2, requires_grad=True)
    flambeau.testing.assert_close(x * 2, flambeau.full((2,), 2.0))


def test_exclude_zero_leaves_none():
    made = flambeau.testing.make_tensor((100,), dtype=flambeau.int8, device="cpu", low=0, high=2, exclude_zero=True)
    assert made.tolist() == [1] * 100
