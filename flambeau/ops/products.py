"""Sums of products over chosen dimensions: einsum, tensordot, kron, chains and powers of matrices, cross products."""
from __future__ import annotations

import math
import string
from collections.abc import Sequence
from typing import Any

from .. import dtypes
from ..graph import Spec
from ._lapack import check_square
from ._op import S, T, composite, op
from ._rules import broadcast_shapes, title, wrap
from .core import filled
from .elementwise import conj
from .linalg import cpp_name, matmul, mm, no_bool, one_dtype

# ---- one and two operands whose dimensions carry labels


def label_sizes(*labelled: tuple[Sequence[int], Sequence[Any]]) -> dict[Any, int]:
    """The size of each label, over pairs (shape, labels); a size of 1 stretches."""
    sizes: dict[Any, int] = {}
    for shape, labels in labelled:
        for size, label in zip(shape, labels, strict=True):
            if sizes.get(label, 1) == 1:
                sizes[label] = size
    return sizes


def _relabels(input: Spec, labels: tuple, target: tuple) -> Spec:
    sizes = label_sizes((input.shape, labels))
    summed = any(n not in target for n in labels) and input.dtype.category < dtypes.FLOATING
    return input.like([sizes[n] for n in target], dtypes.int64 if summed else None)


@op(_relabels, api="", shown="Sum",
    grad=lambda g, input_spec, labels, target: _unlabelled(g, labels, target, input_spec.shape),
    cases=[(S(2, 3), (0, 1), (1,)), (S(3, 3), (0, 0), (0,)), (S(3, 2, 3), (0, 1, 0), (1,))])
def _relabelled(xp, input: T, labels, target):
    """The elements where equal labels have equal indices, summed over labels not in `target`, in its order."""
    number = {n: i for i, n in enumerate(dict.fromkeys(labels))}
    if input.dtype.kind in "iub" and any(n not in target for n in labels):
        input = input.astype("int64")
    return xp.einsum(input, [number[n] for n in labels], [number[n] for n in target])


@op(lambda input, labels, target, shape: input.like(shape), api="", upcast=False,
    grad=lambda g, labels, target: _relabelled(g, labels, target), cases=[(S(3), (0, 1, 0), (0,), (3, 2, 3))])
def _unlabelled(xp, input: T, labels, target, shape):
    """A tensor of `shape` that repeats `input` where equal labels have equal indices, and is 0 elsewhere."""
    order = sorted(range(len(target)), key=lambda i: labels.index(target[i]))
    names = list(dict.fromkeys(labels))
    spread = xp.transpose(input, order)
    spread = xp.reshape(spread, [shape[labels.index(n)] if n in target else 1 for n in names])
    if len(names) == len(labels):
        return xp.broadcast_to(spread, shape)
    grids = {n: xp.reshape(xp.arange(shape[labels.index(n)]), [-1 if m == n else 1 for m in names]) for n in names}
    return xp.at_set(xp.zeros(shape, dtype=input.dtype), tuple(grids[n] for n in labels), spread)


def _contracts(left: Spec, right: Spec, a: tuple, b: tuple, target: tuple) -> Spec:
    one_dtype(left, right)
    no_bool(left, "bmm")
    sizes = label_sizes((left.shape, a), (right.shape, b))
    return left.like([sizes[n] for n in target])


def _side_grad(g, other, mine: tuple, theirs: tuple, target: tuple, shape: tuple):
    """The gradient of one of two operands: along a label that only it had the gradient repeats."""
    known = tuple(n for n in mine if n in target or n in theirs)
    found = contract(g, conj(other), target, theirs, known)
    own = [shape[mine.index(n)] for n in known]
    if any(have == 1 != size for have, size in zip(found.shape, own, strict=True)):
        found = found.expand(tuple(max(have, size) for have, size in zip(found.shape, own, strict=True)))
    if len(known) == len(mine):
        return found
    return _unlabelled(found, mine, known, tuple(found.shape[known.index(n)] if n in known else s
                                                 for n, s in zip(mine, shape, strict=True)))


@op(
    _contracts,
    api="",
    shown="View",
    grad=dict(
        left=lambda g, left_spec, right, a, b, target: _side_grad(g, right, a, b, target, left_spec.shape),
        right=lambda g, left, right_spec, a, b, target: _side_grad(g, left, b, a, target, right_spec.shape),
    ),
    cases=[
        (S(2, 3), S(3, 4), (0, 1), (1, 2), (2, 0)),
        (S(5, 2, 3), S(3, 5), (0, 1, 2), (2, 0), (0, 1)),
        (S(2, 3), S(4), (0, 1), (2,), (2, 1)),
        (S(2, 3), S(2, 3), (0, 1), (0, 1), ()),
        (S(2, 1), S(3), (0, 1), (1,), (1, 0)),
    ],
)
def contract(xp, left: T, right: T, a, b, target):
    """The sum of products over the labels not in `target`: dimensions labelled `a` and `b`, none twice in one."""
    left, a = _squeezed(xp, left, a, dict(zip(b, right.shape, strict=True)), target)
    right, b = _squeezed(xp, right, b, dict(zip(a, left.shape, strict=True)), target)
    sizes = label_sizes((left.shape, a), (right.shape, b))
    batch = [n for n in target if n in a and n in b]
    summed = [n for n in a if n in b and n not in target]
    rows, columns = [n for n in target if n in a and n not in b], [n for n in target if n in b and n not in a]

    def arranged(x: Any, labels: tuple, *groups: list) -> Any:
        x = xp.transpose(x, [labels.index(n) for group in (batch, *groups) for n in group])
        return xp.reshape(x, [sizes[n] for n in batch] + [math.prod([sizes[n] for n in group]) for group in groups])
    if summed:
        y = xp.matmul(arranged(left, a, rows, summed), arranged(right, b, summed, columns))
    else:
        y = arranged(left, a, rows)[..., :, None] * arranged(right, b, columns)[..., None, :]
    have = batch + rows + columns
    y = xp.reshape(y, [sizes[n] for n in have])
    return xp.transpose(y, [have.index(n) for n in target])


def _squeezed(xp: Any, x: Any, labels: tuple, others: dict, target: tuple) -> tuple[Any, tuple]:
    """`x` without the dimensions of size 1 that stretch to the other's, and summed over those only it has."""
    stretched = tuple(i for i, n in enumerate(labels) if x.shape[i] == 1 and others.get(n, 1) != 1)
    alone = tuple(i for i, n in enumerate(labels) if n not in others and n not in target)
    if stretched or alone:
        x = xp.sum(x, axis=stretched + alone, dtype=x.dtype)
        labels = tuple(n for i, n in enumerate(labels) if i not in stretched + alone)
    return x, labels


# ---- einsum

_LETTERS = string.ascii_uppercase + string.ascii_lowercase
_DOTS = "..."


def _subscripts(text: str, start: int, who: str) -> list[str]:
    """The labels in one operand's part of an equation; `who` names the part in errors."""
    found: list[str] = []
    i = 0
    while i < len(text):
        c = text[i]
        if c == ".":
            if _DOTS in found:
                raise RuntimeError(f"einsum(): found '.' for {who} for which an ellipsis was already found")
            if text[i:i + 3] != _DOTS:
                raise RuntimeError(f"einsum(): found '.' for {who} that is not part of any ellipsis")
            found.append(_DOTS)
            i += 2
        elif c in _LETTERS:
            found.append(c)
        elif c != " ":
            raise RuntimeError(
                f"einsum(): invalid subscript given at index {start + i} in the equation string, subscripts must be "
                "in [a-zA-Z]"
            )
        i += 1
    return found


def _listed(operands: Sequence[Any]) -> tuple[str, list]:
    """The equation and operands of the form `einsum(a, [0, 1], b, [1, 2], [0, 2])`."""
    def letters(labels: Sequence[Any]) -> str:
        text = ""
        for n in labels:
            if n is not Ellipsis and not 0 <= n < 52:
                raise ValueError("einsum(): subscript in subscript list is not within the valid range [0, 52)")
            text += _DOTS if n is Ellipsis else _LETTERS[n]
        return text
    pairs = len(operands) // 2
    equation = ",".join(letters(operands[2 * i + 1]) for i in range(pairs))
    return equation + ("->" + letters(operands[-1]) if len(operands) % 2 else ""), [
        operands[2 * i] for i in range(pairs)
    ]


def _labelled(equation: str, operands: Sequence[Any]) -> tuple[list[tuple], tuple]:
    """Labels of each operand's dimensions and of the result's; those of an ellipsis are numbered from the last, -1."""
    source, arrow, target = equation.partition("->")
    parts, place = [], 0
    for i, text in enumerate(source.split(",")):
        parts.append(_subscripts(text, place, f"operand {i}"))
        place += len(text) + 1
    if len(parts) != len(operands):
        raise RuntimeError(
            f"einsum(): {'fewer' if len(parts) > len(operands) else 'more'} operands were provided than specified in "
            "the equation"
        )
    labels: list[tuple] = []
    extra = 0
    for i, (part, x) in enumerate(zip(parts, operands, strict=True)):
        named = len([n for n in part if n != _DOTS])
        if named > x.ndim or named < x.ndim and _DOTS not in part:
            raise RuntimeError(
                f"einsum(): the number of subscripts in the equation ({named}) "
                f"{'is more than' if _DOTS in part else 'does not match'} the number of dimensions ({x.ndim}) "
                f"for operand {i}" + ("" if _DOTS in part else " and no ellipsis was given")
            )
        dots = tuple(range(named - x.ndim, 0))
        extra = max(extra, len(dots))
        labels.append(tuple(n for name in part for n in (dots if name == _DOTS else (name,))))
    out: list[Any] = []
    every = [n for part in labels for n in part]
    if not arrow:
        return labels, (
            *range(-extra, 0),
            *sorted((n for n in set(every) if type(n) is str and every.count(n) == 1), key=_LETTERS.index),
        )
    for name in _subscripts(target, len(source) + 2, "output"):
        if name != _DOTS and name not in every:
            raise RuntimeError(
                f"einsum(): output subscript {name} does not appear in the equation for any input operand"
            )
        if name in out:
            raise RuntimeError(f"einsum(): output subscript {name} appears more than once in the output")
        out += range(-extra, 0) if name == _DOTS else (name,)
    return labels, tuple(out)


def _check_sizes(labels: list[tuple], operands: Sequence[Any]) -> None:
    seen: dict[Any, int] = {}
    for i, (part, x) in enumerate(zip(labels, operands, strict=True)):
        own: dict[Any, int] = {}
        for n, size in zip(part, x.shape, strict=True):
            if own.setdefault(n, size) != size:
                raise RuntimeError(
                    f"einsum(): subscript {n} is repeated for operand {i} but the sizes don't match, {size} != {own[n]}"
                )
        for n, size in own.items():
            if seen.get(n, 1) != 1 and size not in (1, seen[n]):
                where = f"subscript {n}" if type(n) is str else "dimension of the ellipsis"
                raise RuntimeError(
                    f"einsum(): {where} has size {size} for operand {i} which does not broadcast with previously seen "
                    f"size {seen[n]}"
                )
            seen[n] = size if seen.get(n, 1) == 1 else seen[n]


def _single(x: Any, labels: tuple, out: tuple) -> Any:
    """One operand brought to the labels `out`: a view where only the order changes."""
    if labels == out:
        return x
    if len(labels) == len(out):
        return x.permute(tuple(labels.index(n) for n in out))
    return _relabelled(x, labels, out)


@composite(
    "torch",
    cases=[("ij,jk->ik", S(2, 3), S(3, 4)), ("...ii->...i", S(2, 3, 3)), ("i,j,k->kji", S(2), S(3), S(4))],
    wrong=[(("ij->k", S(2, 3)), RuntimeError, "output subscript k does not appear")],
)
def einsum(*args):
    """The sum of products that an equation like "ij,jk->ik" names; also `einsum(a, [0, 1], b, [1, 2], [0, 2])`.

    Labels that are not in the result are summed over, a label twice in one operand takes its diagonal,
    "..." stands for any dimensions.
    """
    if len(args) < 2:
        raise ValueError(
            "einsum(): must specify the equation string and at least one operand, or at least one operand and its "
            "subscripts list"
        )
    if isinstance(args[0], str):
        equation, operands = args[0], args[1:]
    elif hasattr(args[0], "ndim"):
        equation, operands = _listed(args)  # type: ignore[assignment]
    else:
        raise TypeError(f"einsum(): argument 'equation' (position 1) must be str, not {type(args[0]).__name__}")
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    labels, out = _labelled(equation, operands)
    _check_sizes(labels, operands)
    later = [set(out).union(*labels[i + 1:]) for i in range(len(labels))]
    total: Any = None
    have: tuple = ()
    for x, mine, wanted in zip(operands, labels, later, strict=True):
        plain = tuple(dict.fromkeys(mine))
        if total is None:
            total, have = (x, mine) if len(plain) == len(mine) else (_relabelled(x, mine, plain), plain)
            continue
        x = x if len(plain) == len(mine) else _relabelled(x, mine, plain)
        last = mine is labels[-1] and wanted == set(out)
        kept = (
            out
            if last and wanted <= set(have) | set(plain)
            else tuple(n for n in dict.fromkeys(have + plain) if n in wanted)
        )
        total, have = contract(total, x, have, plain, kept), kept
    return _single(total, have, out)


# ---- tensordot and its kin

@composite("torch out", cases=[(S(2, 3, 4), S(3, 4, 5)), (S(2, 3), S(3, 4), 1), (S(2, 3), S(4, 2), ((0,), (1,)))])
def tensordot(a, b, dims=2):
    """Sums of products over the last `dims` dimensions of `a` and the first of `b`, or over two lists of them."""
    dims = dims.tolist() if hasattr(dims, "tolist") else dims
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(a.ndim, b.ndim):
            raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
        of_a, of_b = list(range(-dims, 0)), list(range(dims))
    else:
        of_a, of_b = ([d] if isinstance(d, int) else list(d) for d in dims)
    if len(of_a) != len(of_b):
        raise RuntimeError("both dimension lists should have same length")
    if a.dtype is not b.dtype:
        raise RuntimeError("both inputs should have same dtype")
    labels_a: list[Any] = [f"a{i}" for i in range(a.ndim)]
    labels_b: list[Any] = [f"b{i}" for i in range(b.ndim)]
    for i, (p, q) in enumerate(zip(of_a, of_b, strict=True)):
        wp, wq = wrap(p, a.ndim), wrap(q, b.ndim)
        if a.shape[wp] != b.shape[wq] and 1 not in (a.shape[wp], b.shape[wq]):
            raise RuntimeError(
                f"contracted dimensions need to match, but first has size {a.shape[wp]} in dim {p} and second has size "
                f"{b.shape[wq]} in dim {q}"
            )
        labels_a[wp] = labels_b[wq] = i
    out = tuple(n for n in labels_a + labels_b if type(n) is str)
    return contract(a, b, tuple(labels_a), tuple(labels_b), out)


@composite("torch method out", cases=[(S(2, 3), S(3, 2)), (S(2), S(3, 2))])
def kron(input, other):
    """The Kronecker product: every element of `input` times the whole of `other`, in blocks."""
    ndim = max(input.ndim, other.ndim)
    a, b = ((1,) * (ndim - x.ndim) + tuple(x.shape) for x in (input, other))
    product = input.reshape(tuple(n for s in a for n in (s, 1))) * other.reshape(tuple(n for s in b for n in (1, s)))
    return product.reshape(tuple(p * q for p, q in zip(a, b, strict=True)))


def _best_order(sizes: list[int]) -> list[list[int]]:
    """Where to split each stretch of a chain of matrices so that the products cost least (Cormen et al., 15.2)."""
    n = len(sizes) - 1
    cost = [[0] * n for _ in range(n)]
    split = [[0] * n for _ in range(n)]
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            cost[i][j], split[i][j] = min(
                (cost[i][k] + cost[k + 1][j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k) for k in range(i, j)
            )
    return split


def _chained(matrices: Sequence[Any], split: list[list[int]], i: int, j: int) -> Any:
    if i == j:
        return matrices[i]
    k = split[i][j]
    return mm(_chained(matrices, split, i, k), _chained(matrices, split, k + 1, j))


@composite("", alias="linalg.multi_dot")
def _multi_dot(tensors, *, out=None):
    """The product of several matrices, in the order that costs least; the first and the last may be vectors."""
    tensors = list(tensors)
    count = len(tensors)
    if count < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {count}")
    for place, x in (("first", tensors[0]), ("last", tensors[-1])):
        if x.ndim not in (1, 2):
            raise RuntimeError(f"multi_dot(): the {place} tensor must be 1D or 2D but got {x.ndim}D")
    for i, x in enumerate(tensors):
        if 0 < i < count - 1 and x.ndim != 2:
            raise RuntimeError(f"multi_dot(): tensor {i} must be 2D but got {x.ndim}D")
        if x.dtype is not tensors[0].dtype:
            raise RuntimeError(
                f"multi_dot(): all tensors must have be the same dtype but tensor 0 is {cpp_name(tensors[0])} "
                f"and tensor {i} {cpp_name(x)}"
            )
    row, column = tensors[0].ndim == 1, tensors[-1].ndim == 1
    shown = [list(x.shape) for x in tensors]
    if row:
        tensors[0] = tensors[0].unsqueeze(0)
    if column:
        tensors[-1] = tensors[-1].unsqueeze(1)
    for i in range(count - 1):
        if tensors[i].shape[1] != tensors[i + 1].shape[0]:
            raise RuntimeError(
                f"multi_dot(): tensors {i} and {i + 1} with shapes {shown[i]} and {shown[i + 1]} cannot be multiplied"
            )
    y = _chained(tensors, _best_order([tensors[0].shape[0], *(x.shape[1] for x in tensors)]), 0, count - 1)
    y = y.reshape((*(() if row else y.shape[:1]), *(() if column else y.shape[1:])))
    if out is None:
        return y
    if out.shape != y.shape:
        out.resize_(y.shape)
    return out.copy_(y)


@composite("torch")
def chain_matmul(*matrices, out=None):
    """The product of several matrices, in the order that costs least."""
    for x in matrices:
        if x.ndim != 2:
            raise RuntimeError(f"Tensor dimension is {x.ndim}, expected 2 instead.")
    return matrices[0] if len(matrices) == 1 else _multi_dot(matrices, out=out)



def eye_like(x, rows: int, columns: int | None = None):
    """A unit matrix in the company of `x`, for composites and gradient rules."""
    return _eye_like(x, rows, rows if columns is None else columns)


def unit_like(x):
    """Unit matrices of the shape of `x`, on the tape if it is: with gradient 0."""
    return x.masked_fill(filled(x, (), True, dtypes.bool_), 0) + eye_like(x, *x.shape[-2:])


@op(lambda input, rows, columns: input.like((rows, columns)), api="", upcast=False, detaches=True, cases=[(S(1), 2, 3)])
def _eye_like(xp, input: T, rows, columns):
    """A unit matrix of the dtype of `input`."""
    return xp.eye(rows, columns, dtype=input.dtype)


@composite("torch method out", alias="linalg.matrix_power", cases=[(S(3, 3), 3), (S(2, 3, 3), 0)])
def matrix_power(input, n):
    """The product of `n` copies of a square matrix; of its inverse if n is negative."""
    check_square("linalg.matrix_power", input)
    if n == 0:
        return unit_like(input)
    if n < 0:
        from .solving import inv
        input, n = inv(input), -n
    if n == 1:
        return input.clone() if not isinstance(n, bool) else input
    power, y = input, None
    while n:
        if n & 1:
            y = power if y is None else matmul(y, power)
        n >>= 1
        if n:
            power = matmul(power, power)
    return y


def _traced(input: Spec) -> Spec:
    if input.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {input.ndim}")
    return input.like((), dtypes.int64 if input.dtype.category < dtypes.FLOATING else None)


@op(_traced, api="torch method", grad=lambda g, input_spec: eye_like(g, *input_spec.shape) * g, cases=[(S(3, 4),)],
    wrong=[((S(3),), RuntimeError, "trace: expected a matrix, but got tensor with dim 1")])
def trace(xp, input: T):
    """The sum of the diagonal of a matrix."""
    return xp.trace(input, dtype="int64" if input.dtype.kind in "iub" else None)


# ---- vectors

def _crossed(input: Spec, other: Spec, dim: int) -> Spec:
    if input.ndim != other.ndim:
        raise RuntimeError("linalg.cross: inputs must have the same number of dimensions.")
    place = wrap(dim, input.ndim)
    if input.shape[place] != 3 or other.shape[place] != 3:
        raise RuntimeError(
            f"linalg.cross: inputs dimension {dim} must have length 3. Got {input.shape[place]} and "
            f"{other.shape[place]}"
        )
    shape = broadcast_shapes(input.shape, other.shape)
    one_dtype(input, other)
    no_bool(input, "cross")
    return input.like(shape)


@op(_crossed, api="", shown="LinalgCross",
    grad=dict(input=lambda g, other, dim: _cross(conj(other).expand(g.shape), g, dim),
              other=lambda g, input, dim: _cross(g, conj(input).expand(g.shape), dim)),
    cases=[(S(4, 3), S(4, 3), -1), (S(3, 1), S(3, 2), 0)])
def _cross(xp, input: T, other: T, dim):
    """The vectors at right angles to those of two tensors along `dim`, which has three elements."""
    a, b = xp.moveaxis(input, dim, 0), xp.moveaxis(other, dim, 0)
    return xp.stack([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]], axis=dim)


@composite("torch method out", cases=[(S(4, 3), S(4, 3))])
def cross(input, other, dim=None):
    """The cross product of vectors along `dim`, the first dimension of size 3 if it is None."""
    if dim is None:
        if input.ndim != other.ndim:
            raise RuntimeError("linalg.cross: inputs must have the same number of dimensions.")
        dim = next((i for i, n in enumerate(input.shape) if n == 3), None)
        if dim is None:
            raise RuntimeError("no dimension of size 3 in input")
    return _cross(input, other, dim)


@composite("out", alias="linalg.cross", cases=[(S(4, 3), S(1, 3))])
def _linalg_cross(input, other, *, dim=-1):
    """The cross product of vectors along `dim`, which has size 3."""
    return _cross(input, other, dim)


@composite("out", alias="linalg.vecdot", cases=[(S(4, 3), S(3))])
def _vecdot(x, y, *, dim=-1):
    """The sums of products along `dim`, elements of `x` conjugated."""
    if x.dtype.category < dtypes.FLOATING:
        raise RuntimeError(f"linalg.vecdot: Expected a floating point or complex tensor as input. Got {title(x.dtype)}")
    if x.dtype is not y.dtype:
        raise RuntimeError(
            f"linalg.vecdot: Expected x and y to have the same dtype, but found x of type {title(x.dtype)} "
            f"and y of type {title(y.dtype)} instead"
        )
    return ((x.conj() if x.dtype.is_complex else x) * y).sum(dim)
