"""torchvision.transforms.v2: transforms of colours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import _colour_transforms as v1
from .._support import chance, jitter_range, permutation, uniform
from .._torch import fl
from . import functional as F
from ._transform import RandomApplyTransform, Transform, query_chw

INFINITE = float("inf")


class Grayscale(Transform):
    """The image in gray."""

    def __init__(self, num_output_channels: int = 1) -> None:
        super().__init__()
        self.num_output_channels = num_output_channels

    def transform(self, inpt: Any, params: dict) -> Any:
        return self._call_kernel(F.rgb_to_grayscale, inpt, num_output_channels=self.num_output_channels)


class RandomGrayscale(RandomApplyTransform):
    """The image in gray with probability p, of as many channels as before."""

    def __init__(self, p: float = 0.1) -> None:
        super().__init__(p=p)

    def make_params(self, flat_inputs: list) -> dict:
        return {"num_input_channels": query_chw(flat_inputs)[0]}

    def transform(self, inpt: Any, params: dict) -> Any:
        return self._call_kernel(F.rgb_to_grayscale, inpt, num_output_channels=params["num_input_channels"])


class RGB(Transform):
    """The image with three channels."""

    def transform(self, inpt: Any, params: dict) -> Any:
        return self._call_kernel(F.grayscale_to_rgb, inpt)


FACTORS: tuple[tuple[str, Callable], ...] = (
    ("brightness", F.adjust_brightness), ("contrast", F.adjust_contrast), ("saturation", F.adjust_saturation),
    ("hue", F.adjust_hue),
)  # fmt: skip


class ColorJitter(Transform):
    """Brightness, contrast, saturation and hue changed at random, in random order."""

    get_params = staticmethod(v1.ColorJitter.get_params)

    def __init__(self, brightness: Any = None, contrast: Any = None, saturation: Any = None, hue: Any = None) -> None:
        super().__init__()
        for name, value in (("brightness", brightness), ("contrast", contrast), ("saturation", saturation)):
            setattr(self, name, self._range(value, name, 1.0, (0, INFINITE), True))
        self.hue = self._range(hue, "hue", 0, (-0.5, 0.5), False)

    @staticmethod
    def _range(value: Any, name: str, center: float, bound: tuple[float, float], clip: bool) -> Any:
        wrong = f"{name}={value} should be a single number or a sequence with length 2."
        return None if value is None else jitter_range(value, name, center, bound, clip, wrong, " and increasing")

    def make_params(self, flat_inputs: list) -> dict:
        order = permutation(4)
        ranges = (getattr(self, name) for name, _ in FACTORS)
        return {"order": order, "factors": [None if r is None else uniform(*r) for r in ranges]}

    def transform(self, inpt: Any, params: dict) -> Any:
        for i in params["order"]:
            if params["factors"][i] is not None:
                inpt = self._call_kernel(FACTORS[i][1], inpt, params["factors"][i])
        return inpt


class RandomChannelPermutation(Transform):
    """The channels in random order."""

    def make_params(self, flat_inputs: list) -> dict:
        return {"permutation": fl.tensor(permutation(query_chw(flat_inputs)[0]))}

    def transform(self, inpt: Any, params: dict) -> Any:
        return self._call_kernel(F.permute_channels, inpt, params["permutation"])


class RandomPhotometricDistort(Transform):
    """Each of the changes of colour with probability p, and the channels exchanged. Liu et al., arXiv 1512.02325."""

    def __init__(self, brightness: Any = (0.875, 1.125), contrast: Any = (0.5, 1.5), saturation: Any = (0.5, 1.5),
                 hue: Any = (-0.05, 0.05), p: float = 0.5) -> None:
        super().__init__()
        self.brightness = brightness
        self.contrast = contrast
        self.hue = hue
        self.saturation = saturation
        self.p = p

    def make_params(self, flat_inputs: list) -> dict:
        channels = query_chw(flat_inputs)[0]
        drawn = {name: uniform(*getattr(self, name)) if chance() < self.p else None for name, _ in FACTORS}
        early = chance() < 0.5
        return {"factors": drawn, "contrast_before": early,
                "permutation": fl.tensor(permutation(channels)) if chance() < self.p else None}

    def transform(self, inpt: Any, params: dict) -> Any:
        changes = dict(FACTORS)
        late = ("brightness", "saturation", "hue", "contrast")
        for name in (changes if params["contrast_before"] else late):
            if params["factors"][name] is not None:
                inpt = self._call_kernel(changes[name], inpt, params["factors"][name])
        if params["permutation"] is not None:
            inpt = self._call_kernel(F.permute_channels, inpt, params["permutation"])
        return inpt


class RandomEqualize(RandomApplyTransform):
    """Each channel's values spread, with probability p."""

    def transform(self, inpt: Any, params: dict) -> Any:
        return self._call_kernel(F.equalize, inpt)


class RandomInvert(RandomApplyTransform):
    """White for black, with probability p."""

    def transform(self, inpt: Any, params: dict) -> Any:
        return self._call_kernel(F.invert, inpt)


class RandomAutocontrast(RandomApplyTransform):
    """Each channel stretched to the whole range, with probability p."""

    def transform(self, inpt: Any, params: dict) -> Any:
        return self._call_kernel(F.autocontrast, inpt)


class RandomPosterize(RandomApplyTransform):
    """Only the first bits of each value, with probability p."""

    def __init__(self, bits: int, p: float = 0.5) -> None:
        super().__init__(p=p)
        self.bits = bits

    def transform(self, inpt: Any, params: dict) -> Any:
        return self._call_kernel(F.posterize, inpt, bits=self.bits)


class RandomSolarize(RandomApplyTransform):
    """Values from the threshold on inverted, with probability p."""

    def __init__(self, threshold: float, p: float = 0.5) -> None:
        super().__init__(p=p)
        self.threshold = threshold

    def transform(self, inpt: Any, params: dict) -> Any:
        return self._call_kernel(F.solarize, inpt, threshold=self.threshold)


class RandomAdjustSharpness(RandomApplyTransform):
    """The image blurred (below 1) or sharpened, with probability p."""

    def __init__(self, sharpness_factor: float, p: float = 0.5) -> None:
        super().__init__(p=p)
        self.sharpness_factor = sharpness_factor

    def transform(self, inpt: Any, params: dict) -> Any:
        return self._call_kernel(F.adjust_sharpness, inpt, sharpness_factor=self.sharpness_factor)
