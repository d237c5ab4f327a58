"""CIFAR-10 and CIFAR-100: small colour pictures, in pickles that are read without running what is in them."""

from __future__ import annotations

import io
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .._pillow import pillow
from .utils import check_integrity, extract_archive, get, missing
from .vision import VisionDataset


class _Kind:
    """Stands for `numpy.dtype` in a pickle: keeps the code, and of its state nothing (bytes have no order)."""

    def __init__(self, code: Any, *rest: Any) -> None:
        if code not in ("u1", "|u1"):
            raise pickle.UnpicklingError(f"arrays of bytes are expected, not of {code!r:.20}")

    def __setstate__(self, state: Any) -> None:
        pass


class _Array:
    """Stands for an array of bytes in a pickle, until `value` makes it."""

    def __init__(self, *rest: Any) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def value(self) -> np.ndarray:
        """The array."""
        try:
            _, shape, kind, by_columns, data = self.state
            if not isinstance(kind, _Kind):
                raise TypeError("no dtype")
            data = data.encode("latin1") if isinstance(data, str) else data
            return np.frombuffer(data, np.uint8).reshape(shape, order="F" if by_columns else "C")
        except (TypeError, ValueError, AttributeError) as error:
            raise pickle.UnpicklingError(f"not an array of bytes: {error}") from error


def _encoded(text: str, encoding: str = "latin1") -> bytes:
    """What `_codecs.encode` does to the text that Python 3 writes bytes as."""
    return str(text).encode("latin1")


NAMES: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Kind,
    ("_codecs", "encode"): _encoded,
}


class BatchUnpickler(pickle.Unpickler):
    """Makes numbers, text, lists, dicts and arrays of bytes, and refuses every name but those of arrays."""

    def find_class(self, module: str, name: str) -> Any:
        """What stands for a name of NumPy's; UnpicklingError for others."""
        try:
            return NAMES[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"a batch of pictures may not name {module}.{name}") from None


def read_batch(data: bytes, name: str) -> dict[str, Any]:
    """The dict in a batch's file, its keys as text."""
    found = BatchUnpickler(io.BytesIO(data), encoding="latin1").load()
    if not isinstance(found, dict):
        raise pickle.UnpicklingError(f"{name} does not hold a dict")
    return {key.decode("latin1") if isinstance(key, bytes) else key:
            value.value() if isinstance(value, _Array) else value for key, value in found.items()}


class CIFAR10(VisionDataset):
    """Pictures of ten kinds of things: `data` (N, 32, 32, 3), a NumPy array of uint8, `targets` a list of integers.

    Read from root/cifar-10-batches-py, from the .tar.gz in root, or from root itself. Krizhevsky, 2009.
    """

    base_folder = "cifar-10-batches-py"
    url = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    filename = "cifar-10-python.tar.gz"
    tgz_md5 = "c58f30108f718f92721af3b95e74349a"
    train_list = [
        ["data_batch_1", "c99cafc152244af753f735de768cd75f"],
        ["data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"],
        ["data_batch_3", "54ebc095f3ab1f0389bbae665268c751"],
        ["data_batch_4", "634d18415352ddfa80567beed471001a"],
        ["data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"],
    ]
    test_list = [["test_batch", "40351d587109b95175f43aff81a1287e"]]
    meta = {"filename": "batches.meta", "key": "label_names", "md5": "5ff9c542aee3614f3951f8cda6e48888"}

    def __init__(self, root: str | Path, train: bool = True, transform: Callable | None = None,
                 target_transform: Callable | None = None, download: bool = False) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        if download:
            self.download()
        batches = self.train_list if train else self.test_list
        files = self._files([*(name for name, _ in batches), self.meta["filename"]])
        held = [read_batch(files[name], name) for name, _ in batches]
        pixels = np.concatenate([batch["data"] for batch in held]).reshape(-1, 3, 32, 32)
        self.data: Any = pixels.transpose(0, 2, 3, 1)
        self.targets: list[int] = []
        for batch in held:
            self.targets += batch["labels"] if "labels" in batch else batch["fine_labels"]
        self.classes = read_batch(files[self.meta["filename"]], self.meta["filename"])[self.meta["key"]]
        self.class_to_idx = {name: number for number, name in enumerate(self.classes)}

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self._transformed(pillow().fromarray(self.data[index]), self.targets[index])

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train is True else 'Test'}"

    # ---- files

    def _all_names(self) -> list[str]:
        return [*(name for name, _ in self.train_list + self.test_list), self.meta["filename"]]

    def _folder(self, names: list[str]) -> Path | None:
        """The folder that holds these files, if there is one."""
        for folder in (Path(self.root, self.base_folder), Path(self.root)):
            if all((folder / name).is_file() for name in names):
                return folder
        return None

    def _files(self, names: list[str]) -> dict[str, bytes]:
        """What these files hold, from a folder or from the archive."""
        folder = self._folder(names)
        if folder is not None:
            return {name: (folder / name).read_bytes() for name in names}
        archive = Path(self.root, self.filename)
        if not archive.is_file():
            raise missing(names, Path(self.root, self.base_folder), corrupted=True)
        found = {}
        with tarfile.open(archive) as held:
            for member in held:
                name = Path(member.name).name
                if name in names and (file := held.extractfile(member)) is not None:
                    found[name] = file.read()
        if lacking := [name for name in names if name not in found]:
            raise RuntimeError(f"{archive} lacks {', '.join(lacking)}")
        return found

    def _check_integrity(self) -> bool:
        return all(check_integrity(Path(self.root, self.base_folder, name), md5)
                   for name, md5 in self.train_list + self.test_list)

    def download(self) -> None:
        """Downloads the archive into root, unless its files or the archive are there, and unpacks it."""
        archive = Path(self.root, self.filename)
        if self._folder(self._all_names()) is None and not archive.is_file():
            get([self.url], archive, self.tgz_md5, Path(self.root))
            extract_archive(archive, self.root)


class CIFAR100(CIFAR10):
    """Pictures of a hundred kinds of things, otherwise as `CIFAR10`."""

    base_folder = "cifar-100-python"
    url = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"
    filename = "cifar-100-python.tar.gz"
    tgz_md5 = "eb9058c3a382ffc7106e4002c42a8d85"
    train_list = [["train", "16019d7e3df5f24257cddd939b257f8d"]]
    test_list = [["test", "f0ef6b0ae62326f3e7ffdfab6717acfc"]]
    meta = {"filename": "meta", "key": "fine_label_names", "md5": "7973b15100ade9c7d40fb424638fde48"}
