"""Checkpoints of PyTorch before 0.2: a tar archive of storages, tensors and one pickle that names them."""

from __future__ import annotations

import io
import pickle
import struct
import tarfile
from collections.abc import Callable
from typing import Any

import numpy as np

from ._storage import Storage, StorageType, rebuild_tensor

Unpickled = Callable[..., tuple[Any, int]]


def is_tar(file: Any) -> bool:
    """Whether a file is a tar archive; the file's position is its start afterwards."""
    try:
        with tarfile.open(fileobj=file, mode="r:"):
            return True
    except tarfile.TarError:
        return False
    finally:
        file.seek(0)


def load(file: Any, unpickled: Unpickled, restore: Callable[[Storage, str], Any]) -> Any:
    """The object in a file; `unpickled(data, position, persistent)` reads a pickle, as trusted as the caller wants."""
    with tarfile.open(fileobj=file, mode="r:") as archive:
        parts = {}
        for name in ("storages", "tensors", "pickle"):
            member = archive.extractfile(_named(archive, name))
            if member is None:
                raise RuntimeError(f"{name} is no file of the archive. The file might be corrupted.")
            parts[name] = member.read()
    found = _storages(parts["storages"], unpickled, restore)
    _tensors(parts["tensors"], unpickled, found)

    def persistent(said: Any) -> Any:
        if isinstance(said, tuple):
            return said[0]  # a class, with its source, which is not compared
        return _known(found, said)

    return unpickled(parts["pickle"], 0, persistent, any_id=True)[0]


def _named(archive: tarfile.TarFile, name: str) -> tarfile.TarInfo:
    for member in archive.getmembers():
        if member.name.removeprefix("./") == name:
            return member
    raise RuntimeError(f"the archive has no file {name}. The file might be corrupted.")


def _known(found: dict[int, Any], key: Any) -> Any:
    try:
        return found[int(key)]
    except (KeyError, ValueError, TypeError):
        raise pickle.UnpicklingError(f"the file has no storage or tensor {key!r:.40}") from None


def _nothing(said: Any) -> Any:
    raise pickle.UnpicklingError("a storage is named where none can be")


def _taken(data: bytes, at: int, count: int) -> bytes:
    found = data[at : at + count]
    if count < 0 or len(found) != count:
        raise RuntimeError("unexpected EOF. The file might be corrupted.")
    return found


def _storages(data: bytes, unpickled: Unpickled, restore: Callable[[Storage, str], Any]) -> dict[int, Any]:
    """The storages, and parts of them that were stored as storages, by their numbers."""
    found: dict[int, Any] = {}
    count, at = unpickled(data, 0, _nothing)
    for _ in range(count):
        (key, location, kind), at = unpickled(data, at, _nothing)
        if not isinstance(kind, StorageType) or kind.dtype is None:
            raise pickle.UnpicklingError(f"a storage cannot be of the type {kind!r:.80}")
        (size,) = struct.unpack("<q", _taken(data, at, 8))
        content = _taken(data, at + 8, size * kind.dtype.itemsize)
        at += 8 + len(content)
        storage = Storage(np.frombuffer(bytearray(content), np.uint8), kind.dtype, str(location))
        found[int(key)] = restore(storage, str(location))
    views, _ = unpickled(data, at, _nothing)
    for key, root, offset, length in views:
        whole: Storage = _known(found, root)
        assert whole.dtype is not None
        width = whole.dtype.itemsize
        part = whole.memory[offset * width : (offset + length) * width]
        found[int(key)] = Storage(part, whole.dtype, whole.location)
    return found


def _tensors(data: bytes, unpickled: Unpickled, found: dict[int, Any]) -> None:
    """Adds the tensors to what has been found."""
    count, at = unpickled(data, 0, _nothing)
    for _ in range(count):
        (key, storage, _), at = unpickled(data, at, _nothing)
        (dims,) = struct.unpack("<i", _taken(data, at, 4))
        numbers = io.BytesIO(_taken(data, at + 8, 8 * (2 * dims + 1)))  # four bytes after the count are unused
        at += 8 + 8 * (2 * dims + 1)
        size, stride = (struct.unpack(f"<{dims}q", numbers.read(8 * dims)) for _ in range(2))
        (offset,) = struct.unpack("<q", numbers.read(8))
        found[int(key)] = rebuild_tensor(_known(found, storage), offset, size, stride)
