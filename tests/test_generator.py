"""The random stream against PyTorch's own: same seed, same calls, same numbers, same state afterwards."""

import functools

import ml_dtypes
import numpy as np
import pytest

from flambeau import sampling
from flambeau.generator import Stream

SIZES = (0, 1, 2, 7, 15, 16, 17, 31, 32, 33, 100, 1000)
FLOATS = ("float32", "float64", "float16", "bfloat16")
WHOLE = ("uint8", "int8", "int16", "int32", "int64")
# Units of the last place allowed where a logarithm, a sine or a cosine is taken; NumPy's are not PyTorch's.
ROUNDING = {"float32": 3, "float64": 16, "float16": 1, "bfloat16": 1, "complex64": 3, "complex128": 16}


@functools.cache
def reference():
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    return torch


def to_numpy(tensor):
    torch = reference()
    if tensor.dtype == torch.bfloat16:
        return tensor.view(torch.uint16).numpy().view(ml_dtypes.bfloat16)
    return tensor.numpy()


def to_torch(array):
    return reference().from_numpy(array)


def both(seed):
    """A stream and PyTorch's generator, from the same seed."""
    return Stream(seed), reference().Generator().manual_seed(seed)


def assert_same_state(stream, generator):
    assert np.array_equal(stream.get_state(), generator.get_state().numpy())


def assert_equal(ours, theirs, exact=True):
    theirs = to_numpy(theirs)
    assert ours.dtype == theirs.dtype
    assert ours.shape == theirs.shape
    if exact:
        assert ours.tobytes() == theirs.tobytes()
        return
    if ours.dtype.kind == "c":
        ours, theirs = (np.ascontiguousarray(x).reshape(-1).view(x.real.dtype) for x in (ours, theirs))
    step = ROUNDING[ours.dtype.name] * float(ml_dtypes.finfo(ours.dtype).eps)
    wide = (ours.astype(np.float64), theirs.astype(np.float64))
    np.testing.assert_allclose(*wide, rtol=step, atol=step)


# Each draw: of a stream and a shape, of PyTorch's generator and the same shape, and whether every bit must agree.
def _draw(ours, theirs, exact=True):
    return ours, theirs, exact


def _empty(shape, dtype="float32"):
    torch = reference()
    return torch.empty(shape, dtype=getattr(torch, dtype))


def _filled(method, *arguments, dtype="float32"):
    return lambda g, n: getattr(_empty(n, dtype), method)(*arguments, generator=g)


DRAWS = {}
for kind in FLOATS:
    for low, high in ((0.0, 1.0), (-0.0883, 0.0883), (-0.3, 0.7), (0.0, 3.3), (2.0, 2.0)):
        DRAWS[f"uniform {kind} {low} {high}"] = _draw(
            lambda s, n, low=low, high=high, kind=kind: s.uniform(n, low, high, kind),
            _filled("uniform_", low, high, dtype=kind),
        )
    for mean, std in ((0.0, 1.0), (0.0, 0.02), (-1.5, 2.5), (3.0, 0.0)):
        DRAWS[f"normal {kind} {mean} {std}"] = _draw(
            lambda s, n, mean=mean, std=std, kind=kind: s.normal(n, mean, std, kind),
            _filled("normal_", mean, std, dtype=kind),
            exact=False,
        )
    DRAWS[f"exponential {kind}"] = _draw(
        lambda s, n, kind=kind: s.exponential(n, 1.7, kind), _filled("exponential_", 1.7, dtype=kind), exact=False
    )
    DRAWS[f"log_normal {kind}"] = _draw(
        lambda s, n, kind=kind: s.log_normal(n, 0.3, 0.5, kind),
        _filled("log_normal_", 0.3, 0.5, dtype=kind),
        exact=False,
    )
    DRAWS[f"cauchy {kind}"] = _draw(
        lambda s, n, kind=kind: s.cauchy(n, 0.3, 0.5, kind), _filled("cauchy_", 0.3, 0.5, dtype=kind), exact=False
    )
    DRAWS[f"integers from {kind}"] = _draw(
        lambda s, n, kind=kind: s.integers(n, 5, None, kind), _filled("random_", 5, None, dtype=kind)
    )
for kind in ("complex64", "complex128"):
    DRAWS[f"uniform {kind}"] = _draw(
        lambda s, n, kind=kind: s.uniform(n, dtype=kind),
        lambda g, n, kind=kind: reference().rand(n, dtype=getattr(reference(), kind), generator=g),
    )
    DRAWS[f"normal {kind}"] = _draw(
        lambda s, n, kind=kind: s.normal(n, dtype=kind),
        lambda g, n, kind=kind: reference().randn(n, dtype=getattr(reference(), kind), generator=g),
        exact=False,
    )
for kind in (*WHOLE, *FLOATS, "bool"):
    DRAWS[f"random_full {kind}"] = _draw(lambda s, n, kind=kind: s.random_full(n, kind), _filled("random_", dtype=kind))
    DRAWS[f"bernoulli {kind}"] = _draw(
        lambda s, n, kind=kind: s.bernoulli(0.3, n, kind), _filled("bernoulli_", 0.3, dtype=kind)
    )
    if kind != "bool":
        DRAWS[f"geometric {kind}"] = _draw(
            lambda s, n, kind=kind: s.geometric(n, 0.2, kind), _filled("geometric_", 0.2, dtype=kind)
        )
for kind in (*WHOLE, *FLOATS):
    DRAWS[f"integers {kind}"] = _draw(
        lambda s, n, kind=kind: s.integers(n, 3, 100, kind), _filled("random_", 3, 100, dtype=kind)
    )
    DRAWS[f"permutation {kind}"] = _draw(
        lambda s, n, kind=kind: s.permutation(min(n, 100), kind),
        lambda g, n, kind=kind: reference().randperm(min(n, 100), dtype=getattr(reference(), kind), generator=g),
    )
for low, high in ((0, 2**28 - 1), (0, 2**28), (-(2**40), 2**50), (-(2**63), 2**63 - 1), (0, 1024), (-7, -6)):
    DRAWS[f"integers int64 {low} {high}"] = _draw(
        lambda s, n, low=low, high=high: s.integers(n, low, high), _filled("random_", low, high, dtype="int64")
    )
DRAWS["integers uint64"] = _draw(lambda s, n: s.integers(n, 0, 9, "uint64"), _filled("random_", 0, 9, dtype="uint64"))
DRAWS["integers float16 up to its last"] = _draw(
    lambda s, n: s.integers(n, -2048, 2049, "float16"), _filled("random_", -2048, 2049, dtype="float16")
)
DRAWS["integers of 64 bits"] = _draw(
    lambda s, n: s.integers(n, -(2**63), None), _filled("random_", -(2**63), None, dtype="int64")
)
DRAWS["random_to"] = _draw(lambda s, n: s.random_to(n, 77, "int32"), _filled("random_", 77, dtype="int32"))


@pytest.mark.parametrize("name", DRAWS)
def test_draw_is_pytorchs(name):
    ours, theirs, exact = DRAWS[name]
    stream, generator = both(1234)
    for n in (*SIZES, 3, 17, 1):
        assert_equal(ours(stream, n), theirs(generator, n), exact)
    assert_same_state_but_for_rounding(stream, generator)


def assert_same_state_but_for_rounding(stream, generator):
    """The states agree; a cached normal number was computed, and may differ in its last bits."""
    ours, theirs = stream.get_state(), generator.get_state().numpy()
    normal = slice(5024, 5032)
    np.testing.assert_allclose(ours[normal].view(np.float64), theirs[normal].view(np.float64), rtol=1e-15)
    ours[normal] = theirs[normal]
    assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("seed", range(6))
def test_draws_in_any_order(seed):
    """Draws mixed at random, the state handed to and fro between the two in between."""
    reference()
    names = list(DRAWS)
    choice = np.random.default_rng(seed)
    stream, generator = both(seed)
    for turn in range(120):
        ours, theirs, exact = DRAWS[names[choice.integers(len(names))]]
        n = int(choice.choice(SIZES))
        assert_equal(ours(stream, n), theirs(generator, n), exact)
        if turn % 10 == 3:
            generator.set_state(to_torch(stream.get_state()))
            assert_same_state(stream, generator)
        if turn % 10 == 8:
            stream = Stream(0).set_state(generator.get_state().numpy())
            assert_same_state(stream, generator)


# The numbers below are PyTorch 2.13's, and need no PyTorch.
@pytest.mark.parametrize(
    "draw, expected",
    [
        (lambda s: s.uniform(3), [0.49625658988952637, 0.7682217955589294, 0.08847743272781372]),
        (lambda s: s.uniform(2, -1.0, 1.0, "float64"), [0.9401060036131061, 0.4156397287995759]),
        (lambda s: s.uniform(4, dtype="bfloat16"), [0.49609375, 0.76953125, 0.08837890625, 0.1318359375]),
        (lambda s: s.normal(3), [1.5409960746765137, -0.293428897857666, -2.1787893772125244]),
        (lambda s: s.normal(17)[:3], [-1.1258398294448853, -1.6959311962127686, 0.5666506290435791]),
        (lambda s: s.normal(17)[-3:], [0.946298360824585, -0.843676745891571, 0.9318265914916992]),
        (
            lambda s: s.normal(2, dtype="complex64"),
            [(1.0896488428115845 - 0.20748557150363922j), (-1.5406367778778076 + 0.40194159746170044j)],
        ),
        (lambda s: s.integers(6, 0, 10), [4, 9, 3, 0, 3, 9]),
        (lambda s: s.integers(2, 0, 2**40), [741280623151, 506137267392]),
        (lambda s: s.random_full(2, "int64"), [900450186894289455, 3969543146641149120]),
        (lambda s: s.permutation(10), [4, 1, 7, 5, 3, 9, 0, 8, 6, 2]),
        (lambda s: s.permutation(60_000)[-3:], [31951, 27130, 1544]),
        (lambda s: s.dropout_mask(8, 0.5), [0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0]),
        (lambda s: s.exponential(2), [3.508326292037964, 1.2303847074508667]),
        (lambda s: s.multinomial(np.arange(9.0), 4), [6, 7, 8, 4]),
        (lambda s: s.multinomial(np.arange(9.0), 4, True), [8, 7, 6, 8]),
        (lambda s: s.poisson(np.array([3.0, 30.0])), [6.0, 27.0]),
    ],
)
def test_frozen_numbers(draw, expected):
    drawn = draw(Stream(0))
    assert drawn.tolist() == expected or np.allclose(drawn, expected, rtol=2e-7, atol=0)


def test_frozen_state():
    stream = Stream(0)
    stream.normal(3)
    state = stream.get_state()
    assert state.shape == (5056,)
    assert state[:24].tolist() == [0, 0, 0, 0, 0, 0, 0, 0, 105, 2, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0]
    assert state[5024:5032].view(np.float64).item() == pytest.approx(0.5684312772806678, rel=1e-15)
    following = stream.normal(5)
    assert np.array_equal(Stream(9).set_state(state).normal(5), following)
    assert np.array_equal(stream.clone_state().uniform(9), stream.uniform(9))


def test_swaps_by_loop_and_by_library_agree():
    """The two ways to exchange elements in turn, with partners after and before each."""
    n = 3 * sampling.SWAPS_IN_PYTHON
    words = np.random.default_rng(0).integers(0, 2**40, n)
    for partners in (np.arange(n) + words % np.arange(n, 0, -1), words % np.arange(1, n + 1)):
        order = list(range(n))
        for i, j in enumerate(partners.tolist()):
            order[i], order[j] = order[j], order[i]
        assert sampling.swap_in_turn(partners).tolist() == order


def test_seed_from_the_system():
    stream = Stream()
    first, second = stream.seed(), stream.seed()
    assert first != second
    assert stream.initial_seed() == second
    assert np.array_equal(stream.uniform(5), Stream(second).uniform(5))


@pytest.mark.parametrize("seed", [0, 1, 42, 2**32, 2**40 + 5, 2**64 - 1, -1, -5, -(2**63)])
def test_seeds(seed):
    torch = reference()
    stream, generator = both(seed)
    assert stream.initial_seed() == generator.initial_seed()
    assert_same_state(stream, generator)
    assert_equal(stream.uniform((3, 5)), torch.rand(3, 5, generator=generator))
    assert_same_state(stream, generator)


def test_default_seed_is_pytorchs():
    torch = reference()
    assert Stream().initial_seed() == torch.Generator().initial_seed()


def test_state_at_the_end_of_a_block():
    """The twister makes 624 numbers at a time: the states at and beside the seam."""
    torch = reference()
    for n in (623, 624, 625, 1247, 1248, 1249, 6240):
        stream, generator = both(n)
        stream.random32(n)
        torch.rand(n, generator=generator)
        assert_same_state(stream, generator)
        assert_equal(stream.uniform(5), torch.rand(5, generator=generator))
        copy = Stream().set_state(stream.get_state())
        assert np.array_equal(copy.uniform(700), stream.uniform(700))


def test_seed_of_a_loader():
    torch = reference()
    stream, generator = both(7)
    for _ in range(400):
        theirs = torch.empty((), dtype=torch.int64).random_(generator=generator)
        assert int(stream.random_full((), "int64")) == int(theirs)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 1000, 9_999, 10_000, 60_000])
def test_permutation(n):
    torch = reference()
    stream, generator = both(n)
    assert_equal(stream.permutation(n), torch.randperm(n, generator=generator))
    assert_same_state(stream, generator)


def test_permutation_of_any_dtype_up_to_its_last():
    torch = reference()
    stream, generator = both(2)
    for kind, n in (("uint8", 256), ("int8", 128), ("int16", 2**15), ("float16", 2049), ("bfloat16", 300)):
        dtype = getattr(torch, kind)
        assert_equal(stream.permutation(n, kind), torch.randperm(n, dtype=dtype, generator=generator))


@pytest.mark.parametrize("kind", FLOATS)
def test_bernoulli_of_an_array(kind):
    torch = reference()
    stream, generator = both(3)
    p = torch.linspace(0, 1, 700, dtype=torch.float64).to(getattr(torch, kind))
    assert_equal(stream.bernoulli(to_numpy(p)), torch.bernoulli(p, generator=generator))
    target = torch.empty(2, 700, dtype=torch.int32).bernoulli_(p, generator=generator)
    assert_equal(stream.bernoulli(to_numpy(p), (2, 700), "int32"), target)
    assert_same_state(stream, generator)


def test_dropouts_draw_their_masks():
    torch = reference()
    functional = torch.nn.functional
    torch.manual_seed(5)
    stream = Stream(5)
    x = torch.ones(6, 5, 4, 3)
    for p in (0.2, 0.0, 0.5, 1.0, 0.9):
        assert np.array_equal(stream.dropout_mask(x.shape, p) != 0, functional.dropout(x, p).numpy() != 0)
        assert np.array_equal(
            np.broadcast_to(stream.dropout_mask((6, 5, 1, 1), p, "bool"), x.shape),
            functional.dropout2d(x, p).numpy() != 0,
        )
        kept = functional.alpha_dropout(x, p, training=True)
        mask = stream.dropout_mask(x.shape, p)
        if p < 1:
            assert np.array_equal(mask, kept.numpy() == kept.max().item())
    assert_same_state(stream, torch.default_generator)


def test_normal_of_arrays():
    torch = reference()
    stream, generator = both(11)
    mean, std = torch.linspace(-3, 3, 50), torch.linspace(0, 2, 40)[:, None]
    assert_equal(stream.normal_around(mean.numpy(), std.numpy()), torch.normal(mean, std, generator=generator), False)
    assert_equal(stream.normal_around(mean.numpy(), 0.5), torch.normal(mean, 0.5, generator=generator), False)
    assert_equal(stream.normal_around(2.0, std.numpy()), torch.normal(2.0, std, generator=generator), False)
    assert_same_state(stream, generator)


@pytest.mark.parametrize("kind", FLOATS)
@pytest.mark.parametrize("replacement", [False, True])
@pytest.mark.parametrize("num_samples", [1, 2, 5])
@pytest.mark.parametrize("shape", [(5,), (40,), (1000,), (7, 30)])
def test_multinomial(kind, replacement, num_samples, shape):
    torch = reference()
    stream, generator = both(21)
    weights = torch.rand(shape, generator=torch.Generator().manual_seed(0)).to(getattr(torch, kind))
    weights[..., 1] = 0
    if kind in ("float16", "bfloat16") and not replacement:
        num_samples = 1  # two such floats are often equal, and PyTorch's topk may take either
    for _ in range(5):
        theirs = torch.multinomial(weights, num_samples, replacement, generator=generator)
        assert_equal(stream.multinomial(to_numpy(weights), num_samples, replacement), theirs)
    assert_same_state(stream, generator)


@pytest.mark.parametrize("kind", FLOATS)
def test_poisson(kind):
    torch = reference()
    stream, generator = both(31)
    rate = torch.tensor([0.0, 0.1, 1.0, 5.0, 9.9, 10.0, 11.5, 50.0, 1000.0]).repeat(60).to(getattr(torch, kind))
    assert_equal(stream.poisson(to_numpy(rate)), torch.poisson(rate, generator=generator))
    assert_same_state(stream, generator)


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_binomial(kind):
    torch = reference()
    stream, generator = both(41)
    dtype = getattr(torch, kind)
    count = torch.tensor([0.0, 1.0, 5.0, 20.0, 37.0, 100.0, 1000.0, 100000.0], dtype=dtype).repeat(20, 1)
    p = torch.tensor([0.0, 0.001, 0.2, 0.3, 0.5, 0.51, 0.9, 0.999, 1.0], dtype=dtype)[:, None, None].expand(9, 20, 8)
    count = count.expand(9, 20, 8).contiguous()
    theirs = torch.binomial(count, p.contiguous(), generator=generator)
    assert_equal(stream.binomial(count.numpy(), p.numpy()), theirs)
    assert_same_state(stream, generator)


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_gamma_and_dirichlet(kind):
    torch = reference()
    stream, generator = both(51)
    alpha = torch.tensor([0.01, 0.3, 0.99, 1.0, 2.5, 40.0, 0.0], dtype=getattr(torch, kind)).repeat(41, 1)
    assert_equal(stream.gamma(alpha.numpy()), torch._standard_gamma(alpha, generator=generator), False)
    assert_equal(stream.dirichlet(alpha.numpy()), torch._sample_dirichlet(alpha, generator=generator), False)
    assert_same_state_but_for_rounding(stream, generator)


NAN = float("nan")
MISTAKES = {
    "uniform bounds": (lambda s: s.uniform(3, 2, 1), lambda t: t.empty(3).uniform_(2, 1)),
    "uniform distance": (lambda s: s.uniform(3, -3e38, 3e38), lambda t: t.empty(3).uniform_(-3e38, 3e38)),
    "uniform half": (lambda s: s.uniform(3, 0, 1e6, "float16"), lambda t: t.empty(3).half().uniform_(0, 1e6)),
    "uniform of integers": (lambda s: s.uniform(3, dtype="int64"), lambda t: t.rand(3, dtype=t.int64)),
    "normal of integers": (lambda s: s.normal(3, dtype="int64"), lambda t: t.randn(3, dtype=t.int64)),
    "normal std": (lambda s: s.normal(3, 0, -1.5), lambda t: t.empty(3).normal_(0, -1.5)),
    "normal nan": (lambda s: s.normal(3, 0, NAN), lambda t: t.empty(3).normal_(0, NAN)),
    "normal array": (lambda s: s.normal_around(0.0, -np.ones(3)), lambda t: t.normal(0.0, -t.ones(3))),
    "bernoulli": (lambda s: s.bernoulli(1.5, 3), lambda t: t.empty(3).bernoulli_(1.5)),
    "exponential": (lambda s: s.exponential(3, 0), lambda t: t.empty(3).exponential_(0)),
    "exponential int": (lambda s: s.exponential(3, 1, "int32"), lambda t: t.empty(3, dtype=t.int32).exponential_()),
    "geometric": (lambda s: s.geometric(3, 1), lambda t: t.empty(3).geometric_(1)),
    "geometric bool": (lambda s: s.geometric(3, 0.5, "bool"), lambda t: t.empty(3, dtype=t.bool).geometric_(0.5)),
    "cauchy": (lambda s: s.cauchy(3, 0, 0), lambda t: t.empty(3).cauchy_(0, 0)),
    "cauchy int": (lambda s: s.cauchy(3, dtype="int32"), lambda t: t.empty(3, dtype=t.int32).cauchy_()),
    "log_normal": (lambda s: s.log_normal(3, 0, 0), lambda t: t.empty(3).log_normal_(0, 0)),
    "integers": (lambda s: s.integers(2, 5, 5), lambda t: t.randint(5, 5, (2,))),
    "integers high": (lambda s: s.integers(2, 0, 300, "uint8"), lambda t: t.randint(0, 300, (2,), dtype=t.uint8)),
    "integers low": (lambda s: s.integers(2, -1, 3, "uint8"), lambda t: t.randint(-1, 3, (2,), dtype=t.uint8)),
    "integers half": (lambda s: s.integers(2, 0, 70000, "float16"), lambda t: t.randint(70000, (2,), dtype=t.half)),
    "integers bool": (lambda s: s.integers(2, 0, 3, "bool"), lambda t: t.empty(2, dtype=t.bool).random_(0, 3)),
    "random_full": (lambda s: s.random_full(2, "uint16"), lambda t: t.empty(2, dtype=t.uint16).random_()),
    "permutation": (lambda s: s.permutation(-1), lambda t: t.randperm(-1)),
    "permutation byte": (lambda s: s.permutation(257, "uint8"), lambda t: t.randperm(257, dtype=t.uint8)),
    "permutation short": (lambda s: s.permutation(40000, "int16"), lambda t: t.randperm(40000, dtype=t.int16)),
    "permutation half": (lambda s: s.permutation(3000, "float16"), lambda t: t.randperm(3000, dtype=t.half)),
    "permutation bool": (lambda s: s.permutation(2, "bool"), lambda t: t.randperm(2, dtype=t.bool)),
    "multinomial zero": (lambda s: s.multinomial(np.zeros(3), 2), lambda t: t.multinomial(t.zeros(3), 2)),
    "multinomial zeros": (lambda s: s.multinomial(np.zeros(3), 2, True), lambda t: t.multinomial(t.zeros(3), 2, True)),
    "multinomial many": (lambda s: s.multinomial(np.ones(3), 4), lambda t: t.multinomial(t.ones(3), 4)),
    "multinomial none": (lambda s: s.multinomial(np.ones(3), 0), lambda t: t.multinomial(t.ones(3), 0)),
    "multinomial 3-d": (lambda s: s.multinomial(np.ones((1, 1, 1)), 1), lambda t: t.multinomial(t.ones(1, 1, 1), 1)),
    "multinomial less": (lambda s: s.multinomial(-np.ones(3), 2, True), lambda t: t.multinomial(-t.ones(3), 2, True)),
    "multinomial int": (lambda s: s.multinomial(np.ones(3, "i4"), 2), lambda t: t.multinomial(t.ones(3).int(), 2)),
    "poisson": (lambda s: s.poisson(-np.ones(3)), lambda t: t.poisson(-t.ones(3))),
    "poisson int": (lambda s: s.poisson(np.ones(3, "i8")), lambda t: t.poisson(t.ones(3).long())),
    "binomial": (
        lambda s: s.binomial(np.ones(1, "f4"), np.ones(1)),
        lambda t: t.binomial(t.ones(1), t.ones(1).double()),
    ),
    "dropout": (lambda s: s.dropout_mask(3, 1.5), lambda t: t.dropout(t.ones(3), 1.5, True)),
    "seed": (lambda s: s.manual_seed(2**64), lambda t: t.manual_seed(2**64)),
    "state size": (lambda s: s.set_state(np.zeros(9, "u1")), lambda t: t.Generator().set_state(t.zeros(9).byte())),
    "state": (lambda s: s.set_state(np.zeros(5056, "u1")), lambda t: t.Generator().set_state(t.zeros(5056).byte())),
    "state type": (lambda s: s.set_state(np.zeros(5056)), lambda t: t.Generator().set_state(t.zeros(5056))),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_raise_what_pytorch_raises(name):
    torch = reference()
    ours, theirs = MISTAKES[name]
    with pytest.raises((RuntimeError, TypeError, ValueError)) as expected:
        theirs(torch)
    stream = Stream(0)
    before = stream.get_state()
    with pytest.raises(expected.type) as found:
        ours(stream)
    assert found.type is expected.type
    assert str(found.value).splitlines()[0] == str(expected.value).splitlines()[0]
    assert np.array_equal(stream.get_state(), before)
