"""assert_close: whether two values, or two collections of them, agree within a tolerance; and how they differ."""

from __future__ import annotations

import cmath
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import dtypes
from ..creation import as_tensor
from ..tensor import Tensor

# The tolerance, relative and absolute, of floating-point numbers; others must be equal.
PRECISIONS: dict[dtypes.dtype, tuple[float, float]] = {
    dtypes.float16: (1e-3, 1e-5),
    dtypes.bfloat16: (1.6e-2, 1e-5),
    dtypes.float32: (1.3e-6, 1e-5),
    dtypes.float64: (1e-7, 1e-7),
    dtypes.complex64: (1.3e-6, 1e-5),
    dtypes.complex128: (1e-7, 1e-7),
}
_NUMBER_DTYPES = {int: dtypes.int64, float: dtypes.float64, complex: dtypes.complex128}
Path = tuple[Any, ...]


class Options(NamedTuple):
    """What a comparison has been asked to look at."""

    allow_subclasses: bool
    tolerance: tuple[float, float] | None
    equal_nan: bool
    check_device: bool
    check_dtype: bool
    check_layout: bool
    check_stride: bool


class Difference(Exception):
    """A comparison that failed: the error to raise, its message, and where in the collections it was."""

    def __init__(self, message: str, path: Path = (), kind: type[Exception] = AssertionError) -> None:
        super().__init__(message)
        self.message, self.path, self.kind = message, path, kind

    def error(self, msg: str | Callable[[str], str] | None) -> Exception:
        """The error with the user's message, if there is one, in place of the generated one."""
        if isinstance(msg, str):
            return self.kind(msg)
        text = self.message
        if self.path:
            text += "\n\nThe failure occurred for item " + "".join(f"[{step!r}]" for step in self.path)
        return self.kind(msg(text) if callable(msg) else text)


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """Raises AssertionError unless `|actual - expected| <= atol + rtol * |expected|`, element by element.

    Takes tensors, arrays, numbers, None, and sequences and mappings of them. Without `rtol` and `atol` (give both or
    none) they follow from the dtype. `msg` replaces the message, or is called with it.
    """
    if (rtol is None) != (atol is None):
        raise ValueError(
            "Both 'rtol' and 'atol' must be either specified or omitted, "
            f"but got no {'rtol' if rtol is None else 'atol'}."
        )
    for name, value in (("rtol", rtol), ("atol", atol)):
        if value is not None and value < 0:
            raise ValueError(f"{name} must be greater than or equal to zero, but got {value}")
    tolerance = None if rtol is None or atol is None else (float(rtol), float(atol))
    options = Options(allow_subclasses, tolerance, equal_nan, check_device, check_dtype, check_layout, check_stride)
    try:
        for compare, first, second, path in list(_pairs(actual, expected, options, ())):
            compare(first, second, options, path)
    except Difference as difference:
        raise difference.error(msg) from None


def assert_allclose(
    actual: Any,
    expected: Any,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = True,
    msg: str = "",
) -> None:
    """The old form of assert_close, which looks at values only."""
    warnings.warn(
        "`torch.testing.assert_allclose()` is deprecated since 1.12 and will be removed in a future release. "
        "Please use `torch.testing.assert_close()` instead.",
        FutureWarning,
        stacklevel=2,
    )
    first = actual if isinstance(actual, Tensor) else as_tensor(actual)
    second = expected if isinstance(expected, Tensor) else as_tensor(expected, dtype=first.dtype)
    if rtol is None and atol is None:
        rtol, atol = _tolerance([first.dtype, second.dtype], None)
    assert_close(
        first,
        second,
        rtol=rtol,
        atol=atol,
        equal_nan=equal_nan,
        check_device=True,
        check_dtype=False,
        msg=msg or None,
    )


# ---- taking collections apart


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def _pairs(actual: Any, expected: Any, options: Options, path: Path) -> Iterator[tuple[Callable, Any, Any, Path]]:
    """What is to be compared with what, and how."""
    if _is_sequence(actual) and _is_sequence(expected):
        if len(actual) != len(expected):
            raise Difference(f"The length of the sequences mismatch: {len(actual)} != {len(expected)}", path)
        for i, (first, second) in enumerate(zip(actual, expected, strict=True)):
            yield from _pairs(first, second, options, (*path, i))
    elif isinstance(actual, Mapping) and isinstance(expected, Mapping):
        missing, added = set(expected) - set(actual), set(actual) - set(expected)
        if missing or added:
            raise Difference(
                "The keys of the mappings do not match:\n"
                f"Missing keys in the actual mapping: {_sorted(missing)}\n"
                f"Additional keys in the actual mapping: {_sorted(added)}",
                path,
            )
        for key in _sorted(expected):
            yield from _pairs(actual[key], expected[key], options, (*path, key))
    else:
        yield _way(actual, expected, options, path), actual, expected, path


def _sorted(keys: Any) -> list:
    try:
        return sorted(keys)
    except TypeError:  # keys of several types have no order
        return list(keys)


def _way(actual: Any, expected: Any, options: Options, path: Path) -> Callable:
    """The function that compares such values."""
    if actual is None or expected is None:
        return _compare_none
    if isinstance(actual, (bool, np.bool_)) and isinstance(expected, (bool, np.bool_)):
        return _compare_booleans
    numbers = (int, float, complex, np.number, np.bool_)
    if isinstance(actual, numbers) and isinstance(expected, numbers):
        return _compare_numbers
    related = isinstance(actual, type(expected)) or isinstance(expected, type(actual))
    if not options.allow_subclasses:
        related = type(actual) is type(expected)
    if related and isinstance(actual, (Tensor, np.ndarray, np.generic)):
        return _compare_tensors
    raise Difference(
        f"No comparison pair was able to handle inputs of type {type(actual)} and {type(expected)}.", path, TypeError
    )


# ---- comparing


def _tolerance(kinds: list[dtypes.dtype], given: tuple[float, float] | None) -> tuple[float, float]:
    if given is not None:
        return given
    found = [PRECISIONS.get(kind, (0.0, 0.0)) for kind in kinds]
    return max(r for r, _ in found), max(a for _, a in found)


def _compare_none(actual: Any, expected: Any, options: Options, path: Path) -> None:
    if actual is not expected:
        raise Difference(f"None mismatch: {actual} is not {expected}", path)


def _compare_booleans(actual: Any, expected: Any, options: Options, path: Path) -> None:
    if bool(actual) is not bool(expected):
        raise Difference(f"Booleans mismatch: {bool(actual)} is not {bool(expected)}", path)


def _compare_numbers(actual: Any, expected: Any, options: Options, path: Path) -> None:
    first, second = (v.item() if isinstance(v, np.generic) else v for v in (actual, expected))
    if options.check_dtype and type(first) is not type(second):
        raise Difference(f"The (d)types do not match: {type(first)} != {type(second)}.", path)
    kinds = [_NUMBER_DTYPES.get(type(v), dtypes.int64) for v in (first, second)]
    _compare_scalars(first, second, _tolerance(kinds, options.tolerance), options.equal_nan, path)


def _compare_scalars(actual: Any, expected: Any, tolerance: tuple[float, float], equal_nan: bool, path: Path) -> None:
    relative, absolute = tolerance
    if actual == expected or equal_nan and cmath.isnan(actual) and cmath.isnan(expected):
        return
    difference = abs(actual - expected)
    if cmath.isfinite(difference) and difference <= absolute + relative * abs(expected):
        return
    exact = relative == absolute == 0
    ratio = difference / abs(expected) if expected != 0 else float("inf")
    raise Difference(
        f"Scalars are not {'equal' if exact else 'close'}!\n\n"
        f"Expected {expected} but got {actual}.\n"
        f"Absolute difference: {difference}{_allowed(absolute, exact)}\n"
        f"Relative difference: {ratio}{_allowed(relative, exact)}",
        path,
    )


def _allowed(limit: float, exact: bool) -> str:
    return "" if exact else f" (up to {limit} allowed)"


def _compare_tensors(actual: Any, expected: Any, options: Options, path: Path) -> None:
    first, second = (v.detach() if isinstance(v, Tensor) else as_tensor(np.asarray(v)) for v in (actual, expected))
    _compare_attributes(first, second, options, path)
    tolerance = _tolerance([first.dtype, second.dtype], options.tolerance)
    if first.dtype is not second.dtype:
        kind = dtypes.promote(first.dtype, second.dtype)
        first, second = first.to(kind), second.to(kind)
    if first.ndim == 0:
        _compare_scalars(first.item(), second.item(), tolerance, options.equal_nan, path)
        return
    matches = first.isclose(second, rtol=tolerance[0], atol=tolerance[1], equal_nan=options.equal_nan)
    if not matches.all():
        raise Difference(_elements_differ(first, second, matches, tolerance), path)


def _compare_attributes(first: Tensor, second: Tensor, options: Options, path: Path) -> None:
    looked_at: list[tuple[str, Any, Any]] = [("shape", first.shape, second.shape)]
    if options.check_layout:
        looked_at.append(("layout", first.layout, second.layout))
    if options.check_device:
        looked_at.append(("device", first.device, second.device))
    if options.check_dtype:
        looked_at.append(("dtype", first.dtype, second.dtype))
    if options.check_stride:
        looked_at.append(("stride()", first.stride(), second.stride()))
    for name, one, other in looked_at:
        if one != other:
            raise Difference(f"The values for attribute '{name}' do not match: {one} != {other}.", path)


def _elements_differ(first: Any, second: Any, matches: Any, tolerance: tuple[float, float]) -> str:
    """How far tensors are apart, and where most."""
    relative, absolute = tolerance
    exact = relative == absolute == 0
    total, wrong = matches.numel(), matches.numel() - int(matches.sum())
    if not first.is_floating_point() and not first.is_complex():
        first, second = first.to(dtypes.int64), second.to(dtypes.int64)
    difference = (first - second).abs().masked_fill(matches, 0)
    ratio = ((first - second).abs() / second.abs()).masked_fill(matches, 0)
    lines = []
    for name, values, limit in (("absolute", difference, absolute), ("relative", ratio, relative)):
        place = int(values.argmax())
        index = tuple(int(i) for i in np.unravel_index(place, tuple(values.shape)))
        greatest = values.flatten()[place].item()
        lines.append(f"Greatest {name} difference: {greatest} at index {index}{_allowed(limit, exact)}")
    return (
        f"Tensor-likes are not {'equal' if exact else 'close'}!\n\n"
        f"Mismatched elements: {wrong} / {total} ({wrong / total:.1%})\n" + "\n".join(lines)
    )
