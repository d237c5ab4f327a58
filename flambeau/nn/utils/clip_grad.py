"""Gradients kept in bounds: by their common norm, or each element by itself."""

from __future__ import annotations

import types
import warnings
from collections.abc import Iterable
from typing import Any

from ...autograd import no_grad
from ...creation import tensor
from ...namespaces import SPACES
from ...tensor import Tensor

Tensors = Tensor | Iterable[Tensor]


def _listed(tensors: Tensors) -> list[Tensor]:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def _gradients(parameters: Iterable[Tensor]) -> list[Any]:
    return [p.grad for p in parameters if p.grad is not None]


@no_grad()
def get_total_norm(
    tensors: Tensors, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: bool | None = None
) -> Tensor:
    """The norm of all elements of `tensors` together. `foreach` changes nothing here."""
    norm_type = float(norm_type)
    parts = _listed(tensors)
    if not parts:
        return tensor(0.0)
    vector_norm: Any = SPACES["linalg"]["vector_norm"]
    norms = [vector_norm(t, norm_type).to(parts[0].device) for t in parts]
    if len({n.dtype for n in norms}) > 1:
        widest = max((n.dtype for n in norms), key=lambda d: d.itemsize)
        norms = [n.to(widest) for n in norms]
    total: Any = vector_norm(SPACES["torch"]["stack"](norms), norm_type)
    if error_if_nonfinite and not bool(total.isfinite()):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, so it cannot be "
            "clipped. To disable this error and scale the gradients by the non-finite norm anyway, set "
            "`error_if_nonfinite=False`"
        )
    return total


@no_grad()
def clip_grads_with_norm_(
    parameters: Tensors, max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Multiplies all gradients by `max_norm / total_norm` if that is below 1."""
    factor = (float(max_norm) / (total_norm + 1e-6)).clamp(max=1.0)  # type: ignore[operator]
    for g in _gradients(_listed(parameters)):
        g.mul_(factor.to(g.device))


def clip_grad_norm_(
    parameters: Tensors,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scales the gradients so that their common norm is at most `max_norm`; returns the norm that it was.

    >>> import flambeau as torch
    >>> w = torch.nn.Parameter(torch.zeros(2))
    >>> w.grad = torch.tensor([3.0, 4.0])
    >>> torch.nn.utils.clip_grad_norm_([w], 1.0)
    tensor(5.)
    >>> w.grad
    tensor([0.6000, 0.8000])
    """
    parts = _listed(parameters)
    if not parts and isinstance(parameters, types.GeneratorType):
        warnings.warn("`parameters` is an empty generator, no gradient clipping will occur.", stacklevel=2)
    total = get_total_norm(_gradients(parts), norm_type, error_if_nonfinite, foreach)
    clip_grads_with_norm_(parts, max_norm, total, foreach)
    return total


def clip_grad_norm(
    parameters: Tensors,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The old name of clip_grad_norm_."""
    warnings.warn(
        "`torch.nn.utils.clip_grad_norm` is now deprecated in favor of `torch.nn.utils.clip_grad_norm_`.",
        FutureWarning,
        stacklevel=2,
    )
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)


@no_grad()
def clip_grad_value_(parameters: Tensors, clip_value: float, foreach: bool | None = None) -> None:
    """Brings every element of the gradients into [-clip_value, clip_value]."""
    bound = float(clip_value)
    for g in _gradients(_listed(parameters)):
        g.clamp_(min=-bound, max=bound)


# the names under which other modules of PyTorch know them
_get_total_norm, _clip_grads_with_norm_ = get_total_norm, clip_grads_with_norm_
