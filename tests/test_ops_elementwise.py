"""Elementwise operations: special values, dtypes that are refused, promotion, gradients of complex numbers."""
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flambeau as fl

INF, NAN = math.inf, math.nan


@pytest.mark.parametrize("function, given_, expected", [
    (lambda x: x.sign(), [-INF, -0.0, NAN, 2.0], [-1, 0, 0, 1]),
    (lambda x: x ** 0.5, [4.0, 0.0, -1.0, INF], [2, 0, NAN, INF]),
    (lambda x: x ** 0, [0.0, NAN, INF, -1.0], [1, 1, 1, 1]),
    (lambda x: x // 0.0, [1.0, -1.0, 0.0, NAN], [INF, -INF, NAN, NAN]),
    (lambda x: x % 3.0, [-1.0, 4.0, INF, -0.5], [2, 1, NAN, 2.5]),
    (lambda x: fl.fmod(x, 3.0), [-1.0, 4.0, INF, -0.5], [-1, 1, NAN, -0.5]),
    (lambda x: fl.maximum(x, fl.tensor([0.0])), [NAN, -1.0, 2.0, INF], [NAN, 0, 2, INF]),
    (lambda x: fl.fmax(x, fl.tensor([0.0])), [NAN, -1.0, 2.0, INF], [0, 0, 2, INF]),
    (lambda x: x.clamp(2.0, 1.0), [NAN, 0.0, 1.5, 9.0], [NAN, 1, 1, 1]),
    (lambda x: fl.xlogy(fl.zeros(4), x), [0.0, -1.0, NAN, INF], [0, 0, NAN, 0]),
    (lambda x: x.nan_to_num(1.0, 2.0), [NAN, INF, -INF, 5.0], [1, 2, -3.4028234663852886e38, 5]),
    (lambda x: fl.round(x), [0.5, 1.5, -2.5, 2.4], [0, 2, -2, 2]),
    (lambda x: fl.round(x, decimals=-1), [15.0, 25.0, -14.0, 6.0], [20, 20, -10, 10]),
    (lambda x: fl.logaddexp(x, x), [-INF, 0.0, 1000.0, INF], [-INF, math.log(2), 1000 + math.log(2), INF]),
    (lambda x: fl.sinc(x), [0.0, 1.0, 0.5, -0.5], [1, 0, 2 / math.pi, 2 / math.pi]),
    (lambda x: fl.lgamma(x), [-INF, 0.0, 1.0, 5.0], [INF, INF, 0, math.log(24)]),
])
def test_special_values(function, given_, expected):
    np.testing.assert_allclose(function(fl.tensor(given_)).numpy(), np.array(expected, "float32"), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("function, error, text", [
    (lambda: fl.tensor([1, 2]) // 0, RuntimeError, "ZeroDivisionError"),
    (lambda: fl.tensor([1, 2]) % fl.tensor([1, 0]), RuntimeError, "ZeroDivisionError"),
    (lambda: fl.tensor([1, 2]) ** -1, RuntimeError, "Integers to negative integer powers are not allowed."),
    (lambda: fl.tensor([True]) - fl.tensor([True]), RuntimeError, "with two bool tensors is not supported"),
    (lambda: fl.tensor([1]) - fl.tensor([True]), RuntimeError, "with a bool tensor is not supported"),
    (lambda: -fl.tensor([True]), RuntimeError, "Negation, the `-` operator, on a bool tensor"),
    (lambda: fl.tensor([1.0]) & 1, NotImplementedError, "\"bitwise_and_cpu\" not implemented for 'Float'"),
    (lambda: fl.bitwise_not(fl.tensor([1.0])), NotImplementedError, "\"bitwise_not_cpu\" not implemented for 'Float'"),
    (lambda: fl.tensor([1j]) < 1, NotImplementedError, "\"lt_cpu\" not implemented for 'ComplexFloat'"),
    (lambda: fl.maximum(fl.tensor([1.0]), 2), TypeError, "argument 'other' (position 2) must be Tensor, not int"),
    (lambda: fl.add(fl.tensor([1]), 1, alpha=0.5), RuntimeError, "For integral input tensors, argument alpha"),
    (lambda: fl.where(fl.tensor([1.0]), 1, 2), RuntimeError, "where expected condition to be a boolean tensor"),
    (lambda: fl.div(fl.tensor([1]), 1, rounding_mode="up"), RuntimeError, "None, 'trunc', or 'floor' but found 'up'"),
    (lambda: fl.pow(2, 3), TypeError, "pow() received an invalid combination of arguments - got (int, int)"),
])
def test_errors(function, error, text):
    with pytest.raises(error) as caught:
        function().tolist()
    assert text in str(caught.value)


def test_integer_division_rounds_as_asked():
    a, b = fl.tensor([7, -7, 7, -7]), fl.tensor([2, 2, -2, -2])
    assert fl.div(a, b, rounding_mode="trunc").tolist() == [3, -3, -3, 3]
    assert fl.div(a, b, rounding_mode="floor").tolist() == [3, -4, -4, 3]
    assert (a % b).tolist() == [1, 1, -1, -1] and fl.fmod(a, b).tolist() == [1, -1, 1, -1]
    assert (fl.tensor([2, -1, 1, 0]) ** fl.tensor([-1, -3, -2, 0])).tolist() == [0, -1, 1, 1]


@given(st.integers(-128, 127), st.integers(-20, 20))
@settings(max_examples=60, deadline=None)
def test_shifts_of_any_size(value, by):
    x = fl.tensor([value], dtype=fl.int8)
    out = not 0 <= by < 8
    left = 0 if out else (value << by) & 255
    assert (x << by).item() == (left - 256 if left > 127 else left)
    assert (x >> by).item() == (-(value < 0) if out else value >> by)


@given(st.floats(-1, 1), st.integers(0, 12))
@settings(max_examples=60, deadline=None)
def test_chebyshev_polynomials_are_cosines(x, n):
    angle = math.acos(x)
    point = fl.tensor([x], dtype=fl.float64)
    found = [getattr(fl.special, f"chebyshev_polynomial_{kind}")(point, n).item() for kind in "tuvw"]
    scale = [1, math.sin(angle), math.cos(angle / 2), math.sin(angle / 2)]
    half = (n + 0.5) * angle
    wanted = [math.cos(n * angle), math.sin((n + 1) * angle), math.cos(half), math.sin(half)]
    for value, factor, expected in zip(found, scale, wanted, strict=True):
        assert value * factor == pytest.approx(expected, abs=1e-7)


def test_writing_to_a_real_part():
    z = fl.tensor([1 + 2j, 3 - 4j])
    z.real.mul_(10)
    fl.view_as_real(z)[:, 1] += 1
    assert z.tolist() == [10 + 3j, 30 - 3j]


DTYPES = ("bool", "uint8", "int8", "int32", "int64", "float16", "bfloat16", "float32", "float64", "complex64")


@pytest.mark.parametrize("name", ["add", "mul", "div", "pow", "eq", "atan2", "clamp_min"])
def test_result_types_are_those_of_pytorch(name):
    torch = pytest.importorskip("torch")

    def outcome(module, left, right):
        made = [module.ones(v[1], dtype=getattr(module, v[0])) if isinstance(v, tuple) else v for v in (left, right)]
        try:
            return str(getattr(module, name)(*made).dtype)
        except (RuntimeError, NotImplementedError, TypeError) as error:
            return type(error).__name__
    rights = [(d, shape) for d in DTYPES for shape in ((2,), ())] + [2, 2.5]
    for left, right in itertools.product(DTYPES, rights):
        if left == "float16" and right == ("complex64", ()):
            continue                                    # complex numbers of 16 bits a part are missing
        assert outcome(fl, (left, (2,)), right) == outcome(torch, (left, (2,)), right), (left, right)


@pytest.mark.parametrize("name", ["abs", "sgn", "angle", "exp", "log", "sqrt", "rsqrt", "reciprocal", "sin", "tanh",
                                  "acosh", "atan", "log1p", "sinc", "square"])
def test_gradients_of_complex_numbers_to_second_order(name):
    torch = pytest.importorskip("torch")

    def gradients(module):
        z = module.tensor([0.5 + 0.4j, -0.3 + 0.7j], dtype=module.complex128, requires_grad=True)
        out = getattr(module, name)(z)
        out = (module.view_as_real(out) if out.is_complex() else out) * module.tensor([0.3, -1.2], dtype=module.float64)
        first, = module.autograd.grad(out.sum(), z, create_graph=True)
        second, = module.autograd.grad((module.view_as_real(first) ** 2).sum(), z)
        return first.detach().resolve_conj().numpy(), second.resolve_conj().numpy()
    for mine, theirs in zip(gradients(fl), gradients(torch), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-8, atol=1e-12)
