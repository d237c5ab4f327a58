"""Transforms and constraints: against PyTorch; inverses turned round; log determinants against differences."""

import math
import pickle

import numpy as np
import pytest

import flambeau
from flambeau import distributions
from flambeau.distributions import biject_to, constraints, transform_to
from flambeau.distributions.transforms import ExpTransform, SigmoidTransform, Transform, identity_transform

# Text of a transform, and the shape of what it is given (positive numbers where its domain is).
TRANSFORMS = {
    "d.ExpTransform()": (3, 4), "d.AbsTransform()": (3, 4), "d.SigmoidTransform()": (3, 4),
    "d.TanhTransform()": (3, 4), "d.SoftplusTransform()": (3, 4), "d.SoftmaxTransform()": (3, 4),
    "d.StickBreakingTransform()": (3, 4), "d.CorrCholeskyTransform()": (3, 6), "d.LowerCholeskyTransform()": (2, 3, 3),
    "d.PositiveDefiniteTransform()": (2, 3, 3), "d.PowerTransform(torch.tensor(2.5))": (3, 4),
    "d.PowerTransform(torch.tensor([-1., 2., 0.5, 3.]))": (3, 4), "d.AffineTransform(1., -2.)": (3, 4),
    "d.AffineTransform(torch.tensor([1., 2., 3., 4.]), torch.tensor(0.5))": (3, 4),
    "d.AffineTransform(torch.ones(4), torch.tensor([1., -2., 3., 4.]), event_dim=1)": (3, 4),
    "d.AffineTransform(0., 3., event_dim=1)": (3, 4),
    "d.ReshapeTransform((2, 3), (3, 2))": (4, 2, 3), "d.identity_transform": (3, 4),
    "d.ComposeTransform([d.AffineTransform(0.5, 2.), d.ExpTransform(), d.AffineTransform(-1., -3.)])": (3, 4),
    "d.ComposeTransform([d.ExpTransform(), d.StickBreakingTransform()])": (3, 4),
    "d.ComposeTransform([d.ReshapeTransform((6,), (2, 3)), d.IndependentTransform(d.TanhTransform(), 1)])": (4, 6),
    "d.IndependentTransform(d.ExpTransform(), 1)": (3, 4),
    "d.CatTransform([d.ExpTransform(), d.TanhTransform()], dim=1, lengths=[1, 3])": (3, 4),
    "d.CatTransform([d.ExpTransform(), d.IndependentTransform(d.TanhTransform(), 1)], dim=-2, lengths=[2, 1])": (3, 4),
    "d.CatTransform([d.IndependentTransform(d.ExpTransform(), 1), d.SigmoidTransform()], dim=-1, lengths=[2, 2])":
        (3, 4),
    "d.StackTransform([d.ExpTransform(), d.TanhTransform(), d.SigmoidTransform()], dim=0)": (3, 4),
    "d.StackTransform([d.ExpTransform(), d.AffineTransform(1., 2.)], dim=-1)": (3, 2),
    "d.CumulativeDistributionTransform(d.Normal(0., 2.))": (3, 4),
    "d.ExpTransform().inv": (3, 4), "d.StickBreakingTransform().inv.inv": (3, 4),
    "d.ComposeTransform([d.ExpTransform(), d.TanhTransform()]).inv": (3, 4),
    "d.biject_to(c.interval(-1., torch.tensor(2.)))": (3, 4), "d.biject_to(c.greater_than(2.))": (3, 4),
    "d.biject_to(c.less_than(2.))": (3, 4), "d.biject_to(c.positive)": (3, 4), "d.biject_to(c.unit_interval)": (3, 4),
    "d.biject_to(c.simplex)": (3, 4), "d.biject_to(c.corr_cholesky)": (3, 6), "d.biject_to(c.real)": (3, 4),
    "d.biject_to(c.independent(c.nonnegative, 1))": (3, 4), "d.transform_to(c.simplex)": (3, 4),
    "d.transform_to(c.lower_cholesky)": (2, 3, 3), "d.transform_to(c.positive_definite)": (2, 3, 3),
    "d.biject_to(c.cat([c.positive, c.real], 1, [1, 3]))": (3, 4), "d.biject_to(c.stack([c.positive, c.real], 1))":
        (3, 2), "d.transform_to(c.real_vector)": (3, 4), "d.biject_to(c.half_open_interval(0., 4.))": (3, 4),
}
EVERY = pytest.mark.parametrize("text", TRANSFORMS)


def made(lib, text):
    return eval(text, {"d": lib.distributions, "c": lib.distributions.constraints, "torch": lib})


def values(text):
    """Numbers in the domain of the transform."""
    x = np.random.default_rng(0).normal(size=TRANSFORMS[text]) * 0.7
    if "PowerTransform" in text or text == "d.ExpTransform().inv":
        return np.exp(x)
    return np.tanh(np.exp(x)) if text.endswith("TanhTransform()]).inv") else x


def array(t):
    return t.detach().numpy()


def outcome(function, *args):
    try:
        return function(*args)
    except Exception as error:
        return type(error), str(error).split("\n")[0]


def same(mine, theirs, rtol=1e-6):
    if hasattr(theirs, "detach"):
        np.testing.assert_allclose(array(mine), array(theirs), rtol=rtol, atol=1e-9)
    else:
        assert repr(mine).replace("flambeau", "torch") == repr(theirs).replace("Number", "int")


@EVERY
def test_transforms_are_pytorchs(text, torch):
    mine, theirs = made(flambeau, text), made(torch, text)
    x = values(text)
    ys = [t(lib.tensor(x)) for t, lib in ((mine, flambeau), (theirs, torch))]
    same(*ys)
    same(mine.inv(ys[0]), theirs.inv(ys[1]), rtol=1e-5)
    same(outcome(mine.log_abs_det_jacobian, flambeau.tensor(x), ys[0]),
         outcome(theirs.log_abs_det_jacobian, torch.tensor(x), ys[1]))
    for name in ["domain", "codomain", "bijective", "sign", "event_dim"]:
        same(outcome(getattr, mine, name), outcome(getattr, theirs, name))
    assert repr(mine) == repr(theirs)
    for shape in [x.shape, (7, *x.shape), x.shape[1:]]:
        for way in ("forward_shape", "inverse_shape"):
            found = outcome(getattr(mine, way), flambeau.Size(shape))
            expected = outcome(getattr(theirs, way), torch.Size(shape))
            assert found == expected or isinstance(found[0], type) and found[0] is expected[0]


@EVERY
def test_inverses_turn_round(text):
    t = made(flambeau, text)
    x = flambeau.tensor(values(text))
    y = t(x)
    np.testing.assert_allclose(array(t(t.inv(y))), array(y), rtol=1e-6, atol=1e-9)
    if t.bijective:
        np.testing.assert_allclose(array(t.inv(y)), array(x), rtol=1e-6, atol=1e-9)
    assert t.inv.inv is t
    assert t.forward_shape(x.shape) == y.shape and t.inverse_shape(y.shape) == x.shape


@EVERY
def test_results_are_in_the_codomain(text):
    t = made(flambeau, text)
    if "inv" not in text and not ("Cat" in text and "Independent" in text):  # checks of pieces of unlike dimensions
        y = t(flambeau.tensor(values(text)))
        codomain = t.codomain
        assert bool(codomain.check(y).all()), codomain


def free(text, y):
    """The numbers in y that are free to move: without the last of a simplex, below the diagonal of a factor."""
    if "StickBreaking" in text or "simplex" in text:
        return y[..., :-1]
    if "CorrCholesky" in text or "corr_cholesky" in text:
        rows, columns = np.tril_indices(y.shape[-1], -1)
        return y[..., rows, columns]
    return y


@pytest.mark.parametrize("text", [text for text in TRANSFORMS if "Cat" not in text and "Stack" not in text
                                  and "c.cat" not in text and "c.stack" not in text])
def test_log_determinants_against_differences(text):
    """Summed over one value of the domain: the log of the determinant of the matrix of differences."""
    t = made(flambeau, text)
    if not t.bijective:
        with pytest.raises(NotImplementedError):
            t.log_abs_det_jacobian(flambeau.ones(2), flambeau.ones(2))
        return
    x = values(text)[0]
    if t.domain.event_dim == 0:
        x = x[:4]
    step, columns = 1e-6, []
    for i in range(x.size):
        moved = [x.reshape(-1).copy(), x.reshape(-1).copy()]
        moved[0][i] += step
        moved[1][i] -= step
        above, below = (free(text, array(t(flambeau.tensor(m.reshape(x.shape))))) for m in moved)
        columns.append((above - below).reshape(-1) / (2 * step))
    expected = np.linalg.slogdet(np.array(columns)).logabsdet
    found = t.log_abs_det_jacobian(flambeau.tensor(x), t(flambeau.tensor(x)))
    np.testing.assert_allclose(array(found).sum(), expected, rtol=1e-5, atol=1e-6)


def test_a_cache_gives_back_what_was_given():
    for text in TRANSFORMS:
        plain = made(flambeau, text)
        t = plain.with_cache()
        assert t.with_cache() is t
        x = flambeau.tensor(values(text))
        y = t(x)
        np.testing.assert_array_equal(array(y), array(plain(x)))
        if type(t).__name__ != "AbsTransform" and text != "d.identity_transform":
            assert t.inv(y) is x and t(x) is y
    with pytest.raises(ValueError, match="cache_size must be 0 or 1"):
        ExpTransform(cache_size=2)

    class Own(Transform):
        def __init__(self, extra):
            super().__init__()

    with pytest.raises(NotImplementedError, match="with_cache is not implemented"):
        Own(1).with_cache()


def test_equality(torch):
    for lib in (flambeau, torch):
        d = lib.distributions
        assert d.ExpTransform() == d.ExpTransform() and d.ExpTransform() != d.TanhTransform()
        assert d.ExpTransform().inv == d.ExpTransform().inv and d.ExpTransform().inv != d.ExpTransform()
        assert d.AffineTransform(1, 2) == d.AffineTransform(1, 2) != d.AffineTransform(1, 3)
        assert d.AffineTransform(lib.ones(2), 2) == d.AffineTransform(lib.ones(2), 2)
        assert d.PowerTransform(2.0) == d.PowerTransform(2.0) != d.PowerTransform(3.0)
        assert d.ComposeTransform([d.ExpTransform()]) == d.ComposeTransform([d.ExpTransform()])
        assert d.CorrCholeskyTransform() != d.CorrCholeskyTransform()


def test_pickled_transforms():
    for text in TRANSFORMS:
        t = made(flambeau, text)
        x = flambeau.tensor(values(text))
        t(x), t.inv
        np.testing.assert_array_equal(array(pickle.loads(pickle.dumps(t))(x)), array(t(x)))


def test_transformed_distributions_are_pytorchs(torch):
    def built(lib):
        d = lib.distributions
        loc = lib.arange(3.0, dtype=lib.float64)
        normal = d.Normal(loc, 2.0)
        yield d.TransformedDistribution(normal, [d.SigmoidTransform()])
        yield d.TransformedDistribution(d.Uniform(lib.zeros(3, dtype=lib.float64), 1.0),
                                        [d.SigmoidTransform().inv, d.AffineTransform(loc, 2.0)])
        yield d.TransformedDistribution(normal, [d.AffineTransform(0.0, -1.0), d.ExpTransform()])
        yield d.TransformedDistribution(normal, d.StickBreakingTransform())
        yield d.TransformedDistribution(d.Normal(lib.zeros(1, dtype=lib.float64), 1.0),
                                        d.AffineTransform(lib.zeros(2, 3, dtype=lib.float64), loc + 1))
        yield d.TransformedDistribution(d.Independent(d.Normal(lib.zeros(4, 6, dtype=lib.float64), 1.0), 1),
                                        [d.ReshapeTransform((6,), (2, 3)), d.ExpTransform()])
        yield d.TransformedDistribution(normal, [])

    for mine, theirs in zip(built(flambeau), built(torch), strict=True):
        assert mine.batch_shape == theirs.batch_shape and mine.event_shape == theirs.event_shape
        assert repr(mine) == repr(theirs) and mine.has_rsample == theirs.has_rsample
        assert repr(mine.support) == repr(theirs.support) and type(mine.base_dist).__name__ == type(
            theirs.base_dist).__name__
        samples = []
        for lib, d in ((flambeau, mine), (torch, theirs)):
            lib.manual_seed(2)
            samples.append(d.rsample((5,)))
        same(*samples)
        same(mine.log_prob(samples[0]), theirs.log_prob(samples[1]))
        share = np.full(tuple(theirs.batch_shape + theirs.event_shape), 0.3)
        same(outcome(mine.icdf, flambeau.tensor(share)), outcome(theirs.icdf, torch.tensor(share)))
        same(outcome(mine.cdf, samples[0]), outcome(theirs.cdf, samples[1]))
        wide = mine.expand((2, *mine.batch_shape))
        assert wide.sample().shape == (2, *samples[0].shape[1:])


CONSTRAINTS = {
    "c.real": [0.0, math.nan, math.inf], "c.boolean": [0.0, 1.0, 0.5], "c.positive": [-1.0, 0.0, 1.0],
    "c.nonnegative": [-1.0, 0.0, 1.0], "c.greater_than(2.)": [1.0, 2.0, 3.0], "c.greater_than_eq(2)": [1.0, 2.0, 3.0],
    "c.less_than(torch.tensor([2., 0., 3.]))": [1.0, 2.0, 3.0], "c.interval(0., 1.)": [-0.1, 0.0, 1.0, 1.1],
    "c.half_open_interval(0., 1.)": [-0.1, 0.0, 1.0], "c.integer_interval(0, 2)": [0.0, 0.5, 2.0, 3.0],
    "c.nonnegative_integer": [-1.0, 0.0, 1.5], "c.positive_integer": [0.0, 1.0, 2.5], "c.unit_interval": [0.5, 2.0],
    "c._IntegerLessThan(3)": [2.0, 3.0, 3.5, 4.0],
    "c.one_hot": [[0.0, 1.0], [1.0, 1.0], [0.5, 0.5]], "c.simplex": [[0.2, 0.8], [0.5, 0.6], [-1.0, 2.0]],
    "c.multinomial(3)": [[1.0, 2.0], [2.0, 2.0], [-1.0, 2.0]], "c.real_vector": [[1.0, math.nan], [0.0, 2.0]],
    "c.lower_triangular": [[[1.0, 0.0], [2.0, 3.0]], [[1.0, 1.0], [2.0, 3.0]]],
    "c.lower_cholesky": [[[1.0, 0.0], [2.0, -3.0]], [[1.0, 0.0], [2.0, 3.0]]],
    "c.corr_cholesky": [[[1.0, 0.0], [0.6, 0.8]], [[1.0, 0.0], [0.6, 0.9]]],
    "c.square": [[[1.0, 0.0], [0.6, 0.8]]], "c.square ": [[[1.0, 0.0, 2.0], [0.6, 0.8, 1.0]]],
    "c.symmetric": [[[1.0, 0.5], [0.5, 0.8]], [[1.0, 0.5], [0.4, 0.8]]],
    "c.symmetric ": [[[1.0, 0.5, 1.0], [0.5, 0.8, 1.0]]],
    "c.positive_semidefinite": [[[1.0, 0.5], [0.5, 1.0]], [[1.0, 2.0], [2.0, 1.0]]],
    "c.positive_definite": [[[1.0, 0.5], [0.5, 1.0]], [[1.0, 2.0], [2.0, 1.0]]],
    "c.positive_definite ": [[[1.0, 0.5], [0.4, 1.0]], [[1.0, 2.0], [2.0, 1.0]]],
    "c.cat([c.positive, c.boolean], 0, [1, 2])": [1.0, 2.0, 0.0], "c.stack([c.positive, c.boolean])": [1.0, 2.0],
    "c.stack([c.simplex, c.real_vector], -1)": [[0.5, 1.0], [0.5, 2.0]],
    "c.independent(c.positive, 1)": [[1.0, 2.0], [-1.0, 1.0]],
    "c.MixtureSameFamilyConstraint(c.simplex)": [[0.2, 0.8], [0.5, 0.6]],
    "c.MixtureSameFamilyConstraint(c.boolean)": [0.0, 0.6],
}


@pytest.mark.parametrize("text", CONSTRAINTS)
def test_constraints_are_pytorchs(text, torch):
    mine, theirs = (made(lib, text.strip()) for lib in (flambeau, torch))
    found = mine.check(flambeau.tensor(CONSTRAINTS[text]))
    assert found.tolist() == theirs.check(torch.tensor(CONSTRAINTS[text])).tolist() and found.dtype is flambeau.bool
    assert repr(mine) == repr(theirs)
    assert mine.event_dim == theirs.event_dim and mine.is_discrete == theirs.is_discrete


def test_constraints_that_depend(torch):
    for lib in (flambeau, torch):
        c = lib.distributions.constraints
        assert c.is_dependent(c.dependent) and not c.is_dependent(c.real)
        assert c.is_dependent(lib.distributions.Uniform.support)
        assert not c.is_dependent(lib.distributions.Uniform(0.0, 1.0).support)
        known = c.dependent(is_discrete=True, event_dim=2)
        assert known.is_discrete and known.event_dim == 2 and known(event_dim=1).event_dim == 1
        for name in ("event_dim", "is_discrete"):
            with pytest.raises(NotImplementedError, match=f".{name} cannot be determined statically"):
                getattr(c.dependent, name)
        with pytest.raises(ValueError, match="Cannot determine validity of dependent constraint"):
            c.dependent.check(lib.ones(2))
        with pytest.raises(AssertionError):
            c.cat([c.real, c.real], lengths=[1])
        with pytest.raises(ValueError, match="Expected value.dim"):
            c.independent(c.real, 2).check(lib.ones(2))
        with pytest.raises(NotImplementedError):
            c.Constraint().check(lib.ones(2))


def test_own_constraints_are_registered(monkeypatch):
    class Even(constraints.Constraint):
        pass

    registry = distributions.constraint_registry.ConstraintRegistry()

    @registry.register(Even)
    def make(constraint):
        return SigmoidTransform()

    assert registry(Even()) == SigmoidTransform()
    with pytest.raises(NotImplementedError, match="Cannot transform Even constraints"):
        biject_to(Even())
    with pytest.raises(TypeError, match="Expected constraint to be either a Constraint subclass or instance, but got"):
        transform_to.register(3, make)


def test_parameters_in_every_support():
    """What transform_to makes of any numbers satisfies the constraint."""
    flambeau.manual_seed(0)
    for constraint in [constraints.positive, constraints.interval(-2.0, 5.0), constraints.simplex,
                       constraints.less_than(1), constraints.lower_cholesky, constraints.positive_definite,
                       constraints.real]:
        unconstrained = flambeau.randn(5, 3, 3)
        assert bool(constraint.check(transform_to(constraint)(unconstrained)).all())
    assert identity_transform(unconstrained) is unconstrained


ERRORS = ["d.ReshapeTransform((2,), (3,))", "d.CorrCholeskyTransform().forward_shape((2, 5))",
          "d.CorrCholeskyTransform().inverse_shape((2, 3))", "d.StickBreakingTransform().forward_shape(())",
          "d.IndependentTransform(d.ExpTransform(), 2)(torch.ones(2))", "d.CatTransform([3])",
          "d.CatTransform([d.ExpTransform()], lengths=[1, 2])", "d.CatTransform([d.ExpTransform()])(torch.ones(2))",
          "d.StackTransform([d.ExpTransform()])(torch.ones(2))",
          "d.StackTransform([d.ExpTransform()], 2)(torch.ones(2))",
          "d.Transform()(torch.ones(2))", "d.Transform().inv(torch.ones(2))", "d.Transform().sign",
          "d.ReshapeTransform((2,), (1, 2)).forward_shape((3,))", "d.SoftmaxTransform().inverse_shape(())",
          "d.utils.vec_to_tril_matrix(torch.ones(5))", "d.utils.tril_matrix_to_vec(torch.ones(2, 2), 3)",
          "d.utils.broadcast_all('a')"]


@pytest.mark.parametrize("text", ERRORS)
def test_errors_are_pytorchs(text, torch):
    found = []
    for lib in (flambeau, torch):
        with pytest.raises(Exception) as caught:
            made(lib, text)
        found.append((caught.type, str(caught.value).split("\n")[0]))
    assert found[0] == found[1]


@pytest.mark.parametrize("diag", [-1, 0, 1])
def test_triangles_as_vectors(diag, torch):
    matrix = np.random.default_rng(1).normal(size=(2, 4, 4))
    vectors = [lib.distributions.utils.tril_matrix_to_vec(lib.tensor(matrix), diag) for lib in (flambeau, torch)]
    same(*vectors)
    np.testing.assert_array_equal(array(distributions.utils.vec_to_tril_matrix(vectors[0], diag)),
                                  np.tril(matrix, diag))
