"""Ready parametrizations: orthogonal matrices, weight and spectral normalisation."""

from __future__ import annotations

from enum import Enum, auto
from typing import Any

from ...autograd import no_grad
from ...info import finfo
from ...namespaces import SPACES
from ...ranges import eye
from ...tensor import Tensor
from ..module import Module
from .parametrize import register_parametrization
from .spectral_norm import TRANSPOSED, as_matrix, unit
from .weight_norm import _weight_norm, norm_except_dim

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]


def _torch(name: str) -> Any:
    return SPACES["torch"][name]


def _reflected(a: Any, tau: Any) -> Any:
    return SPACES["linalg"]["householder_product"](a, tau)


def _is_orthogonal(q: Any) -> bool:
    rows, columns = q.shape[-2:]
    difference = q.mH @ q - eye(columns, dtype=q.dtype)
    return bool((difference.abs() <= 10.0 * rows * finfo(q.dtype).eps).all())


def _made_orthogonal(a: Any) -> Any:
    """The orthogonal factor of `a`, with the signs that leave an orthogonal matrix as it is."""
    x, tau = _torch("geqrf")(a)
    return _reflected(x, tau) * x.diagonal(dim1=-2, dim2=-1).sgn().unsqueeze(-2)


class _OrthMaps(Enum):
    matrix_exp = auto()
    cayley = auto()
    householder = auto()


class _Orthogonal(Module):
    """An orthogonal matrix (with orthonormal columns, or rows if it is wide) as a function of any matrix."""

    base: Tensor | None

    def __init__(self, weight: Any, orthogonal_map: _OrthMaps, *, use_trivialization: bool = True) -> None:
        super().__init__()
        if weight.is_complex() and orthogonal_map == _OrthMaps.householder:
            raise ValueError("The householder parametrization does not support complex tensors.")
        self.shape, self.orthogonal_map = weight.shape, orthogonal_map
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X: Any) -> Any:
        wide = X.shape[-2] < X.shape[-1]
        if wide:
            X = X.mT
        rows, columns = X.shape[-2:]
        if self.orthogonal_map == _OrthMaps.householder:
            below = X.tril(diagonal=-1)
            tau = 2.0 / (1.0 + (below * below).sum(dim=-2))
            q = _reflected(below, tau) * X.detach().diagonal(dim1=-2, dim2=-1).int().unsqueeze(-2)
        else:
            X = X.tril()
            if rows != columns:
                X = _torch("cat")([X, X.new_zeros((*X.shape[:-1], rows - columns))], -1)
            skew = X - X.mH
            if self.orthogonal_map == _OrthMaps.matrix_exp:
                q = _torch("matrix_exp")(skew)
            else:
                one = eye(rows, dtype=skew.dtype)
                q = SPACES["linalg"]["solve"](one - 0.5 * skew, one + 0.5 * skew)
            q = q[..., :columns] if rows != columns else q
        if hasattr(self, "base"):
            q = self.base @ q
        return q.mT if wide else q

    @no_grad()
    def right_inverse(self, Q: Any) -> Any:
        """What `forward` makes an orthogonal `Q` of (or the orthogonal matrix near `Q`)."""
        if Q.shape != self.shape:
            raise ValueError(
                f"Expected a matrix or batch of matrices of shape {self.shape}. Got a tensor of shape {Q.shape}."
            )
        given = Q
        wide = Q.shape[-2] < Q.shape[-1]
        if wide:
            Q = Q.mT
        rows, columns = Q.shape[-2:]
        if not hasattr(self, "base"):
            if self.orthogonal_map != _OrthMaps.householder:
                raise NotImplementedError(
                    "It is not possible to assign to the matrix exponential or the Cayley parametrizations when "
                    "use_trivialization=False."
                )
            a, tau = _torch("geqrf")(Q)
            diagonal = a.diagonal(dim1=-2, dim2=-1)
            signs = diagonal.sign() * (1 - 2 * (tau == 0).to(a.dtype))
            a = a - _tall(diagonal, rows) + _tall(signs, rows)  # in this order the diagonal is exactly the signs
            return a.mT if wide else a
        if rows == columns:
            Q = Q.clone() if _is_orthogonal(Q) else _made_orthogonal(Q)
        else:
            more = _torch("randn")(*Q.shape[:-2], rows, rows - columns, dtype=Q.dtype)
            Q = _made_orthogonal(_torch("cat")([Q, more], -1))
        self.base = Q
        size = given.shape
        return -eye(size[-2], size[-1], dtype=given.dtype).expand(size).clone()


def _tall(diagonal: Any, rows: int) -> Any:
    """A matrix with the given diagonal, and zeros below to have `rows` rows."""
    square = diagonal.diag_embed()
    if square.shape[-1] == rows:
        return square
    zeros = square.new_zeros((*square.shape[:-2], rows - square.shape[-1], square.shape[-1]))
    return _torch("cat")([square, zeros], -2)


def _weight_of(module: Module, name: str) -> Any:
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    return weight


def orthogonal(
    module: Module, name: str = "weight", orthogonal_map: str | None = None, *, use_trivialization: bool = True
) -> Module:
    """Makes a matrix of the module orthogonal, by "matrix_exp", "cayley" or "householder".

    Lezcano Casado, arXiv 1909.09501 (trivializations).
    """
    weight = _weight_of(module, name)
    if weight.ndim < 2:
        raise ValueError(f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions.")
    if orthogonal_map is None:
        square = weight.shape[-2] == weight.shape[-1]
        orthogonal_map = "matrix_exp" if square or weight.is_complex() else "householder"
    chosen = getattr(_OrthMaps, orthogonal_map, None)
    if chosen is None:
        raise ValueError(
            f'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". Got: {orthogonal_map}'
        )
    function = _Orthogonal(weight, chosen, use_trivialization=use_trivialization)
    return register_parametrization(module, name, function, unsafe=True)


class _WeightNorm(Module):
    """v * g / norm of v."""

    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return _weight_norm(weight_v, weight_g, self.dim)

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Length and direction of a weight."""
        return norm_except_dim(weight, 2, self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Has a weight computed from length (original0) and direction (original1). Salimans, Kingma, arXiv 1602.07868."""
    register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def renamed(state_dict: dict, prefix: str, *_: Any) -> None:
        old = [f"{prefix}{name}_g", f"{prefix}{name}_v"]
        if all(key in state_dict for key in old):
            for i, key in enumerate(old):
                state_dict[f"{prefix}parametrizations.{name}.original{i}"] = state_dict.pop(key)

    module._register_load_state_dict_pre_hook(renamed)
    return module


class _SpectralNorm(Module):
    """A weight divided by its largest singular value."""

    _u: Any
    _v: Any

    def __init__(self, weight: Any, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        super().__init__()
        ndim = weight.ndim
        if not -ndim <= dim < ndim:
            raise IndexError(f"Dimension out of range (expected to be in range of [-{ndim}, {ndim - 1}] but got {dim})")
        if n_power_iterations <= 0:
            raise ValueError(
                f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}"
            )
        self.dim, self.eps = dim % ndim, eps
        if ndim > 1:
            self.n_power_iterations = n_power_iterations
            matrix = as_matrix(weight, self.dim).detach()
            u, v = (matrix.new_empty(n).normal_(0, 1) for n in matrix.shape)
            self.register_buffer("_u", unit(u, eps))
            self.register_buffer("_v", unit(v, eps))
            self._power_method(matrix, 15)

    @no_grad()
    def _power_method(self, matrix: Any, n_power_iterations: int) -> None:
        for _ in range(n_power_iterations):
            self._u.copy_(unit(matrix.mv(self._v), self.eps))
            self._v.copy_(unit(matrix.mH.mv(self._u), self.eps))

    def forward(self, weight: Any) -> Any:
        if weight.ndim == 1:
            return unit(weight, self.eps)
        matrix = as_matrix(weight, self.dim)
        if self.training:
            self._power_method(matrix, self.n_power_iterations)
        u, v = self._u.clone(), self._v.clone()
        return weight / _torch("vdot")(u, matrix.mv(v))

    def right_inverse(self, value: Tensor) -> Tensor:
        """`value`: any weight may be the one that is divided."""
        return value


def spectral_norm(
    module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Module:
    """Has a weight divided by its largest singular value: Miyato et al., arXiv 1802.05957."""
    weight = _weight_of(module, name)
    if dim is None:
        dim = 1 if isinstance(module, TRANSPOSED) else 0
    return register_parametrization(module, name, _SpectralNorm(weight, n_power_iterations, dim, eps))
