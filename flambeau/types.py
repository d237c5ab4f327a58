"""torch.types: names for what functions take."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import IO, Any, TypeAlias

from ._storage import Storage
from .device import device
from .dtypes import dtype
from .size import Size
from .tensor import Tensor

__all__ = ["Device", "FileLike", "Number", "Storage"]

Number: TypeAlias = int | float | bool
PySymType = (int, float, bool)
Device: TypeAlias = device | str | int | None
FileLike: TypeAlias = str | os.PathLike | IO[bytes]
_TensorOrTensors: TypeAlias = Tensor | Sequence[Tensor]
_dtype, _device, _size = dtype, device, Size | list[int] | tuple[int, ...]
_int, _float, _bool, _complex = int, float, bool, complex
_symint: Any = int
