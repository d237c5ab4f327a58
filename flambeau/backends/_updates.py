"""The update of an optimizer as machine code: one loop over flat arrays of any length, which writes where it reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import Program
from ._arrays import traced
from ._kernels import Buffer, Kernel, in_order, tree_costs
from ._module import HEADER, Module
from ._traced import BOOL, DTYPES, FLOAT, INT, Array, Unsupported, cast

LARGEST = 4000.0  # nanoseconds for an element, by estimate, from which an expression has grown out of hand


def updating(program: Program, arrays: int) -> Callable[..., None] | None:
    """The update `program` in place: `run(p, g, *state, *numbers)`, what comes after them is ignored.

    The first `arrays` inputs are vectors in order in memory, of one dtype and length, which may differ from call to
    call, none looking into another's memory. The outputs are the new parameter and state, in the order of the inputs
    without the gradient. None if the program is not elementwise, or has something that native code is not made for.
    """
    if HEADER is None:
        return None
    try:
        return Update(program, arrays).run()
    except Exception:  # a kernel did what arrays without values cannot do: NumPy does it
        return None


class Update:
    """One loop that computes all new values from those at the same place."""

    def __init__(self, program: Program, arrays: int) -> None:
        like = program.inputs[0].spec
        self.dtype = np.dtype(like.dtype.numpy)
        if self.dtype not in DTYPES or self.dtype.kind != "f" or like.ndim != 1 or like.numel < 2:
            raise Unsupported("not a vector of floats")
        if any(n.spec.shape != like.shape or n.spec.dtype is not like.dtype for n in program.inputs[:arrays]):
            raise Unsupported("vectors of several forms")
        if any(n.spec.ndim for n in program.inputs[arrays:]):
            raise Unsupported("an array among the numbers")
        given: list[Array] = []
        for i, node in enumerate(program.inputs):
            if i < arrays:
                x = Array("input", like.shape, self.dtype, (), i)
                x.place, x.strides = Buffer("input", i), (1,)
            else:
                kind = (BOOL, INT, FLOAT)[node.spec.dtype.category]
                x = Array("number", (), kind, (), 1 + i - arrays, True)
                x = x if node.spec.weak else cast(x, node.spec.dtype.numpy)
            given.append(x)
        self.arrays, self.letters = arrays, "".join("qqd"[n.spec.dtype.category] for n in program.inputs[arrays:])
        outputs, refused = traced(program, given)
        written = [(x, a) for x, a in zip(given[:1] + given[2:arrays], outputs, strict=True) if a is not x]
        if refused or any(not elementwise(a, like.shape) for _, a in written):
            raise Unsupported("not elementwise")
        if max(tree_costs(in_order(outputs)).values()) > LARGEST:
            raise Unsupported("too large an expression")
        self.module = Module(arrays, 0, 1 + len(self.letters), 1)
        self.module.kernel(lambda kernel: self.loop(kernel, written))
        self.function = self.module.compiled()

    def loop(self, kernel: Kernel, written: list[tuple[Array, Array]]) -> None:
        """Element by element: first all new values, then they are written."""
        kind = np.dtype(np.int64)
        kernel.body.hints = ""
        count = kernel.number(Array("number", (), kind, (), 0))
        with kernel.body.loop(count) as i:
            values = [kernel.flat_value(a, i) for _, a in written]
            for (x, _), value in zip(written, values, strict=True):
                kernel.body.store(value, kernel.pointer(x.place), self.dtype, i)

    def run(self) -> Callable[..., None]:
        """The function over arrays and numbers, written as source."""
        table, arrays = self.module.table, range(self.arrays)
        numbers = [f"n{i}" for i in range(len(self.letters))]
        words = table.words[self.module.first_number :]
        space: dict[str, Any] = {
            "native": self.function, "words": words, "floats": words.view(np.float64), "check": self.check,
        }  # fmt: skip
        lines = ["def make():", *[f" l{i} = 0" for i in arrays]]  # by number: nothing holds on to an array
        lines.append(f" def run({', '.join([*[f'a{i}' for i in arrays], *numbers])}, *rest):")
        lines.append("  nonlocal " + ", ".join(f"l{i}" for i in arrays))
        same = " and ".join(f"id(a{i}) == l{i}" for i in arrays)
        lines.append(f"  if not (len(a0) == words[0] and {same}):")
        lines.append(f"   words[0] = check(({', '.join(f'a{i}' for i in arrays)}))")
        lines += [f"   l{i} = id(a{i})" for i in arrays]
        for j, (name, letter) in enumerate(zip(numbers, self.letters, strict=True)):
            lines.append(f"  {'floats' if letter == 'd' else 'words'}[{j + 1}] = {name}")
        lines += ["  native()", " return run"]
        exec(compile("\n".join(lines), "<flambeau native update>", "exec"), space)
        return space["make"]()

    def check(self, arrays: tuple) -> int:
        """Takes in other array objects than the last time; gives their length."""
        size, words = arrays[0].size, self.module.table.words
        for i, a in enumerate(arrays):
            if a.shape != (size,) or a.dtype != self.dtype or size > 1 and a.strides != (a.itemsize,) or not size:
                raise ValueError("an update in place needs vectors of one length that lie in order")
            words[i] = id(a)
        return size


def elementwise(a: Array, shape: tuple[int, ...]) -> bool:
    """Whether elements of `a` depend on those at the same place only."""
    stack, seen = [a], set()
    while stack:
        x = stack.pop()
        if id(x) in seen:
            continue
        seen.add(id(x))
        if x.kind == "input" and x.shape == shape or x.kind in ("number", "constant"):
            continue
        if x.kind == "map" and x.shape in (shape, ()):
            stack += x.args
        elif x.kind == "view" and not x.args[0].shape and len(x.args) == 1:
            stack.append(x.args[0])
        else:
            return False
    return a.shape == shape
