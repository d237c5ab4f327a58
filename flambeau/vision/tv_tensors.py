"""torchvision.tv_tensors: tensors that know what they show: images, videos, masks, bounding boxes, key points.

Operations on them give plain tensors; `clone`, `to`, `detach`, `requires_grad_` and `pin_memory` keep the class, and
the transforms of torchvision.transforms.v2 do.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

from ..tensor import Tensor
from .transforms._torch import fl

__all__ = [
    "BoundingBoxFormat", "BoundingBoxes", "Image", "KeyPoints", "Mask", "TVTensor", "Video",
    "is_rotated_bounding_format", "wrap",
]  # fmt: skip


def plain(t: Tensor) -> Tensor:
    """The tensor without what it knows about itself."""
    return _of_class(Tensor, t) if isinstance(t, TVTensor) else t


def _of_class(cls: type, t: Tensor) -> Any:
    new: Any = object.__new__(cls)
    new._node = t._node
    return new


def _read(data: Any, dtype: Any, device: Any, requires_grad: bool | None, pixels: bool) -> Tensor:
    """The data, which may be a PIL image where `pixels`, as a plain tensor."""
    from .transforms._images import pil_to_tensor
    from .transforms._support import is_pil

    if pixels and is_pil(data):
        data = pil_to_tensor(data)
    found = plain(fl.as_tensor(plain(data) if isinstance(data, Tensor) else data, dtype=dtype, device=device))
    return found if requires_grad is None else found.requires_grad_(requires_grad)


class TVTensor(Tensor):
    """The base of the tensors that know what they show."""

    def __new__(cls, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool | None = None) -> Any:
        return _of_class(cls, _read(data, dtype, device, requires_grad, True))

    def as_subclass(self, cls: type) -> Any:
        """The same values as another class."""
        return _of_class(cls, self)

    @classmethod
    def wrap(cls, tensor: Tensor, like: Any, **kwargs: Any) -> Any:
        """The tensor, with what `like` knows about itself, except for what is given."""
        new = _of_class(cls, tensor)
        new.__dict__.update({name: kwargs.get(name, getattr(like, name)) for name in cls._known})
        return new

    # The names of what an object knows beside its values.
    _known: tuple[str, ...] = ()

    def _keeping(self, found: Tensor) -> Any:
        return found if type(found) is type(self) else wrap(found, like=self)

    def clone(self, *args: Any, **kwargs: Any) -> Any:
        return self._keeping(super().clone(*args, **kwargs))  # type: ignore[misc]

    def to(self, *args: Any, **kwargs: Any) -> Any:
        return self._keeping(super().to(*args, **kwargs))  # type: ignore[misc]

    def detach(self) -> Any:
        return self._keeping(super().detach())  # type: ignore[misc]

    def pin_memory(self, *args: Any, **kwargs: Any) -> Any:
        return self._keeping(super().pin_memory(*args, **kwargs))  # type: ignore[misc]

    def __deepcopy__(self, memo: dict) -> Any:
        return self.detach().clone().requires_grad_(self.requires_grad)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _restored, (type(self), plain(self), {name: getattr(self, name) for name in self._known})

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        # PyTorch calls a subclass by its name.
        shown = f"{type(self).__name__}{repr(plain(self)).removeprefix('tensor')}".replace(
            "\n       ", "\n" + " " * (len(type(self).__name__) + 1))
        if isinstance(self, Mask):
            return shown
        return f"{shown[:-1]}, {', '.join(f'{name}={getattr(self, name)}' for name in self._known)})"


def _restored(cls: type, tensor: Tensor, known: dict) -> Any:
    new = _of_class(cls, tensor)
    new.__dict__.update(known)
    return new


def wrap(wrappee: Tensor, *, like: Any, **kwargs: Any) -> Any:
    """The tensor as the class of `like`, knowing what `like` knows, except for what is given."""
    return type(like).wrap(wrappee, like, **kwargs) if isinstance(like, TVTensor) else wrappee


class Image(TVTensor):
    """A tensor (..., C, H, W) that shows images; a tensor (H, W) is given a channel."""

    def __new__(cls, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool | None = None) -> Any:
        tensor = _read(data, dtype, device, requires_grad, True)
        if tensor.ndim < 2:
            raise ValueError(f"Tensor must be 2D or higher, got {tensor.ndim}D tensor.")
        return _of_class(cls, tensor.unsqueeze(0) if tensor.ndim == 2 else tensor)


class Video(TVTensor):
    """A tensor (..., T, C, H, W) that shows videos."""

    def __new__(cls, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool | None = None) -> Any:
        tensor = _read(data, dtype, device, requires_grad, False)
        if tensor.ndim < 4:
            raise ValueError(f"Tensor must be 4D or higher, got {tensor.ndim}D tensor.")
        return _of_class(cls, tensor)


class Mask(TVTensor):
    """A tensor (..., H, W) that says for each pixel what it belongs to."""


class BoundingBoxFormat(Enum):
    """What the numbers of a box are: corners, corner and size, or middle and size; R is an angle in degrees."""

    XYXY = "XYXY"
    XYWH = "XYWH"
    CXCYWH = "CXCYWH"
    XYWHR = "XYWHR"
    CXCYWHR = "CXCYWHR"
    XYXYXYXY = "XYXYXYXY"


def is_rotated_bounding_format(format: BoundingBoxFormat | str) -> bool:
    """Whether boxes of this format may stand at an angle."""
    if not isinstance(format, (BoundingBoxFormat, str)):
        raise ValueError(f"format should be str or BoundingBoxFormat, got {type(format)}")
    name = format.value if isinstance(format, BoundingBoxFormat) else format
    return name in ("XYWHR", "CXCYWHR", "XYXYXYXY")


class BoundingBoxes(TVTensor):
    """Boxes (N, 4) in an image of size (height, width)."""

    format: BoundingBoxFormat
    canvas_size: tuple[int, int]
    clamping_mode: str | None
    _known = ("format", "canvas_size", "clamping_mode")

    def __new__(cls, data: Any, *, format: Any, canvas_size: tuple[int, int], clamping_mode: str | None = "soft",
                dtype: Any = None, device: Any = None, requires_grad: bool | None = None) -> Any:
        tensor = _read(data, dtype, device, requires_grad, False)
        if not tensor.is_floating_point() and is_rotated_bounding_format(format):
            raise ValueError(f"Rotated bounding boxes should be floating point tensors, got {tensor.dtype}.")
        if tensor.ndim not in (1, 2):
            raise ValueError(f"Expected a 1D or 2D tensor, got {tensor.ndim}D")
        if clamping_mode not in (None, "hard", "soft"):
            raise ValueError(f"clamping_mode must be None, hard or soft, got {clamping_mode}.")
        new = _of_class(cls, tensor.unsqueeze(0) if tensor.ndim == 1 else tensor)
        new.format = BoundingBoxFormat[format.upper()] if isinstance(format, str) else format
        new.canvas_size = canvas_size
        new.clamping_mode = clamping_mode
        return new


class KeyPoints(TVTensor):
    """Points (..., 2), x and y, in an image of size (height, width)."""

    canvas_size: tuple[int, int]
    _known = ("canvas_size",)

    def __new__(cls, data: Any, *, canvas_size: tuple[int, int], dtype: Any = None, device: Any = None,
                requires_grad: bool | None = None) -> Any:
        tensor = _read(data, dtype, device, requires_grad, False)
        if tensor.ndim == 1:
            tensor = tensor.unsqueeze(0)
        if tensor.shape[-1] != 2:
            raise ValueError(f"Expected a tensor of shape (..., 2), not {tensor.shape}")
        new = _of_class(cls, tensor)
        new.canvas_size = canvas_size
        return new
