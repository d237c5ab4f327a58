"""A U-Net with skip connections, and a small diffusion model."""

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)


class DoubleConv(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.double_conv = nn.Sequential(
            nn.Conv2d(i, o, 3, padding=1, bias=False),
            nn.BatchNorm2d(o),
            nn.ReLU(inplace=True),
            nn.Conv2d(o, o, 3, padding=1, bias=False),
            nn.GroupNorm(2, o),
            nn.ReLU(inplace=True),
        )

    def forward(self, x):
        return self.double_conv(x)


class Up(nn.Module):
    def __init__(self, i, o, bilinear):
        super().__init__()
        self.up = (
            nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
            if bilinear
            else nn.ConvTranspose2d(i, i // 2, 2, 2)
        )
        self.conv = DoubleConv(i if not bilinear else i + o, o)

    def forward(self, a, b):
        a = self.up(a)
        dy, dx = b.size()[2] - a.size()[2], b.size()[3] - a.size()[3]
        a = F.pad(a, [dx // 2, dx - dx // 2, dy // 2, dy - dy // 2])
        return self.conv(torch.cat([b, a], dim=1))


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.inc = DoubleConv(1, 4)
        self.d1 = nn.Sequential(nn.MaxPool2d(2), DoubleConv(4, 8))
        self.d2 = nn.Sequential(nn.MaxPool2d(2), DoubleConv(8, 16))
        self.u1 = Up(16, 8, False)
        self.u2 = Up(8, 4, True)
        self.outc = nn.Conv2d(4, 2, 1)

    def forward(self, x):
        a = self.inc(x)
        b = self.d1(a)
        c = self.d2(b)
        return self.outc(self.u2(self.u1(c, b), a))


def dice(p, t, eps=1e-6):
    p = p.softmax(1)[:, 1]
    i = 2 * (p * t).sum((-1, -2))
    return 1 - ((i + eps) / (p.sum((-1, -2)) + t.sum((-1, -2)) + eps)).mean()


n = UNet()
x = torch.randn(2, 1, 19, 21)
t = (x[:, 0] > 0).long()
o = torch.optim.RMSprop(n.parameters(), lr=1e-3, weight_decay=1e-8, momentum=0.9)
for i in range(6):
    y = n(x)
    l = F.cross_entropy(y, t) + dice(y, t.float())
    o.zero_grad(set_to_none=True)
    l.backward()
    nn.utils.clip_grad_norm_(n.parameters(), 1.0)
    o.step()
    print(i, f"{l.item():.5f}")
n.eval()
print(n(x).argmax(1).float().mean(), sum(p.numel() for p in n.parameters() if p.requires_grad))
# diffusion
T = 20
betas = torch.linspace(1e-4, 0.02, T)
ac = torch.cumprod(1.0 - betas, axis=0)
acp = F.pad(ac[:-1], (1, 0), value=1.0)
sac, som = torch.sqrt(ac), torch.sqrt(1 - ac)
pv = betas * (1 - acp) / (1 - ac)


def extract(a, t, s):
    b = t.shape[0]
    return a.gather(-1, t.cpu()).reshape(b, *((1,) * (len(s) - 1))).to(t.device)


class Eps(nn.Module):
    def __init__(self):
        super().__init__()
        self.t = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8))
        self.c1 = nn.Conv2d(1, 8, 3, padding=1)
        self.n = nn.GroupNorm(4, 8)
        self.c2 = nn.Conv2d(8, 1, 3, padding=1)

    def forward(self, x, t):
        h = 4
        f = torch.exp(torch.arange(h) * -(torch.log(torch.tensor(10000.0)) / (h - 1)))
        e = t[:, None] * f[None, :]
        e = torch.cat((e.sin(), e.cos()), dim=-1)
        return self.c2(F.silu(self.n(self.c1(x) + self.t(e)[..., None, None])))


m = Eps()
o = torch.optim.Adam(m.parameters(), 1e-2)
data = torch.rand(16, 1, 8, 8) * 2 - 1
for i in range(8):
    t = torch.randint(0, T, (16,)).long()
    e = torch.randn_like(data)
    xn = extract(sac, t, data.shape) * data + extract(som, t, data.shape) * e
    l = F.smooth_l1_loss(e, m(xn, t))
    o.zero_grad()
    l.backward()
    o.step()
    print(i, f"{l.item():.5f}")


@torch.no_grad()
def sample(n=3):
    img = torch.randn((n, 1, 8, 8))
    for i in reversed(range(T)):
        t = torch.full((n,), i, dtype=torch.long)
        b = extract(betas, t, img.shape)
        mean = extract(torch.sqrt(1 / (1 - betas)), t, img.shape) * (img - b * m(img, t) / extract(som, t, img.shape))
        img = mean if i == 0 else mean + torch.sqrt(extract(pv, t, img.shape)) * torch.randn_like(img)
    return img


print(sample().mean((1, 2, 3)), sample().clamp(-1, 1).add(1).div(2).mul(255).byte()[0, 0, 0])
