"""Runs the code cells of a Jupyter notebook, without Jupyter."""
from __future__ import annotations

import ast
import io
import json
import linecache
import re
import sys
import tokenize
from typing import Any

# Cell magics whose body is Python for this process; the bodies of all others (%%bash, %%html ...) are not.
PYTHON_CELL_MAGICS = frozenset(["capture", "prun", "time", "timeit"])
ASSIGNED_MAGIC = re.compile(r"\s*[\w.,\s\[\]'\"]+=\s*[%!]")


def code_cells(document: bytes) -> list[str]:
    """The sources of the code cells of a notebook (nbformat 3 or 4), in order; `ValueError` for anything else."""
    try:
        notebook = json.loads(document)
    except ValueError as error:
        raise ValueError(f"not a notebook: {error}") from None
    if not isinstance(notebook, dict) or not ("cells" in notebook or "worksheets" in notebook):
        raise ValueError("not a notebook: neither cells nor worksheets in it")
    kernel = notebook.get("metadata", {}).get("kernelspec", {}).get("language", "python")
    if kernel != "python":
        raise ValueError(f"a notebook in {kernel}; only Python can be run")
    if "cells" in notebook:
        cells = notebook["cells"]
    else:
        cells = [cell for sheet in notebook["worksheets"] for cell in sheet["cells"]]
    sources = [cell.get("source", cell.get("input", "")) for cell in cells if cell["cell_type"] == "code"]
    return [source if isinstance(source, str) else "".join(source) for source in sources]


def run_cells(cells: list[str], name: str, namespace: dict[str, Any]) -> None:
    """Run the cells in order in one namespace, showing the value that a cell ends with.

    An exception's traceback names the file `NAME cell N`, counting code cells from 1, and shows the cell's line.
    """
    for number, text in enumerate(cells, 1):
        file = f"{name} cell {number}"
        source = without_cell_magic(text, number)
        keep_for_tracebacks(file, source)
        source, tree = parse(source, file, number)
        keep_for_tracebacks(file, source)
        last = tree.body[-1] if tree.body else None
        value = None
        if isinstance(last, ast.Expr) and not ends_in_semicolon(source):
            tree.body.pop()
            value = last.value
        try:
            code = compile(tree, file, "exec", dont_inherit=True)
            shown = compile(ast.Expression(value), file, "eval", dont_inherit=True) if value else None
        except SyntaxError as error:
            if "await" in str(error):
                error.add_note("flambeau runs notebooks without an event loop: use asyncio.run(...) for a cell's await")
            raise
        exec(code, namespace)
        if shown is not None:
            # The hook prints the repr of anything but None, and binds `_` to it.
            sys.displayhook(eval(shown, namespace))


def keep_for_tracebacks(file: str, source: str) -> None:
    """Let tracebacks quote a cell, which is in no file of its own."""
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)


def without_cell_magic(source: str, number: int) -> str:
    """The cell with a leading `%%magic` line emptied; with nothing left where its body is not Python."""
    lines = source.splitlines(keepends=True)
    first = next((index for index, line in enumerate(lines) if line.strip()), None)
    if first is None or not lines[first].startswith("%%"):
        return source
    magic = lines[first][2:].split()
    if magic and magic[0] in PYTHON_CELL_MAGICS:
        note(number, first + 1, f"{lines[first].strip()} left out, the cell runs without it")
        lines[first] = "\n"
        return "".join(lines)
    note(number, first + 1, f"{lines[first].strip()}: the whole cell is left out")
    return ""


def parse(source: str, file: str, number: int) -> tuple[str, ast.Module]:
    """The cell as Python, with lines in IPython's own syntax replaced; it and its syntax tree.

    Only a line that Python cannot read is looked at, so `%` and `!` within strings or expressions stay.
    """
    while True:
        try:
            return source, ast.parse(source, file)
        except SyntaxError as error:
            lines = source.splitlines(keepends=True)
            index = (error.lineno or 0) - 1
            if not 0 <= index < len(lines) or not is_ipython(lines[index]):
                raise
            replace_line(lines, index, number)
            source = "".join(lines)


def is_ipython(line: str) -> bool:
    text = line.strip()
    return text.startswith(("%", "!", "?")) or text.endswith("?") or ASSIGNED_MAGIC.match(line) is not None


def replace_line(lines: list[str], index: int, number: int) -> None:
    """Put `pass` in place of the line and those that a backslash joins to it; keep the statement of a `%time`."""
    text = lines[index].strip()
    indent = lines[index][:len(lines[index]) - len(lines[index].lstrip())]
    timed = re.fullmatch(r"%time\s+(.+)", text)
    if timed:
        note(number, index + 1, "%time left out, the statement runs")
        lines[index] = f"{indent}{timed[1]}\n"
        return
    note(number, index + 1, f"{text} left out")
    while lines[index].rstrip().endswith("\\") and index + 1 < len(lines):
        lines[index] = "\n"
        index += 1
    lines[index] = f"{indent}pass\n"


def note(cell: int, line: int, message: str) -> None:
    print(f"flambeau: note: cell {cell}, line {line}: {message}", file=sys.stderr)


def ends_in_semicolon(source: str) -> bool:
    """Whether the last token of the source, comments aside, is a semicolon."""
    aside = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.ENDMARKER, tokenize.DEDENT)
    tokens = [token for token in tokenize.generate_tokens(io.StringIO(source).readline) if token.type not in aside]
    return bool(tokens) and tokens[-1].string == ";"


def display(*values: object) -> None:
    """What notebooks call to show a value: here its repr on standard output."""
    for value in values:
        print(repr(value))
