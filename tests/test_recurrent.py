"""Recurrent layers: against their formulas, against PyTorch from the same seed, packed sequences, gradients, errors."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import flambeau as fb
from flambeau import nn
from flambeau.nn.utils import rnn


def values(t):
    return np.asarray(t.detach().numpy(), dtype=np.float64)


def flat(found):
    """All tensors in nested tuples."""
    if isinstance(found, (tuple, list)):
        return [t for part in found if part is not None for t in flat(part)]
    return [found]


def agree(ours, theirs, tolerance=2e-5):
    for a, b in zip(flat(ours), flat(theirs), strict=True):
        np.testing.assert_allclose(values(a), values(b), rtol=tolerance, atol=tolerance)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_lstm_is_its_formula():
    layer = nn.LSTM(3, 2)
    x = fb.randn(4, 1, 3)
    w, u, b, c = (values(p) for p in layer.parameters())
    h = cell = np.zeros((1, 2))
    outputs = []
    for row in values(x):
        i, f, g, o = np.split(row @ w.T + b + h @ u.T + c, 4, axis=1)
        cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(cell)
        outputs.append(h)
    output, (last, last_cell) = layer(x)
    np.testing.assert_allclose(values(output), outputs, atol=1e-6)
    np.testing.assert_allclose(values(last), [h], atol=1e-6)
    np.testing.assert_allclose(values(last_cell), [cell], atol=1e-6)


def test_gru_is_its_formula():
    layer = nn.GRU(3, 2)
    x = fb.randn(4, 1, 3)
    w, u, b, c = (values(p) for p in layer.parameters())
    h = np.zeros((1, 2))
    for row in values(x):
        (r, z, n), (hr, hz, hn) = np.split(row @ w.T + b, 3, axis=1), np.split(h @ u.T + c, 3, axis=1)
        r, z = sigmoid(r + hr), sigmoid(z + hz)
        h = (1 - z) * np.tanh(n + r * hn) + z * h
    np.testing.assert_allclose(values(layer(x)[1]), [h], atol=1e-6)


# ---- against PyTorch

pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")

SETTINGS = [
    {},
    {"num_layers": 2, "bidirectional": True},
    {"batch_first": True, "bias": False},
    {"num_layers": 3, "dropout": 0.4},
    {"num_layers": 2, "dropout": 0.5, "bidirectional": True, "batch_first": True},
]
KINDS = [("LSTM", {}), ("LSTM", {"proj_size": 2}), ("GRU", {}), ("RNN", {}), ("RNN", {"nonlinearity": "relu"})]
X = np.random.default_rng(0).standard_normal((5, 5, 3)).astype(np.float32)


def tried(library, kind, settings, given, lengths=None):
    """Outputs and gradients of a layer made from a seed; with states if `given`, packed if `lengths`."""
    library.manual_seed(7)
    layer = getattr(library.nn, kind)(3, 4, **settings)
    x = library.tensor(X, requires_grad=True)
    input = x
    first = settings.get("batch_first", False)
    if lengths is not None:
        input = library.nn.utils.rnn.pack_padded_sequence(x, lengths, first, enforce_sorted=False)
    hx = None
    if given:
        count = settings.get("num_layers", 1) * (2 if settings.get("bidirectional") else 1)
        sizes = [settings.get("proj_size") or 4, 4][: 2 if kind == "LSTM" else 1]
        hx = [library.randn(count, 5, n).requires_grad_() for n in sizes]
        hx = tuple(hx) if kind == "LSTM" else hx[0]
    output, hidden = layer(input, hx)
    if lengths is not None:
        output = library.nn.utils.rnn.pad_packed_sequence(output, first)[0]
    results = flat((output, hidden))
    total = sum((o * library.arange(o.numel()).reshape(o.shape).cos()).sum() for o in results)
    total.backward()
    return [*layer.parameters()], results, [t.grad for t in (x, *flat(() if hx is None else hx), *layer.parameters())]


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: "-".join(s) or "plain")
@pytest.mark.parametrize("kind, more", KINDS, ids=lambda k: k if isinstance(k, str) else "-".join(map(str, k.values())))
def test_as_pytorch(torch, kind, more, settings, given):
    agree(*(tried(library, kind, {**settings, **more}, given) for library in (fb, torch)))


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("settings", [SETTINGS[1], SETTINGS[4]], ids=["plain", "dropout"])
@pytest.mark.parametrize("kind, more", KINDS, ids=lambda k: k if isinstance(k, str) else "-".join(map(str, k.values())))
def test_packed_as_pytorch(torch, kind, more, settings, given):
    lengths = [3, 5, 1, 4, 4]
    agree(*(tried(library, kind, {**settings, **more}, given, lengths) for library in (fb, torch)))


def test_packed_is_each_sequence_alone():
    layer = nn.LSTM(3, 4, num_layers=2, bidirectional=True)
    parts = [fb.tensor(X[:n, 0]) for n in (2, 5, 3)]
    packed, (last, _) = layer(rnn.pack_sequence(parts, enforce_sorted=False))
    for i, (part, out) in enumerate(zip(parts, rnn.unpack_sequence(packed), strict=True)):
        alone, (own, _) = layer(part)
        agree(out, alone)
        agree(last[:, i], own)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize("states", [False, True])
def test_cells_as_pytorch(torch, kind, single, states):
    found = []
    for library in (fb, torch):
        library.manual_seed(1)
        cell = getattr(library.nn, kind + "Cell")(3, 4)
        x = library.tensor(X[0, 0] if single else X[0], requires_grad=True)
        h = None
        if states:
            shape = (4,) if single else (5, 4)
            h = library.ones(shape) / 3
            h = (h, h * 2) if kind == "LSTM" else h
        once = cell(x, h)
        twice = cell(x, once)
        sum((o**2).sum() for o in flat(twice)).backward()
        found.append([once, twice, x.grad, [p.grad for p in cell.parameters()]])
    agree(*found)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_second_order_as_pytorch(torch, kind):
    found = []
    for library in (fb, torch):
        library.manual_seed(2)
        layer = getattr(library.nn, kind)(3, 4, bidirectional=True)
        x = library.tensor(X, requires_grad=True)
        (slope,) = library.autograd.grad((layer(x)[0] ** 2).sum(), x, create_graph=True)
        (slope**2).sum().backward()
        found.append([slope, x.grad, [p.grad for p in layer.parameters()]])
    agree(*found, 1e-4)


def test_one_tensor_as_two_states():
    """A gradient comes once for a tensor that stands in two places."""
    cell = nn.LSTMCell(2, 2)
    x, h = fb.ones(1, 2), fb.full((1, 2), 0.5, requires_grad=True)
    grads = []
    for graph in (False, True):
        total = sum(o.sum() for o in cell(x, (h, h)))
        grads.append(fb.autograd.grad(total, h, create_graph=graph)[0])
    agree(*grads)
    g, k = (fb.full((1, 2), 0.5, requires_grad=True) for _ in range(2))
    parts = fb.autograd.grad(sum(o.sum() for o in cell(x, (g, k))), (g, k))
    agree(grads[0], parts[0] + parts[1])


def test_functions(torch):
    for library, found in ((fb, ours := []), (torch, theirs := [])):
        library.manual_seed(4)
        for kind in ("LSTM", "GRU", "RNN"):
            layer = getattr(library.nn, kind)(3, 4, 2, bidirectional=True)
            params = [p.detach() for p in layer.parameters()]
            x, h = library.tensor(X), library.zeros(4, 5, 4)
            hx = (h, h) if kind == "LSTM" else h
            function = getattr(library, {"RNN": "rnn_tanh"}.get(kind, kind.lower()))
            found.append(function(x, hx, params, True, 2, 0.0, False, True, False))
            packed = library.nn.utils.rnn.pack_padded_sequence(x, [5, 4, 4, 2, 1])
            found.append(function(packed.data, packed.batch_sizes, hx, params, True, 2, 0.0, False, True))
    agree(ours, theirs)


def test_float64_and_half():
    x = fb.tensor(X)
    for kind in ("LSTM", "GRU", "RNN"):
        layer = getattr(nn, kind)(3, 4)
        exact = layer(x)[0]
        assert layer.double()(x.double())[0].dtype is fb.float64
        agree(layer.double()(x.double())[0], exact)
        assert layer.bfloat16()(x.bfloat16())[0].dtype is fb.bfloat16
        agree(layer.bfloat16()(x.bfloat16())[0].float(), exact, 0.05)


# ---- state, text, errors


def test_state_and_text(torch):
    for (kind, more), settings in itertools.product(KINDS, SETTINGS):
        ours, theirs = (getattr(library.nn, kind)(3, 4, **{**settings, **more}) for library in (fb, torch))
        assert repr(ours) == repr(theirs)
        assert list(ours.state_dict()) == list(theirs.state_dict())
    for ours, theirs in ((nn.RNNCell, torch.nn.RNNCell), (nn.GRUCell, torch.nn.GRUCell)):
        assert repr(ours(2, 3, bias=False)) == repr(theirs(2, 3, bias=False))
    assert repr(nn.RNNCell(2, 3, nonlinearity="relu")) == "RNNCell(2, 3, nonlinearity=relu)"


ERRORS = [
    (ValueError, "dropout should be a number in range", lambda n, t: n.LSTM(2, 3, 2, dropout=1.5)),
    (ValueError, "proj_size has to be smaller than hidden_size", lambda n, t: n.LSTM(2, 3, proj_size=3)),
    (ValueError, "proj_size argument is only supported for LSTM", lambda n, t: n.GRU(2, 3, proj_size=1)),
    (ValueError, "Unknown nonlinearity 'gelu'", lambda n, t: n.RNN(2, 3, nonlinearity="gelu")),
    (ValueError, "hidden_size must be greater than zero", lambda n, t: n.GRU(2, 0)),
    (TypeError, "hidden_size should be of type int, got: float", lambda n, t: n.GRU(2, 3.0)),
    (RuntimeError, "input.size.-1. must be equal to input_size. Expected 2, got 3",
     lambda n, t: n.GRU(2, 3)(t.ones(1, 1, 3))),
    (ValueError, "LSTM: Expected input to be 2D or 3D, got 1D instead", lambda n, t: n.LSTM(2, 3)(t.ones(2))),
    (RuntimeError, "Expected hidden.0. size .1, 1, 3., got .1, 2, 3.", lambda n, t: n.LSTM(2, 3)(
        t.ones(1, 1, 2), (t.ones(1, 2, 3), t.ones(1, 1, 3)))),
    (RuntimeError, "For unbatched 2-D input, hx should also be 2-D",
     lambda n, t: n.GRU(2, 3)(t.ones(1, 2), t.ones(1, 1, 3))),
    (ValueError, "RNN input dtype .torch.float64. does not match weight dtype .torch.float32.",
     lambda n, t: n.GRU(2, 3)(t.ones(1, 1, 2).double())),
    (RuntimeError, "input has inconsistent input_size: got 3 expected 2", lambda n, t: n.LSTMCell(2, 3)(t.ones(1, 3))),
    (RuntimeError, "hidden0 has inconsistent hidden_size: got 2, expected 3",
     lambda n, t: n.GRUCell(2, 3)(t.ones(1, 2), t.ones(1, 2))),
    (RuntimeError, "Input batch size 1 doesn't match hidden0 batch size 2",
     lambda n, t: n.GRUCell(2, 3)(t.ones(1, 2), t.ones(2, 3))),
    (RuntimeError, "Expected sequence length to be larger than 0 in RNN", lambda n, t: n.GRU(2, 3)(t.ones(0, 1, 2))),
]  # fmt: skip


@pytest.mark.parametrize("kind, text, call", ERRORS, ids=[text[:40] for _, text, _ in ERRORS])
def test_errors(torch, kind, text, call):
    for library in (torch, fb):
        with pytest.raises(kind, match=text):
            call(library.nn, library)
