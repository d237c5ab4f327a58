"""Images looked up at given places, and the places that an affine map leads to."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from .. import dtypes
from ._op import S, T, composite, op
from ._rules import title
from ._spacing import evenly
from .adaptive import _plane_take

MODES = ("bilinear", "nearest", "bicubic")
BORDERS = ("zeros", "border", "reflection")


def _bounded(at: Any, size: int, padding: int, align: bool) -> Any:
    """Places brought inside: clipped to the border, or mirrored at it (at the edges' centres if aligned)."""
    if padding == 2:
        low, high = (0.0, float(size - 1)) if align else (-0.5, size - 0.5)
        span = high - low
        if span <= 0:
            at = at * 0.0
        else:
            away = (at - low).abs()
            turns = (away / span).floor().detach()
            rest = away - turns * span
            odd = (turns - (turns / 2).floor() * 2).to(rest.dtype)
            at = low + rest * (1 - 2 * odd) + odd * span
    return at if padding == 0 else at.clamp(0, size - 1)


def _looked_up(input: Any, places: list, padding: int) -> Any:
    """The elements of `input` (N, C, *sizes) at whole `places`, (N, *out) for each dimension; 0 outside."""
    sizes = tuple(input.shape[2:])
    flat: Any = 0
    inside: Any = None
    for at, size in zip(places, sizes, strict=True):
        if padding == 0:
            here = (at >= 0) & (at <= size - 1)
            inside = here if inside is None else inside & here
        flat = flat * size + at.clamp(0, size - 1).to(dtypes.int64)
    out = tuple(flat.shape[1:])
    index = flat.reshape((flat.shape[0], 1, math.prod(out))).expand((flat.shape[0], input.shape[1], math.prod(out)))
    found = _plane_take(input.reshape((*input.shape[:2], math.prod(sizes))), index, 1, "GridSampler")
    found = found.reshape((*input.shape[:2], *out))
    return found if inside is None else found * inside.unsqueeze(1).to(found.dtype)


def _cubic(share: Any) -> list:
    """The weights of four neighbours, the second being `share` away (Keys, a = -0.75)."""
    a = -0.75

    def near(t):
        return ((a + 2) * t - (a + 3)) * t * t + 1

    def far(t):
        return (((t - 5) * t + 8) * t - 4) * a

    return [far(share + 1), near(share), near(1 - share), far(2 - share)]


def _sampled(input: Any, grid: Any, mode: int, padding: int, align: bool) -> Any:
    sizes = tuple(input.shape[2:])
    n = len(sizes)
    places = []
    for i, size in enumerate(sizes):
        at = grid[..., n - 1 - i]
        places.append((at + 1) * ((size - 1) / 2) if align else ((at + 1) * size - 1) / 2)
    if mode == 2:
        lows = [p.floor().detach() for p in places]
        weights = [_cubic(p - low) for p, low in zip(places, lows, strict=True)]
        total: Any = 0
        for row, column in itertools.product(range(4), range(4)):
            taps = [
                _bounded(low + (k - 1), size, padding, align)
                for low, k, size in zip(lows, (row, column), sizes, strict=True)
            ]
            total = total + _looked_up(input, taps, padding) * (weights[0][row] * weights[1][column]).unsqueeze(1)
        return total
    places = [_bounded(p, size, padding, align) for p, size in zip(places, sizes, strict=True)]
    if mode == 1:
        return _looked_up(input, [p.round().detach() for p in places], padding)
    lows = [p.floor().detach() for p in places]
    total = 0
    for corner in itertools.product((0, 1), repeat=n):
        weight: Any = 1
        for p, low, k in zip(places, lows, corner, strict=True):
            weight = weight * ((p - low) if k else (low + 1 - p))
        total = total + _looked_up(
            input, [low + k for low, k in zip(lows, corner, strict=True)], padding
        ) * weight.unsqueeze(1)
    return total


def _check_grid(input: Any, grid: Any, mode: int) -> None:
    if (
        input.ndim not in (4, 5)
        or grid.ndim != input.ndim
        or grid.shape[-1] != input.ndim - 2
        or grid.shape[0] != input.shape[0]
    ):
        if grid.shape[0] != input.shape[0]:
            raise RuntimeError(
                "grid_sampler(): expected grid and input to have same batch size, but got input with sizes "
                f"{list(input.shape)} and grid with sizes {list(grid.shape)}"
            )
        if grid.shape[-1] != input.ndim - 2:
            raise RuntimeError(
                f"grid_sampler(): expected grid to have size {input.ndim - 2} in last dimension, but got grid with "
                "sizes "
                f"{list(grid.shape)}"
            )
        raise RuntimeError(
            "grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, but got input with sizes "
            f"{list(input.shape)} and grid with sizes {list(grid.shape)}"
        )
    for i in range(2, input.ndim):
        if input.shape[i] == 0:
            raise RuntimeError(
                "grid_sampler(): expected input to have non-empty spatial dimensions, but input has sizes "
                f"{list(input.shape)} with dimension {i} being empty"
            )
    if mode == 2 and input.ndim != 4:
        raise RuntimeError("grid_sampler(): bicubic interpolation only supports 4D input")
    if input.dtype is not grid.dtype:
        raise RuntimeError(f"expected scalar type {title(input.dtype)} but found {title(grid.dtype)}")


@op(
    lambda input: input.like(),
    api="",
    upcast=False,
    shown=lambda kind: kind.env["shown"],
    grad=lambda g: g,
    cases=[(S(2), "GridSampler2D")],
)
def _grid_sampler(xp, input: T, shown):
    """`input`: what the several steps together are called on the tape."""
    return input


@composite("torch", alias="grid_sampler_2d grid_sampler_3d", cases=[(S(1, 2, 3, 4), S(1, 2, 2, 2), 0, 0, False)])
def grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners):
    """grid_sample with modes by number: bilinear 0, nearest 1, bicubic 2; zeros 0, border 1, reflection 2."""
    _check_grid(input, grid, interpolation_mode)
    wide = dtypes.float32 if input.dtype.half else input.dtype  # places need more than 16 bits
    found = _sampled(input.to(wide), grid.to(wide), interpolation_mode, padding_mode, bool(align_corners))
    return _grid_sampler(found.to(input.dtype), f"GridSampler{input.ndim - 2}D")


@composite(
    "nn.functional",
    cases=[
        (S(2, 3, 4, 5), S(2, 2, 3, 2, low=-1.2, high=1.2)),
        (S(1, 2, 4, 5), S(1, 2, 3, 2), "bicubic", "border", True),
        (S(1, 2, 3, 4, 5), S(1, 2, 1, 2, 3), "bilinear", "reflection", False),
    ],
    wrong=[
        ((S(1, 2, 2, 2), S(1, 2, 2, 3)), RuntimeError, "expected grid to have size 2 in last dimension"),
        ((S(1, 2, 2, 2), S(1, 2, 2, 2), "other"), ValueError, "expected mode to be 'bilinear', 'nearest' or 'bicubic'"),
    ],
)
def grid_sample(input, grid, mode="bilinear", padding_mode="zeros", align_corners=None):
    """`input` looked up at the places of `grid`, x before y before z, -1 and 1 being its ends.

    input (N, C, H, W), grid (N, H', W', 2) -> (N, C, H', W'); or one dimension more. ValueError for an unknown mode.
    Jaderberg et al., Spatial transformer networks, arXiv 1506.02025.
    """
    if mode not in MODES:
        raise ValueError(
            f"nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: '{mode}'"
        )
    if padding_mode not in BORDERS:
        raise ValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', but got: "
            f"'{padding_mode}'"
        )
    return grid_sampler(input, grid, MODES.index(mode), BORDERS.index(padding_mode), bool(align_corners))


# ---- affine maps


def _base(xp: Any, size: tuple, align: bool, dtype: Any) -> Any:
    """The places of all elements and a 1, (elements, dimensions + 1), x before y before z."""
    lines = []
    for n in size[2:]:
        line = evenly(-1, 1, n, np.dtype(dtype)) if n > 1 else np.zeros(1, dtype)
        lines.append(line if align else line * (n - 1) / n)
    grids = np.meshgrid(*lines, indexing="ij")[::-1]
    return xp.asarray(np.stack([g.ravel() for g in (*grids, np.ones(grids[0].shape))], 1).astype(dtype))


@op(
    lambda theta, size: theta.like((size[0], *size[2:], len(size) - 2)),
    api="",
    shown="AffineGridGenerator",
    grad=lambda g, size, align_corners: _affine_back(g, size, align_corners),
    cases=[(S(2, 2, 3), (2, 3, 4, 5), False)],
)
def _affine_grid(xp, theta: T, size, align_corners):
    """The places of all elements, mapped by `theta`."""
    return xp.matmul(_base(xp, size, align_corners, theta.dtype), theta.swapaxes(1, 2)).reshape(
        size[0], *size[2:], len(size) - 2
    )


@op(
    lambda grid, size: grid.like((size[0], len(size) - 2, len(size) - 1)),
    api="",
    shown="AffineGridGeneratorBackward",
    grad=lambda g, size, align_corners: _affine_grid(g, size, align_corners),
    cases=[(S(2, 4, 5, 2), (2, 3, 4, 5), False)],
)
def _affine_back(xp, grid: T, size, align_corners):
    """The adjoint of `_affine_grid`."""
    flat = grid.reshape(size[0], math.prod(size[2:]), len(size) - 2)
    return xp.matmul(flat.swapaxes(1, 2), _base(xp, size, align_corners, grid.dtype))


@composite(
    "nn.functional",
    cases=[(S(2, 2, 3), (2, 3, 4, 5)), (S(1, 3, 4), (1, 2, 2, 3, 4), True)],
    wrong=[((S(1, 2, 2), (1, 2, 2, 2)), ValueError, "Expected a batch of 2D affine matrices")],
)
def affine_grid(theta, size, align_corners=None):
    """The grid for grid_sample that maps an output of `size` by `theta`: (N, n, n + 1) -> (N, *size[2:], n)."""
    size = tuple(int(s) for s in size)
    if not theta.dtype.is_floating_point:
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    if len(size) not in (4, 5):
        raise NotImplementedError(
            "affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, respectively. "
            f"Got size {size}."
        )
    n = len(size) - 2
    if theta.ndim != 3 or tuple(theta.shape[1:]) != (n, n + 1):
        raise ValueError(
            f"Expected a batch of {n}D affine matrices of shape Nx{n}x{n + 1} for size {size}. Got {theta.shape}."
        )
    if min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {size}")
    return _affine_grid(theta, size, bool(align_corners))


@composite("torch", cases=[(S(2, 2, 3), (2, 3, 4, 5), True)])
def affine_grid_generator(theta, size, align_corners):
    """nn.functional.affine_grid."""
    return affine_grid(theta, size, align_corners)
