"""torch._C: of PyTorch's compiled module, what Python programs reach for; there is nothing to switch off here."""
from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

from ._refusing import refusing
from .device import resolve
from .tensor import Tensor, to_arguments

_TensorMeta = type(Tensor)
PyTorchFileReader = refusing("torch", "PyTorchFileReader", "use torch.load")
PyTorchFileWriter = refusing("torch", "PyTorchFileWriter", "use torch.save")


class _DisableFuncTorch(nullcontext):
    """A context without the function transforms' own dispatch, of which there is none."""


class _DisableTorchDispatch(nullcontext):
    """A context without dispatch to subclasses of tensors, of which there is none."""


def _log_api_usage_once(event: str) -> None:
    """Nothing: uses of names are not counted."""


class DisableTorchFunctionSubclass(nullcontext):
    """A context in which subclasses of tensors are not asked, which they never are."""


class DisableTorchFunction(nullcontext):
    """A context in which subclasses of tensors are not asked, which they never are."""


def _disabled_torch_function_impl(func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
    """What a subclass puts for __torch_function__ to be treated as a plain tensor: calls the function."""
    return func(*args, **(kwargs or {}))


def _get_tracing_state() -> None:
    """The trace that is being made: none."""


def _parse_to(*args: Any, non_blocking: bool = False, memory_format: Any = None, **kwargs: Any) -> tuple:
    """What the arguments of `Module.to` say: device, dtype, whether to go on meanwhile, memory format."""
    kind, where, _ = to_arguments(*args, **kwargs)
    return (None if where is None else resolve(where)), kind, non_blocking, memory_format


_nn = SimpleNamespace(_parse_to=_parse_to)
