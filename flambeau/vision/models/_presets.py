"""What turns a picture into the input of a pretrained network."""

from __future__ import annotations

from typing import Any

from ... import nn
from ...tensor import Tensor
from .._torch import torch


class ImageClassification(nn.Module):
    """Resizes the shorter side, cuts out the centre, scales to [0, 1] and normalises: a picture -> (..., 3, H, W)."""

    def __init__(self, *, crop_size: int, resize_size: int = 256,
                 mean: tuple[float, ...] = (0.485, 0.456, 0.406), std: tuple[float, ...] = (0.229, 0.224, 0.225),
                 interpolation: Any = "bilinear", antialias: bool | None = True) -> None:
        from ..transforms import InterpolationMode

        super().__init__()
        self.crop_size, self.resize_size = [crop_size], [resize_size]
        self.mean, self.std = list(mean), list(std)
        self.interpolation = InterpolationMode(interpolation)
        self.antialias = antialias

    def forward(self, img: Any) -> Tensor:
        from ..transforms import functional as F

        img = F.resize(img, self.resize_size, interpolation=self.interpolation, antialias=self.antialias)
        img = F.center_crop(img, self.crop_size)
        if not isinstance(img, Tensor):
            img = F.pil_to_tensor(img)
        return F.normalize(F.convert_image_dtype(img, torch.float32), mean=self.mean, std=self.std)

    def __repr__(self) -> str:
        names = ("crop_size", "resize_size", "mean", "std", "interpolation")
        lines = "".join(f"\n    {name}={getattr(self, name)}" for name in names)
        return f"{type(self).__name__}({lines}\n)"

    def describe(self) -> str:
        """The same in a sentence."""
        return (
            f"Takes pictures (PIL) and tensors (3, H, W) or (N, 3, H, W): resizes to {self.resize_size} by "
            f"{self.interpolation}, cuts out {self.crop_size} at the centre, scales to [0.0, 1.0] and normalises with "
            f"mean={self.mean} and std={self.std}."
        )
