"""Runs the programs of programs/ under PyTorch and under flambeau, and compares what they print."""
from __future__ import annotations

import importlib.util
import itertools
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).resolve().parent / "programs"
REPOSITORY = PROGRAMS.parent.parent
NUMBER = re.compile(r"(?<![\w.])-?\d+\.?\d*(?:e[-+]?\d+)?(?!\w)")
# Run before a program: at its end says on stderr where `torch` came from, and which files of PyTorch's were loaded.
WITNESS = """\
import atexit, sys
def tell():
    torch = sys.modules.get("torch")
    files = [getattr(module, "__file__", None) or "" for module in list(sys.modules.values())]
    real = [file for file in files if "/torch/" in file.replace(chr(92), "/")]
    print("WITNESS", getattr(torch, "__name__", None), real, file=sys.stderr)
atexit.register(tell)
"""


def run(program: Path, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY), "HF_HUB_OFFLINE": "1"}
    return subprocess.run([sys.executable, "-X", "utf8", *options, str(program)], cwd=folder, env=variables,
                          capture_output=True, text=True, encoding="utf-8", timeout=300)


def under_flambeau(program: Path, folder: Path) -> str:
    """What a program prints under flambeau; it is a failure if any of PyTorch's own files was loaded."""
    witnessed = folder / program.name
    witnessed.write_text(WITNESS + program.read_text(encoding="utf-8"), encoding="utf-8")
    done = run(witnessed, folder, "-m", "flambeau", "run")
    assert done.returncode == 0, done.stderr
    assert "WITNESS flambeau []" in done.stderr
    return done.stdout


def check_alike(found: str, expected: str) -> None:
    """Asserts that two outputs differ in the last digits of their numbers at most."""
    assert expected
    for line, reference in itertools.zip_longest(found.splitlines(), expected.splitlines(), fillvalue="(nothing)"):
        words, others = (" ".join(NUMBER.sub("#", text).split()) for text in (line, reference))
        assert words == others, f"{line!r} where PyTorch prints {reference!r}"
        numbers, theirs = ([float(number) for number in NUMBER.findall(text)] for text in (line, reference))
        assert numbers == pytest.approx(theirs, rel=1e-3, abs=2e-4), f"{line!r} where PyTorch prints {reference!r}"


def installed(library: str) -> bool:
    return importlib.util.find_spec(library) is not None


def check_program(name: str, folder: Path) -> None:
    """Asserts that a program of programs/ runs under flambeau and prints what it prints under PyTorch."""
    program = PROGRAMS / f"{name}.py"
    found = under_flambeau(program, folder)
    words = program.read_text(encoding="utf-8").split()
    for library in ["torch"] + ["torchvision"] * any(word.startswith("torchvision") for word in words):
        if not installed(library):
            pytest.skip(f"runs; {library} is not installed to compare with")
    reference = run(program, folder)
    assert reference.returncode == 0, reference.stderr
    check_alike(found, reference.stdout)
