"""torchvision.io: pictures as tensors of bytes, read and written with Pillow."""

from __future__ import annotations

import io
import os
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np

from ..tensor import Tensor
from ._pillow import pillow
from ._torch import torch

__all__ = [
    "ImageReadMode",
    "decode_gif",
    "decode_image",
    "decode_jpeg",
    "decode_png",
    "decode_webp",
    "encode_jpeg",
    "encode_png",
    "read_file",
    "read_image",
    "write_file",
    "write_jpeg",
    "write_png",
]


class ImageReadMode(Enum):
    """Which channels a picture is read with; functions take the name as well."""

    UNCHANGED = 0
    GRAY = 1
    GRAY_ALPHA = 2
    RGB = 3
    RGB_ALPHA = 4
    RGBA = RGB_ALPHA


PILLOW_MODES = {ImageReadMode.GRAY: "L", ImageReadMode.GRAY_ALPHA: "LA", ImageReadMode.RGB: "RGB",
                ImageReadMode.RGB_ALPHA: "RGBA"}
# What pictures of other modes are read as when nothing is asked for.
UNCHANGED = {"1": "L", "P": "RGB", "CMYK": "RGB", "YCbCr": "RGB"}


# ---- files


def read_file(path: str | Path) -> Tensor:
    """The bytes of a file: uint8 (N)."""
    return torch.from_numpy(np.frombuffer(_open(path), np.uint8).copy())


def _open(path: str | os.PathLike[str]) -> bytes:
    if not os.path.exists(path):
        raise RuntimeError(f"[Errno 2] No such file or directory: '{os.fspath(path)}'")
    return Path(path).read_bytes()


def write_file(filename: str | Path, data: Tensor) -> None:
    """Writes bytes (N), uint8, to a file."""
    if data.dtype != torch.uint8 or data.dim() != 1:
        raise RuntimeError("Input tensor should be 1-dimensional and of dtype uint8")
    Path(filename).write_bytes(data.cpu().numpy().tobytes())


# ---- reading


def _bytes(input: Any) -> bytes:
    if not isinstance(input, Tensor):
        return _open(input)
    if input.dtype != torch.uint8:
        raise RuntimeError(f"Expected a torch.uint8 tensor, got {input.dtype}")
    if input.dim() != 1 or input.numel() == 0:
        raise RuntimeError(f"Expected a non empty 1-dimensional tensor, got {tuple(input.shape)}")
    return input.cpu().numpy().tobytes()


def _picture(input: Any, formats: list[str] | None = None) -> Any:
    data = _bytes(input)
    try:
        return pillow().open(io.BytesIO(data), formats=formats)
    except pillow().UnidentifiedImageError as error:
        wanted = " or ".join(formats) if formats else "any known format"
        raise RuntimeError(f"Unsupported image file: it is not of {wanted}") from error


def _pixels(picture: Any, mode: ImageReadMode | str) -> Tensor:
    """The pixels of a picture: uint8 (C, H, W), or uint16 where a grey picture of 16 bits is read unchanged."""
    mode = ImageReadMode[mode.upper()] if isinstance(mode, str) else mode
    if picture.mode.startswith("I") and mode is ImageReadMode.UNCHANGED:
        return torch.from_numpy(np.array(picture).astype(np.uint16)[None])
    if picture.mode.startswith("I"):
        # Pillow would cut off at 255 what has 16 bits.
        picture = pillow().fromarray((np.array(picture) >> 8).astype(np.uint8))
    if mode is not ImageReadMode.UNCHANGED:
        wanted = PILLOW_MODES[mode]
    else:
        wanted = UNCHANGED.get(picture.mode, picture.mode)
        if picture.mode == "P" and "transparency" in picture.info:
            wanted = "RGBA"
    pixels = np.array(picture.convert(wanted) if picture.mode != wanted else picture)
    return torch.from_numpy(np.ascontiguousarray(pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)))


def decode_image(input: Tensor | str | Path, mode: ImageReadMode | str = ImageReadMode.UNCHANGED,
                 apply_exif_orientation: bool = False) -> Tensor:
    """A picture from its file's bytes (uint8, 1-d) or its path: (C, H, W); a GIF of several pictures (N, 3, H, W)."""
    picture = _picture(input)
    if picture.format == "GIF":
        return _frames(picture)
    return _pixels(pillow("ImageOps").exif_transpose(picture) if apply_exif_orientation else picture, mode)


def read_image(path: str | Path, mode: ImageReadMode | str = ImageReadMode.UNCHANGED,
               apply_exif_orientation: bool = False) -> Tensor:
    """The picture in a file: uint8 (C, H, W)."""
    return decode_image(read_file(path), mode, apply_exif_orientation)


def decode_png(input: Tensor, mode: ImageReadMode | str = ImageReadMode.UNCHANGED,
               apply_exif_orientation: bool = False) -> Tensor:
    """The picture in a PNG file's bytes."""
    picture = _picture(input, ["PNG"])
    return _pixels(pillow("ImageOps").exif_transpose(picture) if apply_exif_orientation else picture, mode)


def decode_jpeg(input: Tensor | list[Tensor], mode: ImageReadMode | str = ImageReadMode.UNCHANGED, device: Any = "cpu",
                apply_exif_orientation: bool = False) -> Any:
    """The picture in a JPEG file's bytes, or a list of them."""
    if isinstance(input, list):
        if not input:
            raise ValueError("Input list must contain at least one element")
        return [decode_jpeg(one, mode, device, apply_exif_orientation) for one in input]
    picture = _picture(input, ["JPEG"])
    picture = pillow("ImageOps").exif_transpose(picture) if apply_exif_orientation else picture
    return _pixels(picture, mode).to(device)


def decode_webp(input: Tensor, mode: ImageReadMode | str = ImageReadMode.UNCHANGED) -> Tensor:
    """The picture in a WebP file's bytes."""
    return _pixels(_picture(input, ["WEBP"]), mode)


def decode_gif(input: Tensor) -> Tensor:
    """The picture in a GIF file's bytes: (3, H, W), or (N, 3, H, W) if there are several."""
    return _frames(_picture(input, ["GIF"]))


def _frames(picture: Any) -> Tensor:
    frames = []
    for number in range(getattr(picture, "n_frames", 1)):
        picture.seek(number)
        frames.append(_pixels(picture, ImageReadMode.RGB))
    return frames[0] if len(frames) == 1 else torch.stack(frames)


# ---- writing


def _encode(input: Tensor, format: str, **options: Any) -> bytes:
    if input.dtype != torch.uint8:
        raise RuntimeError("Input tensor dtype should be uint8")
    if input.dim() != 3:
        raise RuntimeError("Input data should be a 3-dimensional tensor")
    if input.shape[0] not in (1, 3):
        raise RuntimeError(f"The number of channels should be 1 or 3, got: {input.shape[0]}")
    pixels = input.cpu().numpy()
    picture = pillow().fromarray(np.ascontiguousarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)))
    file = io.BytesIO()
    picture.save(file, format, **options)
    return file.getvalue()


def _check_level(level: int) -> None:
    if not 0 <= level <= 9:
        raise RuntimeError("Compression level should be between 0 and 9")


def _check_quality(quality: int) -> None:
    if not 1 <= quality <= 100:
        raise ValueError("Image quality should be a positive number between 1 and 100")


def _tensor(data: bytes) -> Tensor:
    return torch.from_numpy(np.frombuffer(data, np.uint8).copy())


def encode_png(input: Tensor, compression_level: int = 6) -> Tensor:
    """The bytes of a PNG file with a picture (1 or 3, H, W), uint8."""
    _check_level(compression_level)
    return _tensor(_encode(input, "PNG", compress_level=compression_level))


def write_png(input: Tensor, filename: str | Path, compression_level: int = 6) -> None:
    """Writes a picture (1 or 3, H, W), uint8, to a PNG file."""
    write_file(filename, encode_png(input, compression_level))


def encode_jpeg(input: Tensor | list[Tensor], quality: int = 75) -> Any:
    """The bytes of a JPEG file with a picture (1 or 3, H, W), uint8, or those of a list of pictures."""
    _check_quality(quality)
    if isinstance(input, list):
        if not input:
            raise ValueError("encode_jpeg requires at least one input tensor when a list is passed")
        return [encode_jpeg(one, quality) for one in input]
    return _tensor(_encode(input, "JPEG", quality=quality))


def write_jpeg(input: Tensor, filename: str | Path, quality: int = 75) -> None:
    """Writes a picture (1 or 3, H, W), uint8, to a JPEG file."""
    write_file(filename, encode_jpeg(input, quality))
