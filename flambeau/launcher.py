"""The command `flambeau`: runs PyTorch programs unchanged, with flambeau in PyTorch's place."""
from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from importlib.machinery import BuiltinImporter, ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from . import _aliases, _notebook
from ._version import VERSION

USAGE = """\
usage: flambeau run SCRIPT [argument ...]
       flambeau run NOTEBOOK.ipynb [argument ...]
       flambeau --version | --help

Runs a PyTorch program as `python SCRIPT` does, except that `import torch` gives flambeau;
PyTorch itself need not be installed, and is not used where it is.

SCRIPT is a file, a folder that holds __main__.py, or - for standard input. All that follows it
goes to the program. The code cells of a notebook run in order in one namespace, in the
notebook's folder; lines of IPython's own (%magic, !shell) are left out with a note.
"""
OWN_FILES = frozenset(str(Path(module.__file__ or "")) for module in (_aliases, _notebook)) | {__file__}


def main(arguments: list[str] | None = None) -> int:
    """Run the command line (without the command's own name) and give its exit status."""
    words = sys.argv[1:] if arguments is None else arguments
    match words:
        case ["--version" | "-V", *_]:
            print(f"flambeau {VERSION}")
            return 0
        case ["--help" | "-h" | "help", *_] | ["run", "--help" | "-h", *_]:
            print(USAGE, end="")
            return 0
        case ["run", script, *rest] if script == "-" or not script.startswith("-"):
            return run(script, rest)
        case ["run", option, *_]:
            return wrong_usage(f"unknown option {option}")
        case ["run"]:
            return wrong_usage("which script?")
        case [word, *_] if word.endswith((".py", ".ipynb")):
            return wrong_usage(f"did you mean: flambeau run {' '.join(words)}")
        case [word, *_]:
            return wrong_usage(f"unknown command {word}")
        case _:
            return wrong_usage("no command")


def wrong_usage(message: str) -> int:
    print(f"{USAGE.partition(chr(10) * 2)[0]}\nflambeau: {message}", file=sys.stderr)
    return 2


def run(script: str, arguments: list[str]) -> int:
    """Run a program as `python script arguments` would, and give its exit status.

    `SystemExit` and `KeyboardInterrupt` pass through, so that the interpreter ends as it does for them.
    """
    _aliases.install()
    sys.argv[:] = [script, *arguments]
    if script == "-":
        return run_source(sys.stdin.buffer.read(), "<stdin>", BuiltinImporter, "")
    path = Path(script)
    if path.is_dir():
        return run_folder(script)
    try:
        source = path.read_bytes()
    except OSError as error:
        print(f"{sys.executable}: can't open file '{absolute(script)}': [Errno {error.errno}] {error.strerror}",
              file=sys.stderr)
        return 2
    folder = str(path.resolve().parent)
    if path.suffix == ".ipynb":
        return run_notebook(source, path.resolve())
    return run_source(source, absolute(script), SourceFileLoader("__main__", absolute(script)), folder)


def run_folder(script: str) -> int:
    """Run the `__main__.py` of a folder, which becomes the first place that imports look in."""
    folder = os.getcwd() if script == "." else absolute(script)
    file = os.path.join(folder, "__main__.py")
    if not os.path.isfile(file):
        print(f"{sys.executable}: can't find '__main__' module in '{folder}'", file=sys.stderr)
        return 1
    loader = SourceFileLoader("__main__", file)
    return run_source(Path(file).read_bytes(), file, loader, folder, ModuleSpec("__main__", loader, origin=file))


def absolute(script: str) -> str:
    """The path as `python` puts it in `__file__`: made absolute, and on POSIX not tidied."""
    return os.path.abspath(script) if os.name == "nt" else os.path.join(os.getcwd(), script)


def run_source(source: bytes, file: str, loader: Any, folder: str, spec: ModuleSpec | None = None) -> int:
    """Compile and run a program's text as the module `__main__`."""
    module = new_main(folder)
    vars(module).update(__file__=file, __loader__=loader, __spec__=spec, __cached__=None, __annotations__={})
    if spec is not None:
        module.__package__ = ""

    def program() -> None:
        exec(compile(source, file, "exec", dont_inherit=True), vars(module))

    return guarded(program)


def run_notebook(source: bytes, path: Path) -> int:
    """Run a notebook's code cells, in its folder as Jupyter does."""
    try:
        cells = _notebook.code_cells(source)
    except ValueError as error:
        print(f"flambeau: {path}: {error}", file=sys.stderr)
        return 1
    # A window that waits to be closed would stop a notebook, where plots are part of the page.
    os.environ.setdefault("MPLBACKEND", "Agg")
    module = new_main(str(path.parent))
    module.__dict__["display"] = _notebook.display
    os.chdir(path.parent)
    if sys.excepthook is sys.__excepthook__:
        # Before Python 3.13 the built-in hook reads source from files only, and cells are in none.
        sys.excepthook = traceback.print_exception
    return guarded(lambda: _notebook.run_cells(cells, path.name, vars(module)))


def new_main(folder: str) -> ModuleType:
    """A fresh `__main__`, in place of the launcher's own, with `folder` first in `sys.path`."""
    module = ModuleType("__main__")
    vars(module)["__builtins__"] = sys.modules["builtins"]
    sys.modules["__main__"] = module
    if not sys.flags.safe_path:
        sys.path[:1] = [folder]
    return module


def guarded(program: Callable[[], None]) -> int:
    """Call `program`; show an uncaught exception as the interpreter would, without the launcher's own frames."""
    try:
        program()
    except SystemExit:
        raise
    except BaseException as error:
        show(error)
        if isinstance(error, KeyboardInterrupt):
            # The interpreter must see it, to end by the signal's status; it has been shown already.
            sys.excepthook = lambda *_: None
            raise
        return 1
    return 0


def show(error: BaseException) -> None:
    """Hand an exception to `sys.excepthook`, its traceback holding the program's frames only."""
    chained: BaseException | None = error
    while chained is not None:
        chained.__traceback__ = without_own_frames(chained.__traceback__)
        chained = chained.__cause__ or chained.__context__
    sys.last_type, sys.last_value, sys.last_traceback = type(error), error, error.__traceback__
    vars(sys)["last_exc"] = error
    try:
        sys.excepthook(type(error), error, error.__traceback__)
    except SystemExit:
        raise
    except BaseException as second:
        print("Error in sys.excepthook:", file=sys.stderr)
        traceback.print_exception(second.with_traceback(without_own_frames(second.__traceback__)))
        print("\nOriginal exception was:", file=sys.stderr)
        traceback.print_exception(error)


def without_own_frames(trace: TracebackType | None) -> TracebackType | None:
    """The traceback less the frames of the launcher, wherever they stand in it."""
    kept = []
    while trace is not None:
        if trace.tb_frame.f_code.co_filename not in OWN_FILES:
            kept.append(trace)
        trace = trace.tb_next
    following = None
    for entry in reversed(kept):
        entry.tb_next = following
        following = entry
    return following
