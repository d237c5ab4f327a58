"""Tangents beside values (torch.autograd.forward_ad), worked out from the tape when they are asked for.

The tangent of y is J t, where t are the tangents of the duals that y was made of. It is the gradient, with respect to
v, of the sum of t times (v^T J): two backward passes, which need no further rule of any operation.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from . import grad
from .modes import enable_grad

__all__ = ["UnpackedDualTensor", "dual_level", "enter_dual_level", "exit_dual_level", "make_dual", "unpack_dual"]

_levels: list[list[tuple[Any, Any, bool]]] = []  # of each: duals, tangents, whether these are taped


class UnpackedDualTensor(NamedTuple):
    """A value and its tangent, which is None where there is none."""

    primal: Any
    tangent: Any


def enter_dual_level() -> int:
    """Opens a level, in which tensors may have tangents; one at a time."""
    if _levels:
        raise RuntimeError("Nested forward mode AD is not supported at the moment")
    _levels.append([])
    return 0


def exit_dual_level(*, level: int | None = None) -> None:
    """Closes the level: its tangents are forgotten."""
    if not _levels or level not in (None, 0):
        raise RuntimeError("Trying to exit a forward AD level that is not open")
    _levels.pop()


class dual_level:
    """A `with` block in which tensors may have tangents."""

    def __enter__(self) -> int:
        return enter_dual_level()

    def __exit__(self, *_: Any) -> None:
        exit_dual_level()


def make_dual(tensor: Any, tangent: Any, *, level: int | None = None) -> Any:
    """`tensor` with a tangent of the same shape, dtype and device."""
    if not _levels:
        raise RuntimeError("Trying to create a dual Tensor for forward AD but no level exists, make sure to "
                           "enter_dual_level() first.")
    if not (tensor.is_floating_point() or tensor.is_complex()):
        raise ValueError(f"Expected primal to be floating point or complex, but got: {tensor.dtype}")
    if not (tangent.is_floating_point() or tangent.is_complex()):
        raise ValueError(f"Expected tangent to be floating point or complex, but got: {tangent.dtype}")
    if tensor.shape != tangent.shape:
        raise RuntimeError(
            f"Expected tangent to have the same size as the primal, but got {list(tangent.shape)} and "
            f"{list(tensor.shape)}"
        )
    with enable_grad():
        dual = tensor.view_as(tensor) if tensor.requires_grad else tensor.detach().requires_grad_()
    _levels[-1].append((dual, tangent, tensor.requires_grad or tangent.requires_grad))
    return dual


def unpack_dual(tensor: Any, *, level: int | None = None) -> UnpackedDualTensor:
    """The value of a tensor and its tangent."""
    if not _levels:
        return UnpackedDualTensor(tensor, None)
    for dual, tangent, _ in _levels[-1]:
        if dual is tensor:
            return UnpackedDualTensor(tensor.detach(), tangent)
    if not tensor.requires_grad:
        return UnpackedDualTensor(tensor, None)
    duals = [dual for dual, _, _ in _levels[-1]]
    with enable_grad():
        seed = tensor.detach().new_zeros(tensor.shape).requires_grad_()
        found = grad(tensor, duals, seed, retain_graph=True, create_graph=True, allow_unused=True)
        parts = [(g * t.conj()).sum() for g, (_, t, _) in zip(found, _levels[-1], strict=True) if g is not None]
        if not parts:
            return UnpackedDualTensor(tensor.detach(), None)
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        if not total.requires_grad:
            return UnpackedDualTensor(tensor.detach(), tensor.detach().new_zeros(tensor.shape))
        tangent = grad(total, seed, retain_graph=True, create_graph=True, allow_unused=True)[0]
    if not any(taped for _, _, taped in _levels[-1]):
        tangent = tangent.detach()
    return UnpackedDualTensor(tensor.detach(), tangent)
