"""torchvision.transforms.v2: chains of transforms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from flambeau.nn import ModuleList

from .._support import chance, choice, permutation
from ._transform import Transform, check_probability


class Chain(Transform):
    """The base of transforms made of others."""

    transforms: Any

    def _check(self, transforms: Any, kinds: Any = Sequence, what: str = "") -> None:
        if not isinstance(transforms, kinds):
            raise TypeError(f"Argument transforms should be a sequence of callables{what}")
        if not len(transforms):
            raise ValueError("Pass at least one transform")

    def _in_turn(self, transforms: Any, inputs: tuple) -> Any:
        for transform in transforms:
            found = transform(*inputs)
            inputs = found if len(inputs) > 1 else (found,)
        return inputs if len(inputs) > 1 else inputs[0]

    def extra_repr(self) -> str:
        return "\n".join(f"    {t}" for t in self.transforms)


class Compose(Chain):
    """Transforms one after the other."""

    def __init__(self, transforms: Sequence[Callable]) -> None:
        super().__init__()
        self._check(transforms)
        self.transforms = transforms

    def forward(self, *inputs: Any) -> Any:
        return self._in_turn(self.transforms, inputs)


class RandomApply(Chain):
    """All of the transforms with probability p, otherwise none."""

    def __init__(self, transforms: Any, p: float = 0.5) -> None:
        super().__init__()
        self._check(transforms, (Sequence, ModuleList), " or a `nn.ModuleList`")
        self.transforms = transforms
        check_probability(p)
        self.p = p

    def forward(self, *inputs: Any) -> Any:
        return self._in_turn(self.transforms if chance() < self.p else (), inputs)


class RandomChoice(Chain):
    """One of the transforms, chosen in proportion to p."""

    extra_repr = Transform.extra_repr

    def __init__(self, transforms: Sequence[Callable], p: list[float] | None = None) -> None:
        self._check(transforms)
        weights = [1] * len(transforms) if p is None else p
        if len(weights) != len(transforms):
            raise ValueError(
                f"Length of p doesn't match the number of transforms: {len(weights)} != {len(transforms)}")
        super().__init__()
        self.transforms = transforms
        self.p = [weight / sum(weights) for weight in weights]

    def forward(self, *inputs: Any) -> Any:
        return self.transforms[choice(self.p)](*inputs)


class RandomOrder(Chain):
    """All of the transforms, in random order."""

    extra_repr = Transform.extra_repr

    def __init__(self, transforms: Sequence[Callable]) -> None:
        self._check(transforms)
        super().__init__()
        self.transforms = transforms

    def forward(self, *inputs: Any) -> Any:
        return self._in_turn([self.transforms[i] for i in permutation(len(self.transforms))], inputs)
