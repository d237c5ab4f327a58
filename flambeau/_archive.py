"""The ZIP archives that checkpoints are: written record by record as PyTorch does, read without trusting them."""

from __future__ import annotations

import mmap
import struct
import zipfile
import zlib
from typing import Any, BinaryIO

import numpy as np

LIMIT = 0xFFFFFFFF  # sizes and offsets from here on take the 64-bit fields
LOCAL_MAGIC = b"PK\x03\x04"
_NEWEST_VERSION = 10
_EXPANSION, _EXPANSION_FREE = 100, 1 << 26
_DESCRIBED, _UTF8 = 0x0008, 0x0800
_READ = "PytorchStreamReader failed reading "


class ArchiveWriter:
    """Writes records, uncompressed, each aligned so that it can be mapped into memory; never seeks."""

    def __init__(self, file: Any, name: str, alignment: int = 64, checksums: bool = True) -> None:
        self.file, self.name, self.alignment, self.checksums = file, name, alignment, checksums
        self.position = 0
        self.directory: list[bytes] = []

    def _put(self, data: Any) -> None:
        view = memoryview(data)
        done = 0
        while done < view.nbytes:  # a raw file may take a part only
            count = self.file.write(view[done:])
            done += view.nbytes - done if count is None else count
        self.position += view.nbytes

    def write(self, record: str, data: Any) -> None:
        """Adds one record; `data` is bytes or a flat array of bytes."""
        path = f"{self.name}/{record}".encode()
        size, start = memoryview(data).nbytes, self.position
        checksum = zlib.crc32(data) if self.checksums else 0
        large, far = size >= LIMIT, start >= LIMIT
        fields = struct.pack("<QQ", size, size) if large else b""
        fields += struct.pack("<Q", start) if far else b""
        wide = struct.pack("<HH", 1, len(fields)) + fields if fields else b""
        padding = -(start + 30 + len(path) + len(wide) + 4) % self.alignment
        extra = wide + b"FB" + struct.pack("<H", padding) + b"Z" * padding
        flags = _UTF8 | (_DESCRIBED if size else 0)
        short, where = (LIMIT if large else size), (LIMIT if far else start)
        self._put(
            LOCAL_MAGIC
            + struct.pack(
                "<5H3L2H",
                45 if wide else 0,
                flags,
                0,
                0,
                0,
                0,
                LIMIT if large else 0,
                LIMIT if large else 0,
                len(path),
                len(extra),
            )
            + path
            + extra
        )
        self._put(data)
        if size:  # sizes and checksum follow the data, as a stream would have it
            self._put(b"PK\x07\x08" + struct.pack("<LQQ" if wide else "<LLL", checksum, size, size))
        self.directory.append(
            b"PK\x01\x02"
            + struct.pack(
                "<6H3L5H2L",
                0,
                45 if wide else 0,
                flags,
                0,
                0,
                0,
                checksum,
                short,
                short,
                len(path),
                len(wide),
                0,
                0,
                0,
                0,
                where,
            )
            + path
            + wide
        )

    def identity(self) -> bytes:
        """Forty digits that tell archives of different content apart; the same for the same."""
        said = b"".join(self.directory)
        return f"{zlib.crc32(said):020d}{zlib.adler32(said):020d}".encode()

    def close(self) -> None:
        """Writes the directory, without which the archive cannot be read."""
        start, count = self.position, len(self.directory)
        for entry in self.directory:
            self._put(entry)
        size = self.position - start
        if start >= LIMIT or size >= LIMIT or count >= 0xFFFF:
            self._put(
                b"PK\x06\x06"
                + struct.pack("<QHHLLQQQQ", 44, 45, 45, 0, 0, count, count, size, start)
                + b"PK\x06\x07"
                + struct.pack("<LQL", 0, start + size, 1)
            )
        self._put(
            b"PK\x05\x06"
            + struct.pack(
                "<4H2LH", 0, 0, min(count, 0xFFFF), min(count, 0xFFFF), min(size, LIMIT), min(start, LIMIT), 0
            )
        )


class ArchiveReader:
    """Reads the records of a checkpoint; everything in it may be wrong, and no name in it becomes a path."""

    def __init__(self, file: BinaryIO, mapped: mmap.mmap | None = None) -> None:
        self.file, self.mapped = file, mapped
        self.size = file.seek(0, 2)
        try:
            self.archive = zipfile.ZipFile(file)
        except (
            zipfile.BadZipFile,
            NotImplementedError,
            ValueError,
            struct.error,
            UnicodeDecodeError,
            OverflowError,
        ) as error:
            raise RuntimeError(
                f"{_READ}zip archive: failed finding central directory. The file is cut off or damaged ({error})."
            ) from error
        entries = self.archive.infolist()
        self.prefix = entries[0].filename.partition("/")[0] + "/" if entries else ""
        self.entries = {e.filename: e for e in entries}
        self._distrust(entries)
        self._check_version()

    def _distrust(self, entries: list[zipfile.ZipInfo]) -> None:
        if sum(e.compress_size for e in entries) > self.size:
            raise RuntimeError(f"{_READ}zip archive: its records overlap, or reach past the end of the file.")
        if sum(e.file_size for e in entries) > _EXPANSION * self.size + _EXPANSION_FREE:
            raise RuntimeError(
                f"{_READ}zip archive: its records would expand to more than {_EXPANSION} times the size of the file."
            )

    def _check_version(self) -> None:
        record = "version" if self.has("version") else ".data/version"
        if not self.has(record):
            raise RuntimeError(
                'Expected hasRecord("version") to be true, but got false. The file is a ZIP archive, but not one that '
                "torch.save wrote."
            )
        version = self.read(record).strip()
        if not version.isdigit() or len(version) > 9:
            raise RuntimeError(f"{_READ}zip archive: its version is not a number.")
        if int(version) > _NEWEST_VERSION:
            raise RuntimeError(
                f"Attempted to read a PyTorch file with version {int(version)}, but the maximum supported version for "
                f"reading is {_NEWEST_VERSION}."
            )

    def has(self, record: str) -> bool:
        """Whether there is such a record."""
        return self.prefix + record in self.entries

    def read(self, record: str) -> bytes:
        """A record's bytes."""
        return self.memory(record).tobytes()

    def memory(self, record: str, expected: int | None = None) -> np.ndarray:
        """A record as an array of bytes that may be written to: mapped from the file where that is possible."""
        entry = self.entries.get(self.prefix + record)
        if entry is None:
            raise RuntimeError(f"{_READ}file {record}: file not found")
        if expected is not None and entry.file_size < expected:
            raise RuntimeError(f"{_READ}file {record}: it holds {entry.file_size} bytes where {expected} are needed")
        try:
            if entry.compress_type != zipfile.ZIP_STORED:
                return self._expanded(entry)
            start = self._start(entry)
            if self.mapped is not None and start % 16 == 0 and entry.file_size:
                return np.frombuffer(self.mapped, np.uint8, entry.file_size, start)
            found = self._copied(start, entry.file_size)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error, EOFError) as error:
            raise RuntimeError(f"{_READ}file {record}: {error}") from error
        if entry.CRC and zlib.crc32(found.data) != entry.CRC:  # 0: written without checksums
            raise RuntimeError(f"{_READ}file {record}: CRC-32 check failed. The file is damaged.")
        return found

    def _start(self, entry: zipfile.ZipInfo) -> int:
        if entry.flag_bits & 1 or entry.compress_size != entry.file_size:
            raise zipfile.BadZipFile("encrypted, or of two sizes")
        self.file.seek(entry.header_offset)
        header = self.file.read(30)
        if len(header) != 30 or header[:4] != LOCAL_MAGIC:
            raise zipfile.BadZipFile("its header is missing")
        name, extra = struct.unpack("<HH", header[26:])
        start = entry.header_offset + 30 + name + extra
        if start + entry.file_size > self.size:
            raise zipfile.BadZipFile("it reaches past the end of the file")
        return start

    def _copied(self, start: int, size: int) -> np.ndarray:
        self.file.seek(start)
        found = np.empty(size, np.uint8)
        view, done = found.data, 0
        while done < size:
            if hasattr(self.file, "readinto"):
                count = self.file.readinto(view[done:])
            else:
                part = self.file.read(size - done)
                count = len(part)
                view[done : done + count] = part
            if not count:
                raise EOFError("unexpected end of file")
            done += count
        return found

    def _expanded(self, entry: zipfile.ZipInfo) -> np.ndarray:
        with self.archive.open(entry) as stream:
            data = stream.read(entry.file_size)
        if len(data) != entry.file_size:
            raise EOFError("unexpected end of file")
        return np.array(np.frombuffer(data, np.uint8))
