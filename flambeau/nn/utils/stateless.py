"""A module called with other tensors in the place of its parameters and buffers."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

from ...tensor import Tensor
from ..module import Module
from ..parallel import DataParallel


def _owner(module: Module, name: str) -> tuple[Module, str]:
    path, _, last = name.rpartition(".")
    return module.get_submodule(path), last


def _untied(module: Module, given: dict[str, Tensor]) -> dict[str, Tensor]:
    """`given`, each tensor also under the other names of the parameter or buffer that it stands for."""
    names: dict[int, list[str]] = {}
    for walk in (module.named_parameters, module.named_buffers):
        for name, t in walk(remove_duplicate=False):
            names.setdefault(id(t), []).append(name)
    found = dict(given)
    for group in names.values():
        mine = [n for n in group if n in given]
        if len({id(given[n]) for n in mine}) > 1:
            raise ValueError(
                f"functional_call got multiple values for keys {sorted(group)}, which are tied. "
                "Consider using tie_weights=False"
            )
        if mine:
            found.update((n, given[mine[0]]) for n in group)
    return found


def _check(module: Module, given: dict[str, Tensor]) -> None:
    """Raises unless `given` names all parameters and buffers, and nothing else."""
    own = {n for n, _ in module.named_parameters(remove_duplicate=False)}
    own |= {n for n, _ in module.named_buffers(remove_duplicate=False)}
    lines = []
    for title, names in (("Unexpected", [n for n in given if n not in own]), ("Missing", own - given.keys())):
        if names:
            lines.append(f"{title} key(s): {', '.join(map(repr, sorted(names)))}.")
    if lines:
        raise RuntimeError("Error(s) in reparametrizing for {}:\n\t{}".format(module._get_name(), "\n\t".join(lines)))


@contextlib.contextmanager
def _reparametrize_module(
    module: Module, parameters_and_buffers: dict[str, Tensor], tie_weights: bool = False, strict: bool = False
) -> Iterator[None]:
    """A region in which the module has the given tensors for its own; what it replaces there is handed back."""
    given = _untied(module, parameters_and_buffers) if tie_weights else parameters_and_buffers
    if strict:
        _check(module, given)
    swapped: list[tuple[dict, str, str, Any]] = []
    try:
        for name, t in given.items():
            if not isinstance(t, Tensor):
                raise TypeError(f"{t} is not an instance of torch.Tensor")
            owner, last = _owner(module, name)
            for store in (owner._parameters, owner._buffers):
                if last in store:
                    swapped.append((store, last, name, store[last]))  # type: ignore[arg-type]
                    store[last] = t  # type: ignore[assignment]
                    break
            else:
                raise AttributeError(f"{type(owner).__name__} has no attribute `{last}`")
        yield
    finally:
        for store, last, name, before in reversed(swapped):
            if name in parameters_and_buffers:
                parameters_and_buffers[name] = store[last]
            store[last] = before


def _functional_call(
    module: Module,
    parameters_and_buffers: dict[str, Tensor],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """`module(*args, **kwargs)` with the given tensors in the place of its parameters and buffers of these names."""
    if isinstance(module, DataParallel):
        raise RuntimeError("The stateless API can't be used with nn.DataParallel module")
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    with _reparametrize_module(module, parameters_and_buffers, tie_weights, strict):
        return module(*args, **(kwargs or {}))


def functional_call(
    module: Module,
    parameters_and_buffers: dict[str, Tensor],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """As torch.func.functional_call, which has taken its place."""
    warnings.warn(
        "`torch.nn.utils.stateless.functional_call` is deprecated as of PyTorch 2.0 and will be removed in a future "
        "version of PyTorch. Please use `torch.func.functional_call` instead which is a drop-in replacement.",
        FutureWarning,
        stacklevel=2,
    )
    return _functional_call(module, parameters_and_buffers, args, kwargs, tie_weights=tie_weights, strict=strict)
