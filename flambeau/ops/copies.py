"""`torch.view_copy` and the like: what a view shows, as a tensor of its own."""

from __future__ import annotations

from typing import Any

from . import complex, core, joining, rearrange, shape
from ._op import Composite, S, composite, registry

VIEWS = {
    complex: ("view_as_complex", "view_as_real"),
    core: ("detach",),
    joining: ("select", "split", "split_with_sizes", "unbind"),
    rearrange: ("as_strided", "diagonal", "unfold"),
    shape: ("expand", "permute", "squeeze", "t", "transpose", "unsqueeze", "view"),
}


def _copying(name: str) -> Any:
    view: Any = registry[name]

    def copying(input, *args, **kwargs):
        found = view(input, *args, **kwargs)
        return tuple([part.clone() for part in found]) if isinstance(found, tuple) else found.clone()

    copying.__name__ = name + "_copy"
    copying.__doc__ = f"What `{name}` shows of `input`, as a tensor of its own."
    return copying


for _name in [name for names in VIEWS.values() for name in names]:
    Composite(_copying(_name), "torch out" if "split" not in _name and _name != "unbind" else "torch", "", (), ())


@composite("torch out", cases=[(S(2, 3),)])
def alias_copy(input):
    """The elements of `input`, as a tensor of its own."""
    return input.clone()


@composite("torch", cases=[(S(4, 3), 0, 1, 4, 2)])
def slice_copy(input, dim=0, start=None, end=None, step=1):
    """The elements `start`, `start + step` ... before `end` along `dim`, as a tensor of its own."""
    return input[(slice(None),) * (dim % input.ndim) + (slice(start, end, step),)].clone()
