"""What programs ask of the tape itself (torch.autograd.graph): its nodes, its edges, hooks on several gradients."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from .. import binding
from .._refusing import module_getattr
from .hooks import AccumulateGrad, GradFn
from .walk import is_target

Node = GradFn


class GradientEdge(NamedTuple):
    """One result of a node of the tape: where a gradient arrives."""

    node: Any
    output_nr: int
    ownership_token: Any = None


def get_gradient_edge(tensor: Any) -> GradientEdge:
    """The place on the tape where the gradient of `tensor` arrives; RuntimeError if it needs none."""
    if not tensor.requires_grad:
        raise RuntimeError("It is not possible to get the gradient edge for a Tensor that does not require gradients")
    node = tensor._node
    return GradientEdge(AccumulateGrad(node) if is_target(node) else tensor.grad_fn, tensor.output_nr)


def increment_version(tensor: Any) -> None:
    """Counts a write to each tensor, as an in-place operation would."""
    from ..views import root_of

    for t in [tensor] if isinstance(tensor, binding.Tensor) else tensor:
        root = root_of(t)
        root._changes = root.__dict__.get("_changes", 0) + 1


class MultiHook:
    """What removes the hooks of `register_multi_grad_hook`."""

    def __init__(self, handles: Sequence[Any]) -> None:
        self.handles = tuple(handles)

    def remove(self) -> None:
        """Takes the hooks away."""
        for handle in self.handles:
            handle.remove()

    def __enter__(self) -> MultiHook:
        return self

    def __exit__(self, *_: Any) -> None:
        self.remove()


def register_multi_grad_hook(tensors: Sequence[Any], fn: Callable, *, mode: str = "all") -> MultiHook:
    """Calls `fn` with the gradients of all `tensors` once the last is there, or (mode "any") with the first one.

    Each backward pass is expected to reach every tensor; "any" counts as many arrivals before it calls again.
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    found: dict[int, Any] = {}

    def hook_of(place: int) -> Callable:
        def hook(gradient: Any) -> None:
            first = not found
            found[place] = gradient
            if mode == "any" and first:
                fn(gradient)
            if len(found) == len(tensors):
                gradients = [found[i] for i in range(len(tensors))]
                found.clear()
                if mode == "all":
                    fn(gradients)

        return hook

    return MultiHook([t.register_hook(hook_of(i)) for i, t in enumerate(tensors)])


@contextlib.contextmanager
def save_on_cpu(pin_memory: bool = False, device_type: str = "cuda") -> Iterator[None]:
    """A region whose values for the gradient are kept on the processor: they stay where they are computed."""
    yield


@contextlib.contextmanager
def disable_saved_tensors_hooks(error_message: str) -> Iterator[None]:
    """A region in which saved values have no hooks: they never have any."""
    yield


__getattr__ = module_getattr(
    "torch.autograd.graph", "values that gradients need are kept by the graph, one by one", globals()
)
