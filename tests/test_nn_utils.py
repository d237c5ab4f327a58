"""nn.utils: clipping, vectors, normed, pruned and parametrized weights, packed sequences, stateless calls."""

from __future__ import annotations

import copy
import importlib
import pickle

import numpy as np
import pytest

import flambeau as fb
from flambeau.nn import utils
from flambeau.nn.utils import parametrizations, parametrize, prune, rnn, stateless


def values(t):
    return np.asarray(t.detach().numpy())


def close(ours, theirs, tolerance=1e-5):
    np.testing.assert_allclose(values(ours), values(theirs), rtol=tolerance, atol=tolerance)


def same_state(ours, theirs, tolerance=1e-5):
    ours, theirs = ours.state_dict(), theirs.state_dict()
    assert list(ours) == list(theirs)
    for name in ours:
        close(ours[name], theirs[name], tolerance)


def pair(torch, make):
    """The same module made in both, from the same seed."""
    made = []
    for library in (fb, torch):
        library.manual_seed(3)
        made.append(make(library))
    return made


def with_gradients(library, *arrays):
    parts = []
    for a in arrays:
        p = library.nn.Parameter(library.zeros(a.shape))
        p.grad = library.tensor(a)
        parts.append(p)
    return [*parts, library.nn.Parameter(library.zeros(2))]


GRADIENTS = np.array([[3.0, -4.0]], np.float32), np.array([12.0], np.float32)


# ---- clipping


def test_clip_grad_norm():
    parts = with_gradients(fb, *GRADIENTS)
    assert utils.clip_grad_norm_(parts, 1.3).item() == pytest.approx(13)
    close(parts[0].grad, fb.tensor([[0.3, -0.4]]))
    assert parts[2].grad is None
    assert utils.clip_grad_norm_(parts, 100.0).item() == pytest.approx(1.3)
    close(parts[1].grad, fb.tensor([1.2]))


@pytest.mark.parametrize("norm", [1.0, 2.0, 3.0, float("inf")])
def test_clip_grad_norm_as_pytorch(torch, norm):
    found = []
    for library in (fb, torch):
        parts = with_gradients(library, *GRADIENTS)
        total = library.nn.utils.clip_grad_norm_(iter(parts), 0.7, norm, foreach=None)
        found.append([total, parts[0].grad, parts[1].grad, library.nn.utils.get_total_norm([parts[0].grad], norm)])
    for ours, theirs in zip(*found, strict=True):
        close(ours, theirs)


def test_clip_refuses_what_is_not_finite():
    parts = with_gradients(fb, np.array([np.inf], np.float32))
    with pytest.raises(RuntimeError, match="The total norm of order 2.0 for gradients from `parameters` is non-finite"):
        utils.clip_grad_norm_(parts, 1.0, error_if_nonfinite=True)
    assert np.isinf(values(parts[0].grad)).all()
    assert utils.clip_grad_norm_([], 1.0).item() == 0


def test_clip_grad_value():
    parts = with_gradients(fb, *GRADIENTS)
    utils.clip_grad_value_(parts, 3.5)
    close(parts[0].grad, fb.tensor([[3.0, -3.5]]))
    close(parts[1].grad, fb.tensor([3.5]))


# ---- vectors


def test_parameters_to_vector_and_back():
    layer = fb.nn.Linear(2, 3)
    before = utils.parameters_to_vector(layer.parameters())
    assert before.shape == (9,)
    weight = layer.weight
    utils.vector_to_parameters(before * 2, layer.parameters())
    assert layer.weight is weight
    close(utils.parameters_to_vector(layer.parameters()), before * 2)
    with pytest.raises(TypeError, match="expected torch.Tensor, but got"):
        utils.vector_to_parameters([1.0], layer.parameters())


def test_skip_init_draws_nothing():
    fb.manual_seed(1)
    layer = utils.skip_init(fb.nn.Linear, 3, 4, bias=False)
    after = fb.rand(3)
    fb.manual_seed(1)
    assert layer.weight.shape == (4, 3) and values(after).tolist() == values(fb.rand(3)).tolist()
    with pytest.raises(RuntimeError, match="Module must support a 'device' arg"):
        utils.skip_init(fb.nn.ReLU)


# ---- weight and spectral normalisation


def trained(library, module, x):
    """The module after two steps of training."""
    optimizer = library.optim.SGD(module.parameters(), 0.1)
    for _ in range(2):
        optimizer.zero_grad()
        (module(x) ** 2).sum().backward()
        optimizer.step()
    return module


@pytest.mark.parametrize("dim", [0, 1, None])
@pytest.mark.parametrize("old", [False, True])
@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
def test_weight_norm(torch, dim, old):
    def make(library):
        where = library.nn.utils if old else library.nn.utils.parametrizations
        return where.weight_norm(library.nn.Linear(3, 4), dim=dim)

    ours, theirs = pair(torch, make)
    same_state(ours, theirs)
    trained(fb, ours, fb.ones(2, 3))
    trained(torch, theirs, torch.ones(2, 3))
    same_state(ours, theirs)
    close(ours.weight, theirs.weight)
    if old:
        utils.remove_weight_norm(ours)
        torch.nn.utils.remove_weight_norm(theirs)
    else:
        parametrize.remove_parametrizations(ours, "weight")
        torch.nn.utils.parametrize.remove_parametrizations(theirs, "weight")
    assert sorted(n for n, _ in ours.named_parameters()) == ["bias", "weight"]
    close(ours.weight, theirs.weight)


@pytest.mark.parametrize("old", [False, True])
def test_spectral_norm(torch, old):
    def make(library):
        where = library.nn.utils if old else library.nn.utils.parametrizations
        return where.spectral_norm(library.nn.Conv1d(2, 3, 2), n_power_iterations=2)

    ours, theirs = pair(torch, make)
    same_state(ours, theirs)
    if not old:
        assert np.linalg.norm(values(ours.weight).reshape(3, -1), 2) == pytest.approx(1, rel=1e-3)
    trained(fb, ours, fb.ones(2, 2, 5))
    trained(torch, theirs, torch.ones(2, 2, 5))
    same_state(ours, theirs, 1e-4)
    close(ours.eval().weight, theirs.eval().weight, 1e-4)
    if old:
        utils.remove_spectral_norm(ours)
        assert sorted(n for n, _ in ours.named_parameters()) == ["bias", "weight"]
        with pytest.raises(ValueError, match="spectral_norm of 'weight' not found"):
            utils.remove_spectral_norm(ours)


@pytest.mark.parametrize("shape", [(3, 3), (4, 3), (2, 3)])
@pytest.mark.parametrize("how", ["matrix_exp", "cayley", "householder"])
@pytest.mark.parametrize("trivialized", [True, False])
def test_orthogonal(torch, shape, how, trivialized):
    def make(library):
        layer = library.nn.Linear(shape[1], shape[0], bias=False)
        return library.nn.utils.parametrizations.orthogonal(layer, "weight", how, use_trivialization=trivialized)

    ours, theirs = pair(torch, make)
    close(ours.weight, theirs.weight, 1e-4)
    trained(fb, ours, fb.ones(2, shape[1]))
    trained(torch, theirs, torch.ones(2, shape[1]))
    close(ours.weight, theirs.weight, 1e-4)
    w = values(ours.weight)
    product = w @ w.T if shape[0] < shape[1] else w.T @ w
    np.testing.assert_allclose(product, np.eye(min(shape)), atol=1e-5)


# ---- parametrizations


class Symmetric(fb.nn.Module):
    calls = 0

    def forward(self, x):
        Symmetric.calls += 1
        return x.triu() + x.triu(1).transpose(-1, -2)

    def right_inverse(self, x):
        return x.triu()


class Twice(fb.nn.Module):
    def forward(self, x):
        return 2 * x


def test_parametrize():
    layer = fb.nn.Linear(3, 3)
    original = layer.weight
    before = values(original).copy()
    parametrize.register_parametrization(layer, "weight", Symmetric())
    assert type(layer).__name__ == "ParametrizedLinear" and parametrize.is_parametrized(layer, "weight")
    assert [n for n, _ in layer.named_parameters()] == ["bias", "parametrizations.weight.original"]
    assert layer.parametrizations.weight.original is original
    np.testing.assert_array_equal(values(layer.weight), np.triu(before) + np.triu(before, 1).T)
    layer.weight = fb.ones(3, 3)
    np.testing.assert_array_equal(values(original), np.triu(np.ones((3, 3))))
    layer(fb.ones(1, 3)).sum().backward()
    np.testing.assert_array_equal(values(original.grad), 2 * np.triu(np.ones((3, 3))) - np.eye(3))
    parametrize.register_parametrization(layer, "weight", Twice())
    np.testing.assert_array_equal(values(layer.weight), np.full((3, 3), 2.0))
    assert parametrize.type_before_parametrizations(layer) is fb.nn.Linear
    parametrize.remove_parametrizations(layer, "weight")
    assert type(layer) is fb.nn.Linear and layer.weight is original
    np.testing.assert_array_equal(values(layer.weight), np.full((3, 3), 2.0))


def test_parametrize_cached_copied_and_not_pickled():
    layer = parametrize.register_parametrization(fb.nn.Linear(3, 3), "weight", Symmetric())
    start = Symmetric.calls
    with parametrize.cached():
        assert layer.weight is layer.weight
    assert Symmetric.calls == start + 1
    twin = copy.deepcopy(layer)
    twin.weight = fb.zeros(3, 3)
    assert not values(twin.weight).any() and values(layer.weight).any()
    with pytest.raises(RuntimeError, match="Serialization of parametrized modules"):
        pickle.dumps(layer)


def test_parametrize_errors():
    layer = fb.nn.Linear(3, 2)
    with pytest.raises(ValueError, match="does not have a parameter, a buffer, or a parametrized element"):
        parametrize.register_parametrization(layer, "other", Twice())
    with pytest.raises(ValueError, match="may not change the shape"):
        parametrize.register_parametrization(layer, "weight", fb.nn.Flatten(0))
    with pytest.raises(ValueError, match="does not have a parametrization on bias"):
        parametrize.remove_parametrizations(layer, "bias")


# ---- pruning


def prune_of(library):
    return importlib.import_module(f"{library.__name__}.nn.utils.prune")


METHODS = {
    "l1": lambda p, m: p.l1_unstructured(m, "weight", 0.4),
    "random": lambda p, m: p.random_unstructured(m, "weight", 5),
    "channels": lambda p, m: p.ln_structured(m, "weight", 2, 2, 1),
    "random channels": lambda p, m: p.random_structured(m, "weight", 0.5, 0),
    "twice": lambda p, m: p.l1_unstructured(p.ln_structured(m, "weight", 1, 1, 0), "weight", 3),
    "none": lambda p, m: p.identity(m, "weight"),
}


@pytest.mark.parametrize("method", METHODS)
def test_prune(torch, method):
    ours, theirs = pair(torch, lambda library: METHODS[method](prune_of(library), library.nn.Linear(5, 4)))
    same_state(ours, theirs)
    close(ours.weight, theirs.weight)
    assert prune.is_pruned(ours)
    trained(fb, ours, fb.ones(2, 5))
    trained(torch, theirs, torch.ones(2, 5))
    same_state(ours, theirs)
    prune.remove(ours, "weight")
    prune_of(torch).remove(theirs, "weight")
    same_state(ours, theirs)
    assert not prune.is_pruned(ours)


def test_prune_globally(torch):
    def make(library):
        model = library.nn.Sequential(library.nn.Linear(3, 4), library.nn.Linear(4, 2))
        p = prune_of(library)
        p.global_unstructured([(model[0], "weight"), (model[1], "weight")], p.L1Unstructured, amount=7)
        return model

    ours, theirs = pair(torch, make)
    same_state(ours, theirs)
    assert sum((values(m.weight) == 0).sum() for m in ours) == 7


def test_prune_errors():
    layer = fb.nn.Linear(2, 2)
    with pytest.raises(ValueError, match="amount=1.5 should either be a float in the range"):
        prune.l1_unstructured(layer, "weight", 1.5)
    with pytest.raises(ValueError, match="amount=5 should be smaller than the number of parameters to prune=4"):
        prune.l1_unstructured(layer, "weight", 5)
    assert [n for n, _ in layer.named_parameters()] == ["bias", "weight"]
    with pytest.raises(ValueError, match="has to be pruned before pruning can be removed"):
        prune.remove(layer, "weight")


# ---- sequences

ROWS = [[1.0, 2.0], [3.0, 4.0, 5.0], [6.0]]


@pytest.mark.parametrize("first", [False, True])
def test_pack_and_pad(torch, first):
    found = []
    for library in (fb, torch):
        u = library.nn.utils.rnn
        parts = [library.tensor(r) for r in ROWS]
        padded = u.pad_sequence(parts, first, -1.0)
        packed = u.pack_padded_sequence(padded, [2, 3, 1], first, enforce_sorted=False)
        again, lengths = u.pad_packed_sequence(packed, first, -2.0, total_length=4)
        found.append([padded, u.pad_sequence(parts, first, 0.0, "left"), *packed, again, lengths])
    for ours, theirs in zip(*found, strict=True):
        close(ours, theirs)
        assert str(ours.dtype) == str(theirs.dtype)


def test_unpack_gives_back_what_was_packed():
    packed = rnn.pack_sequence([fb.tensor(r) for r in ROWS], enforce_sorted=False)
    assert [values(t).tolist() for t in rnn.unpack_sequence(packed)] == ROWS
    assert packed.double().data.dtype is fb.float64 and packed.to(fb.float32) is packed
    order = fb.tensor([2, 0, 1])
    assert values(rnn.invert_permutation(order)).tolist() == [1, 2, 0]


def test_gradient_passes_through_packing():
    x = fb.ones(3, 2, requires_grad=True)
    packed = rnn.pack_padded_sequence(x, [3, 1])
    (rnn.pad_packed_sequence(packed)[0] * 2).sum().backward()
    assert values(x.grad).tolist() == [[2, 2], [2, 0], [2, 0]]


@pytest.mark.parametrize(
    "lengths, text",
    [
        ([1, 2], "`lengths` array must be sorted in decreasing order"),
        ([2, 0], "Length of all samples has to be greater than 0"),
        ([2], r"Expected `len\(lengths\)` to be equal to batch_size, but got 1 \(batch_size=2\)"),
    ],
)
def test_packing_errors(lengths, text):
    with pytest.raises(RuntimeError, match=text):
        rnn.pack_padded_sequence(fb.ones(2, 2), lengths)


# ---- stateless


@pytest.mark.filterwarnings("ignore:.*functional_call.*:FutureWarning")
def test_functional_call():
    layer = fb.nn.Linear(2, 1)
    weight = fb.tensor([[2.0, 3.0]], requires_grad=True)
    given = {"weight": weight, "bias": fb.tensor([1.0])}
    out = stateless.functional_call(layer, given, fb.ones(1, 2))
    assert out.item() == 6
    out.backward()
    assert values(weight.grad).tolist() == [[1, 1]] and layer.weight.grad is None
    with pytest.raises(RuntimeError, match="Missing key"):
        stateless.functional_call(layer, {"weight": weight}, fb.ones(1, 2), strict=True)


@pytest.mark.filterwarnings("ignore:.*functional_call.*:FutureWarning")
def test_functional_call_hands_back_buffers():
    layer = fb.nn.BatchNorm1d(2)
    given = {n: t.clone() for n, t in layer.named_buffers()}
    stateless.functional_call(layer, given, fb.tensor([[1.0, 2.0], [3.0, 6.0]]))
    np.testing.assert_allclose(values(given["running_mean"]), [0.2, 0.4], rtol=1e-6)
    assert not values(layer.running_mean).any()


def test_lengths_of_parametrizations_list():
    layer = parametrizations.weight_norm(fb.nn.Linear(2, 2))
    assert [n for n, _ in layer.named_parameters()] == [
        "bias",
        "parametrizations.weight.original0",
        "parametrizations.weight.original1",
    ]
