"""DCGAN, a spatial transformer, its adversaries, style by L-BFGS and distillation, as PyTorch's tutorials have them."""

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
import torchvision.utils as vutils

torch.manual_seed(999)
torch.use_deterministic_algorithms(True)
nz, ngf, ndf, nc = 10, 8, 8, 3


def weights_init(m):
    classname = m.__class__.__name__
    if classname.find("Conv") != -1:
        nn.init.normal_(m.weight.data, 0.0, 0.02)
    elif classname.find("BatchNorm") != -1:
        nn.init.normal_(m.weight.data, 1.0, 0.02)
        nn.init.constant_(m.bias.data, 0)


netG = nn.Sequential(
    nn.ConvTranspose2d(nz, ngf * 2, 4, 1, 0, bias=False),
    nn.BatchNorm2d(ngf * 2),
    nn.ReLU(True),
    nn.ConvTranspose2d(ngf * 2, ngf, 4, 2, 1, bias=False),
    nn.BatchNorm2d(ngf),
    nn.ReLU(True),
    nn.ConvTranspose2d(ngf, nc, 4, 2, 1, bias=False),
    nn.Tanh(),
)
netD = nn.Sequential(
    nn.Conv2d(nc, ndf, 4, 2, 1, bias=False),
    nn.LeakyReLU(0.2, inplace=True),
    nn.Conv2d(ndf, ndf * 2, 4, 2, 1, bias=False),
    nn.BatchNorm2d(ndf * 2),
    nn.LeakyReLU(0.2, inplace=True),
    nn.Conv2d(ndf * 2, 1, 4, 1, 0, bias=False),
    nn.Sigmoid(),
)
netG.apply(weights_init)
netD.apply(weights_init)
print(netG)
criterion = nn.BCELoss()
fixed = torch.randn(4, nz, 1, 1)
oD = optim.Adam(netD.parameters(), lr=2e-4, betas=(0.5, 0.999))
oG = optim.Adam(netG.parameters(), lr=2e-4, betas=(0.5, 0.999))
for i in range(3):
    real = torch.rand(4, 3, 16, 16) * 2 - 1
    netD.zero_grad()
    label = torch.full((4,), 1.0, dtype=torch.float)
    out = netD(real).view(-1)
    e1 = criterion(out, label)
    e1.backward()
    Dx = out.mean().item()
    noise = torch.randn(4, nz, 1, 1)
    fake = netG(noise)
    label.fill_(0.0)
    out = netD(fake.detach()).view(-1)
    e2 = criterion(out, label)
    e2.backward()
    z1 = out.mean().item()
    oD.step()
    netG.zero_grad()
    label.fill_(1.0)
    out = netD(fake).view(-1)
    eG = criterion(out, label)
    eG.backward()
    oG.step()
    print(
        f"[{i}] Loss_D: {(e1 + e2).item():.4f} Loss_G: {eG.item():.4f} D(x): {Dx:.4f} D(G(z)): {z1:.4f} / "
        f"{out.mean().item():.4f}"
    )
with torch.no_grad():
    grid = vutils.make_grid(netG(fixed).detach().cpu(), padding=2, normalize=True)
    print(grid.shape, f"{grid.mean():.3f}")
torch.use_deterministic_algorithms(False)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 10, 5)
        self.conv2 = nn.Conv2d(10, 20, 5)
        self.conv2_drop = nn.Dropout2d()
        self.fc1 = nn.Linear(320, 50)
        self.fc2 = nn.Linear(50, 10)
        self.localization = nn.Sequential(
            nn.Conv2d(1, 8, 7),
            nn.MaxPool2d(2, stride=2),
            nn.ReLU(True),
            nn.Conv2d(8, 10, 5),
            nn.MaxPool2d(2, stride=2),
            nn.ReLU(True),
        )
        self.fc_loc = nn.Sequential(nn.Linear(90, 32), nn.ReLU(True), nn.Linear(32, 6))
        self.fc_loc[2].weight.data.zero_()
        self.fc_loc[2].bias.data.copy_(torch.tensor([1, 0, 0, 0, 1, 0], dtype=torch.float))

    def stn(self, x):
        theta = self.fc_loc(self.localization(x).view(-1, 90)).view(-1, 2, 3)
        return F.grid_sample(x, F.affine_grid(theta, x.size(), align_corners=False), align_corners=False)

    def forward(self, x):
        x = self.stn(x)
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.relu(F.max_pool2d(self.conv2_drop(self.conv2(x)), 2))
        x = x.view(-1, 320)
        x = F.relu(self.fc1(x))
        x = F.dropout(x, training=self.training)
        return F.log_softmax(self.fc2(x), dim=1)


net = Net()
opt = optim.SGD(net.parameters(), lr=0.05)
d, t = torch.rand(8, 1, 28, 28), torch.randint(0, 10, (8,))
for _ in range(3):
    opt.zero_grad()
    loss_ = F.nll_loss(net(d), t)
    loss_.backward()
    opt.step()
    print(f"{loss_.item():.4f}")
net.eval()


def fgsm_attack(image, epsilon, data_grad):
    return torch.clamp(image + epsilon * data_grad.sign(), 0, 1)


for eps in (0, 0.1, 0.3):
    d.requires_grad = True
    loss_ = F.nll_loss(net(d), t)
    net.zero_grad()
    loss_.backward()
    g = d.grad.data
    p = fgsm_attack(d, eps, g)
    o = net(p)
    print(eps, f"{F.nll_loss(o, t).item():.4f}", o.max(1, keepdim=True)[1].flatten()[:4])
    d = d.detach().clone()
# style with LBFGS
torch.manual_seed(1)
cnn = (
    nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 8, 3, padding=1)).eval().requires_grad_(False)
)


def gram(x):
    a, b, c, dd = x.size()
    f = x.view(a * b, c * dd)
    return torch.mm(f, f.t()).div(a * b * c * dd)


content, style = torch.rand(1, 3, 12, 12), torch.rand(1, 3, 12, 12)
inp = content.clone().requires_grad_(True)
run = [0]
o = optim.LBFGS([inp])
while run[0] < 40:

    def closure():
        with torch.no_grad():
            inp.clamp_(0, 1)
        o.zero_grad()
        loss = F.mse_loss(gram(cnn(inp)), gram(cnn(style)).detach()) * 1e4 + F.mse_loss(cnn(inp), cnn(content))
        loss.backward()
        run[0] += 1
        if run[0] % 20 == 0:
            print(run, f"{loss.item():.4f}")
        return loss

    o.step(closure)
# KD
teacher, student = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 5)).eval(), nn.Linear(8, 5)
x = torch.randn(32, 8)
y = torch.randint(5, (32,))
opt = optim.Adam(student.parameters(), 1e-2)
T = 2
for _ in range(3):
    opt.zero_grad()
    with torch.no_grad():
        tl = teacher(x)
    sl = student(x)
    st = F.softmax(tl / T, -1)
    sp = F.log_softmax(sl / T, -1)
    kd = torch.sum(st * (st.log() - sp)) / sp.size(0) * T**2
    loss = 0.25 * kd + 0.75 * F.cross_entropy(sl, y, label_smoothing=0.1)
    loss.backward()
    opt.step()
    print(
        f"{loss.item():.5f}",
        f"{nn.KLDivLoss(reduction='batchmean', log_target=True)(sp, tl.log_softmax(-1)).item():.5f}",
    )
