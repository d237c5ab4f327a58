"""A module of machine code: the kernels of a program one after another, and the memory that they know by address.

The only file that imports llvmlite.
"""

from __future__ import annotations

import ctypes
import functools
import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import llvmlite.binding as llvm  # type: ignore[import-untyped]
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


def machine_code(text: str, called: Iterable[str] = (), level: int = 3, loops: bool = True) -> Any:
    """The text compiled; `loops`: those that compute one element after another are to take several at once."""
    level = min(level, LEVEL)
    target = _started()
    cpu, features = _features()
    machine = target.create_target_machine(cpu=cpu, features=features, opt=level, jit=True)
    for function in called:
        if function.startswith("flambeau."):
            where = address(function.removeprefix("flambeau."))
            assert where is not None
            llvm.add_symbol(function, where)
    module = llvm.parse_assembly(f'target triple = "{machine.triple}"\n' + text + ends())
    options = llvm.create_pipeline_tuning_options(speed_level=level)
    options.loop_vectorization = options.slp_vectorization = loops
    options.loop_unrolling = False  # what is gained does not pay for the time that the compiler takes
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    return engine


# Functions that are there already, by their text: their addresses, and what keeps them alive. Shapes are parameters,
# so that the programs of a training loop share most of theirs.
_functions: dict[tuple, tuple[int, Any]] = {}
_numbers = itertools.count()
MOST = 4096  # of them


def has(feature: str) -> bool:
    """Whether the processor has this feature."""
    return f"+{feature}" in _features()[1].split(",")


def ends() -> str:
    """What every module ends with. Where the processor has masks, the last round of a loop is a round like others."""
    return ATTRIBUTES % ("true" if has("avx512f") else "false")


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
ATTRIBUTES = """
attributes #0 = { nounwind noinline }
attributes #1 = { nounwind willreturn memory(none) }
!0 = distinct !{!0, !1, !2}
!1 = !{!"llvm.loop.vectorize.predicate.enable", i1 %s}
!2 = !{!"llvm.loop.interleave.count", i32 1}
"""


def aligned(size: int) -> int:
    return -(-size // 64) * 64


class Module:
    """The kernels of a program, one after another, and the function that calls them."""

    def __init__(self, inputs: int, outputs: int, numbers: int, results: int) -> None:
        self.first_out, self.first_number = inputs, inputs + outputs
        self.table = Table(8 * (inputs + outputs + numbers))  # addresses of array objects, then numbers
        self.results = Table(8 * results)
        self.kernels: list[Kernel] = []
        self.size = 0  # bytes of scratch memory
        self.scratch: Any = None
        self.alive: list[Any] = []

    def room(self, size: int) -> Buffer:
        """New scratch memory."""
        found = Buffer("scratch", self.size)
        self.size += -(-size // 64) * 64
        return found

    def kernel(self, write: Callable[[Kernel], None]) -> None:
        """Adds one kernel."""
        self.kernels.append(Kernel())
        write(self.kernels[-1])

    def add(self, a: Array) -> None:
        """Adds what computes `a`, which has a place."""
        if a.kind == "reduce":
            self.kernel(lambda k: k.reduce(a))
        elif a.kind == "product":
            spare = self.room(a.args[1].shape[-2] * a.args[1].shape[-1] * a.itemsize) if turns(a) else None
            self.kernel(lambda k: product(k, a, spare, shared, 64 if has("avx512f") else 32 if has("avx2") else 16))
        elif a.kind == "scan":
            self.kernel(lambda k: k.scan(a))
        elif a.kind == "steps":
            for entries, at, mode in a.how:
                self.kernel(lambda k, e=entries, v=a.args[at], m=mode: k.step(a, e, v, m))  # type: ignore[misc]
        else:
            self.kernel(lambda k: k.fill(a))

    def compiled(self) -> Callable[[], None]:
        """The function."""
        self.scratch = Table(self.size)
        heads, calls, buffers = [], [], {(b.base, b.at) for k in self.kernels for b in k.buffers}
        for base, at in sorted(buffers):
            name = f"%{base}{at}"
            if base in ("input", "out"):
                place = self.table.address + 8 * (at + (self.first_out if base == "out" else 0))
                heads.append(f"  {name}.o = load ptr, ptr inttoptr (i64 {place} to ptr), align 8")
                heads.append(f"  {name}.a = getelementptr i8, ptr {name}.o, i64 {HEADER}")
                heads.append(f"  {name} = load ptr, ptr {name}.a, align 8")
            else:
                start = {
                    "scratch": self.scratch.address + at, "result": self.results.address + at, "fixed": at,
                    "number": self.table.address + 8 * (self.first_number + at),
                }[base]  # fmt: skip
                heads.append(f"  {name} = inttoptr i64 {start} to ptr")
        texts = [(k.text(), k.body.called) for k in self.kernels]
        places = places_of(texts)
        for (text, _), kernel in zip(texts, self.kernels, strict=True):
            given = [f"ptr %{b.base}{b.at}" for b in kernel.buffers] + [f"i64 {n}" for n in kernel.body.sizes]
            where, engine = places[text]
            calls.append(f"  call void inttoptr (i64 {where} to ptr)({', '.join(given)})")
            self.alive.append(engine)
        self.kernels = []
        main = ["define void @main() nounwind {", "entry:", *heads, *calls, "  ret void", "}"]
        engine = machine_code("\n".join(main), level=0)
        self.alive.append(engine)
        return ctypes.PYFUNCTYPE(None)(engine.get_function_address("main"))


def places_of(texts: Sequence[tuple[str, dict[str, str]]]) -> dict[str, tuple[int, Any]]:
    """The addresses of functions, by their text; those not there yet are compiled."""
    found = {text: _functions[text, LEVEL] for text, _ in texts if (text, LEVEL) in _functions}
    missing = {text: called for text, called in texts if text not in found}
    if missing:
        names = {text: f"f{next(_numbers)}" for text in missing}
        called = {k: v for one in missing.values() for k, v in one.items()}
        written = [text.replace("@NAME", f"@{name}", 1) for text, name in names.items()]
        engine = machine_code("\n".join([*called.values(), *written]), called)
        if len(_functions) > MOST:
            _functions.clear()
        for text, name in names.items():
            found[text] = _functions[text, LEVEL] = engine.get_function_address(name), engine
    return found


_shared: dict[tuple, int] = {}


def shared(key: tuple, write: Callable[[], str], loops: bool) -> int:
    """The address of a function that many programs use, compiled when it is first needed; it stays."""
    found = _shared.get((key, LEVEL))
    if found is None:
        name = f"f{next(_numbers)}"
        engine = machine_code(write().replace("@NAME", f"@{name}", 1), (), 3 if loops else 1, loops)
        found = _shared[key, LEVEL] = engine.get_function_address(name)
        _kept.append(engine)
    return found


_kept: list[Any] = []
