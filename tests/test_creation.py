"""Tensors from values: lists, numbers, arrays, other tensors, sizes; each against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
from side_by_side import same, table

import flambeau

CREATED = table(
    lambda m: m.tensor([1, 2]),
    lambda m: m.tensor([1.5, 2]),
    lambda m: m.tensor([[1, 2], [3.0, True]]),
    lambda m: m.tensor([True, False]),
    lambda m: m.tensor([1, 2j]),
    lambda m: m.tensor([]),
    lambda m: m.tensor([[], []]),
    lambda m: m.tensor(()),
    lambda m: m.tensor(3),
    lambda m: m.tensor(3.5),
    lambda m: m.tensor(True),
    lambda m: m.tensor(2**40),
    lambda m: m.tensor([2**63 - 1, -(2**63)]),
    lambda m: m.tensor(2**63),
    lambda m: m.tensor([2**70]),
    lambda m: m.tensor([1, 2], dtype=m.float32),
    lambda m: m.tensor([1.7, -1.7], dtype=m.int32),
    lambda m: m.tensor([300], dtype=m.int16),
    lambda m: m.tensor(0.1, dtype=m.float64),
    lambda m: m.tensor([0.1], dtype=m.bfloat16),
    lambda m: m.tensor([1.0], requires_grad=True),
    lambda m: m.tensor([1], requires_grad=True),
    lambda m: m.tensor([np.float64(1.5), np.float64(2.5)]),
    lambda m: m.tensor([np.int32(1), 2]),
    lambda m: m.tensor([m.tensor(1), m.tensor(2)]),
    lambda m: m.tensor([m.tensor(1.5), 2]),
    lambda m: m.tensor([m.tensor([1, 2]), m.tensor([3, 4])]),
    lambda m: m.tensor([m.tensor([1.0, 2.0]), m.tensor([3.0, 4.0])]),
    lambda m: m.tensor([m.tensor([1.0]), m.tensor([2.0])]),
    lambda m: m.tensor([m.tensor(1.5, dtype=m.float64), 2]),
    lambda m: m.tensor([np.float32(1), 2.0]),
    lambda m: m.tensor([1.5, [2]]),
    lambda m: m.tensor([[1], [[2]]]),
    lambda m: m.tensor(300, dtype=m.uint8),
    lambda m: m.tensor(300, dtype=m.int8),
    lambda m: m.tensor(-1, dtype=m.uint8),
    lambda m: m.tensor([np.array([1, 2]), np.array([3, 4])]),
    lambda m: m.tensor([(1, 2), [3, 4]]),
    lambda m: m.tensor(range(4)),
    lambda m: m.tensor(np.arange(3)),
    lambda m: m.tensor(np.float32(3)),
    lambda m: m.tensor(np.array(3, dtype=np.int8)),
    lambda m: m.tensor(np.arange(6, dtype=np.float64).reshape(2, 3).T),
    lambda m: m.tensor(np.arange(6)[::-1].copy()),
    lambda m: m.tensor(np.arange(6)[::2]),
    lambda m: m.tensor(np.array(["a"])),
    lambda m: m.tensor(np.array([object()])),
    lambda m: m.tensor(np.array([1, 2], dtype=np.uint16)).to(m.int64),
    lambda m: m.tensor(np.zeros((0, 3))),
    lambda m: m.tensor(m.tensor([1.0, 2.0])),
    lambda m: m.tensor("abc"),
    lambda m: m.tensor(["a", "b"]),
    lambda m: m.tensor(None),
    lambda m: m.tensor([None]),
    lambda m: m.tensor({1: 2}),
    lambda m: m.tensor({1, 2}),
    lambda m: m.tensor([[1, 2], [3]]),
    lambda m: m.tensor([[1, 2], 3]),
    lambda m: m.tensor([1, [2, 3]]),
    lambda m: m.tensor([[1], [2], [3, 4]]),
    lambda m: m.tensor([1, "a"]),
    lambda m: m.tensor([1], dtype="float32"),
    lambda m: m.tensor([1], device="nowhere"),
    lambda m: m.tensor([1], color=1),
    lambda m: m.as_tensor([1, 2]),
    lambda m: m.as_tensor(np.arange(3.0), dtype=m.float32),
    lambda m: m.as_tensor(3.5),
    lambda m: m.asarray([1, 2.5]),
    lambda m: m.from_numpy(np.arange(3.0)),
    lambda m: m.from_numpy([1]),
    lambda m: m.frombuffer(bytearray(range(8)), dtype=m.int16),
    lambda m: m.Tensor([1, 2]),
    lambda m: m.Tensor([[1.5], [2]]),
    lambda m: m.Tensor(2, 3).shape,
    lambda m: m.Tensor(),
    lambda m: m.Tensor(m.Size([2, 1])).shape,
    lambda m: m.Tensor(np.arange(3, dtype=np.float32)),
    lambda m: m.Tensor(m.ones(2)),
    lambda m: m.Tensor(3.5),
    lambda m: m.Tensor("a"),
    lambda m: m.Tensor((1, 2)),
    lambda m: m.FloatTensor([1, 2]),
    lambda m: m.FloatTensor(2, 3).shape,
    lambda m: m.FloatTensor(),
    lambda m: m.LongTensor([1, 2]),
    lambda m: m.LongTensor([[1], [2]]),
    lambda m: m.LongTensor(np.array([1, 2])),
    lambda m: m.DoubleTensor([0.1]),
    lambda m: m.IntTensor([1]),
    lambda m: m.ByteTensor([1, 0]),
    lambda m: m.BoolTensor([True, False]),
    lambda m: m.HalfTensor([1.5]),
    lambda m: m.ShortTensor([1]),
    lambda m: m.CharTensor([1]),
    lambda m: m.BFloat16Tensor([1.5]),
    lambda m: [
        isinstance(m.ones(1), m.FloatTensor),
        isinstance(m.ones(1), m.LongTensor),
        isinstance(m.tensor(1), m.LongTensor),
        isinstance(1, m.FloatTensor),
    ],
    lambda m: [
        isinstance(m.ones(1), m.Tensor),
        isinstance(m.nn.Parameter(m.ones(1)), m.Tensor),
        isinstance(m.nn.Parameter(m.ones(1)), m.FloatTensor),
    ],
    lambda m: [
        m.ones(2).type(),
        m.tensor([1]).type(),
        m.tensor(True).type(),
        m.ones(2).type(m.LongTensor),
        m.ones(2).type("torch.DoubleTensor"),
    ],
    lambda m: [m.ones(2).type(m.float16), m.tensor([1]).type(m.FloatTensor).type()],
    lambda m: m.ones(2).type("torch.StrangeTensor"),
    lambda m: m.zeros(2, 3),
    lambda m: m.zeros((2, 3), dtype=m.int64),
    lambda m: m.zeros([2]),
    lambda m: m.zeros(()),
    lambda m: m.zeros(size=(2,)),
    lambda m: m.zeros(m.Size([2])),
    lambda m: m.zeros(2.5),
    lambda m: m.zeros(-1),
    lambda m: m.zeros("a"),
    lambda m: m.ones(2, requires_grad=True),
    lambda m: m.ones(m.tensor(2)),
    lambda m: m.ones(2, dtype=m.bool),
    lambda m: m.full((2,), 3),
    lambda m: m.full((2,), 3.5),
    lambda m: m.full((2,), True),
    lambda m: m.full((2,), 2j),
    lambda m: m.full((2,), 3, dtype=m.float64),
    lambda m: m.full(2, 3),
    lambda m: m.full((), 3.0),
    lambda m: m.full((2,), m.tensor(5)),
    lambda m: m.full_like(m.ones(2), 3),
    lambda m: m.zeros_like(m.ones(2, dtype=m.int8)),
    lambda m: m.ones_like(m.ones(2), dtype=m.int64),
    lambda m: m.ones_like([1]),
    lambda m: m.empty(2, 0),
    lambda m: m.empty_like(m.ones(2)).shape,
    lambda m: m.arange(5),
    lambda m: m.arange(1, 5),
    lambda m: m.arange(1, 5, 2),
    lambda m: m.arange(5.0),
    lambda m: m.arange(0, 1, 0.25),
    lambda m: m.arange(5, 0, -1),
    lambda m: m.arange(5, 0),
    lambda m: m.arange(0, 5, 0),
    lambda m: m.arange(3, dtype=m.float16),
    lambda m: m.arange(start=1, end=4),
    lambda m: m.range(0, 3),
    lambda m: m.linspace(0, 1, 5),
    lambda m: m.linspace(0, 1, steps=1),
    lambda m: m.linspace(0, 10, 5, dtype=m.int64),
    lambda m: m.logspace(0, 2, 3),
    lambda m: m.eye(3),
    lambda m: m.eye(2, 3, dtype=m.int64),
    lambda m: m.eye(-1),
    lambda m: m.ones(2).new_zeros(3),
    lambda m: m.ones(2, dtype=m.int8).new_ones((2, 2)),
    lambda m: m.ones(2).new_full((2,), 7),
    lambda m: m.ones(2).new_tensor([1, 2]),
    lambda m: m.ones(2, dtype=m.float64).new_tensor([1, 2]),
    lambda m: m.tensor([1]).new([1, 2]),
    lambda m: m.ones(2).new_empty(2, 3).shape,
    lambda m: m.scalar_tensor(3),
    lambda m: m.tril_indices(3, 3),
    lambda m: [m.pi, m.e, m.inf, m.newaxis, m.isnan(m.tensor(m.nan)).item()],
    lambda m: m.complex(m.ones(2), m.zeros(2)),
    lambda m: m.hann_window(5),
    lambda m: [
        m.hamming_window(4),
        m.blackman_window(4),
        m.bartlett_window(4),
        m.kaiser_window(4),
        m.hann_window(4, periodic=False),
    ],
)


@pytest.mark.parametrize("function", CREATED)
def test_creation(torch, both, function):
    same(function, torch)


@pytest.mark.parametrize("kind", ["bool", "u1", "i1", "i2", "i4", "i8", "f2", "f4", "f8", "c8", "c16"])
@pytest.mark.parametrize(
    "layout", ["plain", "transposed", "strided", "backwards", "other order of bytes", "read-only", "0-d", "empty"]
)
def test_from_arrays(kind, layout):
    array = np.arange(12).reshape(3, 4).astype(kind)
    array = {
        "plain": array,
        "transposed": array.T,
        "strided": array[::2, 1::2],
        "backwards": array[::-1],
        "other order of bytes": array.astype(np.dtype(kind).newbyteorder()),
        "read-only": array.copy(),
        "0-d": array[1, 1:2].reshape(()),
        "empty": array[:0],
    }[layout]
    if layout == "read-only":
        array.flags.writeable = False
    for make in (flambeau.tensor, flambeau.from_numpy, flambeau.as_tensor):
        found = make(array)
        assert found.dtype.numpy == np.dtype(kind) and tuple(found.shape) == array.shape
        np.testing.assert_array_equal(found.numpy(), array)
        if array.size and layout != "read-only":
            before = array.copy()
            array[...] = 0
            np.testing.assert_array_equal(found.numpy(), before)  # a copy: later writes to the array do not show
            array[...] = before


def test_from_pandas():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1.5, 2.5], "b": [3, 4]})
    assert flambeau.tensor(frame.values).tolist() == [[1.5, 3], [2.5, 4]]
    assert flambeau.tensor(frame["b"].values).dtype is flambeau.int64
    assert flambeau.tensor(frame["b"]).tolist() == [3, 4]
    assert flambeau.tensor(frame.to_numpy(), dtype=flambeau.float32).dtype is flambeau.float32
    assert flambeau.tensor(frame["a"][1:], dtype=flambeau.float32).tolist() == [2.5]  # its index begins at 1
    assert flambeau.tensor(frame["b"] > 3).tolist() == [False, True]
    assert flambeau.tensor(frame["b"].tolist()).tolist() == [3, 4]


@pytest.mark.parametrize("start, end, steps", [(-1, 1, 14), (0, 1, 100), (-3, 3, 50), (0.1, 7.7, 501), (3, -2, 7)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_linspace_to_the_last_bit(start, end, steps, dtype):
    torch = pytest.importorskip("torch")
    found = flambeau.linspace(start, end, steps, dtype=getattr(flambeau, dtype)).tolist()
    assert found == torch.linspace(start, end, steps, dtype=getattr(torch, dtype)).tolist()
