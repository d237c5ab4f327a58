"""What distributions share: operands brought together, probabilities and log-odds, triangles as vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Number
from typing import Any

from ..tensor import Tensor
from ._torch import torch

__all__ = ["broadcast_all", "logits_to_probs", "clamp_probs", "probs_to_logits", "lazy_property",
           "tril_matrix_to_vec", "vec_to_tril_matrix"]

euler_constant = 0.57721566490153286060


def broadcast_all(*values: Any) -> tuple[Tensor, ...]:
    """Tensors of one shape, of the given tensors and numbers; a number takes dtype and device of the first tensor.

    >>> import flambeau as torch
    >>> broadcast_all(torch.zeros(2), 1)
    (tensor([0., 0.]), tensor([1., 1.]))
    """
    tensors = [v for v in values if isinstance(v, Tensor)]
    if not all(isinstance(v, (Tensor, Number)) for v in values):
        raise ValueError("Input arguments must all be instances of Number, torch.Tensor or objects implementing "
                         "__torch_function__.")
    kind = dict(dtype=tensors[0].dtype, device=tensors[0].device) if tensors else dict(dtype=torch.get_default_dtype())
    return torch.broadcast_tensors(*[v if isinstance(v, Tensor) else torch.tensor(v, **kind) for v in values])


def _standard_normal(shape: Sequence[int], dtype: Any, device: Any) -> Tensor:
    return torch.randn(tuple(shape), dtype=dtype, device=device)


def _sum_rightmost(value: Any, dim: int) -> Any:
    """The sum over the last `dim` dimensions."""
    return value.reshape(value.shape[:-dim] + (-1,)).sum(-1) if dim else value


def logits_to_probs(logits: Tensor, is_binary: bool = False) -> Tensor:
    """Probabilities from log-odds (if binary), or from logarithms of weights along the last dimension."""
    return logits.sigmoid() if is_binary else logits.softmax(-1)


def clamp_probs(probs: Tensor) -> Tensor:
    """`probs` kept away from 0 and 1 by the dtype's eps."""
    eps = torch.finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)


def probs_to_logits(probs: Tensor, is_binary: bool = False) -> Tensor:
    """Log-odds (if binary) or logarithms of probabilities, which are clamped so that they stay finite."""
    inside = clamp_probs(probs)
    return inside.log() - (-inside).log1p() if is_binary else inside.log()


class lazy_property:
    """A property that is worked out when first asked for, and then an attribute of the object."""

    def __init__(self, wrapped: Callable[[Any], Any]) -> None:
        self.wrapped, self.__doc__ = wrapped, wrapped.__doc__

    def __get__(self, instance: Any, obj_type: Any = None) -> Any:
        if instance is None:
            return self
        with torch.enable_grad():
            value = self.wrapped(instance)
        setattr(instance, self.wrapped.__name__, value)
        return value


def _triangle(n: int, diag: int) -> tuple[Tensor, Tensor]:
    rows, columns = torch.tril_indices(n, n, diag)
    return rows, columns


def tril_matrix_to_vec(mat: Tensor, diag: int = 0) -> Tensor:
    """The elements on and below diagonal `diag`, by rows: (*, D, D) -> (*, number of them).

    >>> import flambeau as torch
    >>> tril_matrix_to_vec(torch.tensor([[1, 2], [3, 4]]))
    tensor([1, 3, 4])
    """
    n = mat.shape[-1]
    if not -n <= diag < n:
        raise ValueError(f"diag ({diag}) provided is outside [{-n}, {n - 1}].")
    rows, columns = _triangle(n, diag)
    return mat[..., rows, columns]


def vec_to_tril_matrix(vec: Tensor, diag: int = 0) -> Tensor:
    """A square matrix of zeros with the elements of `vec` on and below diagonal `diag`: (*, M) -> (*, D, D).

    >>> import flambeau as torch
    >>> vec_to_tril_matrix(torch.tensor([1., 2., 3.]))
    tensor([[1., 0.],
            [2., 3.]])
    """
    length = vec.shape[-1]
    # D rows hold D (D + 1) / 2 + diag D elements, less what a positive diag loses at the right edge.
    doubled = 1 + 2 * diag
    n = ((doubled * doubled + 8 * length + 4 * abs(diag) * (diag + 1)) ** 0.5 - doubled) / 2
    size = round(n)
    if size - n > torch.finfo(vec.dtype).eps:
        raise ValueError(f"The size of last dimension is {length} which cannot be expressed as the lower triangular "
                         "part of a square D x D matrix.")
    rows, columns = _triangle(size, diag)
    places = torch.zeros(vec.shape[:-1] + (size * size,), dtype=vec.dtype, device=vec.device)
    index = (rows * size + columns).expand(vec.shape)
    return places.scatter(-1, index, vec).reshape(vec.shape[:-1] + (size, size))
