"""Matrix products as loops over vectors: a tile of the result stays in registers while the inner dimension passes.

The functions here take sizes and strides as parameters and are compiled once for all programs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ._elements import Body, literal, type_of
from ._kernels import Buffer, Kernel, located
from ._traced import Array, contiguous

SMALL = 4  # columns up to which sums over the inner dimension are taken one by one
ROWS, VECTORS = 4, 2  # of a tile


def turns(a: Array) -> bool:
    """Whether the right operand of a product has to be turned in memory first, so that its columns lie side by side."""
    return not is_narrow(a) and located(a.args[1])[2][-1] != 1


def is_narrow(a: Array) -> bool:
    """Whether a product has too few columns for vectors of them."""
    (rows, inner), columns = a.args[0].shape[-2:], a.shape[-1]
    return columns < SMALL or rows == 1 and columns * inner < 64


def product(
    kernel: Kernel, a: Array, spare: Buffer | None, shared: Callable[[tuple, Callable[[], str], bool], int], width: int
) -> None:
    """The product `a`; `spare` is room for its right operand, turned; vectors have `width` bytes."""
    x, y = a.args
    (rows, inner), columns = x.shape[-2:], y.shape[-1]
    (left, left_start, left_strides), (right, right_start, right_strides) = located(x), located(y)
    out, kind, body = contiguous(a.shape), a.dtype.str[1:], kernel.body
    down, across = right_strides[-2:]

    def call(where: int, *given: Any) -> None:
        text = ", ".join(f"ptr {v}" if v.startswith("%b") or v.startswith("%v") else f"i64 {v}" for v in given)
        body.do(f"call void inttoptr (i64 {where} to ptr)({text})")

    def place(of: Array, start: int, strides: list[int], batch: list[Any]) -> str:
        assert of.place is not None
        pointer, at = kernel.pointer(of.place), kernel.offset(of.offset + start, strides, batch)
        return body.address(pointer, a.dtype, at if type(at) is str or at == 0 else body.size(at))

    def one(batch: list[Any]) -> None:
        p = place(left, left_start, left_strides[:-2], batch)
        q = place(right, right_start, right_strides[:-2], batch)
        r = place(a, 0, list(out[:-2]), batch)
        sides = [body.size(n) for n in left_strides[-2:]]
        if is_narrow(a):
            side_by_side = left_strides[-1] == down == 1
            where = shared(("narrow", kind, side_by_side), lambda: narrow(a.dtype, side_by_side), True)
            call(where, r, p, *sides, q, *[body.size(n) for n in (down, across, rows, inner, columns)])
            return
        step = body.size(down)
        sizes = [body.size(n) for n in (inner, columns)]
        if spare is not None:
            to = kernel.pointer(spare)
            where = shared(("turn", kind, down == 1), lambda: turn(a.dtype, down == 1), False)
            call(where, to, q, step, body.size(across), *sizes)
            q, step = to, sizes[1]
        where = shared(("tiles", kind, width), lambda: Tiles(a.dtype, width).text(), False)
        call(where, r, p, *sides, q, step, body.size(rows), *sizes)

    kernel.nest(a.shape[:-2], one)


@contextmanager
def span(body: Body, start: Any, end: Any, step: int) -> Iterator[Any]:
    """A loop over start, start + step, ... as long as a whole step is left; the index is valid after it too."""
    body.count += 1
    number = body.count
    body.do(f"br label %head{number}")
    before = body.block
    body.lines.append(f"head{number}:")
    at = len(body.lines)
    body.lines.append("")
    body.do(f"%n{number} = add nsw i64 %i{number}, {step}")
    body.do(f"%c{number} = icmp sle i64 %n{number}, {end}")
    body.do(f"br i1 %c{number}, label %body{number}, label %end{number}")
    body.lines.append(f"body{number}:")
    body.block = f"body{number}"
    yield f"%i{number}"
    body.do(f"br label %head{number}{body.hints}")
    body.lines[at] = f"  %i{number} = phi i64 [ {start}, %{before} ], [ %n{number}, %{body.block} ]"
    body.lines.append(f"end{number}:")
    body.block = f"end{number}"


def at(body: Body, *parts: Any) -> str:
    """The sum of products: pairs of values, or single ones."""
    found: Any = 0
    for part in parts:
        one = body.put(f"mul nsw i64 {part[0]}, {part[1]}") if type(part) is tuple else part
        found = body.add(found, one)
    return found


def function(body: Body, parameters: str) -> str:
    return "\n".join([f"define void @NAME({parameters}) #0 {{", "entry:", *body.head, *body.lines, "  ret void", "}"])


POINTERS = "ptr noalias %c, ptr noalias readonly %a, i64 %ra, i64 %ca, ptr noalias readonly %b"


def narrow(dtype: np.dtype, side_by_side: bool) -> str:
    """c = a @ b, each element a sum of products."""
    body, kind = Body(), type_of(dtype)
    body.head.append(f"  %slot = alloca {kind}, align 8")
    with span(body, 0, "%rows", 1) as i, span(body, 0, "%columns", 1) as j:
        first, second = at(body, (i, "%ra")), at(body, (j, "%cb"))
        body.store(literal(0, dtype), "%slot", dtype, 0)
        with span(body, 0, "%inner", 1) as k:
            places = (k, k) if side_by_side else (at(body, (k, "%ca")), at(body, (k, "%rb")))
            factors = [
                body.load(p, dtype, at(body, start, place))
                for p, start, place in zip(("%a", "%b"), (first, second), places, strict=True)
            ]
            both = body.put(f"fmul contract {kind} {factors[0]}, {factors[1]}")
            total = body.put(f"fadd reassoc contract {kind} {body.load('%slot', dtype, 0)}, {both}")
            body.store(total, "%slot", dtype, 0)
        body.store(body.load("%slot", dtype, 0), "%c", dtype, at(body, (i, "%columns"), j))
    return function(body, POINTERS + ", i64 %rb, i64 %cb, i64 %rows, i64 %inner, i64 %columns")


def turn(dtype: np.dtype, blocks: bool) -> str:
    """Writes %b (inner, columns), whose columns lie apart, to %c row after row; in blocks of 4 by 4 where columns have
    their elements side by side."""
    body, kind = Body(), type_of(dtype)

    def single(k: Any, j: Any) -> None:
        value = body.load("%b", dtype, at(body, (k, "%rb"), (j, "%cb")))
        body.store(value, "%c", dtype, at(body, (k, "%columns"), j))

    whole: Any = 0
    if blocks:
        down, whole = [body.put(f"and i64 {size}, -4") for size in ("%inner", "%columns")]
        with span(body, 0, whole, 4) as j, span(body, 0, down, 4) as k:
            four(body, kind, dtype, k, j)
        with span(body, down, "%inner", 1) as k, span(body, 0, whole, 1) as j:
            single(k, j)
    with span(body, whole, "%columns", 1) as j, span(body, 0, "%inner", 1) as k:
        single(k, j)
    return function(
        body, "ptr noalias %c, ptr noalias readonly %b, i64 %rb, i64 %cb, i64 %inner, i64 %columns"
    )


def four(body: Body, kind: str, dtype: np.dtype, k: str, j: str) -> None:
    """A block of 4 by 4 turned."""
    size = dtype.itemsize

    def numbers(values: list[int]) -> str:
        return f"<{len(values)} x i32> <" + ", ".join(f"i32 {n}" for n in values) + ">"

    parts = []
    for c in range(4):
        place = body.address("%b", dtype, at(body, k, (body.add(j, c), "%cb")))
        parts.append(body.put(f"load <4 x {kind}>, ptr {place}, align {size}"))
    pairs = [
        body.put(f"shufflevector <4 x {kind}> {parts[n]}, <4 x {kind}> {parts[n + 1]}, {numbers(list(range(8)))}")
        for n in (0, 2)
    ]
    joined = body.put(f"shufflevector <8 x {kind}> {pairs[0]}, <8 x {kind}> {pairs[1]}, {numbers(list(range(16)))}")
    mask = numbers([4 * c + i for i in range(4) for c in range(4)])
    turned = body.put(f"shufflevector <16 x {kind}> {joined}, <16 x {kind}> poison, {mask}")
    for i in range(4):
        lanes = numbers([4 * i + n for n in range(4)])
        row = body.put(f"shufflevector <16 x {kind}> {turned}, <16 x {kind}> poison, {lanes}")
        place = body.address("%c", dtype, at(body, (body.add(k, i), "%columns"), j))
        body.do(f"store <4 x {kind}> {row}, ptr {place}, align {size}")


class Tiles:
    """c = a @ b for b whose columns lie side by side, tile by tile; `width` is that of a vector in bytes."""

    def __init__(self, dtype: np.dtype, width: int) -> None:
        self.body, self.dtype, self.kind = Body(), dtype, type_of(dtype)
        self.lanes = width // dtype.itemsize
        self.masks = width > 16  # whether part of a vector can be read

    def text(self) -> str:
        body = self.body
        column: Any = 0
        with span(body, column, "%columns", VECTORS * self.lanes) as column:
            self.down(column, VECTORS, self.lanes, "")
        if self.masks:
            end = body.put(f"add nsw i64 %columns, {self.lanes - 1}")
            with span(body, column, end, self.lanes) as column:
                self.down(column, 1, self.lanes, self.mask(column))
        else:
            with span(body, column, "%columns", self.lanes) as column:
                self.down(column, 1, self.lanes, "")
            with span(body, column, "%columns", 1) as column:
                self.down(column, 1, 1, "")
        name = f"v{self.lanes}f{8 * self.dtype.itemsize}"
        vector, mask = f"<{self.lanes} x {self.kind}>", f"<{self.lanes} x i1>"
        made = function(body, POINTERS + ", i64 %step, i64 %rows, i64 %inner, i64 %columns")
        if not self.masks:
            return made
        return (
            f"declare {vector} @llvm.masked.load.{name}.p0(ptr, i32, {mask}, {vector})\n"
            f"declare void @llvm.masked.store.{name}.p0({vector}, ptr, i32, {mask})\n" + made
        )

    def mask(self, column: str) -> str:
        """Which lanes of the last vector there are."""
        body, lanes = self.body, self.lanes
        rest = body.put(f"sub nsw i64 %columns, {column}")
        one = body.put(f"insertelement <{lanes} x i64> poison, i64 {rest}, i64 0")
        every = body.put(
            f"shufflevector <{lanes} x i64> {one}, <{lanes} x i64> poison, <{lanes} x i32> zeroinitializer"
        )
        numbers = ", ".join(f"i64 {n}" for n in range(lanes))
        return body.put(f"icmp ult <{lanes} x i64> <{numbers}>, {every}")

    def down(self, column: Any, count: int, lanes: int, mask: str) -> None:
        """All rows of `count` vectors of columns."""
        row: Any = 0
        for rows in (ROWS, 1):
            with span(self.body, row, "%rows", rows) as row:
                self.tile(row, rows, column, count, lanes, mask)

    def tile(self, row: str, rows: int, column: Any, count: int, lanes: int, mask: str) -> None:
        """One tile of the result."""
        body, kind, size = self.body, self.kind, self.dtype.itemsize
        vector = kind if lanes == 1 else f"<{lanes} x {kind}>"
        name = f"v{lanes}f{8 * size}"
        lefts = [at(body, (body.add(row, r), "%ra")) for r in range(rows)]
        body.count += 1
        number = body.count
        k = f"%k{number}"
        before = body.block
        body.do(f"br label %head{number}")
        body.lines.append(f"head{number}:")
        head = len(body.lines)
        body.block = f"head{number}"
        totals = [[body.name("t") for _ in range(count)] for _ in range(rows)]
        sums: list[list[str]] = [[] for _ in range(rows)]
        parts = []
        for c in range(count):
            place = body.address("%b", self.dtype, at(body, (k, "%step"), body.add(column, c * lanes)))
            if mask:
                read = f"@llvm.masked.load.{name}.p0(ptr {place}, i32 {size}, <{lanes} x i1> {mask}, {vector} poison)"
                parts.append(body.put(f"call {vector} {read}"))
            else:
                parts.append(body.put(f"load {vector}, ptr {place}, align {size}"))
        for r in range(rows):
            factor = body.load("%a", self.dtype, at(body, lefts[r], (k, "%ca")))
            if lanes > 1:
                one = body.put(f"insertelement {vector} poison, {kind} {factor}, i64 0")
                factor = body.put(f"shufflevector {vector} {one}, {vector} poison, <{lanes} x i32> zeroinitializer")
            for c in range(count):
                added = body.put(f"fmul contract {vector} {factor}, {parts[c]}")
                sums[r].append(body.put(f"fadd contract {vector} {totals[r][c]}, {added}"))
        following = body.put(f"add nuw nsw i64 {k}, 1")
        more = body.put(f"icmp slt i64 {following}, %inner")
        body.do(f"br i1 {more}, label %head{number}, label %end{number}")
        zero = literal(0, self.dtype) if lanes == 1 else "zeroinitializer"
        heads = [f"  {k} = phi i64 [ 0, %{before} ], [ {following}, %head{number} ]"]
        for r in range(rows):
            for c in range(count):
                start = f"[ {zero}, %{before} ], [ {sums[r][c]}, %head{number} ]"
                heads.append(f"  {totals[r][c]} = phi {vector} {start}")
        body.lines[head:head] = heads
        body.lines.append(f"end{number}:")
        body.block = f"end{number}"
        for r in range(rows):
            for c in range(count):
                to = at(body, (body.add(row, r), "%columns"), body.add(column, c * lanes))
                place = body.address("%c", self.dtype, to)
                if mask:
                    body.do(f"call void @llvm.masked.store.{name}.p0({vector} {sums[r][c]}, ptr {place}, i32 {size}, "
                            f"<{lanes} x i1> {mask})")  # fmt: skip
                else:
                    body.do(f"store {vector} {sums[r][c]}, ptr {place}, align {size}")
