"""What training scripts do besides: scalers, schedules, stopping, resuming, folds, averages, tying, pruning."""

import copy
import math
import tempfile

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.amp import GradScaler, autocast
from torch.nn.utils import parametrize, prune
from torch.optim.lr_scheduler import (
    CosineAnnealingWarmRestarts,
    LambdaLR,
    LinearLR,
    OneCycleLR,
    ReduceLROnPlateau,
    SequentialLR,
)
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn
from torch.utils.data import DataLoader, SubsetRandomSampler, TensorDataset, random_split

torch.manual_seed(42)
torch.backends.cudnn.deterministic = True
torch.backends.cudnn.benchmark = False
torch.use_deterministic_algorithms(True)
torch.set_float32_matmul_precision("high")
torch.set_num_threads(1)
device = "cuda" if torch.cuda.is_available() else "cpu"
X = torch.randn(120, 8)
Y = (X[:, 0] * X[:, 1] > 0).long()
ds = TensorDataset(X, Y)


def make(norm=None):
    return nn.Sequential(nn.Linear(8, 16), norm or nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 2)).to(
        device
    )


# gradient accumulation + scaler + autocast
m = make()
opt = torch.optim.SGD(m.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-4)
sc = GradScaler("cuda", enabled=False)
dl = DataLoader(ds, batch_size=10, shuffle=True, num_workers=0, pin_memory=False)
for i, (x, y) in enumerate(dl):
    x, y = x.to(device, non_blocking=True), y.to(device)
    with autocast(device_type="cuda", enabled=False):
        l = F.cross_entropy(m(x), y) / 4
    sc.scale(l).backward()
    if (i + 1) % 4 == 0:
        sc.unscale_(opt)
        n = nn.utils.clip_grad_norm_(m.parameters(), 1.0)
        sc.step(opt)
        sc.update()
        opt.zero_grad(set_to_none=True)
        print("acc", i, round(l.item(), 5), round(float(n), 5))
with autocast("cpu", dtype=torch.bfloat16):
    o = m(X[:5])
    print(o.dtype, F.cross_entropy(o, Y[:5]).dtype)
# lr finder
m = make()
start = copy.deepcopy(m.state_dict())
opt = torch.optim.SGD(m.parameters(), lr=1e-4)
sch = LambdaLR(opt, lambda s: math.exp(s * math.log(1e4) / 20))
rec = []
for s in range(20):
    l = F.cross_entropy(m(X), Y)
    opt.zero_grad()
    l.backward()
    opt.step()
    sch.step()
    rec.append((sch.get_last_lr()[0], l.item()))
print([(round(a, 5), round(b, 4)) for a, b in rec[::5]])
m.load_state_dict(start)


# early stopping + checkpoint resume
class EarlyStopping:
    def __init__(s, patience=3, path="ck.pt"):
        s.p, s.path, s.best, s.n, s.stop = patience, path, None, 0, False

    def __call__(s, v, m):
        if s.best is None or v < s.best - 1e-4:
            s.best, s.n = v, 0
            torch.save(m.state_dict(), s.path)
        else:
            s.n += 1
            s.stop = s.n >= s.p


m = make(nn.Identity())
d = tempfile.mkdtemp()
tr, va = random_split(ds, [0.75, 0.25], generator=torch.Generator().manual_seed(0))
es = EarlyStopping(path=d + "/ck.pt")
opt = torch.optim.AdamW(m.parameters(), lr=0.05)
plateau = ReduceLROnPlateau(opt, patience=1, factor=0.5)
for ep in range(30):
    m.train()
    for x, y in DataLoader(tr, 16, shuffle=True):
        opt.zero_grad()
        F.cross_entropy(m(x), y).backward()
        opt.step()
    m.eval()
    with torch.inference_mode():
        v = sum(F.cross_entropy(m(x), y, reduction="sum").item() for x, y in DataLoader(va, 16)) / len(va)
    plateau.step(v)
    es(v, m)
    print("ep", ep, round(v, 4), opt.param_groups[0]["lr"], es.n)
    if ep == 2:
        torch.save(
            {
                "epoch": ep,
                "model": m.state_dict(),
                "opt": opt.state_dict(),
                "rng": torch.get_rng_state(),
                "sched": plateau.state_dict(),
            },
            d + "/full.pt",
        )
    if es.stop:
        print("early stop")
        break
print(m.load_state_dict(torch.load(d + "/ck.pt", map_location=device, weights_only=True)))
ck = torch.load(d + "/full.pt")
m2 = make(nn.Identity())
m2.load_state_dict(ck["model"])
o2 = torch.optim.AdamW(m2.parameters())
o2.load_state_dict(ck["opt"])
torch.set_rng_state(ck["rng"])
p2 = ReduceLROnPlateau(o2)
p2.load_state_dict(ck["sched"])
m2.train()
for x, y in DataLoader(tr, 16, shuffle=True):
    o2.zero_grad()
    l = F.cross_entropy(m2(x), y)
    l.backward()
    o2.step()
print("resumed", ck["epoch"], round(l.item(), 5), p2.best)
# kfold without sklearn
idx = torch.randperm(120)
for k, f in enumerate(idx.chunk(3)):
    rest = torch.cat([c for j, c in enumerate(idx.chunk(3)) if j != k])
    m = make(nn.Identity())
    opt = torch.optim.Adam(m.parameters(), lr=0.02)
    oc = OneCycleLR(opt, max_lr=0.05, total_steps=5 * 5)
    for ep in range(5):
        for x, y in DataLoader(ds, 16, sampler=SubsetRandomSampler(rest.tolist())):
            opt.zero_grad()
            F.cross_entropy(m(x), y).backward()
            opt.step()
            oc.step()
    m.eval()
    print("fold", k, round((m(X[f]).argmax(1) == Y[f]).float().mean().item(), 4), round(oc.get_last_lr()[0], 6))


# mixup, EMA
def mixup(x, y, g=torch.Generator().manual_seed(3)):
    lam = float(torch.rand(1, generator=g))
    i = torch.randperm(x.size(0), generator=g)
    return lam * x + (1 - lam) * x[i], y, y[i], lam


m = make()
ema = AveragedModel(m, multi_avg_fn=get_ema_multi_avg_fn(0.9))
opt = torch.optim.SGD(m.parameters(), lr=0.1)
for x, y in DataLoader(ds, 20):
    xx, a, b, lam = mixup(x, y)
    o = m(xx)
    l = lam * F.cross_entropy(o, a) + (1 - lam) * F.cross_entropy(o, b)
    opt.zero_grad()
    l.backward()
    opt.step()
    ema.update_parameters(m)
update_bn(DataLoader(ds, 20), ema)
ema.eval()
print("ema", F.cross_entropy(ema(X), Y).item(), ema.n_averaged)


# weight tying, hooks for features
class LM(nn.Module):
    def __init__(s):
        super().__init__()
        s.e = nn.Embedding(20, 6)
        s.r = nn.LSTM(6, 6, batch_first=True)
        s.o = nn.Linear(6, 20, bias=False)
        s.o.weight = s.e.weight

    def forward(s, x):
        return s.o(s.r(s.e(x))[0])


lm = LM()
print(
    len(list(lm.parameters())),
    sum(p.numel() for p in lm.parameters()),
    lm.e.weight.data_ptr() == lm.o.weight.data_ptr(),
)
t = torch.randint(20, (4, 9))
opt = torch.optim.Adam(lm.parameters(), 0.05)
for _ in range(5):
    l = F.cross_entropy(lm(t[:, :-1]).transpose(1, 2), t[:, 1:])
    opt.zero_grad()
    l.backward()
    opt.step()
print("tied", l.item(), torch.equal(lm.e.weight, lm.o.weight))
feats = {}
hs = [
    mod.register_forward_hook(lambda mm, i, o, n=n: feats.__setitem__(n, o.detach()))
    for n, mod in m.named_modules()
    if isinstance(mod, nn.Linear)
]
m(X[:4])
print({k: tuple(v.shape) for k, v in feats.items()})
[h.remove() for h in hs]


# parametrize, prune, weight norm, spectral norm
class Sym(nn.Module):
    def forward(s, w):
        return w.triu() + w.triu(1).transpose(-1, -2)


lin = nn.Linear(3, 3)
parametrize.register_parametrization(lin, "weight", Sym())
print(torch.allclose(lin.weight, lin.weight.T), lin)
pr = nn.Linear(6, 3)
prune.l1_unstructured(pr, "weight", amount=0.5)
print((pr.weight == 0).sum(), sorted(dict(pr.named_buffers())))
prune.remove(pr, "weight")
sn = nn.utils.parametrizations.spectral_norm(nn.Linear(5, 4))
sn(torch.randn(2, 5))
print(torch.linalg.matrix_norm(sn.weight, 2).detach() < 1.5)
wn = nn.utils.parametrizations.weight_norm(nn.Linear(4, 2))
print(sorted(dict(wn.named_parameters())))


@torch.compile
def step(x, y):
    return F.mse_loss(x, y)


print(step(X[:2], X[2:4]))
cm = make()
from torch.utils.checkpoint import checkpoint

xx = X[:6].clone().requires_grad_()
checkpoint(cm, xx, use_reentrant=False).sum().backward()
print(xx.grad.shape)
print(
    torch.nn.utils.parameters_to_vector(cm.parameters()).shape,
    torch.manual_seed(3).initial_seed(),
    torch.initial_seed(),
)
sch = SequentialLR(opt, [LinearLR(opt, 0.1, total_iters=3), CosineAnnealingWarmRestarts(opt, 4)], milestones=[3])
r = []
for _ in range(8):
    opt.step()
    sch.step()
    r.append(round(sch.get_last_lr()[0], 6))
print(r)
