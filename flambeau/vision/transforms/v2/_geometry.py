"""torchvision.transforms.v2: transforms that move pixels, and the boxes, masks and points with them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import tv_tensors
from .. import _geometry as geometry
from .. import transforms as v1
from .._support import (
    BAD_PADDING_MODE,
    CROP_SIZE,
    PADDING_MODES,
    affine_draws,
    angles,
    chance,
    check_sequence,
    crop_of_area,
    integer,
    is_pil,
    moved_corners,
    pair,
    sides,
    uniform,
)
from .._torch import fl
from .._warp_transforms import affine_ranges
from . import functional as F
from ._transform import (
    RandomApplyTransform,
    Transform,
    fill_of,
    fills,
    get_bounding_boxes,
    has_all,
    has_any,
    query_size,
    two_numbers,
)
from .functional import is_pure_tensor
from .functional._boxes import XYXY, converted


class RandomHorizontalFlip(RandomApplyTransform):
    """Left and right exchanged, with probability p."""

    def transform(self, inpt: Any, params: dict) -> Any:
        return self._call_kernel(F.horizontal_flip, inpt)


class RandomVerticalFlip(RandomApplyTransform):
    """Top and bottom exchanged, with probability p."""

    def transform(self, inpt: Any, params: dict) -> Any:
        return self._call_kernel(F.vertical_flip, inpt)


# ---- sizes


class Resize(Transform):
    """The image in another size: (h, w), the length of the shorter side, or with None `max_size` for the longer."""

    def __init__(self, size: Any, interpolation: Any = "bilinear", max_size: int | None = None,
                 antialias: bool | None = True) -> None:
        super().__init__()
        if isinstance(size, int):
            size = [size]
        elif isinstance(size, Sequence) and len(size) in (1, 2):
            size = list(size)
        elif size is not None:
            raise ValueError(
                f"size can be an integer, a sequence of one or two integers, or None, but got {size} instead.")
        elif not isinstance(max_size, int):
            raise ValueError(f"max_size must be an integer when size is None, but got {max_size} instead.")
        self.size = size
        self.interpolation = interpolation
        self.max_size = max_size
        self.antialias = antialias

    def transform(self, inpt: Any, params: dict) -> Any:
        return self._call_kernel(F.resize, inpt, self.size, interpolation=self.interpolation, max_size=self.max_size,
                                 antialias=self.antialias)


class RandomlyResized(Transform):
    """The base of transforms that draw a size; `make_params` gives it."""

    interpolation: Any
    antialias: bool | None

    def transform(self, inpt: Any, params: dict) -> Any:
        return self._call_kernel(F.resize, inpt, params["size"], interpolation=self.interpolation,
                                 antialias=self.antialias)


class ScaleJitter(RandomlyResized):
    """The image fitted into `target_size` and scaled at random. Ghiasi et al., arXiv 2012.07177."""

    def __init__(self, target_size: tuple[int, int], scale_range: tuple[float, float] = (0.1, 2.0),
                 interpolation: Any = "bilinear", antialias: bool | None = True) -> None:
        super().__init__()
        self.target_size = target_size
        self.scale_range = scale_range
        self.interpolation = interpolation
        self.antialias = antialias

    def make_params(self, flat_inputs: list) -> dict:
        height, width = query_size(flat_inputs)
        low, high = self.scale_range
        fitting = min(self.target_size[1] / height, self.target_size[0] / width)
        ratio = np.float32(fitting) * (low + np.float32(chance()) * np.float32(high - low))
        return {"size": (int(height * ratio), int(width * ratio))}


class RandomShortestSize(RandomlyResized):
    """The shorter side resized to one of some lengths, the longer at most `max_size`."""

    def __init__(self, min_size: Any, max_size: int | None = None, interpolation: Any = "bilinear",
                 antialias: bool | None = True) -> None:
        super().__init__()
        self.min_size = [min_size] if isinstance(min_size, int) else list(min_size)
        self.max_size = max_size
        self.interpolation = interpolation
        self.antialias = antialias

    def make_params(self, flat_inputs: list) -> dict:
        height, width = query_size(flat_inputs)
        ratio = self.min_size[integer(0, len(self.min_size))] / min(height, width)
        if self.max_size is not None:
            ratio = min(ratio, self.max_size / max(height, width))
        return {"size": (int(height * ratio), int(width * ratio))}


class RandomResize(RandomlyResized):
    """The shorter side resized to a length drawn from [min_size, max_size)."""

    def __init__(self, min_size: int, max_size: int, interpolation: Any = "bilinear",
                 antialias: bool | None = True) -> None:
        super().__init__()
        self.min_size = min_size
        self.max_size = max_size
        self.interpolation = interpolation
        self.antialias = antialias

    def make_params(self, flat_inputs: list) -> dict:
        return {"size": [integer(self.min_size, self.max_size)]}


# ---- crops and padding


class CenterCrop(Transform):
    """The middle of the image."""

    def __init__(self, size: Any) -> None:
        super().__init__()
        self.size = pair(size, CROP_SIZE)

    def transform(self, inpt: Any, params: dict) -> Any:
        return self._call_kernel(F.center_crop, inpt, output_size=self.size)


class RandomResizedCrop(Transform):
    """A random part of the image, of random shape, resized to one size."""

    get_params = staticmethod(v1.RandomResizedCrop.get_params)

    def __init__(self, size: Any, scale: Any = (0.08, 1.0), ratio: Any = (3.0 / 4.0, 4.0 / 3.0),
                 interpolation: Any = "bilinear", antialias: bool | None = True) -> None:
        super().__init__()
        self.size = pair(size, CROP_SIZE)
        for value, name in ((scale, "Scale"), (ratio, "Ratio")):
            if not isinstance(value, Sequence) or len(value) != 2:
                raise TypeError(f"{name} should be a sequence of two floats.")
        if scale[0] > scale[1] or ratio[0] > ratio[1]:
            warnings.warn("Scale and ratio should be of kind (min, max)", stacklevel=2)
        self.scale = scale
        self.ratio = ratio
        self.interpolation = interpolation
        self.antialias = antialias

    def make_params(self, flat_inputs: list) -> dict:
        found = crop_of_area(*query_size(flat_inputs), self.scale, self.ratio)
        return dict(zip(("top", "left", "height", "width"), found, strict=True))

    def transform(self, inpt: Any, params: dict) -> Any:
        return self._call_kernel(F.resized_crop, inpt, **params, size=self.size, interpolation=self.interpolation,
                                 antialias=self.antialias)


class SeveralCrops(Transform):
    """The base of transforms that make several images of one."""

    def check_inputs(self, flat_inputs: list) -> None:
        if has_any(flat_inputs, tv_tensors.BoundingBoxes, tv_tensors.Mask):
            raise TypeError(f"BoundingBoxes'es and Mask's are not supported by {type(self).__name__}()")


class FiveCrop(SeveralCrops):
    """The four corners and the middle, as a tuple."""

    def __init__(self, size: Any) -> None:
        super().__init__()
        self.size = pair(size, CROP_SIZE)

    def transform(self, inpt: Any, params: dict) -> Any:
        return self._call_kernel(F.five_crop, inpt, self.size)


class TenCrop(SeveralCrops):
    """The five crops of the image and of its mirror image, as a tuple."""

    def __init__(self, size: Any, vertical_flip: bool = False) -> None:
        super().__init__()
        self.size = pair(size, CROP_SIZE)
        self.vertical_flip = vertical_flip

    def transform(self, inpt: Any, params: dict) -> Any:
        return self._call_kernel(F.ten_crop, inpt, self.size, vertical_flip=self.vertical_flip)


def check_padding(padding: Any) -> None:
    """Raises unless this is a padding."""
    several = isinstance(padding, (tuple, list))
    if not (isinstance(padding, int) or several and len(padding) in (1, 2, 4) and
            all(isinstance(p, int) for p in padding)):
        raise ValueError(f"Padding must be an int or a 1, 2, or 4 element of tuple or list, got {padding}.")


def check_padding_mode(mode: str) -> None:
    """Raises unless this is a way to pad."""
    if mode not in PADDING_MODES:
        raise ValueError(BAD_PADDING_MODE)


class Pad(Transform):
    """The image with a border."""

    def __init__(self, padding: Any, fill: Any = 0, padding_mode: str = "constant") -> None:
        super().__init__()
        check_padding(padding)
        check_padding_mode(padding_mode)
        self.padding = padding if isinstance(padding, int) else list(padding)
        self.fill = fill
        self._fill = fills(fill)
        self.padding_mode = padding_mode

    def transform(self, inpt: Any, params: dict) -> Any:
        return self._call_kernel(F.pad, inpt, padding=self.padding, fill=fill_of(self._fill, inpt),
                                 padding_mode=self.padding_mode)


class RandomZoomOut(RandomApplyTransform):
    """The image somewhere on a larger canvas, with probability p. Liu et al., arXiv 1512.02325."""

    def __init__(self, fill: Any = 0, side_range: Sequence[float] = (1.0, 4.0), p: float = 0.5) -> None:
        super().__init__(p=p)
        self.fill = fill
        self._fill = fills(fill)
        check_sequence(side_range, "side_range", (2,))
        self.side_range = side_range
        if not 1.0 <= side_range[0] <= side_range[1]:
            raise ValueError(f"Invalid side range provided {side_range}.")

    def make_params(self, flat_inputs: list) -> dict:
        height, width = query_size(flat_inputs)
        low, high = self.side_range
        ratio = low + np.float32(chance()) * np.float32(high - low)
        right, bottom = int(width * ratio) - width, int(height * ratio) - height
        left, top = int(right * np.float32(chance())), int(bottom * np.float32(chance()))
        return {"padding": [left, top, right - left, bottom - top]}

    def transform(self, inpt: Any, params: dict) -> Any:
        return self._call_kernel(F.pad, inpt, **params, fill=fill_of(self._fill, inpt))


class RandomCrop(Transform):
    """A random rectangle of one size, of the image with a border."""

    get_params = staticmethod(v1.RandomCrop.get_params)

    def __init__(self, size: Any, padding: Any = None, pad_if_needed: bool = False, fill: Any = 0,
                 padding_mode: str = "constant") -> None:
        super().__init__()
        self.size = pair(size, CROP_SIZE)
        if pad_if_needed or padding is not None:
            if padding is not None:
                check_padding(padding)
            check_padding_mode(padding_mode)
        self.padding = sides(padding) if padding else None
        self.pad_if_needed = pad_if_needed
        self.fill = fill
        self._fill = fills(fill)
        self.padding_mode = padding_mode

    def make_params(self, flat_inputs: list) -> dict:
        height, width = query_size(flat_inputs)
        left, right, top, bottom = self.padding or (0, 0, 0, 0)
        new_height, new_width = self.size
        if self.pad_if_needed:
            down, across = (max(new - old, 0) for new, old in (
                (new_height, height + top + bottom), (new_width, width + left + right)))
            left, right, top, bottom = left + across, right + across, top + down, bottom + down
        height, width = height + top + bottom, width + left + right
        if height < new_height or width < new_width:
            padded = "" if self.padding is None else "padded "
            raise ValueError(f"Required crop size {(new_height, new_width)} is larger than "
                             f"{padded}input image size {(height, width)}.")
        return {
            "padding": [left, top, right, bottom],
            "top": integer(0, height - new_height + 1) if height > new_height else 0,
            "left": integer(0, width - new_width + 1) if width > new_width else 0,
            "crop": (height, width) != (new_height, new_width),
        }

    def transform(self, inpt: Any, params: dict) -> Any:
        if any(params["padding"]):
            inpt = self._call_kernel(F.pad, inpt, padding=params["padding"], fill=fill_of(self._fill, inpt),
                                     padding_mode=self.padding_mode)
        if not params["crop"]:
            return inpt
        height, width = self.size
        return self._call_kernel(F.crop, inpt, top=params["top"], left=params["left"], height=height, width=width)


class RandomIoUCrop(Transform):
    """A random crop that has enough of one of the boxes. Liu et al., arXiv 1512.02325."""

    def __init__(self, min_scale: float = 0.3, max_scale: float = 1.0, min_aspect_ratio: float = 0.5,
                 max_aspect_ratio: float = 2.0, sampler_options: list[float] | None = None, trials: int = 40) -> None:
        super().__init__()
        self.min_scale = min_scale
        self.max_scale = max_scale
        self.min_aspect_ratio = min_aspect_ratio
        self.max_aspect_ratio = max_aspect_ratio
        self.options = [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0] if sampler_options is None else sampler_options
        self.trials = trials

    def check_inputs(self, flat_inputs: list) -> None:
        if not (has_all(flat_inputs, tv_tensors.BoundingBoxes)
                and has_any(flat_inputs, is_pil, tv_tensors.Image, is_pure_tensor)):
            raise TypeError(f"{type(self).__name__}() requires input sample to contain tensor or PIL images "
                            "and bounding boxes. Sample can also contain masks.")

    def make_params(self, flat_inputs: list) -> dict:
        height, width = query_size(flat_inputs)
        boxes = get_bounding_boxes(flat_inputs)
        corners = converted(tv_tensors.plain(boxes), boxes.format, XYXY).numpy()
        while True:
            enough = self.options[integer(0, len(self.options))]
            if enough >= 1.0:
                return {}
            for _ in range(self.trials):
                found = self._crop_with(corners, height, width, enough)
                if found is not None:
                    return found

    def _crop_with(self, corners: Any, height: int, width: int, enough: float) -> dict | None:
        reach = np.float32(self.max_scale - self.min_scale)
        new_width, new_height = (int(n * (self.min_scale + reach * np.float32(chance()))) for n in (width, height))
        if not self.min_aspect_ratio <= new_width / new_height <= self.max_aspect_ratio:
            return None
        left, top = (int(n * np.float32(chance())) for n in (width - new_width, height - new_height))
        right, bottom = left + new_width, top + new_height
        if left == right or top == bottom:
            return None
        x, y = 0.5 * (corners[:, 0] + corners[:, 2]), 0.5 * (corners[:, 1] + corners[:, 3])
        within = (left < x) & (x < right) & (top < y) & (y < bottom)
        if not within.any():
            return None
        a, b, c, d = corners[within].T
        shared = ((c.clip(None, right) - a.clip(left)).clip(0) * (d.clip(None, bottom) - b.clip(top)).clip(0))
        if (shared / ((c - a) * (d - b) + new_width * new_height - shared)).max() < enough:
            return None
        return {"top": top, "left": left, "height": new_height, "width": new_width, "within": within}

    def transform(self, inpt: Any, params: dict) -> Any:
        if not params:
            return inpt
        size = {name: params[name] for name in ("top", "left", "height", "width")}
        found = self._call_kernel(F.crop, inpt, **size)
        if isinstance(found, tv_tensors.BoundingBoxes):
            # Boxes whose middle was cut off are left empty, for SanitizeBoundingBoxes to take away.
            kept = fl.where(geometry.from_array(params["within"][:, None]), tv_tensors.plain(found), 0)
            return tv_tensors.wrap(kept.to(found.dtype), like=found)
        return found


# ---- warps


class RandomRotation(Transform):
    """The image turned by a random angle."""

    get_params = staticmethod(v1.RandomRotation.get_params)

    def __init__(self, degrees: Any, interpolation: Any = "nearest", expand: bool = False, center: Any = None,
                 fill: Any = 0) -> None:
        super().__init__()
        self.degrees = angles(degrees, "degrees")
        self.interpolation = interpolation
        self.expand = expand
        self.fill = fill
        self._fill = fills(fill)
        if center is not None:
            check_sequence(center, "center", (2,))
        self.center = center

    def make_params(self, flat_inputs: list) -> dict:
        return {"angle": uniform(self.degrees[0], self.degrees[1])}

    def transform(self, inpt: Any, params: dict) -> Any:
        return self._call_kernel(F.rotate, inpt, **params, interpolation=self.interpolation, expand=self.expand,
                                 center=self.center, fill=fill_of(self._fill, inpt))


class RandomAffine(Transform):
    """The image turned, moved, scaled and sheared at random about its middle."""

    get_params = staticmethod(v1.RandomAffine.get_params)

    def __init__(self, degrees: Any, translate: Any = None, scale: Any = None, shear: Any = None,
                 interpolation: Any = "nearest", fill: Any = 0, center: Any = None) -> None:
        super().__init__()
        self.degrees, sheared = affine_ranges(degrees, translate, scale, shear, center)
        self.translate = translate
        self.scale = scale
        self.shear = sheared
        self.interpolation = interpolation
        self.fill = fill
        self._fill = fills(fill)
        self.center = center

    def make_params(self, flat_inputs: list) -> dict:
        height, width = query_size(flat_inputs)
        found = affine_draws(self.degrees, self.translate, self.scale, self.shear, width, height)
        return dict(zip(("angle", "translate", "scale", "shear"), found, strict=True))

    def transform(self, inpt: Any, params: dict) -> Any:
        return self._call_kernel(F.affine, inpt, **params, interpolation=self.interpolation,
                                 fill=fill_of(self._fill, inpt), center=self.center)


class RandomPerspective(RandomApplyTransform):
    """The image seen from a random angle, with probability p."""

    get_params = staticmethod(v1.RandomPerspective.get_params)

    def __init__(self, distortion_scale: float = 0.5, p: float = 0.5, interpolation: Any = "bilinear",
                 fill: Any = 0) -> None:
        super().__init__(p=p)
        if not 0 <= distortion_scale <= 1:
            raise ValueError("Argument distortion_scale value should be between 0 and 1")
        self.distortion_scale = distortion_scale
        self.interpolation = interpolation
        self.fill = fill
        self._fill = fills(fill)

    def make_params(self, flat_inputs: list) -> dict:
        height, width = query_size(flat_inputs)
        corners = moved_corners(width, height, self.distortion_scale)
        return {"coefficients": geometry.perspective_coefficients(*corners)}

    def transform(self, inpt: Any, params: dict) -> Any:
        return self._call_kernel(F.perspective, inpt, startpoints=None, endpoints=None, **params,
                                 interpolation=self.interpolation, fill=fill_of(self._fill, inpt))


class ElasticTransform(Transform):
    """The image as if drawn on rubber: alpha is how far pixels move, sigma how smoothly."""

    get_params = staticmethod(v1.ElasticTransform.get_params)

    def __init__(self, alpha: Any = 50.0, sigma: Any = 5.0, interpolation: Any = "bilinear", fill: Any = 0) -> None:
        super().__init__()
        self.alpha = two_numbers(alpha, "alpha")
        self.sigma = two_numbers(sigma, "sigma")
        self.interpolation = interpolation
        self.fill = fill
        self._fill = fills(fill)

    def make_params(self, flat_inputs: list) -> dict:
        return {"displacement": geometry.displacement(*query_size(flat_inputs), self.alpha, self.sigma)}

    def transform(self, inpt: Any, params: dict) -> Any:
        return self._call_kernel(F.elastic, inpt, **params, interpolation=self.interpolation,
                                 fill=fill_of(self._fill, inpt))
