"""RMSprop."""
from __future__ import annotations

from typing import Any

from .optimizer import Optimizer, check, check_rate


class RMSprop(Optimizer):
    """p <- p - lr * g / (sqrt(v) + eps), where v is a running mean of g * g, `centered` minus the square of the mean of
    g.

    With momentum, b <- momentum * b + g / (sqrt(v) + eps) and p <- p - lr * b. Tieleman and Hinton, Coursera lecture
    6.5, 2012; centred: Graves, arXiv 1308.0850.
    """

    def __init__(self, params: Any, lr: Any = 1e-2, alpha: float = 0.99, eps: float = 1e-8, weight_decay: float = 0,
                 momentum: float = 0, centered: bool = False, capturable: bool = False, foreach: bool | None = None,
                 maximize: bool = False, differentiable: bool = False) -> None:
        check_rate(lr)
        check(not 0.0 <= eps, f"Invalid epsilon value: {eps}")
        check(not 0.0 <= momentum, f"Invalid momentum value: {momentum}")
        check(not 0.0 <= weight_decay, f"Invalid weight_decay value: {weight_decay}")
        check(not 0.0 <= alpha, f"Invalid alpha value: {alpha}")
        super().__init__(params, dict(lr=lr, momentum=momentum, alpha=alpha, eps=eps, centered=centered,
                                      weight_decay=weight_decay, capturable=capturable, foreach=foreach,
                                      maximize=maximize, differentiable=differentiable))

    def needed(self, group: dict[str, Any], p: Any) -> tuple[str, ...]:
        return ("square_avg", *(["momentum_buffer"] if group["momentum"] > 0 else []),
                *(["grad_avg"] if group["centered"] else []))

    def update(self, p: Any, g: Any, s: dict[str, Any], lr: Any, momentum: Any, alpha: Any, eps: Any, centered: bool,
               weight_decay: Any) -> Any:
        if weight_decay:
            g = g + weight_decay * p
        s["square_avg"] = v = alpha * s["square_avg"] + (1 - alpha) * (g * g)
        if centered:
            s["grad_avg"] = m = s["grad_avg"] + (1 - alpha) * (g - s["grad_avg"])
            v = v - m * m
        g = g / (v.sqrt() + eps)
        if momentum:
            s["momentum_buffer"] = g = momentum * s["momentum_buffer"] + g
        return p - lr * g
