"""Functions whose gradient the user writes: torch.autograd.Function."""
from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import binding
from ..creation import zeros
from ..graph import Node, mode
from ..ops import registry
from ..tensor import Tensor, from_array
from .modes import enable_grad, no_grad


class FunctionCtx:
    """What `forward` hands on to `backward`."""

    def __init__(self) -> None:
        self._saved: tuple = ()
        self._materialize = True
        self._dirty: tuple = ()
        self._plain: tuple = ()
        self.needs_input_grad: tuple[bool, ...] = ()

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keeps tensors for `backward`."""
        for t in tensors:
            if t is not None and not isinstance(t, Tensor):
                raise TypeError(f"save_for_backward can only save variables, but argument is of type {type(t).__name__}")
        self._saved = tensors

    def save_for_forward(self, *tensors: Tensor | None) -> None:
        """Keeps tensors for `jvp`."""
        self.saved_for_forward = tensors

    @property
    def saved_tensors(self) -> tuple:
        """The tensors that save_for_backward kept."""
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
        self.shown = function.__name__ + "Backward"

    def differentiate(self, node: Node, g: Any, reach: set[Node], create_graph: bool) -> list[tuple[Node, Node]]:
        """Pairs (input, gradient), by the user's `backward`."""
        grads: list[Any] = []
        for i, (shape, kind) in enumerate(self.shapes):
            given = _tensor(g) if i == node.kind.env["index"] else None
            if given is None and self.ctx._materialize:
                given = zeros(shape, dtype=kind)
            grads.append(given)
        with enable_grad() if create_graph else no_grad():
            found = self.function.backward(self.ctx, *grads)  # type: ignore[attr-defined]
        results = found if isinstance(found, tuple) else (found,)
        if len(results) < len(self.sources) or any(r is not None for r in results[len(self.sources):]):
            raise RuntimeError(f"function {self.shown} returned an incorrect number of gradients (expected {len(self.sources)}, "
                               f"got {len(results)})")
        pairs = []
        for source, part in zip(self.sources, results, strict=False):
            if source is not None and source in reach and part is not None:
                if not isinstance(part, Tensor):
                    raise RuntimeError(f"function {self.shown} returned a gradient of type {type(part).__name__}; expected a Tensor or None")
                if part.shape != tuple(source.shape) and part.numel() != source.spec.numel:
                    raise RuntimeError(f"Function {self.shown} returned an invalid gradient at index {self.sources.index(source)} - got "
                                       f"{list(part.shape)} but expected shape compatible with {list(source.shape)}")
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
        raise RuntimeError(f"{type(self)} should not be instantiated. Methods on autograd functions are all static, so you should invoke them "
                           "on the class itself. Instantiating an autograd function will raise an error in a future version of PyTorch.")

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """What the function computes."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """The gradients of the inputs, given those of the outputs."""
        raise NotImplementedError("You must implement either the backward or vjp method for your custom autograd.Function to use it with "
                                  "backward mode AD.")

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Runs the function."""
        ctx: Any = FunctionCtx()
        ctx.needs_input_grad = tuple(isinstance(a, Tensor) and a.requires_grad for a in args)
        two_parts = "setup_context" in {n for c in cls.__mro__ for n in c.__dict__}
        grad = mode.grad
        with no_grad():
            if two_parts:
                output = cls.forward(*args, **kwargs)
                cls.setup_context(ctx, args, output)  # type: ignore[attr-defined]
            else:
                output = cls.forward(ctx, *args, **kwargs)
        many = output if isinstance(output, tuple) else (output,)
        if not grad or not any(ctx.needs_input_grad):
            return output
        sources = [a._node if isinstance(a, Tensor) and a.requires_grad else None for a in args]
        inputs = tuple([s for s in sources if s is not None])
        call = _Call(cls, ctx, [o for o in many if isinstance(o, Tensor)], sources)
        made: list[Any] = []
        index = 0
        for o in many:
            if not isinstance(o, Tensor):
                made.append(o)
                continue
            plain = any(o is p for p in ctx._plain) or not (o.is_floating_point() or o.is_complex())
            if plain:
                made.append(o.detach())  # type: ignore[attr-defined]
            else:
                node = registry["_custom"].record(o._node, inputs, call, index)  # type: ignore[union-attr]
                if any(o is d for d in ctx._dirty):
                    o._node = node
                    made.append(o)
                else:
                    made.append(binding.wrap(node))
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


# ---- checks of gradients against differences

def _numeric(function: Callable, inputs: tuple, place: int, eps: float) -> list[np.ndarray]:
    """For each output, its Jacobian with respect to one input, by central differences."""
    x = inputs[place]
    base = np.array(x.detach()._value())
    columns: list[list[np.ndarray]] = []
    steps = [eps] if not x.is_complex() else [eps, 1j * eps]

    def outputs(values: np.ndarray) -> list[np.ndarray]:
        given = [from_array(values) if i == place else a for i, a in enumerate(inputs)]
        found = function(*given)
        return [np.array(o.detach()._value()).reshape(-1) for o in (found if isinstance(found, (tuple, list)) else (found,))
                if isinstance(o, Tensor) and (o.is_floating_point() or o.is_complex())]
    for i in range(base.size):
        parts = []
        for step in steps:
            up, down = base.copy().reshape(-1), base.copy().reshape(-1)
            up[i] += step
            down[i] -= step
            parts.append([(a - b) / (2 * eps) for a, b in zip(outputs(up.reshape(base.shape)), outputs(down.reshape(base.shape)), strict=True)])
        columns.append(parts[0] if len(parts) == 1 else [a + 1j * b for a, b in zip(*parts, strict=True)])
    return [np.stack([c[k] for c in columns], 0) if columns else np.zeros((0, 0)) for k in range(len(columns[0]) if columns else 0)]


def _analytic(function: Callable, inputs: tuple, place: int) -> list[np.ndarray]:
    from . import grad
    found = function(*inputs)
    outs = [o for o in (found if isinstance(found, (tuple, list)) else (found,)) if isinstance(o, Tensor) and
            (o.is_floating_point() or o.is_complex())]
    result = []
    for o in outs:
        columns = []
        for j in range(o.numel()):
            seed = np.zeros(o.numel(), o.dtype.numpy)
            seed[j] = 1
            g = grad(o, inputs[place], from_array(seed.reshape(tuple(o.shape))), retain_graph=True, allow_unused=True)[0] \
                if o.requires_grad else None
            n = inputs[place].numel()
            columns.append(np.zeros(n) if g is None else np.array(g.detach()._value()).reshape(-1))
        result.append(np.stack(columns, 1) if columns else np.zeros((inputs[place].numel(), 0)))
    return result


class GradcheckError(RuntimeError):
    """A gradient that differs from the differences."""


def gradcheck(func: Callable, inputs: Any, *, eps: float = 1e-6, atol: float = 1e-5, rtol: float = 1e-3, raise_exception: bool = True,
              nondet_tol: float = 0.0, check_undefined_grad: bool = True, check_grad_dtypes: bool = False, check_batched_grad: bool = False,
              check_batched_forward_grad: bool = False, check_forward_ad: bool = False, check_backward_ad: bool = True,
              fast_mode: bool = False, masked: bool | None = None) -> bool:
    """Whether the gradients of `func` at `inputs` (float64, requiring grad) agree with central differences; raises where they do not."""
    inputs = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
    places = [i for i, a in enumerate(inputs) if isinstance(a, Tensor) and a.requires_grad]
    if not places:
        raise ValueError("gradcheck expects at least one input tensor to require gradient, but none of the them have requires_grad=True.")
    for place in places:
        for k, (a, n) in enumerate(zip(_analytic(func, inputs, place), _numeric(func, inputs, place, eps), strict=False)):
            expected = np.conj(n) if np.iscomplexobj(a) else n
            if not np.allclose(a, expected, rtol, atol, equal_nan=True):
                if raise_exception:
                    raise GradcheckError(f"Jacobian mismatch for output {k} with respect to input {place},\nnumerical:{n}\nanalytical:{a}\n")
                return False
    return True


def gradgradcheck(func: Callable, inputs: Any, grad_outputs: Any = None, *, eps: float = 1e-6, atol: float = 1e-5, rtol: float = 1e-3,
                  gen_non_contig_grad_outputs: bool = False, raise_exception: bool = True, nondet_tol: float = 0.0,
                  check_undefined_grad: bool = True, check_grad_dtypes: bool = False, check_batched_grad: bool = False,
                  check_fwd_over_rev: bool = False, check_rev_over_rev: bool = True, fast_mode: bool = False, masked: bool = False) -> bool:
    """As `gradcheck`, for the gradients of the gradients."""
    from . import grad
    inputs = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
    found = func(*inputs)
    outs = [o for o in (found if isinstance(found, (tuple, list)) else (found,)) if isinstance(o, Tensor) and o.requires_grad]
    if grad_outputs is None:
        rng = np.random.default_rng(0)
        grad_outputs = [from_array(np.asarray(rng.standard_normal(tuple(o.shape)), o.dtype.numpy)).requires_grad_() for o in outs]
    grad_outputs = list(grad_outputs) if isinstance(grad_outputs, (tuple, list)) else [grad_outputs]
    wanted = [i for i, a in enumerate(inputs) if isinstance(a, Tensor) and a.requires_grad]

    def first(*args: Any) -> tuple:
        given, seeds = args[:len(inputs)], args[len(inputs):]
        given = tuple([a if i not in wanted or a.requires_grad else a.requires_grad_() for i, a in enumerate(given)])
        again = func(*given)
        tops = [o for o in (again if isinstance(again, (tuple, list)) else (again,)) if isinstance(o, Tensor) and o.requires_grad]
        parts = grad(tops, [given[i] for i in wanted], list(seeds), create_graph=True, allow_unused=True)
        return tuple([p for p in parts if p is not None])
    return gradcheck(first, (*inputs, *grad_outputs), eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception)
