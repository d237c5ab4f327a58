"""Views share memory: what is written to one shows in all, as in PyTorch."""

import ctypes

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flambeau

torch = pytest.importorskip("torch")


@st.composite
def views(draw, shape, taped):
    """A chain of views from a tensor of that shape, each step a function of a tensor."""
    steps, current = [], torch.zeros(shape)
    for _ in range(draw(st.integers(1, 4))):
        n = current.ndim
        sort = draw(
            st.sampled_from(
                [
                    "int",
                    "slice",
                    "none",
                    "permute",
                    "flat",
                    "diagonal",
                    "unfold",
                    "squeeze",
                    "cut",
                    "narrow",
                    "transpose",
                ]
            )
        )
        if sort == "int" and n and current.shape[0]:
            i = draw(st.integers(-current.shape[0], current.shape[0] - 1))
            step = lambda x, i=i: x[i]  # noqa: E731
        elif sort == "slice" and n:
            a, b, c = draw(st.integers(0, 3)), draw(st.integers(0, 5)), draw(st.integers(1, 2))
            step = lambda x, a=a, b=b, c=c: x[..., a:b:c]  # noqa: E731
        elif sort == "none":
            step = lambda x: x[None]  # noqa: E731
        elif sort == "permute":
            order = draw(st.permutations(range(n)))
            step = lambda x, order=tuple(order): x.permute(order)  # noqa: E731
        elif sort == "flat" and current.is_contiguous():
            step = lambda x: x.view(-1)  # noqa: E731
        elif sort == "diagonal" and n >= 2:
            k = draw(st.integers(-1, 1))
            step = lambda x, k=k: x.diagonal(k)  # noqa: E731
        elif sort == "unfold" and n and current.shape[-1] >= 2:
            step = lambda x: x.unfold(-1, 2, 2)  # noqa: E731
        elif sort == "squeeze":
            step = lambda x: x.squeeze()  # noqa: E731
        elif (
            sort == "cut" and n and current.shape[0] and not taped
        ):  # PyTorch forbids to write to one of several views on the tape
            step = lambda x: x.chunk(2)[-1]  # noqa: E731
        elif sort == "narrow" and n and current.shape[-1]:
            step = lambda x: x.narrow(-1, 0, x.shape[-1] - 1)  # noqa: E731
        elif sort == "transpose" and n >= 2:
            step = lambda x: x.transpose(0, -1)  # noqa: E731
        else:
            continue
        steps.append(step)
        current = step(current)
    return steps


@st.composite
def programs(draw):
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple))
    taped = draw(st.booleans())
    return shape, draw(views(shape, taped)), draw(views(shape, taped)), taped


def run(m, shape, first, second, taped):
    leaf = m.tensor(np.arange(np.prod(shape), dtype=np.float64).reshape(shape), requires_grad=taped)
    x = leaf * 1
    chain = [x]
    for step in first:
        chain.append(step(chain[-1]))
    other = x
    for step in second:
        other = step(other)
    chain[-1].mul_(2)
    other.add_(3)
    if chain[-1].ndim:
        chain[-1][:1] = 7
    shown = [t.detach().numpy() for t in [*chain, other]]
    if taped:
        sum((t * t).sum() for t in [*chain, other]).backward()
        shown.append(leaf.grad.numpy())
    return shown, [lies(t) for t in chain if t.numel()]


def lies(t):
    """Where the elements of a tensor lie; the stride of a single slice says nothing."""
    return (
        [step for size, step in zip(t.shape, t.stride(), strict=True) if size > 1],
        t.storage_offset(),
        t.is_contiguous(),
    )


@settings(max_examples=300, deadline=None)
@given(programs())
def test_writing_through_views(program):
    expected, found = (run(m, *program) for m in (torch, flambeau))
    for a, b in zip(found[0], expected[0], strict=True):
        np.testing.assert_allclose(a, b)
    assert found[1] == expected[1]


def test_view_needs_elements_in_order():
    x = flambeau.zeros(2, 3).t()
    with pytest.raises(RuntimeError, match="view size is not compatible with input tensor's size and stride"):
        x.view(-1)
    copied = x.reshape(6)
    copied.add_(1)
    assert x.sum().item() == 0


def test_a_shape_changed_in_place_keeps_sharing():
    for m in (torch, flambeau):
        x = m.arange(6.0).view(1, 2, 3)
        row = x[0]
        x.squeeze_(0).t_()
        assert tuple(x.shape) == (3, 2)
        row[0, 1] = 9
        x[2, 0] = 8
        assert row.tolist() == [[0, 9, 8], [3, 4, 5]]
        assert x.tolist() == [[0, 3], [9, 4], [8, 5]]
        x.unsqueeze_(0).transpose_(0, 1)
        assert tuple(x.shape) == (3, 1, 2)


def test_bytes_read_as_another_type_share_memory():
    for m in (torch, flambeau):
        x = m.tensor([1.0, 2.0])
        x.view(m.int32)[0] = 0
        assert x.tolist() == [0, 2]


def test_overlapping_memory_cannot_be_written():
    with pytest.raises(
        RuntimeError, match="more than one element of the written-to tensor refers to a single memory location"
    ):
        flambeau.zeros(3).expand(2, 3).add_(1)


def test_as_strided_sees_the_memory_under_a_view():
    for m in (torch, flambeau):
        x = m.arange(12.0)
        y = x[2:].view(2, 5)
        assert y.as_strided((2, 2), (1, 3)).tolist() == [[2, 5], [3, 6]]
        y.as_strided((3,), (4,), 0).zero_()
        assert x.tolist() == [0, 1, 2, 3, 0, 5, 6, 7, 0, 9, 10, 11]


SEEN = {
    "wider": lambda m, x: x.view(m.float64),
    "narrower, of some rows": lambda m, x: x[1:].view(m.int16),
    "bytes under another shape": lambda m, x: x[1].view(m.uint8).view(4, 6),
    "as wide, of columns": lambda m, x: x.t().view(m.int32),
    "a column of bytes as numbers": lambda m, x: x.view(m.uint8)[:, 4:8].view(m.float32),
    "bytes cut out": lambda m, x: x.view(m.uint8).reshape(-1)[8:16].view(m.float32),
    "complex": lambda m, x: m.view_as_complex(x.view(4, 3, 2))[1:],
    "pairs": lambda m, x: m.view_as_real(m.view_as_complex(x.view(4, 3, 2)))[..., 1].t(),
    "imaginary parts": lambda m, x: m.view_as_complex(x.view(4, 3, 2))[1:].imag,
}


@pytest.mark.parametrize("what", SEEN)
def test_where_memory_seen_as_another_type_lies(what):
    def outcome(m):
        x = m.arange(24.0).reshape(4, 6)
        seen = SEEN[what](m, x)
        place = seen.data_ptr() - x.data_ptr()
        return tuple(seen.shape), seen.stride(), seen.storage_offset(), seen.is_contiguous(), place, seen.tolist()

    assert outcome(flambeau) == outcome(torch)


def test_a_number_has_an_address_that_lasts():
    number = flambeau.tensor(2.0) * 3
    address = number.data_ptr()
    _ = [flambeau.tensor(1.0) + i for i in range(10)]
    assert number.data_ptr() == address
    assert ctypes.cast(address, ctypes.POINTER(ctypes.c_float))[0] == 6.0
    assert flambeau.zeros(0, 2).data_ptr() == 0
