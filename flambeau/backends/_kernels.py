"""From arrays to be computed to functions in LLVM's language: what lies in memory, and the loops that fill it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ._elements import Body, cost, literal, stored, type_of
from ._traced import BOOL, INT, Array, Unsupported, contiguous

HARD = frozenset(("reduce", "product", "steps", "scan"))  # always lie in memory
CALL = 20.0  # nanoseconds to call a function
STORE = 0.2  # nanoseconds to put an element into memory and take it out again


class Buffer:
    """Where an array lies: `base` is "input", "scratch", "out", "result", "number" or "fixed"."""

    __slots__ = ("base", "at")

    def __init__(self, base: str, at: int) -> None:
        self.base, self.at = base, at


def in_order(roots: Iterable[Array]) -> list[Array]:
    """The arrays under `roots`, arguments first, each once."""
    done: list[Array] = []
    seen: set[int] = set()
    stack: list[tuple[Array, bool]] = [(r, False) for r in roots]
    while stack:
        array, ready = stack.pop()
        if ready:
            done.append(array)
        elif id(array) not in seen:
            seen.add(id(array))
            stack.append((array, True))
            stack += [(a, False) for a in array.args if id(a) not in seen]
    return done


def affine(array: Array) -> bool:
    """Whether a view needs no index that is computed."""
    return all(len(e) == 2 for e in array.how)


def based(array: Array) -> Array:
    """What lies in memory so that `array` is found in it by offset and strides; it is made to lie there if need be."""
    while array.kind == "view" and affine(array):
        array = array.args[0]
    if array.kind not in HARD and array.kind not in ("input", "fixed", "reshape"):
        array.forced = True
    return array


def located(array: Array) -> tuple[Array, int, list[int]]:
    """The array in memory, the offset in it and the strides of the dimensions at which `array` is found."""
    if array.place is not None:
        return array, 0, list(array.strides)
    if array.kind == "reshape":
        source, offset, strides = located(array.args[0])
        if tuple(strides) != contiguous(array.args[0].shape):
            raise Unsupported("a reshape of what does not lie in order")
        return source, offset, list(contiguous(array.shape))
    source, offset, strides = located(array.args[0])
    own = [0] * array.ndim
    for (start, pairs), stride in zip(array.how, strides, strict=True):
        offset += start * stride
        for dim, factor in pairs:
            own[dim] += factor * stride
    return source, offset, own


def tree_costs(order: Sequence[Array]) -> dict[int, float]:
    """Nanoseconds for an element of each array, all that is not surely in memory computed anew."""
    costs: dict[int, float] = {}
    for a in order:
        own = cost(a.how, a.args[0].dtype) if a.kind == "map" else 0.05
        beneath = 0.0 if a.kind in HARD else sum(costs[id(x)] for x in a.args)
        costs[id(a)] = min(own + beneath, 1e6)
    return costs


def choose(roots: Sequence[Array]) -> tuple[list[Array], float]:
    """Which arrays are put into memory, in order; and about how many nanoseconds all takes."""
    order = in_order(roots)
    costs = tree_costs(order)
    wanted: dict[int, int] = {id(a): 0 for a in order}  # how many elements are asked for
    kept: list[Array] = []
    whole = 0.0
    for a in roots:
        a.forced = True
    for a in reversed(order):
        asked = wanted[id(a)]
        if a.kind in ("input", "fixed", "number", "constant", "iota") and not a.forced:
            continue
        if a.kind == "map" and asked > a.size and (asked - a.size) * (costs[id(a)] - 0.05) > a.size * STORE:
            a.forced = True
        if a.kind == "map" and costs[id(a)] > 30:
            a.forced = True
        if not (a.forced or a.kind in HARD):
            for x in a.args:
                wanted[id(x)] += asked
            if a.kind == "view" and a.args[1:] or a.kind == "reshape":
                memory = a.args[0]
                if a.kind == "reshape" or memory.kind not in ("input", "fixed", "iota"):
                    based(memory)
            continue
        kept.append(a)
        for x in a.args:
            wanted[id(x)] += x.size if a.kind in HARD else a.size
        if a.kind == "product":
            for x in a.args:
                based(x)
            whole += a.size * a.args[0].shape[-1] * 0.03
        whole += CALL + sum(x.size for x in (a, *a.args)) * 0.06
        if a.kind == "map":
            whole += a.size * costs[id(a)]
        else:
            whole += sum(x.size * costs[id(x)] for x in a.args if not x.forced)
    return kept[::-1], whole


class Kernel:
    """One loop nest, as a function of the memory that it reads and writes."""

    def __init__(self) -> None:
        self.body = Body()
        self.pointers: dict[tuple, str] = {}
        self.buffers: list[Buffer] = []

    def pointer(self, buffer: Buffer) -> str:
        """The parameter that points to `buffer`."""
        key = buffer.base, buffer.at
        found = self.pointers.get(key)
        if found is None:
            found = self.pointers[key] = f"%b{len(self.pointers)}"
            self.buffers.append(buffer)
        return found

    def text(self) -> str:
        """The function, whose name is to be put in for NAME."""
        parameters = [f"ptr noalias nocapture {p}" for p in self.pointers.values()]
        parameters += [f"i64 %s{i}" for i in range(len(self.body.sizes))]
        return "\n".join(
            [
                f"define void @NAME({', '.join(parameters)}) #0 {{",
                "entry:",
                *self.body.head,
                *self.body.lines,
                "  ret void",
                "}",
            ]
        )

    # ---- elements

    def value(self, a: Array, idx: Sequence[Any]) -> str:
        """The element of `a` at an index (numbers, or names of values)."""
        key = id(a), tuple(idx)
        found = self.body.known(key)
        if found is None:
            found = self._value(a, idx)
            self.body.memo[-1][key] = found
        return found

    def _value(self, a: Array, idx: Sequence[Any]) -> str:
        body = self.body
        if a.place is not None:
            return body.load(self.pointer(a.place), a.dtype, self.offset(a.offset, a.strides, idx))
        if a.kind == "constant":
            return literal(a.how, a.dtype)
        if a.kind == "number":
            return self.number(a)
        if a.kind == "iota":
            return str(idx[0]) if a.dtype == INT else self._refused(a)
        if a.kind == "map":
            args = [self.value(x, idx) for x in a.args]
            operand = a.args[0].dtype
            return body.element(a.how, operand, a.dtype, args)
        if a.kind == "view":
            return self.value(a.args[0], self.seen(a.how, a.args, idx))
        if a.kind == "reshape":
            source, offset, strides = located(a)
            return body.load(self.pointer(source.place), a.dtype, self.offset(source.offset + offset, strides, idx))
        return self._refused(a)

    def _refused(self, a: Array) -> str:
        raise Unsupported(f"{a.kind} inside a loop")

    def seen(self, entries: Sequence[Any], args: Sequence[Array], idx: Sequence[Any]) -> list[Any]:
        """The index into the source of a view."""
        body = self.body
        found: list[Any] = []
        for e in entries:
            if len(e) == 2:
                at: Any = e[0]
                for dim, factor in e[1]:
                    at = body.add(at, body.times(idx[dim], factor))
            else:
                text = self.value(args[e[0]], [0 if d is None else idx[d] for d in e[1]])
                at = text if text.startswith("%") else int(text)
            found.append(at)
        return found

    def offset(self, start: int, strides: Sequence[int], idx: Sequence[Any]) -> Any:
        at: Any = start
        for i, stride in zip(idx, strides, strict=True):
            at = self.body.add(at, self.body.times(i, stride))
        return at

    def number(self, a: Array) -> str:
        """A Python number that enters the program: 8 bytes in a table that is never written here."""
        key = "number", a.how
        found = self.body.memo[0].get(key)
        if found is None:
            found = self.body.name("n")
            kind = "double" if a.dtype.kind == "f" else "i64"
            raw = f"{found}.raw" if a.dtype == BOOL else found
            where = self.pointer(Buffer("number", a.how))
            self.body.head.append(f"  {raw} = load {kind}, ptr {where}, align 8")
            if a.dtype == BOOL:
                self.body.head.append(f"  {found} = icmp ne i64 {raw}, 0")
            self.body.memo[0][key] = found
        return found

    # ---- flat: one loop over arrays that lie in order

    def fits_flat(self, a: Array, shape: tuple[int, ...]) -> bool:
        """Whether element i of `a`, counted in order, can be computed from elements i."""
        if a.shape == shape or a.size == int(np.prod(shape)):
            if a.place is not None:
                return a.strides == contiguous(a.shape)
            if a.kind == "map":
                return all(self.fits_flat(x, a.shape) for x in a.args)
            if a.kind == "reshape":
                return self.fits_flat(a.args[0], a.args[0].shape)
            if a.kind == "view" and ordered(a):
                return self.fits_flat(a.args[0], a.args[0].shape)
        return a.kind in ("constant", "number") or a.kind == "view" and affine(a) and a.args[0].size == 1

    def flat_value(self, a: Array, i: Any) -> str:
        key = id(a), i, "flat"
        found = self.body.known(key)
        if found is not None:
            return found
        if a.place is not None:
            found = self.body.load(self.pointer(a.place), a.dtype, self.body.add(a.offset, i))
        elif a.kind == "map":
            found = self.body.element(a.how, a.args[0].dtype, a.dtype, [self.flat_value(x, i) for x in a.args])
        elif a.kind == "reshape" or a.kind == "view" and ordered(a):
            found = self.flat_value(a.args[0], i)
        elif a.kind == "view":
            found = self.value(a.args[0], [0] * a.args[0].ndim)
        else:
            found = self.value(a, ())
        self.body.memo[-1][key] = found
        return found

    # ---- loops

    def nest(self, shape: Sequence[int], inside: Callable[[list[Any]], None], *before: Any) -> None:
        """Loops over all indices of `shape`, the last dimension innermost."""
        if len(before) == len(shape):
            inside(list(before))
            return
        with self.body.loop(shape[len(before)]) as i:
            self.nest(shape, inside, *before, i)

    def fill(self, a: Array) -> None:
        """Each element, by itself."""
        self.filled(a, lambda value, at: self.body.store(value, self.pointer(a.place), a.dtype, at))

    def filled(self, a: Array, put: Callable[[str, Any], None]) -> None:
        place, a.place = a.place, None  # the element as it is computed, not as it lies there
        flat = self.fits_flat(a, a.shape)
        strides = contiguous(a.shape)

        def one(idx: list[Any]) -> None:
            a.place = None
            value = self._value(a, idx)
            a.place = place
            put(value, self.offset(0, strides, idx))

        if flat and a.ndim:
            with self.body.loop(a.size) as i:
                value = self.flat_value(a, i)
                a.place = place
                put(value, i)
        else:
            self.nest(a.shape, one)
        a.place = place

    def reduce(self, a: Array) -> None:
        """A reduction: inner sums where the last dimension goes, else row after row added to the result."""
        (name, axes), x, body = a.how, a.args[0], self.body
        kept = [i for i in range(x.ndim) if i not in axes]
        out, strides = self.pointer(a.place), contiguous(a.shape)
        if name in ("argmax", "argmin"):
            self.nest(a.shape, lambda idx: self._extreme_place(a, x, axes, kept, idx))
            return

        def full(idx: list[Any], inner: Sequence[Any]) -> list[Any]:
            index: list[Any] = [None] * x.ndim
            for d, i in zip(kept, idx, strict=True):
                index[d] = i
            for d, i in zip(axes, inner, strict=True):
                index[d] = i
            return index

        sizes = [x.shape[d] for d in axes]
        if a.size == 1 and self.fits_flat(x, x.shape):
            slot = self.slot(name, a.dtype)
            with body.loop(x.size) as i:
                self.gather(name, a.dtype, slot, self.flat_value(x, i))
            body.store(self.slotted(slot, a.dtype), out, a.dtype, 0)
        elif kept and kept[-1] == x.ndim - 1 and a.shape[-1] > 1:

            def row(idx: list[Any]) -> None:
                last = strides[-1]

                def at(i: Any) -> Any:
                    return body.add(self.offset(0, strides[:-1], idx), body.times(i, last))

                with body.loop(a.shape[-1]) as i:
                    body.store(start(name, a.dtype), out, a.dtype, at(i))

                def add(inner: list[Any]) -> None:
                    with body.loop(a.shape[-1]) as i:
                        new = self.value(x, full([*idx, i], inner))
                        old = body.load(out, a.dtype, at(i))
                        body.store(self.combined(name, a.dtype, old, new), out, a.dtype, at(i))

                self.nest(sizes, add)

            self.nest(a.shape[:-1], row)
        else:

            def one(idx: list[Any]) -> None:
                slot = self.slot(name, a.dtype)
                self.nest(sizes, lambda inner: self.gather(name, a.dtype, slot, self.value(x, full(idx, inner))))
                body.store(self.slotted(slot, a.dtype), out, a.dtype, self.offset(0, strides, idx))

            self.nest(a.shape, one)

    def slot(self, name: str, dtype: np.dtype) -> str:
        """A place for a running result; LLVM keeps it in a register."""
        found = self.body.name("slot")
        self.body.head.append(f"  {found} = alloca {stored(dtype)}, align 8")
        self.body.store(start(name, dtype), found, dtype, 0)
        return found

    def slotted(self, slot: str, dtype: np.dtype) -> str:
        return self.body.load(slot, dtype, 0)

    def gather(self, name: str, dtype: np.dtype, slot: str, value: str) -> None:
        self.body.store(self.combined(name, dtype, self.slotted(slot, dtype), value), slot, dtype, 0)

    def combined(self, name: str, dtype: np.dtype, old: str, new: str) -> str:
        """A step of a reduction; sums and products may be taken in any order."""
        kind = type_of(dtype)
        if name in ("sum", "prod") and dtype.kind == "f":
            return self.body.put(f"{'fadd' if name == 'sum' else 'fmul'} reassoc contract {kind} {old}, {new}")
        if name in ("max", "min") and dtype.kind == "f":  # which LLVM knows how to take for several at once
            intrinsic = f"llvm.{name}imum.f{8 * dtype.itemsize}"
            return self.body.call(intrinsic, kind, (kind, old), (kind, new))
        how = {"sum": "add", "prod": "mul", "any": "or", "all": "and", "set": "copy"}.get(name, name)
        return self.body.element(how, dtype, dtype, [new] if how == "copy" else [new, old])

    def _extreme_place(self, a: Array, x: Array, axes: Sequence[int], kept: Sequence[int], idx: list[Any]) -> None:
        """The first place of the largest (smallest) element, or of the first NaN."""
        body, kind = self.body, type_of(x.dtype)
        best, place = body.name("slot"), body.name("slot")
        body.head += [f"  {best} = alloca {stored(x.dtype)}, align 8", f"  {place} = alloca i64, align 8"]
        index: list[Any] = [0] * x.ndim
        for d, i in zip(kept, idx, strict=True):
            index[d] = i
        (axis,) = axes
        body.store(self.value(x, index), best, x.dtype, 0)
        body.store("0", place, INT, 0)
        with body.loop(x.shape[axis]) as i:
            index[axis] = i
            new, old = self.value(x, index), body.load(best, x.dtype, 0)
            first, second = (new, old) if a.how[0] == "argmax" else (old, new)
            if x.dtype.kind == "f":
                better = body.put(f"fcmp ogt {kind} {first}, {second}")
                better = body.put(f"or i1 {better}, {body.put(f'fcmp uno {kind} {new}, {new}')}")
                better = body.put(f"and i1 {better}, {body.put(f'fcmp ord {kind} {old}, {old}')}")
            else:
                better = body.put(f"icmp {'s' if x.dtype.kind == 'i' else 'u'}gt {kind} {first}, {second}")
            body.store(body.put(f"select i1 {better}, {kind} {new}, {kind} {old}"), best, x.dtype, 0)
            before = body.load(place, INT, 0)
            body.store(body.put(f"select i1 {better}, i64 {i}, i64 {before}"), place, INT, 0)
        out, strides = self.pointer(a.place), contiguous(a.shape)
        body.store(body.load(place, INT, 0), out, INT, self.offset(0, strides, idx))

    def scan(self, a: Array) -> None:
        """Running sums and their like along one dimension."""
        (name, axis), x = a.how, a.args[0]
        out, strides = self.pointer(a.place), contiguous(a.shape)
        rest = [s for i, s in enumerate(a.shape) if i != axis]

        def line(idx: list[Any]) -> None:
            slot = self.slot(name, a.dtype)
            with self.body.loop(a.shape[axis]) as i:
                index = [*idx[:axis], i, *idx[axis:]]
                self.gather(name, a.dtype, slot, self.value(x, index))
                self.body.store(self.slotted(slot, a.dtype), out, a.dtype, self.offset(0, strides, index))

        self.nest(rest, line)

    def step(self, a: Array, entries: Sequence[Any], value: Array, mode: str) -> None:
        """One of the steps in which an array is written."""
        out, strides, body = self.pointer(a.place), contiguous(a.shape), self.body

        def one(idx: list[Any]) -> None:
            at = self.offset(0, strides, self.seen(entries, a.args, idx))
            new = self.value(value, idx)
            if mode != "set":
                new = self.combined(mode, a.dtype, body.load(out, a.dtype, at), new)
            body.store(new, out, a.dtype, at)

        self.nest(value.shape, one)


def start(name: str, dtype: np.dtype) -> str:
    """What a reduction begins with."""
    if name in ("sum", "any"):
        return literal(-0.0 if dtype.kind == "f" else 0, dtype)
    if name in ("prod", "all"):
        return literal(1, dtype)
    if dtype == BOOL:
        return literal(name == "min", dtype)
    low, high = (-np.inf, np.inf) if dtype.kind == "f" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    return literal(low if name == "max" else high, dtype)


def ordered(a: Array) -> bool:
    """Whether a view only puts in or leaves out dimensions of size 1."""
    if a.size != a.args[0].size or not affine(a):
        return False
    seen = [e[1][0] if e[1] else None for e in a.how]
    return (
        all(e[0] == 0 and len(e[1]) <= 1 for e in a.how)
        and all(p is None or p[1] == 1 or a.shape[p[0]] == 1 for p in seen)
        and [p[0] for p in seen if p is not None] == sorted({p[0] for p in seen if p is not None})
        and all(p is not None or s == 1 for p, s in zip(seen, a.args[0].shape, strict=True))
    )
