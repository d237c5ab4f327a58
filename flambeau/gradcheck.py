"""Checks of gradients against central differences: torch.autograd.gradcheck and gradgradcheck."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .autograd import grad
from .tensor import Tensor, from_array


def _numeric(function: Callable, inputs: tuple, place: int, eps: float) -> list[np.ndarray]:
    """For each output, its Jacobian with respect to one input, by central differences."""
    x = inputs[place]
    base = np.array(x.detach()._value())
    columns: list[list[np.ndarray]] = []
    steps = [eps] if not x.is_complex() else [eps, 1j * eps]

    def outputs(values: np.ndarray) -> list[np.ndarray]:
        given = [from_array(values) if i == place else a for i, a in enumerate(inputs)]
        found = function(*given)
        return [
            np.array(o.detach()._value()).reshape(-1)
            for o in (found if isinstance(found, (tuple, list)) else (found,))
            if isinstance(o, Tensor) and (o.is_floating_point() or o.is_complex())
        ]

    for i in range(base.size):
        parts = []
        for step in steps:
            up, down = base.copy().reshape(-1), base.copy().reshape(-1)
            up[i] += step
            down[i] -= step
            parts.append(
                [
                    (a - b) / (2 * eps)
                    for a, b in zip(outputs(up.reshape(base.shape)), outputs(down.reshape(base.shape)), strict=True)
                ]
            )
        columns.append(parts[0] if len(parts) == 1 else [a + 1j * b for a, b in zip(*parts, strict=True)])
    return [
        np.stack([c[k] for c in columns], 0) if columns else np.zeros((0, 0))
        for k in range(len(columns[0]) if columns else 0)
    ]


def _analytic(function: Callable, inputs: tuple, place: int) -> list[np.ndarray]:
    found = function(*inputs)
    outs = [
        o
        for o in (found if isinstance(found, (tuple, list)) else (found,))
        if isinstance(o, Tensor) and (o.is_floating_point() or o.is_complex())
    ]
    result = []
    for o in outs:
        columns = []
        for j in range(o.numel()):
            seed = np.zeros(o.numel(), o.dtype.numpy)
            seed[j] = 1
            g = (
                grad(o, inputs[place], from_array(seed.reshape(tuple(o.shape))), retain_graph=True, allow_unused=True)[
                    0
                ]
                if o.requires_grad
                else None
            )
            n = inputs[place].numel()
            columns.append(np.zeros(n) if g is None else np.array(g.detach()._value()).reshape(-1))
        result.append(np.stack(columns, 1) if columns else np.zeros((inputs[place].numel(), 0)))
    return result


class GradcheckError(RuntimeError):
    """A gradient that differs from the differences."""


def gradcheck(
    func: Callable,
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Whether the gradients of `func` at `inputs` (float64, requiring grad) agree with central differences; raises
    where they do not."""
    inputs = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
    places = [i for i, a in enumerate(inputs) if isinstance(a, Tensor) and a.requires_grad]
    if not places:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of the them have "
            "requires_grad=True."
        )
    for place in places:
        for k, (a, n) in enumerate(
            zip(_analytic(func, inputs, place), _numeric(func, inputs, place, eps), strict=False)
        ):
            expected = np.conj(n) if np.iscomplexobj(a) else n
            if not np.allclose(a, expected, rtol, atol, equal_nan=True):
                if raise_exception:
                    raise GradcheckError(
                        f"Jacobian mismatch for output {k} with respect to input "
                        f"{place},\nnumerical:{n}\nanalytical:{a}\n"
                    )
                return False
    return True


def gradgradcheck(
    func: Callable,
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """As `gradcheck`, for the gradients of the gradients."""
    inputs = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
    found = func(*inputs)
    outs = [
        o
        for o in (found if isinstance(found, (tuple, list)) else (found,))
        if isinstance(o, Tensor) and o.requires_grad
    ]
    if grad_outputs is None:
        rng = np.random.default_rng(0)
        grad_outputs = [
            from_array(np.asarray(rng.standard_normal(tuple(o.shape)), o.dtype.numpy)).requires_grad_() for o in outs
        ]
    grad_outputs = list(grad_outputs) if isinstance(grad_outputs, (tuple, list)) else [grad_outputs]
    wanted = [i for i, a in enumerate(inputs) if isinstance(a, Tensor) and a.requires_grad]

    def first(*args: Any) -> tuple:
        given, seeds = args[: len(inputs)], args[len(inputs) :]
        given = tuple([a if i not in wanted or a.requires_grad else a.requires_grad_() for i, a in enumerate(given)])
        again = func(*given)
        tops = [
            o
            for o in (again if isinstance(again, (tuple, list)) else (again,))
            if isinstance(o, Tensor) and o.requires_grad
        ]
        parts = grad(tops, [given[i] for i in wanted], list(seeds), create_graph=True, allow_unused=True)
        return tuple([p for p in parts if p is not None])

    return gradcheck(first, (*inputs, *grad_outputs), eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception)
