"""What the models share: channel counts, initial values, features from within, the old call with `pretrained`."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from ... import nn
from ...nn import init
from ...tensor import Tensor
from ._api import WeightsEnum


class IntermediateLayerGetter(nn.ModuleDict):
    """A model up to the last of its children that are asked for; gives their outputs by the names wanted.

    `return_layers` maps children's names to names in the result. The children must be used in the order they have.
    """

    _version = 2

    def __init__(self, model: nn.Module, return_layers: dict[str, str]) -> None:
        children = dict(model.named_children())
        if not set(return_layers) <= set(children):
            raise ValueError("return_layers are not present in model")
        names = list(children)
        last = max((names.index(name) for name in return_layers), default=0)
        super().__init__(OrderedDict((name, children[name]) for name in names[: last + 1]))
        self.return_layers = return_layers

    def forward(self, x: Tensor) -> OrderedDict[str, Tensor]:
        found = OrderedDict()
        for name, module in self.items():
            x = module(x)
            if name in self.return_layers:
                found[str(self.return_layers[name])] = x
        return found


def _make_divisible(v: float, divisor: int, min_value: int | None = None) -> int:
    """The multiple of `divisor` next to v, at least `min_value`, and never more than a tenth below v."""
    near = max(divisor if min_value is None else min_value, int(v + divisor / 2) // divisor * divisor)
    return near + divisor if near < 0.9 * v else near


def fill_norms(module: nn.Module) -> None:
    """Sets the weight and bias of a normalisation to one and zero."""
    if isinstance(module, (nn.BatchNorm2d, nn.GroupNorm)):
        init.ones_(module.weight)
        init.zeros_(module.bias)


def initialise(model: nn.Module, conv: Callable[[Tensor], Any] | None = None,
               linear: Callable[[Tensor], Any] | None = None) -> None:
    """Draws all weights anew, in the order of the modules; the biases of what is drawn are zero."""
    for module in model.modules():
        draw = conv if isinstance(module, nn.Conv2d) else linear if isinstance(module, nn.Linear) else None
        if draw is not None:
            draw(module.weight)
            if module.bias is not None:
                init.zeros_(module.bias)
        else:
            fill_norms(module)


def he_fan_out(weight: Tensor) -> None:
    """He's normal numbers by what goes out, for ReLU."""
    init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu")


def small_normal(weight: Tensor) -> None:
    """Normal numbers of standard deviation 0.01."""
    init.normal_(weight, 0, 0.01)


def _ovewrite_named_param(kwargs: dict[str, Any], param: str, new_value: Any) -> None:
    """Sets an option to what the weights need; ValueError if the caller wants it otherwise."""
    if kwargs.setdefault(param, new_value) != new_value:
        raise ValueError(f"The parameter '{param}' expected value {new_value} but got {kwargs[param]} instead.")


def _ovewrite_value_param(param: str, actual: Any, expected: Any) -> Any:
    """`expected`; ValueError if the caller said otherwise."""
    if actual is not None and actual != expected:
        raise ValueError(f"The parameter '{param}' expected value {expected} but got {actual} instead.")
    return expected


def handle_legacy_interface(**weights: tuple[str, Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Lets a builder be called in the ways of before 0.13: positional arguments, `pretrained=True`; both warn.

    Each keyword is a parameter that takes weights, with its old name and what True stood for.
    """

    def wrap(builder: Callable[..., Any]) -> Callable[..., Any]:
        keywords = [p.name for p in inspect.signature(builder).parameters.values() if p.kind is p.KEYWORD_ONLY]

        @functools.wraps(builder)
        def build(*args: Any, **kwargs: Any) -> Any:
            if args:
                given = dict(zip(keywords, args, strict=False))
                if len(args) > len(keywords):
                    raise TypeError(f"{builder.__name__}() takes {len(keywords)} arguments but {len(args)} were given")
                names = " and ".join(f"'{name}'" for name in given)
                warnings.warn(
                    f"Using {names} as positional parameter(s) is deprecated since 0.13 and may be removed in the "
                    "future. Please use keyword parameter(s) instead.", stacklevel=2)
                kwargs.update(given)
            for name, (old, default) in weights.items():
                _modernise(builder.__name__, kwargs, name, old, default)
            return builder(**kwargs)

        return build

    return wrap


def _modernise(builder: str, kwargs: dict[str, Any], name: str, old: str, default: Any) -> None:
    """Turns `pretrained` among the arguments, under its own name or in the place of `weights`, into weights."""
    if name in kwargs:
        said = kwargs[name]
        if said is None or isinstance(said, WeightsEnum) or (isinstance(said, str) and said != "legacy"):
            return
    elif old in kwargs:
        said = kwargs[old]
        warnings.warn(
            f"The parameter '{old}' is deprecated since 0.13 and may be removed in the future, "
            f"please use '{name}' instead.", stacklevel=3)
    else:
        return
    chosen = None
    if said:
        chosen = default(kwargs) if callable(default) and not isinstance(default, WeightsEnum) else default
        if not isinstance(chosen, WeightsEnum):
            raise ValueError(f"No weights available for model {builder}")
    message = (
        f"Arguments other than a weight enum or `None` for '{name}' are deprecated since 0.13 and may be removed in "
        f"the future. The current behavior is equivalent to passing `{name}={chosen}`."
    )
    if chosen is not None:
        message += f" You can also use `{name}={type(chosen).__name__}.DEFAULT` to get the most up-to-date weights."
    warnings.warn(message, stacklevel=3)
    kwargs.pop(old, None)
    kwargs[name] = chosen
