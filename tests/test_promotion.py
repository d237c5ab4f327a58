"""Dtypes: promotion of operators over all pairs, in place, with Python's numbers; conversions; the default dtype."""

from __future__ import annotations

import operator

import numpy as np
import pytest
from side_by_side import same

DTYPES = [
    "bool",
    "uint8",
    "int8",
    "int16",
    "int32",
    "int64",
    "float16",
    "bfloat16",
    "float32",
    "float64",
    "complex64",
    "complex128",
]
OPERATORS = [
    "add",
    "sub",
    "mul",
    "truediv",
    "floordiv",
    "mod",
    "pow",
    "and_",
    "or_",
    "xor",
    "lshift",
    "rshift",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
]


def operands(m, kind):
    """A vector and a 0-d tensor of a dtype, of values on which no operator overflows or divides by zero."""
    kind = getattr(m, kind)
    return m.tensor([1, 2, 3]).to(kind), m.tensor(2).to(kind)


def operated(m, name, a, b):
    try:
        return getattr(operator, name)(a, b)
    except (TypeError, RuntimeError, NotImplementedError) as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0]}"


@pytest.mark.parametrize("name", OPERATORS)
def test_promotion_of_operators(torch, name):
    """All pairs of dtypes, with and without dimensions, and Python's numbers on both sides."""

    def all_pairs(m):
        found = {}
        complex_half = (
            {f"float16 {b}" for b in ("0-d complex64", "0-d complex128", "2j")}
            | {"2j float16", "0-d float16 2j"}
            | {f"0-d {a} float16" for a in ("complex64", "complex128")}
        )
        for a in DTYPES:
            vector, scalar = operands(m, a)
            for b in DTYPES:
                other_vector, other_scalar = operands(m, b)
                found[f"{a} {b}"] = operated(m, name, vector, other_vector)
                found[f"{a} 0-d {b}"] = operated(m, name, vector, other_scalar)
                found[f"0-d {a} {b}"] = operated(m, name, scalar, other_vector)
                found[f"0-d {a} 0-d {b}"] = operated(m, name, scalar, other_scalar)
            for number in (True, 2, 2.0, 2j):
                found[f"{a} {number}"] = operated(m, name, vector, number)
                found[f"{number} {a}"] = operated(m, name, number, vector)
                found[f"0-d {a} {number}"] = operated(m, name, scalar, number)
        # PyTorch makes its experimental complex32 of these, which does not exist here.
        return {key: value for key, value in found.items() if key not in complex_half}

    same(all_pairs, torch)


@pytest.mark.parametrize(
    "name", ["iadd", "isub", "imul", "itruediv", "ifloordiv", "imod", "ipow", "iand", "ior", "ixor"]
)
def test_promotion_in_place(torch, name):
    def all_pairs(m):
        return {
            f"{a} {b}": operated(m, name, operands(m, a)[0], operands(m, b)[0] if isinstance(b, str) else b)
            for a in DTYPES
            for b in [*DTYPES, True, 2, 2.0, 2j]
            if (a, b) != ("float16", 2j)
        }

    same(all_pairs, torch)


def test_promotion_tables(torch):
    same(
        lambda m: {
            f"{a} {b}": [
                m.promote_types(getattr(m, a), getattr(m, b)),
                m.can_cast(getattr(m, a), getattr(m, b)),
                m.result_type(operands(m, a)[0], operands(m, b)[1]),
                m.result_type(operands(m, a)[1], 2.0),
            ]
            for a in DTYPES
            for b in DTYPES
            if (a, b[:7]) != ("float16", "complex")
        },
        torch,
    )


@pytest.mark.parametrize("name", ["neg", "invert", "abs", "pos"])
def test_unary_operators(torch, name):
    def all_kinds(m):
        found = {}
        for kind in DTYPES:
            try:
                found[kind] = getattr(operator, name)(operands(m, kind)[0])
            except (TypeError, RuntimeError) as error:
                found[kind] = f"{type(error).__name__}: {str(error).splitlines()[0]}"
        return found

    same(all_kinds, torch)


def test_conversions_between_all_dtypes(torch):
    def all_pairs(m):
        return {
            f"{a} {b}": m.tensor([0, 1, 2, 100]).to(getattr(m, a)).to(getattr(m, b)) for a in DTYPES for b in DTYPES
        }

    same(all_pairs, torch)


def test_default_dtype(torch):
    def with_double(m):
        m.set_default_dtype(m.float64)
        try:
            return [
                m.tensor(1.5),
                m.ones(2),
                m.tensor([1]) / 2,
                m.tensor([1]) + 1.5,
                m.tensor(2j),
                m.rand(3),
                m.arange(0, 1, 0.5),
                repr(m.ones(1)),
                repr(m.ones(1, dtype=m.float32)),
                m.Tensor([1, 2]),
                m.nn.Linear(2, 1).weight,
                m.get_default_dtype(),
                m.full((1,), 2.0),
                m.eye(2),
                m.linspace(0, 1, 3),
                m.tensor(np.float32(2)),
            ]
        finally:
            m.set_default_dtype(m.float32)

    same(with_double, torch)
    for bad in (lambda m: m.set_default_dtype(m.int64), lambda m: m.set_default_dtype("float32")):
        same(bad, torch)
