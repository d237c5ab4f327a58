"""Borders around the last dimensions: of a constant, by reflection, by repetition, or wrapping around."""

from __future__ import annotations

from typing import Any

from ..graph import Spec
from ._op import S, T, composite, op
from .resampling import _resample


def _pairs(pad: tuple) -> list[tuple[int, int]]:
    """The paddings by dimension, the last dimension first, as pairs (before, after)."""
    return list(zip(pad[::2], pad[1::2], strict=True))


def _bordered(input: Spec, pad) -> Spec:
    if len(pad) % 2:
        raise RuntimeError("Padding length must be divisible by 2")
    if len(pad) > 2 * input.ndim:
        raise RuntimeError(
            "Padding length should be less than or equal to two times the input dimension but got padding length "
            f"{len(pad)} and input of dimension {input.ndim}"
        )
    shape = list(input.shape)
    for i, (low, high) in enumerate(_pairs(pad)):
        place = input.ndim - i - 1
        if shape[place] + min(low, 0) + min(high, 0) < 0:
            raise RuntimeError("narrow(): length must be non-negative.")
        shape[place] += low + high
        if shape[place] < 0:
            raise RuntimeError(
                f"The input size {input.shape[place]}, plus negative padding {low} and {high} resulted in a negative "
                "output "
                f"size, which is invalid. Check dimension {place} of your input."
            )
    return input.like(shape)


@op(
    _bordered,
    api="",
    upcast=False,
    shown="ConstantPadNd",
    cases=[(S(2, 3), (1, 2, 0, 1), 0.5), (S(2, 4), (-1, 2), 0)],
    grad=lambda g, pad: _pad_constant(g, tuple(-p for p in pad), 0),
)
def _pad_constant(xp, input: T, pad, value=0.0):
    """`input` with `value` around its last dimensions; negative paddings crop."""
    pairs = [(0, 0)] * (input.ndim - len(pad) // 2) + _pairs(pad)[::-1]
    if any(low < 0 or high < 0 for low, high in pairs):
        input = input[
            tuple(slice(max(-low, 0), n + min(high, 0)) for n, (low, high) in zip(input.shape, pairs, strict=True))
        ]
    if not any(low > 0 or high > 0 for low, high in pairs):
        return xp.array(input)
    return xp.pad(input, [(max(low, 0), max(high, 0)) for low, high in pairs], constant_values=value)


@_pad_constant.lower("numpy")
def _pad_numpy(xp, input, pad, value=0.0):
    pairs = [(0, 0)] * (input.ndim - len(pad) // 2) + _pairs(pad)[::-1]
    found = xp.full(
        [n + low + high for n, (low, high) in zip(input.shape, pairs, strict=True)], value, dtype=input.dtype
    )
    inner = tuple(slice(max(low, 0), low + n + min(high, 0)) for n, (low, high) in zip(input.shape, pairs, strict=True))
    found[inner] = input[
        tuple(slice(max(-low, 0), n + min(high, 0)) for n, (low, high) in zip(input.shape, pairs, strict=True))
    ]
    return found


def _check_border(input: Any, pairs: list[tuple[int, int]], mode: str) -> None:
    """PyTorch's errors for borders made of elements of the input."""
    n, shape = len(pairs), tuple(input.shape)
    if mode == "circular":
        for i, (low, high) in enumerate(pairs):
            size = shape[-i - 1]
            if low > size or high > size:
                raise RuntimeError("Padding value causes wrapping around more than once.")
            if size + low + high < 0 or size + low + high == 0 and size:
                raise RuntimeError("Negative padding value is resulting in an empty dimension")
        return
    if 0 in shape[-n - (1 if input.ndim >= n + 1 else 0) :]:
        raise RuntimeError(
            f"Expected {n + 1}D or {n + 2}D (batch mode) tensor with possibly 0 batch size and other non-zero "
            "dimensions for "
            f"input, but got: {list(shape)}"
        )
    for i, (low, high) in enumerate(pairs):
        size = shape[-i - 1]
        if mode == "reflect" and (low >= size or high >= size):
            raise RuntimeError(
                f"Argument #{4 + 2 * i}: Padding size should be "
                f"less than the corresponding input dimension, but got: padding ({low}, {high}) at dimension "
                f"{len(shape) - i - 1} of input {list(shape)}"
            )
    axes = "WHD"
    if any(shape[-i - 1] + low + high < 1 for i, (low, high) in enumerate(pairs)):
        told = " ".join(f"{axes[i]}: {shape[-i - 1]}" for i in reversed(range(n)))
        sizes = " ".join(f"{axes[i]}: {shape[-i - 1] + sum(pairs[i])}" for i in reversed(range(n)))
        raise RuntimeError(f"input ({told}) is too small. Calculated output {sizes}")


@composite(
    "nn.functional",
    cases=[
        (S(2, 3), (1, 2)),
        (S(1, 2, 4, 5), (1, 2, 3, 1), "reflect"),
        (S(1, 2, 4), (3, 0), "replicate"),
        (S(1, 2, 3, 4), (2, 1, 0, 3), "circular"),
        (S(2, 3), (1, -1), "constant", 2.0),
    ],
    wrong=[
        ((S(2, 3), (1,)), RuntimeError, "Padding length must be divisible by 2"),
        (
            (S(2, 3, 4), (4, 1), "reflect"),
            RuntimeError,
            "Padding size should be less than the corresponding input dimension",
        ),
        ((S(2, 3), (1, 1), "other"), NotImplementedError, "Unrecognised padding mode other"),
    ],
)
def pad(input, pad, mode="constant", value=None):
    """`input` with a border around its last dimensions: `pad` is (before, after) of the last, then the one before.

    The border holds `value` ("constant"), the inside mirrored without its edge ("reflect"), the edge ("replicate"),
    or the other side ("circular"). Negative numbers crop. RuntimeError if a border is too wide for its mode.
    """
    pad = tuple(int(p) for p in pad)
    if mode == "constant":
        return _pad_constant(input, pad, 0.0 if value is None else value)
    if len(pad) % 2:
        raise RuntimeError("Padding length must be divisible by 2")
    if value is not None and value != 0:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    if mode not in ("reflect", "replicate", "circular"):
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    n = len(pad) // 2
    if n not in (1, 2, 3) or input.ndim not in (n + 1, n + 2):
        if len(pad) > 2 * input.ndim:
            raise RuntimeError(
                "Padding length should be less than or equal to two times the input dimension but got padding length "
                f"{len(pad)} and input of dimension {input.ndim}"
            )
        raise NotImplementedError(f"Padding size {len(pad)} is not supported for {input.ndim}D input tensor.")
    pairs = _pairs(pad)
    _check_border(input, pairs, mode)
    plans = tuple(
        None if pairs[i] == (0, 0) else (mode, input.shape[-i - 1], input.shape[-i - 1] + sum(pairs[i]), *pairs[i])
        for i in reversed(range(n))
    )
    return _resample(
        input,
        plans,
        False,
        {"reflect": f"ReflectionPad{n}D", "replicate": f"ReplicationPad{n}D"}.get(mode, "PadCircular"),
    )


@composite("torch", cases=[(S(2, 3), (1, 2)), (S(2, 3), (1, 2), 0.5)])
def constant_pad_nd(input, pad, value=0):
    """`input` with `value` around its last dimensions."""
    return _pad_constant(input, tuple(pad), value)
