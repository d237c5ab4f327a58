"""Jacobians, Hessians and their products with vectors: torch.autograd.functional."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import binding
from ..ops import registry
from . import grad
from .modes import enable_grad


def _listed(values: Any, what: str) -> tuple[bool, tuple]:
    """Whether `values` is several, and all of it as a tuple of tensors."""
    many = isinstance(values, (tuple, list))
    found = tuple(values) if many else (values,)
    for i, v in enumerate(found):
        if not isinstance(v, binding.Tensor):
            place = f" The value at index {i} has type {type(v)}." if many else f" Got {type(v)}."
            raise TypeError(f"The {what} must be either a Tensor or a tuple of Tensors.{place}")
    return many, found


def _prepared(inputs: tuple, create_graph: bool) -> tuple:
    """The inputs as tensors to differentiate by, still connected to where they came from if `create_graph`."""
    return tuple([t.clone() if create_graph and t.requires_grad else t.detach().requires_grad_() for t in inputs])


def _run(func: Callable, inputs: Any, create_graph: bool, name: str) -> tuple:
    many, given = _listed(inputs, f"inputs given to {name}")
    given = _prepared(given, create_graph)
    several, outputs = _listed(func(*given), f"outputs of the user-provided function given to {name}")
    return many, given, several, outputs


def _gradients(outputs: tuple, inputs: tuple, seeds: tuple, create_graph: bool, strict: bool) -> list:
    """The gradients of all outputs together by each input, zeros where there is no connection."""
    used = [(o, s) for o, s in zip(outputs, seeds, strict=True) if o.requires_grad]
    parts: tuple = (None,) * len(inputs)
    if used:
        parts = grad(
            [o for o, _ in used],
            inputs,
            [s for _, s in used],
            retain_graph=True,
            create_graph=create_graph,
            allow_unused=True,
        )
    if strict:
        for i, part in enumerate(parts):
            if part is None:
                raise RuntimeError(
                    f"The output of the user-provided function is independent of input {i}. "
                    "This is not allowed in strict mode."
                )
    return [t.new_zeros(t.shape) if part is None else part for t, part in zip(inputs, parts, strict=True)]


def _vector(v: Any, like: tuple, what: str) -> tuple:
    """The vector to multiply with, checked against what it must look like; a single 1 if there is only one element."""
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(f"The vector v can only be None if the {what} a single-element Tensor.")
        return (like[0].new_ones(like[0].shape),)
    _, given = _listed(v, "vector v")
    if len(given) != len(like):
        raise RuntimeError(f"v is a tuple of invalid length: should be {len(like)} but got {len(given)}.")
    for i, (a, b) in enumerate(zip(given, like, strict=True)):
        if a.shape != b.shape:
            raise RuntimeError(f"Entry {i} in v has invalid size: should be {b.shape} but got {a.shape}.")
    return given


def _given_back(values: Any, many: bool, create_graph: bool) -> Any:
    found = tuple(values) if create_graph else tuple([v.detach() for v in values])
    return found if many else found[0]


def _scalar(several: bool, outputs: tuple, name: str) -> Any:
    if several:
        raise RuntimeError(f"The function given to {name} should return a single Tensor")
    if outputs[0].numel() != 1:
        raise RuntimeError(f"The Tensor returned by the function given to {name} should contain a single element")
    return outputs[0]


@enable_grad()
def vjp(func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """The outputs of `func`, and the vector `v` times its Jacobian."""
    many, given, several, outputs = _run(func, inputs, create_graph, "vjp")
    seeds = _vector(v, outputs, "user-provided function returns")
    found = _gradients(outputs, given, seeds, create_graph, strict)
    return _given_back(outputs, several, create_graph), _given_back(found, many, create_graph)


@enable_grad()
def jvp(func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """The outputs of `func`, and its Jacobian times the vector `v`."""
    _, given, several, outputs = _run(func, inputs, create_graph, "jvp")
    direction = _vector(v, given, "input to the user-provided function is")
    # The gradient is linear in the seeds: its own gradient by them, in a direction of the inputs, is the product.
    seeds = tuple([o.new_zeros(o.shape).requires_grad_() for o in outputs])
    first = _gradients(outputs, given, seeds, True, strict)
    found = _gradients(tuple(first), seeds, direction, create_graph, strict)
    return _given_back(outputs, several, create_graph), _given_back(found, several, create_graph)


@enable_grad()
def jacobian(
    func: Callable,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The Jacobian of `func`: for each output and input a tensor of the output's sizes, then the input's."""
    many, given, several, outputs = _run(func, inputs, create_graph, "jacobian")
    found = []
    for output in outputs:
        rows: list[list] = [[] for _ in given]
        flat = output.reshape(-1)
        for k in range(flat.numel()):
            seed = flat.new_zeros(flat.shape)
            seed[k] = 1
            for row, part in zip(rows, _gradients((flat,), given, (seed,), create_graph, strict), strict=True):
                row.append(part)
        parts = [
            registry["stack"](row).reshape(tuple(output.shape) + tuple(t.shape))
            if row
            else t.new_zeros(tuple(output.shape) + tuple(t.shape))
            for row, t in zip(rows, given, strict=True)
        ]
        found.append(_given_back(parts, many, create_graph))
    return tuple(found) if several else found[0]


@enable_grad()
def hessian(
    func: Callable,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The second derivatives of a function with one result: for each pair of inputs a tensor of both their sizes."""
    many, given = _listed(inputs, "inputs given to hessian")

    def first(*args: Any) -> tuple:
        several, outputs = _listed(func(*args), "outputs of the user-provided function given to hessian")
        top = _scalar(several, outputs, "hessian")
        return tuple(_gradients((top,), args, (top.new_ones(top.shape),), True, strict))

    found = jacobian(first, given, create_graph, strict)
    return found if many else found[0][0]


@enable_grad()
def vhp(func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """The result of `func`, and the vector `v` times its Hessian."""
    many, given, several, outputs = _run(func, inputs, create_graph, "vhp")
    top = _scalar(several, outputs, "vhp")
    direction = _vector(v, given, "input to the user-provided function is")
    first = _gradients(outputs, given, (top.new_ones(top.shape),), True, strict)
    found = _gradients(tuple(first), given, direction, create_graph, strict)
    return _given_back((top,), False, create_graph), _given_back(found, many, create_graph)


def hvp(func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """The result of `func`, and its Hessian, which is symmetric, times the vector `v`."""
    return vhp(func, inputs, v, create_graph, strict)
