"""Checkpoints that are damaged, hostile or no checkpoints, and disks that fill up while one is written."""

from __future__ import annotations

import builtins
import datetime
import functools
import io
import os
import pickle
import stat
import struct
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path
from typing import Any

import pytest

import flambeau


def written(library: Any, thing: Any, **options: Any) -> io.BytesIO:
    """What a library's save makes of an object."""
    file = io.BytesIO()
    library.save(thing, file, **options)
    file.seek(0)
    return file


class Own(flambeau.nn.Module):
    """A module of a program's own."""


class Plain:
    """A class that is never declared safe."""

    def __init__(self):
        self.value = 3


def damaged(data: bytes) -> None:
    """Asserts that loading raises one of the errors that say what is wrong."""
    with pytest.raises((RuntimeError, pickle.UnpicklingError, EOFError)) as caught:
        flambeau.load(io.BytesIO(data))
    assert str(caught.value)


def test_cut_off_anywhere(torch):
    for options in ({}, {"_use_new_zipfile_serialization": False}):
        data = written(torch, {"a": torch.arange(20), "b": [1, "x"]}, **options).getvalue()
        for length in range(len(data)):
            damaged(data[:length])


def test_a_changed_byte_is_noticed_or_harmless(torch):
    """No single changed byte does worse than a clear error, and a changed element never goes unnoticed."""
    data = written(torch, {"a": torch.arange(20), "n": 3}).getvalue()
    place = data.index(torch.arange(20).numpy().tobytes())
    for at in range(0, len(data), 3):
        changed = bytearray(data)
        changed[at] ^= 0x41
        try:
            found = flambeau.load(io.BytesIO(bytes(changed)))
        except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError):
            continue
        assert not place <= at < place + 160
        assert found["a"].tolist() == list(range(20)) and found["n"] == 3


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\x03\x04",
        b"PK\x03\x04" + bytes(100),
        b"garbage that is no pickle",
        bytes(1000),
        b"\x80\x02.",
        pickle.dumps({"a": 1}),
        pickle.dumps(5, 0),
        b"\x80\x02K\x05.",
        b"\x93NUMPY",
    ],
)
def test_what_is_no_checkpoint(data):
    damaged(data)


def test_messages_of_errors(tmp_path):
    with pytest.raises(FileNotFoundError):
        flambeau.load(tmp_path / "none.pt")
    with pytest.raises(EOFError, match="Ran out of input"):
        flambeau.load(io.BytesIO())
    with pytest.raises(
        RuntimeError, match="PytorchStreamReader failed reading zip archive: failed finding central directory"
    ):
        flambeau.load(io.BytesIO(written(flambeau, 1).getvalue()[:-30]))
    with pytest.raises(RuntimeError, match="Invalid magic number; corrupt file"):
        flambeau.load(io.BytesIO(pickle.dumps(7, 2)))
    with pytest.raises(AttributeError, match="You can only torch.load from a file that is seekable"):
        flambeau.load(5)
    with pytest.raises(
        AttributeError, match="expected 'f' to be string, path, or a file-like object with a 'write' attribute"
    ):
        flambeau.save(1, 5)
    with pytest.raises(RuntimeError, match="Parent directory .* does not exist"):
        flambeau.save(1, tmp_path / "no" / "where.pt")
    with pytest.raises(RuntimeError, match="Is a directory"):
        flambeau.save(1, tmp_path)
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("folder/readme.txt", "no checkpoint")
    with pytest.raises(RuntimeError, match='Expected hasRecord."version". to be true, but got false'):
        flambeau.load(other.seek(0) or other)


class Reduced:
    """Pickles as a call of whatever it is given."""

    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


def hostile(path: str) -> dict:
    code = f"open({path!r}, 'w').close()"
    return {
        "system": Reduced(os.system, (f"touch {path}",)),
        "eval": Reduced(eval, (code,)),
        "exec": Reduced(exec, (code,)),
        "open": Reduced(open, (path, "w")),
        "popen": Reduced(subprocess.Popen, (["touch", path],)),
        "import": Reduced(builtins.__import__, ("antigravity",)),
        "getattr": Reduced(getattr, ("text", "upper")),
        "state": Reduced(Plain, (), {"value": Reduced(eval, (code,))}),
        "class": Reduced(type, ("T", (), {})),
        "partial": Reduced(functools.partial, (print,)),
        "date": datetime.datetime(2000, 1, 1),
        "module": Own(),
    }


@pytest.mark.parametrize("kind", sorted(hostile("x")))
@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("protocol", [2, 4])
def test_no_code_of_a_file_runs(tmp_path, kind, new, protocol):
    mark = tmp_path / "mark"
    thing = {"a": flambeau.ones(2), "b": hostile(str(mark))[kind]}
    file = written(flambeau, thing, pickle_protocol=protocol, _use_new_zipfile_serialization=new)
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        flambeau.load(file)
    assert not mark.exists()


def with_pickle(
    data: bytes, storages: dict[str, bytes] | None = None, compression: int = zipfile.ZIP_STORED
) -> io.BytesIO:
    """A checkpoint whose pickle is what the caller wants."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in {"data.pkl": data, "version": b"3\n", "byteorder": b"little", **(storages or {})}.items():
            archive.writestr("archive/" + name, content)
    file.seek(0)
    return file


STORED = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu%stQ"
NAMED = b"ctorch._utils\n_rebuild_tensor_v2\n"


@pytest.mark.parametrize(
    "body",
    [
        b"cos\nsystem\n.",
        b"cposix\nsystem\n.",
        b"cbuiltins\neval\n.",
        b"c__builtin__\neval\n.",
        b"csys\nexit\n)R.",
        b"cos.path\njoin\n.",
        b"ctorch\nserialization.os.system\n.",
        b"ctorch\nhub.load\n.",
        b"cflambeau.serialization\nos.system\n.",
        b"cflambeau.tensor\nrestored\n.",
        b"ctorch\nTensor\nJ\xff\xff\xff\x7f\x85R.",
        b"ctorch\nTensor\nJ\xff\xff\xff\x7f\x85\x81.",
        b"ctorch\nTensor\n}X\x01\x00\x00\x00aK\x01sb.",
        b"cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R.",
        b"c__builtin__\nset\nX\x01\x00\x00\x00a\x85R.",
        b"ccollections\nOrderedDict\nK\x05\x85R.",
        b"c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00rot13\x86R.",
        b"K\x05)R.",
        b"NN}b.",
        b"K\x05K\x06a.",
        b"]K\x01K\x02s.",
        b"h\x05.",
        b"X\xff\xff\xff\x7fa.",
        b"\x8b\xff\xff\xff\x7fa.",
        b"0.",
        b".",
        b"u.",
        b"(i__main__\nX\n.",
        b"(cos\nsystem\no.",
        b"P0\n.",
        b"ctorch\nFloatStorage\n)R.",
        b"ctorch\nFloatStorage\n}X\x05\x00\x00\x00dtypeK\x01sb.",
        b"K\x05Q.",
        b"(X\x06\x00\x00\x00moduleK\x01tQ.",
    ],
)
def test_pickles_made_by_hand(body):
    with pytest.raises((pickle.UnpicklingError, EOFError)):
        flambeau.load(with_pickle(b"\x80\x02" + body))


@pytest.mark.parametrize(
    "layout",
    [
        b"K\x00K\x64\x85K\x01\x85",
        b"K\x03K\x02\x85K\x01\x85",
        b"K\x00K\x02\x85K\x05\x85",
        b"J\xff\xff\xff\xffK\x01\x85K\x01\x85",
        b"K\x00J\xff\xff\xff\xff\x85K\x01\x85",
        b"K\x00K\x02\x85J\xff\xff\xff\xff\x85",
        b"K\x00K\x02\x85K\x01K\x01\x86",
        b"K\x00\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01\x85K\x01\x85",
    ],
)
def test_tensors_stay_within_their_storage(layout):
    body = b"\x80\x02" + NAMED + b"(" + STORED % b"K\x04" + layout + b"\x89}tR."
    with pytest.raises((RuntimeError, pickle.UnpicklingError)):
        flambeau.load(with_pickle(body, {"data/0": bytes(16)}))
    whole = b"\x80\x02" + NAMED + b"(" + STORED % b"K\x04" + b"K\x00K\x04\x85K\x01\x85" + b"\x89}tR."
    assert flambeau.load(with_pickle(whole, {"data/0": bytes(16)})).tolist() == [0, 0, 0, 0]
    with pytest.raises(RuntimeError, match="PytorchStreamReader failed reading file data/0"):
        flambeau.load(with_pickle(whole, {"data/0": bytes(8)}))
    with pytest.raises(RuntimeError, match="file not found"):
        flambeau.load(with_pickle(whole))


def test_archives_that_expand_or_overlap():
    whole = b"\x80\x02" + NAMED + b"(" + STORED % b"J\x00\x00\x00\x04" + b"K\x00K\x04\x85K\x01\x85" + b"\x89}tR."
    bomb = with_pickle(whole, {"data/0": bytes(1 << 28)}, zipfile.ZIP_DEFLATED)
    assert len(bomb.getvalue()) < 1 << 20
    with pytest.raises(RuntimeError, match="would expand to more than"):
        flambeau.load(bomb)
    plain = with_pickle(b"\x80\x02N.", {"data/0": bytes(5000)}).getvalue()
    directory = plain.index(b"PK\x01\x02")
    entries = plain[directory : plain.index(b"PK\x05\x06")]
    end = b"PK\x05\x06" + struct.pack("<4H2LH", 0, 0, 4 * 50, 4 * 50, 50 * len(entries), directory, 0)
    with pytest.raises(RuntimeError, match="overlap"):
        flambeau.load(io.BytesIO(plain[:directory] + entries * 50 + end))


def test_odd_names_touch_no_other_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in {
            "../../x/data.pkl": b"\x80\x02K\x05.",
            "../../x/version": b"3",
            "/etc/absolute": b"x",
        }.items():
            archive.writestr(name, data)
    with pytest.raises(RuntimeError):
        flambeau.load(file.seek(0) or file)
    assert list(tmp_path.iterdir()) == []


# ---- disks that fill up, crashes, links


class Full(io.RawIOBase):
    """A file that has room for a few bytes."""

    def __init__(self, room):
        self.room = room

    def writable(self):
        return True

    def write(self, data):
        if self.room <= 0:
            raise OSError(28, "No space left on device")
        taken = min(self.room, memoryview(data).nbytes)
        self.room -= taken
        return taken


def test_a_full_file_object_raises():
    for room in (0, 10, 500):
        with pytest.raises(OSError, match="No space left"):
            flambeau.save({"a": flambeau.ones(1000)}, Full(room))


def test_a_full_disk_leaves_the_old_file(tmp_path):
    pytest.importorskip("resource")
    path = tmp_path / "model.pt"
    flambeau.save({"epoch": 1, "a": flambeau.ones(10)}, path)
    before = path.read_bytes()
    program = textwrap.dedent(f"""
        import resource, signal, flambeau
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
        try:
            flambeau.save({{"epoch": 2, "a": flambeau.ones(100000)}}, {str(path)!r})
        except OSError:
            print("full")
    """)
    root = str(Path(flambeau.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": root},
        check=True,
    )
    assert done.stdout == "full\n"
    assert path.read_bytes() == before and flambeau.load(path)["epoch"] == 1
    assert os.listdir(tmp_path) == ["model.pt"]


def test_what_cannot_be_pickled_leaves_the_old_file(tmp_path):
    path = tmp_path / "model.pt"
    flambeau.save(1, path)
    with pytest.raises((AttributeError, pickle.PicklingError), match="pickle"):
        flambeau.save({"a": flambeau.ones(5), "b": lambda: 1}, path)
    assert flambeau.load(path) == 1 and os.listdir(tmp_path) == ["model.pt"]


@pytest.mark.skipif(os.name == "nt", reason="links and modes of POSIX")
def test_links_and_modes_are_kept(tmp_path):
    real, link = tmp_path / "real.pt", tmp_path / "link.pt"
    flambeau.save(1, real)
    os.chmod(real, 0o640)
    link.symlink_to(real)
    flambeau.save(2, str(link))
    assert link.is_symlink() and flambeau.load(real) == 2
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    flambeau.save(3, "/dev/null")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_open_files(tmp_path):
    with open(tmp_path / "a.pt", "wb") as file:
        flambeau.save({"a": flambeau.arange(3)}, file)
    with open(tmp_path / "a.pt", "rb") as file:
        assert flambeau.load(file)["a"].tolist() == [0, 1, 2]


# ---- which way files are read


def test_defaults_from_the_environment(monkeypatch):
    file = written(flambeau, Plain())
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    with pytest.warns(UserWarning, match="forcing weights_only=False"):
        assert flambeau.load(file).value == 3
    monkeypatch.setenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "1")
    with pytest.raises(RuntimeError, match="Only one of"):
        flambeau.load(file)
    monkeypatch.delenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD")
    file.seek(0)
    with pytest.raises(pickle.UnpicklingError):
        flambeau.load(file, weights_only=False)
    with pytest.raises(RuntimeError, match="Can not safely load weights when explicit pickle_module is specified"):
        flambeau.load(file, pickle_module=pickle)
