"""The datasets of pictures, from small files in their formats, and against torchvision where it is installed."""

import bz2
import gzip
import importlib
import io
import pathlib
import pickle
import subprocess
import sys
import tarfile

import numpy as np
import pytest

import flambeau
from flambeau.vision import datasets
from flambeau.vision.datasets import utils

pytest.importorskip("PIL")


@pytest.fixture(scope="session")
def torchvision():
    """torchvision, the reference, where it is installed."""
    return pytest.importorskip("torchvision")


def numbers(*shape, seed=0):
    return np.random.RandomState(seed).randint(0, 256, shape).astype(np.uint8)


def idx(array, kind=8):
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, kind, array.ndim]) + sizes + array.astype({8: "u1", 12: ">i4"}[kind]).tobytes()


def write_mnist(folder, packed=False, count=7, prefixes=("train", "t10k")):
    folder.mkdir(parents=True, exist_ok=True)
    for seed, prefix in enumerate(prefixes):
        labels = np.arange(count) % 10
        for name, array in (("images-idx3-ubyte", numbers(count, 28, 28, seed=seed)), ("labels-idx1-ubyte", labels)):
            if packed:
                (folder / f"{prefix}-{name}.gz").write_bytes(gzip.compress(idx(array)))
            else:
                (folder / f"{prefix}-{name}").write_bytes(idx(array))


# ---- MNIST and its kin


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("place", ["MNIST/raw", "MNIST", "."])
def test_mnist_is_found_where_it_may_lie(tmp_path, place, packed):
    write_mnist(tmp_path / place, packed)
    train, test = datasets.MNIST(tmp_path), datasets.MNIST(str(tmp_path), train=False)
    assert np.array_equal(train.data.numpy(), numbers(7, 28, 28, seed=0))
    assert np.array_equal(test.data.numpy(), numbers(7, 28, 28, seed=1))
    assert train.data.dtype == flambeau.uint8 and train.targets.dtype == flambeau.int64
    image, label = train[3]
    assert image.mode == "L" and image.size == (28, 28) and label == 3 and type(label) is int
    assert np.array_equal(np.array(image), numbers(7, 28, 28, seed=0)[3])


def test_mnist_in_full(tmp_path):
    write_mnist(tmp_path / "MNIST/raw")
    data = datasets.MNIST(tmp_path, transform=lambda image: image.size, target_transform=lambda label: -label)
    assert data[6] == ((28, 28), -6) and len(data) == 7 and data.train is True
    assert data.classes[9] == "9 - nine" and data.class_to_idx["0 - zero"] == 0
    assert len(list(data)) == 7  # iteration ends with IndexError
    with pytest.warns(UserWarning, match="train_labels has been renamed targets"):
        assert data.train_labels is data.targets
    data.data = data.data[:2]
    assert len(data) == 2


def test_a_picture_does_not_change_with_the_data(tmp_path):
    write_mnist(tmp_path)
    data = datasets.MNIST(tmp_path)
    before = data[0][0]
    data.data[0] = 7
    assert before.tobytes() == numbers(7, 28, 28, seed=0)[0].tobytes() and set(data[0][0].tobytes()) == {7}


def test_missing_files_are_named(tmp_path):
    with pytest.raises(RuntimeError, match=r"^Dataset not found. You can use download=True to download it\n") as caught:
        datasets.MNIST(tmp_path, train=False)
    assert str(tmp_path / "MNIST" / "raw") in str(caught.value) and "t10k-labels-idx1-ubyte" in str(caught.value)
    assert not any(tmp_path.iterdir())


def test_a_failed_download_says_what_to_put_where(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.MNIST, "mirrors", ["file:///nowhere/"])
    with pytest.raises(RuntimeError, match=r"^Error downloading train-images-idx3-ubyte.gz:\nTried file:") as caught:
        datasets.MNIST(tmp_path, download=True)
    assert f"Put the file train-images-idx3-ubyte.gz into the folder {tmp_path / 'MNIST' / 'raw'}" in str(caught.value)
    assert not list(tmp_path.rglob("*.*"))


def test_a_download(tmp_path, monkeypatch):
    write_mnist(tmp_path / "server", packed=True)
    files = sorted((tmp_path / "server").iterdir())
    monkeypatch.setattr(datasets.MNIST, "mirrors", ["file:///nowhere/", (tmp_path / "server").as_uri() + "/"])
    monkeypatch.setattr(datasets.MNIST, "resources", [(f.name, utils.calculate_md5(f)) for f in files])
    data = datasets.MNIST(tmp_path / "root", download=True)
    assert len(data) == 7
    raw = pathlib.Path(data.raw_folder)
    assert {f.name for f in raw.iterdir()} == {f.name for f in files} | {f.stem for f in files}
    # What is there is not asked for again.
    monkeypatch.setattr(datasets.MNIST, "mirrors", [])
    assert len(datasets.MNIST(tmp_path / "root", download=True, train=False)) == 7
    # A file that is not the one that was published is refused and not left behind.
    monkeypatch.setattr(datasets.MNIST, "mirrors", [(tmp_path / "server").as_uri() + "/"])
    monkeypatch.setattr(datasets.MNIST, "resources", [(f.name, "0" * 32) for f in files])
    with pytest.raises(RuntimeError, match="is not whole: its md5 is not 000"):
        datasets.MNIST(tmp_path / "other", download=True)
    assert not list((tmp_path / "other").rglob("*ubyte*"))


@pytest.mark.parametrize(
    "data, said",
    [(b"PK\3\4 not this", "is not an IDX file"), (idx(numbers(2, 28, 28))[:-5], "is damaged: 1568 numbers expected")],
)
def test_damaged_files_are_refused(tmp_path, data, said):
    write_mnist(tmp_path)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(data)
    with pytest.raises(ValueError, match=said):
        datasets.MNIST(tmp_path)


def test_labels_must_be_as_many_as_pictures(tmp_path):
    write_mnist(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(np.arange(5)))
    with pytest.raises(ValueError, match="7 pictures in .* but 5 labels"):
        datasets.MNIST(tmp_path)


def test_the_kin_of_mnist(tmp_path):
    for name in ("FashionMNIST", "KMNIST"):
        write_mnist(tmp_path / name / "raw")
        assert len(getattr(datasets, name)(tmp_path)) == 7
    assert datasets.FashionMNIST(tmp_path).classes[9] == "Ankle boot" and datasets.KMNIST(tmp_path).classes[1] == "ki"
    write_mnist(tmp_path / "EMNIST/raw", packed=True, prefixes=("emnist-letters-train", "emnist-letters-test"))
    letters = datasets.EMNIST(tmp_path, split="letters", train=False)
    assert letters.classes[:3] == ["N/A", "a", "b"] and len(letters) == 7
    assert len(datasets.EMNIST.classes_split_dict["bymerge"]) == 47
    with pytest.raises(ValueError, match=r"^Unknown value 'x' for argument split. Valid values are {'byclass', 'bym"):
        datasets.EMNIST(tmp_path, split="x")
    raw = tmp_path / "QMNIST/raw"
    raw.mkdir(parents=True)
    facts = np.arange(24).reshape(3, 8)
    (raw / "qmnist-test-images-idx3-ubyte").write_bytes(idx(numbers(3, 28, 28)))
    (raw / "qmnist-test-labels-idx2-int").write_bytes(idx(facts, 12))
    assert datasets.QMNIST(tmp_path, what="test")[2][1] == 16
    assert datasets.QMNIST(tmp_path, train=False, compat=False)[1][1].tolist() == facts[1].tolist()
    assert repr(datasets.QMNIST(tmp_path, what="test10k")).endswith("Split: test10k")


# ---- CIFAR


def batch(count, seed, keys="labels"):
    return {"data": numbers(count, 3072, seed=seed), keys: [(seed + i) % 10 for i in range(count)], "filenames": ["x"]}


def write_cifar(folder, protocol=2):
    folder.mkdir(parents=True)
    for seed, name in enumerate([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]):
        (folder / name).write_bytes(pickle.dumps(batch(3, seed), protocol))
    meta = {"label_names": [f"kind {i}" for i in range(10)], "num_vis": 3072}
    (folder / "batches.meta").write_bytes(pickle.dumps(meta, protocol))


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_cifar(tmp_path, protocol):
    write_cifar(tmp_path / "cifar-10-batches-py", protocol)
    data, test = datasets.CIFAR10(tmp_path), datasets.CIFAR10(tmp_path, train=False)
    assert data.data.shape == (15, 32, 32, 3) and len(test) == 3 and type(data.targets) is list
    assert data.targets[:6] == [0, 1, 2, 1, 2, 3] and data.class_to_idx["kind 4"] == 4
    image, label = data[4]
    assert image.mode == "RGB" and label == 2
    assert np.array_equal(np.array(image), numbers(3, 3072, seed=1)[1].reshape(3, 32, 32).transpose(1, 2, 0))


def test_cifar_as_python_2_wrote_it(tmp_path):
    # Text of bytes, and NumPy's old names, as in the published files.
    pixels = numbers(2, 3072)
    text = pixels.tobytes()
    old = (
        b"\x80\x02}q\x01(U\x04dataq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nq\x04K\x00\x85"
        b"U\x01b\x87Rq\x05(K\x01K\x02M\x00\x0c\x86cnumpy\ndtype\nq\x06U\x02u1K\x00K\x01\x87Rq\x07"
        b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T" + len(text).to_bytes(4, "little") + text
        + b"tbU\x06labelsq\x08]q\x09(K\x05K\x06eu."
    )
    write_cifar(tmp_path / "cifar-10-batches-py")
    (tmp_path / "cifar-10-batches-py/test_batch").write_bytes(old)
    data = datasets.CIFAR10(tmp_path, train=False)
    assert data.targets == [5, 6] and np.array_equal(data.data.transpose(0, 3, 1, 2).reshape(2, 3072), pixels)


def test_cifar_from_the_archive(tmp_path):
    write_cifar(tmp_path / "made" / "cifar-10-batches-py")
    with tarfile.open(tmp_path / "cifar-10-python.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "made" / "cifar-10-batches-py", "cifar-10-batches-py")
    assert len(datasets.CIFAR10(tmp_path)) == 15
    assert len(datasets.CIFAR10(tmp_path, download=True)) == 15  # nothing is asked for
    assert len(datasets.CIFAR10(tmp_path / "made" / "cifar-10-batches-py")) == 15  # the folder itself


def test_cifar_100(tmp_path):
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    (folder / "train").write_bytes(pickle.dumps(batch(4, 3, "fine_labels")))
    (folder / "meta").write_bytes(pickle.dumps({"fine_label_names": ["apple", "bear"], "coarse_label_names": []}))
    data = datasets.CIFAR100(tmp_path)
    assert data.targets == [3, 4, 5, 6] and data.classes == ["apple", "bear"]
    with pytest.raises(RuntimeError, match=r"^Dataset not found or corrupted. You can use download=True"):
        datasets.CIFAR100(tmp_path, train=False)


class Planted:
    def __reduce__(self):
        return pathlib.Path.touch, (pathlib.Path("planted"),)


@pytest.mark.parametrize("planted", [Planted(), {"data": np.array([1, Planted()], dtype=object)}, {"data": np.ones(3)}])
def test_a_pickle_runs_nothing(tmp_path, monkeypatch, planted):
    monkeypatch.chdir(tmp_path)
    write_cifar(tmp_path / "cifar-10-batches-py")
    (tmp_path / "cifar-10-batches-py/test_batch").write_bytes(pickle.dumps(planted))
    with pytest.raises(pickle.UnpicklingError, match="may not name|arrays of bytes"):
        datasets.CIFAR10(tmp_path, train=False)
    assert not (tmp_path / "planted").exists()


# ---- the others


def test_svhn(tmp_path):
    from scipy.io import savemat

    pixels = numbers(32, 32, 3, 4)
    savemat(tmp_path / "train_32x32.mat", {"X": pixels, "y": np.array([[1], [10], [9], [10]], dtype=np.uint8)})
    data = datasets.SVHN(tmp_path)
    assert data.labels.tolist() == [1, 0, 9, 0] and data.data.shape == (4, 3, 32, 32)
    assert np.array_equal(np.array(data[2][0]), pixels[..., 2])


def test_stl10(tmp_path):
    folder = tmp_path / "stl10_binary"
    folder.mkdir()
    pixels = numbers(4, 3, 96, 96)
    pixels.transpose(0, 1, 3, 2).tofile(folder / "train_X.bin")
    np.array([1, 2, 10, 3], dtype=np.uint8).tofile(folder / "train_y.bin")
    pixels.tofile(folder / "unlabeled_X.bin")
    (folder / "fold_indices.txt").write_text("0 1\n3 2\n")
    data = datasets.STL10(tmp_path, folds=1)
    assert data.labels.tolist() == [2, 9]
    assert np.array_equal(np.array(data[0][0]), pixels[3].transpose(1, 2, 0))
    assert datasets.STL10(tmp_path, "train+unlabeled").labels.tolist() == [0, 1, 9, 2, -1, -1, -1, -1]
    with pytest.raises(ValueError, match="in the range"):
        datasets.STL10(tmp_path, folds=10)


def test_usps(tmp_path):
    line = "3 " + " ".join(f"{i + 1}:{-1 + i / 127.5:.4f}" for i in range(256))
    (tmp_path / "usps.bz2").write_bytes(bz2.compress((line + "\n").encode()))
    data = datasets.USPS(tmp_path)
    assert data[0][1] == 2 and np.abs(np.array(data[0][0]).reshape(-1) - np.arange(256.0)).max() <= 1


def write_pictures(root, names):
    from PIL import Image

    for seed, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(numbers(5, 6, 3, seed=seed)).save(root / name)


PICTURES = ["cat/b.png", "cat/a.PNG", "cat/deep/c.bmp", "dog/z.png", "dog/y.png", "ant/one.png"]


def test_image_folder(tmp_path):
    write_pictures(tmp_path, PICTURES)
    (tmp_path / "cat/notes.txt").write_text("no picture")
    data = datasets.ImageFolder(tmp_path, transform=lambda image: np.array(image))
    assert data.classes == ["ant", "cat", "dog"] and data.targets == [0, 1, 1, 1, 2, 2]
    names = ["ant/one.png", "cat/a.PNG", "cat/b.png", "cat/deep/c.bmp", "dog/y.png", "dog/z.png"]
    assert [pathlib.Path(path).relative_to(tmp_path).as_posix() for path, _ in data.imgs] == names
    assert np.array_equal(data[2][0], numbers(5, 6, 3, seed=0)) and data[2][1] == 1
    chosen = datasets.ImageFolder(tmp_path, is_valid_file=lambda path: "deep" in path, allow_empty=True)
    assert len(chosen) == 1 and chosen.class_to_idx == {"ant": 0, "cat": 1, "dog": 2}


def test_image_folder_complains(tmp_path):
    with pytest.raises(FileNotFoundError, match="Couldn't find any class folder in"):
        datasets.ImageFolder(tmp_path)
    (tmp_path / "bird").mkdir()
    with pytest.raises(FileNotFoundError, match=r"^Found no valid file for the classes bird. Supported ext"):
        datasets.ImageFolder(tmp_path)
    with pytest.raises(ValueError, match="Both extensions and is_valid_file cannot be None or not None"):
        datasets.DatasetFolder(tmp_path, loader=open)


def test_dataset_folder_may_be_overridden(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x/1.txt").write_text("one")

    class Texts(datasets.DatasetFolder):
        def find_classes(self, directory):
            return ["x"], {"x": 5}

    data = Texts(str(tmp_path), loader=lambda path: pathlib.Path(path).read_text(), extensions=(".txt",))
    assert data[0] == ("one", 5)


def test_fake_data_leaves_the_random_numbers_alone():
    flambeau.manual_seed(3)
    plain = flambeau.rand(2)
    flambeau.manual_seed(3)
    data = datasets.FakeData(4, (3, 5, 6), num_classes=3)
    first = data[1]
    assert (flambeau.rand(2) == plain).all()
    assert first[0].size == (6, 5) and data[1][0].tobytes() == first[0].tobytes() and type(first[1]) is int
    with pytest.raises(IndexError, match="FakeData index out of range"):
        data[4]


def test_transforms_together_exclude_the_single_ones():
    with pytest.raises(ValueError, match="Only transforms or transform/target_transform can be passed"):
        datasets.VisionDataset(transforms=print, transform=print)


# ---- against torchvision


def same(ours, theirs):
    assert repr(ours) == repr(theirs) and len(ours) == len(theirs)
    for i in range(len(theirs)):
        (image, label), (wanted, number) = ours[i], theirs[i]
        assert image.mode == wanted.mode and image.tobytes() == wanted.tobytes() and label == number


class Shown:
    def __call__(self, thing):
        return thing

    def __repr__(self):
        return "Shown(\n    twice\n)"


def test_against_torchvision(torchvision, tmp_path, monkeypatch):
    theirs = torchvision.datasets
    write_mnist(tmp_path / "MNIST/raw")
    write_pictures(tmp_path / "pictures", PICTURES)
    write_cifar(tmp_path / "cifar-10-batches-py")
    for train in (True, False):
        how = {"train": train, "transform": Shown(), "target_transform": Shown()}
        same(datasets.MNIST(str(tmp_path), **how), theirs.MNIST(str(tmp_path), **how))
    # Both take small batches for the published ones only if their checksums are not compared.
    monkeypatch.setattr(theirs.cifar, "check_integrity", lambda path, md5: True)
    same(datasets.CIFAR10(str(tmp_path)), theirs.CIFAR10(str(tmp_path)))
    pictures = str(tmp_path / "pictures")
    ours, wanted = datasets.ImageFolder(pictures, transform=Shown()), theirs.ImageFolder(pictures, transform=Shown())
    same(ours, wanted)
    assert ours.imgs == wanted.imgs and ours.class_to_idx == wanted.class_to_idx
    same(datasets.FakeData(6, (3, 7, 8), random_offset=5), theirs.FakeData(6, (3, 7, 8), random_offset=5))
    for split, names in datasets.EMNIST.classes_split_dict.items():
        assert names == theirs.EMNIST.classes_split_dict[split]
    for name in ("MNIST", "FashionMNIST", "KMNIST", "QMNIST"):
        assert getattr(datasets, name).resources == getattr(theirs, name).resources
        assert getattr(datasets, name).classes == getattr(theirs, name).classes


PUBLISHED = pathlib.Path(__file__).parent.parent.parent / "shared" / "data" / "mnist"


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="MNIST is not at hand")
def test_the_real_mnist():
    data = datasets.MNIST(PUBLISHED, train=False)
    assert len(data) == 10000 and data.targets[:5].tolist() == [7, 2, 1, 0, 4]
    assert int(data.data.long().sum()) == 264_923_200 and set(data[0][0].tobytes()) > {0, 255}


# ---- utils and io


def test_make_grid_by_hand():
    from flambeau.vision.utils import make_grid

    grid = make_grid(flambeau.arange(1, 4).float().reshape(3, 1, 1, 1), nrow=2, padding=1, pad_value=9)
    assert grid.shape == (3, 5, 5)
    assert grid[1].tolist() == [[9, 9, 9, 9, 9], [9, 1, 9, 2, 9], [9] * 5, [9, 3, 9, 9, 9], [9] * 5]


def test_a_saved_picture_comes_back(tmp_path):
    from flambeau.vision.io import ImageReadMode, decode_image, encode_jpeg, read_file, read_image, write_png
    from flambeau.vision.utils import save_image

    pixels = flambeau.from_numpy(numbers(3, 5, 6))
    save_image(pixels / 255, tmp_path / "a.png")
    write_png(pixels, tmp_path / "b.png")
    for name in ("a.png", "b.png"):
        assert (read_image(tmp_path / name) == pixels).all()
    assert (decode_image(read_file(tmp_path / "b.png"), "RGB") == pixels).all()
    grey = read_image(str(tmp_path / "b.png"), ImageReadMode.GRAY)
    assert grey.shape == (1, 5, 6) and grey.dtype == flambeau.uint8
    assert read_image(tmp_path / "b.png", ImageReadMode.RGB_ALPHA)[3].tolist() == [[255] * 6] * 5
    smooth = flambeau.full((3, 8, 8), 100, dtype=flambeau.uint8)
    assert (decode_image(encode_jpeg(smooth)).int() - 100).abs().max() <= 1
    with pytest.raises(RuntimeError, match="No such file or directory"):
        read_image(tmp_path / "none.png")
    with pytest.raises(RuntimeError, match="Unsupported image file"):
        decode_image(flambeau.zeros(9, dtype=flambeau.uint8))


def ways(*options):
    return pytest.mark.parametrize("options", options, ids=str)


@ways({}, {"nrow": 3, "padding": 1, "pad_value": 0.5}, {"normalize": True}, {"normalize": True, "scale_each": True},
      {"normalize": True, "value_range": (0, 1)}, {"padding": 0})
@pytest.mark.parametrize("shape", [(10, 3, 5, 7), (7, 1, 4, 4), (1, 3, 5, 5), (3, 5, 5), (1, 5, 5), (5, 6)])
def test_grids_equal_torchvisions(torch, torchvision, shape, options):
    values = (np.random.RandomState(1).rand(*shape) * 3 - 1).astype(np.float32)
    ours, theirs = io.BytesIO(), io.BytesIO()
    mine, wanted = flambeau.from_numpy(values.copy()), torch.from_numpy(values.copy())
    found = flambeau.vision.utils.make_grid(mine, **options)
    assert np.array_equal(found.numpy(), torchvision.utils.make_grid(wanted, **options).numpy())
    flambeau.vision.utils.save_image(mine, ours, "png", **options)
    torchvision.utils.save_image(wanted, theirs, "png", **options)
    assert ours.getvalue() == theirs.getvalue()


BOXES = np.array([[3, 4, 30, 40], [10, 2, 70, 50]], dtype=np.float32)
CORNERS = np.array([[10, 10, 40, 5, 50, 40, 15, 50]], dtype=np.float32)
MASKS = np.random.RandomState(2).rand(3, 60, 80) > 0.6
POINTS = (np.random.RandomState(3).rand(2, 4, 2) * 50).astype(np.float32)
DRAWINGS = [
    ("draw_bounding_boxes", [BOXES], {"labels": ["a", "b"]}),
    ("draw_bounding_boxes", [BOXES], {"fill": True, "width": 3}),
    ("draw_bounding_boxes", [BOXES], {"colors": ["red", (1, 2, 3)], "labels": ["x", "y"], "fill_labels": True}),
    ("draw_bounding_boxes", [CORNERS], {"colors": "blue", "fill": True}),
    ("draw_segmentation_masks", [MASKS], {}),
    ("draw_segmentation_masks", [MASKS[0]], {"alpha": 0.3, "colors": "red"}),
    ("draw_keypoints", [POINTS], {"colors": "red", "radius": 3}),
    ("draw_keypoints", [POINTS], {"connectivity": [(0, 1), (1, 3)], "width": 2}),
]


@pytest.mark.parametrize("name, arrays, options", DRAWINGS)
@pytest.mark.parametrize("floating", [False, True])
def test_drawings_equal_torchvisions(torch, torchvision, name, arrays, options, floating):
    image = numbers(3, 60, 80) / np.float32(255) if floating else numbers(3, 60, 80)
    ours, theirs = (
        getattr(where, name)(*[make(array.copy()) for array in (image, *arrays)], **options).numpy()
        for where, make in ((flambeau.vision.utils, flambeau.from_numpy), (torchvision.utils, torch.from_numpy))
    )
    assert ours.dtype == theirs.dtype and np.array_equal(ours, theirs)


def test_flows_equal_torchvisions(torch, torchvision):
    flow = np.random.RandomState(4).randn(2, 2, 20, 30).astype(np.float32)
    found = flambeau.vision.utils.flow_to_image(flambeau.from_numpy(flow))
    wanted = torchvision.utils.flow_to_image(torch.from_numpy(flow)).numpy()
    assert found.dtype == flambeau.uint8 and np.abs(found.numpy().astype(int) - wanted.astype(int)).max() <= 1


# ---- without Pillow, and as a program sees it


def test_importing_needs_no_pillow(tmp_path):
    write_mnist(tmp_path)
    code = (
        "import sys; sys.modules['PIL'] = None\n"
        "import flambeau.vision as v\n"
        "v.datasets, v.models, v.io, v.utils, v.ops\n"
        f"data = v.datasets.MNIST({str(tmp_path)!r}); print(int(data.targets.sum()))\n"
        "try: data[0]\n"
        "except ModuleNotFoundError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          cwd=pathlib.Path(flambeau.__file__).parent.parent)
    assert done.stdout.splitlines() == ["21", "No module named 'PIL'",
                                        "flambeau needs Pillow for images: pip install pillow"], done.stderr


PROGRAM = """
import importlib.metadata
import torch, torchvision
import torchvision.datasets as datasets
from torchvision.utils import make_grid
print(torchvision.__version__ == importlib.metadata.version("torchvision"), torchvision.__version__[:6])
data = torchvision.datasets.MNIST({root!r})
loader = torch.utils.data.DataLoader(data, 4, collate_fn=lambda pairs: [label for _, label in pairs])
print(datasets.MNIST is torchvision.datasets.MNIST, next(iter(loader)))
try:
    import torchvision.nothing
except ImportError as error:
    print(error)
"""


def test_a_program_imports_torchvision(tmp_path):
    write_mnist(tmp_path)
    (tmp_path / "program.py").write_text(PROGRAM.format(root=str(tmp_path)))
    done = subprocess.run([sys.executable, "-m", "flambeau", "run", str(tmp_path / "program.py")], capture_output=True,
                          text=True, cwd=pathlib.Path(flambeau.__file__).parent.parent)
    assert done.returncode == 0, done.stderr
    first, second, third = done.stdout.splitlines()
    assert first == "True 0.28.0" and second == "True [0, 1, 2, 3]"
    assert third.startswith("No module named 'torchvision.nothing' (if torchvision has it, flambeau")


def test_unknown_names_are_attribute_errors():
    vision = importlib.import_module("flambeau.vision")
    with pytest.raises(AttributeError, match="module 'torchvision' has no attribute 'nothing'"):
        vision.nothing  # noqa: B018
    assert vision.get_image_backend() == "PIL"
    with pytest.raises(ValueError, match="Invalid backend"):
        vision.set_image_backend("x")
