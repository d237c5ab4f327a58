"""torch.library: operations that a program brings. They are Python functions of tensors."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable
from typing import Any

from ._refusing import module_getattr

_REASON = "operations have no dispatcher; write a function of tensors, or torch.library.custom_op"
__getattr__ = module_getattr("torch.library", _REASON, globals())
_known: dict[str, CustomOpDef] = {}


class CustomOpDef:
    """An operation made of a function, with a gradient if one has been registered."""

    def __init__(self, name: str, function: Callable) -> None:
        functools.update_wrapper(self, function)
        self._qualname, self._function = name, function
        self._applied: Callable | None = None

    def register_fake(self, fn: Callable | None = None, /) -> Any:
        """Takes the rule for shapes, which is not needed: shapes follow from what the function computes."""
        return fn if fn is not None else lambda function: function

    register_vmap = register_fake

    def register_kernel(self, device_types: Any, fn: Callable | None = None, /) -> Any:
        """Takes a kernel for kinds of devices; that for "cpu" replaces the function."""

        def register(function: Callable) -> Callable:
            kinds = [device_types] if isinstance(device_types, str) or device_types is None else list(device_types)
            if None in kinds or "cpu" in kinds:
                self._function = function
            return function

        return register if fn is None else register(fn)

    def register_autograd(self, backward: Callable, /, *, setup_context: Callable | None = None) -> None:
        """Gives the operation a gradient: `backward(ctx, *grads)`; `setup_context(ctx, inputs, output)` keeps what it
        needs."""
        from .functions import Function

        operation = self

        class Applied(Function):
            @staticmethod
            def forward(ctx: Any, *inputs: Any) -> Any:
                output = operation._function(*inputs)
                if setup_context is not None:
                    setup_context(ctx, inputs, output)
                return output

            @staticmethod
            def backward(ctx: Any, *grads: Any) -> Any:
                return backward(ctx, *grads)

        self._applied = Applied.apply

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._applied is None:
            return self._function(*args, **kwargs)
        import inspect

        bound = inspect.signature(self._function).bind(*args, **kwargs)
        bound.apply_defaults()
        return self._applied(*bound.arguments.values())

    @property
    def default(self) -> CustomOpDef:
        """The operation itself: it has one form."""
        return self

    def __repr__(self) -> str:
        return f"<CustomOpDef({self._qualname})>"


class Namespace:
    """The operations `name::...` that the program has made, as torch.ops has them."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> CustomOpDef:
        found = _known.get(f"{self._name}::{name}")
        if found is None and self._name == "aten":
            function = getattr(sys.modules["flambeau"], name, None)
            found = CustomOpDef(f"aten::{name}", function) if callable(function) else None
        if found is None:
            raise AttributeError(f"'_OpNamespace' '{self._name}' object has no attribute '{name}'")
        return found


def namespace(name: str) -> Namespace | None:
    """torch.ops.name, once an operation has been made there; torch.ops.aten has what `torch` has by the same name."""
    return Namespace(name) if name == "aten" or any(known.startswith(name + "::") for known in _known) else None


def custom_op(
    name: str,
    fn: Callable | None = None,
    /,
    *,
    mutates_args: str | Iterable[str],
    device_types: Any = None,
    schema: str | None = None,
    tags: Any = None,
) -> Any:
    """An operation `namespace::name` of a function of tensors, or a decorator that makes one. Its gradient follows from
    what it computes, unless one is registered."""
    if "::" not in name:
        raise ValueError(
            f"Expected `name` to be of the form `namespace::name`, got {name!r}: it needs a namespace to be told apart"
        )

    def make(function: Callable) -> CustomOpDef:
        found = _known[name] = CustomOpDef(name, function)
        return found

    return make if fn is None else make(fn)


def _operation(op: Any) -> CustomOpDef:
    found = _known.get(op) if isinstance(op, str) else op
    if not isinstance(found, CustomOpDef):
        raise NotImplementedError(f"flambeau: {op} is no operation made by torch.library.custom_op")
    return found


def register_fake(op: Any, func: Callable | None = None, /, **options: Any) -> Any:
    """Takes the rule for the shapes of an operation, which is not needed."""
    return _operation(op).register_fake(func) if func is not None else _operation(op).register_fake()


impl_abstract = register_fake


def register_autograd(op: Any, backward: Callable, /, *, setup_context: Any = None, lib: Any = None) -> None:
    """Gives an operation a gradient."""
    _operation(op).register_autograd(backward, setup_context=setup_context)


def register_kernel(op: Any, device_types: Any, func: Callable | None = None, /, *, lib: Any = None) -> Any:
    """Gives an operation another function for a kind of device."""
    return _operation(op).register_kernel(device_types, func) if func else _operation(op).register_kernel(device_types)
