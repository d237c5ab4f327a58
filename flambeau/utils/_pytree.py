"""torch.utils._pytree: nested collections taken apart into their leaves, and put together again."""

from __future__ import annotations

import json
import textwrap
import types
from collections import OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

__all__ = [
    "Context",
    "GetAttrKey",
    "KeyEntry",
    "KeyPath",
    "LeafSpec",
    "MappingKey",
    "PyTree",
    "SequenceKey",
    "TreeSpec",
    "is_namedtuple",
    "is_namedtuple_class",
    "is_namedtuple_instance",
    "is_structseq",
    "key_get",
    "keystr",
    "register_pytree_node",
    "tree_all",
    "tree_all_only",
    "tree_any",
    "tree_any_only",
    "tree_flatten",
    "tree_flatten_with_path",
    "tree_is_leaf",
    "tree_iter",
    "tree_leaves",
    "tree_leaves_with_path",
    "tree_map",
    "tree_map_",
    "tree_map_only",
    "tree_map_only_",
    "tree_map_with_path",
    "tree_structure",
    "tree_unflatten",
    "treespec_dumps",
    "treespec_pprint",
]

PyTree = Any
Context = Any
IsLeaf = Callable[[Any], bool] | None


# ---- keys: the way to a leaf


class SequenceKey(NamedTuple):
    """A position in a sequence."""

    idx: int

    def __str__(self) -> str:
        return f"[{self.idx!r}]"

    def get(self, sequence: Any) -> Any:
        """What is there."""
        return sequence[self.idx]


class MappingKey(NamedTuple):
    """A key of a mapping."""

    key: Any

    def __str__(self) -> str:
        return f"[{self.key!r}]"

    def get(self, mapping: Any) -> Any:
        """What is there."""
        return mapping[self.key]


class GetAttrKey(NamedTuple):
    """A field of a named tuple, or an attribute."""

    name: str

    def __str__(self) -> str:
        return f".{self.name}"

    def get(self, obj: Any) -> Any:
        """What is there."""
        return getattr(obj, self.name)


KeyEntry = Any
KeyPath = tuple[Any, ...]


def keystr(kp: KeyPath) -> str:
    """The way to a leaf as text: `['a'][0]`."""
    return "".join(str(key) for key in kp)


def key_get(obj: Any, kp: KeyPath) -> Any:
    """What lies at the end of a way."""
    for key in kp:
        obj = key.get(obj)
    return obj


# ---- kinds of collections


class _Kind(NamedTuple):
    """How collections of a type are taken apart and made."""

    flatten_fn: Callable[[Any], tuple[list, Any]]
    unflatten_fn: Callable[[Iterable, Any], Any]
    keys: Callable[[Any], list] | None


def is_namedtuple_class(cls: Any) -> bool:
    """Whether a class was made by namedtuple, or inherits from one that was."""
    fields = getattr(cls, "_fields", None)
    return isinstance(cls, type) and issubclass(cls, tuple) and type(fields) is tuple


def is_namedtuple_instance(obj: Any) -> bool:
    """Whether a value is a named tuple."""
    return is_namedtuple_class(type(obj))


def is_namedtuple(obj: Any) -> bool:
    """Whether a value is a named tuple or a class of such."""
    return is_namedtuple_class(obj if isinstance(obj, type) else type(obj))


def is_structseq(obj: Any) -> bool:
    """Whether a value is a tuple with names made in C (as time.struct_time), or a class of such."""
    cls = obj if isinstance(obj, type) else type(obj)
    return cls.__bases__ == (tuple,) and isinstance(getattr(cls, "n_sequence_fields", None), int)


is_structseq_class = is_structseq_instance = is_structseq


def _defaultdict_of(values: Iterable, context: Any) -> defaultdict:
    factory, keys = context
    return defaultdict(factory, zip(keys, values, strict=True))


def _dict_flatten(d: dict) -> tuple[list, list]:
    return list(d.values()), list(d)


def _dict_flatten_with_keys(d: dict) -> tuple[list, list]:
    return [(MappingKey(key), value) for key, value in d.items()], list(d)


def _dict_unflatten(values: Iterable, context: Any) -> dict:
    return dict(zip(context, values, strict=True))


_kinds: dict[type, _Kind] = {
    tuple: _Kind(lambda t: (list(t), None), lambda v, c: tuple(v), None),
    list: _Kind(lambda t: (t, None), lambda v, c: list(v), None),
    dict: _Kind(_dict_flatten, _dict_unflatten, None),
    OrderedDict: _Kind(_dict_flatten, lambda v, c: OrderedDict(zip(c, v, strict=True)), None),
    defaultdict: _Kind(lambda t: (list(t.values()), [t.default_factory, list(t)]), _defaultdict_of, None),
    deque: _Kind(lambda t: (list(t), t.maxlen), lambda v, c: deque(v, maxlen=c), None),
}
_named = _Kind(lambda t: (list(t), type(t)), lambda v, c: c(*v), None)
_by_keys = (dict, OrderedDict, defaultdict)
_names: dict[type, str] = {}


_NamedTuple: Any = namedtuple  # stands in a TreeSpec for the type of all named tuples, whose class is the context
_kinds[_NamedTuple] = _named
SUPPORTED_NODES = _kinds


def register_pytree_node(
    cls: type,
    flatten_fn: Callable[[Any], tuple[list, Any]],
    unflatten_fn: Callable[[Iterable, Any], Any],
    *,
    serialized_type_name: str | None = None,
    to_dumpable_context: Callable | None = None,
    from_dumpable_context: Callable | None = None,
    flatten_with_keys_fn: Callable | None = None,
) -> None:
    """Makes a class a collection: `flatten_fn` gives its values and what else makes it, `unflatten_fn` makes it."""
    if cls in _kinds:
        raise ValueError(f"{cls} is already registered as pytree node.")
    keys = None if flatten_with_keys_fn is None else lambda t: [key for key, _ in flatten_with_keys_fn(t)[0]]
    _kinds[cls] = _Kind(flatten_fn, unflatten_fn, keys)
    if serialized_type_name is not None:
        _names[cls] = serialized_type_name


_register_pytree_node = register_pytree_node


def _type_of(tree: Any) -> Any:
    kind = type(tree)
    if kind in _kinds:
        return kind
    return _NamedTuple if is_namedtuple_class(kind) else None


def _get_node_type(tree: Any) -> Any:
    return _type_of(tree) or type(tree)


def tree_is_leaf(tree: Any, is_leaf: IsLeaf = None) -> bool:
    """Whether a value is no collection, or one that `is_leaf` keeps whole."""
    return is_leaf is not None and is_leaf(tree) or _type_of(tree) is None


def _keys_of(tree: Any, kind: Any, context: Any, count: int) -> list:
    given = _kinds[kind].keys
    if given is not None:
        return given(tree)
    if kind in _by_keys:
        return [MappingKey(key) for key in tree]
    if kind is _NamedTuple:
        return [GetAttrKey(name) for name in context._fields]
    return [SequenceKey(i) for i in range(count)]


# ---- structure


class TreeSpec:
    """The structure of a tree: the type of its root, what else makes it, and the structures of its values."""

    def __init__(self, type: Any, context: Any, children_specs: list[TreeSpec]) -> None:
        self.type, self.context, self.children_specs = type, context, children_specs
        self.num_children = len(children_specs)
        self.num_nodes: int = 1 + sum(child.num_nodes for child in children_specs)
        self.num_leaves: int = 1 if type is None else sum(child.num_leaves for child in children_specs)

    def is_leaf(self) -> bool:
        """Whether it is that of a leaf."""
        return self.type is None

    def children(self) -> list[TreeSpec]:
        """The structures of the values."""
        return list(self.children_specs)

    def child(self, index: int) -> TreeSpec:
        """The structure of one value."""
        return self.children_specs[index]

    def unflatten(self, leaves: Iterable) -> Any:
        """The tree of this structure with these leaves."""
        found = list(leaves)
        if len(found) != self.num_leaves:
            raise ValueError(
                f"treespec.unflatten(leaves): `leaves` has length {len(found)} but the spec refers to a pytree that "
                f"holds {self.num_leaves} items ({self})."
            )
        return self._built(iter(found))

    def _built(self, leaves: Iterator) -> Any:
        if self.type is None:
            return next(leaves)
        return _kinds[self.type].unflatten_fn([child._built(leaves) for child in self.children_specs], self.context)

    def flatten_up_to(self, tree: Any) -> list:
        """What `tree`, whose upper part has this structure, has where this one has leaves."""
        found: list = []
        self._up_to(tree, found)
        return found

    def _up_to(self, tree: Any, found: list) -> None:
        if self.type is None:
            found.append(tree)
            return
        kind = _type_of(tree)
        if kind is not self.type and not (kind in _by_keys and self.type in _by_keys):
            raise ValueError(f"Node type mismatch; expected {self.type!r}, but got {type(tree)!r}.")
        values, context = _kinds[kind].flatten_fn(tree)
        if len(values) != self.num_children:
            raise ValueError(f"Node arity mismatch; expected {self.num_children}, but got {len(values)}.")
        if kind in _by_keys:
            keys = self.context[1] if self.type is defaultdict else self.context
            if set(keys) != set(tree):
                missing, extra = set(keys) - set(tree), set(tree) - set(keys)
                message = "".join(
                    f"; {word} key(s): {some}" for word, some in (("missing", missing), ("extra", extra)) if some
                )
                raise ValueError(f"Node keys mismatch{message}.")
            values = [tree[key] for key in keys]
        elif context != self.context:
            raise ValueError(f"Node context mismatch for custom node type {self.type!r}.")
        for child, value in zip(self.children_specs, values, strict=True):
            child._up_to(value, found)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TreeSpec):
            return NotImplemented
        return (self.type, self.context, self.children_specs) == (other.type, other.context, other.children_specs)

    def __hash__(self) -> int:
        return hash((self.type, self.num_nodes, tuple(self.children_specs)))

    def __repr__(self) -> str:
        if self.type is None:
            return "*"
        inside = ",\n".join(repr(child) for child in self.children_specs)
        return f"TreeSpec({self.type.__name__}, {self.context}, [{textwrap.indent(inside, '  ').lstrip()}])"

    __str__ = __repr__


PyTreeSpec = TreeSpec


class LeafSpec(TreeSpec):
    """The structure of a leaf."""

    def __init__(self) -> None:
        super().__init__(None, None, [])


_LEAF = LeafSpec()


# ---- taking apart and putting together


def _take(tree: Any, leaves: list, is_leaf: IsLeaf) -> TreeSpec:
    kind = None if is_leaf is not None and is_leaf(tree) else _type_of(tree)
    if kind is None:
        leaves.append(tree)
        return _LEAF
    values, context = _kinds[kind].flatten_fn(tree)
    return TreeSpec(kind, context, [_take(value, leaves, is_leaf) for value in values])


def tree_flatten(tree: Any, is_leaf: IsLeaf = None) -> tuple[list, TreeSpec]:
    """The leaves, in order, and the structure; None is a leaf."""
    leaves: list = []
    return leaves, _take(tree, leaves, is_leaf)


def tree_unflatten(leaves: Iterable, treespec: TreeSpec) -> Any:
    """The tree of a structure with these leaves."""
    if not isinstance(treespec, TreeSpec):
        raise TypeError(
            f"Expected `treespec` to be an instance of PyTreeSpec but got item of type {type(treespec)}."
        )
    return treespec.unflatten(leaves)


def tree_iter(tree: Any, is_leaf: IsLeaf = None) -> Iterator:
    """The leaves, one by one."""
    yield from tree_leaves(tree, is_leaf)


def tree_leaves(tree: Any, is_leaf: IsLeaf = None) -> list:
    """The leaves."""
    return tree_flatten(tree, is_leaf)[0]


def tree_structure(tree: Any, is_leaf: IsLeaf = None) -> TreeSpec:
    """The structure."""
    return tree_flatten(tree, is_leaf)[1]


def _walk(tree: Any, way: KeyPath, is_leaf: IsLeaf) -> Iterator[tuple[KeyPath, Any]]:
    kind = None if is_leaf is not None and is_leaf(tree) else _type_of(tree)
    if kind is None:
        yield way, tree
        return
    values, context = _kinds[kind].flatten_fn(tree)
    values = list(values)
    for key, value in zip(_keys_of(tree, kind, context, len(values)), values, strict=True):
        yield from _walk(value, (*way, key), is_leaf)


def tree_leaves_with_path(tree: Any, is_leaf: IsLeaf = None) -> list[tuple[KeyPath, Any]]:
    """Each leaf with the way to it."""
    return list(_walk(tree, (), is_leaf))


def tree_flatten_with_path(tree: Any, is_leaf: IsLeaf = None) -> tuple[list[tuple[KeyPath, Any]], TreeSpec]:
    """Each leaf with the way to it, and the structure."""
    return tree_leaves_with_path(tree, is_leaf), tree_structure(tree, is_leaf)


# ---- functions of leaves


def tree_map(func: Callable, tree: Any, *rests: Any, is_leaf: IsLeaf = None) -> Any:
    """The tree of `func(leaf, ...)`, with the leaves of the other trees at the same places."""
    leaves, spec = tree_flatten(tree, is_leaf)
    return spec.unflatten(map(func, leaves, *[spec.flatten_up_to(rest) for rest in rests]))


def tree_map_(func: Callable, tree: Any, *rests: Any, is_leaf: IsLeaf = None) -> Any:
    """`tree`, after calling `func` on its leaves."""
    leaves, spec = tree_flatten(tree, is_leaf)
    for arguments in zip(leaves, *[spec.flatten_up_to(rest) for rest in rests], strict=True):
        func(*arguments)
    return tree


def tree_map_with_path(func: Callable, tree: Any, *rests: Any, is_leaf: IsLeaf = None) -> Any:
    """The tree of `func(way, leaf, ...)`."""
    pairs, spec = tree_flatten_with_path(tree, is_leaf)
    others = [spec.flatten_up_to(rest) for rest in rests]
    return spec.unflatten(func(way, leaf, *more) for (way, leaf), *more in zip(pairs, *others, strict=True))


def _chooses(which: Any) -> Callable[[Any], bool]:
    if isinstance(which, (type, tuple, types.UnionType)):
        return lambda leaf: isinstance(leaf, which)
    if callable(which):
        return which
    raise TypeError("Argument must be a type, a tuple of types, or a callable.")


def map_only(type_or_types_or_pred: Any, /) -> Callable[[Callable], Callable]:
    """Makes a function leave alone what is not of a type."""
    chosen = _chooses(type_or_types_or_pred)
    return lambda func: lambda leaf: func(leaf) if chosen(leaf) else leaf


def tree_map_only(type_or_types_or_pred: Any, /, func: Callable, tree: Any, is_leaf: IsLeaf = None) -> Any:
    """The tree of `func(leaf)` for leaves of a type (or for which a function is true); others stay."""
    return tree_map(map_only(type_or_types_or_pred)(func), tree, is_leaf=is_leaf)


def tree_map_only_(type_or_types_or_pred: Any, /, func: Callable, tree: Any, is_leaf: IsLeaf = None) -> Any:
    """`tree`, after calling `func` on its leaves of a type."""
    return tree_map_(map_only(type_or_types_or_pred)(func), tree, is_leaf=is_leaf)


def tree_all(pred: Callable[[Any], bool], tree: Any, is_leaf: IsLeaf = None) -> bool:
    """Whether `pred` is true of every leaf."""
    return all(map(pred, tree_leaves(tree, is_leaf)))


def tree_any(pred: Callable[[Any], bool], tree: Any, is_leaf: IsLeaf = None) -> bool:
    """Whether `pred` is true of some leaf."""
    return any(map(pred, tree_leaves(tree, is_leaf)))


def tree_all_only(type_or_types: Any, /, pred: Callable[[Any], bool], tree: Any, is_leaf: IsLeaf = None) -> bool:
    """Whether `pred` is true of every leaf of a type."""
    return all(pred(leaf) for leaf in tree_leaves(tree, is_leaf) if isinstance(leaf, type_or_types))


def tree_any_only(type_or_types: Any, /, pred: Callable[[Any], bool], tree: Any, is_leaf: IsLeaf = None) -> bool:
    """Whether `pred` is true of some leaf of a type."""
    return any(pred(leaf) for leaf in tree_leaves(tree, is_leaf) if isinstance(leaf, type_or_types))


def treespec_dumps(treespec: TreeSpec, protocol: int | None = None) -> str:
    """A structure of built-in collections as JSON."""

    def plain(spec: TreeSpec) -> dict[str, Any]:
        if spec.type is None:
            return {"type": None, "context": None, "children_spec": []}
        name = _names.get(spec.type, f"{spec.type.__module__}.{spec.type.__qualname__}")
        return {
            "type": name,
            "context": json.dumps(spec.context),
            "children_spec": [plain(child) for child in spec.children_specs],
        }

    if not isinstance(treespec, TreeSpec):
        raise TypeError(f"treespec_dumps(treespec): Expected `treespec` to be a TreeSpec, not {type(treespec)}.")
    return json.dumps([1, plain(treespec)])


def treespec_pprint(treespec: TreeSpec) -> str:
    """A structure as text."""
    return repr(treespec)
