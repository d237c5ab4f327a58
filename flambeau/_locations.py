"""Where storages of a checkpoint go: names of devices, and packages that bring devices of their own."""

from __future__ import annotations

import mmap
import operator
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ._storage import Storage
from .device import CPU, device, gpus, here, resolve

Tagger = Callable[[Any], str | None]
Deserializer = Callable[[Any, str], Any]
_packages: list[tuple[int, Tagger, Deserializer]] = []
_ADVICE = (
    "If you are running on a CPU-only machine, please use torch.load with map_location=torch.device('cpu') "
    "to map your storages to the CPU."
)


def register_package(priority: int, tagger: Tagger, deserializer: Deserializer) -> None:
    """Has `tagger` name the places of storages that are saved, and `deserializer` put loaded ones there; either gives
    None for what is not its own. Those of lower priority are asked first; the processor's is 10."""
    _packages.append((priority, tagger, deserializer))
    _packages.sort(key=operator.itemgetter(0))


def _cpu_tag(storage: Any) -> str | None:
    return "cpu" if str(storage.device) == "cpu" else None


def _cpu_restored(storage: Any, location: str) -> Any:
    if location.partition(":")[0] != "cpu":
        return None
    return storage.on(CPU) if isinstance(storage, Storage) else storage


def validate_cuda_device(location: Any) -> int:
    """The number of a GPU; an error if there is none such."""
    count = gpus.count()
    if not count:
        raise RuntimeError(
            f"Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False. {_ADVICE}"
        )
    found = device(location).index
    found = here.index if found is None else found
    if found >= count:
        raise RuntimeError(
            f"Attempting to deserialize object on CUDA device {found} but torch.cuda.device_count() is {count}. "
            "Please use torch.load with map_location to map your storages to an existing device."
        )
    return found


def validate_hpu_device(location: Any) -> int:
    """The number of an HPU; raises, as there is none."""
    raise RuntimeError(f"The HPU device module is not registered. {_ADVICE}")


def _cuda_tag(storage: Any) -> str | None:
    return str(storage.device) if storage.device.type == "cuda" else None


def _cuda_restored(storage: Any, location: str) -> Any:
    return storage.on(gpus.device(validate_cuda_device(location))) if location.startswith("cuda") else None


register_package(10, _cpu_tag, _cpu_restored)
register_package(20, _cuda_tag, _cuda_restored)
_OWN = len(_packages)


def location_tag(storage: Any) -> str:
    """The name of the place that a storage is in."""
    for _, tagger, _ in _packages:
        found = tagger(storage)
        if found:
            return found
    raise RuntimeError(f"don't know how to determine data location of {type(storage).__name__}")


def tag_of(t: Any) -> str:
    """The name of the place that a tensor's memory is in."""
    return location_tag(t.untyped_storage()) if len(_packages) > _OWN else str(t.device)


def default_restore_location(storage: Any, location: Any) -> Any:
    """The storage in the place of that name; an error if this machine has none such."""
    for _, _, deserializer in _packages:
        found = deserializer(storage, str(location))
        if found is not None:
            return found
    try:
        resolve(location)
    except (RuntimeError, AssertionError) as error:
        raise RuntimeError(
            f"don't know how to restore data location of torch.storage.UntypedStorage (tagged with {location})"
        ) from error
    return storage


# ---- small functions of torch.serialization


@contextmanager
def mkdtemp() -> Iterator[str]:
    """A folder that is gone afterwards."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        yield folder


def check_module_version_greater_or_equal(
    module: Any, req_version_tuple: tuple, error_if_malformed: bool = True
) -> bool:
    """Whether a module's `__version__` is at least the one given as a tuple."""
    found = []
    for part, wanted in zip(str(module.__version__).split("."), req_version_tuple, strict=False):
        digits = re.match(r"\d+", part)
        if isinstance(wanted, int) and digits is None:
            if error_if_malformed:
                raise RuntimeError(f"'{module.__name__}' module version string is malformed '{module.__version__}'")
            return True
        found.append(int(digits.group()) if isinstance(wanted, int) and digits else part)
    return tuple(found) >= tuple(req_version_tuple[: len(found)])


_mmap_options = getattr(mmap, "MAP_PRIVATE", 2)


def get_default_mmap_options() -> int:
    """How load maps files: always privately, since tensors never write to a file."""
    return _mmap_options


class set_default_mmap_options:
    """Takes mmap.MAP_PRIVATE or mmap.MAP_SHARED, for good or within a `with` block; files are mapped privately with
    either."""

    def __init__(self, flags: int) -> None:
        global _mmap_options
        if os.name == "nt":
            raise RuntimeError("Changing the default mmap options is currently not supported for Windows")
        if flags not in (mmap.MAP_PRIVATE, mmap.MAP_SHARED):
            raise ValueError(
                "Invalid argument in function set_default_mmap_options, expected mmap.MAP_PRIVATE or mmap.MAP_SHARED, "
                f"but got {flags}"
            )
        self.before, _mmap_options = _mmap_options, flags

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exception: Any) -> None:
        global _mmap_options
        _mmap_options = self.before


class skip_data:
    """Within, save writes zeros in place of the elements, and load makes tensors of zeros: structure only."""

    on = False

    def __init__(self, materialize_fake_tensors: bool = False) -> None:
        self.materialize_fake_tensors = materialize_fake_tensors

    def __enter__(self) -> None:
        self.before, skip_data.on = skip_data.on, True

    def __exit__(self, *exception: Any) -> None:
        skip_data.on = self.before
