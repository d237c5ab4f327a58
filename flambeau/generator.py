"""The random stream: PyTorch's CPU generator, number for number, on NumPy arrays.

The raw numbers are those of MT19937 (Matsumoto and Nishimura, 1998), which NumPy holds too. What a draw makes of
them, and how many it takes, follows PyTorch 2.13. Raw numbers, integers, permutations, masks and uniforms are equal
to the bit; whatever goes through a logarithm, sine or cosine is equal to a rounding of its own precision.

`bernoulli` with one probability (and with it every dropout) compares doubles of 53 bits. PyTorch takes that path on
every processor but Intel's; on Intel's its MKL build draws one number there and seeds a generator of MKL's with it.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable

import numpy as np

from . import sampling
from .sampling import (
    FLOAT16,
    FLOAT32,
    FLOAT64,
    INT64,
    MANTISSA,
    NAMES,
    REAL_PART,
    Shape,
    box_muller,
    cast,
    check_uniform_bounds,
    integer_range,
    joined,
    not_implemented,
    numpy_dtype,
    remainder,
    scale_and_shift,
    size,
    swap_in_turn,
)

DEFAULT_SEED = 67280421310721
BLOCK = 624  # numbers that the twister makes at a time
PIECE = 26 * BLOCK  # doubles made at a time, so that what lies between is still in the cache
LOW_53 = np.uint64(2**53 - 1)
LARGE_PERMUTATION = (2**32 - 1) // 20  # from here on PyTorch draws 64 bits for each element
# The layout of torch.get_rng_state(): 5056 bytes.
STATE = np.dtype(
    [
        ("seed", "u8"),
        ("left", "i4"),
        ("seeded", "i4"),
        ("next", "u8"),
        ("key", "u8", (BLOCK,)),
        ("unused_normals", "f8"),
        ("normal", "f8"),
        ("unused_normal", "f8"),
        ("normal_is_valid", "i4"),
        ("padding", "V4"),
        ("float_normal", "f4"),
        ("float_normal_is_valid", "i4"),
    ]
)


class Stream:
    """A stream of random numbers equal to that of `torch.Generator()` with the same seed and the same calls."""

    def __init__(self, seed: int = DEFAULT_SEED):
        self._twister = np.random.RandomState(0)
        self.manual_seed(seed)

    # ---- the state

    def manual_seed(self, seed: int) -> Stream:
        """Start again from `seed`, in [-2**63, 2**64); a negative one counts from 2**64 down."""
        if not -(2**63) <= seed < 2**64:
            raise ValueError("Overflow when unpacking long long")
        self._seed = seed % 2**64
        self._twister.seed(self._seed & 0xFFFFFFFF)
        self._block = np.empty(0, dtype=np.uint32)  # the current block; numbers before _position are spent
        self._position = BLOCK
        self._started = False
        self._cached_normal: float | None = None
        return self

    def seed(self) -> int:
        """Start again from a seed that the operating system chooses, and return it."""
        self.manual_seed(secrets.randbits(64))
        return self._seed

    def initial_seed(self) -> int:
        """The seed the stream last started from."""
        return self._seed

    def get_state(self) -> np.ndarray:
        """The state in PyTorch's layout: (5056,) uint8."""
        state = np.zeros((), dtype=STATE)
        state["seed"], state["seeded"] = self._seed, 1
        state["next"] = self._position if self._started else 0
        state["left"] = BLOCK + 1 - self._position if self._started else 1
        state["key"] = self._twister.get_state(legacy=False)["state"]["key"]
        if self._cached_normal is not None:
            state["normal"], state["normal_is_valid"] = self._cached_normal, 1
        return np.frombuffer(state.tobytes(), dtype=np.uint8).copy()

    def set_state(self, state: np.ndarray) -> Stream:
        """Go on from a state in PyTorch's layout: (5056,) uint8. Raises RuntimeError for a wrong size or content."""
        data = np.ascontiguousarray(state)
        if data.dtype != np.uint8:
            raise TypeError("RNG state must be a torch.ByteTensor")
        if data.size != STATE.itemsize:
            raise RuntimeError(
                f"Expected a CPUGeneratorImplState of size {STATE.itemsize} "
                f"but found the input RNG state size to be {data.size}"
            )
        fields = data.reshape(-1).view(STATE)[0]
        left, following = int(fields["left"]), int(fields["next"])
        if not fields["seeded"] or not 0 < left <= BLOCK or following > BLOCK:
            raise RuntimeError("Invalid mt19937 state")
        self._seed = int(fields["seed"])
        key = fields["key"].astype(np.uint32)
        self._cached_normal = float(fields["normal"]) if fields["normal_is_valid"] else None
        self._started = following > 0
        if left == 1:
            self._twister.set_state(("MT19937", key, BLOCK, 0, 0.0))
            self._position = BLOCK
        else:
            self._twister.set_state(("MT19937", key, 0, 0, 0.0))
            self._block = self._fresh(BLOCK)
            self._position = following
            self._started = True
        return self

    def clone_state(self) -> Stream:
        """A stream of its own that goes on from the same state."""
        return Stream(self._seed).set_state(self.get_state())

    # ---- raw numbers

    def _fresh(self, n: int) -> np.ndarray:
        """The next n numbers past the buffer; n is a multiple of BLOCK, so that its key is the last block's."""
        return self._twister.randint(0, 2**32, n, dtype=np.uint32)

    def random32(self, n: int) -> np.ndarray:
        """The next n raw numbers, (n,) uint32; not to be written to, since it may be a view of the buffer."""
        start = self._position
        end = start + n
        if end <= BLOCK:
            self._position = end
            return self._block[start:end]
        missing = end - BLOCK
        rest = missing % BLOCK
        parts = [self._block[start:]] if start < BLOCK else []
        if missing > rest:
            parts.append(self._fresh(missing - rest))
        if rest:
            self._block = self._fresh(BLOCK)
            parts.append(self._block[:rest])
        self._position = rest or BLOCK
        self._started = True
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def random64(self) -> int:
        """The next two raw numbers as one of 64 bits, the high half first."""
        start = self._position
        if start + 2 <= BLOCK:
            self._position = start + 2
            high, low = self._block.item(start), self._block.item(start + 1)
        else:
            high, low = self.random32(2).tolist()
        return int(high << 32 | low)

    def _words64(self, n: int) -> np.ndarray:
        """n draws of random64, (n,) uint64."""
        return joined(self.random32(2 * n))

    def _uniform24(self, n: int) -> np.ndarray:
        """n uniforms in [0, 1) from the low 24 bits of a number each, (n,) float32."""
        if n > 2 * PIECE:
            values = np.empty(n, np.float32)
            for start in range(0, n, 2 * PIECE):
                values[start : start + 2 * PIECE] = self._uniform24(min(2 * PIECE, n - start))
            return values
        values = (self.random32(n) & np.uint32(0xFFFFFF)).view(np.int32).astype(np.float32)
        values *= np.float32(2.0**-24)
        return values

    def _uniform53(self, n: int) -> np.ndarray:
        """n uniforms in [0, 1) from the low 53 bits of two numbers each, (n,) float64."""
        if n <= PIECE:
            words = joined(self.random32(2 * n))
            words &= LOW_53
            values = words.view(np.int64).astype(np.float64)
            values *= 2.0**-53
            return values
        values = np.empty(n)
        for start in range(0, n, PIECE):
            values[start : start + PIECE] = self._uniform53(min(PIECE, n - start))
        return values

    def below(self, n: int, p: float) -> np.ndarray:
        """Whether each of n draws of _uniform53 is below p, (n,) bool; compared as the integers they are made of."""
        if n > PIECE:
            return np.concatenate([self.below(min(PIECE, n - start), p) for start in range(0, n, PIECE)])
        words = joined(self.random32(2 * n))
        words &= LOW_53
        return words < np.uint64(math.ceil(p * 2.0**53))

    def _next_uniform(self) -> float:
        return (self.random64() & (2**53 - 1)) * 2.0**-53

    def _next_normal(self) -> float:
        return float(self._serial_normals(1)[0])

    def _serial_normals(self, n: int) -> np.ndarray:
        """n standard normal numbers made in pairs, (n,) float64; one too many is kept for the next call."""
        if n == 0:
            return np.empty(0)
        kept = [] if self._cached_normal is None else [self._cached_normal]
        self._cached_normal = None
        pairs = (n - len(kept) + 1) // 2
        if n < 16:
            draws = self._uniform53(2 * pairs).tolist()
            for first, second in zip(draws[0::2], draws[1::2], strict=True):
                radius = math.sqrt(-2.0 * math.log1p(-second))
                angle = 2 * math.pi * first
                kept += radius * math.cos(angle), radius * math.sin(angle)
            values = np.array(kept)
        else:
            uniforms = self._uniform53(2 * pairs)
            radius = np.sqrt(-2.0 * np.log1p(-uniforms[1::2]))
            angle = 2 * math.pi * uniforms[0::2]
            values = np.concatenate(
                (kept, np.stack((radius * np.cos(angle), radius * np.sin(angle)), axis=1).reshape(-1))
            )
        if len(values) > n:
            self._cached_normal = values[n].item()
        return values[:n]

    # ---- continuous distributions

    def uniform(
        self, shape: Shape, low: float = 0.0, high: float = 1.0, dtype: str | np.dtype = "float32"
    ) -> np.ndarray:
        """`rand` and `uniform_`: numbers in [low, high). Raises RuntimeError where the bounds do not fit `dtype`."""
        dtype = numpy_dtype(dtype)
        if dtype in REAL_PART:
            parts = self.uniform(2 * size(shape), low, high, REAL_PART[dtype])
            return parts.view(dtype).reshape(shape)
        if dtype not in MANTISSA:
            raise not_implemented("check_uniform_bounds", dtype)
        double = dtype == FLOAT64
        if low != 0 or high != 1:
            check_uniform_bounds(low, high, dtype)
        draw, kind = (self._uniform53, np.float64) if double else (self._uniform24, np.float32)
        bottom, top = kind(low), kind(high)
        scale, shift = float(top - bottom), float(bottom)
        n = size(shape)
        values = np.empty(n, dtype)
        for start in range(0, n, 2 * PIECE):
            piece = draw(min(2 * PIECE, n - start))
            values[start : start + 2 * PIECE] = cast(scale_and_shift(piece, scale, shift), dtype)
        if low != 0 or high != 1 or dtype.itemsize == 2:
            # Rounding may have reached the upper bound, which is not part of the range.
            values[values == dtype.type(high)] = dtype.type(low)
        return values.reshape(shape)

    def normal(
        self, shape: Shape, mean: float = 0.0, std: float = 1.0, dtype: str | np.dtype = "float32"
    ) -> np.ndarray:
        """`randn` and `normal_` of a contiguous tensor; a complex number's parts have half the variance each."""
        dtype = numpy_dtype(dtype)
        if not std >= 0:
            raise RuntimeError(f"normal expects std >= 0.0, but found std {std:g}")
        if dtype in REAL_PART:
            parts = self.normal(2 * size(shape), mean, std / math.sqrt(2), REAL_PART[dtype])
            return parts.view(dtype).reshape(shape)
        if dtype not in MANTISSA:
            raise not_implemented("normal_kernel_cpu", dtype)
        n = size(shape)
        if n < 16:
            return cast(scale_and_shift(self._serial_normals(n), std, mean), dtype).reshape(shape)
        uniforms = self._uniform53 if dtype == FLOAT64 else self._uniform24
        tail = n % 16
        # The two-byte kinds skip the uniforms of an incomplete block of 16; the others draw and drop them.
        values = uniforms(n - tail if dtype.itemsize == 2 else n)
        for start in range(0, n - tail, PIECE):
            piece = slice(start, min(start + PIECE, n - tail))
            values[piece] = box_muller(values[piece], mean, std)
        if tail:
            # The last 16 elements are drawn again, over the end of the last whole block.
            values = np.concatenate((values[: n - 16], box_muller(uniforms(16), mean, std)))
        return cast(values, dtype).reshape(shape)

    def normal_around(self, mean: np.ndarray | float, std: np.ndarray | float) -> np.ndarray:
        """`torch.normal` with one or two arrays, broadcast, in the dtype of mean (of std if mean is a number)."""
        if isinstance(std, np.ndarray):
            if std.dtype.kind == "c":
                raise RuntimeError("normal expects standard deviation to be non-complex")
            if std.size and not std.min() >= 0:
                raise RuntimeError("normal expects all elements of std >= 0.0")
        shape = np.broadcast_shapes(np.shape(mean), np.shape(std))
        dtype = mean.dtype if isinstance(mean, np.ndarray) else np.asarray(std).dtype
        if not isinstance(std, np.ndarray):
            values = self.normal(shape, 0.0, std, dtype)
        else:
            values = np.asarray(self.normal(shape, 0.0, 1.0, dtype) * std).astype(dtype)
        return np.asarray(values + mean).astype(dtype)

    def _from_uniform53(
        self, shape: Shape, dtype: str | np.dtype, transform: Callable[[np.ndarray], np.ndarray]
    ) -> np.ndarray:
        return cast(transform(self._uniform53(size(shape))), numpy_dtype(dtype)).reshape(shape)

    def exponential(self, shape: Shape, lambd: float = 1.0, dtype: str | np.dtype = "float32") -> np.ndarray:
        """`exponential_`: density lambd * exp(-lambd * x)."""
        dtype = numpy_dtype(dtype)
        if not lambd > 0:
            raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={lambd:g}")
        if dtype not in MANTISSA:
            raise RuntimeError(
                "Exponential distribution is a continuous probability distribution. "
                f"dtype must be a floating point but you specified {NAMES[dtype.name][0]}"
            )
        return self._from_uniform53(shape, dtype, lambda u: -1.0 / lambd * np.log1p(-u))

    def cauchy(
        self, shape: Shape, median: float = 0.0, sigma: float = 1.0, dtype: str | np.dtype = "float32"
    ) -> np.ndarray:
        """`cauchy_`: a Cauchy distribution around `median`."""
        dtype = numpy_dtype(dtype)
        if not sigma > 0:
            raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma:g}")
        if dtype not in MANTISSA:
            raise RuntimeError(
                "Cauchy distribution is a continuous probability distribution. "
                f"dtype must be a floating point but you specified {NAMES[dtype.name][1]}"
            )
        return self._from_uniform53(shape, dtype, lambda u: median + sigma * np.tan(math.pi * (u - 0.5)))

    def log_normal(
        self, shape: Shape, mean: float = 1.0, std: float = 2.0, dtype: str | np.dtype = "float32"
    ) -> np.ndarray:
        """`log_normal_`: the exponential of a normal distribution."""
        dtype = numpy_dtype(dtype)
        if not std > 0:
            raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std:g}")
        if dtype not in MANTISSA:
            raise not_implemented("log_normal_cpu", dtype)
        with np.errstate(over="ignore"):
            return cast(np.exp(scale_and_shift(self._serial_normals(size(shape)), std, mean)), dtype).reshape(shape)

    def geometric(self, shape: Shape, p: float, dtype: str | np.dtype = "float32") -> np.ndarray:
        """`geometric_`: the number of trials up to the first success."""
        dtype = numpy_dtype(dtype)
        if not 0 < p < 1:
            raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p:g}")
        if dtype.kind in "cb":
            raise not_implemented("geometric_cpu", dtype)
        with np.errstate(divide="ignore", invalid="ignore"):
            trials = np.ceil(np.log(self._uniform53(size(shape))) / math.log1p(-p))
            return cast(trials.astype(np.int64) if dtype.kind in "iu" else trials, dtype).reshape(shape)

    # ---- integers

    def integers(self, shape: Shape, low: int, high: int | None, dtype: str | np.dtype = "int64") -> np.ndarray:
        """`randint` and `random_(low, high)`: whole numbers in [low, high); without high, up to the dtype's last.

        Ranges of 2**28 and more take 64 bits a number. Raises RuntimeError where the bounds do not fit `dtype`.
        """
        dtype = numpy_dtype(dtype)
        if dtype.kind == "c":
            raise not_implemented("check_random_bounds", dtype)
        if high is None and low == -(2**63):
            return self._full_64_bits(shape, dtype)
        low, span = integer_range(low, high, dtype)
        n = size(shape)
        if span < 2**28:
            values = remainder(self.random32(n), span).astype(np.int64)
        else:
            values = remainder(self._words64(n), span).view(np.int64)
        if low:
            values += low
        return cast(values, dtype).reshape(shape)

    def random_to(self, shape: Shape, high: int, dtype: str | np.dtype = "int64") -> np.ndarray:
        """`random_(high)`: whole numbers in [0, high)."""
        return self.integers(shape, 0, high, dtype)

    def _full_64_bits(self, shape: Shape, dtype: np.dtype) -> np.ndarray:
        if dtype.name not in ("int64", "float64", "float32", "bfloat16"):
            raise RuntimeError("random_full_64_bits_range_kernel_cpu handles only int64, double, float and bfloat16")
        return self._words64(size(shape)).view(np.int64).astype(dtype).reshape(shape)

    def random_full(self, shape: Shape, dtype: str | np.dtype = "int64") -> np.ndarray:
        """`random_()`: every number from 0 to the dtype's last, or to the last that a float counts without gaps."""
        dtype = numpy_dtype(dtype)
        if dtype == INT64:
            if size(shape) == 1:
                return np.array(self.random64() & (2**63 - 1), dtype=np.int64).reshape(shape)
            return (self._words64(size(shape)) & np.uint64(2**63 - 1)).view(np.int64).reshape(shape)
        if dtype.name not in NAMES or dtype.kind == "c" or dtype.name in ("uint16", "uint32", "uint64"):
            raise not_implemented("random_kernel_cpu", dtype)
        digits = MANTISSA.get(dtype)
        if dtype == FLOAT64:
            return (self._words64(size(shape)) % np.uint64(2**53 + 1)).astype(dtype).reshape(shape)
        span = 2**digits + 1 if digits else 2 if dtype.kind == "b" else int(np.iinfo(dtype).max) + 1
        return remainder(self.random32(size(shape)), span).astype(dtype).reshape(shape)

    def permutation(self, n: int, dtype: str | np.dtype = "int64") -> np.ndarray:
        """`randperm`: 0 to n - 1 in random order (Fisher and Yates)."""
        dtype = numpy_dtype(dtype)
        if n < 0:
            raise RuntimeError(f"Trying to create tensor with negative dimension {n}: [{n}]")
        if dtype.kind in "bc" or dtype.name in ("uint16", "uint32", "uint64"):
            raise not_implemented("randperm", dtype)
        if dtype.kind in "iu" and n - 1 > np.iinfo(dtype).max:
            raise RuntimeError(f"value cannot be converted to type {dtype.name}_t without overflow")
        if dtype in (FLOAT16, FLOAT32, FLOAT64) and n > 2 ** MANTISSA[dtype] + 1:
            raise RuntimeError(f"n cannot be greater than {2 ** MANTISSA[dtype] + 1} for {NAMES[dtype.name][0]} type.")
        if n < LARGE_PERMUTATION:
            partners = np.arange(n, dtype=np.int64)
            partners[:-1] += self.random32(max(n - 1, 0)) % np.arange(n, 1, -1, dtype=np.uint32)
        else:
            partners = (self._words64(n) % np.arange(1, n + 1, dtype=np.uint64)).view(np.int64)
        return swap_in_turn(partners).astype(dtype, copy=False)

    # ---- yes or no

    def bernoulli(
        self, p: float | np.ndarray, shape: Shape | None = None, dtype: str | np.dtype | None = None
    ) -> np.ndarray:
        """`bernoulli_(p)` and `bernoulli`: ones with probability p, zeros otherwise.

        A number p needs a shape and gives float32 unless told; an array is broadcast to shape and gives its own dtype.
        """
        if isinstance(p, np.ndarray):
            if p.dtype not in MANTISSA:
                raise not_implemented("bernoulli_tensor_cpu_p_", p.dtype)
            shape = p.shape if shape is None else shape
            if not ((p >= 0) & (p <= 1)).all():
                raise RuntimeError(
                    "Expected p_in >= 0 && p_in <= 1 to be true, but got false.  (Could this error "
                    "message be improved?  If so, please report an enhancement request to PyTorch.)"
                )
            draw = self._uniform53 if p.dtype == np.float64 else self._uniform24
            ones = draw(size(shape)).reshape(shape) < p.astype(draw(0).dtype)
            return ones.astype(numpy_dtype(dtype) if dtype is not None else p.dtype)
        if shape is None:
            raise TypeError("bernoulli of a number needs a shape")
        if not 0 <= p <= 1:
            raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p:g}")
        dtype = numpy_dtype(dtype or "float32")
        if dtype.kind == "c":
            raise not_implemented("bernoulli_scalar_cpu_", dtype)
        return self.below(size(shape), p).astype(dtype).reshape(shape)

    def dropout_mask(self, shape: Shape, p: float, dtype: str | np.dtype = "float32") -> np.ndarray:
        """What every kind of dropout draws: ones where the element is kept, each with probability 1 - p.

        Nothing is drawn for p of 0 or 1. Feature dropout asks for a mask of shape (N, C, 1, ...).
        """
        if not 0 <= p <= 1:
            raise RuntimeError(f"dropout probability has to be between 0 and 1, but got {p:g}")
        if p in (0, 1):
            return np.full(shape, 1 - p, dtype=numpy_dtype(dtype))
        return self.bernoulli(1 - p, shape, dtype)

    # ---- from weights and parameters given as arrays

    def multinomial(self, weights: np.ndarray, num_samples: int, replacement: bool = False) -> np.ndarray:
        """Indices drawn in proportion to `weights`: (C,) -> (num_samples,), (N, C) -> (N, num_samples), int64.

        Raises RuntimeError for weights that are negative, infinite or all zero, and for too many samples.
        """
        if weights.ndim not in (1, 2):
            raise RuntimeError("prob_dist must be 1 or 2 dim")
        if weights.dtype not in MANTISSA:
            raise RuntimeError(
                f"multinomial only supports floating-point dtypes for input, got: {NAMES[weights.dtype.name][0]}"
            )
        if num_samples <= 0:
            raise RuntimeError("cannot sample n_sample <= 0 samples")
        if not replacement and num_samples > weights.shape[-1]:
            raise RuntimeError("cannot sample n_sample > prob_dist.size(-1) samples without replacement")
        if weights.shape[-1] > 2**24:
            raise RuntimeError("number of categories cannot exceed 2^24")
        if weights.size == 0:
            return np.empty((*weights.shape[:-1], num_samples), dtype=np.int64)
        if replacement and num_samples > 1:
            return self._multinomial_with_replacement(weights, num_samples)
        if not (weights.max() < np.inf and weights.min() >= 0):
            raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
        if (weights.astype(np.float64).sum(axis=-1) == 0).any():
            raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
        # The largest of w / q, with q exponential, falls on each index in proportion to w; the next ones likewise.
        with np.errstate(divide="ignore", invalid="ignore"):
            race = (weights / self.exponential(weights.shape, 1.0, weights.dtype)).astype(np.float64)
        if num_samples == 1:
            return np.asarray(race.argmax(axis=-1, keepdims=True))
        return np.argsort(-race, axis=-1, kind="stable")[..., :num_samples]

    def _multinomial_with_replacement(self, weights: np.ndarray, num_samples: int) -> np.ndarray:
        rows = np.atleast_2d(weights).astype(np.float64 if weights.dtype == np.float64 else np.float32)
        drawn = np.empty((len(rows), num_samples), dtype=np.int64)
        for row, out in zip(rows, drawn, strict=True):
            if not (row >= 0).all():
                raise RuntimeError("invalid multinomial distribution (encountering probability entry < 0)")
            if np.isinf(row).any():
                raise RuntimeError(
                    "invalid multinomial distribution (encountering probability entry = infinity or NaN)"
                )
            share = np.cumsum(row, dtype=row.dtype)
            if not share[-1] > 0:
                raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
            share /= share[-1]
            out[:] = np.searchsorted(share.astype(np.float64), self._uniform53(num_samples), side="left")
        return drawn.reshape(*weights.shape[:-1], num_samples)

    def poisson(self, rate: np.ndarray) -> np.ndarray:
        """A Poisson number for each rate, in its dtype. Raises RuntimeError for a negative rate."""
        if rate.dtype not in MANTISSA:
            raise not_implemented("poisson_cpu", rate.dtype)
        values = [sampling.poisson(value, self._next_uniform) for value in rate.reshape(-1).astype(np.float64).tolist()]
        return cast(np.array(values, dtype=np.float64), rate.dtype).reshape(rate.shape)

    def binomial(self, count: np.ndarray, p: np.ndarray) -> np.ndarray:
        """The successes in `count` trials of probability p, for each pair; broadcast, float32 or float64."""
        if count.dtype != p.dtype:
            raise RuntimeError(f"Found dtype {NAMES[p.dtype.name][0]} but expected {NAMES[count.dtype.name][0]}")
        if count.dtype.name not in ("float32", "float64"):
            raise not_implemented("binomial_cpu", count.dtype)
        counts, chances = np.broadcast_arrays(count, p)
        values = [
            sampling.binomial(n, chance, self._next_uniform)
            for n, chance in zip(counts.reshape(-1), chances.reshape(-1), strict=True)
        ]
        return np.array(values, dtype=count.dtype).reshape(counts.shape)

    def gamma(self, concentration: np.ndarray) -> np.ndarray:
        """`torch._standard_gamma`: a gamma number of scale one for each concentration, float32 or float64."""
        if concentration.dtype.name not in ("float32", "float64"):
            raise not_implemented("gamma_cpu", concentration.dtype)
        values = [sampling.gamma(a, self._next_uniform, self._next_normal) for a in concentration.reshape(-1)]
        drawn = np.array(values, dtype=concentration.dtype).reshape(concentration.shape)
        return np.asarray(np.maximum(drawn, np.finfo(concentration.dtype).tiny))

    def dirichlet(self, concentration: np.ndarray) -> np.ndarray:
        """`torch._sample_dirichlet`: (*, K) -> (*, K), non-negative numbers that sum to one over the last axis."""
        parts = self.gamma(concentration.astype(np.float64))
        parts /= parts.sum(axis=-1, keepdims=True)
        kind = concentration.dtype.type
        return np.asarray(np.clip(parts.astype(kind), np.finfo(kind).tiny, np.nextafter(kind(1), kind(0))))
