"""Actor-critic and DQN on a small cart and pole; data loaders, samplers and odd layers."""

import random
from collections import deque, namedtuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn, optim
from torch.distributions import Categorical
from torch.utils.data import (
    BatchSampler,
    ChainDataset,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    Sampler,
    StackDataset,
    Subset,
    SubsetRandomSampler,
    default_collate,
    get_worker_info,
)
from torch.utils.data.distributed import DistributedSampler

torch.manual_seed(543)
random.seed(0)
np.random.seed(0)


class Env:
    def reset(self):
        self.s = np.zeros(4)
        self.t = 0
        self.s[2] = 0.05
        return self.s.copy(), {}

    def step(self, a):
        x, v, th, om = self.s
        f = 10.0 if a == 1 else -10.0
        om += 0.02 * (15 * th + f * -1.4)
        th += 0.02 * om
        v += 0.02 * f
        x += 0.02 * v
        self.s = np.array([x, v, th, om])
        self.t += 1
        done = abs(th) > 0.2 or self.t >= 40
        return self.s.copy(), 1.0, done, False, {}


SavedAction = namedtuple("SavedAction", ["log_prob", "value"])


class Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.affine1 = nn.Linear(4, 32)
        self.action_head = nn.Linear(32, 2)
        self.value_head = nn.Linear(32, 1)
        self.saved_actions = []
        self.rewards = []

    def forward(self, x):
        x = F.relu(self.affine1(x))
        return F.softmax(self.action_head(x), dim=-1), self.value_head(x)


model = Policy()
optimizer = optim.Adam(model.parameters(), lr=3e-2)
eps = np.finfo(np.float32).eps.item()
env = Env()
for ep in range(6):
    state, _ = env.reset()
    for _ in range(99):
        st = torch.from_numpy(state).float()
        probs, v = model(st)
        m = Categorical(probs)
        a = m.sample()
        model.saved_actions.append(SavedAction(m.log_prob(a), v))
        state, r, done, _, _ = env.step(a.item())
        model.rewards.append(r)
        if done:
            break
    R = 0
    pl, vl, rets = [], [], deque()
    for r in model.rewards[::-1]:
        R = r + 0.99 * R
        rets.appendleft(R)
    rets = torch.tensor(list(rets))
    rets = (rets - rets.mean()) / (rets.std() + eps)
    for (lp, value), R in zip(model.saved_actions, rets, strict=False):
        adv = R - value.item()
        pl.append(-lp * adv)
        vl.append(F.smooth_l1_loss(value, torch.tensor([R])))
    optimizer.zero_grad()
    loss = torch.stack(pl).sum() + torch.stack(vl).sum()
    loss.backward()
    optimizer.step()
    del model.rewards[:]
    del model.saved_actions[:]
    print(ep, env.t, f"{loss.item():.4f}")
# DQN
Transition = namedtuple("Transition", ("state", "action", "next_state", "reward"))
mem = deque([], 100)
pn, tn = nn.Linear(4, 2), nn.Linear(4, 2)
tn.load_state_dict(pn.state_dict())
opt = optim.AdamW(pn.parameters(), lr=1e-3, amsgrad=True)
for i in range(40):
    mem.append(
        Transition(
            torch.randn(1, 4),
            torch.tensor([[random.randrange(2)]]),
            None if i % 7 == 0 else torch.randn(1, 4),
            torch.tensor([1.0]),
        )
    )
for _ in range(4):
    b = Transition(*zip(*random.sample(mem, 16), strict=False))
    mask = torch.tensor(tuple(map(lambda s: s is not None, b.next_state)), dtype=torch.bool)
    nf = torch.cat([s for s in b.next_state if s is not None])
    q = pn(torch.cat(b.state)).gather(1, torch.cat(b.action))
    nv = torch.zeros(16)
    with torch.no_grad():
        nv[mask] = tn(nf).max(1).values
    loss = nn.SmoothL1Loss()(q, ((nv * 0.99) + torch.cat(b.reward)).unsqueeze(1))
    opt.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_value_(pn.parameters(), 100)
    opt.step()
    sd, ps = tn.state_dict(), pn.state_dict()
    for k in ps:
        sd[k] = ps[k] * 0.005 + sd[k] * 0.995
    tn.load_state_dict(sd)
    print(f"{loss.item():.5f}", tn.bias)


class It(IterableDataset):
    def __init__(self, a, b):
        self.a, self.b = a, b

    def __iter__(self):
        wi = get_worker_info()
        if wi is None:
            return iter(range(self.a, self.b))
        per = -(-(self.b - self.a) // wi.num_workers)
        s = self.a + wi.id * per
        return iter(range(s, min(s + per, self.b)))


print(
    list(DataLoader(It(3, 9), num_workers=0)),
    list(DataLoader(It(3, 9), num_workers=2)),
    list(DataLoader(It(3, 8), batch_size=2, drop_last=True)),
)


class Aug(Dataset):
    def __len__(self):
        return 8

    def __getitem__(self, i):
        return {
            "x": np.random.randint(0, 100),
            "r": random.random(),
            "i": torch.tensor(i),
            "t": torch.rand(1),
            "s": str(i),
            "p": (i, float(i)),
        }


def seed_worker(worker_id):
    s = torch.initial_seed() % 2**32
    np.random.seed(s)
    random.seed(s)


g = torch.Generator()
g.manual_seed(0)
for b in DataLoader(
    Aug(),
    batch_size=3,
    num_workers=2,
    worker_init_fn=seed_worker,
    generator=g,
    shuffle=True,
    persistent_workers=False,
    pin_memory=False,
):
    print(b["x"], b["r"], b["i"], b["t"].flatten(), b["s"], b["p"])


class EveryOther(Sampler):
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        yield from range(0, self.n, 2)

    def __len__(self):
        return self.n // 2


dl = DataLoader(Aug(), sampler=EveryOther(8), batch_size=2, collate_fn=lambda b: torch.stack([x["i"] for x in b]))
print(list(dl), len(dl), dl.dataset.__class__.__name__)
d = ChainDataset([It(0, 2), It(5, 7)])
print(list(d))
print(len(ConcatDataset([range(3), range(4)])), Subset(list(range(10)), [1, 3])[1])
print(default_collate([(np.ones(2), 1.0, "a"), (np.zeros(2), 2.0, "b")]))
st = StackDataset(torch.arange(3), b=1) if 0 else StackDataset(x=torch.arange(3), y=torch.arange(3) * 2)
print(st[1])
try:
    next(iter(DataLoader([torch.ones(2), torch.ones(3)], 2)))
except RuntimeError as e:
    print(str(e).split("\n")[0])
try:
    list(DataLoader(Aug(), batch_size=2, num_workers=1, collate_fn=lambda b: 1 / 0))
except ZeroDivisionError as e:
    print(str(e).splitlines()[0], "Original" in str(e))
bs = BatchSampler(RandomSampler(range(10), generator=torch.Generator().manual_seed(2)), 4, True)
print([list(b) for b in bs])
print(
    list(SubsetRandomSampler([3, 1, 2], generator=torch.Generator().manual_seed(0))),
    list(RandomSampler(range(5), replacement=True, num_samples=7, generator=torch.Generator().manual_seed(1))),
)

ds = DistributedSampler(range(10), num_replicas=3, rank=1, seed=3)
ds.set_epoch(2)
print(list(ds))


class MyEmb(nn.Module):
    def __init__(self):
        super().__init__()
        self.ps = nn.ParameterList([nn.Parameter(torch.randn(2)) for _ in range(2)])
        self.pd = nn.ParameterDict({"a": nn.Parameter(torch.ones(1))})
        self.md = nn.ModuleDict([["lrelu", nn.LeakyReLU()], ["lin", nn.LazyLinear(3)]])
        self.e = nn.EmbeddingBag(10, 4, mode="sum")
        self.register_buffer("b", torch.ones(1), persistent=False)

    def extra_repr(self):
        return "hi"

    def forward(self, x, o):
        return self.md["lin"](self.e(x, o)) * self.pd["a"]


mm = MyEmb()
print(
    mm(torch.tensor([1, 2, 4, 5]), torch.tensor([0, 2])).shape,
    mm,
    [n for n, _ in mm.named_parameters()],
    mm.state_dict().keys(),
)
print(
    torch.nn.utils.parameters_to_vector(pn.parameters()).shape,
    sum(p.numel() for p in pn.parameters() if p.requires_grad),
)
pk = nn.utils.rnn.pack_padded_sequence(torch.randn(3, 4, 2), [4, 2, 1], batch_first=True)
o, h = nn.LSTM(2, 3, batch_first=True, bidirectional=True)(pk)
u, ln = nn.utils.rnn.pad_packed_sequence(o, batch_first=True)
print(u.shape, ln, h[0].shape, pk.batch_sizes)
print(
    torch.__version__ >= "2",
    torch.get_num_threads() > 0,
    torch.backends.cudnn.enabled,
    torch.cuda.device_count(),
    torch.backends.mps.is_available(),
)
x = torch.arange(12).reshape(3, 4)
print(
    x.unfold(1, 2, 1).shape,
    torch.tril_indices(3, 3),
    x.roll(1, 0)[0],
    torch.combinations(torch.tensor([1, 2, 3])),
    torch.cartesian_prod(torch.tensor([1, 2]), torch.tensor([3, 4])),
    torch.bucketize(torch.tensor([0.5, 3.0]), torch.tensor([1.0, 2.0])),
    torch.histc(torch.rand(10), 4).sum(),
    x.float().quantile(torch.tensor([0.25, 0.5])),
    torch.unique(torch.tensor([1, 3, 1]), return_counts=True),
    torch.nn.functional.one_hot(torch.tensor([0, 2])),
    torch.searchsorted(torch.tensor([1, 3, 5]), 4),
    torch.block_diag(torch.ones(1, 2), torch.ones(2, 1)),
    x.storage_offset(),
    torch.is_tensor(x),
    torch.nan_to_num(torch.tensor([float("nan")])),
    torch.diff(x),
    torch.kron(torch.eye(2), torch.ones(1, 2)),
    torch.vander(torch.tensor([1, 2, 3])),
    torch.trapezoid(torch.tensor([1.0, 2.0])),
    torch.special.expit(torch.tensor(0.0)),
    torch.finfo(torch.float32).eps,
    torch.iinfo(torch.int8),
)
