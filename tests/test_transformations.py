"""Jacobians, torch.func and checkpointing, against PyTorch and against what they stand for."""

from __future__ import annotations

import pytest
from side_by_side import same, table

import flambeau


def point(m, *values):
    return m.tensor(values or (0.5, 1.0, 2.0), dtype=m.float64)


def cubes(x):
    return (x**3).sum()


def mixed(x, y):
    return x.sin() * y, (x * y).sum()


FUNCTIONAL = table(
    lambda m: m.autograd.functional.jacobian(lambda x: x**2, point(m)),
    lambda m: m.autograd.functional.jacobian(mixed, (point(m), point(m, 1.0, 2.0, 3.0))),
    lambda m: m.autograd.functional.jacobian(lambda x: x.sum(), point(m)),
    lambda m: m.autograd.functional.jacobian(lambda x: m.ones(2), point(m)),
    lambda m: m.autograd.functional.hessian(cubes, point(m)),
    lambda m: m.autograd.functional.hessian(lambda x, y: (x * x * y).sum(), (point(m), point(m, 1.0, 2.0, 3.0))),
    lambda m: m.autograd.functional.vjp(lambda x: x**2, point(m), point(m, 1.0, 0.0, 2.0)),
    lambda m: m.autograd.functional.vjp(cubes, point(m)),
    lambda m: m.autograd.functional.jvp(lambda x: x**2, point(m), point(m, 1.0, 0.0, 2.0)),
    lambda m: m.autograd.functional.jvp(mixed, (point(m), point(m)), (point(m), point(m))),
    lambda m: m.autograd.functional.vhp(cubes, point(m), point(m, 1.0, 0.0, 2.0)),
    lambda m: m.autograd.functional.hvp(cubes, point(m), point(m, 1.0, 0.0, 2.0)),
    lambda m: m.func.grad(cubes)(point(m)),
    lambda m: m.func.grad(m.func.grad(lambda x: x**4))(m.tensor(2.0)),
    lambda m: m.func.grad(lambda a, b: (a * b * b).sum(), argnums=(0, 1))(point(m), point(m)),
    lambda m: m.func.grad(lambda p: (p["w"] * 2 + p["b"]).sum())({"w": point(m), "b": point(m)}),
    lambda m: m.func.grad(lambda x: (cubes(x), x * 2), has_aux=True)(point(m)),
    lambda m: m.func.grad_and_value(cubes)(point(m)),
    lambda m: [
        m.func.vjp(lambda x: x**2, point(m))[0],
        m.func.vjp(lambda x: x**2, point(m))[1](point(m, 1.0, 0.0, 2.0)),
    ],
    lambda m: m.func.jvp(lambda x: x**2, (point(m),), (point(m, 1.0, 0.0, 2.0),)),
    lambda m: m.func.jacrev(lambda x: x**2)(point(m)),
    lambda m: m.func.jacfwd(lambda x: x**2)(point(m)),
    lambda m: m.func.jacrev(lambda x, y: x * y.sum(), argnums=(0, 1))(point(m), point(m)),
    lambda m: m.func.hessian(cubes)(point(m)),
    lambda m: m.func.vmap(m.dot)(m.arange(6.0).view(3, 2), m.ones(3, 2)),
    lambda m: m.vmap(lambda x, y: x * y, in_dims=(0, None))(m.arange(6.0).view(3, 2), m.ones(2)),
    lambda m: m.vmap(lambda x: (x.sum(), x * 2), in_dims=1, out_dims=(0, 1))(m.arange(6.0).view(3, 2)),
    lambda m: m.vmap(m.vmap(lambda a, b: a + b, in_dims=(None, 0)), in_dims=(0, None))(m.arange(3.0), m.arange(2.0)),
    lambda m: m.vmap(m.func.grad(cubes))(point(m).expand(2, 3)),
    lambda m: m.vmap(lambda d: d["a"] * 2)({"a": m.arange(3.0)}),
)


@pytest.mark.parametrize("function", FUNCTIONAL)
def test_transformations(torch, both, function):
    same(function, torch)


def test_jacobians_know_what_does_not_depend(both):
    with pytest.raises(RuntimeError, match="independent of input 0. This is not allowed in strict mode"):
        flambeau.autograd.functional.jacobian(lambda x: flambeau.ones(2), point(flambeau), strict=True)
    with pytest.raises(RuntimeError, match="should contain a single element"):
        flambeau.autograd.functional.hessian(lambda x: x * 2, point(flambeau))
    with pytest.raises(RuntimeError, match="to return a scalar tensor, got tensor with 1 dims"):
        flambeau.func.grad(lambda x: x * 2)(point(flambeau))


def test_jacobian_can_be_differentiated(both):
    x = point(flambeau).requires_grad_()
    flambeau.autograd.functional.jacobian(lambda t: t**3, x, create_graph=True).sum().backward()
    assert flambeau.allclose(x.grad, 6 * x.detach())


def test_vmap_refuses_what_it_cannot_map(both):
    for call, text in (
        (
            lambda: flambeau.vmap(lambda a, b: a + b)(flambeau.ones(2), flambeau.ones(3)),
            "to have the same size in the mapped",
        ),
        (lambda: flambeau.vmap(lambda a: a)(3), "non-Tensor arguments"),
        (lambda: flambeau.vmap(lambda a: a, in_dims=4)(flambeau.ones(2)), "dimensionality 1"),
        (lambda: flambeau.vmap(lambda a: 3)(flambeau.ones(2)), "must only return Tensors"),
    ):
        with pytest.raises(ValueError, match=text):
            call()
    with pytest.raises(RuntimeError, match="randomness error mode"):
        flambeau.vmap(lambda a: a + flambeau.rand(1))(flambeau.ones(2))
    same_for_all = flambeau.vmap(lambda a: a * flambeau.rand(1), randomness="same")(flambeau.ones(2))
    assert same_for_all[0] == same_for_all[1]
    different = flambeau.vmap(lambda a: a * flambeau.rand(1), randomness="different")(flambeau.ones(2))
    assert different[0] != different[1]


def called(m):
    net = m.nn.Sequential(m.nn.Linear(2, 2), m.nn.LayerNorm(2))
    params = {k: m.ones_like(v) for k, v in net.named_parameters()}
    out = m.func.functional_call(net, params, (m.arange(4.0).view(2, 2),))
    grads = m.func.grad(
        lambda p: (m.func.functional_call(net, p, (m.arange(4.0).view(2, 2),)) * m.arange(4.0).view(2, 2)).sum()
    )(params)
    return out, grads, net[0].weight


def test_functional_call(torch, both):
    same(called, torch)


def test_functional_call_of_tied_parameters(both):
    net = flambeau.nn.Sequential(flambeau.nn.Linear(2, 2, bias=False), flambeau.nn.Linear(2, 2, bias=False))
    net[1].weight = net[0].weight
    x, new = flambeau.ones(1, 2), flambeau.eye(2) * 3
    assert flambeau.func.functional_call(net, {"0.weight": new}, x).tolist() == [[9, 9]]
    assert flambeau.func.functional_call(net, {"0.weight": new}, x, tie_weights=False).tolist() != [[9, 9]]
    with pytest.raises(RuntimeError, match="nothing"):
        flambeau.func.functional_call(net, {"nothing": new}, x, strict=True)
    assert net[1].weight is net[0].weight


def checkpointed(m, how):
    net = m.nn.Sequential(m.nn.Linear(3, 4), m.nn.Dropout(0.5), m.nn.Tanh(), m.nn.Linear(4, 1))
    x = m.ones(2, 3, requires_grad=True)
    y = how(m, net, x * 2)
    y.sum().backward()
    return y, x.grad, [p.grad for p in net.parameters()], m.rand(2)


@pytest.mark.parametrize(
    "how",
    [
        lambda m, net, x: net(x),
        lambda m, net, x: m.utils.checkpoint.checkpoint(net, x, use_reentrant=False),
        lambda m, net, x: m.utils.checkpoint.checkpoint(lambda t: net(t), x, use_reentrant=False),
    ],
    ids=["plain", "module", "closure"],
)
def test_checkpoints_change_nothing(torch, both, how):
    import torch.utils.checkpoint

    same(lambda m: checkpointed(m, how), torch)
    expected = checkpointed(flambeau.manual_seed(0) and flambeau, lambda m, net, x: net(x))
    found = checkpointed(flambeau.manual_seed(0) and flambeau, how)
    assert (
        flambeau.equal(found[0], expected[0])
        and flambeau.equal(found[1], expected[1])
        and flambeau.equal(found[3], expected[3])
    )


def test_checkpoint_runs_again_and_keeps_nothing(both):
    calls = []

    def part(x):
        calls.append(1)
        return x.exp().sin()

    x = flambeau.rand(5, requires_grad=True)
    y = flambeau.utils.checkpoint.checkpoint(part, x, use_reentrant=False)
    assert calls == [1]
    y.sum().backward()
    assert calls == [1, 1]
    assert flambeau.allclose(x.grad, x.exp() * x.exp().cos())
    layers = [flambeau.nn.Linear(2, 2) for _ in range(4)]
    z = flambeau.utils.checkpoint.checkpoint_sequential(layers, 2, flambeau.ones(1, 2), use_reentrant=False)
    z.sum().backward()
    assert all(layer.weight.grad is not None for layer in layers)
