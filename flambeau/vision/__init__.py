"""torchvision, as far as flambeau has it: datasets, models, transforms, operators, reading and drawing images.

The parts are imported when they are first asked for, and Pillow when the first image is.
"""

from __future__ import annotations

import importlib
from typing import Any

from .version import __version__

_PARTS = ("datasets", "io", "models", "ops", "transforms", "tv_tensors", "utils")


def __getattr__(name: str) -> Any:
    if name in _PARTS:
        try:
            return importlib.import_module(f"{__name__}.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"{__name__}.{name}":
                raise
    raise AttributeError(f"module 'torchvision' has no attribute {name!r} (as far as flambeau has it)")


def __dir__() -> list[str]:
    return sorted({*globals(), *_PARTS})


def get_image_backend() -> str:
    """The package that reads images for the datasets: always Pillow."""
    return "PIL"


def set_image_backend(backend: str) -> None:
    """Accepts "PIL", which is what reads images here."""
    if backend == "accimage":
        raise NotImplementedError("flambeau: accimage is not supported; images are read with Pillow")
    if backend != "PIL":
        raise ValueError(f"Invalid backend '{backend}'. Options are 'PIL' and 'accimage'")


def disable_beta_transforms_warning() -> None:
    """Does nothing: there is no such warning."""
