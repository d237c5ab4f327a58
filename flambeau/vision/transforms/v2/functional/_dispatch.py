"""Functions that do the fitting thing to whatever they are given: images, videos, masks, boxes, points, PIL images."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from .....tensor import Tensor
from .... import tv_tensors
from ..._support import InterpolationMode, is_pil

PIL = "PIL.Image.Image"


def is_pure_tensor(value: Any) -> bool:
    """Whether this is a tensor that does not know what it shows."""
    return isinstance(value, Tensor) and not isinstance(value, tv_tensors.TVTensor)


def kernel_of(functional: Any, value: Any) -> Callable | None:
    """What `functional` does to a value of this class; None if nothing."""
    if is_pil(value):
        return functional.kernels.get(PIL)
    for cls in type(value).__mro__:
        if cls in functional.kernels:
            return functional.kernels[cls]
        if cls is tv_tensors.TVTensor:
            break
    return None


def dispatched(pil: Callable | None = None, mask: bool = False, boxes: Callable | None = None,
               points: Callable | None = None, rewrap: bool = True) -> Callable:
    """Makes of a kernel for image tensors the function for all that it can be given.

    `pil` takes the same arguments. With `mask` masks are treated like images, pixels staying whole. `boxes` and
    `points` take the tensor and those arguments that they name. Without `rewrap` the result is no image.
    """

    def decorate(image: Callable) -> Callable:
        signature = inspect.signature(image)
        first, *rest = signature.parameters.values()

        def call(inpt: Any, *args: Any, **kwargs: Any) -> Any:
            kernel = kernel_of(dispatcher, inpt)
            if kernel is None:
                raise TypeError(f"Functional F.{image.__name__} supports inputs of type "
                                f"{dispatcher.kernels.keys()}, but got {type(inpt)} instead.")
            return kernel(inpt, *args, **kwargs)

        dispatcher: Any = functools.wraps(image)(call)

        def wrapped(value: Any, *args: Any, **kwargs: Any) -> Any:
            found = image(tv_tensors.plain(value), *args, **kwargs)
            if not rewrap:
                return found
            if isinstance(found, tuple):
                return tuple(tv_tensors.wrap(part, like=value) for part in found)
            return tv_tensors.wrap(found, like=value)

        def of_mask(value: Any, *args: Any, **kwargs: Any) -> Any:
            given = signature.bind(value, *args, **kwargs).arguments
            if "interpolation" in signature.parameters:
                if given.get("interpolation") not in (InterpolationMode.NEAREST_EXACT, "nearest-exact"):
                    given["interpolation"] = InterpolationMode.NEAREST
            if image.__name__ == "pad" and isinstance(given.get("fill"), (tuple, list)):
                raise ValueError("Non-scalar fill value is not supported")
            del given[first.name]
            return wrapped(value, **given)

        dispatcher.__signature__ = inspect.Signature(
            [first.replace(name="inpt"), *rest], return_annotation=signature.return_annotation)
        kernels: dict[Any, Callable] = {Tensor: image, tv_tensors.Image: wrapped, tv_tensors.Video: wrapped}
        kernels |= {tv_tensors.Mask: of_mask} if mask else {}
        for cls, kernel in ((tv_tensors.BoundingBoxes, boxes), (tv_tensors.KeyPoints, points)):
            if kernel is not None:
                kernels[cls] = _by_name(kernel, signature)
        if pil is not None:
            kernels[PIL] = pil
        dispatcher.kernels = kernels
        dispatcher.image = image
        return dispatcher

    return decorate


def _by_name(kernel: Callable, signature: inspect.Signature) -> Callable:
    """The kernel, called with those of the function's arguments that it names."""
    wanted = tuple(inspect.signature(kernel).parameters)[1:]

    def call(value: Any, *args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(value, *args, **kwargs)
        bound.apply_defaults()
        return kernel(value, *(bound.arguments[name] for name in wanted))

    return call


def register_kernel(functional: Any, tv_tensor_cls: type) -> Callable:
    """A decorator: the function below it is what `functional` does to tensors of a user's class."""
    if isinstance(functional, str):
        from .. import functional as module

        if not hasattr(module, functional):
            raise ValueError(
                f"Could not find functional with name '{functional}' in torchvision.transforms.v2.functional.")
        functional = getattr(module, functional)
    if not hasattr(functional, "kernels"):
        raise ValueError("Kernels can only be registered on functionals from the "
                         f"torchvision.transforms.v2.functional namespace, but got {functional}.")
    if not (isinstance(tv_tensor_cls, type) and issubclass(tv_tensor_cls, tv_tensors.TVTensor)):
        raise ValueError("Kernels can only be registered for subclasses of torchvision.tv_tensors.TVTensor, "
                         f"but got {tv_tensor_cls}.")
    if tv_tensor_cls.__module__ == tv_tensors.__name__:
        raise ValueError(f"Kernels cannot be registered for the builtin tv_tensor classes, but got {tv_tensor_cls}")
    if tv_tensor_cls in functional.kernels:
        raise ValueError(f"Functional {functional} already has a kernel registered for type {tv_tensor_cls}.")

    def register(kernel: Callable) -> Callable:
        functional.kernels[tv_tensor_cls] = kernel
        return kernel

    return register
