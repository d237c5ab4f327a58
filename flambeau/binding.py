"""From an operation of the registry to the functions and methods that users call: over tensors, with in-place and
`out=` forms."""

from __future__ import annotations

import functools
import operator
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from . import dtypes
from .backends import numpy as backend
from .device import CPU, META, device
from .dtypes import dtype
from .engine import engine
from .graph import Node, leaf, mode, spec
from .ops import registry
from .ops._op import NUMBERS, REQUIRED, Composite, Op, caller, common_device, heads_of, refuse_narrow, return_type
from .ops._rules import title
from .views import check_writable, make_view, write

HANDLES: set[type] = set()  # Tensor and Parameter: classes whose operations need no look at the class
_new = object.__new__
Tensor: Any = None  # set by the layer above


def use(cls: type) -> None:
    """Says which class tensors are of."""
    global Tensor
    Tensor = cls
    HANDLES.add(cls)


def wrap(node: Node) -> Any:
    """A tensor for a newly recorded node."""
    engine.pending.append(node)
    engine.load += node.kind.weight
    t = _new(Tensor)
    t._node = node
    if engine.load > engine.bound:
        engine.flush("bound")
    return t


NUMBERS_AS_TENSORS = frozenset({"add", "sub", "mul", "div", "floor_divide"})  # of two numbers too these make a tensor


def type_name(value: Any) -> str:
    return type(value).__name__


def plain(value: Any) -> Any:
    """An argument that is no operand, in a form that can be part of a key."""
    kind = type(value)
    if kind in (int, bool, float, str, type(None), dtype):
        return value
    if isinstance(value, (tuple, list)):
        return tuple([plain(v) for v in value])
    if isinstance(value, Tensor):
        return value.item()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, device):
        return value
    if hasattr(value, "__index__"):
        return operator.index(value)
    return value


def operand(op: Op, place: int, value: Any, strict: bool) -> Any:
    """An operand as a node or a number; PyTorch's TypeError if it is neither."""
    p = op.parameters[place]
    if isinstance(value, Tensor):
        return value._node
    if type(value) is Node or value is None and p.default is None:
        return value
    if p.name in op.promote and (not strict or p.name != "input" or op.number_first):
        if type(value) in NUMBERS:
            return value
        if isinstance(value, np.generic):
            return value.item()
    if isinstance(value, np.generic) and not strict:
        return value.item()
    raise TypeError(f"{op.name}(): argument '{p.name}' (position {place + 1}) must be Tensor, not {type_name(value)}")


def nodes_of(op: Op, args: tuple, strict: bool = True) -> tuple:
    """The arguments as `Op.record` takes them."""
    found = []
    for place, (p, value) in enumerate(zip(op.parameters, args, strict=True)):
        if p.sequence and value is not None:
            if not isinstance(value, (tuple, list)):
                raise TypeError(
                    f"{op.name}(): argument '{p.name}' (position {place + 1}) must be tuple of Tensors, not "
                    f"{type_name(value)}"
                )
            for i, v in enumerate(value):
                if not (isinstance(v, Tensor) or type(v) is Node or v is None):
                    raise TypeError(
                        f"{op.name}(): argument '{p.name}' (position {place + 1}) must be tuple of Tensors, "
                        f"but found element of type {type_name(v)} at pos {i}"
                    )
            found.append(tuple([v._node if isinstance(v, Tensor) else v for v in value]))
        elif p.operand:
            found.append(operand(op, place, value, strict))
        else:
            found.append(plain(value))
    if strict and op.number_first and not any(type(f) is Node for f in found):
        if op.name in NUMBERS_AS_TENSORS and all(type(f) in NUMBERS for f in found[:2]):
            first = dtypes.of_scalar(type(found[0]))
            return leaf(np.asarray(found[0], first.numpy), spec((), first)), *found[1:]
        kinds = ", ".join(type_name(value) for p, value in zip(op.parameters, args, strict=True) if p.operand)
        raise TypeError(
            f"{op.name}() received an invalid combination of arguments - got ({kinds}), but expected a Tensor among "
            f"them"
        )
    return tuple(found)


# What autocast computes in 16 bits, and what in 32: PyTorch's lists for processors.
NARROW = frozenset(
    """matmul mm linear bmm addmm addbmm baddbmm conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d
    _convolution _attention contract _rnn _lstm _gru prelu""".split()
)
WIDE = frozenset(
    """_mse_loss _l1_loss _huber_loss _kl_div _bce_logits _binary_cross_entropy _nll_loss _cross_entropy
    _cross_entropy_soft
    _soft_margin _multi_margin _multilabel_margin prod _cdist trace _inv_ex _svd _svdvals _qr _pinv quantile
    nanquantile avg_pool3d
    poisson_nll_loss hinge_embedding_loss margin_ranking_loss cosine_embedding_loss triplet_margin_loss
    smooth_l1_loss ctc_loss
    binary_cross_entropy cross_entropy nll_loss""".split()
)


# PyTorch's list for GPUs has these besides.
WIDE_ON_GPU = WIDE | frozenset(
    """acos asin cosh erfinv exp expm1 log log10 log2 log1p reciprocal rsqrt sinh tan pow softplus layer_norm
    _layer_norm group_norm _group_norm norm _vector_norm cosine_similarity renorm logsumexp dist pdist _softmax
    _log_softmax softmax log_softmax softmin cumsum cumprod sum""".split()
)


def wide() -> frozenset[str]:
    """The operations that the autocast in force computes in 32 bits."""
    return WIDE if mode.autocast_on == "cpu" else WIDE_ON_GPU


def autocasted(name: str, args: Any) -> Any:
    """The arguments in the precision that autocast wants for the operation `name`."""
    on = mode.autocast_on
    target = mode.autocast if name in NARROW else dtypes.float32 if name in wide() else None
    if target is None:
        return args

    def fit(value: Any) -> Any:
        if isinstance(value, Tensor):
            kind = value.dtype
            if not kind.is_floating_point or kind is target or kind is dtypes.float64 or value.device.type != on:
                return value
            if name == "binary_cross_entropy" and on == "cuda" and kind.half:
                raise RuntimeError(
                    "torch.nn.functional.binary_cross_entropy and torch.nn.BCELoss are unsafe to autocast.\nUse "
                    "binary_cross_entropy_with_logits or BCEWithLogitsLoss, which take values before the sigmoid."
                )
            return value.to(target)
        return type(value)([fit(v) for v in value]) if type(value) in (tuple, list) else value

    return {k: fit(v) for k, v in args.items()} if isinstance(args, dict) else tuple([fit(a) for a in args])


def call(op: Op, args: tuple, strict: bool = True) -> Any:
    """Records `op` on tensors (or, within gradient rules, on nodes) and wraps the result."""
    if mode.autocast is not None:
        args = autocasted(op.name, args)
    given = nodes_of(op, args, strict)
    if op.eager:
        return evaluated(op, given)
    symbolic = any(type(a) is Node or type(a) is tuple and any(type(v) is Node for v in a) for a in args)
    result = op.record(*given)
    return result if symbolic else tensors(op, result, args)


def evaluated(op: Op, given: tuple) -> Any:
    """The results of an operation whose shapes depend on values: computed now."""
    if engine.capture is not None:
        engine.capture.looked()
    flat = [n for g in given for n in (g if type(g) is tuple else (g,)) if type(n) is Node]
    refuse_narrow(op.name, [n.spec for n in flat])
    where = common_device(op.name, [n.spec for n in flat]) or CPU
    if where is META:
        raise NotImplementedError(f"{op.name}(): the result's shape depends on values, which meta tensors have not")
    with np.errstate(all="ignore"):
        result = op.body(backend.xp, *[value_of(g) for g in given])
    made = [
        wrap(leaf(np.asarray(r), spec(np.shape(r), dtype.by_numpy[np.asarray(r).dtype], where)))
        for r in (result if isinstance(result, (tuple, list)) else (result,))
    ]
    if not isinstance(result, (tuple, list)):
        return made[0]
    return fields(op)(*made) if op.fields else tuple(made)


def value_of(given: Any) -> Any:
    """The value of an argument, computed now if it is pending."""
    if type(given) is tuple:
        return tuple([value_of(g) for g in given])
    return np.asarray(engine.force(given)) if type(given) is Node else given


def tensors(op: Op, result: Any, args: tuple) -> Any:
    """Tensors for the node or nodes that an operation recorded."""
    if type(result) is tuple:
        if result[0].inputs:
            engine.pending.append(result[0].inputs[0])
        made = [wrap(node) for node in result]
        return fields(op)(*made) if op.fields else tuple(made)
    for source, kind in zip(result.inputs, result.kind.casts or (), strict=False):
        if kind is not None and type(source) is Node:  # a cast that promotion put in
            engine.pending.append(source)
    t = wrap(result)
    return make_view(t, args[0], op, nodes_of(op, args)[1:]) if op.view else t


_fields: dict[str, Any] = {}


def fields(op: Op) -> Any:
    """The class of an operation's several results, as torch.return_types has it. `names` may begin with its name:
    "max: values indices"."""
    if op.name not in _fields:
        name, _, names = op.fields.rpartition(": ")
        _fields[op.name] = return_type(name or op.name, names)
    return _fields[op.name]


# ---- the fast path: one dictionary look-up and a node


def public(op: Op) -> Any:
    """The function of `op` over tensors. Its source is written when it is first called: importing would take half a
    second else."""
    space: dict[str, Any] = {"_op": op, "_first": _first}
    function = types.FunctionType(_UNWRITTEN, space, op.name)
    function.__doc__, function.__module__, function.__qualname__ = op.__doc__, "torch", op.name
    space["_function"] = function
    return function


def _unwritten(*args, **kwargs):  # type: ignore[no-untyped-def]
    return _first(_op, _function)(*args, **kwargs)  # type: ignore[name-defined]  # noqa: F821


_UNWRITTEN = _unwritten.__code__


def _first(op: Op, function: Any) -> Any:
    """Gives `function` its code: it stays the same object, so that who holds it has the quick one too."""
    space = function.__globals__
    source, names = source_of(op)
    space.update(names)
    exec(compile(source, f"<flambeau {op.name}>", "exec"), space)
    written = space[op.name]
    function.__code__, function.__defaults__, function.__kwdefaults__ = (
        written.__code__,
        written.__defaults__,
        written.__kwdefaults__,
    )
    return function


def source_of(op: Op) -> tuple[str, dict[str, Any]]:
    """What a call of `op` does, as source, since it is paid for by every operation of every step; and the names it
    uses.

    It looks for a Kind by the descriptions of the operands; everything unusual (numbers where tensors are due,
    casts, first calls) is
    left to `call`.
    """
    heads, names = heads_of(op.parameters)
    names |= {
        "H": HANDLES,
        "Node": Node,
        "_mode": mode,
        "engine": engine,
        "pending": engine.pending,
        "new": _new,
        "T": Tensor,
        "call": call,
        "caller": caller,
        "make_view": make_view,
        "store": store,
        "into": into,
        "fast": {},
    }
    before, keys, inputs = [], ["_mode.key"], []
    for i, p in enumerate(op.parameters):
        if p.operand and not p.sequence:
            before.append(
                f"  if type({p.name}) in H: n{i} = {p.name}._node; k{i} = n{i}.spec\n  else: n{i} = {p.name}; k{i} = "
                f"type(n{i})"
            )
            keys.append(f"k{i}")
            inputs.append(f"n{i}")
        elif type(p.default) is float and not p.static:
            keys.append(f"type({p.name})")
            inputs.append(p.name)
        else:
            keys.append(p.name)
    arguments = "(" + "".join(p.name + ", " for p in op.parameters) + ")"
    body = []
    renaming = any(p.name in RENAMED.values() for p in op.parameters)
    if "out" in op.api:
        heads += ["out=None"] if "*" in heads else ["*", "out=None"]
        body.append(f" if out is not None: return into(_op, {arguments}, out)")
    if renaming and not any(p.name in RENAMED for p in op.parameters):
        heads.append("**_words")
        names |= {"renamed": renamed, "REQUIRED": REQUIRED}
        first = next(i for i, p in enumerate(op.parameters) if p.name in RENAMED.values())
        due = [p.name for p in op.parameters[first:] if p.default is REQUIRED]
        heads = [f"{head}=REQUIRED" if head in due else head for head in heads]
        unusual = " or ".join(["_words", *(f"{name} is REQUIRED" for name in due)])
        given = [*(p.name for p in op.parameters), *(["out"] if "out" in op.api else [])]
        pairs = ", ".join(f"{name}={name}" for name in given)
        body.insert(0, f" if {unusual}: return renamed(_op, _function, _words, dict({pairs}))")
    if op.eager or not inputs or any(p.sequence for p in op.parameters):
        body.append(f" return call(_op, {arguments})")
    else:
        node_inputs = "(" + "".join(v + ", " for v in inputs) + ")"
        if any(p.operand and p.default is None for p in op.parameters):
            names["some"] = lambda values: tuple([v for v in values if v is not None])
            node_inputs = f"some({node_inputs})"
        key = "(" + "".join(k + ", " for k in keys) + ")"
        rest = "(" + "".join(p.name + ", " for p in op.parameters[1:]) + ")"
        body += [
            " try:",
            *before,
            f"  kind = fast.get({key})",
            " except TypeError: kind = None",
            f" if kind is None: return store(_op, fast, {arguments})",
            f" node = Node(kind, {node_inputs})",
            *([" node.extra = {'line': caller()}"] if op.checks else []),
            " pending.append(node)",
            " t = new(T); t._node = node",
            " engine.load = load = engine.load + kind.weight",
            " if load > engine.bound: engine.flush('bound')",
            f" return make_view(t, {op.parameters[0].name}, _op, {rest})" if op.view else " return t",
        ]
    return "\n".join([f"def {op.name}({', '.join(heads)}):", *body]), names


RENAMED = {"axis": "dim", "keepdims": "keepdim"}  # NumPy's names, which PyTorch takes too


def renamed(op: Op, function: Callable, words: dict[str, Any], given: dict[str, Any]) -> Any:
    """A call with NumPy's names for parameters, or without one that must be given."""
    unknown = [word for word in words if RENAMED.get(word) not in given]
    given |= {RENAMED[word]: value for word, value in words.items() if word not in unknown}
    absent = [f'"{name}"' for name, value in given.items() if value is REQUIRED]
    if absent:
        plural = "s" if len(absent) == 1 else ""  # so PyTorch says it
        raise TypeError(f"{op.name}() missing {len(absent)} required positional argument{plural}: {', '.join(absent)}")
    if unknown:
        raise TypeError(f"{op.name}() got an unexpected keyword argument '{unknown[0]}'")
    return function(**given)


def guarded(composite: Composite) -> Callable:
    """The function of a composite: takes NumPy's names, and says what is wrong when its first argument is no tensor."""
    function = composite.function
    first = next(iter(function.__code__.co_varnames), "input")  # type: ignore[attr-defined]

    @functools.wraps(function)
    def call_it(*args: Any, **kwargs: Any) -> Any:
        if mode.autocast is not None:
            args, kwargs = autocasted(composite.name, args), autocasted(composite.name, kwargs)
        try:
            return function(*args, **kwargs)
        except TypeError:
            words = [w for w in RENAMED if w in kwargs]
            if not words:
                raise
            return function(*args, **{RENAMED.get(k, k): v for k, v in kwargs.items()})
        except AttributeError:
            if not args or isinstance(args[0], (Tensor, Node, tuple, list)):
                raise
            raise TypeError(
                f"{composite.name}(): argument '{first}' (position 1) must be Tensor, not {type_name(args[0])}"
            ) from None

    return call_it


def store(op: Op, fast: dict, args: tuple) -> Any:
    """`call`, and the Kind it found kept for the fast path if the next such call can take it."""
    if mode.autocast is not None and (op.name in NARROW or op.name in wide()):
        return call(op, args)
    given = nodes_of(op, args)
    if any(type(a) is Node for a in args):
        return op.record(*given)
    result = op.record(*given)
    if type(result) is not Node:
        return tensors(op, result, args)
    floats = [
        value
        for p, value in zip(op.parameters, given, strict=True)
        if not p.operand and type(p.default) is float and not p.static
    ]
    lifted = sum(p.operand and value is not None for p, value in zip(op.parameters, given, strict=True)) + len(floats)
    if (
        result.kind.casts is None
        and lifted == len(result.inputs)
        and all(type(f) is float for f in floats)
        and len(fast) < 4096
    ):
        key: list[Any] = [mode.key]
        for p, value in zip(op.parameters, given, strict=True):
            if p.operand:
                key.append(value.spec if type(value) is Node else type(value))
            else:
                key.append(float if type(p.default) is float and not p.static else value)
        try:
            fast[tuple(key)] = result.kind
        except TypeError:
            return tensors(op, result, args)  # an argument that cannot be a key: this call is not remembered
    return tensors(op, result, args)


# ---- other forms


def into(op: Any, args: tuple, out: Any, kwargs: dict | None = None) -> Any:
    """The `out=` form: the result written into existing tensors, which take its shape if they have another."""
    with _no_grad():
        result = call(op, args) if isinstance(op, Op) else op.function(*args, **(kwargs or {}))
    if isinstance(result, tuple):
        if not isinstance(out, (tuple, list)) or len(out) != len(result):
            raise TypeError(f"{op.name}(): argument 'out' must be tuple of {len(result)} Tensors, not {type_name(out)}")
        for o, r in zip(out, result, strict=True):
            copy_into(o, r, f"{op.name}(): ")
        return type(result)(*out) if hasattr(result, "_fields") else tuple(out)
    return copy_into(out, result, f"{op.name}(): ")


class _no_grad:
    """Recording without the tape, for the inside of `out=` forms."""

    def __enter__(self) -> None:
        self.before = mode.grad, mode.key
        mode.grad = mode.key = False

    def __exit__(self, *_: Any) -> None:
        mode.grad, mode.key = self.before


def copy_into(out: Any, result: Any, name: str = "") -> Any:
    """Writes `result` to `out`, which is resized to fit."""
    if not isinstance(out, Tensor):
        raise TypeError(f"argument 'out' must be Tensor, not {type_name(out)}")
    if out.requires_grad and mode.grad:
        raise RuntimeError(
            f"{name}functions with out=... arguments don't support automatic differentiation, but one of the "
            "arguments requires grad."
        )
    if out.shape != result.shape:
        out.resize_(result.shape)
    return write(out, result._node)


def in_place(op: Op | Composite) -> Callable:
    """The method `name_`: computes, then writes to its own tensor."""
    # a gradient that reads the old value is given one that the write does not mark as changed
    reads = not isinstance(op, Op) or any(op.parameters[0].name in names for names in op.reads.values())

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        check_writable(self)
        taped = reads and mode.grad and any(isinstance(t, Tensor) and t._node.spec.requires_grad for t in (self, *args))
        source = registry["clone"](self) if taped else self
        if isinstance(op, Op):
            try:
                node = op.public(source, *args, **kwargs)._node  # type: ignore[misc]
            except NotImplementedError:
                check_fits(op, self, args)
                raise
        else:
            node = op.function(source, *args, **kwargs)._node
        return write(self, node, op.name)

    method.__name__, method.__doc__ = op.name + "_", op.__doc__
    return method


def check_fits(op: Op, t: Any, args: tuple) -> None:
    """Raises PyTorch's error if the common type of `t` and the operands in `args` cannot be stored in `t`."""
    if op.promote:
        specs = [
            a._node.spec if isinstance(a, Tensor) else spec((), dtypes.of_scalar(type(a)), weak=True)
            for a in (t, *args)
            if isinstance(a, Tensor) or type(a) in NUMBERS
        ]
        kind = dtypes.result_type(specs)
        if not dtypes.can_cast(kind, t.dtype):
            raise RuntimeError(f"result type {title(kind)} can't be cast to the desired output type {title(t.dtype)}")


def with_out(composite: Composite) -> Callable:
    """A composite with the `out=` form."""
    plain_form = guarded(composite)

    def function(*args: Any, out: Any = None, **kwargs: Any) -> Any:
        if out is not None:
            return into(composite, args, out, kwargs)
        return plain_form(*args, **kwargs)

    function.__name__ = function.__qualname__ = composite.name
    function.__doc__, function.__module__ = composite.__doc__, "torch"
    return function


def forget() -> None:
    """Drops what was worked out about arguments: the default dtype has changed."""
    for op in registry.values():
        if isinstance(op, Op):
            op.kinds.clear()
            op.public.__globals__.get("fast", {}).clear()  # type: ignore[union-attr]


dtypes.on_change.append(forget)


def install(spaces: dict[str, dict[str, Any]]) -> None:
    """Puts every operation under its public names: `spaces` maps "torch", "nn.functional", ... to namespaces."""
    for name, op in registry.items():
        if isinstance(op, Op):
            op.public = public(op)
            function: Any = op.public
        else:
            function = with_out(op) if "out" in op.api else guarded(op)
        names = [name, *(a for a in op.alias if "." not in a)]
        for token in op.api:
            if token == "method":
                for n in names:
                    if n not in Tensor.__dict__:
                        setattr(Tensor, n, function)
            elif token == "inplace":
                for n in names:
                    if n + "_" not in Tensor.__dict__:
                        setattr(Tensor, n + "_", in_place(op))
            elif token != "out":
                for n in names:
                    spaces[token][n] = function
        for full in op.alias:
            if "." in full:
                space, _, n = full.rpartition(".")
                spaces[space][n] = function


def cast_node(node: Node, kind: dtype) -> Node:
    """`node` as elements of type `kind`."""
    return node if node.spec.dtype is kind else registry["_to_copy"].record(node, kind)  # type: ignore[union-attr]
