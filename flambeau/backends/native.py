"""The native backend: a small program becomes one function of machine code, made by LLVM.

The kernels of operations are run once on arrays without values (`_traced`, `_arrays`), what they leave behind becomes
loops (`_kernels`, `_product`, `_elements`) of a module (`_module`), and a
Python function written for the program hands values in and out.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import Program, Refused
from ._arrays import traced
from ._kernels import HARD, Buffer, choose, in_order
from ._module import HEADER, Module
from ._traced import BOOL, DTYPES, FLOAT, INT, Array, Unsupported, cast, contiguous
from ._updates import updating

LIMIT = 200_000.0  # nanoseconds of arithmetic, by estimate, from which other backends do as well
NODES, ELEMENTS, VARIANTS = 600, 1 << 20, 8


def is_foreign(program: Program) -> bool:
    """Whether something in `program` is beyond this backend at first sight."""
    if len(program.nodes) > NODES or not program.nodes:
        return True
    specs = [n.spec for n in (*program.inputs, *program.nodes)]
    if any(type(n.spec) is tuple for n in program.inputs):
        return True
    flat = [s for spec in specs for s in (spec if type(spec) is tuple else (spec,))]
    return (
        any(s.dtype.category > 2 or s.dtype.half or s.dtype.numpy not in DTYPES or not s.numel for s in flat)
        or sum(s.numel for s in flat) > ELEMENTS
        or any(n.kind.op.host for n in program.nodes)
    )


def exponents(program: Program) -> list[int]:
    """The places of numbers that are compiled in: a square is a product, other powers are dear."""
    read = {n.inputs[-1] for n in program.nodes if n.kind.op.name in ("pow", "_pow_backward")}
    return [i for i, n in enumerate(program.inputs) if n in read and n.spec.weak]


# ---- from values to values


class Native:
    """A program as machine code, for inputs of one form and for certain exponents."""

    def __init__(self, program: Program, values: Sequence[Any], fixed: Sequence[int]) -> None:
        self.program = program
        given: list[Any] = []
        self.forms: list[Any] = []  # of each input: its place among the arrays, or its letter and place as a number
        arrays: list[Array] = []
        numbers = 0
        for i, (node, value) in enumerate(zip(program.inputs, values, strict=True)):
            s = node.spec
            if i in fixed:
                given.append(value)
                self.forms.append(("fixed", value))
            elif not s.ndim:
                kind = (BOOL, INT, FLOAT)[s.dtype.category]
                number = Array("number", (), kind, (), numbers, True)
                given.append(number if s.weak else cast(number, s.dtype.numpy))
                self.forms.append(("number", "bqd"[s.dtype.category], numbers))
                numbers += 1
            else:
                x = Array("input", s.shape, s.dtype.numpy, (), len(arrays))
                strides = getattr(value, "strides", None) or [n * x.itemsize for n in contiguous(s.shape)]
                if any(n % x.itemsize for n in strides) or any(n < 0 for n in strides):
                    strides = [n * x.itemsize for n in contiguous(s.shape)]
                own = [n // x.itemsize if size != 1 else 0 for n, size in zip(strides, s.shape, strict=True)]
                x.strides, x.place = tuple(own), Buffer("input", len(arrays))
                self.forms.append(("array", len(arrays), s.shape, s.dtype.numpy, tuple(strides)))
                arrays.append(x)
                given.append(x)
        self.build(*traced(program, given), len(arrays), numbers)

    def build(self, outputs: list[Array], refused: list[Array], arrays: int, numbers: int) -> None:
        """Lays everything out in memory and compiles it."""
        roots: list[Array] = []
        for a in outputs:
            if a.kind not in HARD and a.kind != "map" or any(a is r for r in roots):
                a = Array("map", a.shape, a.dtype, (a,), "copy", a.weak_type)
            roots.append(a)
        self.outputs, self.flagged = list(roots), bool(refused)
        if refused:
            wrong = functools.reduce(lambda a, b: a | b, refused)
            roots.append(Array("map", (), BOOL, (wrong,), "copy"))
        kept, whole = choose(roots)
        if whole > LIMIT:
            raise Unsupported(f"{whole / 1000:.0f} us of arithmetic")
        module = self.module = Module(arrays, sum(a.ndim > 0 for a in self.outputs), numbers, len(roots))
        out = 0
        for i, a in enumerate(roots):
            a.strides = contiguous(a.shape)
            a.place = Buffer("out", out) if a.ndim else Buffer("result", 8 * i)
            out += a.ndim > 0
        self.fixed: list[np.ndarray] = []
        for a in in_order(roots):
            if a.kind == "fixed":
                self.fixed.append(a.how)
                a.place, a.strides = Buffer("fixed", a.how.ctypes.data), contiguous(a.shape)
        for a in kept:
            if a.place is None:
                a.place, a.strides = module.room(a.nbytes), contiguous(a.shape)
        for a in kept:
            module.add(a)
        self.function = module.compiled()

    def source(self) -> tuple[str, dict[str, Any]]:
        """The Python function that hands values in and out, as source, and the names that it uses."""
        module = self.module
        space: dict[str, Any] = {
            "native": self.function, "table": module.table.memory, "Refused": Refused, "empty": np.empty, "error":
            struct.error, "results": module.results.bytes, "keep": self,
        }  # fmt: skip
        count = len(self.forms)
        arrays = [(i, f) for i, f in enumerate(self.forms) if f[0] == "array"]
        lines = ["def make():", *[f" l{i} = 0" for i, _ in arrays], " def run(values):"]
        if arrays:
            lines.append("  nonlocal " + ", ".join(f"l{i}" for i, _ in arrays))
        if count:
            lines.append("  " + "".join(f"v{i}, " for i in range(count)) + "= values")
        letters, given = "", []
        for i, form in enumerate(self.forms):
            if form[0] == "array":
                space[f"check{i}"], space[f"s{i}"] = self.check(i, form), form[4]
                lines.append(f"  if id(v{i}) != l{i} or v{i}.strides != s{i}: l{i} = check{i}(v{i})")
            elif form[0] == "fixed":
                space[f"f{i}"] = form[1]
                lines.append(f"  if v{i} != f{i}: raise Other")
            else:
                letters += "d" if form[1] == "d" else "q"
                given.append(f"bool(v{i})" if form[1] == "b" else f"v{i}")
        names = []
        for j, a in enumerate(self.outputs):
            space[f"d{j}"] = a.dtype
            if a.ndim:
                lines.append(f"  o{j} = empty({a.shape}, d{j})")
                names.append(f"o{j}")
                continue
            space[f"r{j}"] = module.results.bytes[8 * j : 8 * j + a.itemsize].view(a.dtype)
            names.append(f"r{j}.item()" if a.weak_type else f"r{j}[0]")
        ids = [f"id({n})" for n in names if n[0] == "o"]
        if ids or given:
            packed = struct.Struct("P" * len(ids) + letters)
            space["pack"] = packed.pack_into
            space["at"] = module.table.start + 8 * module.first_out
            call = f"pack(table, at, {', '.join([*ids, *given])})"
            lines += ["  try: " + call, "  except error: raise Refused from None"] if given else ["  " + call]
        lines.append("  native()")
        if self.flagged:
            lines.append(f"  if results[{8 * len(self.outputs)}]: raise Refused")
        rest, shown = iter(names), ""
        for node in self.program.outputs:
            one = node.spec
            shown += f"({''.join(next(rest) + ', ' for _ in one)}), " if type(one) is tuple else next(rest) + ", "
        lines += [f"  return ({shown})", " return run"]
        return "\n".join(lines), space

    def check(self, place: int, form: tuple) -> Callable[[Any], int]:
        """Takes in an array object that was not there the last time; gives what to know it by.

        Nothing holds on to it: an optimizer writes in place only what nobody else looks at.
        """
        _, at, shape, dtype, strides = form
        words = self.module.table.words
        held: list[Any] = [None]

        def check(value: Any) -> int:
            if type(value) is np.ndarray and value.strides == strides and value.shape == shape and value.dtype == dtype:
                words[at] = id(value)
                return id(value)
            held[0] = laid_out(value, shape, dtype, strides)
            words[at] = id(held[0])
            return 0  # a copy is made every time: the original may change

        return check


def laid_out(value: Any, shape: tuple, dtype: np.dtype, strides: tuple) -> np.ndarray:
    """A copy of `value` with the strides that were compiled for."""
    if np.shape(value) != shape:
        raise ValueError(f"an array of shape {shape} was expected, not {np.shape(value)}")
    size = 1 + sum((n - 1) * step // dtype.itemsize for n, step in zip(shape, strides, strict=True))
    found = np.lib.stride_tricks.as_strided(np.empty(size, dtype), shape, strides)
    found[...] = value
    return found


class Other(Exception):
    """An exponent differs from the one that was compiled in."""


def compiled(program: Program, values: Sequence[Any]) -> Callable[[list], tuple] | None:
    """`program` as machine code for inputs such as `values`: from the list of inputs to the outputs, as NumPy's.

    None if an operation, a dtype or the size is outside of what this backend does. The function raises `Refused` where
    a check on values fails.
    """
    if HEADER is None or is_foreign(program):
        return None
    places = exponents(program)
    made: dict[tuple, Callable] = {}

    def find(values: Sequence[Any]) -> Callable | None:
        key = tuple([values[i] for i in places])
        found = made.get(key)
        if found is None:
            try:
                native = Native(program, values, places if len(made) < VARIANTS else ())
            except Exception:  # a kernel did what arrays without values cannot do: there are other backends
                return None
            source, space = native.source()
            space["Other"] = Other
            exec(compile(source, f"<flambeau native {program.number}>", "exec"), space)
            found = made[key] = space["make"]()
        return found

    first = find(values)
    if first is None or not places:
        return first
    current = first

    def run(values: list) -> tuple:
        nonlocal current
        try:
            return current(values)
        except Other:
            found = find(values)
            if found is None:
                raise Refused from None
            current = found
            return current(values)

    return run


__all__ = ["compiled", "updating"]
