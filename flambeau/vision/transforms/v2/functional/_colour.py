"""torchvision.transforms.v2.functional: changing colours and values."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np

from .....tensor import Tensor
from .... import tv_tensors
from ... import _colours as colours
from ... import _geometry as geometry
from ... import _images as images
from ... import _pillow as pillow
from ... import functional as v1
from ..._images import pil_to_tensor, to_pil_image
from ..._support import is_pil, largest
from ..._torch import fl
from ._dispatch import dispatched


def _check_channels(image: Tensor, verb: str = "permitted channel values are") -> None:
    if image.shape[-3] not in (1, 3):
        raise TypeError(f"Input image tensor {verb} 1 or 3, but found {image.shape[-3]}")


def _check_factor(image: Tensor, name: str, factor: float) -> None:
    if factor < 0:
        raise ValueError(f"{name} ({factor}) is not non-negative.")
    _check_channels(image)


def _check_gray(channels: int) -> None:
    if channels not in (1, 3):
        raise ValueError(f"num_output_channels must be 1 or 3, got {channels}.")


# ---- colours


def _gray_pil(image: Any, num_output_channels: int = 1) -> Any:
    _check_gray(num_output_channels)
    return pillow.to_grayscale(image, num_output_channels)


@dispatched(_gray_pil)
def rgb_to_grayscale(image: Tensor, num_output_channels: int = 1) -> Tensor:
    """The image in gray: `0.2989 * red + 0.587 * green + 0.114 * blue`."""
    _check_gray(num_output_channels)
    if image.shape[-3] == 1:
        return fl.cat([image] * num_output_channels, -3) if num_output_channels == 3 else image.clone()
    return colours.grayscale(image, num_output_channels)


to_grayscale = rgb_to_grayscale


@dispatched(lambda image: image.convert(mode="RGB"))
def grayscale_to_rgb(image: Tensor) -> Tensor:
    """A gray image with three equal channels; any other as it is."""
    return image if image.shape[-3] >= 3 else fl.cat([image] * 3, -3)


@dispatched(pillow.adjust_brightness)
def adjust_brightness(image: Tensor, brightness_factor: float) -> Tensor:
    """The image darker (below 1) or brighter."""
    _check_factor(image, "brightness_factor", brightness_factor)
    return colours.adjust_brightness(image, brightness_factor)


def _named(name: str) -> Any:
    """Pillow's kernel of a name, with the name that torchvision gives its factor."""
    kernel = getattr(pillow, f"adjust_{name}")
    return lambda image, *args, **kwargs: kernel(image, *args, *kwargs.values())


@dispatched(_named("contrast"))
def adjust_contrast(image: Tensor, contrast_factor: float) -> Tensor:
    """The image closer to its mean gray (below 1) or further from it."""
    _check_factor(image, "contrast_factor", contrast_factor)
    return colours.adjust_contrast(image, contrast_factor)


@dispatched(_named("saturation"))
def adjust_saturation(image: Tensor, saturation_factor: float) -> Tensor:
    """The image closer to gray (below 1) or more colourful."""
    _check_factor(image, "saturation_factor", saturation_factor)
    return colours.adjust_saturation(image, saturation_factor)


@dispatched(_named("sharpness"))
def adjust_sharpness(image: Tensor, sharpness_factor: float) -> Tensor:
    """The image blurred (below 1) or sharpened."""
    if image.shape[-3] not in (1, 3):
        raise TypeError(f"Input image tensor can have 1 or 3 channels, but found {image.shape[-3]}")
    _check_factor(image, "sharpness_factor", sharpness_factor)
    return colours.adjust_sharpness(image, sharpness_factor)


@dispatched(_named("hue"))
def adjust_hue(image: Tensor, hue_factor: float) -> Tensor:
    """The image with its hues turned: half a turn is 0.5."""
    if not -0.5 <= hue_factor <= 0.5:
        raise ValueError(f"hue_factor ({hue_factor}) is not in [-0.5, 0.5].")
    _check_channels(image)
    return colours.adjust_hue(image, hue_factor)


@dispatched(pillow.adjust_gamma)
def adjust_gamma(image: Tensor, gamma: float, gain: float = 1) -> Tensor:
    """`gain * image ** gamma` of values from 0 to 1."""
    if gamma < 0:
        raise ValueError("Gamma should be a non-negative real number")
    return colours.adjust_gamma(image, gamma, gain)


@dispatched(lambda image, bits: pillow.posterize(image, bits))
def posterize(image: Tensor, bits: int) -> Tensor:
    """Only the first bits of each value."""
    if not isinstance(bits, int) or not 0 <= bits <= 8:
        raise TypeError(f"bits must be a positive integer in the range [0, 8], got {bits} instead.")
    return colours.posterize(image, bits)


@dispatched(lambda image, threshold: pillow.solarize(image, threshold))
def solarize(image: Tensor, threshold: float) -> Tensor:
    """Values from the threshold on inverted."""
    if threshold > largest(image.dtype):
        raise TypeError(f"Threshold should be less or equal the maximum value of the dtype, but got {threshold}")
    return colours.solarize(image, threshold)


@dispatched(pillow.autocontrast)
def autocontrast(image: Tensor) -> Tensor:
    """Each channel stretched to the whole range."""
    _check_channels(image)
    return colours.autocontrast(image)


@dispatched(pillow.equalize)
def equalize(image: Tensor) -> Tensor:
    """Each channel's values spread so that all are about equally frequent, in 256 steps."""
    if image.numel() == 0:
        return image
    return colours.convert_dtype(colours.equalize(colours.convert_dtype(image, fl.uint8)), image.dtype, multiply=True)


@dispatched(pillow.invert)
def invert(image: Tensor) -> Tensor:
    """White for black."""
    return colours.invert(image)


def _permute_pil(image: Any, permutation: Any) -> Any:
    return to_pil_image(permute_channels.image(pil_to_tensor(image), permutation))


@dispatched(_permute_pil)
def permute_channels(image: Tensor, permutation: Any) -> Tensor:
    """The channels in another order."""
    if len(permutation) != image.shape[-3]:
        raise ValueError("Length of permutation does not match number of channels: "
                         f"{len(permutation)} != {image.shape[-3]}")
    order = permutation if isinstance(permutation, Tensor) else fl.tensor(list(permutation))
    return image if image.numel() == 0 else image.index_select(-3, order)


# ---- values


@dispatched()
def normalize(image: Tensor, mean: Any, std: Any, inplace: bool = False) -> Tensor:
    """`(image - mean) / std`, a mean and a deviation for each channel."""
    if not image.is_floating_point():
        raise TypeError(f"Input tensor should be a float tensor. Got {image.dtype}.")
    if image.ndim < 3:
        raise ValueError(f"Expected tensor to be a tensor image of size (..., C, H, W). Got {image.shape}.")
    if (isinstance(std, (tuple, list)) and not all(std)) or (isinstance(std, (int, float)) and std == 0):
        raise ValueError("std evaluated to zero, leading to division by zero.")
    if not inplace and isinstance(mean, (tuple, list)) and len(mean) not in (1, image.shape[-3]):
        image = image.expand(*image.shape[:-3], len(mean), *image.shape[-2:])
    return colours.normalize(image, mean, std, inplace)


def _blur_pil(image: Any, kernel_size: Any, sigma: Any = None) -> Any:
    return to_pil_image(gaussian_blur.image(pil_to_tensor(image), kernel_size, sigma), mode=image.mode)


@dispatched(_blur_pil)
def gaussian_blur(image: Tensor, kernel_size: Any, sigma: Any = None) -> Tensor:
    """The image blurred by a bell curve of width sigma (a number, or x and y)."""
    sizes, widths = geometry.blur_arguments(kernel_size, sigma)
    return image if image.numel() == 0 else geometry.gaussian_blur(image, sizes, widths)


def _no_noise(image: Any, *args: Any, **kwargs: Any) -> Any:
    raise ValueError("Gaussian Noise is not implemented for PIL images.")


@dispatched(_no_noise)
def gaussian_noise(image: Tensor, mean: float = 0.0, sigma: float = 0.1, clip: bool = True) -> Tensor:
    """The image with normal noise."""
    return colours.gaussian_noise(image, mean, sigma, clip)


@dispatched()
def to_dtype(image: Tensor, dtype: Any = fl.float32, scale: bool = False) -> Tensor:
    """The image in another dtype, with scale in its range too."""
    if not scale:
        return image.to(dtype)
    if colours.unsafe_conversion(image.dtype, dtype):
        raise RuntimeError(f"The conversion from {image.dtype} to {dtype} cannot be performed safely.")
    return colours.convert_dtype(image, dtype, multiply=True)


def _cast(value: Any, dtype: Any = fl.float32, scale: bool = False) -> Any:
    return value.to(dtype)


to_dtype.kernels |= {cls: _cast for cls in (tv_tensors.Mask, tv_tensors.BoundingBoxes, tv_tensors.KeyPoints)}


def convert_image_dtype(image: Tensor, dtype: Any = fl.float32) -> Tensor:
    """The image in another dtype, scaled to its range."""
    return to_dtype.image(image, dtype=dtype, scale=True)


def _erase_pil(image: Any, i: int, j: int, h: int, w: int, v: Tensor, inplace: bool = False) -> Any:
    return to_pil_image(colours.erase(pil_to_tensor(image), i, j, h, w, v, inplace), mode=image.mode)


@dispatched(_erase_pil)
def erase(image: Tensor, i: int, j: int, h: int, w: int, v: Tensor, inplace: bool = False) -> Tensor:
    """The image with `v` in the rectangle of height h and width w at row i, column j."""
    return colours.erase(image, i, j, h, w, v, inplace)


def _jpeg_pil(image: Any, quality: int) -> Any:
    from PIL import Image

    written = io.BytesIO()
    image.save(written, format="JPEG", quality=quality)
    return Image.open(written).copy()


@dispatched(_jpeg_pil)
def jpeg(image: Tensor, quality: int) -> Tensor:
    """The image as it comes back from a JPEG file."""
    if image.numel() == 0:
        return image.clone()
    parts = [pil_to_tensor(_jpeg_pil(to_pil_image(part), quality)) for part in image.reshape(-1, *image.shape[-3:])]
    return fl.stack(parts).reshape(image.shape)


@dispatched()
def uniform_temporal_subsample(video: Tensor, num_samples: int) -> Tensor:
    """Frames at equal steps, the first and the last among them: (..., T, C, H, W)."""
    return video.index_select(-4, fl.linspace(0, video.shape[-4] - 1, num_samples).long())


del uniform_temporal_subsample.kernels[tv_tensors.Image]


# ---- conversion and size


def to_image(inpt: Any) -> Any:
    """A tensor, array (H, W, C) or PIL image as an Image (C, H, W)."""
    if isinstance(inpt, np.ndarray):
        found = fl.from_numpy(np.ascontiguousarray(np.atleast_3d(inpt).transpose(2, 0, 1)))
    elif is_pil(inpt):
        found = pil_to_tensor(inpt)
    elif isinstance(inpt, Tensor):
        found = inpt
    else:
        raise TypeError(
            f"Input can either be a pure Tensor, a numpy array, or a PIL image, but got {type(inpt)} instead.")
    return tv_tensors.Image(found)


def to_tensor(inpt: Any) -> Tensor:
    """A PIL image or array as a tensor of floats from 0 to 1. Deprecated."""
    warnings.warn("The function `to_tensor(...)` is deprecated and will be removed in a future release. "
                  "Instead, please use `to_image(...)` followed by `to_dtype(..., dtype=torch.float32, scale=True)`.",
                  stacklevel=2)
    return images.to_tensor(inpt)


def get_image_size(inpt: Any) -> list[int]:
    """Width and height. Deprecated."""
    warnings.warn("The function `get_image_size(...)` is deprecated and will be removed in a future release. "
                  "Instead, please use `get_size(...)` which returns `[h, w]` instead of `[w, h]`.", stacklevel=2)
    return v1.get_image_size(inpt)


def _shape(image: Tensor) -> list[int]:
    if image.ndim < 2:
        raise TypeError(f"Input tensor should have at least two dimensions, but got {image.ndim}")
    return list(image.shape)


@dispatched(pillow.dimensions, rewrap=False)
def get_dimensions(image: Tensor) -> list[int]:
    """Channels, height and width."""
    return ([1] + _shape(image))[-3:]


@dispatched(lambda image: pillow.dimensions(image)[0], rewrap=False)
def get_num_channels(image: Tensor) -> int:
    """The number of channels."""
    return ([1] + _shape(image))[-3]


get_image_num_channels = get_num_channels


@dispatched(lambda image: pillow.dimensions(image)[1:], rewrap=False)
def get_size(image: Tensor) -> list[int]:
    """Height and width."""
    return _shape(image)[-2:]


get_size.kernels[tv_tensors.Mask] = get_size.image
get_size.kernels |= {cls: lambda value: list(value.canvas_size) for cls in (
    tv_tensors.BoundingBoxes, tv_tensors.KeyPoints)}


@dispatched(rewrap=False)
def get_num_frames(video: Tensor) -> int:
    """The number of frames of a video (..., T, C, H, W)."""
    return video.shape[-4]


del get_num_frames.kernels[tv_tensors.Image]
