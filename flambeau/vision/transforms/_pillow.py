"""What the transforms do to PIL images. Pillow is imported when the first image arrives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ._support import BAD_PADDING_MODE, PADDING_MODES, PILLOW_NUMBER, InterpolationMode, is_pil, sides


def check(image: Any) -> None:
    """TypeError unless this is a PIL image."""
    if not is_pil(image):
        raise TypeError(f"img should be PIL Image. Got {type(image)}")


def dimensions(image: Any) -> list[int]:
    """Channels, height and width."""
    if not is_pil(image):
        raise TypeError(f"Unexpected type {type(image)}")
    return [len(image.getbands()), image.height, image.width]


def from_array(array: np.ndarray, mode: str | None = None) -> Any:
    """An image with these pixels. A mode that Pillow would not choose itself is set on it."""
    from PIL import Image

    if mode is None:
        return Image.fromarray(array)
    array = np.ascontiguousarray(array)
    return Image.frombytes(mode, (array.shape[1], array.shape[0]), array.tobytes())


# ---- moving pixels


def hflip(image: Any) -> Any:
    check(image)
    return image.transpose(0)


def vflip(image: Any) -> Any:
    check(image)
    return image.transpose(1)


def crop(image: Any, top: int, left: int, height: int, width: int) -> Any:
    check(image)
    return image.crop((left, top, left + width, top + height))


def resize(image: Any, size: Sequence[int], mode: InterpolationMode) -> Any:
    check(image)
    return image.resize((size[1], size[0]), PILLOW_NUMBER[mode])


def colour(fill: Any, image: Any) -> Any:
    """The fill of a transform as Pillow wants it: one number a channel."""
    channels = len(image.getbands())
    if fill is None:
        fill = 0
    if isinstance(fill, (int, float)) and channels > 1:
        fill = (fill,) * channels
    whole = image.mode != "F"
    if not isinstance(fill, (tuple, list)):
        return int(fill) if whole else fill
    if len(fill) == 1:
        fill = tuple(fill) * channels
    elif len(fill) != channels:
        raise ValueError(
            "The number of elements in 'fill' does not match the number of channels of the image "
            f"({len(fill)} != {channels})"
        )
    return tuple(int(f) for f in fill) if whole else tuple(fill)


def pad(image: Any, padding: Any, fill: Any = 0, padding_mode: str = "constant") -> Any:
    check(image)
    check_padding(padding, fill, padding_mode)
    left, right, top, bottom = sides(padding)
    palette = image.getpalette() if image.mode == "P" else None
    if padding_mode == "constant":
        from PIL import ImageOps

        found = ImageOps.expand(image, border=(left, top, right, bottom), fill=colour(fill, image))
    else:
        if min(left, right, top, bottom) < 0:
            image = image.crop((max(-left, 0), max(-top, 0), image.width - max(-right, 0),
                                image.height - max(-bottom, 0)))
        array = np.asarray(image)
        widths = [(max(top, 0), max(bottom, 0)), (max(left, 0), max(right, 0)), (0, 0)][: array.ndim]
        found = from_array(np.pad(array, widths, mode=padding_mode))  # type: ignore[call-overload]
    if palette is not None:
        found.putpalette(palette)
    return found


def check_padding(padding: Any, fill: Any, padding_mode: Any, fills: tuple = (int, float, tuple, list)) -> None:
    """Raises for arguments of `pad` that mean nothing."""
    if not isinstance(padding, (int, float, tuple, list)):
        raise TypeError("Got inappropriate padding arg")
    if fill is not None and not isinstance(fill, fills):
        raise TypeError("Got inappropriate fill arg")
    if not isinstance(padding_mode, str):
        raise TypeError("Got inappropriate padding_mode arg")
    if isinstance(padding, (tuple, list)) and len(padding) not in (1, 2, 4):
        raise ValueError(f"Padding must be an int or a 1, 2, or 4 element tuple, not a {len(padding)} element tuple")
    if padding_mode not in PADDING_MODES:
        raise ValueError(BAD_PADDING_MODE)


def affine(image: Any, matrix: Sequence[float], mode: InterpolationMode, fill: Any = None) -> Any:
    check(image)
    return image.transform(image.size, 0, matrix, PILLOW_NUMBER[mode], fillcolor=colour(fill, image))


def perspective(image: Any, coefficients: Sequence[float], mode: InterpolationMode, fill: Any = None) -> Any:
    check(image)
    return image.transform(image.size, 2, coefficients, PILLOW_NUMBER[mode], fillcolor=colour(fill, image))


def rotate(image: Any, angle: float, mode: InterpolationMode, expand: bool, center: Any, fill: Any) -> Any:
    check(image)
    return image.rotate(angle, PILLOW_NUMBER[mode], expand, center, fillcolor=colour(fill, image))


# ---- colours


def _enhanced(kind: str) -> Callable[[Any, float], Any]:
    def enhance(image: Any, factor: float) -> Any:
        check(image)
        from PIL import ImageEnhance

        return getattr(ImageEnhance, kind)(image).enhance(factor)

    return enhance


adjust_brightness = _enhanced("Brightness")
adjust_contrast = _enhanced("Contrast")
adjust_saturation = _enhanced("Color")
adjust_sharpness = _enhanced("Sharpness")


def _by_image_ops(name: str) -> Callable[..., Any]:
    def change(image: Any, *arguments: Any) -> Any:
        check(image)
        from PIL import ImageOps

        return getattr(ImageOps, name)(image, *arguments)

    return change


invert = _by_image_ops("invert")
posterize = _by_image_ops("posterize")
solarize = _by_image_ops("solarize")
autocontrast = _by_image_ops("autocontrast")
equalize = _by_image_ops("equalize")


def adjust_hue(image: Any, factor: float) -> Any:
    if not -0.5 <= factor <= 0.5:
        raise ValueError(f"hue_factor ({factor}) is not in [-0.5, 0.5].")
    check(image)
    if image.mode in ("L", "1", "I", "F"):
        return image
    from PIL import Image

    hue, saturation, value = image.convert("HSV").split()
    turned = np.asarray(hue) + np.uint8(int(factor * 255) % 256)
    return Image.merge("HSV", (from_array(turned, "L"), saturation, value)).convert(image.mode)


def adjust_gamma(image: Any, gamma: float, gain: float = 1.0) -> Any:
    check(image)
    if gamma < 0:
        raise ValueError("Gamma should be a non-negative real number")
    curve = [int(255.999 * gain * (i / 255.0) ** gamma) for i in range(256)]
    return image.convert("RGB").point(curve * 3).convert(image.mode)


def to_grayscale(image: Any, channels: int) -> Any:
    check(image)
    if channels not in (1, 3):
        raise ValueError("num_output_channels should be either 1 or 3")
    gray = image.convert("L")
    return gray if channels == 1 else gray.convert("RGB")
