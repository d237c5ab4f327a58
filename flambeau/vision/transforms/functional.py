"""torchvision.transforms.functional: each transform as a function of a PIL image or of a tensor (..., C, H, W)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from numbers import Number
from typing import Any

from ...tensor import Tensor
from . import _colours as colours
from . import _geometry as geometry
from . import _pillow as pillow
from ._images import pil_to_tensor, to_pil_image, to_tensor
from ._support import CROP_SIZE, InterpolationMode, checked_mode, from_number, is_pil, largest, pair, sides
from ._torch import fl

__all__ = [
    "InterpolationMode", "adjust_brightness", "adjust_contrast", "adjust_gamma", "adjust_hue", "adjust_saturation",
    "adjust_sharpness", "affine", "autocontrast", "center_crop", "convert_image_dtype", "crop", "elastic_transform",
    "equalize", "erase", "five_crop", "gaussian_blur", "get_dimensions", "get_image_num_channels", "get_image_size",
    "hflip", "invert", "normalize", "pad", "perspective", "pil_to_tensor", "posterize", "resize", "resized_crop",
    "rgb_to_grayscale", "rotate", "solarize", "ten_crop", "to_grayscale", "to_pil_image", "to_tensor", "vflip",
]  # fmt: skip

NEAREST, BILINEAR = InterpolationMode.NEAREST, InterpolationMode.BILINEAR


def _image(img: Tensor) -> Tensor:
    if img.ndim < 2:
        raise TypeError("Tensor is not a torch image.")
    return img


def _colour_image(img: Tensor, deep: bool = False, channels: Sequence[int] = (1, 3)) -> Tensor:
    """The tensor, if it is gray or RGB."""
    _image(img)
    if deep and img.ndim < 3:
        raise TypeError(f"Input image tensor should have at least 3 dimensions, but found {img.ndim}")
    found = img.shape[-3] if img.ndim > 2 else 1
    if found not in channels:
        raise TypeError(f"Input image tensor permitted channel values are {list(channels)}, but found {found}")
    return img if img.ndim > 2 else img[None]


# ---- what an image is


def get_dimensions(img: Any) -> list[int]:
    """Channels, height and width."""
    if not isinstance(img, Tensor):
        return pillow.dimensions(img)
    _image(img)
    return [1 if img.ndim == 2 else img.shape[-3], *img.shape[-2:]]


def get_image_size(img: Any) -> list[int]:
    """Width and height."""
    return get_dimensions(img)[:0:-1]


def get_image_num_channels(img: Any) -> int:
    """The number of channels."""
    return get_dimensions(img)[0]


# ---- values


def convert_image_dtype(image: Tensor, dtype: Any = fl.float32) -> Tensor:
    """The image in another dtype, scaled to its range."""
    if not isinstance(image, Tensor):
        raise TypeError("Input img should be Tensor Image")
    if colours.unsafe_conversion(image.dtype, dtype):
        raise RuntimeError(f"The cast from {image.dtype} to {dtype} cannot be performed safely.")
    return colours.convert_dtype(image, dtype)


def normalize(tensor: Tensor, mean: list[float], std: list[float], inplace: bool = False) -> Tensor:
    """`(tensor - mean) / std`, a mean and a deviation for each channel."""
    if not isinstance(tensor, Tensor):
        raise TypeError(f"img should be Tensor Image. Got {type(tensor)}")
    _image(tensor)
    if not tensor.is_floating_point():
        raise TypeError(f"Input tensor should be a float tensor. Got {tensor.dtype}.")
    if tensor.ndim < 3:
        raise ValueError(
            f"Expected tensor to be a tensor image of size (..., C, H, W). Got tensor.size() = {tensor.size()}"
        )
    if colours.zero_deviation(std, tensor.dtype):
        raise ValueError(f"std evaluated to zero after conversion to {tensor.dtype}, leading to division by zero.")
    return colours.normalize(tensor, mean, std, inplace)


def erase(img: Tensor, i: int, j: int, h: int, w: int, v: Tensor, inplace: bool = False) -> Tensor:
    """The image with `v` in the rectangle of height h and width w at row i, column j."""
    if not isinstance(img, Tensor):
        raise TypeError(f"img should be Tensor Image. Got {type(img)}")
    return colours.erase(_image(img), i, j, h, w, v, inplace)


# ---- geometry


def hflip(img: Any) -> Any:
    """Left and right exchanged."""
    return geometry.hflip(_image(img)) if isinstance(img, Tensor) else pillow.hflip(img)


def vflip(img: Any) -> Any:
    """Top and bottom exchanged."""
    return geometry.vflip(_image(img)) if isinstance(img, Tensor) else pillow.vflip(img)


def resize(img: Any, size: Any, interpolation: InterpolationMode = BILINEAR, max_size: int | None = None,
           antialias: bool | None = True) -> Any:
    """The image in another size: (h, w), or the length of the shorter side, the longer at most `max_size`."""
    mode = checked_mode(interpolation)
    if isinstance(size, (list, tuple)):
        if len(size) not in (1, 2):
            raise ValueError(
                f"Size must be an int or a 1 or 2 element tuple/list, not a {len(size)} element tuple/list"
            )
        if max_size is not None and len(size) != 1:
            raise ValueError(
                "max_size should only be passed if size specifies the length of the smaller edge, "
                "i.e. size should be an int or a sequence of length 1 in torchscript mode."
            )
    _, height, width = get_dimensions(img)
    new = geometry.output_size(height, width, [size] if isinstance(size, int) else size, max_size)
    if new == [height, width]:
        return img
    if isinstance(img, Tensor):
        return geometry.resize(img, new, mode.value, antialias)
    if antialias is False:
        warnings.warn("Anti-alias option is always applied for PIL Image input. Argument antialias is ignored.",
                      stacklevel=2)
    return pillow.resize(img, new, mode)


def pad(img: Any, padding: Any, fill: Any = 0, padding_mode: str = "constant") -> Any:
    """The image with a border: a number for all sides, (x, y), or (left, top, right, bottom)."""
    if not isinstance(img, Tensor):
        return pillow.pad(img, padding, fill, padding_mode)
    _image(img)
    pillow.check_padding(padding, fill, padding_mode, (int, float))
    if padding_mode == "symmetric" and img.ndim not in (3, 4):
        raise RuntimeError("Symmetric padding of N-D tensors are not supported yet")
    return geometry.pad(img, sides(padding), 0 if fill is None else fill, padding_mode)


def crop(img: Any, top: int, left: int, height: int, width: int) -> Any:
    """A rectangle of the image; what lies outside is zero."""
    if isinstance(img, Tensor):
        return geometry.crop(_image(img), top, left, height, width)
    return pillow.crop(img, top, left, height, width)


def center_crop(img: Any, output_size: Any) -> Any:
    """The middle of the image, padded with zeros where it is too small."""
    height, width = pair(output_size, CROP_SIZE)
    _, old_height, old_width = get_dimensions(img)
    if height > old_height or width > old_width:
        x, y = max(width - old_width, 0), max(height - old_height, 0)
        img = pad(img, [x // 2, y // 2, (x + 1) // 2, (y + 1) // 2])
        old_height, old_width = max(height, old_height), max(width, old_width)
        if (height, width) == (old_height, old_width):
            return img
    return crop(img, int(round((old_height - height) / 2.0)), int(round((old_width - width) / 2.0)), height, width)


def resized_crop(img: Any, top: int, left: int, height: int, width: int, size: Any,
                 interpolation: InterpolationMode = BILINEAR, antialias: bool | None = True) -> Any:
    """A rectangle of the image, resized."""
    return resize(crop(img, top, left, height, width), size, interpolation, antialias=antialias)


def five_crop(img: Any, size: Any) -> tuple:
    """The four corners and the middle."""
    height, width = size = pair(size, CROP_SIZE)
    _, old_height, old_width = get_dimensions(img)
    if width > old_width or height > old_height:
        raise ValueError(f"Requested crop size {size} is bigger than input size {(old_height, old_width)}")
    bottom, right = old_height - height, old_width - width
    corners = [crop(img, top, left, height, width) for top in (0, bottom) for left in (0, right)]
    return (*corners, center_crop(img, [height, width]))


def ten_crop(img: Any, size: Any, vertical_flip: bool = False) -> tuple:
    """The five crops of the image and of its mirror image."""
    return five_crop(img, size) + five_crop(vflip(img) if vertical_flip else hflip(img), size)


def affine(img: Any, angle: float, translate: list[int], scale: float, shear: Any,
           interpolation: InterpolationMode = NEAREST, fill: Any = None, center: Any = None) -> Any:
    """The image turned (degrees), moved (pixels), scaled and sheared (degrees) about `center`."""
    mode = checked_mode(interpolation)
    angle, shear = affine_arguments(angle, translate, scale, shear, center)
    _, height, width = get_dimensions(img)
    if isinstance(img, Tensor):
        middle = geometry.from_middle(height, width, center)
        matrix = geometry.affine_matrix(middle, angle, translate, scale, shear)
        return geometry.affine(img, matrix, mode.value, fill)
    middle = [width * 0.5, height * 0.5] if center is None else center
    return pillow.affine(img, geometry.affine_matrix(middle, angle, translate, scale, shear), mode, fill)


def affine_arguments(angle: Any, translate: Any, scale: Any, shear: Any, center: Any) -> tuple[float, list[float]]:
    """The angle, and the shear as two numbers. Raises for arguments of `affine` that mean nothing."""
    if not isinstance(angle, (int, float)):
        raise TypeError("Argument angle should be int or float")
    if not isinstance(translate, (list, tuple)):
        raise TypeError("Argument translate should be a sequence")
    if len(translate) != 2:
        raise ValueError("Argument translate should be a sequence of length 2")
    if scale <= 0.0:
        raise ValueError("Argument scale should be positive")
    if not isinstance(shear, (Number, list, tuple)):
        raise TypeError("Shear should be either a single value or a sequence of two values")
    shear = [shear, 0.0] if isinstance(shear, Number) else list(shear) * (2 if len(shear) == 1 else 1)
    if len(shear) != 2:
        raise ValueError(f"Shear should be a sequence containing two values. Got {shear}")
    if center is not None and not isinstance(center, (list, tuple)):
        raise TypeError("Argument center should be a sequence")
    return float(angle), shear


def rotate(img: Any, angle: float, interpolation: InterpolationMode = NEAREST, expand: bool = False,
           center: Any = None, fill: Any = None) -> Any:
    """The image turned against the clock by an angle in degrees about `center` (x, y)."""
    mode = checked_mode(interpolation)
    if not isinstance(angle, (int, float)):
        raise TypeError("Argument angle should be int or float")
    if center is not None and not isinstance(center, (list, tuple)):
        raise TypeError("Argument center should be a sequence")
    if not isinstance(img, Tensor):
        return pillow.rotate(img, angle, mode, expand, center, fill)
    matrix = geometry.rotation_matrix(img.shape[-2], img.shape[-1], angle, center)
    return geometry.rotate(img, matrix, mode.value, expand, fill)


def perspective(img: Any, startpoints: list[list[int]], endpoints: list[list[int]],
                interpolation: InterpolationMode = BILINEAR, fill: Any = None) -> Any:
    """The image with its points `startpoints` moved to `endpoints`, four of each."""
    coefficients = geometry.perspective_coefficients(startpoints, endpoints)
    mode = checked_mode(interpolation)
    if isinstance(img, Tensor):
        return geometry.perspective(_image(img), coefficients, mode.value, fill)
    return pillow.perspective(img, coefficients, mode, fill)


def elastic_transform(img: Any, displacement: Tensor, interpolation: InterpolationMode = BILINEAR,
                      fill: Any = None) -> Any:
    """Each pixel read from elsewhere: displacement (1, H, W, 2) in x and y, where the image's sides are 2 long."""
    if isinstance(interpolation, int):
        warnings.warn("Argument interpolation should be of type InterpolationMode instead of int. "
                      "Please, use InterpolationMode enum.", stacklevel=2)
        interpolation = from_number(interpolation)
    if not isinstance(displacement, Tensor):
        raise TypeError("Argument displacement should be a Tensor")
    image = _as_tensor(img)
    shape = (1, *image.shape[-2:], 2)
    if shape != tuple(displacement.shape):
        raise ValueError(f"Argument displacement shape should be {shape}, but given {displacement.shape}")
    return _as_given(geometry.elastic(image, displacement, interpolation.value, fill), img)


def gaussian_blur(img: Any, kernel_size: Any, sigma: Any = None) -> Any:
    """The image blurred by a bell curve of width sigma (a number, or x and y)."""
    kernel_size, sigma = geometry.blur_arguments(kernel_size, sigma)
    return _as_given(geometry.gaussian_blur(_as_tensor(img), kernel_size, sigma), img)


def _as_tensor(img: Any) -> Tensor:
    if isinstance(img, Tensor):
        return _image(img)
    if not is_pil(img):
        raise TypeError(f"img should be PIL Image or Tensor. Got {type(img)}")
    return pil_to_tensor(img)


def _as_given(found: Tensor, img: Any) -> Any:
    return found if isinstance(img, Tensor) else to_pil_image(found, mode=img.mode)


# ---- colours


def _factor(img: Any, name: str, factor: float) -> Tensor:
    if factor < 0:
        raise ValueError(f"{name} ({factor}) is not non-negative.")
    return _colour_image(img, channels=(3, 1) if name == "contrast_factor" else (1, 3))


def adjust_brightness(img: Any, brightness_factor: float) -> Any:
    """The image darker (below 1) or brighter."""
    if not isinstance(img, Tensor):
        return pillow.adjust_brightness(img, brightness_factor)
    _factor(img, "brightness_factor", brightness_factor)
    return colours.adjust_brightness(img, brightness_factor)


def adjust_contrast(img: Any, contrast_factor: float) -> Any:
    """The image closer to its mean gray (below 1) or further from it."""
    if not isinstance(img, Tensor):
        return pillow.adjust_contrast(img, contrast_factor)
    return colours.adjust_contrast(_factor(img, "contrast_factor", contrast_factor), contrast_factor)


def adjust_saturation(img: Any, saturation_factor: float) -> Any:
    """The image closer to gray (below 1) or more colourful."""
    if not isinstance(img, Tensor):
        return pillow.adjust_saturation(img, saturation_factor)
    return colours.adjust_saturation(_factor(img, "saturation_factor", saturation_factor), saturation_factor)


def adjust_sharpness(img: Any, sharpness_factor: float) -> Any:
    """The image blurred (below 1) or sharpened."""
    if not isinstance(img, Tensor):
        return pillow.adjust_sharpness(img, sharpness_factor)
    return colours.adjust_sharpness(_factor(img, "sharpness_factor", sharpness_factor), sharpness_factor)


def adjust_hue(img: Any, hue_factor: float) -> Any:
    """The image with its hues turned: half a turn is 0.5."""
    if not isinstance(img, Tensor):
        return pillow.adjust_hue(img, hue_factor)
    if not -0.5 <= hue_factor <= 0.5:
        raise ValueError(f"hue_factor ({hue_factor}) is not in [-0.5, 0.5].")
    return colours.adjust_hue(_colour_image(img), hue_factor)


def adjust_gamma(img: Any, gamma: float, gain: float = 1) -> Any:
    """`gain * img ** gamma` of values from 0 to 1."""
    if not isinstance(img, Tensor):
        return pillow.adjust_gamma(img, gamma, gain)
    _colour_image(img)
    if gamma < 0:
        raise ValueError("Gamma should be a non-negative real number")
    return colours.adjust_gamma(img, gamma, gain)


def to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """A PIL image in gray."""
    if not is_pil(img):
        raise TypeError("Input should be PIL Image")
    return pillow.to_grayscale(img, num_output_channels)


def rgb_to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """The image in gray: `0.2989 * red + 0.587 * green + 0.114 * blue`."""
    if not isinstance(img, Tensor):
        return pillow.to_grayscale(img, num_output_channels)
    _colour_image(img, deep=True)
    if num_output_channels not in (1, 3):
        raise ValueError("num_output_channels should be either 1 or 3")
    return colours.grayscale(img, num_output_channels)


def invert(img: Any) -> Any:
    """White for black."""
    return colours.invert(_colour_image(img, deep=True)) if isinstance(img, Tensor) else pillow.invert(img)


def posterize(img: Any, bits: int) -> Any:
    """Only the first bits of each value."""
    if not 0 <= bits <= 8:
        raise ValueError(f"The number if bits should be between 0 and 8. Got {bits}")
    if not isinstance(img, Tensor):
        return pillow.posterize(img, bits)
    _only_bytes(img)
    return colours.posterize(_colour_image(img), bits)


def _only_bytes(img: Tensor, most: int | None = None) -> None:
    if most is None:
        if img.ndim < 3:
            raise TypeError(f"Input image tensor should have at least 3 dimensions, but found {img.ndim}")
    elif not 3 <= img.ndim <= most:
        raise TypeError(f"Input image tensor should have 3 or 4 dimensions, but found {img.ndim}")
    if img.dtype is not fl.uint8:
        raise TypeError(f"Only torch.uint8 image tensors are supported, but found {img.dtype}")


def solarize(img: Any, threshold: float) -> Any:
    """Values from the threshold on inverted."""
    if not isinstance(img, Tensor):
        return pillow.solarize(img, threshold)
    _colour_image(img, deep=True)
    if threshold > largest(img.dtype):
        raise TypeError("Threshold should be less than bound of img.")
    return colours.solarize(img, threshold)


def autocontrast(img: Any) -> Any:
    """Each channel stretched to the whole range."""
    return colours.autocontrast(_colour_image(img, deep=True)) if isinstance(img, Tensor) else pillow.autocontrast(img)


def equalize(img: Any) -> Any:
    """Each channel's values spread so that all are about equally frequent."""
    if not isinstance(img, Tensor):
        return pillow.equalize(img)
    _only_bytes(img, 4)
    return colours.equalize(_colour_image(img))
