"""`x[key]` read, written and differentiated, against NumPy and PyTorch."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flambeau
from flambeau.engine import engine

torch = pytest.importorskip("torch")


@st.composite
def keys(draw, shape):
    """A key for a tensor of that shape, as a function of the module whose tensors it is made of."""
    parts, at, masked = [], 0, False
    common = draw(st.sampled_from([(3,), (2, 1), (1,), (0,), ()]))
    stop = draw(st.integers(0, len(shape)))
    while at < stop:
        size = shape[at]
        sort = draw(st.sampled_from(["int", "slice", "none", "tensor", "mask", "bool", "list"]))
        if sort == "none":
            parts.append(lambda m: None)
            continue
        if sort == "bool":
            if masked:
                continue
            masked = True
            value = draw(st.booleans())
            parts.append(lambda m, value=value: value)
            continue
        if sort == "int" and size:
            value = draw(st.integers(-size, size - 1))
            parts.append(lambda m, value=value: value)
        elif sort in ("tensor", "list") and size:
            values = draw(
                st.lists(st.integers(-size, size - 1), min_size=int(np.prod(common)), max_size=int(np.prod(common)))
            )
            array = np.array(values, dtype=np.int64).reshape(common)
            as_list = sort == "list" and len(common) == 1
            parts.append(lambda m, array=array, as_list=as_list: array.tolist() if as_list else m.tensor(array))
        elif sort == "mask" and not masked:
            masked = True
            wide = draw(st.integers(1, len(shape) - at))
            mask = np.array(
                draw(
                    st.lists(
                        st.booleans(),
                        min_size=int(np.prod(shape[at : at + wide])),
                        max_size=int(np.prod(shape[at : at + wide])),
                    )
                ),
                dtype=bool,
            ).reshape(shape[at : at + wide])
            parts.append(lambda m, mask=mask: m.tensor(mask))
            at += wide - 1
        else:
            bounds = st.one_of(st.none(), st.integers(-size - 1, size + 1))
            value = slice(draw(bounds), draw(bounds), draw(st.one_of(st.none(), st.integers(1, 3))))
            parts.append(lambda m, value=value: value)
        at += 1
    if at < len(shape) and draw(st.booleans()):
        place = draw(st.integers(0, len(parts)))
        if place == len(parts):
            parts.append(lambda m: Ellipsis)
    return lambda m: tuple(part(m) for part in parts)


shapes = st.lists(st.integers(0, 4), min_size=1, max_size=4).map(tuple)


@st.composite
def cases(draw):
    shape = draw(shapes)
    return shape, draw(keys(shape))


def attempt(f):
    """The result of `f`, or the class of its error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return f()
        except (IndexError, RuntimeError, ValueError, TypeError) as error:
            return type(error)


def read(m, shape, key, pending):
    x = m.tensor(np.arange(np.prod(shape), dtype=np.float64).reshape(shape), requires_grad=True)
    source = x * 2 if pending else x
    y = source[key(m)]
    result = y.detach().numpy()
    weights = np.arange(1, result.size + 1, dtype=np.float64).reshape(result.shape)
    (y * y * m.tensor(weights)).sum().backward()
    return result, x.grad.numpy()


@settings(max_examples=300, deadline=None)
@given(cases(), st.booleans())
def test_reading_and_its_gradient(case, pending):
    shape, key = case
    expected, found = (attempt(lambda m=m: read(m, shape, key, pending)) for m in (torch, flambeau))
    if isinstance(expected, type):
        assert found is expected
        return
    assert found[0].shape == expected[0].shape
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_allclose(found[1], expected[1])


def written(m, shape, key, width, how, pending):
    x = m.tensor(np.arange(np.prod(shape), dtype=np.float64).reshape(shape), requires_grad=True)
    y = x * 3
    if not pending:
        y.tolist()
    if how == "number":
        v = m.tensor(0.0, requires_grad=True)
        y[key(m)] = 7.5
    elif how == "add":
        v = m.tensor(0.0, requires_grad=True)
        y[key(m)] += 2
    else:
        size = tuple(y[key(m)].shape)
        size = size[max(0, len(size) - width) :]
        v = m.tensor(np.arange(np.prod(size), dtype=np.float64).reshape(size) * 0 + 5, requires_grad=True)
        y[key(m)] = v
    (y * y).sum().backward()
    return y.detach().numpy(), x.grad.numpy(), 0 if v.grad is None else v.grad.sum().item()


@settings(max_examples=300, deadline=None)
@given(cases(), st.integers(0, 4), st.sampled_from(["number", "tensor", "add"]), st.booleans())
def test_writing_and_its_gradient(case, width, how, pending):
    shape, key = case
    expected, found = (attempt(lambda m=m: written(m, shape, key, width, how, pending)) for m in (torch, flambeau))
    if isinstance(expected, type):
        assert found is expected
        return
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_allclose(found[1], expected[1])
    np.testing.assert_allclose(found[2], expected[2])


ERRORS = {
    "int out of range": lambda m, x: x[0, 5],
    "negative int out of range": lambda m, x: x[-3],
    "too many": lambda m, x: x[0, 0, 0, 0],
    "negative step": lambda m, x: x[::-1],
    "float tensor": lambda m, x: x[m.tensor([1.0])],
    "short tensor": lambda m, x: x[m.tensor([1], dtype=m.int16)],
    "float": lambda m, x: x[0, 1.0],
    "dict": lambda m, x: x[{}],
    "mask": lambda m, x: x[m.tensor([True, False, True])],
    "second mask": lambda m, x: x[:, m.tensor([True, False])],
    "matrix mask": lambda m, x: x[m.tensor([[True, False]])],
    "shapes": lambda m, x: x[m.tensor([0, 1]), m.tensor([0, 1, 2])],
    "value of an index": lambda m, x: x[:, m.tensor([0, 7])].tolist(),
    "negative value of an index": lambda m, x: x[m.tensor([-7])].tolist(),
    "0-d by int": lambda m, x: m.tensor(1.0)[0],
    "0-d by slice": lambda m, x: m.tensor(1.0)[:],
    "0-d by two": lambda m, x: m.tensor(1.0)[0, 0],
    "numpy bool": lambda m, x: x[np.bool_(True)],
    "value too long": lambda m, x: x.__setitem__(0, m.zeros(5)),
    "value with too many dimensions": lambda m, x: x.__setitem__(0, m.zeros(2, 3, 4)),
    "values do not fit": lambda m, x: x.__setitem__(m.tensor([0, 1]), m.zeros(3)),
    "masked values do not fit": lambda m, x: x.__setitem__(m.ones(2, 3, 4, dtype=m.bool), m.zeros(3)),
    "values of another dtype": lambda m, x: x.__setitem__(m.tensor([0]), m.zeros(4, dtype=m.float64)),
    "text": lambda m, x: x.__setitem__(0, "a"),
    "list": lambda m, x: x.__setitem__(0, [1, 2, 3, 4]),
    "complex number": lambda m, x: x.__setitem__(0, 1j),
    "leaf": lambda m, x: m.zeros(2, requires_grad=True).__setitem__(0, 1),
    "view of a leaf": lambda m, x: m.zeros(2, 2, requires_grad=True)[0].__setitem__(0, 1),
}


@pytest.mark.parametrize("what", ERRORS)
def test_errors_read_as_pytorch_s(what):
    def message(m):
        try:
            ERRORS[what](m, m.zeros(2, 3, 4))
        except Exception as error:
            return type(error).__name__, str(error).split("\n")[0]
        raise AssertionError(f"{what}: no error")

    assert message(flambeau) == message(torch)


def test_a_list_of_sequences_counts_as_a_tuple():
    x = flambeau.arange(6).reshape(2, 3)
    with pytest.warns(UserWarning, match="non-tuple sequence"):
        assert x[[[0, 1], [2, 0]]].tolist() == [2, 3]


def test_one_value_under_a_mask_needs_no_values_of_the_mask(monkeypatch):
    monkeypatch.setattr(engine, "bound", float("inf"))
    x = flambeau.arange(4.0)
    mask = x * 2 > 3
    x[mask] = 0
    assert mask._node.value is None
    assert x.tolist() == [0, 1, 0, 0]


def test_a_pending_0d_index_is_a_view():
    x = flambeau.zeros(3, 2)
    x[flambeau.tensor([1, 2]).sum() - 1] += 1
    x[flambeau.tensor(1) - 1].add_(5)
    assert x.tolist() == [[5, 5], [0, 0], [1, 1]]


def test_the_gradient_of_a_repeated_position_adds_up_twice_over():
    x = flambeau.tensor([1.0, 2.0, 3.0], requires_grad=True)
    (g,) = flambeau.autograd.grad((x[[0, 0, 2]] ** 3).sum(), x, create_graph=True)
    g.sum().backward()
    assert g.tolist() == [6, 0, 27]
    assert x.grad.tolist() == [12, 0, 18]


def test_known_data_is_indexed_at_once():
    x = flambeau.arange(12.0).reshape(4, 3)
    x.tolist()
    order = flambeau.tensor([3, 0])
    for found in (x[1], x[1:3], x[order], x[:, 0]):
        assert found._node.value is not None
    assert x[order].tolist() == [[9, 10, 11], [0, 1, 2]]


def test_filling_in_a_loop_writes_in_place_and_only_its_own():
    x = flambeau.zeros(4)
    x[0] = 1
    array, kept, double = x._node.value, x.clone(), x * 2
    x[1] = 2
    assert x._node.value is not array, "pending work still reads the old value"
    array = x._node.value
    shared = x.detach()
    x[2] = 3
    assert shared.tolist() == [1, 2, 3, 0]
    del shared
    x[3] = flambeau.tensor(4)
    assert kept.tolist() == [1, 0, 0, 0]
    assert double.tolist() == [2, 0, 0, 0]
    assert x.tolist() == [1, 2, 3, 4]
    y = flambeau.zeros(1000)
    y[0] = 1
    place = y._node.value
    del array
    place = id(place)
    for i in range(1000):
        y[i] = i
    assert id(y._node.value) == place
    assert y.sum().item() == 499500


def test_an_array_that_became_a_tensor_stays_as_it_was():
    array = np.zeros(3, np.float32)
    for make in (flambeau.tensor, flambeau.from_numpy, flambeau.as_tensor):
        x = make(array)
        x[0] = 1
        shown = x.numpy()
        x[1] = 1
        assert shown.tolist() == [1, 0, 0]
    assert array.tolist() == [0, 0, 0]
