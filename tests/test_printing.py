"""The text of tensors: fixed strings, and PyTorch's own repr over seeded random tables and Hypothesis strategies."""

import math
import random
import time
from collections.abc import Iterator

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hypothesis_numpy

from flambeau.printing import format_tensor, get_printoptions, needs_dtype_suffix, printoptions, set_printoptions

INTEGERS = ["uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
FLOATS = ["float16", "bfloat16", "float32", "float64"]
COMPLEX = ["complex64", "complex128"]
DTYPES = ["bool", *INTEGERS, *FLOATS, *COMPLEX]
# Values at the borders of the notations: whole or not, scientific or not, rounding up to one more digit.
BORDERS = [0.0, -0.0, 1.0, -1.0, 1e-4, 1.1e-4, 9.9e-5, 1e8, 100000008.0, 1000.0, 1001.0, 999.5, 9.99995, 99999.95, 0.5]
BORDERS += [2.5, 65504.0, 5e-324, 1e-45, 1e100, 1e-100, 9.99999e99, 1e308, math.inf, -math.inf, math.nan]


@pytest.fixture(autouse=True)
def default_options() -> Iterator[None]:
    """Every test starts from the default options and leaves them behind."""
    set_printoptions(profile="default")
    yield
    set_printoptions(profile="default")


def array(values: object, dtype: str) -> np.ndarray:
    """`values` as an array of the named dtype, bfloat16 included."""
    with np.errstate(all="ignore"):
        return np.asarray(values).astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)


def text(data: np.ndarray, dtype: str, suffixes: tuple[str, ...] = ()) -> str:
    """The text of `data`, its dtype shown by PyTorch's rule."""
    return format_tensor(
        data, dtype=dtype, suffixes=suffixes, show_dtype=needs_dtype_suffix(dtype, is_empty=data.size == 0)
    )


FIXED = [
    ([1.0, 2.0], "float32", (), "tensor([1., 2.])"),
    (3.14159, "float32", ("requires_grad=True",), "tensor(3.1416, requires_grad=True)"),
    ([0.5, -1.25, 100.0], "float32", (), "tensor([  0.5000,  -1.2500, 100.0000])"),
    ([1.5, math.nan, -math.inf], "float64", (), "tensor([1.5000,    nan,   -inf], dtype=torch.float64)"),
    ([1e-5, 1.0], "float32", (), "tensor([1.0000e-05, 1.0000e+00])"),
    ([-1.0, math.nan, 3e7], "float32", (), "tensor([-1.0000e+00,         nan,  3.0000e+07])"),
    ([-0.0, 0.0], "float32", (), "tensor([-0., 0.])"),
    ([True, False], "bool", (), "tensor([ True, False])"),
    ([[1, -20], [300, 4]], "int64", (), "tensor([[  1, -20],\n        [300,   4]])"),
    ([1, 2], "uint8", ("device='cuda:0'",), "tensor([1, 2], device='cuda:0', dtype=torch.uint8)"),
    ([0.1, 2.0], "bfloat16", (), "tensor([0.1001, 2.0000], dtype=torch.bfloat16)"),
    ([1 + 200.5j, -100 - 2j], "complex64", (), "tensor([   1.+200.5000j, -100.-2.0000j])"),
    ([complex(-0.0, -0.0), 1j], "complex64", (), "tensor([-0.-0.j, 0.+1.j])"),
    (np.zeros((0, 3)), "float32", (), "tensor([], size=(0, 3))"),
    (np.zeros((2, 0)), "int64", ("device='cuda:0'",), "tensor([], device='cuda:0', size=(2, 0), dtype=torch.int64)"),
    (np.arange(1200), "int64", (), "tensor([   0,    1,    2,  ..., 1197, 1198, 1199])"),
    (
        np.arange(8).reshape(2, 2, 2, 1),
        "int64",
        (),
        "tensor([[[[0],\n          [1]],\n\n         [[2],\n          [3]]],\n\n\n"
        + "        [[[4],\n          [5]],\n\n         [[6],\n          [7]]]])",
    ),
    (
        np.ones((40, 30)),
        "float32",
        ("grad_fn=<AddmmBackward0>",),
        "tensor([["
        + "\n        ".join(["1., 1., 1.,  ..., 1., 1., 1.],", *["[1., 1., 1.,  ..., 1., 1., 1.],"] * 2, "...,"])
        + "\n        [1., 1., 1.,  ..., 1., 1., 1.]," * 2
        + "\n        [1., 1., 1.,  ..., 1., 1., 1.]], grad_fn=<AddmmBackward0>)",
    ),
    (
        np.full(12, 0.25),
        "float32",
        ("requires_grad=True",),
        "tensor([" + ", ".join(["0.2500"] * 9) + ",\n        0.2500, 0.2500, 0.2500], requires_grad=True)",
    ),
    (
        np.full(8, 0.25),
        "float64",
        ("requires_grad=True",),
        "tensor([" + ", ".join(["0.2500"] * 8) + "],\n       dtype=torch.float64, requires_grad=True)",
    ),
]


@pytest.mark.parametrize(("values", "dtype", "suffixes", "expected"), FIXED)
def test_fixed_texts(values: object, dtype: str, suffixes: tuple[str, ...], expected: str) -> None:
    assert text(array(values, dtype), dtype, suffixes) == expected


def test_prefix_and_indent() -> None:
    data = np.arange(4).reshape(2, 2)
    assert format_tensor(data, dtype="int64", prefix="Mine(") == "Mine([[0, 1],\n      [2, 3]])"
    assert format_tensor(data, dtype="int64", prefix="x = tensor(", indent=2) == "x = tensor([[0, 1],\n   [2, 3]])"


def test_dtype_is_shown_unless_the_values_tell_it() -> None:
    shown = [dtype for dtype in DTYPES if needs_dtype_suffix(dtype, "float32", False)]
    assert set(DTYPES) - set(shown) == {"bool", "int64", "float32", "complex64"}
    shown = [dtype for dtype in DTYPES if needs_dtype_suffix(dtype, "float64", False)]
    assert set(DTYPES) - set(shown) == {"bool", "int64", "float64", "complex128"}
    assert [dtype for dtype in DTYPES if not needs_dtype_suffix(dtype, "float32", True)] == ["float32"]


def test_options_are_set_kept_and_restored() -> None:
    before = get_printoptions()
    assert before == {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80, "sci_mode": None}
    with pytest.raises(ZeroDivisionError), printoptions(precision=2, sci_mode=True):
        assert text(array([1.0], "float32"), "float32") == "tensor([1.00e+00])"
        1 / 0  # noqa: B018
    assert get_printoptions() == before
    set_printoptions(profile="full", edgeitems=1, sci_mode=False)
    assert get_printoptions() == {**before, "threshold": math.inf, "edgeitems": 1, "sci_mode": False}
    set_printoptions(precision=2)
    assert get_printoptions()["sci_mode"] is None
    get_printoptions()["precision"] = 9
    assert get_printoptions()["precision"] == 2


def test_only_the_edges_of_a_large_tensor_are_read() -> None:
    """A terabyte that is one element repeated: reading more than the edges could not end."""
    data = np.broadcast_to(np.float32(7), (500_000, 500_000))
    start = time.perf_counter()
    lines = text(data, "float32").split("\n")
    assert time.perf_counter() - start < 0.5
    assert lines[0] == "tensor([[7., 7., 7.,  ..., 7., 7., 7.],"
    assert len(lines) == 7


def test_a_small_matrix_is_quick() -> None:
    data = np.random.default_rng(0).standard_normal((10, 10)).astype(np.float32)
    text(data, "float32")
    times = []
    for _ in range(20):
        start = time.perf_counter()
        text(data, "float32")
        times.append(time.perf_counter() - start)
    assert min(times) < 1e-3


# What follows compares with PyTorch itself.


@pytest.fixture(scope="module")
def torch() -> object:
    return pytest.importorskip("torch")


def torch_tensor(torch, data: np.ndarray):
    """The PyTorch tensor of the same bits."""
    if data.dtype == ml_dtypes.bfloat16:
        bits = torch.tensor(data.reshape(-1).view(np.int16), dtype=torch.int16)
        return bits.view(torch.bfloat16).reshape(data.shape)
    return torch.from_numpy(np.array(data))


def assert_same(torch, data: np.ndarray, dtype: str, **options: object) -> None:
    """The text equals PyTorch's, under the same options."""
    set_printoptions(profile="default")
    try:
        torch.set_printoptions(profile="default")
        torch.set_printoptions(**options)
        set_printoptions(**options)
        assert text(data, dtype) == repr(torch_tensor(torch, data))
    finally:
        torch.set_printoptions(profile="default")
        set_printoptions(profile="default")


def random_shape(choice: random.Random) -> tuple[int, ...]:
    """Shapes without, with few and with many elements, some with dimensions of length zero."""
    kind = choice.randrange(5)
    if kind == 0:
        return tuple(choice.choice([0, 1, 2, 3]) for _ in range(choice.randint(0, 4)))
    if kind == 1:
        return tuple(choice.randint(1, 5) for _ in range(choice.randint(1, 5)))
    if kind == 2:
        return tuple(choice.randint(1, 40) for _ in range(choice.randint(1, 2)))
    if kind == 3:
        return (choice.randint(900, 1300),)
    return tuple(choice.choice([1, 2, 5, 6, 7, 8, 9, 11]) for _ in range(choice.randint(2, 4)))


def random_reals(generator: np.random.Generator, choice: random.Random, count: int) -> np.ndarray:
    """Real numbers of one of many characters: gaussian, whole, of wide range, borders of the notations, quarters."""
    kind = choice.randrange(6)
    if kind == 0:
        return generator.standard_normal(count) * 10.0 ** choice.randint(-10, 10)
    if kind == 1:
        return generator.integers(-choice.choice([1, 2000, 10**9]), choice.choice([2, 500, 10**9]), count).astype(float)
    if kind == 2:
        return generator.choice(generator.choice(BORDERS, choice.randint(1, len(BORDERS))), count)
    if kind == 3:
        exponent = choice.choice([1, 3, 5, 40, 300])
        return 10.0 ** generator.uniform(-exponent, exponent, count) * generator.choice([1, -1], count)
    if kind == 4:
        return generator.integers(-30, 30, count) * 0.25
    return generator.standard_normal(count)


def random_array(dtype: str, seed: int) -> np.ndarray:
    """A seeded array of any shape and character."""
    generator, choice = np.random.default_rng(seed), random.Random(seed)
    shape = random_shape(choice)
    count = math.prod(shape)
    if dtype == "bool":
        return (generator.random(count) < choice.choice([0, 0.5, 1])).reshape(shape)
    if dtype in INTEGERS:
        limits = np.iinfo(dtype)
        low, high = choice.choice([(limits.min, limits.max), (max(limits.min, -9), 9), (0, 100)])
        return generator.integers(low, high, count, dtype=dtype, endpoint=True).reshape(shape)
    values = random_reals(generator, choice, count)
    if dtype in COMPLEX:
        imaginary = random_reals(generator, choice, count)
        values = values.astype(complex)
        values.imag = imaginary
    return array(values, dtype).reshape(shape)


@pytest.mark.parametrize("dtype", DTYPES)
def test_random_tensors_print_as_in_pytorch(torch, dtype: str) -> None:
    for seed in range(50):
        assert_same(torch, random_array(dtype, seed), dtype)


@pytest.mark.parametrize("dtype", ["bool", "int64", *FLOATS, *COMPLEX])
def test_options_work_as_in_pytorch(torch, dtype: str) -> None:
    for seed in range(50):
        choice = random.Random(-seed)
        offered = {
            "precision": choice.choice([0, 1, 3, 7]),
            "threshold": choice.choice([0, 10, 100, math.inf]),
            "edgeitems": choice.choice([0, 1, 2, 5]),
            "linewidth": choice.choice([0, 20, 79, 81, 200]),
            "profile": choice.choice(["default", "short", "full"]),
            "sci_mode": choice.choice([True, False]),
        }
        options = {name: value for name, value in offered.items() if choice.random() < 0.5}
        assert_same(torch, random_array(dtype, seed + 1000), dtype, **options)


@pytest.mark.parametrize("dtype", FLOATS)
def test_each_border_of_a_notation(torch, dtype: str) -> None:
    for first in BORDERS:
        assert_same(torch, array(first, dtype), dtype)
        for second in BORDERS:
            assert_same(torch, array([first, second], dtype), dtype)


def test_suffixes_break_lines_as_in_pytorch(torch) -> None:
    """Every length of a last line, with a short and a very long name of a gradient function."""

    class Identity(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            return g

    long = type("VeryLongNameOfAFunction" * 5, (Identity,), {})
    for dtype in ("float32", "float64"):
        for length in range(1, 30):
            for shape in ((length,), (2, length)):
                data = array(np.full(shape, 0.25), dtype)
                leaf = torch_tensor(torch, data).requires_grad_()
                assert text(data, dtype, ("requires_grad=True",)) == repr(leaf)
                for out in (leaf.clone(), Identity.apply(leaf), long.apply(leaf)):
                    assert text(data, dtype, (f"grad_fn=<{type(out.grad_fn).__name__}>",)) == repr(out)


def test_suffixes_behind_a_broken_line_as_in_pytorch(torch) -> None:
    """A dtype that opens a line, and behind it a name of every length around the line's end."""

    class Identity(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

    data = array(np.full(9, 0.25), "float64")
    leaf = torch_tensor(torch, data).requires_grad_()
    for length in range(20, 50):
        out = type("F" * length, (Identity,), {}).apply(leaf)
        expected = repr(out)
        assert expected.count("\n") in (1, 2)
        assert text(data, "float64", (f"grad_fn=<{'F' * length}Backward>",)) == expected


def test_threshold_is_the_last_size_shown_whole_as_in_pytorch(torch) -> None:
    for shape in ((1000,), (1001,), (10, 100), (7, 143)):
        assert_same(torch, np.arange(math.prod(shape)).reshape(shape), "int64")


@pytest.mark.parametrize("default", ["float16", "bfloat16", "float32", "float64"])
def test_dtype_suffix_follows_the_default_as_in_pytorch(torch, default: str) -> None:
    torch.set_default_dtype(getattr(torch, default))
    try:
        for dtype in DTYPES:
            for shape in ((), (2,), (0,), (0, 3)):
                data = array(np.ones(shape), dtype)
                shown = needs_dtype_suffix(dtype, default, data.size == 0)
                assert format_tensor(data, dtype=dtype, show_dtype=shown) == repr(torch_tensor(torch, data))
    finally:
        torch.set_default_dtype(torch.float32)


def test_views_print_their_own_elements(torch) -> None:
    base = np.arange(60, dtype=np.float32).reshape(3, 4, 5) / 8
    for view in (base[::-1], base.transpose(2, 0, 1), base[:, ::2, 1:4], base[1, :, 2]):
        assert text(view, "float32") == repr(torch_tensor(torch, view))


def same_as_torch(data: np.ndarray, dtype: str, **options: object) -> None:
    assert_same(pytest.importorskip("torch"), data, dtype, **options)


SHAPES = hypothesis_numpy.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=8)
INTEGER_ARRAYS = st.sampled_from(["bool", *INTEGERS]).flatmap(lambda name: hypothesis_numpy.arrays(name, SHAPES))
FLOAT_ARRAYS = st.sampled_from(["float16", "float32", "float64", *COMPLEX]).flatmap(
    lambda name: hypothesis_numpy.arrays(name, SHAPES)
)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "precision": st.integers(0, 12),
        "threshold": st.integers(0, 2000),
        "edgeitems": st.integers(0, 6),
        "linewidth": st.integers(0, 200),
        "profile": st.sampled_from(["default", "short", "full"]),
        "sci_mode": st.booleans(),
    },
)


@settings(max_examples=100, deadline=None)
@given(INTEGER_ARRAYS, OPTIONS)
def test_any_integers(data: np.ndarray, options: dict) -> None:
    same_as_torch(data, data.dtype.name, **options)


@settings(max_examples=150, deadline=None)
@given(FLOAT_ARRAYS, OPTIONS)
def test_any_floats(data: np.ndarray, options: dict) -> None:
    same_as_torch(data, data.dtype.name, **options)


@settings(max_examples=60, deadline=None)
@given(hypothesis_numpy.arrays("int16", SHAPES), OPTIONS)
def test_any_bits_of_bfloat16(bits: np.ndarray, options: dict) -> None:
    same_as_torch(bits.view(ml_dtypes.bfloat16), "bfloat16", **options)
