"""The namespace `xp` over arrays without values: reductions, products, writing in parts, and the table of names."""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..graph import Node
from ..ops._op import argument
from . import Program
from ._traced import (
    BOOL,
    FLOAT,
    INT,
    Array,
    Unsupported,
    apply,
    binary,
    broadcast_to,
    cast,
    clip,
    common,
    expand_dims,
    flip,
    indexed,
    isclose_to_inf,
    lift,
    moveaxis,
    pick_diagonal,
    power,
    repeat,
    reshape,
    rounding,
    sign,
    squeeze,
    swapaxes,
    take,
    take_along_axis,
    transpose,
    tri,
    truth,
    unary,
    view,
    where,
)

# ---- many to one


def axes_of(x: Array, axis: Any) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(x.ndim))
    return tuple(sorted({a % x.ndim for a in ([axis] if isinstance(axis, int) else axis)})) if x.ndim else ()


def reduction(name: str) -> Any:
    def function(x: Any, axis: Any = None, out: Any = None, keepdims: bool = False, dtype: Any = None) -> Array:
        x = lift(x)
        if dtype is not None:
            x = cast(x, np.dtype(dtype))
        if name in ("any", "all"):
            x = cast(x, BOOL)
        axes = axes_of(x, axis)
        if name in ("argmax", "argmin"):
            if axis is None:
                x, axes = reshape(x, (-1,)), (0,)
            elif not x.ndim:
                return cast(0, INT)
        kept = [s for i, s in enumerate(x.shape) if i not in axes]
        found = x if not axes else Array(
            "reduce", kept, INT if name in ("argmax", "argmin") else x.dtype, (x,), (name, axes)
        )
        return reshape(found, [1 if i in axes else s for i, s in enumerate(x.shape)]) if keepdims else found

    return function


def total(x: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Array:
    return _widened("sum", x, axis, dtype, keepdims)


def prod(x: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Array:
    return _widened("prod", x, axis, dtype, keepdims)


def _widened(name: str, x: Any, axis: Any, dtype: Any, keepdims: bool) -> Array:
    x = lift(x)
    dtype = np.dtype(dtype) if dtype is not None else INT if x.dtype.kind in "bi" else x.dtype
    if dtype == BOOL or dtype.kind == "u":
        raise Unsupported("a sum of bool as bool")
    return reduction(name)(cast(x, dtype), axis, keepdims=keepdims)


def mean(x: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Array:
    x = lift(x)
    x = cast(x, np.dtype(dtype) if dtype is not None else x.dtype if x.dtype.kind == "f" else FLOAT)
    return total(x, axis, keepdims=keepdims) / math.prod([x.shape[a] for a in axes_of(x, axis)])


def scanned(name: str) -> Any:
    def function(x: Any, axis: Any = None, dtype: Any = None) -> Array:
        x = lift(x)
        if axis is None:
            x, axis = reshape(x, (-1,)), 0
        if dtype is not None or x.dtype.kind in "b":
            x = cast(x, np.dtype(dtype or INT))
        elif x.dtype.kind == "i" and name in ("sum", "prod"):
            x = cast(x, INT)
        if not x.ndim:
            return x
        return Array("scan", x.shape, x.dtype, (x,), (name, axis % x.ndim))

    return function


# ---- products


def matmul(x: Any, y: Any) -> Array:
    x, y = lift(x), lift(y)
    dtype = common([x, y])
    x, y = cast(x, dtype), cast(y, dtype)
    if dtype.kind != "f" or not x.ndim or not y.ndim:
        raise Unsupported("a product of integers")
    left, right = x.ndim == 1, y.ndim == 1
    x, y = (x[None] if left else x), (y[:, None] if right else y)
    if x.shape[-1] != y.shape[-2]:
        raise Unsupported("shapes that do not fit")
    if y.ndim == 2 and x.ndim > 2:  # one product
        found = matmul(reshape(x, (-1, x.shape[-1])), y)
        found = reshape(found, (*x.shape[:-1], y.shape[-1]))
    else:
        batch = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
        x, y = broadcast_to(x, (*batch, *x.shape[-2:])), broadcast_to(y, (*batch, *y.shape[-2:]))
        found = Array("product", (*batch, x.shape[-2], y.shape[-1]), dtype, (x, y))
    if right:
        found = found[..., 0]
    return found[..., 0, :] if left and not right else found[..., 0] if left else found


def dot(x: Any, y: Any, out: Any = None) -> Array:
    x, y = lift(x), lift(y)
    if not x.ndim or not y.ndim:
        return x * y
    if y.ndim > 2:
        raise Unsupported("dot")
    return matmul(x, y)


def vecdot(x: Any, y: Any, axis: int = -1) -> Array:
    return total(lift(x) * lift(y), axis)


def einsum(*given: Any) -> Array:
    """Over labels, in letters or numbers: a product of views, summed."""
    if isinstance(given[0], str):
        left, _, right = given[0].partition("->")
        arrays, labels, target = list(map(lift, given[1:])), [list(p) for p in left.split(",")], list(right)
        if "." in given[0] or "->" not in given[0]:
            raise Unsupported("einsum")
    else:
        arrays, labels = [lift(v) for v in given[0:-1:2]], [list(v) for v in given[1::2]]
        target = list(given[-1]) if len(given) % 2 else []
    names = list(dict.fromkeys([*target, *[n for part in labels for n in part]]))
    sizes = {n: s for x, part in zip(arrays, labels, strict=True) for n, s in zip(part, x.shape, strict=True)}
    shape = [sizes[n] for n in names]
    spread = [
        view(x, shape, [(0, ((names.index(n), 1),)) for n in part]) for x, part in zip(arrays, labels, strict=True)
    ]
    found = spread[0]
    for other in spread[1:]:
        found = found * other
    return total(found, tuple(range(len(target), len(names))), found.dtype) if len(names) > len(target) else found


def tensordot(x: Any, y: Any, axes: Any = 2) -> Array:
    x, y = lift(x), lift(y)
    if isinstance(axes, int):
        axes = list(range(x.ndim - axes, x.ndim)), list(range(axes))
    of_x, of_y = [[a % v.ndim for a in ([part] if isinstance(part, int) else part)]
                  for part, v in zip(axes, (x, y), strict=True)]  # fmt: skip
    rows, columns = [i for i in range(x.ndim) if i not in of_x], [i for i in range(y.ndim) if i not in of_y]
    inner = math.prod([x.shape[i] for i in of_x])
    left = reshape(transpose(x, [*rows, *of_x]), (-1, inner))
    right = reshape(transpose(y, [*of_y, *columns]), (inner, -1))
    return reshape(matmul(left, right), [*[x.shape[i] for i in rows], *[y.shape[i] for i in columns]])


def windows(x: Any, size: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> Array:
    """The windows (..., H', W', kH, kW) over the last dimensions of `x`."""
    x, k = lift(x), len(size)
    first = x.ndim - k
    parts = list(zip(x.shape[first:], size, stride, dilation, strict=True))
    counts = [(n - d * (w - 1) - 1) // s + 1 for n, w, s, d in parts]
    entries: list[Any] = [(0, ((i, 1),)) for i in range(first)]
    entries += [(0, ((first + i, s), (first + k + i, d))) for i, (_, _, s, d) in enumerate(parts)]
    return view(x, (*x.shape[:first], *counts, *size), entries)


STEPS = 32  # of a loop that is written out


def scan(step: Callable, carry: Any, xs: Any, reverse: bool = False) -> tuple[Any, Any]:
    """Runs `step(carry, x)` over the first dimension of `xs`, written out step by step."""
    count = len(next(x for x in xs if x is not None))
    if count > STEPS:
        raise Unsupported("a long loop")
    made: list[Any] = []
    for t in reversed(range(count)) if reverse else range(count):
        carry, found = step(carry, [None if x is None else x[t] for x in xs])
        made.append(found)
    if reverse:
        made.reverse()
    return carry, tuple([stack(parts) for parts in zip(*made, strict=True)])


# ---- written in several steps


def written(shape: Iterable[int], dtype: Any, steps: Sequence[tuple[Any, Array, str]]) -> Array:
    """An array made by writing parts one after another: (where, what, "set", "sum" or another reduction)."""
    args: list[Array] = []
    how = []
    for entries, value, mode in steps:
        own = [e if e[-1] is not None else (e[0] + len(args), *e[1:]) for e in entries]
        how.append((tuple(own), len(args), mode))
        args.append(value)
    return Array("steps", shape, dtype, tuple(args), tuple(how))


def plain(shape: Sequence[int], start: Sequence[int] = ()) -> list[Any]:
    """The index map of a block that begins at `start`."""
    return [((start[i] if start else 0), ((i, 1),)) for i in range(len(shape))]


def concatenate(arrays: Any, axis: Any = 0, **words: Any) -> Array:
    found = [lift(a) for a in arrays]
    if axis is None or words:
        raise Unsupported("concatenate")
    if len(found) == 1:
        return found[0]
    axis %= found[0].ndim
    dtype = common(found)
    steps, at = [], 0
    for a in found:
        start = [0] * a.ndim
        start[axis] = at
        steps.append((plain(a.shape, start), cast(a, dtype), "set"))
        at += a.shape[axis]
    return written([at if i == axis else s for i, s in enumerate(found[0].shape)], dtype, steps)


def stack(arrays: Any, axis: int = 0) -> Array:
    found = [lift(a) for a in arrays]
    axis %= found[0].ndim + 1
    return concatenate([expand_dims(a, axis) for a in found], axis)


def roll(x: Any, shift: Any, axis: Any = None) -> Array:
    x = lift(x)
    if axis is None:
        return reshape(roll(reshape(x, (-1,)), shift, 0), x.shape)
    pairs = [(shift, axis)] if isinstance(axis, int) else zip(shift, axis, strict=True)
    for by, dim in pairs:
        dim %= x.ndim
        by %= x.shape[dim]
        if by:
            whole = [slice(None)] * dim
            x = concatenate([x[(*whole, slice(-by, None))], x[(*whole, slice(None, -by))]], dim)
    return x


def tile(x: Any, counts: Any) -> Array:
    x, counts = lift(x), [counts] if isinstance(counts, int) else list(counts)
    counts = [1] * (x.ndim - len(counts)) + counts
    shape = [1] * (len(counts) - x.ndim) + list(x.shape)
    wide = broadcast_to(reshape(x, [n for s in shape for n in (1, s)]), [n for c, s in zip(counts, shape, strict=True)
                                                                       for n in (c, s)])  # fmt: skip
    return reshape(wide, [c * s for c, s in zip(counts, shape, strict=True)])


def pad(x: Any, widths: Any, mode: str = "constant", constant_values: Any = 0) -> Array:
    x = lift(x)
    if mode != "constant" or isinstance(constant_values, (tuple, list)):
        raise Unsupported("pad")
    widths = np.broadcast_to(np.asarray(widths), (x.ndim, 2)).tolist()
    if any(w < 0 for pair in widths for w in pair):
        raise Unsupported("pad")
    shape = [a + s + b for s, (a, b) in zip(x.shape, widths, strict=True)]
    base = full(shape, constant_values, x.dtype)
    return written(
        shape, x.dtype, [(plain(shape), base, "set"), (plain(x.shape, [a for a, _ in widths]), x, "set")]
    )


def at(mode: str) -> Any:
    def function(x: Any, key: Any, value: Any) -> Array:
        x = lift(x)
        shape = x.shape
        found = indexed(Array("iota", shape, x.dtype), key)  # only where it leads is of interest
        entries = list(found.how)
        args = found.args[1:]
        value = broadcast_to(cast(value, x.dtype), found.shape)
        if args:  # the written array's indices are evaluated in the loop over the values
            return Array(
                "steps", shape, x.dtype, (x, value, *args),
                ((tuple(plain(shape)), 0, "set"),
                 (tuple([e if len(e) == 2 else (e[0] + 1, e[1], None) for e in entries]), 1, mode)),
            )  # fmt: skip
        return Array(
            "steps", shape, x.dtype, (x, value), ((tuple(plain(shape)), 0, "set"), (tuple(entries), 1, mode))
        )

    return function


def at_reduce(x: Any, key: Any, value: Any, how: str) -> Array:
    return at({"sum": "sum", "prod": "prod", "amax": "max", "amin": "min"}[how])(x, key, value)


# ---- made from nothing


def full(shape: Any, value: Any, dtype: Any = None) -> Array:
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    value = lift(value)
    return broadcast_to(cast(value, np.dtype(dtype) if dtype is not None else value.dtype), shape)


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> Array:
    if stop is None:
        start, stop = 0, start
    if not all(isinstance(v, (int, np.integer)) for v in (start, stop, step)):
        raise Unsupported("arange of floats")
    count = len(range(start, stop, step))
    found = Array("iota", (count,), INT) * int(step) + int(start)
    return found if dtype is None else cast(found, np.dtype(dtype))


def eye(rows: int, columns: Any = None, dtype: Any = FLOAT) -> Array:
    return cast(arange(rows)[:, None] == arange(rows if columns is None else columns), np.dtype(dtype))


def asarray(x: Any, dtype: Any = None, **words: Any) -> Array:
    x = lift(x)
    return cast(x, np.dtype(dtype) if dtype is not None else x.dtype)


# ---- the table


def _like(value: Any) -> Any:
    return lambda x, dtype=None, shape=None: full(
        lift(x).shape if shape is None else shape, value, lift(x).dtype if dtype is None else dtype
    )


def _logaddexp(x: Any, y: Any) -> Array:
    high, low = apply("max", x, y), apply("min", x, y)
    found = high + apply("log1p", apply("exp", low - high))
    return where(high == low, high + math.log(2), found)


def _xlogy(x: Any, y: Any) -> Array:
    x, y = lift(x), lift(y)
    return where((x == 0) & ~(y != y), x * 0, x * apply("log", y, floats=True))


def _unwritten(shape: Any, dtype: Any = FLOAT) -> Array:
    return full(shape, 0, dtype)


def _ufunc(function: Any, reduce: Any = None, accumulate: Any = None) -> Any:
    """A function with the methods that NumPy's have."""
    function.reduce, function.accumulate = reduce, accumulate
    return function


def namespace(refused: list[Array]) -> types.SimpleNamespace:
    """The array namespace of kernels. What they want to be false is put into `refused`."""

    def refuse(wrong: Any, error: Any) -> None:
        if type(wrong) is Array:
            refused.append(reduction("any")(wrong))
        elif bool(wrong):
            raise Unsupported("refused at once")

    return types.SimpleNamespace(**NAMES, refuse=refuse)


_FLOATING = "exp exp2 expm1 log log1p log2 log10 sqrt cbrt sin cos tan sinh cosh tanh arcsin arccos arctan arcsinh"
_FLOATING += " arccosh arctanh"
NAMES: dict[str, Any] = {name: unary(name, True) for name in _FLOATING.split()}
NAMES.update({name: rounding(name) for name in ("floor", "ceil", "trunc", "rint")})
NAMES.update(
    add=binary("add"), subtract=binary("sub"), multiply=binary("mul"), divide=binary("div", True),
    true_divide=binary("div", True), floor_divide=binary("floor_divide"), remainder=binary("remainder"),
    mod=binary("remainder"), fmod=binary("fmod"), power=power, negative=unary("neg"), abs=unary("abs"),
    absolute=unary("abs"), maximum=_ufunc(binary("max"), reduction("max"), scanned("max")),
    minimum=_ufunc(binary("min"), reduction("min"), scanned("min")), fmax=binary("fmax"), fmin=binary("fmin"),
    sign=sign, copysign=binary("copysign", True), arctan2=binary("arctan2", True), hypot=binary("hypot", True),
    logaddexp=_logaddexp, square=lambda x: apply("mul", x, x), reciprocal=lambda x: 1 / lift(x),
    equal=binary("eq", result=BOOL), not_equal=binary("ne", result=BOOL), less=binary("lt", result=BOOL),
    less_equal=binary("le", result=BOOL), greater=lambda x, y: lift(x) > y, greater_equal=lambda x, y: lift(x) >= y,
    isnan=lambda x: lift(x) != x, isinf=isclose_to_inf, isfinite=lambda x: apply("abs", x) < math.inf,
    signbit=unary("signbit", result=BOOL), logical_and=truth("and"), logical_or=truth("or"),
    logical_xor=truth("xor"), logical_not=truth("not"), invert=unary("not"), bitwise_and=binary("and"),
    bitwise_or=binary("or"), bitwise_xor=binary("xor"), where=where, clip=clip,
    sum=total, prod=prod, mean=mean, max=reduction("max"), min=reduction("min"), amax=reduction("max"),
    amin=reduction("min"), any=reduction("any"), all=reduction("all"), argmax=reduction("argmax"),
    argmin=reduction("argmin"), cumsum=scanned("sum"), cumprod=scanned("prod"),
    matmul=matmul, dot=dot, vdot=lambda x, y: dot(reshape(x, (-1,)), reshape(y, (-1,))), vecdot=vecdot,
    inner=dot, outer=lambda x, y: reshape(x, (-1, 1)) * reshape(y, (-1,)), einsum=einsum,
    concatenate=concatenate, stack=stack, pad=pad, at_set=at("set"), at_add=at("sum"), at_reduce=at_reduce,
    full=full, zeros=lambda shape, dtype=FLOAT: full(shape, 0, dtype), empty=_unwritten, eye=eye,
    ones=lambda shape, dtype=FLOAT: full(shape, 1, dtype), zeros_like=_like(0), ones_like=_like(1),
    empty_like=_like(0), full_like=lambda x, value, dtype=None: _like(value)(x, dtype), arange=arange,
    asarray=asarray, array=asarray, ascontiguousarray=asarray,
    broadcast_to=broadcast_to, transpose=transpose, permute_dims=transpose, swapaxes=swapaxes, moveaxis=moveaxis,
    reshape=reshape, ravel=lambda x: reshape(x, (-1,)), expand_dims=expand_dims, squeeze=squeeze, flip=flip,
    take=take, take_along_axis=take_along_axis, diagonal=pick_diagonal, repeat=repeat,
    tril=lambda x, k=0: tri(x, k, True), triu=lambda x, k=0: tri(x, k, False),
    ndim=lambda x: lift(x).ndim, shape=lambda x: lift(x).shape, size=lambda x: lift(x).size, real=lambda x: lift(x),
    conj=lambda x: lift(x), conjugate=lambda x: lift(x), broadcast_shapes=np.broadcast_shapes,
    result_type=np.result_type, finfo=np.finfo, iinfo=np.iinfo, inf=np.inf, nan=np.nan, pi=np.pi, e=np.e,
    int64=np.int64, int32=np.int32, float32=np.float32, float64=np.float64, bool_=np.bool_, newaxis=None,
    dtype=np.dtype, host=False, cpu=True, tensordot=tensordot, windows=windows, scan=scan, roll=roll, tile=tile,
    atleast_1d=lambda x: lift(x) if lift(x).ndim else reshape(x, (1,)),
    atleast_2d=lambda x: lift(x) if lift(x).ndim > 1 else reshape(x, (1, -1)),
    trace=lambda x, offset=0, axis1=0, axis2=1: total(pick_diagonal(x, offset, axis1, axis2), -1),
    special=types.SimpleNamespace(
        erf=unary("erf", True), erfc=unary("erfc", True), expit=lambda x: 1 / (1 + apply("exp", -lift(x), floats=True)),
        xlogy=_xlogy, gammaln=unary("lgamma", True),
    ),
)  # fmt: skip
NAMES["add"] = _ufunc(NAMES["add"], total, scanned("sum"))


# ---- from a program to arrays without values


def kernel_of(node: Node) -> Callable[..., Any]:
    op = node.kind.op
    return op.lowerings.get("native", op.body)


def fitted(value: Any, spec: Any) -> Any:
    """A computed value in the dtype and shape that the operation's rule promised."""
    if type(spec) is tuple:
        return tuple([fitted(v, s) for v, s in zip(value, spec, strict=True)])
    value = cast(value, (BOOL, INT, FLOAT)[spec.dtype.category], True) if spec.weak else cast(value, spec.dtype.numpy)
    if value.shape != spec.shape:
        raise Unsupported(f"the rule says {spec}, the kernel gave {list(value.shape)}")
    return value


def traced(program: Program, given: Sequence[Any]) -> tuple[list[Array], list[Array]]:
    """What the outputs are made of if the inputs are `given`, those of one node in a row; and what has to be false."""
    refused: list[Array] = []
    xp = namespace(refused)
    known: dict[Node, Any] = dict(zip(program.inputs, given, strict=True))
    for node in program.nodes:
        words = node.kind.op.keywords
        have = tuple([known[s] if type(s) is Node else s for s in node.inputs])
        args = [argument(a, have) for a in node.kind.args]
        plain = [v for i, v in enumerate(args) if i not in words]
        known[node] = fitted(kernel_of(node)(xp, *plain, **{w[:-1]: args[i] for i, w in words.items()}), node.spec)
    outs = [known[n] for n in program.outputs]
    return [lift(v) for out in outs for v in (out if type(out) is tuple else (out,))], refused
