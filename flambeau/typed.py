"""Classes of tensors of one dtype, as old programs name them: torch.FloatTensor, torch.LongTensor."""

from __future__ import annotations

from typing import Any

from . import dtypes
from .autograd.walk import type_name
from .creation import legacy_tensor
from .device import gpus
from .tensor import Tensor


class TypedClass(type):
    """The class of those classes: calling one makes an ordinary tensor, and any tensor of the dtype is an instance."""

    dtype: dtypes.dtype
    where = "cpu"

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if len(args) == 1 and isinstance(args[0], Tensor) and args[0].dtype is not cls.dtype:
            raise TypeError(f"expected {type_name(cls.dtype)} (got {type_name(args[0].dtype)})")
        return legacy_tensor(Tensor, *args, dtype=cls.dtype, **kwargs)

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor) and instance.dtype is cls.dtype

    def __repr__(cls) -> str:
        return f"<class 'torch.{cls.__name__}'>"


class AbsentClass(TypedClass):
    """The class of torch.cuda.FloatTensor and the like: without a GPU nothing is an instance, and none can be made."""

    where = "cuda"

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if gpus.count():
            return super().__call__(*args, device="cuda", **kwargs)
        raise TypeError(
            f"type torch.cuda.{cls.__name__} not available. Torch not compiled with CUDA enabled."
        )

    def __instancecheck__(cls, instance: Any) -> bool:
        return super().__instancecheck__(instance) and instance.is_cuda

    def __repr__(cls) -> str:
        return f"<class 'torch.cuda.{cls.__name__}'>"


CLASSES: dict[str, TypedClass] = {
    type_name(kind): TypedClass(
        type_name(kind), (), {"dtype": kind, "__doc__": f"Tensors of dtype {kind.name}.", "__module__": "torch"}
    )
    for kind in (
        dtypes.float32,
        dtypes.float64,
        dtypes.float16,
        dtypes.bfloat16,
        dtypes.int64,
        dtypes.int32,
        dtypes.int16,
        dtypes.int8,
        dtypes.uint8,
        dtypes.bool_,
    )
}


def absent(name: str) -> AbsentClass | None:
    """The class torch.cuda.`name`, if PyTorch has it."""
    if name not in CLASSES:
        return None
    members = {"dtype": CLASSES[name].dtype, "__doc__": "Tensors on a GPU.", "__module__": "torch.cuda"}
    return AbsentClass(name, (), members)


def typename(obj: Any, /) -> str:
    """The name of the type of a tensor, or of the class of any other value."""
    if isinstance(obj, Tensor):
        return obj.type()
    named = obj if hasattr(obj, "__qualname__") else type(obj)
    module = getattr(named, "__module__", None)
    return named.__qualname__ if module in (None, "builtins", "__builtin__") else f"{module}.{named.__qualname__}"
