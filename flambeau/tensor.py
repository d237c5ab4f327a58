"""The tensor users hold: a handle on a node of the graph, which changes where the graph does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import binding, dtypes, printing
from .arithmetic import Arithmetic
from .autograd import backward
from .device import CPU, META, device, resolve
from .dtypes import dtype
from .engine import engine
from .graph import Node, Spec, leaf, mode, spec, valueless
from .ops import registry
from .ops._layout import layout_of
from .ops._rules import title
from .placement import moved, same_device, to_arguments
from .size import Size
from .views import is_leaf_node, make_view, owned, root_of, write

_new = object.__new__


class Tensor(Arithmetic):
    """A multi-dimensional array of one dtype whose operations are recorded, differentiated and run when a value is
    needed.

    >>> import flambeau as torch
    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4.])
    """

    _node: Node
    _grad: Tensor | None = None
    _base_tensor: Tensor | None = None
    _chain: tuple = ()
    _hooks: dict | None = None
    _retain = False
    _after_hooks: dict | None = None
    __array_priority__ = 1000

    def __new__(cls, *args: Any, **kwargs: Any) -> Tensor:
        from .creation import legacy_tensor

        return legacy_tensor(cls, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
        from ._names import missing

        raise missing("torch.Tensor", name, lambda: dir(Tensor))

    # ---- what it is

    @property
    def shape(self) -> Size:
        return Size(self._node.spec.shape)

    @property
    def dtype(self) -> dtype:
        return self._node.spec.dtype

    @property
    def device(self) -> device:
        return self._node.spec.device

    @property
    def ndim(self) -> int:
        return self._node.spec.ndim

    @property
    def requires_grad(self) -> bool:
        return self._node.spec.requires_grad

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        self.requires_grad_(wanted)

    @property
    def is_leaf(self) -> bool:
        node = self._node
        return not node.spec.requires_grad or is_leaf_node(node)

    @property
    def grad_fn(self) -> Any:
        from .autograd import grad_fn

        return None if self.is_leaf else grad_fn(self._node)

    @property
    def output_nr(self) -> int:
        node = self._node
        return node.kind.env["index"] if node.kind.op is not None and node.kind.op.name == "_pick" else 0

    @property
    def _version(self) -> int:
        if engine.capture is not None:
            engine.capture.looked()
        return root_of(self).__dict__.get("_changes", 0)

    @property
    def _base(self) -> Tensor | None:
        return self._base_tensor

    def _is_view(self) -> bool:
        return self._base_tensor is not None

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the size of one dimension."""
        shape = self._node.spec.shape
        if dim is None:
            return Size(shape)
        from .ops._rules import wrap

        return shape[wrap(dim, len(shape))]

    def dim(self) -> int:
        """The number of dimensions."""
        return self._node.spec.ndim

    ndimension = dim

    def numel(self) -> int:
        """The number of elements."""
        return self._node.spec.numel

    nelement = numel

    @property
    def itemsize(self) -> int:
        return self._node.spec.dtype.itemsize

    def element_size(self) -> int:
        """Bytes of one element."""
        return self._node.spec.dtype.itemsize

    @property
    def nbytes(self) -> int:
        return self._node.spec.nbytes

    def is_floating_point(self) -> bool:
        """Whether the elements are floating-point numbers."""
        return self._node.spec.dtype.is_floating_point

    def is_complex(self) -> bool:
        """Whether the elements are complex numbers."""
        return self._node.spec.dtype.is_complex

    def is_signed(self) -> bool:
        """Whether the elements can be negative."""
        return self._node.spec.dtype.is_signed

    def get_device(self) -> int:
        """The number of the GPU the tensor is on; -1 for the processor."""
        return -1 if self.device.index is None else self.device.index

    is_cuda = property(lambda self: self._node.spec.device.type == "cuda")
    is_cpu = property(lambda self: self._node.spec.device.type == "cpu")
    is_sparse = is_quantized = is_nested = is_mkldnn = is_mps = is_xpu = property(lambda self: False)
    is_meta = property(lambda self: self._node.spec.device is META)
    layout = property(lambda self: __import__("flambeau").strided)
    names = property(lambda self: (None,) * self.ndim)

    # ---- values

    def _value(self) -> Any:
        """The value, computed now if it was pending: a NumPy array or scalar that nobody may write to."""
        node = self._node
        if node.spec.device is META:
            raise NotImplementedError("Cannot copy out of meta tensor; no data!")
        if engine.capture is not None:
            engine.capture.looked()
        value = node.value if node.value is not None else engine.force(node)
        return value if node.spec.device is CPU else np.asarray(value)

    def item(self) -> Any:
        """The one element, as a Python number."""
        spec = self._node.spec
        if spec.numel != 1:
            raise RuntimeError(f"a Tensor with {spec.numel} elements cannot be converted to Scalar")
        if spec.device is META:
            raise RuntimeError("Tensor.item() cannot be called on meta tensors")
        value = self._value()
        if spec.dtype.foreign:
            value = np.asarray(value).astype(np.float32)
        return value.item()

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers."""
        value = np.asarray(self._value())
        return (value.astype(np.float32) if self.dtype.foreign else value).tolist()

    def numpy(self, *, force: bool = False) -> np.ndarray:
        """A NumPy array of the elements: a copy, so that writing to it leaves the tensor as it is."""
        if self.requires_grad and not force:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
        if not force and self.device is not CPU:
            raise TypeError(
                f"can't convert {self.device} device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host "
                "memory first."
            )
        if self.dtype.foreign and (self.dtype.narrow or not force):
            raise TypeError(f"Got unsupported ScalarType {self.dtype.title}")
        return np.array(self._value())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        found = self.numpy()
        return found if dtype is None else found.astype(dtype, copy=False)

    def __bool__(self) -> bool:
        if self._node.spec.numel != 1:
            if self._node.spec.numel == 0:
                raise RuntimeError("Boolean value of Tensor with no values is ambiguous")
            raise RuntimeError("Boolean value of Tensor with more than one value is ambiguous")
        return bool(self.item())

    def _number(self, kind: type, name: str) -> Any:
        if self._node.spec.numel != 1:
            raise ValueError("only one element tensors can be converted to Python scalars")
        found = self.item()
        if type(found) is complex and kind is not complex:
            if found.imag:
                raise RuntimeError(f"value cannot be converted to type {name} without overflow")
            found = found.real
        return kind(found)

    def __int__(self) -> int:
        return self._number(int, "int64_t")

    def __float__(self) -> float:
        return self._number(float, "double")

    def __complex__(self) -> complex:
        return self._number(complex, "complex")

    def __reversed__(self) -> Tensor:
        return self.flip(0) if self.ndim else self  # type: ignore[attr-defined]

    def __delitem__(self, index: Any) -> None:
        raise TypeError("Tensor does not support deleting items")

    def __index__(self) -> int:
        if self._node.spec.dtype.category > dtypes.INTEGER or self._node.spec.numel != 1:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self.item())

    def __len__(self) -> int:
        if self._node.spec.ndim == 0:
            raise TypeError("len() of a 0-d tensor")
        return self._node.spec.shape[0]

    def __iter__(self) -> Any:
        if self._node.spec.ndim == 0:
            raise TypeError("iteration over a 0-d tensor")
        return iter(self.unbind(0))  # type: ignore[attr-defined]

    def __contains__(self, element: Any) -> bool:
        if isinstance(element, (Tensor, int, float, complex)):
            return bool((element == self).any().item())  # type: ignore[attr-defined]
        raise RuntimeError(f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(element)}.")

    def __hash__(self) -> int:
        return id(self)

    def __format__(self, how: str) -> str:
        if self._node.spec.ndim == 0 and type(self) is Tensor:
            return self.item().__format__(how)
        return object.__format__(self, how)

    def __repr__(self) -> str:
        return self._shown("tensor(")

    def _shown(self, prefix: str) -> str:
        suffixes = []
        if self.device.type != "cpu":
            suffixes.append(f"device='{self.device}'")
        fn = self.grad_fn
        if fn is not None:
            suffixes.append(f"grad_fn=<{fn.name()}>")
        elif self.requires_grad:
            suffixes.append("requires_grad=True")
        name = self.dtype.name
        show = printing.needs_dtype_suffix(name, dtypes.default_dtype().name, self.numel() == 0 or self.is_meta)
        if self.is_meta:
            size = f"size={tuple(self.shape)}"
            named = [f"dtype=torch.{name}"] if show else []
            return ", ".join([prefix + "...", suffixes[0], size, *named, *suffixes[1:]]) + ")"
        return printing.format_tensor(
            np.asarray(self._value()), dtype=name, suffixes=suffixes, show_dtype=show, prefix=prefix
        )

    # ---- gradients

    @property
    def grad(self) -> Tensor | None:
        return self._grad

    @grad.setter
    def grad(self, new: Tensor | None) -> None:
        if new is not None:
            if not isinstance(new, Tensor):
                raise TypeError(
                    f"assigned grad expected to be a Tensor or None but got grad of type {type(new).__name__}"
                )
            if new.shape != self.shape:
                raise RuntimeError(
                    f"attempting to assign a gradient of size '{list(new.shape)}' to a tensor of "
                    f"size '{list(self.shape)}'. "
                    "Please ensure that the gradient and the tensor are the same size"
                )
            if new.dtype is not self.dtype:
                raise RuntimeError(
                    f"attempting to assign a gradient with dtype '{title(new.dtype).lower()}' "
                    f"to a tensor with grad_dtype '{title(self.dtype)}'."
                )
            if new.device is not self.device:
                raise RuntimeError(
                    f"attempting to assign a gradient located on device with index '{new.get_device()}' to a tensor "
                    f"located on device with index '{self.get_device()}'. Please ensure that the gradient and the "
                    "tensor are on the same device"
                )
        if engine.capture is not None:
            engine.capture.graded(self)
        self._grad = new

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Any = None,
    ) -> None:
        """Adds the gradient of this tensor with respect to the leaves of the graph to their `.grad`."""
        backward(self, gradient, retain_graph, create_graph, inputs)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Makes this leaf collect gradients, or not. Returns itself."""
        node = self._node
        if requires_grad == node.spec.requires_grad:
            return self
        if not requires_grad:
            if not self.is_leaf:
                raise RuntimeError(
                    "you can only change requires_grad flags of leaf variables. If you want to use a computed "
                    "variable in a "
                    "subgraph that doesn't require differentiation use var_no_grad = var.detach()."
                )
            self._node = registry["detach"].record(node) if node.value is None else leaf(node.value, node.spec.like())  # type: ignore
            return self
        if not node.spec.differentiable:
            raise RuntimeError("only Tensors of floating point dtype can require gradients")
        self._node = owned(self, node)
        if self._node.value is None:
            engine.pending.append(self._node)
        return self

    def detach_(self) -> Tensor:
        """Takes this tensor off the tape. Returns itself."""
        if self._base_tensor is not None and self.requires_grad:
            raise RuntimeError("Can't detach views in-place. Use detach() instead.")
        if self.requires_grad:
            self._node = self.detach()._node  # type: ignore[attr-defined]
        return self

    def retain_grad(self) -> None:
        """Makes `.grad` of this computed tensor be kept by backward()."""
        if not self.requires_grad:
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        if not self.is_leaf:
            from .autograd import retain

            retain(self)

    @property
    def retains_grad(self) -> bool:
        return self._retain

    def register_hook(self, hook: Callable) -> Any:
        """Calls `hook(grad)` when the gradient of this tensor is known; what it returns replaces the gradient."""
        from .autograd import add_hook

        return add_hook(self, hook)

    def register_post_accumulate_grad_hook(self, hook: Callable) -> Any:
        """Calls `hook(tensor)` after backward() has added to `.grad` of this leaf."""
        from .autograd import add_after_hook

        return add_after_hook(self, hook)

    @property
    def data(self) -> Tensor:
        t = _new(Tensor)
        t._node = registry["_data"].record(self._node)  # type: ignore[union-attr]
        engine.pending.append(t._node)
        return make_view(t, self, registry["_data"], ())

    @data.setter
    def data(self, new: Tensor) -> None:
        if not isinstance(new, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(new).__name__}")
        needed = self.requires_grad
        self._base_tensor, self._chain = None, ()
        node = (
            registry["detach"].record(new._node)
            if new._node.value is None
            else leaf(new._node.value, new._node.spec.like())
        )  # type: ignore
        self._node = owned(self, node) if needed else node
        engine.pending.append(self._node)

    # ---- type and device

    def to(self, *args: Any, **kwargs: Any) -> Tensor:
        """This tensor with another dtype or on another device: `to(dtype)`, `to(device)`, `to(other)`, `to(device,
        dtype)`."""
        kind, where, copy = to_arguments(*args, **kwargs)
        found = self
        if where is not None and resolve(where) is not self.device:
            found, copy = moved(self, resolve(where)), False
        if kind is not None and kind is not self.dtype:
            return binding.wrap(registry["_to_copy"].record(found._node, kind))  # type: ignore[union-attr]
        return found.clone() if copy else found  # type: ignore[attr-defined]

    def cpu(self, memory_format: Any = None) -> Tensor:
        """This tensor in the memory of the processor."""
        return self.to("cpu")

    def cuda(self, device: Any = None, non_blocking: bool = False, memory_format: Any = None) -> Tensor:
        """This tensor on a GPU."""
        return self.to("cuda" if device is None else device)

    def type(self, dtype: Any = None, non_blocking: bool = False) -> Any:
        """The name of the tensor's type, or the tensor converted to one."""
        from .autograd.walk import type_name

        if dtype is None:
            return ("torch.cuda." if self.is_cuda else "torch.") + type_name(self.dtype)
        if isinstance(dtype, str):
            where, name = ("cuda", dtype[11:]) if dtype.startswith("torch.cuda.") else ("cpu", dtype[6:])
            for candidate in dtypes.dtype.by_name.values():
                if name == type_name(candidate) and dtype.startswith("torch."):
                    return self.to(where, candidate)
            raise ValueError(f"invalid type: '{dtype}'")
        return self.to(getattr(dtype, "dtype", dtype), device=getattr(dtype, "where", None))

    def type_as(self, other: Tensor) -> Tensor:
        """This tensor with the dtype of `other`."""
        return self.to(other)

    # ---- writing

    def copy_(self, src: Any, non_blocking: bool = False) -> Tensor:
        """Writes the elements of `src`, broadcast and converted, into this tensor."""
        if not isinstance(src, Tensor):
            raise TypeError(f"copy_(): argument 'other' (position 1) must be Tensor, not {type(src).__name__}")
        node = binding.cast_node(same_device(src._node, self.device), self.dtype)
        if node.shape != self._node.shape:
            if node.ndim > self.ndim:
                raise RuntimeError(f"The size of tensor a ({self.ndim}) must match the size of tensor b ({node.ndim})")
            node = registry["_expand"].record(node, tuple(self.shape))  # type: ignore[union-attr]
        if node.spec.requires_grad and not mode.grad:
            node = registry["detach"].record(node)  # type: ignore[union-attr]
        return write(self, node, "copy_")

    # ---- copies of the handle

    def __copy__(self) -> Tensor:
        new = self.detach()  # type: ignore[attr-defined]
        new.__class__ = type(self)
        new.__dict__.update((name, value) for name, value in self.__dict__.items() if not name.startswith("_"))
        return new.requires_grad_() if self.requires_grad and self.is_leaf else new

    def __deepcopy__(self, memo: dict) -> Tensor:
        if not self.is_leaf:
            raise RuntimeError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the "
                "moment.  "
                "If you were attempting to deepcopy a module, this may be because of a torch.nn.utils.weight_norm "
                "usage, "
                "see https://github.com/pytorch/pytorch/pull/103001"
            )
        if id(self) in memo:
            return memo[id(self)]
        value = self._node.value if self.is_meta else self._value()
        new = memo[id(self)] = tensor_like(self, np.array(value) if self.device is CPU else self._node.value)
        if self._grad is not None:
            new._grad = self._grad.__deepcopy__(memo)
        for name, value in self.__dict__.items():
            if not name.startswith("_"):
                import copy

                new.__dict__[name] = copy.deepcopy(value, memo)
        return new

    def __reduce_ex__(self, protocol: Any) -> tuple:
        value = np.asarray(self.detach()._value())  # type: ignore[attr-defined]
        raw = value.view(np.uint8 if self.dtype.narrow else np.uint16) if self.dtype.foreign else value
        place = () if self.device is CPU else (self.device,)
        return restored, (type(self), np.array(raw), self.dtype.name, self.requires_grad and self.is_leaf, *place)

    # ---- layout in memory: every tensor reads as contiguous

    def stride(self, dim: int | None = None) -> Any:
        """The steps between elements of each dimension, as of a contiguous tensor, or through the views that made
        this one."""
        strides = view_strides(self)
        return strides if dim is None else strides[dim]

    def is_contiguous(self, memory_format: Any = None) -> bool:
        """Whether the elements lie in order."""
        expected = 1
        for size, step in zip(reversed(self.shape), reversed(view_strides(self)), strict=True):
            if size == 0:
                return True
            if size != 1:
                if step != expected:
                    return False
                expected *= size
        return True

    def contiguous(self, memory_format: Any = None) -> Tensor:
        """This tensor if its elements lie in order, else a copy in which they do."""
        return self if self.is_contiguous() else self.clone()  # type: ignore[attr-defined]

    def storage_offset(self) -> int:
        """The place of the first element in the memory it shares."""
        return view_layout(self)[0]

    # ---- names for what functions of the registry do

    T = property(lambda self: self.permute(tuple(reversed(range(self.ndim)))))
    mT = property(lambda self: _matrix_transpose(self))
    H = property(lambda self: _hermitian(self))
    mH = property(lambda self: self.mT.conj())
    real = property(lambda self: registry["real"](self))
    imag = property(lambda self: registry["imag"](self))


def _matrix_transpose(t: Tensor) -> Any:
    if t.ndim < 2:
        raise RuntimeError(f"tensor.mT is only supported on matrices or batches of matrices. Got {t.ndim}-D tensor.")
    return registry["transpose"](t, -2, -1)


def _hermitian(t: Tensor) -> Any:
    if t.ndim not in (0, 2):
        more = ". For batches of matrices, consider using tensor.mH" if t.ndim > 2 else "."
        raise RuntimeError(f"tensor.H is only supported on matrices (2-D tensors). Got {t.ndim}-D tensor{more}")
    return t.mT.conj() if t.ndim else t.conj()  # type: ignore[attr-defined]


def view_layout(t: Tensor) -> tuple[int, tuple[int, ...]]:
    """Offset and strides, in elements, of a tensor in the memory it looks into."""
    return layout_of(t)


def view_strides(t: Tensor) -> tuple[int, ...]:
    return view_layout(t)[1]


def from_array(value: Any, requires_grad: bool = False, s: Spec | None = None) -> Tensor:
    """A tensor around a NumPy array that nobody else writes to."""
    t = _new(Tensor)
    if s is not None and s.device is META:
        t._node = valueless(s)
    else:
        t._node = leaf(value, s or spec(value.shape, dtypes.dtype.by_numpy[value.dtype]))
    if engine.capture is not None:
        engine.capture.created(t._node)
    return t.requires_grad_() if requires_grad else t


def tensor_like(t: Tensor, value: np.ndarray) -> Any:
    """A leaf of the class and flags of `t` with another value."""
    new = _new(type(t))
    new._node = leaf(value, t._node.spec.like())
    if t.requires_grad:
        new._node = owned(new, new._node)
    return new


def restored(cls: Any, raw: np.ndarray, name: str, requires_grad: bool, where: Any = CPU) -> Any:
    """A tensor from its pickle."""
    kind = dtypes.dtype.by_name[name]
    value = raw.view(kind.numpy) if kind.foreign else raw
    new = _new(cls)
    new._node = leaf(value, spec(value.shape, kind, resolve(where)))
    return new.requires_grad_() if requires_grad else new
