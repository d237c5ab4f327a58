"""A layer that mixes the groups of channels."""

from __future__ import annotations

from ._layer import layer
from .module import Module


@layer("channel_shuffle", "groups", keywords=False)
class ChannelShuffle(Module):
    """Channels in groups, dealt out in turn: (N, C, *) -> (N, C, *). Zhang et al., arXiv 1707.01083."""

    groups: int
