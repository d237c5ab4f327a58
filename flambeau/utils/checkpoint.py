"""Computing a part of a model again for its gradient instead of keeping its values: torch.utils.checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from enum import Enum
from typing import Any

from .._trees import flatten
from ..autograd import enable_grad, grad, is_grad_enabled, no_grad
from ..autograd.walk import is_target, owner
from ..functions import Function
from ..graph import Node
from ..random import default_generator
from ..tensor import Tensor


class CheckpointError(RuntimeError):
    """What PyTorch raises when a second run differs from the first."""


class CheckpointPolicy(Enum):
    """What a selective checkpoint does with an operation's result; here all are computed again."""

    MUST_SAVE = 0
    PREFER_SAVE = 1
    MUST_RECOMPUTE = 2
    PREFER_RECOMPUTE = 3
    MUST_CPU_OFFLOAD = 4
    PREFER_CPU_OFFLOAD = 5


def noop_context_fn() -> tuple[AbstractContextManager, AbstractContextManager]:
    """Contexts for the first and the second run that do nothing."""
    return nullcontext(), nullcontext()


def create_selective_checkpoint_contexts(
    policy_fn_or_list: Any, allow_cache_entry_mutation: bool = False
) -> tuple[AbstractContextManager, AbstractContextManager]:
    """Contexts for `context_fn` that do nothing: every result is computed again, whatever the policy would keep."""
    return noop_context_fn()


def set_checkpoint_early_stop(enable: bool) -> AbstractContextManager:
    """A context that changes nothing: the second run goes to its end."""
    return nullcontext()


def set_checkpoint_debug_enabled(enabled: bool | None) -> AbstractContextManager:
    """A context that changes nothing."""
    return nullcontext()


def detach_variable(inputs: tuple) -> tuple:
    """Tensors without their history, that need gradients where they did."""
    if not isinstance(inputs, tuple):
        raise RuntimeError(f"Only tuple of tensors is supported. Got Unsupported input type: {type(inputs).__name__}")
    return tuple([t.detach().requires_grad_(t.requires_grad) if isinstance(t, Tensor) else t for t in inputs])


class _Recomputed(Function):
    """The values of a part that has run, whose gradient runs it again."""

    @staticmethod
    def forward(ctx: Any, part: _Part, *inputs: Any) -> tuple:
        ctx.part = part
        return part.values

    @staticmethod
    def backward(ctx: Any, *seeds: Any) -> tuple:
        return None, *ctx.part.again(seeds)


class _Part:
    """A call whose tape has been dropped."""

    def __init__(
        self,
        function: Callable,
        leaves: list,
        build: Callable,
        given: list[int],
        captured: list,
        state: Any,
        values: tuple,
        context: AbstractContextManager,
    ) -> None:
        self.function, self.leaves, self.build, self.given, self.captured = function, leaves, build, given, captured
        self.state, self.values, self.context = state, values, context

    def again(self, seeds: tuple) -> tuple:
        """The gradients of what the call was given and of the parameters it found, by running it once more."""
        leaves = list(self.leaves)
        for place in self.given:
            leaves[place] = leaves[place].detach().requires_grad_()
        now = default_generator._stream
        if self.state is not None:
            default_generator.put(self.state.clone_state())
        try:
            with enable_grad(), self.context:
                args, kwargs = self.build(leaves)
                outputs = [
                    o for o in flatten(self.function(*args, **kwargs))[0] if isinstance(o, Tensor) and o.requires_grad
                ]
        finally:
            default_generator.put(now)
        return grad(
            outputs,
            [*[leaves[i] for i in self.given], *self.captured],
            list(seeds),
            retain_graph=True,
            create_graph=is_grad_enabled(),
            allow_unused=True,
        )


def checkpoint(
    function: Callable,
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Any = None,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """`function(*args, **kwargs)`; what it computes on the way is not kept for the gradient, but computed again.

    With `preserve_rng_state`, the second run draws the same random numbers as the first.
    """
    if use_reentrant and context_fn is not None and context_fn is not noop_context_fn:
        raise ValueError("Passing `context_fn` or `debug` is only supported when use_reentrant=False.")
    first, again = (context_fn or noop_context_fn)()
    if not is_grad_enabled():
        with first:
            return function(*args, **kwargs)
    leaves, build = flatten((args, kwargs))
    state = default_generator._stream.clone_state() if preserve_rng_state else None
    with first:
        result = function(*args, **kwargs)
    outputs, rebuild = flatten(result)
    taped = [i for i, o in enumerate(outputs) if isinstance(o, Tensor) and o.requires_grad]
    if not taped:
        return result
    given = [i for i, t in enumerate(leaves) if isinstance(t, Tensor) and t.requires_grad]
    captured = _parameters([outputs[i]._node for i in taped], [leaves[i] for i in given])
    with no_grad():
        values = tuple([outputs[i].detach() for i in taped])
        for v in values:
            v._value()
    part = _Part(function, leaves, build, given, captured, state, values, again)
    found = list(outputs)
    for i, o in zip(taped, _Recomputed.apply(part, *[leaves[k] for k in given], *captured), strict=True):
        found[i] = o
    return rebuild(found)


def _parameters(roots: list[Node], given: list[Tensor]) -> list[Tensor]:
    """The leaves of the tape under `roots`, beside the tensors `given` and what only they stand on."""
    stop = {t._node for t in given}
    found: dict[int, Tensor] = {}
    seen: set[Node] = set()
    stack = list(roots)
    while stack:
        node = stack.pop()
        if node in seen or node in stop:
            continue
        seen.add(node)
        if is_target(node):
            tensor = owner(node)
            if tensor is not None:
                found[id(tensor)] = tensor
        else:
            stack += [s for s in node.inputs if type(s) is Node and s.kind.tape]
    return list(found.values())


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """Runs modules one after the other, in `segments` parts; all but the last are computed again for the gradient."""
    parts = list(functions.children()) if hasattr(functions, "children") else list(functions)
    size = len(parts) // segments

    def run(chosen: Iterable) -> Callable:
        def through(value: Any) -> Any:
            for one in chosen:
                value = one(value)
            return value

        return through

    for start in range(0, size * (segments - 1), size):
        input = checkpoint(run(parts[start : start + size]), input, use_reentrant=use_reentrant, **kwargs)
    return run(parts[size * (segments - 1) :])(input)
