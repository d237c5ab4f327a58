"""What to say when a program asks for a name that flambeau does not have."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

PYTORCH_VERSION = "2.13.0"


@cache
def modules() -> dict[str, frozenset[str]]:
    """PyTorch's public names by module; `torch.Tensor` and a few other classes are listed with their members."""
    table: dict[str, list[str]] = {}
    names: list[str] = []
    for line in (Path(__file__).parent / "_torch_names.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            names = table.setdefault(line.strip("[]"), [])
        elif not line.startswith("#"):
            names += line.split()
    return {module: frozenset(members) for module, members in table.items()}


_told: dict[tuple[str, str], str] = {}  # programs ask for a name with hasattr again and again


def missing(module_name: str, name: str, existing: Iterable[str] | Callable[[], Iterable[str]]) -> AttributeError:
    """The error for `module_name.name`, which flambeau lacks: whether PyTorch has it, and the nearest name here.

    `existing`, the names that there are, may be a function that gives them.
    """
    text = _told.get((module_name, name))
    if text is None:
        text = told(module_name, name, existing() if callable(existing) else existing)
        if len(_told) < 10_000:
            _told[module_name, name] = text
    return AttributeError(text, name=name)


def told(module_name: str, name: str, existing: Iterable[str]) -> str:
    """The text of that error."""
    from ._version import VERSION

    path = "torch" + module_name.removeprefix("flambeau").removeprefix("torch")
    table = modules()
    if name in table.get(path, ()) or f"{path}.{name}" in table:
        text = f"flambeau {VERSION} has no {path}.{name} yet (PyTorch {PYTORCH_VERSION} has)"
    elif is_class(path):
        text = f"'{path.rpartition('.')[2]}' object has no attribute '{name}'"
    else:
        text = f"module '{path}' has no attribute '{name}'"
    near = [] if name.startswith("_") else nearest(name, existing)
    if near:
        text += f"; nearest here: {', '.join(near)}"
    return text


def is_class(path: str) -> bool:
    """Whether a key of `modules()` is a class, which the case of its name shows."""
    return path.rpartition(".")[2][:1].isupper()


def nearest(name: str, existing: Iterable[str]) -> list[str]:
    """At most three of the public names in `existing` that are spelt most like `name`, best first."""
    folded: dict[str, str] = {}
    for candidate in sorted(existing, key=lambda text: (text[:1].isupper() != name[:1].isupper(), text)):
        # Lengths too different cannot reach the cutoff; leaving them out halves the search.
        if not candidate.startswith("_") and abs(len(candidate) - len(name)) <= max(3, len(name) // 2):
            folded.setdefault(candidate.lower(), candidate)
    return [folded[found] for found in difflib.get_close_matches(name.lower(), folded, n=3, cutoff=0.7)]
