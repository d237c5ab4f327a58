"""Where tensors live: what the arguments of `to` mean, and copies from one device to another."""

from __future__ import annotations

from typing import Any

from . import binding, dtypes
from .backends import devices
from .device import CPU, META, device
from .engine import engine
from .graph import Node, leaf, mode, spec
from .ops import registry


def to_arguments(
    *args: Any,
    dtype: Any = None,
    device: Any = None,
    non_blocking: bool = False,
    copy: bool = False,
    memory_format: Any = None,
    other: Any = None,
) -> tuple[Any, Any, bool]:
    """The dtype, device and copy that the arguments of `to` mean."""
    flags = []
    for value in (*args, *([other] if other is not None else [])):
        if isinstance(value, binding.Tensor):
            dtype, device = value.dtype, value.device
        elif isinstance(value, dtypes.dtype) or value in (bool, int, float, complex):
            dtype = value
        elif isinstance(value, bool):
            flags.append(value)
        elif isinstance(value, (str, int)) or type(value).__name__ == "device":
            device = value
        elif value is not None:
            raise TypeError(
                f"to() received an invalid combination of arguments - got ({type(value).__name__}), but expected one "
                f"of:\n"
                " * (torch.device device = None, torch.dtype dtype = None, bool non_blocking = False, bool copy = "
                "False)\n"
                " * (torch.dtype dtype, bool non_blocking = False, bool copy = False)\n"
                " * (Tensor tensor, bool non_blocking = False, bool copy = False)"
            )
    if isinstance(dtype, type):
        dtype = {bool: dtypes.bool_, int: dtypes.int64, float: dtypes.float64, complex: dtypes.complex128}[dtype]
    return dtype, device, copy or len(flags) > 1 and flags[1]


def moved(t: Any, where: device) -> Any:
    """A copy of a tensor on another device: made at once if the tape does not care, so that what prepares data is no
    part of a step; from a GPU only if the value is there already."""
    node = t._node
    on_tape = mode.grad and node.spec.requires_grad
    valueless = META in (where, node.spec.device)
    if engine.capture is not None or on_tape or valueless or node.value is None and where is CPU:
        return binding.wrap(registry["_moved"].record(node, where))  # type: ignore[union-attr]
    s = spec(node.shape, node.dtype, where)
    found = object.__new__(binding.Tensor)
    found._node = leaf(devices.placed(engine.force(node), s), s)
    return found


def of_module(t: Any, where: Any, kind: Any) -> Any:
    """What `Module.to` makes of a parameter or buffer: on `where`, and of type `kind` if it is floating or complex."""
    if t.is_meta and where is not None and where != t.device:
        raise NotImplementedError(
            "Cannot copy out of meta tensor; no data! Please use torch.nn.Module.to_empty() instead of "
            "torch.nn.Module.to() when moving module from meta to a different device."
        )
    return t.to(where, kind if t.is_floating_point() or t.is_complex() else None)


def same_device(node: Node, where: device) -> Node:
    """`node` on the device `where`."""
    return node if node.spec.device is where else registry["_moved"].record(node, where)  # type: ignore[union-attr]
