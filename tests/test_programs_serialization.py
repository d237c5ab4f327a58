"""Old formats of checkpoints, and the smaller functions of torch.serialization."""

import io
import mmap
import pickle
import struct
import tarfile
import types

import numpy as np
import pytest

import flambeau
from flambeau import _locations, serialization


class Named:
    """Pickled as the name of something of PyTorch's."""

    def __init__(self, name):
        self.name = name


class Writer(pickle._Pickler):
    """Writes names, and ids for what is kept outside."""

    def __init__(self, file):
        super().__init__(file, protocol=2)

    def persistent_id(self, thing):
        return thing[1] if isinstance(thing, tuple) and len(thing) == 2 and thing[0] == "id" else None

    def save_name(self, thing):
        self.write(pickle.GLOBAL + f"torch\n{thing.name}\n".encode())
        self.memoize(thing)

    dispatch = {**pickle._Pickler.dispatch, Named: save_name}


def pickled(thing):
    file = io.BytesIO()
    Writer(file).dump(thing)
    return file.getvalue()


def old_archive(harm=lambda name, data: data, root=None):
    """A file as PyTorch 0.1 wrote it: one storage, a part of it, two tensors over them."""
    values = np.arange(6, dtype="<f4")
    longs = np.array([7, 8], "<i8")
    storages = pickled(2)
    storages += pickled((101, "cpu", Named("FloatStorage"))) + struct.pack("<q", 6) + values.tobytes()
    storages += pickled((102, "cpu", Named("LongStorage"))) + struct.pack("<q", 2) + longs.tobytes()
    storages += pickled([(103, 101, 2, 3)])

    def tensor(key, storage, kind, size, stride, offset):
        dims = len(size)
        return pickled((key, storage, Named(kind))) + struct.pack(
            f"<i4x{dims}q{dims}qq", dims, *size, *stride, offset
        )

    tensors = pickled(4)
    tensors += tensor(201, 101, "FloatTensor", (2, 3), (3, 1), 0) + tensor(202, 101, "FloatTensor", (3, 2), (1, 3), 0)
    tensors += tensor(203, 102, "LongTensor", (2,), (1,), 0) + tensor(204, 103, "FloatTensor", (2,), (1,), 1)
    found = pickled(root or {"w": ("id", "201"), "t": ("id", "202"), "n": [("id", "203"), 3.5], "part": ("id", "204")})
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in {"sys_info": pickled({}), "pickle": found, "tensors": tensors, "storages": storages}.items():
            data = harm(name, data)
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    file.seek(0)
    return file


@pytest.mark.parametrize("weights_only", [True, False])
def test_files_of_the_first_versions(weights_only):
    found = flambeau.load(old_archive(), weights_only=weights_only)
    assert found["w"].tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]] and found["w"].dtype is flambeau.float32
    assert found["t"].tolist() == [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]
    assert found["n"][0].tolist() == [7, 8] and found["n"][1] == 3.5 and found["part"].tolist() == [3.0, 4.0]
    found["w"][0, 1] = 9.0
    assert found["t"][1, 0] == 9.0


@pytest.mark.filterwarnings("ignore")
def test_pytorch_reads_them_so(torch, tmp_path):
    path = tmp_path / "old.tar"  # PyTorch wants a file on the disk
    path.write_bytes(old_archive().read())
    theirs, ours = torch.load(path, weights_only=False), flambeau.load(path)
    assert {k: str(v) for k, v in theirs.items()} == {k: str(v) for k, v in ours.items()}


@pytest.mark.parametrize("part", ["storages", "tensors", "pickle"])
def test_damage_is_noticed(part):
    with pytest.raises((RuntimeError, pickle.UnpicklingError, EOFError)):
        flambeau.load(old_archive(lambda name, data: data[:-9] if name == part else data))


def test_old_files_run_no_code():
    for name in ("os.system", "FloatTensor"):
        module, _, function = name.rpartition(".")
        call = pickle.PROTO + b"\x02c" + f"{module or 'torch'}\n{function}\n".encode() + b"K\x05\x85R."
        with pytest.raises(pickle.UnpicklingError):
            flambeau.load(old_archive(lambda part, data, call=call: call if part == "pickle" else data))
    with pytest.raises(pickle.UnpicklingError, match="no storage or tensor"):
        flambeau.load(old_archive(root={"w": ("id", "999")}))


def test_files_before_the_archive_format(torch):
    state = {"a": torch.arange(6.0).view(2, 3).t(), "b": torch.ones(2, dtype=torch.bfloat16), "n": 3}
    file = io.BytesIO()
    torch.save(state, file, _use_new_zipfile_serialization=False)
    file.seek(0)
    found = flambeau.load(file)
    assert {k: str(v) for k, v in found.items()} == {k: str(v) for k, v in state.items()}


def test_packages_put_storages_where_they_want(monkeypatch):
    monkeypatch.setattr(_locations, "_packages", list(_locations._packages))
    seen = []

    def restored(storage, location):
        if location.startswith("moon"):
            seen.append((location, storage.nbytes()))
            return storage
        return None

    serialization.register_package(5, lambda storage: "moon:1" if storage.nbytes() == 8 else None, restored)
    file = io.BytesIO()
    flambeau.save([flambeau.ones(2), flambeau.ones(3)], file)
    file.seek(0)
    assert flambeau.load(file)[0].tolist() == [1.0, 1.0] and seen == [("moon:1", 8)]
    assert serialization.location_tag(flambeau.ones(3).untyped_storage()) == "cpu"
    with pytest.raises(RuntimeError, match="don't know how to restore data location .*tagged with sun"):
        serialization.default_restore_location(flambeau.ones(1).untyped_storage(), "sun")


def test_structure_without_elements():
    file = io.BytesIO()
    with serialization.skip_data():
        flambeau.save({"w": flambeau.ones(2, 3)}, file)
    file.seek(0)
    assert flambeau.load(file)["w"].tolist() == [[0.0] * 3] * 2
    file = io.BytesIO()
    flambeau.save(flambeau.ones(2), file)
    file.seek(0)
    with serialization.skip_data():
        assert flambeau.load(file).tolist() == [0.0, 0.0]
    file.seek(0)
    assert flambeau.load(file).tolist() == [1.0, 1.0]


def test_small_functions():
    import pathlib

    with serialization.mkdtemp() as folder:
        assert pathlib.Path(folder).is_dir()
    assert not pathlib.Path(folder).exists()
    version = types.SimpleNamespace(__version__="3.7.2", __name__="it")
    check = serialization.check_module_version_greater_or_equal
    assert check(version, (3, 7)) and check(version, (3, 7, 2)) and not check(version, (3, 8)) and check(version, (2,))
    with pytest.raises(RuntimeError, match="malformed"):
        check(types.SimpleNamespace(__version__="x.y", __name__="it"), (1, 0))
    before = serialization.get_default_mmap_options()
    with serialization.set_default_mmap_options(mmap.MAP_SHARED):
        assert serialization.get_default_mmap_options() == mmap.MAP_SHARED
    assert serialization.get_default_mmap_options() == before
    with pytest.raises(ValueError, match="mmap.MAP_PRIVATE or mmap.MAP_SHARED"):
        serialization.set_default_mmap_options(12345)
    with pytest.raises(RuntimeError, match="CUDA device"):
        serialization.validate_cuda_device("cuda:0")
