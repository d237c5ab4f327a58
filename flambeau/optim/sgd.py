"""Stochastic gradient descent, with momentum."""
from __future__ import annotations

from typing import Any

from .optimizer import Optimizer, check


class SGD(Optimizer):
    """p <- p - lr * g; with momentum, p <- p - lr * b where b <- momentum * b + (1 - dampening) * g, b being g at the first step.

    Nesterov's form moves along g + momentum * b: Sutskever et al., 2013.

    >>> import flambeau as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> optimizer = torch.optim.SGD([w], lr=0.5)
    >>> w.sum().backward(); optimizer.step(); w.item()
    0.5
    """
    counts = False

    def __init__(self, params: Any, lr: Any = 1e-3, momentum: float = 0, dampening: float = 0, weight_decay: Any = 0, nesterov: bool = False, *,
                 maximize: bool = False, foreach: bool | None = None, differentiable: bool = False, fused: bool | None = None) -> None:
        check(lr < 0.0, f"Invalid learning rate: {lr}")
        check(momentum < 0.0, f"Invalid momentum value: {momentum}")
        check(weight_decay < 0.0, f"Invalid weight_decay value: {weight_decay}")
        check(nesterov and (momentum <= 0 or dampening != 0), "Nesterov momentum requires a momentum and zero dampening")
        super().__init__(params, dict(lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay, nesterov=nesterov,
                                      maximize=maximize, foreach=foreach, differentiable=differentiable, fused=fused))

    def needed(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("momentum_buffer",) if group["momentum"] else ()

    def update(self, p: Any, g: Any, s: dict[str, Any], lr: Any, momentum: Any, dampening: Any, weight_decay: Any, nesterov: bool,
               first: bool) -> Any:
        if weight_decay:
            g = g + weight_decay * p
        if momentum:
            s["momentum_buffer"] = b = g if first else momentum * s["momentum_buffer"] + (1 - dampening) * g
            g = g + momentum * b if nesterov else b
        return p - lr * g

    def _setting(self, name: str, group: dict[str, Any], bucket: Any) -> Any:
        if name == "first":
            return bucket.count == 1
        return super()._setting(name, group, bucket)

    def _settings(self, group: dict[str, Any], bucket: Any) -> list:
        return [*super()._settings(group, bucket), bucket.count == 1]

    def _fill(self, place: int, group: dict[str, Any], params: list) -> list:
        """Parameters whose momentum has begun are apart from those whose has not."""
        begun = [p for p in params if self._state[p].get("momentum_buffer") is not None]
        fresh = [p for p in params if self._state[p].get("momentum_buffer") is None]
        made = super()._fill(place, group, begun) if begun else []
        for bucket in made:
            bucket.count = 1
        return made + (super()._fill(place, group, fresh) if fresh else [])
