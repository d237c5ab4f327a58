"""The vision transformer: pictures cut into patches, which are read as words are. arXiv 2010.11929."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from ... import nn
from ...nn import functional as F
from ...nn import init
from ...tensor import Tensor
from .._torch import torch
from ..ops.misc import MLP, Conv2dNormActivation
from ._api import define, entry
from ._utils import _ovewrite_named_param

__all__ = [
    "ViT_B_16_Weights",
    "ViT_B_32_Weights",
    "ViT_H_14_Weights",
    "ViT_L_16_Weights",
    "ViT_L_32_Weights",
    "VisionTransformer",
    "vit_b_16",
    "vit_b_32",
    "vit_h_14",
    "vit_l_16",
    "vit_l_32",
]

Layer = Callable[..., nn.Module]
LAYER_NORM = partial(nn.LayerNorm, eps=1e-6)


class ConvStemConfig(NamedTuple):
    """One convolution of a stem that takes the place of cutting into patches. arXiv 2106.14881."""

    out_channels: int
    kernel_size: int
    stride: int
    norm_layer: Layer = nn.BatchNorm2d
    activation_layer: Layer = nn.ReLU


class MLPBlock(MLP):
    """The two linear layers of a transformer's block."""

    _version = 2

    def __init__(self, in_dim: int, mlp_dim: int, dropout: float) -> None:
        super().__init__(in_dim, [mlp_dim, in_dim], activation_layer=nn.GELU, inplace=None, dropout=dropout)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    init.normal_(module.bias, std=1e-6)

    def _load_from_state_dict(self, state_dict: Any, prefix: str, local_metadata: dict, *rest: Any) -> None:
        version = local_metadata.get("version")
        if version is None or version < 2:
            # States of version 1 call the layers linear_1 and linear_2.
            for old, new in (("linear_1", "0"), ("linear_2", "3")):
                for kind in ("weight", "bias"):
                    if f"{prefix}{old}.{kind}" in state_dict:
                        state_dict[f"{prefix}{new}.{kind}"] = state_dict.pop(f"{prefix}{old}.{kind}")
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)


def _check_sequence(input: Tensor) -> None:
    if input.dim() != 3:
        raise AssertionError(f"Expected (batch_size, seq_length, hidden_dim) got {input.shape}")


class EncoderBlock(nn.Module):
    """Attention, then two linear layers, each behind a LayerNorm and with the input led around it."""

    def __init__(self, num_heads: int, hidden_dim: int, mlp_dim: int, dropout: float, attention_dropout: float,
                 norm_layer: Layer = LAYER_NORM) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.ln_1 = norm_layer(hidden_dim)
        self.self_attention = nn.MultiheadAttention(hidden_dim, num_heads, dropout=attention_dropout, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.ln_2 = norm_layer(hidden_dim)
        self.mlp = MLPBlock(hidden_dim, mlp_dim, dropout)

    def forward(self, input: Tensor) -> Tensor:
        _check_sequence(input)
        x = self.ln_1(input)
        x, _ = self.self_attention(x, x, x, need_weights=False)
        x = self.dropout(x) + input
        return x + self.mlp(self.ln_2(x))


class Encoder(nn.Module):
    """Blocks over patches that know their place: (N, seq_length, hidden_dim) -> the same."""

    def __init__(self, seq_length: int, num_layers: int, num_heads: int, hidden_dim: int, mlp_dim: int, dropout: float,
                 attention_dropout: float, norm_layer: Layer = LAYER_NORM) -> None:
        super().__init__()
        self.pos_embedding = nn.Parameter(torch.empty(1, seq_length, hidden_dim).normal_(std=0.02))
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.Sequential(OrderedDict(
            (f"encoder_layer_{i}",
             EncoderBlock(num_heads, hidden_dim, mlp_dim, dropout, attention_dropout, norm_layer))
            for i in range(num_layers)
        ))
        self.ln = norm_layer(hidden_dim)

    def forward(self, input: Tensor) -> Tensor:
        _check_sequence(input)
        return self.ln(self.layers(self.dropout(input + self.pos_embedding)))


class VisionTransformer(nn.Module):
    """A transformer over patches and one learned token: (N, 3, image_size, image_size) -> (N, num_classes)."""

    def __init__(self, image_size: int, patch_size: int, num_layers: int, num_heads: int, hidden_dim: int, mlp_dim: int,
                 dropout: float = 0.0, attention_dropout: float = 0.0, num_classes: int = 1000,
                 representation_size: int | None = None, norm_layer: Layer = LAYER_NORM,
                 conv_stem_configs: list[ConvStemConfig] | None = None) -> None:
        super().__init__()
        if image_size % patch_size:
            raise AssertionError("Input shape indivisible by patch size!")
        self.image_size, self.patch_size = image_size, patch_size
        self.hidden_dim, self.mlp_dim = hidden_dim, mlp_dim
        self.attention_dropout, self.dropout = attention_dropout, dropout
        self.num_classes, self.representation_size, self.norm_layer = num_classes, representation_size, norm_layer
        if conv_stem_configs is None:
            self.conv_proj: nn.Module = nn.Conv2d(3, hidden_dim, kernel_size=patch_size, stride=patch_size)
        else:
            self.conv_proj = _stem(conv_stem_configs, hidden_dim)
        self.class_token = nn.Parameter(torch.zeros(1, 1, hidden_dim))
        self.seq_length = (image_size // patch_size) ** 2 + 1
        self.encoder = Encoder(self.seq_length, num_layers, num_heads, hidden_dim, mlp_dim, dropout, attention_dropout,
                               norm_layer)
        heads: OrderedDict[str, nn.Module] = OrderedDict()
        if representation_size is not None:
            heads["pre_logits"], heads["act"] = nn.Linear(hidden_dim, representation_size), nn.Tanh()
        heads["head"] = nn.Linear(representation_size or hidden_dim, num_classes)
        self.heads = nn.Sequential(heads)
        self._draw()

    def _draw(self) -> None:
        """The initial weights of all but the encoder, which draws its own."""
        last: Any = self.conv_proj
        if isinstance(last, nn.Conv2d):
            fan_in = last.in_channels * last.kernel_size[0] * last.kernel_size[1]
            init.trunc_normal_(last.weight, std=math.sqrt(1 / fan_in))
        else:
            last = last.conv_last
            init.normal_(last.weight, mean=0.0, std=math.sqrt(2.0 / last.out_channels))
        init.zeros_(last.bias)
        if self.representation_size is not None:
            init.trunc_normal_(self.heads.pre_logits.weight, std=math.sqrt(1 / self.hidden_dim))
            init.zeros_(self.heads.pre_logits.bias)
        init.zeros_(self.heads.head.weight)
        init.zeros_(self.heads.head.bias)

    def _process_input(self, x: Tensor) -> Tensor:
        """Pictures as sequences of patches: (N, 3, H, W) -> (N, patches, hidden_dim)."""
        for side, size in (("height", x.shape[2]), ("width", x.shape[3])):
            if size != self.image_size:
                raise AssertionError(f"Wrong image {side}! Expected {self.image_size} but got {size}!")
        return self.conv_proj(x).flatten(2).permute(0, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self._process_input(x)
        x = self.encoder(torch.cat([self.class_token.expand(x.shape[0], -1, -1), x], dim=1))
        return self.heads(x[:, 0])


def _stem(configs: list[ConvStemConfig], hidden_dim: int) -> nn.Sequential:
    stem, channels = nn.Sequential(), 3
    for i, (width, kernel, stride, norm, activation) in enumerate(configs):
        stem.add_module(f"conv_bn_relu_{i}", Conv2dNormActivation(
            channels, width, kernel, stride, norm_layer=norm, activation_layer=activation))
        channels = width
    stem.add_module("conv_last", nn.Conv2d(channels, hidden_dim, kernel_size=1))
    return stem


def interpolate_embeddings(image_size: int, patch_size: int, model_state: dict[str, Any],
                           interpolation_mode: str = "bicubic", reset_heads: bool = False) -> dict[str, Any]:
    """A state for pictures of another size: the places' embeddings are resized, heads left out if `reset_heads`."""
    places = model_state["encoder.pos_embedding"]
    n, length, hidden_dim = places.shape
    if n != 1:
        raise ValueError(f"Unexpected position embedding shape: {places.shape}")
    side = image_size // patch_size
    if side**2 + 1 == length:
        return model_state
    old = math.isqrt(length - 1)
    if old**2 != length - 1:
        raise ValueError(
            "seq_length is not a perfect square! Instead got seq_length_1d * seq_length_1d = "
            f"{old**2} and seq_length = {length - 1}"
        )
    grid = places[:, 1:].permute(0, 2, 1).reshape(1, hidden_dim, old, old)
    grid = F.interpolate(grid, size=side, mode=interpolation_mode, align_corners=True)
    grid = grid.reshape(1, hidden_dim, side**2).permute(0, 2, 1)
    model_state["encoder.pos_embedding"] = torch.cat([places[:, :1], grid], dim=1)
    if reset_heads:
        return OrderedDict((name, value) for name, value in model_state.items() if not name.startswith("heads"))
    return model_state


def _build(patch: int, layers: int, heads: int, hidden: int, mlp: int, image_size: int = 224,
           **options: Any) -> VisionTransformer:
    return VisionTransformer(image_size, patch, layers, heads, hidden, mlp, **options)


def _sized(weights: Any, options: dict[str, Any]) -> None:
    _ovewrite_named_param(options, "image_size", weights.meta["min_size"][0])


def _vit(name: str, patch: int, sizes: tuple[int, int, int, int], *weights: Any) -> tuple[Any, Callable[..., Any]]:
    return define(f"ViT_{name[4:].upper()}_Weights", name, __name__, partial(_build, patch, *sizes), *weights,
                  min_size=(224, 224), with_weights=_sized)


def _end_to_end(file: str, parameters: int, top1: float, top5: float, size: int) -> Any:
    return entry(file, parameters, top1, top5, "IMAGENET1K_SWAG_E2E_V1", min_size=(size, size), crop_size=size,
                 resize_size=size, interpolation="bicubic")


def _last_layer(file: str, parameters: int, top1: float, top5: float) -> Any:
    return entry(file, parameters, top1, top5, "IMAGENET1K_SWAG_LINEAR_V1", resize_size=224, interpolation="bicubic")


# layers, heads, hidden_dim, mlp_dim
_BASE, _LARGE, _HUGE = (12, 12, 768, 3072), (24, 16, 1024, 4096), (32, 16, 1280, 5120)

ViT_B_16_Weights, vit_b_16 = _vit(
    "vit_b_16", 16, _BASE, entry("vit_b_16-c867db91", 86567656, 81.072, 95.318),
    _end_to_end("vit_b_16_swag-9ac1b537", 86859496, 85.304, 97.65, 384),
    _last_layer("vit_b_16_lc_swag-4e70ced5", 86567656, 81.886, 96.18))
ViT_B_32_Weights, vit_b_32 = _vit("vit_b_32", 32, _BASE, entry("vit_b_32-d86f8d99", 88224232, 75.912, 92.466))
ViT_L_16_Weights, vit_l_16 = _vit(
    "vit_l_16", 16, _LARGE, entry("vit_l_16-852ce7e3", 304326632, 79.662, 94.638, resize_size=242),
    _end_to_end("vit_l_16_swag-4f3808c9", 305174504, 88.064, 98.512, 512),
    _last_layer("vit_l_16_lc_swag-4d563306", 304326632, 85.146, 97.422))
ViT_L_32_Weights, vit_l_32 = _vit("vit_l_32", 32, _LARGE, entry("vit_l_32-c7638314", 306535400, 76.972, 93.07))
ViT_H_14_Weights, vit_h_14 = _vit(
    "vit_h_14", 14, _HUGE, _end_to_end("vit_h_14_swag-80465313", 633470440, 88.552, 98.694, 518),
    _last_layer("vit_h_14_lc_swag-c1eb923e", 632045800, 85.708, 97.73))
