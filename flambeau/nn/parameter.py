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
            raise TypeError(
                f"Creating a Parameter from an instance of type {type(data).__name__} requires that detach() returns "
                f"an instance of "
                "the same type, but return type Tensor was found instead."
            )
        p = object.__new__(cls)
        if data._node.spec.differentiable is False and requires_grad:
            raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
        plain = data._node if not data.requires_grad else data.detach()._node  # type: ignore[attr-defined]
        p._node = owned(p, plain) if requires_grad else plain
        return p

    def __repr__(self) -> str:
        return "Parameter containing:\n" + self._shown("tensor(")

    def __deepcopy__(self, memo: dict) -> Any:
        if id(self) in memo:
            return memo[id(self)]
        import numpy as np

        new = memo[id(self)] = tensor_like(self, self._node.value if self.is_meta else np.array(self._value()))
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


_UNKNOWN = (
    "Can't access the shape of an uninitialized parameter or buffer. This error usually happens in `load_state_dict` "
    "when "
    "trying to load an uninitialized parameter into an initialized one. Call `forward` to initialize the parameters "
    "before "
    "accessing their attributes."
)


class _Uninitialized(Tensor):
    """What has no shape yet; `materialize` gives it one, and makes it of the class `_becomes`."""

    _becomes: type = Tensor

    def materialize(self, shape: tuple, device: Any = None, dtype: Any = None) -> None:
        """Gives the tensor its shape; its class becomes the ordinary one."""
        from ..creation import empty

        needed = self.requires_grad
        fresh = empty(tuple(shape), dtype=dtype or self.dtype, device=device)
        self.__class__ = self._becomes  # type: ignore[assignment]
        self._node = owned(self, fresh._node) if needed else fresh._node

    def convert(self, fn: Any) -> None:
        """Takes the dtype and device that `fn` gives to a tensor like this one, still without a shape."""
        needed = self.requires_grad
        fresh = fn(_nothing(self.device, self.dtype))
        self._node = owned(self, fresh._node) if needed else fresh._node

    @property
    def shape(self) -> Any:
        raise RuntimeError(_UNKNOWN)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


def _nothing(device: Any, dtype: Any) -> Tensor:
    from ..creation import empty

    return empty((0,), device=device, dtype=dtype)


class UninitializedParameter(_Uninitialized, Parameter):
    """A parameter whose shape is decided by the first input of a lazy module."""

    _becomes = Parameter

    def __new__(cls, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> Any:
        return Parameter.__new__(cls, _nothing(device, dtype), requires_grad)

    def __deepcopy__(self, memo: dict) -> Any:
        if id(self) not in memo:
            memo[id(self)] = type(self)(self.requires_grad, dtype=self.dtype)
        return memo[id(self)]


class UninitializedBuffer(_Uninitialized):
    """A buffer whose shape is decided by the first input of a lazy module."""

    _becomes = Tensor

    def __new__(
        cls, requires_grad: bool = False, device: Any = None, dtype: Any = None, persistent: bool = True
    ) -> Any:
        b = object.__new__(cls)
        b._node = _nothing(device, dtype)._node
        b.persistent = persistent  # type: ignore[attr-defined]
        return b

    def __deepcopy__(self, memo: dict) -> Any:
        if id(self) not in memo:
            memo[id(self)] = type(self)(dtype=self.dtype)
        return memo[id(self)]


def is_lazy(param: Any) -> bool:
    """Whether `param` has no shape yet."""
    return isinstance(param, _Uninitialized)


binding.HANDLES |= {Parameter, Buffer}
