"""What is timed, written once for both libraries: each workload is a function of the library that returns a function
to time and its repeats."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Timed = tuple[Callable[[], Any], int]


def salary(torch: Any, optimizer: str, **how: Any) -> Callable[[Any, Any], Any]:
    """The salary network 10-64-32-16-1 with its hand-written training step."""
    nn = torch.nn
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 1)
    )
    opt, criterion = getattr(torch.optim, optimizer)(model.parameters(), lr=1e-3, **how), nn.MSELoss()

    def step(features: Any, targets: Any) -> Any:
        loss = criterion(model(features), targets)
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    return step


def salary_sgd(torch: Any) -> Timed:
    """One step of the salary network, batch 4, SGD."""
    step, x, y = salary(torch, "SGD"), torch.randn(4, 10), torch.randn(4, 1)
    return lambda: step(x, y), 400


def salary_adam(torch: Any) -> Timed:
    """One step of the salary network, batch 4, Adam."""
    step, x, y = salary(torch, "Adam"), torch.randn(4, 10), torch.randn(4, 1)
    return lambda: step(x, y), 400


def salary_compiled(torch: Any) -> Timed:
    """One step of the salary network, batch 4, SGD, under flambeau.compile; PyTorch's side runs it as it is."""
    step, x, y = salary(torch, "SGD"), torch.randn(4, 10), torch.randn(4, 1)
    if torch.__name__ == "flambeau":
        step = torch.compile(step)
    return lambda: step(x, y), 400


def salary_epoch(torch: Any) -> Timed:
    """One epoch of the salary network over a shuffled DataLoader of 608 rows, batch 4."""
    step = salary(torch, "SGD")
    data = torch.utils.data.TensorDataset(torch.randn(608, 10), torch.randn(608, 1))
    loader = torch.utils.data.DataLoader(data, batch_size=4, shuffle=True)

    def epoch() -> None:
        for features, targets in loader:
            step(features, targets)

    return epoch, 2


def mnist_mlp(torch: Any) -> Timed:
    """One step of an MLP 784-256-10, batch 64, Adam, cross-entropy."""
    nn = torch.nn
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))
    opt = torch.optim.Adam(model.parameters())
    x, y = torch.randn(64, 784), torch.randint(0, 10, (64,))

    def step() -> None:
        opt.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        opt.step()

    return step, 20


def small_cnn(torch: Any) -> Timed:
    """One step of conv16-pool-conv32-bn-pool-fc on 28x28, batch 32, SGD with momentum."""
    nn = torch.nn
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * 49, 10),
    )
    opt = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    x, y = torch.randn(32, 1, 28, 28), torch.randint(0, 10, (32,))

    def step() -> None:
        opt.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        opt.step()

    return step, 5


def lstm(torch: Any) -> Timed:
    """One step of an LSTM 16-64 over 24 steps, batch 32, Adam."""
    nn = torch.nn
    torch.manual_seed(0)
    layer, head = nn.LSTM(16, 64, batch_first=True), nn.Linear(64, 1)
    opt = torch.optim.Adam([*layer.parameters(), *head.parameters()])
    x, y = torch.randn(32, 24, 16), torch.randn(32, 1)

    def step() -> None:
        opt.zero_grad()
        nn.functional.mse_loss(head(layer(x)[0][:, -1]), y).backward()
        opt.step()

    return step, 10


def gpt(torch: Any) -> Timed:
    """One step of a GPT: 4 layers, d 128, 4 heads, sequence 64, batch 8, AdamW."""
    nn, F = torch.nn, torch.nn.functional

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.before, self.after = nn.LayerNorm(128), nn.LayerNorm(128)
            self.mix, self.out = nn.Linear(128, 384), nn.Linear(128, 128)
            self.wide, self.narrow = nn.Linear(128, 512), nn.Linear(512, 128)

        def forward(self, x: Any) -> Any:
            rows, steps, width = x.shape
            q, k, v = self.mix(self.before(x)).split(width, dim=2)
            q, k, v = (t.view(rows, steps, 4, 32).transpose(1, 2) for t in (q, k, v))
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.out(y.transpose(1, 2).reshape(rows, steps, width))
            return x + self.narrow(F.gelu(self.wide(self.after(x))))

    class GPT(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tokens, self.places = nn.Embedding(65, 128), nn.Embedding(64, 128)
            self.blocks = nn.Sequential(*[Block() for _ in range(4)])
            self.norm, self.head = nn.LayerNorm(128), nn.Linear(128, 65)

        def forward(self, tokens: Any) -> Any:
            x = self.tokens(tokens) + self.places(torch.arange(tokens.shape[1]))
            return self.head(self.norm(self.blocks(x)))

    torch.manual_seed(0)
    model = GPT()
    opt = torch.optim.AdamW(model.parameters(), lr=1e-3)
    x, y = torch.randint(0, 65, (8, 64)), torch.randint(0, 65, (8, 64))

    def step() -> None:
        opt.zero_grad()
        F.cross_entropy(model(x).view(-1, 65), y.view(-1)).backward()
        opt.step()

    return step, 3


def adam_200(torch: Any) -> Timed:
    """One Adam step over 200 tensors of 10,000 elements."""
    params = [torch.nn.Parameter(torch.ones(10_000)) for _ in range(200)]
    opt = torch.optim.Adam(params)
    for p in params:
        p.grad = torch.ones(10_000)
    return opt.step, 5


def loader_throughput(torch: Any) -> Timed:
    """Batches of 64 from a shuffled loader over 20,000 rows of 64 floats."""
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(torch.randn(20_000, 64)), batch_size=64, shuffle=True
    )

    def epoch() -> None:
        for _ in loader:
            pass

    return epoch, 1


def module_call(torch: Any) -> Timed:
    """A call of a module that gives back its input."""
    module, x = torch.nn.Identity(), torch.ones(1)
    return lambda: module(x), 5000


def small_forward(torch: Any) -> Timed:
    """One forward pass of a small MLP with batch 1 under no_grad, to NumPy."""
    nn = torch.nn
    model, x = nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 3)), torch.randn(1, 10)

    def forward() -> Any:
        with torch.no_grad():
            return model(x).numpy()

    return forward, 500


def tiny_chain(torch: Any) -> Timed:
    """((x + 2) * 3).mean().item() on 2 x 2."""
    x = torch.ones(2, 2)
    return lambda: ((x + 2) * 3).mean().item(), 500


def computed(t: Any) -> Any:
    """A tensor, all of it computed by now."""
    t.view(-1)[0].item()
    return t


def elementwise_million(torch: Any) -> Timed:
    """sigmoid(a*b+1.5)*tanh(a) - exp(b)/(1+a*a) on a million elements."""
    a, b = torch.randn(1_000_000), torch.randn(1_000_000)
    return lambda: computed(torch.sigmoid(a * b + 1.5) * torch.tanh(a) - torch.exp(b) / (1 + a * a)), 2


def norm_softmax(torch: Any) -> Timed:
    """layer_norm(softmax(x)) on 256 x 1024."""
    x = torch.randn(256, 1024)
    return lambda: computed(torch.nn.functional.layer_norm(torch.softmax(x, -1), (1024,))), 10


def reductions_million(torch: Any) -> Timed:
    """sum, mean, amax and var over a million elements, added."""
    a = torch.randn(1000, 1000)
    return lambda: (a.sum() + a.mean() + a.amax() + a.var()).item(), 3


def product_1024(torch: Any) -> Timed:
    """A 1024 x 1024 float32 product."""
    a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
    return lambda: computed(a @ b), 2


ALL = [
    salary_sgd,
    salary_adam,
    salary_compiled,
    salary_epoch,
    mnist_mlp,
    small_cnn,
    gpt,
    lstm,
    adam_200,
    loader_throughput,
    module_call,
    small_forward,
    tiny_chain,
    elementwise_million,
    norm_softmax,
    reductions_million,
    product_1024,
]
