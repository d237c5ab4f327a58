"""The windows of torch itself (torch.hann_window ...): periodic ones unless told otherwise."""
from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..creation import kind_of
from ..info import strided
from ..ops._rules import title
from ..tensor import Tensor
from .windows import Formula, bell, cosines, made


def window(name: str, formula: Formula, window_length: int, periodic: bool, dtype: Any, layout: Any, device: Any,
           requires_grad: bool) -> Tensor:
    """The window of a formula, with PyTorch's errors for what cannot be."""
    if not hasattr(window_length, "__index__"):
        given = type(window_length).__name__
        raise TypeError(f"{name}(): argument 'window_length' (position 1) must be int, not {given}")
    kind = dtypes.default_dtype() if dtype is None else kind_of(dtype)
    if layout not in (None, strided):
        raise RuntimeError(f"{name} is not implemented for sparse types, got: {layout}")
    if kind.category < dtypes.FLOATING:
        raise RuntimeError(f"{name} expects floating point dtypes, got: {kind}")
    if window_length < 0:
        raise RuntimeError(f"{name} requires non-negative window_length, got window_length={window_length}")
    if kind.category > dtypes.FLOATING and window_length > 1:
        raise NotImplementedError(f"\"arange_cpu\" not implemented for '{title(kind)}'")
    return made(formula, window_length, not periodic, kind, device, requires_grad)


def hann_window(window_length: int, periodic: bool = True, *, dtype: Any = None, layout: Any = None, device: Any = None,
                pin_memory: bool = False, requires_grad: bool = False) -> Tensor:
    """(1 - cos(2 pi n / N)) / 2, where N is the length (less 1 if not `periodic`).

    >>> import flambeau as torch
    >>> torch.hann_window(4)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    return window("hann_window", cosines([0.5, 0.5]), window_length, periodic, dtype, layout, device, requires_grad)


def hamming_window(window_length: int, periodic: bool = True, alpha: float = 0.54, beta: float = 0.46, *,
                   dtype: Any = None, layout: Any = None, device: Any = None, pin_memory: bool = False,
                   requires_grad: bool = False) -> Tensor:
    """alpha - beta cos(2 pi n / N)."""
    return window("hamming_window", cosines([alpha, beta]), window_length, periodic, dtype, layout, device,
                  requires_grad)


def blackman_window(window_length: int, periodic: bool = True, *, dtype: Any = None, layout: Any = None,
                    device: Any = None, pin_memory: bool = False, requires_grad: bool = False) -> Tensor:
    """0.42 - 0.5 cos(2 pi n / N) + 0.08 cos(4 pi n / N)."""
    return window("blackman_window", cosines([0.42, 0.5, 0.08]), window_length, periodic, dtype, layout, device,
                  requires_grad)


def bartlett_window(window_length: int, periodic: bool = True, *, dtype: Any = None, layout: Any = None,
                    device: Any = None, pin_memory: bool = False, requires_grad: bool = False) -> Tensor:
    """A triangle: 1 - |2 n / N - 1|."""
    return window("bartlett_window", lambda n, steps: 1 - np.abs(2 * n / steps - 1), window_length, periodic, dtype,
                  layout, device, requires_grad)


def kaiser_window(window_length: int, periodic: bool = True, beta: float = 12.0, *, dtype: Any = None,
                  layout: Any = None, device: Any = None, pin_memory: bool = False,
                  requires_grad: bool = False) -> Tensor:
    """I0(beta sqrt(1 - (2 n / N - 1)^2)) / I0(beta)."""
    return window("kaiser_window", bell(beta), window_length, periodic, dtype, layout, device, requires_grad)
