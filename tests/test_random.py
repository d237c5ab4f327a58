"""Same seed, same numbers: the functions, methods and layers that draw, against PyTorch."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from side_by_side import same, table

import flambeau

SIZES = (0, 1, 2, 7, 8, 15, 16, 17, 24, 31, 32, 33, 100)
FLOATS = ("float32", "float64", "float16", "bfloat16")
INTEGERS = ("int64", "int32", "int16", "int8", "uint8")


def over(m, draw, kinds, sizes=SIZES):
    """What `draw(kind, size)` gives for all dtypes and sizes, one after the other; then where the generator stands."""
    found = {f"{kind} {n}": draw(getattr(m, kind), n) for kind in kinds for n in sizes}
    return {**found, "after": m.rand(2)}


DRAWN = table(
    lambda m: over(m, lambda k, n: m.rand(n, dtype=k), FLOATS),
    lambda m: over(m, lambda k, n: m.randn(n, dtype=k), FLOATS),
    lambda m: over(m, lambda k, n: m.randint(0, 10, (n,), dtype=k), INTEGERS + FLOATS),
    lambda m: over(m, lambda k, n: m.randint(-5, 100, (n,), dtype=k), ("int64", "int32")),
    lambda m: over(m, lambda k, n: m.randint(0, 2**40, (n,), dtype=k), ("int64",)),
    lambda m: over(m, lambda k, n: m.randperm(n, dtype=k), ("int64", "int32", "float32")),
    lambda m: over(m, lambda k, n: m.empty(n, dtype=k).uniform_(-1, 3), FLOATS),
    lambda m: over(m, lambda k, n: m.empty(n, dtype=k).normal_(1, 2), FLOATS),
    lambda m: over(m, lambda k, n: m.empty(n, dtype=k).random_(), INTEGERS + FLOATS),
    lambda m: over(m, lambda k, n: m.empty(n, dtype=k).random_(10), INTEGERS + FLOATS),
    lambda m: over(m, lambda k, n: m.empty(n, dtype=k).random_(-3, 9), ("int64", "float32")),
    lambda m: over(m, lambda k, n: m.empty(n, dtype=k).bernoulli_(0.3), ("bool", *INTEGERS, *FLOATS)),
    lambda m: over(m, lambda k, n: m.empty(n, dtype=k).exponential_(2.0), ("float32", "float64")),
    lambda m: over(m, lambda k, n: m.bernoulli(m.full((n,), 0.4, dtype=k)), ("float32", "float64")),
    lambda m: over(m, lambda k, n: m.normal(2.0, 3.0, (n,), dtype=k), FLOATS),
    lambda m: over(m, lambda k, n: m.normal(m.arange(float(n)).to(k), 0.5), ("float32", "float64")),
    lambda m: over(m, lambda k, n: m.normal(0.0, m.ones(n, dtype=k) * 2), ("float32", "float64")),
    lambda m: over(m, lambda k, n: m.normal(m.zeros(n, dtype=k), m.ones(n, dtype=k)), ("float32", "float64")),
    lambda m: over(m, lambda k, n: m.rand_like(m.empty(n, dtype=k)), FLOATS),
    lambda m: over(m, lambda k, n: m.randn_like(m.empty(n, dtype=k)), FLOATS),
    lambda m: over(m, lambda k, n: m.randint_like(m.empty(n, dtype=k), 7), ("int64", "float32")),
    lambda m: over(m, lambda k, n: m.nn.functional.dropout(m.ones(n, dtype=k), 0.3), FLOATS),
    lambda m: [m.multinomial(m.tensor([0.1, 0.2, 0.7]), n, replacement=True) for n in (1, 5, 20)],
    lambda m: [m.multinomial(m.tensor([[0.1, 0.2, 0.7], [1.0, 1.0, 0.0]]), n) for n in (1, 2)],
    lambda m: m.multinomial(m.tensor([0.5, 0.5]), 3),
    lambda m: m.multinomial(m.tensor([-0.5, 0.5]), 1),
    lambda m: m.multinomial(m.tensor([0.0, 0.0]), 1),
    lambda m: [m.rand(2, 3), m.rand((2, 3)), m.rand([2]), m.rand(()), m.randn(2, 9), m.rand(3, requires_grad=True)],
    lambda m: [m.randint(5, (2, 3)), m.randint(high=5, size=(2,)), m.randint(3, 5, [2])],
    lambda m: m.randint(5, 5, (2,)),
    lambda m: m.randint(0, 300, (2,), dtype=m.uint8),
    lambda m: m.rand(2, dtype=m.int64),
    lambda m: m.randn(2, dtype=m.int64),
    lambda m: m.rand(-1),
    lambda m: m.randperm(-1),
    lambda m: m.empty(2).uniform_(3, 1),
    lambda m: m.empty(2).normal_(0, -1),
    lambda m: m.bernoulli(m.tensor([1.5])),
    lambda m: m.empty(2).bernoulli_(2.0),
    lambda m: m.normal(0.0, -1.0, (2,)),
    lambda m: m.ones(2, requires_grad=True).uniform_(),
    lambda m: [m.initial_seed(), m.manual_seed(7).initial_seed(), m.initial_seed(), m.rand(2)],
    lambda m: [m.manual_seed(-1).initial_seed(), m.rand(3)],
    lambda m: [m.manual_seed(2**63 + 5).initial_seed(), m.rand(3)],
    lambda m: m.manual_seed(2**64),
    lambda m: [
        [m.randn(3, generator=g), m.rand(2, generator=g), m.randperm(5, generator=g), g.initial_seed()]
        for g in [m.Generator().manual_seed(5)]
    ],
    lambda m: [
        [m.empty(9).normal_(generator=g), m.randint(9, (3,), generator=g), m.bernoulli(m.ones(3) / 2, generator=g)]
        for g in [m.Generator().manual_seed(5)]
    ],
    lambda m: [m.Generator().initial_seed(), m.rand(2, generator=m.Generator())],
    lambda m: [[t.dtype, t.shape] for t in [m.get_rng_state()]],
    lambda m: [m.rand(3), m.nn.functional.dropout(m.ones(5), 0.5, training=False), m.rand(1)],
    lambda m: m.nn.functional.dropout(m.ones(5), 1.5),
    lambda m: [m.nn.functional.dropout(m.ones(20), p) for p in (0.0, 1.0, 0.9)],
    lambda m: [
        m.nn.Dropout(0.4)(m.ones(4, 5)),
        m.nn.Dropout2d(0.4)(m.ones(2, 3, 2, 2)),
        m.nn.AlphaDropout(0.4)(m.ones(10)),
    ],
    lambda m: m.utils.data.random_split(range(10), [0.7, 0.3])[1].indices,
    lambda m: [b.tolist() for b in m.utils.data.DataLoader(range(10), 3, shuffle=True)] + [m.rand(1)],
    lambda m: list(m.utils.data.RandomSampler(range(7))),
    lambda m: list(m.utils.data.WeightedRandomSampler([0.1, 0.2, 0.7], 6)),
)


@pytest.mark.parametrize("function", DRAWN)
def test_draws(torch, both, function):
    same(function, torch)


LAYERS = [
    lambda nn: nn.Linear(7, 5),
    lambda nn: nn.Linear(3, 1, bias=False),
    lambda nn: nn.Bilinear(2, 3, 4),
    lambda nn: nn.Conv1d(2, 3, 3),
    lambda nn: nn.Conv2d(3, 4, 3, groups=1),
    lambda nn: nn.Conv3d(1, 2, 2),
    lambda nn: nn.ConvTranspose2d(2, 3, 2),
    lambda nn: nn.Embedding(5, 4),
    lambda nn: nn.Embedding(5, 4, padding_idx=1),
    lambda nn: nn.EmbeddingBag(4, 3),
    lambda nn: nn.PReLU(3),
    lambda nn: nn.BatchNorm1d(3),
    lambda nn: nn.LayerNorm(4),
    lambda nn: nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 1)),
]


@pytest.mark.parametrize("make", range(len(LAYERS)))
@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_layers_begin_alike(torch, make, kind):
    def state(m):
        m.set_default_dtype(getattr(m, kind))
        try:
            return [*dict(LAYERS[make](m.nn).state_dict()).items(), m.rand(1)]
        finally:
            m.set_default_dtype(m.float32)

    same(state, torch)


INITIAL = table(
    lambda m: m.nn.init.uniform_(m.empty(3, 5), 1, 2),
    lambda m: m.nn.init.normal_(m.empty(3, 5), 1, 2),
    lambda m: m.nn.init.trunc_normal_(m.empty(3, 5), 0, 1, -1, 1),
    lambda m: m.nn.init.xavier_uniform_(m.empty(3, 5), gain=2),
    lambda m: m.nn.init.xavier_normal_(m.empty(3, 5)),
    lambda m: m.nn.init.kaiming_uniform_(m.empty(3, 5), nonlinearity="relu"),
    lambda m: m.nn.init.kaiming_normal_(m.empty(4, 3, 2, 2), mode="fan_out", nonlinearity="leaky_relu"),
    lambda m: m.nn.init.sparse_(m.empty(5, 4), 0.5),
    lambda m: [
        m.nn.init.constant_(m.empty(2), 3),
        m.nn.init.ones_(m.empty(2)),
        m.nn.init.zeros_(m.empty(2)),
        m.nn.init.eye_(m.empty(2, 3)),
    ],
    lambda m: m.nn.init.dirac_(m.empty(2, 3, 3)),
    lambda m: [m.nn.init.calculate_gain(n) for n in ("linear", "relu", "tanh", "sigmoid", "leaky_relu", "selu")],
    lambda m: m.nn.init.calculate_gain("strange"),
    lambda m: m.nn.init.xavier_uniform_(m.empty(3)),
    lambda m: m.nn.init.kaiming_uniform_(m.empty(3, 5), mode="fan"),
    lambda m: m.nn.init.uniform_(m.nn.Parameter(m.empty(3))),
)


@pytest.mark.parametrize("function", INITIAL)
def test_initialisation(torch, both, function):
    same(function, torch)


def test_orthogonal_initialisation(torch):
    for shape in ((3, 5), (5, 3), (4, 2, 2)):
        torch.manual_seed(0)
        flambeau.manual_seed(0)
        expected = torch.nn.init.orthogonal_(torch.empty(shape)).numpy()
        np.testing.assert_allclose(flambeau.nn.init.orthogonal_(flambeau.empty(shape)).numpy(), expected, atol=1e-5)


def test_state_returns_and_travels(torch):
    flambeau.manual_seed(3)
    flambeau.rand(5)
    flambeau.randn(3)  # leaves half a pair of normal numbers behind
    state = flambeau.get_rng_state()
    first = [flambeau.randn(5).tolist(), flambeau.rand(3).tolist(), flambeau.randperm(6).tolist()]
    flambeau.set_rng_state(state)
    assert [flambeau.randn(5).tolist(), flambeau.rand(3).tolist(), flambeau.randperm(6).tolist()] == first
    torch.set_rng_state(torch.from_numpy(state.numpy()))
    np.testing.assert_allclose(torch.randn(5).tolist(), first[0], rtol=1e-6)
    g = flambeau.Generator().manual_seed(4)
    flambeau.rand(3, generator=g)
    copy = pickle.loads(pickle.dumps(g))
    assert flambeau.rand(3, generator=copy).tolist() == flambeau.rand(3, generator=g).tolist()
    with flambeau.random.fork_rng():
        flambeau.rand(3)
    flambeau.set_rng_state(state)
    assert flambeau.randn(5).tolist() == first[0]
    for bad in (flambeau.rand(5056), [1, 2]):
        with pytest.raises(TypeError, match="RNG state must be a torch.ByteTensor"):
            flambeau.set_rng_state(bad)


def test_fork_rng_leaves_the_generator_alone():
    flambeau.manual_seed(1)
    expected = flambeau.rand(3).tolist()
    flambeau.manual_seed(1)
    with flambeau.random.fork_rng():
        flambeau.rand(7)
    assert flambeau.rand(3).tolist() == expected


def test_seeds_of_the_system_differ():
    assert flambeau.seed() != flambeau.seed()
    g = flambeau.Generator()
    assert g.seed() == g.initial_seed()
