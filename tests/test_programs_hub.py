"""torch.hub: models of a local folder, files by address."""

import hashlib
import os
import zipfile

import pytest

import flambeau
from flambeau import hub

HUBCONF = '''
dependencies = ["math"]
import helper_of_this_hub
import torch
def linear(size, bias=True):
    """A layer."""
    return torch.nn.Linear(size, helper_of_this_hub.WIDTH, bias=bias)
def _hidden():
    pass
'''


@pytest.fixture
def folder(tmp_path, monkeypatch):
    import sys

    if "torch" not in sys.modules:
        monkeypatch.setitem(sys.modules, "torch", flambeau)
    place = tmp_path / "repo"
    place.mkdir()
    (place / "hubconf.py").write_text(HUBCONF)
    (place / "helper_of_this_hub.py").write_text("WIDTH = 3\n")
    return place


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(hub, "_dir", None)
    return tmp_path / "home"


def test_models_of_a_folder(folder):
    layer = hub.load(str(folder), "linear", 2, source="local", bias=False)
    assert tuple(layer.weight.shape) == (3, 2) and layer.bias is None
    assert hub.list(str(folder), source="local") == ["linear"]
    assert hub.help(str(folder), "linear", source="local") == "A layer."
    with pytest.raises(RuntimeError, match="Cannot find callable conv in hubconf"):
        hub.load(str(folder), "conv", source="local")
    (folder / "hubconf.py").write_text("dependencies = ['no_such_module_at_all']\n")
    with pytest.raises(RuntimeError, match="Missing dependencies: no_such_module_at_all"):
        hub.load(str(folder), "linear", source="local")


def test_code_is_not_downloaded(home, folder):
    with pytest.raises(NotImplementedError, match="owner_name_main|owner_name_master"):
        hub.load("owner/name", "linear")
    with pytest.raises(ValueError, match='Unknown source: "web"'):
        hub.load("owner/name", "linear", source="web")
    with pytest.raises(FileNotFoundError):
        hub.load(str(home), "linear", source="local")
    place = home / "hub" / "owner_name_v1"
    place.parent.mkdir(parents=True)
    folder.rename(place)
    assert hub.list("owner/name:v1") == ["linear"]


def test_where_downloads_go(home, tmp_path, monkeypatch):
    assert hub.get_dir() == str(home / "hub")
    hub.set_dir(tmp_path / "other")
    assert hub.get_dir() == str(tmp_path / "other")
    monkeypatch.setattr(hub, "_dir", None)
    monkeypatch.delenv("TORCH_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert hub.get_dir() == os.path.join(str(tmp_path), "torch", "hub")


def test_weights_by_address(home, tmp_path, capsys):
    source = tmp_path / "weights.pt"
    flambeau.save({"w": flambeau.ones(2)}, source)
    assert hub.load_state_dict_from_url(source.as_uri())["w"].tolist() == [1.0, 1.0]
    kept = home / "hub" / "checkpoints" / "weights.pt"
    assert kept.exists() and os.listdir(kept.parent) == ["weights.pt"] and "Downloading" in capsys.readouterr().err
    source.unlink()
    again = flambeau.utils.model_zoo.load_url(source.as_uri(), weights_only=True)
    assert again["w"].tolist() == [1.0, 1.0] and capsys.readouterr().err == ""
    with pytest.raises(RuntimeError, match="put the file at .*missing.pt"):
        hub.load_state_dict_from_url((tmp_path / "missing.pt").as_uri())


def test_a_hash_is_checked(home, tmp_path):
    source = tmp_path / "data.bin"
    source.write_bytes(b"abc" * 100_000)
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    target = tmp_path / "copy.bin"
    hub.download_url_to_file(source.as_uri(), str(target), digest[:8], progress=False)
    assert target.read_bytes() == source.read_bytes()
    with pytest.raises(RuntimeError, match="invalid hash value"):
        hub.download_url_to_file(source.as_uri(), str(tmp_path / "second.bin"), "0" * 8)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.bin", "data.bin"]


def test_a_zipped_checkpoint(home, tmp_path):
    flambeau.save({"w": flambeau.ones(2)}, tmp_path / "w.pth", _use_new_zipfile_serialization=False)
    with zipfile.ZipFile(tmp_path / "old.zip", "w") as archive:
        archive.write(tmp_path / "w.pth", "w.pth")
    assert hub.load_state_dict_from_url((tmp_path / "old.zip").as_uri())["w"].tolist() == [1.0, 1.0]
