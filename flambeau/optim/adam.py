"""Adam and AdamW."""
from __future__ import annotations

from typing import Any

from ..tensor import Tensor
from .optimizer import Optimizer, check, check_betas, check_fused, check_rate


class Adam(Optimizer):
    """p <- p - lr * m / (sqrt(v) + eps), where m and v are running means of g and g * g, unbiased.

    Kingma and Ba, arXiv 1412.6980. AMSGrad: Reddi et al., ICLR 2018.

    >>> import flambeau as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> optimizer = torch.optim.Adam([w], lr=0.5)
    >>> w.sum().backward(); optimizer.step(); w
    Parameter containing:
    tensor([0.5000], requires_grad=True)
    """
    derives = ("rate", "spread")

    def __init__(self, params: Any, lr: Any = 1e-3, betas: tuple[Any, Any] = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 0, amsgrad: bool = False, *, foreach: bool | None = None,
                 maximize: bool = False, capturable: bool = False, differentiable: bool = False,
                 fused: bool | None = None, decoupled_weight_decay: bool = False) -> None:
        check(isinstance(lr, Tensor) and bool(foreach) and not capturable,
              "lr as a Tensor is not supported for capturable=False and foreach=True")
        check_rate(lr)
        check(not 0.0 <= eps, f"Invalid epsilon value: {eps}")
        check_betas(betas)
        check(not 0.0 <= weight_decay, f"Invalid weight_decay value: {weight_decay}")
        check(isinstance(betas[0], Tensor) != isinstance(betas[1], Tensor),
              "betas must be either both floats or both Tensors")
        for i, beta in enumerate(betas):
            check(isinstance(beta, Tensor) and bool(foreach) and not capturable,
                  f"betas[{i}] as a Tensor is not supported for capturable=False and foreach=True")
            check(isinstance(beta, Tensor) and beta.numel() != 1, f"Tensor betas[{i}] must be 1-element")
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad,
                                      maximize=maximize, foreach=foreach, capturable=capturable,
                                      differentiable=differentiable, fused=fused,
                                      decoupled_weight_decay=decoupled_weight_decay))
        check_fused(fused, foreach, differentiable)

    def needed(self, group: dict[str, Any], p: Any) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq", "max_exp_avg_sq") if group["amsgrad"] else ("exp_avg", "exp_avg_sq")

    def derived(self, group: dict[str, Any], count: int, scalars: dict[str, float]) -> dict[str, Any]:
        """The step length and the length of sqrt(v), both without the bias of their means."""
        spread = (1 - float(group["betas"][1]) ** count) ** 0.5
        return {"rate": float(group["lr"]) * spread / (1 - float(group["betas"][0]) ** count), "spread": spread}

    def update(self, p: Any, g: Any, s: dict[str, Any], lr: Any, betas: tuple, eps: Any, weight_decay: Any,
               amsgrad: bool, decoupled_weight_decay: bool, rate: Any, spread: Any) -> Any:
        if weight_decay and decoupled_weight_decay:
            p = p * (1 - lr * weight_decay)
        elif weight_decay:
            g = g + weight_decay * p
        s["exp_avg"] = m = s["exp_avg"] + (1 - betas[0]) * (g - s["exp_avg"])
        s["exp_avg_sq"] = v = betas[1] * s["exp_avg_sq"] + (1 - betas[1]) * (g * g)
        if amsgrad:
            s["max_exp_avg_sq"] = v = v.maximum(s["max_exp_avg_sq"])
        return p - rate * (m / (v.sqrt() + eps * spread))


class AdamW(Adam):
    """Adam whose weight decay shrinks the parameter instead of adding to the gradient.

    Loshchilov and Hutter, arXiv 1711.05101.
    """

    def __init__(self, params: Any, lr: Any = 1e-3, betas: tuple[Any, Any] = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 1e-2, amsgrad: bool = False, *, maximize: bool = False,
                 foreach: bool | None = None, capturable: bool = False, differentiable: bool = False,
                 fused: bool | None = None) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, foreach=foreach, maximize=maximize,
                         capturable=capturable, differentiable=differentiable, fused=fused, decoupled_weight_decay=True)
