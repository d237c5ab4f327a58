"""torchvision.transforms.v2.functional: moving pixels, and the boxes, masks and points with them."""

from __future__ import annotations

import warnings
from typing import Any

from .....tensor import Tensor
from ... import _geometry as geometry
from ... import _pillow as pillow
from ... import functional as v1
from ..._images import pil_to_tensor, to_pil_image
from ..._support import BY_NAME, CROP_SIZE, InterpolationMode, from_number, pair, sides
from ..._torch import fl
from . import _boxes as boxes
from ._dispatch import dispatched

NEAREST, BILINEAR = InterpolationMode.NEAREST, InterpolationMode.BILINEAR


def mode_of(interpolation: Any) -> InterpolationMode:
    """The mode given as such, by its name or as Pillow's number."""
    if isinstance(interpolation, str):
        if interpolation not in BY_NAME:
            raise ValueError(
                f"Invalid interpolation mode: '{interpolation}'. Supported string values are: {list(BY_NAME)}.")
        return BY_NAME[interpolation]
    interpolation = from_number(interpolation)
    if not isinstance(interpolation, InterpolationMode):
        raise ValueError("Argument interpolation should be an `InterpolationMode` or a corresponding Pillow integer "
                         f"constant, but got {interpolation}.")
    return interpolation


def _new_size(height: int, width: int, size: Any, max_size: Any) -> list[int]:
    if isinstance(size, int):
        size = [size]
    elif max_size is not None and size is not None and len(size) != 1:
        raise ValueError(
            "max_size should only be passed if size is None or specifies the length of the smaller edge, "
            "i.e. size should be an int or a sequence of length 1 in torchscript mode.")
    return geometry.output_size(height, width, size, max_size)


def _warn_antialias(antialias: bool | None) -> None:
    if antialias is False:
        warnings.warn("Anti-alias option is always applied for PIL Image input. Argument antialias is ignored.",
                      stacklevel=4)


def _check_fill(fill: Any) -> None:
    if fill is not None and not isinstance(fill, (int, float, tuple, list)):
        raise ValueError("Argument fill should be either int, float, tuple or list")


# ---- flips


@dispatched(pillow.hflip, mask=True, boxes=boxes.hflip_boxes, points=boxes.hflip_points)
def horizontal_flip(image: Tensor) -> Tensor:
    """Left and right exchanged."""
    return geometry.hflip(image)


@dispatched(pillow.vflip, mask=True, boxes=boxes.vflip_boxes, points=boxes.vflip_points)
def vertical_flip(image: Tensor) -> Tensor:
    """Top and bottom exchanged."""
    return geometry.vflip(image)


hflip, vflip = horizontal_flip, vertical_flip


# ---- sizes and crops


def _resize_pil(image: Any, size: Any, interpolation: Any = BILINEAR, max_size: Any = None,
                antialias: bool | None = True) -> Any:
    _warn_antialias(antialias)
    new = _new_size(image.height, image.width, size, max_size)
    mode = mode_of(interpolation)
    return image if new == [image.height, image.width] else pillow.resize(image, new, mode)


@dispatched(_resize_pil, mask=True, boxes=boxes.resized, points=boxes.resized)
def resize(image: Tensor, size: Any, interpolation: Any = BILINEAR, max_size: int | None = None,
           antialias: bool | None = True) -> Tensor:
    """The image in another size: (h, w), or the length of the shorter side, or with None `max_size` for the longer."""
    mode = mode_of(interpolation)
    if mode is InterpolationMode.LANCZOS and not antialias:
        raise ValueError("InterpolationMode.LANCZOS requires antialias=True")
    height, width = image.shape[-2:]
    new = _new_size(height, width, size, max_size)
    if new == [height, width]:
        return image
    if image.numel() == 0:
        return image.new_empty(*image.shape[:-2], *new)
    if mode is InterpolationMode.LANCZOS or (mode is InterpolationMode.BICUBIC and antialias
                                             and image.dtype is fl.uint8):
        return geometry.resize_filtered(image, new, mode.value)
    return geometry.resize(image, new, mode.value, antialias, (*geometry.FLOATS, fl.uint8))


@dispatched(pillow.crop, mask=True, boxes=boxes.cropped, points=boxes.cropped)
def crop(image: Tensor, top: int, left: int, height: int, width: int) -> Tensor:
    """A rectangle of the image; what lies outside is zero."""
    return geometry.crop(image, top, left, height, width)


@dispatched(v1.center_crop, mask=True, boxes=boxes.center_cropped, points=boxes.center_cropped)
def center_crop(image: Tensor, output_size: Any) -> Tensor:
    """The middle of the image, padded with zeros where it is too small."""
    return v1.center_crop(image, output_size)


def _resized_crop_pil(image: Any, top: int, left: int, height: int, width: int, size: Any,
                      interpolation: Any = BILINEAR, antialias: bool | None = True) -> Any:
    return _resize_pil(pillow.crop(image, top, left, height, width), size, interpolation, None, antialias)


@dispatched(_resized_crop_pil, mask=True, boxes=boxes.resize_cropped, points=boxes.resize_cropped)
def resized_crop(image: Tensor, top: int, left: int, height: int, width: int, size: Any,
                 interpolation: Any = BILINEAR, antialias: bool | None = True) -> Tensor:
    """A rectangle of the image, resized."""
    return resize(geometry.crop(image, top, left, height, width), size, interpolation, antialias=antialias)


@dispatched(v1.five_crop)
def five_crop(image: Tensor, size: Any) -> tuple:
    """The four corners and the middle."""
    return v1.five_crop(image, pair(size, CROP_SIZE))


@dispatched(v1.ten_crop)
def ten_crop(image: Tensor, size: Any, vertical_flip: bool = False) -> tuple:
    """The five crops of the image and of its mirror image."""
    return v1.ten_crop(image, size, vertical_flip)


def _pad_pil(image: Any, padding: Any, fill: Any = None, padding_mode: str = "constant") -> Any:
    return pillow.pad(image, padding, fill, padding_mode)


def margins(padding: Any) -> list[int]:
    """Left, right, top and bottom of a padding; raises where it is none."""
    if not isinstance(padding, (int, tuple, list)):
        raise TypeError(f"`padding` should be an integer or tuple or list of integers, but got {padding}")
    if not isinstance(padding, int) and len(padding) not in (1, 2, 4):
        raise ValueError(f"Padding must be an int or a 1, 2, or 4 element tuple or list. Found {len(padding)}")
    return sides(padding)


@dispatched(_pad_pil, mask=True, boxes=boxes.padded, points=boxes.padded)
def pad(image: Tensor, padding: Any, fill: Any = None, padding_mode: str = "constant") -> Tensor:
    """The image with a border: a number for all sides, (x, y), or (left, top, right, bottom)."""
    around = margins(padding)
    if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
        raise ValueError("`padding_mode` should be either `'constant'`, `'edge'`, `'reflect'` or `'symmetric'`, "
                         f"but got `'{padding_mode}'`.")
    if isinstance(fill, (list, tuple)) and len(fill) > 1 and padding_mode != "constant":
        raise ValueError(f"Padding mode '{padding_mode}' is not supported if fill is not scalar")
    return geometry.pad(image, around, 0 if fill is None else fill, padding_mode)


# ---- warps


def _affine_pil(image: Any, angle: float, translate: Any, scale: float, shear: Any, interpolation: Any = NEAREST,
                fill: Any = None, center: Any = None) -> Any:
    return v1.affine(image, angle, translate, scale, shear, mode_of(interpolation), fill, center)


@dispatched(_affine_pil, mask=True, boxes=boxes.affine_moved, points=boxes.affine_moved)
def affine(image: Tensor, angle: float, translate: Any, scale: float, shear: Any, interpolation: Any = NEAREST,
           fill: Any = None, center: Any = None) -> Tensor:
    """The image turned (degrees), moved (pixels), scaled and sheared (degrees) about `center`."""
    mode = mode_of(interpolation)
    _check_fill(fill)
    angle, shear = v1.affine_arguments(angle, translate, scale, shear, center)
    middle = geometry.from_middle(image.shape[-2], image.shape[-1], center)
    return geometry.affine(image, geometry.affine_matrix(middle, angle, translate, scale, shear), mode.value, fill)


def _rotate_pil(image: Any, angle: float, interpolation: Any = NEAREST, expand: bool = False, center: Any = None,
                fill: Any = None) -> Any:
    return pillow.rotate(image, angle, mode_of(interpolation), expand, center, fill)


@dispatched(_rotate_pil, mask=True, boxes=boxes.rotated, points=boxes.rotated)
def rotate(image: Tensor, angle: float, interpolation: Any = NEAREST, expand: bool = False, center: Any = None,
           fill: Any = None) -> Tensor:
    """The image turned against the clock by an angle in degrees about `center` (x, y)."""
    angle = angle % 360
    height, width = image.shape[-2:]
    if center is None:
        if angle == 0:
            return image.clone()
        # Quarter turns need no interpolation where the result fits.
        if angle == 180 or (angle in (90, 270) and (expand or height == width)):
            return fl.rot90(image, int(angle // 90), (-2, -1))
    mode = mode_of(interpolation)
    _check_fill(fill)
    return geometry.rotate(image, geometry.rotation_matrix(height, width, angle, center), mode.value, expand, fill)


def _perspective_pil(image: Any, startpoints: Any, endpoints: Any, interpolation: Any = BILINEAR, fill: Any = None,
                     coefficients: Any = None) -> Any:
    numbers = boxes.perspective_numbers(startpoints, endpoints, coefficients)
    return pillow.perspective(image, numbers, mode_of(interpolation), fill)


@dispatched(_perspective_pil, mask=True, boxes=boxes.perspective_moved, points=boxes.perspective_moved)
def perspective(image: Tensor, startpoints: Any, endpoints: Any, interpolation: Any = BILINEAR, fill: Any = None,
                coefficients: Any = None) -> Tensor:
    """The image with its points `startpoints` moved to `endpoints`, or as eight coefficients say."""
    numbers = boxes.perspective_numbers(startpoints, endpoints, coefficients)
    mode = mode_of(interpolation)
    _check_fill(fill)
    return geometry.perspective(image, numbers, mode.value, fill)


def _elastic_pil(image: Any, displacement: Tensor, interpolation: Any = BILINEAR, fill: Any = None) -> Any:
    return to_pil_image(elastic.image(pil_to_tensor(image), displacement, interpolation, fill), mode=image.mode)


@dispatched(_elastic_pil, mask=True, boxes=boxes.elastically_moved, points=boxes.elastically_moved)
def elastic(image: Tensor, displacement: Tensor, interpolation: Any = BILINEAR, fill: Any = None) -> Tensor:
    """Each pixel read from elsewhere: displacement (1, H, W, 2) in x and y, where the image's sides are 2 long."""
    mode = mode_of(interpolation)
    boxes.check_displacement(displacement, (1, *image.shape[-2:], 2))
    return geometry.elastic(image, displacement, mode.value, fill)


elastic_transform = elastic
