"""Pillow, imported when the first image is needed."""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any


@cache
def pillow(part: str = "Image") -> Any:
    """A module of Pillow's, such as `PIL.Image`."""
    try:
        importlib.import_module("PIL")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "No module named 'PIL'\nflambeau needs Pillow for images: pip install pillow", name="PIL"
        ) from error
    return importlib.import_module(f"PIL.{part}")
