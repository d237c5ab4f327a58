"""torch.utils.tensorboard: what is written is what TensorBoard reads."""

import io
import pathlib
import struct
import wave
import zlib

import numpy as np
import pytest

import flambeau
from flambeau.utils.tensorboard import SummaryWriter
from flambeau.utils.tensorboard._records import checksum, masked, varint


def fields(data):
    """A message of Protocol Buffers as (number, value) pairs."""
    found, place = [], 0

    def number():
        nonlocal place
        value, shift = 0, 0
        while True:
            byte = data[place]
            place += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while place < len(data):
        head = number()
        kind = head & 7
        if kind == 0:
            value = number()
        elif kind == 1:
            value, place = struct.unpack("<d", data[place : place + 8])[0], place + 8
        elif kind == 5:
            value, place = struct.unpack("<f", data[place : place + 4])[0], place + 4
        else:
            size = number()
            value, place = data[place : place + size], place + size
        found.append((head >> 3, value))
    return found


def events(folder):
    """The events of the one file in a folder."""
    (file,) = [path for path in pathlib.Path(folder).iterdir() if path.is_file()]
    data, found = file.read_bytes(), []
    while data:
        (size,) = struct.unpack("<Q", data[:8])
        assert data[8:12] == masked(data[:8]) and data[12 + size : 16 + size] == masked(data[12 : 12 + size])
        found.append(dict(fields(data[12 : 12 + size])))
        data = data[16 + size :]
    return found


def logged(folder):
    """Tag, step, and the fields of the one value of each event after the first."""
    first, *rest = events(folder)
    assert first[3] == b"brain.Event:2"
    for event in rest:
        value = dict(fields(dict(fields(event[5]))[1]))
        yield value[1].decode(), event.get(2), value


def test_checksums_and_numbers():
    assert checksum(b"123456789") == 0xE3069283 and checksum(bytes(32)) == 0x8A9136AA
    assert varint(300) == b"\xac\x02" and len(varint(-1)) == 10


def test_numbers(tmp_path):
    with SummaryWriter(tmp_path / "run") as writer:
        for step in range(3):
            writer.add_scalar("loss", flambeau.tensor(1.5 * step, requires_grad=True), step)
        writer.add_scalar("accuracy", 0.5)
        writer.add_scalars("both", {"train": 1, "valid": 2}, 7)
    (main,) = [p for p in (tmp_path / "run").iterdir() if p.is_file()]
    assert main.name.startswith("events.out.tfevents.")
    for name, value in (("train", 1.0), ("valid", 2.0)):
        ((tag, step, content),) = logged(tmp_path / "run" / f"both_{name}")
        assert (tag, step, content[2]) == ("both", 7, value)
    assert [(tag, step, value[2]) for tag, step, value in logged(tmp_path / "run")] == [
        ("loss", 0, 0.0),
        ("loss", 1, 1.5),
        ("loss", 2, 3.0),
        ("accuracy", None, 0.5),
    ]
    with pytest.raises(NotImplementedError, match="numpy array or torch tensor"):
        writer.add_scalar("loss", "much")
    with pytest.raises(AssertionError, match="one element"):
        writer.add_scalar("loss", flambeau.ones(2))


def test_histograms(tmp_path):
    values = np.concatenate([np.random.default_rng(0).normal(size=1000), [0.0]])
    with SummaryWriter(tmp_path) as writer:
        writer.add_histogram("weights", flambeau.tensor(values), 3)
        writer.add_histogram("ten", values, 3, bins=10, max_bins=5)
    (_, _, first), (_, _, second) = logged(tmp_path)
    content = dict(fields(first[5]))
    limits, counts = (np.frombuffer(content[i], "<f8") for i in (6, 7))
    assert len(limits) == len(counts) and counts.sum() == 1001 and counts[0] == 0 and counts[1] > 0
    assert content[1] == values.min() and content[2] == values.max() and content[3] == 1001
    assert content[4] == pytest.approx(values.sum()) and content[5] == pytest.approx((values**2).sum())
    for low, high, count in zip(limits[:-1], limits[1:-1], counts[1:], strict=False):
        assert count == ((values >= low) & (values < high)).sum()
    assert len(np.frombuffer(dict(fields(second[5]))[7], "<f8")) == 6


def unpacked(data):
    """The pixels of a PNG file without filters."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", data[16:24])
    size = struct.unpack(">I", data[33:37])[0]
    rows = np.frombuffer(zlib.decompress(data[41 : 41 + size]), np.uint8).reshape(height, -1)
    assert not rows[:, 0].any()
    return rows[:, 1:].reshape(height, width, -1)


def test_pictures(tmp_path):
    picture = flambeau.rand(3, 4, 5)
    batch = flambeau.zeros(10, 1, 2, 2)
    batch[9] = 1.0
    with SummaryWriter(tmp_path) as writer:
        writer.add_image("one", picture, 1)
        writer.add_image("bytes", np.full((4, 5), 200, np.uint8), dataformats="HW")
        writer.add_images("many", batch)
        with pytest.raises(AssertionError, match="input_format: CHW"):
            writer.add_image("wrong", flambeau.ones(3))
    one, plain, many = [dict(fields(value[4])) for _, _, value in logged(tmp_path)]
    assert (one[1], one[2], one[3]) == (4, 5, 3)
    np.testing.assert_array_equal(unpacked(one[4]), (picture * 255).byte().permute(1, 2, 0).numpy())
    assert (unpacked(plain[4]) == 200).all() and plain[3] == 3
    pixels = unpacked(many[4])
    assert pixels.shape == (4, 16, 3) and pixels[2:, 2:4].min() == 255 and pixels.sum() == 4 * 3 * 255


def test_figures(tmp_path):
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1, 2), dpi=50)
    figure.subplots().plot([0, 1])
    with SummaryWriter(tmp_path) as writer:
        writer.add_figure("plot", figure, close=False)
    ((_, _, value),) = logged(tmp_path)
    assert unpacked(dict(fields(value[4]))[4]).shape == (100, 50, 3)


def test_text_and_sound(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        writer.add_text("notes", "*first* line", 2)
        writer.add_audio("tone", flambeau.tensor([0.0, 1.0, -1.0]), sample_rate=8000)
    (tag, step, text), (_, _, sound) = logged(tmp_path)
    assert (tag, step) == ("notes/text_summary", 2) and b"*first* line" in text[8] and b"text" in text[9]
    content = dict(fields(sound[6]))
    with wave.open(io.BytesIO(content[4])) as file:
        assert file.getframerate() == 8000 and np.frombuffer(file.readframes(3), "<i2").tolist() == [0, 32767, -32767]


def test_files_are_complete_and_reopened(tmp_path):
    writer = SummaryWriter(tmp_path / "a", flush_secs=1000)
    writer.add_scalar("x", 1, 1)
    writer.flush()
    assert len(events(tmp_path / "a")) == 2
    writer.close()
    writer.add_scalar("x", 2, 2)
    writer.close()
    assert len(list((tmp_path / "a").iterdir())) == 2 and writer.get_logdir() == str(tmp_path / "a")
    purged = SummaryWriter(tmp_path / "b", purge_step=5)
    purged.close()
    assert events(tmp_path / "b")[1][2] == 5 and dict(fields(events(tmp_path / "b")[1][7])) == {1: 1}


def test_what_is_not_written_says_so(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        with pytest.warns(UserWarning, match="add_graph is left out"):
            writer.add_graph(flambeau.nn.Linear(1, 1), flambeau.ones(1))
        with pytest.raises(NotImplementedError, match="add_embedding"):
            writer.add_embedding(flambeau.ones(2, 2))
        with pytest.raises(ValueError, match="int, float, str, bool"):
            writer.add_hparams({"lr": [1]}, {})


def test_tensorboard_reads_it(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    with SummaryWriter(tmp_path) as writer:
        writer.add_scalar("loss", 0.25, 4)
        writer.add_scalar("new", 0.5, 4, new_style=True)
        writer.add_histogram("weights", flambeau.arange(10.0), 1)
        writer.add_image("picture", flambeau.rand(3, 4, 5))
        writer.add_text("notes", "words")
        writer.add_audio("tone", flambeau.zeros(5))
        writer.add_tensor("values", flambeau.ones(2, 3))
        writer.add_pr_curve("curve", flambeau.tensor([0, 1, 1]), flambeau.tensor([0.1, 0.4, 0.9]))
        writer.add_hparams({"lr": 0.1, "name": "me", "deep": True}, {"best": 0.5}, {"lr": [0.1, 1.0]}, run_name="run")
    read = EventAccumulator(str(tmp_path)).Reload()
    assert [(e.step, e.value) for e in read.Scalars("loss")] == [(4, 0.25)]
    assert read.Histograms("weights")[0].histogram_value.num == 10
    assert read.Images("picture")[0].width == 5 and read.Audio("tone")[0].sample_rate == 44100
    assert read.Tensors("notes/text_summary")[0].tensor_proto.string_val == [b"words"]
    from tensorboard.util.tensor_util import make_ndarray

    assert make_ndarray(read.Tensors("values")[0].tensor_proto).tolist() == [[1.0] * 3] * 2
    assert make_ndarray(read.Tensors("new")[0].tensor_proto) == 0.5
    assert make_ndarray(read.Tensors("curve")[0].tensor_proto).shape == (6, 127)
    run = EventAccumulator(str(tmp_path / "run")).Reload()
    parsed = {}
    for tag in ("experiment", "session_start_info", "session_end_info"):
        metadata = run.SummaryMetadata(f"_hparams_/{tag}")
        assert metadata.plugin_data.plugin_name == "hparams"
        parsed[tag] = HParamsPluginData.FromString(metadata.plugin_data.content)
    start = parsed["session_start_info"].session_start_info.hparams
    assert start["lr"].number_value == 0.1 and start["name"].string_value == "me" and start["deep"].bool_value is True
    experiment = parsed["experiment"].experiment
    assert [info.name for info in experiment.hparam_infos] == ["lr", "name", "deep"]
    assert [v.number_value for v in experiment.hparam_infos[0].domain_discrete.values] == [0.1, 1.0]
    assert experiment.metric_infos[0].name.tag == "best" and run.Scalars("best")[0].value == 0.5
