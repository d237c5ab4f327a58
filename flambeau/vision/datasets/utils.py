"""Files of datasets: checksums, downloads, archives, and what to say when they are missing."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from .._download import digest, fetch

StrPath = str | os.PathLike[str]

COMPRESSIONS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


def calculate_md5(fpath: StrPath, chunk_size: int = 1 << 20) -> str:
    """The MD5 checksum of a file."""
    return digest(fpath)


def check_md5(fpath: StrPath, md5: str, **kwargs: Any) -> bool:
    """Whether a file has this checksum."""
    return md5 == calculate_md5(fpath, **kwargs)


def check_integrity(fpath: StrPath, md5: str | None = None) -> bool:
    """Whether there is a file, with this checksum if one is given."""
    return os.path.isfile(fpath) and (md5 is None or check_md5(fpath, md5))


def download_url(url: str, root: StrPath, filename: StrPath | None = None, md5: str | None = None,
                 max_redirect_hops: int = 3) -> None:
    """Downloads a file into the folder `root`, unless it is there with its checksum."""
    path = Path(root).expanduser() / (filename or os.path.basename(url))
    if not check_integrity(path, md5):
        fetch(url, path, md5=md5)


def extract_archive(from_path: StrPath, to_path: StrPath | None = None, remove_finished: bool = False) -> str:
    """Unpacks a tar or zip archive, or one compressed file, next to it or into `to_path`; returns where to."""
    source = Path(from_path)
    target = Path(to_path) if to_path is not None else source.parent
    compressed = source.suffix in COMPRESSIONS
    if ".tar" in source.suffixes[-2:] or source.suffix in (".tgz", ".tbz", ".tbz2"):
        with tarfile.open(source) as archive:
            archive.extractall(target, filter="data")
    elif source.suffix == ".zip":
        with zipfile.ZipFile(source) as archive:
            archive.extractall(target)
    elif compressed:
        if to_path is None or target.is_dir():
            target = target / source.stem
        decompress(source, target)
    else:
        raise RuntimeError(f"File '{source.name}' has no suffixes that could be used to detect the archive type.")
    if remove_finished:
        source.unlink()
    return str(target)


def decompress(source: Path, target: Path) -> None:
    """Writes what a compressed file holds, beside `target` first."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with COMPRESSIONS[source.suffix](source, "rb") as packed:
        handle, name = tempfile.mkstemp(prefix=target.name, suffix=".part", dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                shutil.copyfileobj(packed, file)
            os.replace(name, target)
        finally:
            Path(name).unlink(missing_ok=True)


def download_and_extract_archive(url: str, download_root: StrPath, extract_root: StrPath | None = None,
                                 filename: StrPath | None = None, md5: str | None = None,
                                 remove_finished: bool = False) -> None:
    """Downloads an archive into a folder and unpacks it there, or into `extract_root`."""
    folder = Path(download_root).expanduser()
    name = filename or os.path.basename(url)
    download_url(url, folder, name, md5)
    extract_archive(folder / name, extract_root if extract_root is not None else folder, remove_finished)


def list_dir(root: StrPath, prefix: bool = False) -> list[str]:
    """The folders in a folder."""
    root = os.path.expanduser(root)
    found = [name for name in os.listdir(root) if os.path.isdir(os.path.join(root, name))]
    return [os.path.join(root, name) for name in found] if prefix else found


def list_files(root: StrPath, suffix: str | tuple[str, ...], prefix: bool = False) -> list[str]:
    """The files in a folder whose names end so."""
    root = os.path.expanduser(root)
    found = [name for name in os.listdir(root)
             if os.path.isfile(os.path.join(root, name)) and name.endswith(suffix)]
    return [os.path.join(root, name) for name in found] if prefix else found


def verify_str_arg(value: Any, arg: str | None = None, valid_values: Iterable[str] | None = None,
                   custom_msg: str | None = None) -> str:
    """`value`, if it is text and one of the valid ones."""
    named = "" if arg is None else f" for argument {arg}"
    if not isinstance(value, str):
        raise ValueError(f"Expected type str{named}, but got type {type(value)}.")
    if valid_values is not None and value not in (valid := list(valid_values)):
        known = ", ".join(f"'{one}'" for one in valid)
        raise ValueError(custom_msg or f"Unknown value '{value}'{named}. Valid values are {{{known}}}.")
    return value


# ---- where files may be


def find(name: str, folders: Sequence[Path]) -> Path | None:
    """The file of this name, or the compressed one, in the first of the folders that has it."""
    for folder in folders:
        for suffix in ("", *COMPRESSIONS):
            if (path := folder / (name + suffix)).is_file():
                return path
    return None


def read(path: Path) -> bytes:
    """What a file holds, compressed or not."""
    with COMPRESSIONS.get(path.suffix, open)(path, "rb") as file:
        return file.read()


def get(sources: Sequence[str], path: Path, md5: str | None, folder: Path) -> None:
    """Downloads a file from the first source that answers; RuntimeError that says where to put it otherwise."""
    failures = []
    for url in sources:
        try:
            return fetch(url, path, md5=md5)
        except (OSError, RuntimeError) as error:
            failures.append(f"Tried {url}, got:\n{error}")
    told = "\n".join(failures)
    raise RuntimeError(f"Error downloading {path.name}:\n{told}\nPut the file {path.name} into the folder {folder}")


def missing(names: Iterable[str], folder: Path, corrupted: bool = False) -> RuntimeError:
    """The error of a dataset that is not there, with the files that are wanted."""
    return RuntimeError(
        f"Dataset not found{' or corrupted' if corrupted else ''}. You can use download=True to download it\n"
        f"Wanted in the folder {folder}: {', '.join(names)}"
    )
