"""Adamax."""
from __future__ import annotations

from typing import Any

from .optimizer import Optimizer, check, check_betas, check_rate


class Adamax(Optimizer):
    """p <- p - lr * m / u, where m is the unbiased running mean of g, and u the larger of betas[1] * u and |g|.

    Kingma and Ba, arXiv 1412.6980, section 7.1.
    """
    state_names = ("exp_avg", "exp_inf")
    derives = ("rate",)

    def __init__(self, params: Any, lr: Any = 2e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 0, foreach: bool | None = None, *, maximize: bool = False,
                 differentiable: bool = False, capturable: bool = False) -> None:
        check_rate(lr)
        check(not 0.0 <= eps, f"Invalid epsilon value: {eps}")
        check_betas(betas)
        check(not 0.0 <= weight_decay, f"Invalid weight_decay value: {weight_decay}")
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, foreach=foreach,
                                      maximize=maximize, differentiable=differentiable, capturable=capturable))

    def derived(self, group: dict[str, Any], count: int, scalars: dict[str, float]) -> dict[str, Any]:
        return {"rate": float(group["lr"]) / (1 - group["betas"][0] ** count)}

    def update(self, p: Any, g: Any, s: dict[str, Any], betas: tuple, eps: Any, weight_decay: Any, rate: Any) -> Any:
        if weight_decay:
            g = g + weight_decay * p
        s["exp_avg"] = m = s["exp_avg"] + (1 - betas[0]) * (g - s["exp_avg"])
        s["exp_inf"] = u = (betas[1] * s["exp_inf"]).maximum(g.abs() + eps)
        return p - rate * (m / u)
