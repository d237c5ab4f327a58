"""torch.hub: models from a folder with a hubconf.py, and weights by their address, kept once downloaded."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlparse

__all__ = ["download_url_to_file", "get_dir", "help", "list", "load", "load_state_dict_from_url", "set_dir"]

ENTRIES = "hubconf.py"
HASH_REGEX = re.compile(r"-([a-f0-9]*)\.")
BLOCK = 1 << 17
_dir: str | None = None


def _get_torch_home() -> str:
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return os.path.expanduser(os.environ.get("TORCH_HOME", os.path.join(cache, "torch")))


def get_dir() -> str:
    """The folder of downloads: as set, or `hub` below TORCH_HOME, which is ~/.cache/torch where nothing is said."""
    return _dir if _dir is not None else os.path.join(_get_torch_home(), "hub")


def set_dir(d: str | os.PathLike[str]) -> None:
    """Sets the folder of downloads."""
    global _dir
    _dir = os.path.expanduser(os.fspath(d))


# ---- models


def load(
    repo_or_dir: str,
    model: str,
    *args: Any,
    source: str = "github",
    trust_repo: Any = "check",
    force_reload: bool = False,
    verbose: bool = True,
    skip_validation: bool = False,
    **kwargs: Any,
) -> Any:
    """What the function `model` of a repository's hubconf.py returns for the arguments.

    With source="local", `repo_or_dir` is a folder. Else it is "owner/name[:branch]", of which a copy must be in the
    folder of downloads: code is not downloaded.
    """
    folder = _folder(repo_or_dir, source)
    with _hubconf(folder) as module:
        return _entry(module, model)(*args, **kwargs)


def list(
    github: str, force_reload: bool = False, skip_validation: bool = False, trust_repo: Any = "check",
    verbose: bool = True, source: str = "github",
) -> Any:  # fmt: skip
    """The names of the functions of a repository's hubconf.py."""
    with _hubconf(_folder(github, source)) as module:
        return [name for name in dir(module) if callable(getattr(module, name)) and not name.startswith("_")]


def help(
    github: str, model: str, force_reload: bool = False, skip_validation: bool = False, trust_repo: Any = "check",
    source: str = "github",
) -> str | None:  # fmt: skip
    """The docstring of a function of a repository's hubconf.py."""
    with _hubconf(_folder(github, source)) as module:
        return _entry(module, model).__doc__


def _folder(repo: str, source: str) -> str:
    source = source.lower()
    if source not in ("github", "local"):
        raise ValueError(f'Unknown source: "{source}". Allowed values: "github" | "local".')
    if source == "local" or os.path.isfile(os.path.join(repo, ENTRIES)):
        folder = os.path.expanduser(repo)
        if not os.path.isfile(os.path.join(folder, ENTRIES)):
            raise FileNotFoundError(f"there is no {ENTRIES} in {folder}")
        return folder
    name, _, branch = repo.partition(":")
    owner, slash, project = name.partition("/")
    if not slash:
        raise ValueError(f"a repository is owner/name[:branch], not {repo!r}")
    for candidate in [branch] if branch else ["main", "master"]:
        folder = os.path.join(get_dir(), "_".join([owner, project, candidate.replace("/", "_")]))
        if os.path.isfile(os.path.join(folder, ENTRIES)):
            return folder
    raise NotImplementedError(
        f"flambeau: torch.hub does not download code. Put a copy of {name} into {folder}, or give the folder you have "
        "it in and source='local'."
    )


@contextmanager
def _hubconf(folder: str) -> Iterator[Any]:
    """The module hubconf of a folder, which comes first where imports look."""
    from ._aliases import install

    path = os.path.join(folder, ENTRIES)
    if "torch" not in sys.modules:
        install()  # its `import torch` is answered by flambeau
    sys.path.insert(0, folder)
    try:
        spec = importlib.util.spec_from_file_location(ENTRIES, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        missing = [name for name in getattr(module, "dependencies", ()) if importlib.util.find_spec(name) is None]
        if missing:
            raise RuntimeError(f"Missing dependencies: {', '.join(missing)}")
        yield module
    finally:
        sys.path.remove(folder)


def _entry(module: Any, name: str) -> Callable:
    if not isinstance(name, str):
        raise ValueError("Invalid input: model should be a string of function name")
    found = getattr(module, name, None)
    if found is None or not callable(found):
        raise RuntimeError(f"Cannot find callable {name} in hubconf")
    return found


# ---- files


def download_url_to_file(url: str, dst: str, hash_prefix: str | None = None, progress: bool = True) -> None:
    """Writes what is at an address to a file, which appears when it is complete and its SHA-256 begins as said."""
    from urllib.request import Request, urlopen

    dst = os.path.expanduser(dst)
    folder = os.path.dirname(dst) or "."
    digest = hashlib.sha256()
    with urlopen(Request(url, headers={"User-Agent": "flambeau"})) as answer:
        length = answer.headers.get("Content-Length")
        descriptor, beside = tempfile.mkstemp(suffix=".partial", prefix=os.path.basename(dst) + ".", dir=folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                done = 0
                while block := answer.read(BLOCK):
                    file.write(block)
                    digest.update(block)
                    done += len(block)
                    if progress:
                        _show(done, length)
            if length is not None and done != int(length):
                raise OSError(f"{url} ended after {done} of {length} bytes")
            if hash_prefix is not None and digest.hexdigest()[: len(hash_prefix)] != hash_prefix:
                raise RuntimeError(f'invalid hash value (expected "{hash_prefix}", got "{digest.hexdigest()}")')
            os.chmod(beside, 0o644)
            os.replace(beside, dst)
        finally:
            if progress:
                _show(None, None)
            if os.path.exists(beside):
                os.unlink(beside)


def _show(done: int | None, length: str | None) -> None:
    """How far a download is, where somebody looks."""
    if sys.stderr.isatty():
        part = f" of {int(length) / 1e6:.1f}" if length else ""
        print("\n" if done is None else f"\r{done / 1e6:.1f}{part} MB", end="", file=sys.stderr, flush=True)


def load_state_dict_from_url(
    url: str,
    model_dir: str | None = None,
    map_location: Any = None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
    weights_only: bool = False,
) -> dict[str, Any]:
    """torch.load of the file at an address, downloaded to `model_dir` (`checkpoints` in the folder of downloads) unless
    it is there. With `check_hash` the name says how its SHA-256 begins: `name-<hash>.ext`."""
    if os.environ.get("TORCH_MODEL_ZOO"):
        import warnings

        warnings.warn("TORCH_MODEL_ZOO is deprecated, please use env TORCH_HOME instead", stacklevel=2)
    folder = os.path.join(get_dir(), "checkpoints") if model_dir is None else os.path.expanduser(model_dir)
    name = os.path.basename(urlparse(url).path) if file_name is None else file_name
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        os.makedirs(folder, exist_ok=True)
        print(f'Downloading: "{url}" to {path}\n', file=sys.stderr)
        found = HASH_REGEX.search(name) if check_hash else None
        try:
            download_url_to_file(url, path, found.group(1) if found else None, progress=progress)
        except OSError as error:
            raise RuntimeError(
                f"{url} cannot be downloaded ({error}); put the file at {path} and run the program again"
            ) from error
    return _loaded(path, folder, map_location, weights_only)


def _loaded(path: str, folder: str, map_location: Any, weights_only: bool) -> Any:
    from .serialization import load as read

    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) == 1 and not members[0].is_dir():  # one file that was zipped, not a checkpoint's own format
                inside = os.path.join(folder, os.path.basename(members[0].filename))
                with open(inside, "wb") as file:
                    file.write(archive.read(members[0]))
                path = inside
    return read(path, map_location=map_location, weights_only=weights_only)
