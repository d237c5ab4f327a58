"""Bounding boxes and key points: their formats, and what the transforms of geometry do to them.

Boxes that stand at an angle can be held, not transformed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .....tensor import Tensor
from ....tv_tensors import BoundingBoxes, BoundingBoxFormat, KeyPoints, is_rotated_bounding_format, plain, wrap
from ... import _geometry as geometry
from ..._support import CROP_SIZE, pair, sides
from ..._torch import fl
from ...functional import affine_arguments
from ._dispatch import is_pure_tensor

XYXY, XYWH, CXCYWH = BoundingBoxFormat.XYXY, BoundingBoxFormat.XYWH, BoundingBoxFormat.CXCYWH
Size = tuple[int, int]


# ---- formats


def _format(format: Any) -> Any:
    return BoundingBoxFormat[format.upper()] if isinstance(format, str) else format


def converted(boxes: Tensor, old: BoundingBoxFormat, new: BoundingBoxFormat) -> Tensor:
    """Plain boxes (..., 4) in another format. Whole numbers stay whole."""
    if old is new:
        return boxes
    if is_rotated_bounding_format(old) or is_rotated_bounding_format(new):
        if is_rotated_bounding_format(old) != is_rotated_bounding_format(new):
            raise ValueError("Cannot convert between rotated and unrotated bounding boxes.")
        raise NotImplementedError(f"flambeau does not convert bounding boxes from {old.value} to {new.value}")
    whole = not boxes.is_floating_point()
    rounding = "floor" if whole else None
    first, second = boxes[..., :2], boxes[..., 2:]
    if old is CXCYWH:
        corner = first - second / 2
        end = corner + second
        corner, end = (corner.to(boxes.dtype), end.to(boxes.dtype)) if whole else (corner, end)
        return fl.cat([corner, end if new is XYXY else end - corner if whole else second], -1)
    if old is XYWH:
        if new is XYXY:
            return fl.cat([first, first + second], -1)
        return fl.cat([first + fl.div(second, 2, rounding_mode=rounding), second], -1)
    size = second - first
    if new is XYWH:
        return fl.cat([first, size], -1)
    return fl.cat([fl.div(first * 2 + size, 2, rounding_mode=rounding), size], -1)


def convert_bounding_box_format(inpt: Tensor, old_format: Any = None, new_format: Any = None,
                                inplace: bool = False) -> Tensor:
    """Boxes in another format; a plain tensor's own format must be told."""
    if new_format is None:
        raise TypeError("convert_bounding_box_format() missing 1 required argument: 'new_format'")
    old_format, new_format = _format(old_format), _format(new_format)
    if is_pure_tensor(inpt):
        if old_format is None:
            raise ValueError("For pure tensor inputs, `old_format` has to be passed.")
        found = converted(inpt, old_format, new_format)
        return inpt.copy_(found) if inplace else found
    if not isinstance(inpt, BoundingBoxes):
        raise TypeError(
            f"Input can either be a plain tensor or a bounding box tv_tensor, but got {type(inpt)} instead."
        )
    if old_format is not None:
        raise ValueError("For bounding box tv_tensor inputs, `old_format` must not be passed.")
    return wrap(converted(plain(inpt), inpt.format, new_format), like=inpt, format=new_format)


def clamped(boxes: Tensor, format: BoundingBoxFormat, canvas_size: Size, clamping_mode: str | None) -> Tensor:
    """Plain boxes without what lies outside of the canvas."""
    if clamping_mode is None:
        return boxes.clone()
    work = converted(boxes if boxes.is_floating_point() else boxes.float(), format, XYXY)
    height, width = canvas_size
    x, y = work[..., 0::2].clamp(0, width), work[..., 1::2].clamp(0, height)
    found = fl.stack([x[..., 0], y[..., 0], x[..., 1], y[..., 1]], -1)
    return converted(found, XYXY, format).to(boxes.dtype)


def clamp_bounding_boxes(inpt: Tensor, format: Any = None, canvas_size: Any = None,
                         clamping_mode: str | None = "auto") -> Tensor:
    """Boxes without what lies outside of the canvas."""
    if clamping_mode not in (None, "soft", "hard", "auto"):
        raise ValueError(f"clamping_mode must be soft, hard, auto or None, got {clamping_mode}")
    if is_pure_tensor(inpt):
        if format is None or canvas_size is None or clamping_mode == "auto":
            raise ValueError(
                "For pure tensor inputs, `format`, `canvas_size` and `clamping_mode` have to be passed.")
        return clamped(inpt, _format(format), canvas_size, clamping_mode)
    if not isinstance(inpt, BoundingBoxes):
        raise TypeError(
            f"Input can either be a plain tensor or a bounding box tv_tensor, but got {type(inpt)} instead."
        )
    if format is not None or canvas_size is not None:
        raise ValueError("For bounding box tv_tensor inputs, `format` and `canvas_size` must not be passed.")
    mode = inpt.clamping_mode if clamping_mode == "auto" else clamping_mode
    return wrap(clamped(plain(inpt), inpt.format, inpt.canvas_size, mode), like=inpt)


def clamp_keypoints(inpt: Tensor, canvas_size: Any = None) -> Tensor:
    """Points moved to the nearest pixel of the canvas."""
    if is_pure_tensor(inpt):
        if canvas_size is None:
            raise ValueError("For pure tensor inputs, `canvas_size` has to be passed.")
        height, width = canvas_size
        points = inpt
    elif isinstance(inpt, KeyPoints):
        if canvas_size is not None:
            raise ValueError("For keypoints tv_tensor inputs, `canvas_size` must not be passed.")
        (height, width), points = inpt.canvas_size, plain(inpt)
    else:
        raise TypeError(f"Input can either be a plain tensor or a keypoints tv_tensor, but got {type(inpt)} instead.")
    found = fl.stack([points[..., 0].clamp(0, width - 1), points[..., 1].clamp(0, height - 1)], -1)
    return wrap(found, like=inpt)


def valid_boxes(boxes: Tensor, format: BoundingBoxFormat, canvas_size: Size, min_size: float,
                min_area: float) -> Tensor:
    """Which boxes lie in the canvas and are not too small: (N, 4) -> (N,)."""
    corners = converted(plain(boxes), format, XYXY)
    (height, width), x, y = canvas_size, corners[:, 0::2], corners[:, 1::2]
    across, down = x[:, 1] - x[:, 0], y[:, 1] - y[:, 0]
    inside = (corners >= 0).all(-1) & (x <= width).all(-1) & (y <= height).all(-1)
    return inside & (across >= min_size) & (down >= min_size) & (across * down >= min_area)


def sanitize_bounding_boxes(bounding_boxes: Tensor, format: Any = None, canvas_size: Any = None,
                            min_size: float = 1.0, min_area: float = 1.0) -> tuple[Tensor, Tensor]:
    """The boxes that lie in the canvas and are not too small, and which those are."""
    given = format is not None, canvas_size is not None
    if is_pure_tensor(bounding_boxes):
        if not all(given):
            raise ValueError(
                "format and canvas_size cannot be None if bounding_boxes is a pure tensor. "
                f"Got format={format} and canvas_size={canvas_size}."
                "Set those to appropriate values or pass bounding_boxes as a tv_tensors.BoundingBoxes object."
            )
        format = _format(format)
    else:
        if not isinstance(bounding_boxes, BoundingBoxes):
            raise ValueError("bounding_boxes must be a tv_tensors.BoundingBoxes instance or a pure tensor.")
        if any(given):
            raise ValueError(
                "format and canvas_size must be None when bounding_boxes is a tv_tensors.BoundingBoxes instance. "
                f"Got format={format} and canvas_size={canvas_size}. "
                "Leave those to None or pass bounding_boxes as a pure tensor."
            )
        format, canvas_size = bounding_boxes.format, bounding_boxes.canvas_size
    valid = valid_boxes(bounding_boxes, format, canvas_size, min_size, min_area)
    return wrap(plain(bounding_boxes)[valid], like=bounding_boxes), valid


def sanitize_keypoints(key_points: Tensor, canvas_size: Any = None) -> tuple[Tensor, Tensor]:
    """The points that lie in the canvas, and which those are."""
    if isinstance(key_points, KeyPoints):
        if canvas_size is not None:
            raise ValueError(
                "canvas_size must be None when key_points is a tv_tensors.KeyPoints instance. "
                f"Got canvas_size={canvas_size}. Leave it to None or pass key_points as a pure tensor.")
        canvas_size = key_points.canvas_size
    elif not is_pure_tensor(key_points):
        raise ValueError("key_points must be a tv_tensors.KeyPoints instance or a pure tensor.")
    elif canvas_size is None:
        raise ValueError("canvas_size cannot be None if key_points is a pure tensor. "
                         "Set it to an appropriate value or pass key_points as a tv_tensors.KeyPoints object.")
    points, (height, width) = plain(key_points), canvas_size
    x, y = points[..., 0], points[..., 1]
    valid = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    if valid.ndim > 1:
        valid = valid.flatten(1).all(1)
    return wrap(points[valid], like=key_points), valid


# ---- what transforms do: each takes boxes or points, and those arguments of the function that it names


def _upright(boxes: BoundingBoxes) -> Tensor:
    if is_rotated_bounding_format(boxes.format):
        raise NotImplementedError(f"flambeau does not transform bounding boxes of format {boxes.format.value}")
    return plain(boxes)


def _flipped(boxes: BoundingBoxes, axis: int) -> Any:
    old, size = _upright(boxes), boxes.canvas_size[1 - axis]
    columns = list(old.unbind(-1))
    if boxes.format is XYXY:
        columns[axis], columns[axis + 2] = size - columns[axis + 2], size - columns[axis]
    else:
        columns[axis] = size - columns[axis] - (columns[axis + 2] if boxes.format is XYWH else 0)
    return wrap(fl.stack(columns, -1), like=boxes)


def hflip_boxes(boxes: BoundingBoxes) -> Any:
    return _flipped(boxes, 0)


def vflip_boxes(boxes: BoundingBoxes) -> Any:
    return _flipped(boxes, 1)


def hflip_points(points: KeyPoints) -> Any:
    x, y = plain(points).unbind(-1)
    return wrap(fl.stack([points.canvas_size[1] - 1 - x, y], -1), like=points)


def vflip_points(points: KeyPoints) -> Any:
    x, y = plain(points).unbind(-1)
    return wrap(fl.stack([x, points.canvas_size[0] - 1 - y], -1), like=points)


def resized(value: Any, size: Any, max_size: Any = None) -> Any:
    """Boxes or points of a resized image."""
    height, width = value.canvas_size
    new_height, new_width = geometry.output_size(height, width, [size] if isinstance(size, int) else size, max_size)
    if (new_height, new_width) == (height, width):
        return value
    old = _upright(value) if isinstance(value, BoundingBoxes) else plain(value)
    ratios = fl.tensor([new_width / width, new_height / height] * (old.shape[-1] // 2))
    return wrap((old * ratios).to(old.dtype), like=value, canvas_size=(new_height, new_width))


def shifted(value: Any, x: int, y: int, canvas_size: Size) -> Any:
    """Boxes or points moved, on another canvas."""
    if isinstance(value, KeyPoints):
        old = plain(value)
        return wrap(old + fl.tensor([x, y], dtype=old.dtype), like=value, canvas_size=canvas_size)
    old = _upright(value)
    by = [x, y, x, y] if value.format is XYXY else [x, y, 0, 0]
    new = clamped(old + fl.tensor(by, dtype=old.dtype), value.format, canvas_size, value.clamping_mode)
    return wrap(new, like=value, canvas_size=canvas_size)


def cropped(value: Any, top: int, left: int, height: int, width: int) -> Any:
    return shifted(value, -left, -top, (height, width))


def center_cropped(value: Any, output_size: Any) -> Any:
    height, width = pair(output_size, CROP_SIZE)
    top, left = (int(round((old - new) / 2.0)) for old, new in zip(value.canvas_size, (height, width), strict=True))
    return cropped(value, top, left, height, width)


def resize_cropped(value: Any, top: int, left: int, height: int, width: int, size: Any) -> Any:
    return resized(cropped(value, top, left, height, width), size)


def padded(value: Any, padding: Any, padding_mode: str) -> Any:
    if padding_mode != "constant":
        what = "bounding boxes" if isinstance(value, BoundingBoxes) else "KeyPoints (supported modes are constant)"
        raise ValueError(f"Padding mode '{padding_mode}' is not supported with {what}")
    left, right, top, bottom = sides(padding)
    height, width = value.canvas_size
    return shifted(value, left, top, (height + top + bottom, width + left + right))


def _points_of(value: Any, whole: bool = False) -> Tensor:
    """The points as floats: the corners of boxes (N, 4, 2), or key points. With `whole` the corners of boxes of whole
    numbers are whole."""
    if isinstance(value, KeyPoints):
        old = plain(value)
        return old if old.is_floating_point() else old.float()
    old = _upright(value)
    corners = converted(old if whole or old.is_floating_point() else old.float(), value.format, XYXY)
    corners = corners if corners.is_floating_point() else corners.float()
    return corners[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2)


def _from_points(value: Any, points: Tensor, canvas_size: Size | None = None) -> Any:
    """The boxes around moved corners, or the moved key points."""
    canvas_size = canvas_size or value.canvas_size
    if isinstance(value, KeyPoints):
        return wrap(points.to(value.dtype), like=value, canvas_size=canvas_size)
    around = clamped(fl.cat([points.amin(1), points.amax(1)], 1), XYXY, canvas_size, value.clamping_mode)
    return wrap(converted(around, XYXY, value.format).to(value.dtype), like=value, canvas_size=canvas_size)


def _moved(value: Any, angle: float, translate: Sequence[float], scale: float, shear: Sequence[float],
           center: Any, expand: bool = False) -> Any:
    if value.numel() == 0:
        return value
    height, width = canvas_size = value.canvas_size
    middle = [width * 0.5, height * 0.5] if center is None else [float(c) for c in center]
    points = _points_of(value)
    rows = geometry.affine_matrix(middle, angle, translate, scale, shear, inverted=False)
    matrix = fl.tensor(rows, dtype=points.dtype).reshape(2, 3)
    new = points @ matrix[:, :2].T + matrix[:, 2]
    if expand:
        ends = fl.tensor([[0, 0], [0, height], [width, height], [width, 0]], dtype=points.dtype)
        new = new - (ends @ matrix[:, :2].T + matrix[:, 2]).amin(0)
        inverse = geometry.affine_matrix(middle, angle, translate, scale, shear)
        canvas_size = geometry.rotated_size(inverse, height, width)
    return _from_points(value, new, canvas_size)


def affine_moved(value: Any, angle: Any, translate: Any, scale: Any, shear: Any, center: Any) -> Any:
    angle, shear = affine_arguments(angle, translate, scale, shear, center)
    return _moved(value, angle, translate, scale, shear, center)


def rotated(value: Any, angle: Any, expand: bool, center: Any) -> Any:
    return _moved(value, -float(angle), (0.0, 0.0), 1.0, (0.0, 0.0), center, expand)


def perspective_moved(value: Any, startpoints: Any, endpoints: Any, coefficients: Any) -> Any:
    if value.numel() == 0:
        return value
    a, b, c, d, e, f, g, h = given = perspective_numbers(startpoints, endpoints, coefficients)
    size = a * e - b * d
    if size == 0:
        raise RuntimeError(f"Provided perspective_coeffs {given} can not be inverted to transform bounding boxes. "
                           f"Denominator is zero, denom={size}")
    points = _points_of(value, whole=True)
    # The adjugate of the matrix, which is its inverse up to a factor that the division takes out.
    adjugate = [e - f * h, c * h - b, b * f - c * e, f * g - d, a - c * g, c * d - a * f, d * h - e * g, b * g - a * h]
    matrix = fl.tensor([*adjugate, size], dtype=points.dtype).reshape(3, 3) / size
    new = points @ matrix[:, :2].T + matrix[:, 2]
    return _from_points(value, new[..., :2] / new[..., 2:])


def perspective_numbers(startpoints: Any, endpoints: Any, coefficients: Any) -> Any:
    """The eight numbers of a perspective, given as such or as where four points go."""
    if coefficients is not None:
        if startpoints is not None and endpoints is not None:
            raise ValueError("The startpoints/endpoints and the coefficients shouldn't be defined concurrently.")
        if len(coefficients) != 8:
            raise ValueError("Argument coefficients should have 8 float values")
        return coefficients
    if startpoints is None or endpoints is None:
        raise ValueError("Either the startpoints/endpoints or the coefficients must have non `None` values.")
    return geometry.perspective_coefficients(startpoints, endpoints)


def elastically_moved(value: Any, displacement: Any) -> Any:
    height, width = value.canvas_size
    check_displacement(displacement, (1, height, width, 2))
    if value.numel() == 0:
        return value
    if isinstance(value, BoundingBoxes) and value.format is not XYXY:
        corners = wrap(converted(_upright(value), value.format, XYXY), like=value, format=XYXY)
        moved = elastically_moved(corners, displacement)
        return wrap(converted(plain(moved), XYXY, value.format), like=value)
    points = _points_of(value)
    at = points.ceil().to(fl.int64)
    x, y = at[..., 0].clamp(0, width - 1), at[..., 1].clamp(0, height - 1)
    moves = (geometry.identity_grid(height, width) - displacement).to(points.dtype)[0][y, x]
    new = (moves + 1) * fl.tensor([0.5 * width, 0.5 * height], dtype=points.dtype) - 0.5
    return _from_points(value, new)


def check_displacement(displacement: Any, shape: tuple) -> None:
    """Raises unless this is a tensor of displacements for an image."""
    if not isinstance(displacement, Tensor):
        raise TypeError("Argument displacement should be a Tensor")
    if tuple(displacement.shape) != shape:
        raise ValueError(f"Argument displacement shape should be {shape}, but given {displacement.shape}")


def canvas(value: Any) -> list[int]:
    """Height and width of the canvas."""
    return list(value.canvas_size)


