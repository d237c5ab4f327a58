"""A module of machine code: the kernels of a program one after another, and the memory that they know by address.

The only file that imports llvmlite.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Sequence
from typing import Any

import llvmlite.binding as llvm
import numpy as np

from ._elements import address
from ._kernels import Buffer, Kernel
from ._product import product, turns
from ._traced import Array


LEVEL = 3  # of LLVM's optimizations


@functools.cache
def _started() -> Any:
    """The target; LLVM is made ready."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_default_triple()


@functools.cache
def _features() -> tuple[str, str]:
    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


def machine_code(text: str, called: Sequence[str], name: str) -> tuple[Any, int]:
    """The module compiled: what keeps it alive, and the address of the function `name`."""
    target = _started()
    cpu, features = _features()
    machine = target.create_target_machine(cpu=cpu, features=features, opt=LEVEL, jit=True)
    for function in called:
        if function.startswith("flambeau."):
            where = address(function.removeprefix("flambeau."))
            assert where is not None
            llvm.add_symbol(function, where)
    module = llvm.parse_assembly(f'target triple = "{machine.triple}"\n' + text)
    options = llvm.create_pipeline_tuning_options(speed_level=LEVEL)
    options.loop_vectorization, options.slp_vectorization, options.loop_unrolling = True, True, False
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    return engine, engine.get_function_address(name)


class Table:
    """Memory at a fixed address, which native code reads and writes."""

    def __init__(self, size: int) -> None:
        self.memory = np.zeros(size + 128, np.uint8)
        self.start = -self.memory.ctypes.data % 64
        self.bytes = self.memory[self.start : self.start + max(size, 8)]
        self.words = self.bytes[: len(self.bytes) // 8 * 8].view(np.int64)
        self.address: int = self.bytes.ctypes.data


def data_offset() -> int | None:
    """Where in an array object the pointer to its elements stands: right after what all objects have."""
    sample = np.zeros(3)
    found = ctypes.c_void_p.from_address(id(sample) + object.__basicsize__).value
    return object.__basicsize__ if found == sample.ctypes.data else None


HEADER = data_offset()
ATTRIBUTES = 'attributes #0 = { nounwind noinline }\nattributes #1 = { nounwind willreturn memory(none) }\n!0 = !{}\n'


def aligned(size: int) -> int:
    return -(-size // 64) * 64


class Module:
    """The kernels of a program, one after another, and the function that calls them."""

    def __init__(self, inputs: int, outputs: int, numbers: int, results: int) -> None:
        self.first_out, self.first_number = inputs, inputs + outputs
        self.table = Table(8 * (inputs + outputs + numbers))  # addresses of array objects, then numbers
        self.results = Table(8 * results)
        self.numbers_at = self.table.address + 8 * self.first_number
        self.buffers: dict[tuple, Buffer] = {}
        self.lines: list[str] = []
        self.calls: list[str] = []
        self.called: dict[str, str] = {}
        self.size = 0  # bytes of scratch memory
        self.scratch: Any = None

    def room(self, size: int) -> Buffer:
        """New scratch memory."""
        found = Buffer("scratch", self.size)
        self.size += -(-size // 64) * 64
        return found

    def kernel(self, write: Callable[[Kernel], None]) -> None:
        """Adds one kernel."""
        made = Kernel(f"k{len(self.calls)}", self.numbers_at)
        write(made)
        self.lines.append(made.text())
        self.called.update(made.body.called)
        given = ", ".join(f"ptr %{b.base}{b.at}" for b in made.buffers)
        self.calls.append(f"  call void @{made.name}({given})")
        self.buffers.update({(b.base, b.at): b for b in made.buffers})

    def add(self, a: Array) -> None:
        """Adds what computes `a`, which has a place."""
        if a.kind == "reduce":
            self.kernel(lambda k: k.reduce(a))
        elif a.kind == "product":
            spare = self.room(a.args[1].shape[-2] * a.args[1].shape[-1] * a.itemsize) if turns(a) else None
            self.kernel(lambda k: product(k, a, spare))
        elif a.kind == "scan":
            self.kernel(lambda k: k.scan(a))
        elif a.kind == "steps":
            for entries, at, mode in a.how:
                self.kernel(lambda k, e=entries, v=a.args[at], m=mode: k.step(a, e, v, m))  # type: ignore[misc]
        else:
            self.kernel(lambda k: k.fill(a))

    def text(self) -> str:
        """The whole, in LLVM's language."""
        self.scratch = Table(self.size)
        heads = []
        for base, at in self.buffers:
            name = f"%{base}{at}"
            if base in ("input", "out"):
                place = self.table.address + 8 * (at + (self.first_out if base == "out" else 0))
                heads.append(f"  {name}.o = load ptr, ptr inttoptr (i64 {place} to ptr), align 8")
                heads.append(f"  {name}.a = getelementptr i8, ptr {name}.o, i64 {HEADER}")
                heads.append(f"  {name} = load ptr, ptr {name}.a, align 8")
            else:
                start = {"scratch": self.scratch.address, "result": self.results.address, "fixed": 0}[base]
                heads.append(f"  {name} = inttoptr i64 {start + at} to ptr")
        main = ["define void @main() nounwind {", "entry:", *heads, *self.calls, "  ret void", "}"]
        return "\n".join([*self.called.values(), *self.lines, *main, ATTRIBUTES])

    def compiled(self) -> tuple[Any, Callable[[], None]]:
        """What keeps the code alive, and the function."""
        engine, where = machine_code(self.text(), self.called, "main")
        return engine, ctypes.PYFUNCTYPE(None)(where)
