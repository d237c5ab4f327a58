"""Weight normalisation by a hook before each call; see also parametrizations.weight_norm."""

from __future__ import annotations

import warnings
from typing import Any

from ...namespaces import SPACES
from ...tensor import Tensor
from ..module import Module
from ..parameter import Parameter, UninitializedParameter


def norm_except_dim(v: Any, pow: int = 2, dim: int = 0) -> Tensor:
    """The norm of `v` over all dimensions but `dim`, which keep size 1; over all, 0-d, if `dim` is -1."""
    vector_norm: Any = SPACES["linalg"]["vector_norm"]
    if dim == -1:
        return vector_norm(v, pow)
    others = tuple(i for i in range(v.ndim) if i != dim % v.ndim)
    return vector_norm(v, pow, others, True) if others else v.abs()


def _weight_norm(v: Any, g: Any, dim: int = 0) -> Tensor:
    """v * g / norm of v: Salimans and Kingma, arXiv 1602.07868."""
    return v * (g / norm_except_dim(v, 2, dim))


SPACES["torch"].update(norm_except_dim=norm_except_dim, _weight_norm=_weight_norm)


class WeightNorm:
    """The hook: sets `name` to name_v * name_g / norm of name_v."""

    def __init__(self, name: str, dim: int | None) -> None:
        self.name, self.dim = name, -1 if dim is None else dim

    def compute_weight(self, module: Module) -> Tensor:
        """The weight as its direction and length give it now."""
        return _weight_norm(getattr(module, self.name + "_v"), getattr(module, self.name + "_g"), self.dim)

    @staticmethod
    def apply(module: Module, name: str, dim: int | None) -> WeightNorm:
        """Puts the hook on a module."""
        warnings.warn(
            "`torch.nn.utils.weight_norm` is deprecated in favor of `torch.nn.utils.parametrizations.weight_norm`.",
            FutureWarning,
            stacklevel=3,
        )
        for hook in module._forward_pre_hooks.values():
            if isinstance(hook, WeightNorm) and hook.name == name:
                raise RuntimeError(f"Cannot register two weight_norm hooks on the same parameter {name}")
        function = WeightNorm(name, dim)
        weight = getattr(module, name)
        if isinstance(weight, UninitializedParameter):
            raise ValueError(
                "The module passed to `WeightNorm` can't have uninitialized parameters. "
                "Make sure to run the dummy forward before applying weight normalization"
            )
        del module._parameters[name]
        module.register_parameter(name + "_g", Parameter(norm_except_dim(weight, 2, function.dim).data))  # type: ignore[attr-defined]
        module.register_parameter(name + "_v", Parameter(weight.data))
        setattr(module, name, function.compute_weight(module))
        module.register_forward_pre_hook(function)
        return function

    def remove(self, module: Module) -> None:
        """Makes the weight a parameter again."""
        weight: Any = self.compute_weight(module)
        delattr(module, self.name)
        del module._parameters[self.name + "_g"], module._parameters[self.name + "_v"]
        setattr(module, self.name, Parameter(weight.data))

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module))


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Has `name` computed from a length name_g and a direction name_v, separately for each index of `dim`."""
    WeightNorm.apply(module, name, dim)
    return module


def remove_weight_norm(module: Module, name: str = "weight") -> Module:
    """Makes `name` a parameter again."""
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, WeightNorm) and hook.name == name:
            hook.remove(module)
            del module._forward_pre_hooks[key]
            return module
    raise ValueError(f"weight_norm of '{name}' not found in {module}")
