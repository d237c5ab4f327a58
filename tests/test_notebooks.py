"""The five notebooks as programs, unchanged, on each backend: what they print is what PyTorch printed. Needs the folder
`shared` beside the repository, and is skipped without it."""

import os
import pathlib
import subprocess
import sys

import pytest

import flambeau
from flambeau.backends import available

ROOT = pathlib.Path(flambeau.__file__).parent.parent
CHECK = ROOT.parent / "shared" / "seeds" / "check.py"


@pytest.mark.skipif(not CHECK.exists(), reason="the notebooks are not here")
@pytest.mark.parametrize("name", ["000", "001", "002", "003", "004"])
@pytest.mark.parametrize("backend", ["numpy", "native", "xla"])
def test_a_notebook_agrees(name, backend):
    if backend not in available():
        pytest.skip(f"{backend} is not installed")
    if (name, backend) == ("004", "xla"):
        pytest.skip("thousands of small steps: they are what the other backends are for")
    env = {**os.environ, "FLAMBEAU_BACKEND": backend, "PYTHONPATH": str(ROOT)}
    env.pop("FLAMBEAU_CHECK", None)
    run = subprocess.run(
        [sys.executable, CHECK, "--with", f"{sys.executable} -m flambeau run", name],
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stdout + run.stderr
