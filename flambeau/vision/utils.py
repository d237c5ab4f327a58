"""torchvision.utils: pictures side by side, pictures as files, and boxes, masks, points and flows drawn."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..nn import functional as F
from ..tensor import Tensor
from ._pillow import pillow
from ._torch import torch

__all__ = [
    "draw_bounding_boxes",
    "draw_keypoints",
    "draw_segmentation_masks",
    "flow_to_image",
    "make_grid",
    "save_image",
]

Colour = str | tuple[int, int, int]


def _without_gradients(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        with torch.no_grad():
            return function(*args, **kwargs)

    return run


# ---- grids and files


@_without_gradients
def make_grid(tensor: Tensor | list[Tensor], nrow: int = 8, padding: int = 2, normalize: bool = False,
              value_range: tuple[int, int] | None = None, scale_each: bool = False, pad_value: float = 0.0) -> Tensor:
    """Pictures (N, C, H, W), or a list of them, in rows of `nrow`: (3 or C, height, width) of one picture.

    `normalize` scales to [0, 1] from `value_range`, or from the least and greatest of all, or with `scale_each` of each
    picture. One picture stays as it is; one channel becomes three.
    """
    images: Any = _batch(tensor)
    if images.dim() == 2:
        images = images.unsqueeze(0)
    if images.dim() == 3:
        images = images.unsqueeze(0)
    if images.dim() == 4 and images.size(1) == 1:
        images = torch.cat((images, images, images), 1)
    if normalize is True:
        if value_range is not None and not isinstance(value_range, tuple):
            raise TypeError("value_range has to be a tuple (min, max) if specified. min and max are numbers")
        if scale_each is True:
            images = torch.stack([_scaled(one, value_range) for one in images])
        else:
            images = _scaled(images, value_range)
    count, channels, height, width = images.shape
    if count == 1:
        return images.squeeze(0)
    columns = min(nrow, count)
    rows = math.ceil(count / columns)
    # Each picture with what is left of it and above it; what is right and below comes last.
    cells = F.pad(images, (padding, 0, padding, 0), value=pad_value)
    height, width = height + padding, width + padding
    if rows * columns > count:
        lacking = (rows * columns - count, channels, height, width)
        cells = torch.cat([cells, cells.new_full(lacking, pad_value)])
    grid = cells.reshape(rows, columns, channels, height, width).permute(2, 0, 3, 1, 4)
    return F.pad(grid.reshape(channels, rows * height, columns * width), (0, padding, 0, padding), value=pad_value)


def _batch(tensor: Any) -> Tensor:
    """A tensor as it is, those of a list in one."""
    if isinstance(tensor, Tensor):
        return tensor
    if not isinstance(tensor, list):
        raise TypeError(f"tensor or list of tensors expected, got {type(tensor)}")
    for one in tensor:
        if not isinstance(one, Tensor):
            raise TypeError(f"tensor or list of tensors expected, got a list containing {type(one)}")
    return torch.stack(tensor, dim=0)


def _scaled(t: Tensor, value_range: tuple[float, float] | None) -> Tensor:
    low, high = value_range if value_range is not None else (float(t.min()), float(t.max()))
    return t.clamp(min=low, max=high).sub(low).div(max(high - low, 1e-5))


@_without_gradients
def save_image(tensor: Tensor | list[Tensor], fp: str | Path | BinaryIO, format: str | None = None,
               **kwargs: Any) -> None:
    """Writes a picture with values in [0, 1], or the grid of several (`kwargs` go to `make_grid`), to a file."""
    grid = make_grid(tensor, **kwargs)
    pixels = grid.mul(255).add(0.5).clamp(0, 255).permute(1, 2, 0).to("cpu", torch.uint8)
    pillow().fromarray(np.ascontiguousarray(pixels.numpy())).save(fp, format=format)


# ---- drawing


def _check_image(image: Any, channels: Sequence[int], said: str) -> None:
    if not isinstance(image, Tensor):
        raise TypeError(f"{said} {type(image)}")
    if image.dtype != torch.uint8 and not image.is_floating_point():
        raise ValueError(f"The image dtype must be uint8 or float, got {image.dtype}")
    if image.dim() != 3:
        raise ValueError("Pass individual images, not batches")
    if image.size(0) not in channels:
        raise ValueError("Only grayscale and RGB images are supported" if 1 in channels else
                         "Pass an RGB image. Other Image formats are not supported")


def _to_pillow(image: Tensor) -> Any:
    """A picture of three channels, of bytes or of floats in [0, 1], to draw on."""
    if image.is_floating_point():
        # So that the values that become 255 are as many as those of each other byte.
        image = image.mul(255 + 1.0 - 1e-3).to(torch.uint8)
    return pillow().fromarray(np.ascontiguousarray(image.permute(1, 2, 0).cpu().numpy()))


def _from_pillow(picture: Any, like: Tensor) -> Tensor:
    found = torch.from_numpy(np.array(picture)).permute(2, 0, 1).to(like.device)
    return found.to(like.dtype).mul(1.0 / 255) if like.is_floating_point() else found


def _palette(count: int) -> list[tuple[int, ...]]:
    """Colours far from one another; the first is black."""
    return [tuple(i * step % 255 for step in (2**25 - 1, 2**15 - 1, 2**21 - 1)) for i in range(count)]


def _parse_colors(colors: Any, *, num_objects: int, dtype: Any = None) -> list[tuple[Any, ...]]:
    """A colour of three numbers for each object: bytes, or for a floating dtype numbers in [0, 1]."""
    if colors is None:
        colors = _palette(num_objects)
    elif isinstance(colors, list):
        if len(colors) < num_objects:
            raise ValueError("Number of colors must be equal or larger than the number of objects, "
                             f"but got {len(colors)} < {num_objects}.")
    elif not isinstance(colors, (tuple, str)):
        raise ValueError(f"colors must be a tuple or a string, or a list thereof, but got {colors}.")
    elif isinstance(colors, tuple) and len(colors) != 3:
        raise ValueError(f"If passed as tuple, colors should be an RGB triplet, but got {colors}.")
    else:
        colors = [colors] * num_objects
    found = [pillow("ImageColor").getrgb(colour) if isinstance(colour, str) else tuple(colour) for colour in colors]
    if dtype is not None and dtype.is_floating_point:
        return [tuple(value / 255 for value in colour) for colour in found]
    return found


@_without_gradients
def draw_bounding_boxes(image: Tensor, boxes: Tensor, labels: list[str] | None = None,
                        colors: list[Colour] | Colour | None = None, fill: bool | None = False, width: int = 1,
                        font: str | None = None, font_size: int | None = None,
                        label_colors: list[Colour] | Colour | None = None,
                        label_background_colors: list[Colour] | Colour | None = None,
                        fill_labels: bool = False) -> Tensor:
    """The picture (1 or 3, H, W) with boxes (N, 4) as x1, y1, x2, y2, or (N, 8) as four corners: (3, H, W).

    Each in a colour of its own unless said otherwise; the first edge of a box of four corners is dashed.
    """
    _check_image(image, (1, 3), "Tensor expected, got")
    if boxes.shape[-1] == 4 and bool((boxes[:, :2] > boxes[:, 2:]).any()):
        raise ValueError(
            "Boxes need to be in (xmin, ymin, xmax, ymax) format. Use torchvision.ops.box_convert to convert them"
        )
    count = boxes.shape[0]
    if count == 0:
        warnings.warn("boxes doesn't contain any box. No box was drawn", stacklevel=3)
        return image
    if labels is not None and len(labels) != count:
        raise ValueError(
            f"Number of boxes ({count}) and labels ({len(labels)}) mismatch. Please specify labels for each box."
        )
    outlines = _parse_colors(colors, num_objects=count)
    inks = backgrounds = outlines
    if label_colors or fill_labels:
        inks = _parse_colors(label_colors or "black", num_objects=count)
    if fill_labels and label_background_colors:
        backgrounds = _parse_colors(label_background_colors, num_objects=count)
    letters = _font(font, font_size)
    picture = _to_pillow(image.expand(3, -1, -1))
    draw = pillow("ImageDraw").Draw(picture, "RGBA" if fill else None)
    for place, box in enumerate(boxes.to(torch.int64).tolist()):
        inside = (*outlines[place], 100) if fill else None
        if len(box) > 4:
            _draw_corners(draw, box, width, outlines[place], inside)
        else:
            draw.rectangle(box, width=width, outline=outlines[place], fill=inside)
        if labels is not None and labels[place] is not None:
            at = (box[0] + width + 1, box[1] + width + 1)
            if fill_labels:
                left, top, right, bottom = draw.textbbox(at, labels[place], font=letters)
                draw.rectangle((left - 1, top - 1, right + 1, bottom + 1), fill=backgrounds[place])
            draw.text(at, labels[place], fill=inks[place], font=letters)
    return _from_pillow(picture, image)


def _font(font: str | None, size: int | None) -> Any:
    if font is not None:
        return pillow("ImageFont").truetype(font=font, size=size or 10)
    if size is not None:
        warnings.warn("Argument 'font_size' will be ignored since 'font' is not set.", stacklevel=4)
    return pillow("ImageFont").load_default()


def _draw_corners(draw: Any, box: list[int], width: int, outline: Any, inside: Any) -> None:
    """A box of four corners: its first edge in dashes of five, the others whole, then the inside."""
    corners = list(zip(box[::2], box[1::2], strict=True))
    x, y = map(float, corners[0])
    end = corners[1]
    left = math.dist((x, y), end)
    dash = True
    while left > 0:
        step = min(left, 5)
        angle = math.atan2(end[1] - y, end[0] - x)
        ahead = (x + math.cos(angle) * step, y + math.sin(angle) * step)
        if dash:
            draw.line([(x, y), ahead], outline, width)
        (x, y), left, dash = ahead, left - step, not dash
    for start, stop in zip(corners[1:], [*corners[2:], corners[0]], strict=True):
        draw.line((start, stop), width=width, fill=outline)
    draw.polygon(box, fill=inside, outline=None, width=0)


@_without_gradients
def draw_segmentation_masks(image: Tensor, masks: Tensor, alpha: float = 0.8,
                            colors: list[Colour] | Colour | None = None) -> Tensor:
    """The picture (3, H, W) with boolean masks (N, H, W) or (H, W) laid over it, black where several meet."""
    _check_image(image, (3,), "The image must be a tensor, got")
    masks = masks[None] if masks.ndim == 2 else masks
    if masks.ndim != 3:
        raise ValueError("masks must be of shape (H, W) or (batch_size, H, W)")
    if masks.dtype != torch.bool:
        raise ValueError(f"The masks must be of dtype bool. Got {masks.dtype}")
    if masks.shape[-2:] != image.shape[-2:]:
        raise ValueError("The image and the masks must have the same height and width")
    count = masks.shape[0]
    if count == 0:
        warnings.warn("masks doesn't contain any mask. No mask was drawn", stacklevel=3)
        return image
    drawn = image.detach()
    for mask, colour in zip(masks, _parse_colors(colors, num_objects=count, dtype=image.dtype), strict=False):
        drawn = torch.where(mask, torch.tensor(colour, dtype=image.dtype, device=image.device)[:, None, None], drawn)
    drawn = drawn.masked_fill(masks.sum(dim=0) > 1, 0)
    return (image * (1 - alpha) + drawn * alpha).to(image.dtype)


@_without_gradients
def draw_keypoints(image: Tensor, keypoints: Tensor, connectivity: list[tuple[int, int]] | None = None,
                   colors: Colour | None = None, radius: int = 2, width: int = 3,
                   visibility: Tensor | None = None) -> Tensor:
    """The picture (3, H, W) with points (N, K, 2) as x, y, joined where `connectivity` says; only those visible."""
    _check_image(image, (3,), "The image must be a tensor, got")
    if keypoints.ndim != 3:
        raise ValueError("keypoints must be of shape (num_instances, K, 2)")
    if visibility is None:
        visibility = torch.ones(keypoints.shape[:-1], dtype=torch.bool)
    visibility = visibility.squeeze(-1) if visibility.ndim == 3 else visibility
    if visibility.ndim != 2:
        raise ValueError(f"visibility must be of shape (num_instances, K). Got ndim={visibility.ndim}")
    if visibility.shape != keypoints.shape[:-1]:
        raise ValueError(
            "keypoints and visibility must have the same dimensionality for num_instances and K. "
            f"Got {visibility.shape=} and {keypoints.shape=}"
        )
    picture = _to_pillow(image)
    draw = pillow("ImageDraw").Draw(picture)
    for points, seen in zip(keypoints.to(torch.int64).tolist(), visibility.bool().tolist(), strict=True):
        for (x, y), visible in zip(points, seen, strict=True):
            if visible:
                draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=colors, outline=None, width=0)
        for start, stop in connectivity or ():
            if seen[start] and seen[stop]:
                draw.line((tuple(points[start]), tuple(points[stop])), width=width)
    return _from_pillow(picture, image)


# ---- flows


@_without_gradients
def flow_to_image(flow: Tensor) -> Tensor:
    """A flow (N, 2, H, W) or (2, H, W), float32, as colours: direction is hue, length saturation. (N, 3, H, W), uint8.

    Baker et al., A Database and Evaluation Methodology for Optical Flow, 2007.
    """
    if flow.dtype != torch.float32:
        raise ValueError(f"Flow should be of dtype torch.float, got {flow.dtype}.")
    single = flow.ndim == 3
    batch = flow[None] if single else flow
    if batch.ndim != 4 or batch.shape[1] != 2:
        raise ValueError(f"Input flow should have shape (2, H, W) or (N, 2, H, W), got {flow.shape}.")
    longest = batch.pow(2).sum(dim=1).sqrt().max()
    batch = batch / (longest + torch.finfo(torch.float32).eps)
    wheel = _colour_wheel()
    length = batch.pow(2).sum(dim=1).sqrt()
    place = (torch.atan2(-batch[:, 1], -batch[:, 0]) / math.pi + 1) / 2 * (len(wheel) - 1)
    before = place.floor().long()
    after = (before + 1) % len(wheel)
    part = (place - before)[..., None]
    colours = (1 - part) * (wheel[before] / 255.0) + part * (wheel[after] / 255.0)
    colours = 1 - length[..., None] * (1 - colours)
    image = (255 * colours).floor().to(torch.uint8).permute(0, 3, 1, 2)
    return image[0] if single else image


def _colour_wheel() -> Tensor:
    """The 55 colours of a circle: (55, 3). In each part one channel is full and one goes up or down."""
    parts = []
    for count, full, moving, falls in ((15, 0, 1, False), (6, 1, 0, True), (4, 1, 2, False), (11, 2, 1, True),
                                       (13, 2, 0, False), (6, 0, 2, True)):
        ramp = torch.floor(255 * torch.arange(count) / count)
        part = [torch.zeros(count)] * 3
        part[full], part[moving] = torch.full((count,), 255.0), 255 - ramp if falls else ramp
        parts.append(torch.stack(part, dim=1))
    return torch.cat(parts)
