"""Gradients in every way: per sample, of ensembles, of higher order, by custom functions, hooks, checkpoints."""

import copy
import math

import torch
import torch.autograd.forward_ad as fwAD
import torch.nn.functional as F
from torch import nn
from torch.func import (
    functional_call,
    grad,
    grad_and_value,
    hessian,
    jacfwd,
    jacrev,
    jvp,
    stack_module_state,
    vjp,
    vmap,
)
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

torch.manual_seed(0)


class CNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Conv2d(1, 4, 3)
        self.f = nn.Linear(4 * 3 * 3, 5)

    def forward(self, x):
        return self.f(torch.flatten(F.max_pool2d(F.relu(self.c(x)), 2), 1))


m = CNN()
d, t = torch.randn(6, 1, 8, 8), torch.randint(0, 5, (6,))
params = {k: v.detach() for k, v in m.named_parameters()}
buffers = {k: v.detach() for k, v in m.named_buffers()}


def compute_loss(params, buffers, sample, target):
    return F.cross_entropy(functional_call(m, (params, buffers), (sample.unsqueeze(0),)), target.unsqueeze(0))


ft = vmap(grad(compute_loss), in_dims=(None, None, 0, 0))(params, buffers, d, t)
print({k: v.shape for k, v in ft.items()}, ft["c.weight"].norm(), ft["f.bias"][0])
per = [torch.autograd.grad(F.cross_entropy(m(d[i : i + 1]), t[i : i + 1]), m.parameters()) for i in range(6)]
print(all(torch.allclose(torch.stack([p[j] for p in per]), v, atol=1e-5) for j, v in enumerate(ft.values())))
models = [nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2)) for _ in range(4)]
ps, bs = stack_module_state(models)
base = copy.deepcopy(models[0]).to("meta")


def fm(p, b, x):
    return functional_call(base, (p, b), (x,))


x = torch.randn(5, 3)
print(vmap(fm, in_dims=(0, 0, None))(ps, bs, x).shape, vmap(fm, in_dims=(0, 0, None))(ps, bs, x).sum())
print(vmap(fm)(ps, bs, torch.randn(4, 5, 3)).std())
print(vmap(lambda x: x + torch.rand(2), randomness="different")(torch.zeros(3, 2)))
print(vmap(lambda x: x + torch.rand(2), randomness="same")(torch.zeros(3, 2)))


def predict(w, b, x):
    return F.linear(x, w, b).tanh()


D = 4
w, b, xx = torch.randn(D, D), torch.randn(D), torch.randn(D)
print(jacrev(predict, argnums=2)(w, b, xx))
print(torch.allclose(jacfwd(predict, argnums=0)(w, b, xx), jacrev(predict, argnums=0)(w, b, xx)))
print(hessian(lambda x: x.sin().sum() * x.prod())(xx))
print(vmap(jacrev(predict, argnums=2), in_dims=(None, None, 0))(w, b, torch.randn(3, D)).shape)


def hvp(f, primals, tangents):
    return jvp(grad(f), primals, tangents)[1]


print(hvp(lambda x: (x**3).sum(), (xx,), (torch.ones(D),)))
o, fn = vjp(torch.sin, xx)
print(fn(torch.ones(D)))
print(jvp(torch.sin, (xx,), (torch.ones(D),)))
g, v = grad_and_value(lambda x: (x**2).sum())(xx)
print(g, v)
print(grad(grad(torch.sin))(torch.tensor(1.0)))
print(torch.autograd.functional.hessian(lambda x: (x**3).sum(), xx))
print(torch.autograd.functional.vhp(lambda x: (x**3).sum(), xx, torch.ones(D)))
print(torch.autograd.functional.jacobian(lambda x: x.exp(), xx, create_graph=False, vectorize=True))
# HVP via double backward
x = torch.randn(4, requires_grad=True)
y = (x**4).sum()
(g,) = torch.autograd.grad(y, x, create_graph=True)
v = torch.ones(4)
(h,) = torch.autograd.grad(g @ v, x)
print(h)


# custom function
class Cube(torch.autograd.Function):
    @staticmethod
    def forward(x):
        return x**3, 3 * x**2

    @staticmethod
    def setup_context(ctx, inputs, output):
        (x,) = inputs
        result, dx = output
        ctx.save_for_backward(x, dx)

    @staticmethod
    def backward(ctx, go, gdx):
        x, dx = ctx.saved_tensors
        return go * dx + gdx * 6 * x


def my_cube(x):
    return Cube.apply(x)[0]


x = torch.tensor([2.0, 3.0], dtype=torch.double, requires_grad=True)
(gx,) = torch.autograd.grad(my_cube(x).sum(), x, create_graph=True)
(ggx,) = torch.autograd.grad(gx.sum(), x)
print(gx, ggx)
print(torch.autograd.gradcheck(my_cube, (x,)), torch.autograd.gradgradcheck(my_cube, (x,)))


class LegendrePolynomial3(torch.autograd.Function):
    @staticmethod
    def forward(ctx, input):
        ctx.save_for_backward(input)
        return 0.5 * (5 * input**3 - 3 * input)

    @staticmethod
    def backward(ctx, grad_output):
        (input,) = ctx.saved_tensors
        return grad_output * 1.5 * (5 * input**2 - 1)


x = torch.linspace(-math.pi, math.pi, 2000)
y = torch.sin(x)
a, b, c, dd = [torch.full((), v, requires_grad=True) for v in (0.0, -1.0, 0.0, 0.3)]
for tt in range(200):
    yp = a + b * LegendrePolynomial3.apply(c + dd * x)
    loss = (yp - y).pow(2).sum()
    if tt % 100 == 99:
        print(tt, f"{loss.item():.3f}")
    loss.backward()
    with torch.no_grad():
        for q in (a, b, c, dd):
            q -= 5e-6 * q.grad
            q.grad = None
print(f"Result: y = {a.item():.4f} + {b.item():.4f} * P3({c.item():.4f} + {dd.item():.4f} x)")


class Sign(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.mark_non_differentiable()
        return x.sign()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, g):
        return g.clamp(-1, 1)


x = torch.randn(3, requires_grad=True)
Sign.apply(x).sum().backward()
print(x.grad)
# hooks
x = torch.randn(3, requires_grad=True)
y = x * 2
hnd = y.register_hook(lambda g: g * 3)
z = y.sum()
z.backward()
print(x.grad, type(z.grad_fn.next_functions[0][0]).__name__, type(z.grad_fn).__name__)
print(isinstance(z.grad_fn, torch.autograd.graph.Node), type(x.grad_fn), y.grad_fn.name())
acts = {}
m.c.register_forward_hook(lambda mod, i, o: acts.__setitem__("c", o.detach().shape))
m.f.register_full_backward_hook(lambda mod, gi, go: print("bw", gi[0].shape, go[0].shape))
m.register_forward_pre_hook(lambda mod, i: print("pre", i[0].shape))
m(d).sum().backward()
print(acts)
with torch.autograd.set_detect_anomaly(True):
    try:
        x = torch.tensor([-1.0], requires_grad=True)
        torch.sqrt(x).backward()
    except RuntimeError as e:
        print(str(e)[:80])
print(
    torch.autograd.grad((x**2), x, grad_outputs=torch.ones(1)),
    torch.autograd.grad(torch.stack([x**2, x**3]).squeeze(), x, grad_outputs=torch.eye(2), is_grads_batched=True),
)

s = nn.Sequential(*[nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Dropout(0.3)) for _ in range(4)])
x = torch.randn(2, 4, requires_grad=True)
torch.manual_seed(3)
checkpoint_sequential(s, 2, x, use_reentrant=False).sum().backward()
g1 = x.grad.clone()
x.grad = None
torch.manual_seed(3)
s(x).sum().backward()
print(torch.allclose(g1, x.grad))
print(checkpoint(lambda a, k=1: a * k, x, k=3, use_reentrant=False).sum())

with fwAD.dual_level():
    dual = fwAD.make_dual(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 0.0]))
    print(fwAD.unpack_dual(dual.sin() * 2).tangent)
