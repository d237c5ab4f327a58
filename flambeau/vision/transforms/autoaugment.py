"""torchvision.transforms: augmentations that choose among many changes."""

from __future__ import annotations

from typing import Any

from ...tensor import Tensor
from . import functional as F
from ._base import Shown, fill_for
from ._policies import AUTO, MIX, MIX_ALL, RAND, UNSIGNED, WIDE, AutoAugmentPolicy, apply, policies, strengths
from ._support import InterpolationMode, beside, dirichlet, integer
from ._torch import fl

__all__ = ["AugMix", "AutoAugment", "AutoAugmentPolicy", "RandAugment", "TrivialAugmentWide"]

NEAREST, BILINEAR = InterpolationMode.NEAREST, InterpolationMode.BILINEAR
STEPS_OF_MIX = 10


def check_severity(severity: int) -> None:
    """Raises unless the severity is one of AugMix's steps."""
    if not 1 <= severity <= STEPS_OF_MIX:
        raise ValueError(f"The severity must be between [1, {STEPS_OF_MIX}]. Got {severity} instead.")


def _random_change(space: dict, steps: int, img: Any, step: int | None = None, steps_drawn: int | None = None) -> tuple:
    """A change of the space and its strength: of the given step, or of one drawn below `steps_drawn`."""
    _, height, width = F.get_dimensions(img)
    name = list(space)[integer(0, len(space))]
    choices = strengths(space, name, steps, height, width, 255.0)
    if choices is None:
        return name, 0.0
    magnitude = float(choices[integer(0, steps_drawn or steps) if step is None else step])
    return name, -magnitude if name not in UNSIGNED and integer(0, 2) else magnitude


class AutoAugment(Shown):
    """Two changes of a pair drawn from a learnt policy. Cubuk et al., arXiv 1805.09501."""

    shown = ("policy", "fill")

    def __init__(self, policy: AutoAugmentPolicy = AutoAugmentPolicy.IMAGENET,
                 interpolation: InterpolationMode = NEAREST, fill: Any = None) -> None:
        super().__init__()
        self.policy = policy
        self.interpolation = interpolation
        self.fill = fill
        self.policies = policies(policy)

    @staticmethod
    def get_params(transform_num: int) -> tuple[int, Tensor, Tensor]:
        """Which pair, two numbers that decide about each of its changes, and two signs."""
        return integer(0, transform_num), fl.rand(2), fl.randint(2, (2,))

    def forward(self, img: Any) -> Any:
        fill = fill_for(img, self.fill)
        _, height, width = F.get_dimensions(img)
        which, drawn, signs = self.get_params(len(self.policies))
        for (name, p, step), number, sign in zip(self.policies[which], drawn.tolist(), signs.tolist(), strict=True):
            if number > p:
                continue
            magnitude = 0.0
            if step is not None:
                magnitude = float(strengths(AUTO, name, 10, height, width, 255.0)[step])
                if name not in UNSIGNED and sign == 0:
                    magnitude = -magnitude
            img = apply(F, img, name, magnitude, self.interpolation, fill)
        return img


class RandAugment(Shown):
    """Some changes drawn at random, all of one strength. Cubuk et al., arXiv 1909.13719."""

    shown = ("num_ops", "magnitude", "num_magnitude_bins", "interpolation", "fill")

    def __init__(self, num_ops: int = 2, magnitude: int = 9, num_magnitude_bins: int = 31,
                 interpolation: InterpolationMode = NEAREST, fill: Any = None) -> None:
        super().__init__()
        self.num_ops = num_ops
        self.magnitude = magnitude
        self.num_magnitude_bins = num_magnitude_bins
        self.interpolation = interpolation
        self.fill = fill

    def forward(self, img: Any) -> Any:
        fill = fill_for(img, self.fill)
        for _ in range(self.num_ops):
            name, magnitude = _random_change(RAND, self.num_magnitude_bins, img, self.magnitude)
            img = apply(F, img, name, magnitude, self.interpolation, fill)
        return img


class TrivialAugmentWide(Shown):
    """One change of a random strength. Mueller and Hutter, arXiv 2103.10158."""

    shown = ("num_magnitude_bins", "interpolation", "fill")

    def __init__(self, num_magnitude_bins: int = 31, interpolation: InterpolationMode = NEAREST,
                 fill: Any = None) -> None:
        super().__init__()
        self.num_magnitude_bins = num_magnitude_bins
        self.interpolation = interpolation
        self.fill = fill

    def forward(self, img: Any) -> Any:
        name, magnitude = _random_change(WIDE, self.num_magnitude_bins, img)
        return apply(F, img, name, magnitude, self.interpolation, fill_for(img, self.fill))


class AugMix(Shown):
    """The image mixed with chains of random changes of it. Hendrycks et al., arXiv 1912.02781."""

    shown = ("severity", "mixture_width", "chain_depth", "alpha", "all_ops", "interpolation", "fill")

    def __init__(self, severity: int = 3, mixture_width: int = 3, chain_depth: int = -1, alpha: float = 1.0,
                 all_ops: bool = True, interpolation: InterpolationMode = BILINEAR, fill: Any = None) -> None:
        super().__init__()
        check_severity(severity)
        self.severity = severity
        self.mixture_width = mixture_width
        self.chain_depth = chain_depth
        self.alpha = alpha
        self.all_ops = all_ops
        self.interpolation = interpolation
        self.fill = fill

    def forward(self, orig_img: Any) -> Any:
        fill = fill_for(orig_img, self.fill)
        given = isinstance(orig_img, Tensor)
        img = orig_img if given else F.pil_to_tensor(orig_img)
        space = MIX_ALL if self.all_ops else MIX

        def change(batch: Tensor) -> Tensor:
            name, magnitude = _random_change(space, STEPS_OF_MIX, batch, steps_drawn=self.severity)
            return apply(F, batch, name, magnitude, self.interpolation, fill)

        found = mixed(img, 4, self.alpha, self.mixture_width, self.chain_depth, change)
        return found if given else F.to_pil_image(found)


def mixed(img: Tensor, ndim: int, alpha: float, width: int, depth: int, change: Any) -> Tensor:
    """`img` and `width` chains of changes of it, added up with random weights; a depth of -1 means one to three."""
    batch = img.reshape(*[1] * max(ndim - img.ndim, 0), *img.shape)
    rows, ones = batch.shape[0], [1] * (batch.ndim - 1)
    own = dirichlet([alpha, alpha], rows)
    weights = dirichlet([alpha] * width, rows) * own[:, 1:]
    found = beside(batch, own[:, 0].reshape(rows, *ones)) * batch
    for i in range(width):
        changed = batch
        for _ in range(depth if depth > 0 else integer(1, 4)):
            changed = change(changed)
        found = found + beside(batch, weights[:, i].reshape(rows, *ones)) * changed
    return found.reshape(img.shape).to(img.dtype)
