"""What the automatic augmentations choose from: the learnt policies, and the strengths of each change."""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import Enum
from typing import Any

import numpy as np


class AutoAugmentPolicy(Enum):
    """The data set that a policy of AutoAugment was learnt on."""

    IMAGENET = "imagenet"
    CIFAR10 = "cifar10"
    SVHN = "svhn"


# Cubuk et al., arXiv 1805.09501. A line has pairs of changes, each with its probability and strength (of ten steps).
POLICIES = {
    AutoAugmentPolicy.IMAGENET: """
        Posterize .4 8 Rotate .6 9 | Solarize .6 5 AutoContrast .6 - | Equalize .8 - Equalize .6 -
        Posterize .6 7 Posterize .6 6 | Equalize .4 - Solarize .2 4 | Equalize .4 - Rotate .8 8
        Solarize .6 3 Equalize .6 - | Posterize .8 5 Equalize 1 - | Rotate .2 3 Solarize .6 8
        Equalize .6 - Posterize .4 6 | Rotate .8 8 Color .4 0 | Rotate .4 9 Equalize .6 -
        Equalize 0 - Equalize .8 - | Invert .6 - Equalize 1 - | Color .6 4 Contrast 1 8
        Rotate .8 8 Color 1 2 | Color .8 8 Solarize .8 7 | Sharpness .4 7 Invert .6 -
        ShearX .6 5 Equalize 1 - | Color .4 0 Equalize .6 - | Equalize .4 - Solarize .2 4
        Solarize .6 5 AutoContrast .6 - | Invert .6 - Equalize 1 - | Color .6 4 Contrast 1 8
        Equalize .8 - Equalize .6 -""",
    AutoAugmentPolicy.CIFAR10: """
        Invert .1 - Contrast .2 6 | Rotate .7 2 TranslateX .3 9 | Sharpness .8 1 Sharpness .9 3
        ShearY .5 8 TranslateY .7 9 | AutoContrast .5 - Equalize .9 - | ShearY .2 7 Posterize .3 7
        Color .4 3 Brightness .6 7 | Sharpness .3 9 Brightness .7 9 | Equalize .6 - Equalize .5 -
        Contrast .6 7 Sharpness .6 5 | Color .7 7 TranslateX .5 8 | Equalize .3 - AutoContrast .4 -
        TranslateY .4 3 Sharpness .2 6 | Brightness .9 6 Color .2 8 | Solarize .5 2 Invert 0 -
        Equalize .2 - AutoContrast .6 - | Equalize .2 - Equalize .6 - | Color .9 9 Equalize .6 -
        AutoContrast .8 - Solarize .2 8 | Brightness .1 3 Color .7 0 | Solarize .4 5 AutoContrast .9 -
        TranslateY .9 9 TranslateY .7 9 | AutoContrast .9 - Solarize .8 3 | Equalize .8 - Invert .1 -
        TranslateY .7 9 AutoContrast .9 -""",
    AutoAugmentPolicy.SVHN: """
        ShearX .9 4 Invert .2 - | ShearY .9 8 Invert .7 - | Equalize .6 - Solarize .6 6
        Invert .9 - Equalize .6 - | Equalize .6 - Rotate .9 3 | ShearX .9 4 AutoContrast .8 -
        ShearY .9 8 Invert .4 - | ShearY .9 5 Solarize .2 6 | Invert .9 - AutoContrast .8 -
        Equalize .6 - Rotate .9 3 | ShearX .9 4 Solarize .3 3 | ShearY .8 8 Invert .7 -
        Equalize .9 - TranslateY .6 6 | Invert .9 - Equalize .6 - | Contrast .3 3 Rotate .8 4
        Invert .8 - TranslateY 0 2 | ShearY .7 6 Solarize .4 8 | Invert .6 - Rotate .8 4
        ShearY .3 7 TranslateX .9 3 | ShearX .1 6 Invert .6 - | Solarize .7 2 TranslateY .6 7
        ShearY .8 4 Invert .8 - | ShearX .7 9 TranslateY .8 3 | ShearY .8 5 AutoContrast .7 -
        ShearX .7 2 Invert .1 -""",
}
Change = tuple[str, float, int | None]


def policies(policy: Any) -> list[tuple[Change, Change]]:
    """The pairs of changes of a policy: name, probability and strength (None where the change has none)."""
    if policy not in POLICIES:
        raise ValueError(f"The provided policy {policy} is not recognized.")
    words = POLICIES[policy].replace("|", " ").split()
    changes: list[Change] = [
        (name, float(p), None if step == "-" else int(step))
        for name, p, step in zip(words[::3], words[1::3], words[2::3], strict=True)
    ]
    return list(zip(changes[::2], changes[1::2], strict=True))


# The changes of each augmentation with the strongest each comes to; a factor of the width or height for Translate;
# the bits taken away for Posterize, with the bits it starts from; None where there is nothing to choose.
COLOURS = {"Brightness": 0.9, "Color": 0.9, "Contrast": 0.9, "Sharpness": 0.9}
MOVES = {"ShearX": 0.3, "ShearY": 0.3, "TranslateX": 150.0 / 331.0, "TranslateY": 150.0 / 331.0, "Rotate": 30.0}
LAST: dict[str, Any] = {"Posterize": (8, 4), "Solarize": 1.0, "AutoContrast": None, "Equalize": None}
RAND: dict[str, Any] = {"Identity": None} | MOVES | COLOURS | LAST
AUTO: dict[str, Any] = MOVES | COLOURS | LAST | {"Invert": None}
WIDE: dict[str, Any] = (
    {"Identity": None, "ShearX": 0.99, "ShearY": 0.99, "TranslateX": 32.0, "TranslateY": 32.0, "Rotate": 135.0}
    | {name: 0.99 for name in COLOURS} | LAST | {"Posterize": (8, 6)}
)  # fmt: skip
MIX: dict[str, Any] = MOVES | {"TranslateX": 1 / 3.0, "TranslateY": 1 / 3.0} | LAST | {"Posterize": (4, 4)}
MIX_ALL: dict[str, Any] = MIX | COLOURS
UNSIGNED = frozenset(("Posterize", "Solarize"))


def strengths(space: dict[str, Any], name: str, steps: int, height: int, width: int, white: float) -> Any:
    """The strengths that a change can have, in equal steps; None where it has none. White is the brightest value."""
    from ...ranges import linspace

    last = space[name]
    if last is None:
        return None
    if name == "Posterize":
        bits, taken = last
        return (bits - np.round(np.arange(steps, dtype=np.float32) / np.float32((steps - 1) / taken))).astype(int)
    if name == "Solarize":
        return linspace(white, 0.0, steps).numpy()
    if name.startswith("Translate") and space is not WIDE:
        size = width if name.endswith("X") else height
        last = size / 3.0 if space in (MIX, MIX_ALL) else last * size
    return linspace(0.0, last, steps).numpy()


def apply(functional: Any, image: Any, name: str, magnitude: float, interpolation: Any, fill: Any) -> Any:
    """A change of a name, of a strength, by the functions of `functional`."""
    if name == "Identity":
        return image
    if name in _SIMPLE:
        return _SIMPLE[name](functional, image, magnitude)
    if name == "Rotate":
        return functional.rotate(image, magnitude, interpolation=interpolation, fill=fill)
    move, shear, center = [0, 0], [0.0, 0.0], None
    axis = "XY".index(name[-1])
    if name.startswith("Shear"):
        # The shear keeps the corner, as in the paper's PIL code, not the middle.
        shear[axis], center = math.degrees(math.atan(magnitude)), [0, 0]
    else:
        move[axis] = int(magnitude)
    return functional.affine(image, angle=0.0, translate=move, scale=1.0, shear=shear, interpolation=interpolation,
                             fill=fill, center=center)


_SIMPLE: dict[str, Callable] = {
    "Brightness": lambda f, image, by: f.adjust_brightness(image, 1.0 + by),
    "Color": lambda f, image, by: f.adjust_saturation(image, 1.0 + by),
    "Contrast": lambda f, image, by: f.adjust_contrast(image, 1.0 + by),
    "Sharpness": lambda f, image, by: f.adjust_sharpness(image, 1.0 + by),
    "Posterize": lambda f, image, by: f.posterize(image, int(by)),
    "Solarize": lambda f, image, by: f.solarize(image, by),
    "AutoContrast": lambda f, image, by: f.autocontrast(image),
    "Equalize": lambda f, image, by: f.equalize(image),
    "Invert": lambda f, image, by: f.invert(image),
}
