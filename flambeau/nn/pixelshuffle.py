"""Layers that move elements between channels and space."""

from __future__ import annotations

from ._layer import layer
from .module import Module


@layer("pixel_shuffle", "upscale_factor", keywords=False)
class PixelShuffle(Module):
    """Channels spread over space: (*, C * r**2, H, W) -> (*, C, H * r, W * r). Shi et al., arXiv 1609.05158."""

    upscale_factor: int


@layer("pixel_unshuffle", "downscale_factor", keywords=False)
class PixelUnshuffle(Module):
    """Space gathered into channels: (*, C, H * r, W * r) -> (*, C * r**2, H, W)."""

    downscale_factor: int
