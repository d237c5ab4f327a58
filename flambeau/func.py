"""Transformations of functions: torch.func."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from ._trees import flatten
from .autograd import enable_grad
from .autograd import grad as _grad
from .autograd.functional import jvp as _jvp
from .nn import BatchNorm1d, BatchNorm2d, BatchNorm3d, Module, SyncBatchNorm
from .ops import registry
from .random import default_generator
from .tensor import Tensor

_depth = 0  # transformations being worked out, outermost first: inner gradients are differentiated by the outer ones


class _level:
    """A transformation within which gradients are recorded for those around it."""

    def __enter__(self) -> bool:
        global _depth
        _depth += 1
        self.tape = enable_grad()
        self.tape.__enter__()
        return _depth > 1

    def __exit__(self, *_: Any) -> None:
        global _depth
        _depth -= 1
        self.tape.__exit__()


def _fresh(tree: Any) -> tuple[Any, list, bool]:
    """`tree` with tensors to differentiate by, these tensors, and whether the originals are being differentiated."""
    leaves, build = flatten(tree)
    outside = any(isinstance(t, Tensor) and t.requires_grad for t in leaves)
    new = [
        (t.clone() if t.requires_grad else t.detach().requires_grad_()) if isinstance(t, Tensor) else t for t in leaves
    ]  # type: ignore
    return build(new), [t for t in new if isinstance(t, Tensor)], outside


def _gradients(outputs: list, inputs: list, seeds: list | None, create: bool) -> list:
    pairs = [(o, s) for o, s in zip(outputs, seeds or [None] * len(outputs), strict=True) if o.requires_grad]
    if not pairs:
        return [t.new_zeros(t.shape) for t in inputs]
    return list(
        _grad(
            [o for o, _ in pairs],
            inputs,
            [s for _, s in pairs],
            retain_graph=True,
            create_graph=create,
            materialize_grads=True,
        )
    )


def _freed(tree: Any, keep: bool) -> Any:
    """`tree`, off the tape unless something outside is to be differentiated."""
    leaves, build = flatten(tree)
    return tree if keep else build([t.detach() if isinstance(t, Tensor) else t for t in leaves])  # type: ignore[attr-defined]


def grad_and_value(func: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable:
    """A function that gives the gradient of `func`, whose result is one number, by an argument, and that result."""

    @functools.wraps(func)
    def inside(*args: Any, **kwargs: Any) -> tuple:
        with _level() as nested:
            places = (argnums,) if isinstance(argnums, int) else tuple(argnums)
            chosen, inputs, outside = _fresh([args[i] for i in places])
            given = list(args)
            for i, value in zip(places, chosen, strict=True):
                given[i] = value
            result = func(*given, **kwargs)
            value, aux = result if has_aux else (result, None)
            if not isinstance(value, Tensor):
                raise RuntimeError(
                    f"grad_and_value(f)(*args): Expected f(*args) to return a tensor, got type {type(value)}"
                )
            if value.ndim != 0:
                raise RuntimeError(
                    f"grad_and_value(f)(*args): Expected f(*args) to return a scalar tensor, "
                    f"got tensor with {value.ndim} dims. "
                    "Maybe you wanted to use the vjp or jacrev APIs instead?"
                )
            keep = nested or outside
            _, build = flatten(chosen)
            found = build(_gradients([value], inputs, None, keep))
            found, value, aux = _freed((found[0] if isinstance(argnums, int) else tuple(found), value, aux), keep)
        return (found, (value, aux)) if has_aux else (found, value)

    return inside


def grad(func: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable:
    """A function that gives the gradient of `func` (which has one number as its result) by an argument.

    >>> import flambeau as torch
    >>> torch.func.grad(torch.sin)(torch.tensor(0.0))
    tensor(1.)
    """
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def inside(*args: Any, **kwargs: Any) -> Any:
        found, value = both(*args, **kwargs)
        return (found, value[1]) if has_aux else found

    return inside


def vjp(func: Callable, *primals: Any, has_aux: bool = False) -> tuple:
    """The results of `func`, and a function that multiplies a vector with its Jacobian there."""
    with _level() as nested:
        given, inputs, outside = _fresh(list(primals))
        result = func(*given)
        result, aux = result if has_aux else (result, None)
        outputs, _ = flatten(result)
        _, build = flatten(given)

    def pull(*cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> tuple:
        seeds, _ = flatten(cotangents[0] if len(cotangents) == 1 else cotangents)
        create = nested or outside or any(s.requires_grad for s in seeds) if create_graph is None else create_graph
        with _level() as inner:
            found = build(_gradients(outputs, inputs, seeds, create or inner))
        return tuple(_freed(found, create or inner))

    shown = _freed(result, nested or outside)
    return (shown, pull, _freed(aux, nested or outside)) if has_aux else (shown, pull)


def jvp(func: Callable, primals: tuple, tangents: tuple, *, strict: bool = False, has_aux: bool = False) -> tuple:
    """The results of `func`, and its Jacobian times the tangents."""
    if not isinstance(primals, tuple) or not isinstance(tangents, tuple) or len(primals) != len(tangents):
        raise RuntimeError("jvp(f, primals, tangents): Expected primals and tangents to be tuples of the same length")
    kept: list = []

    def plain(*args: Any) -> Any:
        result = func(*args)
        if has_aux:
            kept.append(result[1])
            return result[0]
        return result

    with _level() as nested:
        keep = nested or any(t.requires_grad for t in (*primals, *tangents))
        found = _jvp(plain, primals, tangents, create_graph=keep)
    return (*found, _freed(kept[0], keep)) if has_aux else found


def jacrev(
    func: Callable,
    argnums: int | tuple[int, ...] = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
    _preallocate_and_copy: bool = False,
) -> Callable:
    """A function that gives the Jacobian of `func` by an argument, row by row."""

    @functools.wraps(func)
    def inside(*args: Any, **kwargs: Any) -> Any:
        with _level() as nested:
            places = (argnums,) if isinstance(argnums, int) else tuple(argnums)
            chosen, inputs, outside = _fresh([args[i] for i in places])
            given = list(args)
            for i, value in zip(places, chosen, strict=True):
                given[i] = value
            result = func(*given, **kwargs)
            result, aux = result if has_aux else (result, None)
            outputs, build_out = flatten(result)
            _, build_in = flatten(chosen)
            keep = nested or outside
            found = []
            for output in outputs:
                flat = output.reshape(-1)
                rows = []
                for k in range(flat.numel()):
                    seed = flat.new_zeros(flat.shape)
                    seed[k] = 1
                    rows.append(_gradients([flat], inputs, [seed], keep))
                parts = [
                    registry["stack"]([row[i] for row in rows]).reshape(tuple(output.shape) + tuple(t.shape))
                    if rows
                    else t.new_zeros(tuple(output.shape) + tuple(t.shape))
                    for i, t in enumerate(inputs)
                ]
                by_place = build_in(parts)
                found.append(by_place[0] if isinstance(argnums, int) else tuple(by_place))
            answer, aux = _freed((build_out(found), aux), keep)
        return (answer, aux) if has_aux else answer

    return inside


def jacfwd(
    func: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False, *, randomness: str = "error"
) -> Callable:
    """The same Jacobian as `jacrev` gives."""
    return jacrev(func, argnums, has_aux=has_aux)


def hessian(func: Callable, argnums: int | tuple[int, ...] = 0) -> Callable:
    """A function that gives the second derivatives of `func` by an argument."""
    return jacfwd(jacrev(func, argnums), argnums)


def vmap(
    func: Callable, in_dims: Any = 0, out_dims: Any = 0, randomness: str = "error", *, chunk_size: int | None = None
) -> Callable:
    """Applies `func` to slices of its arguments along `in_dims` (None: whole) and stacks the results.

    randomness: what slices draw: "different" numbers, the "same", or "error" to forbid drawing.
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}")

    @functools.wraps(func)
    def inside(*args: Any, **kwargs: Any) -> Any:
        where = f"vmap({_name(func)}, in_dims={in_dims}, ...)(<inputs>): "
        leaves, build = flatten(list(args))
        dims = _dims_for(in_dims, args)
        if len(dims) != len(leaves):
            raise ValueError(f"{where}in_dims is not compatible with the structure of `inputs`.")
        sizes = []
        for t, d in zip(leaves, dims, strict=True):
            if d is not None:
                if not isinstance(t, Tensor):
                    raise ValueError(
                        f"{where}Got in_dim={d} for an input but the input is of type "
                        f"{type(t)}. We cannot vmap over non-Tensor arguments, please use None as the respective in_dim"
                    )
                if not -t.ndim <= d < t.ndim:
                    raise ValueError(
                        f"{where}Got in_dim={d} for some input, but that input is a "
                        f"Tensor of dimensionality {t.ndim} so expected in_dim to satisfy "
                        f"-{t.ndim} <= in_dim < {t.ndim}."
                    )
                sizes.append(t.shape[d])
        if not sizes:
            raise ValueError(f"{where}got no inputs that are mapped over")
        if len(set(sizes)) > 1:
            raise ValueError(
                f"vmap: Expected all tensors to have the same size in the mapped dimension, "
                f"got sizes {sizes} for the mapped dimension"
            )
        before = default_generator._stream.clone_state()
        results = []
        for k in range(sizes[0]):
            if randomness == "same":
                default_generator.put(before.clone_state())
            slices = [t if d is None else t.select(d, k) for t, d in zip(leaves, dims, strict=True)]
            results.append(flatten(func(*build(slices), **kwargs)))
        if randomness == "error" and (before.get_state() != default_generator._stream.get_state()).any():
            raise RuntimeError(
                "vmap: called random operation while in randomness error mode. "
                "Please either use the 'same' or 'different' "
                "randomness flags on vmap or perform the randomness operation out of vmap"
            )
        if not results:
            raise RuntimeError("vmap: there is nothing to map over: the mapped dimension has size 0")
        outs = _dims_for(out_dims, results[0][0]) if not isinstance(out_dims, int) else [out_dims] * len(results[0][0])
        stacked = []
        for i, d in enumerate(outs):
            parts = [r[0][i] for r in results]
            if not isinstance(parts[0], Tensor):
                raise ValueError(
                    f"vmap({_name(func)}, ...): `{_name(func)}` must only return Tensors, got type {type(parts[0])}."
                )
            stacked.append(parts[0] if d is None else registry["stack"](parts, d))
        return results[0][1](stacked)

    return inside


def _name(func: Callable) -> str:
    return getattr(func, "__name__", repr(func))


def _dims_for(dims: Any, args: Sequence) -> list:
    """For each leaf of `args` the dimension that `dims`, a number or a tree that begins like `args`, says."""
    if dims is None or isinstance(dims, int):
        return [dims] * len(flatten(list(args))[0])
    found: list = []
    keys = list(args) if isinstance(args, dict) else range(len(args))
    for key, d in zip(keys, dims.values() if isinstance(dims, dict) else dims, strict=True):
        inner = args[key]
        if d is None or isinstance(d, int):
            found += [d] * len(flatten(inner)[0])
        else:
            found += _dims_for(d, inner)
    return found


def functional_call(
    module: Module,
    parameter_and_buffer_dicts: Any,
    args: Any = None,
    kwargs: dict | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Calls `module` with other tensors in place of its parameters and buffers, by their dotted names."""
    given: dict[str, Tensor] = {}
    for part in (
        parameter_and_buffer_dicts
        if isinstance(parameter_and_buffer_dicts, (tuple, list))
        else (parameter_and_buffer_dicts,)
    ):
        twice = given.keys() & part.keys()
        if twice:
            raise ValueError(
                f"{sorted(twice)} appears in multiple dictionaries; behavior of functional call is ambiguous"
            )
        given.update(part)
    places = {
        (f"{path}." if path else "") + name: (where, name)
        for path, m in module.named_modules(remove_duplicate=False)
        for where in (m._parameters, m._buffers)
        for name in where
    }
    if strict:
        missing, unexpected = [n for n in places if n not in given], [n for n in given if n not in places]
        if missing or unexpected:
            raise RuntimeError(
                "Error(s) in loading state_dict: "
                + "; ".join(
                    ([f"Missing key(s): {', '.join(missing)}."] if missing else [])
                    + ([f"Unexpected key(s): {', '.join(unexpected)}."] if unexpected else [])
                )
            )
    before = [(where, name, where[name]) for where, name in places.values()]
    try:
        for name, value in given.items():
            if name in places:
                where, own = places[name]
                old = where[own]
                where[own] = value  # type: ignore[assignment]
                for other, key, tensor in before if tie_weights and old is not None else ():
                    if tensor is old and other[key] is old:  # the same parameter under another name
                        other[key] = value  # type: ignore[assignment]
        arguments = () if args is None else args if isinstance(args, tuple) else (args,)
        return module(*arguments, **(kwargs or {}))
    finally:
        for where, name, old in before:
            where[name] = old  # type: ignore[assignment]


def stack_module_state(models: Sequence[Module]) -> tuple[dict, dict]:
    """The parameters, and the buffers, of several like models, stacked by name: to be mapped over by `vmap`."""
    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    params = {
        name: registry["stack"]([dict(m.named_parameters())[name] for m in models]).detach().requires_grad_()
        for name, _ in models[0].named_parameters()
    }
    buffers = {
        name: registry["stack"]([dict(m.named_buffers())[name] for m in models]).detach()
        for name, _ in models[0].named_buffers()
    }
    return params, buffers


def linearize(func: Callable, *primals: Any) -> tuple[Any, Callable]:
    """`func(*primals)`, and the function of tangents that gives its derivative there in their direction."""

    def derivative(*tangents: Any) -> Any:
        return jvp(func, primals, tangents)[1]

    return func(*primals), derivative


def functionalize(func: Callable, *, remove: str = "mutations") -> Callable:
    """`func` itself: writes in place are recorded as new values in any case."""
    if remove not in ("mutations", "mutations_and_views"):
        raise RuntimeError(
            "functionalize(f, remove='mutations'): received invalid argument for remove="
            f"'{remove}'. Valid values are 'mutations' and 'mutations_and_views'"
        )

    @functools.wraps(func)
    def function(*args: Any, **kwargs: Any) -> Any:
        return func(*args, **kwargs)

    return function


def replace_all_batch_norm_modules_(root: Module) -> Module:
    """Makes every batch normalisation in `root` use the batch's statistics only, in place, so that it has no state
    that a transformation would write to."""
    for module in root.modules():
        if isinstance(module, (BatchNorm1d, BatchNorm2d, BatchNorm3d, SyncBatchNorm)):
            module.track_running_stats = False
            module.running_mean = module.running_var = module.num_batches_tracked = None
    return root
