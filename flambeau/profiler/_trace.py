"""Traces in the format of Chrome's tracing tool."""

from __future__ import annotations

import gzip
import json
import os
import socket
import time
from typing import Any


def write(events: Any, path: str, metadata: dict[str, Any] | None = None) -> None:
    """Writes events to a file, compressed if its name ends so. A file of that name is replaced when all is written."""
    process = os.getpid()
    threads = {thread: process + i for i, thread in enumerate(dict.fromkeys(event.thread for event in events))}
    entries: list[dict[str, Any]] = [
        {"ph": "M", "name": "process_name", "pid": process, "tid": 0, "ts": 0, "args": {"name": "python"}},
        {"ph": "M", "name": "process_labels", "pid": process, "tid": 0, "ts": 0, "args": {"labels": "CPU"}},
    ]
    for number in threads.values():
        name = {"name": f"thread {number} (python)"}
        entries.append({"ph": "M", "name": "thread_name", "pid": process, "tid": number, "ts": 0, "args": name})
    for event in events:
        args: dict[str, Any] = {"External id": event.id + 1, "Ev Idx": event.id}
        if event.input_shapes:
            args |= {"Input Dims": event.input_shapes, "Input type": event.input_types}
        if event.stack:
            args["Call stack"] = ";".join(event.stack)
        entries.append({
            "ph": "X",
            "cat": "user_annotation" if event.is_user_annotation else "cpu_op",
            "name": event.name,
            "pid": process,
            "tid": threads[event.thread],
            "ts": round(event.time_range.start, 3),
            "dur": round(event.time_range.elapsed_us(), 3),
            "args": args,
        })  # fmt: skip
    trace = {
        "schemaVersion": 1,
        "deviceProperties": [],
        **(metadata or {}),
        "host_name": socket.gethostname(),
        "displayTimeUnit": "ms",
        "baseTimeNanoseconds": time.time_ns(),
        "traceEvents": entries,
        "traceName": str(path),
    }
    beside = f"{path}.part"
    opened: Any = gzip.open if str(path).endswith(".gz") else open
    with opened(beside, "wt", encoding="utf-8") as file:
        json.dump(trace, file)
    os.replace(beside, path)
