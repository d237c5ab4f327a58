"""Changing the colours of image tensors (..., C, H, W), and converting their dtype."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from flambeau.nn import functional as nnf

from ...tensor import Tensor, from_array
from ._geometry import as_float, flat, float_kind
from ._support import beside, largest, pixels
from ._torch import fl

WEIGHTS = (0.2989, 0.587, 0.114)


def blend(image: Tensor, other: Any, ratio: float) -> Tensor:
    """`ratio * image + (1 - ratio) * other`, kept in the image's range and dtype."""
    ratio = float(ratio)
    return (ratio * image + (1.0 - ratio) * other).clamp(0, largest(image.dtype)).to(image.dtype)


def luminance(image: Tensor) -> Tensor:
    """The gray of an RGB image: (..., 3, H, W) -> (..., 1, H, W)."""
    red, green, blue = image.unbind(-3)
    return (WEIGHTS[0] * red + WEIGHTS[1] * green + WEIGHTS[2] * blue).unsqueeze(-3).to(image.dtype)


def grayscale(image: Tensor, channels: int) -> Tensor:
    """Gray of one channel, or of as many equal ones as the image has."""
    gray = luminance(image) if image.shape[-3] == 3 else image.clone()
    return gray if channels == 1 else gray.expand(image.shape)


def adjust_brightness(image: Tensor, factor: float) -> Tensor:
    return (image * float(factor)).clamp(0, largest(image.dtype)).to(image.dtype)


def adjust_contrast(image: Tensor, factor: float) -> Tensor:
    gray = luminance(image) if image.shape[-3] == 3 else image
    return blend(image, gray.to(float_kind(image)).mean((-3, -2, -1), keepdim=True), factor)


def adjust_saturation(image: Tensor, factor: float) -> Tensor:
    return image if image.shape[-3] == 1 else blend(image, luminance(image), factor)


def adjust_sharpness(image: Tensor, factor: float) -> Tensor:
    """Between the image smoothed by a 3 x 3 kernel (0), the image (1), and further away from the smooth one."""
    if min(image.shape[-2:]) <= 2 or image.numel() == 0:
        return image
    batch, unflat = flat(image)
    work, back = as_float(batch, (float_kind(image),))
    kernel = np.ones((1, 1, 3, 3), work.dtype.numpy)
    kernel[0, 0, 1, 1] = 5.0
    channels = work.shape[1]
    smooth = back(nnf.conv2d(work, beside(work, kernel / kernel.sum()).expand(channels, 1, 3, 3), groups=channels))
    blurred = batch.clone()
    blurred[..., 1:-1, 1:-1] = smooth
    return unflat(blend(batch, blurred, factor))


def adjust_gamma(image: Tensor, gamma: float, gain: float) -> Tensor:
    work = image if image.is_floating_point() else convert_dtype(image, fl.float32)
    return convert_dtype((gain * work**gamma).clamp(0, 1), image.dtype)


def adjust_hue(image: Tensor, factor: float) -> Tensor:
    if image.shape[-3] == 1 or image.numel() == 0:
        return image
    hue, saturation, value = rgb_to_hsv(convert_dtype(image, fl.float32))
    return convert_dtype(hsv_to_rgb((hue + factor) % 1.0, saturation, value), image.dtype)


def rgb_to_hsv(image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Hue (a turn is one), saturation and value of an RGB image of floats."""
    high, low = image.amax(-3), image.amin(-3)
    gray = high == low
    red, green, _ = image.unbind(-3)
    reach = fl.where(gray, fl.ones_like(high), high - low)
    r, g, b = ((high.unsqueeze(-3) - image) / reach.unsqueeze(-3)).unbind(-3)
    sixths = fl.where(high == red, b - g, fl.where(high == green, 2.0 + r - b, 4.0 + g - r))
    return fl.fmod(sixths / 6.0 + 1.0, 1.0), (high - low) / fl.where(gray, fl.ones_like(high), high), high


# Which of value, p, q and t is red, green and blue in each sixth of the hue's turn.
SIXTHS = ("vqpptv", "tvvqpp", "pptvvq")


def hsv_to_rgb(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """The RGB image of hue, saturation and value."""
    sixth = (hue * 6.0).floor()
    rest = hue * 6.0 - sixth
    sixth = sixth.to(fl.int32) % 6
    named = {
        "v": value,
        "p": (value * (1.0 - saturation)).clamp(0.0, 1.0),
        "q": (value * (1.0 - saturation * rest)).clamp(0.0, 1.0),
        "t": (value * (1.0 - saturation * (1.0 - rest))).clamp(0.0, 1.0),
    }
    channels = []
    for letters in SIXTHS:
        channel = named[letters[5]]
        for i in range(4, -1, -1):
            channel = fl.where(sixth == i, named[letters[i]], channel)
        channels.append(channel)
    return fl.stack(channels, -3)


def invert(image: Tensor) -> Tensor:
    return largest(image.dtype) - image


def posterize(image: Tensor, bits: int) -> Tensor:
    """Only the first `bits` bits of each value."""
    if image.is_floating_point():
        levels = 1 << bits
        return (image * levels).floor().clamp(0, levels - 1) * (1.0 / levels)
    count = largest(image.dtype).bit_length()
    return image if bits >= count else image & (((1 << bits) - 1) << (count - bits))


def solarize(image: Tensor, threshold: float) -> Tensor:
    """Values from the threshold on inverted."""
    return fl.where(image >= threshold, invert(image), image)


def autocontrast(image: Tensor) -> Tensor:
    """Each channel stretched to the whole range; one of a single value stays."""
    if image.numel() == 0:
        return image
    kind, bound = float_kind(image), largest(image.dtype)
    low = image.amin((-2, -1), keepdim=True).to(kind)
    high = image.amax((-2, -1), keepdim=True).to(kind)
    plain = high == low
    scale = fl.where(plain, fl.ones_like(low), bound / fl.where(plain, fl.ones_like(low), high - low))
    return ((image - fl.where(plain, fl.zeros_like(low), low)) * scale).clamp(0, bound).to(image.dtype)


def equalize(image: Tensor) -> Tensor:
    """Each channel of uint8 values spread so that all values are about equally frequent."""
    array = np.asarray(image._value())
    planes = array.reshape(-1, array.shape[-2] * array.shape[-1])
    found = np.empty_like(planes)
    for plane, new in zip(planes, found, strict=True):
        counts = np.bincount(plane, minlength=256)
        step = (plane.size - counts[counts != 0][-1]) // 255 if plane.size else 0
        if step == 0:
            new[:] = plane
            continue
        before = np.concatenate([[0], np.cumsum(counts)[:-1] + step // 2])
        before[1:] //= step
        new[:] = before.clip(0, 255).astype(np.uint8)[plane]
    return beside(image, found.reshape(array.shape))


# ---- values


def convert_dtype(image: Tensor, dtype: Any, multiply: bool = False) -> Tensor:
    """Another dtype, values scaled to its range: floats from 0 to 1, integers from 0 to their last.

    With multiply, integers are multiplied by the reciprocal of their last, which may differ in the last bit.
    """
    kind = image.dtype
    if kind is dtype:
        return image
    if kind.is_floating_point:
        if dtype.is_floating_point:
            return image.to(dtype)
        # A whole number of the wide types has more digits than the float: the ends of the range would overflow.
        return (image * (largest(dtype) + 1.0 - 1e-3)).to(dtype)
    if dtype.is_floating_point:
        array, kinds = pixels(image), dtype.numpy
        if array is not None and kinds.kind == "f":
            found = array.astype(kinds)
            found = found * kinds.type(1.0 / largest(kind)) if multiply else found / kinds.type(largest(kind))
            return from_array(np.asarray(found))
        return image.to(dtype) * (1.0 / largest(kind)) if multiply else image.to(dtype) / largest(kind)
    if largest(kind) > largest(dtype):
        return fl.div(image, (largest(kind) + 1) // (largest(dtype) + 1), rounding_mode="floor").to(dtype)
    return image.to(dtype) * ((largest(dtype) + 1) // (largest(kind) + 1))


def unsafe_conversion(kind: Any, dtype: Any) -> bool:
    """Whether floats of one dtype cannot be counted in the integers of another."""
    return (kind is fl.float32 and dtype in (fl.int32, fl.int64)) or (kind is fl.float64 and dtype is fl.int64)


@lru_cache(maxsize=64)
def column(values: tuple, dtype: np.dtype) -> np.ndarray:
    """Numbers as an array (n, 1, 1), to stand beside an image's channels."""
    return np.asarray(values, dtype).reshape(-1, 1, 1)


def normalize(image: Tensor, mean: Any, std: Any, inplace: bool) -> Tensor:
    """`(image - mean) / std` with a mean and a deviation for each channel."""
    if not inplace and type(mean) in (list, tuple) and type(std) in (list, tuple) and image.dtype.numpy.kind == "f":
        middle, spread = column(tuple(mean), image.dtype.numpy), column(tuple(std), image.dtype.numpy)
        if len(middle) in (1, image.shape[-3]) and len(spread) in (1, image.shape[-3]):
            array = pixels(image)
            if array is None:
                return (image - beside(image, middle)) / beside(image, spread)
            found = np.subtract(array, middle)
            return from_array(np.divide(found, spread, out=found))
    shift, scale = (fl.as_tensor(v, dtype=image.dtype, device=image.device) for v in (mean, std))
    shift, scale = (v.view(-1, 1, 1) if v.ndim == 1 else v for v in (shift, scale))
    return (image if inplace else image.clone()).sub_(shift).div_(scale)


def zero_deviation(std: Any, dtype: Any) -> bool:
    """Whether one of the deviations is zero in this dtype."""
    if isinstance(std, Tensor):
        return not std.to(dtype).bool().all()
    if type(std) in (list, tuple) and dtype.numpy.kind == "f":
        return has_zero(tuple(std), dtype.numpy)
    return bool((fl.as_tensor(std, dtype=dtype) == 0).any())


@lru_cache(maxsize=64)
def has_zero(values: Sequence[float], dtype: np.dtype) -> bool:
    return not np.asarray(values, dtype).all()


def gaussian_noise(image: Tensor, mean: float, sigma: float, clip: bool) -> Tensor:
    """The image and normal noise; for uint8 images mean and sigma count in parts of 255."""
    if sigma < 0:
        raise ValueError(f"sigma shouldn't be negative. Got {sigma}")
    if image.is_floating_point():
        found = image + (mean + fl.randn_like(image) * sigma)
        return found.clamp(0, 1) if clip else found
    if image.dtype is not fl.uint8:
        raise ValueError(f"Input tensor is expected to be in uint8 or float dtype, got dtype={image.dtype}")
    noise = (mean * 255 + fl.randn_like(image, dtype=fl.float32) * (sigma * 255)).to(fl.int16)
    found = image + noise
    return (found.clamp(0, 255) if clip else found).to(fl.uint8)


def erase(image: Tensor, top: int, left: int, height: int, width: int, value: Any, inplace: bool) -> Tensor:
    """The image with other values in a rectangle."""
    if not inplace:
        image = image.clone()
    image[..., top : top + height, left : left + width] = value
    return image
