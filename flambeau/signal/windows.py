"""torch.signal.windows: weights by which a stretch of a signal is multiplied before its spectrum is taken.

Every window has M points; `sym=False` gives the first M of the M + 1 points of the symmetric one, which suits a
signal that repeats. Values are worked out in doubles and then rounded.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .. import dtypes
from ..creation import finished
from ..dtypes import dtype as Kind
from ..info import strided
from ..tensor import Tensor

__all__ = ["bartlett", "blackman", "cosine", "exponential", "gaussian", "general_cosine", "general_hamming", "hamming",
           "hann", "kaiser", "nuttall"]

Formula = Callable[[np.ndarray, int], np.ndarray]        # points 0, 1, 2 ... and the number of steps between the ends


def check(name: str, M: int, dtype: Kind | None, layout: Any) -> Kind:
    """PyTorch's errors for a window's length, layout and dtype; the dtype, the default if None."""
    if M < 0:
        raise ValueError(f"{name} requires non-negative window length, got M={M}")
    if layout is not strided:
        raise ValueError(f"{name} is implemented for strided tensors only, got: {layout}")
    kind = dtype or dtypes.default_dtype()
    if kind not in (dtypes.float32, dtypes.float64):
        raise ValueError(f"{name} expects float32 or float64 dtypes, got: {kind}")
    return kind


def made(formula: Formula, M: int, sym: bool, kind: Kind, device: Any, requires_grad: bool) -> Tensor:
    """The tensor of a window: a single point weighs 1."""
    steps = M - 1 if sym else M
    values = np.ones(M) if M == 1 else formula(np.arange(M), steps)
    return finished(values.astype(kind.numpy), kind, device, requires_grad)


def cosines(weights: Iterable[float]) -> Formula:
    """A sum of cosines of 0, 1, 2 ... turns over the window, with alternating signs."""
    def formula(n: np.ndarray, steps: int) -> np.ndarray:
        turns = 2 * math.pi * n / steps
        return sum(((-1) ** i * a * np.cos(i * turns) for i, a in enumerate(weights)), np.zeros(len(n)))
    return formula


def general_cosine(M: int, *, a: Iterable[float], sym: bool = True, dtype: Kind | None = None, layout: Any = strided,
                   device: Any = None, requires_grad: bool = False) -> Tensor:
    """sum over i of (-1)^i a[i] cos(2 pi i n / (M - 1))."""
    kind = check("general_cosine", M, dtype, layout)
    if M and not isinstance(a, Iterable):
        raise TypeError("Coefficients must be a list/tuple")
    if M and not a:
        raise ValueError("Coefficients cannot be empty")
    return made(cosines(a), M, sym, kind, device, requires_grad)


def general_hamming(M: int, *, alpha: float = 0.54, sym: bool = True, dtype: Kind | None = None, layout: Any = strided,
                    device: Any = None, requires_grad: bool = False) -> Tensor:
    """alpha - (1 - alpha) cos(2 pi n / (M - 1))."""
    return general_cosine(M, a=[alpha, 1 - alpha], sym=sym, dtype=dtype, layout=layout, device=device,
                          requires_grad=requires_grad)


def hamming(M: int, *, sym: bool = True, dtype: Kind | None = None, layout: Any = strided, device: Any = None,
            requires_grad: bool = False) -> Tensor:
    """0.54 - 0.46 cos(2 pi n / (M - 1)).

    >>> import flambeau as torch
    >>> torch.signal.windows.hamming(3)
    tensor([0.0800, 1.0000, 0.0800])
    """
    return general_hamming(M, sym=sym, dtype=dtype, layout=layout, device=device, requires_grad=requires_grad)


def hann(M: int, *, sym: bool = True, dtype: Kind | None = None, layout: Any = strided, device: Any = None,
         requires_grad: bool = False) -> Tensor:
    """(1 - cos(2 pi n / (M - 1))) / 2."""
    return general_hamming(M, alpha=0.5, sym=sym, dtype=dtype, layout=layout, device=device,
                           requires_grad=requires_grad)


def blackman(M: int, *, sym: bool = True, dtype: Kind | None = None, layout: Any = strided, device: Any = None,
             requires_grad: bool = False) -> Tensor:
    """0.42 - 0.5 cos(2 pi n / (M - 1)) + 0.08 cos(4 pi n / (M - 1))."""
    kind = check("blackman", M, dtype, layout)
    return made(cosines([0.42, 0.5, 0.08]), M, sym, kind, device, requires_grad)


def nuttall(M: int, *, sym: bool = True, dtype: Kind | None = None, layout: Any = strided, device: Any = None,
            requires_grad: bool = False) -> Tensor:
    """Four cosines with the least side lobes (Heinzel, Ruediger and Schilling, 2002)."""
    return general_cosine(M, a=[0.3635819, 0.4891775, 0.1365995, 0.0106411], sym=sym, dtype=dtype, layout=layout,
                          device=device, requires_grad=requires_grad)


def bartlett(M: int, *, sym: bool = True, dtype: Kind | None = None, layout: Any = strided, device: Any = None,
             requires_grad: bool = False) -> Tensor:
    """A triangle: 1 - |2 n / (M - 1) - 1|."""
    kind = check("bartlett", M, dtype, layout)
    return made(lambda n, steps: 1 - np.abs(2 * n / steps - 1), M, sym, kind, device, requires_grad)


def cosine(M: int, *, sym: bool = True, dtype: Kind | None = None, layout: Any = strided, device: Any = None,
           requires_grad: bool = False) -> Tensor:
    """Half a wave of the sine: sin(pi (n + 1/2) / M)."""
    kind = check("cosine", M, dtype, layout)
    return made(lambda n, steps: np.sin(math.pi * (n + 0.5) / (steps + 1)), M, sym, kind, device, requires_grad)


def exponential(M: int, *, center: float | None = None, tau: float = 1.0, sym: bool = True, dtype: Kind | None = None,
                layout: Any = strided, device: Any = None, requires_grad: bool = False) -> Tensor:
    """exp(-|n - center| / tau); the center of a symmetric window is its middle."""
    kind = check("exponential", M, dtype, layout)
    if tau <= 0:
        raise ValueError(f"Tau must be positive, got: {tau} instead.")
    if sym and center is not None:
        raise ValueError("Center must be None for symmetric windows")
    return made(lambda n, steps: np.exp(-np.abs(n - (steps / 2 if center is None else center)) / tau), M, sym, kind,
                device, requires_grad)


def gaussian(M: int, *, std: float = 1.0, sym: bool = True, dtype: Kind | None = None, layout: Any = strided,
             device: Any = None, requires_grad: bool = False) -> Tensor:
    """exp(-((n - (M - 1) / 2) / std)^2 / 2)."""
    kind = check("gaussian", M, dtype, layout)
    if std <= 0:
        raise ValueError(f"Standard deviation must be positive, got: {std} instead.")
    return made(lambda n, steps: np.exp(-((n - steps / 2) / std) ** 2 / 2), M, sym, kind, device, requires_grad)


def kaiser(M: int, *, beta: float = 12.0, sym: bool = True, dtype: Kind | None = None, layout: Any = strided,
           device: Any = None, requires_grad: bool = False) -> Tensor:
    """I0(beta sqrt(1 - (2 n / (M - 1) - 1)^2)) / I0(beta), where I0 is the modified Bessel function."""
    kind = check("kaiser", M, dtype, layout)
    if beta < 0:
        raise ValueError(f"beta must be non-negative, got: {beta} instead.")
    return made(bell(beta), M, sym, kind, device, requires_grad)


def bell(beta: float) -> Formula:
    """The formula of `kaiser`, as a ratio of scaled functions so that a large beta does not overflow."""
    def formula(n: np.ndarray, steps: int) -> np.ndarray:
        from scipy import special  # here, as it is slow to import
        inside = abs(beta) * np.sqrt(np.maximum(0, 1 - (2 * n / steps - 1) ** 2))
        return special.i0e(inside) / special.i0e(beta) * np.exp(inside - abs(beta))
    return formula
