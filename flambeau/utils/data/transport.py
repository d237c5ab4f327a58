"""Objects sent between a loader and its workers: arrays beside the pickle, large ones in shared memory.

A message is one pickle of (content, sizes of the arrays that follow, whether these are in shared memory). Shared
memory has no name: it is a file descriptor that is handed over, so that nothing is left behind whoever is killed.
"""

from __future__ import annotations

import io
import mmap
import os
import pickle
import socket
import weakref
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from ... import dtypes
from ...tensor import Tensor, from_array

SHARED_BYTES = 1 << 16  # arrays of less together are sent in the message
MAPPED_AT_MOST = 128  # batches in shared memory at a time, each an open file; further ones are copied
ALIGNMENT = 64
CAN_SHARE = hasattr(os, "memfd_create") and hasattr(socket, "send_fds")
_mapped: weakref.WeakSet[mmap.mmap] = weakref.WeakSet()


class _Pickler(pickle.Pickler):
    """Pickles the values of tensors as they are: the usual way copies them, since it may be followed by a change."""

    def reducer_override(self, obj: Any) -> Any:
        """How a tensor that nothing is differentiated by is made again."""
        if type(obj) is not Tensor or obj.requires_grad:
            return NotImplemented
        value = np.ascontiguousarray(obj._value()).reshape(obj.shape)
        kind = obj.dtype
        return _received, (value if value.dtype.isbuiltin == 1 else value.view(np.uint16), kind.name)


def _received(value: np.ndarray, kind: str) -> Tensor:
    wanted = dtypes.dtype.by_name[kind].numpy
    return from_array(value if value.dtype == wanted else value.view(wanted))


class Packed:
    """An object ready to be sent, maybe to several: its pickle, and its arrays or the shared memory with them."""

    def __init__(self, content: Any) -> None:
        buffers: list[pickle.PickleBuffer] = []
        file = io.BytesIO()
        _Pickler(file, protocol=5, buffer_callback=buffers.append).dump(content)
        self.body = file.getvalue()
        self.arrays = [b.raw() for b in buffers]
        self.sizes = [a.nbytes for a in self.arrays]
        self.fd: int | None = None
        if CAN_SHARE and sum(self.sizes) >= SHARED_BYTES:
            self._share()

    def _share(self) -> None:
        starts, total = _places(self.sizes)
        self.fd = os.memfd_create("flambeau-batch")
        os.ftruncate(self.fd, total)
        with mmap.mmap(self.fd, total) as shared:
            for start, a in zip(starts, self.arrays, strict=True):
                shared[start : start + a.nbytes] = a
        self.arrays.clear()

    def send(self, connection: Connection, head: Any = None) -> None:
        """Sends it, with `head` in front."""
        connection.send_bytes(pickle.dumps((head, self.body, self.sizes, self.fd is not None)))
        if self.fd is not None:
            with socket.socket(fileno=os.dup(connection.fileno())) as channel:
                socket.send_fds(channel, [b"f"], [self.fd])
        for a in self.arrays:
            if a.nbytes:
                connection.send_bytes(a)

    def close(self) -> None:
        """Gives up this process's hold of the shared memory."""
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None


def send(connection: Connection, head: Any, content: Any) -> None:
    """Sends (head, content). What keeps `content` from being pickled is raised before anything is sent."""
    packed = Packed(content)
    try:
        packed.send(connection, head)
    finally:
        packed.close()


def receive(connection: Connection, private: bool = False) -> tuple[Any, bytes, list[Any]]:
    """The next message's head, the pickle of its content, and its arrays' bytes. EOFError if the other side is gone.

    With `private`, what is written to the arrays is not seen by other receivers of the same memory.
    """
    head, body, sizes, shared = pickle.loads(connection.recv_bytes())
    if not shared:
        return head, body, [bytearray(connection.recv_bytes()) if n else bytearray() for n in sizes]
    with socket.socket(fileno=os.dup(connection.fileno())) as channel:
        data, fds, _, _ = socket.recv_fds(channel, 1, 1)
    if not data or not fds:
        raise EOFError
    starts, total = _places(sizes)
    try:
        memory = mmap.mmap(fds[0], total, access=mmap.ACCESS_COPY if private else mmap.ACCESS_WRITE)
    finally:
        os.close(fds[0])
    whole = np.frombuffer(memory, np.uint8)
    if len(_mapped) >= MAPPED_AT_MOST:
        whole = np.array(whole)
    else:
        _mapped.add(memory)
    return head, body, [memoryview(whole[start : start + n]) for start, n in zip(starts, sizes, strict=True)]  # type: ignore[arg-type]


def load(body: bytes, buffers: list[Any]) -> Any:
    """The content of a message."""
    return pickle.loads(body, buffers=buffers)


def _places(sizes: list[int]) -> tuple[list[int], int]:
    """Where arrays of these sizes start in shared memory, and where the last one ends."""
    starts, end = [], 0
    for n in sizes:
        starts.append(end)
        end += -(-n // ALIGNMENT) * ALIGNMENT
    return starts, end
