"""Moving the pixels of image tensors (..., C, H, W): flips, crops, padding, resizing, warps, blur.

Everything here is recorded operations, so that images may require gradients.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from flambeau.nn import functional as nnf

from ...tensor import Tensor, from_array
from ._support import beside, pixels
from ._torch import fl

FLOATS = (fl.float32, fl.float64)


def flat(image: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """An image as (N, C, H, W), and what puts the leading dimensions back."""
    lead = tuple(image.shape[:-3])
    if image.ndim == 4:
        return image, lambda new: new
    if image.ndim == 2:
        return image[None, None], lambda new: new[0, 0]
    return image.reshape(-1, *image.shape[-3:]), lambda new: new.reshape(*lead, *new.shape[-3:])


def as_float(image: Tensor, kinds: Sequence[Any] = FLOATS) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """An image in a dtype that can be interpolated, and the way back, which rounds to whole numbers if need be."""
    dtype = image.dtype
    if dtype in kinds:
        return image, lambda new: new
    whole = not dtype.is_floating_point
    return image.to(kinds[0]), lambda new: (new.round() if whole else new).to(dtype)


def float_kind(image: Tensor) -> Any:
    """The dtype in which weights for an image are worked out."""
    return image.dtype if image.is_floating_point() else fl.float32


def hflip(image: Tensor) -> Tensor:
    return image.flip(-1)


def vflip(image: Tensor) -> Tensor:
    return image.flip(-2)


def crop(image: Tensor, top: int, left: int, height: int, width: int) -> Tensor:
    """The rectangle; what of it lies outside of the image is zero."""
    h, w = image.shape[-2:]
    right, bottom = left + width, top + height
    inside = image[..., max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    if left >= 0 and top >= 0 and right <= w and bottom <= h:
        return inside
    x = [max(min(right, 0) - left, 0), max(right - max(w, left), 0)]
    y = [max(min(bottom, 0) - top, 0), max(bottom - max(h, top), 0)]
    return constant_pad(inside, x + y, 0)


def constant_pad(image: Tensor, margins: list[int], fill: Any) -> Tensor:
    """An image with a border of one colour; fill is a number or one a channel; margins: left, right, top, bottom."""
    if not isinstance(fill, (tuple, list)) or len(fill) == 1:
        number = float(fill[0] if isinstance(fill, (tuple, list)) else fill)
        array = pixels(image)
        if array is None or min(margins) < 0:
            return nnf.pad(image, margins, value=number)
        left, right, top, bottom = margins
        *lead, height, width = array.shape
        found = np.full((*lead, height + top + bottom, width + left + right), number).astype(array.dtype)
        found[..., top : top + height, left : left + width] = array
        return from_array(found)
    border = nnf.pad(fl.ones(image.shape[-2:], dtype=fl.bool, device=image.device), margins).logical_not()
    colours = fl.tensor(list(fill), device=image.device).to(image.dtype).reshape(-1, 1, 1).expand(image.shape[-3], 1, 1)
    return fl.where(border, colours, nnf.pad(image, margins))


def mirrored(size: int, before: int, after: int) -> list[int]:
    """Indices that read an axis with its ends mirrored, the last element included."""
    start, stop = max(-before, 0), size - max(-after, 0)
    inner = list(range(start, stop))
    return inner[: max(before, 0)][::-1] + inner + inner[len(inner) - max(after, 0) :][::-1]


def pad(image: Tensor, margins: list[int], fill: Any, mode: str) -> Tensor:
    """An image with a border: of a colour, of its edge, or of its reflection."""
    if mode == "constant":
        return constant_pad(image, margins, fill)
    if mode == "symmetric":
        left, right, top, bottom = margins
        rows = fl.tensor(mirrored(image.shape[-2], top, bottom), device=image.device)
        columns = fl.tensor(mirrored(image.shape[-1], left, right), device=image.device)
        return image.index_select(-2, rows).index_select(-1, columns)
    batch, unflat = flat(image)
    return unflat(nnf.pad(batch, margins, mode="replicate" if mode == "edge" else mode))


def output_size(height: int, width: int, size: Sequence[int] | None, max_size: int | None) -> list[int]:
    """Height and width after a resize to `size`: both given, or the shorter one, or (None) the longer `max_size`."""
    if size is not None and len(size) == 2:
        return [size[0], size[1]]
    short, long = min(height, width), max(height, width)
    if size is None:
        if not isinstance(max_size, int):
            raise ValueError(f"max_size must be an integer when size is None, but got {max_size} instead.")
        new_short, new_long = int(max_size * short / long), max_size
    else:
        new_short, new_long = size[0], int(size[0] * long / short)
        if max_size is not None:
            if max_size <= size[0]:
                raise ValueError(
                    f"max_size = {max_size} must be strictly greater than the requested "
                    f"size for the smaller edge size = {size}"
                )
            if new_long > max_size:
                new_short, new_long = int(max_size * new_short / new_long), max_size
    return [new_long, new_short] if width <= height else [new_short, new_long]


def resize(image: Tensor, size: list[int], mode: str, antialias: bool | None, kinds: Sequence[Any] = FLOATS) -> Tensor:
    """An image of another height and width; mode is a name that nn.functional.interpolate knows."""
    smooth = mode in ("bilinear", "bicubic")
    if mode == "lanczos":
        raise ValueError("Lanczos mode requires antialias=True")
    batch, unflat = flat(image)
    work, back = as_float(batch, kinds)
    found = nnf.interpolate(work, size=size, mode=mode, align_corners=False if smooth else None,
                            antialias=bool(antialias) and smooth)
    if mode == "bicubic" and image.dtype is fl.uint8 and found.dtype is not fl.uint8:
        found = found.clamp(0, 255)
    return unflat(back(found))


# ---- warps: for each pixel of the result, where in the image it is read, from (-1, -1) to (1, 1)


def affine_matrix(center: Sequence[float], angle: float, translate: Sequence[float], scale: float,
                  shear: Sequence[float], inverted: bool = True) -> list[float]:
    """The first two rows of T C RotateShearScale C^-1, or of its inverse: angles in degrees, `center` stays fixed."""
    rotation, shear_x, shear_y = (math.radians(v) for v in (angle, *shear))
    turned = rotation - shear_y
    a = math.cos(turned) / math.cos(shear_y)
    b = -a * math.tan(shear_x) - math.sin(rotation)
    c = math.sin(turned) / math.cos(shear_y)
    d = -c * math.tan(shear_x) + math.cos(rotation)
    (x, y), (dx, dy) = center, translate
    if inverted:
        # The determinant of [[a, b], [c, d]] is one.
        rows, before, after = ((d, -b), (-c, a)), (-x - dx, -y - dy), (x, y)
        rows = tuple((p / scale, q / scale) for p, q in rows)  # type: ignore[assignment]
    else:
        rows, before, after = ((a, b), (c, d)), (-x, -y), (x + dx, y + dy)
        rows = tuple((p * scale, q * scale) for p, q in rows)  # type: ignore[assignment]
    found: list[float] = []
    for (p, q), shift in zip(rows, after, strict=True):
        found += [p, q, p * before[0] + q * before[1] + shift]
    return found


def rotation_matrix(height: int, width: int, angle: float, center: Sequence[float] | None) -> list[float]:
    """The inverse of a rotation about `center` (x, y in pixels; the middle if None), in coordinates from the middle."""
    return affine_matrix(from_middle(height, width, center), -angle, (0.0, 0.0), 1.0, (0.0, 0.0))


def from_middle(height: int, width: int, center: Sequence[float] | None) -> list[float]:
    """A point given from the top left corner, as seen from the middle."""
    return [0.0, 0.0] if center is None else [center[0] - width * 0.5, center[1] - height * 0.5]


def rotated_size(matrix: Sequence[float], height: int, width: int) -> tuple[int, int]:
    """Height and width of the smallest image that holds a turned one."""
    theta = np.asarray(matrix, np.float32).reshape(2, 3)
    x, y = np.float32(0.5 * width), np.float32(0.5 * height)
    corners = np.array([[-x, -y, 1], [-x, y, 1], [x, y, 1], [x, -y, 1]], np.float32) @ theta.T
    low, high = corners.min(0) + (x, y), corners.max(0) + (x, y)
    # Corners within a ten-thousandth of a pixel's edge count as on it.
    tolerance = np.float32(1e-4)
    ends = np.ceil(np.trunc(high / tolerance) * tolerance), np.floor(np.trunc(low / tolerance) * tolerance)
    new_width, new_height = (int(v) for v in ends[0] - ends[1])
    return new_height, new_width


def planes(height: int, width: int, x0: float, y0: float, columns: np.ndarray) -> list[np.ndarray]:
    """`x * p + y * q + r` at all pixels, the first at (x0, y0), for each column (p, q, r); added up in this order, as
    PyTorch does, since a rounding decides which pixel is the nearest."""
    x = (x0 + np.arange(width)).astype(columns.dtype)
    y = (y0 + np.arange(height)).astype(columns.dtype)[:, None]
    return [(x * p + y * q) + r for p, q, r in columns.T]


def affine_grid(matrix: Sequence[float], height: int, width: int, new_height: int, new_width: int,
                kind: Any) -> Tensor:
    """Where the pixels of the result of an affine map are read, for grid_sample: (1, new_height, new_width, 2)."""
    half = np.array([0.5 * width, 0.5 * height], kind.numpy)
    columns = np.asarray(matrix, kind.numpy).reshape(2, 3).T / half
    read = planes(new_height, new_width, 0.5 - 0.5 * new_width, 0.5 - 0.5 * new_height, columns)
    return from_array(np.stack(read, -1)[None])


def perspective_grid(coefficients: Sequence[float], height: int, width: int, kind: Any) -> Tensor:
    """Where the pixels of the result of a perspective are read, for grid_sample: (1, height, width, 2)."""
    rows = np.asarray([*coefficients, 1.0], kind.numpy).reshape(3, 3)
    rows[:2] /= np.array([[0.5 * width], [0.5 * height]], kind.numpy)
    x, y, below = planes(height, width, 0.5, 0.5, rows.T)
    return from_array((np.stack([x, y], -1) / below[..., None] - kind.numpy.type(1))[None])


def identity_grid(height: int, width: int) -> Tensor:
    """The grid that reads every pixel where it is: (1, height, width, 2)."""
    x, y = (fl.linspace((1 - n) / n, (n - 1) / n, n) for n in (width, height))
    return fl.stack([x.expand(height, width), y[:, None].expand(height, width)], -1)[None]


def perspective_coefficients(start: Sequence, end: Sequence) -> list[float]:
    """The eight numbers of the perspective that takes the four points `end` back to `start`."""
    if len(start) != 4 or len(end) != 4:
        raise ValueError(
            f"Please provide exactly four corners, got {len(start)} startpoints and {len(end)} endpoints."
        )
    rows = []
    for (x, y), (u, v) in zip(end, start, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
    found = np.linalg.lstsq(np.array(rows, np.float64), np.array(start, np.float64).reshape(8), rcond=None)[0]
    return found.astype(np.float32).tolist()


WARP_MODES = ("nearest", "bilinear")


def check_warp(image: Tensor, mode: str, fill: Any) -> None:
    """Raises for a mode that cannot warp tensors and for a fill of another number of channels."""
    channels = image.shape[-3] if image.ndim > 2 else 1
    if isinstance(fill, (tuple, list)) and len(fill) > 1 and len(fill) != channels:
        raise ValueError(
            "The number of elements in 'fill' cannot broadcast to match the number of channels of the image "
            f"({len(fill)} != {channels})"
        )
    if mode not in WARP_MODES:
        raise ValueError(f"Interpolation mode '{mode}' is unsupported with Tensor input")


def warp(image: Tensor, grid: Tensor, mode: str, fill: Any) -> Tensor:
    """The image read at the points of a grid; points outside have the colour `fill` (zero if None)."""
    array, places = pixels(image), pixels(grid)
    if mode == "nearest" and array is not None and places is not None:
        return nearest(array, places, fill)
    batch, unflat = flat(image)
    work, back = as_float(batch, (grid.dtype,))
    n, channels, height, width = work.shape
    grid = grid.to(work.device)
    if n > 1:
        grid = grid.expand(n, -1, -1, -1)
    if fill is None:
        found = nnf.grid_sample(work, grid, mode=mode, padding_mode="zeros", align_corners=False)
        return unflat(back(found))
    # A channel of ones, read the same way, is how much of each pixel comes from the image.
    covered = fl.cat([work, fl.ones(n, 1, height, width, dtype=work.dtype, device=work.device)], 1)
    found = nnf.grid_sample(covered, grid, mode=mode, padding_mode="zeros", align_corners=False)
    found, cover = found[:, :channels], found[:, channels:]
    numbers = list(fill) if isinstance(fill, (tuple, list)) else [float(fill)]
    colour = fl.tensor(numbers, dtype=work.dtype, device=work.device).reshape(1, -1, 1, 1)
    if mode == "nearest":
        found = fl.where(cover < 0.5, colour, found)
    else:
        found = found * cover + (1.0 - cover) * colour
    return unflat(back(found))


def nearest(array: np.ndarray, grid: np.ndarray, fill: Any) -> Tensor:
    """`warp` for pixels at hand: each is copied from one place, or has the colour `fill`."""
    height, width = array.shape[-2:]
    x, y = (np.rint(((grid[0, :, :, i] + 1) * n - 1) / 2) for i, n in enumerate((width, height)))
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    x, y = (np.where(inside, v, 0).astype(np.intp) for v in (x, y))
    found = array.reshape(*array.shape[:-2], -1).take(y * width + x, axis=-1)
    colour = np.asarray(0 if fill is None else fill, grid.dtype)
    colour = (np.rint(colour) if array.dtype.kind in "iu" else colour).astype(array.dtype)
    return from_array(np.where(inside, found, colour.reshape(-1, 1, 1) if colour.size > 1 else colour.reshape(())))


def affine(image: Tensor, matrix: list[float], mode: str, fill: Any) -> Tensor:
    """The image under the inverse of an affine map, in coordinates from the middle."""
    check_warp(image, mode, fill)
    height, width = image.shape[-2:]
    return warp(image, affine_grid(matrix, height, width, height, width, float_kind(image)), mode, fill)


def rotate(image: Tensor, matrix: list[float], mode: str, expand: bool, fill: Any) -> Tensor:
    """The image turned; with expand the result is large enough to hold all of it."""
    check_warp(image, mode, fill)
    height, width = image.shape[-2:]
    new_height, new_width = rotated_size(matrix, height, width) if expand else (height, width)
    return warp(image, affine_grid(matrix, height, width, new_height, new_width, float_kind(image)), mode, fill)


def perspective(image: Tensor, coefficients: Sequence[float], mode: str, fill: Any) -> Tensor:
    """The image seen from elsewhere."""
    check_warp(image, mode, fill)
    height, width = image.shape[-2:]
    return warp(image, perspective_grid(coefficients, height, width, float_kind(image)), mode, fill)


def elastic(image: Tensor, displacement: Tensor, mode: str, fill: Any) -> Tensor:
    """Each pixel read from elsewhere, displacement (1, H, W, 2) further in x and y."""
    height, width = image.shape[-2:]
    return warp(image, identity_grid(height, width).to(displacement.device) + displacement, mode, fill)


# ---- blur


def gaussian(size: int, sigma: float, dtype: Any) -> np.ndarray:
    """The bell curve at `size` points one apart, its sum one."""
    x = np.linspace(-(size - 1) * 0.5, (size - 1) * 0.5, size).astype(dtype)
    bell = np.exp(-0.5 * (x / dtype.type(sigma)) ** 2)
    return bell / bell.sum()


def gaussian_blur(image: Tensor, kernel_size: Sequence[int], sigma: Sequence[float]) -> Tensor:
    """The image weighted by a bell curve around each pixel, reflected at its edges; x first in both arguments."""
    batch, unflat = flat(image)
    work, back = as_float(batch, (float_kind(image),))
    dtype, channels = work.dtype.numpy, work.shape[1]
    (kx, ky), (sx, sy) = kernel_size, sigma
    work = nnf.pad(work, [kx // 2, kx // 2, ky // 2, ky // 2], mode="reflect")
    # One axis after the other is what the product of two bell curves comes to, at k instead of k * k steps a pixel.
    for kernel in (gaussian(kx, sx, dtype)[None, :], gaussian(ky, sy, dtype)[:, None]):
        work = nnf.conv2d(work, beside(work, kernel).expand(channels, 1, *kernel.shape), groups=channels)
    return unflat(back(work))


def displacement(height: int, width: int, alpha: Sequence[float], sigma: Sequence[float]) -> Tensor:
    """Random smooth displacements for `elastic`: (1, height, width, 2)."""
    moves = []
    for strength, spread, size in zip(alpha, sigma, (width, height), strict=True):
        move = fl.rand(1, 1, height, width) * 2 - 1
        if spread > 0.0:
            reach = int(8 * spread + 1) | 1
            move = gaussian_blur(move, [reach, reach], sigma)
        moves.append(move * strength / size)
    return fl.cat(moves, 1).permute(0, 2, 3, 1)


def blur_arguments(kernel_size: Any, sigma: Any) -> tuple[list[int], list[float]]:
    """Two odd sizes and two positive widths of a gaussian blur, from one number or two."""
    if not isinstance(kernel_size, (int, list, tuple)):
        raise TypeError(f"kernel_size should be int or a sequence of integers. Got {type(kernel_size)}")
    if isinstance(kernel_size, int):
        kernel_size = [kernel_size, kernel_size]
    if len(kernel_size) != 2:
        raise ValueError(f"If kernel_size is a sequence its length should be 2. Got {len(kernel_size)}")
    if any(size % 2 == 0 or size < 0 for size in kernel_size):
        raise ValueError(f"kernel_size should have odd and positive integers. Got {kernel_size}")
    if sigma is None:
        sigma = [size * 0.15 + 0.35 for size in kernel_size]
    if not isinstance(sigma, (int, float, list, tuple)):
        raise TypeError(f"sigma should be either float or sequence of floats. Got {type(sigma)}")
    if isinstance(sigma, (int, float)):
        sigma = [float(sigma)]
    if len(sigma) == 1:
        sigma = [sigma[0], sigma[0]]
    if len(sigma) != 2:
        raise ValueError(f"If sigma is a sequence, its length should be 2. Got {len(sigma)}")
    if any(s <= 0.0 for s in sigma):
        raise ValueError(f"sigma should have positive values. Got {sigma}")
    return list(kernel_size), list(sigma)


def lanczos(x: np.ndarray) -> np.ndarray:
    """The sinc under the middle of a sinc three times as wide."""
    return np.where(np.abs(x) < 3.0, np.sinc(x) * np.sinc(x / 3.0), 0.0)


def cubic(x: np.ndarray) -> np.ndarray:
    """The cubic convolution of Keys, with slope -1/2 at one."""
    x = np.abs(x)
    return np.where(x < 1, (1.5 * x - 2.5) * x * x + 1, np.where(x < 2, ((-0.5 * x + 2.5) * x - 4) * x + 2, 0.0))


FILTERS: dict[str, tuple[Callable, float]] = {"lanczos": (lanczos, 3.0), "bicubic": (cubic, 2.0)}


def filter_weights(size: int, new: int, name: str) -> np.ndarray:
    """How much of each of `size` pixels is in each of `new` ones: (new, size)."""
    function, radius = FILTERS[name]
    stretch = max(size / new, 1.0)
    middle, x = (np.arange(new) + 0.5)[:, None] * (size / new), np.arange(size)[None, :]
    first, last = np.floor(middle - radius * stretch + 0.5), np.floor(middle + radius * stretch + 0.5)
    weights = np.where((x >= first) & (x < last), function((x + 0.5 - middle) / stretch), 0.0)
    return weights / weights.sum(1, keepdims=True)


def resize_filtered(image: Tensor, size: list[int], name: str) -> Tensor:
    """An image of another height and width, smoothed by a filter where it shrinks. Bytes are rounded after each
    axis, as Pillow does."""
    work, back = as_float(image)
    for axis, new in ((-1, size[1]), (-2, size[0])):
        if work.shape[axis] == new:
            continue
        weights = beside(work, filter_weights(work.shape[axis], new, name).astype(work.dtype.numpy))
        work = work @ weights.T if axis == -1 else weights @ work
        if image.dtype is fl.uint8:
            work = work.round().clamp(0, 255)
    return back(work)
