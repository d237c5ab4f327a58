"""Module: what it owns and how it is found, state, hooks, conversion, copies, text; each against PyTorch."""

from __future__ import annotations

import copy
import pickle

import pytest
from side_by_side import same, table

import flambeau


def net(m):
    class Net(m.nn.Module):
        def __init__(self):
            super().__init__()
            self.first = m.nn.Linear(2, 3)
            self.rest = m.nn.Sequential(m.nn.ReLU(), m.nn.BatchNorm1d(3), m.nn.Linear(3, 1, bias=False))
            self.scale = m.nn.Parameter(m.ones(1))
            self.register_buffer("seen", m.zeros(1))
            self.register_buffer("passing", m.zeros(2), persistent=False)
            self.nothing = None
            self.register_parameter("absent", None)

        def forward(self, x):
            return self.rest(self.first(x)) * self.scale

    return Net()


def tied(m):
    n = m.nn.Sequential(m.nn.Linear(2, 2), m.nn.Linear(2, 2))
    n[1].weight = n[0].weight
    n.again = n[0]
    return n


def keys(incompatible):
    return incompatible.missing_keys, incompatible.unexpected_keys, repr(incompatible)


def replaced(m, **changes):
    state = net(m).state_dict()
    for name, value in changes.items():
        name = name.replace("__", ".")
        if value is None:
            del state[name]
        else:
            state[name] = value
    return state


def saw(m, walk):
    found = []
    net(m).apply(lambda module: found.append(type(module).__name__))
    return found


def attributes(m):
    n = net(m)
    n.first = m.nn.Linear(2, 5)
    n.scale = None
    n.seen = m.ones(3)
    n.passing = None
    found = [list(dict(n.named_parameters())), list(dict(n.named_buffers())), hasattr(n, "scale"), n.scale]
    del n.first
    n.extra = m.nn.Parameter(m.zeros(1))
    n.extra = None
    return [*found, [k for k, _ in n.named_children()], list(n.state_dict())]


def assigned(m, name, value):
    n = net(m)
    setattr(n, name, value(m))
    return "no error"


def before_init(m, value):
    class Bad(m.nn.Module):
        def __init__(self):
            self.x = value(m)
            super().__init__()

    Bad()


def trained(m):
    n = net(m)
    n.train()
    out = n(m.ones(4, 2))
    n.eval()
    flags = [x.training for x in n.modules()]
    n.rest.train()
    return out, n(m.ones(4, 2)), flags, [x.training for x in n.modules()], n.train() is n


def moved(m):
    n = net(m)
    ids = [id(p) for p in n.parameters()]
    n.to(m.float64)
    kinds = [str(t.dtype) for t in n.state_dict().values()]
    n.half().float().double()
    return (
        n.to("cpu") is n,
        kinds,
        [id(p) for p in n.parameters()] == ids,
        [str(t.dtype) for t in n.state_dict().values()],
    )


def moved_with_grad(m):
    n = m.nn.Linear(2, 1)
    n(m.ones(1, 2)).sum().backward()
    n.double()
    return n.weight.grad, n.bias.grad


def frozen(m):
    n = net(m)
    n.requires_grad_(False)
    n.first.requires_grad_()
    n(m.ones(3, 2)).sum().backward()
    found = [p.grad is None for p in n.parameters()]
    n.zero_grad()
    return found, [p.grad is None for p in n.parameters()]


def copied(m):
    n = net(m)
    c = copy.deepcopy(n)
    with m.no_grad():
        c.first.weight.zero_()
        c.seen += 1
    c.first.extra = 1
    return n.first.weight, n.seen, type(c).__name__, hasattr(n.first, "extra"), [k for k, _ in c.named_parameters()]


def copied_tied(m):
    c = copy.deepcopy(tied(m))
    return c[0].weight is c[1].weight, c.again is c[0], len(list(c.parameters())), list(c.state_dict())


def loaded_into_other(m):
    a, b = net(m), net(m)
    b.load_state_dict(a.state_dict())
    same_objects = [x is y for x, y in zip(a.parameters(), b.parameters(), strict=True)]
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all((x == y).all() for x, y in pairs), any(same_objects)


def state_is_alive(m):
    n = m.nn.Linear(2, 1)
    state = n.state_dict()
    with m.no_grad():
        n.weight.fill_(7)
    return (
        state["weight"],
        state["weight"].requires_grad,
        n.state_dict(keep_vars=True)["weight"] is n.weight,
        type(state).__name__,
    )


def custom_state(m):
    class Extra(m.nn.Module):
        def __init__(self):
            super().__init__()
            self.number = 1

        def get_extra_state(self):
            return {"number": self.number}

        def set_extra_state(self, state):
            self.number = state["number"]

    a, b = Extra(), Extra()
    a.number = 5
    b.load_state_dict(a.state_dict())
    return b.number, list(a.state_dict())


def state_hooks(m):
    n = m.nn.Linear(2, 1)
    n.register_state_dict_pre_hook(lambda mod, prefix, keep: setattr(mod, "saw", prefix))
    n.register_load_state_dict_post_hook(lambda mod, keys: keys.missing_keys.clear())
    outcome = n.load_state_dict({"weight": m.zeros(1, 2)})
    n.state_dict(prefix="a.")
    return n.saw, outcome.missing_keys, n.weight


def hooks_removed(m):
    n, seen = m.nn.Linear(1, 1), []
    a = n.register_forward_hook(lambda *_: seen.append("a"))
    n.register_forward_hook(lambda *_: seen.append("b"), prepend=True)
    n.register_forward_hook(lambda *_: seen.append("always"), always_call=True)
    n(m.ones(1, 1))
    a.remove()
    a.remove()
    n(m.ones(1, 1))
    try:
        n(m.ones(1, 5))
    except RuntimeError:
        seen.append("error")
    return seen


def global_hooks(m):
    from importlib import import_module

    module = import_module(m.__name__ + ".nn.modules.module")
    seen = []
    handles = [
        module.register_module_forward_hook(lambda mod, a, out: seen.append(type(mod).__name__)),
        module.register_module_forward_pre_hook(lambda mod, a: seen.append("before")),
    ]
    try:
        m.nn.Sequential(m.nn.ReLU())(m.ones(1))
    finally:
        for h in handles:
            h.remove()
    m.nn.ReLU()(m.ones(1))
    return seen


PROGRAMS = table(
    lambda m: [n for n, _ in net(m).named_parameters()],
    lambda m: [n for n, _ in net(m).named_parameters(prefix="p", recurse=False)],
    lambda m: [n for n, _ in net(m).named_buffers()],
    lambda m: [(n, type(x).__name__) for n, x in net(m).named_modules()],
    lambda m: [(n, type(x).__name__) for n, x in net(m).named_children()],
    lambda m: [
        len(list(net(m).parameters())),
        len(list(net(m).children())),
        len(list(net(m).modules())),
        len(list(net(m).buffers())),
    ],
    lambda m: [
        [n for n, _ in tied(m).named_parameters()],
        [n for n, _ in tied(m).named_modules()],
        [n for n, _ in tied(m).named_parameters(remove_duplicate=False)],
    ],
    lambda m: saw(m, "apply"),
    lambda m: dict(net(m).state_dict()),
    lambda m: list(net(m).state_dict(prefix="x.")),
    lambda m: list(tied(m).state_dict()),
    lambda m: repr(net(m)),
    lambda m: repr(m.nn.Sequential()),
    lambda m: repr(m.nn.ModuleList([m.nn.Linear(1, 1), m.nn.Linear(1, 1), m.nn.ReLU()])),
    lambda m: repr(m.nn.ModuleDict({"a": m.nn.ReLU()})),
    lambda m: net(m)._get_name(),
    attributes,
    trained,
    moved,
    moved_with_grad,
    frozen,
    copied,
    copied_tied,
    loaded_into_other,
    state_is_alive,
    custom_state,
    state_hooks,
    hooks_removed,
    global_hooks,
    lambda m: keys(net(m).load_state_dict(net(m).state_dict())),
    lambda m: keys(net(m).load_state_dict(replaced(m, scale=None, odd=m.ones(1)), strict=False)),
    lambda m: net(m).load_state_dict(replaced(m, scale=None, odd=m.ones(1))),
    lambda m: net(m).load_state_dict({}),
    lambda m: net(m).load_state_dict(replaced(m, first__weight=m.ones(2, 2))),
    lambda m: net(m).load_state_dict(replaced(m, first__weight=m.ones(2, 2), strange__deep=m.ones(1)), strict=False),
    lambda m: net(m).load_state_dict(replaced(m, first__weight=3)),
    lambda m: net(m).load_state_dict([1]),
    lambda m: (
        net(m).load_state_dict(replaced(m, first__weight=m.ones(3, 2, dtype=m.float64))) and net(m).first.weight.dtype
    ),
    lambda m: [n.load_state_dict(replaced(m, scale=m.full((1,), 2.0)), assign=True) and n.scale for n in [net(m)]],
    lambda m: net(m).get_parameter("first.weight").shape,
    lambda m: repr(net(m).get_submodule("rest.0")),
    lambda m: net(m).get_submodule("rest.7"),
    lambda m: net(m).get_submodule("scale"),
    lambda m: net(m).get_parameter("seen"),
    lambda m: net(m).get_buffer("seen"),
    lambda m: net(m).get_buffer("scale"),
    lambda m: net(m).missing,
    lambda m: net(m).register_buffer("first", m.ones(1)),
    lambda m: net(m).register_buffer("a.b", m.ones(1)),
    lambda m: net(m).register_buffer("", m.ones(1)),
    lambda m: net(m).register_buffer(3, m.ones(1)),
    lambda m: net(m).register_buffer("a", 3),
    lambda m: net(m).register_parameter("first", m.nn.Parameter(m.ones(1))),
    lambda m: net(m).register_parameter("x", m.ones(1)),
    lambda m: net(m).register_parameter("x", 3),
    lambda m: net(m).add_module("scale", m.nn.ReLU()),
    lambda m: net(m).add_module("x", 3),
    lambda m: net(m).add_module("x.y", m.nn.ReLU()),
    lambda m: assigned(m, "scale", lambda m: m.ones(1)),
    lambda m: assigned(m, "scale", lambda m: 3),
    lambda m: assigned(m, "first", lambda m: 3),
    lambda m: assigned(m, "seen", lambda m: 3),
    lambda m: assigned(m, "anything", lambda m: m.ones(1)),
    lambda m: before_init(m, lambda m: m.nn.Parameter(m.ones(1))),
    lambda m: before_init(m, lambda m: m.nn.Linear(1, 1)),
    lambda m: before_init(m, lambda m: 3),
    lambda m: m.nn.Module()(1),
    lambda m: m.nn.Module(3),
    lambda m: m.nn.Module(a=3),
    lambda m: m.nn.Linear(2, 1)(3),
    lambda m: m.nn.Linear(2, 1)(),
    lambda m: m.nn.Linear(2, 1)(m.ones(1, 2), 3),
    lambda m: m.nn.Linear(2),
    lambda m: m.nn.Linear(2, 1, colour=3),
    lambda m: m.nn.Sequential(3),
    lambda m: m.nn.Sequential(m.nn.ReLU())[3],
    lambda m: net(m).to(m.int64),
    lambda m: net(m).to("cuda"),
    lambda m: net(m).train("yes"),
    lambda m: m.nn.Parameter(m.tensor([1])),
    lambda m: [
        type(m.nn.Parameter(m.ones(1)) * 2).__name__,
        type(m.nn.Parameter(m.ones(1)).data).__name__,
        type(m.nn.Parameter(m.ones(1)).detach()).__name__,
    ],
    lambda m: [
        p.requires_grad
        for p in (
            m.nn.Parameter(m.ones(1)),
            m.nn.Parameter(m.ones(1), False),
            m.nn.Parameter(m.ones(1, requires_grad=True) * 2),
        )
    ],
    lambda m: [
        len(m.nn.ParameterList([m.ones(1), m.ones(2)])),
        [n for n, _ in m.nn.ParameterDict({"a": m.ones(1)}).named_parameters()],
    ],
)


@pytest.mark.parametrize("function", PROGRAMS)
def test_programs(torch, both, function):
    same(function, torch)


class Pickled(flambeau.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = flambeau.nn.Linear(2, 2)
        self.twin = self.layer
        self.register_buffer("seen", flambeau.ones(1))

    def forward(self, x):
        return self.layer(x)


def test_pickle(both):
    before = Pickled().eval()
    after = pickle.loads(pickle.dumps(before))
    x = flambeau.rand(3, 2)
    assert (after(x) == before(x)).all() and after.twin is after.layer and not after.training
    assert isinstance(after.layer.weight, flambeau.nn.Parameter) and after.layer.weight.requires_grad
    after(x).sum().backward()
    assert after.layer.weight.grad is not None and before.layer.weight.grad is None


def test_a_module_without_hooks_stays_on_the_short_path():
    layer = flambeau.nn.Linear(1, 1)
    handle = layer.register_forward_hook(lambda *_: None)
    assert layer(flambeau.ones(1, 1)).shape == (1, 1)
    handle.remove()
    assert layer(flambeau.ones(1, 1)).shape == (1, 1)
