"""The XLA backend: a program becomes one function of JAX, compiled whole. The only file that imports jax."""

from __future__ import annotations

import functools
import os
import types
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy.linalg
import jax.scipy.special
import numpy as np
from jax.sharding import SingleDeviceSharding

from ..graph import Node
from ..ops._op import argument
from . import Program, Refused
from . import numpy as host
from .tiers import policy

# Read when the first device is asked for: GPU memory is taken as it is needed.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
jax.config.update("jax_enable_x64", True)  # promotion is ours, visible in the program
jax.config.update("jax_cpu_enable_async_dispatch", False)  # half the time of a call


def keep_compiled(folder: str) -> None:
    """Has JAX keep compiled programs in `folder`, and look there first."""
    if folder and getattr(jax.config, "jax_compilation_cache_dir", None) != folder:
        jax.config.update("jax_compilation_cache_dir", folder)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)


def _at_set(x: Any, key: Any, value: Any) -> Any:
    """A copy of `x` with `value` at `key`."""
    x = jnp.asarray(x)
    around = _around(x.shape, key)
    if around is None:
        return x.at[key].set(value)
    value = _spread(x, around, value)
    return jnp.where(_spread(jnp.zeros(x.shape, bool), around, True), value, x)


def _at_add(x: Any, key: Any, value: Any) -> Any:
    """A copy of `x` with `value` added at `key`, as often as a position comes."""
    x = jnp.asarray(x)
    around = _around(x.shape, key)
    if around is not None:
        return x + _spread(x, around, value)
    return _at_reduce(x, key, value, "sum")


def _around(shape: tuple, key: Any) -> list | None:
    """Where `key`, made of slices, lies in an array: what comes before, after and between. None for other keys."""
    parts = list(key) if type(key) is tuple else [key]
    if Ellipsis in [p if p is Ellipsis else None for p in parts]:
        place = [p is Ellipsis for p in parts].index(True)
        parts[place : place + 1] = [slice(None)] * (len(shape) - len(parts) + 1)
    if not all(type(p) is slice for p in parts):
        return None
    found = []
    for size, part in zip(shape, parts + [slice(None)] * (len(shape) - len(parts)), strict=True):
        places = range(*part.indices(size))
        if places.step < 1 or not places:
            return None
        found.append((places[0], size - 1 - places[-1], places.step - 1))
    return found


def _spread(x: Any, around: list, value: Any) -> Any:
    """Zeros with `value` in the middle: a scatter would be ten times slower."""
    inner = [(size - lo - hi - 1) // (step + 1) + 1 for size, (lo, hi, step) in zip(x.shape, around, strict=True)]
    value = jnp.broadcast_to(jnp.asarray(value, x.dtype), inner)
    return jax.lax.pad(value, jnp.zeros((), x.dtype), around)


def _at_reduce(x: Any, key: Any, value: Any, how: str) -> Any:
    """A copy of `x` with `value` combined at `key`: "sum", "prod", "amax" or "amin"."""
    x = jnp.asarray(x)
    if x.dtype == bool:
        how = {"sum": "amax", "prod": "amin"}.get(how, how)
    if how == "sum" and x.dtype.itemsize == 2 and jnp.issubdtype(x.dtype, jnp.floating):  # rounded once
        return x.astype(jnp.float32).at[key].add(jnp.asarray(value, jnp.float32)).astype(x.dtype)
    at = x.at[key]
    return {"sum": at.add, "prod": at.multiply, "amax": at.max, "amin": at.min}[how](value)


def _windows(x: Any, size: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> Any:
    """The windows (..., H', W', kH, kW) over the last dimensions of `x`, gathered."""
    k = len(size)
    for n, s, d in zip(size, stride, dilation, strict=True):  # a dimension goes to the end as two: windows, places
        axis = x.ndim - k
        starts = np.arange(0, x.shape[axis] - d * (n - 1), s)
        places = starts[:, None] + d * np.arange(n)
        x = jnp.moveaxis(jnp.take(x, places, axis=axis), (axis, axis + 1), (-2, -1))
        k += 1
    first = x.ndim - k
    return jnp.transpose(x, [*range(first), *range(first, x.ndim, 2), *range(first + 1, x.ndim, 2)])


def _scan(step: Callable, carry: Any, xs: Any, reverse: bool = False) -> tuple[Any, Any]:
    """Runs `step(carry, x)` over the first dimension of `xs`."""
    return jax.lax.scan(step, carry, xs, reverse=reverse)


class _Checks:
    """What the operations of a program being traced want to be false."""

    def __init__(self) -> None:
        self.found: list[Any] = []

    def refuse(self, wrong: Any, error: Callable[[], Exception]) -> None:
        self.found.append(jnp.any(wrong))


def namespace(checks: _Checks, cpu: bool = True) -> types.SimpleNamespace:
    """The array namespace `xp` of kernels, over JAX; `cpu` says what it is compiled for."""
    return types.SimpleNamespace(**_names(), refuse=checks.refuse, cpu=cpu)


@functools.cache
def _names() -> dict[str, Any]:
    found = {name: getattr(jnp, name) for name in dir(jnp) if not name.startswith("_")}
    found.update(
        special=jax.scipy.special,
        expm=jax.scipy.linalg.expm,
        at_set=_at_set,
        at_add=_at_add,
        at_reduce=_at_reduce,
        windows=_windows,
        scan=_scan,
        lax=jax.lax,
        host=False,
    )
    return found


def kernel(node: Node) -> Callable[..., Any]:
    """The function that computes a node from `xp` and the values of its arguments."""
    op = node.kind.op
    found = op.lowerings.get("xla", op.body)
    specs = [s.spec for s in node.inputs if type(s) is Node and type(s.spec) is not tuple]
    outs = node.spec if type(node.spec) is tuple else (node.spec,)
    if op.upcast and any(s.dtype.half for s in (*specs, *outs)):
        return lambda xp, *args, **words: found(xp, *[_wide(a) for a in args], **words)
    return found


def _wide(value: Any) -> Any:
    """`value` in float32 if it has 16 bits."""
    if type(value) is tuple:
        return tuple([_wide(v) for v in value])
    half = hasattr(value, "dtype") and value.dtype.itemsize == 2 and jnp.issubdtype(value.dtype, jnp.floating)
    return value.astype(jnp.float32) if half else value


def fitted(value: Any, spec: Any, sized: bool = True) -> Any:
    """A computed value in the dtype and shape that the operation's rule promised."""
    if type(spec) is tuple:
        return tuple([fitted(v, s, sized) for v, s in zip(value, spec, strict=True)])
    if spec.weak:
        return value
    value = jnp.asarray(value)
    if value.dtype != spec.dtype.numpy:
        value = value.astype(spec.dtype.numpy)
    elif value.weak_type:
        value = jax.lax.convert_element_type(value, spec.dtype.numpy)
    if sized and value.shape != spec.shape:
        raise AssertionError(f"the rule says {spec}, the kernel gave {list(value.shape)}")
    return value


def traced(
    inputs: Sequence[Node], nodes: Sequence[Node], outputs: Sequence[Node], sized: bool = True, cpu: bool = True
) -> Callable[..., tuple]:
    """Instructions as a function that JAX can trace: from the inputs to the outputs, and whether a check failed.

    Without `sized` the arrays may have another length than the program was made for. `cpu`: it runs on the processor.
    """

    def function(*values: Any) -> tuple:
        checks = _Checks()
        xp = namespace(checks, cpu)
        known: dict[Node, Any] = dict(zip(inputs, values, strict=True))
        for node in nodes:
            words = node.kind.op.keywords
            have = tuple([known[s] if type(s) is Node else s for s in node.inputs])
            given = [argument(a, have) for a in node.kind.args]
            plain = [v for i, v in enumerate(given) if i not in words]
            try:
                value = kernel(node)(xp, *plain, **{w[:-1]: given[i] for i, w in words.items()})
                known[node] = fitted(value, node.spec, sized)
            except Exception as error:
                error.add_note(f"flambeau: while compiling {node.kind.op.name}")
                raise
        wrong = functools.reduce(jnp.logical_or, checks.found) if checks.found else None
        return tuple([known[n] for n in outputs]), wrong

    return function


class Part:
    """Instructions between two that only NumPy can do, compiled as one function for the processor, or for `where`."""

    __slots__ = ("inputs", "outputs", "function", "fixed", "moving", "made", "where")

    def __init__(
        self, program: Program, number: int, nodes: Sequence[Node], read_later: set[Node], where: Any = None
    ) -> None:
        own = set(nodes)
        read = {s for n in nodes for s in n.inputs if type(s) is Node and s not in own}
        self.inputs = sorted(read, key=program.place.__getitem__)
        self.outputs = [n for n in dict.fromkeys([*program.outputs, *nodes]) if n in own and n in read_later]
        self.fixed = exponents(self.inputs, nodes)
        self.moving = [i for i in range(len(self.inputs)) if i not in self.fixed]
        function = traced(self.inputs, nodes, self.outputs, cpu=where is None or where.platform == "cpu")
        function.__name__ = f"program_{program.number}" + (f"_{number}" if number else "")
        self.where = where or host_device()
        ends = ["in_shardings", "out_shardings"]
        place: Any = {} if where is None else dict.fromkeys(ends, SingleDeviceSharding(where))
        self.function = jax.jit(function, static_argnums=self.fixed, **place)
        self.made: dict[tuple, Callable] = {}

    def compiled(self, values: Sequence[Any]) -> Callable:
        """The compiled function for the numbers among `values` that are compiled in."""
        key = tuple([values[i] for i in self.fixed])
        found = self.made.get(key)
        if found is None:
            if len(self.made) >= VARIANTS:
                self.made.clear()
            with jax.default_device(self.where), jax.default_matmul_precision(precision()):
                found = self.made[key] = self.function.lower(*[sample(v) for v in values]).compile()
        return found

    def __call__(self, values: Sequence[Any]) -> tuple:
        function = self.compiled(values)
        outs, wrong = function(*[values[i] for i in self.moving])
        if wrong is not None and wrong:
            raise Refused
        return outs


@functools.cache
def host_device() -> Any:
    """The processor, which JAX would pass over for a GPU."""
    return jax.local_devices(backend="cpu")[0]


def precision() -> str:
    """How products of float32 are computed, in JAX's words: on a GPU they would be rounded to 10 bits or so."""
    return {"highest": "highest", "high": "tensorfloat32", "medium": "bfloat16"}[policy.precision]


VARIANTS = 8  # of one program, for different numbers that are compiled in


def sample(value: Any) -> Any:
    """What a function is compiled for: a number's type, an array's shape and dtype."""
    return jax.ShapeDtypeStruct(value.shape, value.dtype) if hasattr(value, "shape") else value


def exponents(inputs: Sequence[Node], nodes: Sequence[Node]) -> tuple[int, ...]:
    """The places of numbers that are compiled in: a square is a product, other powers are dear."""
    read = {n.inputs[-1] for n in nodes if n.kind.op.name in ("pow", "_pow_backward")}
    return tuple([i for i, n in enumerate(inputs) if n in read and n.spec.weak])


def parts(program: Program) -> list[Any]:
    """The program as compiled parts and, between them, single instructions for NumPy."""
    runs: list[Any] = []
    for node in program.nodes:
        if node.kind.op.host:
            runs.append(node)
        elif runs and type(runs[-1]) is list:
            runs[-1].append(node)
        else:
            runs.append([node])
    later = set(program.outputs)
    made: list[Any] = []
    for number, part in reversed(list(enumerate(runs))):
        if type(part) is list:
            made.append(Part(program, number, part, later))
            later.update(made[-1].inputs)
        else:
            made.append(part)
            later.update(s for s in part.inputs if type(s) is Node)
    return made[::-1]


def compiled(program: Program, values: Sequence[Any]) -> Callable[[list], tuple]:
    """`program` compiled for inputs such as `values`: from the list of inputs to the outputs, as NumPy arrays."""
    made = parts(program)
    weak = [type(n.spec) is not tuple and n.spec.weak for n in program.outputs]
    plain = not any(weak) and not any(type(n.spec) is tuple for n in program.outputs)
    first = made[0] if made else None
    if type(first) is Part and len(made) == 1 and plain and not first.fixed:
        if first.inputs == program.inputs and first.outputs == program.outputs:
            function = first.compiled(values)

            def run(values: list) -> tuple:
                outs, wrong = function(*values)
                if wrong is not None and wrong:
                    raise Refused
                return tuple([np.asarray(o) for o in outs])

            return run

    def run_parts(values: list) -> tuple:
        known: dict[Node, Any] = dict(zip(program.inputs, values, strict=True))
        for part in made:
            if type(part) is Part:
                known.update(zip(part.outputs, part([known[n] for n in part.inputs]), strict=True))
            else:
                have = tuple([on_host(known[s], s.spec) if type(s) is Node else s for s in part.inputs])
                try:
                    known[part] = host.evaluate(part, have)
                except Exception as error:
                    error.__flambeau__ = part  # type: ignore[attr-defined]
                    raise
        return tuple([on_host(known[n], n.spec) for n in program.outputs])

    if type(first) is Part:  # later parts are compiled when their inputs are known
        at = dict(zip(program.inputs, values, strict=True))
        first.compiled([at[n] for n in first.inputs])
    return run_parts


def on_host(value: Any, spec: Any) -> Any:
    """A value as the NumPy backend would give it."""
    if type(value) is tuple:
        return tuple([on_host(v, s) for v, s in zip(value, spec, strict=True)])
    if type(spec) is not tuple and spec.weak:
        return value.item() if hasattr(value, "item") else value
    return np.asarray(value)


class Memory:
    """An array of JAX's that NumPy arrays look into; it is given to an update, which puts the new values in its place.

    XLA writes a result over an input that it is given for good. The memory stays where it is, so the NumPy arrays that
    look into it stay right; they keep this object, and so the memory, alive.
    """

    __slots__ = ("array", "__array_interface__")
    __array_interface__: dict[str, Any]

    def __init__(self, values: np.ndarray) -> None:
        self.array = jnp.array(values, copy=True, device=host_device())
        shape, kind = self.array.shape, self.array.dtype.str
        where = (self.array.unsafe_buffer_pointer(), False)
        self.__array_interface__ = {"shape": shape, "typestr": kind, "data": where, "version": 3}

    def view(self) -> np.ndarray:
        """The memory as a NumPy array."""
        return np.asarray(self)

    def moved(self, array: Any) -> bool:
        """Takes the new values; whether they lie somewhere else, against what was asked."""
        self.array = array
        return array.unsafe_buffer_pointer() != self.__array_interface__["data"][0]


class Update:
    """An optimizer's update over flat arrays, compiled for one length, its old values given up for the new ones."""

    def __init__(self, program: Program, arrays: int, length: int) -> None:
        function = traced(program.inputs, program.nodes, program.outputs, sized=False)
        places = [i for i in range(arrays) if i != 1]  # the parameter and its state; 1 is the gradient

        def update(*values: Any) -> tuple:
            return function(*values)[0]

        dtype = program.inputs[0].spec.dtype.numpy
        shapes = [jax.ShapeDtypeStruct((length,), dtype)] * arrays
        with jax.default_device(host_device()):
            made = jax.jit(update, donate_argnums=tuple(places)).lower(*shapes, *[0.0] * (len(program.inputs) - arrays))
            self.function = made.compile()
        kinds = [Memory(np.zeros(length, dtype)) for _ in places]
        self(kinds, np.zeros(length, dtype), [0.0] * (len(program.inputs) - arrays))  # whether it stays in its place

    def __call__(self, memories: Sequence[Memory], gradient: np.ndarray, numbers: Sequence[float]) -> None:
        p, *state = memories
        new = self.function(p.array, gradient, *[m.array for m in state], *numbers)
        if any([m.moved(a) for m, a in zip(memories, new, strict=True)]):
            raise RuntimeError("flambeau: XLA did not put an update in place of the old values")


# ---- devices other than the processor


def gpus(stand_in: bool) -> list[Any]:
    """JAX's GPUs; with `stand_in`, the processors that it was told to add to the first."""
    if stand_in:
        return list(jax.local_devices(backend="cpu")[1:])
    try:
        return list(jax.local_devices(backend="gpu"))
    except RuntimeError:  # the plugin is there, the GPU is not
        return []


def put(value: Any, where: Any) -> Any:
    """An array in the memory of a device."""
    return jax.device_put(value, where, may_alias=False)


def address(value: Any) -> int:
    """Where an array lies in the memory of its device."""
    return value.unsafe_buffer_pointer()


def copied(value: Any, where: Any) -> Any:
    """A new array in the memory of a device."""
    moved = put(value, where)
    return jnp.copy(moved) if moved is value else moved


def is_array(value: Any) -> bool:
    """Whether a value is an array of JAX's."""
    return isinstance(value, jax.Array)


def arrays_on(where: Any) -> list[Any]:
    """The arrays that live on a device."""
    return [a for a in jax.live_arrays() if not a.is_deleted() and where in a.devices()]


class Step:
    """The update of an optimizer over lists of arrays on a device, as one function, compiled for their shapes.

    The rule is a program over a parameter, its gradient, its state and the settings that are numbers. With `flat` it
    was made for a vector, and each parameter is seen as one; complex numbers as pairs of real ones.
    """

    def __init__(self, program: Program, where: Any, flat: bool, negate: bool) -> None:
        rule = traced(program.inputs, program.nodes, program.outputs, sized=not flat, cpu=where.platform == "cpu")

        def moved(p: Any, g: Any, state: tuple, numbers: tuple) -> tuple:
            given = [_vector(a) if flat else a for a in (p, -g if negate else g, *state)]
            new, _ = rule(*given, *numbers)
            return tuple([_shaped(n, p) if flat else n for n in new])

        def step(params: list, state: list, gradients: list, numbers: tuple) -> tuple:
            new = [moved(p, g, s, numbers) for p, g, s in zip(params, gradients, state, strict=True)]
            return [n[0] for n in new], [n[1:] for n in new]

        self.kept = jax.jit(step)  # for old values that somebody still looks at
        self.given = jax.jit(step, donate_argnums=(0, 1))

    def __call__(self, params: list, state: list, gradients: list, numbers: tuple, alone: bool) -> tuple[list, list]:
        """New parameters and their new state; with `alone` in the memory of the old ones."""
        with jax.default_matmul_precision(precision()):
            return (self.given if alone else self.kept)(params, state, gradients, numbers)


def _vector(x: Any) -> Any:
    """The elements of `x` in a row, complex numbers as two."""
    if jnp.iscomplexobj(x):
        x = jnp.stack([x.real, x.imag], -1)
    return x.reshape(-1)


def _shaped(x: Any, like: Any) -> Any:
    """A row of elements in the shape and dtype of `like`."""
    if jnp.iscomplexobj(like):
        x = jax.lax.complex(x[0::2], x[1::2])
    return x.reshape(like.shape)
