"""The text of a tensor, character for character as PyTorch prints it, from a NumPy array.

`format_tensor` does everything; the options of `set_printoptions` steer it. Nothing here knows of Tensor: the caller
says which suffixes (device, gradient) the tensor has.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

_PROFILES: dict[str, dict[str, Any]] = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": float("inf"), "edgeitems": 3, "linewidth": 80},
}
_options: dict[str, Any] = {**_PROFILES["default"], "sci_mode": None}


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Set how tensors are printed; what is None stays as it is, except `sci_mode`, where None means automatic.

    precision: digits after the point. threshold: tensors of more elements are summarised. edgeitems: elements shown
    at each end of a summarised dimension. linewidth: columns before a line is broken. profile: "default", "short" or
    "full", applied before the others; any other name changes nothing. sci_mode: scientific notation always or never.
    """
    if profile is not None:
        _options.update(_PROFILES.get(profile, {}))
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    _options.update((name, value) for name, value in given.items() if value is not None)
    # As in PyTorch, a call that does not name sci_mode makes it automatic again.
    _options["sci_mode"] = sci_mode


def get_printoptions() -> dict[str, Any]:
    """The options in force, by name: a copy, safe to change."""
    return dict(_options)


@contextmanager
def printoptions(**options: Any) -> Iterator[None]:
    """Options of `set_printoptions` for the length of a `with` block; the earlier ones return after it."""
    before = get_printoptions()
    set_printoptions(**options)
    try:
        yield
    finally:
        _options.update(before)


def needs_dtype_suffix(dtype: str, default_dtype: str = "float32", is_empty: bool = False) -> bool:
    """Whether the text must name the dtype, because the values shown do not tell it.

    bool, int64, the default dtype and its complex partner go without saying; with no value to look at, only the
    default dtype does.
    """
    if is_empty:
        return dtype != default_dtype
    default_complex = "complex128" if default_dtype == "float64" else "complex64"
    return dtype not in ("bool", "int64", default_dtype, default_complex)


def format_tensor(
    data: np.ndarray,
    *,
    dtype: str,
    suffixes: Sequence[str] = (),
    show_dtype: bool = False,
    prefix: str = "tensor(",
    indent: int | None = None,
) -> str:
    """`prefix`, the values of `data`, then size, dtype and `suffixes` as far as they are shown, and a bracket.

    dtype: the name to show if `show_dtype` (see `needs_dtype_suffix`). suffixes: ready texts such as "device='cuda:0'"
    or "requires_grad=True", in PyTorch's order; size and dtype find their place after the device. indent: columns
    before every line but the first, the length of `prefix` by default.
    """
    if indent is None:
        indent = len(prefix)
    before = [suffix for suffix in suffixes if suffix.startswith("device=")]
    own = []
    # An empty tensor of one dimension can only have shape (0,); without edge items a shape is all there is to see.
    if (data.ndim != 1) if data.size == 0 else (not _options["edgeitems"]):
        own.append(f"size={data.shape}")
    if show_dtype:
        own.append(f"dtype=torch.{dtype}")
    after = [suffix for suffix in suffixes if not suffix.startswith("device=")]
    return _with_suffixes(prefix + _values_text(data, indent), before + own + after, indent) + ")"


def _with_suffixes(text: str, suffixes: Sequence[str], indent: int) -> str:
    """`text` and the suffixes behind commas; one that would pass the line's end opens a new line."""
    # PyTorch counts two columns too many behind the values, and none behind a suffix that opened a line.
    column = len(text) - (text.rfind("\n") + 1) + 2
    for suffix in suffixes:
        if column + len(suffix) + 2 > _options["linewidth"]:
            text += ",\n" + " " * indent + suffix
            column = indent + len(suffix)
        else:
            text += ", " + suffix
            column += len(suffix) + 2
    return text


def _values_text(data: np.ndarray, indent: int) -> str:
    """The values in nested brackets, summarised if there are too many of them."""
    if data.size == 0:
        return "[]"
    if data.ndim == 0:
        return _cells(data.reshape(1))[0][0]
    edge = _options["edgeitems"]
    shortened = [False] * data.ndim
    if data.size > _options["threshold"]:
        if edge <= 0:
            return "[...]"
        shortened = [length > 2 * edge for length in data.shape]
        if any(shortened):
            # One indexing step, so that a large tensor's inner elements are never touched.
            ends = [*range(edge), *range(-edge, 0)]
            data = data[np.ix_(*(ends if cut else range(n) for cut, n in zip(shortened, data.shape, strict=True)))]
    cells, width = _cells(data.reshape(-1))
    last = data.ndim - 1
    per_line = max(1, (_options["linewidth"] - indent - last) // (width + 2))
    line_break = ",\n" + " " * (indent + last + 1)
    blocks = [
        _row(cells[start : start + data.shape[-1]], shortened[-1], edge, per_line, line_break)
        for start in range(0, len(cells), data.shape[-1])
    ]
    for axis in range(last - 1, -1, -1):
        separator = "," + "\n" * (last - axis) + " " * (indent + axis + 1)
        length = data.shape[axis]
        groups = [blocks[start : start + length] for start in range(0, len(blocks), length)]
        if shortened[axis]:
            groups = [[*group[:edge], "...", *group[edge:]] for group in groups]
        blocks = ["[" + separator.join(group) + "]" for group in groups]
    return blocks[0]


def _row(cells: list[str], shortened: bool, edge: int, per_line: int, line_break: str) -> str:
    """One innermost row in brackets, broken after every `per_line` cells."""
    if shortened:
        cells = [*cells[:edge], " ...", *cells[edge:]]
    if len(cells) <= per_line:
        return "[" + ", ".join(cells) + "]"
    lines = [", ".join(cells[start : start + per_line]) for start in range(0, len(cells), per_line)]
    return "[" + line_break.join(lines) + "]"


def _cells(values: np.ndarray) -> tuple[list[str], int]:
    """The texts of a flat array's elements, aligned to the right, and the width that a line reckons for each."""
    if values.dtype.kind in "biu":
        texts = [str(value) for value in values.tolist()]
        width = max(map(len, texts))
    elif values.dtype.kind == "c":
        real_texts, real_width = _float_texts(values.real)
        imaginary_texts, imaginary_width = _float_texts(values.imag)
        # Only the real part is aligned. The line's arithmetic has room for "j" but, as PyTorch's, none for a "+".
        texts = [
            real.rjust(real_width) + (imaginary if imaginary[0] == "-" else "+" + imaginary) + "j"
            for real, imaginary in zip(real_texts, imaginary_texts, strict=True)
        ]
        return texts, real_width + imaginary_width + 1
    else:
        texts, width = _float_texts(values)
    return [text.rjust(width) for text in texts], width


def _float_texts(values: np.ndarray) -> tuple[list[str], int]:
    """The texts of floats in the notation that suits all of them, and the width of the widest that counts.

    Zeros, infinities and nan neither choose the notation nor count for the width. Whole numbers are written "2.";
    scientific notation is for values too large (1e8), too small (1e-4) or too unlike (1000 times).
    """
    with np.errstate(invalid="ignore"):  # a signalling nan is no reason for a warning
        numbers = values.astype(np.float64).tolist()
    # A number less itself is zero unless it is infinite or nan.
    counts = [number != 0 and number - number == 0 for number in numbers]
    counted = [number for number, counting in zip(numbers, counts, strict=True) if counting]
    if not counted:
        return [format(number, ".0f") + "." * (number == 0) for number in numbers], 1
    magnitudes = [abs(number) for number in counted]
    largest, smallest = max(magnitudes), min(magnitudes)
    whole = all(number.is_integer() for number in counted)
    scientific = _options["sci_mode"]
    if scientific is None:
        scientific = largest / smallest > 1000 or largest > 1e8 or smallest < 1e-4
    if whole and not scientific:
        texts = [format(number, ".0f") + "." * (number - number == 0) for number in numbers]
    else:
        specification = f".{_options['precision']}{'e' if scientific else 'f'}"
        texts = [format(number, specification) for number in numbers]
    return texts, max(len(text) for text, counting in zip(texts, counts, strict=True) if counting)
