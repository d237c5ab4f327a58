"""Stochastic gradient descent, with momentum."""
from __future__ import annotations

from typing import Any

from .optimizer import Optimizer, check, check_fused, check_rate


class SGD(Optimizer):
    """p <- p - lr * g; with momentum, p <- p - lr * b where b <- momentum * b + (1 - dampening) * g, b being g at the
    first step.

    Nesterov's form moves along g + momentum * b: Sutskever et al., 2013.

    >>> import flambeau as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> optimizer = torch.optim.SGD([w], lr=0.5)
    >>> w.sum().backward(); optimizer.step(); w.item()
    0.5
    """
    counts = False
    derives = ("first",)

    def __init__(self, params: Any, lr: Any = 1e-3, momentum: float = 0, dampening: float = 0, weight_decay: Any = 0,
                 nesterov: bool = False, *, maximize: bool = False, foreach: bool | None = None,
                 differentiable: bool = False, fused: bool | None = None) -> None:
        check_rate(lr)
        check(momentum < 0.0, f"Invalid momentum value: {momentum}")
        check(weight_decay < 0.0, f"Invalid weight_decay value: {weight_decay}")
        check(nesterov and (momentum <= 0 or dampening != 0),
              "Nesterov momentum requires a momentum and zero dampening")
        super().__init__(params, dict(lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay,
                                      nesterov=nesterov, maximize=maximize, foreach=foreach,
                                      differentiable=differentiable, fused=fused))
        check_fused(fused, foreach, differentiable)

    def needed(self, group: dict[str, Any], p: Any) -> tuple[str, ...]:
        return ("momentum_buffer",) if group["momentum"] else ()

    def update(self, p: Any, g: Any, s: dict[str, Any], lr: Any, momentum: Any, dampening: Any, weight_decay: Any,
               nesterov: bool, first: bool) -> Any:
        if weight_decay:
            g = g + weight_decay * p
        if momentum:
            s["momentum_buffer"] = b = g * 1 if first else momentum * s["momentum_buffer"] + (1 - dampening) * g
            g = g + momentum * b if nesterov else b
        return p - lr * g

    def derived(self, group: dict[str, Any], count: int, scalars: dict[str, float]) -> dict[str, Any]:
        return {"first": count == 1 and group["momentum"] != 0}

    def _sort(self, held: dict[str, Any]) -> int:
        """Parameters whose momentum has begun are apart from those whose has not."""
        return int(held.get("momentum_buffer") is not None)
