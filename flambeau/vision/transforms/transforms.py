"""torchvision.transforms: transforms of PIL images and tensors (..., C, H, W), chained with Compose."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from numbers import Number
from typing import Any

from flambeau.nn import Module

from ...tensor import Tensor
from . import functional as F
from ._base import Shown, check_ranges, listed, named
from ._colour_transforms import (
    ColorJitter,
    GaussianBlur,
    Grayscale,
    RandomAdjustSharpness,
    RandomAutocontrast,
    RandomEqualize,
    RandomErasing,
    RandomGrayscale,
    RandomInvert,
    RandomPosterize,
    RandomSolarize,
)
from ._support import (
    BAD_PADDING_MODE,
    CROP_SIZE,
    PADDING_MODES,
    InterpolationMode,
    chance,
    crop_of_area,
    from_number,
    integer,
    pair,
)
from ._torch import fl
from ._warp_transforms import (
    ElasticTransform,
    RandomAffine,
    RandomHorizontalFlip,
    RandomPerspective,
    RandomRotation,
    RandomVerticalFlip,
)

__all__ = [
    "CenterCrop", "ColorJitter", "Compose", "ConvertImageDtype", "ElasticTransform", "FiveCrop", "GaussianBlur",
    "Grayscale", "InterpolationMode", "Lambda", "LinearTransformation", "Normalize", "PILToTensor", "Pad",
    "RandomAdjustSharpness", "RandomAffine", "RandomApply", "RandomAutocontrast", "RandomChoice", "RandomCrop",
    "RandomEqualize", "RandomErasing", "RandomGrayscale", "RandomHorizontalFlip", "RandomInvert", "RandomOrder",
    "RandomPerspective", "RandomPosterize", "RandomResizedCrop", "RandomRotation", "RandomSolarize",
    "RandomVerticalFlip", "Resize", "TenCrop", "ToPILImage", "ToTensor",
]  # fmt: skip

BILINEAR = InterpolationMode.BILINEAR


# ---- chains


class Compose:
    """Transforms one after the other."""

    def __init__(self, transforms: Sequence[Callable]) -> None:
        self.transforms = transforms

    def __call__(self, img: Any) -> Any:
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self) -> str:
        return listed(self)


class RandomTransforms:
    """The base of chains that a random draw decides about."""

    def __init__(self, transforms: Sequence[Callable]) -> None:
        if not isinstance(transforms, Sequence):
            raise TypeError("Argument transforms should be a sequence")
        self.transforms = transforms

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    def __repr__(self) -> str:
        return listed(self)


class RandomApply(Module):
    """All of the transforms with probability p, otherwise none."""

    def __init__(self, transforms: Any, p: float = 0.5) -> None:
        super().__init__()
        self.transforms = transforms
        self.p = p

    def forward(self, img: Any) -> Any:
        if self.p < chance():
            return img
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self) -> str:
        return listed(self, f"    p={self.p}")


class RandomOrder(RandomTransforms):
    """All of the transforms, in random order."""

    def __call__(self, img: Any) -> Any:
        order = list(range(len(self.transforms)))
        random.shuffle(order)
        for i in order:
            img = self.transforms[i](img)
        return img


class RandomChoice(RandomTransforms):
    """One of the transforms, chosen in proportion to p."""

    def __init__(self, transforms: Sequence[Callable], p: Sequence[float] | None = None) -> None:
        super().__init__(transforms)
        if p is not None and not isinstance(p, Sequence):
            raise TypeError("Argument p should be a sequence")
        self.p = p

    def __call__(self, *args: Any) -> Any:
        return random.choices(self.transforms, weights=self.p)[0](*args)

    def __repr__(self) -> str:
        return f"{super().__repr__()}(p={self.p})"


class Lambda:
    """A function as a transform."""

    def __init__(self, lambd: Callable) -> None:
        if not callable(lambd):
            raise TypeError(f"Argument lambd should be callable, got {type(lambd).__name__!r}")
        self.lambd = lambd

    def __call__(self, img: Any) -> Any:
        return self.lambd(img)

    def __repr__(self) -> str:
        return named(self)


# ---- conversion


class ToTensor:
    """A PIL image or array (H, W, C) as a tensor (C, H, W), bytes as floats from 0 to 1."""

    def __call__(self, pic: Any) -> Tensor:
        return F.to_tensor(pic)

    def __repr__(self) -> str:
        return named(self)


class PILToTensor:
    """A PIL image as a tensor (C, H, W) of its own values."""

    def __call__(self, pic: Any) -> Tensor:
        return F.pil_to_tensor(pic)

    def __repr__(self) -> str:
        return named(self)


class ToPILImage:
    """A tensor (C, H, W) or array (H, W, C) as a PIL image."""

    def __init__(self, mode: str | None = None) -> None:
        self.mode = mode

    def __call__(self, pic: Any) -> Any:
        return F.to_pil_image(pic, self.mode)

    def __repr__(self) -> str:
        return named(self) if self.mode is None else named(self, mode=self.mode)


class ConvertImageDtype(Module):
    """The image in another dtype, scaled to its range."""

    def __init__(self, dtype: Any) -> None:
        super().__init__()
        self.dtype = dtype

    def forward(self, image: Tensor) -> Tensor:
        return F.convert_image_dtype(image, self.dtype)


class Normalize(Shown):
    """`(image - mean) / std`, a mean and a deviation for each channel."""

    shown = ("mean", "std")

    def __init__(self, mean: Any, std: Any, inplace: bool = False) -> None:
        super().__init__()
        self.mean = mean
        self.std = std
        self.inplace = inplace

    def forward(self, tensor: Tensor) -> Tensor:
        return F.normalize(tensor, self.mean, self.std, self.inplace)


class LinearTransformation(Module):
    """`(image - mean_vector) @ transformation_matrix` of the flattened image: whitening, for example."""

    def __init__(self, transformation_matrix: Tensor, mean_vector: Tensor) -> None:
        super().__init__()
        check_linear(transformation_matrix, mean_vector)
        self.transformation_matrix = transformation_matrix
        self.mean_vector = mean_vector

    def forward(self, tensor: Tensor) -> Tensor:
        return linear_map(tensor, self.transformation_matrix, self.mean_vector)

    def __repr__(self) -> str:
        return named(self, transformation_matrix=self.transformation_matrix.tolist(),
                      mean_vector=self.mean_vector.tolist())


def check_linear(matrix: Tensor, mean: Tensor) -> None:
    """Raises unless the matrix is square and the mean fits it."""
    if matrix.size(0) != matrix.size(1):
        raise ValueError(
            f"transformation_matrix should be square. Got {tuple(matrix.size())} rectangular matrix."
        )
    if mean.size(0) != matrix.size(0):
        raise ValueError(
            f"mean_vector should have the same length {mean.size(0)} as any one of the dimensions of the "
            f"transformation_matrix [{tuple(matrix.size())}]"
        )
    for same in ("device", "dtype"):
        first, second = getattr(matrix, same), getattr(mean, same)
        if first != second:
            where = "be on the same device" if same == "device" else "have the same dtype"
            raise ValueError(f"Input tensors should {where}. Got {first} and {second}")


def linear_map(image: Tensor, matrix: Tensor, mean: Tensor) -> Tensor:
    """The flattened images, less the mean, times the matrix."""
    channels, height, width = image.shape[-3:]
    n = channels * height * width
    if n != matrix.shape[0]:
        raise ValueError(
            "Input tensor and transformation matrix have incompatible shape."
            f"[{channels} x {height} x {width}] != {matrix.shape[0]}"
        )
    if image.device.type != mean.device.type:
        raise ValueError(
            "Input tensor should be on the same device as transformation matrix and mean vector. "
            f"Got {image.device} vs {mean.device}"
        )
    centered = image.reshape(-1, n) - mean
    return fl.mm(centered, matrix.to(centered.dtype)).reshape(image.shape)


# ---- crops and sizes


class Resize(Module):
    """The image in another size: (h, w), or the length of the shorter side."""

    def __init__(self, size: Any, interpolation: Any = BILINEAR, max_size: int | None = None,
                 antialias: bool | None = True) -> None:
        super().__init__()
        if not isinstance(size, (int, Sequence)):
            raise TypeError(f"Size should be int or sequence. Got {type(size)}")
        if isinstance(size, Sequence) and len(size) not in (1, 2):
            raise ValueError("If size is a sequence, it should have 1 or 2 values")
        self.size = size
        self.max_size = max_size
        self.interpolation = from_number(interpolation)
        self.antialias = antialias

    def forward(self, img: Any) -> Any:
        return F.resize(img, self.size, self.interpolation, self.max_size, self.antialias)

    def __repr__(self) -> str:
        return named(self, size=self.size, interpolation=self.interpolation.value, max_size=self.max_size,
                      antialias=self.antialias)


class CenterCrop(Shown):
    """The middle of the image."""

    shown = ("size",)

    def __init__(self, size: Any) -> None:
        super().__init__()
        self.size = pair(size, CROP_SIZE)

    def forward(self, img: Any) -> Any:
        return F.center_crop(img, self.size)


class FiveCrop(Shown):
    """The four corners and the middle, as a tuple."""

    shown = ("size",)

    def __init__(self, size: Any) -> None:
        super().__init__()
        self.size = pair(size, CROP_SIZE)

    def forward(self, img: Any) -> tuple:
        return F.five_crop(img, self.size)


class TenCrop(Shown):
    """The five crops of the image and of its mirror image, as a tuple."""

    shown = ("size", "vertical_flip")

    def __init__(self, size: Any, vertical_flip: bool = False) -> None:
        super().__init__()
        self.size = pair(size, CROP_SIZE)
        self.vertical_flip = vertical_flip

    def forward(self, img: Any) -> tuple:
        return F.ten_crop(img, self.size, self.vertical_flip)


class Pad(Shown):
    """The image with a border."""

    shown = ("padding", "fill", "padding_mode")

    def __init__(self, padding: Any, fill: Any = 0, padding_mode: str = "constant") -> None:
        super().__init__()
        for value, name in ((padding, "padding"), (fill, "fill")):
            if not isinstance(value, (Number, tuple, list)):
                raise TypeError(f"Got inappropriate {name} arg")
        if padding_mode not in PADDING_MODES:
            raise ValueError(BAD_PADDING_MODE)
        if isinstance(padding, Sequence) and len(padding) not in (1, 2, 4):
            raise ValueError(
                f"Padding must be an int or a 1, 2, or 4 element tuple, not a {len(padding)} element tuple"
            )
        self.padding = padding
        self.fill = fill
        self.padding_mode = padding_mode

    def forward(self, img: Any) -> Any:
        return F.pad(img, self.padding, self.fill, self.padding_mode)


class RandomCrop(Shown):
    """A random rectangle of one size, of the image with a border."""

    shown = ("size", "padding")

    def __init__(self, size: Any, padding: Any = None, pad_if_needed: bool = False, fill: Any = 0,
                 padding_mode: str = "constant") -> None:
        super().__init__()
        self.size = tuple(pair(size, CROP_SIZE))
        self.padding = padding
        self.pad_if_needed = pad_if_needed
        self.fill = fill
        self.padding_mode = padding_mode

    @staticmethod
    def get_params(img: Any, output_size: tuple[int, int]) -> tuple[int, int, int, int]:
        """Top, left, height and width of the crop."""
        _, h, w = F.get_dimensions(img)
        height, width = output_size
        if h < height or w < width:
            raise ValueError(f"Required crop size {(height, width)} is larger than input image size {(h, w)}")
        if (h, w) == (height, width):
            return 0, 0, h, w
        return integer(0, h - height + 1), integer(0, w - width + 1), height, width

    def forward(self, img: Any) -> Any:
        if self.padding is not None:
            img = F.pad(img, self.padding, self.fill, self.padding_mode)
        _, height, width = F.get_dimensions(img)
        if self.pad_if_needed and width < self.size[1]:
            img = F.pad(img, [self.size[1] - width, 0], self.fill, self.padding_mode)
        if self.pad_if_needed and height < self.size[0]:
            img = F.pad(img, [0, self.size[0] - height], self.fill, self.padding_mode)
        return F.crop(img, *self.get_params(img, self.size))


class RandomResizedCrop(Module):
    """A random part of the image, of random shape, resized to one size."""

    def __init__(self, size: Any, scale: Any = (0.08, 1.0), ratio: Any = (3.0 / 4.0, 4.0 / 3.0),
                 interpolation: Any = BILINEAR, antialias: bool | None = True) -> None:
        super().__init__()
        self.size = pair(size, CROP_SIZE)
        check_ranges(scale, ratio)
        self.interpolation = from_number(interpolation)
        self.antialias = antialias
        self.scale = scale
        self.ratio = ratio

    @staticmethod
    def get_params(img: Any, scale: Sequence[float], ratio: Sequence[float]) -> tuple[int, int, int, int]:
        """Top, left, height and width of the crop."""
        _, height, width = F.get_dimensions(img)
        return crop_of_area(height, width, scale, ratio)

    def forward(self, img: Any) -> Any:
        top, left, height, width = self.get_params(img, self.scale, self.ratio)
        return F.resized_crop(img, top, left, height, width, self.size, self.interpolation, antialias=self.antialias)

    def __repr__(self) -> str:
        return named(self, size=self.size, scale=tuple(round(s, 4) for s in self.scale),
                      ratio=tuple(round(r, 4) for r in self.ratio), interpolation=self.interpolation.value,
                      antialias=self.antialias)
