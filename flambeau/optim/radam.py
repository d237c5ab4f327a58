"""RAdam: Adam that knows when its running variance can be trusted."""
from __future__ import annotations

from typing import Any

from .optimizer import Optimizer, check, check_betas, check_rate


class RAdam(Optimizer):
    """Adam's step times the rectification r of its variance once that is reliable; before, a step along the mean m of
    the gradients.

    With R = 2 / (1 - betas[1]) - 1 and rho = R - 2 t betas[1]^t / (1 - betas[1]^t):
    r = sqrt((rho - 4)(rho - 2) R / ((R - 4)(R - 2) rho)) if rho > 5. Liu et al., arXiv 1908.03265.
    """
    state_names = ("exp_avg", "exp_avg_sq")
    derives = ("rate", "adaptive")

    def __init__(self, params: Any, lr: Any = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 0, decoupled_weight_decay: bool = False, *, foreach: bool | None = None,
                 maximize: bool = False, capturable: bool = False, differentiable: bool = False) -> None:
        check_rate(lr)
        check(not 0.0 <= eps, f"Invalid epsilon value: {eps}")
        check_betas(betas)
        check(not 0.0 <= weight_decay, f"Invalid weight_decay value: {weight_decay}")
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, maximize=maximize,
                                      foreach=foreach, capturable=capturable,
                                      decoupled_weight_decay=decoupled_weight_decay, differentiable=differentiable))

    def derived(self, group: dict[str, Any], count: int, scalars: dict[str, float]) -> dict[str, Any]:
        """The step length, and whether the step is adaptive yet."""
        first, power = group["betas"][0] ** count, group["betas"][1] ** count
        rate = float(group["lr"]) / (1 - first)
        limit = 2 / (1 - group["betas"][1]) - 1
        length = limit - 2 * count * power / (1 - power)
        if length <= 5:
            return {"rate": rate, "adaptive": False}
        rectified = (length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length)
        return {"rate": rate * (rectified * (1 - power)) ** 0.5, "adaptive": True}

    def update(self, p: Any, g: Any, s: dict[str, Any], lr: Any, betas: tuple, eps: Any, weight_decay: Any,
               decoupled_weight_decay: bool, rate: Any, adaptive: bool) -> Any:
        if weight_decay and decoupled_weight_decay:
            p = p * (1 - lr * weight_decay)
        elif weight_decay:
            g = g + weight_decay * p
        s["exp_avg"] = m = s["exp_avg"] + (1 - betas[0]) * (g - s["exp_avg"])
        s["exp_avg_sq"] = v = betas[1] * s["exp_avg_sq"] + (1 - betas[1]) * (g * g)
        return p - rate * (m / (v.sqrt() + eps) if adaptive else m)
