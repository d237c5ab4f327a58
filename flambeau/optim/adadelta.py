"""Adadelta."""
from __future__ import annotations

from typing import Any

from .optimizer import Optimizer, check, check_rate


class Adadelta(Optimizer):
    """p <- p - lr * d, d = g * sqrt(u + eps) / sqrt(v + eps), where v and u are running means of g * g and d * d.

    Zeiler, arXiv 1212.5701.
    """
    state_names = ("square_avg", "acc_delta")

    def __init__(self, params: Any, lr: Any = 1.0, rho: float = 0.9, eps: float = 1e-6, weight_decay: float = 0,
                 foreach: bool | None = None, *, capturable: bool = False, maximize: bool = False,
                 differentiable: bool = False) -> None:
        check_rate(lr)
        check(not 0.0 <= rho <= 1.0, f"Invalid rho value: {rho}")
        check(not 0.0 <= eps, f"Invalid epsilon value: {eps}")
        check(not 0.0 <= weight_decay, f"Invalid weight_decay value: {weight_decay}")
        super().__init__(params, dict(lr=lr, rho=rho, eps=eps, weight_decay=weight_decay, maximize=maximize,
                                      capturable=capturable, foreach=foreach, differentiable=differentiable))

    def update(self, p: Any, g: Any, s: dict[str, Any], lr: Any, rho: Any, eps: Any, weight_decay: Any) -> Any:
        if weight_decay:
            g = g + weight_decay * p
        s["square_avg"] = v = rho * s["square_avg"] + (1 - rho) * (g * g)
        d = (s["acc_delta"] + eps).sqrt() / (v + eps).sqrt() * g
        s["acc_delta"] = rho * s["acc_delta"] + (1 - rho) * (d * d)
        return p - lr * d
