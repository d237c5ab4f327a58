"""Matrix products as loops over vectors: a tile of the result stays in registers while the inner dimension passes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._elements import literal, type_of
from ._kernels import LANES, ROWS, VECTORS, Buffer, Kernel, located
from ._traced import Array, contiguous

SMALL = 4  # columns (or rows) up to which sums over the inner dimension are taken one by one


def turns(a: Array) -> bool:
    """Whether the right operand of a product has to be turned in memory first, so that its columns lie side by side."""
    rows, inner, columns, strides = form(a)
    return not plain(rows, inner, columns) and strides[-1] != 1


def plain(rows: int, inner: int, columns: int) -> bool:
    """Whether a product is too narrow for vectors of columns."""
    return columns < SMALL or rows == 1 and columns * inner < 64


def form(a: Array) -> tuple[int, int, int, list[int]]:
    """Rows, inner dimension and columns of a product, and the strides of its right operand."""
    x, y = a.args
    return x.shape[-2], x.shape[-1], y.shape[-1], located(y)[2]


def product(kernel: Kernel, a: Array, spare: Buffer | None) -> None:
    """The product `a`; `spare` is room for its right operand, turned."""
    x, y = a.args
    rows, inner, columns, _ = form(a)
    left, left_start, left_strides = located(x)
    right, right_start, right_strides = located(y)
    out = contiguous(a.shape)

    def one(batch: list[Any]) -> None:
        if plain(rows, inner, columns):
            narrow(kernel, a, batch)
            return
        p = kernel.pointer(left.place), kernel.offset(left.offset + left_start, left_strides[:-2], batch)
        q = kernel.pointer(right.place), kernel.offset(right.offset + right_start, right_strides[:-2], batch)
        step = right_strides[-2]
        if spare is not None:
            to = kernel.pointer(spare)
            turn(kernel, a.dtype, q, right_strides[-2:], to, inner, columns)
            q, step = (to, 0), columns
        r = kernel.pointer(a.place), kernel.offset(0, out[:-2], batch)
        Tiles(kernel, a.dtype, p, left_strides[-2:], q, step, r, rows, inner, columns).run()

    kernel.nest(a.shape[:-2], one)


def narrow(kernel: Kernel, a: Array, batch: list[Any]) -> None:
    """Each element as a sum of products."""
    body, (x, y) = kernel.body, a.args
    out = contiguous(a.shape)

    def one(idx: list[Any]) -> None:
        slot = kernel.slot("sum", a.dtype)
        with body.loop(x.shape[-1]) as k:
            factors = kernel.value(x, [*batch, idx[0], k]), kernel.value(y, [*batch, k, idx[1]])
            kernel.gather("sum", a.dtype, slot, body.element("mul", a.dtype, a.dtype, list(factors)))
        at = kernel.offset(0, out, [*batch, *idx])
        body.store(kernel.slotted(slot, a.dtype), kernel.pointer(a.place), a.dtype, at)

    kernel.nest(a.shape[-2:], one)


def turn(
    kernel: Kernel, dtype: np.dtype, source: tuple[str, Any], strides: list[int], to: str, inner: int, columns: int
) -> None:
    """Writes `source` (inner, columns), whose columns lie apart, to `to` row after row."""
    body, kind = kernel.body, type_of(dtype)
    pointer, start = source
    block = 4 if strides[0] == 1 else 1
    down, right = inner - inner % block, columns - columns % block
    if block > 1 and down and right:
        mask = ", ".join(f"i32 {4 * j + i}" for i in range(4) for j in range(4))
        with body.loop(right, 4) as j, body.loop(down, 4) as k:
            parts = []
            for c in range(4):
                at = body.add(body.add(start, k), body.times(body.add(j, c), strides[1]))
                place = body.address(pointer, dtype, at)
                parts.append(body.put(f"load <4 x {kind}>, ptr {place}, align {dtype.itemsize}"))
            both = "<8 x i32> <" + ", ".join(f"i32 {n}" for n in range(8)) + ">"
            all_ = "<16 x i32> <" + ", ".join(f"i32 {n}" for n in range(16)) + ">"
            pairs = [
                body.put(f"shufflevector <4 x {kind}> {parts[n]}, <4 x {kind}> {parts[n + 1]}, {both}") for n in (0, 2)
            ]
            joined = body.put(f"shufflevector <8 x {kind}> {pairs[0]}, <8 x {kind}> {pairs[1]}, {all_}")
            turned = body.put(f"shufflevector <16 x {kind}> {joined}, <16 x {kind}> poison, <16 x i32> <{mask}>")
            for i in range(4):
                lanes = ", ".join(f"i32 {4 * i + n}" for n in range(4))
                row = body.put(
                    f"shufflevector <16 x {kind}> {turned}, <16 x {kind}> poison, <4 x i32> <{lanes}>"
                )
                place = body.address(to, dtype, body.add(body.times(body.add(k, i), columns), j))
                body.do(f"store <4 x {kind}> {row}, ptr {place}, align {dtype.itemsize}")
    else:
        down = right = 0
    for first, rows, from_column, width in ((0, down, right, columns - right), (down, inner - down, 0, columns)):
        if not rows or not width:
            continue
        with body.loop(width) as j, body.loop(rows) as k:
            row, column = body.add(k, first), body.add(j, from_column)
            at = body.add(body.add(start, body.times(row, strides[0])), body.times(column, strides[1]))
            value = body.load(pointer, dtype, at)
            body.store(value, to, dtype, body.add(body.times(row, columns), column))


class Tiles:
    """The product of two matrices in memory, the second with its columns side by side, tile by tile."""

    def __init__(
        self, kernel: Kernel, dtype: np.dtype, left: tuple, left_strides: list[int], right: tuple, step: int,
        out: tuple, rows: int, inner: int, columns: int,
    ) -> None:  # fmt: skip
        self.body, self.dtype, self.kind = kernel.body, dtype, type_of(dtype)
        self.left, self.left_strides, self.right, self.step, self.out = left, left_strides, right, step, out
        self.rows, self.inner, self.columns = rows, inner, columns

    def run(self) -> None:
        lanes = LANES // self.dtype.itemsize
        wide = lanes * VECTORS
        done = self.columns - self.columns % wide
        if done:
            with self.body.loop(done, wide) as j:
                self.down(j, [lanes] * VECTORS)
        rest = self.columns - done
        vectors = [lanes] * (rest // lanes)
        part = rest % lanes
        for width in (8, 4, 2, 1):
            if part >= width and width < lanes:
                vectors.append(width)
                part -= width
        while vectors:
            self.down(done, vectors[:VECTORS])
            done += sum(vectors[:VECTORS])
            vectors = vectors[VECTORS:]

    def down(self, column: Any, widths: list[int]) -> None:
        """All rows of the columns from `column` on."""
        done = self.rows - self.rows % ROWS
        if done:
            with self.body.loop(done, ROWS) as i:
                self.tile(i, ROWS, column, widths)
        if self.rows % ROWS:
            self.tile(done, self.rows % ROWS, column, widths)

    def tile(self, row: Any, rows: int, column: Any, widths: list[int]) -> None:
        """One tile of the result."""
        body, kind, size = self.body, self.kind, self.dtype.itemsize
        types = [kind if w == 1 else f"<{w} x {kind}>" for w in widths]
        zero = literal(0, self.dtype)
        totals = [[zero if w == 1 else "zeroinitializer" for w in widths] for _ in range(rows)]
        count = self.inner
        looped = count > 1
        if looped:
            body.count += 1
            number = body.count
            body.do(f"br label %head{number}")
            before = body.block
            body.lines.append(f"head{number}:")
            at = len(body.lines)
            body.block = f"head{number}"
            phis = [[body.name("t") for _ in widths] for _ in range(rows)]
            first, totals = totals, [list(r) for r in phis]
        k: Any = f"%k{number}" if looped else 0
        parts = []
        offset = column
        for width, text in zip(widths, types, strict=True):
            place = body.add(body.add(self.right[1], body.times(k, self.step)), offset)
            address = body.address(self.right[0], self.dtype, place)
            parts.append(body.put(f"load {text}, ptr {address}, align {size}"))
            offset = body.add(offset, width)
        for r in range(rows):
            place = body.add(body.times(body.add(row, r), self.left_strides[0]), body.times(k, self.left_strides[1]))
            factor = body.load(self.left[0], self.dtype, body.add(self.left[1], place))
            for c, (width, text) in enumerate(zip(widths, types, strict=True)):
                spread = factor
                if width > 1:
                    spread = body.put(f"insertelement {text} poison, {kind} {factor}, i64 0")
                    spread = body.put(f"shufflevector {text} {spread}, {text} poison, <{width} x i32> zeroinitializer")
                added = body.put(f"fmul contract {text} {spread}, {parts[c]}")
                totals[r][c] = body.put(f"fadd contract {text} {totals[r][c]}, {added}")
        if looped:
            following = body.put(f"add nuw nsw i64 {k}, 1")
            more = body.put(f"icmp slt i64 {following}, {count}")
            body.do(f"br i1 {more}, label %head{number}, label %end{number}")
            heads = [f"  {k} = phi i64 [ 0, %{before} ], [ {following}, %head{number} ]"]
            for r in range(rows):
                for c, text in enumerate(types):
                    heads.append(
                        f"  {phis[r][c]} = phi {text} [ {first[r][c]}, %{before} ], [ {totals[r][c]}, %head{number} ]"
                    )
            body.lines[at:at] = heads
            body.lines.append(f"end{number}:")
            body.block = f"end{number}"
        for r in range(rows):
            offset = column
            for c, (width, text) in enumerate(zip(widths, types, strict=True)):
                place = body.add(body.add(self.out[1], body.times(body.add(row, r), self.columns)), offset)
                address = body.address(self.out[0], self.dtype, place)
                body.do(f"store {text} {totals[r][c]}, ptr {address}, align {size}")
                offset = body.add(offset, width)
