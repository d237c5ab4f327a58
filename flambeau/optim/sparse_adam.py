"""SparseAdam, for gradients of which only some rows are there."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .optimizer import Optimizer, check, check_betas, check_rate


class SparseAdam(Optimizer):
    """Adam that moves only the rows that a sparse gradient names. Gradients are dense here, and those it refuses."""

    def __init__(self, params: Any, lr: Any = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
                 maximize: bool = False) -> None:
        check_rate(lr)
        check(not 0.0 < lr, f"Invalid learning rate: {lr}")
        check(not 0.0 < eps, f"Invalid epsilon value: {eps}")
        check_betas(betas)
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, maximize=maximize))
        complexes = [i for i, p in enumerate(p for group in self.param_groups for p in group["params"])
                     if p.is_complex()]
        check(bool(complexes), f"Complex params at indices {complexes}: SparseAdam does not support complex parameters")

    def step(self, closure: Callable | None = None) -> Any:
        """Calls `closure`, if given. Raises RuntimeError for a dense gradient."""
        loss = self._loss(closure)
        if any(p._grad is not None for group in self.param_groups for p in group["params"]):
            raise RuntimeError("SparseAdam does not support dense gradients, please consider Adam instead")
        return loss
