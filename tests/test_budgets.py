"""Budgets: sizes of files, the direction of imports, what importing costs and loads."""

import ast
import pathlib
import subprocess
import sys

import pytest

import flambeau

ROOT = pathlib.Path(flambeau.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
# Lower layers first; a file may import what is below it or beside it.
LAYERS = [
    ["dtypes", "device", "size", "arithmetic"],
    ["graph"],
    ["ops"],
    ["backends"],
    ["reports"],
    ["engine"],
    ["views", "printing"],
    ["binding"],
    ["generator", "sampling", "placement"],
    ["autograd"],
    ["tensor"],
    ["operators", "creation", "ranges", "info", "functions", "gradcheck", "typed"],
    ["methods", "indexing", "random", "settings", "control", "amp", "cuda", "cpu"],
    ["namespaces"],
    ["nn"],
    ["optim", "utils", "func", "distributions"],
    ["guards", "replay", "vision"],
]
LEVEL = {name: i for i, names in enumerate(LAYERS) for name in names}


def layer(parts):
    return LEVEL.get(parts[0].removesuffix(".py")) if parts else None


def upward(file):
    """Imports at the top of a file that point up. (A function may import a higher layer when it is called.)"""
    here = file.relative_to(ROOT).parts
    own = layer(here)
    found = []
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.level and own is not None:
            base = here[: -node.level] if len(here) >= node.level else ()
            target = (*base, *(node.module or "").split(".")) if node.module else base
            names = [(*target, a.name) for a in node.names] if not node.module else [target]
            for name in names:
                level = layer(name)
                if level is not None and level > own:
                    found.append(f"{file.name}:{node.lineno} imports {'.'.join(name)}")
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_files_are_short(file):
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 600


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_imports_point_down(file):
    assert not upward(file)


def test_the_direction_test_can_fail(tmp_path, monkeypatch):
    planted = ROOT / "ops" / "core.py"
    text = planted.read_text(encoding="utf-8").replace(
        "from .. import dtypes", "from ..nn import Module\nfrom .. import dtypes", 1
    )
    monkeypatch.setattr(pathlib.Path, "read_text", lambda self, **how: text)
    assert upward(planted)


def test_importing_loads_no_heavy_library():
    code = (
        "import sys, flambeau; bad = {'jax', 'torch', 'pandas', 'scipy', 'sklearn', 'matplotlib'} & set(sys.modules); "
        "assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT.parent)


def test_each_operation_is_defined_once():
    from flambeau.ops import registry

    for op in registry.values():
        file, line = op.where
        assert pathlib.Path(file).exists() and line > 0
