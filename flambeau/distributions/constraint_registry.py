"""From constraints to transforms: `biject_to` gives bijections from unconstrained numbers, `transform_to` any map that
suits optimisation.

>>> import flambeau as torch
>>> transform_to(constraints.positive)(torch.tensor([0., 1.]))
tensor([1.0000, 2.7183])
"""

from __future__ import annotations

from collections.abc import Callable
from numbers import Number
from typing import Any

from . import constraints, transforms

__all__ = ["ConstraintRegistry", "biject_to", "transform_to"]


class ConstraintRegistry:
    """Makers of transforms, by the class of the constraint."""

    def __init__(self) -> None:
        self._registry: dict[type, Callable] = {}

    def register(self, constraint: Any, factory: Callable | None = None) -> Any:
        """Registers `factory`, from a constraint of this class to a transform; without it, a decorator that does."""
        if factory is None:
            return lambda factory: self.register(constraint, factory)
        kind = type(constraint) if isinstance(constraint, constraints.Constraint) else constraint
        if not isinstance(kind, type) or not issubclass(kind, constraints.Constraint):
            raise TypeError(
                f"Expected constraint to be either a Constraint subclass or instance, but got {constraint}")
        self._registry[kind] = factory
        return factory

    def __call__(self, constraint: Any) -> Any:
        """The transform to `constraint`."""
        factory = self._registry.get(type(constraint))
        if factory is None:
            raise NotImplementedError(f"Cannot transform {type(constraint).__name__} constraints")
        return factory(constraint)


biject_to = ConstraintRegistry()
transform_to = ConstraintRegistry()


def _interval(constraint: Any) -> Any:
    lower, upper = constraint.lower_bound, constraint.upper_bound
    if isinstance(lower, Number) and lower == 0 and isinstance(upper, Number) and upper == 1:
        return transforms.SigmoidTransform()
    affine = transforms.AffineTransform(lower, upper - lower)  # type: ignore[operator]
    return transforms.ComposeTransform([transforms.SigmoidTransform(), affine])


def _above(constraint: Any) -> Any:
    return transforms.ComposeTransform([transforms.ExpTransform(),
                                        transforms.AffineTransform(constraint.lower_bound, 1)])


def _below(constraint: Any) -> Any:
    return transforms.ComposeTransform([transforms.ExpTransform(),
                                        transforms.AffineTransform(constraint.upper_bound, -1)])


_kind: Any
for _to in (biject_to, transform_to):
    _to.register(constraints.real, lambda c: transforms.identity_transform)
    # `positive` and `nonnegative` are bounds too, and share their classes with bounds elsewhere than 0.
    for _kind in (constraints.greater_than, constraints.greater_than_eq):
        _to.register(_kind, _above)
    _to.register(constraints.less_than, _below)
    for _kind in (constraints.interval, constraints.half_open_interval):
        _to.register(_kind, _interval)
    _to.register(constraints.corr_cholesky, lambda c: transforms.CorrCholeskyTransform())
    _to.register(constraints.independent, lambda c, to=_to: transforms.IndependentTransform(
        to(c.base_constraint), c.reinterpreted_batch_ndims))
    _to.register(constraints.cat, lambda c, to=_to: transforms.CatTransform([to(s) for s in c.cseq], c.dim, c.lengths))
    _to.register(constraints.stack, lambda c, to=_to: transforms.StackTransform([to(s) for s in c.cseq], c.dim))

biject_to.register(constraints.simplex, lambda c: transforms.StickBreakingTransform())
transform_to.register(constraints.simplex, lambda c: transforms.SoftmaxTransform())
transform_to.register(constraints.lower_cholesky, lambda c: transforms.LowerCholeskyTransform())
for _kind in (constraints.positive_definite, constraints.positive_semidefinite):
    transform_to.register(_kind, lambda c: transforms.PositiveDefiniteTransform())
