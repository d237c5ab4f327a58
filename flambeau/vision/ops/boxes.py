"""Boxes: areas, overlaps, conversions, and the best of those that overlap."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...tensor import Tensor
from .._torch import torch


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Which boxes stay, best first, when each takes out those that overlap it by more than `iou_threshold`.

    boxes (N, 4) as x1, y1, x2, y2, scores (N) -> indices (at most N), int64.
    """
    if boxes.dim() != 2:
        raise RuntimeError(f"boxes should be a 2d tensor, got {boxes.dim()}D")
    if boxes.shape[1] != 4:
        raise RuntimeError(f"boxes should have 4 elements in dimension 1, got {boxes.shape[1]}")
    if scores.dim() != 1:
        raise RuntimeError(f"scores should be a 1d tensor, got {scores.dim()}D")
    if boxes.shape[0] != scores.shape[0]:
        raise RuntimeError(
            "boxes and scores should have same number of elements in dimension 0, "
            f"got {boxes.shape[0]} and {scores.shape[0]}"
        )
    corners = boxes.detach().cpu().numpy()
    area = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    # A stable sort from the best down; NumPy's is only stable upward.
    order = np.argsort(-scores.detach().cpu().numpy(), kind="stable")
    kept = []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(best)
        low = np.maximum(corners[best, :2], corners[order, :2])
        high = np.minimum(corners[best, 2:], corners[order, 2:])
        common = np.prod(np.maximum(high - low, 0), axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            overlap = common / (area[best] + area[order] - common)
        order = order[~(overlap > iou_threshold)]
    return torch.from_numpy(np.array(kept, dtype=np.int64)).to(boxes.device)


def batched_nms(boxes: Tensor, scores: Tensor, idxs: Tensor, iou_threshold: float) -> Tensor:
    """`nms` within each class `idxs` (N): boxes of different classes do not take one another out."""
    if boxes.numel() == 0:
        return torch.empty((0,), dtype=torch.int64, device=boxes.device)
    # Classes are moved so far apart that they cannot overlap.
    return nms(boxes + (idxs.to(boxes.dtype) * (boxes.max() + 1))[:, None], scores, iou_threshold)


def remove_small_boxes(boxes: Tensor, min_size: float) -> Tensor:
    """Indices of the boxes (N, 4) whose sides are both at least `min_size`."""
    wide = boxes[:, 2] - boxes[:, 0] >= min_size
    return torch.where(wide & (boxes[:, 3] - boxes[:, 1] >= min_size))[0]


def clip_boxes_to_image(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Boxes (*, 4) cut to an image of `size` (height, width)."""
    height, width = size
    x, y = boxes[..., 0::2].clamp(min=0, max=width), boxes[..., 1::2].clamp(min=0, max=height)
    return torch.stack((x, y), dim=boxes.dim()).reshape(boxes.shape)


def box_convert(boxes: Tensor, in_fmt: str, out_fmt: str) -> Tensor:
    """Boxes (*, 4) from one of the formats xyxy, xywh, cxcywh to another."""
    known = ("xyxy", "xywh", "cxcywh")
    if in_fmt not in known or out_fmt not in known:
        raise ValueError(f"Unsupported Bounding Box Conversions for given in_fmt {in_fmt} and out_fmt {out_fmt}")
    if in_fmt == out_fmt:
        return boxes.clone()
    a, b, c, d = boxes.unbind(-1)
    if in_fmt == "xywh":
        a, b, c, d = a, b, a + c, b + d
    elif in_fmt == "cxcywh":
        a, b, c, d = a - 0.5 * c, b - 0.5 * d, a + 0.5 * c, b + 0.5 * d
    if out_fmt == "xywh":
        a, b, c, d = a, b, c - a, d - b
    elif out_fmt == "cxcywh":
        a, b, c, d = (a + c) / 2, (b + d) / 2, c - a, d - b
    return torch.stack((a, b, c, d), dim=-1)


def _upcast(t: Tensor) -> Tensor:
    """In a dtype where products of coordinates do not overflow."""
    if t.is_floating_point():
        return t if t.dtype.itemsize >= 4 else t.float()
    return t if t.dtype.itemsize >= 4 else t.int()


def box_area(boxes: Tensor, fmt: str = "xyxy") -> Tensor:
    """Areas of boxes (N, 4) -> (N)."""
    if fmt not in ("xyxy", "xywh", "cxcywh"):
        raise ValueError(f"Unsupported Bounding Box area for given format {fmt}")
    boxes = _upcast(boxes)
    if fmt == "xyxy":
        return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
    return boxes[..., 2] * boxes[..., 3]


def _common_and_union(boxes1: Tensor, boxes2: Tensor) -> tuple[Tensor, Tensor]:
    low = torch.maximum(boxes1[..., None, :2], boxes2[..., None, :, :2])
    high = torch.minimum(boxes1[..., None, 2:], boxes2[..., None, :, 2:])
    sides = _upcast(high - low).clamp(min=0)
    common = sides[..., 0] * sides[..., 1]
    return common, box_area(boxes1)[..., None] + box_area(boxes2)[..., None, :] - common


def _corners(boxes: Tensor, fmt: str) -> Tensor:
    if fmt not in ("xyxy", "xywh", "cxcywh"):
        raise ValueError(f"Unsupported Box IoU Calculation for given fmt {fmt}.")
    return boxes if fmt == "xyxy" else box_convert(boxes, fmt, "xyxy")


def box_iou(boxes1: Tensor, boxes2: Tensor, fmt: str = "xyxy") -> Tensor:
    """Intersection over union of each pair of boxes: (N, 4), (M, 4) -> (N, M)."""
    common, union = _common_and_union(_corners(boxes1, fmt), _corners(boxes2, fmt))
    return common / union


def _hull(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """Width and height of the smallest box around each pair."""
    low = torch.minimum(boxes1[..., None, :2], boxes2[..., None, :, :2])
    high = torch.maximum(boxes1[..., None, 2:], boxes2[..., None, :, 2:])
    return _upcast(high - low).clamp(min=0)


def generalized_box_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """IoU less the part of the pair's hull that neither covers: (N, 4), (M, 4) -> (N, M). arXiv 1902.09630."""
    common, union = _common_and_union(boxes1, boxes2)
    sides = _hull(boxes1, boxes2)
    hull = sides[..., 0] * sides[..., 1]
    return common / union - (hull - union) / hull


def distance_box_iou(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-7) -> Tensor:
    """IoU less the squared distance of centres over the hull's squared diagonal. Zheng et al., arXiv 1911.08287."""
    boxes1, boxes2 = _upcast(boxes1), _upcast(boxes2)
    sides = _hull(boxes1, boxes2)
    diagonal = sides[..., 0] ** 2 + sides[..., 1] ** 2 + eps
    centre1, centre2 = (boxes1[..., :2] + boxes1[..., 2:]) / 2, (boxes2[..., :2] + boxes2[..., 2:]) / 2
    apart = _upcast(centre1[..., None, :] - centre2[..., None, :, :])
    return box_iou(boxes1, boxes2) - (apart[..., 0] ** 2 + apart[..., 1] ** 2) / diagonal


def complete_box_iou(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-7) -> Tensor:
    """`distance_box_iou` less a term for different proportions. Zheng et al., arXiv 1911.08287."""
    boxes1, boxes2 = _upcast(boxes1), _upcast(boxes2)
    iou = box_iou(boxes1, boxes2)
    slope1, slope2 = (
        ((boxes[..., 2] - boxes[..., 0]) / (boxes[..., 3] - boxes[..., 1])).atan() for boxes in (boxes1, boxes2)
    )
    v = 4 / math.pi**2 * (slope1[..., None] - slope2[..., None, :]) ** 2
    alpha = (v / (1 - iou + v + eps)).detach()
    return distance_box_iou(boxes1, boxes2, eps) - alpha * v


def masks_to_boxes(masks: Tensor) -> Tensor:
    """The box around what is not zero in each mask: (N, H, W) -> (N, 4), float32."""
    if masks.numel() == 0:
        return torch.zeros((0, 4), device=masks.device, dtype=torch.float32)
    held: Any = masks != 0
    ends = []
    for line in (held.any(dim=1), held.any(dim=2)):
        places, size = torch.arange(line.shape[1], device=masks.device), line.shape[1]
        ends.append((torch.where(line, places, size).amin(dim=1), torch.where(line, places, -1).amax(dim=1)))
    (left, right), (top, bottom) = ends
    return torch.stack((left, top, right, bottom), dim=1).to(torch.float32)
