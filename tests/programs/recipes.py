"""Recipes: pruning, parametrizations, averaged weights, mixed precision, checkpoints, schedules, the profiler."""

import io
import os
import tempfile

import torch
import torch.nn.functional as F
import torch.nn.utils.parametrize as parametrize
import torch.nn.utils.prune as prune
import torch.utils.benchmark as benchmark
from torch import nn
from torch.optim.swa_utils import SWALR, AveragedModel, get_ema_multi_avg_fn, update_bn
from torch.profiler import ProfilerActivity, profile, record_function, schedule

torch.manual_seed(0)


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 4 * 4, 20)
        self.fc2 = nn.Linear(20, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), (2, 2))
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = x.view(-1, int(x.nelement() / x.shape[0]))
        return self.fc2(F.relu(self.fc1(x)))


model = LeNet()
module = model.conv1
prune.random_unstructured(module, name="weight", amount=0.3)
print(list(module.named_buffers())[0][1].sum(), [n for n, _ in module.named_parameters()])
prune.l1_unstructured(module, name="bias", amount=3)
print(module.bias)
prune.ln_structured(module, name="weight", amount=0.5, n=2, dim=0)
print((module.weight == 0).sum())
print([type(h).__name__ for h in module._forward_pre_hooks.values()], model.state_dict().keys())
prune.remove(module, "weight")
print([n for n, _ in module.named_parameters()])
prune.global_unstructured(
    ((model.conv2, "weight"), (model.fc1, "weight")), pruning_method=prune.L1Unstructured, amount=0.2
)
print(
    f"Sparsity: {100.0 * float(torch.sum(model.fc1.weight == 0)) / float(model.fc1.weight.nelement()):.2f}%",
    prune.is_pruned(model),
)


class FooP(prune.BasePruningMethod):
    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t, default_mask):
        mask = default_mask.clone()
        mask.view(-1)[::2] = 0
        return mask


FooP.apply(model.fc2, "bias")
print(model.fc2.bias_mask)


class Symmetric(nn.Module):
    def forward(self, X):
        return X.triu() + X.triu(1).transpose(-1, -2)

    def right_inverse(self, A):
        return A.triu()


layer = nn.Linear(3, 3)
parametrize.register_parametrization(layer, "weight", Symmetric())
A = layer.weight
print(torch.allclose(A, A.T), layer)
layer.weight = torch.ones(3, 3)
print(layer.parametrizations.weight.original)


class MatrixExponential(nn.Module):
    def forward(self, X):
        return torch.matrix_exp(X)


class Skew(nn.Module):
    def forward(self, X):
        A = X.triu(1)
        return A - A.transpose(-1, -2)


l2 = nn.Linear(3, 3)
parametrize.register_parametrization(l2, "weight", Skew())
parametrize.register_parametrization(l2, "weight", MatrixExponential())
X = l2.weight
print(torch.dist(X.T @ X, torch.eye(3)) < 1e-5)
parametrize.remove_parametrizations(l2, "weight", leave_parametrized=True)
print(l2)
with parametrize.cached():
    pass
o = torch.nn.utils.parametrizations.orthogonal(nn.Linear(4, 4))
print(torch.dist(o.weight.T @ o.weight, torch.eye(4)) < 1e-5)
sn = torch.nn.utils.parametrizations.spectral_norm(nn.Linear(4, 3))
sn(torch.randn(2, 4))
wn = torch.nn.utils.parametrizations.weight_norm(nn.Linear(4, 3))
print(wn, sn.weight, list(wn.state_dict()))
# SWA EMA
m = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
opt = torch.optim.SGD(m.parameters(), lr=0.1)
swa = AveragedModel(m)
ema = AveragedModel(m, multi_avg_fn=get_ema_multi_avg_fn(0.9))
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, 5)
swas = SWALR(opt, swa_lr=0.05, anneal_epochs=2)
xs, ys = torch.randn(40, 4), torch.randint(0, 2, (40,))
loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(xs, ys), 10)
for e in range(6):
    for a, b in loader:
        opt.zero_grad()
        loss_ = F.cross_entropy(m(a), b)
        loss_.backward()
        opt.step()
        ema.update_parameters(m)
    if e > 2:
        swa.update_parameters(m)
        swas.step()
    else:
        sched.step()
update_bn(loader, swa)
print(swa(xs)[0], ema.module[0].weight[0], swa.n_averaged, opt.param_groups[0]["lr"], loss_)
# amp
scaler = torch.amp.GradScaler("cuda", enabled=False)
for a, b in loader:
    with torch.autocast(device_type="cpu", dtype=torch.bfloat16):
        out = m(a)
        loss_ = F.cross_entropy(out, b)
    scaler.scale(loss_).backward()
    scaler.unscale_(opt)
    torch.nn.utils.clip_grad_norm_(m.parameters(), 0.1)
    scaler.step(opt)
    scaler.update()
    opt.zero_grad(set_to_none=True)
print(out.dtype, loss_.dtype, scaler.get_scale(), scaler.state_dict())
# save/load
with tempfile.TemporaryDirectory() as d:
    os.chdir(d)
    torch.save(
        {"epoch": 3, "model_state_dict": m.state_dict(), "optimizer_state_dict": opt.state_dict(), "loss": loss_},
        "c.pt",
    )
    c = torch.load("c.pt", weights_only=True, map_location=torch.device("cpu"))
    print(c.keys(), c["loss"])
    n = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
    print(n.load_state_dict(c["model_state_dict"], strict=False))
    try:
        nn.Linear(2, 2).load_state_dict(c["model_state_dict"])
    except RuntimeError as e:
        print(e)
    torch.save(m, "m.pt")
    try:
        torch.load("m.pt")
    except Exception as e:
        print(type(e).__name__)
    mm = torch.load("m.pt", weights_only=False, map_location=lambda s, loc: s)
    mm.eval()
    print(mm(xs)[0])
    os.chdir("/")
    b = io.BytesIO()
    torch.save(m.state_dict(), b)
    b.seek(0)
    print(torch.load(b, map_location={"cuda:0": "cpu"})["0.bias"][:2])
print(opt.state_dict()["param_groups"][0].keys())
print("Model's state_dict:")
for k in m.state_dict():
    print(k, "\t", m.state_dict()[k].size())
opt1 = torch.optim.SGD(m.parameters(), lr=0.1, momentum=0.9)
s1 = torch.optim.lr_scheduler.OneCycleLR(opt1, max_lr=0.5, steps_per_epoch=4, epochs=3)
lrs = []
for _ in range(12):
    opt1.step()
    lrs.append(round(s1.get_last_lr()[0], 5))
    s1.step() if _ < 11 else None
print(lrs, opt1.param_groups[0]["momentum"])
print(F.cross_entropy(torch.randn(3, 4), torch.tensor([0, 1, -100]), label_smoothing=0.1, weight=torch.arange(1.0, 5)))

with profile(activities=[ProfilerActivity.CPU], record_shapes=True, profile_memory=True) as prof:
    with record_function("model_inference"):
        m(xs)
t = prof.key_averages().table(sort_by="cpu_time_total", row_limit=5)
print("model_inference" in t, "aten::addmm" in t or "aten::linear" in t, len(t.splitlines()) > 5)
with profile(
    activities=[ProfilerActivity.CPU],
    schedule=schedule(wait=1, warmup=1, active=2, repeat=1),
    on_trace_ready=lambda p: print("trace", p.step_num),
) as p:
    for _ in range(5):
        m(xs)
        p.step()

tm = benchmark.Timer(stmt="x @ x", globals={"x": torch.ones(8, 8)})
r = tm.timeit(5)
print(type(r).__name__, r.mean > 0)
