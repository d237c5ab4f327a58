"""Tensors and other libraries: DLPack, NumPy's functions, storages, classes of tensors."""

import numpy as np
import pytest
from side_by_side import same, table

import flambeau


@pytest.mark.parametrize("kind", ["float32", "float64", "int64", "uint8", "bool", "complex64", "float16"])
def test_numpy_round_trip(kind):
    t = flambeau.tensor([[1, 0, 3], [4, 5, 6]]).to(getattr(flambeau, kind))
    array = np.from_dlpack(t)
    assert array.dtype.name == kind and array.tolist() == t.tolist()
    back = flambeau.from_dlpack(array)
    assert back.dtype is t.dtype and back.tolist() == t.tolist()
    assert flambeau.from_dlpack(array.T).tolist() == t.t().tolist()


def test_what_is_written_elsewhere_stays_there():
    t, array = flambeau.zeros(3), np.zeros(3)
    np.from_dlpack(t).fill(3)
    assert t.tolist() == [0.0] * 3
    taken = flambeau.from_dlpack(array)
    array[0] = 7
    assert taken.tolist() == [0.0] * 3
    given = flambeau.utils.dlpack.from_dlpack(flambeau.to_dlpack(t))
    given.add_(1)
    assert t.tolist() == [0.0] * 3


def test_jax_round_trip():
    jax = pytest.importorskip("jax")
    t = flambeau.tensor([[1.0, 2.0], [3.0, 4.0]])
    array = jax.dlpack.from_dlpack(t)
    assert array.tolist() == t.tolist() and flambeau.from_dlpack(array * 2).tolist() == (t * 2).tolist()


def test_torch_round_trip(torch):
    t = flambeau.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert torch.from_dlpack(t).tolist() == t.tolist()
    assert flambeau.from_dlpack(torch.arange(6).view(2, 3).t()).tolist() == [[0, 3], [1, 4], [2, 5]]


def test_dlpack_refuses_what_it_cannot():
    x = flambeau.ones(2, requires_grad=True)
    with pytest.raises(BufferError, match="Can't export tensors that require gradient, use tensor.detach()"):
        x.__dlpack__()
    with pytest.raises(BufferError, match="bfloat16"):
        flambeau.ones(2, dtype=flambeau.bfloat16).__dlpack__()
    with pytest.raises(BufferError, match="copies"):
        flambeau.from_dlpack(np.ones(1), copy=False)
    with pytest.raises(RuntimeError, match="invalid capsule"):
        flambeau.from_dlpack(3)
    assert tuple(x.__dlpack_device__()) == (1, 0)


@pytest.mark.parametrize(
    "function",
    table(
        lambda m: np.sin(m.tensor([1.0, 2.0])),
        lambda m: np.maximum(m.tensor([1.0, 3.0]), 2),
        lambda m: np.add(m.tensor([1.0, 3.0]), np.ones(2)),
        lambda m: np.isnan(m.tensor([1.0, float("nan")])),
        lambda m: np.asarray(m.tensor([1.0, 3.0])),
        lambda m: m.tensor([1.0, 3.0]) * np.float32(2),
        lambda m: m.FloatTensor([1, 2]),
        lambda m: m.FloatTensor(2, 3).shape,
        lambda m: m.LongTensor([1.5]),
        lambda m: m.BoolTensor([True]),
        lambda m: isinstance(m.ones(1), m.FloatTensor) and not isinstance(m.ones(1), m.LongTensor),
        lambda m: isinstance(m.ones(1), m.cuda.FloatTensor),
        lambda m: m.cuda.LongTensor([1]),
        lambda m: m.tensor([1]).type(m.FloatTensor),
        lambda m: m.ones(2, 3).untyped_storage().nbytes(),
        lambda m: m.ones(2, 3)[1].storage().size(),
        lambda m: m.tensor([1.0, 2.0]).storage().tolist(),
        lambda m: list(m.tensor([1.0]).untyped_storage()),
        lambda m: str(m.tensor([1.0, 2.0]).storage()),
        lambda m: m.FloatStorage([1, 2]).tolist(),
        lambda m: m.is_storage(m.ones(1).storage()),
        lambda m: m.empty(0).set_(m.ones(2, 2).storage()),
        lambda m: m.ones(2, 3).t().dim_order(),
        lambda m: m.ones(2, 3).is_set_to(m.ones(2, 3)),
        lambda m: m.ones(2).as_subclass(m.nn.Parameter).requires_grad,
        lambda m: type(m.Tensor._make_subclass(m.nn.Parameter, m.ones(2), True)).__name__,
        lambda m: m.finfo(m.bfloat16).eps,
        lambda m: str(m.iinfo(m.int8)),
        lambda m: m.finfo(m.int8),
    ),
)
@pytest.mark.filterwarnings("ignore")
def test_is_as_in_pytorch(torch, function):
    same(function, torch)


def test_views_share_their_storage():
    x = flambeau.arange(6.0)
    assert x[2:].untyped_storage() == x.untyped_storage() and x[2:].untyped_storage().data_ptr() == x.data_ptr()
    assert x.untyped_storage() != x.clone().untyped_storage()
    x.storage()[1] = 9.0
    assert x.tolist() == [0.0, 9.0, 2.0, 3.0, 4.0, 5.0]
    with pytest.raises(NotImplementedError, match="write to the tensor"):
        x.untyped_storage()[0] = 1
