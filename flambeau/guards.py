"""What a Python function depends on besides its arguments, read from its code: for `compile`, which replays it.

The code of the function, and of every function and module of the user's that it reaches, is looked through once.
What it reads is remembered with its value and compared before each replay. What a replay would leave out (printing,
storing, random numbers and clocks of Python's, values kept elsewhere) is a reason not to replay.
"""

from __future__ import annotations

import builtins
import dis
import inspect
import sysconfig
import types
from collections.abc import Callable, Iterator
from typing import Any

from .device import device
from .dtypes import dtype
from .nn.module import CHANGES, Module
from .tensor import Tensor

PLAIN = (int, float, complex, bool, str, bytes, type(None), dtype, device, type(Ellipsis))
_PACKAGE = __file__.replace("\\", "/").rsplit("/", 1)[0] + "/"
_LIBRARIES = tuple(
    sysconfig.get_path(name).replace("\\", "/") + "/" for name in ("stdlib", "platstdlib", "purelib", "platlib")
)
ASIDE = {"print", "open", "input", "exec", "eval", "setattr", "delattr", "next", "globals", "locals", "vars", "iter"}
LOOKING = {"random", "time", "datetime", "logging", "os", "sys", "io", "threading", "warnings", "secrets", "uuid"}
CONSTANT = {"sqrt", "pi", "e", "inf", "nan", "log", "exp", "prod", "ceil", "floor", "float32", "float64", "int64"}
ENDINGS = ("append", "extend", "insert", "pop", "clear", "write", "setdefault", "popitem", "remove", "discard")
DEPTH = 4


class Reason(Exception):
    """Why a function cannot be replayed."""


def is_plain(value: Any) -> bool:
    """Whether a value never changes, so that it can be compared."""
    return isinstance(value, PLAIN) or type(value) in (tuple, frozenset) and all(map(is_plain, value))


def is_users(code: types.CodeType) -> bool:
    """Whether code is of the program, not of flambeau, the standard library or an installed package."""
    file = code.co_filename.replace("\\", "/")
    return not (file.startswith((_PACKAGE, "<flambeau", "<frozen")) or file.startswith(_LIBRARIES))


class Guards:
    """What a function read: tensors, modules and optimizers by identity, plain values by value."""

    def __init__(self) -> None:
        self.values: list[tuple[Callable[[], Any], Any]] = []  # how to get it again, what it was
        self.tensors: dict[int, Tensor] = {}
        self.modules: dict[int, Module] = {}
        self.changes = 0
        self._seen: dict[int, Any] = {}

    # ---- collecting

    def function(self, function: Any) -> None:
        """Looks through a function, method, module or callable object."""
        if isinstance(function, Module):
            self.value(function)
            return
        inner = inspect.unwrap(function) if not inspect.ismethod(function) else function.__func__
        if inspect.ismethod(function):
            self.value(function.__self__)
        if not isinstance(inner, types.FunctionType):
            call = vars(type(inner)).get("__call__")
            if not isinstance(call, types.FunctionType):
                return
            self.value(inner)
            inner = call
        if id(inner) in self._seen or not is_users(inner.__code__):
            return
        self._seen[id(inner)] = inner
        cells = dict(zip(inner.__code__.co_freevars, inner.__closure__ or (), strict=True))
        for name, cell in cells.items():
            if inner.__code__.co_name != "<lambda>" or name != "__class__":
                self.cell(name, cell)
        for default in (*(inner.__defaults__ or ()), *(inner.__kwdefaults__ or {}).values()):
            self.value(default)
        self.code(inner.__code__, inner.__globals__)

    def cell(self, name: str, cell: Any) -> None:
        """A variable of an enclosing function."""
        try:
            held = cell.cell_contents
        except ValueError:
            return
        self.value(held)
        if not isinstance(held, (types.FunctionType, type)):
            self.values.append((lambda: cell.cell_contents, held))

    def code(self, code: types.CodeType, names: dict[str, Any]) -> None:
        """The instructions of a function: what they read of `names`, and what they leave behind."""
        instructions = list(dis.get_instructions(code))
        storing = code.co_name in ("__init__", "__post_init__")
        for i, step in enumerate(instructions):
            what, name = step.opname, step.argval
            where = f"{code.co_filename}:{line_of(instructions, i)}"
            if what in ("STORE_GLOBAL", "DELETE_GLOBAL") or what == "STORE_DEREF" and name in code.co_freevars:
                raise Reason(f"it assigns {name}, which lives outside, at {where}")
            if what in ("STORE_ATTR", "DELETE_ATTR") and not storing:
                if name not in ("grad", "data", "requires_grad"):
                    raise Reason(f"it sets the attribute {name} at {where}")
            if what in ("YIELD_VALUE", "IMPORT_NAME"):
                raise Reason(f"it is a generator, or imports, at {where}")
            if what in ("LOAD_GLOBAL", "LOAD_NAME"):
                following = instructions[i + 1] if i + 1 < len(instructions) else None
                attribute = following.argval if following is not None and "ATTR" in following.opname else None
                self.name(name, names, attribute if isinstance(attribute, str) else None, where)
        self.attributes(code)
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                self.code(constant, names)

    def name(self, name: str, names: dict[str, Any], attribute: str | None, where: str) -> None:
        """A global that the function reads."""
        if name not in names:
            if name in ASIDE and hasattr(builtins, name):
                raise Reason(f"it calls {name} at {where}")
            return
        value = names[name]
        if isinstance(value, types.ModuleType):
            top = value.__name__.partition(".")[0]
            if top in LOOKING or top == "numpy" and attribute not in CONSTANT:
                raise Reason(f"it uses {value.__name__}{'.' + attribute if attribute else ''} at {where}")
            return
        if isinstance(value, types.BuiltinFunctionType) and (value.__module__ or "").partition(".")[0] in LOOKING:
            raise Reason(f"it calls {value.__module__}.{name} at {where}")
        self.value(value)
        if not isinstance(value, (types.FunctionType, type)):
            self.values.append((lambda: names.get(name, Guards), value))

    def attributes(self, code: types.CodeType) -> None:
        """Methods and plain attributes that a function names, of the objects known so far."""
        for owner in [v for v in self._seen.values() if not isinstance(v, (types.FunctionType, type))]:
            self.named_of(owner, code.co_names, DEPTH)

    def named_of(self, owner: Any, names: tuple[str, ...], depth: int) -> None:
        """Of `owner`, those attributes that are among `names`."""
        own = getattr(owner, "__dict__", {})
        for name in names:
            method = getattr(type(owner), name, None)
            if isinstance(method, types.FunctionType):
                self.function(method)
            elif name in own and depth and not isinstance(owner, Module):
                value = own[name]
                self.values.append((lambda own=own, name=name: own.get(name, Guards), value))  # type: ignore[misc]
                self.value(value)
                if hasattr(value, "__dict__") and not isinstance(value, (Tensor, type, types.ModuleType)):
                    self.named_of(value, names, depth - 1)

    def value(self, value: Any) -> None:
        """Something that the function can reach."""
        if is_plain(value) or id(value) in self._seen or isinstance(value, types.ModuleType):
            return
        if isinstance(value, Tensor):
            self.tensors[id(value)] = value
        elif isinstance(value, Module):
            self.module(value)
        elif isinstance(value, (types.FunctionType, types.MethodType)):
            self.function(value)
        elif isinstance(value, (list, tuple, dict)):
            self._seen[id(value)] = value
            items = list(value.values()) if isinstance(value, dict) else list(value)
            for item in items:
                self.value(item)
            if not isinstance(value, tuple):
                self.values.append((lambda: contents(value), contents(value)))
        elif type(value).__module__ == "numpy":
            raise Reason("it reads an array of NumPy's; pass it as a tensor")
        elif isinstance(value, type):
            self._seen[id(value)] = value
            for member in vars(value).values():
                if isinstance(member, types.FunctionType) and is_users(member.__code__):
                    self.function(member)
        else:
            self._seen[id(value)] = value
            for group in getattr(value, "param_groups", ()):
                for p in group["params"]:
                    self.tensors[id(p)] = p
            call = vars(type(value)).get("__call__")
            if isinstance(call, types.FunctionType):
                self.function(call)

    def module(self, module: Module) -> None:
        """A module, with all that is in it."""
        for part in module.modules():
            if id(part) in self._seen:
                continue
            self._seen[id(part)] = self.modules[id(part)] = part
            if part._hooked:
                raise Reason(f"a hook is registered on {type(part).__name__}")
            for t in (*part._parameters.values(), *part._buffers.values()):
                if t is not None:
                    self.tensors[id(t)] = t
            for held in part.__dict__.values():
                if isinstance(held, Tensor):
                    self.tensors[id(held)] = held
            forward = type(part).forward
            if isinstance(forward, types.FunctionType):
                self.function(forward)
        for part in module.modules():
            for function in list(self._seen.values()):
                if isinstance(function, types.FunctionType):
                    self.named_of(part, function.__code__.co_names, 0)

    # ---- comparing

    def close(self) -> None:
        """Everything has been collected."""
        for function in [f for f in self._seen.values() if isinstance(f, types.FunctionType)]:
            self.attributes(function.__code__)
        self.changes = CHANGES[0]
        self.settings = [settings_of(m) for m in self.modules.values()]

    def hold(self) -> bool:
        """Whether all is as it was."""
        for get, was in self.values:
            now = get()
            if now is not was and not (type(now) is type(was) and is_plain(was) and now == was):
                if not (type(was) is list and now == was):
                    return False
        if self.changes != CHANGES[0]:
            if [settings_of(m) for m in self.modules.values()] != self.settings:
                return False
            self.changes = CHANGES[0]
        return True


def contents(value: Any) -> list:
    """The items of a container, in a form that compares: plain values themselves, others by identity."""
    items: Iterator[Any] = iter(value.items()) if isinstance(value, dict) else iter(value)
    if isinstance(value, dict):
        return [(k if is_plain(k) else id(k), v if is_plain(v) else id(v)) for k, v in items]
    return [v if is_plain(v) else id(v) for v in items]


def settings_of(module: Module) -> list:
    """What a module's forward may read of it: its parts by identity, its plain attributes by value."""
    own = module.__dict__
    parts = [id(p) for name in ("_parameters", "_buffers", "_modules") for p in own[name].values()]
    plain = [v for v in own.values() if is_plain(v)]
    return [*parts, *plain, [contents(v) for v in own.values() if type(v) in (list, dict)], module._hooked]


def line_of(instructions: list, i: int) -> int | None:
    """The line of an instruction."""
    for step in reversed(instructions[: i + 1]):
        line = step.positions.lineno if step.positions is not None else None
        if line is not None:
            return line
    return None
