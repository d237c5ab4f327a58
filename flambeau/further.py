"""Small functions of torch that belong to no family: in-place functions, copies of views, numbers and names."""
from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .creation import from_array
from .device import device
from .tensor import Tensor

CONSTANTS = {"e": math.e, "inf": math.inf, "nan": math.nan, "pi": math.pi, "newaxis": None}


def typename(obj: Any, /) -> str:
    """What kind of object this is: a tensor's type, the name of a class or function with its module."""
    if isinstance(obj, Tensor):
        return obj.type()
    kind = obj if hasattr(obj, "__qualname__") else type(obj)
    module = getattr(kind, "__module__", None) or ""
    return kind.__qualname__ if module in ("", "builtins") else f"{module}.{kind.__qualname__}"


def is_inference(input: Tensor) -> bool:
    """Whether the tensor was made in inference mode; none is marked so here."""
    return False


def is_distributed(input: Tensor) -> bool:
    """Whether the tensor is shared out over processes."""
    return False


def get_device(input: Tensor) -> int:
    """The number of the device that holds the tensor; -1 on the processor."""
    where: device = input.device
    return -1 if where.type == "cpu" else where.index or 0


def apply_(self: Tensor, function: Callable[[Any], Any]) -> Tensor:
    """Replaces every element by `function` of it; slow, for small tensors."""
    return _written("apply_", self, function)


def map_(self: Tensor, other: Tensor, function: Callable[[Any, Any], Any]) -> Tensor:
    """Replaces every element by `function` of it and the same element of `other`."""
    return _written("map_", self, function, other)


def map2_(self: Tensor, x: Tensor, y: Tensor, function: Callable[[Any, Any, Any], Any]) -> Tensor:
    """Replaces every element by `function` of it and the same elements of `x` and `y`."""
    return _written("map2_", self, function, x, y)


def _written(name: str, t: Tensor, function: Callable[..., Any], *others: Tensor) -> Tensor:
    if t.requires_grad:
        raise RuntimeError(f"Can't call {name}() on Variable that requires grad. "
                           f"Use var.detach().{name}() instead.")
    value = np.asarray(t._value())
    values = [value, *(np.broadcast_to(np.asarray(other._value()), value.shape) for other in others)]
    found = [function(*elements) for elements in zip(*(v.ravel().tolist() for v in values), strict=True)]
    return t.copy_(from_array(np.array(found).astype(value.dtype).reshape(value.shape)))


def to_dense(self: Tensor, dtype: Any = None, *, masked_grad: bool | None = None) -> Tensor:
    """The tensor itself, which is dense, with elements of `dtype` if given."""
    return self if dtype is None else self.to(dtype)


METHODS = (apply_, map_, map2_, to_dense, get_device, is_inference, is_distributed)
# Methods that write to their tensor and are functions of torch too.
WRITING = """
    abs_ acos_ acosh_ addmv_ arccos_ arccosh_ arcsin_ arcsinh_ arctan_ arctanh_ as_strided_ asin_ asinh_ atan_
    atanh_ ceil_ clamp_ clamp_max_ clamp_min_ clip_ conj_physical_ cos_ cosh_ deg2rad_ detach_ erf_ erfc_ exp2_
    exp_ expm1_ fill_ fix_ floor_ frac_ gcd_ i0_ index_put_ lcm_ ldexp_ log10_ log1p_ log2_ log_ logit_
    nan_to_num_ neg_ negative_ rad2deg_ reciprocal_ resize_as_ round_ rsqrt_ sigmoid_ sin_ sinc_ sinh_ sqrt_
    square_ tan_ tanh_ trunc_ xlogy_ zero_
""".split()
FUNCTIONS = (typename, get_device, is_inference, is_distributed)


def install(space: dict[str, Any]) -> None:
    """Fills torch's namespace: constants, the functions above, and `name_` for methods that write."""
    space.update(CONSTANTS)
    space.update({function.__name__: function for function in FUNCTIONS})
    for function in METHODS:
        setattr(Tensor, function.__name__, function)
    space.update({name: getattr(Tensor, name) for name in WRITING if name not in space})
