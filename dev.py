"""What a developer does with this repository, each with its own set-up: demo, test, lint, bench.

    python3 dev.py demo            train a small network on handwritten digits with flambeau
    python3 dev.py test [options]  run the tests; options go to pytest
    python3 dev.py lint            run ruff and mypy
    python3 dev.py bench [options] time the workloads of benchmarks/, beside PyTorch where it is installed

Needs a Python from 3.11 to 3.13 and nothing else. Everything is installed into .venv beside this file, once.
With FLAMBEAU_REFERENCE=1 or CI set, `test` also installs PyTorch, which some tests compare with, and
libraries made for it, which others run on flambeau.
"""
from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
ENVIRONMENT = ROOT / ".venv"
SCRIPTS = ENVIRONMENT / ("Scripts" if os.name == "nt" else "bin")
PYTHON = SCRIPTS / ("python.exe" if os.name == "nt" else "python")
OLDEST, NEWEST = (3, 11), (3, 13)
REFERENCE = "torch==2.13.0"
# Libraries that ask pip for PyTorch, which they need not have here, and what else they need.
LIBRARIES = ("torchmetrics", "lightning-utilities", "pytorch-lightning", "accelerate")
NEEDED = ("packaging", "typing-extensions", "fsspec", "pyyaml", "psutil", "huggingface-hub")
# Tests that choose how programs run by themselves, or that do not run any.
ONCE = ("test_backends", "test_budgets", "test_compile*", "test_cuda", "test_data_workers", "test_distributions*",
        "test_docs", "test_every_op*", "test_examples", "test_faults", "test_generator", "test_launcher",
        "test_libraries", "test_native", "test_notebooks", "test_printing", "test_programs_*", "test_same_as_pytorch",
        "test_vision_*")


def suitable_python() -> str:
    """The interpreter to build the environment with: this one, or another on the path if this one is unfit."""
    if OLDEST <= sys.version_info[:2] <= NEWEST:
        return sys.executable
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        found = shutil.which(f"python3.{minor}")
        if found and subprocess.run([found, "--version"], capture_output=True).returncode == 0:
            return found
    version = ".".join(map(str, sys.version_info[:3]))
    sys.exit(f"flambeau needs a Python from 3.11 to 3.13; this one is {version}, and there is no other on the path.")


def prepare(extra: str) -> None:
    """Make the environment hold the package, editable, with one group of its optional dependencies."""
    key = hashlib.sha256((ROOT / "pyproject.toml").read_bytes() + str(ROOT).encode()).hexdigest()
    stamp = ENVIRONMENT / f"ready-{extra}"
    if stamp.exists() and PYTHON.exists() and stamp.read_text() == key:
        return
    make_environment()
    print(f"Installing flambeau[{extra}] into {ENVIRONMENT} ...", flush=True)
    status = install("--editable", f"{ROOT}[{extra}]")
    if status:
        sys.exit(f"pip could not install flambeau[{extra}] (its message is above).")
    stamp.write_text(key)


def make_environment() -> None:
    """Create .venv if it is not there or does not run."""
    if PYTHON.exists() and subprocess.run([PYTHON, "-m", "pip", "--version"], capture_output=True).returncode == 0:
        return
    python = suitable_python()
    print(f"Creating {ENVIRONMENT} ...", flush=True)
    if python == sys.executable:
        try:
            venv.create(ENVIRONMENT, clear=True, with_pip=True, symlinks=os.name != "nt")
        except (subprocess.CalledProcessError, OSError) as error:
            sys.exit(f"The virtual environment could not be made: {error}\n"
                     "(On Debian and Ubuntu the package python3-venv has to be installed.)")
    elif subprocess.run([python, "-m", "venv", "--clear", str(ENVIRONMENT)]).returncode:
        sys.exit("The virtual environment could not be made (the message is above).")


def install(*what: str) -> int:
    """pip's exit status for these arguments."""
    return subprocess.run([PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *what]).returncode


def install_reference() -> None:
    """Install PyTorch, and libraries made for it, for the tests that need them; without, those are skipped."""
    stamp = ENVIRONMENT / "ready-reference"
    wanted = " ".join((REFERENCE, *LIBRARIES, *NEEDED))
    if stamp.exists() and stamp.read_text() == wanted:
        return
    print(f"Installing {REFERENCE} and libraries made for it ...", flush=True)
    # Each by itself: one that cannot be had leaves the others.
    failed = [what for what in ([REFERENCE], ["--no-deps", *LIBRARIES], NEEDED) if install(*what)]
    for what in failed:
        print(f"{' '.join(what)} could not be installed: the tests that need it are skipped.", flush=True)
    if not failed:
        stamp.write_text(wanted)


def run(*command: str | Path, environment: dict[str, str] | None = None) -> int:
    """The exit status of a command run from the repository's root."""
    sys.stdout.flush()
    words = [str(word) for word in command]
    return subprocess.run(words, cwd=ROOT, env={**os.environ, **(environment or {})}).returncode


def demo() -> int:
    """Train the digits example."""
    prepare("examples")
    return run(PYTHON, "-m", "flambeau", "run", "examples/digits.py")


def test(options: list[str]) -> int:
    """Run pytest: lazily, and without options once more with the bound on pending work at one operation."""
    prepare("test")
    if os.environ.get("FLAMBEAU_REFERENCE") == "1" or os.environ.get("CI"):
        install_reference()
    if options:
        return run(PYTHON, "-m", "pytest", *options)
    several = ["-n", str(min(4, os.cpu_count() or 1))]
    single = {"OMP_NUM_THREADS": "1"}
    status = run(PYTHON, "-m", "pytest", *several, environment=single)
    if status:
        return status
    print("Again, with every operation run at once:", flush=True)
    ignored = [f"--ignore-glob=tests/{name}.py" for name in ONCE]
    return run(PYTHON, "-m", "pytest", *several, *ignored, environment={**single, "FLAMBEAU_EAGER": "1"})


def lint() -> int:
    """Run ruff and mypy, both to their end."""
    prepare("test")
    ruff = run(PYTHON, "-m", "ruff", "check", ".")
    mypy = run(PYTHON, "-m", "mypy")
    return ruff or mypy


def bench(options: list[str]) -> int:
    """Time the workloads of benchmarks/."""
    prepare("test")
    return run(PYTHON, "benchmarks/run.py", *options)


def main() -> int:
    """Carry out the command line."""
    command, *options = sys.argv[1:] or ["--help"]
    if command in ("test", "bench"):
        return test(options) if command == "test" else bench(options)
    commands = {"demo": demo, "lint": lint}
    if command in commands and not options:
        return commands[command]()
    print(__doc__)
    return 0 if command in ("--help", "-h") else 2


if __name__ == "__main__":
    sys.exit(main())
