"""Functions with gradients of their own, optimizers written by hand, hooks, torch.func."""

import copy
import math

import torch
import torch.nn as nn
from torch.optim import Optimizer

torch.manual_seed(0)


class LegendrePolynomial3(torch.autograd.Function):
    @staticmethod
    def forward(ctx, input):
        ctx.save_for_backward(input)
        return 0.5 * (5 * input**3 - 3 * input)

    @staticmethod
    def backward(ctx, g):
        (input,) = ctx.saved_tensors
        return g * 1.5 * (5 * input**2 - 1)


x = torch.linspace(-math.pi, math.pi, 200)
y = torch.sin(x)
a, b, c, d = [torch.full((), v, requires_grad=True) for v in (0.0, -1.0, 0.0, 0.3)]
for t in range(60):
    P3 = LegendrePolynomial3.apply
    yp = a + b * P3(c + d * x)
    loss = (yp - y).pow(2).sum()
    loss.backward()
    if t % 15 == 14:
        print(t, loss.item())
    with torch.no_grad():
        for p in (a, b, c, d):
            p -= 5e-6 * p.grad
            p.grad = None
print(f"y = {a.item():.5f} + {b.item():.5f} * P3({c.item():.5f} + {d.item():.5f} x)")


class STE(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, levels):
        ctx.levels = levels
        return torch.round(x * levels) / levels

    @staticmethod
    def backward(ctx, g):
        return g.clamp(-1, 1), None


class GradReverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, lam):
        ctx.lam = lam
        return x.view_as(x)

    @staticmethod
    def backward(ctx, g):
        return g.neg() * ctx.lam, None


class Lion(Optimizer):
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.99), weight_decay=0.0):
        if lr <= 0:
            raise ValueError(f"Invalid learning rate: {lr}")
        super().__init__(params, dict(lr=lr, betas=betas, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                p.data.mul_(1 - group["lr"] * group["weight_decay"])
                g = p.grad
                st = self.state[p]
                if len(st) == 0:
                    st["exp_avg"] = torch.zeros_like(p)
                m = st["exp_avg"]
                b1, b2 = group["betas"]
                u = m * b1 + g * (1 - b1)
                p.add_(torch.sign(u), alpha=-group["lr"])
                m.mul_(b2).add_(g, alpha=1 - b2)
        return loss


class SAM(Optimizer):
    def __init__(self, params, base, rho=0.05, **kw):
        super().__init__(params, dict(rho=rho, **kw))
        self.base = base(self.param_groups, **kw)
        self.param_groups = self.base.param_groups
        self.defaults.update(self.base.defaults)

    @torch.no_grad()
    def first(self):
        n = torch.norm(
            torch.stack([p.grad.norm(p=2) for g in self.param_groups for p in g["params"] if p.grad is not None]), p=2
        )
        for g in self.param_groups:
            for p in g["params"]:
                self.state[p]["old"] = p.data.clone()
                p.add_(p.grad * (g["rho"] / (n + 1e-12)).to(p))
        self.zero_grad()

    @torch.no_grad()
    def second(self):
        for g in self.param_groups:
            for p in g["params"]:
                p.data = self.state[p]["old"]
        self.base.step()
        self.zero_grad()


net = nn.Sequential(nn.Linear(6, 12), nn.SiLU(), nn.Linear(12, 3))
X = torch.randn(30, 6)
Y = torch.randint(3, (30,))
ce = nn.CrossEntropyLoss()
opt = Lion(net.parameters(), lr=1e-2, weight_decay=0.01)
sch = torch.optim.lr_scheduler.CosineAnnealingLR(opt, 10)
for i in range(10):
    opt.zero_grad()
    l = ce(net(STE.apply(X, 4)), Y)
    l.backward()
    opt.step()
    sch.step()
    if i % 3 == 0:
        print(i, round(l.item(), 5), round(sch.get_last_lr()[0], 6))
print(opt)
sd = copy.deepcopy(opt.state_dict())
print(sd["param_groups"], sorted(sd["state"]))
o2 = Lion(net.parameters(), lr=1.0)
o2.load_state_dict(sd)
print(o2.param_groups[0]["lr"])
sam = SAM(net.parameters(), torch.optim.SGD, lr=0.1, momentum=0.9)
for i in range(5):
    l = ce(net(X), Y)
    l.backward()
    sam.first()
    ce(net(X), Y).backward()
    sam.second()
    print(i, round(l.item(), 5))
z = torch.randn(3, requires_grad=True)
GradReverse.apply(z, 0.5).sum().backward()
print(z.grad)
w = nn.Linear(4, 4)
w.weight.register_hook(lambda g: g * 2)
h = w.register_full_backward_hook(lambda m, gi, go: print("hook", gi[0] is None, go[0].shape))
w(torch.ones(2, 4)).sum().backward()
print(w.weight.grad[0])
h.remove()


def closure():
    lb.zero_grad()
    l = ce(net(X), Y)
    l.backward()
    return l


lb = torch.optim.LBFGS(net.parameters(), lr=0.5, max_iter=5)
print(round(lb.step(closure).item(), 5), round(closure().item(), 5))
print(torch.autograd.gradcheck(LegendrePolynomial3.apply, torch.randn(4, dtype=torch.double, requires_grad=True)))
from torch.func import functional_call, grad, vmap

params = {k: v.detach() for k, v in net.named_parameters()}


def f(p, x, y):
    return ce(functional_call(net, p, (x.unsqueeze(0),)), y.unsqueeze(0))


g = vmap(grad(f), in_dims=(None, 0, 0))(params, X, Y)
print({k: (v.shape, round(v.abs().sum().item(), 1)) for k, v in g.items()})
hes = torch.autograd.functional.hessian(lambda v: (v**3).sum(), torch.tensor([1.0, 2.0]))
print(hes)
