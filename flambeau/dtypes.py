"""Data types: PyTorch's names over NumPy's, and the rules that promote them."""

from __future__ import annotations

from collections.abc import Callable

import ml_dtypes
import numpy as np

BOOL, INTEGER, FLOATING, COMPLEX = range(4)
# PyTorch's spoken names of types
TITLES = {
    "float32": "Float",
    "float64": "Double",
    "float16": "Half",
    "bfloat16": "BFloat16",
    "int64": "Long",
    "int32": "Int",
    "int16": "Short",
    "int8": "Char",
    "uint8": "Byte",
    "bool": "Bool",
    "complex64": "ComplexFloat",
    "complex128": "ComplexDouble",
}


class dtype:
    """The type of a tensor's elements, as `torch.float32`.

    >>> import flambeau as torch
    >>> torch.float32.is_floating_point, torch.float32.itemsize
    (True, 4)
    """

    __slots__ = (
        "name",
        "numpy",
        "category",
        "itemsize",
        "is_floating_point",
        "is_complex",
        "is_signed",
        "half",
        "narrow",
        "foreign",
        "title",
        "rank",
    )
    by_name: dict[str, dtype] = {}
    by_numpy: dict[np.dtype, dtype] = {}

    def __init__(self, name: str, numpy: type, category: int, rank: int) -> None:
        self.name, self.numpy, self.category, self.rank = name, np.dtype(numpy), category, rank
        self.itemsize = self.numpy.itemsize
        self.is_floating_point, self.is_complex = category == FLOATING, category == COMPLEX
        self.is_signed = name != "float8_e8m0fnu" if category >= FLOATING else name.startswith("int")
        self.half = name in ("float16", "bfloat16")
        self.narrow = name.startswith("float8")  # 8 bits: kept and converted, not computed with
        self.foreign = self.narrow or name == "bfloat16"  # not one of NumPy's own types
        self.title = TITLES.get(name) or name.replace("uint", "UInt").replace("float8", "Float8")
        dtype.by_name[name] = dtype.by_numpy[self.numpy] = self

    def __repr__(self) -> str:
        return "torch." + self.name

    def __reduce__(self) -> tuple:
        return _named, (self.name,)

    def to_real(self) -> dtype:
        """The type of a real part: float32 for complex64."""
        return {"complex64": float32, "complex128": float64}.get(self.name, self)

    def to_complex(self) -> dtype:
        """The complex type whose parts have this type."""
        if self.narrow:
            raise RuntimeError(f"Unknown Complex ScalarType for {self.title}")
        return {"float32": complex64, "float64": complex128, "float16": complex64, "bfloat16": complex64}.get(
            self.name, self
        )


def _named(name: str) -> dtype:
    return dtype.by_name[name]


# rank orders a category's types: of two, promotion takes the higher, but for the pairs in _MIXED
bool_ = dtype("bool", np.bool_, BOOL, 0)
uint8 = dtype("uint8", np.uint8, INTEGER, 1)
int8 = dtype("int8", np.int8, INTEGER, 1)
int16 = dtype("int16", np.int16, INTEGER, 2)
uint16 = dtype("uint16", np.uint16, INTEGER, 2)
int32 = dtype("int32", np.int32, INTEGER, 3)
uint32 = dtype("uint32", np.uint32, INTEGER, 3)
int64 = dtype("int64", np.int64, INTEGER, 4)
uint64 = dtype("uint64", np.uint64, INTEGER, 4)
float16 = dtype("float16", np.float16, FLOATING, 1)
bfloat16 = dtype("bfloat16", ml_dtypes.bfloat16, FLOATING, 1)
float32 = dtype("float32", np.float32, FLOATING, 2)
float64 = dtype("float64", np.float64, FLOATING, 3)
complex64 = dtype("complex64", np.complex64, COMPLEX, 2)
complex128 = dtype("complex128", np.complex128, COMPLEX, 3)
float8_e4m3fn = dtype("float8_e4m3fn", ml_dtypes.float8_e4m3fn, FLOATING, 0)
float8_e4m3fnuz = dtype("float8_e4m3fnuz", ml_dtypes.float8_e4m3fnuz, FLOATING, 0)
float8_e5m2 = dtype("float8_e5m2", ml_dtypes.float8_e5m2, FLOATING, 0)
float8_e5m2fnuz = dtype("float8_e5m2fnuz", ml_dtypes.float8_e5m2fnuz, FLOATING, 0)
float8_e8m0fnu = dtype("float8_e8m0fnu", ml_dtypes.float8_e8m0fnu, FLOATING, 0)  # powers of two: scales of blocks

ALIASES = {
    "half": float16,
    "float": float32,
    "double": float64,
    "cfloat": complex64,
    "cdouble": complex128,
    "short": int16,
    "int": int32,
    "long": int64,
}
_MIXED = {frozenset({uint8, int8}): int16, frozenset({float16, bfloat16}): float32}
_OF_SCALAR = {bool: BOOL, int: INTEGER, float: FLOATING, complex: COMPLEX}
_default = float32
on_change: list[Callable[[], None]] = []  # called when the default changes: what was worked out with it is out of date


def default_dtype() -> dtype:
    """The floating type of new tensors."""
    return _default


def set_default(new: dtype) -> None:
    """Makes `new` the floating type of new tensors."""
    global _default
    if isinstance(new, dtype) and new.narrow:
        raise TypeError(f"couldn't find storage object {new.title}Storage")
    if not isinstance(new, dtype) or new.category != FLOATING:
        raise TypeError(f"only floating-point types are supported as the default type, but got {new}")
    _default = new
    for forget in on_change:
        forget()


def of_category(category: int) -> dtype:
    """The type a Python number of that kind becomes when nothing else decides."""
    return (bool_, int64, _default, _default.to_complex())[category]


def of_scalar(kind: type) -> dtype:
    """The type that a Python number of the given class stands for."""
    return of_category(_OF_SCALAR[kind])


def promote(a: dtype, b: dtype) -> dtype:
    """The smallest type that holds both: `torch.promote_types`."""
    if a is b:
        return a
    if a.narrow or b.narrow:
        raise RuntimeError(
            f"Promotion for Float8 Types is not supported, attempted to promote {a.title} and {b.title}"
        )
    if a.category != b.category:
        low, high = (a, b) if a.category < b.category else (b, a)
        if high.is_complex and low.is_floating_point and low.rank > high.rank:
            return complex128
        return high
    mixed = _MIXED.get(frozenset({a, b}))
    if mixed:
        return mixed
    if a.category == INTEGER and "uint" in a.name + b.name and uint8 not in (a, b):
        raise RuntimeError(
            f"Promotion for uint16, uint32, uint64 types is not supported, attempted to promote {a} and {b}"
        )
    return a if a.rank > b.rank else b


def _combine(higher: dtype | None, lower: dtype | None) -> dtype | None:
    """`higher` decides; `lower` only lifts its category (a 0-d float tensor makes an integer tensor float)."""
    if higher is None or lower is None:
        return higher or lower
    if higher.is_complex:
        return higher
    if higher.is_floating_point:
        return higher.to_complex() if lower.is_complex else higher
    if higher.category == BOOL or lower.category >= FLOATING:
        return promote(higher, lower)
    return higher


def result_type(operands: list) -> dtype:
    """The common type of operands given as anything with `.dtype`, `.ndim` and `.weak`.

    Tensors with dimensions come first, then 0-d tensors, then Python numbers, which count by category only.
    """
    levels: list[dtype | None] = [None, None, None]
    for s in operands:
        level = 2 if s.weak else 1 if s.ndim == 0 else 0
        found = of_category(s.dtype.category) if s.weak else s.dtype
        held = levels[level]
        levels[level] = found if held is None else promote(held, found)
    result = _combine(levels[0], _combine(levels[1], levels[2]))
    assert result is not None
    return result


def can_cast(source: dtype, target: dtype) -> bool:
    """Whether a result of type `source` may be stored in a tensor of type `target`."""
    return source.category <= target.category
