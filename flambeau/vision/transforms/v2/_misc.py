"""torchvision.transforms.v2: conversion, values, and the transforms that fit nowhere else."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ....tensor import Tensor
from ....utils._pytree import tree_flatten, tree_unflatten
from ... import tv_tensors
from .. import _images as images
from .._colour_transforms import GaussianBlur as BlurOfV1
from .._support import is_pil, pair, uniform
from .._torch import fl
from ..transforms import check_linear, linear_map
from . import functional as F
from ._transform import Transform, get_bounding_boxes, get_keypoints, has_any, labels_getter_of, two_numbers
from .functional import is_pure_tensor
from .functional._boxes import valid_boxes

IMAGES = (tv_tensors.Image, tv_tensors.Video)


# ---- conversion


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray)


class ToTensor(Transform):
    """A PIL image or array as a tensor of floats from 0 to 1. Deprecated."""

    _transformed_types = (is_pil, _is_array)

    def __init__(self) -> None:
        warnings.warn(
            "The transform `ToTensor()` is deprecated and will be removed in a future release. "
            "Instead, please use `v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])`."
            "Output is equivalent up to float precision.", stacklevel=2)
        super().__init__()

    def transform(self, inpt: Any, params: dict) -> Any:
        return images.to_tensor(inpt)


class PILToTensor(Transform):
    """A PIL image as a tensor (C, H, W) of its own values."""

    _transformed_types = (is_pil,)

    def transform(self, inpt: Any, params: dict) -> Any:
        return F.pil_to_tensor(inpt)


class ToImage(Transform):
    """A tensor, array (H, W, C) or PIL image as an Image (C, H, W)."""

    _transformed_types = (is_pure_tensor, is_pil, _is_array)

    def transform(self, inpt: Any, params: dict) -> Any:
        return F.to_image(inpt)


class ToPILImage(Transform):
    """A tensor (C, H, W) or array (H, W, C) as a PIL image."""

    _transformed_types = (is_pure_tensor, tv_tensors.Image, _is_array)

    def __init__(self, mode: str | None = None) -> None:
        super().__init__()
        self.mode = mode

    def transform(self, inpt: Any, params: dict) -> Any:
        return F.to_pil_image(inpt, mode=self.mode)


class ToPureTensor(Transform):
    """All tensors as plain ones."""

    _transformed_types = (tv_tensors.TVTensor,)

    def transform(self, inpt: Any, params: dict) -> Any:
        return tv_tensors.plain(inpt)


class ToDtype(Transform):
    """Tensors in another dtype, for all or for each class; with scale, images are scaled to its range."""

    _transformed_types = (Tensor,)

    def __init__(self, dtype: Any, scale: bool = False) -> None:
        super().__init__()
        if not isinstance(dtype, (dict, fl.dtype)):
            raise ValueError(f"dtype must be a dict or a torch.dtype, got {type(dtype)} instead")
        if isinstance(dtype, dict) and Tensor in dtype and any(cls in dtype for cls in IMAGES):
            warnings.warn(
                "Got `dtype` values for `torch.Tensor` and either `tv_tensors.Image` or `tv_tensors.Video`. "
                "Note that a plain `torch.Tensor` will *not* be transformed by this (or any other transformation) "
                "in case a `tv_tensors.Image` or `tv_tensors.Video` is present in the input.", stacklevel=2)
        self.dtype = dtype
        self.scale = scale

    def transform(self, inpt: Any, params: dict) -> Any:
        image = is_pure_tensor(inpt) or isinstance(inpt, IMAGES)
        if not isinstance(self.dtype, dict):
            return self._call_kernel(F.to_dtype, inpt, dtype=self.dtype, scale=self.scale) if image else inpt
        if type(inpt) not in self.dtype and "others" not in self.dtype:
            raise ValueError(
                f"No dtype was specified for type {type(inpt)}. If you only need to convert the dtype of images or "
                "videos, you can just pass e.g. dtype=torch.float32. If you're passing a dict as dtype, you can use "
                '"others" as a catch-all key e.g. dtype={tv_tensors.Mask: torch.int64, "others": None} to pass-through '
                "the rest of the inputs.")
        dtype = self.dtype.get(type(inpt), self.dtype.get("others"))
        if dtype is not None:
            return self._call_kernel(F.to_dtype, inpt, dtype=dtype, scale=self.scale)
        if self.scale and image:
            warnings.warn("scale was set to True but no dtype was specified for images or videos: "
                          "no scaling will be done.", stacklevel=2)
        return inpt


class ConvertImageDtype(Transform):
    """Images in another dtype, scaled to its range."""

    def __init__(self, dtype: Any = fl.float32) -> None:
        super().__init__()
        self.dtype = dtype

    def transform(self, inpt: Any, params: dict) -> Any:
        return self._call_kernel(F.to_dtype, inpt, dtype=self.dtype, scale=True)


# ---- values


class Identity(Transform):
    """Everything as it is."""

    def transform(self, inpt: Any, params: dict) -> Any:
        return inpt


class Lambda(Transform):
    """A function of each part of a sample, or of those of some types."""

    _transformed_types = (object,)

    def __init__(self, lambd: Callable[[Any], Any], *types: type) -> None:
        super().__init__()
        self.lambd = lambd
        self.types = types or (object,)

    def transform(self, inpt: Any, params: dict) -> Any:
        return self.lambd(inpt) if isinstance(inpt, self.types) else inpt

    def extra_repr(self) -> str:
        name = getattr(self.lambd, "__name__", None)
        return ", ".join([*([name] if name else []), f"types={[kind.__name__ for kind in self.types]}"])


class NotForPil(Transform):
    """The base of transforms that refuse PIL images."""

    def check_inputs(self, flat_inputs: list) -> None:
        if has_any(flat_inputs, is_pil):
            raise TypeError(f"{type(self).__name__}() does not support PIL images.")


class LinearTransformation(NotForPil):
    """`(image - mean_vector) @ transformation_matrix` of the flattened image: whitening, for example."""

    _transformed_types = (is_pure_tensor, *IMAGES)

    def __init__(self, transformation_matrix: Tensor, mean_vector: Tensor) -> None:
        super().__init__()
        check_linear(transformation_matrix, mean_vector)
        self.transformation_matrix = transformation_matrix
        self.mean_vector = mean_vector

    def transform(self, inpt: Any, params: dict) -> Any:
        found = linear_map(tv_tensors.plain(inpt), self.transformation_matrix, self.mean_vector)
        return tv_tensors.wrap(found, like=inpt)


class Normalize(NotForPil):
    """`(image - mean) / std`, a mean and a deviation for each channel."""

    def __init__(self, mean: Any, std: Any, inplace: bool = False) -> None:
        super().__init__()
        self.mean = list(mean)
        self.std = list(std)
        self.inplace = inplace

    def transform(self, inpt: Any, params: dict) -> Any:
        return self._call_kernel(F.normalize, inpt, mean=self.mean, std=self.std, inplace=self.inplace)


class GaussianBlur(Transform):
    """The image blurred by a bell curve of random width."""

    get_params = staticmethod(BlurOfV1.get_params)

    def __init__(self, kernel_size: Any, sigma: Any = (0.1, 2.0)) -> None:
        super().__init__()
        self.kernel_size = pair(kernel_size, "Kernel size should be a tuple/list of two integers")
        if any(size <= 0 or size % 2 == 0 for size in self.kernel_size):
            raise ValueError("Kernel size value should be an odd and positive number.")
        self.sigma = two_numbers(sigma, "sigma")
        if not 0.0 < self.sigma[0] <= self.sigma[1]:
            raise ValueError(f"sigma values should be positive and of the form (min, max). Got {self.sigma}")

    def make_params(self, flat_inputs: list) -> dict:
        return {"sigma": [uniform(self.sigma[0], self.sigma[1])] * 2}

    def transform(self, inpt: Any, params: dict) -> Any:
        return self._call_kernel(F.gaussian_blur, inpt, self.kernel_size, **params)


class GaussianNoise(Transform):
    """The image with normal noise."""

    def __init__(self, mean: float = 0.0, sigma: float = 0.1, clip: bool = True) -> None:
        super().__init__()
        self.mean = mean
        self.sigma = sigma
        self.clip = clip

    def transform(self, inpt: Any, params: dict) -> Any:
        return self._call_kernel(F.gaussian_noise, inpt, mean=self.mean, sigma=self.sigma, clip=self.clip)


class UniformTemporalSubsample(Transform):
    """Frames at equal steps, the first and the last among them."""

    _transformed_types = (Tensor,)

    def __init__(self, num_samples: int) -> None:
        super().__init__()
        self.num_samples = num_samples

    def transform(self, inpt: Any, params: dict) -> Any:
        return self._call_kernel(F.uniform_temporal_subsample, inpt, self.num_samples)


# ---- boxes and points


class ConvertBoundingBoxFormat(Transform):
    """Boxes in another format."""

    _transformed_types = (tv_tensors.BoundingBoxes,)

    def __init__(self, format: Any) -> None:
        super().__init__()
        self.format = format

    def transform(self, inpt: Any, params: dict) -> Any:
        return F.convert_bounding_box_format(inpt, new_format=self.format)


class ClampBoundingBoxes(Transform):
    """Boxes without what lies outside of the canvas."""

    _transformed_types = (tv_tensors.BoundingBoxes,)

    def __init__(self, clamping_mode: str | None = "auto") -> None:
        super().__init__()
        self.clamping_mode = clamping_mode

    def transform(self, inpt: Any, params: dict) -> Any:
        return F.clamp_bounding_boxes(inpt, clamping_mode=self.clamping_mode)


class SetClampingMode(Transform):
    """Says how later transforms clamp boxes."""

    _transformed_types = (tv_tensors.BoundingBoxes,)

    def __init__(self, clamping_mode: str | None) -> None:
        super().__init__()
        self.clamping_mode = clamping_mode
        if clamping_mode not in (None, "soft", "hard"):
            raise ValueError(f"clamping_mode must be soft, hard or None, got {clamping_mode}")

    def transform(self, inpt: Any, params: dict) -> Any:
        return tv_tensors.wrap(tv_tensors.plain(inpt).clone(), like=inpt, clamping_mode=self.clamping_mode)


class ClampKeyPoints(Transform):
    """Points moved to the nearest pixel of the canvas."""

    _transformed_types = (tv_tensors.KeyPoints,)

    def transform(self, inpt: Any, params: dict) -> Any:
        return F.clamp_keypoints(inpt)


def labels_of(getter: Callable, sample: Any, count: int, what: str) -> tuple:
    """The tensors of labels in a sample, one label for each of `count` boxes or points."""
    labels = getter(sample)
    if labels is None:
        return ()
    several = labels if isinstance(labels, (tuple, list)) else (labels,)
    for entry in several:
        if not isinstance(entry, Tensor):
            raise ValueError(
                f"The labels in the input to forward() must be a tensor or None, got {type(entry)} instead.")
    for entry in several:
        if entry.shape[0] != count:
            raise ValueError(f"Number of {what} must match the number of labels."
                             f"Found labels with shape={entry.shape}).")
    return tuple(several)


class SanitizeBoundingBoxes(Transform):
    """Without the boxes that are too small or lie outside, and without their labels and masks."""

    def __init__(self, min_size: float = 1.0, min_area: float = 1.0, labels_getter: Any = "default") -> None:
        super().__init__()
        if min_size < 1:
            raise ValueError(f"min_size must be >= 1, got {min_size}.")
        self.min_size = min_size
        if min_area < 1:
            raise ValueError(f"min_area must be >= 1, got {min_area}.")
        self.min_area = min_area
        self.labels_getter = labels_getter
        self._labels_getter = labels_getter_of(labels_getter)

    def forward(self, *inputs: Any) -> Any:
        sample = inputs[0] if len(inputs) == 1 else inputs
        flat, spec = tree_flatten(sample)
        boxes = get_bounding_boxes(flat)
        labels = labels_of(self._labels_getter, sample, len(boxes), f"boxes (shape={boxes.shape}) and")
        valid = valid_boxes(boxes, boxes.format, boxes.canvas_size, self.min_size, self.min_area)
        return tree_unflatten([self.transform(v, {"valid": valid, "labels": labels}) for v in flat], spec)

    def transform(self, inpt: Any, params: dict) -> Any:
        if any(inpt is label for label in params["labels"]) or isinstance(inpt, tv_tensors.BoundingBoxes):
            return tv_tensors.wrap(tv_tensors.plain(inpt)[params["valid"]], like=inpt)
        if isinstance(inpt, tv_tensors.Mask) and inpt.shape[:1] == params["valid"].shape:
            return tv_tensors.wrap(tv_tensors.plain(inpt)[params["valid"]], like=inpt)
        return inpt


class SanitizeKeyPoints(Transform):
    """Without the points that lie outside, and without their labels."""

    def __init__(self, labels_getter: Any = None) -> None:
        super().__init__()
        self.labels_getter = labels_getter
        self._labels_getter = labels_getter_of(labels_getter)

    def forward(self, *inputs: Any) -> Any:
        sample = inputs[0] if len(inputs) == 1 else inputs
        flat, spec = tree_flatten(sample)
        points = get_keypoints(flat)
        labels = labels_of(self._labels_getter, sample, len(points), f"kepyoints (shape={points.shape})")
        _, valid = F.sanitize_keypoints(points)
        return tree_unflatten([self.transform(v, {"valid": valid, "labels": labels}) for v in flat], spec)

    def transform(self, inpt: Any, params: dict) -> Any:
        if any(inpt is label for label in params["labels"]) or isinstance(inpt, tv_tensors.KeyPoints):
            return tv_tensors.wrap(tv_tensors.plain(inpt)[params["valid"]], like=inpt)
        return inpt
