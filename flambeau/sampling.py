"""What the random stream makes of raw and uniform numbers: transforms, samplers and checks that hold no state.

Each follows the arithmetic of PyTorch 2.13 on a CPU, in its order and precision, so that equal raw numbers give
equal draws.
"""

from __future__ import annotations

import functools
import math
import sys
import warnings
from collections.abc import Callable, Sequence

import ml_dtypes
import numpy as np

from .ops._spacing import scale_and_shift as scale_and_shift

SWAPS_IN_PYTHON = 10_000  # up to here a loop is quicker than importing SciPy
TWO_PI_32 = np.float32(2 * math.pi)
THIRD_32 = float(np.float32(1 / 3))  # PyTorch writes this constant, and the next, in single precision
SQUEEZE_32 = float(np.float32(0.0331))

Shape = int | Sequence[int]

# Per dtype: PyTorch's name of the scalar type and C++'s, both of which its messages use.
NAMES = {
    "bool": ("Bool", "bool"),
    "uint8": ("Byte", "unsigned char"),
    "int8": ("Char", "signed char"),
    "int16": ("Short", "short"),
    "int32": ("Int", "int"),
    "int64": ("Long", "long"),
    "uint16": ("UInt16", "unsigned short"),
    "uint32": ("UInt32", "unsigned int"),
    "uint64": ("UInt64", "unsigned long"),
    "float16": ("Half", "c10::Half"),
    "bfloat16": ("BFloat16", "c10::BFloat16"),
    "float32": ("Float", "float"),
    "float64": ("Double", "double"),
    "complex64": ("ComplexFloat", "c10::complex<float>"),
    "complex128": ("ComplexDouble", "c10::complex<double>"),
}
FLOAT32, FLOAT64, FLOAT16 = np.dtype("float32"), np.dtype("float64"), np.dtype("float16")
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
INT64 = np.dtype("int64")
COMPLEX64, COMPLEX128 = np.dtype("complex64"), np.dtype("complex128")
MANTISSA = {FLOAT16: 11, BFLOAT16: 8, FLOAT32: 24, FLOAT64: 53}
REAL_PART: dict[np.dtype, np.dtype] = {COMPLEX64: FLOAT32, COMPLEX128: FLOAT64}
LARGEST = {dtype: float(ml_dtypes.finfo(dtype).max) for dtype in MANTISSA}  # type: ignore[no-untyped-call]


@functools.cache
def numpy_dtype(dtype: str | np.dtype) -> np.dtype:
    """The NumPy dtype of a name such as "float32" or "bfloat16"."""
    return BFLOAT16 if dtype == "bfloat16" else np.dtype(dtype)


def size(shape: Shape) -> int:
    return shape if isinstance(shape, int) else math.prod(shape)


def cast(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """`values` in `dtype`; doubles reach the two-byte floats by way of float32, as in C++."""
    if values.dtype == dtype:
        return values
    if dtype.itemsize == 2 and values.dtype == np.float64:
        values = values.astype(np.float32)
    return values.astype(dtype)


def not_implemented(kernel: str, dtype: np.dtype) -> NotImplementedError:
    return NotImplementedError(f"\"{kernel}\" not implemented for '{NAMES.get(dtype.name, (dtype.name,))[0]}'")


def box_muller(uniforms: np.ndarray, mean: float, std: float) -> np.ndarray:
    """Normal numbers from uniform ones, 16 at a time: eight radii, then eight angles; cosines, then sines.

    uniforms (16 * n,) -> (16 * n,), float32 or float64. Box and Muller, 1958.
    """
    pairs = uniforms.reshape(-1, 2, 8)
    radius = np.log(1 - pairs[:, 0])
    radius *= -2
    np.sqrt(radius, out=radius)
    angle = pairs[:, 1] * (TWO_PI_32 if uniforms.dtype == np.float32 else 2 * math.pi)
    out = np.empty_like(pairs)
    np.multiply(radius, np.cos(angle), out=out[:, 0])
    np.multiply(radius, np.sin(angle), out=out[:, 1])
    kind = uniforms.dtype.type
    return scale_and_shift(out.reshape(-1), float(kind(std)), float(kind(mean)))


def swap_in_turn(partners: np.ndarray) -> np.ndarray:
    """0, 1, 2, ... after exchanging, for each i in turn, the elements at i and at partners[i]."""
    n = len(partners)
    if n < SWAPS_IN_PYTHON or n > 2**31 - 1:
        order = list(range(n))
        for i, j in enumerate(partners.tolist()):
            order[i], order[j] = order[j], order[i]
        return np.array(order, dtype=np.int64)
    # LAPACK's row exchanges are this loop in machine code.
    from scipy.linalg.lapack import dlaswp

    column = np.arange(n, dtype=np.float64).reshape(n, 1, order="F")
    swapped: np.ndarray = dlaswp(column, partners.astype(np.int32), overwrite_a=True)
    return swapped[:, 0].astype(np.int64)


def joined(words: np.ndarray) -> np.ndarray:
    """Raw numbers in pairs, the first of each as the high half: (2 * n,) uint32 -> (n,) uint64."""
    pairs = words.view(np.uint64)
    if sys.byteorder == "big":
        return pairs
    low = pairs >> np.uint64(32)
    out = pairs << np.uint64(32)
    out |= low
    return out


def remainder(words: np.ndarray, span: int) -> np.ndarray:
    """`words % span`, by a mask where span is a power of two."""
    kind = words.dtype.type
    if span > np.iinfo(kind).max:
        return words
    rest: np.ndarray = words & kind(span - 1) if span & (span - 1) == 0 else words % kind(span)
    return rest


# ---- bounds


def _as_counted(value: int, dtype: np.dtype) -> int:
    """`value` as a whole number after a stay in the float `dtype`."""
    with np.errstate(over="ignore"):
        kept = float(cast(np.array([value], dtype=np.float64), dtype)[0])
    return int(kept) if math.isfinite(kept) else -(2**63)


def first_not_below(low: int, dtype: np.dtype) -> int:
    """The least number not below `low` that the float `dtype` holds, if `low + 1` would fall below it."""
    above = _as_counted(low + 1, dtype)
    return above + 2 ** (abs(low + 1).bit_length() - MANTISSA[dtype]) if above < low else low


def end_not_above(high: int, dtype: np.dtype) -> int:
    """The end of a range whose numbers all stay below `high` in the float `dtype`."""
    below = _as_counted(high - 1, dtype)
    return below - 2 ** (abs(high - 1).bit_length() - MANTISSA[dtype]) if below >= high else high


def check_integer_bounds(low: int, last: int, dtype: np.dtype) -> None:
    """Raises RuntimeError unless `dtype` reaches from low to last; warns where a float leaves gaps between them."""
    c_name = NAMES[dtype.name][1]
    digits = MANTISSA.get(dtype)
    if digits:
        most = int(LARGEST[dtype])
        least = -most
    elif dtype.kind == "b":
        least, most = 0, 1
    else:
        least, most = int(np.iinfo(dtype).min), min(int(np.iinfo(dtype).max), 2**63 - 1)
    for bound, value in (("from", low), ("to - 1", last)):
        if not least <= value <= most:
            raise RuntimeError(f"{bound} is out of bounds for {c_name}")
    for bound, value in (("from", low), ("to - 1", last)):
        if digits and abs(value) > 2**digits:
            warnings.warn(
                f"{bound} is out of bounds [-(2^{digits}), 2^{digits}]. Due to precision limitations {c_name} "
                "can support discrete uniform distribution only within this range.",
                stacklevel=3,
            )


def check_uniform_bounds(low: float, high: float, dtype: np.dtype) -> None:
    """Raises RuntimeError unless low <= high and both, and their distance, fit the float `dtype`."""
    limit = LARGEST[dtype]
    if -limit <= low <= high <= limit and high - low <= limit:
        return
    scalar_name, c_name = NAMES[dtype.name]
    for bound, value in (("from", low), ("to", high)):
        if not -limit <= value <= limit:
            raise RuntimeError(f"{bound} is out of bounds for {c_name}")
    if low > high:
        raise RuntimeError(f"uniform_ expects to return a [from, to) range, but found from={low:g} > to={high:g}")
    raise RuntimeError(
        f"uniform_ expects to-from <= std::numeric_limits<{scalar_name}>::max(), "
        f"but found to={high:g} and from={low:g} which result in to-from to exceed the limit"
    )


@functools.lru_cache(maxsize=256)
def integer_range(low: int, high: int | None, dtype: np.dtype) -> tuple[int, int]:
    """Where `random_(low, high)` starts, and of how many numbers it chooses. Raises RuntimeError for a range unfit."""
    digits = MANTISSA.get(dtype)
    if high is None:
        last = 2**digits if digits else 1 if dtype.kind == "b" else min(int(np.iinfo(dtype).max), 2**63 - 1)
    elif low >= high:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    else:
        last = high - 1
    check_integer_bounds(low, last, dtype)
    if digits:
        low = first_not_below(low, dtype)
        last = last if high is None else end_not_above(high, dtype) - 1
        if low > last:
            raise RuntimeError(
                "random_ expects 'from' casted to dtype to be less than 'to' casted to dtype, "
                f"but got from={low} >= to={last + 1}"
            )
    return low, last - low + 1


# ---- samplers that draw until a number is accepted


def _log(value: float | np.floating) -> float:
    """Logarithm as in C: minus infinity at zero, no number below."""
    return math.log(value) if value > 0 else -math.inf if value == 0 else math.nan


def poisson(rate: float, uniform: Callable[[], float]) -> int:
    """A Poisson number; by products of uniforms below a rate of 10, else Hoermann's PTRS (1993)."""
    if not rate >= 0:
        raise RuntimeError("invalid Poisson rate, expected rate to be non-negative")
    if rate == 0:
        return 0
    if rate < 10:
        limit, product, count = math.exp(-rate), uniform(), 0
        while product > limit:
            count += 1
            product *= uniform()
        return count
    b = 0.931 + 2.53 * math.sqrt(rate)
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    inside = 0.9277 - 3.6224 / (b - 2)
    while True:
        u, v = uniform() - 0.5, uniform()
        distance = 0.5 - abs(u)
        if distance == 0:
            continue
        k = math.floor((2 * a / distance + b) * u + rate + 0.43)
        if distance >= 0.07 and v <= inside:
            return k
        if k < 0 or (distance < 0.013 and v > distance):
            continue
        bound = -rate + k * math.log(rate) - math.lgamma(k + 1)
        if _log(v) + math.log(inverse_alpha) - math.log(a / (distance * distance) + b) <= bound:
            return k


def _stirling_tail(k: float) -> float:
    """log(k!) less Stirling's formula for it."""
    if k < 10:
        return math.lgamma(k + 1) - ((k + 0.5) * math.log(k + 1) - (k + 1) + 0.5 * math.log(2 * math.pi))
    square = (k + 1) * (k + 1)
    return (1 / 12 - (1 / 360 - 1 / 1260 / square) / square) / (k + 1)


def binomial(count: np.floating, p: np.floating, uniform: Callable[[], float]) -> float:
    """A binomial number; by geometric steps for fewer than 10 expected, else Hoermann's BTRS (1993)."""
    if count <= 0 or p <= 0:
        return 0.0
    if p >= 1:
        return float(count)
    if math.isnan(p):
        return math.nan
    if p > 0.5:
        return float(count) - binomial(count, type(p)(1 - p), uniform)
    return _binomial_by_rejection(count, p, uniform) if count * p >= 10 else _binomial_by_steps(count, p, uniform)


def _binomial_by_steps(count: np.floating, p: np.floating, uniform: Callable[[], float]) -> float:
    log_failure = float(np.log1p(-p))
    limit, total, successes = float(count), 0.0, 0
    while True:
        u = uniform()
        total += math.ceil(math.log(u) / log_failure) if u > 0 else math.inf
        if total > limit:
            return float(successes)
        successes += 1


def _binomial_by_rejection(count: np.floating, p: np.floating, uniform: Callable[[], float]) -> float:
    # The products of count and p are rounded to their own precision, all that follows is double.
    spread = float(np.sqrt(count * p * (1 - p)))
    centre = float(count * p) + 0.5
    odds = float(p / (1 - p))
    mode = float(np.floor((count + 1) * p))
    n = float(count)
    b = 1.15 + 2.53 * spread
    a = -0.0873 + 0.0248 * b + 0.01 * float(p)
    inside = 0.92 - 4.2 / b
    alpha = (2.83 + 5.1 / b) * spread
    while True:
        u, v = uniform() - 0.5, uniform()
        distance = 0.5 - abs(u)
        if distance == 0:
            continue
        k = float(math.floor((2 * a / distance + b) * u + centre))
        if k < 0 or k > n:
            continue
        if distance >= 0.07 and v <= inside:
            return k
        bound = (
            (mode + 0.5) * math.log((mode + 1) / (odds * (n - mode + 1)))
            + (n + 1) * math.log((n - mode + 1) / (n - k + 1))
            + (k + 0.5) * math.log(odds * (n - k + 1) / (k + 1))
            + _stirling_tail(mode)
            + _stirling_tail(n - mode)
            - _stirling_tail(k)
            - _stirling_tail(n - k)
        )
        # The paper compares a logarithm of alpha apart; PyTorch takes it of the whole.
        if _log(v * alpha / (a / (distance * distance) + b)) <= bound:
            return k


def gamma(shape: np.floating, uniform: Callable[[], float], normal: Callable[[], float]) -> float:
    """A standard gamma number (Marsaglia and Tsang, 2000); a shape below one is raised by one and scaled back."""
    scale = 1.0
    if shape < 1:
        if shape == 0:
            return 0.0
        scale = (1 - uniform()) ** float(type(shape)(1) / shape)
        shape = type(shape)(shape + 1)
    d = float(shape - type(shape)(THIRD_32))
    c = 1 / math.sqrt(9 * d) if d > 0 else math.nan
    while True:
        x = normal()
        root = 1 + c * x
        if root <= 0:
            continue
        v = root * root * root
        u = 1 - uniform()
        square = x * x
        if u < 1 - SQUEEZE_32 * square * square or math.log(u) < 0.5 * square + d * (1 - v + _log(v)):
            return scale * d * v
