"""torch.optim.swa_utils: means of the weights of a model during training."""
from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from typing import Any

from ..autograd import no_grad
from ..creation import tensor
from ..dtypes import int64
from ..nn import Module
from ..nn.batchnorm import _BatchNorm
from ..tensor import Tensor
from .lr_scheduler import LRScheduler, annealed, one_each
from .optimizer import Optimizer

__all__ = ["AveragedModel", "SWALR", "get_ema_avg_fn", "get_ema_multi_avg_fn", "get_swa_avg_fn",
           "get_swa_multi_avg_fn", "update_bn"]


def check_decay(decay: float) -> None:
    if not 0.0 <= decay <= 1.0:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")


def get_ema_avg_fn(decay: float = 0.999) -> Callable[[Tensor, Tensor, Any], Tensor]:
    """The rule `decay * mean + (1 - decay) * new` for one tensor."""
    check_decay(decay)

    @no_grad()
    def ema_update(ema_param: Any, current_param: Any, num_averaged: Any) -> Any:
        return decay * ema_param + (1 - decay) * current_param
    return ema_update


def get_swa_avg_fn() -> Callable[[Tensor, Tensor, Any], Tensor]:
    """The rule `mean + (new - mean) / (n + 1)` for one tensor, after `n` of them."""
    @no_grad()
    def swa_update(averaged_param: Any, current_param: Any, num_averaged: Any) -> Any:
        return averaged_param + (current_param - averaged_param) / (num_averaged + 1)
    return swa_update


def of_many(rule: Callable[[Any, Any, Any], Any]) -> Callable[[Sequence, Sequence, Any], None]:
    """A rule for one tensor as one for several, which changes the means in place."""
    @no_grad()
    def update(means: Sequence[Any], news: Sequence[Any], count: Any) -> None:
        for mean, new in zip(means, news, strict=True):
            mean.copy_(rule(mean, new, count))
    return update


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable[[Sequence, Sequence, Any], None]:
    """The rule of get_ema_avg_fn for several tensors, in place."""
    return of_many(get_ema_avg_fn(decay))


def get_swa_multi_avg_fn() -> Callable[[Sequence, Sequence, Any], None]:
    """The rule of get_swa_avg_fn for several tensors, in place."""
    return of_many(get_swa_avg_fn())


class AveragedModel(Module):
    """A copy of a model whose parameters (with `use_buffers` its buffers, too) are means of those that
    update_parameters has seen.

    Without a rule they are plain means. Izmailov et al., arXiv 1803.05407.
    """

    def __init__(self, model: Module, device: Any = None, avg_fn: Callable | None = None,
                 multi_avg_fn: Callable | None = None, use_buffers: bool = False) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", tensor(0, dtype=int64, device=device))
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn, multi_avg_fn, use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the averaged model makes of the arguments."""
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Takes the present parameters of `model` into the means."""
        def parts(of: Module) -> list[Any]:
            buffers = of.buffers() if self.use_buffers else ()
            return [t.detach() for t in itertools.chain(of.parameters(), buffers)]
        means, news = parts(self.module), parts(model)
        first = bool(self.n_averaged == 0)
        if first:
            for mean, new in zip(means, news, strict=False):
                mean.copy_(new)
        elif self.avg_fn is not None:
            of_many(self.avg_fn)(means, news, self.n_averaged)
        else:
            many = self.multi_avg_fn or get_swa_multi_avg_fn()
            kinds: dict[Any, tuple[list, list]] = {}
            for mean, new in zip(means, news, strict=True):
                pair = kinds.setdefault(mean.dtype, ([], []))
                pair[0].append(mean)
                pair[1].append(new)
            for pair in kinds.values():
                many(*pair, self.n_averaged)
        if not self.use_buffers:                            # then they are those of the model
            for mine, its in zip(self.module.buffers(), model.buffers(), strict=False):
                mine.detach().copy_(its.detach())
        self.n_averaged += 1


@no_grad()
def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Computes the running statistics of all BatchNorm layers anew, as means over all batches of `loader`."""
    momenta = {layer: layer.momentum for layer in model.modules() if isinstance(layer, _BatchNorm)}
    if not momenta:
        return
    for layer in momenta:
        layer.reset_running_stats()
        layer.momentum = None
    training = model.training
    model.train()
    for batch in loader:
        batch = batch[0] if isinstance(batch, (list, tuple)) else batch
        model(batch if device is None else batch.to(device))
    for layer, momentum in momenta.items():
        layer.momentum = momentum
    model.train(training)


class SWALR(LRScheduler):
    """From the present learning rates to `swa_lr` in `anneal_epochs` epochs, and then constant."""

    def __init__(self, optimizer: Optimizer, swa_lr: float | list[float], anneal_epochs: int = 10,
                 anneal_strategy: str = "cos", last_epoch: int = -1) -> None:
        for group, rate in zip(optimizer.param_groups, one_each("swa_lr", optimizer, swa_lr), strict=True):
            group["swa_lr"] = rate
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")
        self._anneal_strategy = anneal_strategy
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The learning rates of this step: what is left of the way is divided as the strategy says."""
        self._warn_if_asked_from_outside()
        step = self._step_count - 1 if self.anneal_epochs else max(1, self._step_count - 1)
        before, now = (annealed(self._anneal_strategy, 0.0, 1.0, max(0.0, min(1.0, k / max(1, self.anneal_epochs))))
                       for k in (step - 1, step))
        left = 0.0 if math.isclose(before, 1.0, abs_tol=1e-12) else (1 - now) / (1 - before)
        return [group["swa_lr"] + (group["lr"] - group["swa_lr"]) * left for group in self.optimizer.param_groups]
