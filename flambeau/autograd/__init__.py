"""Automatic differentiation: backward, grad, the modes that switch the tape off, hooks."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from typing import Any

from .. import binding
from ..engine import engine, freed_error
from ..graph import FREED, Node
from .anomaly import detect_anomaly, is_anomaly_check_nan_enabled, is_anomaly_enabled, set_detect_anomaly, watched
from .modes import enable_grad, inference_mode, is_grad_enabled, is_inference_mode_enabled, no_grad, set_grad_enabled
from .walk import gradients, is_target, owner, recorded

__all__ = [
    "backward",
    "enable_grad",
    "grad",
    "inference_mode",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "no_grad",
    "set_grad_enabled",
]


def _tensor(node: Node) -> Any:
    t = object.__new__(binding.Tensor)
    t._node = node
    return t


def _listed(values: Any) -> list:
    return [values] if values is None or isinstance(values, binding.Tensor) else list(values)


def seeds_for(roots: list, given: list) -> list[Node | None]:
    """The gradient that each root starts from: as given, or 1 for a scalar."""
    if len(roots) != len(given):
        raise RuntimeError(f"got {len(roots)} tensors and {len(given)} gradients")
    found: list[Node | None] = []
    for root, seed in zip(roots, given, strict=True):
        if not root.requires_grad:
            raise RuntimeError("element 0 of tensors does not require grad and does not have a grad_fn")
        if seed is None:
            if root.numel() != 1:
                raise RuntimeError("grad can be implicitly created only for scalar outputs")
            found.append(None)
        elif not isinstance(seed, binding.Tensor):
            raise TypeError(f"gradients can be either Tensors or None, but got {type(seed).__name__}")
        elif seed.shape != root.shape:
            raise RuntimeError(
                f"Mismatch in shape: grad_output[0] has a shape of {seed.shape} and output[0] has a shape of "
                f"{root.shape}."
            )
        elif seed.device is not root.device:
            raise RuntimeError(
                f"Function returned an invalid gradient at index 0 - expected device {root.device} but got "
                f"{seed.device}"
            )
        else:
            if seed.is_complex() != root.is_complex():
                raise RuntimeError(
                    f"For complex Tensors, both grad_output and output are required to have the same dtype. Mismatch "
                    f"in dtype: "
                    f"grad_output[0] has a dtype of {seed.dtype} and output[0] has a dtype of {root.dtype}."
                )
            found.append(seed._node)
    return found


def pairs(
    roots: list, seeds: list[Node | None], wanted: list[Node] | None, retain: bool, create: bool
) -> list[tuple[Node, Node]]:
    """The leaves (or `wanted` nodes) under `roots`, each with its gradient."""
    nodes = [r._node for r in roots]
    if (
        not create
        and not is_anomaly_enabled()
        and not any(is_target(n) for n in nodes)
        and not any(n.inputs is FREED for n in nodes)
    ):
        for seed in seeds:
            if seed is not None and seed.value is None:
                engine.flush("backward")
                if seed.value is None:
                    engine.force(seed)
        found = gradients(nodes, seeds, wanted, retain)
        if found is not None:
            return found
    if any(n.inputs is FREED for n in nodes):
        raise freed_error()
    from .hooks import arrived, special

    rule = special(create)
    return recorded(
        nodes,
        seeds,
        wanted,
        retain,
        create,
        watched(rule) if is_anomaly_check_nan_enabled() and is_anomaly_enabled() else rule,
        arrived(wanted is None),
    )


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Adds the gradients of `tensors` with respect to the leaves of the graph (or to `inputs`) to their `.grad`."""
    if (
        grad_tensors is None
        and inputs is None
        and not create_graph
        and not is_anomaly_enabled()
        and isinstance(tensors, binding.Tensor)
    ):
        root = tensors._node
        if root.spec.requires_grad and root.spec.numel == 1 and root.kind.op is not None and root.inputs is not FREED:
            quick = gradients([root], [None], None, bool(retain_graph))
            if quick is not None:
                for node, g in quick:
                    ref = node.extra
                    t = ref() if type(ref) is weakref.ref else owner(node)
                    if t is None:
                        continue
                    if t._grad is None and t._hooks is None and t._after_hooks is None:
                        t._grad = made = object.__new__(binding.Tensor)
                        made._node = g
                    else:
                        accumulate(t, g)
                return
    roots = _listed(tensors)
    given = _listed(grad_tensors) if grad_tensors is not None else [None] * len(roots)
    wanted = None if inputs is None else [t._node for t in _listed(inputs)]
    if wanted is not None and not wanted:
        raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
    found = pairs(
        roots, seeds_for(roots, given), wanted, create_graph if retain_graph is None else retain_graph, create_graph
    )
    owners = {id(n): t for n, t in zip(wanted or (), _listed(inputs), strict=False)}
    for node, g in found:
        t = owners[id(node)] if id(node) in owners else owner(node)
        if t is not None:
            accumulate(t, g)


def hooked(hooks: dict, g: Node) -> Node:
    """The gradient `g` after the hooks of a leaf."""
    from .hooks import replaced

    for hook in list(hooks.values()):
        g = replaced(hook, g)
    return g


def accumulate(t: Any, g: Node) -> None:
    """Adds a gradient to `t.grad`, through the hooks of `t`."""
    if t._hooks is not None and t._hooks and t.is_leaf:
        g = hooked(t._hooks, g)
    if t._grad is None:
        t._grad = _tensor(g)
    else:
        before = t._grad._node
        if g.spec.requires_grad or before.spec.requires_grad:
            t._grad = binding.wrap(before + g)
        else:
            total = before + g
            engine.pending.append(total)
            t._grad._node = total
    if t._after_hooks:
        for hook in list(t._after_hooks.values()):
            hook(t)


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple:
    """The gradients of `outputs` (summed) with respect to `inputs`, as a tuple of tensors.

    >>> import flambeau as torch
    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> torch.autograd.grad(x ** 2, x)
    (tensor(6.),)
    """
    if is_grads_batched:
        how = dict(only_inputs=only_inputs, allow_unused=allow_unused, materialize_grads=materialize_grads)
        return _batched(outputs, inputs, _listed(grad_outputs), retain_graph, create_graph, how)
    roots, leaves = _listed(outputs), _listed(inputs)
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False."
        )
    given = _listed(grad_outputs) if grad_outputs is not None else [None] * len(roots)
    for t in leaves:
        if not t.requires_grad:
            raise RuntimeError("One of the differentiated Tensors does not require grad")
    wanted = [t._node for t in leaves]
    found = {
        id(n): g
        for n, g in pairs(
            roots, seeds_for(roots, given), wanted, create_graph if retain_graph is None else retain_graph, create_graph
        )
    }
    result = []
    for i, (t, node) in enumerate(zip(leaves, wanted, strict=True)):
        g = found.get(id(node))
        if g is not None:
            if t._hooks and t.is_leaf:
                g = hooked(t._hooks, g)
            result.append(_tensor(g))
        elif materialize_grads:
            result.append(t.new_zeros(t.shape))
        elif allow_unused:
            result.append(None)
        else:
            raise RuntimeError(
                f"The differentiated Tensor at index {i} appears to not have been used in the graph. "
                "Set allow_unused=True if this is "
                "the desired behavior."
            )
    return tuple(result)


def _batched(outputs: Any, inputs: Any, given: list, retain: bool | None, create: bool, how: dict[str, Any]) -> tuple:
    """The gradients for each of several seeds, which lie along the first dimension of `given`, stacked."""
    leaves, count = _listed(inputs), next(len(g) for g in given if g is not None)
    found = []
    for i in range(count):
        seeds = [None if g is None else g[i] for g in given]
        found.append(grad(outputs, leaves, seeds, retain if i == count - 1 else True, create, **how))
    stack = binding.registry["stack"]
    return tuple(None if column[0] is None else stack(column) for column in zip(*found, strict=True))


class Handle:
    """What removes a hook again."""

    _next = 0

    def __init__(self, hooks: dict) -> None:
        self._hooks = weakref.ref(hooks) if isinstance(hooks, OrderedDict) else (lambda: hooks)
        self.id = Handle._next
        Handle._next += 1

    def remove(self) -> None:
        """Takes the hook away; twice does no harm."""
        hooks = self._hooks()
        if hooks is not None:
            hooks.pop(self.id, None)

    def __enter__(self) -> Handle:
        return self

    def __exit__(self, *_: Any) -> None:
        self.remove()


HOOKS = [0]  # how many hooks were ever registered on tensors: what `compile` looks at before it looks closer


def registered() -> None:
    """A hook is registered on a tensor."""
    HOOKS[0] += 1
    if engine.capture is not None:
        engine.capture.refuse("it registers a hook")


def add_hook(t: Any, hook: Any) -> Handle:
    """Registers `hook` for the gradient of `t`."""
    if not t.requires_grad:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    registered()
    if t._hooks is None:
        t._hooks = OrderedDict()
    handle = Handle(t._hooks)
    t._hooks[handle.id] = hook
    if not t.is_leaf:
        _note(t, "hooks", t._hooks)
    return handle


def _note(t: Any, what: str, value: Any) -> None:
    node = t._node
    node.kind = node.kind.variant("hooked")
    node.extra = {**(node.extra if type(node.extra) is dict else {}), what: value}


def add_after_hook(t: Any, hook: Any) -> Handle:
    """Registers `hook` for after the gradient of the leaf `t` has been added."""
    if not t.is_leaf:
        raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
    registered()
    if t._after_hooks is None:
        t._after_hooks = OrderedDict()
    handle = Handle(t._after_hooks)
    t._after_hooks[handle.id] = hook
    return handle


def retain(t: Any) -> None:
    """Makes backward() keep the gradient of a computed tensor."""
    t._retain = True
    _note(t, "retain", weakref.ref(t))


def grad_fn(node: Node) -> Any:
    """The description of a node of the tape."""
    from .hooks import shown

    return shown(node)
