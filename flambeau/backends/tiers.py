"""Which backend runs a program: NumPy at once, and a compiled one once the time spent shows that compiling will pay.

A program that comes back is timed. When it has cost as much as compiling it is expected to cost, it is compiled in a
background thread while NumPy goes on; then the two run in turns, a few times each, and the quicker one stays. So at
most about twice the best possible time is ever spent, whatever the program turns out to be, and shapes that do not
come back are never compiled. Small programs are offered to the native backend, which compiles in milliseconds; what it
does not take, or is too large to spend its time in calls, to XLA.
"""

from __future__ import annotations

import atexit
import functools
import importlib.util
import math
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import Any

import numpy as np

from ..device import CPU
from ..graph import Node
from . import Program, Refused
from . import numpy as host

CHOICES = ("auto", "numpy", "xla", "native")
# Seconds, measured on two cores of 2.6 GHz: what a compiled call costs before it computes anything, and a compilation.
CALL, VALUE, INSTRUCTION = 6e-6, 1.5e-6, 0.3e-6
COMPILE, COMPILE_INSTRUCTION, LOAD = 0.1, 0.006, 0.8
NATIVE_COMPILE, NATIVE_INSTRUCTION, NATIVE_LOAD = 0.02, 0.002, 0.06
NATIVE_LONGEST = 2e-3  # seconds of a run on NumPy from which native code, without a good matrix product, is no match
TRIALS = 10  # runs on either side before the quicker one is chosen
NEVER = float("inf")


class Policy:
    """What the user chose, and what compiling has cost."""

    def __init__(self) -> None:
        self.choice = os.environ.get("FLAMBEAU_BACKEND", "auto").strip().lower() or "auto"
        if self.choice not in CHOICES:
            raise ValueError(f"FLAMBEAU_BACKEND must be one of {', '.join(CHOICES)}, not {self.choice!r}")
        self.precision = "highest"  # of float32 products on a GPU: "highest", "high" or "medium"
        self.pinned = False  # use_deterministic_algorithms(True): the backend never changes under a running program
        self.compiles = 0
        self.compile_seconds = 0.0
        self.factor = 1.0  # by how much XLA's compilations so far took longer than was expected
        self.told = False
        self.started = perf_counter()
        self.cache = os.environ.get("FLAMBEAU_CACHE", "")  # the folder that keeps compiled programs
        self.log: Callable[[str], None] | None = None
        self.executor: Any = None
        self.watchers: list[Callable[[], None]] = []  # called after a choice has changed

    def choose(self, choice: str, pinned: bool) -> None:
        """Changes what programs run on from now on."""
        if (choice, pinned) != (self.choice, self.pinned):
            self.choice, self.pinned = choice, pinned
            for watcher in self.watchers:
                watcher()

    def choose_precision(self, precision: str) -> None:
        """Changes how float32 products are computed on a GPU: programs are compiled anew."""
        if precision != self.precision:
            self.precision = precision
            for watcher in self.watchers:
                watcher()

    def say(self, text: str) -> None:
        """A line of FLAMBEAU_LOG=engine."""
        if self.log is not None:
            self.log(text)


policy = Policy()


@functools.cache
def installed(backend: str = "xla") -> bool:
    """Whether a backend can be had: "xla" needs jax, "native" llvmlite."""
    name = {"xla": "jax", "native": "llvmlite"}.get(backend)
    if name is None or name in sys.modules:
        return name is None or sys.modules[name] is not None
    try:
        return importlib.util.find_spec(name) is not None
    except ImportError:  # something keeps it from being imported
        return False


def available() -> list[str]:
    """The backends that programs can run on here.

    >>> import flambeau
    >>> "numpy" in flambeau.backends.available()
    True
    """
    return [name for name in ("numpy", "native", "xla") if installed(name)]


def current() -> str:
    """The choice in force: "auto", "numpy", "native" or "xla"."""
    return policy.choice


@contextmanager
def use(backend: str) -> Iterator[None]:
    """Within, programs run on `backend`: "numpy", "xla", "native" (what it does not do: NumPy), or "auto" for the
    quickest. FLAMBEAU_BACKEND does so for a whole program.

    ImportError if a backend is asked for whose library is not installed.

    >>> import flambeau as torch
    >>> with torch.backends.use("numpy"):
    ...     (torch.ones(2) + 1).sum().item()
    4.0
    """
    if backend not in CHOICES:
        raise ValueError(f"backend must be one of {', '.join(CHOICES)}, not {backend!r}")
    require(backend)
    before = policy.choice
    policy.choose(backend, policy.pinned)
    try:
        yield
    finally:
        policy.choose(before, policy.pinned)


def cache(folder: str | os.PathLike[str] | None) -> None:
    """Keeps compiled programs in `folder`, from which later processes take them; None for not. Also FLAMBEAU_CACHE=...

    A folder may be shared by programs, and deleted at any time. Off unless asked for: it grows.
    """
    policy.cache = "" if folder is None else os.fspath(folder)


def require(backend: str) -> None:
    """ImportError, with the remedy, if a backend is not there."""
    if not installed(backend):
        raise ImportError(f"the backend {backend!r} is not installed; get it with: pip install 'flambeau[{backend}]'")


class Tier:
    """A program's way from NumPy to a compiled backend."""

    __slots__ = ("host", "fast", "name", "next", "future", "best", "trials", "settled", "compile_seconds")

    def __init__(self, run: Callable) -> None:
        self.host = run
        self.fast: Callable | None = None
        self.name = ""  # the backend being tried
        self.next: list[str] = []  # those to try after it
        self.future: Any = None
        self.best = [NEVER, NEVER]  # seconds of a run on NumPy, and compiled
        self.trials = 0
        self.settled = "numpy"
        self.compile_seconds = 0.0


def elsewhere(program: Program) -> bool:
    """Whether values of `program` live on a GPU."""
    for node in (*program.inputs, *program.nodes):
        s = node.spec
        if (s[0] if type(s) is tuple else s).device is not CPU:
            return True
    return False


def prepare_host(program: Program) -> Callable[[list], Any]:
    """`program` on NumPy, wherever its values live."""
    if elsewhere(program):
        from . import devices

        return devices.on_host_instead(program)
    return host.prepare(program)


def prepare(program: Program) -> Callable[[list], Any]:
    """How `program` starts out."""
    if elsewhere(program):
        from . import devices

        return devices.prepare(program)
    run = host.prepare(program)
    program.tier = tier = Tier(run)
    if policy.choice in ("xla", "native"):
        require(policy.choice)
        return forced(program, tier, policy.choice)
    if policy.choice == "auto" and not policy.pinned:
        tier.next = ["native", "xla"] if installed("native") else ["xla"]
        go_on(program, tier)
    return run


def go_on(program: Program, tier: Tier) -> None:
    """Sets when the next backend is worth a try."""
    tier.future = tier.fast = None
    tier.name = tier.next.pop(0) if tier.next else ""
    program.due = expected_compile(program, tier.name) if tier.name else NEVER


def expected_compile(program: Program, backend: str = "xla") -> float:
    """Seconds that compiling will take."""
    if backend == "native":
        load = 0.0 if "llvmlite" in sys.modules else NATIVE_LOAD
        return load + NATIVE_COMPILE + NATIVE_INSTRUCTION * len(program.nodes)
    load = 0.0 if "jax" in sys.modules else LOAD
    return load + policy.factor * (COMPILE + COMPILE_INSTRUCTION * len(program.nodes))


def floor(program: Program) -> float:
    """Seconds that a run compiled by XLA takes at least."""
    return CALL + VALUE * (len(program.inputs) + len(program.outputs)) + INSTRUCTION * len(program.nodes)


def forced(program: Program, tier: Tier, backend: str) -> Callable[[list], Any]:
    """The program on one backend from its first run on."""

    def run(values: list) -> Any:
        made = build(program, tier, values, backend)
        if made is None:
            program.run = tier.host  # type: ignore[assignment]
        else:
            program.run, program.fetch = made, aligned if backend == "xla" else None  # type: ignore[assignment]
            tier.settled = backend
        return program.run(values)

    return run


def build(program: Program, tier: Tier, values: Sequence[Any], backend: str) -> Callable[[list], Any] | None:
    """Compiles `program`; where a check on values fails, NumPy runs it again and says what is wrong.

    None if it is nothing for this backend.
    """
    start, expected = perf_counter(), expected_compile(program, backend)
    if not policy.compiles:
        atexit.register(tell_cost)
    function: Callable | None
    try:
        if backend == "native":
            from . import native

            function = native.compiled(program, values)
        else:
            from . import xla

            xla.keep_compiled(policy.cache)
            function = xla.compiled(program, values)
    finally:
        took = perf_counter() - start
        tier.compile_seconds += took
        policy.compile_seconds += took
        policy.compiles += 1
    if backend == "xla":
        policy.factor = min(max(1.0, (policy.factor + took / max(expected, 1e-2)) / 2), 16.0)
    if function is None:
        return None
    policy.say(f"program {program.number}: compiled for {backend} in {tier.compile_seconds:.2f} s")

    def run(values: list) -> Any:
        try:
            return function(values)
        except Refused:
            return tier.host(values)

    return run


def consider(program: Program, values: Sequence[Any], seconds: float) -> None:
    """Looks at a program whose time is due: orders its compilation, or compares the two that are there."""
    tier: Tier = program.tier
    if tier.fast is not None:
        compare(program, tier, seconds)
    elif tier.future is None:
        usual = min(program.seconds / program.runs, seconds)
        if policy.choice != "auto" or policy.pinned:
            program.due = NEVER
        elif usual > NATIVE_LONGEST if tier.name == "native" else usual < 2 * floor(program):
            go_on(program, tier)
        elif not installed(tier.name):
            program.due = NEVER
            tell(program)
        else:
            order(program, tier, values)
            program.due = 0.0
    elif tier.future.done():
        error = tier.future.exception()
        if error is not None:
            program.due = NEVER
            tier.settled = "numpy (not compiled)"
            warn_of(described(program), error)
        elif tier.future.result() is None:
            go_on(program, tier)
        else:
            tier.fast, tier.best, tier.trials = tier.future.result(), [NEVER, NEVER], 0
            program.run = tier.fast  # type: ignore[assignment]
            program.fetch = aligned if tier.name == "xla" else None
            tier.settled = "trial"


def order(program: Program, tier: Tier, values: Sequence[Any]) -> None:
    """Has `program` compiled in the background."""
    shapes = [Shape(v) if hasattr(v, "shape") else v for v in values]  # holds on to no memory
    policy.say(f"program {program.number}: {program.runs} runs took {program.seconds:.2f} s, compiling for {tier.name}")
    name = tier.name
    tier.future = in_background(lambda: build(program, tier, shapes, name))


def in_background(work: Callable[[], Any]) -> Any:
    """The future of what `work` returns; it runs in the compiler's thread, after what was ordered before."""
    if policy.executor is None:
        import concurrent.futures

        policy.executor = concurrent.futures.ThreadPoolExecutor(1, "flambeau-compiler")

    def run() -> Any:
        if not threading.main_thread().is_alive():
            raise RuntimeError("the program has ended")
        return work()

    return policy.executor.submit(run)


class Shape:
    """What a compiler wants to know of an array."""

    __slots__ = ("shape", "dtype", "strides")

    def __init__(self, value: Any) -> None:
        self.shape, self.dtype, self.strides = value.shape, value.dtype, value.strides


def warn_of(what: str, error: BaseException) -> None:
    """Says that something could not be compiled, and why."""
    text = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    warnings.warn(f"flambeau: {what} could not be compiled and stays on NumPy: {text}", RuntimeWarning, stacklevel=2)


def compare(program: Program, tier: Tier, seconds: float) -> None:
    """Times a run of either backend in turn; after a few the quicker one stays."""
    compiled = program.run is tier.fast
    if tier.trials > 1:  # the first runs touch new memory
        tier.best[compiled] = min(tier.best[compiled], seconds)
    tier.trials += 1
    program.run = tier.host if compiled else tier.fast  # type: ignore[assignment]
    if tier.trials >= 2 * TRIALS:
        quicker = tier.best[1] < tier.best[0]
        policy.say(
            f"program {program.number}: NumPy {tier.best[0] * 1e6:.0f} us, {tier.name} {tier.best[1] * 1e6:.0f} us a "
            f"run; {tier.name if quicker else 'NumPy'} stays"
        )
        if quicker:
            program.run, tier.settled, program.due = tier.fast, tier.name, NEVER  # type: ignore[assignment]
        else:
            program.run, program.fetch, tier.settled = tier.host, None, "numpy"  # type: ignore[assignment]
            go_on(program, tier)


LARGE = 1 << 16  # bytes from which an array is worth laying out so that XLA reads it where it is


def aligned_empty(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An array that begins where XLA can read it without a copy."""
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size].view(dtype).reshape(shape)


def aligned(leaves: Sequence[Any]) -> list:
    """The values of `leaves`; large arrays of their own are moved, once, to where XLA can read them without a copy."""
    values = [v.value if type(v) is Node else v for v in leaves]
    for i, value in enumerate(values):
        if type(value) is np.ndarray and value.nbytes >= LARGE and value.base is None and value.ctypes.data % 64:
            moved = aligned_empty(value.shape, value.dtype)
            moved[...] = value
            values[i] = leaves[i].value = moved
    return values


def tell(program: Program) -> None:
    """Says once what installing the extra would bring."""
    if not policy.told:
        policy.told = True
        policy.say("jax is not installed: hot programs are not compiled; pip install 'flambeau[xla]'")
        if program.seconds / program.runs > 1e-3:
            print(
                "flambeau: this program spends its time in a loop that could be compiled; "
                "pip install 'flambeau[xla]' makes such loops faster (FLAMBEAU_BACKEND=numpy silences this)",
                file=sys.stderr,
            )


def described(program: Program) -> str:
    """A program in a few words."""
    names = [n.kind.op.name.lstrip("_") for n in program.nodes]
    if not names:
        return f"program {program.number}"
    ends = names[0] if len(names) == 1 else f"{names[0]} ... {names[-1]}"
    return f"program {program.number} ({ends}, {len(names)} operations)"


def tell_cost() -> None:
    """A line at the end if compiling took more than a tenth of the time."""
    whole = perf_counter() - policy.started
    if policy.compile_seconds > max(0.1 * whole, 1.0):
        hint = "" if policy.cache else "; FLAMBEAU_CACHE=folder keeps compiled programs"
        print(
            f"flambeau: compiling took {policy.compile_seconds:.1f} s of {whole:.1f} s{hint}, "
            "FLAMBEAU_BACKEND=numpy compiles nothing",
            file=sys.stderr,
        )
