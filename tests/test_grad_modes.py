"""The switches of the tape: no_grad, enable_grad, inference_mode, set_grad_enabled; in generators and threads."""

from __future__ import annotations

import threading

import pytest
from side_by_side import same, table

import flambeau


def leaf(m, *values):
    return m.tensor(values or [1.0, 2.0, 3.0], requires_grad=True)


def contexts(m):
    x = leaf(m)
    found = []
    with m.no_grad():
        found.append((x * 2).requires_grad)
        with m.enable_grad():
            found.append((x * 2).requires_grad)
        found.append(m.is_grad_enabled())
        y = m.ones(2, requires_grad=True)
        found.append(y.requires_grad)
    with m.set_grad_enabled(False):
        found.append((x * 2).requires_grad)
        with m.set_grad_enabled(True):
            found.append((x * 2).requires_grad)
    m.set_grad_enabled(False)
    found.append((x * 2).requires_grad)
    m.set_grad_enabled(True)
    found.append((x * 2).requires_grad)
    return found


def inference(m):
    x = leaf(m)
    with m.inference_mode():
        y = x * 2
        found = [y.requires_grad, m.is_inference_mode_enabled(), m.is_grad_enabled()]
        with m.inference_mode(False):
            found.append(m.is_inference_mode_enabled())
    return [*found, m.is_inference_mode_enabled()]


def decorators(m):
    x = leaf(m)

    @m.no_grad()
    def a():
        return (x * 2).requires_grad

    @m.no_grad
    def b():
        return (x * 2).requires_grad

    @m.enable_grad()
    def c():
        return (x * 2).requires_grad

    @m.inference_mode()
    def d():
        return (x * 2).requires_grad, m.is_inference_mode_enabled()

    @m.set_grad_enabled(False)
    def e():
        return (x * 2).requires_grad

    with m.no_grad():
        inside = c()
    return [a(), b(), c(), inside, d(), e(), m.is_grad_enabled(), a.__name__]


def generators(m):
    x = leaf(m)

    @m.no_grad()
    def values():
        got = yield (x * 2).requires_grad
        yield got, (x * 2).requires_grad, m.is_grad_enabled()
        return 5

    run = values()
    first = next(run)
    between = (x * 2).requires_grad
    second = run.send("sent")
    try:
        next(run)
    except StopIteration as end:
        return first, between, second, end.value, m.is_grad_enabled()


def after_an_error(m):
    x = leaf(m)
    try:
        with m.no_grad():
            raise ValueError
    except ValueError:
        return (x * 2).requires_grad, m.is_grad_enabled()


SWITCHES = table(contexts, inference, decorators, generators, after_an_error)


@pytest.mark.parametrize("function", SWITCHES)
def test_switches(torch, both, function):
    same(function, torch)


def test_generators_under_no_grad_can_be_closed_and_thrown_into(both):
    closed = []

    @flambeau.no_grad()
    def values():
        try:
            yield flambeau.is_grad_enabled()
            yield 2
        except KeyError:
            yield "caught", flambeau.is_grad_enabled()
        finally:
            closed.append(flambeau.is_grad_enabled())

    run = values()
    assert next(run) is False
    assert run.throw(KeyError()) == ("caught", False)
    run.close()
    assert closed == [False] and flambeau.is_grad_enabled()


def test_switches_are_of_one_thread(both):
    seen = []

    def work():
        seen.append(flambeau.is_grad_enabled())
        with flambeau.no_grad():
            started.set()
            finish.wait(10)

    started, finish = threading.Event(), threading.Event()
    with flambeau.no_grad():
        thread = threading.Thread(target=work)
        thread.start()
        started.wait(10)
        assert not flambeau.is_grad_enabled()
    assert flambeau.is_grad_enabled()
    finish.set()
    thread.join()
    assert seen == [True]


def test_gradients_in_threads(both):
    found = {}

    def work(k):
        x = flambeau.ones(3, requires_grad=True)
        for _ in range(20):
            ((x * k) ** 2).sum().backward()
        found[k] = x.grad.tolist()

    threads = [threading.Thread(target=work, args=(k,)) for k in (1, 2, 3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert found == {k: [40.0 * k * k] * 3 for k in (1, 2, 3)}
