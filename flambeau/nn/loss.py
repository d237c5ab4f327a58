"""Losses as layers: `reduction` is "mean", "sum" or "none" (one loss per element or sample)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any

from ..tensor import Tensor
from . import functional as F
from ._layer import layer, reduction_of
from .module import Module


class _Loss(Module):
    """The base of losses: holds `reduction`."""

    reduction: str

    def __init__(self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = reduction_of(size_average, reduce, reduction)


class _WeightedLoss(_Loss):
    """The base of losses with a weight per class or element, held as a buffer."""

    weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)


PAIR = "input target"


@layer("l1_loss", operands=PAIR)
class L1Loss(_Loss):
    """|input - target|: input (*), target (*) -> () or (*)."""

    size_average: bool | None = None
    reduce: bool | None = None
    reduction: str = "mean"


@layer("mse_loss", operands=PAIR)
class MSELoss(_Loss):
    """(input - target)**2: input (*), target (*) -> () or (*).

    >>> import flambeau as torch
    >>> torch.nn.MSELoss()(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
    tensor(2.)
    """

    size_average: bool | None = None
    reduce: bool | None = None
    reduction: str = "mean"


@layer("nll_loss", operands=PAIR)
class NLLLoss(_WeightedLoss):
    """-input[target], input holding the logarithms of probabilities.

    input (N, C, *), target (N, *) of classes -> () or (N, *).
    """

    weight: Tensor | None = None
    size_average: bool | None = None
    ignore_index: int = -100
    reduce: bool | None = None
    reduction: str = "mean"


class NLLLoss2d(NLLLoss):
    """NLLLoss, by its old name for images."""


@layer("cross_entropy", operands=PAIR)
class CrossEntropyLoss(_WeightedLoss):
    """-log(softmax(input))[target].

    input (N, C, *) or (C,) of scores, target (N, *) of classes or (N, C, *) of probabilities -> () or (N, *).
    """

    weight: Tensor | None = None
    size_average: bool | None = None
    ignore_index: int = -100
    reduce: bool | None = None
    reduction: str = "mean"
    label_smoothing: float = 0.0


@layer("poisson_nll_loss", operands="log_input target")
class PoissonNLLLoss(_Loss):
    """exp(input) - target * input, or input - target * log(input + eps) without `log_input`.

    `full` adds Stirling's term. (*), (*) -> () or (*).
    """

    log_input: bool = True
    full: bool = False
    size_average: bool | None = None
    eps: float = 1e-8
    reduce: bool | None = None
    reduction: str = "mean"

    def forward(self, log_input: Tensor, target: Tensor) -> Tensor:
        return F.poisson_nll_loss(
            log_input, target, log_input=self.log_input, full=self.full, eps=self.eps, reduction=self.reduction
        )


@layer("gaussian_nll_loss", operands="input target var")
class GaussianNLLLoss(_Loss):
    """(log(var) + (input - target)**2 / var) / 2, var kept above eps.

    input (N, *), target (N, *), var (N, *) or (N, 1) -> () or (N, *).
    """

    _: KW_ONLY
    full: bool = False
    eps: float = 1e-6
    reduction: str = "mean"


@layer("kl_div", operands=PAIR)
class KLDivLoss(_Loss):
    """target * (log(target) - input), input holding logarithms (and target too with `log_target`).

    (*), (*) -> () or (*).
    """

    size_average: bool | None = None
    reduce: bool | None = None
    reduction: str = "mean"
    log_target: bool = False


@layer("binary_cross_entropy", operands=PAIR)
class BCELoss(_WeightedLoss):
    """-(target * log(input) + (1 - target) * log(1 - input)), logarithms kept above -100.

    input (*) in [0, 1], target (*) -> () or (*).
    """

    weight: Tensor | None = None
    size_average: bool | None = None
    reduce: bool | None = None
    reduction: str = "mean"


@layer("binary_cross_entropy_with_logits", operands=PAIR)
class BCEWithLogitsLoss(_Loss):
    """BCELoss of sigmoid(input), without overflow; `pos_weight` multiplies the part of positives.

    (*), (*) -> () or (*).
    """

    weight: Tensor | None = None
    size_average: bool | None = None
    reduce: bool | None = None
    reduction: str = "mean"
    pos_weight: Tensor | None = None


@layer("hinge_embedding_loss", operands=PAIR)
class HingeEmbeddingLoss(_Loss):
    """input where target is 1, max(0, margin - input) where it is -1: (*), (*) -> () or (*)."""

    margin: float = 1.0
    size_average: bool | None = None
    reduce: bool | None = None
    reduction: str = "mean"


@layer("multilabel_margin_loss", operands=PAIR)
class MultiLabelMarginLoss(_Loss):
    """sum_ij max(0, 1 - input[target_j] + input_i) / C over targets j (up to the first -1) and other classes i.

    (N, C), (N, C) -> () or (N,).
    """

    size_average: bool | None = None
    reduce: bool | None = None
    reduction: str = "mean"


@layer("smooth_l1_loss", operands=PAIR)
class SmoothL1Loss(_Loss):
    """d**2 / (2 beta) where d = |input - target| is below beta, d - beta / 2 elsewhere: (*), (*) -> () or (*).

    Girshick, arXiv 1504.08083.
    """

    size_average: bool | None = None
    reduce: bool | None = None
    reduction: str = "mean"
    beta: float = 1.0


class HuberLoss(_Loss):
    """d**2 / 2 where d = |input - target| is below delta, delta * (d - delta / 2) elsewhere: (*), (*) -> () or (*)."""

    __constants__ = ["reduction", "delta"]

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        if not isinstance(delta, (float, int)):
            raise TypeError(f"delta must be a float or int, got: {type(delta)}")
        self.delta = delta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.huber_loss(input, target, reduction=self.reduction, delta=self.delta)


@layer("soft_margin_loss", operands=PAIR)
class SoftMarginLoss(_Loss):
    """log(1 + exp(-target * input)), target 1 or -1: (*), (*) -> () or (*)."""

    size_average: bool | None = None
    reduce: bool | None = None
    reduction: str = "mean"


@layer("multilabel_soft_margin_loss", operands=PAIR)
class MultiLabelSoftMarginLoss(_WeightedLoss):
    """BCELoss of sigmoid(input), averaged over the classes: (N, C), (N, C) -> () or (N,)."""

    weight: Tensor | None = None
    size_average: bool | None = None
    reduce: bool | None = None
    reduction: str = "mean"


@layer("cosine_embedding_loss", operands="input1 input2 target")
class CosineEmbeddingLoss(_Loss):
    """1 - cos where target is 1, max(0, cos - margin) where it is -1.

    (N, D), (N, D), (N,) -> () or (N,), or without N.
    """

    margin: float = 0.0
    size_average: bool | None = None
    reduce: bool | None = None
    reduction: str = "mean"


@layer("margin_ranking_loss", operands="input1 input2 target")
class MarginRankingLoss(_Loss):
    """max(0, -target * (input1 - input2) + margin), target 1 or -1: (N,), (N,), (N,) -> () or (N,)."""

    margin: float = 0.0
    size_average: bool | None = None
    reduce: bool | None = None
    reduction: str = "mean"


class MultiMarginLoss(_WeightedLoss):
    """sum_i max(0, margin - input[target] + input_i)**p / C over the other classes i.

    input (N, C), target (N,) -> () or (N,).
    """

    __constants__ = ["p", "margin", "reduction"]
    margin: float
    p: int

    def __init__(
        self,
        p: int = 1,
        margin: float = 1.0,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        if p != 1 and p != 2:
            raise ValueError("only p == 1 and p == 2 supported")
        if weight is not None and weight.dim() != 1:
            raise ValueError(f"MultiMarginLoss: expected weight to be None or 1D tensor, got {weight.dim()}D instead")
        self.p, self.margin = p, margin

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.multi_margin_loss(
            input, target, p=self.p, margin=self.margin, weight=self.weight, reduction=self.reduction
        )


class TripletMarginLoss(_Loss):
    """max(0, |anchor - positive| - |anchor - negative| + margin), with the norm of order p.

    three of (N, D) -> () or (N,). Balntas et al., 2016.
    """

    __constants__ = ["margin", "p", "eps", "swap", "reduction"]

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        if margin <= 0:
            raise ValueError(f"TripletMarginLoss: expected margin to be greater than 0, got {margin} instead")
        self.margin, self.p, self.eps, self.swap = margin, p, eps, swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return F.triplet_margin_loss(
            anchor,
            positive,
            negative,
            margin=self.margin,
            p=self.p,
            eps=self.eps,
            swap=self.swap,
            reduction=self.reduction,
        )


class TripletMarginWithDistanceLoss(_Loss):
    """max(0, distance(anchor, positive) - distance(anchor, negative) + margin), by a distance of one's own.

    three of (N, *) -> () or (N,).
    """

    __constants__ = ["margin", "swap", "reduction"]

    def __init__(
        self,
        *,
        distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        if margin <= 0:
            raise ValueError(
                f"TripletMarginWithDistanceLoss: expected margin to be greater than 0, got {margin} instead"
            )
        if distance_function is None:
            from .distance import PairwiseDistance

            distance_function = PairwiseDistance()
        self.distance_function, self.margin, self.swap = distance_function, margin, swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return F.triplet_margin_with_distance_loss(
            anchor,
            positive,
            negative,
            distance_function=self.distance_function,
            margin=self.margin,
            swap=self.swap,
            reduction=self.reduction,
        )


@layer("ctc_loss", operands="log_probs targets input_lengths target_lengths")
class CTCLoss(_Loss):
    """-log of the probability of a label sequence over all alignments.

    log_probs (T, N, C), targets (N, S) or joined, lengths (N,) -> () or (N,).

    Graves et al., 2006.
    """

    blank: int = 0
    reduction: str = "mean"
    zero_infinity: bool = False

    def forward(self, log_probs: Tensor, targets: Tensor, input_lengths: Any, target_lengths: Any) -> Tensor:
        return F.ctc_loss(
            log_probs, targets, input_lengths, target_lengths, self.blank, self.reduction, self.zero_infinity
        )


@dataclass(frozen=True)
class LinearCrossEntropyOptions:
    """How PyTorch is to cut linear_cross_entropy into pieces; accepted here, and without effect."""

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: str = "auto"
    acc_dtype: Any = None


class LinearCrossEntropyLoss(_WeightedLoss):
    """CrossEntropyLoss of a linear layer's scores.

    input (N, in_features), target (N, *out_features) -> () or (N, *out_features).

    The layer has num_classes scores for each place of `out_features`.
    """

    __constants__ = ["num_classes", "out_features", "reduction", "ignore_index", "label_smoothing"]

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        out_features: tuple[int, ...] = (),
        bias: bool = False,
        device: Any = None,
        dtype: Any = None,
        reduction: str = "mean",
        weight: Tensor | None = None,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        options: LinearCrossEntropyOptions | None = None,
    ) -> None:
        super().__init__(weight, reduction=reduction)
        if weight is not None and tuple(weight.shape) != (num_classes,):
            raise RuntimeError(f"expected weight shape to be {(num_classes,)}, got {tuple(weight.shape)}")
        if not 0 <= label_smoothing <= 1:
            raise RuntimeError(f"expected label_smoothing to be in range [0, 1], got {label_smoothing}")
        from .linear import Linear

        self.linear = Linear(in_features, num_classes * math.prod(out_features), bias=bias, device=device, dtype=dtype)
        self.in_features, self.num_classes, self.out_features = in_features, num_classes, out_features
        self.ignore_index, self.label_smoothing, self.options = ignore_index, label_smoothing, options

    def reset_parameters(self) -> None:
        """Draws the layer's weights anew."""
        self.linear.reset_parameters()

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        weight: Any = self.linear.weight
        bias: Any = self.linear.bias
        if self.out_features:
            places = (self.num_classes, *self.out_features)
            weight = weight.reshape((*places, weight.shape[-1]))
            bias = bias.reshape(places) if bias is not None else None
        return F.linear_cross_entropy(
            input,
            weight,
            target,
            linear_bias=bias,
            weight=self.weight,
            options=self.options,
            reduction=self.reduction,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
        )

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, num_classes={self.num_classes}, out_features={self.out_features}, "
            f"bias={self.linear.bias is not None}, reduction={self.reduction}, ignore_index={self.ignore_index}, "
            f"label_smoothing={self.label_smoothing}, options={self.options}"
        )
