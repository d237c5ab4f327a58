"""Parameters that are computed from others: `module.weight` becomes a function of `module.parametrizations.weight`."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Sequence
from typing import Any

from ...autograd import no_grad
from ...tensor import Tensor
from ..container import ModuleDict, ModuleList
from ..module import Module
from ..parameter import Parameter

__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
    "transfer_parametrizations_and_params",
    "type_before_parametrizations",
]

_depth = 0
_cache: dict[tuple[int, str], Tensor] = {}


@contextlib.contextmanager
def cached() -> Iterator[None]:
    """A region in which each parametrized tensor is computed once."""
    global _depth
    _depth += 1
    try:
        yield
    finally:
        _depth -= 1
        if not _depth:
            _cache.clear()


def _keep(module: Module, name: str, value: Tensor) -> None:
    if isinstance(value, Parameter):
        module.register_parameter(name, value)
    else:
        module.register_buffer(name, value)


def _set(original: Tensor, value: Tensor) -> None:
    """Makes `original`, the same object, be `value`."""
    if original is not value:
        original.data = value.detach().clone()  # type: ignore[attr-defined]


def _same(made: Any, before: Tensor, what: str, subject: str = "Registering a parametrization may not change") -> None:
    """Raises if a parametrization made something else than a tensor of the dtype and shape of `before`."""
    if not isinstance(made, Tensor):
        raise ValueError(f"A parametrization must return a tensor. Got {type(made).__name__}.")
    for part in ("dtype", "shape"):
        if getattr(made, part) != getattr(before, part):
            raise ValueError(
                f"{subject} the {part} of the tensor, unless `unsafe` flag is enabled.\n"
                f"un{what} {part}: {getattr(before, part)}\n{what} {part}: {getattr(made, part)}"
            )


class ParametrizationList(ModuleList):
    """The functions, first to last, that make one tensor of a module, and `original` (original0, ...) before them."""

    original: Tensor
    unsafe: bool

    def __init__(self, modules: Sequence[Module], original: Tensor, unsafe: bool = False) -> None:
        if len(modules) == 0:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        before = original.detach()  # type: ignore[attr-defined]
        with no_grad():
            new: Any = original
            for module in reversed(list(self)):
                if hasattr(module, "right_inverse"):
                    with contextlib.suppress(NotImplementedError):
                        new = module.right_inverse(new)
        if not isinstance(new, (Tensor, Sequence)):
            raise ValueError(
                "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). "
                f"Got {type(new).__name__}"
            )
        self.is_tensor = isinstance(new, Tensor)
        self.ntensors = 1 if self.is_tensor else len(new)
        if self.is_tensor:
            for part in ("dtype", "device"):
                if getattr(new, part) != getattr(original, part):
                    raise ValueError(
                        f"When `right_inverse` outputs one tensor, it may not change the {part}.\n"
                        f"original.{part}: {getattr(original, part)}\n"
                        f"right_inverse(original).{part}: {getattr(new, part)}"
                    )
            _set(original, new)  # type: ignore[arg-type]
            _keep(self, "original", original)
        else:
            for i, each in enumerate(new):
                if not isinstance(each, Tensor):
                    raise ValueError(
                        "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). "
                        f"Got element {i} of the sequence with type {type(each).__name__}."
                    )
                if isinstance(original, Parameter):
                    each = Parameter(each, original.requires_grad)
                each.requires_grad_(original.requires_grad)
                _keep(self, f"original{i}", each)
        if not unsafe:
            _same(self(), before, "parametrized")

    def right_inverse(self, value: Tensor) -> None:
        """Sets the original, or originals, so that the tensor becomes `value`."""
        with no_grad():
            new: Any = value
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(f"parametrization {type(module).__name__} does not implement right_inverse.")
                new = module.right_inverse(new)
            if self.is_tensor:
                if not isinstance(new, Tensor):
                    raise ValueError(f"`right_inverse` should return a tensor. Got {type(new).__name__}")
                if new.dtype != self.original.dtype:
                    raise ValueError(
                        f"The tensor returned by `right_inverse` has dtype {new.dtype} "
                        f"while `original` has dtype {self.original.dtype}"
                    )
                _set(self.original, new)
                return
            if not isinstance(new, Sequence):
                raise ValueError(f"'right_inverse' must return a sequence of tensors. Got {type(new).__name__}.")
            if len(new) != self.ntensors:
                raise ValueError(
                    f"'right_inverse' must return a sequence of tensors of length {self.ntensors}. "
                    f"Got a sequence of length {len(new)}."
                )
            for i, each in enumerate(new):
                mine = getattr(self, f"original{i}")
                if each.dtype != mine.dtype:
                    raise ValueError(
                        f"Tensor {i} returned by `right_inverse` has dtype {each.dtype} "
                        f"while `original{i}` has dtype {mine.dtype}"
                    )
                _set(mine, each)

    def forward(self) -> Tensor:
        first, *others = list(self)
        x = (
            first(self.original)
            if self.is_tensor
            else first(*[getattr(self, f"original{i}") for i in range(self.ntensors)])
        )
        for module in others:
            x = module(x)
        return x


def _refuse_pickle(self: Module) -> Any:
    raise RuntimeError("Serialization of parametrized modules is only supported through state_dict().")


def _copied(self: Module, memo: dict) -> Module:
    if id(self) not in memo:
        replica = memo[id(self)] = object.__new__(type(self))
        replica.__dict__.update(copy.deepcopy(self.__dict__, memo))
    return memo[id(self)]


def _own_class(module: Module) -> None:
    """Gives the module a class of its own, on which its parametrized tensors are properties."""
    base = type(module)
    members: dict[str, Any] = {"__getstate__": _refuse_pickle, "__module__": base.__module__}
    if not hasattr(base, "__deepcopy__"):
        members["__deepcopy__"] = _copied
    module.__class__ = type(f"Parametrized{base.__name__}", (base,), members)


def _add_property(module: Module, name: str) -> None:
    def get(self: Any) -> Tensor:
        if not _depth:
            return self.parametrizations[name]()
        key = id(self), name
        if key not in _cache:
            _cache[key] = self.parametrizations[name]()
        return _cache[key]

    def put(self: Any, value: Tensor) -> None:
        self.parametrizations[name].right_inverse(value)

    setattr(type(module), name, property(get, put))


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Makes `module.tensor_name` be `parametrization` of the tensor that it was; several apply one after the other.

    If the parametrization has `right_inverse`, the value that the tensor had is kept.
    """
    parametrization.train(module.training)
    own: Any = module
    if is_parametrized(module, tensor_name):
        if not unsafe:
            before = getattr(module, tensor_name)
            made = parametrization(before)
            _same(made, before, "parametrized")
            if hasattr(parametrization, "right_inverse"):
                with contextlib.suppress(NotImplementedError):
                    back = parametrization.right_inverse(made)
                    _same(back, before, "parametrized", "parametrization.right_inverse may not change")
        own.parametrizations[tensor_name].append(parametrization)
        own.parametrizations[tensor_name].unsafe |= unsafe
    elif tensor_name in module._buffers or tensor_name in module._parameters:
        original = getattr(module, tensor_name)
        made_of = ParametrizationList([parametrization], original, unsafe=unsafe)
        delattr(module, tensor_name)
        if not is_parametrized(module):
            _own_class(module)
            own.parametrizations = ModuleDict()
        _add_property(module, tensor_name)
        own.parametrizations[tensor_name] = made_of
    else:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element with name "
            f"'{tensor_name}'"
        )
    return module


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether a tensor of the module (or the one of that name) is computed from others."""
    found = getattr(module, "parametrizations", None)
    if not isinstance(found, ModuleDict):
        return False
    return len(found) > 0 if tensor_name is None else tensor_name in found


def remove_parametrizations(module: Module, tensor_name: str, leave_parametrized: bool = True) -> Module:
    """Makes the tensor an ordinary one again: its present value, or the original unless `leave_parametrized`."""
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    own: Any = module
    made_of = own.parametrizations[tensor_name]
    if made_of.is_tensor:
        original = made_of.original
        if leave_parametrized:
            with no_grad():
                _set(original, getattr(module, tensor_name))
    elif leave_parametrized:
        value = getattr(module, tensor_name)
        original = Parameter(value) if value.requires_grad else value
    else:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is parametrized in terms of a "
            "sequence of tensors."
        )
    delattr(type(module), tensor_name)
    del own.parametrizations[tensor_name]
    _keep(module, tensor_name, original)
    if not is_parametrized(module):
        delattr(module, "parametrizations")
        module.__class__ = type(module).__bases__[0]
    return module


def type_before_parametrizations(module: Module) -> type:
    """The class that the module was of."""
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(
    from_module: Module, to_module: Module, tensor_name: str | None = None
) -> Module:
    """Parametrizes `to_module` as `from_module` is, with the same originals."""
    if not is_parametrized(from_module):
        return to_module
    source: Any = from_module
    target: Any = to_module
    for name in list(source.parametrizations) if tensor_name is None else [tensor_name]:
        if not hasattr(to_module, name):
            setattr(to_module, name, Parameter(getattr(from_module, name)))
        made_of = source.parametrizations[name]
        for function in made_of:
            register_parametrization(to_module, name, function)
        for original in ["original"] if made_of.is_tensor else [f"original{i}" for i in range(made_of.ntensors)]:
            setattr(target.parametrizations[name], original, getattr(made_of, original))
    return to_module
