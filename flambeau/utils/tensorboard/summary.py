"""Values as TensorBoard's summaries: numbers, histograms, pictures, text, sound, hyperparameters."""

from __future__ import annotations

import io
import struct
import time
import wave
import zlib
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from ._records import double, doubles, integer, nested, single

DT_FLOAT, DT_DOUBLE, DT_STRING = 1, 2, 7


def array_of(value: Any) -> np.ndarray:
    """The elements of a tensor, array, number or list."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        return value.float().numpy() if value.dtype.name == "bfloat16" else value.numpy()
    if isinstance(value, str):
        raise NotImplementedError(f"Got {type(value)}, but numpy array or torch tensor are expected.")
    found = np.asarray(value)
    if found.dtype.kind not in "biuf":
        raise NotImplementedError(f"Got {type(value)}, but numpy array or torch tensor are expected.")
    return found


def _value(tag: str, content: bytes, plugin: str = "", data: bytes = b"") -> bytes:
    """One value of a summary."""
    metadata = nested(9, nested(1, nested(1, plugin) + (nested(2, data) if data else b""))) if plugin else b""
    return nested(1, nested(1, tag) + metadata + content)


def _tensor(kind: int, shape: Sequence[int], content: bytes) -> bytes:
    dims = b"".join(nested(2, integer(1, size)) for size in shape)
    return nested(8, integer(1, kind) + nested(2, dims) + content)


# ---- numbers


def number(value: Any) -> float:
    """The one number in a value."""
    array = array_of(value).squeeze()
    if array.ndim:
        raise AssertionError(f"Tensor should contain one element (0 dimensions). Was given size: {array.size} and "
                             f"{array.ndim} dimensions.")  # fmt: skip
    return float(array)


def scalar(tag: str, value: Any, new_style: bool = False, double_precision: bool = False) -> bytes:
    """A number."""
    found = number(value)
    if not new_style and not double_precision:
        return _value(tag, single(2, found))
    if double_precision:
        content = _tensor(DT_DOUBLE, (), nested(6, struct.pack("<d", found)))
    else:
        content = _tensor(DT_FLOAT, (), nested(5, struct.pack("<f", found)))
    return _value(tag, content, "scalars")


@cache
def _edges() -> np.ndarray:
    """TensorBoard's bounds: ten percent apart on both sides of zero."""
    steps = [1e-12]
    while steps[-1] * 1.1 < 1e20:
        steps.append(steps[-1] * 1.1)
    return np.array([*(-step for step in reversed(steps)), 0.0, *steps])


def histogram(tag: str, values: Any, bins: Any = "tensorflow", max_bins: int | None = None) -> bytes:
    """How many values lie between bounds."""
    array = array_of(values).astype(np.float64).reshape(-1)
    if array.size == 0:
        raise ValueError("The input has no element.")
    counts, limits = np.histogram(array, bins=_edges() if bins == "tensorflow" else bins)
    if max_bins is not None and len(counts) > max_bins:
        every = -(-len(counts) // max_bins)
        starts = range(0, len(counts), every)
        counts = np.array([counts[start : start + every].sum() for start in starts])
        limits = np.array([*(limits[start] for start in starts), limits[-1]])
    full = np.flatnonzero(counts)
    if full.size == 0:
        raise ValueError("The histogram is empty, please file a bug report.")
    first, last = full[0], full[-1] + 1
    # each bound is the upper end of its count: the lowest one, of a count of zero, is where the first begins
    return histogram_raw(
        tag, array.min(), array.max(), array.size, array.sum(), array.dot(array),
        limits[first : last + 1], [0, *counts[first:last]],
    )  # fmt: skip


def histogram_raw(
    tag: str, min: float, max: float, num: float, sum: float, sum_squares: float, limits: Any, counts: Any
) -> bytes:
    """A histogram that the caller has made: counts, each with its upper bound."""
    facts = b"".join(double(i + 1, float(v)) for i, v in enumerate((min, max, num, sum, sum_squares)))
    return _value(tag, nested(5, facts + doubles(6, limits) + doubles(7, counts)))


# ---- pictures


def arranged(value: Any, formats: str) -> np.ndarray:
    """A picture, or a grid of several, with dimensions HWC."""
    array, formats = array_of(value), formats.upper()
    if len(set(formats)) != len(formats) or array.ndim != len(formats):
        raise AssertionError(
            f"size of input tensor and input format are different. tensor shape: {array.shape}, input_format: {formats}"
        )
    if "N" in formats:
        array = array.transpose([formats.index(d) for d in "NHWC"])
        count, height, width, channels = array.shape
        columns = min(8, count)
        rows = -(-count // columns)
        grid = np.zeros((rows * height, columns * width, channels), array.dtype)
        for i, picture in enumerate(array):
            y, x = divmod(i, columns)
            grid[y * height : (y + 1) * height, x * width : (x + 1) * width] = picture
        array = grid
    elif "C" in formats:
        array = array.transpose([formats.index(d) for d in "HWC"])
    else:
        array = array[:, :, None] if formats == "HW" else array.T[:, :, None]
    return np.concatenate([array] * 3, 2) if array.shape[2] == 1 else array


def image(tag: str, value: Any, formats: str = "CHW") -> bytes:
    """A picture: numbers from 0 to 1, or bytes."""
    raw = array_of(value)
    scale = 1 if raw.dtype == np.uint8 else 255
    array = np.clip(arranged(raw, formats).astype(np.float32) * scale, 0, 255).astype(np.uint8)
    height, width, channels = array.shape
    content = integer(1, height) + integer(2, width) + integer(3, channels) + nested(4, png(array))
    return _value(tag, nested(4, content))


def png(array: np.ndarray) -> bytes:
    """Bytes (height, width, channels) as a PNG file."""
    height, width, channels = array.shape
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = np.zeros((height, 1 + width * channels), np.uint8)  # each line begins with its filter, which is none
    rows[:, 1:] = np.ascontiguousarray(array).reshape(height, -1)
    head = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    parts = chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows.tobytes())), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def figure_pixels(figure: Any, close: bool = True) -> np.ndarray:
    """A figure of matplotlib's as a picture CHW; several as NCHW."""
    if isinstance(figure, (list, tuple)):
        return np.stack([figure_pixels(one, close) for one in figure])
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # type: ignore[import-not-found]

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[:, :, :3].transpose(2, 0, 1)
    if close:
        import matplotlib.pyplot as plt  # type: ignore[import-not-found]

        plt.close(figure)
    return pixels


# ---- text and sound


def text(tag: str, content: str) -> bytes:
    """Text, which TensorBoard shows as Markdown."""
    return _value(f"{tag}/text_summary", _tensor(DT_STRING, (1,), nested(8, content)), "text")


def audio(tag: str, value: Any, sample_rate: int = 44100) -> bytes:
    """Sound: numbers from -1 to 1."""
    array = array_of(value).squeeze()
    if array.ndim != 1:
        raise AssertionError("input tensor should be 1 dimensional.")
    samples = (np.clip(array, -1, 1) * 32767).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(sample_rate)
        writer.writeframes(samples.tobytes())
    content = single(1, sample_rate) + integer(2, 1) + integer(3, len(samples)) + nested(4, file.getvalue())
    return _value(tag, nested(6, content + nested(5, "audio/wav")))


def tensor(tag: str, value: Any) -> bytes:
    """The elements of a tensor."""
    array = array_of(value).astype("<f4")
    return _value(tag, _tensor(DT_FLOAT, array.shape, nested(4, array.tobytes())), "tensor")


def pr_curve(tag: str, labels: Any, predictions: Any, thresholds: int = 127, weights: Any = None) -> bytes:
    """Precision and recall at each threshold."""
    truth, score = array_of(labels).reshape(-1), array_of(predictions).reshape(-1)
    weight = np.ones_like(score, np.float64) if weights is None else array_of(weights).reshape(-1)
    count = min(thresholds, 127)
    bucket = np.floor(score * (count - 1)).astype(np.int64)
    range_ = (0, count - 1)
    positive, _ = np.histogram(bucket, count, range_, weights=truth * weight)
    negative, _ = np.histogram(bucket, count, range_, weights=(1 - truth) * weight)
    true_positives, false_positives = positive[::-1].cumsum()[::-1], negative[::-1].cumsum()[::-1]
    true_negatives = false_positives[0] - false_positives
    false_negatives = true_positives[0] - true_positives
    precision = true_positives / np.maximum(1e-7, true_positives + false_positives)
    recall = true_positives / np.maximum(1e-7, true_positives + false_negatives)
    table = np.stack([true_positives, false_positives, true_negatives, false_negatives, precision, recall])
    content = _tensor(DT_FLOAT, table.shape, nested(5, table.astype("<f4").tobytes()))
    return _value(tag, content, "pr_curves", integer(2, count))


# ---- hyperparameters


def _json(value: Any) -> bytes:
    if isinstance(value, bool):
        return integer(4, value)
    return double(2, float(value)) if isinstance(value, (int, float)) else nested(3, value)


def hyperparameters(
    given: Mapping[str, Any], metrics: Mapping[str, Any], domains: Mapping[str, Sequence] | None = None
) -> tuple[bytes, bytes, bytes]:
    """What describes an experiment, the start and the end of a run of it."""
    if not isinstance(given, Mapping) or not isinstance(metrics, Mapping):
        raise TypeError("hparam_dict and metric_dict should be dictionary.")
    infos, start = b"", b""
    for name, value in given.items():
        if value is None:
            continue
        value = value.item() if hasattr(value, "item") else value
        if not isinstance(value, (str, bool, int, float)):
            raise ValueError("value should be one of int, float, str, bool, or torch.Tensor")
        kind = 1 if isinstance(value, str) else 2 if isinstance(value, bool) else 3
        discrete = (domains or {}).get(name)
        domain = nested(5, b"".join(nested(1, _json(v)) for v in discrete)) if discrete else b""
        infos += nested(4, nested(1, name) + integer(4, kind) + domain)
        start += nested(1, nested(1, name) + nested(2, _json(value)))
    infos += b"".join(nested(5, nested(1, nested(2, name))) for name in metrics)
    now = time.time()
    parts = (
        ("experiment", nested(2, infos)),
        ("session_start_info", nested(3, start + double(5, now))),
        ("session_end_info", nested(4, integer(1, 1) + double(2, now))),
    )
    first, second, third = (_value(f"_hparams_/{name}", b"", "hparams", content) for name, content in parts)
    return first, second, third
