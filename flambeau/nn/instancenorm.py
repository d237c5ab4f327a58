"""Instance normalisation: each channel of each sample by its own mean and variance."""

from __future__ import annotations

import warnings
from typing import Any

from ..tensor import Tensor
from . import functional as F
from .batchnorm import _NormBase


class _InstanceNorm(_NormBase):
    """The base of instance normalisation."""

    _spatial = 1

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def _get_no_batch_dim(self) -> int:
        return self._spatial + 1

    def _check_input_dim(self, input: Tensor) -> None:
        n = self._spatial + 1
        if input.dim() not in (n, n + 1):
            raise ValueError(f"expected {n}D or {n + 1}D input (got {input.dim()}D input)")

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        single = input.dim() == self._get_no_batch_dim()
        place = 0 if single else 1
        if input.shape[place] != self.num_features:
            if self.affine:
                raise ValueError(
                    f"expected input's size at dim={place} to match num_features ({self.num_features}), "
                    f"but got: {input.shape[place]}."
                )
            warnings.warn(
                f"input's size at dim={place} does not match num_features. You can silence this warning by not "
                "passing in num_features, which is not used because affine=False",
                stacklevel=2,
            )
        out = F.instance_norm(
            input.unsqueeze(0) if single else input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            self.momentum if self.momentum is not None else 0.0,
            self.eps,
        )
        return out.squeeze(0) if single else out

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: dict,
        strict: bool,
        missing_keys: list,
        unexpected_keys: list,
        error_msgs: list,
    ) -> None:
        if local_metadata.get("version") is None and not self.track_running_stats:
            found = [key for key in (prefix + "running_mean", prefix + "running_var") if key in state_dict]
            if found:
                error_msgs.append(
                    f"Unexpected running stats buffer(s) {' and '.join(map(repr, found))} for "
                    f"{type(self).__name__} with track_running_stats=False. They are of a state saved before "
                    "running statistics could be left out: make the module with track_running_stats=True, or "
                    "remove them from the state."
                )
                for key in found:
                    state_dict.pop(key)
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )


class InstanceNorm1d(_InstanceNorm):
    """(x - mean) / sqrt(var + eps) per sample and channel: (N, C, L) or (C, L) -> the same.

    Ulyanov et al., arXiv 1607.08022.

    `affine` adds weight and bias; `track_running_stats` uses running statistics in evaluation, as batch normalisation
    does.
    """


class InstanceNorm2d(_InstanceNorm):
    """Instance normalisation of images: (N, C, H, W) or (C, H, W) -> the same. See InstanceNorm1d."""

    _spatial = 2


class InstanceNorm3d(_InstanceNorm):
    """Instance normalisation of volumes: (N, C, D, H, W) or (C, D, H, W) -> the same. See InstanceNorm1d."""

    _spatial = 3
