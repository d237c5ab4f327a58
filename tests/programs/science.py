"""Least squares, k-means, PCA, Gaussian processes, neural and physics-informed ODEs, flows, HMC, EM, FFT."""

import math

import torch
import torch.nn.functional as F
from torch import distributions as D
from torch import nn

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
X = torch.randn(50, 3)
w = torch.tensor([1.0, -2.0, 0.5])
y = X @ w + 0.1 * torch.randn(50)
r = torch.linalg.lstsq(X, y.unsqueeze(1))
print(r.solution.T, r.rank)
print(torch.linalg.solve(X.T @ X, X.T @ y))
Q, R = torch.linalg.qr(X)
print(torch.linalg.solve_triangular(R, (Q.T @ y).unsqueeze(1), upper=True).T)
# kmeans
pts = torch.cat([torch.randn(30, 2) + c for c in torch.tensor([[0.0, 0], [5, 5], [0, 5]])])
c = pts[torch.randperm(90)[:3]].clone()
for _ in range(10):
    a = torch.cdist(pts, c).argmin(1)
    c.zero_().scatter_add_(0, a[:, None].repeat(1, 2), pts)
    n = torch.bincount(a, minlength=3).type_as(c).view(3, 1)
    c /= n
print(c[c[:, 0].argsort()], n.squeeze().sort().values)
# pca
U, S, V = torch.pca_lowrank(X, q=3)
print(S)
U, S, V = torch.svd_lowrank(X, q=2, niter=4)
print(S)
print(torch.linalg.svdvals(X))
ev, evec = torch.linalg.eigh(torch.cov(X.T))
print(ev, torch.corrcoef(X.T))


# GP
def k(a, b, scale=1.0):
    return torch.exp(-0.5 * torch.cdist(a, b) ** 2 / scale**2)


xt = torch.linspace(0, 5, 12)[:, None]
yt = torch.sin(xt).squeeze()
scale = torch.tensor(0.3, requires_grad=True)
noise = torch.tensor(-2.0, requires_grad=True)
opt = torch.optim.Adam([scale, noise], 0.1)
for _i in range(15):
    K = k(xt, xt, scale.exp()) + noise.exp() * torch.eye(12)
    L = torch.linalg.cholesky(K)
    al = torch.cholesky_solve(yt[:, None], L)
    nll = 0.5 * yt @ al.squeeze() + L.diagonal().log().sum() + 6 * math.log(2 * math.pi)
    opt.zero_grad()
    nll.backward()
    opt.step()
print(nll, scale, noise)
xs = torch.tensor([[2.5], [7.0]])
print((k(xs, xt, scale.exp()) @ al).squeeze())
mvn = D.MultivariateNormal(torch.zeros(3), torch.eye(3) * 2 + 0.5)
s = mvn.rsample((4,))
print(s, mvn.log_prob(s), mvn.entropy())
# neural ODE
f = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
A = torch.tensor([[-0.1, 2.0], [-2.0, -0.1]])


def rk4(f, y, t0, t1, n):
    h = (t1 - t0) / n
    ys = [y]
    for _i in range(n):
        k1 = f(y)
        k2 = f(y + h / 2 * k1)
        k3 = f(y + h / 2 * k2)
        k4 = f(y + h * k3)
        y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        ys.append(y)
    return torch.stack(ys)


true = rk4(lambda y: y**3 @ A, torch.tensor([[2.0, 0.0]]), 0, 1, 20)
opt = torch.optim.RMSprop(f.parameters(), 1e-2)
for _i in range(6):
    opt.zero_grad()
    loss_ = (rk4(lambda y: f(y**3), torch.tensor([[2.0, 0.0]]), 0.0, 1.0, 20) - true).abs().mean()
    loss_.backward()
    opt.step()
    print(f"{loss_.item():.5f}")
# PINN
net = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1))
opt = torch.optim.Adam(net.parameters(), 1e-2)
lb = torch.optim.LBFGS(net.parameters(), line_search_fn="strong_wolfe", max_iter=10)
t = torch.linspace(0, 1, 30).view(-1, 1).requires_grad_(True)


def loss_fn():
    u = net(t)
    du = torch.autograd.grad(u, t, torch.ones_like(u), create_graph=True)[0]
    d2u = torch.autograd.grad(du, t, torch.ones_like(du), create_graph=True)[0]
    return (
        ((d2u + 4 * du + 400 * u) ** 2).mean() * 1e-4
        + (net(torch.zeros(1, 1)) - 1).pow(2).squeeze()
        + torch.autograd.grad(net(t)[0], t, create_graph=True)[0][0].squeeze() ** 2 * 0.1
    )


for _i in range(20):
    opt.zero_grad()
    loss_ = loss_fn()
    loss_.backward()
    opt.step()
print(loss_)


def closure():
    lb.zero_grad()
    loss_ = loss_fn()
    loss_.backward()
    return loss_


print(lb.step(closure), loss_fn())


# flow
class Coupling(nn.Module):
    def __init__(self, flip):
        super().__init__()
        self.n = nn.Sequential(nn.Linear(1, 16), nn.ReLU(), nn.Linear(16, 2))
        self.flip = flip

    def forward(self, x):
        a, b = x.chunk(2, -1)
        a, b = (b, a) if self.flip else (a, b)
        s, t = self.n(a).chunk(2, -1)
        s = torch.tanh(s)
        z = torch.cat([a, b * s.exp() + t], -1)
        return (z.flip(-1) if self.flip else z), s.sum(-1)


layers = nn.ModuleList([Coupling(i % 2 == 1) for i in range(4)])
base = D.Independent(D.Normal(torch.zeros(2), torch.ones(2)), 1)
opt = torch.optim.Adam(layers.parameters(), 1e-2)
data = torch.randn(100, 2) @ torch.tensor([[1.0, 0.8], [0, 0.5]]) + 1
for _i in range(10):
    z, ld = data, 0.0
    for layer in layers:
        z, d = layer(z)
        ld = ld + d
    loss = -(base.log_prob(z) + ld).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
print(loss)
td = D.TransformedDistribution(D.Normal(0.0, 1.0), [D.transforms.AffineTransform(1.0, 2.0), D.SigmoidTransform()])
s = td.sample((3,))
print(s, td.log_prob(s))


# HMC
def energy(q):
    return -(D.Normal(X @ q, 0.1).log_prob(y).sum() + D.Normal(0.0, 1.0).log_prob(q).sum())


q = torch.zeros(3)
acc = 0
tr = []
for _i in range(20):
    p = torch.randn(3)
    q0, p0 = q.clone(), p.clone()
    qq = q.clone().requires_grad_()
    g = torch.autograd.grad(energy(qq), qq)[0]
    for _ in range(10):
        p = p - 0.005 * g
        qq = (qq + 0.01 * p).detach().requires_grad_()
        g = torch.autograd.grad(energy(qq), qq)[0]
        p = p - 0.005 * g
    dH = energy(q0) + p0.dot(p0) / 2 - energy(qq.detach()) - p.dot(p) / 2
    if torch.rand(()).log() < dH:
        q = qq.detach()
        acc += 1
    tr.append(q)
print(acc, torch.stack(tr)[10:].mean(0))
# GMM EM
mu, sig, pi = torch.tensor([[0.0, 1.0], [4.0, 4.0], [1.0, 4.0]]), torch.eye(2).repeat(3, 1, 1), torch.ones(3) / 3
for _ in range(8):
    lp = D.MultivariateNormal(mu, sig).log_prob(pts[:, None]) + pi.log()
    r = (lp - lp.logsumexp(1, keepdim=True)).exp()
    n = r.sum(0)
    mu = r.T @ pts / n[:, None]
    df = pts[:, None] - mu
    sig = torch.einsum("nk,nki,nkj->kij", r, df, df) / n[:, None, None] + 1e-6 * torch.eye(2)
    pi = n / n.sum()
print(mu, pi, lp.logsumexp(1).mean())
mix = D.MixtureSameFamily(D.Categorical(pi), D.MultivariateNormal(mu, sig))
print(mix.log_prob(pts[:2]), mix.sample((2,)))
# complex fft
t = torch.arange(64) / 64
sgn = torch.sin(2 * torch.pi * 5 * t) + 0.5 * torch.cos(2 * torch.pi * 12 * t)
Fq = torch.fft.rfft(sgn)
print(Fq.abs().topk(2), torch.fft.rfftfreq(64, 1 / 64)[Fq.abs() > 10])
z = torch.complex(torch.tensor([1.0, 2.0]), torch.tensor([3.0, -1.0]))
print(
    z,
    z.angle(),
    z.conj() * z,
    torch.view_as_real(z.detach()),
    torch.polar(z.abs(), z.angle()),
    torch.fft.fftshift(torch.fft.fft2(torch.ones(2, 2))),
    z.requires_grad_().abs().sum().backward(),
    z.grad,
)
print(
    torch.stft(sgn, 16, 8, window=torch.hann_window(16), return_complex=True).shape,
    torch.fft.irfft(Fq).sub(sgn).abs().max() < 1e-12,
)
q, kk, v = torch.randn(3, 2, 4, 5, 8).unbind(0)
print(
    torch.einsum("bhqd,bhkd->bhqk", q, kk)
    .div(8**0.5)
    .softmax(-1)
    .matmul(v)
    .sub(F.scaled_dot_product_attention(q, kk, v))
    .abs()
    .max()
    < 1e-12,
    torch.einsum("...ij->...ji", q).shape,
    torch.einsum("ii", torch.eye(3)),
    torch.einsum(q, [0, 1, 2, 3], kk, [0, 1, 4, 3], [0, 1, 2, 4]).sum(),
)
