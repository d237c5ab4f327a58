"""Automatic mixed precision: within `autocast`, products run in 16 bits and what needs precision in 32."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

from .. import dtypes
from ..device import gpus
from ..graph import mode

_defaults: dict[str, Any] = {"cpu": dtypes.bfloat16, "cuda": dtypes.float16}


class autocast:
    """Context and decorator: matrix products and convolutions in `dtype`, losses and the like in float32, as
    PyTorch's lists say.

    >>> import flambeau as torch
    >>> with torch.autocast("cpu"):
    ...     (torch.ones(2, 2) @ torch.ones(2, 2)).dtype
    torch.bfloat16
    """

    def __init__(
        self, device_type: str, dtype: Any = None, enabled: bool = True, cache_enabled: bool | None = None
    ) -> None:
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        if device_type not in ("cpu", "cuda"):
            raise RuntimeError(f"User specified an unsupported autocast device_type '{device_type}'")
        self.device, self.fast_dtype = device_type, dtype or _defaults[device_type]
        if device_type == "cuda" and enabled and not gpus.count():
            warnings.warn("User provided device_type of 'cuda', but CUDA is not available. Disabling", stacklevel=2)
            enabled = False
        if device_type == "cpu" and enabled and self.fast_dtype not in (dtypes.bfloat16, dtypes.float16):
            warnings.warn(
                "In CPU autocast, but the target dtype is not supported. Disabling autocast.\nCPU Autocast only "
                "supports dtype of "
                "torch.bfloat16, torch.float16 currently.",
                stacklevel=2,
            )
            enabled = False
        self._enabled = enabled
        self._before: list[Any] = []

    def __enter__(self) -> autocast:
        self._before.append((mode.autocast, mode.autocast_on))
        if self._enabled:  # of two for different devices the inner one is in force
            mode.set_autocast(self.fast_dtype, self.device)
        elif mode.autocast_on == self.device:
            mode.set_autocast(None)
        return self

    def __exit__(self, *_: Any) -> None:
        mode.set_autocast(*self._before.pop())

    def __call__(self, function: Callable) -> Callable:
        @functools.wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with autocast(self.device, self.fast_dtype, self._enabled):
                return function(*args, **kwargs)

        return inside


def is_autocast_available(device_type: str) -> bool:
    """Whether autocast works for a kind of device."""
    return device_type == "cpu" or device_type == "cuda" and gpus.count() > 0


def is_autocast_enabled(device_type: str | None = None) -> bool:
    """Whether autocast is on for a kind of device (a GPU, if none is named)."""
    return mode.autocast is not None and mode.autocast_on == (device_type or "cuda")


def get_autocast_dtype(device_type: str) -> Any:
    """What autocast computes products in."""
    return mode.autocast if is_autocast_enabled(device_type) else _defaults[device_type]


def set_autocast_dtype(device_type: str, dtype: Any) -> None:
    """What autocast computes products in from now on."""
    _defaults[device_type] = dtype


def is_autocast_cpu_enabled() -> bool:
    """Whether autocast is on for the processor."""
    return is_autocast_enabled("cpu")


def get_autocast_gpu_dtype() -> Any:
    """What autocast computes products in on a GPU."""
    return get_autocast_dtype("cuda")


def get_autocast_cpu_dtype() -> Any:
    """What autocast computes products in on the processor."""
    return get_autocast_dtype("cpu")


def set_autocast_gpu_dtype(dtype: Any) -> None:
    """What autocast computes products in on a GPU from now on."""
    set_autocast_dtype("cuda", dtype)


def clear_autocast_cache() -> None:
    """Nothing is kept: a cast that is made twice is one node of a compiled program."""


def custom_fwd(fwd: Callable | None = None, *, device_type: str, cast_inputs: Any = None) -> Callable:
    """Decorator of `forward` of an autograd.Function: autocast off within, inputs cast if told to."""
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def inside(*args: Any, **kwargs: Any) -> Any:
        if cast_inputs is None:
            return fwd(*args, **kwargs)
        with autocast(device_type, enabled=False):
            return fwd(
                *[a.to(cast_inputs) if hasattr(a, "is_floating_point") and a.is_floating_point() else a for a in args],
                **kwargs,
            )

    return inside


def custom_bwd(bwd: Callable | None = None, *, device_type: str) -> Callable:
    """Decorator of `backward` of an autograd.Function whose forward is a custom_fwd."""
    return bwd if bwd is not None else functools.partial(custom_bwd, device_type=device_type)
