"""Activations as layers: each applies a function of nn.functional to every element, or along one dimension."""

from __future__ import annotations

import warnings
from typing import Any

from ..creation import full
from ..tensor import Tensor
from . import functional as F
from ._layer import layer
from .attention import MultiheadAttention as MultiheadAttention
from .module import Module
from .parameter import Parameter


class ReLU(Module):
    """max(x, 0): x (*) -> (*).

    >>> import flambeau as torch
    >>> torch.nn.ReLU()(torch.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """

    __constants__ = ["inplace"]
    inplace: bool

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.relu(input, self.inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class _Plain(Module):
    """An activation without settings."""


class Sigmoid(_Plain):
    """1 / (1 + exp(-x)): x (*) -> (*)."""

    def forward(self, input: Tensor) -> Tensor:
        return input.sigmoid()  # type: ignore[attr-defined]


class Tanh(_Plain):
    """tanh(x): x (*) -> (*)."""

    def forward(self, input: Tensor) -> Tensor:
        return input.tanh()  # type: ignore[attr-defined]


class LogSigmoid(_Plain):
    """log(1 / (1 + exp(-x))): x (*) -> (*)."""

    def forward(self, input: Tensor) -> Tensor:
        return F.logsigmoid(input)


class Softsign(_Plain):
    """x / (1 + |x|): x (*) -> (*)."""

    def forward(self, input: Tensor) -> Tensor:
        return F.softsign(input)


class Tanhshrink(_Plain):
    """x - tanh(x): x (*) -> (*)."""

    def forward(self, input: Tensor) -> Tensor:
        return F.tanhshrink(input)


@layer("rrelu", "lower upper")
class RReLU(Module):
    """x above zero, `a * x` below.

    a is drawn from [lower, upper) in training and is their mean otherwise; x (*) -> (*). Xu et al., arXiv 1505.00853.
    """

    lower: float = 1.0 / 8
    upper: float = 1.0 / 3
    inplace: bool = False

    def forward(self, input: Tensor) -> Tensor:
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)


class Hardtanh(Module):
    """x, cut to [min_val, max_val]: x (*) -> (*)."""

    __constants__ = ["min_val", "max_val", "inplace"]
    min_val: float
    max_val: float
    inplace: bool

    def __init__(
        self,
        min_val: float = -1.0,
        max_val: float = 1.0,
        inplace: bool = False,
        min_value: float | None = None,
        max_value: float | None = None,
    ) -> None:
        super().__init__()
        if min_value is not None:
            warnings.warn(
                "keyword argument `min_value` is deprecated and rename to `min_val`", FutureWarning, stacklevel=2
            )
            min_val = min_value
        if max_value is not None:
            warnings.warn(
                "keyword argument `max_value` is deprecated and rename to `max_val`", FutureWarning, stacklevel=2
            )
            max_val = max_value
        self.min_val, self.max_val, self.inplace = min_val, max_val, inplace
        if not max_val > min_val:
            raise AssertionError

    def forward(self, input: Tensor) -> Tensor:
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)

    def extra_repr(self) -> str:
        return f"min_val={self.min_val}, max_val={self.max_val}" + (", inplace=True" if self.inplace else "")


class ReLU6(Hardtanh):
    """min(max(x, 0), 6): x (*) -> (*)."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0, inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


@layer("threshold", "threshold value")
class Threshold(Module):
    """x where it is above `threshold`, else `value`: x (*) -> (*)."""

    threshold: float
    value: float
    inplace: bool = False


@layer("hardsigmoid")
class Hardsigmoid(Module):
    """min(max(x + 3, 0), 6) / 6: x (*) -> (*)."""

    inplace: bool = False

    def extra_repr(self) -> str:
        return ""


@layer("hardswish")
class Hardswish(Module):
    """x * min(max(x + 3, 0), 6) / 6: x (*) -> (*). Howard et al., arXiv 1905.02244."""

    inplace: bool = False

    def extra_repr(self) -> str:
        return ""


@layer("silu")
class SiLU(Module):
    """x * sigmoid(x): x (*) -> (*). Elfwing et al., arXiv 1702.03118."""

    inplace: bool = False


@layer("mish")
class Mish(Module):
    """x * tanh(log(1 + exp(x))): x (*) -> (*). Misra, arXiv 1908.08681."""

    inplace: bool = False


@layer("elu", "alpha")
class ELU(Module):
    """x above zero, `alpha * (exp(x) - 1)` below: x (*) -> (*). Clevert et al., arXiv 1511.07289."""

    alpha: float = 1.0
    inplace: bool = False


@layer("celu", "alpha")
class CELU(Module):
    """x above zero, `alpha * (exp(x / alpha) - 1)` below: x (*) -> (*). Barron, arXiv 1704.07483."""

    alpha: float = 1.0
    inplace: bool = False


@layer("selu")
class SELU(Module):
    """ELU with the two factors that keep mean 0 and variance 1: x (*) -> (*). Klambauer et al., arXiv 1706.02515."""

    inplace: bool = False


@layer("leaky_relu", "negative_slope", keywords=False)
class LeakyReLU(Module):
    """x above zero, `negative_slope * x` below: x (*) -> (*)."""

    negative_slope: float = 1e-2
    inplace: bool = False


@layer("glu", "dim")
class GLU(Module):
    """a * sigmoid(b), where a and b are the halves of x along `dim`: (*, 2 n, *) -> (*, n, *).

    Dauphin et al., arXiv 1612.08083.
    """

    dim: int = -1


@layer("gelu", "approximate")
class GELU(Module):
    """x times the normal distribution's mass below x ("tanh" approximates it): x (*) -> (*).

    Hendrycks and Gimpel, arXiv 1606.08415.
    """

    approximate: str = "none"


@layer("hardshrink")
class Hardshrink(Module):
    """x where |x| > lambd, else 0: x (*) -> (*)."""

    lambd: float = 0.5

    def extra_repr(self) -> str:
        return f"{self.lambd}"


@layer("softshrink")
class Softshrink(Module):
    """x, moved by lambd towards 0 and not beyond: x (*) -> (*)."""

    lambd: float = 0.5

    def extra_repr(self) -> str:
        return str(self.lambd)


@layer("softplus", "beta threshold", keywords=False)
class Softplus(Module):
    """log(1 + exp(beta * x)) / beta, and x itself where beta * x is above `threshold`: x (*) -> (*)."""

    beta: float = 1.0
    threshold: float = 20.0


@layer("softmin", "dim")
class Softmin(Module):
    """exp(-x_i) / sum_j exp(-x_j) along `dim`: x (*) -> (*)."""

    dim: int | None = None


@layer("softmax", "dim", keywords=False)
class Softmax(Module):
    """exp(x_i) / sum_j exp(x_j) along `dim`: x (*) -> (*)."""

    dim: int | None = None


@layer("log_softmax", "dim", keywords=False)
class LogSoftmax(Module):
    """log(exp(x_i) / sum_j exp(x_j)) along `dim`: x (*) -> (*)."""

    dim: int | None = None


class Softmax2d(Module):
    """Softmax over the channels: (N, C, H, W) -> (N, C, H, W), or without N."""

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim not in (3, 4):
            raise ValueError(f"Softmax2d: expected input to be 3D or 4D, got {input.ndim}D instead")
        return F.softmax(input, -3)


class PReLU(Module):
    """x above zero, `weight * x` below, with one learned weight or one per channel: x (N, C, *) -> (N, C, *).

    He et al., arXiv 1502.01852.
    """

    __constants__ = ["num_parameters"]
    num_parameters: int

    def __init__(self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.num_parameters, self.init = num_parameters, init
        self.weight = Parameter(full((num_parameters,), float(init), device=device, dtype=dtype))

    def reset_parameters(self) -> None:
        """Sets the weights to `init` again."""
        from .init import constant_

        constant_(self.weight, self.init)

    def forward(self, input: Tensor) -> Tensor:
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"
