"""STL-10: larger pictures, most of them without a label."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .._pillow import pillow
from .utils import extract_archive, get, missing, verify_str_arg
from .vision import VisionDataset


class STL10(VisionDataset):
    """Pictures of ten kinds of things: `data` (N, 3, 96, 96), `labels` (N), -1 for none. Coates et al., 2011.

    Read from root/stl10_binary; `folds` (0 to 9) takes one of the ten thousands for training.
    """

    base_folder = "stl10_binary"
    url = "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz"
    filename = "stl10_binary.tar.gz"
    tgz_md5 = "91f7769df0f17e558f3565bffb0c7dfb"
    class_names_file, folds_list_file = "class_names.txt", "fold_indices.txt"
    splits = ("train", "train+unlabeled", "unlabeled", "test")

    def __init__(self, root: str | Path, split: str = "train", folds: int | None = None,
                 transform: Callable | None = None, target_transform: Callable | None = None,
                 download: bool = False) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.split = verify_str_arg(split, "split", self.splits)
        self.folds = self._verify_folds(folds)
        if download:
            self.download()
        parts = [self._part(name) for name in split.split("+")]
        self.data = np.concatenate([data for data, _ in parts])
        self.labels = np.concatenate([labels for _, labels in parts])
        names = Path(self.root, self.base_folder, self.class_names_file)
        if names.is_file():
            self.classes = names.read_text(encoding="utf-8").splitlines()

    def _verify_folds(self, folds: int | None) -> int | None:
        if folds is not None and not isinstance(folds, int):
            raise ValueError(f"Expected type None or int for argument folds, but got type {type(folds)}.")
        if folds is not None and folds not in range(10):
            raise ValueError(f"Value for argument folds should be in the range [0, 10), but got {folds}.")
        return folds

    def _part(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """The pictures of a split, which the file keeps by columns, and their labels, which it counts from one."""
        folder = Path(self.root, self.base_folder)
        wanted = [f"{name}_X.bin"] if name == "unlabeled" else [f"{name}_X.bin", f"{name}_y.bin"]
        if not all((folder / file).is_file() for file in wanted):
            raise missing(wanted, folder, corrupted=True)
        data = np.fromfile(folder / wanted[0], np.uint8).reshape(-1, 3, 96, 96).transpose(0, 1, 3, 2)
        if name == "unlabeled":
            return data, np.full(len(data), -1)
        labels = np.fromfile(folder / wanted[1], np.uint8) - 1
        if name == "train" and self.folds is not None:
            lines = (folder / self.folds_list_file).read_text(encoding="utf-8").splitlines()
            places = np.array(lines[self.folds].split(), dtype=np.int64)
            return data[places], labels[places]
        return data, labels

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        pixels = np.ascontiguousarray(self.data[index].transpose(1, 2, 0))
        return self._transformed(pillow().fromarray(pixels), int(self.labels[index]))

    def __len__(self) -> int:
        return len(self.data)

    def download(self) -> None:
        """Downloads the archive and unpacks it, unless its folder is there."""
        archive = Path(self.root, self.filename)
        if Path(self.root, self.base_folder).is_dir():
            return
        if not archive.is_file():
            get([self.url], archive, self.tgz_md5, Path(self.root))
        extract_archive(archive, self.root)

    def extra_repr(self) -> str:
        return f"Split: {self.split}"
