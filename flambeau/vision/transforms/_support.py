"""What the transforms of images share: interpolation modes, random draws, checks of arguments, and what an image is."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from enum import Enum
from numbers import Number
from typing import Any

import numpy as np

from ...dtypes import default_dtype, float32
from ...random import stream
from ...tensor import Tensor, from_array


class InterpolationMode(Enum):
    """How a pixel between pixels is worked out. BOX, HAMMING and LANCZOS are for PIL images only."""

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


PILLOW_NUMBER = {
    InterpolationMode.NEAREST: 0,
    InterpolationMode.LANCZOS: 1,
    InterpolationMode.BILINEAR: 2,
    InterpolationMode.BICUBIC: 3,
    InterpolationMode.BOX: 4,
    InterpolationMode.HAMMING: 5,
    InterpolationMode.NEAREST_EXACT: 0,
}
BY_NUMBER = {n: mode for mode, n in PILLOW_NUMBER.items() if mode is not InterpolationMode.NEAREST_EXACT}
BY_NAME = {mode.value: mode for mode in InterpolationMode}


def from_number(interpolation: Any) -> Any:
    """A mode given as Pillow's number, as the mode; anything else as it is."""
    return BY_NUMBER[interpolation] if isinstance(interpolation, int) else interpolation


def checked_mode(interpolation: Any) -> InterpolationMode:
    """The mode that an argument means; TypeError where it is neither a mode nor Pillow's number of one."""
    interpolation = from_number(interpolation)
    if not isinstance(interpolation, InterpolationMode):
        raise TypeError(
            "Argument interpolation should be a InterpolationMode or a corresponding Pillow integer constant"
        )
    return interpolation


# ---- images


def is_pil(image: Any) -> bool:
    """Whether this is a PIL image. Pillow is not imported for it: where nobody did, there is no such image."""
    pillow = sys.modules.get("PIL.Image")
    return pillow is not None and isinstance(image, pillow.Image)


def largest(dtype: Any) -> int:
    """The value of a white pixel: 1 for floats, the last one for integers."""
    if dtype.is_floating_point or dtype.name == "bool":
        return 1
    return int(np.iinfo(dtype.numpy).max)


def pixels(t: Tensor) -> np.ndarray | None:
    """The tensor's array if it can be worked on at once: it has been computed and no gradient is asked for."""
    value = t._node.value
    return value if type(value) is np.ndarray and not t.requires_grad and t.device.type == "cpu" else None


def beside(image: Tensor, array: np.ndarray) -> Tensor:
    """An array as a tensor on the image's device."""
    found = from_array(array)
    return found if image.device.type == "cpu" else found.to(image.device)  # type: ignore[attr-defined]


# ---- random draws: what `torch.rand(1)`, `torch.empty(1).uniform_(low, high)`, ... would draw, as Python numbers


def chance() -> float:
    """One number of [0, 1)."""
    return float(stream(None).uniform((1,), 0.0, 1.0, default_dtype().numpy)[0])


def uniform(low: float, high: float) -> float:
    """One number of [low, high)."""
    return float(stream(None).uniform((1,), float(low), float(high), default_dtype().numpy)[0])


def integer(low: int, high: int) -> int:
    """One whole number of [low, high)."""
    return int(stream(None).integers((1,), low, high)[0])


def permutation(n: int) -> list[int]:
    """The numbers below n in random order."""
    return stream(None).permutation(n).tolist()


def choice(weights: Sequence[float]) -> int:
    """An index, in proportion to its weight."""
    return int(stream(None).multinomial(np.asarray(weights, default_dtype().numpy), 1)[0])


def dirichlet(concentration: Sequence[float], rows: int) -> np.ndarray:
    """Rows of non-negative numbers that sum to one: (rows, len(concentration))."""
    return stream(None).dirichlet(np.tile(np.asarray(concentration, np.float32), (rows, 1)))


# ---- arguments


def pair(size: Any, message: str) -> Any:
    """A number as two equal ones, a sequence of one likewise; two as they are."""
    if isinstance(size, Number):
        return int(size), int(size)  # type: ignore[call-overload]
    if isinstance(size, Sequence) and len(size) == 1:
        return size[0], size[0]
    if len(size) != 2:
        raise ValueError(message)
    return size


CROP_SIZE = "Please provide only two dimensions (h, w) for size."


def check_sequence(value: Any, name: str, lengths: tuple[int, ...]) -> None:
    """Raises unless `value` is a sequence of one of these lengths."""
    message = f"{name} should be a sequence of length {' or '.join(map(str, lengths))}."
    if not isinstance(value, Sequence):
        raise TypeError(message)
    if len(value) not in lengths:
        raise ValueError(message)


def angles(value: Any, name: str, lengths: tuple[int, ...] = (2,)) -> list[float]:
    """A range of angles: a number means from minus it to it."""
    if isinstance(value, Number):
        if value < 0:  # type: ignore[operator]
            raise ValueError(f"If {name} is a single number, it must be positive.")
        value = [-value, value]  # type: ignore[operator]
    else:
        check_sequence(value, name, lengths)
    return [float(v) for v in value]


PADDING_MODES = ("constant", "edge", "reflect", "symmetric")
BAD_PADDING_MODE = "Padding mode should be either constant, edge, reflect or symmetric"


def sides(padding: Any) -> list[int]:
    """Left, right, top and bottom of a padding of one, two (x, y) or four (left, top, right, bottom) numbers."""
    if isinstance(padding, int):
        return [padding] * 4
    if len(padding) == 1:
        return [padding[0]] * 4
    if len(padding) == 2:
        x, y = padding
        return [x, x, y, y]
    left, top, right, bottom = padding
    return [left, right, top, bottom]


def jitter_range(value: Any, name: str, center: float, bound: tuple[float, float], clip: bool,
                 wrong_kind: str, increasing: str) -> tuple[float, float] | None:
    """The range a colour factor is drawn from, of a number (distance from `center`) or two; None if it changes
    nothing."""
    if isinstance(value, Number) and not isinstance(value, complex):
        if value < 0:  # type: ignore[operator]
            raise ValueError(f"If {name} is a single number, it must be non negative.")
        low, high = center - float(value), center + float(value)  # type: ignore[arg-type]
        if clip:
            low = max(low, 0.0)
    elif isinstance(value, (tuple, list)) and len(value) == 2:
        low, high = float(value[0]), float(value[1])
    else:
        raise TypeError(wrong_kind)
    if not bound[0] <= low <= high <= bound[1]:
        raise ValueError(f"{name} values should be between {bound}{increasing}, but got {[low, high]}.")
    return None if low == high == center else (low, high)


# ---- what several random transforms draw


def log_range(ratio: Sequence[float]) -> tuple[float, float]:
    """The logarithms of two numbers, in single precision as PyTorch takes them."""
    logs = np.log(np.asarray(ratio, default_dtype().numpy))
    return float(logs[0]), float(logs[1])


def sizes_of_area(area: float, scale: Sequence[float], logs: tuple[float, float]) -> tuple[int, int]:
    """Two sides, the first the longer the larger the drawn ratio, of a rectangle of a drawn part of `area`."""
    part = area * uniform(*scale[:2])
    ratio = float(np.exp(default_dtype().numpy.type(uniform(*logs))))
    return int(round(math.sqrt(part * ratio))), int(round(math.sqrt(part / ratio)))


def crop_of_area(height: int, width: int, scale: Sequence[float], ratio: Sequence[float]) -> tuple[int, int, int, int]:
    """Top, left, height and width of a random crop of given parts of the area and aspect ratios (Inception's)."""
    logs = log_range(ratio)
    for _ in range(10):
        w, h = sizes_of_area(height * width, scale, logs)
        if 0 < w <= width and 0 < h <= height:
            return integer(0, height - h + 1), integer(0, width - w + 1), h, w
    # Nothing fitted: the largest crop in the middle whose ratio is allowed.
    h, w = height, width
    if width / height < min(ratio):
        h = int(round(w / min(ratio)))
    elif width / height > max(ratio):
        w = int(round(h * max(ratio)))
    return (height - h) // 2, (width - w) // 2, h, w


def rectangle_to_erase(channels: int, height: int, width: int, scale: Sequence[float], ratio: Sequence[float],
                       value: Any) -> tuple[int, int, int, int, Any] | None:
    """Top, left, height, width and contents of a rectangle to erase; None where ten tries found none."""
    from ...creation import tensor
    from ...random import randn

    logs = log_range(ratio)
    for _ in range(10):
        h, w = sizes_of_area(height * width, scale, logs)
        if h < height and w < width:
            fill = randn(channels, h, w, dtype=float32) if value is None else tensor(value)[:, None, None]
            return integer(0, height - h + 1), integer(0, width - w + 1), h, w, fill
    return None


Corners = list[list[int]]


def moved_corners(width: int, height: int, distortion: float) -> tuple[Corners, Corners]:
    """The corners of an image and where a random perspective takes them, clockwise from the top left."""
    x, y = int(distortion * (width // 2)) + 1, int(distortion * (height // 2)) + 1
    ends = []
    for at_right, at_bottom in ((False, False), (True, False), (True, True), (False, True)):
        across = integer(width - x, width) if at_right else integer(0, x)
        ends.append([across, integer(height - y, height) if at_bottom else integer(0, y)])
    right, bottom = width - 1, height - 1
    return [[0, 0], [right, 0], [right, bottom], [0, bottom]], ends


def affine_draws(degrees: Any, translate: Any, scale: Any, shear: Any, width: int, height: int) -> tuple:
    """Angle, translation, scale and shear of a random affine map."""
    angle = uniform(*degrees[:2])
    moved = (0, 0)
    if translate is not None:
        reach = float(translate[0] * width), float(translate[1] * height)
        moved = (int(round(uniform(-reach[0], reach[0]))), int(round(uniform(-reach[1], reach[1]))))
    factor = 1.0 if scale is None else uniform(*scale[:2])
    sheared = (0.0, 0.0)
    if shear is not None:
        x = uniform(*shear[:2])
        sheared = (x, uniform(*shear[2:4]) if len(shear) == 4 else 0.0)
    return angle, moved, factor, sheared
