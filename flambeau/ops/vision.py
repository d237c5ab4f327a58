"""Images at other sizes, pixels for channels, patches as columns."""

from __future__ import annotations

import math
from typing import Any

from .. import dtypes
from ..graph import Spec
from ._op import S, T, composite, op
from ._rules import pair, title
from .resampling import _resample

MODES = {
    "nearest": (1, 2, 3),
    "nearest-exact": (1, 2, 3),
    "area": (1, 2, 3),
    "linear": (1,),
    "bilinear": (2,),
    "bicubic": (2,),
    "trilinear": (3,),
}
LISTED = "nearest | linear | bilinear | bicubic | trilinear | lanczos | area | nearest-exact"


# ---- interpolation


def _scaled(form: str, n: int, input: Any, sizes: tuple, scales: tuple, kind: str, align: bool | None = None) -> Any:
    """`input` brought to `sizes` along its last dimensions, positions worked out with `scales` where not None."""
    have = tuple(input.shape[-n:])
    if min(have) < 1 or min(sizes) < 1:
        told = [", ".join(f"{a}: {s}" for a, s in zip("DHW"[-n:], given, strict=True)) for given in (have, sizes)]
        raise RuntimeError(
            f"Input and output sizes should be greater than 0, but got input ({told[0]}) output ({told[1]})"
        )
    if (
        kind not in ("nearest", "nearest-exact")
        and input.dtype.category != dtypes.FLOATING
        and input.dtype is not dtypes.uint8
    ):
        raise NotImplementedError(f"\"{form}_channels_last\" not implemented for '{title(input.dtype)}'")
    if input.dtype.category == dtypes.COMPLEX:
        raise NotImplementedError(f"\"{form}\" not implemented for '{title(input.dtype)}'")
    words = () if align is None else (bool(align), input.dtype is dtypes.float64)
    plans = []
    for size, out, scale in zip(have, sizes, scales, strict=True):
        still = size == out and kind != "cubic" and (scale is None or kind.startswith("nearest") and scale == 1)
        plans.append(None if still else (kind, size, out, None if scale is None else 1.0 / scale, *words))
    shown = (
        "".join(part[:1].upper() + part[1:] for part in form.split("_"))
        .replace("2d", "2D")
        .replace("1d", "1D")
        .replace("3d", "3D")
    )
    if input.dtype is dtypes.uint8 and not kind.startswith("nearest"):
        for i in reversed(range(n)):                    # rounded after each dimension, as PyTorch does
            if plans[i] is not None:
                only = tuple(plan if k == i else None for k, plan in enumerate(plans))
                wide = _resample(input.to(dtypes.float32), only, False, shown)
                input = (wide + 0.5).floor().clamp(0, 255).to(dtypes.uint8)
        return input
    return _resample(input, tuple(plans), False, shown)


def _out_sizes(input: Any, n: int, size: Any, scale_factor: Any, recompute: bool | None) -> tuple[tuple, tuple]:
    """The sizes asked for, and the scales that positions are worked out with (None: those of the sizes)."""
    have = tuple(input.shape[2:])
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    if size is None and scale_factor is None:
        raise ValueError("either size or scale_factor should be defined")
    if size is not None:
        if isinstance(size, (tuple, list)) and len(size) != n:
            raise ValueError(
                "Input and output must have the same number of spatial dimensions, but got input with spatial "
                "dimensions of "
                f"{list(have)} and output size of {size}. Please provide input tensor in (N, C, d1, d2, ...,dK) format "
                "and "
                "output size in (o1, o2, ...,oK) format."
            )
        if recompute:
            raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
        return tuple(int(s) for s in (size if isinstance(size, (tuple, list)) else (size,) * n)), (None,) * n
    if isinstance(scale_factor, (tuple, list)) and len(scale_factor) != n:
        raise ValueError(
            "Input and scale_factor must have the same number of spatial dimensions, but got input with spatial "
            "dimensions of "
            f"{list(have)} and scale_factor of shape {scale_factor}. Please provide input tensor in (N, C, d1, d2, "
            "...,dK) "
            "format and scale_factor in (s1, s2, ...,sK) format."
        )
    scales = tuple(float(s) for s in (scale_factor if isinstance(scale_factor, (tuple, list)) else (scale_factor,) * n))
    sizes = tuple(math.floor(h * s) for h, s in zip(have, scales, strict=True))
    return sizes, (None,) * n if recompute else scales


@composite(
    "nn.functional",
    cases=[
        (S(1, 2, 4), 6),
        (S(1, 2, 4, 3), None, 2.0, "bilinear"),
        (S(1, 2, 4, 3), (5, 6), None, "bicubic", True),
        (S(1, 2, 5, 4), (2, 3), None, "area"),
        (S(1, 1, 2, 3, 2), 4, None, "trilinear"),
        (S(1, 2, 6, 6), (3, 4), None, "bilinear", False, None, True),
    ],
    wrong=[
        ((S(1, 2, 4),), ValueError, "either size or scale_factor should be defined"),
        ((S(1, 2, 4), 2, None, "bilinear"), NotImplementedError, "Got 3D input, but bilinear mode needs 4D input"),
        ((S(1, 2, 4, 4), 2, None, "nearest", True), ValueError, "align_corners option can only be set"),
    ],
)
def interpolate(
    input,
    size=None,
    scale_factor=None,
    mode="nearest",
    align_corners=None,
    recompute_scale_factor=None,
    antialias=False,
):
    """`input` at another `size`, or that times `scale_factor`: (N, C, *sizes) -> (N, C, *new sizes).

    Modes: nearest, nearest-exact, area for one to three dimensions; linear (one), bilinear, bicubic (two), trilinear
    (three). `align_corners` places the outermost elements' centres on each other, instead of the outer edges.
    `antialias` widens the filter when the image shrinks. ValueError or NotImplementedError for what does not fit.
    """
    if mode in ("nearest", "area", "nearest-exact"):
        if align_corners is not None:
            raise ValueError(
                "align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | "
                "trilinear"
            )
    n = input.ndim - 2
    if mode not in MODES or n not in (1, 2, 3) or n not in MODES[mode] and mode == "bicubic":
        raise NotImplementedError(
            f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {input.ndim}D) for the modes: {LISTED} "
            f"(got {mode})"
        )
    sizes, scales = _out_sizes(input, n, size, scale_factor, recompute_scale_factor)
    if antialias and not (mode in ("bilinear", "bicubic") and n == 2):
        raise ValueError(
            "Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires a 4-D tensor as input"
        )
    if n not in MODES[mode]:
        raise NotImplementedError(f"Got {input.ndim}D input, but {mode} mode needs {MODES[mode][0] + 2}D input")
    if mode == "area":
        from .adaptive import _adaptive_mean

        return _adaptive_mean(n, input, sizes)
    if mode.startswith("nearest"):
        return _scaled(f"upsample_nearest{'_exact' if mode != 'nearest' else ''}{n}d", n, input, sizes, scales, mode)
    kind = "cubic" if mode == "bicubic" else "linear"
    if antialias:
        return _scaled(f"upsample_{mode}2d_aa", n, input, sizes, scales, "smooth-" + kind, align_corners or False)
    return _scaled(f"upsample_{mode}{n}d", n, input, sizes, scales, kind, align_corners or False)


@composite("nn.functional", cases=[(S(1, 2, 4), 6)])
def upsample(input, size=None, scale_factor=None, mode="nearest", align_corners=None):
    """`interpolate` under its old name."""
    return interpolate(input, size, scale_factor, mode, align_corners)


@composite("nn.functional", cases=[(S(1, 2, 4), 6)])
def upsample_nearest(input, size=None, scale_factor=None):
    """`interpolate` by the nearest element."""
    return interpolate(input, size, scale_factor, "nearest")


@composite("nn.functional", cases=[(S(1, 2, 4, 3), 6)])
def upsample_bilinear(input, size=None, scale_factor=None):
    """`interpolate` bilinearly, corners aligned."""
    return interpolate(input, size, scale_factor, "bilinear", True)


# ---- pixels for channels


def _shuffled(input: Spec, upscale_factor) -> Spec:
    r = upscale_factor
    if input.ndim < 3:
        raise RuntimeError(
            f"pixel_shuffle expects input to have at least 3 dimensions, but got input with {input.ndim} dimension(s)"
        )
    if r <= 0:
        raise RuntimeError(f"pixel_shuffle expects a positive upscale_factor, but got {r}")
    *lead, c, h, w = input.shape
    if c % (r * r):
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, "
            "but "
            f"input.size(-3)={c} is not divisible by {r * r}"
        )
    return input.like((*lead, c // (r * r), h * r, w * r))


@op(
    _shuffled,
    api="torch nn.functional",
    upcast=False,
    cases=[(S(2, 8, 2, 3), 2)],
    grad=lambda g, upscale_factor: pixel_unshuffle(g, upscale_factor),
    wrong=[((S(1, 3, 4, 4), 2), RuntimeError, "divisible by the square of upscale_factor")],
)
def pixel_shuffle(xp, input: T, upscale_factor):
    """Channels laid out as blocks of pixels: (*, C r r, H, W) -> (*, C, H r, W r). Shi et al., arXiv 1609.05158."""
    *lead, c, h, w = input.shape
    r = upscale_factor
    x = xp.moveaxis(input.reshape(*lead, c // (r * r), r, r, h, w), (-4, -3), (-3, -1))
    return x.reshape(*lead, c // (r * r), h * r, w * r)


def _unshuffled(input: Spec, downscale_factor) -> Spec:
    r = downscale_factor
    if input.ndim < 3:
        raise RuntimeError(
            f"pixel_unshuffle expects input to have at least 3 dimensions, but got input with {input.ndim} dimension(s)"
        )
    if r <= 0:
        raise RuntimeError(f"pixel_unshuffle expects a positive downscale_factor, but got {r}")
    *lead, c, h, w = input.shape
    for name, size, place in (("height", h, -2), ("width", w, -1)):
        if size % r:
            raise RuntimeError(
                f"pixel_unshuffle expects {name} to be divisible by downscale_factor, but input.size({place})={size} "
                "is not "
                f"divisible by {r}"
            )
    return input.like((*lead, c * r * r, h // r, w // r))


@op(
    _unshuffled,
    api="torch nn.functional",
    upcast=False,
    cases=[(S(2, 2, 4, 6), 2)],
    grad=lambda g, downscale_factor: pixel_shuffle(g, downscale_factor),
    wrong=[((S(1, 3, 5, 4), 2), RuntimeError, "expects height to be divisible by downscale_factor")],
)
def pixel_unshuffle(xp, input: T, downscale_factor):
    """Blocks of pixels laid out as channels: (*, C, H r, W r) -> (*, C r r, H, W)."""
    *lead, c, h, w = input.shape
    r = downscale_factor
    x = xp.moveaxis(input.reshape(*lead, c, h // r, r, w // r, r), (-3, -1), (-4, -3))
    return x.reshape(*lead, c * r * r, h // r, w // r)


def _dealt(input: Spec, groups) -> Spec:
    if input.ndim <= 2:
        raise RuntimeError(f"channel_shuffle expects input with > 2 dims, but got input with sizes {list(input.shape)}")
    if groups <= 0:
        raise RuntimeError(f"Number of groups to divide channels in must be positive. Value of groups:{groups}")
    if input.shape[1] % groups:
        raise RuntimeError(
            f"Number of channels must be divisible by groups. Got {input.shape[1]} channels and {groups} groups."
        )
    return input.like()


@op(
    _dealt,
    api="torch nn.functional",
    alias="nn.functional.native_channel_shuffle native_channel_shuffle",
    upcast=False,
    cases=[(S(2, 6, 3), 2)],
    grad=lambda g, groups: channel_shuffle(g, max(1, g.shape[1] // groups)),
    wrong=[((S(1, 3, 4, 4), 2), RuntimeError, "Number of channels must be divisible by groups")],
)
def channel_shuffle(xp, input: T, groups):
    """Channels in groups dealt out in turn: (N, C, *) -> the same. Zhang et al., arXiv 1707.01083."""
    n, c, *rest = input.shape
    return input.reshape(n, groups, c // groups, *rest).swapaxes(1, 2).reshape(input.shape)


# ---- patches


def _places(sizes: tuple, kernel: tuple, dilation: tuple, padding: tuple, stride: tuple) -> tuple[int, ...]:
    return tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, d, p, s in zip(sizes, kernel, dilation, padding, stride, strict=True)
    )


def _patch_numbers(kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> list[tuple[int, ...]]:
    found = []
    for name, label, value in (
        ("kernel_size", "kernel size", kernel_size),
        ("dilation", "dilation", dilation),
        ("padding", "padding", padding),
        ("stride", "stride", stride),
    ):
        value = pair(value)
        if len(value) != 2:
            raise RuntimeError(f"It is expected {name} equals to 2, but got size {len(value)}")
        short = "kernel" if name == "kernel_size" else "pad" if name == "padding" else name
        if min(value) < (0 if name == "padding" else 1):
            bound = "non-negative" if name == "padding" else "greater than zero"
            raise RuntimeError(
                f"{label} should be {bound}, but got {short}_height: {value[0]} {short}_width: {value[1]}"
            )
        found.append(value)
    return found


def _unfolded(input: Spec, kernel_size, dilation, padding, stride) -> Spec:
    kernel, dilation, padding, stride = _patch_numbers(kernel_size, dilation, padding, stride)
    if input.ndim not in (3, 4) or 0 in input.shape[input.ndim - 3 :]:
        raise RuntimeError(
            "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions for input, "
            "but got: "
            f"{list(input.shape)}"
        )
    places = _places(input.shape[-2:], kernel, dilation, padding, stride)
    if min(places) < 1:
        raise RuntimeError(
            f"Given input with spatial size {input.shape[-2:]}, kernel_size={kernel}, dilation={dilation}, "
            f"padding={padding}, "
            f"calculated shape of the array of sliding blocks as {places}, but its components must be at least one."
        )
    return input.like((*input.shape[:-3], input.shape[-3] * math.prod(kernel), math.prod(places)))


@op(
    _unfolded,
    api="",
    alias="nn.functional.unfold",
    shown="Im2Col",
    upcast=False,
    cases=[(S(2, 3, 4, 5), (2, 3), 1, 1, 2), (S(3, 4, 4), 2)],
    grad=lambda g, input_spec, kernel_size, dilation, padding, stride: fold(
        g, input_spec.shape[-2:], kernel_size, dilation, padding, stride
    ),
    wrong=[
        ((S(1, 2, 2, 2), 3), RuntimeError, "calculated shape of the array of sliding blocks as"),
        ((S(1, 2, 2, 2), 0), RuntimeError, "kernel size should be greater than zero"),
    ],
)
def _patches(xp, input: T, kernel_size, dilation=1, padding=0, stride=1):
    """The patches of images as columns: (N, C, H, W) or (C, H, W) -> (N, C kH kW, places)."""
    kernel, dilation, padding, stride = pair(kernel_size), pair(dilation), pair(padding), pair(stride)
    if any(padding):
        input = xp.pad(input, [(0, 0)] * (input.ndim - 2) + [(p, p) for p in padding])
    seen = xp.moveaxis(xp.windows(input, kernel, stride, dilation), (-4, -3), (-2, -1))
    return seen.reshape(*input.shape[:-3], math.prod(seen.shape[-5:-2]), math.prod(seen.shape[-2:]))


def _folded(input: Spec, output_size, kernel_size, dilation, padding, stride) -> Spec:
    sizes = pair(output_size)
    if len(sizes) != 2:
        raise RuntimeError(f"It is expected output_size equals to 2, but got size {len(sizes)}")
    kernel, dilation, padding, stride = _patch_numbers(kernel_size, dilation, padding, stride)
    if input.ndim not in (2, 3) or 0 in input.shape[input.ndim - 2 :]:
        raise RuntimeError(
            "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero dimensions for "
            "input, "
            f"but got: {list(input.shape)}"
        )
    if input.shape[-2] % math.prod(kernel):
        raise RuntimeError(
            "Expected size of input's dimension 1 to be divisible by the product of kernel_size, but got "
            f"input.size(1)={input.shape[-2]} and kernel_size={kernel}."
        )
    places = _places(sizes, kernel, dilation, padding, stride)
    if math.prod(places) != input.shape[-1] or min(places) < 1:
        raise RuntimeError(
            f"Given output_size={sizes}, kernel_size={kernel}, dilation={dilation}, padding={padding}, "
            f"stride={stride}, expected "
            f"size of input's dimension 2 to match the calculated number of sliding blocks {places[0]} * {places[1]} = "
            f"{math.prod(places)}, but got input.size(2)={input.shape[-1]}."
        )
    return input.like((*input.shape[:-2], input.shape[-2] // math.prod(kernel), *sizes))


@op(
    _folded,
    api="nn.functional",
    shown="Col2Im",
    cases=[(S(2, 12, 12), (4, 5), (2, 2)), (S(8, 4), (4, 4), 2, 1, 0, 2)],
    grad=lambda g, kernel_size, dilation, padding, stride: _patches(g, kernel_size, dilation, padding, stride),
    wrong=[((S(1, 8, 5), (4, 4), 3), RuntimeError, "divisible by the product of kernel_size")],
)
def fold(xp, input: T, output_size, kernel_size, dilation=1, padding=0, stride=1):
    """Patches added up to images: (N, C kH kW, places) -> (N, C, H, W). Where patches overlap their sum stands."""
    sizes, kernel, dilation, padding, stride = (
        pair(output_size),
        pair(kernel_size),
        pair(dilation),
        pair(padding),
        pair(stride),
    )
    places = _places(sizes, kernel, dilation, padding, stride)
    lead, c = input.shape[:-2], input.shape[-2] // math.prod(kernel)
    patches = input.reshape(*lead, c, *kernel, *places)
    frame = xp.zeros((*lead, c, *(s + 2 * p for s, p in zip(sizes, padding, strict=True))), dtype=input.dtype)
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            key = (
                ...,
                *(
                    slice(k * d, k * d + s * (m - 1) + 1, s)
                    for k, d, s, m in zip((i, j), dilation, stride, places, strict=True)
                ),
            )
            if xp.host:
                frame[key] += patches[..., i, j, :, :]
            else:
                frame = xp.at_add(frame, key, patches[..., i, j, :, :])
    return frame[(..., *(slice(p, p + s) for p, s in zip(padding, sizes, strict=True)))]
