"""torch.save and torch.load: PyTorch's files both ways, damaged and hostile files, and disks that fill up."""

from __future__ import annotations

import collections
import copy
import io
import pickle
import struct
import sys
import zipfile
from typing import Any

import numpy as np
import pytest

import flambeau
from flambeau import _archive

DTYPES = list(flambeau.dtypes.dtype.by_name)


def written(library: Any, thing: Any, **options: Any) -> io.BytesIO:
    """What a library's save makes of an object."""
    file = io.BytesIO()
    library.save(thing, file, **options)
    file.seek(0)
    return file


def carried(source: Any, target: Any, thing: Any, **options: Any) -> Any:
    """An object saved by one library and loaded by another."""
    return target.load(written(source, thing), **options)


def raw(t: Any) -> tuple:
    """All there is to compare of a tensor of either library: dtype, shape and bytes."""
    if isinstance(t, flambeau.Tensor):
        return str(t.dtype), tuple(t.shape), np.ascontiguousarray(t._value()).tobytes()
    import torch

    plain = t.detach().resolve_conj().resolve_neg().contiguous().reshape(-1)
    return str(t.dtype), tuple(t.shape), bytes(plain.view(torch.uint8).tolist()) if plain.numel() else b""


def same(mine: Any, theirs: Any) -> None:
    """Asserts that nested containers of tensors agree, bit for bit."""
    if hasattr(mine, "_is_view"):
        assert raw(mine) == raw(theirs)
        assert mine.requires_grad == theirs.requires_grad
    elif isinstance(mine, dict):
        assert type(mine).__name__ == type(theirs).__name__ and list(mine) == list(theirs)
        for key in mine:
            same(mine[key], theirs[key])
    elif isinstance(mine, (list, tuple)):
        assert type(mine).__name__ == type(theirs).__name__ and len(mine) == len(theirs)
        for a, b in zip(mine, theirs, strict=True):
            same(a, b)
    else:
        assert repr(mine) == repr(theirs)


def bits(name: str, count: int) -> np.ndarray:
    """Random bytes as elements of a type, so that NaN with payloads and odd numbers are among them."""
    drawn = np.random.default_rng(7)
    if name == "bool":
        return drawn.integers(0, 2, count).astype(np.uint8)
    return drawn.integers(0, 256, count * flambeau.dtypes.dtype.by_name[name].itemsize).astype(np.uint8)


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (5,), (2, 0, 3), (3, 1, 4)])
def test_dtypes_from_pytorch_and_back(torch, name, shape):
    count = int(np.prod(shape))
    memory = bits(name, count)
    theirs = (
        torch.frombuffer(bytearray(memory), dtype=getattr(torch, name)).reshape(shape)
        if count
        else torch.empty(shape, dtype=getattr(torch, name))
    )
    mine = carried(torch, flambeau, theirs)
    same(mine, theirs)
    same(mine, carried(flambeau, torch, mine))
    same(carried(flambeau, flambeau, mine), mine)


def nested(library: Any) -> dict:
    w = library.arange(12, dtype=library.float32).reshape(3, 4)
    return {
        "whole": w,
        "row": w[1],
        "turned": w.t(),
        "stepped": w[:, ::2],
        "spread": w[0].expand(2, 4),
        "grad": library.ones(2, requires_grad=True),
        "parameter": library.nn.Parameter(library.zeros(2, 2)),
        "frozen": library.nn.Parameter(library.ones(1), requires_grad=False),
        "list": [1, -5, 2**40, -(2**70), 1.5, float("inf"), "text é", b"bytes", bytearray(b"ba"), None, True, False],
        "tuple": (1, (2, (3, (4,), 5, 6)), ()),
        "set": {3},
        "complex": 2 - 1j,
        "ordered": collections.OrderedDict(a=1),
        "counter": collections.Counter("aab"),
        "dtype": library.int64,
        "half": library.bfloat16,
        "device": library.device("cpu"),
        "cuda": library.device("cuda", 1),
        "size": w.shape,
        "layout": library.strided,
        5: "int key",
        (1, 2): "tuple key",
    }


def test_nested_both_ways(torch):
    theirs = nested(torch)
    mine = carried(torch, flambeau, theirs)
    same(mine, theirs)
    own = nested(flambeau)
    same(own, carried(flambeau, torch, own))
    same(own, carried(flambeau, flambeau, own))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickle_protocols(torch, protocol):
    own = nested(flambeau)
    same(own, flambeau.load(written(flambeau, own, pickle_protocol=protocol)))
    same(own, torch.load(written(flambeau, own, pickle_protocol=protocol), weights_only=False))


def test_frozenset_is_read():
    assert carried(flambeau, flambeau, [frozenset({1, 2}), frozenset()]) == [frozenset({1, 2}), frozenset()]


def test_values_that_share_memory_are_stored_once_and_still_share(torch):
    w = flambeau.zeros(1000)
    thing = {"w": w, "part": w[10:20], "detached": w.detach(), "folded": w.view(10, 100)}
    file = written(flambeau, thing)
    names = zipfile.ZipFile(file).namelist()
    assert sum("/data/" in name for name in names) == 1
    for library in (torch, flambeau):
        file.seek(0)
        found = library.load(file)
        found["part"].fill_(3)
        assert found["w"].sum().item() == found["folded"].sum().item() == found["detached"].sum().item() == 30
        found["folded"][0, 0] = 5
        assert found["w"][0].item() == 5
    theirs = torch.zeros(1000)
    found = carried(torch, flambeau, [theirs[5:10], theirs])
    found[0].fill_(1)
    assert found[1].sum().item() == 5


def test_the_same_object_makes_the_same_file():
    thing = {"a": flambeau.arange(5), "b": [1, "x"]}
    assert written(flambeau, thing).getvalue() == written(flambeau, thing).getvalue()
    assert written(flambeau, thing).getvalue() != written(flambeau, {**thing, "a": flambeau.ones(5)}).getvalue()


def test_a_view_alone_keeps_its_place(torch):
    theirs = torch.arange(12.0).reshape(3, 4).t()
    mine = carried(torch, flambeau, theirs)
    assert mine.stride() == theirs.stride() and not mine.is_contiguous()
    assert carried(flambeau, torch, mine).stride() == (1, 4)
    assert carried(torch, flambeau, torch.arange(10.0)[4:6]).storage_offset() == 4


def test_conjugates_and_imaginary_parts(torch):
    theirs = torch.tensor([1 + 2j, 3 - 4j])
    same(carried(torch, flambeau, [theirs, theirs.conj()]), [theirs, theirs.conj()])
    same(carried(torch, flambeau, theirs.conj().imag), theirs.conj().imag)
    mine = flambeau.tensor([1 + 2j, 3 - 4j])
    views = [mine, mine.conj(), mine.real, flambeau.view_as_real(mine)]
    same(carried(flambeau, torch, views), views)


def test_pending_values_are_computed(both):
    x = flambeau.ones(3) * 2
    assert carried(flambeau, flambeau, {"x": x, "y": x + 1})["y"].tolist() == [3, 3, 3]


def net(library: Any) -> Any:
    n = library.nn
    return n.Sequential(
        n.Conv2d(1, 2, 3),
        n.BatchNorm2d(2),
        n.ReLU(),
        n.MaxPool2d(2),
        n.Flatten(),
        n.Linear(18, 4),
        n.Dropout(0.0),
        n.GELU(),
        n.ModuleList([n.LayerNorm(4)])[0],
        n.Linear(4, 2, bias=False),
    )


def test_state_dict_with_metadata(torch):
    theirs = net(torch)
    found = carried(torch, flambeau, theirs.state_dict())
    same(found, theirs.state_dict())
    assert found._metadata == theirs.state_dict()._metadata
    mine = net(flambeau)
    assert str(mine.load_state_dict(found)) == "<All keys matched successfully>"
    back = carried(flambeau, torch, mine.state_dict())
    assert back._metadata == mine.state_dict()._metadata
    theirs.load_state_dict(back)
    same(mine.state_dict(), theirs.state_dict())


@pytest.mark.parametrize(
    "name, options",
    [("SGD", {"momentum": 0.9}), ("Adam", {"amsgrad": True}), ("AdamW", {}), ("RMSprop", {}), ("Adagrad", {})],
)
def test_training_goes_on_in_the_other_library(torch, name, options):
    """Two steps, a checkpoint to the other library, two more: the same weights as four steps in one."""

    def steps(library, model, optimizer, count):
        for k in range(count):
            optimizer.zero_grad()
            ((model(library.ones(2, 3) * (k + 1)) - 1) ** 2).mean().backward()
            optimizer.step()

    def made(library, state=None):
        model = library.nn.Linear(3, 2)
        optimizer = getattr(library.optim, name)(model.parameters(), lr=0.01, **options)
        if state is not None:
            model.load_state_dict(state["model"])
            optimizer.load_state_dict(state["optimizer"])
        return model, optimizer

    for source, target in ((torch, flambeau), (flambeau, torch)):
        model, optimizer = made(source)
        steps(source, model, optimizer, 2)
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 2}
        other, other_optimizer = made(target, carried(source, target, state))
        same(
            carried(target, source, other_optimizer.state_dict())["state"],
            carried(source, source, optimizer.state_dict())["state"],
        )
        steps(source, model, optimizer, 2)
        steps(target, other, other_optimizer, 2)
        np.testing.assert_allclose(other.weight.detach().numpy(), model.weight.detach().numpy(), rtol=2e-6)


def modules(library: Any) -> list:
    n = library.nn
    layer = n.TransformerEncoderLayer(4, 2, 8, batch_first=True, dropout=0.0)
    return [
        (net(library), (2, 1, 8, 8)),
        (n.LSTM(3, 4, 2), (5, 1, 3)),
        (n.GRU(3, 4), (5, 1, 3)),
        (layer, (2, 3, 4)),
        (n.TransformerEncoder(layer, 2, enable_nested_tensor=False), (2, 3, 4)),
        (n.Sequential(collections.OrderedDict(a=n.Linear(2, 3), b=n.Softmax(dim=1), c=n.PReLU())), (4, 2)),
        (
            n.Sequential(
                n.Upsample(scale_factor=2), n.Conv1d(1, 1, 3, padding="same"), n.GroupNorm(1, 1), n.AvgPool1d(2)
            ),
            (2, 1, 8),
        ),
        (
            n.Sequential(n.ConvTranspose2d(1, 2, 3), n.InstanceNorm2d(2), n.LeakyReLU(), n.AdaptiveAvgPool2d(1)),
            (2, 1, 5, 5),
        ),
    ]


@pytest.mark.parametrize("index", range(8))
def test_whole_modules(torch, index):
    theirs, shape = modules(torch)[index]
    mine = carried(torch, flambeau, theirs, weights_only=False)
    assert type(mine).__module__.startswith("flambeau.") and repr(mine) == repr(theirs)
    back = carried(flambeau, torch, mine, weights_only=False)
    assert type(back) is type(theirs) and repr(back) == repr(theirs)
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    outputs = [
        m(lib.from_numpy(x)) for m, lib in ((theirs.eval(), torch), (mine.eval(), flambeau), (back.eval(), torch))
    ]
    first, second, third = [(o[0] if isinstance(o, tuple) else o).detach().numpy() for o in outputs]
    np.testing.assert_allclose(second, first, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(third, first)


def test_every_layer_that_both_have_is_written_under_its_place_in_pytorch(torch):
    from flambeau._pickling import torch_path

    checked = 0
    for name, kind in vars(flambeau.nn).items():
        theirs = getattr(torch.nn, name, None)
        if isinstance(kind, type) and isinstance(theirs, type) and issubclass(theirs, torch.nn.Module):
            module, qualified = torch_path(kind)
            __import__(module)
            assert getattr(sys.modules[module], qualified) is theirs
            checked += 1
    assert checked > 100
    for name, kind in vars(flambeau.optim).items():
        if isinstance(kind, type):
            module, qualified = torch_path(kind)
            assert getattr(sys.modules[module], qualified) is getattr(torch.optim, name)


def test_whole_optimizer(torch):
    p = torch.nn.Parameter(torch.ones(2))
    theirs = torch.optim.Adam([p], lr=0.5)
    p.grad = torch.ones(2)
    theirs.step()
    mine = carried(torch, flambeau, theirs, weights_only=False)
    assert type(mine) is flambeau.optim.Adam
    same(list(mine.state.values()), list(theirs.state.values()))
    back = carried(flambeau, torch, mine, weights_only=False)
    same(list(mine.state.values()), list(back.state.values()))
    assert back.param_groups[0]["lr"] == 0.5


def test_tied_parameters_stay_one():
    a, b = flambeau.nn.Linear(2, 2), flambeau.nn.Linear(2, 2)
    b.weight = a.weight
    found = carried(flambeau, flambeau, flambeau.nn.Sequential(a, b), weights_only=False)
    assert found[0].weight is found[1].weight
    both = carried(flambeau, flambeau, {"model": a, "state": a.state_dict()}, weights_only=False)
    both["state"]["weight"].fill_(7)
    assert both["model"].weight.sum().item() == 28


class Own(flambeau.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = flambeau.nn.Linear(2, 1)
        self.register_buffer("mean", flambeau.ones(2))
        self.note = "kept"

    def forward(self, x):
        return self.layer(x - self.mean)


def test_own_modules():
    model = Own()
    found = carried(flambeau, flambeau, model, weights_only=False)
    assert found.note == "kept" and type(found) is Own
    assert found(flambeau.ones(1, 2)).tolist() == model(flambeau.ones(1, 2)).tolist()
    with pytest.raises(pickle.UnpicklingError, match="Unsupported global: GLOBAL .*Own"):
        carried(flambeau, flambeau, model)


def test_attributes_and_lazy_parameters(torch):
    theirs = torch.ones(2)
    theirs.tag = "kept"
    assert carried(torch, flambeau, theirs).tag == "kept"
    mine = flambeau.nn.Parameter(flambeau.ones(2))
    mine.tag = {"a": 1}
    assert carried(flambeau, torch, mine).tag == {"a": 1}
    lazy = carried(flambeau, torch, flambeau.nn.UninitializedParameter(), weights_only=False)
    assert type(lazy) is torch.nn.UninitializedParameter
    assert type(carried(torch, flambeau, lazy, weights_only=False)) is flambeau.nn.UninitializedParameter


def test_pickle_and_deepcopy_still_work():
    model = Own()
    for found in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert isinstance(found.layer.weight, flambeau.nn.Parameter)
        assert found.layer.weight.tolist() == model.layer.weight.tolist()


# ---- the archive itself


def test_layout_of_the_archive(torch, tmp_path):
    path = tmp_path / "model.pt"
    flambeau.save({"a": flambeau.arange(5), "empty": flambeau.zeros(0), "b": flambeau.ones(3)}, path)
    data = path.read_bytes()
    archive = zipfile.ZipFile(path)
    assert archive.testzip() is None
    torch.save({"a": torch.arange(5), "empty": torch.zeros(0), "b": torch.ones(3)}, tmp_path / "theirs.pt")
    theirs = zipfile.ZipFile(tmp_path / "theirs.pt")
    assert [n.partition("/")[2] for n in archive.namelist()] == [n.partition("/")[2] for n in theirs.namelist()]
    assert all(name.startswith("model/") for name in archive.namelist())
    assert {
        n: archive.read("model/" + n) for n in (".format_version", ".storage_alignment", "byteorder", "version")
    } == {".format_version": b"1", ".storage_alignment": b"64", "byteorder": sys.byteorder.encode(), "version": b"3\n"}
    for entry in archive.infolist():
        name, extra = struct.unpack("<HH", data[entry.header_offset + 26 : entry.header_offset + 30])
        assert (entry.header_offset + 30 + name + extra) % 64 == 0


@pytest.mark.parametrize("calculated", [False, True])
def test_mapping_into_memory(torch, tmp_path, calculated, monkeypatch):
    path = tmp_path / "model.pt"
    thing = {"a": flambeau.arange(1000), "empty": flambeau.zeros(0), "b": flambeau.ones(3)}
    flambeau.save(thing, path)
    monkeypatch.setenv("TORCH_SERIALIZATION_DEBUG", "1")
    with torch.utils.serialization.config.patch("load.calculate_storage_offsets", calculated):
        same(thing, torch.load(path, mmap=True))
    found = flambeau.load(path, mmap=True)
    same(thing, found)
    before = path.read_bytes()
    found["a"].fill_(3)
    found["a"].sum().item()
    assert path.read_bytes() == before
    with pytest.raises(ValueError, match="f must be a file path in order to use the mmap argument"):
        flambeau.load(io.BytesIO(before), mmap=True)


def test_wide_fields(torch, monkeypatch):
    """The 64-bit fields of archives beyond 4 GiB, with the bound lowered so that a small one has them."""
    monkeypatch.setattr(_archive, "LIMIT", 500)
    thing = {"a": flambeau.arange(100), "b": flambeau.ones(3)}
    real = struct.pack

    def pack(form, *values):  # the mark that a wide field follows is all ones, whatever the bound
        if form.endswith(("5H3L2H", "6H3L5H2L", "4H2LH")):
            values = tuple(0xFFFFFFFF if v == 500 else v for v in values)
        return real(form, *values)

    monkeypatch.setattr(_archive.struct, "pack", pack)
    file = written(flambeau, thing)
    monkeypatch.undo()
    assert zipfile.ZipFile(file).testzip() is None
    file.seek(0)
    same(thing, torch.load(file))
    file.seek(0)
    same(thing, flambeau.load(file))


@pytest.mark.parametrize("name", DTYPES)
def test_other_byte_order(torch, name):
    theirs = torch.frombuffer(bytearray(bits(name, 4)), dtype=getattr(torch, name))
    source = zipfile.ZipFile(written(torch, theirs))
    file = io.BytesIO()
    width = theirs.element_size() // (2 if theirs.is_complex() else 1)
    with zipfile.ZipFile(file, "w") as target:
        for entry in source.namelist():
            data = source.read(entry)
            if entry.endswith("/byteorder"):
                data = b"big"
            elif entry.endswith("/data/0"):
                data = b"".join(data[i : i + width][::-1] for i in range(0, len(data), width))
            target.writestr(entry, data)
    file.seek(0)
    same(flambeau.load(file), theirs)


def test_compressed_again_is_read(torch):
    source = zipfile.ZipFile(written(torch, torch.arange(10)))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as target:
        for entry in source.namelist():
            target.writestr(entry, source.read(entry))
    file.seek(0)
    assert flambeau.load(file).tolist() == list(range(10))


def test_without_checksums(torch):
    torch.serialization.set_crc32_options(False)
    flambeau.serialization.set_crc32_options(False)
    try:
        file, own = written(torch, torch.ones(3)), written(flambeau, flambeau.ones(3))
    finally:
        torch.serialization.set_crc32_options(True)
        flambeau.serialization.set_crc32_options(True)
    assert (
        flambeau.load(file).tolist()
        == flambeau.load(own).tolist()
        == torch.load(io.BytesIO(own.getvalue())).tolist()
        == [1, 1, 1]
    )


# ---- the old format


def test_old_format_both_ways(torch):
    theirs = nested(torch)
    old = written(torch, theirs, _use_new_zipfile_serialization=False)
    same(flambeau.load(old), theirs)
    old.seek(0)
    same(flambeau.load(old, weights_only=False), theirs)
    own = nested(flambeau)
    same(own, torch.load(written(flambeau, own, _use_new_zipfile_serialization=False)))
    module = flambeau.load(
        written(torch, torch.nn.Linear(2, 3), _use_new_zipfile_serialization=False), weights_only=False
    )
    assert module(flambeau.ones(1, 2)).shape == (1, 3)


def test_old_format_twice_in_one_file(torch):
    file = io.BytesIO()
    for value in (1.0, 2.0):
        torch.save(torch.full((3,), value), file, _use_new_zipfile_serialization=False)
    file.seek(0)
    assert flambeau.load(file).tolist() == [1, 1, 1]
    assert flambeau.load(file).tolist() == [2, 2, 2]


# ---- places


def test_map_location(torch):
    def data():
        return io.BytesIO(written(torch, {"a": torch.ones(2)}).getvalue())

    seen = []
    for where in (
        "cpu",
        flambeau.device("cpu"),
        {"cuda:0": "cpu"},
        {"cpu": "cpu"},
        lambda storage, place: storage,
        lambda storage, place: seen.append((place, storage.nbytes())),
    ):
        assert flambeau.load(data(), where)["a"].tolist() == [1, 1]
    assert seen == [("cpu", 8)]
    with pytest.raises(
        RuntimeError, match="Attempting to deserialize object on a CUDA device but torch.cuda.is_available"
    ):
        flambeau.load(data(), "cuda")
    with pytest.raises(RuntimeError, match="don't know how to restore data location of torch.storage.UntypedStorage"):
        flambeau.load(data(), "nowhere")


def test_file_saved_on_a_gpu(torch):
    plain = written(torch, torch.ones(2)).getvalue()
    source = zipfile.ZipFile(io.BytesIO(plain))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as target:
        for entry in source.namelist():
            target.writestr(entry, source.read(entry).replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0"))
    file.seek(0)
    with pytest.raises(RuntimeError, match="Attempting to deserialize object on a CUDA device"):
        flambeau.load(file)
    file.seek(0)
    assert flambeau.load(file, map_location="cpu").tolist() == [1, 1]


# ---- what may be named


class Plain:
    def __init__(self):
        self.value = 3


class WithState(Plain):
    def __setstate__(self, state):
        self.value = state["value"] + 1


def test_safe_globals():
    serialization = flambeau.serialization
    file = written(flambeau, [Plain(), WithState(), Plain])
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed.*Plain"):
        flambeau.load(file)
    file.seek(0)
    with serialization.safe_globals([Plain, WithState]):
        found = flambeau.load(file)
        assert found[0].value == 3 and found[1].value == 4 and found[2] is Plain
    assert serialization.get_safe_globals() == []
    serialization.add_safe_globals([Plain, (WithState, f"{__name__}.WithState")])
    assert Plain in serialization.get_safe_globals()
    file.seek(0)
    assert flambeau.load(file)[1].value == 4
    serialization.clear_safe_globals()
    file.seek(0)
    with pytest.raises(pickle.UnpicklingError):
        flambeau.load(file)


def test_unsafe_names_are_listed(torch, tmp_path):
    listed = flambeau.serialization.get_unsafe_globals_in_checkpoint
    theirs = {"a": torch.ones(2), "b": torch.nn.Linear(1, 1), "c": Plain(), "d": {1}}
    file = written(torch, theirs)
    names = sorted(torch.serialization.get_unsafe_globals_in_checkpoint(file))
    file.seek(0)
    assert listed(file) == names == sorted(["torch.nn.modules.linear.Linear", f"{__name__}.Plain"])
    flambeau.save([1, flambeau.ones(2)], tmp_path / "safe.pt")
    assert listed(tmp_path / "safe.pt") == []
    with pytest.raises(ValueError, match="Expected input to be a checkpoint"):
        listed(io.BytesIO(b"nothing"))


def test_modules_declared_safe(torch):
    nn = flambeau.nn
    with flambeau.serialization.safe_globals([nn.Linear, nn.Sequential, nn.ReLU]):
        found = carried(torch, flambeau, torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.ReLU()))
    assert found(flambeau.ones(1, 2)).shape == (1, 1)


def test_numpy_values_once_declared(torch):
    theirs = {"scalar": np.float64(1.5), "array": np.arange(4.0)}
    file = written(torch, theirs)
    with pytest.raises(pickle.UnpicklingError, match="GLOBAL numpy"):
        flambeau.load(file)
    multiarray = np._core.multiarray
    with flambeau.serialization.safe_globals(
        [multiarray.scalar, multiarray._reconstruct, np.ndarray, np.dtype, np.dtypes.Float64DType]
    ):
        file.seek(0)
        found = flambeau.load(file)
    assert found["scalar"] == 1.5 and found["array"].tolist() == [0, 1, 2, 3]
