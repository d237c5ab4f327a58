"""A VAE and a policy gradient with torch.distributions; samples and densities."""

import torch
import torch.distributions as D
import torch.nn as nn

torch.manual_seed(0)


class VAE(nn.Module):
    def __init__(s):
        super().__init__()
        s.e = nn.Linear(12, 8)
        s.d = nn.Linear(4, 12)

    def forward(s, x):
        mu, lv = s.e(x).chunk(2, -1)
        q = D.Normal(mu, lv.exp().sqrt())
        z = q.rsample()
        return D.Independent(D.Bernoulli(logits=s.d(z)), 1), q


m = VAE()
o = torch.optim.Adam(m.parameters(), 1e-2)
x = (torch.rand(32, 12) > 0.5).float()
prior = D.Normal(torch.zeros(4), torch.ones(4))
for i in range(10):
    p, q = m(x)
    loss = -(p.log_prob(x) - D.kl_divergence(q, prior).sum(-1)).mean()
    o.zero_grad()
    loss.backward()
    o.step()
    print(i, f"{loss.item():.5f}")
# REINFORCE
pi = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))
o = torch.optim.Adam(pi.parameters(), 1e-2)
for ep in range(5):
    s, logs, rs = torch.zeros(3), [], []
    for t in range(10):
        d = D.Categorical(logits=pi(s))
        a = d.sample()
        logs.append(d.log_prob(a))
        rs.append(float(a.item() == t % 2))
        s = torch.tensor([t / 10, a.item(), 1.0])
    R = torch.tensor(rs).flip(0).cumsum(0).flip(0)
    R = (R - R.mean()) / (R.std() + 1e-8)
    l = -(torch.stack(logs) * R).sum() - 0.01 * d.entropy()
    o.zero_grad()
    l.backward()
    o.step()
    print(ep, sum(rs), f"{l.item():.4f}")
for d in [
    D.Gamma(torch.tensor([2.0]), torch.tensor([1.0])),
    D.Beta(torch.tensor([0.5]), torch.tensor([0.5])),
    D.Dirichlet(torch.ones(3)),
    D.MultivariateNormal(torch.zeros(2), torch.eye(2)),
    D.Uniform(0.0, 2.0),
    D.Exponential(torch.tensor([1.0])),
    D.Laplace(0.0, 1.0),
    D.StudentT(3.0),
    D.Poisson(torch.tensor([3.0])),
]:
    torch.manual_seed(1)
    v = d.sample((2,))
    print(type(d).__name__, v.flatten()[:2], d.log_prob(v).flatten()[:2])
mix = D.MixtureSameFamily(D.Categorical(torch.ones(2)), D.Normal(torch.tensor([-1.0, 1.0]), torch.tensor([0.5, 0.5])))
print(mix.log_prob(torch.tensor([0.0, 1.0])), mix, mix.sample((2,)))
