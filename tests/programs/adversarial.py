"""A small DCGAN, then a critic with a gradient penalty."""

import torch
import torch.nn as nn

torch.manual_seed(0)


def weights_init(m):
    c = m.__class__.__name__
    if c.find("Conv") != -1:
        nn.init.normal_(m.weight.data, 0.0, 0.02)
    elif c.find("BatchNorm") != -1:
        nn.init.normal_(m.weight.data, 1.0, 0.02)
        nn.init.constant_(m.bias.data, 0)


nz, ngf, ndf, nc = 16, 8, 8, 1
G = nn.Sequential(
    nn.ConvTranspose2d(nz, ngf * 2, 4, 1, 0, bias=False),
    nn.BatchNorm2d(ngf * 2),
    nn.ReLU(True),
    nn.ConvTranspose2d(ngf * 2, ngf, 4, 2, 1, bias=False),
    nn.BatchNorm2d(ngf),
    nn.ReLU(True),
    nn.ConvTranspose2d(ngf, nc, 4, 2, 1, bias=False),
    nn.Tanh(),
)
D = nn.Sequential(
    nn.Conv2d(nc, ndf, 4, 2, 1, bias=False),
    nn.LeakyReLU(0.2, inplace=True),
    nn.Conv2d(ndf, ndf * 2, 4, 2, 1, bias=False),
    nn.BatchNorm2d(ndf * 2),
    nn.LeakyReLU(0.2, inplace=True),
    nn.Conv2d(ndf * 2, 1, 4, 1, 0, bias=False),
    nn.Sigmoid(),
)
G.apply(weights_init)
D.apply(weights_init)
print(G)
print(D)
criterion = nn.BCELoss()
fixed = torch.randn(4, nz, 1, 1)
oD = torch.optim.Adam(D.parameters(), lr=2e-4, betas=(0.5, 0.999))
oG = torch.optim.Adam(G.parameters(), lr=2e-4, betas=(0.5, 0.999))
data = torch.rand(64, 1, 16, 16) * 2 - 1
for it in range(12):
    real = data[torch.randperm(64)[:16]]
    D.zero_grad()
    label = torch.full((16,), 1.0, dtype=torch.float)
    out = D(real).view(-1)
    e1 = criterion(out, label)
    e1.backward()
    Dx = out.mean().item()
    noise = torch.randn(16, nz, 1, 1)
    fake = G(noise)
    label.fill_(0.0)
    out = D(fake.detach()).view(-1)
    e2 = criterion(out, label)
    e2.backward()
    z1 = out.mean().item()
    errD = e1 + e2
    oD.step()
    G.zero_grad()
    label.fill_(1.0)
    out = D(fake).view(-1)
    errG = criterion(out, label)
    errG.backward()
    z2 = out.mean().item()
    oG.step()
    print(
        "[%d/12] Loss_D: %.4f Loss_G: %.4f D(x): %.4f D(G(z)): %.4f / %.4f" % (it, errD.item(), errG.item(), Dx, z1, z2)
    )
with torch.no_grad():
    print(G(fixed).detach().cpu().mean(), G(fixed).std())


# WGAN-GP
def penalty(D, real, fake):
    a = torch.rand(real.size(0), 1, 1, 1)
    x = (a * real + (1 - a) * fake).requires_grad_(True)
    s = D(x)
    g = torch.autograd.grad(
        outputs=s, inputs=x, grad_outputs=torch.ones_like(s), create_graph=True, retain_graph=True, only_inputs=True
    )[0]
    return ((g.view(g.size(0), -1).norm(2, dim=1) - 1) ** 2).mean()


C = nn.Sequential(nn.Conv2d(1, 8, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(8, 1, 8), nn.Flatten())
oC = torch.optim.RMSprop(C.parameters(), lr=1e-3)
for it in range(5):
    fake = G(torch.randn(16, nz, 1, 1)).detach()
    real = data[:16]
    l = C(fake).mean() - C(real).mean() + 10 * penalty(C, real, fake)
    oC.zero_grad()
    l.backward()
    oC.step()
    print(it, f"{l.item():.4f}")
    for p in C.parameters():
        p.data.clamp_(-0.5, 0.5)
