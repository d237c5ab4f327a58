"""torch.distributions: samples, densities, moments and gradients as PyTorch's, and truths that need no reference."""

import doctest
import functools
import importlib
import math
import pickle
import pkgutil
import subprocess
import sys
import warnings

import numpy as np
import pytest

import flambeau
from flambeau import distributions

MATRIX = [[2.0, 0.3], [0.3, 1.0]]
FACTOR = [[1.4, 0.0], [0.2, 0.9]]
ROWS = [[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]]
LOGITS = [[0.1, -1.0, 0.4], [0.0, 2.0, 1.0]]
PAIR = [0.3, 0.8]
# A name, its arguments (lists become tensors), what `sample` gets.
TABLE = {
    "bernoulli": ("Bernoulli", dict(probs=PAIR)),
    "bernoulli of logits": ("Bernoulli", dict(logits=[-1.0, 2.0])),
    "beta": ("Beta", dict(concentration1=[0.5, 3.0], concentration0=[2.0, 0.7])),
    "binomial": ("Binomial", dict(total_count=12, probs=PAIR)),
    "binomial of logits": ("Binomial", dict(total_count=[40.0, 60.0], logits=[0.2, -1.0])),
    "categorical": ("Categorical", dict(probs=ROWS)),
    "categorical of logits": ("Categorical", dict(logits=LOGITS)),
    "cauchy": ("Cauchy", dict(loc=[0.0, 1.0], scale=2.0)),
    "chi2": ("Chi2", dict(df=[1.5, 6.0])),
    "continuous bernoulli": ("ContinuousBernoulli", dict(probs=[0.3, 0.5])),
    "continuous bernoulli of logits": ("ContinuousBernoulli", dict(logits=[0.3, -2.0])),
    "dirichlet": ("Dirichlet", dict(concentration=[[0.5, 2.0, 3.0], [5.0, 1.0, 0.3]])),
    "exponential": ("Exponential", dict(rate=[0.5, 2.0])),
    "fisher snedecor": ("FisherSnedecor", dict(df1=[3.0, 5.0], df2=[6.0, 9.0])),
    "gamma": ("Gamma", dict(concentration=[0.4, 3.0], rate=[2.0, 0.5])),
    "generalized pareto": ("GeneralizedPareto", dict(loc=[0.0, 1.0], scale=2.0, concentration=[0.2, -0.5])),
    "generalized pareto, exponential": ("GeneralizedPareto", dict(loc=0.0, scale=[2.0, 1.0], concentration=0.0)),
    "geometric": ("Geometric", dict(probs=PAIR)),
    "geometric of logits": ("Geometric", dict(logits=[0.3, -1.0])),
    "gumbel": ("Gumbel", dict(loc=[0.0, 1.0], scale=2.0)),
    "half cauchy": ("HalfCauchy", dict(scale=[0.5, 2.0])),
    "half normal": ("HalfNormal", dict(scale=[0.5, 2.0])),
    "inverse gamma": ("InverseGamma", dict(concentration=[3.5, 4.0], rate=[2.0, 0.5])),
    "kumaraswamy": ("Kumaraswamy", dict(concentration1=[2.0, 3.0], concentration0=[1.5, 4.0])),
    "laplace": ("Laplace", dict(loc=[0.0, 1.0], scale=2.0)),
    "lkj cholesky": ("LKJCholesky", dict(dim=3, concentration=[0.5, 2.0])),
    "log normal": ("LogNormal", dict(loc=[0.0, 1.0], scale=0.5)),
    "logistic normal": ("LogisticNormal", dict(loc=[[0.0, 1.0], [0.5, -1.0]], scale=0.5)),
    "low rank normal": ("LowRankMultivariateNormal",
                        dict(loc=[[0.0, 1.0]] * 3, cov_factor=[[1.0], [0.5]], cov_diag=[0.5, 1.0])),
    "multinomial": ("Multinomial", dict(total_count=7, probs=ROWS)),
    "multinomial of logits": ("Multinomial", dict(total_count=4, logits=LOGITS)),
    "multivariate normal": ("MultivariateNormal", dict(loc=[[0.0, 1.0], [2.0, 0.0]], covariance_matrix=MATRIX)),
    "multivariate normal of precision": ("MultivariateNormal", dict(loc=[0.0, 1.0], precision_matrix=[MATRIX] * 3)),
    "multivariate normal of factor": ("MultivariateNormal", dict(loc=[0.0, 1.0], scale_tril=FACTOR)),
    "negative binomial": ("NegativeBinomial", dict(total_count=5, probs=PAIR)),
    "negative binomial of logits": ("NegativeBinomial", dict(total_count=[2.0, 4.0], logits=[0.3, -1.0])),
    "normal": ("Normal", dict(loc=[0.0, 1.0], scale=2.0)),
    "one hot": ("OneHotCategorical", dict(probs=ROWS)),
    "one hot straight through": ("OneHotCategoricalStraightThrough", dict(logits=LOGITS)),
    "pareto": ("Pareto", dict(scale=[0.5, 1.0], alpha=[3.0, 2.5])),
    "poisson": ("Poisson", dict(rate=[2.0, 30.0])),
    "relaxed bernoulli": ("RelaxedBernoulli", dict(temperature=[0.7], probs=PAIR)),
    "relaxed bernoulli of logits": ("RelaxedBernoulli", dict(temperature=[0.7], logits=PAIR)),
    "relaxed one hot": ("RelaxedOneHotCategorical", dict(temperature=[0.7], probs=ROWS)),
    "student t": ("StudentT", dict(df=[3.0, 5.0], loc=1.0, scale=2.0)),
    "uniform": ("Uniform", dict(low=[0.0, 1.0], high=3.0)),
    "von mises": ("VonMises", dict(loc=[0.0, 1.0], concentration=[0.5, 4.0])),
    "weibull": ("Weibull", dict(scale=[0.5, 1.0], concentration=[2.0, 1.5])),
    "wishart": ("Wishart", dict(df=[4.0, 5.5], covariance_matrix=MATRIX)),
    "wishart of factor": ("Wishart", dict(df=3.5, scale_tril=FACTOR)),
    "wishart of precision": ("Wishart", dict(df=[3.5], precision_matrix=MATRIX)),
}
CASES = pytest.mark.parametrize("case", TABLE)


def build(lib, case, dtype="float64", grad=False, **more):
    """The distribution of the table in library `lib`, and its tensors."""
    name, given = TABLE[case]
    leaves = {k: lib.tensor(v, dtype=getattr(lib, dtype), requires_grad=grad) for k, v in given.items()
              if isinstance(v, list)}
    return getattr(lib.distributions, name)(**{**given, **leaves}, **more), leaves


def array(t):
    return t.detach().numpy()


def close(mine, theirs, rtol=1e-6, atol=1e-8):
    np.testing.assert_allclose(array(mine), array(theirs), rtol=rtol, atol=atol)
    assert str(mine.dtype) == str(theirs.dtype)


def outcome(function, *args):
    """What the function gives, or the kind and first line of its error."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return function(*args)
    except Exception as error:
        return type(error), str(error).split("\n")[0]


def same(mine, theirs, **how):
    if hasattr(theirs, "detach"):
        close(mine, theirs, **how)
    else:
        assert mine == theirs


def drawn(lib, d, shape, method="sample", seed=5, first=False):
    """Samples after a seed. `first` draws of Wishart only: PyTorch's backward fails after it has drawn again."""
    lib.manual_seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(d, method)(lib.Size(shape), *([0] if first else []))


def precision(case):
    """PyTorch's generalised Pareto distribution mixes float32 with float64 and fails."""
    return "float32" if case.startswith("generalized pareto") else "float64"


@CASES
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_samples_are_pytorchs(case, dtype, torch):
    """The same numbers from the same seed; whole numbers exactly, others to the rounding of their precision. The
    stream goes on from the same place."""
    for shape in [(), (40,), (2, 3)]:
        mine, theirs = (drawn(lib, build(lib, case, dtype)[0], shape) for lib in (flambeau, torch))
        assert tuple(mine.shape) == tuple(theirs.shape)
        tight: dict = dict(rtol=2e-5, atol=2e-6) if dtype == "float32" else dict(rtol=1e-9, atol=1e-12)
        close(mine, theirs, **tight)
        assert flambeau.rand(()).item() == torch.rand(()).item()


@CASES
def test_densities_and_moments_are_pytorchs(case, torch):
    mine, theirs = (build(lib, case, precision(case))[0] for lib in (flambeau, torch))
    for name in ["batch_shape", "event_shape", "has_rsample", "has_enumerate_support"]:
        assert getattr(mine, name) == getattr(theirs, name), name
    assert repr(mine) == repr(theirs)
    assert repr(mine.support) == repr(theirs.support)
    assert repr(mine.arg_constraints) == repr(theirs.arg_constraints)
    for name in ["mean", "variance", "stddev", "mode"]:
        same(outcome(getattr, mine, name), renamed(outcome(getattr, theirs, name)))
    value = drawn(torch, theirs, (6,))
    given = flambeau.tensor(array(value))
    dtype = array(value).dtype
    for name in ["log_prob", "cdf"]:
        same(outcome(getattr(mine, name), given), outcome(getattr(theirs, name), value), rtol=1e-5)
    share = (np.linspace(0.05, 0.95, 6)[:, None] * np.ones((6, 2))).astype(dtype)
    same(outcome(mine.icdf, flambeau.tensor(share)), outcome(theirs.icdf, torch.tensor(share)), rtol=1e-5)
    for call in ["entropy", "perplexity"]:
        same(outcome(getattr(mine, call)), outcome(getattr(theirs, call)))
    for expand in (True, False):
        same(outcome(mine.enumerate_support, expand), outcome(theirs.enumerate_support, expand))


def renamed(found):
    return (found[0], found[1].replace("torch.", "flambeau.")) if isinstance(found, tuple) else found


@CASES
def test_gradients_of_densities_are_pytorchs(case, torch):
    value = array(drawn(torch, build(torch, case, precision(case))[0], (5,)))
    slopes = []
    for lib in (flambeau, torch):
        d, leaves = build(lib, case, precision(case), grad=True)
        d.log_prob(lib.tensor(value)).sum().backward()
        slopes.append(leaves)
    for name in slopes[0]:
        if slopes[1][name].grad is None:
            assert slopes[0][name].grad is None
        else:
            mine, theirs = slopes[0][name].grad, slopes[1][name].grad
            if name == "scale_tril":
                theirs = theirs.tril()  # PyTorch's cholesky_solve gives one above the diagonal too
            close(mine, theirs, rtol=1e-4, atol=1e-6)  # PyTorch's Bessel functions are polynomials of seven digits


@CASES
def test_gradients_of_samples_are_pytorchs(case, torch):
    """PyTorch's gradient of gamma and beta numbers is an approximation of three to four digits."""
    mine, theirs = build(flambeau, case, grad=True), build(torch, case, grad=True)
    if not theirs[0].has_rsample:
        pytest.skip("samples have no gradient")
    samples = [drawn(lib, d, (4,), "rsample", first=case.startswith("wishart"))
               for lib, (d, _) in ((flambeau, mine), (torch, theirs))]
    weights = np.linspace(-1, 1, samples[1].numel()).reshape(samples[1].shape)
    for lib, sample in zip((flambeau, torch), samples, strict=True):
        (sample * lib.tensor(weights)).sum().backward()
    for name in mine[1]:
        close(mine[1][name].grad, theirs[1][name].grad, rtol=5e-3, atol=2e-3)


@CASES
def test_expanded_distributions(case):
    d, leaves = build(flambeau, case)
    wide = d.expand((3, *d.batch_shape))
    assert type(wide) is type(d) and wide.batch_shape == (3, *d.batch_shape) and wide.event_shape == d.event_shape
    value = drawn(flambeau, wide, (2,))
    assert value.shape == (2, 3, *d.batch_shape, *d.event_shape)
    np.testing.assert_allclose(array(wide.log_prob(value)), array(d.log_prob(value)), rtol=1e-9)
    with pytest.raises(ValueError, match="broadcastable|right-most"):
        wide.log_prob(drawn(flambeau, build(flambeau, case)[0], ())[..., None].expand(
            *(5, *wide.batch_shape[1:], *wide.event_shape, 7)))


@CASES
def test_pickled_distributions(case):
    d, _ = build(flambeau, case)
    again = pickle.loads(pickle.dumps(d))
    value = drawn(flambeau, d, (3,))
    np.testing.assert_allclose(array(value), array(drawn(flambeau, again, (3,))), rtol=1e-12)


@functools.cache
def gauss_points():
    return np.polynomial.legendre.leggauss(800)


@pytest.mark.parametrize("case", ["normal", "gamma", "laplace", "beta", "weibull", "gumbel", "student t", "kumaraswamy",
                                  "log normal", "von mises", "continuous bernoulli", "generalized pareto", "pareto",
                                  "half normal", "fisher snedecor", "inverse gamma", "uniform", "chi2", "exponential"])
def test_densities_integrate_to_one(case):
    """And the distribution function is their integral; the mean is that of the density."""
    name, given = TABLE[case]
    d = getattr(distributions, name)(**{k: v[1] if isinstance(v, list) else v for k, v in given.items()},
                                     validate_args=False)
    low, high, offset = -math.pi, math.pi, 0.0
    if case != "von mises":
        support = d.support
        low, high = (float(getattr(support, f"{end}_bound", default))
                     for end, default in (("lower", -math.inf), ("upper", math.inf)))
        offset = low if math.isfinite(low) else 0.0
    # Bring the line to (-1, 1), so that Gauss and Legendre's points reach everywhere.
    points, weights = gauss_points()
    if math.isfinite(high) and math.isfinite(low):
        x, slope = low + (points + 1) / 2 * (high - low), (high - low) / 2
    elif math.isfinite(low):
        x, slope = offset + (1 + points) / (1 - points), 2 / (1 - points) ** 2
    else:
        x, slope = points / (1 - points**2), (1 + points**2) / (1 - points**2) ** 2
    density = np.exp(array(d.log_prob(flambeau.tensor(x)))) * slope * weights
    assert abs(density.sum() - 1) < 2e-3
    if case not in ("von mises", "pareto"):
        assert abs((density * x).sum() - float(d.mean)) < 0.02 * max(1, abs(float(d.mean)))
    share = outcome(lambda: d.cdf(flambeau.tensor(x)))
    if not isinstance(share, tuple):
        np.testing.assert_allclose(array(share), np.cumsum(density) - density / 2, atol=5e-3)


@pytest.mark.parametrize("case", ["normal", "cauchy", "laplace", "uniform", "exponential", "gumbel", "weibull",
                                  "pareto", "half normal", "half cauchy", "log normal", "kumaraswamy",
                                  "continuous bernoulli", "generalized pareto"])
def test_icdf_turns_cdf_round(case):
    d, _ = build(flambeau, case)
    share = flambeau.tensor(np.linspace(0.01, 0.99, 9)[:, None] * np.ones(2))
    np.testing.assert_allclose(array(d.cdf(d.icdf(share))), array(share), rtol=1e-6)


@pytest.mark.parametrize("case", ["bernoulli", "binomial", "categorical", "one hot"])
def test_probabilities_sum_to_one(case):
    d, _ = build(flambeau, case)
    log_prob = d.log_prob(d.enumerate_support())
    np.testing.assert_allclose(array(log_prob.exp().sum(0)), 1, rtol=1e-6)
    np.testing.assert_allclose(array(-(log_prob.exp() * log_prob).sum(0)), array(d.entropy()), rtol=1e-6)


@pytest.mark.parametrize("case", [c for c in TABLE if c not in ("cauchy", "half cauchy", "lkj cholesky", "von mises",
                                                                "logistic normal", "relaxed bernoulli",
                                                                "relaxed bernoulli of logits", "relaxed one hot")
                                  and "categorical" not in c])
def test_moments_of_samples(case):
    d, _ = build(flambeau, case)
    drawn_values = array(drawn(flambeau, d, (1500,)))
    error = np.sqrt(np.broadcast_to(array(d.variance), drawn_values.shape[1:]) / 1500)
    assert (abs(drawn_values.mean(0) - array(d.mean)) < 5.5 * error + 1e-9).all()


def test_gradient_of_gamma_numbers_against_the_inverse_distribution():
    special = pytest.importorskip("scipy.special")
    for a in [0.3, 1.0, 4.0, 60.0, 3000.0]:
        share = np.linspace(0.02, 0.98, 9)
        x, step = special.gammaincinv(a, share), 1e-4 * a
        slope = (special.gammaincinv(a + step, share) - special.gammaincinv(a - step, share)) / (2 * step)
        mine = flambeau._standard_gamma_grad(flambeau.full((9,), a, dtype=flambeau.float64), flambeau.tensor(x))
        np.testing.assert_allclose(array(mine), slope, rtol=1e-5)
    for a, b in [(0.5, 2.0), (4.0, 0.3), (70.0, 50.0)]:
        x, step = special.betaincinv(a, b, share), 1e-4 * a
        slope = (special.betaincinv(a + step, b, share) - special.betaincinv(a - step, b, share)) / (2 * step)
        full = [flambeau.full((9,), v, dtype=flambeau.float64) for v in (a, a + b)]
        mine = flambeau._dirichlet_grad(flambeau.tensor(x), *full)
        np.testing.assert_allclose(array(mine) * (1 - x), slope, rtol=1e-4)


def test_a_policy_gradient_step():
    """log_prob of a sampled action, weighted by a reward: the usual loss of REINFORCE."""
    flambeau.manual_seed(0)
    logits = flambeau.zeros(4, requires_grad=True)
    for _ in range(60):
        policy = distributions.Categorical(logits=logits)
        action = policy.sample((16,))
        loss = -(policy.log_prob(action) * (action == 2)).mean()
        (slope,) = flambeau.autograd.grad(loss, [logits])
        logits = (logits - slope).detach().requires_grad_()
    assert logits.argmax().item() == 2 and float(distributions.Categorical(logits=logits).probs[2]) > 0.8


ERRORS = [
    "d.Normal(0., -1.)", "d.Beta(-1., 1.)", "d.Bernoulli()", "d.Bernoulli(0.5, 0.5)", "d.Bernoulli(2.)",
    "d.Bernoulli(torch.tensor([0.5, float('nan')]))", "d.Categorical(torch.tensor(1.))",
    "d.Categorical(logits=torch.tensor(1.))", "d.Categorical(torch.tensor([-1., 2.]))",
    "d.Dirichlet(torch.tensor(1.))", "d.Multinomial(torch.ones(2), torch.ones(2))", "d.Uniform(1., 0.)",
    "d.MultivariateNormal(torch.zeros(2))", "d.MultivariateNormal(torch.tensor(0.), torch.eye(2))",
    "d.MultivariateNormal(torch.zeros(2), torch.ones(2))", "d.MultivariateNormal(torch.zeros(2), -torch.eye(2))",
    "d.MultivariateNormal(torch.zeros(2), scale_tril=torch.ones(2, 2))", "d.Independent(d.Normal(0., 1.), 1)",
    "d.Normal(0., 1.).log_prob(1.)", "d.Normal(torch.zeros(2), 1.).log_prob(torch.ones(3))",
    "d.Normal(0., 1.).log_prob(torch.tensor(float('nan')))", "d.Normal('a', 1.)",
    "d.Dirichlet(torch.ones(2)).log_prob(torch.ones(2))", "d.Dirichlet(torch.ones(2)).log_prob(torch.ones(3))",
    "d.Categorical(torch.ones(3)).log_prob(torch.tensor(3))", "d.Bernoulli(0.5).log_prob(torch.tensor(0.5))",
    "d.Poisson(1.).log_prob(torch.tensor(0.5))", "d.Chi2(-1.)", "d.Geometric(0.)", "d.StudentT(-1.)",
    "d.FisherSnedecor(-1., 1.)", "d.Kumaraswamy(-1., 1.)", "d.Weibull(-1., 1.)", "d.InverseGamma(-1., 1.)",
    "d.LogNormal(0., -1.)", "d.HalfNormal(-1.)", "d.Pareto(-1., 1.)", "d.Gumbel(0., -1.)",
    "d.ContinuousBernoulli(2., validate_args=True)", "d.RelaxedBernoulli(torch.tensor(1.), torch.tensor(1.5))",
    "d.LKJCholesky(1)",
    "d.LKJCholesky(3, -1.)", "d.Wishart(torch.tensor(1.), torch.eye(3))", "d.Wishart(torch.tensor(4.))",
    "d.HalfNormal(1.).log_prob(torch.tensor(-1.))", "d.Gamma(1., 1.).icdf(torch.tensor(.5))", "d.Poisson(-1.)",
    "d.Binomial(torch.tensor([1, 2]), torch.tensor(.5)).entropy()", "d.Binomial(2.5, torch.tensor(.5))",
    "d.Binomial(3, torch.tensor(.5)).log_prob(torch.tensor(4.))",
    "d.TransformedDistribution(d.Normal(0., 1.), 3)", "d.TransformedDistribution(d.Normal(0., 1.), [3])",
    "d.TransformedDistribution(d.Normal(0., 1.), d.StickBreakingTransform())",
    "d.LowRankMultivariateNormal(torch.tensor(0.), torch.ones(2, 1), torch.ones(2))",
    "d.LowRankMultivariateNormal(torch.zeros(2), torch.ones(3, 1), torch.ones(2))",
    "d.LowRankMultivariateNormal(torch.zeros(2), torch.ones(2, 1), torch.ones(3))",
    "d.LowRankMultivariateNormal(torch.zeros(3, 2), torch.ones(2, 2, 1), torch.ones(2))",
    "d.MixtureSameFamily(d.Normal(0., 1.), d.Normal(torch.zeros(2), 1.))",
    "d.MixtureSameFamily(d.Categorical(torch.ones(2)), 3)",
    "d.MixtureSameFamily(d.Categorical(torch.ones(2)), d.Normal(torch.zeros(3), 1.))",
    "d.MixtureSameFamily(d.Categorical(torch.ones(4, 2)), d.Normal(torch.zeros(3, 2), 1.))",
    "d.Independent(d.Bernoulli(torch.ones(2) / 2), 1).enumerate_support()", "d.Distribution().sample()",
    "d.Distribution(validate_args=False).mode", "d.Normal(0., 1.).expand((2,)).log_prob(torch.ones(3))",
    "d.Distribution.set_default_validate_args(None)", "d.VonMises(0., -1.)",
]


@pytest.mark.parametrize("text", ERRORS)
def test_errors_are_pytorchs(text, torch):
    found = []
    for lib in (flambeau, torch):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pytest.raises(Exception) as caught:
                eval(text, {"torch": lib, "d": lib.distributions})
        found.append((caught.type, str(caught.value).split("\n")[0].replace("flambeau.", "torch.")))
    assert found[0] == found[1]


def test_validation_can_be_left_out():
    assert distributions.Normal(0.0, -1.0, validate_args=False).scale.item() == -1
    distributions.Distribution.set_default_validate_args(False)
    try:
        assert distributions.Normal(0.0, -1.0).stddev.item() == -1
    finally:
        distributions.Distribution.set_default_validate_args(True)


def test_a_subclass_of_ones_own():
    class Fixed(distributions.Distribution):
        pass

    with pytest.warns(UserWarning, match="does not define `arg_constraints`"):
        d = Fixed()
    with pytest.warns(UserWarning, match="does not define `support`"):
        d._validate_sample(flambeau.tensor(1.0))
    for call in (d.sample, d.entropy, lambda: d.expand((2,)), lambda: d.mean, lambda: d.variance,
                 lambda: d.cdf(0), lambda: d.icdf(0), lambda: d.log_prob(0)):
        with pytest.raises(NotImplementedError):
            call()

    class Shifted(distributions.Normal):
        def __init__(self, shift):
            super().__init__(shift, 1.0)

    with pytest.raises(NotImplementedError, match="Subclass Shifted of Normal that defines a custom __init__"):
        Shifted(1.0).expand((2,))
    with pytest.warns(FutureWarning, match="sample_n"):
        assert distributions.Normal(0.0, 1.0).sample_n(4).shape == (4,)


def test_mixtures_and_independent_as_pytorch(torch):
    def made(lib):
        d = lib.distributions
        probs, loc = lib.tensor(ROWS), lib.arange(12.0).reshape(2, 3, 2)
        components = d.Independent(d.Normal(loc, 1.0), 1)
        return [d.MixtureSameFamily(d.Categorical(probs), components),
                d.MixtureSameFamily(d.Categorical(probs[0]), d.Gamma(loc[0, :, 0] + 1, 2.0)),
                d.MixtureSameFamily(d.Categorical(probs), d.Poisson(loc[..., 0] + 1)), components,
                d.Independent(d.Bernoulli(probs), 2)]

    for mine, theirs in zip(made(flambeau), made(torch), strict=True):
        assert repr(mine) == repr(theirs) and repr(mine.support) == repr(theirs.support)
        for d in (mine, theirs):
            assert d.batch_shape == theirs.batch_shape and d.event_shape == theirs.event_shape
        value = drawn(torch, theirs, (5,))
        close(drawn(flambeau, mine, (5,)), value, rtol=1e-5)
        close(mine.log_prob(flambeau.tensor(array(value))), theirs.log_prob(value), rtol=1e-5)
        close(mine.mean, theirs.mean)
        close(mine.variance, theirs.variance, rtol=1e-5)
        same(outcome(mine.entropy), outcome(theirs.entropy))
        same(outcome(mine.cdf, flambeau.tensor(array(value))), outcome(theirs.cdf, value), rtol=1e-5)
        wide, reference = mine.expand((4, *mine.batch_shape)), theirs.expand((4, *theirs.batch_shape))
        close(drawn(flambeau, wide, ()), drawn(torch, reference, ()), rtol=1e-5)


def test_every_module_of_pytorch_imports():
    names = """bernoulli beta binomial categorical cauchy chi2 constraint_registry constraints continuous_bernoulli
    dirichlet distribution exp_family exponential fishersnedecor gamma generalized_pareto geometric gumbel half_cauchy
    half_normal independent inverse_gamma kl kumaraswamy laplace lkj_cholesky log_normal logistic_normal
    lowrank_multivariate_normal mixture_same_family multinomial multivariate_normal negative_binomial normal
    one_hot_categorical pareto poisson relaxed_bernoulli relaxed_categorical studentT transformed_distribution
    transforms uniform utils von_mises weibull wishart""".split()
    for name in names:
        module = importlib.import_module("flambeau.distributions." + name)
        assert module is getattr(distributions, name) and all(hasattr(module, public) for public in module.__all__)
    assert all(hasattr(distributions, name) for name in distributions.__all__)


def test_public_names_are_pytorchs(torch):
    assert sorted(distributions.__all__) == sorted(torch.distributions.__all__)
    for name in ("constraints", "transforms", "kl", "utils", "constraint_registry"):
        theirs = importlib.import_module("torch.distributions." + name)
        mine = importlib.import_module("flambeau.distributions." + name)
        assert set(theirs.__all__) <= set(vars(mine))


def test_importing_flambeau_loads_no_distribution():
    code = ("import sys, flambeau as torch; assert 'flambeau.distributions' not in sys.modules; "
            "torch.distributions.Normal; assert 'flambeau.distributions.normal' in sys.modules; "
            "assert 'scipy' not in sys.modules")
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", [m.name for m in pkgutil.iter_modules(distributions.__path__)] + [""])
def test_examples_in_docstrings(name):
    module = importlib.import_module(("flambeau.distributions." + name).rstrip("."))
    assert doctest.testmod(module).failed == 0
    for value in vars(module).values():
        if isinstance(value, type) and value.__module__ == module.__name__ and not value.__name__.startswith("_"):
            assert value.__doc__


def test_lazily_and_at_once(both):
    d = distributions.Gamma(flambeau.tensor([0.5, 2.0], requires_grad=True), 1.0)
    flambeau.manual_seed(3)
    value = d.rsample((3,))
    d.log_prob(value.detach()).sum().backward(retain_graph=True)
    assert np.isfinite(array(d.concentration)).all()
    assert abs(float(d.log_prob(flambeau.tensor([1.0, 1.0])).sum()) - (-1 - 0.5 * math.log(math.pi) - 1)) < 1e-6
