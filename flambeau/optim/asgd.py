"""Averaged stochastic gradient descent."""
from __future__ import annotations

from typing import Any

import numpy as np

from .optimizer import Optimizer, check, check_rate


class ASGD(Optimizer):
    """p <- (1 - lambd * eta) * p - eta * g, with eta = lr / (1 + lambd * lr * t)^alpha; the state `ax` is the mean of p
    from step t0 on.

    Polyak and Juditsky, SIAM Journal on Control and Optimization 30, 1992.
    """
    state_names = ("ax",)
    derives = ("rate", "weight")

    def __init__(self, params: Any, lr: Any = 1e-2, lambd: float = 1e-4, alpha: float = 0.75, t0: float = 1e6,
                 weight_decay: float = 0, foreach: bool | None = None, maximize: bool = False,
                 differentiable: bool = False, capturable: bool = False) -> None:
        check_rate(lr)
        check(not 0.0 <= weight_decay, f"Invalid weight_decay value: {weight_decay}")
        super().__init__(params, dict(lr=lr, lambd=lambd, alpha=alpha, t0=t0, weight_decay=weight_decay,
                                      foreach=foreach, maximize=maximize, differentiable=differentiable,
                                      capturable=capturable))

    def scalar_state(self, group: dict[str, Any]) -> dict[str, float]:
        return {"eta": float(np.float32(float(group["lr"]))), "mu": 1.0}

    def derived(self, group: dict[str, Any], count: int, scalars: dict[str, float]) -> dict[str, Any]:
        """This step's length and weight in the mean; those of the next step go into the state, where they are float32
        tensors.
        """
        lr, eta, mu = float(group["lr"]), scalars["eta"], scalars["mu"]
        scalars["eta"] = float(np.float32(lr / (1 + group["lambd"] * lr * count) ** group["alpha"]))
        scalars["mu"] = float(np.float32(1 / max(1, count - group["t0"])))
        return {"rate": eta, "weight": None if mu == 1 else mu}

    def update(self, p: Any, g: Any, s: dict[str, Any], lambd: Any, weight_decay: Any, rate: Any, weight: Any) -> Any:
        if weight_decay:
            g = g + weight_decay * p
        p = p * (1 - lambd * rate) - rate * g
        s["ax"] = p * 1 if weight is None else s["ax"] + weight * (p - s["ax"])
        return p
