"""torchvision.transforms: flips, and the transforms that turn and bend images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flambeau.nn import Module

from ...tensor import Tensor
from . import _geometry as geometry
from . import functional as F
from ._base import Shown, checked_fill, fill_for, named
from ._support import (
    InterpolationMode,
    affine_draws,
    angles,
    chance,
    check_sequence,
    from_number,
    moved_corners,
    uniform,
)

NEAREST, BILINEAR = InterpolationMode.NEAREST, InterpolationMode.BILINEAR


class RandomHorizontalFlip(Shown):
    """Left and right exchanged, with probability p."""

    shown = ("p",)

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, img: Any) -> Any:
        return F.hflip(img) if chance() < self.p else img


class RandomVerticalFlip(Shown):
    """Top and bottom exchanged, with probability p."""

    shown = ("p",)

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, img: Any) -> Any:
        return F.vflip(img) if chance() < self.p else img


class RandomPerspective(Shown):
    """The image seen from a random angle, with probability p."""

    shown = ("p",)

    def __init__(self, distortion_scale: float = 0.5, p: float = 0.5, interpolation: Any = BILINEAR,
                 fill: Any = 0) -> None:
        super().__init__()
        self.p = p
        self.interpolation = from_number(interpolation)
        self.distortion_scale = distortion_scale
        self.fill = checked_fill(fill)

    @staticmethod
    def get_params(width: int, height: int, distortion_scale: float) -> tuple[list[list[int]], list[list[int]]]:
        """The corners, and where they go."""
        return moved_corners(width, height, distortion_scale)

    def forward(self, img: Any) -> Any:
        fill = fill_for(img, self.fill)
        _, height, width = F.get_dimensions(img)
        if chance() >= self.p:
            return img
        start, end = self.get_params(width, height, self.distortion_scale)
        return F.perspective(img, start, end, self.interpolation, fill)


class RandomRotation(Module):
    """The image turned by a random angle."""

    def __init__(self, degrees: Any, interpolation: Any = NEAREST, expand: bool = False, center: Any = None,
                 fill: Any = 0) -> None:
        super().__init__()
        self.interpolation = from_number(interpolation)
        self.degrees = angles(degrees, "degrees")
        if center is not None:
            check_sequence(center, "center", (2,))
        self.center = center
        self.expand = expand
        self.fill = checked_fill(fill)

    @staticmethod
    def get_params(degrees: Sequence[float]) -> float:
        """The angle."""
        return uniform(degrees[0], degrees[1])

    def forward(self, img: Any) -> Any:
        fill = fill_for(img, self.fill)
        angle = self.get_params(self.degrees)
        return F.rotate(img, angle, self.interpolation, self.expand, self.center, fill)

    def __repr__(self) -> str:
        center = {} if self.center is None else {"center": self.center}
        return named(self, degrees=self.degrees, interpolation=self.interpolation.value, expand=self.expand,
                      **center, fill=self.fill)


def affine_ranges(degrees: Any, translate: Any, scale: Any, shear: Any, center: Any) -> tuple[list[float], Any]:
    """The ranges of angle and shear of a random affine map. Raises for arguments that mean nothing."""
    turn = angles(degrees, "degrees")
    if translate is not None:
        check_sequence(translate, "translate", (2,))
        if not all(0.0 <= t <= 1.0 for t in translate):
            raise ValueError("translation values should be between 0 and 1")
    if scale is not None:
        check_sequence(scale, "scale", (2,))
        if any(s <= 0 for s in scale):
            raise ValueError("scale values should be positive")
    sheared = None if shear is None else angles(shear, "shear", (2, 4))
    if center is not None:
        check_sequence(center, "center", (2,))
    return turn, sheared


class RandomAffine(Module):
    """The image turned, moved, scaled and sheared at random about its middle."""

    def __init__(self, degrees: Any, translate: Any = None, scale: Any = None, shear: Any = None,
                 interpolation: Any = NEAREST, fill: Any = 0, center: Any = None) -> None:
        super().__init__()
        self.interpolation = from_number(interpolation)
        self.degrees, self.shear = affine_ranges(degrees, translate, scale, shear, center)
        self.translate = translate
        self.scale = scale
        self.fill = checked_fill(fill)
        self.center = center

    @staticmethod
    def get_params(degrees: Any, translate: Any, scale_ranges: Any, shears: Any, img_size: Sequence[int]) -> tuple:
        """Angle, translation, scale and shear."""
        return affine_draws(degrees, translate, scale_ranges, shears, *img_size)

    def forward(self, img: Any) -> Any:
        fill = fill_for(img, self.fill)
        _, height, width = F.get_dimensions(img)
        drawn = self.get_params(self.degrees, self.translate, self.scale, self.shear, [width, height])
        angle, translate, scale, shear = drawn
        return F.affine(img, angle, translate, scale, shear, self.interpolation, fill, self.center)

    def __repr__(self) -> str:
        given = {name: getattr(self, name) for name in ("translate", "scale", "shear")}
        shown = {"degrees": self.degrees} | {name: value for name, value in given.items() if value is not None}
        if self.interpolation is not NEAREST:
            shown["interpolation"] = self.interpolation.value
        if self.fill != 0:
            shown["fill"] = self.fill
        if self.center is not None:
            shown["center"] = self.center
        return named(self, **shown)


class ElasticTransform(Module):
    """The image as if drawn on rubber: alpha is how far pixels move, sigma how smoothly."""

    def __init__(self, alpha: Any = 50.0, sigma: Any = 5.0, interpolation: Any = BILINEAR, fill: Any = 0) -> None:
        super().__init__()
        self.alpha = _two_floats(alpha, "alpha")
        self.sigma = _two_floats(sigma, "sigma")
        self.interpolation = from_number(interpolation)
        if isinstance(fill, (int, float)):
            fill = [fill]
        elif not isinstance(fill, (list, tuple)):
            raise TypeError(f"fill should be int or float or a list or tuple of them. Got {type(fill)}")
        self.fill = [float(f) for f in fill]

    @staticmethod
    def get_params(alpha: Sequence[float], sigma: Sequence[float], size: Sequence[int]) -> Tensor:
        """The displacements: (1, H, W, 2)."""
        return geometry.displacement(size[0], size[1], alpha, sigma)

    def forward(self, tensor: Any) -> Any:
        _, height, width = F.get_dimensions(tensor)
        moves = self.get_params(self.alpha, self.sigma, [height, width])
        return F.elastic_transform(tensor, moves, self.interpolation, self.fill)

    def __repr__(self) -> str:
        return named(self, alpha=self.alpha, sigma=self.sigma, interpolation=self.interpolation, fill=self.fill)


def _two_floats(value: Any, name: str) -> Any:
    if not isinstance(value, (float, Sequence)):
        raise TypeError(f"{name} should be float or a sequence of floats. Got {type(value)}")
    if isinstance(value, float):
        return [value, value]
    if len(value) != 2:
        raise ValueError(f"If {name} is a sequence its length should be 2. Got {len(value)}")
    for element in value:
        if not isinstance(element, float):
            raise TypeError(f"{name} should be a sequence of floats. Got {type(element)}")
    return value
