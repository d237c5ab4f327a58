"""exp, log, tanh and their like of single precision, as arithmetic without branches: LLVM computes several at once.

The arguments are brought into a short interval, where a polynomial stands for the function, and what was left out is
put back: powers of 2 through the bits of exponents. The polynomials are those whose largest error, relative to the
result, is least (found by Lawson's iteration of weighted least squares). ln(2) comes in two parts, the first with so
few bits that its multiples are exact (W. J. Cody and W. Waite, Software Manual for the Elementary Functions, 1980).
Results are within 2.5 units in the last place of the exact ones, exp and log within 1.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ._elements import Body

HIGH = 355 / 512  # of ln(2)
LOW = math.log(2) - HIGH
SHIFT = 1.5 * 2.0**23  # adding it leaves the nearest integer in the low bits
ONE = 0x3F800000  # the bits of 1.0

# (exp(r) - 1 - r) / r ** 2 for |r| <= ln(2) / 2; the highest power comes first
EXPONENTIAL = (0.0013950724387541413, 0.008369024842977524, 0.04166620224714279, 0.166665181517601, 0.5)
# (log(1 + f) - f + f ** 2 / 2) / f ** 3 for sqrt(1 / 2) <= 1 + f <= sqrt(2)
LOGARITHM = (
    -0.07859545946121216, 0.12881621718406677, -0.13128767907619476, 0.14181196689605713, -0.16624553501605988,
    0.2000228613615036, -0.25000810623168945, 0.33333316445350647,
)  # fmt: skip
# erf(x) / x - 1 in powers of x ** 2, for |x| <= 1
NEAR = (
    7.889119297033176e-05, -0.0008020841050893068, 0.005189535208046436, -0.026854444295167923, 0.11283600330352783,
    -0.3761262595653534, 0.12837916612625122,
)  # fmt: skip
# log(1 - erf(x)) for 1 <= x <= 4
FAR = (
    0.00018677761545404792, -0.002951882779598236, 0.021856334060430527, -0.10314801335334778, -0.6380935311317444,
    -1.1271225214004517, -0.0003326823643874377,
)  # fmt: skip


def number(value: float) -> str:
    """A constant of single precision."""
    return "0x" + struct.pack(">d", float(np.float32(value))).hex().upper()


def bits_of(value: float) -> int:
    """The bits of a number of single precision, as an integer."""
    return int(np.float32(value).view(np.int32))


class Single:
    """Arithmetic on numbers of single precision, written into a body."""

    def __init__(self, body: Body) -> None:
        self.put, self.call = body.put, body.call

    def add(self, a: str, b: str) -> str:
        return self.put(f"fadd float {a}, {b}")

    def sub(self, a: str, b: str) -> str:
        return self.put(f"fsub float {a}, {b}")

    def times(self, a: str, b: str) -> str:
        return self.put(f"fmul float {a}, {b}")

    def over(self, a: str, b: str) -> str:
        return self.put(f"fdiv float {a}, {b}")

    def fused(self, a: str, b: str, c: str) -> str:
        """a * b + c, rounded once where the processor can."""
        return self.put(f"fadd contract float {self.put(f'fmul contract float {a}, {b}')}, {c}")

    def size(self, x: str) -> str:
        return self.call("llvm.fabs.f32", "float", ("float", x))

    def signed(self, x: str, like: str) -> str:
        return self.call("llvm.copysign.f32", "float", ("float", x), ("float", like))

    def choose(self, how: str, a: str, b: str, x: str, y: str) -> str:
        """`x` if the comparison of `a` and `b` holds, else `y`."""
        return self.put(f"select i1 {self.put(f'fcmp {how} float {a}, {b}')}, float {x}, float {y}")

    def within(self, x: str, low: float, high: float) -> str:
        """`x` kept between two numbers; NaN stays NaN."""
        x = self.choose("olt", x, number(low), number(low), x)
        return self.choose("ogt", x, number(high), number(high), x)

    def polynomial(self, x: str, coefficients: Sequence[float]) -> str:
        found = number(coefficients[0])
        for c in coefficients[1:]:
            found = self.fused(found, x, number(c))
        return found

    def whole(self, text: str) -> str:
        """An instruction on integers of 32 bits: its name, its operands."""
        name, _, operands = text.partition(" ")
        return self.put(f"{name} i32 {operands}")

    def bits(self, x: str) -> str:
        return self.put(f"bitcast float {x} to i32")

    def from_bits(self, n: str) -> str:
        return self.put(f"bitcast i32 {n} to float")

    def power(self, n: str, more: int = 0) -> str:
        """2 ** (n + more), for results that are no denormals."""
        return self.from_bits(self.whole(f"add {self.whole(f'shl {n}, 23')}, {ONE + (more << 23)}"))

    def reduced(self, x: str) -> tuple[str, str, str]:
        """An integer n, as bits that are n in all but their highest places, and r = x - n * ln(2), |r| < 0.35; and
        exp(r) - 1 - r."""
        shifted = self.fused(x, number(1 / math.log(2)), number(SHIFT))
        n = self.sub(shifted, number(SHIFT))
        r = self.fused(n, number(-LOW), self.fused(n, number(-HIGH), x))
        rest = self.times(self.times(r, r), self.polynomial(r, EXPONENTIAL))
        return self.whole(f"sub {self.bits(shifted)}, {bits_of(SHIFT)}"), r, rest

    def logarithm(self, x: str, left: str | None = None) -> str:
        """log(x + left), `left` being far smaller: e * ln(2) + log(1 + f)."""
        small = number(2.0**-126)
        lifted = x if left else self.choose("olt", x, small, self.times(x, number(2.0**23)), x)
        half = bits_of(math.sqrt(0.5))
        moved = self.whole(f"sub {self.bits(lifted)}, {half}")
        exponent = self.whole(f"ashr {moved}, 23")
        mantissa = self.from_bits(self.whole(f"add {self.whole(f'and {moved}, {(1 << 23) - 1}')}, {half}"))
        f, e = self.sub(mantissa, number(1)), self.put(f"sitofp i32 {exponent} to float")
        if left:
            scale = self.from_bits(self.whole(f"sub {ONE}, {self.whole(f'shl {exponent}, 23')}"))
            f = self.choose("olt", x, number(2.0**30), self.fused(left, scale, f), f)
        else:
            e = self.choose("olt", x, small, self.sub(e, number(23)), e)
        squared = self.times(f, f)
        tail = self.times(self.times(squared, f), self.polynomial(f, LOGARITHM))
        tail = self.fused(squared, number(-0.5), self.fused(e, number(LOW), tail))
        found = self.fused(e, number(HIGH), self.add(f, tail))
        found = self.choose("oeq", x, number(math.inf), x, found)
        found = self.choose("oeq", x, number(0), number(-math.inf), found)
        return self.choose("oge", x, number(0), found, number(math.nan))

    # ---- the functions

    def exp(self, x: str) -> str:
        n, r, rest = self.reduced(self.within(x, -105.0, 89.0))
        first = self.whole(f"ashr {n}, 1")  # in two steps: 2 ** n itself may be infinite, or a denormal
        e = self.add(number(1), self.add(r, rest))
        return self.times(self.times(e, self.power(first)), self.power(self.whole(f"sub {n}, {first}")))

    def log(self, x: str) -> str:
        return self.logarithm(x)

    def expm1(self, x: str) -> str:
        n, r, rest = self.reduced(self.within(x, -20.0, 89.0))
        half = self.power(n, -1)  # of 2 ** n, which may be infinite
        e = self.fused(half, self.add(r, rest), self.sub(half, number(0.5)))
        return self.signed(self.add(e, e), x)

    def log1p(self, x: str) -> str:
        one = number(1)
        u = self.add(one, x)
        z = self.sub(u, one)
        left = self.add(self.sub(one, self.sub(u, z)), self.sub(x, z))  # what rounding took from u
        return self.signed(self.logarithm(u, left), x)

    def tanh(self, x: str) -> str:
        twice = self.times(self.size(x), number(2))
        n, r, rest = self.reduced(self.choose("ogt", twice, number(20), number(20), twice))
        scale = self.power(n)
        e = self.fused(scale, self.add(r, rest), self.sub(scale, number(1)))  # exp(2 * |x|) - 1
        return self.signed(self.over(e, self.add(e, number(2))), x)

    def erf(self, x: str) -> str:
        size = self.size(x)
        size = self.choose("ogt", size, number(4), number(4), size)
        near = self.fused(size, self.polynomial(self.times(size, size), NEAR), size)
        n, r, rest = self.reduced(self.polynomial(size, FAR))
        far = self.sub(number(1), self.times(self.add(number(1), self.add(r, rest)), self.power(n)))
        return self.signed(self.choose("ogt", size, number(1), far, near), x)


SINGLE: dict[str, Callable[[Single, str], str]] = {
    name: getattr(Single, name) for name in ("exp", "log", "expm1", "log1p", "tanh", "erf")
}
