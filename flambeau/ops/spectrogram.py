"""Short-time Fourier transforms: the spectra of overlapping stretches of a signal."""
from __future__ import annotations

from typing import Any

from .. import dtypes
from ._op import S, T, composite, op
from ._rules import title
from .complex import view_as_real
from .core import filled
from .fourier import _as_complex, _c2c, _c2r, _fitted, _r2c
from .joining import cat

_MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def _shown(value: Any) -> str:
    return (
        "None"
        if value is None
        else str(int(value))
        if isinstance(value, (bool, int))
        else f"torch.{title(value.dtype)}Tensor{{{list(value.shape)}}}"
    )


@op(
    lambda input, pad, mode: input.like((input.shape[-1] + 2 * pad,), dtypes.int64),
    api="",
    upcast=False,
    detaches=True,
    cases=[(S(5), 2, "reflect")],
)
def _padding_index(xp, input: T, pad, mode):
    """Which element of the last dimension stands where, `pad` more on both sides."""
    return xp.pad(xp.arange(input.shape[-1]), pad, mode=mode).astype("int64")


def _padded(input, pad: int, mode: str):
    if mode == "constant":
        zeros = filled(input, (*input.shape[:-1], pad), 0)
        return cat((zeros, input, zeros), -1)
    if mode == "reflect" and pad >= input.shape[-1]:
        raise RuntimeError(
            "Argument #4: Padding size should be less than the corresponding input dimension, but got: padding "
            f"({pad}, {pad}) at "
            f"dimension 2 of input {[1] * (3 - input.ndim) + list(input.shape)}"
        )
    if mode not in _MODES:
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    return input.index_select(-1, _padding_index(input, pad, _MODES[mode]))


@op(
    lambda input, count, size, hop: input.like((count * size,), dtypes.int64),
    api="",
    upcast=False,
    detaches=True,
    cases=[(S(5), 2, 3, 1)],
)
def _frame_index(xp, input: T, count, size, hop):
    """The positions of `count` stretches of `size` elements, each `hop` after the last, one after the other."""
    return xp.reshape(hop * xp.arange(count)[:, None] + xp.arange(size), (-1,)).astype("int64")


def _whole_window(input, window, size: int, length: int):
    """The window in the middle of `size` elements, zeros around it."""
    if window is None:
        if length == size:
            return None
        window = filled(input, (length,), 1, input.dtype.to_real())
    if length == size:
        return window
    left = (size - length) // 2
    return cat((filled(window, (left,), 0), window, filled(window, (size - length - left,), 0)), 0)


@composite(
    "torch method",
    cases=[(S(20), 4, {"return_complex": True}), (S(2, 20), 8, 3, 6, {"return_complex": True, "normalized": True})],
)
def stft(
    input,
    n_fft,
    hop_length=None,
    win_length=None,
    window=None,
    center=True,
    pad_mode="reflect",
    normalized=False,
    onesided=None,
    return_complex=None,
    align_to_window=None,
):
    """Spectra of stretches of `n_fft` elements, `hop_length` (a quarter) apart, weighed by `window`.

    input (B, T) -> (B, frequencies, stretches).
    `center` puts the middle of the first stretch at the first element, padding both ends by `pad_mode`;
    `normalized` divides by the root of n_fft; `onesided` keeps the first half of the frequencies, as by itself for
    real signals.
    """
    hop = n_fft // 4 if hop_length is None else hop_length
    length = n_fft if win_length is None else win_length
    flat = input.ndim == 1
    if return_complex is None and not input.dtype.is_complex and not (window is not None and window.dtype.is_complex):
        raise RuntimeError(
            "stft requires the return_complex parameter be given for real inputs, and will further require that "
            "return_complex=True in a future PyTorch release."
        )
    if center and n_fft > 0:
        input = _padded(input, n_fft // 2, pad_mode)

    def refused(why: str) -> RuntimeError:
        return RuntimeError(
            f"stft(torch.{title(input.dtype)}Tensor{list(input.shape)}, n_fft={n_fft}, hop_length={hop}, "
            f"win_length={length}, "
            f"window={_shown(window)}, normalized={int(normalized)}, onesided={_shown(onesided)}, "
            f"return_complex={_shown(return_complex)}, align_to_window={_shown(align_to_window)}) : {why}"
        )
    if input.dtype.category < dtypes.FLOATING:
        raise refused("expected a tensor of floating point or complex values")
    if input.ndim not in (1, 2):
        raise refused("expected a 1D or 2D tensor")
    size = input.shape[-1]
    if not 0 < n_fft <= size:
        raise refused(f"expected 0 < n_fft < {size}, but got n_fft={n_fft}")
    if hop <= 0:
        raise refused(f"expected hop_length > 0, but got hop_length={hop}")
    if not 0 < length <= n_fft:
        raise refused(f"expected 0 < win_length <= n_fft, but got win_length={length}")
    if window is not None and tuple(window.shape) != (length,):
        raise refused(
            f"expected a 1D window tensor of size equal to win_length={length}, but got window with size "
            f"{list(window.shape)}"
        )
    count = 1 + (size - n_fft) // hop
    frames = input.index_select(-1, _frame_index(input, count, n_fft, hop)).reshape((*input.shape[:-1], count, n_fft))
    weight = _whole_window(input, window, n_fft, length)
    if weight is not None:
        frames = frames * weight
    real = not frames.dtype.is_complex
    if onesided and not real:
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    norm, last = "ortho" if normalized else "backward", (frames.ndim - 1,)
    half = real if onesided is None else onesided
    y = (_r2c(frames, last, norm) if half else _c2c(_as_complex(frames), last, norm, True)).transpose(-2, -1)
    assert flat == (y.ndim == 2)
    return view_as_real(y) if return_complex is False or return_complex is None and real else y


@op(lambda input, text: input.like(), api="", checks=True, grad=lambda g: g, cases=[(S(3), "istft")])
def _not_zero(xp, input: T, text):
    """`input`, which must nowhere be zero: every element of the signal lies under some window."""
    xp.refuse(xp.abs(input) <= 1e-11, lambda: RuntimeError(f"{text} window overlap add min: 1"))
    return input


def _overlapped(frames, hop: int):
    """Stretches (..., count, size), each `hop` after the last, added up."""
    *batch, count, size = frames.shape
    start = filled(frames, (*batch, size + hop * (count - 1)), 0)
    return start.index_add(-1, _frame_index(frames, count, size, hop), frames.reshape((*batch, count * size)))


@composite("torch method", cases=[(S(3, 7, dtype="complex64"), 4)])
def istft(
    input,
    n_fft,
    hop_length=None,
    win_length=None,
    window=None,
    center=True,
    normalized=False,
    onesided=None,
    length=None,
    return_complex=False,
):
    """The signal whose `stft` comes closest to `input` (Griffin and Lim, 1984): (B, F, stretches) -> (B, T)."""
    hop = n_fft // 4 if hop_length is None else hop_length
    width = n_fft if win_length is None else win_length
    if not input.dtype.is_complex:
        raise RuntimeError(
            "istft requires a complex-valued input tensor matching the output from stft with return_complex=True."
        )
    text = (
        f"istft(CPU{title(input.dtype)}Type{list(input.shape)}, n_fft={n_fft}, hop_length={hop}, win_length={width}, "
        f"window={_shown(window)}, center={int(center)}, normalized={int(normalized)}, onesided={_shown(onesided)}, "
        f"length={_shown(length)}, return_complex={int(return_complex)})"
    )
    if 0 in input.shape:
        raise RuntimeError(f"{text} : input tensor cannot be empty.")
    if input.ndim not in (2, 3):
        raise RuntimeError(f"{text} : expected a tensor with 3 or 4 dimensions, but got {input.ndim + 1}")
    points = input.shape[-2]
    half = points != n_fft if onesided is None else onesided
    if points != (n_fft // 2 + 1 if half else n_fft):
        expected = "n_fft / 2 + 1" if half else "n_fft"
        raise RuntimeError(
            f"{text} : expected the frequency dimension (3rd to the last) of the input tensor to match {expected} "
            "when onesided="
            f"{'True' if half else 'False'}, but got {points}"
        )
    if not 0 < hop <= width:
        raise RuntimeError(f"{text} : expected 0 < hop_length <= win_length")
    if not 0 < width <= n_fft:
        raise RuntimeError(f"{text} : expected 0 < win_length <= n_fft")
    if window is not None and tuple(window.shape) != (width,):
        raise RuntimeError(f"{text} : Invalid window shape. window has to be 1D and length of `win_length`")
    if half and return_complex:
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    if not return_complex and window is not None and window.dtype.is_complex:
        raise RuntimeError("Complex windows are incompatible with return_complex=False")
    x = input.transpose(-2, -1)
    norm, last = "ortho" if normalized else "backward", (x.ndim - 1,)
    if return_complex:
        frames = _c2c(x, last, norm, False)
    else:
        frames = _c2r(_fitted(x, last, (n_fft // 2 + 1,)), last, norm, n_fft)
    weight = _whole_window(input, window, n_fft, width)
    if weight is None:
        weight = filled(input, (n_fft,), 1, input.dtype.to_real())
    y = _overlapped(frames * weight, hop)
    envelope = _overlapped((weight * weight).expand((x.shape[-2], n_fft)), hop)
    whole = y.shape[-1]
    start = n_fft // 2 if center else 0
    end = start + length if length is not None else whole - n_fft // 2 if center else whole
    have = min(end, whole) - start
    y = y.narrow(-1, start, have) / _not_zero(envelope.narrow(-1, start, have), text)
    missing = end - whole
    return cat((y, filled(y, (*y.shape[:-1], missing), 0)), -1) if missing > 0 else y
