"""Answers `import torch`, `import torchvision`, and every module below them, with flambeau's own modules."""
from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Iterable, Sequence
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from importlib.metadata import Distribution, DistributionFinder
from multiprocessing import spawn
from pathlib import Path
from types import ModuleType
from typing import Any

from ._names import PYTORCH_VERSION, is_class, modules
from ._version import VERSION
from .vision.version import TORCHVISION_VERSION

# Top-level names that a program may import, and the flambeau module that answers each.
ALIASES: dict[str, str] = {"torch": "flambeau", "torchvision": "flambeau.vision"}
# The releases whose programs these run.
VERSIONS: dict[str, str] = {"torch": PYTORCH_VERSION, "torchvision": TORCHVISION_VERSION}


def install() -> None:
    """Put the finder before all others, here and in processes that multiprocessing spawns; once is enough."""
    if not any(isinstance(finder, AliasFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, AliasFinder())
        install_in_spawned()


def install_in_spawned() -> None:
    """Have multiprocessing start its fresh interpreters (all there are on Windows and macOS) with the finder.

    They run the program's file again, which imports `torch` before anything of the parent's could be handed over.
    """
    original = spawn.get_command_line
    root = str(Path(__file__).resolve().parent.parent)
    first = f"import sys; sys.path.append({root!r}); from flambeau._aliases import install; install(); sys.path.pop(); "

    def get_command_line(**details: Any) -> list[str]:
        command = original(**details)
        if "-c" in command:
            command[command.index("-c") + 1] = first + command[command.index("-c") + 1]
        return command

    vars(spawn)["get_command_line"] = get_command_line


class AliasFinder(DistributionFinder):
    """Finds `torch.x.y` as `flambeau.x.y`, and the package's version under PyTorch's name."""

    def __init__(self) -> None:
        self.names_seen: set[str] = set()

    def find_spec(self, fullname: str, path: Sequence[str] | None = None,
                  target: ModuleType | None = None) -> ModuleSpec | None:
        """The spec of an aliased module; None for names that are not ours to answer."""
        top, _, rest = fullname.partition(".")
        home = ALIASES.get(top)
        if home is None:
            return None
        if top not in self.names_seen:
            self.names_seen.add(top)
            report_shadowed(top)
        real_name = f"{home}.{rest}" if rest else home
        real_spec = importlib.util.find_spec(real_name)
        if real_spec is None:
            if top == "torchvision":
                raise ModuleNotFoundError(
                    f"No module named '{fullname}' (if torchvision has it, flambeau {VERSION} has not yet)",
                    name=fullname)
            if fullname in modules() and not is_class(fullname):
                raise ModuleNotFoundError(
                    f"No module named '{fullname}' (PyTorch has it; flambeau {VERSION} has not yet)", name=fullname)
            return None
        spec = ModuleSpec(fullname, AliasLoader(real_name), origin=real_spec.origin)
        spec.submodule_search_locations = real_spec.submodule_search_locations
        return spec

    def find_distributions(self, context: DistributionFinder.Context | None = None) -> Iterable[Distribution]:
        """flambeau's metadata under each aliased name, for programs that ask for a version."""
        wanted = context.name if context else None
        return [AliasDistribution(name) for name in ALIASES if wanted is None or wanted.lower() == name]


class AliasLoader(Loader):
    """Hands out a module that is already there, or is imported under its real name."""

    def __init__(self, real_name: str) -> None:
        self.real_name = real_name

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self.real_name)
        self.real_spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has just put the alias's spec on the module.
        module.__spec__ = self.real_spec


class AliasDistribution(Distribution):
    """Package metadata that carries an aliased name and its release's version, marked as flambeau's."""

    def __init__(self, name: str) -> None:
        self.alias = name

    def read_text(self, filename: str) -> str | None:
        if filename != "METADATA":
            return None
        version = f"{VERSIONS[self.alias]}+flambeau{VERSION}"
        return f"Metadata-Version: 2.1\nName: {self.alias}\nVersion: {version}\n"

    def locate_file(self, path: str | os.PathLike[str]) -> Path:
        return Path(__file__).parent.parent / path


def report_shadowed(top: str) -> None:
    """Say on stderr that a module of this name in the script's own folder is not the one imported."""
    main_file = getattr(sys.modules.get("__main__"), "__file__", None)
    folder = Path(sys.path[0] if sys.path and sys.path[0] else os.curdir)
    for candidate in (folder / f"{top}.py", folder / top / "__init__.py"):
        if candidate.is_file() and not (main_file and os.path.exists(main_file) and candidate.samefile(main_file)):
            print(f"flambeau: note: {candidate} is not used; `import {top}` gives flambeau", file=sys.stderr)
