"""NAdam: Adam with Nesterov's momentum."""
from __future__ import annotations

from typing import Any

import numpy as np

from .optimizer import Optimizer, check, check_betas, check_rate


class NAdam(Optimizer):
    """p <- p - lr * (a * g + b * m) / (sqrt(v) + eps), where m and v are running means of g and g * g, v unbiased.

    a = (1 - mu) / (1 - product of all mu), b = mu' / (1 - product including mu'); the momentum mu = betas[0] * (1 -
    0.96^(momentum_decay * t) / 2) grows, and mu' is that of the next step. Dozat, Incorporating Nesterov Momentum into
    Adam, 2016.
    """
    state_names = ("exp_avg", "exp_avg_sq")
    derives = ("now", "ahead", "spread")

    def __init__(self, params: Any, lr: Any = 2e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 0, momentum_decay: float = 4e-3, decoupled_weight_decay: bool = False, *,
                 foreach: bool | None = None, maximize: bool = False, capturable: bool = False,
                 differentiable: bool = False) -> None:
        check_rate(lr)
        check(not 0.0 <= eps, f"Invalid epsilon value: {eps}")
        check_betas(betas)
        check(not 0.0 <= weight_decay, f"Invalid weight_decay value: {weight_decay}")
        check(not 0.0 <= momentum_decay, f"Invalid momentum_decay value: {momentum_decay}")
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay,
                                      momentum_decay=momentum_decay, decoupled_weight_decay=decoupled_weight_decay,
                                      maximize=maximize, foreach=foreach, capturable=capturable,
                                      differentiable=differentiable))

    def scalar_state(self, group: dict[str, Any]) -> dict[str, float]:
        return {"mu_product": 1.0}

    def derived(self, group: dict[str, Any], count: int, scalars: dict[str, float]) -> dict[str, Any]:
        """How much the gradient and its mean weigh, and the length of sqrt(v) without the bias of the mean."""
        lr, decay = float(group["lr"]), group["momentum_decay"]
        mu, following = (group["betas"][0] * (1 - 0.5 * 0.96 ** (t * decay)) for t in (count, count + 1))
        product = scalars["mu_product"] = float(np.float32(scalars["mu_product"])
                                                * np.float32(mu))       # the state is a float32 tensor
        spread = (1 - group["betas"][1] ** count) ** 0.5
        return {"now": lr * (1 - mu) / (1 - product), "ahead": lr * following / (1 - product * following),
                "spread": spread}

    def update(self, p: Any, g: Any, s: dict[str, Any], lr: Any, betas: tuple, eps: Any, weight_decay: Any,
               decoupled_weight_decay: bool, now: Any, ahead: Any, spread: Any) -> Any:
        if weight_decay and decoupled_weight_decay:
            p = p * (1 - lr * weight_decay)
        elif weight_decay:
            g = g + weight_decay * p
        s["exp_avg"] = m = s["exp_avg"] + (1 - betas[0]) * (g - s["exp_avg"])
        s["exp_avg_sq"] = v = betas[1] * s["exp_avg_sq"] + (1 - betas[1]) * (g * g)
        return p - (now * g + ahead * m) / (v.sqrt() / spread + eps)
