"""flambeau.compile: what a function depends on shows at the next call."""

import collections
import contextlib
import functools
import types

import pytest
from replays import bits, generator_state, lazy  # noqa: F401

import flambeau as torch
from flambeau import nn

F = nn.functional
pytestmark = pytest.mark.usefixtures("lazy")


SCALE = 2.0


class Constants:
    scale = 2.0


class Slots:
    __slots__ = ("scale",)


def read_global(x):
    return x * SCALE


def test_globals(monkeypatch):
    f = torch.compile(read_global)
    x = torch.ones(1)
    for value in (2.0, 2.0, 3.0, 3.0, -1, 2.0):
        monkeypatch.setitem(globals(), "SCALE", value)
        assert f(x).item() == value
    assert f.replays >= 2


def test_state_of_objects():
    cfg = types.SimpleNamespace(scale=2.0, inner=types.SimpleNamespace(shift=1.0))
    slots = Slots()
    slots.scale = 2.0
    table, mapping, group = [1.0, 2.0], {"a": 1.0}, {1.0}

    class Own:
        factor = 3.0

        def __init__(self):
            self.shift = 1.0

        @property
        def both(self):
            return self.shift * self.factor

        @classmethod
        def of_class(cls):
            return cls.factor

        @staticmethod
        def apart(x):
            return x * Constants.scale

        def __getitem__(self, i):
            return self.shift + i

    own = Own()

    def reads():
        return {
            "attribute": lambda x: x * cfg.scale, "deep": lambda x: x + cfg.inner.shift,
            "slots": lambda x: x * slots.scale,
            "list": lambda x: x * table[0], "len": lambda x: x * len(table), "dict": lambda x: x * mapping["a"],
            "set": lambda x: x * sum(group), "class": lambda x: x * Constants.scale, "property": lambda x: x * own.both,
            "classmethod": lambda x: x * own.of_class(), "static": lambda x: own.apart(x), "item": lambda x: x * own[2],
            "getattr": lambda x: x * getattr(own, "shift"),  # noqa: B009
            "dynamic": lambda x: x * getattr(own, "sh" + "ift"),
            "hasattr": lambda x: x * 2 if hasattr(own, "late") else x, "vars": lambda x: x * getattr(own, "late", 1.0),
        }  # fmt: skip

    def changes():
        yield
        cfg.scale = 5.0
        yield
        cfg.inner.shift = 7.0
        yield
        cfg.inner = types.SimpleNamespace(shift=9.0)
        yield
        slots.scale = 4.0
        yield
        table.append(3.0)
        yield
        table[0] = 9.0
        yield
        mapping["a"] = 8.0
        yield
        group.add(5.0)
        yield
        Constants.scale = 6.0
        yield
        own.shift = 11.0
        yield
        Own.factor = 13.0
        yield
        own.late = 17.0
        yield

    plain = reads()
    compiled = {name: torch.compile(f) for name, f in plain.items()}
    x = torch.ones(1)
    try:
        for _ in changes():
            for name, f in plain.items():
                for _ in range(2):
                    assert compiled[name](x).item() == f(x).item(), name
    finally:
        Constants.scale = 2.0
    for name, f in compiled.items():
        assert f.replays >= 10, (name, f.note())


def test_defaults_closures_and_functions():
    def outer():
        k = 2.0

        def f(x, d=3.0):
            return x * k + d

        def change(v):
            nonlocal k
            k = v

        return f, change

    f, change = outer()
    g = torch.compile(f)
    x = torch.ones(1)
    for v in (2.0, 2.0, 4.0, 4.0):
        change(v)
        assert g(x).item() == v + 3
    assert g.replays == 2
    helper = {"f": torch.sin}
    h = torch.compile(lambda x: helper["f"](x))
    assert bits(h(x)) == bits(torch.sin(x)) == bits(h(x))
    helper["f"] = torch.cos
    assert bits(h(x)) == bits(torch.cos(x))


def test_sorts_of_callables():
    class Model:
        def __init__(self):
            self.w = torch.randn(3)

        def run(self, x):
            return self.helper(x) * self.w

        def helper(self, x):
            return x + 1

        def __call__(self, x):
            return self.run(x) * 2

    class Derived(Model):
        def run(self, x):
            return super().run(x) - 1

    def twice(f):
        @functools.wraps(f)
        def inside(*args):
            return f(*args) * 2

        return inside

    def countdown(x, n=3):
        return x if n == 0 else countdown(x * 2, n - 1)

    decorated = twice(lambda x: x + 1)
    model, derived = Model(), Derived()
    x = torch.randn(3)
    for f in (  # noqa: B020
        model.run, model, derived, derived.run, decorated, countdown, torch.no_grad()(decorated),
        functools.partial(lambda a, x, b: a * x + b, model.w, b=3), lambda x: [f(x) for f in (model, decorated)],
        lambda x: sum(t * 2 for t in x.unbind(0)), torch.compile(model.run), torch.sin,
        lambda x: model.helper(x).view(-1),
    ):  # fmt: skip
        g = torch.compile(f)
        for _ in range(3):
            assert bits(g(x)) == bits(f(x))
        assert g.replays == 2, g.note()
        model.w = model.w + 1
        for _ in range(2):
            assert bits(g(x)) == bits(f(x))

    class WithMethod(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(3, 3)

        @torch.compile
        def go(self, x):
            return self.a(x)

    m = WithMethod()
    for _ in range(3):
        assert bits(m.go(x)) == bits(m.a(x))


def test_module_with_settings():
    """A module's own lists, objects and class attributes."""

    class Net(nn.Module):
        gain = 2.0

        def __init__(self):
            super().__init__()
            self.cfg = types.SimpleNamespace(scale=2.0)
            self.factors = [1.0, 2.0]
            self.parts = [nn.Linear(3, 3)]
            self.act = torch.tanh

        def forward(self, x):
            for part in self.parts:
                x = part(x)
            return self.act(x) * self.cfg.scale * self.gain * sum(self.factors)

    net = Net()
    run = torch.compile(net)
    x = torch.randn(2, 3)

    def check():
        for _ in range(2):
            assert bits(run(x)) == bits(net(x))

    check()
    net.cfg.scale = 3.0
    check()
    net.factors.append(5.0)
    check()
    Net.gain = 7.0
    check()
    net.gain = 11.0
    check()
    net.act = torch.sigmoid
    check()
    net.parts.append(nn.Linear(3, 3))
    check()
    net.forward = types.MethodType(lambda self, x: x, net)
    check()
    assert run._compiled.replays >= 6, run._compiled.note()


# ---- in ways that are easily missed


def surroundings():
    """Name, and a maker of a function, a look at what it leaves behind, and changes before certain calls."""

    def function_of_another_file():
        helper = other_file("FACTOR = 2.0\ndef scale(x): return x * FACTOR")
        return lambda x: helper.scale(x), lambda: 0, {3: lambda: setattr(helper, "FACTOR", 5.0)}

    def value_of_another_file():
        helper = other_file("FACTOR = 2.0")
        return lambda x: x * helper.FACTOR, lambda: 0, {3: lambda: setattr(helper, "FACTOR", 5.0)}

    def function_that_is_replaced():
        helper = other_file("def scale(x): return x * 2")
        return lambda x: helper.scale(x), lambda: 0, {3: lambda: setattr(helper, "scale", torch.exp)}

    def effect_in_another_file():
        helper = other_file("SEEN = []\ndef note(x):\n    SEEN.append(1)\n    return x * 1")
        return lambda x: helper.note(x), lambda: len(helper.SEEN)

    def context_manager():
        log = []

        @contextlib.contextmanager
        def noting():
            log.append(1)
            yield

        def f(x):
            with noting():
                return x * 2

        return f, lambda: len(log)

    def full_deque():
        recent = collections.deque([0, 0], maxlen=2)

        def f(x):
            recent.append(7)
            return x * 1

        return f, lambda: list(recent)

    def attribute_named_grad():
        box = types.SimpleNamespace(grad=None)

        def f(x):
            box.grad = x * 2
            return x * 1

        return f, lambda: box.grad

    def own_list_of_a_module():
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.history = []

            def forward(self, x):
                self.history.append(1)
                return x * len(self.history)

        net = Net()
        return net, lambda: len(net.history)

    def buffer_that_is_replaced():
        net = nn.BatchNorm1d(3).eval()
        net.double().float()
        return (
            lambda x: net(x[None]), lambda: 0,
            {
                2: lambda: setattr(net, "running_mean", torch.ones(3)),
                4: lambda: net._buffers.update(running_mean=torch.zeros(3)),
            },
        )  # fmt: skip

    def parameters_that_are_swapped():
        net = nn.Linear(3, 3)
        return net, lambda: 0, {3: lambda: net._parameters.update(weight=nn.Parameter(torch.zeros(3, 3)))}

    def module_that_is_taken_out():
        parts = nn.ModuleDict({"a": nn.Tanh(), "b": nn.Sigmoid()})

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.parts = parts

            def forward(self, x):
                for part in self.parts.values():
                    x = part(x)
                return x

        return Net(), lambda: 0, {2: lambda: parts.pop("a"), 4: parts.clear}

    def shape_of_a_variable():
        w = torch.ones(3)
        return lambda x: (x[:1] * w).sum(), lambda: 0, {3: lambda: setattr(w, "data", torch.ones(5))}

    def gradients_of_a_variable():
        w = torch.ones(3)

        def f(x):
            y = w * x
            return y.requires_grad, y.detach()

        return f, lambda: 0, {3: lambda: w.requires_grad_(True)}

    def version_of_a_variable():
        w = torch.ones(3)
        return lambda x: x * w._version, lambda: 0, {3: lambda: w.add_(0)}

    def value_that_decides():
        w = torch.arange(3.0) + 1
        return lambda x: x * 2 if torch.equal(x, w) else x, lambda: 0, {3: lambda: w.add_(1)}

    def mode_of_a_module():
        m = nn.Dropout(0.5)
        return lambda x: x * 2 if m.training else x, lambda: 0, {2: m.eval, 4: m.train}

    def forgotten_gradients():
        w = torch.ones(3, requires_grad=True)
        opt = torch.optim.SGD([w], lr=0.1)

        def f(x):
            opt.zero_grad()
            return x * 2

        return f, lambda: w.grad, {2: lambda: setattr(w, "grad", torch.ones(3))}

    def gradient_that_is_kept():
        w = torch.ones(3, requires_grad=True)

        def f(x):
            y = w * x
            y.retain_grad()
            y.sum().backward()
            return y.grad

        return f, lambda: w.grad.clone()

    def argument_on_the_tape():
        w = torch.ones(3, requires_grad=True)

        def f(x):
            x.mul_(w)
            x.sum().backward()
            return x.requires_grad

        return f, lambda: w.grad.clone()

    def copies_of_parameters():
        m = nn.Linear(3, 3)
        return lambda x: m.state_dict()["weight"] * 2, lambda: 0, {3: lambda: m.weight.data.zero_()}

    def loader_within():
        data = torch.arange(6.0)

        def f(x):
            rows = torch.utils.data.TensorDataset(data)
            return [b[0] for b in torch.utils.data.DataLoader(rows, 2, shuffle=True)]

        return f, generator_state

    def parameters_that_are_added():
        m, w = nn.Linear(3, 3), torch.ones(3, requires_grad=True)
        opt = torch.optim.SGD(m.parameters(), lr=0.1)

        def f(x):
            opt.zero_grad()
            (m(x) * w).sum().backward()
            opt.step()

        return f, lambda: (w.detach().clone(), w.grad.clone()), {3: lambda: opt.add_param_group({"params": [w]})}

    def method_that_is_replaced():
        class Twice:
            def run(self, x):
                return x * 2

        two = Twice()
        return lambda x: two.run(x), lambda: 0, {3: lambda: setattr(Twice, "run", lambda self, x: x * 5)}

    def forward_that_is_replaced():
        class Twice(nn.Module):
            def forward(self, x):
                return x * 2

        return Twice(), lambda: 0, {3: lambda: setattr(Twice, "forward", lambda self, x: x * 5)}

    def attributes_by_getattr():
        class Box:
            def __init__(self):
                self.__dict__["store"] = {"w": 2.0}

            def __getattr__(self, name):
                return self.__dict__["store"][name]

        box = Box()
        return lambda x: x * box.w, lambda: 0, {3: lambda: box.store.update(w=7.0)}

    def hook_of_an_optimizer():
        m = nn.Linear(3, 3)
        opt = torch.optim.SGD(m.parameters(), lr=0.1)
        calls = []

        def limit(*_):
            calls.append(1)
            with torch.no_grad():
                m.weight.clamp_(-0.1, 0.1)

        opt.register_step_post_hook(limit)

        def f(x):
            opt.zero_grad()
            m(x).sum().backward()
            opt.step()
            return m(x).detach()

        return f, lambda: (m.weight.detach().clone(), len(calls))

    def step_that_is_wrapped():
        m = nn.Linear(3, 3)
        opt = torch.optim.SGD(m.parameters(), lr=0.1)
        calls, plain = [], opt.step
        opt.step = lambda: (calls.append(1), plain())

        def f(x):
            opt.zero_grad()
            m(x).sum().backward()
            opt.step()

        return f, lambda: (m.weight.detach().clone(), len(calls))

    def gradient_from_outside():
        a, b = torch.ones(3, requires_grad=True), torch.ones(3, requires_grad=True)
        opt = torch.optim.SGD([a, b], lr=0.1)

        def f(x):
            (a * x).sum().backward()
            norm = nn.utils.clip_grad_norm_([a, b], 1.0)
            opt.step()
            a.grad = None
            return norm

        look = lambda: (a.detach().clone(), b.detach().clone())  # noqa: E731
        return f, look, {3: lambda: setattr(b, "grad", torch.ones(3) * 5)}

    def error_that_is_caught():
        def f(x):
            try:
                return x.view(7)
            except RuntimeError:
                return x * 2

        return f, lambda: 0

    return {name: f for name, f in locals().items() if isinstance(f, types.FunctionType)}


def other_file(source):
    """A module of the program."""
    module = types.ModuleType("helper")
    module.__file__ = "helper.py"
    exec(compile(source, "helper.py", "exec"), module.__dict__)
    return module


@pytest.mark.parametrize("name", surroundings())
def test_easily_missed(name):
    outcomes = []
    for way in ("plain", "compiled"):
        torch.manual_seed(0)
        f, look, *changes = surroundings()[name]()
        call = torch.compile(f) if way == "compiled" else f
        rows = []
        for i in range(6):
            for change in changes:
                change.get(i, int)()
            rows.append((bits(call(torch.arange(3.0) + 1)), bits(look())))
        outcomes.append(rows)
    assert outcomes[0] == outcomes[1]


def test_functional_call_of_a_compiled_module():
    run = torch.compile(nn.Linear(3, 3))
    x = torch.ones(3)
    given = {"_orig_mod.weight": torch.zeros(3, 3), "_orig_mod.bias": torch.full((3,), 2.0)}
    for _ in range(3):
        with torch.no_grad():
            assert bits(run(x)) == bits(run._orig_mod(x))
            assert torch.func.functional_call(run, given, x).tolist() == [2, 2, 2]
    assert run._compiled.replays == 4
