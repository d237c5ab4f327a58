"""Adagrad."""
from __future__ import annotations

from typing import Any

import numpy as np

from ..tensor import from_array
from .optimizer import Optimizer, check, check_fused, check_rate


class Adagrad(Optimizer):
    """p <- p - lr / (1 + (t - 1) * lr_decay) * g / (sqrt(sum of g * g) + eps).

    Duchi, Hazan and Singer, Journal of Machine Learning Research 12, 2011.
    """
    state_names = ("sum",)
    derives = ("rate",)

    def __init__(self, params: Any, lr: Any = 1e-2, lr_decay: float = 0, weight_decay: float = 0,
                 initial_accumulator_value: float = 0, eps: float = 1e-10, foreach: bool | None = None, *,
                 maximize: bool = False, differentiable: bool = False, fused: bool | None = None) -> None:
        check_rate(lr)
        check(not 0.0 <= lr_decay, f"Invalid lr_decay value: {lr_decay}")
        check(not 0.0 <= weight_decay, f"Invalid weight_decay value: {weight_decay}")
        check(not 0.0 <= initial_accumulator_value, f"Invalid initial_accumulator_value value: "
                                                    f"{initial_accumulator_value}")
        check(not 0.0 <= eps, f"Invalid epsilon value: {eps}")
        super().__init__(params, dict(lr=lr, lr_decay=lr_decay, eps=eps, weight_decay=weight_decay,
                                      initial_accumulator_value=initial_accumulator_value, foreach=foreach,
                                      maximize=maximize, differentiable=differentiable, fused=fused))
        check_fused(fused, foreach, differentiable)
        for group in self.param_groups:
            for p in group["params"]:
                first = np.full(p.shape, initial_accumulator_value * (1 + 1j) if p.is_complex()
                                else initial_accumulator_value, p.dtype.numpy)
                self._state[p].update(step=from_array(np.array(0.0, np.float32)), sum=from_array(first).to(p.device))

    def initial(self, name: str, p: Any, group: dict[str, Any]) -> Any:
        return group["initial_accumulator_value"]

    def derived(self, group: dict[str, Any], count: int, scalars: dict[str, float]) -> dict[str, Any]:
        return {"rate": float(group["lr"]) / (1 + (count - 1) * group["lr_decay"])}

    def update(self, p: Any, g: Any, s: dict[str, Any], eps: Any, weight_decay: Any, rate: Any) -> Any:
        if weight_decay:
            g = g + weight_decay * p
        s["sum"] = v = s["sum"] + g * g
        return p - rate * (g / (v.sqrt() + eps))

    def share_memory(self) -> None:
        """Nothing to do: every process that has the arrays may look at them."""
