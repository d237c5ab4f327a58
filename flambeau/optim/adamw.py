"""AdamW, which lives beside Adam."""
from .adam import AdamW

__all__ = ["AdamW"]
