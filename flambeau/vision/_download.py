"""Fetching a file: written beside its place and moved there when it is whole."""

from __future__ import annotations

import hashlib
import os
import tempfile
import urllib.request
from pathlib import Path

TIMEOUT = 20.0
CHUNK = 1 << 20


def digest(path: str | os.PathLike[str], kind: str = "md5") -> str:
    """The checksum of a file, in hexadecimal digits."""
    found = hashlib.new(kind, usedforsecurity=False)
    with open(path, "rb") as file:
        while block := file.read(CHUNK):
            found.update(block)
    return found.hexdigest()


def fetch(url: str, path: str | os.PathLike[str], md5: str | None = None, sha256: str | None = None,
          timeout: float = TIMEOUT) -> None:
    """Downloads `url` to `path`; `sha256` may be the first digits only.

    Raises OSError (URLError is one) when the address does not answer, RuntimeError when a checksum differs.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    request = urllib.request.Request(url, headers={"User-Agent": "flambeau"})
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        handle, name = tempfile.mkstemp(prefix=path.name, suffix=".part", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                while block := answer.read(CHUNK):
                    file.write(block)
            for kind, wanted in (("md5", md5), ("sha256", sha256)):
                if wanted and not digest(name, kind).startswith(wanted):
                    raise RuntimeError(f"the file from {url} is not whole: its {kind} is not {wanted}")
            os.replace(name, path)
        finally:
            Path(name).unlink(missing_ok=True)
