"""Checks of gradients against central differences: torch.autograd.gradcheck and gradgradcheck."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .autograd import grad
from .tensor import Tensor, from_array


def _outputs(found: Any) -> list[Tensor]:
    """The differentiable results among what a function gave."""
    many = found if isinstance(found, (tuple, list)) else (found,)
    return [o for o in many if isinstance(o, Tensor) and (o.is_floating_point() or o.is_complex())]


def _numeric(function: Callable, inputs: tuple, place: int, eps: float) -> list[tuple[np.ndarray, Any]]:
    """For each output, its derivatives along the real and, for complex inputs, the imaginary part of one input."""
    x = inputs[place]
    base = np.array(x.detach()._value())

    def outputs(values: np.ndarray) -> list[np.ndarray]:
        given = [from_array(values).to(x.device) if i == place else a for i, a in enumerate(inputs)]
        return [np.array(o.detach()._value()).reshape(-1) for o in _outputs(function(*given))]

    def along(step: complex) -> list[list[np.ndarray]]:
        rows = []
        for i in range(base.size):
            up, down = base.copy().reshape(-1), base.copy().reshape(-1)
            up[i] += step
            down[i] -= step
            pairs = zip(outputs(up.reshape(base.shape)), outputs(down.reshape(base.shape)), strict=True)
            rows.append([(a - b) / (2 * eps) for a, b in pairs])
        return [[row[k] for row in rows] for k in range(len(rows[0]) if rows else 0)]

    real = [np.stack(rows) for rows in along(eps)]
    imaginary: list = [np.stack(rows) for rows in along(1j * eps)] if x.is_complex() else [None] * len(real)
    return list(zip(real, imaginary, strict=True))


def _expected(real: np.ndarray, imaginary: np.ndarray | None, seed: complex) -> np.ndarray:
    """The gradient that the derivatives along real and imaginary parts say, for an output's gradient `seed`.

    The gradient of a real L by z = x + iy is dL/dx + i dL/dy, and L changes by Re(conj(seed) do).
    """
    found = (np.conj(seed) * real).real
    return found if imaginary is None else found + 1j * (np.conj(seed) * imaginary).real


def _analytic(function: Callable, inputs: tuple, place: int, value: complex) -> list[np.ndarray]:
    """For each output, the gradients of its elements, each started from `value`."""
    result = []
    n = inputs[place].numel()
    for o in _outputs(function(*inputs)):
        columns = []
        for j in range(o.numel()):
            g = None
            if o.requires_grad:
                seed = np.zeros(o.numel(), o.dtype.numpy)
                seed[j] = value if o.is_complex() else 1
                first = from_array(seed.reshape(tuple(o.shape))).to(o.device)
                g = grad(o, inputs[place], first, retain_graph=True, allow_unused=True)[0]
            columns.append(np.zeros(n) if g is None else np.array(g.detach()._value()).reshape(-1))
        result.append(np.stack(columns, 1) if columns else np.zeros((n, 0)))
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
        numeric = _numeric(func, inputs, place, eps)
        for seed in (1, 1j) if any(np.iscomplexobj(n) for n, _ in numeric) else (1,):
            for k, (a, parts) in enumerate(zip(_analytic(func, inputs, place, seed), numeric, strict=False)):
                n = _expected(*parts, seed if np.iscomplexobj(parts[0]) else 1)
                if not np.allclose(a, n, rtol, atol, equal_nan=True):
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
        grad_outputs = [o.detach().clone().uniform_(-1, 1).requires_grad_() for o in outs]  # as PyTorch draws them
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
