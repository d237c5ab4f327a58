"""torchvision.transforms.v2: erasing, mixing, and the augmentations that choose among many changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flambeau.nn.functional import one_hot

from ....tensor import Tensor
from ....utils._pytree import tree_flatten, tree_unflatten
from ... import tv_tensors
from .._colour_transforms import RandomErasing as ErasingOfV1
from .._colour_transforms import check_erasing, erasing_values
from .._policies import AUTO, MIX, MIX_ALL, RAND, UNSIGNED, WIDE, AutoAugmentPolicy, apply, policies, strengths
from .._support import chance, check_sequence, dirichlet, integer, is_pil, largest, rectangle_to_erase
from ..autoaugment import STEPS_OF_MIX, check_severity, mixed
from ..autoaugment import AutoAugment as AutoOfV1
from . import functional as F
from ._transform import (
    ANNOTATIONS,
    IMAGES,
    RandomApplyTransform,
    Transform,
    check_type,
    fill_of,
    fills,
    has_any,
    labels_getter_of,
    query_chw,
    query_size,
)
from .functional import is_pure_tensor


class RandomErasing(RandomApplyTransform):
    """A random rectangle of the image overwritten, with probability p."""

    get_params = staticmethod(ErasingOfV1.get_params)

    def __init__(self, p: float = 0.5, scale: Sequence[float] = (0.02, 0.33), ratio: Sequence[float] = (0.3, 3.3),
                 value: Any = 0.0, inplace: bool = False) -> None:
        super().__init__(p=p)
        check_erasing(value, scale, ratio, p)
        self.scale = scale
        self.ratio = ratio
        self.value = erasing_values(value)
        self.inplace = inplace

    def make_params(self, flat_inputs: list) -> dict:
        channels, height, width = query_chw(flat_inputs)
        if self.value is not None and len(self.value) not in (1, channels):
            raise ValueError("If value is a sequence, it should have either a single value or "
                             f"{channels} (number of inpt channels)")
        return {"found": rectangle_to_erase(channels, height, width, self.scale, self.ratio, self.value)}

    def transform(self, inpt: Any, params: dict) -> Any:
        if params["found"] is None:
            return inpt
        return self._call_kernel(F.erase, inpt, *params["found"], inplace=self.inplace)


class JPEG(Transform):
    """The image as it comes back from a JPEG file of random quality."""

    def __init__(self, quality: Any) -> None:
        super().__init__()
        if isinstance(quality, bool):
            raise TypeError("quality can't be bool")
        if isinstance(quality, int):
            quality = [quality, quality]
        else:
            check_sequence(quality, "quality", (2,))
        if not (all(isinstance(q, int) for q in quality) and 1 <= quality[0] <= quality[1] <= 100):
            raise ValueError(f"quality must be an integer from 1 to 100, got quality ={quality!r}")
        self.quality = quality

    def make_params(self, flat_inputs: list) -> dict:
        return {"quality": integer(self.quality[0], self.quality[1] + 1)}

    def transform(self, inpt: Any, params: dict) -> Any:
        return self._call_kernel(F.jpeg, inpt, **params)


# ---- mixing the images of a batch


class Mixture(Transform):
    """The base of transforms that mix each image of a batch with the one before it, and their labels."""

    def __init__(self, *, alpha: float = 1.0, num_classes: int | None = None, labels_getter: Any = "default") -> None:
        super().__init__()
        self.alpha = float(alpha)
        self.num_classes = num_classes
        self._labels_getter = labels_getter_of(labels_getter)

    def _share(self) -> float:
        """How much of each image stays: a draw from Beta(alpha, alpha)."""
        return float(dirichlet([self.alpha, self.alpha], 1)[0, 0])

    def forward(self, *inputs: Any) -> Any:
        sample = inputs[0] if len(inputs) == 1 else inputs
        flat, spec = tree_flatten(sample)
        wanted = self._needs_transform_list(flat)
        if has_any(flat, is_pil, *ANNOTATIONS):
            raise ValueError(
                f"{type(self).__name__}() does not support PIL images, bounding boxes, keypoints and masks.")
        labels = self._labels_getter(sample)
        self._check_labels(labels)
        params = {"labels": labels, "batch_size": labels.shape[0]}
        params |= self.make_params([value for value, needed in zip(flat, wanted, strict=True) if needed])
        new = [self.transform(value, params) if needed or value is labels else value
               for value, needed in zip(flat, wanted, strict=True)]
        return tree_unflatten(new, spec)

    def _check_labels(self, labels: Any) -> None:
        if not isinstance(labels, Tensor):
            raise ValueError(f"The labels must be a tensor, but got {type(labels)} instead.")
        if labels.ndim not in (1, 2):
            raise ValueError("labels should be index based with shape (batch_size,) or probability based with shape "
                             f"(batch_size, num_classes), but got a tensor of shape {labels.shape} instead.")
        if labels.ndim == 2 and self.num_classes not in (None, labels.shape[-1]):
            raise ValueError(
                "When passing 2D labels, the number of elements in last dimension must match num_classes: "
                f"{labels.shape[-1]} != {self.num_classes}. You can Leave num_classes to None.")
        if labels.ndim == 1 and self.num_classes is None:
            raise ValueError("num_classes must be passed if the labels are index-based (1D)")

    def transform(self, inpt: Any, params: dict) -> Any:
        if inpt is params["labels"]:
            label = one_hot(inpt, num_classes=self.num_classes) if inpt.ndim == 1 else inpt
            return blended(label if label.is_floating_point() else label.float(), params["share"])
        if not (isinstance(inpt, (tv_tensors.Image, tv_tensors.Video)) or is_pure_tensor(inpt)):
            return inpt
        expected = 5 if isinstance(inpt, tv_tensors.Video) else 4
        if inpt.ndim != expected:
            raise ValueError(
                f"Expected a batched input with {expected} dims, but got {inpt.ndim} dimensions instead.")
        if inpt.shape[0] != params["batch_size"]:
            raise ValueError("The batch size of the image or video does not match the batch size of the labels: "
                             f"{inpt.shape[0]} != {params['batch_size']}.")
        return tv_tensors.wrap(self._mix(tv_tensors.plain(inpt), params), like=inpt)

    def _mix(self, batch: Tensor, params: dict) -> Tensor:
        raise NotImplementedError


def blended(batch: Tensor, share: float) -> Tensor:
    """`share` of each row, the rest of the row before it."""
    return batch.roll(1, 0) * (1.0 - share) + batch * share


class MixUp(Mixture):
    """Each image mixed with the one before it. Zhang et al., arXiv 1710.09412."""

    def make_params(self, flat_inputs: list) -> dict:
        return {"share": self._share()}

    def _mix(self, batch: Tensor, params: dict) -> Tensor:
        return blended(batch, params["share"])


class CutMix(Mixture):
    """Each image with a rectangle of the one before it. Yun et al., arXiv 1905.04899."""

    def make_params(self, flat_inputs: list) -> dict:
        share = self._share()
        height, width = query_size(flat_inputs)
        x, y = integer(0, width), integer(0, height)
        part = 0.5 * (1.0 - share) ** 0.5
        across, down = int(part * width), int(part * height)
        left, top, right, bottom = max(x - across, 0), max(y - down, 0), min(x + across, width), min(y + down, height)
        kept = 1.0 - (right - left) * (bottom - top) / (width * height)
        return {"box": (left, top, right, bottom), "share": kept}

    def _mix(self, batch: Tensor, params: dict) -> Tensor:
        left, top, right, bottom = params["box"]
        found = batch.clone()
        found[..., top:bottom, left:right] = batch.roll(1, 0)[..., top:bottom, left:right]
        return found


# ---- changes drawn from many


class Automatic(Transform):
    """The base of augmentations that choose among many changes of one image or video."""

    def __init__(self, *, interpolation: Any = "nearest", fill: Any = None) -> None:
        super().__init__()
        self.interpolation = interpolation
        self.fill = fill
        self._fill = fills(fill)

    def forward(self, *inputs: Any) -> Any:
        flat, spec = tree_flatten(inputs[0] if len(inputs) == 1 else inputs)
        found = []
        for i, (value, needed) in enumerate(zip(flat, self._needs_transform_list(flat), strict=True)):
            if needed and check_type(value, IMAGES):
                found.append(i)
            elif isinstance(value, ANNOTATIONS):
                raise TypeError(f"Inputs of type {type(value).__name__} are not supported by {type(self).__name__}()")
        if not found:
            raise TypeError("Found no image in the sample.")
        if len(found) > 1:
            raise TypeError("Auto augment transformations are only properly defined for a single image or video, "
                            f"but found {len(found)}.")
        flat[found[0]] = self._augmented(flat[found[0]])
        return tree_unflatten(flat, spec)

    def _augmented(self, image: Any) -> Any:
        raise NotImplementedError

    def _changed(self, image: Any, space: dict, name: str, steps: int, step: int | None, below: int) -> Any:
        """The image after a change, of the given step or of one drawn below `below`."""
        height, width = F.get_size(image)
        choices, magnitude = strengths(space, name, steps, height, width, 1.0), 0.0
        if choices is not None:
            magnitude = float(choices[integer(0, below) if step is None else step])
            if name not in UNSIGNED and chance() <= 0.5:
                magnitude = -magnitude
        if name == "Solarize":
            # The threshold is a part of the brightest value that the image can have.
            magnitude *= largest(image.dtype) if isinstance(image, Tensor) else 255
        return apply(F, image, name, magnitude, self.interpolation, fill_of(self._fill, image))

    def _random(self, space: dict) -> str:
        return list(space)[integer(0, len(space))]


class AutoAugment(Automatic):
    """Two changes of a pair drawn from a learnt policy. Cubuk et al., arXiv 1805.09501."""

    get_params = staticmethod(AutoOfV1.get_params)

    def __init__(self, policy: AutoAugmentPolicy = AutoAugmentPolicy.IMAGENET, interpolation: Any = "nearest",
                 fill: Any = None) -> None:
        super().__init__(interpolation=interpolation, fill=fill)
        self.policy = policy
        self._policies = policies(policy)

    def _augmented(self, image: Any) -> Any:
        for name, p, step in self._policies[integer(0, len(self._policies))]:
            if chance() <= p:
                image = self._changed(image, AUTO, name, 10, step, 10)
        return image


class RandAugment(Automatic):
    """Some changes drawn at random, all of one strength. Cubuk et al., arXiv 1909.13719."""

    def __init__(self, num_ops: int = 2, magnitude: int = 9, num_magnitude_bins: int = 31,
                 interpolation: Any = "nearest", fill: Any = None) -> None:
        super().__init__(interpolation=interpolation, fill=fill)
        if not isinstance(num_ops, int) or num_ops < 0:
            raise ValueError(f"num_ops should be a non-negative integer, but got {num_ops} instead.")
        self.num_ops = num_ops
        self.magnitude = magnitude
        self.num_magnitude_bins = num_magnitude_bins

    def _augmented(self, image: Any) -> Any:
        for _ in range(self.num_ops):
            image = self._changed(image, RAND, self._random(RAND), self.num_magnitude_bins, self.magnitude, 0)
        return image


class TrivialAugmentWide(Automatic):
    """One change of a random strength. Mueller and Hutter, arXiv 2103.10158."""

    def __init__(self, num_magnitude_bins: int = 31, interpolation: Any = "nearest", fill: Any = None) -> None:
        super().__init__(interpolation=interpolation, fill=fill)
        self.num_magnitude_bins = num_magnitude_bins

    def _augmented(self, image: Any) -> Any:
        steps = self.num_magnitude_bins
        return self._changed(image, WIDE, self._random(WIDE), steps, None, steps)


class AugMix(Automatic):
    """The image mixed with chains of random changes of it. Hendrycks et al., arXiv 1912.02781."""

    def __init__(self, severity: int = 3, mixture_width: int = 3, chain_depth: int = -1, alpha: float = 1.0,
                 all_ops: bool = True, interpolation: Any = "bilinear", fill: Any = None) -> None:
        super().__init__(interpolation=interpolation, fill=fill)
        check_severity(severity)
        self.severity = severity
        self.mixture_width = mixture_width
        self.chain_depth = chain_depth
        self.alpha = alpha
        self.all_ops = all_ops

    def _augmented(self, image: Any) -> Any:
        space = MIX_ALL if self.all_ops else MIX
        given = isinstance(image, Tensor)
        batch = tv_tensors.plain(image) if given else F.pil_to_tensor(image)
        found = mixed(
            batch, 5 if isinstance(image, tv_tensors.Video) else 4, self.alpha, self.mixture_width, self.chain_depth,
            lambda batch: self._changed(batch, space, self._random(space), STEPS_OF_MIX, None, self.severity))
        return tv_tensors.wrap(found, like=image) if given else F.to_pil_image(found)
