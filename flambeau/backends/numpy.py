"""The NumPy backend: always there, the reference. A program is interpreted the first time, then turned into one
Python function."""

from __future__ import annotations

import os
import types
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..graph import Node
from ..ops._op import argument
from . import Program, shown_argument

CHECK = os.environ.get("FLAMBEAU_CHECK", "") not in ("", "0")  # compare every value with its rule
SMALL = 1 << 16  # bytes below which a dead value may stay until its function returns


def _special() -> Any:
    """SciPy's special functions, loaded when the first one is needed (0.1 s)."""
    import scipy.special

    return scipy.special


class _Lazy:
    """A module that is imported at its first use."""

    def __init__(self, load: Callable[[], Any]) -> None:
        self._load = load

    def __getattr__(self, name: str) -> Any:
        module = self._load()
        setattr(self, name, getattr(module, name))
        return getattr(module, name)


def _at_set(x: np.ndarray, key: Any, value: Any) -> np.ndarray:
    """A copy of `x` with `value` at `key`."""
    x = np.array(x)
    x[key] = value
    return x


def _at_add(x: np.ndarray, key: Any, value: Any) -> np.ndarray:
    """A copy of `x` with `value` added at `key`, as often as a position comes."""
    x = np.array(x)
    np.add.at(x, key, value)
    return x


def _at_reduce(x: np.ndarray, key: Any, value: Any, how: str) -> np.ndarray:
    """A copy of `x` with `value` combined at `key`: "sum", "prod", "amax" or "amin"."""
    x = np.array(x)
    {"sum": np.add, "prod": np.multiply, "amax": np.maximum, "amin": np.minimum}[how].at(x, key, value)
    return x


def _windows(x: np.ndarray, size: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> np.ndarray:
    """Views (..., H', W', kH, kW) of the last dimensions of `x`, without a copy."""
    k = len(size)
    reach = [d * (n - 1) + 1 for n, d in zip(size, dilation, strict=True)]
    seen = np.lib.stride_tricks.sliding_window_view(x, reach, tuple(range(x.ndim - k, x.ndim)))
    steps: Any = (*(slice(None, None, s) for s in stride), *(slice(None, None, d) for d in dilation))
    key: Any = (..., *steps)
    return seen[key]


def _refuse(wrong: Any, error: Callable[[], Exception]) -> None:
    """Raises `error()` if anything in `wrong` is true. (A compiled program hands the answer out with its results.)"""
    if wrong.any() if hasattr(wrong, "any") else wrong:
        raise error()


_OURS = ("bool", "int", "float", "long", "ulong")


def namespace() -> types.ModuleType:
    """The array namespace `xp` that kernels are written against: NumPy's names and the few it lacks."""
    xp = types.ModuleType("xp")
    loaded = vars(np)  # getattr would import f2py, testing and others that NumPy loads at first use
    xp.__dict__.update({name: loaded[name] for name in np.__all__ if name in loaded and name not in _OURS})
    xp.linalg, xp.fft, xp.special = np.linalg, np.fft, _Lazy(_special)  # type: ignore[attr-defined]
    xp.at_set, xp.at_add, xp.windows = _at_set, _at_add, _windows  # type: ignore[attr-defined]
    xp.refuse = _refuse  # type: ignore[attr-defined]
    xp.at_reduce = _at_reduce  # type: ignore[attr-defined]
    xp.host = True  # type: ignore[attr-defined]    # values can be looked at: kernels may check them
    return xp


xp = namespace()

# The C library hands the memory of large arrays back to the system and gets it anew, page by page, which costs more
# than the arithmetic on it. It keeps what is smaller than the largest block that was freed so far, up to 32 MiB.
np.empty(31 << 20, np.uint8)


def kernel(node: Node) -> Callable[..., Any]:
    """The function that computes a node from `xp` and the values of its arguments."""
    return checked(node) if CHECK else bare_kernel(node)


def checked(node: Node) -> Callable[..., Any]:
    """The kernel of a node, its results compared with the shape and dtype that the rule promised."""
    found = bare_kernel(node)

    def run(*args: Any, **words: Any) -> Any:
        result = found(*args, **words)
        many = type(node.spec) is tuple
        for value, s in zip(result, node.spec, strict=True) if many else [(result, node.spec)]:
            if not s.weak and (np.shape(value) != s.shape or np.asarray(value).dtype != s.dtype.numpy):
                raise AssertionError(
                    f"{node.kind.op.name}: the rule says {s}, the kernel gave "
                    f"{np.asarray(value).dtype}{list(np.shape(value))}"
                )
        return result

    return run


def bare_kernel(node: Node) -> Callable[..., Any]:
    """The function that computes a node from `xp` and the values of its arguments."""
    found = node.kind.op.lowerings.get("numpy", node.kind.op.body)
    specs = [s.spec for s in node.inputs if type(s) is Node and type(s.spec) is not tuple]
    outs = node.spec if type(node.spec) is tuple else (node.spec,)
    if node.kind.op.upcast and any(s.dtype.half for s in (*specs, *outs)):
        return _widened(found, [s.dtype.numpy for s in outs] if type(node.spec) is tuple else outs[0].dtype.numpy)
    if type(node.spec) is not tuple and node.spec.weak:
        number = (bool, int, float, complex)[node.spec.dtype.category]
        return lambda *args, **words: number(found(*args, **words))
    return found


def _widened(found: Callable, out: Any) -> Callable[..., Any]:
    """`found` computed in float32 where operands have 16 bits, its result rounded once."""

    def wide(value: Any) -> Any:
        if type(value) is tuple:
            return tuple([wide(v) for v in value])
        return (
            value.astype(np.float32)
            if isinstance(value, (np.ndarray, np.generic)) and value.dtype.itemsize == 2 and value.dtype.kind in "fV"
            else value
        )

    def run(*args: Any, **words: Any) -> Any:
        result = found(*[wide(a) for a in args], **words)
        if type(out) is list:
            return tuple(np.asarray(r).astype(d, copy=False) for r, d in zip(result, out, strict=True))
        return np.asarray(result).astype(out, copy=False)

    return run


def prepare(program: Program) -> Callable[[list], Any]:
    """A function from the list of inputs to the tuple of outputs."""
    runs = 0
    function: Callable | None = None

    def run(values: list) -> Any:
        nonlocal runs, function
        runs += 1
        if function is None:
            if runs < 2:
                return interpret(program, values)
            function = generate(program)
        with np.errstate(all="ignore"):
            return function(*values)

    return run


def evaluate(node: Node, inputs: tuple) -> Any:
    """The value of `node`, given those of its inputs."""
    words = node.kind.op.keywords
    given = [argument(a, inputs) for a in node.kind.args]
    return kernel(node)(
        xp, *[v for i, v in enumerate(given) if i not in words], **{w[:-1]: given[i] for i, w in words.items()}
    )


def interpret(program: Program, values: Sequence[Any]) -> tuple:
    """Each instruction once, in order."""
    known: dict[Node, Any] = dict(zip(program.inputs, values, strict=True))
    dead: dict[int, list[Node]] = {}
    for node, i in program.last.items():
        dead.setdefault(i, []).append(node)
    with np.errstate(all="ignore"):
        for i, node in enumerate(program.nodes):
            have = tuple([known[s] if type(s) is Node else s for s in node.inputs])
            try:
                known[node] = evaluate(node, have)
            except Exception as error:
                error.__flambeau__ = node  # type: ignore[attr-defined]
                raise
            for gone in dead.get(i, ()):
                known.pop(gone, None)
    return tuple([known[node] for node in program.outputs])


def generate(program: Program) -> Callable[..., tuple]:
    """The program as the source of one Python function: a line an instruction, so that an error's line says which."""
    space: dict[str, Any] = {"xp": xp}
    names = {node: f"v{i}" for node, i in program.place.items()}

    def constant(value: Any) -> str:
        if value is None or type(value) in (bool, int) or type(value) is tuple and all(type(v) is int for v in value):
            return repr(value)
        name = f"c{len(space)}"
        space[name] = value
        return name

    lines = [f"def program({', '.join(names[n] for n in program.inputs)}):"]
    dead: dict[int, list[Node]] = {}
    for node, i in program.last.items():
        size = sum(s.nbytes for s in node.spec) if type(node.spec) is tuple else node.spec.nbytes
        if size > SMALL:
            dead.setdefault(i, []).append(node)
    fixed: dict[Node, Any] = {}
    fresh = own_memory(program)
    for i, node in enumerate(program.nodes):
        if node.spec is not None and all(type(s) is not Node or s in fixed for s in node.inputs) and is_small(node):
            fixed[node] = space[names[node]] = evaluate(
                node, tuple([fixed[s] if type(s) is Node else s for s in node.inputs])
            )
            lines.append(" pass")  # the same every time: worked out now
            continue
        into = reused(program, node, i, fresh) if not CHECK else None
        space[f"k{i}"] = kernel(node)
        sources = [names[s] if type(s) is Node else constant(s) for s in node.inputs]
        words = node.kind.op.keywords
        given = "".join(
            f", {words.get(j, '')}" + shown_argument(a, sources, constant) for j, a in enumerate(node.kind.args)
        )
        if into is not None and "numpy.into" in node.kind.op.lowerings:
            space[f"k{i}"] = node.kind.op.lowerings["numpy.into"]
            given = f", {names[into]}{given}"
            into = None
        drop = "".join(f"; {names[n]} = None" for n in dead.get(i, ()) if n not in fixed)
        written = inlined(node, sources, names[into] if into is not None else "") or f"k{i}(xp{given})"
        lines.append(f" {names[node]} = {written}{drop}")
    lines.append(f" return ({''.join(names[n] + ', ' for n in program.outputs)})")
    exec(compile("\n".join(lines), f"<flambeau program {program.number}>", "exec"), space)
    return space["program"]


def is_small(node: Node) -> bool:
    """Whether a value that never changes may be kept with its program."""
    return type(node.spec) is not tuple and node.spec.numel <= 1024


def inlined(node: Node, sources: Sequence[str], into: str = "") -> str | None:
    """The operation as an expression in Python's operators, or as NumPy's function that writes to `into`: saves a
    kernel's call."""
    op = node.kind.op
    template = op.inline(node.kind) if callable(op.inline) else op.inline
    if template is None and not (op.ufunc and into) or CHECK or op.upcast and node.spec.dtype.half:
        return None
    values = {}
    for p, where in zip(op.parameters, node.kind.args, strict=True):
        if type(where) is int and p.operand:
            values[p.name] = sources[where]
        elif type(where) is int or where.value != p.default:
            return None  # `alpha=` and its like: the kernel knows them
    return f"xp.{op.ufunc}({', '.join(values.values())}, {into})" if op.ufunc and into else template.format(**values)


def own_memory(program: Program) -> set[Node]:
    """Intermediate values in memory of their own that nothing else looks into: they may be written over when they
    are read last."""
    found = {
        node
        for node in program.nodes
        if node.kind.op.fresh and node in program.last and node.spec.ndim and not node.spec.dtype.half
    }
    for node in program.nodes:
        if not node.kind.op.fresh:
            found.difference_update(s for s in node.inputs if type(s) is Node)
    return found


def reused(program: Program, node: Node, place: int, fresh: set[Node]) -> Node | None:
    """An operand that is read here for the last time and in whose memory the result may be put."""
    op = node.kind.op
    large = type(node.spec) is not tuple and node.spec.nbytes > SMALL
    if not ("numpy.into" in op.lowerings or op.ufunc and large) or type(node.spec) is tuple:
        return None
    for source in node.inputs:
        if (
            type(source) is Node
            and source in fresh
            and program.last[source] == place
            and source.spec.shape == node.spec.shape
            and source.spec.dtype is node.spec.dtype
        ):
            return source
    return None


def failed(error: Exception, program: Program) -> Node | None:
    """The instruction of `program` at which `error` was raised."""
    node = getattr(error, "__flambeau__", None)
    trace = error.__traceback__
    while node is None and trace is not None:
        if trace.tb_frame.f_code.co_filename == f"<flambeau program {program.number}>":
            place = trace.tb_lineno - 2
            return program.nodes[place] if 0 <= place < len(program.nodes) else None
        trace = trace.tb_next
    return node
