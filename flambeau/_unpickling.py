"""Reading pickles: one reader that runs no code of the file's, and one for whole modules, which trusts the file."""

from __future__ import annotations

import importlib
import pickle
import struct
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import Counter, OrderedDict
from collections.abc import Callable
from functools import cache
from typing import Any

from . import _storage, dtypes, typed
from ._pickling import torch_path
from .device import device
from .info import layout
from .nn.parameter import Parameter
from .tensor import Size, Tensor

BLOCKED = ("sys", "os", "posix", "nt")
_safe: list[Any] = []


# ---- what the user declared safe


def add_safe_globals(safe_globals: list[Any]) -> None:
    """Lets load with `weights_only=True` use these classes and functions (or pairs of one and its full name)."""
    for thing in safe_globals:
        if not any(thing is known or thing == known for known in _safe):
            _safe.append(thing)


def get_safe_globals() -> list[Any]:
    """The classes and functions declared safe."""
    return list(_safe)


def clear_safe_globals() -> None:
    """Forgets what was declared safe."""
    _safe.clear()


class safe_globals:
    """Declares classes and functions safe within a `with` block."""

    def __init__(self, safe_globals: list[Any]) -> None:
        self.safe_globals = safe_globals

    def __enter__(self) -> None:
        add_safe_globals(self.safe_globals)

    def __exit__(self, *exception: Any) -> None:
        _safe[:] = [thing for thing in _safe if not any(thing is mine or thing == mine for mine in self.safe_globals)]


def _declared() -> dict[str, Any]:
    """What the user declared safe, by the names a file may give it."""
    found: dict[str, Any] = {}
    for thing in _safe:
        if isinstance(thing, tuple):
            if len(thing) != 2:
                raise ValueError(
                    "Expected tuple of length 2 (global, str of callable full path), but got tuple of length: "
                    f"{len(thing)}"
                )
            if type(thing[1]) is not str:
                raise TypeError(
                    f"Expected second item in tuple to be str of callable full path, but got: {type(thing[1])}"
                )
            found[thing[1]] = thing[0]
            continue
        found[f"{thing.__module__}.{thing.__qualname__}"] = thing
        path = torch_path(thing)
        if path is not None:
            found[".".join(path)] = thing
    return found


# ---- what PyTorch's names stand for


def _bytes(text: Any, encoding: Any) -> bytes:
    if type(text) is not str or encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError("bytes are kept as latin1 text")
    return text.encode("latin1")


def _bytearray(*args: Any) -> bytearray:
    if args and type(args[0]) is bytes:
        return bytearray(args[0])
    return bytearray(_bytes(*args)) if args else bytearray()


def _complex(real: Any, imag: Any) -> complex:
    if type(real) is not float or type(imag) is not float:
        raise pickle.UnpicklingError("a complex number has two floats")
    return complex(real, imag)


def _only(kinds: tuple[type, ...], make: Callable) -> Callable:
    """A constructor that takes nothing, or one finished collection."""

    def made(*args: Any) -> Any:
        if len(args) > 1 or args and type(args[0]) not in kinds:
            raise pickle.UnpicklingError(f"cannot make a {make.__name__} of these arguments")
        return make(*args)

    return made


def _parameter(*args: Any) -> Parameter:
    if not args or len(args) > 2 or not isinstance(args[0], Tensor):
        raise pickle.UnpicklingError("a parameter is made of a tensor")
    return Parameter(*args)


def _layout(name: Any) -> layout:
    import flambeau

    found = getattr(flambeau, str(name).removeprefix("torch."), None)
    if not isinstance(found, layout):
        raise pickle.UnpicklingError(f"there is no layout {name}")
    return found


@cache
def known() -> dict[str, Any]:
    """What every file may name, by PyTorch's names; none of it runs code that a file brings."""
    found: dict[str, Any] = {
        "collections.OrderedDict": _only((list, tuple), OrderedDict),
        "collections.Counter": _only((dict,), Counter),
        "builtins.set": _only((list, tuple), set),
        "builtins.frozenset": _only((list, tuple), frozenset),
        "builtins.complex": _complex,
        "builtins.bytearray": _bytearray,
        "_codecs.encode": _bytes,
        "torch.Size": _only((tuple, list), Size),
        "torch.device": device,
        "torch.Tensor": Tensor,
        "torch.nn.parameter.Parameter": _parameter,
        "torch.nn.Parameter": _parameter,
        "torch.serialization._get_layout": _layout,
        "torch._tensor._rebuild_from_type_v2": _storage.rebuild_from_type,
        "torch.storage.UntypedStorage": _storage.UNTYPED,
        "torch.UntypedStorage": _storage.UNTYPED,
        **{f"torch._utils.{name}": make for name, make in _storage.REBUILD.items()},
        **{f"torch.{name}": kind for name, kind in _storage.STORAGE_TYPES.items()},
        **{f"torch.{name}": kind for name, kind in typed.CLASSES.items()},
        **{f"torch.{name}": kind for name, kind in {**dtypes.dtype.by_name, **dtypes.ALIASES}.items()},
    }
    found["torch.storage.TypedStorage"] = found["torch.TypedStorage"] = _storage.UNTYPED
    return found


# classes that a file may name but not call; with these, what it names counts by identity
_NO_CALL = (Tensor, *typed.CLASSES.values())


def modern(module: str, name: str) -> tuple[str, str]:
    """A name of Python 2's library (which protocol 2 writes) as Python 3 has it."""
    if (module, name) in NAME_MAPPING:
        return NAME_MAPPING[module, name]
    return IMPORT_MAPPING.get(module, module), name


class WeightsOnlyReader:
    """Reads pickles of numbers, text, collections and tensors, and calls nothing but what is on its list."""

    def __init__(
        self,
        data: bytes,
        position: int,
        persistent: Callable[[Any], Any],
        encoding: str = "utf-8",
        any_id: bool = False,
    ) -> None:
        self.data, self.position, self.persistent, self.encoding = data, position, persistent, encoding
        self.any_id = any_id  # `persistent` takes other words than those for storages
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.declared = _declared()
        self.granted: dict[int, Any] = {}

    def load(self) -> Any:
        """The object that the next pickle describes."""
        try:
            while True:
                code = self.take(1)[0]
                if code == pickle.STOP[0]:
                    return self.stack.pop()
                act = _ACTS.get(code)
                if act is None:
                    raise pickle.UnpicklingError(f"Unsupported operand {code}")
                act(self)
        except (pickle.UnpicklingError, EOFError, RuntimeError, MemoryError):
            raise
        except Exception as error:  # a damaged pickle may go wrong anywhere
            raise pickle.UnpicklingError(f"the pickle is damaged ({type(error).__name__}: {error})") from error

    def take(self, count: int) -> bytes:
        """The next bytes."""
        found = self.data[self.position : self.position + count]
        if len(found) != count:
            raise EOFError("Ran out of input")
        self.position += count
        return found

    def line(self) -> str:
        """The text up to the end of the line."""
        end = self.data.find(b"\n", self.position)
        if end < 0:
            raise EOFError("Ran out of input")
        return self.take(end + 1 - self.position)[:-1].decode()

    def number(self, form: str) -> Any:
        """The next number, in a form of the struct module's."""
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def popped(self) -> list[Any]:
        """All since the last mark."""
        items, self.stack = self.stack, self.marks.pop()
        return items

    # ---- names, and what is made by them

    def named(self, module: str, name: str) -> None:
        """Pushes what a name stands for, if it is on the list."""
        module, name = modern(module, name)
        path = f"{module}.{name}"
        if module.partition(".")[0] in BLOCKED:
            raise pickle.UnpicklingError(f"Trying to load unsupported GLOBAL {path} whose module {module} is blocked.")
        found = known().get(path)
        if found is None:
            found = self.declared.get(path)
        if found is None:
            path = path.removeprefix("builtins.")
            raise pickle.UnpicklingError(
                f"Unsupported global: GLOBAL {path} was not an allowed global by default. "
                f"If you trust it, allow it with `torch.serialization.add_safe_globals([{path}])`, "
                f"or for one block with `torch.serialization.safe_globals([{path}])`."
            )
        self.granted[id(found)] = found
        self.stack.append(found)

    def callable(self, thing: Any) -> Callable:
        """`thing`, if it came from the list."""
        if id(thing) not in self.granted or thing in _NO_CALL or not callable(thing):
            raise pickle.UnpicklingError(f"Trying to call reduce for unrecognized function {thing}")
        return thing

    def reduce(self) -> None:
        args = self.stack.pop()
        if type(args) is not tuple:
            raise pickle.UnpicklingError("arguments are a tuple")
        self.stack[-1] = self.callable(self.stack[-1])(*args)

    def new_object(self, keywords: bool = False) -> None:
        named = self.stack.pop() if keywords else {}
        args = self.stack.pop()
        kind = self.callable(self.stack.pop())
        self.stack.append(kind.__new__(kind, *args, **named) if isinstance(kind, type) else kind(*args, **named))

    def build(self) -> None:
        state, thing = self.stack.pop(), self.stack[-1]
        if type(thing) is OrderedDict:
            thing.__dict__.update(state)
        elif isinstance(thing, Tensor):
            _storage.set_attributes(thing, state)
        elif any(type(thing) is kind for kind in self.declared.values()):
            give_state(thing, state)
        else:
            raise pickle.UnpicklingError(
                "Can only build Tensor, Parameter, OrderedDict or types allowlisted via `add_safe_globals`, "
                f"but got {type(thing)}"
            )

    def stored(self) -> None:
        said = self.stack.pop()
        if not self.any_id and (type(said) is not tuple or not said or said[0] not in ("storage", b"storage")):
            raise pickle.UnpicklingError(f"Only persistent_load of storage is allowed, but got {said!r:.80}")
        self.stack.append(self.persistent(said))

    # ---- collections

    def extend(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise pickle.UnpicklingError(f"Can only extend lists, but got {type(self.stack[-1])}")
        self.stack[-1].extend(items)

    def update(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) not in (dict, OrderedDict, Counter):
            raise pickle.UnpicklingError(
                f"Can only SETITEMS for dict, collections.OrderedDict, collections.Counter, but got {type(target)}"
            )
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[key] = value

    def add(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not set:
            raise pickle.UnpicklingError(f"Can only add to sets, but got {type(self.stack[-1])}")
        self.stack[-1].update(items)

    def tuple_of(self, count: int) -> None:
        self.stack[-count:] = [tuple(self.stack[-count:])]

    def collected(self, kind: Callable[[list[Any]], Any]) -> None:
        items = self.popped()
        self.stack.append(kind(items))

    def mark(self) -> None:
        self.marks.append(self.stack)
        self.stack = []

    def text(self, form: str) -> None:
        self.stack.append(str(self.take(self.number(form)), "utf-8", "surrogatepass"))

    def old_text(self, form: str) -> None:
        data = self.take(self.number(form))
        self.stack.append(data if self.encoding == "bytes" else data.decode(self.encoding))

    def protocol(self) -> None:
        found = self.take(1)[0]
        if found > pickle.HIGHEST_PROTOCOL:
            raise pickle.UnpicklingError(f"unsupported pickle protocol: {found}")


def give_state(thing: Any, state: Any) -> None:
    """What unpickling does with the state of an object whose class is trusted."""
    if hasattr(thing, "__setstate__"):
        thing.__setstate__(state)
        return
    held, slots = state if isinstance(state, tuple) and len(state) == 2 else (state, None)
    thing.__dict__.update(held or {})
    for name, value in (slots or {}).items():
        setattr(thing, name, value)


def _pushes(make: Callable[[WeightsOnlyReader], Any]) -> Callable[[WeightsOnlyReader], None]:
    def act(reader: WeightsOnlyReader) -> None:
        reader.stack.append(make(reader))

    return act


def _stack_global(reader: WeightsOnlyReader) -> None:
    name, module = reader.stack.pop(), reader.stack.pop()
    if type(name) is not str or type(module) is not str:
        raise pickle.UnpicklingError("a name is text")
    reader.named(module, name)


def _keep(reader: WeightsOnlyReader, place: int) -> None:
    reader.memo[place] = reader.stack[-1]


_ACTS: dict[int, Callable[[WeightsOnlyReader], Any]] = {
    code[0]: act
    for code, act in {
        pickle.PROTO: WeightsOnlyReader.protocol,
        pickle.FRAME: lambda r: r.take(8),
        pickle.GLOBAL: lambda r: r.named(r.line(), r.line()),
        pickle.STACK_GLOBAL: _stack_global,
        pickle.REDUCE: WeightsOnlyReader.reduce,
        pickle.NEWOBJ: WeightsOnlyReader.new_object,
        pickle.NEWOBJ_EX: lambda r: r.new_object(keywords=True),
        pickle.BUILD: WeightsOnlyReader.build,
        pickle.BINPERSID: WeightsOnlyReader.stored,
        pickle.MARK: WeightsOnlyReader.mark,
        pickle.POP: lambda r: r.stack.pop(),
        pickle.POP_MARK: WeightsOnlyReader.popped,
        pickle.APPEND: lambda r: r.extend([r.stack.pop()]),
        pickle.APPENDS: lambda r: r.extend(r.popped()),
        pickle.SETITEM: lambda r: r.update([r.stack.pop(-2), r.stack.pop()]),
        pickle.SETITEMS: lambda r: r.update(r.popped()),
        pickle.ADDITEMS: lambda r: r.add(r.popped()),
        pickle.TUPLE: lambda r: r.collected(tuple),
        pickle.TUPLE1: lambda r: r.tuple_of(1),
        pickle.TUPLE2: lambda r: r.tuple_of(2),
        pickle.TUPLE3: lambda r: r.tuple_of(3),
        pickle.FROZENSET: lambda r: r.collected(frozenset),
        pickle.NONE: _pushes(lambda r: None),
        pickle.NEWTRUE: _pushes(lambda r: True),
        pickle.NEWFALSE: _pushes(lambda r: False),
        pickle.EMPTY_TUPLE: _pushes(lambda r: ()),
        pickle.EMPTY_LIST: _pushes(lambda r: []),
        pickle.EMPTY_DICT: _pushes(lambda r: {}),
        pickle.EMPTY_SET: _pushes(lambda r: set()),
        pickle.BININT: _pushes(lambda r: r.number("<i")),
        pickle.BININT1: _pushes(lambda r: r.number("<B")),
        pickle.BININT2: _pushes(lambda r: r.number("<H")),
        pickle.BINFLOAT: _pushes(lambda r: r.number(">d")),
        pickle.LONG1: _pushes(lambda r: int.from_bytes(r.take(r.number("<B")), "little", signed=True)),
        pickle.LONG4: _pushes(lambda r: int.from_bytes(r.take(r.number("<I")), "little", signed=True)),
        pickle.BINUNICODE: lambda r: r.text("<I"),
        pickle.SHORT_BINUNICODE: lambda r: r.text("<B"),
        pickle.BINUNICODE8: lambda r: r.text("<Q"),
        pickle.SHORT_BINSTRING: lambda r: r.old_text("<B"),
        pickle.BINSTRING: lambda r: r.old_text("<I"),
        pickle.SHORT_BINBYTES: _pushes(lambda r: r.take(r.number("<B"))),
        pickle.BINBYTES: _pushes(lambda r: r.take(r.number("<I"))),
        pickle.BINBYTES8: _pushes(lambda r: r.take(r.number("<Q"))),
        pickle.BYTEARRAY8: _pushes(lambda r: bytearray(r.take(r.number("<Q")))),
        pickle.BINGET: _pushes(lambda r: r.memo[r.number("<B")]),
        pickle.LONG_BINGET: _pushes(lambda r: r.memo[r.number("<I")]),
        pickle.BINPUT: lambda r: _keep(r, r.number("<B")),
        pickle.LONG_BINPUT: lambda r: _keep(r, r.number("<I")),
        pickle.MEMOIZE: lambda r: _keep(r, len(r.memo)),
    }.items()
}


def unsafe_names(data: bytes) -> list[str]:
    """The names in a pickle that are not on the list, sorted; nothing is made of it."""
    import pickletools

    found, texts = set(), [""]
    try:
        for operation, value, _ in pickletools.genops(data):
            if operation.name in ("GLOBAL", "INST"):
                found.add(".".join(modern(*str(value).split(" ", 1))))
            elif operation.name == "STACK_GLOBAL":
                found.add(".".join(modern(texts[-2], texts[-1])))
            elif isinstance(value, str):
                texts.append(value)
    except (ValueError, IndexError, TypeError, UnicodeDecodeError) as error:
        raise pickle.UnpicklingError(f"the pickle is damaged ({error})") from error
    return sorted(found - set(known()) - set(_declared()))


# ---- files that are trusted


def trusted(base: type, stream: Any, persistent: Callable[[Any], Any], **arguments: Any) -> Any:
    """An unpickler that may import and run what the file names; flambeau answers for PyTorch."""

    class Unpickler(base):  # type: ignore[misc]
        def find_class(self, module: str, name: str) -> Any:
            if module.partition(".")[0] in HOMES:
                return answered(module, name)
            return super().find_class(module, name)

        def persistent_load(self, said: Any) -> Any:
            return persistent(said)

    return Unpickler(stream, **arguments)


# Where flambeau keeps what files call so.
HOMES = {"torch": "flambeau", "torchvision": "flambeau.vision"}


def answered(module: str, name: str) -> Any:
    """What flambeau has under a name of PyTorch's or torchvision's."""
    path = f"{module}.{name}"
    if (
        path.startswith(("torch._utils.", "torch.storage.", "torch._tensor."))
        or path.endswith("Storage")
        or "_get_layout" in path
    ):
        found = known().get(path)
        if found is not None:
            return found
    if path == "torch._utils._rebuild_device_tensor_from_numpy":
        return _storage.from_numpy
    top, dot, rest = module.partition(".")
    own = HOMES[top] + dot + rest
    homes = [own] + [own.rsplit(".", depth)[0] for depth in range(1, own.count(".") + 1)]
    if module.startswith("torch._C._nn"):
        homes.insert(0, "flambeau.nn.functional")
    for home in homes:
        try:
            holder: Any = importlib.import_module(home)
        except ModuleNotFoundError:
            continue
        for part in name.split("."):
            holder = getattr(holder, part, None)
        if holder is not None:
            return holder
    raise AttributeError(f"Can't get attribute '{name}' on <module '{module}'>: flambeau has no {path}")
