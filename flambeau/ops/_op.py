"""An operation, said once: signature, meaning, shape rule, kernel, gradient, forms. Everything else is made from
this registry."""

from __future__ import annotations

import collections
import functools
import inspect
import sys
from collections.abc import Callable, Iterable
from typing import Any

from .. import dtypes
from ..device import CPU, device
from ..graph import _BOUND, Const, Kind, Node, Seq, Spec, mode, spec, valueless

registry: dict[str, Op | Composite] = {}
T = Ts = Any  # annotations of parameters: an operand, a sequence of operands
# `shown=` of the second and third forms of an operation
_NUMBERED = ("Pow1", "Pow2", "Clamp1", "Rsub1", "Mul1")
_NUMBERED += ("Sum1", "Mean1", "Prod1", "Max1", "Min1", "Squeeze1", "Squeeze2")
NUMBERS = (bool, int, float, complex)
_LIFTED = frozenset(NUMBERS)


def named(rule: Callable) -> tuple[str, ...]:
    """The names of a rule's parameters."""
    code = inspect.unwrap(rule).__code__  # a rule wrapped in checks has the parameters of the one inside
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


def by_name(rule: Callable) -> Callable[[dict], Any]:
    """`rule` as a function of a dict: it is given exactly the values that its parameters name; `x_spec` is the Spec
    of `x`."""
    names = named(rule)
    if any(n.endswith("_spec") for n in names):
        return lambda env: rule(*[env[n[:-5]].spec if n.endswith("_spec") else env[n] for n in names])
    return lambda env: rule(*[env[n] for n in names])


REQUIRED = inspect.Parameter.empty


class Parameter:
    """One parameter of an operation: its name, whether it is an operand (annotated T) or a sequence of operands
    (Ts)."""

    __slots__ = ("name", "operand", "sequence", "static", "default", "keyword")

    def __init__(self, name: str, annotation: Any, default: Any, keyword: bool, static: Iterable[str]) -> None:
        self.name, self.default, self.keyword = name, default, keyword
        self.operand, self.sequence = annotation in ("T", "Ts"), annotation == "Ts"
        self.static = name in static


def parameters_of(body: Callable, static: Iterable[str]) -> tuple[Parameter, ...]:
    """The parameters of a kernel after `xp`. (inspect.signature is too slow for some hundred operations at import.)"""
    code, notes = body.__code__, body.__annotations__
    plain = code.co_varnames[1 : code.co_argcount]
    defaults = body.__defaults__ or ()  # type: ignore[attr-defined]
    known = {**dict(zip(plain[len(plain) - len(defaults) :], defaults, strict=True)), **(body.__kwdefaults__ or {})}  # type: ignore[attr-defined]
    words = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    return tuple([Parameter(n, notes.get(n), known.get(n, REQUIRED), n in words, static) for n in (*plain, *words)])


def heads_of(parameters: Iterable[Parameter]) -> tuple[list[str], dict[str, Any]]:
    """A parameter list as source, and the names that its defaults go by."""
    shown: list[str] = []
    space: dict[str, Any] = {}
    for i, p in enumerate(parameters):
        if p.keyword and "*" not in shown:
            shown.append("*")
        shown.append(p.name if p.default is REQUIRED else f"{p.name}=_d{i}")
        space[f"_d{i}"] = p.default
    return shown, space


class Op:
    """One operation. The function's body is the kernel over an array namespace `xp`; its other parameters are
    PyTorch's signature.

    Operands (tensors, or numbers that stand for one) are annotated `T`, sequences of them `Ts`. Rules name what they
    need.
    """

    public: Callable | None = None  # the function over tensors, set by the layer that has tensors

    def __init__(
        self,
        body: Callable,
        rule: Callable | None,
        *,
        grad: Any = None,
        promote: Any = False,
        to_float: Any = False,
        static: str = "",
        api: str = "torch method",
        alias: str = "",
        cases: Iterable[tuple] = (),
        wrong: Iterable = (),
        view: bool = False,
        put: Callable | None = None,
        checks: bool = False,
        shown: Any = None,
        upcast: bool = True,
        names: Any = None,
        eager: bool = False,
        starts: bool = False,
        detaches: bool = False,
        number_first: bool = False,
        inline: str | None = None,
        ufunc: str = "",
        fresh: bool = False,
        host: bool = False,
        places: bool = False,
    ) -> None:
        self.name = self.__name__ = body.__name__
        self.__doc__, self.body, self.cases, self.wrong = body.__doc__, body, list(cases), list(wrong)
        self.parameters = parameters_of(body, static.split())
        self.rule = by_name(rule) if rule is not None else None
        self.view, self.put, self.checks, self.upcast, self.eager = view, put, checks, upcast, eager
        self.keywords = {i: p.name + "=" for i, p in enumerate(self.parameters) if p.keyword}
        operands = [p.name for p in self.parameters if p.operand]
        self.promote = frozenset(operands if promote is True else promote.split() if promote else ())
        self.to_float = by_name(to_float) if callable(to_float) else to_float
        self.api, self.alias, self.fields = api.split(), alias.split(), names
        self.shown, self.starts, self.detaches, self.inline = shown, starts, detaches, inline
        self.ufunc = ufunc  # NumPy's function of the same arguments that takes `out`
        self.fresh = fresh or bool(ufunc)  # results lie in memory of their own
        self.host = host  # computed by NumPy or SciPy under every backend
        self.places = places  # the rule says on which device the result is
        self.number_first = number_first  # the function takes a Python number as its first operand
        self.kinds: dict[tuple, Kind] = {}
        self.lowerings: dict[str, Callable] = {}
        self.grads: dict[str, Callable] = {}
        self.reads: dict[str, tuple[str, ...]] = {}
        self.where = (body.__code__.co_filename, body.__code__.co_firstlineno)
        if grad is not None:
            self.grad(**(grad if isinstance(grad, dict) else {operands[0]: grad}))
        if self.name in registry:
            raise ValueError(f"operation {self.name} is defined twice")
        registry[self.name] = self

    @functools.cached_property
    def bind(self) -> Callable[..., tuple]:
        """Puts arguments into the order of the signature; written as source when first needed."""
        shown, space = heads_of(self.parameters)
        exec(f"def {self.name}({', '.join(shown)}): return ({', '.join(p.name for p in self.parameters)},)", space)
        return space[self.name]

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(self.bind)

    def grad(self, **rules: Callable) -> None:
        """Attaches gradient rules by the name of the operand; each names what it needs of `g`, `out` and the
        parameters."""
        for name, rule in rules.items():
            if not any(p.name == name for p in self.parameters):
                raise ValueError(f"{self.name} has no operand {name}")
            self.grads[name], self.reads[name] = by_name(rule), named(rule)

    def lower(self, backend: str) -> Callable[[Callable], Callable]:
        """Decorator: a kernel for one backend, where the body is not good enough. Same parameters as the body."""

        def attach(kernel: Callable) -> Callable:
            self.lowerings[backend] = kernel
            return kernel

        return attach

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.public(*args, **kwargs) if self.public else self.record(*self.bind(*args, **kwargs))

    def __get__(self, obj: Any, owner: Any = None) -> Any:
        return self if obj is None else lambda *args, **kwargs: self.record(*self.bind(obj, *args, **kwargs))

    def __repr__(self) -> str:
        return f"<operation {self.name}>"

    def backward_name(self, kind: Kind) -> str:
        """What PyTorch calls this node in `grad_fn`."""
        shown = self.shown(kind) if callable(self.shown) else self.shown
        shown = shown or "".join(part[:1].upper() + part[1:] for part in self.name.split("_"))
        return f"{shown[:-1]}Backward{shown[-1]}" if shown in _NUMBERED else shown + "Backward0"

    # ---- recording

    def record(self, *args: Any) -> Any:
        """The node (or the nodes, for several results) of this operation on `args`, in the order of the signature."""
        key, inputs = self.key_of(args)
        kind = self.kinds.get(key)
        if kind is None:
            kind = self.make(key, args)
        if kind.casts:
            inputs = cast_inputs(inputs, kind.casts)
        if kind.valueless:
            return valueless(kind.spec) if type(kind.spec) is not tuple else tuple([valueless(s) for s in kind.spec])
        node = Node(kind, tuple(inputs))
        if self.checks:
            node.extra = {"line": caller()}
        return node if type(kind.spec) is not tuple else picks(node)

    def key_of(self, args: tuple) -> tuple[tuple, list]:
        """The key under which the Kind for these arguments is kept, and the inputs of the node: operands, and
        floats, which may change."""
        key: list[Any] = [mode.key]
        inputs: list[Any] = []
        for p, value in zip(self.parameters, args, strict=True):
            kind = type(value)
            if kind is Node:
                key.append(value.spec)
                inputs.append(value)
            elif p.sequence and kind is tuple:
                key.append(tuple(v.spec if type(v) is Node else v if v is None else type(v) for v in value))
                inputs += [v for v in value if v is not None]
            elif kind is float and not p.static or p.operand and kind in _LIFTED:
                key.append(kind)
                inputs.append(value)
            else:
                key.append(value)
        return tuple(key), inputs

    def make(self, key: tuple, args: tuple) -> Kind:
        """Works out promotion, shape, dtype and errors once for all nodes with the same key."""
        env: dict[str, Any] = {}
        layout: list[Any] = []
        flat: list[tuple[str, Spec | None]] = []  # per input: its parameter, its Spec (None for a lifted float)
        for p, value in zip(self.parameters, args, strict=True):
            kind = type(value)
            if kind is Node or p.operand and kind in _LIFTED:
                env[p.name] = found = value.spec if kind is Node else spec((), dtypes.of_scalar(kind), weak=True)
                layout.append(len(flat))
                flat.append(
                    (p.name, found[args[1]] if type(found) is tuple else found)
                )  # `_pick` takes one of several results
            elif p.sequence and kind is tuple:
                env[p.name] = found = tuple(
                    None if v is None else v.spec if type(v) is Node else spec((), dtypes.of_scalar(type(v)), weak=True)
                    for v in value
                )
                place = iter(range(len(flat), len(flat) + len(found)))
                layout.append(Seq(Const(None) if s is None else next(place) for s in found))
                flat += [(p.name, s) for s in found if s is not None]
            elif kind is float and not p.static:
                env[p.name] = value
                layout.append(len(flat))
                flat.append((p.name, None))
            else:
                env[p.name] = value
                layout.append(Const(value))
        env["given"] = tuple([s for _, s in flat])  # the operands as they were before promotion
        casts = self.promoted(env, flat)
        if not self.view and self.name not in _STORING:
            refuse_narrow(self.name, [s for _, s in flat if s is not None])
        assert self.rule is not None
        out = self.rule(env)
        live = mode.grad and any(s is not None and s.requires_grad and n in self.grads for n, s in flat)
        if mode.grad and not self.grads and any(s is not None and s.requires_grad for _, s in flat):
            live = not self.detaches  # no rule: a floating result says so when it is differentiated
        live = live or self.starts
        weak = bool(self.promote) and all(s is None or s.weak for _, s in flat)
        where = None if self.places else common_device(self.name, [s for _, s in flat if s is not None])
        outs = tuple(
            spec(s.shape, s.dtype, where or s.device, live and s.differentiable, weak)
            for s in (out if type(out) is tuple else (out,))
        )
        result = outs if type(out) is tuple else outs[0]
        weight = sum(s.nbytes for s in outs) + sum(s.nbytes for _, s in flat if s is not None) + 512
        made = Kind(
            self, result, tuple(layout), {n: v for n, v in env.items() if not isinstance(v, Spec)}, casts, weight
        )
        if made.tape:
            self.note_saves(made, flat)
        if len(self.kinds) > _BOUND:
            self.kinds.clear()
        self.kinds[key] = made
        return made

    def promoted(self, env: dict[str, Any], flat: list[tuple[str, Spec | None]]) -> tuple | None:
        """Brings the operands that promote together to their common dtype, in `env` and `flat`; says which inputs
        need a cast."""
        if not self.promote:
            return None
        joint = [s for n, s in flat if s is not None and n in self.promote]
        common = dtypes.result_type(joint) if joint else dtypes.default_dtype()
        if (self.to_float(env) if callable(self.to_float) else self.to_float) and common.category < dtypes.FLOATING:
            common = dtypes.default_dtype()
        casts: list[Any] = []
        for i, (name, s) in enumerate(flat):
            change = s is not None and name in self.promote and s.dtype is not common
            narrow = (
                s is not None
                and s.weak
                and s.dtype.category == dtypes.INTEGER == common.category
                and common is not dtypes.int64
            )
            casts.append(common if change and (narrow or not s.weak) else None)  # type: ignore[union-attr]
            if change:
                flat[i] = name, spec(s.shape, common, s.device, s.requires_grad, s.weak)  # type: ignore[union-attr]
        for p in self.parameters:
            if p.name in self.promote and env[p.name] is not None:
                mine = [s for n, s in flat if n == p.name]
                env[p.name] = tuple(mine) if p.sequence else mine[0]
        return tuple(casts) if any(casts) else None

    def note_saves(self, made: Kind, flat: list) -> None:
        """Which values the gradient of `made` will read."""
        wanted = {
            read
            for name, s in flat
            if s is not None and s.requires_grad and name in self.grads
            for read in self.reads[name]
        }
        made.saves_out = "out" in wanted
        made.saves = tuple(i for i, (name, _) in enumerate(flat) if name in wanted)

    def environment(self, node: Node) -> dict[str, Any]:
        """The values of the parameters as a gradient rule sees them: nodes, numbers, tuples."""
        return {p.name: argument(a, node.inputs) for p, a in zip(self.parameters, node.kind.args, strict=True)}


# Operations whose integers may be on the processor: positions, lengths, labels.
_INDEXED = frozenset({"_index", "_index_put", "_select_at", "_select_put", "_ctc", "_ctc_backward"})


def common_device(name: str, operands: Iterable[Spec]) -> device | None:
    """The device that all operands of an operation are on; single numbers on the processor go with any. None if there
    are Python numbers only."""
    found: Spec | None = None
    for s in operands:
        if s.weak or found is None or s.device is found.device:
            found = found or (None if s.weak else s)
        elif s.device is CPU and (not s.ndim or name in _INDEXED and s.dtype.category < dtypes.FLOATING):
            pass
        elif found.device is CPU and not found.ndim:
            found = s
        else:
            first, second = (s, found) if found.device is CPU else (found, s)
            raise RuntimeError(
                "Expected all tensors to be on the same device, but found at least two devices, "
                f"{first.device} and {second.device}!"
            )
    return found.device if found is not None else None


# What PyTorch does with 8-bit floats, besides views: it keeps, moves, converts, finds and multiplies them.
_STORING = frozenset(
    """_to_copy _moved _pick _leaf _data _full _filled_like _custom _index _index_put _select_at _select_put abs cat
    clone contiguous copy eq fill index_select isnan matmul mm ne _repeat stack _where any all""".split()
)
_KERNELS = {"add": "add_stub", "sub": "sub_stub", "mul": "mul_cpu_reduced_float"}


def refuse_narrow(name: str, specs: Iterable[Spec]) -> None:
    """Raises PyTorch's error if the operation is asked to compute with 8-bit floats."""
    for s in specs:
        if s.dtype.narrow:
            kernel = _KERNELS.get(name, name.strip("_") + "_cpu")
            raise NotImplementedError(f"\"{kernel}\" not implemented for '{s.dtype.title}'")


def argument(where: Any, inputs: tuple) -> Any:
    """The argument that an entry of `Kind.args` stands for."""
    if type(where) is int:
        return inputs[where]
    return where.value if type(where) is Const else tuple([argument(w, inputs) for w in where])


def cast(node: Any, dtype: dtypes.dtype) -> Any:
    """`node` with elements of another type: itself if they are already."""
    return node if node.spec.dtype is dtype else registry["_to_copy"].record(node, dtype)  # type: ignore[union-attr]


def cast_inputs(inputs: Iterable, casts: tuple) -> list:
    """The inputs, those that promotion changes as visible nodes."""
    return [
        v if c is None else cast(v, c) if type(v) is Node else wrapped(v, c) for v, c in zip(inputs, casts, strict=True)
    ]


def wrapped(number: int, dtype: dtypes.dtype) -> int:
    """A Python integer as a narrow integer type stores it."""
    bits = 8 * dtype.itemsize
    number &= (1 << bits) - 1
    return number - (1 << bits) if dtype.is_signed and number >> bits - 1 else number


def picks(node: Node) -> tuple[Node, ...]:
    """One node for each result of an operation that has several."""
    return tuple(registry["_pick"].record(node, i) for i in range(len(node.spec)))  # type: ignore[union-attr]


_PACKAGE = __file__.replace("\\", "/").rsplit("/", 2)[0]


def caller() -> tuple[str, int]:
    """File and line of the program that called into flambeau."""
    frame: Any = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.replace("\\", "/").startswith((_PACKAGE, "<flambeau")):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


class Composite:
    """An operation written in others: its shape, gradient and lowerings follow from theirs."""

    def __init__(self, function: Callable, api: str, alias: str, cases: Iterable[tuple], wrong: Iterable) -> None:
        self.name = self.__name__ = function.__name__
        self.function, self.__doc__, self.cases, self.wrong = function, function.__doc__, list(cases), list(wrong)
        self.api, self.alias = api.split(), alias.split()
        self.where = (function.__code__.co_filename, function.__code__.co_firstlineno)
        if self.name in registry:
            raise ValueError(f"operation {self.name} is defined twice")
        registry[self.name] = self

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(self.function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def __get__(self, obj: Any, owner: Any = None) -> Any:
        return self if obj is None else lambda *args, **kwargs: self.function(obj, *args, **kwargs)


class Sample:
    """A tensor to try an operation on: its shape, dtype, and the range its elements are drawn from."""

    __slots__ = ("shape", "dtype", "low", "high")

    def __init__(self, shape: tuple, dtype: str, low: float, high: float) -> None:
        self.shape, self.dtype, self.low, self.high = shape, dtype, low, high

    def __repr__(self) -> str:
        return f"{self.dtype}{list(self.shape)}"


def S(*shape: int, dtype: str = "float32", low: float | None = None, high: float | None = None) -> Sample:
    """For `cases=`: a tensor of this shape. Floats lie in 0.3 to 0.9 unless told, integers from `low` (0) to below
    `high` (3)."""
    whole = dtype.startswith(("int", "uint", "bool"))
    return Sample(
        shape, dtype, (0 if whole else 0.3) if low is None else low, (3 if whole else 0.9) if high is None else high
    )


def op(rule: Callable | None, **how: Any) -> Callable[[Callable], Op]:
    """Decorator: makes an operation of its kernel. See `Op`."""
    return lambda body: Op(body, rule, **how)


def composite(
    api: str = "torch method", alias: str = "", cases: Iterable[tuple] = (), wrong: Iterable = ()
) -> Callable[[Callable], Composite]:
    """Decorator: an operation written in other operations. `api` and `alias` say under which names it appears."""
    return lambda function: Composite(function, api, alias, cases, wrong)


def op_names() -> list[str]:
    """The names of all operations, sorted."""
    return sorted(registry)


def return_type(name: str, names: str) -> Any:
    """A named tuple that prints as PyTorch's do."""
    made = collections.namedtuple(name, names)  # type: ignore[misc]

    def shown(self: Any) -> str:
        return (
            f"torch.return_types.{name}(\n"
            + ",\n".join(f"{n}={v!r}" for n, v in zip(self._fields, self, strict=True))
            + ")"
        )

    made.__repr__ = shown  # type: ignore[method-assign, assignment]
    made.__module__ = "torch.return_types"
    return made
