"""Gradients where the user's code takes part: hooks, functions of one's own."""

from __future__ import annotations

import pytest
from side_by_side import same, table


def leaf(m, *values):
    return m.tensor(values or [1.0, 2.0, 3.0], requires_grad=True)


# ---- hooks


def tensor_hooks(m):
    x = leaf(m)
    seen = []
    y = x * 2
    y.register_hook(lambda g: seen.append(("y", g.tolist())))
    handle = x.register_hook(lambda g: g * 10)
    x.register_hook(lambda g: seen.append(("x", g.tolist())))
    (y * y).sum().backward()
    handle.remove()
    first = x.grad.clone()
    x.grad = None
    (x * 2).sum().backward()
    return seen, first, x.grad


def hook_on_middle_changes(m):
    x = leaf(m)
    y = x * 2
    y.register_hook(lambda g: g + 1)
    y.register_hook(lambda g: g * 3)
    y.retain_grad()
    y.sum().backward()
    return x.grad, y.grad


def hook_and_autograd_grad(m):
    x = leaf(m)
    x.register_hook(lambda g: g * 5)
    y = x * 2
    y.register_hook(lambda g: g * 7)
    return m.autograd.grad(y.sum(), x), x.grad


def after_accumulation(m):
    x = leaf(m)
    seen = []

    def step(t):
        seen.append(t.grad.tolist())
        t.grad = None

    handle = x.register_post_accumulate_grad_hook(step)
    (x * 2).sum().backward()
    (x * 3).sum().backward()
    handle.remove()
    (x * 4).sum().backward()
    return seen, x.grad


def hook_with_create_graph(m):
    x = leaf(m)
    y = x**2
    y.register_hook(lambda g: g * x)
    (g,) = m.autograd.grad(y.sum(), x, create_graph=True)
    return g, m.autograd.grad(g.sum(), x)


def hook_order(m):
    order = []
    x = leaf(m)
    a = x * 2
    b = a * 3
    for name, t in (("x", x), ("a", a), ("b", b)):
        t.register_hook(lambda g, name=name: order.append(name))
    b.sum().backward()
    return order


def a_hook_that_returns_nonsense(m):
    x = leaf(m)
    x.register_hook(lambda g: 3)
    (x * 2).sum().backward()


def a_hook_that_raises(m):
    x = leaf(m)
    y = x * 2
    y.register_hook(lambda g: 1 / 0)
    y.sum().backward()


def module_hooks(m):
    layer = m.nn.Linear(2, 1)
    seen = []
    layer.register_forward_pre_hook(lambda mod, args: (args[0] * 2,))
    layer.register_forward_hook(lambda mod, args, out: seen.append(("forward", args[0].tolist(), out.shape)))
    handle = layer.register_forward_hook(lambda mod, args, out: out + 1)
    layer.register_full_backward_hook(
        lambda mod, gi, go: seen.append(("backward", [g if g is None else g.shape for g in gi], go[0].tolist()))
    )
    layer.register_full_backward_pre_hook(lambda mod, go: (go[0] * 2,))
    x = m.ones(1, 2, requires_grad=True)
    out = layer(x)
    out.sum().backward()
    handle.remove()
    return seen, out, layer(m.ones(1, 2)), x.grad, layer.weight.grad


def module_hooks_with_keywords(m):
    class Net(m.nn.Module):
        def forward(self, x, scale=1.0):
            return x * scale

    net = Net()
    net.register_forward_pre_hook(lambda mod, args, kwargs: (args, {"scale": 3.0}), with_kwargs=True)
    seen = []
    net.register_forward_hook(lambda mod, args, kwargs, out: seen.append(kwargs["scale"]), with_kwargs=True)
    return net(m.ones(1), scale=2.0), seen


HOOKS = table(
    tensor_hooks,
    hook_on_middle_changes,
    hook_and_autograd_grad,
    after_accumulation,
    hook_with_create_graph,
    hook_order,
    a_hook_that_returns_nonsense,
    a_hook_that_raises,
    module_hooks,
    module_hooks_with_keywords,
)


@pytest.mark.parametrize("function", HOOKS)
def test_hooks(torch, both, function):
    same(function, torch)


# ---- functions of one's own


def product(m):
    class Product(m.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            ctx.save_for_backward(x, y)
            return x * y

        @staticmethod
        def backward(ctx, g):
            x, y = ctx.saved_tensors
            return g * y, g * x

    return Product


def a_function(m):
    x, y = leaf(m), leaf(m, 4.0, 5.0, 6.0)
    out = product(m).apply(x, y)
    out.sum().backward()
    return out, x.grad, y.grad, out.grad_fn.name()


def a_function_of_second_order(m):
    x, y = leaf(m), leaf(m, 4.0, 5.0, 6.0)
    (g,) = m.autograd.grad(product(m).apply(x, y).sum(), x, create_graph=True)
    return m.autograd.grad((g * g).sum(), [x, y], allow_unused=True)


def needs(m):
    seen = []

    class F(m.autograd.Function):
        @staticmethod
        def forward(ctx, x, k, y):
            seen.append(ctx.needs_input_grad)
            return x * k + y

        @staticmethod
        def backward(ctx, g):
            seen.append(ctx.needs_input_grad)
            return g * 2, None, g

    x = leaf(m)
    F.apply(x, 2, m.ones(3)).sum().backward()
    return seen, x.grad


def several(m):
    class Both(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, a, b):
            return a * 2 + b * 3

    x = leaf(m)
    a, b = Both.apply(x)
    a.sum().backward(retain_graph=True)
    first = x.grad.clone()
    (a * b).sum().backward()
    return first, x.grad, a, b


def several_called_once(m):
    calls = []

    class Both(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, a, b):
            calls.append((a.tolist(), b.tolist()))
            return a * 2 + b * 3

    x = leaf(m)
    a, b = Both.apply(x)
    (a * 5 + b).sum().backward()
    return calls, x.grad


def not_materialized(m):
    seen = []

    class Both(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(False)
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, a, b):
            seen.append((a is None, b is None))
            return a * 2

    x = leaf(m)
    a, _ = Both.apply(x)
    a.sum().backward()
    return seen, x.grad


def with_plain_output(m):
    class Top(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            values, places = x.sort()
            ctx.mark_non_differentiable(places)
            ctx.save_for_backward(places)
            return values, places

        @staticmethod
        def backward(ctx, g, _):
            (places,) = ctx.saved_tensors
            return m.zeros_like(g).index_add(0, places, g)

    x = leaf(m, 3.0, 1.0, 2.0)
    values, places = Top.apply(x)
    (values * m.tensor([1.0, 2.0, 3.0])).sum().backward()
    return x.grad, places.requires_grad, values.requires_grad


def dirty(m):
    class Doubled(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            x.mul_(2)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x = leaf(m)
    y = x * 3
    z = Doubled.apply(y)
    z.sum().backward()
    return z is y, y, x.grad


def two_parts(m):
    class Cube(m.autograd.Function):
        @staticmethod
        def forward(x, power):
            return x**power

        @staticmethod
        def setup_context(ctx, inputs, output):
            x, ctx.power = inputs
            ctx.save_for_backward(x)

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * ctx.power * x ** (ctx.power - 1), None

    x = leaf(m)
    Cube.apply(x, 3).sum().backward()
    return x.grad


def once(m):
    from importlib import import_module

    decorator = import_module(m.__name__ + ".autograd.function").once_differentiable

    class F(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @decorator
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 2 * x * g

    x = leaf(m)
    (g,) = m.autograd.grad(F.apply(x).sum(), x, create_graph=True)
    g.sum().backward()


def saved_output(m):
    class Exp(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            out = x.exp()
            ctx.save_for_backward(out)
            return out

        @staticmethod
        def backward(ctx, g):
            (out,) = ctx.saved_tensors
            return g * out

    x = leaf(m)
    (g,) = m.autograd.grad(Exp.apply(x).sum(), x, create_graph=True)
    return g, m.autograd.grad(g.sum(), x)


def straight_through(m):
    class Step(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return (x > 1.5).float()

        @staticmethod
        def backward(ctx, g):
            return g

    x = leaf(m)
    (Step.apply(x) * x).sum().backward()
    return x.grad


def identity(m):
    class Reverse(m.autograd.Function):
        @staticmethod
        def forward(ctx, x, strength):
            ctx.strength = strength
            return x.view_as(x)

        @staticmethod
        def backward(ctx, g):
            return -ctx.strength * g, None

    x = leaf(m)
    Reverse.apply(x * 2, 0.5).sum().backward()
    return x.grad


def returns_its_input(m):
    class Same(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 3

    x = leaf(m)
    y = Same.apply(x)
    y.sum().backward()
    return y is x, x.grad, x.is_leaf


def without_tape(m):
    x = leaf(m)
    with m.no_grad():
        out = product(m).apply(x, x)
    return out, product(m).apply(m.ones(1), m.ones(1))


def too_few_gradients(m):
    class F(m.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            return x * y

        @staticmethod
        def backward(ctx, g):
            return g

    F.apply(leaf(m), leaf(m)).sum().backward()


def gradient_of_other_shape(m):
    class F(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return m.ones(2)

    F.apply(leaf(m)).sum().backward()


def backward_that_raises(m):
    class F(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            raise ValueError("mine")

    F.apply(leaf(m)).sum().backward()


def without_backward(m):
    class F(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

    F.apply(leaf(m)).sum().backward()


def instance(m):
    return type(product(m)()).__name__


def saved_after_release(m):
    x, y = leaf(m), leaf(m)
    out = product(m).apply(x, y).sum()
    out.backward()
    out.backward()


def saving_no_tensor(m):
    class F(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(3)
            return x

    F.apply(leaf(m))


def context_keeps_anything(m):
    class F(m.autograd.Function):
        @staticmethod
        def forward(ctx, x, names):
            ctx.names, ctx.size = names, x.shape
            return x.sum()

        @staticmethod
        def backward(ctx, g):
            return g.expand(ctx.size) * len(ctx.names), None

    x = leaf(m)
    F.apply(x, ["a", "b"]).backward()
    return x.grad


FUNCTIONS = table(
    a_function,
    a_function_of_second_order,
    needs,
    several,
    several_called_once,
    not_materialized,
    with_plain_output,
    dirty,
    two_parts,
    once,
    saved_output,
    straight_through,
    identity,
    returns_its_input,
    without_tape,
    too_few_gradients,
    gradient_of_other_shape,
    backward_that_raises,
    without_backward,
    instance,
    saved_after_release,
    saving_no_tensor,
    context_keeps_anything,
)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_functions_of_ones_own(torch, both, function):
    same(function, torch)
