"""MNIST and the datasets in its format: files of one array each, compressed or not."""

from __future__ import annotations

import os
import string
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ...tensor import Tensor
from .._pillow import pillow
from .._torch import torch
from .utils import decompress, find, get, missing, read, verify_str_arg
from .vision import VisionDataset

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
# The third byte of a file says what its numbers are; they are big-endian.
KINDS = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


def parse(data: bytes, name: str, strict: bool = True) -> np.ndarray:
    """The array of an IDX file: two zeros, kind, number of dimensions, sizes, numbers.

    Raises ValueError if the file is something else, or (unless not strict) holds more or fewer numbers.
    """
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in KINDS or not 1 <= data[3] <= 3:
        raise ValueError(f"{name} is not an IDX file")
    start = 4 * (data[3] + 1)
    shape = np.frombuffer(data[4:start], ">u4").astype(int)
    kind = np.dtype(KINDS[data[2]])
    count = int(np.prod(shape))
    if len(data) - start < count * kind.itemsize or strict and len(data) - start != count * kind.itemsize:
        raise ValueError(f"{name} is damaged: {count} numbers expected, {(len(data) - start) // kind.itemsize} found")
    found = np.frombuffer(data, kind, count, start).reshape(shape)
    return found.astype(kind.newbyteorder("="))


def read_sn3_pascalvincent_tensor(path: str | os.PathLike[str], strict: bool = True) -> Tensor:
    """The tensor in an IDX file, compressed or not."""
    return torch.from_numpy(parse(read(Path(path)), os.fspath(path), strict))


def _read(path: str | os.PathLike[str], dimensions: int) -> Tensor:
    found = read_sn3_pascalvincent_tensor(path, strict=False)
    if found.dtype != torch.uint8:
        raise TypeError(f"x should be of dtype torch.uint8 instead of {found.dtype}")
    if found.ndim != dimensions:
        raise ValueError(f"x should have {dimensions} dimension instead of {found.ndim}")
    return found


def read_image_file(path: str | os.PathLike[str]) -> Tensor:
    """Pictures (N, H, W), uint8."""
    return _read(path, 3)


def read_label_file(path: str | os.PathLike[str]) -> Tensor:
    """Labels (N), int64."""
    return _read(path, 1).long()


def _renamed(old: str, new: str) -> property:
    def give(self: Any) -> Tensor:
        warnings.warn(f"{old} has been renamed {new}", stacklevel=2)
        return getattr(self, new)

    return property(give, doc=f"The old name of `{new}`.")


class MNIST(VisionDataset):
    """Handwritten digits, 28 by 28: `data` (N, 28, 28) uint8, `targets` (N) int64. LeCun et al., 1998.

    The four files, or the .gz of them, are looked for in root/MNIST/raw, in root/MNIST and in root.
    """

    mirrors = ["https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/"]
    resources: Any = [
        ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
        ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
        ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
    ]
    training_file, test_file = "training.pt", "test.pt"
    classes = [f"{digit} - {name}" for digit, name in enumerate(DIGITS)]
    train_data, test_data = _renamed("train_data", "data"), _renamed("test_data", "data")
    train_labels, test_labels = _renamed("train_labels", "targets"), _renamed("test_labels", "targets")

    def __init__(self, root: str | Path, train: bool = True, transform: Callable | None = None,
                 target_transform: Callable | None = None, download: bool = False) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        if download:
            self.download()
        if not self._check_exists():
            raise missing(self._names(), Path(self.raw_folder))
        self.data, self.targets = self._load_data()

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image, target = self.data[index], int(self.targets[index])
        # The pixels are copied: the tensor may change later, the picture must not.
        return self._transformed(_picture(image.numpy()), target)

    def __len__(self) -> int:
        return len(self.data)

    @property
    def raw_folder(self) -> str:
        """Where the files belong."""
        return os.path.join(self.root, type(self).__name__, "raw")

    @property
    def processed_folder(self) -> str:
        """Where old versions of torchvision kept tensors; it is not read."""
        return os.path.join(self.root, type(self).__name__, "processed")

    @property
    def class_to_idx(self) -> dict[str, int]:
        """The number of each class."""
        return {name: number for number, name in enumerate(self.classes)}

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train is True else 'Test'}"

    # ---- files

    def _names(self) -> tuple[str, str]:
        """The names of the pictures' file and the labels' file, without .gz."""
        split = "train" if self.train else "t10k"
        return f"{split}-images-idx3-ubyte", f"{split}-labels-idx1-ubyte"

    def _find(self, name: str) -> Path | None:
        raw = Path(self.raw_folder)
        return find(name, [raw, raw.parent, Path(self.root)])

    def _paths(self) -> tuple[Path, Path]:
        images, labels = (self._find(name) or Path(self.raw_folder, name) for name in self._names())
        return images, labels

    def _load_data(self) -> tuple[Tensor, Tensor]:
        images, labels = self._paths()
        data, targets = read_image_file(images), read_label_file(labels)
        if len(data) != len(targets):
            raise ValueError(f"{len(data)} pictures in {images}, but {len(targets)} labels in {labels}")
        return data, targets

    def _check_exists(self) -> bool:
        return all(self._find(name) is not None for name in self._names())

    def download(self) -> None:
        """Downloads what is missing of the four files into `raw_folder`, and unpacks it."""
        raw = Path(self.raw_folder)
        for name, md5 in self.resources:
            if self._find(Path(name).stem) is None:
                get([mirror + name for mirror in self.mirrors], raw / name, md5, raw)
                decompress(raw / name, raw / Path(name).stem)


def _picture(pixels: np.ndarray) -> Any:
    height, width = pixels.shape
    return pillow().frombytes("L", (width, height), pixels.tobytes())


class FashionMNIST(MNIST):
    """Pictures of clothes in MNIST's format. Xiao et al., arXiv 1708.07747."""

    mirrors = ["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"]
    resources = [
        ("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        ("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe"),
        ("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
        ("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"),
    ]
    classes = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]


class KMNIST(MNIST):
    """Japanese syllables in MNIST's format. Clanuwat et al., arXiv 1812.01718."""

    mirrors = ["http://codh.rois.ac.jp/kmnist/dataset/kmnist/"]
    resources = [
        ("train-images-idx3-ubyte.gz", "bdb82020997e1d708af4cf47b453dcf7"),
        ("train-labels-idx1-ubyte.gz", "e144d726b3acfaa3e44228e80efcd344"),
        ("t10k-images-idx3-ubyte.gz", "5c965bf0a639b31b8f53240b1b52f4d7"),
        ("t10k-labels-idx1-ubyte.gz", "7320c461ea6c1c855c0b718fb2a4b134"),
    ]
    classes = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]


# Letters whose small and capital forms the merged splits do not tell apart.
ALIKE = set("cijklmopsuvwxyz")
MERGED = sorted(set(string.digits + string.ascii_letters) - ALIKE)


class EMNIST(MNIST):
    """Handwritten digits and letters, in six splits; pictures lie on their side. Cohen et al., arXiv 1702.05373."""

    url = "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip"
    md5 = "58c8d27c78d21e728a6bc7b3cc06412e"
    splits = ("byclass", "bymerge", "balanced", "letters", "digits", "mnist")
    classes_split_dict = {
        "byclass": sorted(string.digits + string.ascii_letters),
        "bymerge": MERGED,
        "balanced": MERGED,
        "letters": ["N/A", *string.ascii_lowercase],
        "digits": list(string.digits),
        "mnist": list(string.digits),
    }

    def __init__(self, root: str | Path, split: str, **kwargs: Any) -> None:
        self.split = verify_str_arg(split, "split", self.splits)
        super().__init__(root, **kwargs)
        self.classes = self.classes_split_dict[self.split]

    def _names(self) -> tuple[str, str]:
        prefix = f"emnist-{self.split}-{'train' if self.train else 'test'}"
        return f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte"

    @property
    def images_file(self) -> str:
        """The pictures' file."""
        return str(self._paths()[0])

    @property
    def labels_file(self) -> str:
        """The labels' file."""
        return str(self._paths()[1])

    def download(self) -> None:
        """Downloads the archive of all splits into `raw_folder`, and unpacks it."""
        if self._check_exists():
            return
        raw = Path(self.raw_folder)
        path = raw / "gzip.zip"
        if not path.exists():
            get([self.url], path, self.md5, raw)
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith(".gz"):
                    (raw / os.path.basename(name)).write_bytes(archive.read(name))


class QMNIST(MNIST):
    """MNIST made again, with all 60000 test pictures and more about each. Yadav and Bottou, arXiv 1905.10498.

    With `compat` the target is the class, otherwise all eight numbers known of the picture.
    """

    subsets = {"train": "train", "test": "test", "test10k": "test", "test50k": "test", "nist": "nist"}
    home = "https://raw.githubusercontent.com/facebookresearch/qmnist/master/"
    resources = {
        "train": [
            (home + "qmnist-train-images-idx3-ubyte.gz", "ed72d4157d28c017586c42bc6afe6370"),
            (home + "qmnist-train-labels-idx2-int.gz", "0058f8dd561b90ffdd0f734c6a30e5e4"),
        ],
        "test": [
            (home + "qmnist-test-images-idx3-ubyte.gz", "1394631089c404de565df7b7aeaf9412"),
            (home + "qmnist-test-labels-idx2-int.gz", "5b5b05890a5e13444e108efe57b788aa"),
        ],
        "nist": [
            (home + "xnist-images-idx3-ubyte.xz", "7f124b3b8ab81486c9d8c2749c17f834"),
            (home + "xnist-labels-idx2-int.xz", "5ed0e788978e45d4a8bd4b7caec3d79d"),
        ],
    }

    def __init__(self, root: str | Path, what: str | None = None, compat: bool = True, train: bool = True,
                 **kwargs: Any) -> None:
        self.what = verify_str_arg(what or ("train" if train else "test"), "what", tuple(self.subsets))
        self.compat = compat
        super().__init__(root, train, **kwargs)

    def _names(self) -> tuple[str, str]:
        images, labels = (Path(url).stem for url, _ in self.resources[self.subsets[self.what]])
        return images, labels

    def _load_data(self) -> tuple[Tensor, Tensor]:
        images, labels = self._paths()
        data, targets = read_image_file(images), read_sn3_pascalvincent_tensor(labels).long()
        if targets.ndim != 2:
            raise ValueError(f"targets should have 2 dimensions instead of {targets.ndim}")
        part = {"test10k": slice(10000), "test50k": slice(10000, None)}.get(self.what, slice(None))
        return data[part], targets[part]

    def download(self) -> None:
        """Downloads the two files that are wanted into `raw_folder`, and unpacks them."""
        raw = Path(self.raw_folder)
        for url, md5 in self.resources[self.subsets[self.what]]:
            path = raw / os.path.basename(url)
            if self._find(path.stem) is None:
                get([url], path, md5, raw)
                decompress(path, raw / path.stem)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image, target = self.data[index], self.targets[index]
        return self._transformed(_picture(image.numpy()), int(target[0]) if self.compat else target)

    def extra_repr(self) -> str:
        return f"Split: {self.what}"
