"""Layers: a number for each, their text and state, how they are copied and saved, and what they say of wrong shapes."""

from __future__ import annotations

import copy
import inspect
import pickle
import warnings

import numpy as np
import pytest

import flambeau as fb
from flambeau import nn

X = [[1.0, -2.0], [3.0, 0.5]]
E = np.exp


def values(t):
    return np.asarray(t.detach().numpy(), dtype=np.float64)


def close(t, expected, tolerance=1e-6):
    np.testing.assert_allclose(values(t), expected, rtol=tolerance, atol=tolerance)


# ---- one formula per layer

x = np.array(X)
ELEMENTWISE = {
    "ReLU": (nn.ReLU(), np.maximum(x, 0)),
    "ReLU6": (nn.ReLU6(), np.clip(x, 0, 6)),
    "Sigmoid": (nn.Sigmoid(), 1 / (1 + E(-x))),
    "Tanh": (nn.Tanh(), np.tanh(x)),
    "LogSigmoid": (nn.LogSigmoid(), -np.log1p(E(-x))),
    "Softsign": (nn.Softsign(), x / (1 + abs(x))),
    "Tanhshrink": (nn.Tanhshrink(), x - np.tanh(x)),
    "Hardtanh": (nn.Hardtanh(-0.5, 2.0), np.clip(x, -0.5, 2)),
    "Threshold": (nn.Threshold(0.7, 9.0), np.where(x > 0.7, x, 9)),
    "Hardsigmoid": (nn.Hardsigmoid(), np.clip(x + 3, 0, 6) / 6),
    "Hardswish": (nn.Hardswish(), x * np.clip(x + 3, 0, 6) / 6),
    "SiLU": (nn.SiLU(), x / (1 + E(-x))),
    "Mish": (nn.Mish(), x * np.tanh(np.log1p(E(x)))),
    "ELU": (nn.ELU(0.5), np.where(x > 0, x, 0.5 * np.expm1(x))),
    "CELU": (nn.CELU(0.5), np.where(x > 0, x, 0.5 * np.expm1(x / 0.5))),
    "LeakyReLU": (nn.LeakyReLU(0.1), np.where(x > 0, x, 0.1 * x)),
    "RReLU": (nn.RReLU(0.1, 0.3).eval(), np.where(x > 0, x, 0.2 * x)),
    "PReLU": (nn.PReLU(), np.where(x > 0, x, 0.25 * x)),
    "GLU": (nn.GLU(), x[:, :1] / (1 + E(-x[:, 1:]))),
    "Hardshrink": (nn.Hardshrink(), np.where(abs(x) > 0.5, x, 0)),
    "Softshrink": (nn.Softshrink(), np.sign(x) * np.maximum(abs(x) - 0.5, 0)),
    "Softplus": (nn.Softplus(), np.log1p(E(x))),
    "Softmax": (nn.Softmax(1), E(x) / E(x).sum(1, keepdims=True)),
    "Softmin": (nn.Softmin(0), E(-x) / E(-x).sum(0)),
    "LogSoftmax": (nn.LogSoftmax(1), x - np.log(E(x).sum(1, keepdims=True))),
    "Identity": (nn.Identity(7, any=1), x),
    "Flatten": (nn.Flatten(0), x.reshape(-1)),
    "Unflatten": (nn.Unflatten(1, (2, 1)), x.reshape(2, 2, 1)),
    "Dropout": (nn.Dropout(0.5).eval(), x),
    "LayerNorm": (nn.LayerNorm(2, eps=0.0), np.array([[1, -1], [1, -1]])),
    "RMSNorm": (nn.RMSNorm(2, eps=0.0), x / np.sqrt((x * x).mean(1, keepdims=True))),
    "BatchNorm1d": (nn.BatchNorm1d(2, eps=1e-12), np.array([[-1, -1], [1, 1]])),
    "BatchNorm1d in evaluation": (nn.BatchNorm1d(2, eps=0.0).eval(), x),
    "ConstantPad1d": (nn.ConstantPad1d((1, 0), 7.0), np.concatenate([[[7], [7]], x], 1)),
    "ZeroPad1d": (nn.ZeroPad1d(1), np.pad(x, ((0, 0), (1, 1)))),
}


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_value_of_matrix(name):
    layer, expected = ELEMENTWISE[name]
    close(layer(fb.tensor(X)), expected)


RAMP = np.arange(16.0).reshape(1, 1, 4, 4)
IMAGES = {
    "MaxPool2d": (nn.MaxPool2d(2), [[[[5, 7], [13, 15]]]]),
    "AvgPool2d": (nn.AvgPool2d(2), [[[[2.5, 4.5], [10.5, 12.5]]]]),
    "LPPool2d": (nn.LPPool2d(1.0, 2), [[[[10, 18], [42, 50]]]]),
    "AdaptiveAvgPool2d": (nn.AdaptiveAvgPool2d((2, None)), [[[[2, 3, 4, 5], [10, 11, 12, 13]]]]),
    "AdaptiveMaxPool2d": (nn.AdaptiveMaxPool2d(1), [[[[15]]]]),
    "ReflectionPad2d": (nn.ReflectionPad2d((1, 0, 0, 0)), np.pad(RAMP, ((0, 0), (0, 0), (0, 0), (1, 0)), "reflect")),
    "ReplicationPad2d": (nn.ReplicationPad2d(1), np.pad(RAMP, ((0, 0), (0, 0), (1, 1), (1, 1)), "edge")),
    "CircularPad2d": (nn.CircularPad2d(1), np.pad(RAMP, ((0, 0), (0, 0), (1, 1), (1, 1)), "wrap")),
    "ZeroPad2d": (nn.ZeroPad2d(1), np.pad(RAMP, ((0, 0), (0, 0), (1, 1), (1, 1)))),
    "PixelUnshuffle": (
        nn.PixelUnshuffle(2),
        [[[[0, 2], [8, 10]], [[1, 3], [9, 11]], [[4, 6], [12, 14]], [[5, 7], [13, 15]]]],
    ),
    "Upsample": (nn.Upsample(scale_factor=2), RAMP.repeat(2, 2).repeat(2, 3)),
    "Unfold": (nn.Unfold(2, stride=2), [[[0, 2, 8, 10], [1, 3, 9, 11], [4, 6, 12, 14], [5, 7, 13, 15]]]),
    "LocalResponseNorm": (nn.LocalResponseNorm(1, alpha=1.0, beta=1.0, k=1.0), RAMP / (1 + RAMP**2)),
    "CrossMapLRN2d": (nn.CrossMapLRN2d(1, alpha=1.0, beta=1.0, k=1.0), RAMP / (1 + RAMP**2)),
    "InstanceNorm2d": (nn.InstanceNorm2d(1, eps=1e-12), (RAMP - 7.5) / RAMP.std()),
    "GroupNorm": (nn.GroupNorm(1, 1, eps=0.0), (RAMP - 7.5) / RAMP.std()),
    "BatchNorm2d": (nn.BatchNorm2d(1, eps=1e-12), (RAMP - 7.5) / RAMP.std()),
    "Softmax2d": (nn.Softmax2d(), np.ones((1, 1, 4, 4))),
}


@pytest.mark.parametrize("name", IMAGES)
def test_value_of_image(name):
    layer, expected = IMAGES[name]
    close(layer(fb.tensor(RAMP.astype("float32"))), expected, 1e-5)


def test_convolution_is_a_sum_over_windows():
    layer = nn.Conv2d(1, 1, 2, bias=True)
    with fb.no_grad():
        layer.weight.copy_(fb.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]))
        layer.bias.fill_(0.5)
    image = RAMP[0, 0]
    expected = image[:-1, :-1] + 2 * image[:-1, 1:] + 3 * image[1:, :-1] + 4 * image[1:, 1:] + 0.5
    close(layer(fb.tensor(RAMP.astype("float32")))[0, 0], expected)


def test_transposed_convolution_reaches_the_size_asked_for():
    layer = nn.ConvTranspose1d(1, 1, 3, stride=2)
    signal = fb.ones(1, 1, 4)
    assert [tuple(layer(signal, output_size=[n]).shape) for n in (9, 10)] == [(1, 1, 9), (1, 1, 10)]
    with pytest.raises(ValueError, match="requested an output size of"):
        layer(signal, output_size=[12])


def test_bilinear_is_a_quadratic_form():
    layer = nn.Bilinear(2, 2, 1)
    a, b = np.array([1.0, 2.0]), np.array([3.0, -1.0])
    expected = a @ values(layer.weight)[0] @ b + values(layer.bias)[0]
    close(layer(fb.tensor([[1.0, 2.0]]), fb.tensor([[3.0, -1.0]])), [[expected]])


def test_embedding_keeps_padding_at_zero():
    table = nn.Embedding(4, 3, padding_idx=-1)
    assert table.padding_idx == 3
    out = table(fb.tensor([1, 3]))
    close(out[1], [0, 0, 0])
    out.sum().backward()
    close(table.weight.grad, [[0, 0, 0], [1, 1, 1], [0, 0, 0], [0, 0, 0]])
    assert not nn.Embedding.from_pretrained(table.weight.detach()).weight.requires_grad


LOSSES = {
    "L1Loss": (nn.L1Loss(), ([1.0, 2.0], [0.0, 4.0]), 1.5),
    "MSELoss": (nn.MSELoss(reduction="sum"), ([1.0, 2.0], [0.0, 4.0]), 5.0),
    "SmoothL1Loss": (nn.SmoothL1Loss(), ([0.5, 2.0], [0.0, 4.0]), (0.125 + 1.5) / 2),
    "HuberLoss": (nn.HuberLoss(delta=0.5), ([0.5, 2.0], [0.0, 4.0]), (0.125 + 0.5 * 1.75) / 2),
    "NLLLoss": (nn.NLLLoss(), ([[-1.0, -2.0]], [1]), 2.0),
    "CrossEntropyLoss": (nn.CrossEntropyLoss(), ([[0.0, 0.0]], [1]), np.log(2)),
    "BCELoss": (nn.BCELoss(), ([0.5, 0.25], [1.0, 0.0]), (np.log(2) - np.log(0.75)) / 2),
    "BCEWithLogitsLoss": (nn.BCEWithLogitsLoss(), ([0.0], [1.0]), np.log(2)),
    "KLDivLoss": (nn.KLDivLoss(reduction="sum"), ([0.0, -1.0], [0.5, 0.5]), np.log(0.5) + 0.5),
    "PoissonNLLLoss": (nn.PoissonNLLLoss(), ([1.0], [2.0]), np.e - 2),
    "HingeEmbeddingLoss": (nn.HingeEmbeddingLoss(), ([0.25, 0.5], [1.0, -1.0]), 0.375),
    "SoftMarginLoss": (nn.SoftMarginLoss(), ([2.0], [-1.0]), np.log1p(E(2))),
    "MultiMarginLoss": (nn.MultiMarginLoss(), ([[0.5, 0.75]], [0]), 1.25 / 2),
    "MultiLabelMarginLoss": (nn.MultiLabelMarginLoss(), ([[0.5, 0.75]], [[0, -1]]), 1.25 / 2),
    "MultiLabelSoftMarginLoss": (nn.MultiLabelSoftMarginLoss(), ([[0.0, 0.0]], [[1.0, 0.0]]), np.log(2)),
    "MarginRankingLoss": (nn.MarginRankingLoss(0.5), ([1.0], [2.0], [1.0]), 1.5),
    "CosineEmbeddingLoss": (nn.CosineEmbeddingLoss(), ([[1.0, 0.0]], [[0.0, 1.0]], [1.0]), 1.0),
    "GaussianNLLLoss": (nn.GaussianNLLLoss(), ([1.0], [3.0], [2.0]), (np.log(2) + 2) / 2),
    "TripletMarginLoss": (nn.TripletMarginLoss(eps=0.0), ([[0.0]], [[3.0]], [[2.0]]), 2.0),
    "TripletMarginWithDistanceLoss": (
        nn.TripletMarginWithDistanceLoss(distance_function=lambda a, b: (a - b).abs().sum(1)),
        ([[0.0]], [[3.0]], [[2.0]]),
        2.0,
    ),
    "CosineSimilarity": (nn.CosineSimilarity(), ([[3.0, 4.0]], [[4.0, 3.0]]), [0.96]),
    "PairwiseDistance": (nn.PairwiseDistance(eps=0.0), ([[3.0, 0.0]], [[0.0, 4.0]]), [5.0]),
}


@pytest.mark.parametrize("name", LOSSES)
def test_value_of_loss(name):
    layer, given, expected = LOSSES[name]
    close(layer(*[fb.tensor(g) for g in given]), expected)


def test_reduction_in_the_old_way():
    with pytest.warns(UserWarning, match="please use reduction='sum'"):
        assert nn.MSELoss(size_average=False).reduction == "sum"
    with pytest.warns(UserWarning):
        assert nn.L1Loss(reduce=False).reduction == "none"


def test_weights_of_a_loss_are_buffers():
    loss = nn.BCEWithLogitsLoss(weight=fb.ones(1), pos_weight=fb.tensor([3.0]))
    assert list(loss.state_dict()) == ["weight", "pos_weight"] and not list(loss.parameters())
    close(loss(fb.tensor([0.0]), fb.tensor([1.0])), 3 * np.log(2))


# ---- batch normalisation's memory


def test_batch_norm_follows_what_it_sees():
    layer = nn.BatchNorm1d(1, momentum=0.25)
    layer(fb.tensor([[1.0], [3.0]]))
    close(layer.running_mean, [0.5])
    close(layer.running_var, [0.75 + 0.25 * 2])
    assert layer.num_batches_tracked.item() == 1
    plain = nn.BatchNorm1d(1, momentum=None)
    for mean in (2.0, 4.0, 9.0):
        plain(fb.tensor([[mean - 1], [mean + 1]]))
    close(plain.running_mean, [5.0])


def test_convert_sync_batchnorm_keeps_parameters():
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    weight = model[1].weight
    converted = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    assert type(converted[1]) is nn.SyncBatchNorm and converted[1].weight is weight


# ---- random layers


def test_dropout_scales_what_it_keeps():
    fb.manual_seed(0)
    out = values(nn.Dropout(0.75)(fb.ones(1000)))
    assert set(np.unique(out)) == {0.0, 4.0} and 150 < (out > 0).sum() < 350
    channels = values(nn.Dropout2d(0.5)(fb.ones(8, 8, 2, 2)))
    assert np.array_equal(channels.min((2, 3)), channels.max((2, 3))) and set(np.unique(channels)) == {0.0, 2.0}


def test_dropout_inplace_writes():
    given = fb.ones(100)
    out = nn.Dropout(0.5, inplace=True)(given)
    assert out is given and set(np.unique(values(given))) == {0.0, 2.0}


def test_alpha_dropout_keeps_mean_and_variance():
    fb.manual_seed(0)
    out = values(nn.AlphaDropout(0.3)(fb.randn(20000)))
    assert abs(out.mean()) < 0.05 and abs(out.std() - 1) < 0.05


@pytest.mark.parametrize("p", [-0.1, 1.5])
def test_dropout_checks_probability(p):
    with pytest.raises(ValueError, match="dropout probability has to be between 0 and 1, but got"):
        nn.Dropout(p)
    with pytest.raises(ValueError, match="dropout probability has to be between 0 and 1, but got"):
        nn.functional.dropout(fb.ones(1), p)


def test_gumbel_softmax_is_a_distribution_and_hard_is_one_hot():
    fb.manual_seed(0)
    logits = fb.randn(5, 4, requires_grad=True)
    close(nn.functional.gumbel_softmax(logits).sum(1), np.ones(5))
    hard = nn.functional.gumbel_softmax(logits, hard=True)
    assert set(np.unique(values(hard).round(6))) == {0.0, 1.0}
    (hard * fb.randn(5, 4)).sum().backward()
    assert np.abs(values(logits.grad)).sum() > 0


SAMPLED = [
    ("dropout", (0.3,), (3, 4)),
    ("dropout1d", (0.3,), (3, 4, 5)),
    ("dropout2d", (0.3,), (2, 3, 4, 5)),
    ("dropout3d", (0.3,), (2, 3, 2, 2, 2)),
    ("alpha_dropout", (0.3, True), (3, 40)),
    ("feature_alpha_dropout", (0.3, True), (3, 4, 5)),
    ("rrelu", (0.1, 0.4, True), (30, 4)),
    ("gumbel_softmax", (0.7,), (3, 4)),
]


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize("name, args, shape", SAMPLED, ids=[s[0] for s in SAMPLED])
def test_draws_are_those_of_torch(name, args, shape, dtype):
    torch = pytest.importorskip("torch")
    given = np.random.default_rng(0).normal(size=shape).astype("float32")
    found = []
    for m in (torch, fb):
        m.manual_seed(7)
        t = m.tensor(given).to(getattr(m, dtype)).requires_grad_()
        out = getattr(m.nn.functional, name)(t, *args)
        (out * out).sum().backward()
        found.append((out.detach().to(m.float64).numpy(), t.grad.to(m.float64).numpy(), m.rand(2).numpy()))
    exact = {"rtol": 0, "atol": 0} if name != "gumbel_softmax" else {"rtol": 1e-5, "atol": 1e-6}
    np.testing.assert_allclose(found[1][0], found[0][0], **exact)
    np.testing.assert_allclose(found[1][1], found[0][1], rtol=1e-2 if dtype == "bfloat16" else 1e-4, atol=1e-6)
    np.testing.assert_array_equal(found[1][2], found[0][2])


# ---- lazy layers

LAZY = [
    (lambda: nn.LazyLinear(3), (4, 5), "Linear(in_features=5, out_features=3, bias=True)"),
    (lambda: nn.LazyConv2d(6, 3), (1, 2, 8, 8), "Conv2d(2, 6, kernel_size=(3, 3), stride=(1, 1))"),
    (lambda: nn.LazyConvTranspose1d(4, 2), (3, 7), "ConvTranspose1d(3, 4, kernel_size=(2,), stride=(1,))"),
    (
        lambda: nn.LazyBatchNorm1d(),
        (4, 5),
        "BatchNorm1d(5, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)",
    ),
]


@pytest.mark.parametrize("make, shape, text", LAZY, ids=["linear", "conv", "transposed", "norm"])
def test_lazy_layer_becomes_what_its_input_says(make, shape, text):
    layer = make()
    weight = layer.weight
    assert isinstance(weight, nn.UninitializedParameter)
    with pytest.raises(RuntimeError, match="Can't access the shape of an uninitialized parameter or buffer"):
        _ = weight.shape
    layer(fb.randn(*shape))
    assert repr(layer) == text and layer.weight is weight and type(weight) is nn.Parameter
    assert not layer._hooked and not layer._forward_pre_hooks
    fresh = make()
    fresh.load_state_dict(layer.state_dict())
    close(fresh(fb.ones(*shape)), values(layer(fb.ones(*shape))))


def test_lazy_layer_is_converted_before_it_has_shapes():
    layer = nn.LazyBatchNorm1d().double()
    layer(fb.randn(3, 2, dtype=fb.float64))
    assert {t.dtype for t in layer.state_dict().values()} == {fb.float64, fb.int64}


def test_lazy_model_is_deep_copied_before_it_has_shapes():
    model = copy.deepcopy(nn.Sequential(nn.LazyLinear(3), nn.ReLU(), nn.LazyLinear(1)))
    assert tuple(model(fb.ones(2, 7)).shape) == (2, 1) and type(model[0]) is nn.Linear


# ---- adaptive softmax


def test_adaptive_softmax_is_a_distribution():
    layer = nn.AdaptiveLogSoftmaxWithLoss(6, 10, [3, 6], div_value=2.0)
    given, target = fb.randn(5, 6), fb.tensor([0, 3, 9, 5, 2])
    every = values(layer.log_prob(given))
    close(fb.tensor(E(every).sum(1)), np.ones(5), 1e-5)
    output, loss = layer(given, target)
    close(output, every[np.arange(5), [0, 3, 9, 5, 2]], 1e-5)
    close(loss, -values(output).mean(), 1e-5)
    assert np.array_equal(values(layer.predict(given)), every.argmax(1))
    with pytest.raises(ValueError, match="cutoffs should be a sequence of unique, positive integers"):
        nn.AdaptiveLogSoftmaxWithLoss(6, 10, [3, 3])


# ---- text, state, copies

TEXTS = [
    (nn.ReLU(True), "ReLU(inplace=True)"),
    (nn.LeakyReLU(0.2, inplace=True), "LeakyReLU(negative_slope=0.2, inplace=True)"),
    (nn.GELU("tanh"), "GELU(approximate='tanh')"),
    (nn.Softmax(dim=1), "Softmax(dim=1)"),
    (nn.Hardsigmoid(True), "Hardsigmoid()"),
    (nn.Dropout(0.2), "Dropout(p=0.2, inplace=False)"),
    (nn.CrossEntropyLoss(), "CrossEntropyLoss()"),
    (nn.MaxPool2d(2, 1), "MaxPool2d(kernel_size=2, stride=1, padding=0, dilation=1, ceil_mode=False)"),
    (nn.AvgPool1d(2), "AvgPool1d(kernel_size=(2,), stride=(2,), padding=(0,))"),
    (
        nn.Conv2d(4, 8, 3, stride=2, padding=1, dilation=2, groups=2, bias=False, padding_mode="reflect"),
        "Conv2d(4, 8, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), dilation=(2, 2), groups=2, bias=False, "
        "padding_mode=reflect)",
    ),
    (nn.LayerNorm((2, 3), bias=False), "LayerNorm((2, 3), eps=1e-05, elementwise_affine=True, bias=False)"),
    (nn.Embedding(3, 2, padding_idx=0, max_norm=1.0), "Embedding(3, 2, padding_idx=0, max_norm=1.0)"),
    (nn.EmbeddingBag(3, 2), "EmbeddingBag(3, 2, mode='mean')"),
    (nn.Upsample(scale_factor=2), "Upsample(scale_factor=2.0, mode='nearest')"),
    (nn.ConstantPad2d(1, 3.5), "ConstantPad2d(padding=(1, 1, 1, 1), value=3.5)"),
]


@pytest.mark.parametrize("layer, text", TEXTS, ids=[t.split("(")[0] for _, t in TEXTS])
def test_text(layer, text):
    assert repr(layer) == text


def test_names_in_the_state():
    assert list(nn.Conv1d(1, 1, 1).state_dict()) == ["weight", "bias"]
    assert list(nn.BatchNorm2d(2).state_dict()) == [
        "weight",
        "bias",
        "running_mean",
        "running_var",
        "num_batches_tracked",
    ]
    assert list(nn.InstanceNorm1d(2).state_dict()) == []
    assert list(nn.PReLU().state_dict()) == ["weight"]
    assert list(nn.LinearCrossEntropyLoss(2, 3, bias=True).state_dict()) == ["linear.weight", "linear.bias"]
    assert list(nn.DataParallel(nn.Linear(1, 1)).state_dict()) == ["module.weight", "module.bias"]


def test_layers_are_copied_and_pickled():
    for layer in (
        nn.LeakyReLU(0.3),
        nn.CrossEntropyLoss(label_smoothing=0.1),
        nn.Conv2d(1, 2, 3),
        nn.BatchNorm1d(2),
        nn.Softmax(1),
    ):
        for again in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
            assert repr(again) == repr(layer) and type(again) is type(layer)
            mine = layer.state_dict()
            assert all(np.array_equal(values(v), values(mine[k])) for k, v in again.state_dict().items())


def layers():
    return sorted(n for n in nn.__all__ if isinstance(getattr(nn, n), type) and issubclass(getattr(nn, n), nn.Module))


@pytest.mark.parametrize("name", layers())
def test_signature_is_that_of_torch(name):
    torch = pytest.importorskip("torch")

    def arguments(cls):
        return [(p.name, p.default, p.kind) for p in inspect.signature(cls.__init__).parameters.values()]

    mine, theirs = getattr(nn, name), getattr(torch.nn, name)
    shown = [(n, repr(d).replace("flambeau", "torch"), k) for n, d, k in arguments(mine)]
    expected = [(n, repr(d), k) for n, d, k in arguments(theirs)]
    if not any(" at 0x" in d for _, d, _ in expected):
        assert shown == expected
    assert mine.__doc__


def test_module_paths_of_torch():
    from flambeau.nn.modules.batchnorm import _BatchNorm
    from flambeau.nn.modules.conv import _ConvNd
    from flambeau.nn.modules.utils import _pair

    from flambeau.nn.modules.module import Module, register_module_forward_hook

    assert issubclass(nn.Conv2d, _ConvNd) and issubclass(nn.BatchNorm2d, _BatchNorm) and Module is nn.Module
    assert _pair(3) == (3, 3) and nn.modules.Linear is nn.Linear
    seen = []
    handle = register_module_forward_hook(lambda module, args, out: seen.append(type(module).__name__))
    try:
        nn.ReLU()(fb.ones(1))
    finally:
        handle.remove()
    assert seen == ["ReLU"]


def test_hook_of_all_modules_sees_keywords_and_errors():
    seen = []
    handle = nn.modules.module.register_module_forward_hook(
        lambda module, args, kwargs, out: seen.append((len(args), list(kwargs), out is None)),
        with_kwargs=True,
        always_call=True,
    )
    try:
        nn.ReLU()(input=fb.ones(1))
        with pytest.raises(RuntimeError):
            nn.Linear(3, 1)(fb.ones(2))
    finally:
        handle.remove()
    nn.ReLU()(fb.ones(1))
    assert seen == [(0, ["input"], False), (1, [], True)]


def test_gradients_of_convolution_as_functions():
    image, weight = fb.randn(2, 3, 6, 6, requires_grad=True), fb.randn(4, 3, 3, 3, requires_grad=True)
    out = nn.functional.conv2d(image, weight, stride=2, padding=1)
    g = fb.randn(*out.shape)
    out.backward(g)
    close(nn.grad.conv2d_input(image.shape, weight, g, stride=2, padding=1), values(image.grad), 1e-5)
    close(nn.grad.conv2d_weight(image, weight.shape, g, stride=2, padding=1), values(weight.grad), 1e-5)


# ---- what is said of wrong arguments

WRONG = [
    (lambda: nn.Conv2d(3, 4, 3, groups=2), ValueError, "in_channels must be divisible by groups"),
    (lambda: nn.Conv2d(2, 4, 3, padding="same", stride=2), ValueError, "padding='same' is not supported for strided"),
    (lambda: nn.Conv2d(2, 4, 3, padding_mode="mirror"), ValueError, "padding_mode must be one of"),
    (lambda: nn.ConvTranspose2d(2, 4, 3, padding_mode="reflect"), ValueError, 'Only "zeros" padding mode is supported'),
    (lambda: nn.GroupNorm(3, 10), ValueError, r"num_channels \(10\) must be divisible by num_groups \(3\)"),
    (lambda: nn.BatchNorm2d(3)(fb.ones(2, 3)), ValueError, r"expected 4D input \(got 2D input\)"),
    (lambda: nn.BatchNorm1d(3)(fb.ones(3)), ValueError, r"expected 2D or 3D input \(got 1D input\)"),
    (lambda: nn.InstanceNorm1d(3, affine=True)(fb.ones(2, 4, 5)), ValueError, "to match num_features"),
    (lambda: nn.CircularPad1d(1)(fb.ones(3)), ValueError, r"expected 2D or 3D input \(got 1D input\)"),
    (lambda: nn.Softmax2d()(fb.ones(3)), ValueError, "expected input to be 3D or 4D, got 1D instead"),
    (lambda: nn.FractionalMaxPool2d(2), ValueError, "requires specifying either an output size, or a pooling ratio"),
    (lambda: nn.MultiMarginLoss(p=3), ValueError, "only p == 1 and p == 2 supported"),
    (lambda: nn.TripletMarginLoss(margin=0), ValueError, "expected margin to be greater than 0, got 0 instead"),
    (lambda: nn.Embedding(3, 2, padding_idx=5), AssertionError, "Padding_idx must be within num_embeddings"),
    (lambda: nn.Unflatten(0, 3), TypeError, "unflattened_size must be a tuple of ints"),
    (lambda: nn.Bilinear(0, 1, 1), ValueError, "in1_features must be > 0, but got 0"),
    (lambda: nn.HuberLoss(delta="1"), TypeError, "delta must be a float or int, got: <class 'str'>"),
]


@pytest.mark.parametrize("attempt, kind, text", WRONG, ids=[t for _, _, t in WRONG])
def test_wrong_arguments(attempt, kind, text):
    with pytest.raises(kind, match=text):
        attempt()


def test_error_names_the_module():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(10, 2))
    with pytest.raises(RuntimeError) as caught:
        model(fb.ones(1, 3, 8, 8))
    assert "Sequential.2 (Linear(in_features=10, out_features=2, bias=True))" in "\n".join(caught.value.__notes__)


def test_no_warning_while_making_layers():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nn.Sequential(nn.Conv1d(1, 1, 1), nn.LazyLinear(3), nn.MSELoss(), nn.Dropout())
