"""How tensors go from process to process: shared ones by their memory, others by value."""

from __future__ import annotations

from multiprocessing import reduction
from typing import Any

from .. import dtypes
from ..nn.parameter import Buffer, Parameter
from ..tensor import Tensor
from ._shared import Memory, attached, is_shared, shared_class

__all__ = ["init_reductions", "rebuild_tensor", "reduce_tensor"]


def reduce_tensor(tensor: Any) -> tuple:
    """How a tensor is made again in another process."""
    if is_shared(tensor):
        memory: Memory = tensor.__dict__["_memory"]
        handle = reduction.DupFd(memory.descriptor)
        plain = tensor._plain
        return rebuild_tensor, (plain, handle, memory.shape, memory.kind.name, tensor.requires_grad)
    if tensor.requires_grad and not tensor.is_leaf:
        raise RuntimeError(
            "Cowardly refusing to serialize non-leaf tensor which requires_grad, since autograd does not support "
            "crossing process boundaries.  If you just want to transfer the data, call detach() on the tensor before "
            "serializing (e.g., putting it on the queue)."
        )
    kind, args = tensor.__reduce_ex__(4)
    return kind, (getattr(tensor, "_plain", args[0]), *args[1:])


def rebuild_tensor(plain: type, handle: Any, shape: tuple[int, ...], kind: str, requires_grad: bool) -> Any:
    """A tensor on the memory whose descriptor came along."""
    return attached(plain, Memory(shape, dtypes.dtype.by_name[kind], handle.detach()), requires_grad)


def init_reductions() -> None:
    """Tells multiprocessing how tensors are sent."""
    for plain in (Tensor, Parameter, Buffer):
        reduction.register(plain, reduce_tensor)
        reduction.register(shared_class(plain), reduce_tensor)
