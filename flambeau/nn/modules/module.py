"""torch.nn.modules.module: Module, and hooks that apply to every module."""

from __future__ import annotations

from collections.abc import Callable

from ...autograd import Handle
from ..module import Module, register_module_hook
from ..state import EXTRA as _EXTRA_STATE_KEY_SUFFIX
from ..state import _IncompatibleKeys

__all__ = [
    "Module",
    "_EXTRA_STATE_KEY_SUFFIX",
    "_IncompatibleKeys",
    "register_module_backward_hook",
    "register_module_buffer_registration_hook",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
]


def register_module_forward_pre_hook(hook: Callable) -> Handle:
    """Calls `hook(module, args)` before the forward of every module; what it returns replaces the arguments."""
    return register_module_hook("forward_pre", hook)


def register_module_forward_hook(hook: Callable, *, with_kwargs: bool = False, always_call: bool = False) -> Handle:
    """Calls `hook(module, args, output)` after the forward of every module; what it returns replaces the output.

    `with_kwargs`: calls `hook(module, args, kwargs, output)`. `always_call`: after an error too, with None as output.
    """
    return register_module_hook("forward", hook, forward_kwargs=with_kwargs, forward_always=always_call)


def register_module_full_backward_hook(hook: Callable) -> Handle:
    """Calls `hook(module, grad_input, grad_output)` for every module when the gradients of its inputs are known."""
    return register_module_hook("backward", hook)


register_module_backward_hook = register_module_full_backward_hook


def register_module_full_backward_pre_hook(hook: Callable) -> Handle:
    """Calls `hook(module, grad_output)` for every module when the gradients of its outputs are known."""
    return register_module_hook("backward_pre", hook)


def register_module_buffer_registration_hook(hook: Callable) -> Handle:
    """Calls `hook(module, name, buffer)` whenever a buffer is registered; what it returns replaces the buffer."""
    return register_module_hook("buffer", hook)


def register_module_module_registration_hook(hook: Callable) -> Handle:
    """Calls `hook(module, name, submodule)` whenever a module is registered; what it returns replaces it."""
    return register_module_hook("module", hook)


def register_module_parameter_registration_hook(hook: Callable) -> Handle:
    """Calls `hook(module, name, parameter)` whenever a parameter is registered; what it returns replaces it."""
    return register_module_hook("parameter", hook)
