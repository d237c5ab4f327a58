"""Functions whose gradient the user writes: torch.autograd.Function."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

from . import binding
from .autograd.modes import enable_grad, no_grad
from .creation import zeros
from .engine import engine, freed_error
from .graph import Node, mode
from .ops import registry
from .tensor import Tensor
from .views import write


class FunctionCtx:
    """What `forward` hands on to `backward`."""

    def __init__(self) -> None:
        self._saved: tuple = ()
        self._freed = False
        self._materialize = True
        self._dirty: tuple = ()
        self._plain: tuple = ()
        self.needs_input_grad: tuple[bool, ...] = ()

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keeps tensors for `backward`."""
        for i, t in enumerate(tensors):
            if t is not None and not isinstance(t, Tensor):
                raise TypeError(
                    f"save_for_backward can only save variables, but argument {i} is of type {type(t).__name__}"
                )
        self._saved = tensors

    def save_for_forward(self, *tensors: Tensor | None) -> None:
        """Keeps tensors for `jvp`."""
        self.saved_for_forward = tensors

    @property
    def saved_tensors(self) -> tuple:
        """The tensors that save_for_backward kept."""
        if self._freed:
            raise freed_error()
        return self._saved

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Says which inputs `forward` changed in place."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Says which outputs need no gradient."""
        self._plain = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Whether missing gradients come as zeros (the default) or as None."""
        self._materialize = value


class _Call:
    """One call of a function, as its nodes know it."""

    def __init__(self, function: type, ctx: FunctionCtx, outputs: list, sources: list) -> None:
        self.function, self.ctx, self.sources = function, ctx, sources
        self.shapes = [(tuple(o.shape), o.dtype) for o in outputs]
        self.places: list[int] = []  # which of the outputs are differentiable
        self.shown = function.__name__ + "Backward"

    def differentiate(self, given: list, reach: set[Node], create_graph: bool) -> list[tuple[Node, Node]]:
        """Pairs (input, gradient), by the user's `backward`; `given`: the gradients of the differentiable outputs."""
        arrived = {place: g for place, g in zip(self.places, given, strict=True) if g is not None}
        grads: list[Any] = []
        for i, (shape, kind) in enumerate(self.shapes):
            if i in arrived:
                grads.append(_tensor(arrived[i]))
            else:
                grads.append(zeros(shape, dtype=kind) if self.ctx._materialize else None)
        with enable_grad() if create_graph else no_grad():
            found = self.function.backward(self.ctx, *grads)  # type: ignore[attr-defined]
        results = found if isinstance(found, tuple) else (found,)
        if len(results) < len(self.sources) or any(r is not None for r in results[len(self.sources) :]):
            raise RuntimeError(
                f"function {self.shown} returned an incorrect number of gradients (expected {len(self.sources)}, "
                f"got {len(results)})"
            )
        pairs = []
        for source, part in zip(self.sources, results, strict=False):
            if source is not None and source in reach and part is not None:
                if not isinstance(part, Tensor):
                    raise RuntimeError(
                        f"function {self.shown} returned a gradient of type {type(part).__name__}; expected a Tensor "
                        f"or None"
                    )
                if part.shape != tuple(source.shape) and part.numel() != source.spec.numel:
                    raise RuntimeError(
                        f"Function {self.shown} returned an invalid gradient at index {self.sources.index(source)} - "
                        f"got "
                        f"{list(part.shape)} but expected shape compatible with {list(source.shape)}"
                    )
                pairs.append((source, part._node))
        return pairs


def _tensor(node: Node) -> Tensor:
    t = object.__new__(Tensor)
    t._node = node
    return t


class Function:
    """A function with a gradient of its own: static methods `forward(ctx, *args)` and `backward(ctx, *grad_outputs)`.

    >>> import flambeau as torch
    >>> class Double(torch.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         return x * 2
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         return g * 2
    >>> x = torch.ones(1, requires_grad=True)
    >>> Double.apply(x).backward()
    >>> x.grad
    tensor([2.])
    """

    generate_vmap_rule = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        warnings.warn(
            f"{type(self)} should not be instantiated. Methods on autograd functions are all static, so you should "
            "invoke them on the class itself. Instantiating an autograd function will raise an error in a "
            "future version of PyTorch.",
            DeprecationWarning,
            stacklevel=2,
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """What the function computes."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """The gradients of the inputs, given those of the outputs."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use it with "
            "backward mode AD."
        )

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Runs the function."""
        if engine.capture is not None:
            engine.capture.refuse(f"it calls {cls.__name__}, whose gradient is the program's own code")
        ctx: Any = FunctionCtx()
        ctx.needs_input_grad = tuple(isinstance(a, Tensor) and a.requires_grad for a in args)
        two_parts = "setup_context" in {n for c in cls.__mro__ for n in c.__dict__}
        grad = mode.grad
        sources = [a._node if isinstance(a, Tensor) and a.requires_grad else None for a in args]
        with no_grad():
            if two_parts:
                output = cls.forward(*args, **kwargs)
                cls.setup_context(ctx, args, output)  # type: ignore[attr-defined]
            else:
                output = cls.forward(ctx, *args, **kwargs)
        many = output if isinstance(output, tuple) else (output,)
        if not grad or not any(ctx.needs_input_grad):
            return output
        inputs = tuple([s for s in sources if s is not None])
        tensors = [o for o in many if isinstance(o, Tensor)]
        call = _Call(cls, ctx, tensors, sources)
        call.places = [
            i
            for i, o in enumerate(tensors)
            if (o.is_floating_point() or o.is_complex()) and not any(o is p for p in ctx._plain)
        ]
        found: Any = ()
        if call.places:
            found = registry["_custom"].record(tuple([tensors[i]._node for i in call.places]), inputs, cls)  # type: ignore
            found[0].inputs[0].extra = {"call": call}
        nodes = dict(zip(call.places, found, strict=True))
        made: list[Any] = []
        index = 0
        for o in many:
            if not isinstance(o, Tensor):
                made.append(o)
                continue
            if index not in nodes:
                made.append(o.detach())  # type: ignore[attr-defined]
            elif any(o is d for d in ctx._dirty):
                write(o, nodes[index])
                made.append(o)
            else:
                made.append(binding.wrap(nodes[index]))
            index += 1
        ctx._saved = tuple([_reattached(t, many, made) for t in ctx._saved])
        return type(output)(made) if isinstance(output, tuple) else made[0]


def _reattached(t: Any, before: tuple, after: list) -> Any:
    """A saved output is the tensor that the caller got, so that it can be differentiated again."""
    return next((new for old, new in zip(before, after, strict=True) if t is old), t)


def once_differentiable(function: Callable) -> Callable:
    """Decorator of `backward`: its results cannot be differentiated again."""

    @functools.wraps(function)
    def inside(ctx: Any, *args: Any) -> Any:
        with no_grad():
            return function(ctx, *args)

    return inside
