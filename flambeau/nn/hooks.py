"""Calling a module that has hooks."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor
from . import module as _module


def call_with_hooks(m: Any, args: tuple, kwargs: dict) -> Any:
    """Runs `m.forward` with all hooks that apply to it, in PyTorch's order."""
    everywhere = _module._GLOBAL
    for key, hook in [*((None, h) for h in everywhere["forward_pre"].values()), *m._forward_pre_hooks.items()]:
        if key is not None and key in m._forward_pre_hooks_with_kwargs:
            changed = hook(m, args, kwargs)
            if changed is not None:
                if not (isinstance(changed, tuple) and len(changed) == 2):
                    raise RuntimeError(
                        f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {changed}."
                    )
                args, kwargs = changed
        else:
            changed = hook(m, args)
            if changed is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
    backward = [*everywhere["backward"].values(), *m._backward_hooks.values()]
    before = [*everywhere["backward_pre"].values(), *m._backward_pre_hooks.values()]
    watch = _Backward(m, backward, before) if backward or before else None
    if watch is not None:
        args = watch.inputs(args)
    try:
        output = m.forward(*args, **kwargs)
        for hook, with_kwargs, _ in _forward_hooks(m):
            changed = hook(m, args, kwargs, output) if with_kwargs else hook(m, args, output)
            output = output if changed is None else changed
    except Exception:
        for hook, with_kwargs, always in _forward_hooks(m):
            if always:
                hook(m, args, kwargs, None) if with_kwargs else hook(m, args, None)
        raise
    return watch.outputs(output) if watch is not None else output


def _forward_hooks(m: Any) -> list[tuple[Any, bool, bool]]:
    """The forward hooks that apply to `m`: each with whether it takes keyword arguments and whether errors do not
    stop it."""
    everywhere = _module._GLOBAL
    with_kwargs, always = everywhere["forward_kwargs"], everywhere["forward_always"]
    return [
        *((hook, key in with_kwargs, key in always) for key, hook in everywhere["forward"].items()),
        *(
            (hook, key in m._forward_hooks_with_kwargs, key in m._forward_hooks_always_called)
            for key, hook in m._forward_hooks.items()
        ),
    ]


class _Backward:
    """Collects the gradients at a module's outputs and inputs, and calls its backward hooks with both."""

    def __init__(self, m: Any, hooks: list, before: list) -> None:
        self.m, self.hooks, self.before = m, hooks, before
        self.grad_output: Any = None
        self.grad_input: list[Any] = []

    def inputs(self, args: tuple) -> tuple:
        """The arguments, each tensor that is differentiated passed through a node of its own."""
        self.count = len(args)
        self.grad_input = [None] * len(args)
        places = [i for i, a in enumerate(args) if isinstance(a, Tensor) and a.requires_grad]
        self.waiting = len(places)
        made = list(args)
        for i in places:
            made[i] = args[i].view_as(args[i])
            made[i].register_hook(lambda g, i=i: self.arrived(i, g))
        return tuple(made)

    def outputs(self, output: Any) -> Any:
        """The output, watched."""
        many = output if isinstance(output, (tuple, list)) else (output,)
        tensors = [i for i, o in enumerate(many) if isinstance(o, Tensor) and o.requires_grad]
        self.grad_output = [None] * len(many)
        self.left = len(tensors)
        made = list(many)
        for i in tensors:
            made[i] = many[i].view_as(many[i])
            made[i].register_hook(lambda g, i=i: self.out(i, g))
        return type(output)(made) if isinstance(output, (tuple, list)) else made[0]

    def out(self, place: int, g: Tensor) -> Any:
        self.grad_output[place] = g
        for hook in self.before:
            changed = hook(self.m, tuple(self.grad_output))
            if changed is not None:
                self.grad_output = list(changed) if isinstance(changed, tuple) else [changed]
        if not self.waiting:
            self.finish()
        return self.grad_output[place]

    def arrived(self, place: int, g: Tensor) -> Any:
        self.grad_input[place] = g
        self.waiting -= 1
        if not self.waiting:
            self.finish()
        return self.grad_input[place]

    def finish(self) -> None:
        for hook in self.hooks:
            changed = hook(self.m, tuple(self.grad_input), tuple(self.grad_output))
            if changed is not None:
                self.grad_input = list(changed) if isinstance(changed, tuple) else [changed]
