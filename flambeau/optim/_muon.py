"""Muon: momentum, made orthogonal, for matrices."""
from __future__ import annotations

import math
from typing import Any

from ..dtypes import bfloat16
from ..ops._op import cast
from .optimizer import Optimizer, check, check_rate


class Muon(Optimizer):
    """p <- (1 - lr * weight_decay) * p - a * orthogonal(b), where b is the running mean of g, or with `nesterov` one
    step ahead of it.

    The nearest orthogonal matrix comes from Newton-Schulz steps in bfloat16; a is lr times sqrt(max(1, rows / columns))
    or, with "match_rms_adamw", 0.2 sqrt(max(rows, columns)). Jordan et al., Muon, 2024; Liu et al., arXiv 2502.16982.
    """
    state_names = ("momentum_buffer",)
    counts = False
    elementwise = False
    derives = ()

    def __init__(self, params: Any, lr: float = 1e-3, weight_decay: float = 0.1, momentum: float = 0.95,
                 nesterov: bool = True, ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
                 eps: float = 1e-7, ns_steps: int = 5, adjust_lr_fn: str | None = None) -> None:
        check_rate(lr, "Learning rate should be >= 0 but is: ")
        check(not 0.0 <= momentum, f"momentum should be >= 0 but is: {momentum}")
        check(not 0.0 <= weight_decay, f"weight decay should be >= 0 but is: {weight_decay}")
        check(adjust_lr_fn not in (None, "original", "match_rms_adamw"),
              f"Adjust learning rate function {adjust_lr_fn} is not supported")
        super().__init__(params, dict(lr=lr, weight_decay=weight_decay, momentum=momentum, nesterov=nesterov,
                                      ns_coefficients=ns_coefficients, eps=eps, ns_steps=ns_steps,
                                      adjust_lr_fn=adjust_lr_fn))
        for group in self.param_groups:
            for p in group["params"]:
                check(p.ndim != 2, f"Muon only supports 2D parameters whereas we found a parameter with size: "
                                   f"{p.size()}")

    def update(self, p: Any, g: Any, s: dict[str, Any], lr: Any, weight_decay: Any, momentum: Any, nesterov: bool,
               ns_coefficients: tuple, eps: Any, ns_steps: int, adjust_lr_fn: str | None) -> Any:
        if p.dtype.is_complex:
            raise RuntimeError("Muon does not support complex parameters")
        s["momentum_buffer"] = b = s["momentum_buffer"] + (1 - momentum) * (g - s["momentum_buffer"])
        rows, columns = p.shape
        x = orthogonal(g + momentum * (b - g) if nesterov else b, ns_coefficients, ns_steps, eps)
        if adjust_lr_fn == "match_rms_adamw":
            ratio = 0.2 * math.sqrt(max(rows, columns))
        else:
            ratio = math.sqrt(max(1, rows / columns))
        return p * (1 - lr * weight_decay) - (lr * ratio) * cast(x, p.dtype)


def orthogonal(x: Any, coefficients: tuple, steps: int, eps: Any) -> Any:
    """A matrix with the singular vectors of `x` and singular values near 1: `steps` times x <- (a + (b + c x x^T) x
    x^T) x, in bfloat16.
    """
    check(steps >= 100, "Number of steps must be less than 100 for computational efficiency")
    check(len(coefficients) != 3, "Coefficients must be a tuple of exactly 3 values")
    a, b, c = coefficients
    tall = x.shape[0] > x.shape[1]
    x = cast(x, bfloat16)
    x = x.t() if tall else x
    x = x / x.norm().clamp(min=eps)
    for _ in range(steps):
        square = x @ x.t()
        x = x.addmm(square.addmm(square, square, beta=b, alpha=c), x, beta=a)
    return x.t() if tall else x
