"""Graph networks with scatter_add, index_add and scatter_reduce."""

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)
N, E = 34, 156
src = torch.randint(0, N, (E,))
dst = torch.randint(0, N, (E,))
ei = torch.stack([src, dst])
x = torch.eye(N)
y = torch.arange(N) % 4


class GCNConv(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.lin = nn.Linear(i, o, bias=False)
        self.bias = nn.Parameter(torch.empty(o))
        self.reset_parameters()

    def reset_parameters(self):
        self.lin.reset_parameters()
        self.bias.data.zero_()

    def forward(self, x, ei):
        loops = torch.arange(x.size(0))
        ei = torch.cat([ei, loops.repeat(2, 1)], 1)
        x = self.lin(x)
        row, col = ei
        deg = torch.zeros(x.size(0), dtype=x.dtype).scatter_add_(0, col, torch.ones(col.size(0)))
        dis = deg.pow(-0.5)
        dis[dis == float("inf")] = 0
        norm = dis[row] * dis[col]
        return torch.zeros_like(x).index_add_(0, col, norm.view(-1, 1) * x[row]) + self.bias


class GAT(nn.Module):
    def __init__(self, i, o, h=2):
        super().__init__()
        self.h, self.o = h, o
        self.W = nn.Linear(i, h * o, bias=False)
        self.a = nn.Parameter(torch.randn(1, h, 2 * o) * 0.1)

    def forward(self, x, ei):
        z = self.W(x).view(-1, self.h, self.o)
        r, c = ei
        e = F.leaky_relu((torch.cat([z[r], z[c]], -1) * self.a).sum(-1), 0.2)
        m = torch.full((x.size(0), self.h), -1e9).scatter_reduce(0, c[:, None].expand(-1, self.h), e, "amax")
        e = (e - m[c]).exp()
        s = torch.zeros(x.size(0), self.h).index_add(0, c, e)
        a = e / (s[c] + 1e-16)
        return torch.zeros(x.size(0), self.h, self.o).index_add(0, c, a.unsqueeze(-1) * z[r]).flatten(1)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1, self.g, self.c2 = GCNConv(N, 8), GAT(8, 4), GCNConv(8, 4)

    def forward(self, x, ei):
        h = self.c1(x, ei).tanh()
        h = F.elu(self.g(h, ei))
        h = F.dropout(h, p=0.3, training=self.training)
        return F.log_softmax(self.c2(h, ei), 1)


m = Net()
opt = torch.optim.Adam(m.parameters(), lr=0.05, weight_decay=5e-4)
mask = torch.zeros(N, dtype=torch.bool)
mask[::2] = True
for ep in range(20):
    m.train()
    opt.zero_grad()
    out = m(x, ei)
    loss = F.nll_loss(out[mask], y[mask])
    loss.backward()
    opt.step()
    if ep % 4 == 0:
        m.eval()
        p = m(x, ei).argmax(1)
        print(
            ep,
            f"{loss.item():.4f}",
            f"{(p[mask] == y[mask]).float().mean():.3f}",
            torch.bincount(p, minlength=4).tolist(),
        )
pos = torch.rand(10, 2)
d = torch.cdist(pos, pos)
i, j = torch.where((d < 0.4) & (d > 0))
print(i.tolist(), torch.unique(torch.stack([i, j]), dim=1).shape)
b = torch.tensor([0, 0, 1, 1, 1, 2, 2, 2, 2, 2])
print(
    torch.zeros(3, 2).scatter_reduce_(0, b[:, None].expand(-1, 2), pos, reduce="mean", include_self=False),
    torch.unique_consecutive(b, return_counts=True),
)
A = torch.zeros(N, N)
A[src, dst] = 1
A.index_put_((src, dst), torch.ones(E), accumulate=True)
print(A.sum(), A.max(), (A @ A).trace(), A.nonzero().shape)
