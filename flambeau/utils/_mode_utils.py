"""torch.utils._mode_utils: there are no dispatch modes here, so leaving them out changes nothing."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

__all__ = ["all_same_mode", "no_dispatch"]

Mode = TypeVar("Mode")


@contextmanager
def no_dispatch() -> Iterator[None]:
    """A context without dispatch modes."""
    yield


def all_same_mode(modes: list[Mode]) -> bool:
    """Whether all entries are the first one."""
    return all(mode == modes[0] for mode in modes)
