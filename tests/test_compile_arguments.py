"""flambeau.compile: arguments and results of all forms, their memory and identity."""


import pytest
from replays import bits, both_ways, lazy  # noqa: F401

import flambeau as torch
from flambeau import nn

F = nn.functional
pytestmark = pytest.mark.usefixtures("lazy")


def test_trees_of_arguments():
    def f(a, b, c, *, scale, more):
        total = a * scale + b[0].sum() + b[1]["x"].float().sum() + more["k"][0]
        return {"t": total, "l": [a, (total.T.exp(), None, "s")], "n": (1, 2.5)}

    g = torch.compile(f)
    for i in range(8):
        dtype = (torch.float32, torch.float64)[i % 2]
        shape = (2, 3) if i % 3 else (1, 2)
        args = (
            torch.randn(shape, dtype=dtype), (torch.randn(2), {"x": torch.arange(3)}), None,
        )  # fmt: skip
        words = {"scale": 2.0, "more": {"k": [torch.randn(())]}}
        expected, found = f(*args, **words), g(*args, **words)
        assert bits(expected) == bits(found)
        assert found["l"][0] is args[0] and isinstance(found["l"][1], tuple)
    assert g.replays == 4


def test_plain_arguments():
    def f(x, n, flag, zero=0.0):
        return (x / zero if flag else x * n) + n

    g = torch.compile(f)
    x = torch.ones(2)
    for args in [(x, 1, True), (x, 1.0, True), (x, True, True), (x, 2, False), (x, 1, True, -0.0), (x, 1, True)] * 2:
        assert bits(f(*args)) == bits(g(*args))
    named = __import__("collections").namedtuple("named", "a b")
    h = torch.compile(lambda t: named(t.b, t.a * 2))
    for _ in range(3):
        found = h(named(x, x + 1))
        assert type(found) is named and bits(found) == bits(named(x + 1, x * 2))
    assert h.replays == 2


def test_returned_identity():
    """What is one tensor stays one; an argument comes back itself."""
    f = torch.compile(lambda x: (x, x + 1))
    g = torch.compile(lambda x: (lambda y: (y, [y]))(x * 2))
    for _ in range(3):
        x = torch.ones(2)
        a, b = f(x)
        assert a is x
        b.add_(1)
        y, (z,) = g(x)
        assert y is z
        y.add_(1)
        assert bits(z) == bits(torch.full((2,), 3.0)) and bits(x) == bits(torch.ones(2))
    assert f.replays == g.replays == 2


def test_returned_views():
    """A view shares memory with what it looks into, also when both are returned, or when it looks into an argument."""

    def pair(x):
        y = x * 2
        return y, y[0]

    def look(x):
        return x[0]

    def rows(x):
        y = x * 2
        return y.T

    for f in (pair, look, rows):
        for way in (f, torch.compile(f)):
            out = []
            for _ in range(4):
                x = torch.ones(2, 3)
                found = way(x)
                first = found[1] if isinstance(found, tuple) else found
                first.add_(1)
                out.append(bits([x, found]))
            if way is f:
                expected = out
        assert out == expected


def test_writes_to_arguments():
    def make():
        total, count = torch.zeros(3), torch.zeros((), dtype=torch.int64)

        def f(x, y):
            x.mul_(2)
            x[0] = 5
            y[:, 0] += 1
            total.add_(x.sum(0))
            count.add_(1)
            return x + 1

        held = []

        def inputs(i):
            held[:] = [torch.randn(4, 3), torch.randn(4, 2)]
            return held

        return f, lambda: (total.clone(), count.clone(), [t.clone() for t in held]), inputs

    both_ways(make)


def test_writes_through_views():
    """Arguments that look into other tensors, into each other, or into what the function reads."""
    base = torch.zeros(4, 3)

    def bump(x, y):
        x.add_(1)
        return y * 2, base.sum()

    outcomes = []
    for f in (bump, torch.compile(bump)):
        base.zero_()
        rows = []
        data = torch.zeros(6, 3)
        for i in range(6):
            for args in [
                (data[i], data[5 - i]), (data[i], data), (data, data[i]), (base[i % 4], data), (base, base[0]),
                (torch.ones(3), torch.ones(3)), (torch.ones(3), base[1]), (base.T, base),
            ]:  # fmt: skip
                rows.append(bits([f(*args), data, base]))
        outcomes.append(rows)
    assert outcomes[0] == outcomes[1]


def test_parameter_as_argument():
    """A tensor that the function also reads by name may be an argument, and then another."""
    w = torch.ones(3)

    def f(x):
        w.add_(1)
        return x * 2 + w

    outcomes = []
    for g in (f, torch.compile(f)):
        w.fill_(1)
        other = torch.zeros(3)
        outcomes.append([bits([g(t), w, other]) for t in (w, other, w, other, other, w[:], w)])
    assert outcomes[0] == outcomes[1]


def test_argument_on_a_tape():
    """A computed argument passes the gradient on; a leaf collects it."""

    def f(x):
        loss = (x * x).sum()
        loss.backward()
        return loss.detach()

    outcomes = []
    for g in (f, torch.compile(f)):
        rows = []
        leaf = torch.ones(2, requires_grad=True)
        for i in range(8):
            x = leaf * 3 if i in (2, 3, 5) else torch.full((2,), 2.0, requires_grad=True)
            rows.append(bits([g(x), leaf.grad, x.grad if x.is_leaf else None]))
        outcomes.append(rows)
    assert outcomes[0] == outcomes[1]


def test_same_memory_different_tensors():
    """Two arguments that stand on one node are still two."""
    f = torch.compile(lambda a, b: a - b)
    x = torch.ones(2)
    y = torch.zeros(2).copy_(x)
    z = torch.zeros(2)
    z.data = x
    assert f(x, z).sum().item() == 0
    assert f(x, y).sum().item() == 0
    assert f(x, torch.zeros(2)).sum().item() == 2


def test_swapping_values():
    def make():
        a, b = torch.ones(2), torch.zeros(2)

        def f(x, y):
            old = a.clone()
            a.copy_(b + 1)
            b.copy_(old)
            return a + b

        return f, lambda: (a.clone(), b.clone())

    both_ways(make)


def test_exchange_of_data():
    def make():
        a, b = torch.ones(2), torch.zeros(2)

        def f(x, y):
            a.data, b.data = b.data, a.data
            return a + 2 * b

        return f, lambda: (a.clone(), b.clone())

    both_ways(make, replays=0)


def test_constants_are_made_anew():
    def f(x):
        made = torch.zeros(2)
        made[0] = 7
        table = torch.tensor([1.0, 2.0])
        return made, table, x + table

    g = torch.compile(f)
    for _ in range(4):
        made, table, total = g(torch.ones(2))
        assert bits([made, table, total]) == bits(f(torch.ones(2)))
        made.add_(1), table.mul_(0)


def test_returned_leaf_collects():
    @torch.compile
    def f(x):
        return x.detach().clone().requires_grad_()

    for _ in range(3):
        x = f(torch.ones(2))
        (x * 3).sum().backward()
        assert x.grad.tolist() == [3, 3]


def test_gradient_is_the_same_tensor():
    w = torch.ones(2, requires_grad=True)

    @torch.compile
    def f(x):
        (w * x).sum().backward()

    f(torch.ones(2))
    held = w.grad
    for i in range(4):
        f(torch.ones(2))
        assert held is w.grad and held.tolist() == [i + 2.0] * 2
