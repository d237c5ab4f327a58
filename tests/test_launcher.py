"""`flambeau run` against `python`: real processes, one program, the two compared."""
from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import flambeau
from flambeau._version import VERSION

REPOSITORY = Path(__file__).resolve().parent.parent
PYTHON = [sys.executable]
FLAMBEAU = [sys.executable, "-m", "flambeau", "run"]
on_posix = pytest.mark.skipif(os.name == "nt", reason="signals and links work otherwise on Windows")


def execute(command: list[str], *arguments: object, cwd: Path, stdin: str = "", **environment: str):
    variables = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run([*command, *map(str, arguments)], cwd=cwd, input=stdin, env=variables, timeout=120,
                          capture_output=True, text=True)


def both(*arguments: object, cwd: Path, stdin: str = ""):
    """The same run under python and under flambeau."""
    return execute(PYTHON, *arguments, cwd=cwd, stdin=stdin), execute(FLAMBEAU, *arguments, cwd=cwd, stdin=stdin)


def outcome(done) -> tuple[int, str, str]:
    return done.returncode, done.stdout, done.stderr


def write(folder: Path, text: str, name: str = "program.py") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def succeed(folder: Path, text: str, *arguments: object) -> str:
    """What a program that must end well prints under flambeau."""
    done = execute(FLAMBEAU, write(folder, text), *arguments, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


# The program's surroundings

SURROUNDINGS = """\
import sys
print(sys.argv, __name__, __file__, repr(__doc__), __package__, __spec__, type(__loader__).__name__)
print(sys.path[0], sys.modules["__main__"].__dict__ is globals(), sorted(globals()), __builtins__)
"""


@pytest.mark.parametrize("script", ["program.py", "inner/program.py", "./inner/../program.py"])
def test_surroundings_are_those_of_python(tmp_path, script):
    write(tmp_path, SURROUNDINGS)
    write(tmp_path, SURROUNDINGS, "inner/program.py")
    expected, found = both(script, "--lr", "0.1", "--", "-h", "a b", "", cwd=tmp_path)
    assert expected.returncode == 0
    assert outcome(found) == outcome(expected)


@on_posix
def test_imports_look_in_the_folder_that_a_link_points_to(tmp_path):
    write(tmp_path, "import helper; print(helper.value, __file__)", "real/program.py")
    write(tmp_path, "value = 5", "real/helper.py")
    (tmp_path / "link.py").symlink_to(tmp_path / "real" / "program.py")
    expected, found = both("link.py", cwd=tmp_path)
    assert expected.stdout.startswith("5 ")
    assert outcome(found) == outcome(expected)


def test_program_on_standard_input(tmp_path):
    text = "import sys\nprint(sys.argv, repr(sys.path[0]), __name__, sorted(globals()))\n"
    expected, found = both("-", "x", cwd=tmp_path, stdin=text)
    assert expected.returncode == 0
    assert outcome(found) == outcome(expected)


def test_folder_with_a_main_module(tmp_path):
    write(tmp_path, "import sys, beside; print(sys.argv, sys.path[0], __file__, __package__, __spec__.name)",
          "app/__main__.py")
    write(tmp_path, "", "app/beside.py")
    for script in ("app", "./app"):
        expected, found = both(script, "x", cwd=tmp_path)
        assert expected.returncode == 0
        assert outcome(found) == outcome(expected)
    expected, found = both(".", cwd=tmp_path / "app")
    assert outcome(found) == outcome(expected)


def test_pickle_dataclasses_and_inspect_see_the_program_as_main(tmp_path):
    text = """\
import dataclasses, inspect, pickle, typing
@dataclasses.dataclass
class Config:
    rate: "typing.Optional[float]" = 0.5
print(pickle.loads(pickle.dumps(Config(0.25))), Config.__module__, typing.get_type_hints(Config))
print(inspect.getsource(Config))
"""
    write(tmp_path, text)
    expected, found = both("program.py", cwd=tmp_path)
    assert expected.returncode == 0
    assert outcome(found) == outcome(expected)


def test_exit_handlers_and_other_threads_find_the_program_alive(tmp_path):
    text = """\
import atexit, threading, time
words = ["exit"]
def late():
    time.sleep(0.2); print("thread", words)
atexit.register(lambda: print(words))
threading.Thread(target=late).start()
"""
    write(tmp_path, text)
    expected, found = both("program.py", cwd=tmp_path)
    assert expected.stdout == "thread ['exit']\n['exit']\n"
    assert outcome(found) == outcome(expected)


# How a program ends

@pytest.mark.parametrize("ending", [
    "sys.exit()", "sys.exit(0)", "sys.exit(7)", "sys.exit(-1)", "sys.exit('a message')", "sys.exit(None)",
    "sys.exit((1, 2))", "raise SystemExit", "quit(3)", "import os; os._exit(9)", "pass",
    "raise ValueError('no')", "1 / 0", "def f(): raise KeyError(3)\nf()", "raise BaseException('base')",
    "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    raise OSError('second') from error",
    "import json; json.loads('{')", "undefined_name", "import module_that_is_not_there",
    "raise ExceptionGroup('several', [ValueError(1), TypeError(2)])",
    "sys.excepthook = lambda kind, error, trace: print('hook', kind, error, trace.tb_lineno)\nraise ValueError(4)",
    "def hook(*_): sys.exit(5)\nsys.excepthook = hook\nraise ValueError(4)",
    "import asyncio\nasync def f(): raise ValueError(8)\nasyncio.run(f())",
    "print('out'); sys.stdout.close()",
], ids=lambda text: text[:40])
def test_ends_as_under_python(tmp_path, ending):
    write(tmp_path, f"import sys\n{ending}\n")
    expected, found = both("program.py", cwd=tmp_path)
    assert outcome(found) == outcome(expected)


@pytest.mark.parametrize("text", [
    "def f(:\n    pass\n", "if True:\nprint(1)\n", "x = 'open\n", "return 3\n", "\tx\n  y\n"])
def test_syntax_errors_are_shown_as_by_python(tmp_path, text):
    write(tmp_path, text)
    expected, found = both("program.py", cwd=tmp_path)
    assert expected.returncode == 1
    assert outcome(found) == outcome(expected)


def test_source_encodings(tmp_path):
    (tmp_path / "latin.py").write_bytes("# -*- coding: latin-1 -*-\nprint(ascii('\xe9'))\n".encode("latin-1"))
    (tmp_path / "mark.py").write_bytes(b"\xef\xbb\xbfprint('mark')\r\n")
    for name in ("latin.py", "mark.py"):
        expected, found = both(name, cwd=tmp_path)
        assert expected.returncode == 0
        assert outcome(found) == outcome(expected)
    (tmp_path / "wrong.py").write_bytes(b"print('\xff')\n")
    expected, found = both("wrong.py", cwd=tmp_path)
    assert found.returncode == expected.returncode == 1
    assert found.stderr.splitlines()[-1].startswith("SyntaxError")


def test_script_that_is_not_there(tmp_path):
    expected, found = both("missing.py", cwd=tmp_path)
    assert expected.returncode == 2
    assert outcome(found) == outcome(expected)


def test_folder_without_a_main_module(tmp_path):
    (tmp_path / "empty").mkdir()
    expected, found = both("empty", cwd=tmp_path)
    assert expected.returncode == 1
    assert outcome(found) == outcome(expected)


@on_posix
def test_interrupt_ends_by_the_signal_after_exit_handlers(tmp_path):
    write(tmp_path, "import atexit, time\natexit.register(print, 'cleaned')\n"
                    "print('ready', flush=True)\ntime.sleep(60)\n")
    outcomes = []
    for command in (PYTHON, FLAMBEAU):
        process = subprocess.Popen([*command, "program.py"], cwd=tmp_path, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(REPOSITORY)})
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        outcomes.append((process.returncode, out, err))
    assert outcomes[0][:2] == (-signal.SIGINT, "cleaned\n")
    assert outcomes[1] == outcomes[0]


# torch is flambeau

@pytest.mark.parametrize("first, second", [("torch", "flambeau"), ("flambeau", "torch")])
def test_both_names_give_one_module(tmp_path, first, second):
    text = f"""\
import sys
import {first}, {first}.nn.functional, {first}.utils.data
import {second}, {second}.nn.functional, {second}.utils.data, {second}.optim
assert torch is flambeau and sys.modules["torch"] is sys.modules["flambeau"]
for name in list(sys.modules):
    if name.startswith("torch."):
        assert sys.modules[name] is sys.modules["flambeau" + name[5:]], name
        assert sys.modules[name].__spec__.name == sys.modules[name].__name__, name
assert torch.utils.data.DataLoader is flambeau.utils.data.DataLoader
print(torch.__name__, torch.__spec__.name)
"""
    assert succeed(tmp_path, text) == "flambeau flambeau\n"


@pytest.mark.parametrize("line", [
    "import torch.nn.functional as F; assert F.relu",
    "from torch.utils.data import DataLoader, TensorDataset",
    "import torch.optim.lr_scheduler; assert torch.optim.lr_scheduler.StepLR",
    "from torch import nn, optim; assert nn.Linear and optim.Adam",
    "from torch.nn import Linear",
    "import importlib; assert importlib.import_module('torch.nn').Linear",
])
def test_ways_to_import(tmp_path, line):
    assert succeed(tmp_path, f"{line}\nprint('done')") == "done\n"
    assert succeed(tmp_path, f"import torch\n{line}\nprint('done')") == "done\n"


def test_real_torch_is_never_loaded(tmp_path):
    write(tmp_path, "raise ImportError('this is the real one')", "site/torch/__init__.py")
    text = "import torch, sys\nprint(torch.__file__ == sys.modules['flambeau'].__file__)"
    done = execute(FLAMBEAU, write(tmp_path, text), cwd=tmp_path,
                   PYTHONPATH=os.pathsep.join([str(tmp_path / "site"), str(REPOSITORY)]))
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


def test_without_the_launcher_torch_is_left_alone(tmp_path):
    show = "print('torch' in sys.modules, 'AliasFinder' in str(sys.meta_path))"
    done = execute(PYTHON, "-c", f"import flambeau, flambeau.launcher, sys; {show}", cwd=tmp_path)
    assert done.stdout == "False False\n"


@pytest.mark.parametrize("method", ["spawn", pytest.param("fork", marks=on_posix)])
def test_processes_of_multiprocessing_have_flambeau_too(tmp_path, method):
    text = f"""\
import multiprocessing, os
import torch
def work(number):
    return torch.__name__, number * 2, os.getpid()
if __name__ == "__main__":
    with multiprocessing.get_context({method!r}).Pool(1) as pool:
        (name, number, process), = pool.map(work, [4])
    print(name, number, process != os.getpid())
"""
    assert succeed(tmp_path, text) == "flambeau 8 True\n"


PROJECT = {
    "train.py": """\
import argparse
import torch
from torch.utils.data import DataLoader, Dataset
from project.models import Settings, make
from project.training.loop import fit

class Squares(Dataset):
    def __len__(self):
        return 12
    def __getitem__(self, i):
        return torch.tensor([float(i)]), torch.tensor([float(i * i)])

class Mine(torch.nn.Linear):
    pass

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=float, default=0.5)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("out")
    options = parser.parse_args()
    torch.manual_seed(0)
    settings = Settings(rate=options.rate)
    model = make(settings)
    loader = DataLoader(Squares(), batch_size=4, shuffle=True, num_workers=options.workers)
    print(settings, [round(loss, 3) for loss in fit(model, loader, settings)])
    torch.save([Mine(1, 1), model, settings], options.out)
    mine, again, found = torch.load(options.out, weights_only=False)
    print(type(mine) is Mine, type(again).__module__, found == settings)
    print(torch.equal(again.layer.weight, model.layer.weight))
""",
    "project/__init__.py": "",
    "project/models.py": """\
from dataclasses import dataclass, field
from torch import nn

@dataclass
class Settings:
    rate: float
    sizes: list = field(default_factory=lambda: [1, 1])

class Model(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.layer = nn.Linear(*sizes)
    def forward(self, x):
        return self.layer(x)

def make(settings):
    return Model(settings.sizes)
""",
    "project/training/__init__.py": "from .loop import fit\n",
    "project/training/loop.py": """\
import torch.nn.functional as F
from torch.optim import SGD
from ..models import Settings

def fit(model, loader, settings: Settings):
    optimizer = SGD(model.parameters(), lr=settings.rate)
    for x, y in loader:
        loss = F.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss.item()
""",
}


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=on_posix)])
def test_a_program_of_many_files(tmp_path, workers):
    for name, text in PROJECT.items():
        write(tmp_path, text, name)
    words = ("train.py", "--rate", "0.001", "--workers", workers, tmp_path / "out.pt")
    done = execute(FLAMBEAU, *words, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    first, *rest = done.stdout.splitlines()
    assert first.startswith("Settings(rate=0.001, sizes=[1, 1]) [")
    assert rest == ["True project.models True", "True"]
    if importlib.util.find_spec("torch") is not None:
        assert execute(PYTHON, *words, cwd=tmp_path).stdout == done.stdout


def test_version_of_torch_as_a_package(tmp_path):
    text = """\
import importlib.metadata, importlib.util
print(importlib.metadata.version("torch"), importlib.metadata.distribution("Torch").metadata["Name"])
print(importlib.util.find_spec("torch").name, [d.version for d in importlib.metadata.distributions(name="torch")][0])
try:
    importlib.metadata.version("no-such-package")
except importlib.metadata.PackageNotFoundError:
    print("not found")
"""
    version = f"2.13.0+flambeau{VERSION}"
    assert succeed(tmp_path, text) == f"{version} torch\ntorch {version}\nnot found\n"


def test_absent_modules(tmp_path):
    text = """\
for name in ("torch.futures", "torch.no_such_part", "torch.nn.no_such_part"):
    try:
        __import__(name)
    except ModuleNotFoundError as error:
        print(error.name, error)
"""
    assert succeed(tmp_path, text).splitlines() == [
        "torch.futures No module named 'torch.futures' (PyTorch has it; "
        f"flambeau {VERSION} has not yet)",
        "torch.no_such_part No module named 'torch.no_such_part'",
        "torch.nn.no_such_part No module named 'torch.nn.no_such_part'"]


def test_traceback_of_an_absent_module_holds_the_program_only(tmp_path):
    done = execute(FLAMBEAU, write(tmp_path, "import os\nimport torch.futures\n"), cwd=tmp_path)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert lines[:3] == ["Traceback (most recent call last):",
                         f'  File "{tmp_path / "program.py"}", line 2, in <module>', "    import torch.futures"]
    assert [line for line in lines[3:] if line.strip(" ^")] == [lines[-1]]
    assert lines[-1].startswith("ModuleNotFoundError: No module named 'torch.futures'")


def test_a_torch_file_beside_the_program_is_passed_over_with_a_note(tmp_path):
    write(tmp_path, "raise RuntimeError('wrong module')", "torch.py")
    done = execute(FLAMBEAU, write(tmp_path, "import torch\nprint(torch.__name__)"), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "flambeau\n"), done.stderr
    assert done.stderr == f"flambeau: note: {tmp_path / 'torch.py'} is not used; `import torch` gives flambeau\n"


def test_a_program_called_torch(tmp_path):
    done = execute(FLAMBEAU, write(tmp_path, "import torch\nprint(torch.__name__)", "torch.py"), cwd=tmp_path)
    assert outcome(done) == (0, "flambeau\n", "")


# The command line

def command_line(*words: str):
    return execute([sys.executable, "-m", "flambeau"], *words, cwd=REPOSITORY)


def test_version_and_help():
    assert outcome(command_line("--version")) == (0, f"flambeau {VERSION}\n", "")
    for words in (["--help"], ["-h"], ["run", "--help"]):
        done = command_line(*words)
        assert done.returncode == 0 and "flambeau run SCRIPT" in done.stdout


def test_installed_command(tmp_path):
    command = Path(sys.executable).with_name("flambeau.exe" if os.name == "nt" else "flambeau")
    if not command.exists():
        pytest.skip("flambeau is not installed in this environment")
    write(tmp_path, "import sys\nprint(sys.argv, sys.path[0])\nraise ValueError(3)\n")
    expected = execute(PYTHON, "program.py", "x", cwd=tmp_path)
    assert outcome(execute([str(command), "run"], "program.py", "x", cwd=tmp_path)) == outcome(expected)


@pytest.mark.parametrize("words, message", [
    ([], "no command"), (["run"], "which script?"), (["walk", "x"], "unknown command walk"),
    (["run", "--fast", "x.py"], "unknown option --fast"),
    (["train.py", "--lr", "1"], "did you mean: flambeau run train.py --lr 1")])
def test_wrong_usage(words, message):
    done = command_line(*words)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.splitlines()[-1] == f"flambeau: {message}"


# Notebooks

def notebook(folder: Path, *cells: object, name: str = "book.ipynb", **document: object) -> Path:
    """A notebook of format 4 whose cells are sources, or whole cells."""
    whole = [cell if isinstance(cell, dict) else {"cell_type": "code", "source": cell, "outputs": []} for cell in cells]
    text = json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": whole, **document})
    return write(folder, text, name)


def run_book(folder: Path, *cells: object, **document: object):
    return execute(FLAMBEAU, notebook(folder, *cells, **document), "--flag", cwd=folder)


def test_cells_share_a_namespace_and_show_their_last_value(tmp_path):
    done = run_book(
        tmp_path, {"cell_type": "markdown", "source": "# Title"}, "x = 2\n", ["y = x + 1\n", "y"], "x;", "None",
        "'text'", "y  # shown", "y; # not shown\n", "def f():\n    return 8\nf()\n\n", "_", "if x:\n    x\n",
        "import sys\n__name__, sys.argv[1:], '__file__' in globals()", "display(x, 'a')", "")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["3", "'text'", "3", "8", "8", "('__main__', ['--flag'], False)", "2", "'a'"]


def test_torch_in_a_notebook(tmp_path):
    done = run_book(tmp_path, "import torch", "torch is __import__('flambeau')")
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


def test_format_3(tmp_path):
    cells = [{"cell_type": "code", "language": "python", "input": ["a = 4\n", "a * 2"], "outputs": []},
             {"cell_type": "heading", "source": "Heading"}]
    text = json.dumps({"nbformat": 3, "metadata": {}, "worksheets": [{"cells": cells}]})
    done = execute(FLAMBEAU, write(tmp_path, text, "old.ipynb"), cwd=tmp_path)
    assert outcome(done) == (0, "8\n", "")


def test_magics_are_left_out_with_a_note(tmp_path):
    done = run_book(tmp_path, "%matplotlib inline\nx = 17\n!pip install \\\n    something\nx\n", "%%time\nx + 1",
                    "%%bash\nexit 3\n", "for i in range(2):\n    !echo {i}\n    print(i)", "y = (x\n% 5)\ny",
                    "s = '''\n%kept\n!kept'''\nlen(s)", "len?", "%time z = x + 3\nz", "files = !ls\n'after'")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["17", "18", "0", "1", "2", "12", "20", "'after'"]
    assert done.stderr.splitlines() == [
        "flambeau: note: cell 1, line 1: %matplotlib inline left out",
        "flambeau: note: cell 1, line 3: !pip install \\ left out",
        "flambeau: note: cell 2, line 1: %%time left out, the cell runs without it",
        "flambeau: note: cell 3, line 1: %%bash: the whole cell is left out",
        "flambeau: note: cell 4, line 2: !echo {i} left out",
        "flambeau: note: cell 7, line 1: len? left out",
        "flambeau: note: cell 8, line 1: %time left out, the statement runs",
        "flambeau: note: cell 9, line 1: files = !ls left out"]


def test_error_in_a_cell_shows_the_cell_and_its_line(tmp_path):
    done = run_book(tmp_path, "def divide(a):\n    return a / 0\n", "x = 1\n\ndivide(x)", "print('never')")
    assert (done.returncode, done.stdout) == (1, "")
    lines = [line for line in done.stderr.splitlines() if line.strip(" ^~")]
    assert lines == ["Traceback (most recent call last):", '  File "book.ipynb cell 2", line 3, in <module>',
                     "    divide(x)", '  File "book.ipynb cell 1", line 2, in divide', "    return a / 0",
                     "ZeroDivisionError: division by zero"]


def test_syntax_error_and_await_in_a_cell(tmp_path):
    done = run_book(tmp_path, "print('first')", "x = 1\ny = (2 +\n")
    assert (done.returncode, done.stdout) == (1, "first\n")
    assert 'File "book.ipynb cell 2", line 2' in done.stderr and "SyntaxError" in done.stderr
    for cell in ("import asyncio\nawait asyncio.sleep(0)\nx = 1", "import asyncio\nawait asyncio.sleep(0)"):
        done = run_book(tmp_path, cell)
        assert done.returncode == 1
        assert "flambeau runs notebooks without an event loop" in done.stderr


def test_exit_in_a_cell(tmp_path):
    assert run_book(tmp_path, "import sys", "sys.exit(4)", "print('never')").returncode == 4


def test_notebook_runs_in_its_own_folder(tmp_path):
    write(tmp_path, "5", "inner/data.txt")
    write(tmp_path, "value = 6", "inner/beside.py")
    notebook(tmp_path, "import beside\nopen('data.txt').read(), beside.value", name="inner/book.ipynb")
    done = execute(FLAMBEAU, "inner/book.ipynb", cwd=tmp_path)
    assert outcome(done) == (0, "('5', 6)\n", "")


def test_plots_do_not_wait(tmp_path):
    cell = "import os\nos.environ['MPLBACKEND']"
    assert run_book(tmp_path, cell).stdout == "'Agg'\n"
    kept = execute(FLAMBEAU, notebook(tmp_path, cell), cwd=tmp_path, MPLBACKEND="svg")
    assert kept.stdout == "'svg'\n"


@pytest.mark.parametrize("text, message", [
    ("{", "not a notebook: Expecting property name"), ("[]", "not a notebook: neither cells nor worksheets"),
    ('{"cells": [], "metadata": {"kernelspec": {"language": "R"}}}', "a notebook in R; only Python can be run")])
def test_files_that_are_no_notebooks(tmp_path, text, message):
    path = write(tmp_path, text, "wrong.ipynb")
    done = execute(FLAMBEAU, path, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"flambeau: {path}: {message}")


# Names that are missing

@pytest.mark.parametrize("module, name, existing, text", [
    ("torch", "vmap", ["vdot"], "flambeau {} has no torch.vmap yet (PyTorch 2.13.0 has)"),
    ("flambeau.nn", "Conv3d", ["Conv1d", "Linear", "_Conv3d"],
     "flambeau {} has no torch.nn.Conv3d yet (PyTorch 2.13.0 has); nearest here: Conv1d"),
    ("torch.nn.functional", "rleu", ["relu", "gelu"],
     "module 'torch.nn.functional' has no attribute 'rleu'; nearest here: relu"),
    ("torch", "onnx", [], "flambeau {} has no torch.onnx yet (PyTorch 2.13.0 has)"),
    ("torch", "linspce", ["logspace", "linspace", "lins"],
     "module 'torch' has no attribute 'linspce'; nearest here: linspace, lins"),
    ("torch", "__wrapped__", ["wrapped"], "module 'torch' has no attribute '__wrapped__'"),
    ("torch", "crossentropyloss", ["CrossEntropyLoss"],
     "module 'torch' has no attribute 'crossentropyloss'; nearest here: CrossEntropyLoss"),
    ("torch.Tensor", "sparse_mask", [], "flambeau {} has no torch.Tensor.sparse_mask yet (PyTorch 2.13.0 has)"),
    ("torch.Tensor", "reshpe", ["reshape"], "'Tensor' object has no attribute 'reshpe'; nearest here: reshape")])
def test_error_for_a_missing_name(module, name, existing, text):
    from flambeau._names import missing

    error = missing(module, name, existing)
    assert isinstance(error, AttributeError)
    assert (str(error), error.name) == (text.format(VERSION), name)


def test_asking_for_a_missing_name_again_costs_little():
    weight = flambeau.ones(1)
    hasattr(weight, "no_such_attribute")
    start = time.perf_counter()
    for _ in range(200):
        assert not hasattr(weight, "no_such_attribute")
    assert time.perf_counter() - start < 0.2  # the nearest names take milliseconds to find, each time


def test_listed_names_are_those_of_pytorch():
    from flambeau._names import PYTORCH_VERSION, modules

    table = modules()
    assert {"Linear", "Module", "CrossEntropyLoss"} <= table["torch.nn"] and "DataLoader" in table["torch.utils.data"]
    torch = pytest.importorskip("torch")
    if torch.__version__.partition("+")[0] != PYTORCH_VERSION:
        pytest.skip(f"the list is that of PyTorch {PYTORCH_VERSION}")
    for path in ("torch", "torch.nn", "torch.nn.functional", "torch.linalg", "torch.optim", "torch.Tensor"):
        place = torch
        for part in path.split(".")[1:]:
            place = getattr(place, part)
        # Some inner modules are attributes only once they have been imported.
        assert [name for name in table[path] if not hasattr(place, name) and f"{path}.{name}" not in table] == []
        assert set(getattr(place, "__all__", ())) - table[path] <= {n for n in dir(place) if n.startswith("_")}
