"""The base of the transforms of v2: it finds what to transform in nested samples, and draws once for all of it."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flambeau.nn import Module

from ....tensor import Tensor
from ....utils._pytree import tree_flatten, tree_unflatten
from ... import tv_tensors
from .._support import chance, is_pil
from .functional import get_dimensions, get_size, is_pure_tensor
from .functional._dispatch import kernel_of

Check = type | Callable[[Any], bool]


def check_type(obj: Any, types_or_checks: Sequence[Check]) -> bool:
    """Whether an object is of one of the types, or passes one of the checks."""
    return any(isinstance(obj, kind) if isinstance(kind, type) else kind(obj) for kind in types_or_checks)


def has_any(flat_inputs: Sequence, *types_or_checks: Check) -> bool:
    """Whether one of the inputs is of one of the types."""
    return any(check_type(value, types_or_checks) for value in flat_inputs)


def has_all(flat_inputs: Sequence, *types_or_checks: Check) -> bool:
    """Whether there is an input for each of the types."""
    return all(has_any(flat_inputs, kind) for kind in types_or_checks)


def _first(flat_inputs: Sequence, kind: type, what: str) -> Any:
    for value in flat_inputs:
        if isinstance(value, kind):
            return value
    raise ValueError(f"No {what} were found in the sample")


def get_bounding_boxes(flat_inputs: Sequence) -> Any:
    """The first boxes among the inputs."""
    return _first(flat_inputs, tv_tensors.BoundingBoxes, "bounding boxes")


def get_keypoints(flat_inputs: Sequence) -> Any:
    """The first key points among the inputs."""
    return _first(flat_inputs, tv_tensors.KeyPoints, "keypoints")


IMAGES: tuple[Check, ...] = (is_pure_tensor, tv_tensors.Image, is_pil, tv_tensors.Video)
ANNOTATIONS = (tv_tensors.BoundingBoxes, tv_tensors.Mask, tv_tensors.KeyPoints)


def _only(flat_inputs: Sequence, kinds: Sequence[Check], size: Callable, missing: str, name: str) -> tuple:
    sizes = {tuple(size(value)) for value in flat_inputs if check_type(value, kinds)}
    if not sizes:
        raise TypeError(missing)
    if len(sizes) > 1:
        *most, last = (str(s) for s in sorted(sizes))
        raise ValueError(f"Found multiple {name} dimensions in the sample: {', '.join(most)} and {last}")
    return sizes.pop()


def query_chw(flat_inputs: Sequence) -> tuple[int, int, int]:
    """Channels, height and width that all images among the inputs have."""
    return _only(flat_inputs, IMAGES, get_dimensions, "No image or video was found in the sample", "CxHxW")


def query_size(flat_inputs: Sequence) -> tuple[int, int]:
    """Height and width that all images and annotations among the inputs have."""
    missing = "No image, video, mask, bounding box of keypoint was found in the sample"
    return _only(flat_inputs, (*IMAGES, *ANNOTATIONS), get_size, missing, "HxW")


class Transform(Module):
    """A transform of nested samples. A subclass overrides `transform`, and `make_params` if it draws.

    `make_params` is called once for a sample, with all that is to be transformed; `transform` for each part. Of plain
    tensors only the first is transformed, and only where the sample has no image of another kind.
    """

    _transformed_types: tuple[Check, ...] = (Tensor, is_pil)

    def check_inputs(self, flat_inputs: list) -> None:
        """Raises for a sample that the transform is not made for."""

    def make_params(self, flat_inputs: list) -> dict[str, Any]:
        """What is drawn for a sample."""
        return {}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """One part of a sample, transformed."""
        raise NotImplementedError

    def _call_kernel(self, functional: Any, inpt: Any, *args: Any, **kwargs: Any) -> Any:
        kernel = kernel_of(functional, inpt)
        return inpt if kernel is None else kernel(inpt, *args, **kwargs)

    def forward(self, *inputs: Any) -> Any:
        """The sample, transformed."""
        return self._transformed(inputs[0] if len(inputs) == 1 else inputs)

    def _transformed(self, sample: Any, always: bool = True) -> Any:
        alone = isinstance(sample, Tensor) or is_pil(sample)
        flat, spec = ([sample], None) if alone else tree_flatten(sample)
        self.check_inputs(flat)
        if not always and chance() >= self.p:
            return sample
        wanted = self._needs_transform_list(flat)
        params = self.make_params([value for value, needed in zip(flat, wanted, strict=True) if needed])
        new = [self.transform(value, params) if needed else value for value, needed in zip(flat, wanted, strict=True)]
        return new[0] if spec is None else tree_unflatten(new, spec)

    def _needs_transform_list(self, flat_inputs: list) -> list[bool]:
        found, plain = [], not has_any(flat_inputs, tv_tensors.Image, tv_tensors.Video, is_pil)
        for value in flat_inputs:
            needed = check_type(value, self._transformed_types)
            if needed and is_pure_tensor(value):
                needed, plain = plain, False
            found.append(needed)
        return found

    def extra_repr(self) -> str:
        shown = (bool, int, float, str, tuple, list, enum.Enum)
        return ", ".join(f"{name}={value}" for name, value in self.__dict__.items()
                         if not name.startswith("_") and name != "training" and isinstance(value, shown))


class RandomApplyTransform(Transform):
    """A transform that is applied with probability p."""

    def __init__(self, p: float = 0.5) -> None:
        check_probability(p)
        super().__init__()
        self.p = p

    def forward(self, *inputs: Any) -> Any:
        return self._transformed(inputs[0] if len(inputs) == 1 else inputs, always=False)


def check_probability(p: float) -> None:
    """Raises unless p is a probability."""
    if not 0.0 <= p <= 1.0:
        raise ValueError("`p` should be a floating point value in the interval [0.0, 1.0].")


# ---- arguments


def fills(fill: Any) -> dict:
    """The fill for each class of input; "others" is for all that are not named."""
    if not isinstance(fill, dict):
        return {"others": _fill(fill)}
    for kind, value in fill.items():
        fill[kind] = _fill(value)
    return fill


def _fill(fill: Any) -> Any:
    if fill is not None and not isinstance(fill, (int, float, tuple, list)):
        raise TypeError("Got inappropriate fill arg, only Numbers, tuples, lists and dicts are allowed.")
    return fill if fill is None or isinstance(fill, (int, float)) else [float(v) for v in fill]


def fill_of(fills: dict, value: Any) -> Any:
    """The fill for a value."""
    return fills.get(type(value), fills.get("others"))


def two_numbers(value: Any, name: str) -> list[float]:
    """A number, or a sequence of one or two, as two floats."""
    if not isinstance(value, (int, float, Sequence)):
        raise TypeError(f"{name} should be a number or a sequence of numbers. Got {type(value)}")
    if isinstance(value, (int, float)):
        return [float(value)] * 2
    if len(value) not in (1, 2):
        raise ValueError(f"If {name} is a sequence its length should be 1 or 2. Got {len(value)}")
    for element in value:
        if not isinstance(element, (int, float)):
            raise ValueError(f"{name} should be a sequence of numbers. Got {type(element)}")
    return [float(value[0]), float(value[-1])]


def labels_in(inputs: Any) -> Any:
    """The labels of a sample: its second part, or in there what is named so."""
    if isinstance(inputs, (tuple, list)):
        inputs = inputs[1]
    if is_pure_tensor(inputs):
        return inputs
    if not isinstance(inputs, Mapping):
        raise ValueError(
            "When using the default labels_getter, the input passed to forward must be a dictionary or a two-tuple "
            f"whose second item is a dictionary or a tensor, but got {inputs} instead."
        )
    for fits in (lambda name: name == "labels", lambda name: "label" in name):
        for name in inputs:
            if fits(name.lower()):
                return inputs[name]
    raise ValueError(
        "Could not infer where the labels are in the sample. Try passing a callable as the labels_getter parameter?"
        "If there are no labels in the sample by design, pass labels_getter=None."
    )


def labels_getter_of(labels_getter: Any) -> Callable[[Any], Any]:
    """The function that finds the labels of a sample."""
    if labels_getter == "default":
        return labels_in
    if labels_getter is None:
        return lambda _: None
    if callable(labels_getter):
        return labels_getter
    raise ValueError(f"labels_getter should either be 'default', a callable, or None, but got {labels_getter}.")
