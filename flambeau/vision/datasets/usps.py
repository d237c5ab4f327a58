"""USPS: digits from envelopes."""

from __future__ import annotations

import bz2
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .._pillow import pillow
from .utils import get, missing
from .vision import VisionDataset


class USPS(VisionDataset):
    """Handwritten digits, 16 by 16: `data` (N, 16, 16) uint8, `targets` a list. Read from root/usps.bz2, usps.t.bz2."""

    home = "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass/"
    split_list = {
        "train": [home + "usps.bz2", "usps.bz2", "ec16c51db3855ca6c91edd34d0e9b197"],
        "test": [home + "usps.t.bz2", "usps.t.bz2", "8ea070ee2aca1ac39742fdd1ef5ed118"],
    }

    def __init__(self, root: str | Path, train: bool = True, transform: Callable | None = None,
                 target_transform: Callable | None = None, download: bool = False) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        url, name, md5 = self.split_list["train" if train else "test"]
        path = Path(self.root, name)
        if not path.is_file():
            if not download:
                raise missing([name], Path(self.root))
            get([url], path, md5, Path(self.root))
        with bz2.open(path, "rt", encoding="ascii") as file:
            rows = [line.split() for line in file]
        # Each line is a label from one on, then `place:value` with values from -1 to 1.
        values = np.array([[field.partition(":")[2] for field in row[1:]] for row in rows], dtype=np.float32)
        self.data = ((values.reshape(-1, 16, 16) + 1) / 2 * 255).astype(np.uint8)
        self.targets = [int(row[0]) - 1 for row in rows]

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = pillow().frombytes("L", (16, 16), self.data[index].tobytes())
        return self._transformed(image, self.targets[index])

    def __len__(self) -> int:
        return len(self.data)
