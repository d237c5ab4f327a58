"""Connectionist temporal classification: a label sequence's likelihood, summed over its alignments with the frames."""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..graph import Spec
from ._checks import first_outside, outside
from ._loops import stepped
from ._losses import check_reduction
from ._op import S, T, composite, op
from ._rules import title


def _ctc_spec(
    log_probs: Spec,
    targets: Spec,
    blank: int,
    lengths: tuple | None,
    input_lengths: Spec | None,
    target_lengths: Spec | None,
) -> Spec:
    if log_probs.dtype not in (dtypes.float32, dtypes.float64):
        raise NotImplementedError(f"\"ctc_loss_cpu\" not implemented for '{title(log_probs.dtype)}'")
    if not 0 <= blank < log_probs.shape[2]:
        raise RuntimeError("blank must be in label range")
    batch = log_probs.shape[1]
    found = (
        [len(g) for g in lengths]
        if lengths is not None
        else [s.numel for s in (input_lengths, target_lengths) if s is not None]
    )
    for name, size in zip(("input_lengths", "target_lengths"), found, strict=False):
        if size != batch:
            raise RuntimeError(f"{name} must be of size batch_size")
    return log_probs.like((batch,))


class Alignment:
    """What both passes over the frames need: the targets with blanks between, lengths, which steps skip a blank."""

    def __init__(
        self,
        xp: Any,
        log_probs: Any,
        targets: Any,
        input_lengths: Any,
        target_lengths: Any,
        blank: int,
        lengths: tuple | None,
    ) -> None:
        frames, batch, classes = log_probs.shape
        if lengths is not None:
            input_lengths, target_lengths = (xp.asarray(g, "int64") for g in lengths)
        self.input_lengths, self.target_lengths = input_lengths.reshape(-1), target_lengths.reshape(-1)
        check_lengths(xp, targets, self.input_lengths, self.target_lengths, frames)
        targets = targets.astype("int64")
        if targets.ndim == 1:  # all sequences one after the other
            longest = int(self.target_lengths.max()) if xp.host and batch else targets.shape[0]
            starts = xp.cumsum(self.target_lengths) - self.target_lengths
            place = xp.minimum(starts[:, None] + xp.arange(longest), max(targets.shape[0] - 1, 0))
            targets = targets[place] if targets.shape[0] else xp.zeros((batch, 0), "int64")
        counts = xp.arange(targets.shape[1]) < self.target_lengths[:, None]
        targets = xp.where(counts, targets, blank)
        xp.refuse(
            outside(xp, targets, 0, classes),
            lambda: IndexError(f"Target {first_outside(xp, targets, 0, classes)} is out of bounds."),
        )
        width = 2 * targets.shape[1] + 1
        between = xp.full(targets.shape, blank, "int64")
        self.labels = xp.concatenate(
            (
                xp.stack((between, targets), 2).reshape(batch, width - 1),
                between[:, :1] if width > 1 else xp.full((batch, 1), blank, "int64"),
            ),
            axis=1,
        )
        differs = xp.concatenate(
            (xp.zeros((batch, min(2, width)), bool), self.labels[:, 2:] != self.labels[:, :-2]), axis=1
        )
        self.skips = differs & (self.labels != blank)
        self.ends = (xp.arange(width) == 2 * self.target_lengths[:, None]) | (
            xp.arange(width) == 2 * self.target_lengths[:, None] - 1
        )
        self.nothing = xp.asarray(-xp.inf, log_probs.dtype)
        self.emitted = xp.take_along_axis(log_probs, xp.broadcast_to(self.labels, (frames, batch, width)), 2)

    def shifted(self, xp: Any, x: Any, by: int) -> Any:
        """`x` moved by some states, to the right if `by` is positive; -inf comes in."""
        fill = xp.full((x.shape[0], min(abs(by), x.shape[1])), self.nothing, x.dtype)
        return (
            xp.concatenate((fill, x[:, :-by]), axis=1)[:, : x.shape[1]]
            if by > 0
            else xp.concatenate((x[:, -by:], fill), axis=1)[:, : x.shape[1]]
        )

    def joined(self, xp: Any, stay: Any, step: Any, skip: Any) -> Any:
        """log(exp(stay) + exp(step) + exp(skip))."""
        peak = xp.maximum(xp.maximum(stay, step), skip)
        safe = xp.where(peak == self.nothing, 0, peak)
        return safe + xp.log(xp.exp(stay - safe) + xp.exp(step - safe) + xp.exp(skip - safe))

    def forward(self, xp: Any) -> tuple[tuple, Any]:
        """log-likelihood of the states after each frame (if there are frames), and minus that of each sequence."""
        frames, _, width = self.emitted.shape
        alpha = xp.where(xp.arange(width) == 0, 0, xp.full(self.labels.shape, self.nothing))  # before the first frame
        alpha = alpha.astype(self.emitted.dtype)

        def step(carry: tuple, x: Any) -> tuple:
            (alpha,), (emitted, t) = carry, x
            skip = xp.where(self.skips, self.shifted(xp, alpha, 2), self.nothing)
            fresh = self.joined(xp, alpha, self.shifted(xp, alpha, 1), skip) + emitted
            alpha = xp.where((t < self.input_lengths)[:, None], fresh, alpha)
            return (alpha,), (alpha,)

        (alpha,), passed = stepped(xp, step, (alpha,), (self.emitted, xp.arange(frames)), False)
        last = xp.where(self.ends, alpha, self.nothing)
        peak = xp.max(last, axis=1)
        safe = xp.where(peak == self.nothing, 0, peak)
        return passed, -(safe + xp.log(xp.sum(xp.exp(last - safe[:, None]), axis=1)))

    def backward(self, xp: Any) -> Any:
        """log-likelihood of what follows from each state and frame, that frame included."""
        frames = self.emitted.shape[0]

        def step(carry: tuple, x: Any) -> tuple:
            (beta,), (emitted, t) = carry, x
            skip = self.shifted(xp, xp.where(self.skips, beta, self.nothing), -2)
            onward = self.joined(xp, beta, self.shifted(xp, beta, -1), skip) + emitted
            last = xp.where(self.ends, emitted, self.nothing)
            beta = xp.where(
                (t == self.input_lengths - 1)[:, None],
                last,
                xp.where((t < self.input_lengths)[:, None], onward, self.nothing),
            )
            return (beta,), (beta,)

        start = xp.full(self.labels.shape, self.nothing)
        return stepped(xp, step, (start,), (self.emitted, xp.arange(frames)), True)[1][0]


def check_lengths(xp: Any, targets: Any, input_lengths: Any, target_lengths: Any, frames: int) -> None:
    """Refuses lengths that do not fit the frames or the targets with PyTorch's errors."""
    if not xp.host:
        flat = targets.ndim == 1
        longest = targets.shape[0 if flat else 1]
        wrong = target_lengths.sum() != longest if flat else target_lengths > longest
        for bad in (input_lengths < 0, target_lengths < 0, input_lengths > frames, wrong):
            xp.refuse(bad, lambda: RuntimeError("NumPy says which"))
        return
    where = "(while checking arguments for ctc_loss_allocate_outputs)"
    for name, lengths in (("input_lengths", input_lengths), ("target_lengths", target_lengths)):
        if lengths.size and lengths.min() < 0:
            raise RuntimeError(f"Expected {name} to have value at least 0, but got value {lengths.min()} {where}")
    if input_lengths.size and input_lengths.max() > frames:
        raise RuntimeError(
            f"Expected input_lengths to have value at most {frames}, but got value {input_lengths.max()} {where}"
        )
    if targets.ndim == 1:
        if targets.shape[0] != target_lengths.sum():
            raise RuntimeError(
                f"Expected tensor to have size {target_lengths.sum()} at dimension 0, but got size {targets.shape[0]} "
                f"for argument #2 'targets' {where}"
            )
    elif target_lengths.size and target_lengths.max() > targets.shape[1]:
        raise RuntimeError(
            f"Expected tensor to have size at least {target_lengths.max()} at dimension 1, but got size "
            f"{targets.shape[1]} for argument #2 'targets' {where}"
        )


@op(
    _ctc_spec,
    api="",
    checks=True,
    shown="CtcLoss",
    # no frames: elsewhere the gradient follows a convention that differences do not
    cases=[(S(0, 2, 4), S(2, 0, dtype="int64"), None, None, 0, False, False, ((0, 0), (0, 0)))],
    grad=lambda g, log_probs, targets, input_lengths, target_lengths, blank, zero_infinity, shared, lengths: (
        _ctc_backward(g, log_probs, targets, input_lengths, target_lengths, blank, zero_infinity, shared, lengths)
    ),
)
def _ctc(
    xp,
    log_probs: T,
    targets: T,
    input_lengths: T = None,
    target_lengths: T = None,
    blank=0,
    zero_infinity=False,
    shared=False,
    lengths=None,
):
    """-log P(targets) of each sequence; divided by its length if `shared`."""
    lattice = Alignment(xp, log_probs, targets, input_lengths, target_lengths, blank, lengths)
    loss = lattice.forward(xp)[1]
    if zero_infinity:
        loss = xp.where(loss == xp.inf, 0, loss)
    loss = loss / xp.maximum(lattice.target_lengths, 1) if shared else loss
    return loss.astype(log_probs.dtype)


@op(lambda log_probs: log_probs.like(), api="")
def _ctc_backward(
    xp,
    input: T,
    log_probs: T,
    targets: T,
    input_lengths: T = None,
    target_lengths: T = None,
    blank=0,
    zero_infinity=False,
    shared=False,
    lengths=None,
):
    """The gradient of ctc_loss for `log_probs` that come out of log_softmax: probability minus expected occupancy.

    That is PyTorch's convention: it differs from the plain derivative by a multiple of exp(log_probs), which the
    gradient of log_softmax takes to zero. It is not differentiable again, as in PyTorch.
    """
    lattice = Alignment(xp, log_probs, targets, input_lengths, target_lengths, blank, lengths)
    passed, loss = lattice.forward(xp)
    if not log_probs.shape[0]:
        return xp.zeros_like(log_probs)
    occupied = xp.exp(passed[0] + lattice.backward(xp) - lattice.emitted + loss[:, None])
    occupied = xp.where(lattice.emitted == lattice.nothing, 0, occupied) if zero_infinity else occupied
    hot = (lattice.labels[:, :, None] == xp.arange(log_probs.shape[2])).astype(log_probs.dtype)
    by_class = xp.swapaxes(xp.matmul(xp.swapaxes(occupied, 0, 1), hot), 0, 1)
    g = input / xp.maximum(lattice.target_lengths, 1) if shared else input
    slope = (xp.exp(log_probs) - by_class) * g[:, None]
    inside = xp.arange(log_probs.shape[0])[:, None] < lattice.input_lengths
    if zero_infinity:
        inside = inside & (loss != xp.inf)
    return xp.where(inside[:, :, None], slope, 0).astype(log_probs.dtype)


@composite("nn.functional")
def ctc_loss(log_probs, targets, input_lengths, target_lengths, blank=0, reduction="mean", zero_infinity=False):
    """-log P(targets), summed over all alignments: log_probs (T, N, C), targets (N, S) or all in a row, lengths (N).

    Without a batch log_probs is (T, C) and targets (S). "mean" divides by the target lengths, then averages.
    Graves et al., ICML 2006.
    """
    check_reduction(reduction)
    single = log_probs.ndim == 2
    if single:
        log_probs = log_probs.unsqueeze(1)
        targets = targets.unsqueeze(0) if targets.ndim == 1 else targets
    pair = (input_lengths, target_lengths)
    lengths = None
    if any(isinstance(p, (tuple, list, int)) for p in pair):
        rows: Any = [p if isinstance(p, (tuple, list, int)) else p.tolist() for p in pair]
        lengths, pair = tuple((r,) if isinstance(r, int) else tuple(map(int, r)) for r in rows), (None, None)
    loss = _ctc(log_probs, targets, *pair, blank, zero_infinity, reduction == "mean", lengths)
    if reduction == "none":
        return loss.squeeze(0) if single else loss
    return loss.mean() if reduction == "mean" else loss.sum()
