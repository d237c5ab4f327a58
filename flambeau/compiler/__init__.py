"""torch.compiler: switches of PyTorch's compiler. Here every program is compiled by itself, so they change nothing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from .._refusing import module_getattr

__getattr__ = module_getattr(
    "torch.compiler", "what recurs is kept as a program without being asked, in this process only", globals()
)
STANCES = ("default", "eager_then_compile", "aot_eager_then_compile", "force_eager", "eager_on_recompile",
           "fail_on_recompile")  # fmt: skip


def compile(*args: Any, **kwargs: Any) -> Any:
    """See torch.compile."""
    import flambeau

    return flambeau.compile(*args, **kwargs)


def reset() -> None:
    """Forgets the programs that are kept; they are made again when they are needed."""
    from ..engine import engine

    with engine.lock:
        engine.programs.clear()


def disable(fn: Callable | None = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    """The function itself, or a decorator that gives it: Python runs at every call in any case."""
    return fn if fn is not None else lambda function: function


def allow_in_graph(fn: Any) -> Any:
    """The function (or the functions of a list) as it is."""
    if isinstance(fn, (list, tuple)):
        return [allow_in_graph(one) for one in fn]
    if not callable(fn):
        raise AssertionError("allow_in_graph expects a callable")
    return fn


def assume_constant_result(fn: Callable) -> Callable:
    """The function itself."""
    return fn


def substitute_in_graph(
    original_fn: Callable, *, can_constant_fold_through: bool = False, skip_signature_check: bool = False
) -> Callable[[Callable], Callable]:
    """A decorator that gives its function: nothing is replaced, since the original is what runs."""
    if not callable(original_fn):
        raise TypeError(f"substitute_in_graph expects a function but got {type(original_fn)!r}")
    return lambda function: function


def nested_compile_region(fn: Callable | None = None, **options: Any) -> Any:
    """The function itself, or a decorator that gives it."""
    return fn if fn is not None else lambda function: function


def list_backends(exclude_tags: Any = ("debug", "experimental")) -> list[str]:
    """The names of compilers that torch.compile takes for `backend`."""
    return ["inductor"]


_default_backend: Any = "inductor"


def set_default_backend(backend: str | Callable | None) -> None:
    """Sets the name that `get_default_backend` gives; every name means this library's own compiler."""
    global _default_backend
    _default_backend = "inductor" if backend is None else backend


def get_default_backend() -> str | Callable:
    """The name of the compiler that torch.compile uses where none is said."""
    return _default_backend


def set_stance(
    stance: str = "default", *, skip_guard_eval_unsafe: bool = False, force_backend: Any = None
) -> AbstractContextManager:
    """Takes what PyTorch takes, as a call, a context or a decorator; the results do not depend on it."""
    if stance not in STANCES:
        raise RuntimeError(f"invalid torch.compile stance '{stance}'")
    return _Stance()


class _Stance(nullcontext):
    """A context, and a decorator that gives its function."""

    def __call__(self, function: Callable) -> Callable:
        return function


def set_enable_guard_collectives(enabled: bool) -> bool:
    """Nothing to switch; gives what was set before, which is False."""
    return False


def cudagraph_mark_step_begin() -> None:
    """Nothing to mark: steps are found without."""


def wrap_numpy(fn: Callable) -> Callable:
    """`fn`, written for NumPy's arrays, as a function of tensors; nothing is differentiated through it."""
    import functools

    import numpy as np

    from ..creation import from_numpy
    from ..tensor import Tensor
    from ..utils._pytree import tree_map

    @functools.wraps(fn)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        given = tree_map(lambda v: v.numpy() if isinstance(v, Tensor) else v, (args, kwargs))
        found = fn(*given[0], **given[1])
        return tree_map(lambda v: from_numpy(np.asarray(v)) if isinstance(v, (np.ndarray, np.generic)) else v, found)

    return wrapped


def is_compiling() -> bool:
    """Whether the program is being traced: never, it runs."""
    return False


def is_dynamo_compiling() -> bool:
    """Whether the program is being traced: never, it runs."""
    return False


def is_exporting() -> bool:
    """Whether the program is being exported: never."""
    return False
