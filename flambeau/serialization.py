"""torch.save and torch.load: PyTorch's checkpoint format, both ways."""

from __future__ import annotations

import io
import mmap as _mmap
import os
import pickle
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np

from ._locations import (
    check_module_version_greater_or_equal,
    default_restore_location,
    get_default_mmap_options,
    location_tag,
    mkdtemp,
    register_package,
    set_default_mmap_options,
    skip_data,
    validate_cuda_device,
    validate_hpu_device,
)
from ._pickling import CheckpointPickler
from ._storage import Storage, StorageType
from ._unpickling import (
    WeightsOnlyReader,
    add_safe_globals,
    clear_safe_globals,
    get_safe_globals,
    safe_globals,
    trusted,
    unsafe_names,
)
from .device import device

if TYPE_CHECKING:
    from ._archive import ArchiveReader

__all__ = [
    "LoadEndianness",
    "SourceChangeWarning",
    "StorageType",
    "add_safe_globals",
    "check_module_version_greater_or_equal",
    "clear_safe_globals",
    "default_restore_location",
    "get_crc32_options",
    "get_default_load_endianness",
    "get_default_mmap_options",
    "get_safe_globals",
    "get_unsafe_globals_in_checkpoint",
    "load",
    "location_tag",
    "mkdtemp",
    "register_package",
    "safe_globals",
    "save",
    "set_crc32_options",
    "set_default_load_endianness",
    "set_default_mmap_options",
    "skip_data",
    "validate_cuda_device",
    "validate_hpu_device",
]

DEFAULT_PROTOCOL = 2
ARCHIVE_MAGIC = b"PK\x03\x04"
MAGIC_NUMBER, PROTOCOL_VERSION = 0x1950A86A20F9469CFC6C, 1001
_checksums = True
_endianness: LoadEndianness | None = None


class SourceChangeWarning(Warning):
    """The source of a saved module's class has changed since."""


class LoadEndianness(Enum):
    """The byte order of files that do not say theirs."""

    NATIVE = 1
    LITTLE = 2
    BIG = 3


def get_default_load_endianness() -> LoadEndianness | None:
    """The byte order assumed of files that do not say theirs; None is little."""
    return _endianness


def set_default_load_endianness(endianness: LoadEndianness | None) -> None:
    """Sets the byte order assumed of files that do not say theirs."""
    global _endianness
    if endianness is not None and not isinstance(endianness, LoadEndianness):
        raise TypeError("Invalid argument type in function set_default_load_endianness")
    _endianness = endianness


def get_crc32_options() -> bool:
    """Whether save writes checksums."""
    return _checksums


def set_crc32_options(compute_crc32: bool) -> None:
    """Sets whether save writes checksums; without them damage goes unnoticed."""
    global _checksums
    _checksums = bool(compute_crc32)


# ---- saving


def save(
    obj: object,
    f: Any,
    pickle_module: Any = pickle,
    pickle_protocol: int = DEFAULT_PROTOCOL,
    _use_new_zipfile_serialization: bool = True,
    _disable_byteorder_record: bool = False,
) -> None:
    """Writes an object to a file, or to anything with `write`, so that PyTorch and flambeau can load it.

    A file of that name is replaced only when the new one is complete.
    """
    if not isinstance(f, (str, os.PathLike)) and not hasattr(f, "write"):
        raise AttributeError("expected 'f' to be string, path, or a file-like object with a 'write' attribute")
    pickled = io.BytesIO()
    pickler = CheckpointPickler(pickled, pickle_protocol, legacy=not _use_new_zipfile_serialization)
    pickler.dump(obj)

    def write(file: Any, name: str) -> None:
        if _use_new_zipfile_serialization:
            _write_archive(file, name, pickled.getbuffer(), pickler, not _disable_byteorder_record)
        else:
            _write_sequence(file, pickled.getbuffer(), pickler, pickle_protocol)

    if isinstance(f, (str, os.PathLike)):
        path = os.fspath(f)
        path = os.fsdecode(path)
        with _replacing(path) as file:
            write(file, os.path.splitext(os.path.basename(path))[0] or "archive")
    else:
        write(f, "archive")
        if hasattr(f, "flush"):
            f.flush()


def _write_archive(file: Any, name: str, pickled: Any, pickler: CheckpointPickler, say_order: bool) -> None:
    from ._archive import ArchiveWriter

    archive = ArchiveWriter(file, name, checksums=_checksums)
    archive.write("data.pkl", pickled)
    archive.write(".format_version", b"1")
    archive.write(".storage_alignment", str(archive.alignment).encode())
    if say_order:
        archive.write("byteorder", sys.byteorder.encode())
    for memory in pickler.stored.values():
        content = memory.bytes()
        archive.write(f"data/{memory.key}", np.zeros_like(content) if skip_data.on else content)
    archive.write("version", b"3\n")
    archive.write(".data/serialization_id", archive.identity())
    archive.close()


def _write_sequence(file: Any, pickled: Any, pickler: CheckpointPickler, protocol: int) -> None:
    sizes = {
        "protocol_version": PROTOCOL_VERSION,
        "little_endian": sys.byteorder == "little",
        "type_sizes": {"short": 2, "int": 4, "long": 4},
    }
    for head in (MAGIC_NUMBER, PROTOCOL_VERSION, sizes):
        file.write(pickle.dumps(head, protocol))
    file.write(pickled)
    stored = sorted(pickler.stored.values(), key=lambda memory: memory.key)
    file.write(pickle.dumps([memory.key for memory in stored], protocol))
    for memory in stored:
        file.write(memory.values.size.to_bytes(8, "little"))
        file.write(memory.bytes())


@contextmanager
def _replacing(path: str) -> Iterator[Any]:
    """A file to write that takes the place of the one at `path` when all of it is on the disk, or is removed."""
    place = os.path.realpath(path)
    folder = os.path.dirname(place)
    if not os.path.isdir(folder):
        raise RuntimeError(f"Parent directory {os.path.dirname(path) or folder} does not exist.")
    if os.path.isdir(place):
        raise RuntimeError(f"open file failed with strerror: Is a directory: {path}")
    if os.path.exists(place) and not os.path.isfile(place):  # a device or a pipe cannot be replaced
        with open(place, "wb") as file:
            yield file
        return
    beside = os.path.join(folder, f".{os.urandom(8).hex()}.part")
    try:
        with open(beside, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if os.path.exists(place):
            os.chmod(beside, os.stat(place).st_mode & 0o7777)
        os.replace(beside, place)
    except BaseException:
        if os.path.exists(beside):
            os.unlink(beside)
        raise


# ---- where storages go


def _restorer(map_location: Any) -> Callable[[Storage, str], Any]:
    """What puts a storage where the caller of load wants it."""
    if map_location is None:
        return default_restore_location
    if isinstance(map_location, dict):
        return lambda storage, location: default_restore_location(storage, map_location.get(location, location))
    if isinstance(map_location, (str, device)):
        return lambda storage, location: default_restore_location(storage, str(map_location))
    if not callable(map_location):
        raise TypeError(f"map_location is a function, a device, its name or a dict, not {type(map_location).__name__}")

    def mapped(storage: Storage, location: str) -> Any:
        found = map_location(storage, location)
        return default_restore_location(storage, location) if found is None else found

    return mapped


# ---- loading


def load(
    f: Any,
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """Reads what torch.save wrote, here or in PyTorch.

    With `weights_only` (the default) only tensors, numbers, text, collections and what add_safe_globals allowed are
    made, and no code of the file's runs. Without it a file can run anything: only for files from people you trust.
    """
    weights_only = _weights_only(weights_only, pickle_module)
    pickle_load_args.setdefault("encoding", "utf-8")
    source = _Source(map_location, pickle_module or pickle, weights_only, pickle_load_args)
    if isinstance(f, (str, os.PathLike)):
        with open(f, "rb") as file:
            return source.load(file, f, bool(mmap))
    for need in ("seek", "tell", "read"):
        if not hasattr(f, need):
            raise AttributeError(
                f"'{type(f).__name__}' object has no attribute '{need}'. You can only torch.load from a file that is "
                "seekable. Please pre-load the data into a buffer like io.BytesIO and try to load from it instead."
            )
    return source.load(f, None, bool(mmap))


def _weights_only(asked: bool | None, pickle_module: Any) -> bool:
    force, never = [
        os.environ.get(name, "0") in ("1", "y", "yes", "true")
        for name in ("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD")
    ]
    if force and never:
        raise RuntimeError(
            "Only one of `TORCH_FORCE_WEIGHTS_ONLY_LOAD` or `TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD` should be set, but both "
            "were set."
        )
    if force:
        asked = True
    elif never and asked is None:
        warnings.warn(
            "Environment variable TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD detected, since the `weights_only` argument was not "
            "explicitly passed to `torch.load`, forcing weights_only=False.",
            UserWarning,
            stacklevel=3,
        )
        asked = False
    elif asked is None:
        asked = pickle_module is None
    if asked and pickle_module is not None:
        raise RuntimeError("Can not safely load weights when explicit pickle_module is specified")
    return asked


def get_unsafe_globals_in_checkpoint(f: Any) -> list[str]:
    """The names in a checkpoint for which load with `weights_only` would refuse it."""
    if isinstance(f, (str, os.PathLike)):
        with open(f, "rb") as file:
            return get_unsafe_globals_in_checkpoint(file)
    start = f.tell()
    if f.read(len(ARCHIVE_MAGIC)) != ARCHIVE_MAGIC:
        raise ValueError("Expected input to be a checkpoint returned by torch.save")
    f.seek(start)
    from ._archive import ArchiveReader as Reader

    reader = Reader(f)
    if reader.has("constants.pkl"):
        raise ValueError("Expected input to be a checkpoint returned by torch.save but got a torchscript checkpoint")
    return unsafe_names(reader.read("data.pkl"))


class _Source:
    """One call of load: how pickles are read, and the storages met so far."""

    def __init__(self, map_location: Any, pickle_module: Any, weights_only: bool, arguments: dict[str, Any]) -> None:
        self.restore, self.pickle, self.weights_only, self.arguments = (
            _restorer(map_location),
            pickle_module,
            weights_only,
            arguments,
        )
        self.storages: dict[Any, Any] = {}

    def load(self, file: Any, path: Any, mapped: bool) -> Any:
        """The object in a file, in whichever format it is."""
        start = file.tell()
        head = file.read(len(ARCHIVE_MAGIC))
        file.seek(start)
        if head == ARCHIVE_MAGIC:
            if mapped and path is None:
                raise ValueError("f must be a file path in order to use the mmap argument")
            return self.archive(file, mapped)
        if mapped:
            raise RuntimeError(
                "mmap can only be used with files saved with `torch.save(_use_new_zipfile_serialization=True), please "
                "torch.save your checkpoint with this option in order to use mmap."
            )
        if not head:
            raise EOFError("Ran out of input")
        return self.sequence(file, start)

    def unpickled(
        self, data: bytes, position: int, persistent: Callable[[Any], Any], any_id: bool = False
    ) -> tuple[Any, int]:
        """The object of a pickle, and where the pickle ends."""
        if not self.weights_only:
            stream = io.BytesIO(data)
            stream.seek(position)
            return trusted(self.pickle.Unpickler, stream, persistent, **self.arguments).load(), stream.tell()
        reader = WeightsOnlyReader(data, position, persistent, self.arguments["encoding"], any_id)
        try:
            return reader.load(), reader.position
        except pickle.UnpicklingError as error:
            raise pickle.UnpicklingError(
                f"Weights only load failed. {error}\nA file may hold code. If you trust where this one comes from, "
                "torch.load(..., weights_only=False) loads it and runs what it says."
            ) from error

    # ---- the archive format

    def archive(self, file: Any, mapped: bool) -> Any:
        from ._archive import ArchiveReader as Reader

        memory = _mmap.mmap(file.fileno(), 0, access=_mmap.ACCESS_COPY) if mapped else None
        reader = Reader(file, memory)
        if reader.has("constants.pkl"):
            raise RuntimeError(
                "Cannot use ``weights_only=True`` with TorchScript archives passed to ``torch.load``."
                if self.weights_only
                else "flambeau cannot run TorchScript archives; save the model's state_dict instead."
            )
        swapped = self._order(reader) != sys.byteorder

        def persistent(said: tuple) -> Any:
            kind, key, location, count = _storage_words(said, 5)
            found = self.storages.get(key)
            if found is None:
                size = count * (kind.dtype.itemsize if kind.dtype else 1)
                if size and not skip_data.on:
                    data = reader.memory(f"data/{key}", size)[:size]
                else:
                    data = np.zeros(size, np.uint8)
                found = self.storages[key] = self.restore(Storage(data, kind.dtype, location, swapped), location)
            return found

        if not reader.has("data.pkl"):
            raise RuntimeError("PytorchStreamReader failed locating file data.pkl: file not found")
        return self.unpickled(reader.read("data.pkl"), 0, persistent)[0]

    @staticmethod
    def _order(reader: ArchiveReader) -> str:
        if reader.has("byteorder"):
            order = reader.read("byteorder")
            if order not in (b"little", b"big"):
                raise ValueError(f"Unknown endianness type: {order.decode(errors='replace')}")
            return order.decode()
        if _endianness is LoadEndianness.NATIVE:
            return sys.byteorder
        return "big" if _endianness is LoadEndianness.BIG else "little"

    # ---- the format before PyTorch 1.6: pickles one after another, then the storages

    def sequence(self, file: Any, start: int) -> Any:
        from . import _tar

        if start == 0 and _tar.is_tar(file):
            return _tar.load(file, self.unpickled, self.restore)
        data = file.read()
        magic, at = self.unpickled(data, 0, _no_storage)
        if magic != MAGIC_NUMBER:
            raise RuntimeError("Invalid magic number; corrupt file?")
        version, at = self.unpickled(data, at, _no_storage)
        if version != PROTOCOL_VERSION:
            raise RuntimeError(f"Invalid protocol version: {version}")
        facts, at = self.unpickled(data, at, _no_storage)
        swapped = isinstance(facts, dict) and bool(facts.get("little_endian", True)) != (sys.byteorder == "little")
        owed: dict[Any, Storage] = {}
        views: dict[Any, Any] = {}

        def persistent(said: tuple) -> Any:
            if said and said[0] in ("module", b"module"):
                return said[1]  # a class, with its source, which is not compared
            kind, key, location, count, view = _storage_words(said, 6)
            if key not in self.storages:
                size = count * kind.dtype.itemsize
                if size + sum(storage.nbytes() for storage in owed.values()) > len(data):
                    raise RuntimeError(
                        "unexpected EOF, the file holds less than its storages need. The file might be corrupted."
                    )
                owed[key] = Storage(np.empty(size, np.uint8), kind.dtype, location)
                self.storages[key] = self.restore(owed[key], location)
            if view is None:
                return self.storages[key]
            name, offset, length = view
            if name not in views:
                width = kind.dtype.itemsize
                part = self.storages[key].memory[offset * width : (offset + length) * width]
                views[name] = Storage(part, kind.dtype, location)
            return views[name]

        found, at = self.unpickled(data, at, persistent)
        keys, at = self.unpickled(data, at, _no_storage)
        for key in keys:
            if key not in owed:
                raise RuntimeError(
                    f"storage {key!r} is not one that the file's objects use. The file might be corrupted."
                )
            at = _fill(owed[key], data, at, swapped)
        if len(keys) != len(owed):
            raise RuntimeError("storages are missing. The file might be corrupted.")
        file.seek(start + at)
        return found


def _fill(storage: Storage, data: bytes, at: int, swapped: bool) -> int:
    """Copies a storage's elements from their place in the file; gives the place after them."""
    kind, size = storage.dtype, storage.nbytes()
    assert kind is not None
    count = int.from_bytes(data[at : at + 8], "little")
    part = data[at + 8 : at + 8 + size]
    if len(part) != size:
        raise RuntimeError(f"unexpected EOF, expected {size - len(part)} more bytes. The file might be corrupted.")
    if count * kind.itemsize != size:
        raise RuntimeError(
            f"a storage holds {count} elements where {size // kind.itemsize} are needed. The file might be corrupted."
        )
    values = np.frombuffer(part, np.uint8)
    if swapped:
        width = kind.itemsize // 2 if kind.is_complex else kind.itemsize
        values = values.reshape(-1, width)[:, ::-1].reshape(-1)
    storage.memory[:] = values
    return at + 8 + size


def _no_storage(said: Any) -> Any:
    raise pickle.UnpicklingError("a storage is named where none can be")


def _storage_words(said: Any, count: int) -> tuple:
    """Type, key, location and size (and view) of a storage, as a pickle names it."""
    if not isinstance(said, tuple) or len(said) != count or said[0] not in ("storage", b"storage"):
        raise pickle.UnpicklingError(f"Only persistent_load of storage is allowed, but got {said!r:.80}")
    kind, key, location, *rest = [
        word.decode("ascii", "replace") if isinstance(word, bytes) else word for word in said[1:]
    ]
    if (
        not isinstance(kind, StorageType)
        or not isinstance(key, (str, int))
        or type(location) is not str
        or type(rest[0]) is not int
        or rest[0] < 0
    ):
        raise pickle.UnpicklingError(f"a storage cannot be {said!r:.120}")
    if kind.dtype is None and count == 6:
        raise pickle.UnpicklingError("an untyped storage in a file of the old format")
    return kind, key, location, *rest
