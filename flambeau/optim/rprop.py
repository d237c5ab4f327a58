"""Rprop: resilient backpropagation, which looks at the signs of gradients only."""
from __future__ import annotations

from typing import Any

from ..ops.comparison import where
from .optimizer import Optimizer, check, check_rate


class Rprop(Optimizer):
    """p <- p - d * sign(g), where the step length d of each element grows while the sign of g stays and shrinks when it
    changes.

    After a change of sign the element rests for a step. Riedmiller and Braun, ICNN 1993.
    """
    state_names = ("prev", "step_size")
    derives = ()

    def __init__(self, params: Any, lr: Any = 1e-2, etas: tuple[float, float] = (0.5, 1.2),
                 step_sizes: tuple[float, float] = (1e-6, 50), *, capturable: bool = False,
                 foreach: bool | None = None, maximize: bool = False, differentiable: bool = False) -> None:
        check_rate(lr)
        check(not 0.0 < etas[0] < 1.0 < etas[1], f"Invalid eta values: {etas[0]}, {etas[1]}")
        super().__init__(params, dict(lr=lr, etas=etas, step_sizes=step_sizes, foreach=foreach, maximize=maximize,
                                      differentiable=differentiable, capturable=capturable))

    def initial(self, name: str, p: Any, group: dict[str, Any]) -> Any:
        return float(group["lr"]) if name == "step_size" else 0

    def update(self, p: Any, g: Any, s: dict[str, Any], etas: tuple, step_sizes: tuple) -> Any:
        agreement = g * s["prev"]
        turned, d = agreement < 0, s["step_size"]
        d = where(turned, d * etas[0], where(agreement > 0, d * etas[1], d))
        s["step_size"] = d = d.clamp(step_sizes[0], step_sizes[1])
        s["prev"] = g = g.masked_fill(turned, 0)
        return p - g.sign() * d
