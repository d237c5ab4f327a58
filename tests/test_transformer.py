"""Attention and transformer layers: weights, outputs and gradients as PyTorch's from the same seed; masks; errors."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import flambeau as fb
from flambeau import nn

pytestmark = pytest.mark.filterwarnings("ignore:enable_nested_tensor is True", "ignore:The PyTorch API of nested")
RNG = np.random.default_rng(0)
SRC = RNG.standard_normal((6, 3, 8)).astype(np.float32)
TGT = RNG.standard_normal((4, 3, 8)).astype(np.float32)
PADDING = np.array([[0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 0], [0, 0, 1, 1, 1, 1]], bool)


def values(t):
    return np.asarray(t.detach().numpy(), dtype=np.float64)


def agree(ours, theirs, tolerance=2e-5):
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        if b is None:
            assert a is None or not values(a).any()
        else:
            np.testing.assert_allclose(values(a), values(b), rtol=tolerance, atol=tolerance)


def tried(library, make, call, train=True):
    """Weights, outputs and gradients of a module made from a seed."""
    library.manual_seed(5)
    module = make(library).train(train)
    x, y = library.tensor(SRC, requires_grad=True), library.tensor(TGT, requires_grad=True)
    found = [p.detach().clone() for p in module.parameters()]
    outputs = call(library, module, x, y)
    outputs = list(outputs) if isinstance(outputs, tuple) else [outputs]
    sum((o * library.arange(o.numel()).reshape(o.shape).cos()).sum() for o in outputs if o is not None).backward()
    return [*found, *outputs, x.grad, y.grad, *[p.grad for p in module.parameters()]]


def both(torch, make, call, train=True):
    agree(*(tried(library, make, call, train) for library in (fb, torch)))


ATTENTIONS = {
    "plain": ({}, {}),
    "weights by head": ({"bias": False}, {"average_attn_weights": False}),
    "no weights": ({}, {"need_weights": False}),
    "added": ({"add_bias_kv": True, "add_zero_attn": True}, {}),
    "dropout": ({"dropout": 0.4}, {}),
    "dropout without weights": ({"dropout": 0.4}, {"need_weights": False}),
    "padding": ({}, {"key_padding_mask": PADDING}),
    "mask": ({}, {"attn_mask": np.triu(np.ones((4, 6), bool), 2)}),
}


@pytest.mark.parametrize("name", ATTENTIONS)
def test_attention(torch, name):
    settings, words = ATTENTIONS[name]

    def call(library, module, x, y):
        given = {k: library.tensor(v) if isinstance(v, np.ndarray) else v for k, v in words.items()}
        return module(y, x, x, **given)

    both(torch, lambda library: library.nn.MultiheadAttention(8, 2, **settings), call)


def test_attention_of_other_widths(torch):
    def call(library, module, x, y):
        return module(y, x[..., :5], x[..., :3])

    both(torch, lambda library: library.nn.MultiheadAttention(8, 4, kdim=5, vdim=3), call)


def test_self_attention_batch_first_and_unbatched(torch):
    def make(library):
        return library.nn.MultiheadAttention(8, 2, batch_first=True)

    both(torch, make, lambda library, module, x, y: module(x, x, x))
    both(torch, make, lambda library, module, x, y: module(y[0], x[0], x[0]))
    mask = fb.nn.Transformer.generate_square_subsequent_mask(3)
    module, x = make(fb), fb.tensor(SRC)
    hinted = module(x, x, x, attn_mask=mask, is_causal=True, need_weights=False)[0]
    agree([hinted], [module(x, x, x, attn_mask=mask)[0]])


LAYERS = {
    "plain": {},
    "norm first": {"norm_first": True, "activation": "gelu"},
    "no bias": {"bias": False, "batch_first": True, "layer_norm_eps": 1e-3},
    "no dropout": {"dropout": 0.0},
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("train", [True, False])
def test_layers(torch, name, train):
    settings = LAYERS[name]

    def encoder(library):
        return library.nn.TransformerEncoderLayer(8, 2, 16, **settings)

    def decoder(library):
        return library.nn.TransformerDecoderLayer(8, 2, 16, **settings)

    both(torch, encoder, lambda library, module, x, y: module(x), train)
    rows = slice(None) if not settings.get("batch_first") else slice(0, 4)
    both(torch, decoder, lambda library, module, x, y: module(y, x[rows]), train)


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("train", [True, False])
def test_transformer(torch, first, train):
    def call(library, model, x, y):
        mask = model.generate_square_subsequent_mask(4)
        padding = library.tensor(PADDING)
        floats = library.zeros(3, 6).masked_fill(padding, float("-inf"))
        if first:
            x, y = x.transpose(0, 1), y.transpose(0, 1)
        return model(
            x, y, tgt_mask=mask, src_key_padding_mask=padding, memory_key_padding_mask=floats, tgt_is_causal=True
        )

    both(torch, lambda library: library.nn.Transformer(8, 2, 2, 2, 16, batch_first=first), call, train)


def test_padding_is_zero_where_pytorch_leaves_it_out(torch):
    found = []
    for library in (fb, torch):
        library.manual_seed(3)
        layer = library.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        model = library.nn.TransformerEncoder(layer, 2).eval()
        x = library.tensor(SRC).transpose(0, 1)
        with library.no_grad():
            found.append([model(x, src_key_padding_mask=library.tensor(PADDING)), model(x)])
    agree(*found)
    assert not values(found[0][0])[2, 2:].any()


def test_layers_of_an_encoder_are_copies():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    model = nn.TransformerEncoder(layer, 2, nn.LayerNorm(8))
    first, second = model.layers
    assert first.linear1.weight is not second.linear1.weight
    np.testing.assert_array_equal(values(first.linear1.weight), values(layer.linear1.weight))
    twin = pickle.loads(pickle.dumps(copy.deepcopy(model))).eval()
    agree([twin(fb.tensor(SRC))], [model.eval()(fb.tensor(SRC))])


def test_state_and_text(torch):
    def made(library):
        return library.nn.Transformer(8, 2, 1, 1, 16, batch_first=True, activation=library.nn.functional.gelu)

    ours, theirs = made(fb), made(torch)
    assert repr(ours) == repr(theirs)
    assert [(n, tuple(t.shape)) for n, t in ours.state_dict().items()] == [
        (n, tuple(t.shape)) for n, t in theirs.state_dict().items()
    ]
    assert values(nn.Transformer.generate_square_subsequent_mask(2)).tolist() == [[0, -np.inf], [0, 0]]


ERRORS = [
    (AssertionError, "embed_dim must be divisible by num_heads", lambda t: t.nn.MultiheadAttention(5, 2)),
    (ValueError, "embed_dim and num_heads must be greater than 0", lambda t: t.nn.MultiheadAttention(0, 2)),
    (RuntimeError, "activation should be relu/gelu, not tanh",
     lambda t: t.nn.TransformerEncoderLayer(4, 2, activation="tanh")),
    (RuntimeError, "the batch number of src and tgt must be equal",
     lambda t: t.nn.Transformer(4, 2, 1, 1, 8)(t.ones(2, 3, 4), t.ones(2, 2, 4))),
    (RuntimeError, "the feature number of src and tgt must be equal to d_model",
     lambda t: t.nn.Transformer(4, 2, 1, 1, 8)(t.ones(2, 3, 6), t.ones(2, 3, 6))),
    (AssertionError, "only bool and floating types of src_key_padding_mask are supported",
     lambda t: t.nn.TransformerEncoderLayer(4, 2, 8)(t.ones(2, 3, 4), src_key_padding_mask=t.ones(3, 2).long())),
]  # fmt: skip


@pytest.mark.parametrize("kind, text, call", ERRORS, ids=[text[:40] for _, text, _ in ERRORS])
def test_errors(torch, kind, text, call):
    for library in (torch, fb):
        with pytest.raises(kind, match=text):
            call(library)


def test_choice_of_kernels_is_taken():
    x = fb.tensor(SRC)
    with nn.attention.sdpa_kernel([nn.attention.SDPBackend.MATH]):
        inside = nn.functional.scaled_dot_product_attention(x, x, x)
    agree([inside], [nn.functional.scaled_dot_product_attention(x, x, x)])
    with pytest.raises(AssertionError), nn.attention.sdpa_kernel("math"):
        pass
