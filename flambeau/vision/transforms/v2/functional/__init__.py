"""torchvision.transforms.v2.functional: each transform as a function of images, videos, masks, boxes or points.

For a function `f` of images, `f_image`, `f_video` and `f_mask` are what it does to plain tensors.
"""

from ..._images import pil_to_tensor, to_pil_image
from ..._support import InterpolationMode
from . import _colour, _geometry
from ._boxes import (
    clamp_bounding_boxes,
    clamp_keypoints,
    convert_bounding_box_format,
    sanitize_bounding_boxes,
    sanitize_keypoints,
)
from ._colour import (
    adjust_brightness,
    adjust_contrast,
    adjust_gamma,
    adjust_hue,
    adjust_saturation,
    adjust_sharpness,
    autocontrast,
    convert_image_dtype,
    equalize,
    erase,
    gaussian_blur,
    gaussian_noise,
    get_dimensions,
    get_image_num_channels,
    get_image_size,
    get_num_channels,
    get_num_frames,
    get_size,
    grayscale_to_rgb,
    invert,
    jpeg,
    normalize,
    permute_channels,
    posterize,
    rgb_to_grayscale,
    solarize,
    to_dtype,
    to_grayscale,
    to_image,
    to_tensor,
    uniform_temporal_subsample,
)
from ._dispatch import is_pure_tensor, register_kernel
from ._geometry import (
    affine,
    center_crop,
    crop,
    elastic,
    elastic_transform,
    five_crop,
    hflip,
    horizontal_flip,
    pad,
    perspective,
    resize,
    resized_crop,
    rotate,
    ten_crop,
    vertical_flip,
    vflip,
)

for _function in list(vars().values()):
    if hasattr(_function, "kernels"):
        for _kind, _cls in (("image", "Image"), ("video", "Video"), ("mask", "Mask")):
            if _cls in [getattr(cls, "__name__", "") for cls in _function.kernels]:
                globals()[f"{_function.__name__}_{_kind}"] = _function.image
del _function, _kind, _cls
