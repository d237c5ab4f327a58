"""SVHN: house numbers seen from the street."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .._pillow import pillow
from .utils import get, missing, verify_str_arg
from .vision import VisionDataset


class SVHN(VisionDataset):
    """Digits of house numbers: `data` (N, 3, 32, 32) and `labels` (N), NumPy arrays. Netzer et al., 2011.

    Read from root/train_32x32.mat, test_32x32.mat or extra_32x32.mat; 0 has the label 0.
    """

    split_list = {
        split: [f"http://ufldl.stanford.edu/housenumbers/{split}_32x32.mat", f"{split}_32x32.mat", md5]
        for split, md5 in (("train", "e26dedcc434d2e4c54c9b2d4a06d8373"), ("test", "eb5a983be6a315427106f1b164d9cef3"),
                           ("extra", "a93ce644f1a588dc4d68dda5feec44a7"))
    }

    def __init__(self, root: str | Path, split: str = "train", transform: Callable | None = None,
                 target_transform: Callable | None = None, download: bool = False) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.split = verify_str_arg(split, "split", tuple(self.split_list))
        self.url, self.filename, self.file_md5 = self.split_list[split]
        if download:
            self.download()
        path = Path(self.root, self.filename)
        if not path.is_file():
            raise missing([self.filename], Path(self.root), corrupted=True)
        from scipy.io import loadmat

        held = loadmat(path)
        labels = held["y"].astype(np.int64).reshape(-1)
        # The files call the digit 0 ten.
        self.labels = np.where(labels == 10, 0, labels)
        self.data = held["X"].transpose(3, 2, 0, 1)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        pixels = np.ascontiguousarray(self.data[index].transpose(1, 2, 0))
        return self._transformed(pillow().fromarray(pixels), int(self.labels[index]))

    def __len__(self) -> int:
        return len(self.data)

    def download(self) -> None:
        """Downloads the file, unless it is there."""
        path = Path(self.root, self.filename)
        if not path.is_file():
            get([self.url], path, self.file_md5, Path(self.root))

    def extra_repr(self) -> str:
        return f"Split: {self.split}"
