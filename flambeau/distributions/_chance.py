"""ProbsOrLogits: what distributions share that are given probabilities or log-odds."""

from __future__ import annotations

from typing import Any, ClassVar

from ..size import Size
from ..tensor import Tensor
from .distribution import Distribution
from .utils import broadcast_all, lazy_property, logits_to_probs, probs_to_logits


class ProbsOrLogits(Distribution):
    """A distribution with either `probs` or `logits`; the other is worked out when asked for."""

    _constants: ClassVar[tuple[str, ...]] = ("_by_logits",)
    _is_binary = True

    def _take_chance(self, probs: Any, logits: Any, *others: Any) -> tuple[Tensor, ...]:
        """Sets `probs` or `logits`, broadcast with `others`, which are returned."""
        if (probs is None) == (logits is None):
            raise ValueError("Either `probs` or `logits` must be specified, but not both.")
        self._by_logits = probs is None
        *others, chance = broadcast_all(*others, logits if self._by_logits else probs)  # type: ignore[assignment]
        self._set_chance(chance)
        return tuple(others)

    def _set_chance(self, chance: Tensor) -> None:
        setattr(self, "logits" if self._by_logits else "probs", chance)

    @lazy_property
    def logits(self) -> Tensor:
        return probs_to_logits(self.probs, is_binary=self._is_binary)

    @lazy_property
    def probs(self) -> Tensor:
        return logits_to_probs(self.logits, is_binary=self._is_binary)

    @property
    def _param(self) -> Tensor:
        return self.logits if self._by_logits else self.probs

    @property
    def param_shape(self) -> Size:
        """The shape of the parameter."""
        return self._param.size()
