"""Parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...namespaces import SPACES
from ...tensor import Tensor


def _check_device(devices: set, parameter: Tensor) -> None:
    devices.add(parameter.device)
    if len(devices) > 1:
        raise TypeError("Found two parameters on different devices, this is currently not supported.")


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All elements of the parameters, one after the other."""
    devices: set = set()
    parts: list[Any] = []
    for p in parameters:
        _check_device(devices, p)
        parts.append(p.reshape(-1))  # type: ignore[attr-defined]
    return SPACES["torch"]["cat"](parts)


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Gives the parameters the elements of `vec`, in order."""
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {type(vec).__name__}")
    devices: set = set()
    place = 0
    for p in parameters:
        _check_device(devices, p)
        count = p.numel()
        part: Any = vec[place : place + count]  # type: ignore[index]
        p.data = part.reshape(tuple(p.shape)).detach().clone()
        place += count
