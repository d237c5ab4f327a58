"""One table, which is the registry: rule against value, gradients of first and second order against differences,
forms, errors."""

import zlib

import numpy as np
import pytest

import flambeau
from flambeau.backends import numpy as backend
from flambeau.dtypes import dtype as Dtype
from flambeau.engine import engine
from flambeau.ops import Op, registry
from flambeau.ops._op import S, Sample
from flambeau.tensor import Tensor, from_array

STEP = 1e-6


def split(case):
    return (case[:-1], case[-1]) if case and isinstance(case[-1], dict) else (case, {})


def standard(op):
    """Samples for operations that only have operands."""
    needed = [p for p in op.parameters if p.default is __import__("inspect").Parameter.empty]
    if all(p.operand and not p.sequence for p in needed):
        if len(needed) == 1:
            return [(S(2, 3),), (S(),), (S(0, 3),)]
        if len(needed) == 2:
            return [(S(2, 3), S(3)), (S(2, 1), S(1, 3)), (S(), S(2))]
    return []


def table():
    for op in registry.values():
        cases = op.cases or (standard(op) if isinstance(op, Op) else [])
        for i, case in enumerate(cases):
            yield pytest.param(op, case, id=f"{op.name}-{i}")


def array_for(sample, seed, wide):
    rng = np.random.default_rng(zlib.crc32(f"{seed}{sample}".encode()))
    kind = Dtype.by_name[sample.dtype]
    if kind.category < 2:
        high = 2 if sample.dtype == "bool" else sample.high
        return rng.integers(sample.low, high, sample.shape).astype(kind.numpy)
    wide_name = (
        {"float32": "float64", "complex64": "complex128"}.get(sample.dtype, sample.dtype) if wide else sample.dtype
    )
    value = rng.uniform(sample.low, sample.high, sample.shape)
    if kind.is_complex:
        value = value + 1j * rng.uniform(sample.low, sample.high, sample.shape)
    return np.asarray(value).astype(Dtype.by_name[wide_name].numpy)


def arguments(case, wide=False, grad=False):
    """The case's samples as tensors; also those among them that need a gradient."""
    leaves = []

    def made(a, place):
        if isinstance(a, Sample):
            t = from_array(array_for(a, place, wide))
            if grad and t.is_floating_point():
                leaves.append(t.requires_grad_())
            return t
        if isinstance(a, (list, tuple)):
            return type(a)(made(v, f"{place}.{i}") for i, v in enumerate(a))
        return a

    args, words = split(case)
    return [made(a, i) for i, a in enumerate(args)], {k: made(v, k) for k, v in words.items()}, leaves


def call(op, args, words):
    found = op.public(*args, **words) if isinstance(op, Op) else op.function(*args, **words)
    return list(found) if isinstance(found, (tuple, list)) else [found]


def outputs(op, case, **how):
    args, words, leaves = arguments(case, **how)
    return [o for o in call(op, args, words) if isinstance(o, Tensor)], leaves


@pytest.mark.parametrize("op, case", list(table()))
def test_value_fits_the_rule(op, case):
    """FLAMBEAU_CHECK compares each computed value with what the rule said; lazily and at once the results are equal."""
    before = engine.bound
    found = []
    try:
        for engine.bound in (float("inf"), 0):
            found.append([np.array(o.detach()._value()) for o in outputs(op, case)[0]])
    finally:
        engine.bound = before
    for lazy, eager in zip(*found, strict=True):
        np.testing.assert_array_equal(lazy, eager)


@pytest.mark.parametrize("op, case", list(table()))
def test_generated_programs_agree(op, case, monkeypatch):
    """Interpreted once, then as generated source that reuses memory: the same values and gradients each time, and
    none written over."""
    monkeypatch.setattr(backend, "CHECK", False)
    monkeypatch.setattr(backend, "SMALL", -1)
    monkeypatch.setattr(engine, "programs", type(engine.programs)())
    monkeypatch.setattr(engine, "bound", float("inf"))
    found = []
    for _ in range(3):
        args, words, leaves = arguments(case, grad=differentiable(op))
        given = [np.array(t.detach()._value()) for t in leaves]
        outs = [
            o
            for o in call(op, [a * 1.0 if any(a is t for t in leaves) else a for a in args], words)
            if isinstance(o, Tensor)
        ]
        top = weighted(outs) if differentiable(op) and leaves and not lacking(op, case) else None
        if top is not None and top.requires_grad:
            top.backward()
        values = [np.array(o.detach()._value()) for o in outs] + [
            np.array(t.grad._value()) for t in leaves if t.grad is not None
        ]
        for before, t in zip(given, leaves, strict=True):
            np.testing.assert_array_equal(before, np.array(t.detach()._value()))
        found.append(values)
    for later in found[1:]:
        for first, again in zip(found[0], later, strict=True):
            np.testing.assert_allclose(again, first, rtol=1e-5, atol=1e-6)


def differentiable(op):
    return not isinstance(op, Op) or bool(op.grads)


def weighted(outs):
    """A number that depends on every element of every differentiable result."""
    total = None
    for k, o in enumerate(outs):
        if o.requires_grad:
            w = from_array(np.cos(np.arange(o.numel()) + k).reshape(tuple(o.shape)))
            o = flambeau.view_as_real(o).sum(-1) if o.is_complex() else o
            part = (o * w).sum()
            total = part if total is None else total + part
    return total


def directional(function, leaves, directions):
    """The slope of `function` along `directions` by a central difference."""
    values = [np.array(t.detach()._value()) for t in leaves]
    ends = []
    for sign in (1, -1):
        for t, v, d in zip(leaves, values, directions, strict=True):
            t.data = from_array(v + sign * STEP * d)
        ends.append(function())
    for t, v in zip(leaves, values, strict=True):
        t.data = from_array(v)
    return (ends[0] - ends[1]) / (2 * STEP)


# PyTorch has no derivative for the first operand of these either, and says so.
WITHOUT = {"igamma", "igammac", "_special_zeta"}


def lacking(op, case):
    return op.name in WITHOUT and isinstance(case[0], Sample)


@pytest.mark.parametrize("op, case", [p for p in table() if lacking(*p.values)])
def test_missing_derivatives_say_so(op, case):
    args, words, leaves = arguments(case, wide=True, grad=True)
    with pytest.raises(NotImplementedError, match="derivative for .* is not implemented"):
        flambeau.autograd.grad(weighted(call(op, args, words)), leaves)


@pytest.mark.parametrize("op, case", [p for p in table() if differentiable(p.values[0]) and not lacking(*p.values)])
def test_gradients(op, case):
    """First and second order against central differences along one direction, in float64."""
    args, words, leaves = arguments(case, wide=True, grad=True)
    if not leaves or any(t.numel() == 0 for t in leaves):
        pytest.skip("nothing to differentiate")

    def again():
        return weighted([o for o in call(op, args, words) if isinstance(o, Tensor)])

    top = again()
    if top is None:
        return
    rng = np.random.default_rng(1)
    directions = [rng.uniform(-1, 1, tuple(t.shape)) for t in leaves]

    def dot(parts):
        return sum((p * from_array(d)).sum() for p, d in zip(parts, directions, strict=True) if p is not None)

    first = flambeau.autograd.grad(top, leaves, create_graph=True, allow_unused=True)
    slope = dot(first)
    expected = directional(lambda: float(again().item()), leaves, directions)
    got = float(slope.item()) if isinstance(slope, Tensor) else float(slope)
    np.testing.assert_allclose(got, expected, rtol=2e-5, atol=2e-6, err_msg="first order")
    if not isinstance(slope, Tensor) or not slope.requires_grad:
        return
    second = flambeau.autograd.grad(slope, leaves, allow_unused=True)
    got = float(
        sum(float((p * from_array(d)).sum().item()) for p, d in zip(second, directions, strict=True) if p is not None)
    )

    def slope_now():
        parts = flambeau.autograd.grad(again(), leaves, allow_unused=True)
        return float(
            sum(
                float((p * from_array(d)).sum().item()) for p, d in zip(parts, directions, strict=True) if p is not None
            )
        )

    np.testing.assert_allclose(
        got, directional(slope_now, leaves, directions), rtol=2e-4, atol=2e-5, err_msg="second order"
    )


@pytest.mark.parametrize("op, case", [p for p in table() if "inplace" in p.values[0].api or "out" in p.values[0].api])
def test_forms_agree(op, case):
    """`name_` and `out=` give what the function gives."""
    plain, _ = outputs(op, case)
    if len(plain) != 1:
        pytest.skip("several results")
    expected = np.array(plain[0]._value())
    if "out" in op.api and op.name in vars(flambeau):
        args, words, _ = arguments(case)
        out = flambeau.empty(0, dtype=plain[0].dtype)
        getattr(flambeau, op.name)(*args, out=out, **words)
        np.testing.assert_array_equal(np.array(out._value()), expected)
    if "inplace" in op.api:
        args, words, _ = arguments(case)
        if isinstance(args[0], Tensor) and args[0].shape == plain[0].shape and args[0].dtype is plain[0].dtype:
            version = args[0]._version
            result = getattr(args[0], op.name + "_")(*args[1:], **words)
            assert result is args[0] and args[0]._version > version
            np.testing.assert_array_equal(np.array(args[0]._value()), expected)


@pytest.mark.parametrize(
    "op, case, kind, text",
    [
        pytest.param(op, case, kind, text, id=f"{op.name}-wrong-{i}")
        for op in registry.values()
        for i, (case, kind, text) in enumerate(op.wrong)
    ],
)
def test_errors(op, case, kind, text):
    """What is wrong raises PyTorch's type with its words."""
    args, words, _ = arguments(case)
    with pytest.raises(kind) as caught:
        for o in call(op, args, words):
            if isinstance(o, Tensor):
                o._value()
    assert text in str(caught.value)


def test_table_is_complete():
    """Every operation that PyTorch's users can call has cases, or is one the standard cases fit."""
    bare = [op.name for op in registry.values() if isinstance(op, Op) and op.api and not op.cases and not standard(op)]
    assert not bare, f"operations without cases: {bare}"


def test_docstrings():
    """Every public operation says what it computes."""
    assert not [op.name for op in registry.values() if not (op.__doc__ or "").strip()]
