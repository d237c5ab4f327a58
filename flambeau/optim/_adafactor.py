"""Adafactor, whose state for a matrix is a row and a column."""
from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..info import finfo
from .optimizer import Optimizer, check, check_rate


class Adafactor(Optimizer):
    """p <- p - a * u / max(1, rms(u) / d), u = g / sqrt(v), a = max(eps[1], rms(p)) * min(lr, 1 / sqrt(t)).

    v estimates the mean of g * g; for a matrix it is the product of its means over rows and over columns.
    Shazeer and Stern, arXiv 1804.04235.
    """
    elementwise = False
    derives = ("length", "share")

    def __init__(self, params: Any, lr: Any = 1e-2, beta2_decay: float = -0.8,
                 eps: tuple[float | None, float] = (None, 1e-3), d: float = 1.0, weight_decay: float = 0.0, *,
                 foreach: bool | None = None, maximize: bool = False) -> None:
        check_rate(lr, "Learning rate should be >= 0 but is: ")
        check(not 0.0 >= beta2_decay, f"beta2_decay should be <= 0 but is: {beta2_decay}")
        check(eps[0] is not None and not 0.0 <= eps[0], f"epsilon1 should be >= 0 but is: {eps[0]}")
        check(not 0.0 <= eps[1], f"epsilon2 should be >= 0 but is: {eps[1]}")
        check(not 1.0 <= d, f"Clipping threshold d should be >= 1 but is: {d}")
        check(not 0.0 <= weight_decay, f"weight_decay should be >= 0 but is: {weight_decay}")
        super().__init__(params, dict(lr=lr, beta2_decay=beta2_decay, eps=eps, d=d, weight_decay=weight_decay,
                                      foreach=foreach, maximize=maximize))

    def needed(self, group: dict[str, Any], p: Any) -> tuple[str, ...]:
        return ("row_var", "col_var") if p.ndim > 1 else ("variance",)

    def initial(self, name: str, p: Any, group: dict[str, Any]) -> Any:
        shape = list(p.shape)
        if name == "row_var":
            shape[-1] = 1
        elif name == "col_var":
            shape[-2] = 1
        return np.zeros(shape)

    def derived(self, group: dict[str, Any], count: int, scalars: dict[str, float]) -> dict[str, Any]:
        return {"length": min(float(group["lr"]), count ** -0.5), "share": float(count ** group["beta2_decay"])}

    def update(self, p: Any, g: Any, s: dict[str, Any], lr: Any, eps: tuple, d: Any, weight_decay: Any, length: Any,
               share: Any) -> Any:
        if p.dtype.is_complex:
            raise RuntimeError("Adafactor does not support complex parameters")
        least = finfo(p.dtype).eps if eps[0] is None else eps[0]
        size = math.sqrt(p.spec.numel) if hasattr(p, "spec") else math.sqrt(p.numel())
        step = length * (p.norm() / size).clamp(min=eps[1])
        if weight_decay:
            p = p * (1 - lr * weight_decay)
        square = g * g
        if p.ndim > 1:
            s["row_var"] = rows = s["row_var"] + share * (square.mean(-1, keepdim=True) - s["row_var"])
            s["col_var"] = columns = s["col_var"] + share * (square.mean(-2, keepdim=True) - s["col_var"])
            v = (rows @ columns) / rows.mean(-2, keepdim=True).clamp(min=least)
        else:
            s["variance"] = v = s["variance"] + share * (square - s["variance"])
        u = g * v.clamp(min=least * least).rsqrt()
        return p - u * (step / (u.norm() / (size * d)).clamp(min=1.0))
