"""From PIL images and arrays to tensors, and back."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from ...creation import from_numpy
from ...dtypes import default_dtype
from ...tensor import Tensor, from_array
from . import _pillow as pillow
from ._support import is_pil

SHORT = "I;16" if sys.byteorder == "little" else "I;16B"
ARRAY_KIND = {"I": np.int32, SHORT: np.int16, "F": np.float32}
# The modes whose bytes are their pixels, channel beside channel.
PLAIN = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4, "YCbCr": 3, "HSV": 3, "P": 1}


def pil_array(image: Any) -> np.ndarray:
    """The pixels (H, W, C) of an image that to_tensor knows; they may be read-only."""
    width, height = image.size
    channels = PLAIN.get(image.mode)
    if channels is not None:
        return np.frombuffer(image.tobytes(), np.uint8).reshape(height, width, channels)
    if image.mode == "1":
        return np.asarray(image, np.uint8)[:, :, None] * np.uint8(255)
    return np.array(image, ARRAY_KIND.get(image.mode, np.uint8)).reshape(height, width, -1)


def to_tensor(image: Any) -> Tensor:
    """A PIL image or an array (H, W, C) as a tensor (C, H, W), bytes as floats from 0 to 1."""
    if is_pil(image):
        array = pil_array(image)
    elif isinstance(image, np.ndarray):
        if image.ndim not in (2, 3):
            raise ValueError(f"pic should be 2/3 dimensional. Got {image.ndim} dimensions.")
        array = image if image.ndim == 3 else image[:, :, None]
    else:
        raise TypeError(f"pic should be PIL Image or ndarray. Got {type(image)}")
    array = array.transpose(2, 0, 1)
    if array.dtype != np.uint8:
        return from_numpy(np.ascontiguousarray(array))
    kind = default_dtype().numpy
    found = np.empty(array.shape, kind)
    np.divide(array, kind.type(255), out=found, dtype=kind, casting="unsafe")
    return from_array(found)


def pil_to_tensor(image: Any) -> Tensor:
    """A PIL image as a tensor (C, H, W) of its own values."""
    if not is_pil(image):
        raise TypeError(f"pic should be PIL Image. Got {type(image)}")
    width, height = image.size
    array = np.array(image).reshape(height, width, -1)
    return from_array(np.ascontiguousarray(array.transpose(2, 0, 1)))


# What the pixels of one channel may be, and the modes for more.
GRAY_MODES = {"uint8": "L", "int16": SHORT, "int32": "I", "float32": "F"}
MODES = {2: ["LA"], 3: ["RGB", "YCbCr", "HSV"], 4: ["RGBA", "CMYK", "RGBX"]}


def to_pil_image(image: Any, mode: str | None = None) -> Any:
    """A tensor (C, H, W) or an array (H, W, C) as a PIL image; floats are taken as values from 0 to 1."""
    if isinstance(image, Tensor):
        array = image.numpy(force=True)
        array = array.transpose(1, 2, 0) if array.ndim == 3 else array
    elif isinstance(image, np.ndarray):
        array = image
    else:
        raise TypeError(f"pic should be Tensor or ndarray. Got {type(image)}.")
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3:
        raise ValueError(f"pic should be 2/3 dimensional. Got {array.ndim} dimensions.")
    channels = array.shape[2]
    if channels > 4:
        raise ValueError(f"pic should not have > 4 channels. Got {channels} channels.")
    if array.dtype.kind == "f" and mode != "F":
        array = (array * 255).astype(np.uint8)
    if channels == 1:
        expected = GRAY_MODES.get(array.dtype.name)
        if mode is not None and mode != expected:
            raise ValueError(
                f"Incorrect mode ({mode}) supplied for input type {np.dtype}. Should be {expected}"
            )
        mode, array = expected, array[:, :, 0]
    else:
        allowed = MODES.get(channels, MODES[3])
        if mode is not None and mode not in allowed:
            raise ValueError(f"Only modes {allowed} are supported for {channels}D inputs")
        if mode is None and array.dtype == np.uint8:
            mode = allowed[0]
    if mode is None:
        raise TypeError(f"Input type {array.dtype} is not supported")
    return pillow.from_array(array, mode)
