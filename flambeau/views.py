"""Writing in place over a graph that never changes: a write rebinds its tensor, and through it the tensors that
share its memory."""

from __future__ import annotations

import weakref
from typing import Any

from . import dtypes
from .engine import engine
from .graph import Node, mode, spec
from .ops import registry
from .ops._op import cast
from .ops._rules import title


def root_of(t: Any) -> Any:
    """The tensor whose memory `t` looks into: itself unless `t` is a view."""
    return t if t._base_tensor is None else t._base_tensor


def make_view(view: Any, of: Any, op: Any, args: tuple) -> Any:
    """Declares `view` to be `op(of, *args)`, sharing the memory of `of`."""
    root = root_of(of)
    view._base_tensor, view._chain = root, (*of._chain, (op, args, mode.grad))
    views = root.__dict__.get("_views")
    if views is None:
        views = root._views = []
        root._views_limit = 16
    elif len(views) >= root._views_limit:
        views[:] = [ref for ref in views if ref() is not None]
        root._views_limit = 2 * len(views) + 16
    views.append(weakref.ref(view))
    return view


def replay(node: Node, chain: tuple) -> list[Node]:
    """The nodes along a chain of views of `node`, the first being `node` itself."""
    found = [node]
    before = mode.grad, mode.key
    try:
        for op, args, grad in chain:
            mode.grad = before[0] and grad
            mode.key = before[1] if mode.grad == before[0] else mode.grad
            found.append(op.record(found[-1], *args))
    finally:
        mode.grad, mode.key = before
    return found


def check_writable(t: Any) -> None:
    """Raises PyTorch's error if the tape forbids writing to `t`."""
    if not mode.grad:
        return
    if t.is_leaf and t.requires_grad:
        raise RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")
    root = root_of(t)
    if root is not t and root.is_leaf and root.requires_grad and all(op.grads for op, _, _ in t._chain):
        raise RuntimeError("a view of a leaf Variable that requires grad is being used in an in-place operation.")


def write(t: Any, node: Node, name: str = "") -> Any:
    """Makes `node` the value of `t`, and of all that share its memory. `node` is cast to the dtype of `t`."""
    old = t._node
    if node.shape != old.shape:
        raise RuntimeError(f"output with shape {list(old.shape)} doesn't match the broadcast shape {list(node.shape)}")
    if node.dtype is not old.dtype:
        if not dtypes.can_cast(node.dtype, old.dtype):
            raise RuntimeError(
                f"result type {title(node.dtype)} can't be cast to the desired output type {title(old.dtype)}"
            )
        node = cast(node, old.dtype)
    check_writable(t)
    root = root_of(t)
    silent = any(op.name == "_data" for op, _, _ in t._chain)
    if root is t:
        rebind(t, node, silent)
    else:
        nodes = replay(root._node, t._chain)
        for (op, args, _), parent in zip(reversed(t._chain), reversed(nodes[:-1]), strict=True):
            if op.put is None:
                raise RuntimeError(
                    "unsupported operation: more than one element of the written-to tensor refers to a single memory "
                    "location. Please clone() the tensor before performing the operation."
                )
            node = op.put(parent, node, *args)
        rebind(root, node, silent)
    return t


def rebind(root: Any, node: Node, silent: bool = False) -> None:
    """Gives a tensor that is no view a new node, and its views theirs."""
    old = root._node
    if old.spec.requires_grad and is_leaf_node(old) and not (mode.grad and node.spec.requires_grad):
        node = owned(root, node)
    if not silent:
        then = root.__dict__.get("_changes", 0)
        root._changes = then + 1
        mark_changed(old, then, node)
    root._node = node
    engine.pending.append(node)
    if engine.capture is not None:
        engine.capture.wrote(root, old)
    for ref in root.__dict__.get("_views", ()):
        view = ref()
        if view is not None:
            if not silent:
                mark_changed(view._node, root._changes - 1, node)
            fresh = replay(node, view._chain)[-1]
            view._node = owned(view, fresh) if view._node.spec.requires_grad and is_leaf_node(view._node) else fresh


def is_leaf_node(node: Node) -> bool:
    return node.kind.op is None or node.kind.op.name == "_leaf"


def mark_changed(node: Node, version: int, new: Node | None = None) -> None:
    """Notes on `node`, which the tape may have saved, that the memory it stood for has been written to since."""
    node.kind = node.kind.variant("changed")
    extra = node.extra if type(node.extra) is dict else {"owner": node.extra} if node.extra is not None else {}
    writer = (
        new.kind.op.backward_name(new.kind).removesuffix("Backward0")
        if new is not None and new.kind.op is not None and new.kind.tape and new.kind.op.name != "_leaf"
        else ""
    )
    writer = "torch::autograd::CopySlices" if writer == "CopySlices" else writer
    node.extra = {**extra, "version": (version + 1, version), "writer": writer}


def owned(t: Any, node: Node) -> Node:
    """A leaf of the tape with the value of `node`, collecting gradients for `t`."""
    s = node.spec
    if node.value is not None:
        found = Node(spec(s.shape, s.dtype, s.device, True).leaf, (), node.value)
    else:
        found = registry["_leaf"].record(node)  # type: ignore[union-attr]
    found.extra = weakref.ref(t)
    return found
