"""Deep Q-learning on a pole that is to be balanced."""

import math
import random
from collections import deque, namedtuple

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim

random.seed(0)
torch.manual_seed(0)
Transition = namedtuple("Transition", ("state", "action", "next_state", "reward"))


class Env:
    def reset(self):
        self.s = [random.uniform(-0.05, 0.05) for _ in range(4)]
        self.t = 0
        return self.s

    def step(self, a):
        x, v, th, w = self.s
        f = 10.0 if a else -10.0
        c, s = math.cos(th), math.sin(th)
        tmp = (f + 0.05 * w * w * s) / 1.1
        aa = (9.8 * s - c * tmp) / (0.5 * (4 / 3 - 0.1 * c * c / 1.1))
        xa = tmp - 0.05 * aa * c / 1.1
        self.s = [x + 0.02 * v, v + 0.02 * xa, th + 0.02 * w, w + 0.02 * aa]
        self.t += 1
        return self.s, 1.0, abs(self.s[0]) > 2.4 or abs(self.s[2]) > 0.21, self.t >= 40


class Mem:
    def __init__(self, n):
        self.m = deque([], maxlen=n)

    def push(self, *a):
        self.m.append(Transition(*a))

    def sample(self, n):
        return random.sample(self.m, n)

    def __len__(self):
        return len(self.m)


class DQN(nn.Module):
    def __init__(self, n, a):
        super().__init__()
        self.layer1 = nn.Linear(n, 32)
        self.layer2 = nn.Linear(32, 32)
        self.layer3 = nn.Linear(32, a)

    def forward(self, x):
        return self.layer3(F.relu(self.layer2(F.relu(self.layer1(x)))))


device = torch.device("cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu")
policy, target = DQN(4, 2).to(device), DQN(4, 2).to(device)
target.load_state_dict(policy.state_dict())
opt = optim.AdamW(policy.parameters(), lr=3e-4, amsgrad=True)
mem = Mem(1000)
env = Env()
done_ = 0


def select(s):
    global done_
    eps = 0.05 + 0.85 * math.exp(-done_ / 200)
    done_ += 1
    if random.random() > eps:
        with torch.no_grad():
            return policy(s).max(1).indices.view(1, 1)
    return torch.tensor([[random.randrange(2)]], device=device, dtype=torch.long)


def optimize():
    if len(mem) < 32:
        return None
    b = Transition(*zip(*mem.sample(32)))
    nfm = torch.tensor(tuple(map(lambda s: s is not None, b.next_state)), device=device, dtype=torch.bool)
    nfs = torch.cat([s for s in b.next_state if s is not None])
    sb, ab, rb = torch.cat(b.state), torch.cat(b.action), torch.cat(b.reward)
    q = policy(sb).gather(1, ab)
    nv = torch.zeros(32, device=device)
    with torch.no_grad():
        nv[nfm] = target(nfs).max(1).values
    loss = nn.SmoothL1Loss()(q, (nv * 0.99 + rb).unsqueeze(1))
    opt.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_value_(policy.parameters(), 100)
    opt.step()
    return loss.item()


for ep in range(8):
    s = torch.tensor(env.reset(), dtype=torch.float32, device=device).unsqueeze(0)
    last = None
    for t in range(100):
        a = select(s)
        o, r, term, trunc = env.step(a.item())
        reward = torch.tensor([r], device=device)
        ns = None if term else torch.tensor(o, dtype=torch.float32, device=device).unsqueeze(0)
        mem.push(s, a, ns, reward)
        s = ns
        last = optimize()
        sd, pd = target.state_dict(), policy.state_dict()
        for k in pd:
            sd[k] = pd[k] * 0.005 + sd[k] * (1 - 0.005)
        target.load_state_dict(sd)
        if term or trunc:
            break
    print(ep, t, None if last is None else round(last, 5))
