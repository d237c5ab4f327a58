"""Tensors that a module owns: parameters, which are trained, and buffers, which are not."""
from __future__ import annotations

from typing import Any

from .. import binding
from ..tensor import Tensor, from_array, tensor_like
from ..views import owned


class Parameter(Tensor):
    """A tensor that a module trains: assigning it to an attribute of a module registers it.

    >>> import flambeau as torch
    >>> torch.nn.Parameter(torch.ones(2))
    Parameter containing:
    tensor([1., 1.], requires_grad=True)
    """

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True) -> Any:
        import numpy as np
        if data is None:
            data = from_array(np.zeros((0,), np.float32))
        if not isinstance(data, Tensor):
            raise TypeError(f"Creating a Parameter from an instance of type {type(data).__name__} requires that detach() returns an instance of "
                            "the same type, but return type Tensor was found instead.")
        p = object.__new__(cls)
        if data._node.spec.differentiable is False and requires_grad:
            raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
        plain = data._node if not data.requires_grad else data.detach()._node  # type: ignore[attr-defined]
        p._node = owned(p, plain) if requires_grad else plain
        return p

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        return "Parameter containing:\n" + self._shown("tensor(")

    def __deepcopy__(self, memo: dict) -> Any:
        if id(self) in memo:
            return memo[id(self)]
        import numpy as np
        new = memo[id(self)] = tensor_like(self, np.array(self._value()))
        return new


class Buffer(Tensor):
    """A tensor that belongs to a module's state and is not trained."""

    def __new__(cls, data: Tensor | None = None, *, persistent: bool = True) -> Any:
        import numpy as np
        if data is None:
            data = from_array(np.zeros((0,), np.float32))
        b = object.__new__(cls)
        b._node = data._node
        b.persistent = persistent  # type: ignore[attr-defined]
        return b


class UninitializedParameter(Parameter):
    """A parameter whose shape is decided by the first input of a lazy module."""

    def __new__(cls, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> Any:
        import numpy as np
        p = Parameter.__new__(cls, from_array(np.zeros((0,), np.float32)), requires_grad)
        return p

    def materialize(self, shape: tuple, device: Any = None, dtype: Any = None) -> None:
        """Gives the parameter its shape; its class becomes Parameter."""
        from ..creation import empty
        needed = self.requires_grad
        fresh = empty(tuple(shape), dtype=dtype or self.dtype)
        self.__class__ = Parameter  # type: ignore[assignment]
        self._node = owned(self, fresh._node) if needed else fresh._node

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        return "<UninitializedParameter>"


binding.HANDLES |= {Parameter, Buffer}
