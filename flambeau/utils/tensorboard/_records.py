"""TensorBoard's files: records with checksums, and messages of Protocol Buffers by their numbers of fields.

The few messages that are written are put together here, so that logging needs no package; TensorBoard reads them.
"""

from __future__ import annotations

import os
import socket
import struct
import time
import weakref
from collections.abc import Iterable
from functools import cache
from itertools import count
from typing import Any

_numbers = count()


# ---- messages


def varint(number: int) -> bytes:
    """A whole number, seven bits a byte; negative ones as 64 bits."""
    number &= (1 << 64) - 1
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    found.append(number)
    return bytes(found)


def integer(field: int, value: int) -> bytes:
    """A field that is a whole number or a flag."""
    return varint(field << 3) + varint(int(value))


def double(field: int, value: float) -> bytes:
    """A field of 64 bits."""
    return varint(field << 3 | 1) + struct.pack("<d", value)


def single(field: int, value: float) -> bytes:
    """A field of 32 bits."""
    return varint(field << 3 | 5) + struct.pack("<f", value)


def nested(field: int, content: bytes | str) -> bytes:
    """A field that is text, bytes or a message."""
    data = content.encode() if isinstance(content, str) else content
    return varint(field << 3 | 2) + varint(len(data)) + data


def doubles(field: int, values: Iterable[float]) -> bytes:
    """A field of several numbers of 64 bits."""
    found = [float(v) for v in values]
    return nested(field, struct.pack(f"<{len(found)}d", *found))


# ---- records


@cache
def _table() -> list[int]:
    found = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        found.append(value)
    return found


def checksum(data: bytes) -> int:
    """CRC-32C, as Castagnoli defined it."""
    table, crc = _table(), 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def masked(data: bytes) -> bytes:
    """The checksum as records have it: turned and moved, so that records within records are safe."""
    crc = checksum(data)
    return struct.pack("<I", (crc >> 15 | crc << 17) + 0xA282EAD8 & 0xFFFFFFFF)


def record(data: bytes) -> bytes:
    """A record of a file: length and content, each with its checksum."""
    length = struct.pack("<Q", len(data))
    return length + masked(length) + data + masked(data)


class FileWriter:
    """A file of events in a folder. Events are on the disk after `flush`, or `flush_secs` seconds."""

    def __init__(
        self, log_dir: Any, max_queue: int = 10, flush_secs: float = 120, filename_suffix: str = ""
    ) -> None:
        self._log_dir, self.flush_secs = os.fspath(log_dir), flush_secs
        self._suffix = filename_suffix
        os.makedirs(self._log_dir, exist_ok=True)
        self._file: Any = None
        self.reopen()

    def get_logdir(self) -> str:
        """The folder."""
        return self._log_dir

    def reopen(self) -> None:
        """Goes on in a new file, if the last has been closed."""
        if self._file is not None:
            return
        now = time.time()
        whose = f"{socket.gethostname()}.{os.getpid()}.{next(_numbers)}"
        name = f"events.out.tfevents.{int(now):010d}.{whose}{self._suffix}"
        self._file = open(os.path.join(self._log_dir, name), "ab")
        self._closing = weakref.finalize(self, self._file.close)
        self._flushed = now
        self._file.write(record(double(1, now) + nested(3, "brain.Event:2")))
        self._file.flush()

    def add_event(self, event: bytes, step: int | None = None, walltime: float | None = None) -> None:
        """Writes an event, given as the fields after time and step."""
        if self._file is None:
            self.reopen()
        now = time.time()
        head = double(1, now if walltime is None else walltime)
        if step is not None:
            head += integer(2, int(step))
        self._file.write(record(head + event))
        if now - self._flushed > self.flush_secs:
            self.flush()

    def add_summary(self, summary: bytes, global_step: int | None = None, walltime: float | None = None) -> None:
        """Writes an event with the values of a summary."""
        self.add_event(nested(5, summary), global_step, walltime)

    def flush(self) -> None:
        """Makes sure that everything is in the file."""
        if self._file is not None:
            self._file.flush()
            self._flushed = time.time()

    def close(self) -> None:
        """Closes the file; a later event opens another."""
        if self._file is not None:
            self._closing()
            self._file = None
