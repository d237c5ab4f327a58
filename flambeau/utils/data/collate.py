"""From a list of samples to a batch: tensors, arrays and numbers are stacked, through any nesting."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

from ... import dtypes
from ...creation import as_tensor, tensor
from ...graph import mode
from ...ops import registry
from ...tensor import Tensor, from_array

np_str_obj_array_pattern = re.compile(r"[SaUO]")
default_collate_err_msg_format = (
    "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}"
)


def _rebuilt(like: Any, items: Any) -> Any:
    """`items`, a dict or list, in a collection of the type of `like`; as they are if that type cannot be made so."""
    try:
        if isinstance(like, (MutableMapping, MutableSequence)):
            # A copy keeps what else the object carries, such as a defaultdict's factory.
            new: Any = copy.copy(like)
            if isinstance(like, MutableMapping):
                new.update(items)
            else:
                for i, item in enumerate(items):
                    new[i] = item
            return new
        return type(like)(items)
    except TypeError:
        return items


def default_convert(data: Any) -> Any:
    """A sample with its NumPy arrays and numbers as tensors: what a loader does to samples that it does not batch."""
    kind = type(data)
    if isinstance(data, Tensor):
        return data
    if kind.__module__ == "numpy" and kind.__name__ not in ("str_", "bytes_"):
        if kind is np.ndarray and np_str_obj_array_pattern.search(data.dtype.str):
            return data
        return as_tensor(data)
    if isinstance(data, Mapping):
        return _rebuilt(data, {key: default_convert(data[key]) for key in data})
    if isinstance(data, tuple):
        found = [default_convert(item) for item in data]
        return kind(*found) if hasattr(data, "_fields") else found
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return _rebuilt(data, [default_convert(item) for item in data])
    return data


def collate(batch: Any, *, collate_fn_map: dict[Any, Callable] | None = None) -> Any:
    """A batch of samples as one, by the function that `collate_fn_map` has for the type of the first.

    Types are looked up exactly, then by isinstance in the map's order; mappings and sequences are taken apart.
    """
    first = batch[0]
    kind = type(first)
    if collate_fn_map is not None:
        function = collate_fn_map.get(kind)
        if function is None:
            function = next((f for key, f in collate_fn_map.items() if isinstance(first, key)), None)
        if function is not None:
            return function(batch, collate_fn_map=collate_fn_map)
    if isinstance(first, Mapping):
        return _rebuilt(
            first, {key: collate([sample[key] for sample in batch], collate_fn_map=collate_fn_map) for key in first}
        )
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return kind(*[collate(column, collate_fn_map=collate_fn_map) for column in zip(*batch, strict=False)])
    if isinstance(first, Sequence):
        size = len(first)
        if any(len(sample) != size for sample in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        columns = [collate(column, collate_fn_map=collate_fn_map) for column in zip(*batch, strict=True)]
        return columns if isinstance(first, tuple) else _rebuilt(first, columns)
    raise TypeError(default_collate_err_msg_format.format(kind))


def collate_tensor_fn(batch: Sequence[Tensor], *, collate_fn_map: dict[Any, Callable] | None = None) -> Tensor:
    """Tensors of one shape, stacked. Their values are computed: a batch enters the program's graph as a value."""
    known = batch[0]._node.spec
    if not (known.requires_grad and mode.grad) and all([type(t) is Tensor and t._node.spec is known for t in batch]):
        return from_array(stacked([t._value() for t in batch], known.shape, known.dtype.numpy))
    return registry["stack"](list(batch), 0)


def stacked(arrays: list, shape: tuple, dtype: np.dtype) -> np.ndarray:
    """Arrays of one shape and dtype in a new one, with a dimension more at the front."""
    if shape and shape[0]:
        return np.concatenate(arrays).reshape(len(arrays), *shape)
    return np.array(arrays, dtype=dtype).reshape(len(arrays), *shape)


def collate_numpy_array_fn(batch: Sequence[np.ndarray], *, collate_fn_map: dict[Any, Callable] | None = None) -> Any:
    """Arrays of one shape, as one tensor."""
    first = batch[0]
    if np_str_obj_array_pattern.search(first.dtype.str):
        raise TypeError(default_collate_err_msg_format.format(first.dtype))
    if (
        is_default(collate_fn_map)
        and first.dtype in dtypes.dtype.by_numpy
        and first.dtype.isnative
        and all([type(a) is np.ndarray and a.shape == first.shape and a.dtype == first.dtype for a in batch])
    ):
        return from_array(stacked(list(batch), first.shape, first.dtype))
    return collate([as_tensor(a) for a in batch], collate_fn_map=collate_fn_map)


def collate_numpy_scalar_fn(batch: Sequence[Any], *, collate_fn_map: dict[Any, Callable] | None = None) -> Tensor:
    """NumPy numbers, as one tensor."""
    array = np.array(batch)
    if array.dtype in dtypes.dtype.by_numpy and array.ndim == 1:
        return from_array(array)
    return as_tensor(batch)


def _numbers(batch: Sequence, kinds: str, kind: Any = None) -> Tensor:
    """Python numbers as one tensor: by way of NumPy where it agrees with PyTorch on the type."""
    try:
        array = np.array(batch)
    except (ValueError, OverflowError):
        return tensor(batch, dtype=kind)
    if array.ndim != 1 or array.dtype.kind not in kinds:
        return tensor(batch, dtype=kind)
    return from_array(array)


def collate_float_fn(batch: Sequence[float], *, collate_fn_map: dict[Any, Callable] | None = None) -> Tensor:
    """Python floats, as a float64 tensor."""
    return _numbers(batch, "f", dtypes.float64)


def collate_int_fn(batch: Sequence[int], *, collate_fn_map: dict[Any, Callable] | None = None) -> Tensor:
    """Python integers, or bools, as a tensor of int64, or bool."""
    return _numbers(batch, "ib")


def collate_str_fn(batch: Any, *, collate_fn_map: dict[Any, Callable] | None = None) -> Any:
    """Text stays as it is."""
    return batch


default_collate_fn_map: dict[Any, Callable] = {
    Tensor: collate_tensor_fn,
    np.ndarray: collate_numpy_array_fn,
    (np.bool_, np.number, np.object_): collate_numpy_scalar_fn,
    float: collate_float_fn,
    int: collate_int_fn,
    str: collate_str_fn,
    bytes: collate_str_fn,
}


def is_default(functions: Any) -> bool:
    """Whether tensors are stacked as they are without a program's own functions."""
    return (
        functions is default_collate_fn_map
        and functions.get(Tensor) is collate_tensor_fn
        and next(iter(functions)) is Tensor
    )


def default_collate(batch: Any) -> Any:
    """A list of samples as a batch: tensors, arrays and numbers become tensors with a dimension more at the front.

    Text stays a list; tuples become lists; mappings, named tuples and sequences keep their type around collated parts.

    >>> default_collate([(0, "a"), (1, "b")])
    [tensor([0, 1]), ('a', 'b')]
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)
