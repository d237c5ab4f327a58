"""flambeau.compile: training steps as people write them, replayed to the bit."""

import copy
import types

import pytest
from replays import both_ways, lazy, leavings, network  # noqa: F401

import flambeau as torch
from flambeau import nn

F = nn.functional
pytestmark = pytest.mark.usefixtures("lazy")


def steps():
    """Name, and what `both_ways` wants: each is replayed."""

    def two_steps_in_one():
        model = network(nn.Dropout(0.5))
        opt = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.5)

        def step(x, y):
            losses = []
            for _ in range(2):
                opt.zero_grad()
                loss = F.mse_loss(model(x), y)
                loss.backward()
                opt.step()
                losses.append(loss.detach())
            return torch.stack(losses).sum(), losses

        return step, leavings(model, opt)

    def optimizer_that_draws():
        class Noisy(torch.optim.Optimizer):
            def __init__(self, params):
                super().__init__(params, {"lr": 0.1})

            @torch.no_grad()
            def step(self):
                for p in self.param_groups[0]["params"]:
                    p.add_(p.grad + torch.randn_like(p) * 0.01, alpha=-0.1)

        model = network()
        opt = Noisy(model.parameters())

        def step(x, y):
            opt.zero_grad()
            loss = F.mse_loss(model(x + torch.randn(4, 3)), y)
            loss.backward()
            opt.step()
            return loss.detach(), torch.rand(2)

        return step, leavings(model)

    def settings_from_outside():
        model = network()
        groups = [{"params": model[0].parameters()}, {"params": model[2].parameters(), "lr": 0.05}]
        opt = torch.optim.Adam(groups, lr=0.01)

        def step(x, y):
            opt.zero_grad()
            loss = F.mse_loss(model(x), y)
            loss.backward()
            opt.step()
            return loss

        def inputs(i):
            opt.param_groups[0]["lr"] = 0.01 * (i + 1)
            if i == 3:
                opt.param_groups[1].update(weight_decay=0.1, maximize=True)
            if i == 4:
                opt.load_state_dict(opt.state_dict())
            return torch.randn(4, 3), torch.randn(4, 2)

        return step, leavings(model, opt), inputs

    def moving_average():
        model = network()
        mean = copy.deepcopy(model)
        opt = torch.optim.SGD(model.parameters(), lr=0.1)

        def step(x, y):
            opt.zero_grad()
            loss = F.mse_loss(model(x), y)
            loss.backward()
            opt.step()
            with torch.no_grad():
                for a, b in zip(mean.parameters(), model.parameters(), strict=True):
                    a.mul_(0.9).add_(b, alpha=0.1)
            return loss

        return step, leavings(nn.ModuleList([model, mean]))

    def frozen_meanwhile():
        maker, judge = nn.Linear(3, 2), nn.Linear(2, 1)
        a, b = torch.optim.Adam(maker.parameters()), torch.optim.Adam(judge.parameters())

        def step(x, y):
            for p in judge.parameters():
                p.requires_grad = False
            a.zero_grad()
            loss = judge(maker(x)).mean()
            loss.backward()
            a.step()
            for p in judge.parameters():
                p.requires_grad_(True)
            b.zero_grad()
            other = judge(y).mean() - judge(maker(x).detach()).mean()
            other.backward()
            b.step()
            return loss.detach(), other.detach()

        return step, leavings(nn.ModuleList([maker, judge]))

    def gradient_penalty():
        model = network()
        opt = torch.optim.SGD(model.parameters(), lr=0.1)

        def step(x, y):
            x = x.clone().requires_grad_()
            opt.zero_grad()
            (g,) = torch.autograd.grad(model(x).sum(), x, create_graph=True)
            loss = ((g.norm(dim=1) - 1) ** 2).mean() + F.mse_loss(model(x), y)
            loss.backward()
            opt.step()
            return loss.detach()

        return step, leavings(model)

    def trainer():
        class Trainer:
            def __init__(self):
                self.model, self.loss, self.limit = network(nn.Dropout(0.2)), nn.MSELoss(), 0.5
                self.opt = torch.optim.Adam(self.model.parameters())
                self.schedule = torch.optim.lr_scheduler.ExponentialLR(self.opt, 0.9)

            def step(self, x, y):
                self.opt.zero_grad()
                loss = self.loss(self.model(x), y)
                loss.backward()
                nn.utils.clip_grad_value_(self.model.parameters(), self.limit)
                self.opt.step()
                self.schedule.step()
                return loss

        t = Trainer()
        return t.step, leavings(t.model, t.opt)

    def recurrent():
        model = nn.ModuleList([nn.LSTM(3, 4, 2, batch_first=True, dropout=0.2), nn.Linear(4, 2)])
        opt = torch.optim.Adam(model.parameters())

        def step(x, y):
            opt.zero_grad()
            loss = F.mse_loss(model[1](model[0](x.unsqueeze(0))[0][0]), y)
            loss.backward()
            opt.step()
            return loss

        return step, leavings(model, opt)

    def convolutions():
        model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3))
        opt = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

        def step(x, y):
            opt.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            opt.step()
            return loss

        return step, leavings(model, opt), lambda i: (torch.randn(2, 1, 4, 4), torch.randint(0, 3, (2,)))

    def attention():
        model = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True, dropout=0.3)
        opt = torch.optim.AdamW(model.parameters())

        def step(x):
            opt.zero_grad()
            loss = model(x, src_mask=nn.Transformer.generate_square_subsequent_mask(5)).pow(2).mean()
            loss.backward()
            opt.step()
            return loss

        return step, leavings(model, opt), lambda i: (torch.randn(2, 5, 4),)

    def autocast_within():
        model = network()

        def step(x, y):
            model.zero_grad()
            with torch.autocast("cpu", torch.bfloat16):
                out = model(x)
            F.mse_loss(out.float(), y).backward()

        return step, leavings(model)

    def transformed():
        w = torch.randn(3, 2)

        def step(x, y):
            g = torch.func.grad(lambda w: ((x @ w - y) ** 2).mean())(w)
            w.sub_(g * 0.1)
            return g

        return step, lambda: w.clone()

    def hidden_state():
        state, layer = torch.zeros(4, 3), nn.Linear(3, 3)

        def step(x, y):
            out = layer(x + state).tanh()
            with torch.no_grad():
                state.copy_(out)
            out.sum().backward()
            return out.detach()

        return step, lambda: (state.clone(), state.requires_grad, layer.weight.grad.clone())

    def all_sorts_of_draws():
        def f(x, y):
            return (
                torch.randperm(5), torch.randn(3), torch.randint(0, 9, (2,)), torch.rand_like(x), torch.randn(3, 2).T,
                torch.empty(3).normal_(), torch.empty(2, 2).uniform_(-1, 1), torch.randn(4, 4)[1:], F.dropout(x, 0.3),
                torch.randn(17).double(), torch.empty(3).exponential_(), F.dropout1d(x[None], 0.5), torch.randn(()),
            )  # fmt: skip

        return f, lambda: 0

    def scattered():
        table = torch.zeros(5)

        def f(x, y):
            table[x] += y
            table.index_add_(0, x, y)
            torch.add(table, 1, out=table)
            return table * 2

        return f, lambda: table.clone(), lambda i: (torch.randint(0, 5, (3,)), torch.randn(3))

    def gradients_by_hand():
        w = torch.ones(3, requires_grad=True)

        def f(x, y):
            w.grad = x[0] * 2
            w.grad.add_(1)
            return w.grad.sum()

        return f, lambda: w.grad.clone()

    return {name: f for name, f in locals().items() if isinstance(f, types.FunctionType)}


@pytest.mark.parametrize("name", steps())
def test_replayed(name):
    both_ways(steps()[name])


def test_sometimes_replayed():
    """Where a hook comes and goes, the learning rate is asked for, or a gradient is an argument."""

    def hook_comes_and_goes():
        model = network()
        handles = []

        def step(x, y):
            model.zero_grad()
            F.mse_loss(model(x), y).backward()

        def inputs(i):
            if i == 3:
                handles.append(model[0].weight.register_hook(lambda g: g * 2))
            if i == 5:
                handles.pop().remove()
            return torch.randn(4, 3), torch.randn(4, 2)

        return step, leavings(model), inputs

    def asks_for_the_rate():
        model = network()
        opt = torch.optim.SGD(model.parameters(), lr=0.1)
        schedule = torch.optim.lr_scheduler.StepLR(opt, 2)

        def step(x, y):
            opt.step()
            schedule.step()
            return x * schedule.get_last_lr()[0], x * opt.param_groups[0]["lr"]

        return step, leavings(model)

    def gradient_is_an_argument():
        w, held = torch.ones(4, 3, requires_grad=True), []

        def step(x):
            w.grad = x
            return x + 1

        def inputs(i):
            held[:] = [torch.randn(4, 3)]
            return held

        return step, lambda: (w.grad.clone(), w.grad is held[0]), inputs

    def own_gradient():
        class Cube(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return x**3

            @staticmethod
            def backward(ctx, g):
                return 5 * ctx.saved_tensors[0] * g

        w = torch.randn(3, requires_grad=True)

        def step(x, y):
            w.grad = None
            Cube.apply(w * x).sum().backward()

        return step, lambda: w.grad.clone()

    for make in (hook_comes_and_goes, asks_for_the_rate, gradient_is_an_argument, own_gradient):
        both_ways(make, replays=0)
