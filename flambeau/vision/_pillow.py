"""Pillow, imported when the first image is needed."""

from __future__ import annotations

import importlib
from typing import Any


def pillow(part: str = "Image") -> Any:
    """A module of Pillow's, such as `PIL.Image`."""
    try:
        return importlib.import_module(f"PIL.{part}")
    except ModuleNotFoundError as error:
        if error.name != "PIL":
            raise
        raise ModuleNotFoundError(
            "No module named 'PIL'\nflambeau needs Pillow for images: pip install pillow", name="PIL"
        ) from error
