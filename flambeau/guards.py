"""What a Python function depends on besides its arguments, read from its code: for `compile`, which replays it.

The code of the function, and of every function and module of the user's that it reaches, is looked through once.
What it reads is remembered with its value and compared before each replay, by one function written for it. What a
replay would leave out (printing, storing, random numbers and clocks of Python's, values kept elsewhere) is a reason
not to replay. What cannot be judged from the code shows right after a recording: what was read is no longer as it was.
"""

from __future__ import annotations

import builtins
import dis
import functools
import sys
import sysconfig
import types
from collections import deque
from collections.abc import Callable, Iterator
from operator import is_
from typing import Any

from .device import device
from .dtypes import dtype
from .nn.module import CHANGES, Module
from .tensor import Tensor

PLAIN = (int, float, complex, bool, str, bytes, type(None), dtype, device, type(Ellipsis), range)
CALLABLES: tuple = (types.FunctionType, types.MethodType, types.BuiltinFunctionType, functools.partial)
CALLABLES += (functools._lru_cache_wrapper,)
CONTAINERS = (list, tuple, dict, set, frozenset, deque)
_PACKAGE = __file__.replace("\\", "/").rsplit("/", 1)[0] + "/"
_STANDARD = tuple(sysconfig.get_path(name).replace("\\", "/") + "/" for name in ("stdlib", "platstdlib"))
_INSTALLED = tuple(sysconfig.get_path(name).replace("\\", "/") + "/" for name in ("purelib", "platlib"))
ASIDE = {"print", "open", "input", "exec", "eval", "setattr", "delattr", "next", "globals", "locals", "vars", "iter"}
ASIDE |= {"breakpoint", "__import__", "compile", "anext"}
HARMLESS = {"math", "cmath", "operator", "functools", "itertools", "collections", "typing", "dataclasses", "abc"}
HARMLESS |= {"enum", "copy", "numbers", "builtins", "contextlib", "types", "string", "re", "typing_extensions"}
UNCHANGING = {"enum", "re", "pathlib", "fractions", "decimal", "typing", "types", "functools", "operator", "datetime"}
STATEFUL = ("flambeau.utils", "flambeau.profiler", "flambeau.amp.grad_scaler", "flambeau.multiprocessing")
CONSTANT = {"sqrt", "pi", "e", "inf", "nan", "log", "exp", "prod", "ceil", "floor", "float32", "float64", "int64"}
SILENT = {"__init__", "__post_init__", "__repr__", "__str__", "__del__", "__setstate__", "__getstate__", "__reduce__"}
READING = {"get_last_lr", "get_lr", "print_lr", "state_dict", "state"}  # what optimizers and schedulers tell
LONG = 4096  # items of a container that are compared
MISSING = object()


class Reason(Exception):
    """Why a function cannot be replayed."""


def is_plain(value: Any) -> bool:
    """Whether a value never changes, so that it can be compared."""
    return isinstance(value, PLAIN) or isinstance(value, (tuple, frozenset)) and all(map(is_plain, value))


def same(now: Any, was: Any) -> bool:
    """Whether two values are one object, or equal plain values."""
    if now is was:
        return True
    return type(now) is type(was) and is_plain(was) and now == was and (bool(was) or str(now) == str(was))  # -0.0


def same_items(now: list, was: list) -> bool:
    """The same of lists, item by item."""
    return len(now) == len(was) and (all(map(is_, now, was)) or all(map(same, now, was)))


def items_of(value: Any) -> list:
    """What is in a container, in order."""
    if isinstance(value, dict):
        return [*value, *value.values()]
    return sorted(value, key=id) if isinstance(value, (set, frozenset)) else list(value)


def params_of(optimizer: Any) -> list:
    """The parameters of an optimizer."""
    return [p for group in optimizer.param_groups for p in group["params"]]


def is_users(code: types.CodeType) -> bool:
    """Whether code is of the program or a package it uses, not of flambeau or the standard library."""
    file = code.co_filename.replace("\\", "/")
    if file.startswith((_PACKAGE, "<flambeau", "<frozen")):
        return False
    return file.startswith(_INSTALLED) or not file.startswith(_STANDARD)


def is_own(kind: Any) -> bool:
    """Whether a class is flambeau's."""
    return (kind.__module__ or "").partition(".")[0] == __package__


def is_program(module: types.ModuleType) -> bool:
    """Whether a module holds code of the program or of a package it uses."""
    file = getattr(module, "__file__", None)
    if file is None or (module.__name__ or "").partition(".")[0] in HARMLESS | {__package__}:
        return False
    file = file.replace("\\", "/")
    return not file.startswith(_PACKAGE) and (file.startswith(_INSTALLED) or not file.startswith(_STANDARD))


def members(kind: type) -> dict[str, Any]:
    """What the user's classes that `kind` is made of say, by name: every definition, since one may call the next."""
    found: dict[str, list] = {}
    for base in kind.__mro__:
        if base.__module__ != "builtins" and not is_own(base):
            for name, member in vars(base).items():
                found.setdefault(name, []).append((base, member))
    return found


class Guards:
    """What a function read: tensors, modules and optimizers by identity, plain values by value."""

    def __init__(self) -> None:
        self.tensors: dict[int, Tensor] = {}
        self.modules: dict[int, Module] = {}
        self.seen: dict[int, Any] = {}  # everything that was looked at, by identity
        self.changes = 0
        self.settings: list = []
        self.hold: Callable[[], bool] = lambda: True  # whether all is as it was; made by `close`
        self._owners: list[Any] = []
        self._names: dict[str, None] = {}
        self._done: set[tuple[int, str]] = set()
        self._checks: dict[str, None] = {}
        self._space: dict[str, Any] = {"MISSING": MISSING, "same": same, "same_items": same_items}
        self._space.update(items_of=items_of, params_of=params_of)
        self._named: dict[int, str] = {}

    # ---- comparing

    def _name(self, value: Any) -> str:
        """The name of an object in the function that compares."""
        name = self._named.get(id(value))
        if name is None:
            name = self._named[id(value)] = f"v{len(self._space)}"
            self._space[name] = value
        return name

    def _expect(self, get: str, was: Any) -> None:
        """Notes that the expression `get` gave `was`."""
        name = self._name(was)
        if was is not MISSING and not isinstance(was, (bool, type(None))) and is_plain(was):
            self._checks[f"(n := {get}) is {name} or same(n, {name})"] = None
        else:
            self._checks[f"{get} is {name}"] = None

    def close(self) -> None:
        """Everything has been collected."""
        while self._pass():
            pass
        for owner in self.seen.values():
            if hasattr(type(owner), "add_param_group") or hasattr(type(owner), "get_last_lr"):
                for name in READING & set(self._names):
                    if hasattr(type(owner), name):
                        raise Reason(f"it calls {type(owner).__name__}.{name}")
        self.changes, self.settings = CHANGES[0], self._settings()
        self._space.update(CHANGES=CHANGES, guards=self)
        tests = "".join(f"    if not ({c}): return False\n" for c in self._checks)
        changed = "    if CHANGES[0] != guards.changes and not guards.settled(): return False\n"
        source = f"def hold():\n{tests}{changed}    return True\n"
        code = builtins.compile(source, "<flambeau guards>", "exec")
        exec(code, self._space)
        self.hold = self._space["hold"]
        self._space["guards"] = self

    def _settings(self) -> list:
        return [s for m in self.modules.values() for s in settings_of(m)]

    def settled(self) -> bool:
        """Whether an attribute that was set somewhere is none of these modules', or has its old value."""
        if not same_items(self._settings(), self.settings):
            return False
        self.changes = CHANGES[0]
        return True

    # ---- collecting

    def function(self, function: Any) -> None:
        """Looks through a function, method, class or callable object."""
        if id(function) in self.seen or is_plain(function):
            return
        if isinstance(function, types.MethodType):
            self.value(function.__self__)
            self.function(function.__func__)
        elif isinstance(function, functools.partial):
            self.seen[id(function)] = function
            self.function(function.func)
            self.value(function.args)
            self.value(function.keywords)
        elif isinstance(function, types.FunctionType):
            self.seen[id(function)] = function
            if not is_users(function.__code__):
                self.function(getattr(function, "__wrapped__", None))
                return
            around: dict[str, Any] = {}
            for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
                self._cell(name, cell, around)
            self.value(function.__defaults__)
            self.value(function.__kwdefaults__)
            self._code(function.__code__, function.__globals__, around, frozenset())
        elif isinstance(function, (types.BuiltinFunctionType, types.MethodWrapperType)):
            self._builtin(function)
        elif isinstance(function, functools._lru_cache_wrapper):
            raise Reason(f"{function.__name__} remembers results")
        else:
            self.value(function)

    def _builtin(self, function: Any) -> None:
        """A function that is not written in Python: what it belongs to counts."""
        owner = getattr(function, "__self__", None)
        if owner is not None and not isinstance(owner, (types.ModuleType, type)):
            self.value(owner)
        elif (function.__module__ or "builtins").partition(".")[0].lstrip("_") not in HARMLESS:
            raise Reason(f"it calls {function.__module__}.{function.__name__}")

    def _cell(self, name: str, cell: Any, around: dict[str, Any]) -> None:
        """A variable of an enclosing function. Modules are noted in `around`: what is read of them counts."""
        try:
            held = cell.cell_contents
        except ValueError:
            return
        if isinstance(held, types.ModuleType):
            around[name] = held
        else:
            self.value(held)
        if name != "__class__":
            self._expect(f"{self._name(cell)}.cell_contents", held)

    def _code(
        self, code: types.CodeType, names: dict[str, Any], around: dict[str, Any], local: frozenset[str]
    ) -> None:
        """The instructions of a function: what they read of `names` and `around`, and what they leave behind."""
        steps = [s for s in dis.get_instructions(code) if s.opname not in ("EXTENDED_ARG", "CACHE")]
        storing = code.co_name in ("__init__", "__post_init__")
        line: int | None = None
        for i, step in enumerate(steps):
            line = (step.positions.lineno if step.positions is not None else None) or line
            what, name, where = step.opname, step.argval, f"{code.co_filename}:{line}"
            if what in ("STORE_GLOBAL", "DELETE_GLOBAL"):
                raise Reason(f"it assigns {name}, which lives outside, at {where}")
            if what in ("STORE_DEREF", "DELETE_DEREF") and name in code.co_freevars and name not in local:
                raise Reason(f"it assigns {name}, which lives outside, at {where}")
            if what in ("STORE_ATTR", "DELETE_ATTR") and not storing and name not in ("grad", "data", "requires_grad"):
                raise Reason(f"it sets the attribute {name} at {where}")
            if what == "IMPORT_NAME":
                raise Reason(f"it imports {name} at {where}")
            if what in ("LOAD_GLOBAL", "LOAD_NAME"):
                self._global(name, names, steps[i + 1 : i + 8], where)
            if what in ("LOAD_DEREF", "LOAD_CLASSDEREF") and name in around and name not in local:
                self._of_module(around[name], name, steps[i + 1 : i + 8], where)
        self._names.update(dict.fromkeys(code.co_names))
        if {"getattr", "hasattr", "attrgetter", "methodcaller"} & set(code.co_names):
            self._names.update(dict.fromkeys([c for c in code.co_consts if type(c) is str and c.isidentifier()]))
            self._names["*"] = None
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                self._code(constant, names, around, local | set(code.co_cellvars))

    def _global(self, name: str, names: dict[str, Any], following: list, where: str) -> None:
        """A global that the function reads, and if that is a module, what it reads of it."""
        if name not in names:
            if name in ASIDE and hasattr(builtins, name):
                raise Reason(f"it calls {name} at {where}")
            return
        value = names[name]
        get = f"{self._name(names)}.get({name!r}, MISSING)"
        if not isinstance(value, types.ModuleType):
            try:
                self.value(value)
            except Reason as reason:
                raise reason if " at " in str(reason) else Reason(f"{reason} ({name} at {where})") from None
            self._expect(get, value)
            return
        if is_program(value):
            self._expect(get, value)
        self._of_module(value, name, following, where)

    def _of_module(self, value: Any, path: str, following: list, where: str) -> None:
        """What the instructions `following` read of a module."""
        for step in following:
            if "ATTR" not in step.opname and "METHOD" not in step.opname or type(step.argval) is not str:
                break
            self._allowed(value, step.argval, where)
            get = f"getattr({self._name(value)}, {step.argval!r}, MISSING)"
            program, value, path = is_program(value), getattr(value, step.argval, None), f"{path}.{step.argval}"
            if not isinstance(value, types.ModuleType):
                if program:
                    self.value(value)
                    self._expect(get, value)
                return
        self._allowed(value, "", where)
        if is_program(value):
            raise Reason(f"it hands on the module {path} at {where}")

    def _allowed(self, module: types.ModuleType, attribute: str, where: str) -> None:
        """A module whose functions depend on nothing but their arguments, and leave nothing behind."""
        top = (module.__name__ or "").partition(".")[0]
        if top in HARMLESS or top == __package__ or is_program(module) and top not in ("numpy", "scipy", "pandas"):
            return
        if top == "numpy" and attribute in CONSTANT:
            return
        raise Reason(f"it uses {module.__name__}{'.' + attribute if attribute else ''} at {where}")

    def value(self, value: Any) -> None:
        """Something that the function can reach."""
        if id(value) in self.seen or is_plain(value):
            return
        if isinstance(value, types.ModuleType):
            self._allowed(value, "", "a place that is not looked at")
            if is_program(value):
                raise Reason(f"it hands on the module {value.__name__}")
            return
        kind = type(value)
        if isinstance(value, Tensor):
            self.seen[id(value)] = self.tensors[id(value)] = value
            if value._hooks or value._after_hooks:
                raise Reason("a hook is registered on a tensor")
        elif isinstance(value, Module):
            self._module(value)
        elif isinstance(value, CONTAINERS):
            self._container(value)
        elif isinstance(value, type):
            self._class(value)
        elif isinstance(value, CALLABLES):
            self.function(value)
        elif kind.__module__.partition(".")[0] in ("numpy", "pandas", "scipy"):
            raise Reason(f"it reads a {kind.__name__} of {kind.__module__.partition('.')[0]}'s; pass it as a tensor")
        else:
            self._object(value, kind)

    def _container(self, value: Any) -> None:
        self.seen[id(value)] = value
        if len(value) > LONG:
            raise Reason(f"it reads a {type(value).__name__} of {len(value)} items")
        items = items_of(value)
        for item in items:
            self.value(item)
        if not isinstance(value, (tuple, frozenset)):
            self._checks[f"same_items(items_of({self._name(value)}), {self._name(items)})"] = None
        if members(type(value)):
            self._own(value, type(value))

    def _class(self, kind: type) -> None:
        """A class: its instances run its methods, and its attributes are read."""
        self.seen[id(kind)] = kind
        if kind.__module__ == "builtins" or is_own(kind):
            return
        top = kind.__module__.partition(".")[0]
        if top not in HARMLESS | UNCHANGING and kind.__module__ in sys.modules:
            module = sys.modules[kind.__module__]
            if not is_program(module) and getattr(module, "__file__", None) and kind.__module__ != "__main__":
                raise Reason(f"it uses {kind.__module__}.{kind.__name__}")
        for definitions in members(kind).values():
            for _, member in definitions:
                self._member(member)
        self._owners.append(kind)

    def _object(self, value: Any, kind: type) -> None:
        """An instance of a class that is neither a tensor, module, container nor function."""
        self.seen[id(value)] = value
        if hasattr(kind, "add_param_group"):  # an optimizer
            params = params_of(value)
            for p in params:
                self.value(p)
            groups = self._name(value.param_groups)
            sizes = [len(g["params"]) for g in value.param_groups]
            quick = f"{self._name(value)}.param_groups is {groups} and [len(g['params']) for g in {groups}] == {sizes}"
            self._checks[f"{quick} or same_items(params_of({self._name(value)}), {self._name(params)})"] = None
        if is_own(kind):
            if kind.__module__.startswith(STATEFUL) and getattr(value, "_enabled", True):
                raise Reason(f"it reads a {kind.__name__}")
            self.function(getattr(value, "__wrapped__", None))
            self._owners.append(value)
            for name, held in getattr(value, "__dict__", {}).items():
                if isinstance(held, (Tensor, Module)):
                    self.value(held)
                    self._expect(f"{self._name(value.__dict__)}.get({name!r})", held)
            return
        top = kind.__module__.partition(".")[0]
        if kind is object or top in UNCHANGING and kind is not types.SimpleNamespace:
            return
        users = members(kind)
        making = [m for name in ("__getattr__", "__getattribute__") for _, m in users.get(name, ())]
        if any(isinstance(m, types.FunctionType) for m in making):
            raise Reason(f"it reads a {kind.__qualname__}, which makes up its attributes")
        written = isinstance(value, types.SimpleNamespace) or any(
            isinstance(m, types.FunctionType) and is_users(m.__code__) for d in users.values() for _, m in d
        )
        module = sys.modules.get(kind.__module__)
        if not written and not (users and (module is None or kind.__module__ == "__main__" or is_program(module))):
            if kind.__qualname__ != "Namespace":  # argparse's
                raise Reason(f"it reads a {kind.__module__}.{kind.__qualname__}")
        self._own(value, kind)

    def _own(self, value: Any, kind: type) -> None:
        """An object whose class is the user's: its special methods may run without being named."""
        self._owners.append(value)
        for name, definitions in members(kind).items():
            if name.startswith("__") and name not in SILENT:
                for _, member in definitions:
                    self._member(member)
        own = getattr(value, "__dict__", None)
        if own is not None and not isinstance(value, Module):
            self._checks[f"len({self._name(own)}) == {len(own)}"] = None

    def _module(self, module: Module) -> None:
        """A module, with all that is in it."""
        for part in module.modules():
            if id(part) in self.seen:
                continue
            self.seen[id(part)] = self.modules[id(part)] = part
            if part._hooked:
                raise Reason(f"a hook is registered on {type(part).__name__}")
            for store in (part._parameters, part._buffers):
                for name, t in store.items():
                    self.value(t)
                    self._expect(f"{self._name(store)}.get({name!r}, MISSING)", t)  # some swap them for a while
            for held in part.__dict__.values():
                if isinstance(held, (Tensor, Module, *CALLABLES)):
                    self.value(held)
            self._own(part, type(part))
            for base, member in members(type(part)).get("forward", ()):
                self._member(member)
                self._expect(f"vars({self._name(base)}).get('forward')", member)

    def _member(self, member: Any) -> None:
        """What a class says under a name."""
        if isinstance(member, (staticmethod, classmethod)):
            member = member.__func__
        if isinstance(member, property):
            for part in (member.fget, member.fset):
                self.function(part)
        elif isinstance(member, functools.cached_property):
            self.function(member.func)
        elif isinstance(member, types.FunctionType):
            self.function(member)
        elif not isinstance(member, (types.GetSetDescriptorType, types.MemberDescriptorType, types.MappingProxyType)):
            if hasattr(type(member), "__get__") and not is_own(type(member)):
                self.function(getattr(member, "__wrapped__", getattr(member, "func", None)))

    def _pass(self) -> bool:
        """Looks at the attributes that the functions found so far name, of the objects found so far."""
        before = len(self._done)
        for owner in list(self._owners):
            own = {} if isinstance(owner, type) else getattr(owner, "__dict__", {})
            names = [*self._names, *own] if "*" in self._names and not is_own(type(owner)) else list(self._names)
            users = members(owner if isinstance(owner, type) else type(owner))
            for name in names:
                if name not in own and name not in users or (id(owner), name) in self._done:
                    continue
                self._done.add((id(owner), name))
                self._attribute(owner, own, users, name)
        return len(self._done) > before

    def _attribute(self, owner: Any, own: dict, users: dict, name: str) -> None:
        if name in own:
            held = own[name]
            if isinstance(owner, Module) and (name in INTERNAL or is_own(type(owner)) and name.startswith("_")):
                return
            self.value(held)
            if not isinstance(owner, Module):  # those of modules are compared when one is set
                self._expect(f"{self._name(own)}.get({name!r}, MISSING)", held)
        for base, member in users.get(name, ()):
            if isinstance(member, types.MemberDescriptorType):
                if not isinstance(owner, type):
                    held = getattr(owner, name, MISSING)
                    self.value(held)
                    self._expect(f"getattr({self._name(owner)}, {name!r}, MISSING)", held)
            elif callable(member) or hasattr(type(member), "__get__"):
                self._member(member)
                self._expect(f"vars({self._name(base)}).get({name!r}, MISSING)", member)
            elif not (name.startswith("__") and name.endswith("__")):
                self.value(member)
                self._expect(f"vars({self._name(base)}).get({name!r}, MISSING)", member)


INTERNAL = set(vars(Module())) - {"training"}


def settings_of(module: Module) -> Iterator[Any]:
    """What a module's forward may read of it: its class, its parts and attributes, what is in its containers."""
    own = module.__dict__
    yield type(module)
    yield module._hooked
    for name in ("_parameters", "_buffers", "_modules"):
        yield from items_of(own[name])
    for name, value in own.items():
        if name not in INTERNAL:
            yield name
            yield value
            if isinstance(value, CONTAINERS) and len(value) <= LONG:
                yield from items_of(value)
