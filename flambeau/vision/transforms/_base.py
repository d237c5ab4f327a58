"""The base of the transforms, and the arguments that several take."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from numbers import Number
from typing import Any

from flambeau.nn import Module

from ...tensor import Tensor
from . import functional as F


def named(self: Any, **values: Any) -> str:
    """A transform as its class with these values."""
    return f"{type(self).__name__}({', '.join(f'{name}={value}' for name, value in values.items())})"


def listed(self: Any, *first: str) -> str:
    """A chain as its class with a line for each transform."""
    lines = [*first, *(f"    {t}" for t in self.transforms)]
    return "\n".join([f"{type(self).__name__}(", *lines, ")"])


class Shown(Module):
    """A transform whose repr shows the attributes that `shown` names."""

    shown: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return named(self, **{name: getattr(self, name) for name in self.shown})


def check_ranges(scale: Any, ratio: Any) -> None:
    """Raises unless scale and ratio are sequences; warns where their ends are the wrong way round."""
    for value, name in ((scale, "Scale"), (ratio, "Ratio")):
        if not isinstance(value, Sequence):
            raise TypeError(f"{name} should be a sequence")
    if scale[0] > scale[1] or ratio[0] > ratio[1]:
        warnings.warn("Scale and ratio should be of kind (min, max)", stacklevel=3)


def checked_fill(fill: Any) -> Any:
    """The fill of a warp: a number or a sequence, zero for None."""
    if fill is None:
        return 0
    if not isinstance(fill, (Sequence, Number)):
        raise TypeError("Fill should be either a sequence or a number.")
    return fill


def fill_for(img: Any, fill: Any) -> Any:
    """The fill as a number for each channel, where the image is a tensor."""
    if not isinstance(img, Tensor) or fill is None:
        return fill
    if isinstance(fill, (int, float)):
        return [float(fill)] * F.get_dimensions(img)[0]
    return [float(f) for f in fill]
