"""torchvision.transforms: the transforms of colours, and those that blur and erase."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Number
from typing import Any

from ...tensor import Tensor
from . import functional as F
from ._base import Shown, check_ranges
from ._support import chance, jitter_range, pair, permutation, rectangle_to_erase, uniform
from ._torch import fl

INFINITE = float("inf")


class ColorJitter(Shown):
    """Brightness, contrast, saturation and hue changed at random, in random order."""

    shown = ("brightness", "contrast", "saturation", "hue")

    def __init__(self, brightness: Any = 0, contrast: Any = 0, saturation: Any = 0, hue: Any = 0) -> None:
        super().__init__()
        for name, value in (("brightness", brightness), ("contrast", contrast), ("saturation", saturation)):
            setattr(self, name, self._range(value, name, 1, (0, INFINITE), True))
        self.hue = self._range(hue, "hue", 0, (-0.5, 0.5), False)

    @staticmethod
    def _range(value: Any, name: str, center: float, bound: tuple[float, float], clip: bool) -> Any:
        wrong = f"{name} should be a single number or a list/tuple with length 2."
        return jitter_range(value, name, center, bound, clip, wrong, "")

    @staticmethod
    def get_params(brightness: Any, contrast: Any, saturation: Any, hue: Any) -> tuple:
        """The order of the four changes, and their factors, None for those left out."""
        order = fl.tensor(permutation(4))
        return order, *(None if r is None else uniform(r[0], r[1]) for r in (brightness, contrast, saturation, hue))

    def forward(self, img: Any) -> Any:
        order, *factors = self.get_params(self.brightness, self.contrast, self.saturation, self.hue)
        for i in order.tolist():
            if factors[i] is not None:
                img = ADJUSTMENTS[i](img, factors[i])
        return img


ADJUSTMENTS: tuple[Callable, ...] = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)


class Grayscale(Shown):
    """The image in gray."""

    shown = ("num_output_channels",)

    def __init__(self, num_output_channels: int = 1) -> None:
        super().__init__()
        self.num_output_channels = num_output_channels

    def forward(self, img: Any) -> Any:
        return F.rgb_to_grayscale(img, num_output_channels=self.num_output_channels)


class RandomGrayscale(Shown):
    """The image in gray with probability p, of as many channels as before."""

    shown = ("p",)

    def __init__(self, p: float = 0.1) -> None:
        super().__init__()
        self.p = p

    def forward(self, img: Any) -> Any:
        channels = F.get_dimensions(img)[0]
        return F.rgb_to_grayscale(img, num_output_channels=channels) if chance() < self.p else img


class GaussianBlur(Shown):
    """The image blurred by a bell curve of random width."""

    shown = ("kernel_size", "sigma")

    def __init__(self, kernel_size: Any, sigma: Any = (0.1, 2.0)) -> None:
        super().__init__()
        self.kernel_size = pair(kernel_size, "Kernel size should be a tuple/list of two integers")
        if any(size <= 0 or size % 2 == 0 for size in self.kernel_size):
            raise ValueError("Kernel size value should be an odd and positive number.")
        if isinstance(sigma, Number):
            if sigma <= 0:  # type: ignore[operator]
                raise ValueError("If sigma is a single number, it must be positive.")
            sigma = (sigma, sigma)
        elif not isinstance(sigma, Sequence) or len(sigma) != 2:
            raise ValueError("sigma should be a single number or a list/tuple with length 2.")
        elif not 0.0 < sigma[0] <= sigma[1]:
            raise ValueError("sigma values should be positive and of the form (min, max).")
        self.sigma = sigma

    @staticmethod
    def get_params(sigma_min: float, sigma_max: float) -> float:
        """The width of the bell curve."""
        return uniform(sigma_min, sigma_max)

    def forward(self, img: Any) -> Any:
        sigma = self.get_params(self.sigma[0], self.sigma[1])
        return F.gaussian_blur(img, self.kernel_size, [sigma, sigma])


def check_erasing(value: Any, scale: Any, ratio: Any, p: float) -> None:
    """Raises for arguments of RandomErasing that mean nothing."""
    if not isinstance(value, (Number, str, tuple, list)):
        raise TypeError("Argument value should be either a number or str or a sequence")
    if isinstance(value, str) and value != "random":
        raise ValueError("If value is str, it should be 'random'")
    check_ranges(scale, ratio)
    if scale[0] < 0 or scale[1] > 1:
        raise ValueError("Scale should be between 0 and 1")
    if p < 0 or p > 1:
        raise ValueError("Random erasing probability should be between 0 and 1")


def erasing_values(value: Any) -> list[float] | None:
    """What a rectangle is erased with: numbers, or None for noise."""
    if isinstance(value, str):
        return None
    return [float(value)] if isinstance(value, (int, float)) else [float(v) for v in value]


class RandomErasing(Shown):
    """A random rectangle of the tensor overwritten, with probability p."""

    shown = ("p", "scale", "ratio", "value", "inplace")

    def __init__(self, p: float = 0.5, scale: Any = (0.02, 0.33), ratio: Any = (0.3, 3.3), value: Any = 0,
                 inplace: bool = False) -> None:
        super().__init__()
        check_erasing(value, scale, ratio, p)
        self.p = p
        self.scale = scale
        self.ratio = ratio
        self.value = value
        self.inplace = inplace

    @staticmethod
    def get_params(img: Tensor, scale: Any, ratio: Any, value: list[float] | None = None) -> tuple:
        """Top, left, height, width and contents of the rectangle; the whole image where none was found."""
        channels, height, width = img.shape[-3:]
        found = rectangle_to_erase(channels, height, width, scale, ratio, value)
        return (0, 0, height, width, img) if found is None else found

    def forward(self, img: Tensor) -> Tensor:
        if chance() >= self.p:
            return img
        value = erasing_values(self.value)
        if value is not None and len(value) not in (1, img.shape[-3]):
            raise ValueError(
                "If value is a sequence, it should have either a single value or "
                f"{img.shape[-3]} (number of input channels)"
            )
        top, left, height, width, contents = self.get_params(img, self.scale, self.ratio, value)
        return F.erase(img, top, left, height, width, contents, self.inplace)


class RandomlyChanged(Shown):
    """One change of colours with probability p; `shown` names its numbers, then p."""

    shown: tuple[str, ...] = ("p",)
    change: Callable

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, img: Any) -> Any:
        return type(self).change(img, *(getattr(self, n) for n in self.shown[:-1])) if chance() < self.p else img

    def __repr__(self) -> str:
        return f"{type(self).__name__}({','.join(f'{n}={getattr(self, n)}' for n in self.shown)})"


class RandomInvert(RandomlyChanged):
    """White for black, with probability p."""

    change = F.invert


class RandomAutocontrast(RandomlyChanged):
    """Each channel stretched to the whole range, with probability p."""

    change = F.autocontrast


class RandomEqualize(RandomlyChanged):
    """Each channel's values spread, with probability p."""

    change = F.equalize


class RandomPosterize(RandomlyChanged):
    """Only the first bits of each value, with probability p."""

    shown = ("bits", "p")
    change = F.posterize

    def __init__(self, bits: int, p: float = 0.5) -> None:
        super().__init__(p)
        self.bits = bits


class RandomSolarize(RandomlyChanged):
    """Values from the threshold on inverted, with probability p."""

    shown = ("threshold", "p")
    change = F.solarize

    def __init__(self, threshold: float, p: float = 0.5) -> None:
        super().__init__(p)
        self.threshold = threshold


class RandomAdjustSharpness(RandomlyChanged):
    """The image blurred (below 1) or sharpened, with probability p."""

    shown = ("sharpness_factor", "p")
    change = F.adjust_sharpness

    def __init__(self, sharpness_factor: float, p: float = 0.5) -> None:
        super().__init__(p)
        self.sharpness_factor = sharpness_factor
