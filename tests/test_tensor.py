"""Tensors: values, conversions, operators, text, copies; each against PyTorch."""

from __future__ import annotations

import copy
import operator
import pickle

import numpy as np
import pytest
from side_by_side import check, outcome, same, table

import flambeau

DTYPES = [
    "bool",
    "uint8",
    "int8",
    "int16",
    "int32",
    "int64",
    "float16",
    "bfloat16",
    "float32",
    "float64",
    "complex64",
    "complex128",
]
# ---- values out of tensors

VALUES = table(
    lambda m: m.tensor(3).item(),
    lambda m: m.tensor([2.5]).item(),
    lambda m: m.tensor(True).item(),
    lambda m: m.tensor(1j).item(),
    lambda m: m.tensor([1.5], dtype=m.bfloat16).item(),
    lambda m: m.tensor([1, 2]).item(),
    lambda m: m.tensor([]).item(),
    lambda m: m.tensor([[1, 2], [3, 4]]).tolist(),
    lambda m: m.tensor(1.5).tolist(),
    lambda m: m.tensor([1.5], dtype=m.bfloat16).tolist(),
    lambda m: m.zeros(2, 0).tolist(),
    lambda m: m.ones(2).numpy(),
    lambda m: m.ones(2, requires_grad=True).numpy(),
    lambda m: m.ones(2, requires_grad=True).numpy(force=True),
    lambda m: m.ones(2, requires_grad=True).detach().numpy(),
    lambda m: m.ones(2, dtype=m.bfloat16).numpy(),
    lambda m: np.asarray(m.arange(3)),
    lambda m: np.asarray(m.arange(3), dtype=np.float32),
    lambda m: np.array(m.ones(2, requires_grad=True)),
    lambda m: np.sum(m.arange(3).numpy()).item(),
    lambda m: [int(m.tensor(3.7)), float(m.tensor(3)), complex(m.tensor(1.5)), bool(m.tensor([0.0]))],
    lambda m: bool(m.ones(2)),
    lambda m: bool(m.tensor([])),
    lambda m: int(m.ones(2)),
    lambda m: float(m.tensor(1j)),
    lambda m: [1, 2, 3][m.tensor(1)],
    lambda m: [1, 2, 3][m.tensor([1])],
    lambda m: [1, 2, 3][m.tensor(1.0)],
    lambda m: [1, 2, 3][m.tensor([1, 2])],
    lambda m: [1, 2, 3][m.tensor(True)],
    lambda m: list(range(m.tensor(3))),
    lambda m: len(m.ones(4, 2)),
    lambda m: len(m.tensor(1)),
    lambda m: list(m.arange(4).view(2, 2)),
    lambda m: list(m.tensor(1)),
    lambda m: [a + b for a, b in m.ones(3, 2)],
    lambda m: [2 in m.arange(3), 5 in m.arange(3), m.tensor(2) in m.arange(3), 1.5 in m.tensor([1.5])],
    lambda m: "a" in m.arange(3),
    lambda m: None in m.arange(3),
    lambda m: m.tensor(1) in [m.tensor(0), m.tensor(1)],
    lambda m: sum(m.arange(3)),
    lambda m: max(m.tensor([1, 3, 2])),
    lambda m: list(reversed(m.arange(3))),
    lambda m: sorted(m.tensor([3, 1, 2]).tolist()),
    lambda m: len({m.tensor(1), m.tensor(1)}),
    lambda m: len({hash(t) for t in [m.ones(1), m.ones(1)]}),
    lambda m: round(float(m.tensor(2.567)), 2),
    lambda m: abs(m.tensor([-1, 2])),
    lambda m: round(m.tensor([1.4, 1.6])),
    lambda m: divmod(m.tensor([5, 7]), 2),
    lambda m: f"{m.tensor(1.23456):.2f} {m.tensor(3):>5} {m.tensor(7)} {m.tensor(True)}",
    lambda m: f"{m.ones(2)} {m.tensor([1.5])}",
    lambda m: f"{m.ones(2):.2f}",
    lambda m: f"{m.tensor([1.5]):.2f}",
    lambda m: f"{m.tensor(1.5, requires_grad=True):.1f}",
    lambda m: f"{m.tensor(5):d} {m.tensor(0.5):e}",
    lambda m: "%.3f %d %s" % (m.tensor(1.5), m.tensor(3), m.tensor(2)),  # noqa: UP031
    lambda m: str(m.tensor(1.5)),
    lambda m: m.ones(2, 3).size(),
    lambda m: [m.ones(2, 3).size(1), m.ones(2, 3).size(-1), m.ones(2, 3).size(dim=0)],
    lambda m: m.ones(2, 3).size(2),
    lambda m: m.ones(2, 3).shape[1:],
    lambda m: m.ones(2, 3).shape + (4,),
    lambda m: [
        m.ones(2, 3).shape == (2, 3),
        m.ones(2, 3).shape == [2, 3],
        repr(m.ones(2, 3).shape),
        m.ones(2, 3).shape.numel(),
        hash(m.Size([2])) == hash((2,)),
    ],
    lambda m: m.Size([1, 2]) + m.Size([3]),
    lambda m: m.Size((2.5,)),
    lambda m: [
        m.ones(2, 3).dim(),
        m.ones(2, 3).ndim,
        m.ones(2, 3).numel(),
        m.ones(2, 3).nelement(),
        m.ones(2).element_size(),
        m.ones(2).nbytes,
        m.ones(2).itemsize,
    ],
    lambda m: [
        m.ones(2).is_floating_point(),
        m.tensor(1).is_floating_point(),
        m.tensor(1j).is_complex(),
        m.tensor(1).is_signed(),
        m.ones(1).is_cuda,
    ],
    lambda m: [
        str(m.ones(1).layout),
        m.ones(1).device,
        m.ones(1).is_sparse,
        m.ones(1).get_device(),
        m.ones(1).is_quantized,
        m.ones(1).is_meta,
    ],
    lambda m: [
        m.is_tensor(m.ones(1)),
        m.is_tensor(1),
        m.numel(m.ones(2, 2)),
        m.typename(m.ones(1)),
        m.typename(3),
        m.typename(int),
    ],
    lambda m: [
        m.is_floating_point(m.ones(1)),
        m.is_nonzero(m.tensor(1.0)),
        m.get_default_dtype(),
        m.is_complex(m.ones(1)),
    ],
    lambda m: [m.is_inference(m.ones(1)), m.ones(1).is_inference()],
    lambda m: [
        m.ones(2, 3).stride(),
        m.ones(2, 3).t().stride(),
        m.ones(2, 3).t().is_contiguous(),
        m.ones(2, 3).t().contiguous().stride(),
    ],
)


@pytest.mark.parametrize("function", VALUES)
def test_values(torch, both, function):
    same(function, torch)


def test_numpy_is_a_copy():
    t = flambeau.zeros(3)
    array = t.numpy()
    array += 1
    assert t.tolist() == [0, 0, 0]
    t.add_(5)
    assert array.tolist() == [1, 1, 1]


# ---- conversions, handles, views of the same value

CONVERTED = table(
    lambda m: m.ones(2).to(m.int64),
    lambda m: m.ones(2).to("cpu"),
    lambda m: m.ones(2).to(m.device("cpu")),
    lambda m: m.ones(2).to(device="cpu", dtype=m.float64),
    lambda m: m.ones(2).to("cpu", m.float16),
    lambda m: m.ones(2).to(m.ones(1, dtype=m.int8)),
    lambda m: m.ones(2).to(m.float64, non_blocking=True, copy=True),
    lambda m: m.ones(2).to(float),
    lambda m: m.ones(2).to("abc"),
    lambda m: m.ones(2).to([1]),
    lambda m: m.ones(2).to(m.int64, True, True),
    lambda m: m.ones(2).to(),
    lambda m: m.ones(2, requires_grad=True).to(m.float64),
    lambda m: m.ones(2, requires_grad=True).to(m.int64),
    lambda m: [x.to(m.float32) is x for x in [m.ones(2)]] + [x.to(x.dtype, copy=True) is x for x in [m.ones(2)]],
    lambda m: [
        m.ones(2).double(),
        m.ones(2).half(),
        m.ones(2).int(),
        m.ones(2).long(),
        m.ones(2).bool(),
        m.ones(2).byte(),
        m.ones(2).bfloat16(),
        m.ones(2).short(),
        m.ones(2).char(),
        m.ones(2).cfloat(),
        m.tensor(1).float(),
    ],
    lambda m: [m.ones(2).cpu(), m.ones(2).type_as(m.tensor(1))],
    lambda m: m.ones(2).cuda(),
    lambda m: m.ones(2).to("cuda"),
    lambda m: m.cuda.is_available(),
    lambda m: m.tensor([1.7, -1.7, 300.5]).to(m.int32),
    lambda m: m.tensor([1, 0, 2]).bool(),
    lambda m: m.tensor([float("nan")]).bool(),
    lambda m: m.arange(6).view(2, 3).T,
    lambda m: m.arange(3).T,
    lambda m: m.arange(24).view(2, 3, 4).mT,
    lambda m: m.arange(3).mT,
    lambda m: m.tensor([[1 + 1j, 2]]).H,
    lambda m: m.tensor([[1 + 1j, 2]]).mH,
    lambda m: m.ones(3).H,
    lambda m: m.arange(24).view(2, 3, 4).H,
    lambda m: m.tensor(1.0).T,
    lambda m: [m.tensor([1 + 2j]).real, m.tensor([1 + 2j]).imag, m.ones(2).real],
    lambda m: m.ones(2).imag,
    lambda m: m.ones(2, requires_grad=True).detach(),
    lambda m: m.ones(2, requires_grad=True).data,
    lambda m: (m.ones(2, requires_grad=True) * 2).detach(),
    lambda m: m.ones(2, requires_grad=True).clone(),
    lambda m: m.device("cuda:1"),
    lambda m: [
        m.device("cpu"),
        m.device("cuda", 0).index,
        m.device("cpu").type,
        m.device("cpu") == m.device("cpu"),
        repr(m.device("cuda:1")),
        repr(m.device("cpu", 0)),
        m.device(m.device("cpu")),
    ],
    lambda m: m.device("cuda:x"),
    lambda m: m.device("strange"),
    lambda m: m.device("cpu:0") == "cpu",
    lambda m: m.zeros(2, device="cpu"),
    lambda m: m.zeros(2, device=m.device("cpu")),
    lambda m: m.zeros(2, device=0),
    lambda m: [m.get_default_device()],
    lambda m: [
        m.float32,
        repr(m.int64),
        m.half,
        m.float,
        m.double,
        m.long,
        m.int,
        m.short,
        m.cfloat,
        m.float32.is_floating_point,
        m.complex64.to_real(),
        m.float32.itemsize,
    ],
    lambda m: [
        m.finfo(m.float32).eps,
        m.finfo(m.float16).max,
        m.finfo().tiny,
        m.iinfo(m.int8).min,
        m.iinfo(m.uint8).max,
        repr(m.finfo(m.bfloat16)),
        repr(m.iinfo(m.int32)),
    ],
    lambda m: m.finfo(m.int64),
    lambda m: m.iinfo(m.float32),
)


@pytest.mark.parametrize("function", CONVERTED)
def test_conversions(torch, both, function):
    same(function, torch)


def test_default_device_is_a_switch_and_a_context():
    flambeau.set_default_device("cpu")
    assert flambeau.get_default_device() == flambeau.device("cpu")
    with flambeau.device("cpu"):
        assert flambeau.zeros(1).device.type == "cpu"
    with pytest.raises(AssertionError, match="not compiled with CUDA"):
        flambeau.set_default_device("cuda")
        flambeau.zeros(1)
    flambeau.set_default_device(None)
    assert flambeau.zeros(1).device.type == "cpu"


# ---- operators with what they know and what they do not


class Foreign:
    """Takes part in operators from the right-hand side."""

    __array_priority__ = 2000

    def __radd__(self, other):
        return "radd"

    def __rmul__(self, other):
        return "rmul"

    def __eq__(self, other):
        return "eq"

    __hash__ = None


OPERATED = table(
    lambda m: m.ones(2) + np.float64(2),
    lambda m: np.float32(2) * m.ones(2),
    lambda m: np.float64(2) + m.tensor([1, 2]),
    lambda m: np.int64(2) * m.ones(2),
    lambda m: np.float64(6) / m.tensor([1.0, 2.0]),
    lambda m: np.float64(6) - m.tensor([1.0, 2.0]),
    lambda m: m.ones(2) * np.ones(2, dtype=np.float32),
    lambda m: m.ones(2) == np.float64(1),
    lambda m: m.tensor([1, 2]) + np.int32(1),
    lambda m: m.ones(2) + "a",
    lambda m: "a" + m.ones(2),
    lambda m: m.ones(2) + None,
    lambda m: m.ones(2) + [1, 2],
    lambda m: [1, 2] + m.ones(2),
    lambda m: m.ones(2) - "a",
    lambda m: m.ones(2) * {},
    lambda m: m.ones(2) @ 3,
    lambda m: m.ones(2) == "a",
    lambda m: m.ones(2) != "a",
    lambda m: m.ones(2) == None,  # noqa: E711
    lambda m: m.ones(2) == [1, 1],
    lambda m: m.ones(2) < "a",
    lambda m: m.ones(2) < None,
    lambda m: m.ones(2) + Foreign(),
    lambda m: m.ones(2) * Foreign(),
    lambda m: m.ones(2) == Foreign(),
    lambda m: m.ones(2) & 1,
    lambda m: 1 / m.tensor([1, 2]),
    lambda m: 7 // m.tensor([2, -2]),
    lambda m: 7 % m.tensor([2, -3]),
    lambda m: 2 ** m.tensor([1, 2]),
    lambda m: 2.0 ** m.tensor([1, 2]),
    lambda m: 1 - m.tensor([1, 2]),
    lambda m: True + m.tensor([1, 2]),
    lambda m: 6 & m.tensor([3, 5]),
    lambda m: 1 << m.tensor([3, 5]),
    lambda m: m.ones(2, 3) @ m.ones(3),
    lambda m: m.ones(2, 3) @ m.ones(2),
    lambda m: m.ones(2, 3) @ m.ones(3, 1),
    lambda m: m.tensor(1.0) @ m.ones(1),
    lambda m: m.tensor([1, 2]) @ m.ones(2),
    lambda m: m.ones(2) + m.ones(3),
    lambda m: m.ones(2, 3) - m.ones(3, 2),
    lambda m: m.tensor([True]) - m.tensor([True]),
    lambda m: -m.tensor([True]),
    lambda m: ~m.ones(2),
    lambda m: m.tensor([1, 2]) / 0,
    lambda m: m.tensor([1, 2]) // 0,
    lambda m: m.tensor([1, 2]) % 0,
    lambda m: m.tensor([2, 3]) ** -1,
    lambda m: m.tensor([-7, 7]) // 2,
    lambda m: m.tensor([-7.0, 7.0]) % 3,
    lambda m: m.tensor([-7, 7]) % -3,
    lambda m: m.ones(2) and m.ones(2),
    lambda m: not m.tensor([0]),
    lambda m: m.add(m.ones(2), m.ones(2), alpha=2),
    lambda m: m.add(m.ones(2), 2, alpha=0.5),
    lambda m: m.add(m.tensor([1]), 2, alpha=0.5),
    lambda m: m.add(m.ones(2), "a"),
    lambda m: m.exp([1]),
    lambda m: m.sum(3),
    lambda m: m.mean(m.tensor([1, 2])),
    lambda m: m.matmul(m.ones(2, 3), m.ones(2, 3)),
    lambda m: m.mm(m.ones(2, 3), m.ones(2, 3)),
    lambda m: m.cat([m.ones(2), m.ones(2, 2)]),
    lambda m: m.cat(m.ones(2)),
    lambda m: m.cat([]),
    lambda m: m.stack([m.ones(2), m.ones(3)]),
    lambda m: m.ones(6).view(4, 2),
    lambda m: m.ones(6).reshape(4, 2),
    lambda m: m.ones(6).view(-1, -1),
    lambda m: m.ones(2, 3).transpose(0, 2),
    lambda m: m.ones(2, 3).permute(0, 0),
    lambda m: m.ones(2, 3).sum(5),
    lambda m: m.ones(2, 3).squeeze(7),
    lambda m: m.ones(2).expand(3),
    lambda m: m.ones(2)[5],
    lambda m: m.ones(2)["a"],
    lambda m: m.ones(2)[0, 0],
    lambda m: m.ones(2)[1.5],
    lambda m: m.tensor(1)[0],
    lambda m: m.ones(2).__delitem__(0),
    lambda m: m.exp(m.tensor([1, 2])),
    lambda m: m.exp_(m.zeros(2)),
    lambda m: [
        m.relu_(m.tensor([-1.0])),
        m.sigmoid_(m.zeros(1)),
        m.clamp_(m.ones(2), 0, 0.5),
        m.zero_(m.ones(2)),
        m.fill_(m.ones(2), 3),
    ],
)


@pytest.mark.parametrize("function", OPERATED)
def test_operators(torch, both, function):
    same(function, torch)


def test_in_place_operators_keep_the_handle():
    for name in ("iadd", "isub", "imul", "itruediv", "ifloordiv", "imod", "ipow"):
        t = kept = flambeau.tensor([4.0, 9.0])
        t = getattr(operator, name)(t, 2)
        assert t is kept and t._version == 1
    whole = flambeau.tensor([6])
    for name in ("iand", "ior", "ixor", "ilshift", "irshift"):
        assert getattr(operator, name)(whole, 1) is whole


# ---- text

SHOWN = table(
    lambda m: m.ones(2, requires_grad=True),
    lambda m: m.ones(2, requires_grad=True) * 2,
    lambda m: (m.ones(2, requires_grad=True) * 2).sum(),
    lambda m: m.nn.Linear(2, 2)(m.ones(1, 2)),
    lambda m: m.relu(m.ones(2, requires_grad=True)),
    lambda m: m.nn.functional.mse_loss(m.ones(2, requires_grad=True), m.ones(2)),
    lambda m: m.nn.functional.cross_entropy(m.zeros(2, 3, requires_grad=True), m.tensor([0, 1])),
    lambda m: m.ones(2, requires_grad=True).double(),
    lambda m: m.ones(2, dtype=m.float64, requires_grad=True),
    lambda m: m.ones(2, requires_grad=True)[0],
    lambda m: m.ones(2, requires_grad=True).view(2, 1),
    lambda m: m.ones(2, requires_grad=True).clone(),
    lambda m: -m.ones(2, requires_grad=True),
    lambda m: 1 - m.ones(2, requires_grad=True),
    lambda m: 1 / m.ones(2, requires_grad=True),
    lambda m: m.ones(2, requires_grad=True) ** 2,
    lambda m: m.ones(2, 2, requires_grad=True) @ m.ones(2, 2),
    lambda m: m.ones(2, 2, requires_grad=True) @ m.ones(2),
    lambda m: m.ones(2, requires_grad=True) @ m.ones(2),
    lambda m: m.ones(3, 2, 2, requires_grad=True) @ m.ones(3, 2, 2),
    lambda m: m.ones(2, 2, requires_grad=True).t(),
    lambda m: m.ones(2, 2, requires_grad=True).mean(0),
    lambda m: m.ones(2, 2, requires_grad=True).max(),
    lambda m: m.ones(2, 2, requires_grad=True).max(0),
    lambda m: m.ones(2, requires_grad=True).clone().add_(1),
    lambda m: m.stack([m.ones(2, requires_grad=True)] * 2),
    lambda m: m.cat([m.ones(2, requires_grad=True)] * 2),
    lambda m: m.ones(4, requires_grad=True)[m.tensor([0, 1])],
    lambda m: m.softmax(m.zeros(2, requires_grad=True), 0),
    lambda m: m.where(m.tensor([True, False]), m.ones(2, requires_grad=True), 0),
    lambda m: m.nn.Parameter(m.ones(2)),
    lambda m: m.nn.Parameter(m.ones(2), requires_grad=False),
    lambda m: m.tensor([1, 2], dtype=m.int32),
    lambda m: m.tensor([1.5], dtype=m.float16),
    lambda m: m.tensor([True]),
    lambda m: m.tensor([]),
    lambda m: m.tensor([], dtype=m.int64),
    lambda m: m.zeros(2, 0),
    lambda m: m.tensor([1 + 1j]),
    lambda m: [m.ones(2), m.tensor(1)],
    lambda m: {"a": m.ones(1)},
    lambda m: m.arange(2000),
    lambda m: m.rand(3, 4),
    lambda m: m.tensor([1e10, 1e-10, float("nan"), float("inf")]),
    lambda m: m.Size([2, 3]),
    lambda m: m.ones(2, requires_grad=True).grad_fn,
    lambda m: m.sort(m.tensor([3, 1, 2])),
    lambda m: m.tensor([[1.5, 2], [3, 4]]).max(1),
    lambda m: (m.ones(2, requires_grad=True) * 2).grad_fn.name(),
    lambda m: m.strided,
    lambda m: m.channels_last,
    lambda m: m.preserve_format,
)


@pytest.mark.parametrize("function", SHOWN)
def test_text(torch, both, function):
    same(lambda m: repr(function(m)), torch)


def test_print_options(torch):
    def shown(m):
        found = []
        for options in (
            {"precision": 2},
            {"sci_mode": True},
            {"sci_mode": False, "precision": 6},
            {"threshold": 3, "edgeitems": 1},
            {"linewidth": 30},
            {"profile": "short"},
            {"profile": "full"},
            {"profile": "default"},
        ):
            m.set_printoptions(**options)
            found.append(repr(m.arange(12.0).view(2, 6) / 7))
        m.set_printoptions(profile="default", sci_mode=None)
        return found

    same(shown, torch)
    with flambeau.printing.printoptions(precision=1):
        assert repr(flambeau.tensor([0.25])) == "tensor([0.2])"
    assert repr(flambeau.tensor([0.25])) == "tensor([0.2500])"


# ---- copies

COPIED = table(
    lambda m: copy.copy(m.ones(2)),
    lambda m: copy.deepcopy(m.ones(2, requires_grad=True)),
    lambda m: copy.deepcopy(m.ones(2, requires_grad=True) * 2),
    lambda m: copy.deepcopy([m.ones(2), m.nn.Parameter(m.zeros(1))]),
    lambda m: [t is u for pair in [[m.ones(1)] * 2] for t, u in [copy.deepcopy(pair)]],
    lambda m: m.ones(2, requires_grad=True).clone().detach().requires_grad_(),
)


@pytest.mark.parametrize("function", COPIED)
def test_copies(torch, both, function):
    same(function, torch)


def test_a_shallow_copy_shares_what_a_deep_one_does_not():
    for m in (flambeau,):
        t = m.zeros(2)
        shallow, deep = copy.copy(t), copy.deepcopy(t)
        t.add_(1)
        assert shallow.tolist() == [1, 1] and deep.tolist() == [0, 0]


@pytest.mark.parametrize("kind", DTYPES)
@pytest.mark.parametrize("protocol", [2, pickle.HIGHEST_PROTOCOL])
def test_pickle(kind, protocol):
    t = flambeau.tensor([[1, 2], [3, 4]]).to(getattr(flambeau, kind))
    found = pickle.loads(pickle.dumps(t, protocol))
    assert found.dtype is t.dtype and (found == t).all()
    assert found.mul_(t).tolist() == (t * t).tolist()


def test_pickle_keeps_what_tensors_are():
    p = flambeau.nn.Parameter(flambeau.ones(2))
    found = pickle.loads(pickle.dumps([p, p, flambeau.zeros(1, requires_grad=True)]))
    assert (
        found[0] is found[1]
        and type(found[0]) is flambeau.nn.Parameter
        and found[0].requires_grad
        and found[2].requires_grad
    )
    for value in (
        flambeau.float32,
        flambeau.device("cpu"),
        flambeau.Size([2, 3]),
        flambeau.strided,
        flambeau.contiguous_format,
    ):
        assert repr(pickle.loads(pickle.dumps(value))) == repr(value)
    assert pickle.loads(pickle.dumps(flambeau.int8)) is flambeau.int8


def test_names_that_do_not_exist_name_the_nearest():
    for holder, name, near in (
        (flambeau, "tenser", "tensor"),
        (flambeau.ones(1), "reshap", "reshape"),
        (flambeau, "Tenosr", "Tensor"),
        (flambeau.nn, "Linar", "Linear"),
        (flambeau.nn.functional, "relux", "relu"),
        (flambeau.optim, "Adamm", "Adam"),
    ):
        with pytest.raises(AttributeError, match=near):
            getattr(holder, name)
    assert not hasattr(flambeau.ones(1), "no_such_thing") and not hasattr(flambeau, "no_such_thing")


def test_the_check_of_results_can_fail(torch):
    """The comparison itself: another dtype, value or error is seen."""
    for right, wrong in (
        (lambda m: m.ones(2), lambda m: m.ones(2, dtype=m.float64)),
        (lambda m: m.ones(2), lambda m: m.zeros(2)),
        (lambda m: m.ones(2) + m.ones(3), lambda m: m.ones(2) + m.ones(4)),
        (lambda m: 1, lambda m: 1.0),
    ):
        with pytest.raises(AssertionError):
            check(outcome(wrong, flambeau), outcome(right, torch))


def test_sizes_extend_lists_and_make_tensors():
    sizes = [1]
    sizes += flambeau.ones(2, 3).shape
    assert sizes == [1, 2, 3]
    assert type((5,) + flambeau.ones(2).shape) is flambeau.Size
    assert flambeau.tensor(flambeau.ones(2, 3).shape).tolist() == [2, 3]
    with pytest.raises(TypeError):
        [1] + flambeau.ones(2).shape


def test_arithmetic_of_two_numbers_makes_a_tensor():
    assert repr(flambeau.div(7, 2, rounding_mode="floor")) == "tensor(3)"
    assert repr(flambeau.add(1, 2, alpha=3)) == "tensor(7)"
    assert repr(flambeau.mul(7.0, 2)) == "tensor(14.)"
    with pytest.raises(TypeError):
        flambeau.pow(2, 3)
