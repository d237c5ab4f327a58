"""kl_divergence: every pair that PyTorch has, against it and against samples; the choice of the function."""

import warnings

import numpy as np
import pytest

import flambeau
from flambeau import distributions
from flambeau.distributions import kl
from flambeau.distributions.kl import kl_divergence, register_kl

PAIRS = sorted((p.__name__, q.__name__) for p, q in kl._KL_REGISTRY)
MATRIX = [[2.0, 0.3], [0.3, 1.0]]
# Two sets of parameters for each family, some on the border of what the other covers.
GIVEN = {
    "Bernoulli": [dict(probs=[0.3, 0.0, 1.0, 0.6]), dict(probs=[0.5, 0.2, 1.0, 0.0])],
    "Beta": [dict(concentration1=[0.5, 3.0], concentration0=[2.0, 0.7])] * 2,
    "Binomial": [dict(total_count=[9.0, 7.0], probs=[0.3, 0.6]), dict(total_count=[9.0, 4.0], probs=[0.5, 0.6])],
    "Categorical": [dict(probs=[[0.2, 0.8, 0.0], [0.1, 0.2, 0.7]]), dict(probs=[[0.5, 0.4, 0.1], [0.0, 0.5, 0.5]])],
    "Cauchy": [dict(loc=[0.0, 1.0], scale=[1.0, 2.0]), dict(loc=[0.5, 3.0], scale=[2.0, 2.0])],
    "ContinuousBernoulli": [dict(probs=[0.3, 0.5]), dict(probs=[0.7, 0.9])],
    "Dirichlet": [dict(concentration=[[0.5, 2.0, 3.0]]), dict(concentration=[[2.0, 1.0, 0.7]])],
    "Exponential": [dict(rate=[0.5, 2.0]), dict(rate=[1.0, 1.5])],
    "Gamma": [dict(concentration=[0.6, 3.0], rate=[2.0, 0.5]), dict(concentration=[2.0, 1.0], rate=[1.0, 1.5])],
    "Geometric": [dict(probs=[0.3, 0.6]), dict(probs=[0.5, 0.2])],
    "Gumbel": [dict(loc=[0.0, 1.0], scale=[1.0, 2.0]), dict(loc=[0.5, -1.0], scale=[2.0, 1.5])],
    "HalfNormal": [dict(scale=[1.0, 2.0]), dict(scale=[3.0, 0.5])],
    "Laplace": [dict(loc=[0.0, 1.0], scale=[1.0, 2.0]), dict(loc=[0.5, -1.0], scale=[2.0, 1.5])],
    "LowRankMultivariateNormal": [
        dict(loc=[[0.0, 1.0]] * 3, cov_factor=[[1.0], [0.5]], cov_diag=[0.5, 1.0]),
        dict(loc=[1.0, 1.0], cov_factor=[[0.3, 0.1], [0.5, 1.0]], cov_diag=[1.5, 1.0])],
    "MultivariateNormal": [dict(loc=[[0.0, 1.0]] * 3, covariance_matrix=MATRIX),
                           dict(loc=[1.0, 1.0], covariance_matrix=[[1.0, 0.5], [0.5, 1.0]])],
    "Normal": [dict(loc=[0.0, 1.0], scale=[1.0, 2.0]), dict(loc=[0.5, -1.0], scale=[2.0, 1.5])],
    "OneHotCategorical": [dict(probs=[[0.2, 0.8], [0.0, 1.0]]), dict(probs=[[0.5, 0.5], [1.0, 0.0]])],
    "Pareto": [dict(scale=[1.0, 2.0], alpha=[3.5, 1.5]), dict(scale=[0.5, 2.5], alpha=[2.0, 1.0])],
    "Poisson": [dict(rate=[2.0, 5.0]), dict(rate=[3.0, 1.0])],
    "Uniform": [dict(low=[0.2, 0.6], high=[0.7, 0.9]), dict(low=[0.0, 0.3], high=[1.0, 0.8])],
}
COMPOUND = ("ExponentialFamily", "Independent", "TransformedDistribution")


def build(lib, name, which, size=slice(None), grad=False, **more):
    """A distribution of the table, and its tensors."""
    given = {k: lib.tensor(v[size], dtype=lib.float64, requires_grad=grad) for k, v in GIVEN[name][which].items()}
    return getattr(lib.distributions, name)(**given, **more), given


def length(p, q):
    """How many of the parameters are taken: there are four for Bernoulli alone."""
    return slice(2) if {p, q} == {"Bernoulli", "Poisson"} else slice(None)


def array(t):
    return t.detach().numpy()


@pytest.mark.parametrize("p, q", [pair for pair in PAIRS if pair[0] not in COMPOUND])
def test_divergences_are_pytorchs(p, q, torch):
    found = []
    for lib in (flambeau, torch):
        made = [build(lib, name, i, length(p, q), grad=True) for i, name in enumerate((p, q))]
        value = lib.distributions.kl_divergence(*[d for d, _ in made])
        slopes = []
        if value.requires_grad and np.isfinite(array(value)).all():
            value.sum().backward()
            slopes = [array(t.grad) if t.grad is not None else None for _, own in made for t in own.values()]
        found.append((array(value), slopes))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-6, atol=1e-9)
    for mine, theirs in zip(found[0][1], found[1][1], strict=False):
        np.testing.assert_allclose(0 if mine is None else mine, 0 if theirs is None else theirs, rtol=1e-5, atol=1e-7)


def test_the_pairs_are_pytorchs(torch):
    assert PAIRS == sorted((p.__name__, q.__name__) for p, q in torch.distributions.kl._KL_REGISTRY)


@pytest.mark.parametrize("p, q", [pair for pair in PAIRS if pair[0] not in COMPOUND and pair[0] != "Cauchy"])
def test_divergences_against_samples(p, q):
    """The mean of log p(x) - log q(x) over samples of p, to a few of its standard errors."""
    flambeau.manual_seed(1)
    made = [build(flambeau, name, i, length(p, q), validate_args=False)[0] for i, name in enumerate((p, q))]
    value = array(kl_divergence(*made))
    sample = made[0].sample((4000,))
    other = array(made[1].log_prob(sample))
    compared = np.isfinite(value) & np.isfinite(other).all(0)
    ratio = array(made[0].log_prob(sample)) - np.where(np.isfinite(other), other, 0)
    if (p, q) in (("Pareto", "Normal"), ("Pareto", "Gumbel")):
        compared &= False  # tails too heavy for a mean of samples
    error = ratio.std(0) / np.sqrt(4000)
    assert (abs(ratio.mean(0) - value) < 6 * error + 1e-6)[compared].all()
    assert (value[np.isfinite(value)] > -1e-9).all()


def test_of_itself_is_zero():
    for name in GIVEN:
        d, _ = build(flambeau, name, 0)
        if (type(d), type(d)) in kl._KL_REGISTRY:
            np.testing.assert_allclose(array(kl_divergence(d, d)), 0, atol=1e-9)


def test_compound_distributions(torch):
    def values(lib):
        d = lib.distributions
        loc = lib.arange(6.0, dtype=lib.float64).reshape(2, 3)
        one, two = d.Normal(loc, 1.0), d.Normal(loc.flip(0), 2.0)
        yield d.kl_divergence(d.Independent(one, 1), d.Independent(two, 1))
        yield d.kl_divergence(d.LogNormal(loc, 1.0), d.LogNormal(0.0, 1.0))
        yield d.kl_divergence(d.Chi2(loc + 1), d.Chi2(2.0))
        yield d.kl_divergence(d.HalfNormal(loc + 1), d.HalfNormal(2.0))
        given = [d.Wishart(lib.tensor(4.0, dtype=lib.float64), lib.tensor(MATRIX, dtype=lib.float64)),
                 d.Wishart(lib.tensor(3.0, dtype=lib.float64), lib.eye(2, dtype=lib.float64))]
        yield d.kl_divergence(*given)
        stretch = [d.ExpTransform(), d.AffineTransform(1.0, 2.0)]
        yield d.kl_divergence(d.TransformedDistribution(one, stretch), d.TransformedDistribution(two, stretch))

    for mine, theirs in zip(values(flambeau), values(torch), strict=True):
        np.testing.assert_allclose(array(mine), array(theirs), rtol=1e-6)


def test_exponential_families_agree_with_their_own_formulas():
    for name in ["Bernoulli", "Gamma", "Exponential", "Poisson", "Dirichlet", "Normal", "ContinuousBernoulli"]:
        given = GIVEN[name] if name != "Bernoulli" else [dict(probs=[0.3, 0.9]), dict(probs=[0.5, 0.2])]
        p, q = (getattr(distributions, name)(**{k: flambeau.tensor(v, dtype=flambeau.float64) for k, v in g.items()})
                for g in given)
        general = kl._KL_REGISTRY[distributions.ExponentialFamily, distributions.ExponentialFamily]
        np.testing.assert_allclose(array(general(p, q)), array(kl_divergence(p, q)), rtol=1e-6)
        if name not in ("Poisson", "Dirichlet"):
            entropy = distributions.ExponentialFamily.entropy(p)
            np.testing.assert_allclose(array(entropy), array(p.entropy()), rtol=1e-6)


ERRORS = [
    "d.kl_divergence(d.Normal(0., 1.), d.Cauchy(0., 1.))",
    "d.kl_divergence(d.Binomial(3, torch.tensor(.5)), d.Binomial(4, torch.tensor(.5)))",
    "d.kl_divergence(d.LogNormal(0., 1.), d.HalfCauchy(1.))",
    "d.kl_divergence(d.Independent(d.Normal(torch.zeros(2, 2), 1.), 1), "
    "d.Independent(d.Normal(torch.zeros(2, 2), 1.), 2))",
    "d.kl_divergence(d.MultivariateNormal(torch.zeros(2), torch.eye(2)), "
    "d.MultivariateNormal(torch.zeros(3), torch.eye(3)))",
    "d.kl_divergence(d.LowRankMultivariateNormal(torch.zeros(2), torch.ones(2, 1), torch.ones(2)), "
    "d.MultivariateNormal(torch.zeros(3), torch.eye(3)))",
]


@pytest.mark.parametrize("text", ERRORS)
def test_errors_are_pytorchs(text, torch):
    found = []
    for lib in (flambeau, torch):
        with pytest.raises(Exception) as caught:
            eval(text, {"torch": lib, "d": lib.distributions})
        found.append((caught.type, str(caught.value).split("\n")[0]))
    assert found[0] == found[1]


@pytest.mark.parametrize("kinds", [(int, distributions.Normal), (distributions.Normal, 3)])
def test_only_distributions_are_registered(kinds):
    with pytest.raises(TypeError, match="to be a Distribution subclass but got"):
        register_kl(*kinds)


def test_the_closest_registered_function_is_called(monkeypatch):
    monkeypatch.setattr(kl, "_KL_REGISTRY", dict(kl._KL_REGISTRY))

    class Mine(distributions.Normal):
        pass

    class Yours(Mine):
        pass

    zero = distributions.Normal(0.0, 1.0)
    assert kl_divergence(Mine(1.0, 1.0), zero).item() == 0.5

    @register_kl(Mine, distributions.Normal)
    def first(p, q):
        return "first"

    @register_kl(distributions.Normal, Mine)
    def second(p, q):
        return "second"

    assert kl_divergence(Yours(0.0, 1.0), zero) == "first" and kl_divergence(zero, Yours(0.0, 1.0)) == "second"
    text = r"Ambiguous kl_divergence\(Yours, Mine\). Please register_kl\(Mine, Mine\)"
    with pytest.warns(RuntimeWarning, match=text):
        assert kl_divergence(Yours(0.0, 1.0), Mine(0.0, 1.0)) == "first"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        register_kl(Mine, Mine)(lambda p, q: "third")
        assert kl_divergence(Yours(0.0, 1.0), Mine(0.0, 1.0)) == "third"
    kl._found.cache_clear()
