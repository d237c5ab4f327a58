"""The bits of integers, and divisors."""
from __future__ import annotations

from typing import Any

from ._checks import refusing, tensors_only
from ._op import S, T, op
from ._rules import broadcast, same

BITS = "torch method inplace out"
WHOLE = [(S(2, 3, dtype="int64", high=9), S(3, dtype="int64", high=9)), (S(4, dtype="int32", high=9), 3)]
BOTH = [(S(2, 3, dtype="int64", high=9), S(3, dtype="int64", high=9)), (S(4, dtype="bool"), True)]
WRONG = [((S(2), S(2)), NotImplementedError, "not implemented for 'Float'")]


@op(refusing("fc", "bitwise_not_cpu", same), api=BITS, cases=[(S(3, dtype="int64"),), (S(3, dtype="bool"),)],
    wrong=[((S(2),), NotImplementedError, "\"bitwise_not_cpu\" not implemented for 'Float'")])
def bitwise_not(xp, input: T):
    """Each bit turned over; for bool, not."""
    return ~input


@op(refusing("fc", "bitwise_and_cpu", broadcast), promote=True, number_first=True, api=BITS, cases=BOTH, wrong=WRONG)
def bitwise_and(xp, input: T, other: T):
    """The bits that both have."""
    return input & other


@op(refusing("fc", "bitwise_or_cpu", broadcast), promote=True, number_first=True, api=BITS, cases=BOTH, wrong=WRONG)
def bitwise_or(xp, input: T, other: T):
    """The bits that at least one has."""
    return input | other


@op(refusing("fc", "bitwise_xor_cpu", broadcast), promote=True, number_first=True, api=BITS, cases=BOTH, wrong=WRONG)
def bitwise_xor(xp, input: T, other: T):
    """The bits that exactly one has."""
    return input ^ other


def _within(xp: Any, input: Any, other: Any) -> tuple[Any, Any, int]:
    """Both operands, the shift kept below the width, and the width: shifting by more is left to the caller."""
    dtype = (input if hasattr(input, "dtype") else other).dtype
    bits = 8 * dtype.itemsize
    input, other = xp.asarray(input, dtype=dtype), xp.asarray(other, dtype=dtype)
    return input, other, bits


@op(refusing("bfc", "lshift_cpu", broadcast), promote=True, number_first=True, api=BITS, cases=WHOLE, wrong=WRONG)
def bitwise_left_shift(xp, input: T, other: T):
    """`input * 2 ** other`, as bits move up; 0 once all have moved out."""
    input, other, bits = _within(xp, input, other)
    out = (other < 0) | (other >= bits)
    return xp.where(out, xp.zeros_like(input), input << xp.where(out, xp.zeros_like(other), other))


@op(refusing("bfc", "rshift_cpu", broadcast), promote=True, number_first=True, api=BITS, cases=WHOLE, wrong=WRONG)
def bitwise_right_shift(xp, input: T, other: T):
    """`input / 2 ** other` rounded down, as bits move down; only the sign is left once all have moved out."""
    input, other, bits = _within(xp, input, other)
    last = xp.asarray(bits - 1, dtype=other.dtype)
    out = (other < 0) | (other > last)
    gone = input >> last if input.dtype.kind == "i" else xp.zeros_like(input)
    return xp.where(out, gone, input >> xp.where(out, xp.zeros_like(other), other))


@op(tensors_only("gcd", refusing("bfc", "gcd_cpu", broadcast)), promote=True, api="torch method inplace out",
    cases=[(S(2, 3, dtype="int64", low=-9, high=9), S(3, dtype="int64", low=-9, high=9))])
def gcd(xp, input: T, other: T):
    """The largest integer that divides both; never negative."""
    return xp.gcd(input, other)


def _unsigned(xp, *operands):
    """The absolute values as they are, that of the lowest integer too: JAX's loop does not end for a negative one."""
    return [xp.abs(x).astype(f"uint{8 * x.dtype.itemsize}") for x in map(xp.asarray, operands)]


@gcd.lower("xla")
def _gcd_xla(xp, input, other):
    return xp.gcd(*_unsigned(xp, input, other))


@op(tensors_only("lcm", refusing("bfc", "lcm_cpu", broadcast)), promote=True, api="torch method inplace out",
    cases=[(S(2, 3, dtype="int64", low=-9, high=9), S(3, dtype="int64", low=-9, high=9))])
def lcm(xp, input: T, other: T):
    """The smallest positive integer that both divide; 0 if one is 0."""
    return xp.lcm(input, other)


@lcm.lower("xla")
def _lcm_xla(xp, input, other):
    a, b = _unsigned(xp, input, other)
    return a // xp.maximum(xp.gcd(a, b), 1) * b
