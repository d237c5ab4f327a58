"""torch.nn.modules: the files of nn under the paths that PyTorch has them at.

`nn.modules.conv` is `nn.conv` itself, so that a class is the same one by either path.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from typing import Any

_PARENT = __name__.rpartition(".")[0]
_SAME = (
    "activation",
    "adaptive",
    "batchnorm",
    "channelshuffle",
    "container",
    "conv",
    "distance",
    "dropout",
    "flatten",
    "fold",
    "instancenorm",
    "linear",
    "loss",
    "normalization",
    "padding",
    "pixelshuffle",
    "pooling",
    "sparse",
    "transformer",
    "upsampling",
)
_OTHER = {"lazy": "lazy", "rnn": "recurrent", "utils": "tuples"}

for _name, _file in {**{n: n for n in _SAME}, **_OTHER}.items():
    if importlib.util.find_spec(f"{_PARENT}.{_file}") is not None:
        sys.modules[f"{__name__}.{_name}"] = globals()[_name] = importlib.import_module(f"{_PARENT}.{_file}")

from . import module


def __getattr__(name: str) -> Any:
    """The layers themselves, which nn holds."""
    found = vars(sys.modules[_PARENT]).get(name)
    if not (isinstance(found, type) and issubclass(found, module.Module)):
        raise AttributeError(f"module 'torch.nn.modules' has no attribute '{name}'")
    return found


def __dir__() -> list[str]:
    layers = [n for n, v in vars(sys.modules[_PARENT]).items() if isinstance(v, type) and issubclass(v, module.Module)]
    return sorted({*globals(), *layers})
