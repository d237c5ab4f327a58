"""Module: the base of every layer and model. What it owns, how it is called, how it prints."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

from ..autograd import Handle
from ..engine import engine
from ..tensor import Tensor
from .parameter import Buffer, Parameter, is_lazy
from .state import State

_GLOBAL: dict[str, OrderedDict] = {
    name: OrderedDict()
    for name in (
        "forward_pre",
        "forward",
        "forward_always",
        "forward_kwargs",
        "backward",
        "backward_pre",
        "buffer",
        "module",
        "parameter",
    )
}
_HOOKS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
    "_state_dict_hooks",
    "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
)
_PACKAGE = __file__.replace("\\", "/").rsplit("/", 2)[0]
CHANGES = [0]  # how often an attribute of any module was set: what `compile` looks at before it looks closer


class Module(State):
    """A part of a model: parameters, buffers and other modules as attributes, and a `forward` that says what it
    computes.

    >>> import flambeau as torch
    >>> class Twice(torch.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.scale = torch.nn.Parameter(torch.tensor([2.0]))
    ...     def forward(self, x):
    ...         return x * self.scale
    >>> [name for name, _ in Twice().named_parameters()]
    ['scale']
    """

    dump_patches = False
    training: bool
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Module | None]
    call_super_init = False
    _version = 1
    _hooked = False  # whether any hook is registered: calls without go straight to forward

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if not self.call_super_init and kwargs:
            raise TypeError(
                f"{type(self).__name__}.__init__() got an unexpected keyword argument '{next(iter(kwargs))}'"
            )
        if not self.call_super_init and args:
            raise TypeError(
                f"{type(self).__name__}.__init__() takes 1 positional argument but {len(args) + 1} were given"
            )
        own = self.__dict__
        own["training"] = True
        own["_parameters"], own["_buffers"], own["_modules"] = {}, {}, {}
        own["_non_persistent_buffers_set"] = set()
        for name in _HOOKS:
            own[name] = OrderedDict()
        for name in ("_forward_hooks_with_kwargs", "_forward_hooks_always_called", "_forward_pre_hooks_with_kwargs"):
            own[name] = OrderedDict()
        own["_is_full_backward_hook"] = None
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    def forward(self, *input: Any) -> Any:
        """What the module computes; every subclass says it."""
        raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')

    # ---- calling

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            if self._hooked:
                from .hooks import call_with_hooks

                return call_with_hooks(self, args, kwargs)
            return self.forward(*args, **kwargs)
        except Exception as error:
            note_module(error, self, args)
            raise

    _call_impl = _wrapped_call_impl = __call__

    # ---- registration

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Adds a parameter (or None, to keep the name) under `name`."""
        CHANGES[0] += 1
        self._check_name(name, "parameter", self._parameters)
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign '{_typename(param)}' object to parameter '{name}' (torch.nn.Parameter or None required)"
            )
        if param is not None and not param.is_leaf:
            raise ValueError(
                f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be created explicitly. "
                f"To express "
                f"'{name}' as a function of another Tensor, compute the value in the forward() method."
            )
        for hook in _GLOBAL["parameter"].values():
            param = _or(hook(self, name, param), param)
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Adds a tensor that belongs to the state but is not trained; without `persistent` it is left out of
        state_dict."""
        CHANGES[0] += 1
        self._check_name(name, "buffer", self._buffers)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign '{_typename(tensor)}' object to buffer '{name}' (torch Tensor or None required)"
            )
        for hook in _GLOBAL["buffer"].values():
            tensor = _or(hook(self, name, tensor), tensor)
        self._buffers[name] = tensor
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Adds a child module under `name`."""
        CHANGES[0] += 1
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{_typename(module)} is not a Module subclass")
        self._check_name(name, "module", self._modules)
        for hook in _GLOBAL["module"].values():
            module = _or(hook(self, name, module), module)
        self._modules[name] = module

    def register_module(self, name: str, module: Module | None) -> None:
        """The same as add_module."""
        self.add_module(name, module)

    def _check_name(self, name: Any, what: str, where: dict) -> None:
        if "_modules" not in self.__dict__:
            raise AttributeError(f"cannot assign {what} before Module.__init__() call")
        if not isinstance(name, str):
            raise TypeError(f"{what} name should be a string. Got {_typename(name)}")
        if hasattr(self, name) and name not in where:
            raise KeyError(f"attribute '{name}' already exists")
        if "." in name:
            raise KeyError(f'{what} name can\'t contain "."' + (f", got: {name}" if what == "module" else ""))
        if name == "":
            raise KeyError(f'{what} name can\'t be empty string ""')

    def __setattr__(self, name: str, value: Any) -> None:
        CHANGES[0] += 1
        own = self.__dict__
        params = own.get("_parameters")
        if isinstance(value, Parameter):
            if params is None:
                raise AttributeError("cannot assign parameters before Module.__init__() call")
            _discard(name, own, own["_buffers"], own["_modules"])
            own["_non_persistent_buffers_set"].discard(name)
            self.register_parameter(name, value)
        elif params is not None and name in params:
            if value is not None:
                raise TypeError(
                    f"cannot assign '{_typename(value)}' as parameter '{name}' (torch.nn.Parameter or None expected)"
                )
            self.register_parameter(name, value)
        elif isinstance(value, Module):
            if params is None:
                raise AttributeError("cannot assign module before Module.__init__() call")
            _discard(name, own, own["_parameters"], own["_buffers"])
            own["_non_persistent_buffers_set"].discard(name)
            for hook in _GLOBAL["module"].values():
                value = _or(hook(self, name, value), value)
            own["_modules"][name] = value
        elif params is not None and name in own["_modules"]:
            if value is not None:
                raise TypeError(
                    f"cannot assign '{_typename(value)}' as child module '{name}' (torch.nn.Module or None expected)"
                )
            own["_modules"][name] = value
        elif params is not None and (name in own["_buffers"] or isinstance(value, Buffer)):
            if value is not None and not isinstance(value, Tensor):
                raise TypeError(
                    f"cannot assign '{_typename(value)}' as buffer '{name}' (torch.nn.Buffer, torch.Tensor or None "
                    f"expected)"
                )
            if isinstance(value, Buffer) and name not in own["_buffers"]:
                _discard(name, own, own["_parameters"], own["_modules"])
                self.register_buffer(name, value, value.persistent)  # type: ignore[attr-defined]
            else:
                for hook in _GLOBAL["buffer"].values():
                    value = _or(hook(self, name, value), value)
                own["_buffers"][name] = value
        else:
            super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        own = self.__dict__
        for where in ("_parameters", "_buffers", "_modules"):
            found = own.get(where)
            if found is not None and name in found:
                return found[name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __delattr__(self, name: str) -> None:
        CHANGES[0] += 1
        for where in (self._parameters, self._buffers, self._modules):
            if name in where:
                del where[name]  # type: ignore[attr-defined]
                self._non_persistent_buffers_set.discard(name)
                return
        super().__delattr__(name)

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        for name in (
            *_HOOKS,
            "_forward_hooks_with_kwargs",
            "_forward_hooks_always_called",
            "_forward_pre_hooks_with_kwargs",
        ):
            self.__dict__.setdefault(name, OrderedDict())
        self.__dict__.setdefault("_non_persistent_buffers_set", set())
        self.__dict__.setdefault("_is_full_backward_hook", None)

    def __dir__(self) -> list[str]:
        names = {*dir(type(self)), *self.__dict__, *self._parameters, *self._modules, *self._buffers}
        return sorted(n for n in names if not n[0].isdigit())

    # ---- walking

    def _named(self, where: str, prefix: str, recurse: bool, remove_duplicate: bool) -> Iterator[tuple[str, Any]]:
        seen: set = set()
        for path, module in (
            self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse else [(prefix, self)]
        ):
            for name, value in module.__dict__[where].items():
                if value is None or id(value) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(value))
                yield path + ("." if path else "") + name, value

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters of this module and, with `recurse`, of those within."""
        for _, p in self.named_parameters(recurse=recurse):
            yield p

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Pairs of dotted name and parameter."""
        return self._named("_parameters", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers of this module and, with `recurse`, of those within."""
        for _, b in self.named_buffers(recurse=recurse):
            yield b

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Pairs of dotted name and buffer."""
        return self._named("_buffers", prefix, recurse, remove_duplicate)

    def children(self) -> Iterator[Module]:
        """The modules directly within."""
        for _, module in self.named_children():
            yield module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Pairs of name and module, directly within."""
        seen = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def modules(self) -> Iterator[Module]:
        """This module and all within, each once."""
        for _, module in self.named_modules():
            yield module

    def named_modules(
        self, memo: set | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """Pairs of dotted path and module: this one first, then all within."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                yield from module.named_modules(memo, prefix + ("." if prefix else "") + name, remove_duplicate)

    def get_submodule(self, target: str) -> Module:
        """The module at a dotted path."""
        module = self
        for name in target.split(".") if target else ():
            if not hasattr(module, name):
                raise AttributeError(f"{type(module).__name__} has no attribute `{name}`")
            module = getattr(module, name)
            if not isinstance(module, Module):
                raise AttributeError(f"`{name}` is not an nn.Module")
        return module

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Puts `module` at a dotted path."""
        if target == "":
            raise ValueError("Cannot set the submodule without a target name!")
        path, _, name = target.rpartition(".")
        parent = self.get_submodule(path)
        if strict and not hasattr(parent, name):
            raise AttributeError(f"{type(parent).__name__} has no attribute `{name}`")
        if not isinstance(module, Module):
            raise ValueError(f"`module` is not an nn.Module, found {type(module)}")
        setattr(parent, name, module)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a dotted path."""
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if not hasattr(module, name):
            raise AttributeError(f"{type(module).__name__} has no attribute `{name}`")
        found = getattr(module, name)
        if not isinstance(found, Parameter):
            raise AttributeError(f"`{name}` is not an nn.Parameter")
        return found

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a dotted path."""
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if not hasattr(module, name):
            raise AttributeError(f"{type(module).__name__} has no attribute `{name}`")
        if name not in module._buffers:
            raise AttributeError(f"`{name}` is not a buffer")
        return getattr(module, name)

    # ---- changing all of it

    def apply(self, fn: Callable[[Module], None]) -> Module:
        """Calls `fn` on every module within, then on this one."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Module:
        """Replaces every parameter, gradient and buffer by `fn` of it; parameters stay the same objects."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        for p in self._parameters.values():
            if is_lazy(p):
                p.convert(fn)  # type: ignore[union-attr]
            elif p is not None:
                p.data = fn(p.data)
                if p.grad is not None:
                    p._grad = fn(p.grad.detach())  # type: ignore[attr-defined]
        for name, b in self._buffers.items():
            if is_lazy(b):
                b.convert(fn)  # type: ignore[union-attr]
            elif b is not None:
                self._buffers[name] = fn(b)
        return self

    def to(self, *args: Any, **kwargs: Any) -> Module:
        """Moves and converts the floating parameters and buffers, in place."""
        from ..placement import of_module
        from ..tensor import to_arguments

        kind, where, _ = to_arguments(*args, **kwargs)
        if kind is not None and not (kind.is_floating_point or kind.is_complex):
            raise TypeError(f"nn.Module.to only accepts floating point or complex dtypes, but got desired dtype={kind}")
        return self._apply(lambda t: of_module(t, where, kind))

    def type(self, dst_type: Any) -> Module:
        """Converts all parameters and buffers."""
        return self._apply(lambda t: t.type(dst_type))

    def float(self) -> Module:
        """Floating parameters and buffers to float32."""
        return self._floats("float32")

    def double(self) -> Module:
        """Floating parameters and buffers to float64."""
        return self._floats("float64")

    def half(self) -> Module:
        """Floating parameters and buffers to float16."""
        return self._floats("float16")

    def bfloat16(self) -> Module:
        """Floating parameters and buffers to bfloat16."""
        return self._floats("bfloat16")

    def _floats(self, name: str) -> Module:
        from ..dtypes import dtype

        return self._apply(lambda t: t.to(dtype.by_name[name]) if t.is_floating_point() else t)

    def cpu(self) -> Module:
        """Moves everything to the processor's memory."""
        return self._apply(lambda t: t.cpu())

    def cuda(self, device: Any = None) -> Module:
        """Moves everything to a GPU."""
        return self._apply(lambda t: t.cuda(device))

    def to_empty(self, *, device: Any, recurse: bool = True) -> Module:
        """Moves everything without keeping values."""
        from ..creation import empty_like

        return self._apply(lambda t: empty_like(t, device=device), recurse)

    def share_memory(self) -> Module:
        """Moves parameters and buffers to memory that processes share: what one of them writes, the others read."""
        for t in (*self.parameters(), *self.buffers()):
            t.share_memory_()  # type: ignore[attr-defined]
        return self

    def train(self, mode: bool = True) -> Module:
        """Sets training mode here and within."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> Module:
        """Sets evaluation mode here and within."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Module:
        """Makes all parameters collect gradients, or not."""
        for p in self.parameters():
            p.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forgets the gradients of all parameters, or sets them to zero."""
        for p in self.parameters():
            if p._grad is not None:
                if engine.capture is not None:
                    engine.capture.graded(p)
                if set_to_none:
                    p._grad = None
                else:
                    p._grad = p._grad.detach().zero_()  # type: ignore[attr-defined]

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Nothing to do: what recurs is kept as a program by itself."""

    # ---- text

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """What the text of this module says of its own settings."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        children = [f"({name}): " + repr(module).replace("\n", "\n  ") for name, module in self._modules.items()]
        body = lines + children
        if not body:
            return self._get_name() + "()"
        if len(lines) == 1 and not children:
            return f"{self._get_name()}({lines[0]})"
        return self._get_name() + "(\n  " + "\n  ".join(body) + "\n)"

    # ---- hooks (run by nn.hooks)

    def _register(self, where: str, hook: Callable, prepend: bool = False, **flags: bool) -> Handle:
        hooks = self.__dict__[where]
        handle = Handle(hooks)
        hooks[handle.id] = hook
        self.__dict__["_hooked"] = True
        CHANGES[0] += 1
        for flag, wanted in flags.items():
            if wanted:
                self.__dict__[flag][handle.id] = True
        if prepend:
            hooks.move_to_end(handle.id, last=False)
        return handle

    def register_forward_pre_hook(self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False) -> Handle:
        """Calls `hook(module, args)` before each forward; what it returns replaces the arguments."""
        return self._register("_forward_pre_hooks", hook, prepend, _forward_pre_hooks_with_kwargs=with_kwargs)

    def register_forward_hook(
        self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> Handle:
        """Calls `hook(module, args, output)` after each forward; what it returns replaces the output."""
        return self._register(
            "_forward_hooks",
            hook,
            prepend,
            _forward_hooks_with_kwargs=with_kwargs,
            _forward_hooks_always_called=always_call,
        )

    def register_full_backward_hook(self, hook: Callable, prepend: bool = False) -> Handle:
        """Calls `hook(module, grad_input, grad_output)` when the gradients of the inputs are known."""
        self._is_full_backward_hook = True
        return self._register("_backward_hooks", hook, prepend)

    register_backward_hook = register_full_backward_hook

    def register_full_backward_pre_hook(self, hook: Callable, prepend: bool = False) -> Handle:
        """Calls `hook(module, grad_output)` when the gradients of the outputs are known."""
        return self._register("_backward_pre_hooks", hook, prepend)


def _discard(name: str, *where: dict) -> None:
    for d in where:
        d.pop(name, None)


def _or(changed: Any, value: Any) -> Any:
    return value if changed is None else changed


def _typename(value: Any) -> str:
    if isinstance(value, Tensor):
        return value.type()
    kind = type(value)
    module = "torch" + kind.__module__[8:] if kind.__module__.startswith("flambeau") else kind.__module__
    return kind.__name__ if module in ("builtins", "__builtin__") else f"{module}.{kind.__name__}"


def note_module(error: Exception, module: Module, args: tuple) -> None:
    """Says, in a note of an error that flambeau raised, which module of the model it was in, and what it was given."""
    path = getattr(error, "_flambeau_path", None)
    if path is None:
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        file = trace.tb_frame.f_code.co_filename.replace("\\", "/") if trace is not None else ""
        if not file.startswith((_PACKAGE, "<flambeau")):
            return
        error._flambeau_path = [module, "", "", ""]  # type: ignore[attr-defined]
        error.add_note("")
        path = error._flambeau_path  # type: ignore[attr-defined]
        given = ", ".join(str(list(a.shape)) for a in args if isinstance(a, Tensor) and not is_lazy(a))
        path[2] = repr(module) if not module._modules else type(module).__name__
        path[3] = f" given {given}" if given else ""
        shown = type(module).__name__
    else:
        child, dotted, *_ = path
        name = next((n for n, m in module._modules.items() if m is child), None)
        if name is None:
            return
        path[0], path[1] = module, name + ("." + dotted if dotted else "")
        shown = f"{type(module).__name__}.{path[1]}"
    said = f" ({path[2]})" if "." in shown else f": {path[2]}"
    error.__notes__[-1] = f"flambeau: in module {shown}{said}{path[3]}"


def register_module_hook(kind: str, hook: Callable, **flags: bool) -> Handle:
    """Registers a hook for all modules; see nn.modules.module. `flags` name the tables that are to note it."""
    handle = Handle(_GLOBAL[kind])
    _GLOBAL[kind][handle.id] = hook
    for flag, wanted in flags.items():
        if wanted:
            _GLOBAL[flag][handle.id] = True
    CHANGES[0] += 1
    Module._hooked = True  # every call looks for hooks from now on
    return handle
