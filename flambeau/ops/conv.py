"""Convolutions in one, two and three dimensions, and their transposes: a family closed under differentiation."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..graph import Spec
from . import _convolution as fast
from . import _convolution_xla as compiled
from ._op import S, T, composite, op
from ._rules import pair, title
from .elementwise import conj

WORDS = {
    "float32": "float",
    "float64": "double",
    "float16": "c10::Half",
    "bfloat16": "c10::BFloat16",
    "int64": "long long",
    "int32": "int",
    "complex64": "c10::complex<float>",
    "complex128": "c10::complex<double>",
}


def _way(xp: Any, name: str) -> Callable:
    """A function of `_convolution`, or its namesake for a compiler."""
    return getattr(fast, name) if xp.host else functools.partial(getattr(compiled, name), xp)


# ---- what all of them check


def _pads(padding: Any, kernel: tuple, dilation: Any) -> tuple[tuple[int, int], ...]:
    """The padding before and after each dimension; "same" puts the odd one after."""
    if padding == "valid":
        return ((0, 0),) * len(kernel)
    if padding == "same":
        reach = [d * (k - 1) for d, k in zip(pair(dilation, len(kernel)), kernel, strict=True)]
        return tuple((r // 2, r - r // 2) for r in reach)
    return tuple((p, p) for p in pair(padding, len(kernel)))


def _sized(name: str, value: Any, n: int) -> tuple[int, ...]:
    values = pair(value, n)
    if len(values) != n:
        raise RuntimeError(
            f"expected {name} to be a single integer value or a list of {n} values to match the convolution "
            f"dimensions, but got {name}={list(values)}"
        )
    return values


def _checked(
    n: int,
    name: str,
    input: Spec,
    weight: Spec,
    bias: Spec | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
    transposed: bool,
) -> None:
    """PyTorch's errors for operands and numbers that do not fit together."""
    if input.ndim not in (n + 1, n + 2):
        raise RuntimeError(
            f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to {name}, but got input of size: "
            f"{list(input.shape)}"
        )
    if isinstance(padding, str) and padding not in ("same", "valid"):
        raise RuntimeError(f"Invalid padding string: '{padding}'")
    if bias is not None and bias.dtype is not input.dtype:
        raise RuntimeError(
            f"Input type ({WORDS.get(input.dtype.name, input.dtype.name)}) and bias type "
            f"({WORDS.get(bias.dtype.name, bias.dtype.name)}) should be the same"
        )
    if weight.ndim != n + 2:
        raise RuntimeError(
            f"expected stride to be a single integer value or a list of {weight.ndim - 2} values to match the "
            f"convolution dimensions, but got stride={list(pair(stride, n))}"
        )
    strides, dilations = _sized("stride", stride, n), _sized("dilation", dilation, n)
    if not isinstance(padding, str) and min(_sized("padding", padding, n)) < 0:
        raise RuntimeError("negative padding is not supported")
    if padding == "same" and any(s != 1 for s in strides):
        raise RuntimeError("padding='same' is not supported for strided convolutions")
    if min(strides) <= 0:
        raise RuntimeError("non-positive stride is not supported")
    if min(dilations) <= 0:
        raise RuntimeError(f"dilation should be greater than zero, but got {list(dilations)}")
    if groups <= 0:
        raise RuntimeError("non-positive groups is not supported")
    size, batched = list(weight.shape), [1] * (n + 2 - input.ndim) + list(input.shape)
    if size[0] < groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be at least {groups} at dimension 0, but got weight of size "
            f"{size} instead"
        )
    if size[0] % groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, but got weight of "
            f"size [{size}] instead"
        )
    wanted = size[0] if transposed else size[1] * groups
    if batched[1] != wanted:
        raise RuntimeError(
            f"Given {'transposed=1' if transposed else f'groups={groups}'}, weight of size {size}, expected "
            f"input{batched} to have {wanted} channels, but got {batched[1]} channels instead"
        )
    features = size[1] * groups if transposed else size[0]
    if bias is not None and bias.shape != (features,):
        raise RuntimeError(
            f"Given {'transposed=1, ' if transposed else ''}weight of size {size}, expected bias to be 1-dimensional "
            f"with {features} elements, but got bias of size {list(bias.shape)} instead"
        )
    if input.dtype is not weight.dtype:
        raise RuntimeError(f"expected scalar type {title(input.dtype)} but found {title(weight.dtype)}")


def _times(values: Any) -> str:
    return "(" + " x ".join(str(v) for v in values) + ")"


# ---- convolution


def _convolved(n: int) -> Callable[..., Spec]:
    def rule(input: Spec, weight: Spec, bias: Spec | None, stride, padding, dilation, groups) -> Spec:
        _checked(n, f"conv{n}d", input, weight, bias, stride, padding, dilation, groups, False)
        kernel, sizes, dilation = weight.shape[2:], input.shape[-n:], pair(dilation, n)
        pads = _pads(padding, kernel, dilation)
        padded = [s + lo + hi for s, (lo, hi) in zip(sizes, pads, strict=True)]
        if any(p < d * (k - 1) + 1 for p, d, k in zip(padded, dilation, kernel, strict=True)):
            reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
            raise RuntimeError(
                f"Calculated padded input size per channel: {_times(padded)}. Kernel size: {_times(reach)}. "
                "Kernel size can't be greater than actual input size"
            )
        return input.like(
            (*input.shape[: -n - 1], weight.shape[0], *fast.out_sizes(sizes, kernel, pair(stride, n), pads, dilation))
        )

    return rule


def _run(correlate: Callable, x: Any, w: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    n = w.ndim - 2
    pads = _pads(padding, w.shape[2:], dilation)
    if x.ndim == n + 1:
        return correlate(x[None], w, bias, pair(stride, n), pads, pair(dilation, n), groups)[0]
    return correlate(x, w, bias, pair(stride, n), pads, pair(dilation, n), groups)


def _over(xp, input, weight, bias, stride, padding, dilation, groups):
    return _run(_way(xp, "correlate"), input, weight, bias, stride, padding, dilation, groups)


def _settled(weight: Any, stride: Any, padding: Any, dilation: Any) -> tuple:
    """Stride, paddings and dilation as tuples with an entry for each dimension."""
    kernel = tuple(weight.shape[2:])
    return pair(stride, len(kernel)), _pads(padding, kernel, dilation), pair(dilation, len(kernel))


def _bias_grad(g, weight_spec):
    return g.sum((*range(g.ndim - weight_spec.ndim + 1), *range(g.ndim - weight_spec.ndim + 2, g.ndim)))


CONVOLUTION = dict(
    input=lambda g, input_spec, weight, stride, padding, dilation, groups: _conv_input(
        g, conj(weight), input_spec.shape[2 - weight.ndim :], *_settled(weight, stride, padding, dilation), groups
    ),
    weight=lambda g, input, weight_spec, stride, padding, dilation, groups: _conv_weight(
        conj(input), g, weight_spec.shape[2:], *_settled(weight_spec, stride, padding, dilation), groups
    ),
    bias=_bias_grad,
)
FORMS: dict[str, Any] = {"api": "torch nn.functional", "shown": "Convolution"}


@op(
    _convolved(1),
    **FORMS,
    grad=CONVOLUTION,
    cases=[(S(2, 4, 9), S(6, 2, 3), S(6), 2, 1, 2, 2), (S(4, 9), S(6, 4, 2), None, 1, "same")],
    wrong=[((S(5), S(6, 3, 3)), RuntimeError, "Expected 2D (unbatched) or 3D (batched) input to conv1d")],
)
def conv1d(xp, input: T, weight: T, bias: T = None, stride=1, padding=0, dilation=1, groups=1):
    """Cross-correlation of signals with filters: (N, C, L) or (C, L), (O, C / groups, K) -> (N, O, L'). See conv2d."""
    return _over(xp, input, weight, bias, stride, padding, dilation, groups)


@op(
    _convolved(2),
    **FORMS,
    grad=CONVOLUTION,
    cases=[
        (S(2, 4, 6, 5), S(6, 4, 3, 3), S(6), 1, 1),
        (S(2, 4, 6, 5), S(6, 2, 3, 2), S(6), (2, 1), (1, 0), (1, 2), 2),
        (S(4, 6, 5), S(4, 1, 2, 3), None, 1, "same", 1, 4),
        (S(2, 1, 4, 4), S(5, 1, 3, 3), S(5), 1, "valid"),
    ],
    wrong=[
        ((S(1, 4, 5, 5), S(6, 3, 3, 3)), RuntimeError, "to have 3 channels, but got 4 channels instead"),
        ((S(1, 3, 2, 2), S(6, 3, 3, 3)), RuntimeError, "Kernel size can't be greater than actual input size"),
        ((S(1, 3, 5, 5), S(6, 3, 3, 3), S(5)), RuntimeError, "expected bias to be 1-dimensional with 6 elements"),
        ((S(1, 3, 5, 5), S(6, 3, 3, 3), None, 2, "same"), RuntimeError, "not supported for strided convolutions"),
        ((S(1, 3, 5, 5), S(6, 3, 3, 3), None, 0), RuntimeError, "non-positive stride is not supported"),
    ],
)
def conv2d(xp, input: T, weight: T, bias: T = None, stride=1, padding=0, dilation=1, groups=1):
    """Cross-correlation of images with filters.

    input (N, C, H, W) or (C, H, W), weight (O, C / groups, kH, kW), bias (O,) -> (N, O, H', W'), with
    H' = (H + 2 * padding - dilation * (kH - 1) - 1) // stride + 1, and W' likewise.
    Padding "same" keeps the size, "valid" is 0.
    RuntimeError if channels, bias or sizes do not fit.
    """
    return _over(xp, input, weight, bias, stride, padding, dilation, groups)


@op(_convolved(3), **FORMS, grad=CONVOLUTION, cases=[(S(2, 4, 4, 3, 5), S(4, 2, 2, 2, 3), S(4), (1, 1, 2), 1, 1, 2)])
def conv3d(xp, input: T, weight: T, bias: T = None, stride=1, padding=0, dilation=1, groups=1):
    """Cross-correlation of volumes (N, C, D, H, W) with filters (O, C / groups, kD, kH, kW) -> (N, O, D', H', W')."""
    return _over(xp, input, weight, bias, stride, padding, dilation, groups)


# ---- the transpose: the gradient of a convolution in its input


def _transposed(n: int) -> Callable[..., Spec]:
    def rule(input: Spec, weight: Spec, bias: Spec | None, stride, padding, output_padding, groups, dilation) -> Spec:
        _checked(n, f"conv_transpose{n}d", input, weight, bias, stride, padding, dilation, groups, True)
        extra, strides, dilations = _sized("output_padding", output_padding, n), pair(stride, n), pair(dilation, n)
        if min(extra) < 0:
            raise RuntimeError("negative output_padding is not supported")
        if any(e >= s and e >= d for e, s, d in zip(extra, strides, dilations, strict=True)):
            axes = ("width",) if n == 1 else ("height", "width") if n == 2 else ("depth", "height", "width")
            told = " ".join(
                f"{name}_{axis}: {v}"
                for name, values in (("output_padding", extra), ("stride", strides), ("dilation", dilations))
                for axis, v in zip(axes, values, strict=True)
            )
            raise RuntimeError(f"output padding must be smaller than either stride or dilation, but got {told}")
        sizes = _widened(input.shape[-n:], weight.shape[2:], strides, pair(padding, n), extra, dilations)
        if min(sizes) < 1:
            raise RuntimeError(
                f"Given input size per channel: {_times(input.shape[-n:])}. Calculated output size per channel: "
                f"{_times(sizes)}. Output size is too small"
            )
        return input.like((*input.shape[: -n - 1], weight.shape[1] * groups, *sizes))

    return rule


def _widened(sizes: Any, kernel: Any, stride: tuple, padding: tuple, extra: tuple, dilation: tuple) -> tuple[int, ...]:
    return tuple(
        (m - 1) * s - 2 * p + d * (k - 1) + e + 1
        for m, k, s, p, e, d in zip(sizes, kernel, stride, padding, extra, dilation, strict=True)
    )


def _undone(weight: Any, stride: Any, padding: Any, output_padding: Any, dilation: Any) -> tuple:
    """Stride, paddings and dilation of the convolution that goes the other way; the output padding is cropped."""
    n = weight.ndim - 2
    pads = tuple((p, p - e) for p, e in zip(pair(padding, n), pair(output_padding, n), strict=True))
    return pair(stride, n), pads, pair(dilation, n)


def _run_back(
    correlate: Callable,
    x: Any,
    w: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: int,
    dilation: Any,
) -> Any:
    n = w.ndim - 2
    sizes = _widened(
        x.shape[-n:], w.shape[2:], pair(stride, n), pair(padding, n), pair(output_padding, n), pair(dilation, n)
    )
    strides, pads, dilations = _undone(w, stride, padding, output_padding, dilation)
    y = correlate(x[None] if x.ndim == n + 1 else x, w, bias, sizes, strides, pads, dilations, groups)
    return y[0] if x.ndim == n + 1 else y


def _back(xp, input, weight, bias, stride, padding, output_padding, groups, dilation):
    way = _way(xp, "correlate_input")
    return _run_back(way, input, weight, bias, stride, padding, output_padding, groups, dilation)


TRANSPOSE = dict(
    input=lambda g, weight, stride, padding, output_padding, groups, dilation: _convolution(
        g, conj(weight), *_undone(weight, stride, padding, output_padding, dilation), groups
    ),
    weight=lambda g, input, weight_spec, stride, padding, output_padding, groups, dilation: _conv_weight(
        g, conj(input), weight_spec.shape[2:], *_undone(weight_spec, stride, padding, output_padding, dilation), groups
    ),
    bias=_bias_grad,
)


@op(_transposed(1), **FORMS, grad=TRANSPOSE, cases=[(S(2, 4, 5), S(4, 2, 3), S(4), 2, 1, 1, 2)])
def conv_transpose1d(
    xp, input: T, weight: T, bias: T = None, stride=1, padding=0, output_padding=0, groups=1, dilation=1
):
    """The transpose of conv1d: input (N, C, L), weight (C, O / groups, K) -> (N, O, L'). See conv_transpose2d."""
    return _back(xp, input, weight, bias, stride, padding, output_padding, groups, dilation)


@op(
    _transposed(2),
    **FORMS,
    grad=TRANSPOSE,
    cases=[
        (S(2, 4, 3, 4), S(4, 2, 3, 2), S(2)),
        (S(2, 4, 3, 4), S(4, 2, 3, 2), S(4), (2, 3), 1, (1, 0), 2, (1, 2)),
        (S(4, 3, 4), S(4, 2, 3, 2)),
    ],
    wrong=[
        (
            (S(1, 4, 5, 5), S(4, 6, 3, 3), None, 1, 0, 1),
            RuntimeError,
            "output padding must be smaller than either stride or dilation",
        ),
        ((S(1, 4, 5, 5), S(3, 6, 3, 3)), RuntimeError, "Given transposed=1"),
    ],
)
def conv_transpose2d(
    xp, input: T, weight: T, bias: T = None, stride=1, padding=0, output_padding=0, groups=1, dilation=1
):
    """The transpose of conv2d: what its gradient in the input computes.

    input (N, C, H, W) or (C, H, W), weight (C, O / groups, kH, kW), bias (O,) -> (N, O, H', W'), with
    H' = (H - 1) * stride - 2 * padding + dilation * (kH - 1) + output_padding + 1, and W' likewise.
    RuntimeError if sizes do not fit.
    """
    return _back(xp, input, weight, bias, stride, padding, output_padding, groups, dilation)


@op(_transposed(3), **FORMS, grad=TRANSPOSE, cases=[(S(1, 2, 2, 3, 2), S(2, 2, 2, 2, 3), S(2), 2, 0, 1)])
def conv_transpose3d(
    xp, input: T, weight: T, bias: T = None, stride=1, padding=0, output_padding=0, groups=1, dilation=1
):
    """The transpose of conv3d: (N, C, D, H, W), (C, O / groups, kD, kH, kW) -> (N, O, D', H', W')."""
    return _back(xp, input, weight, bias, stride, padding, output_padding, groups, dilation)


# ---- what gradients are made of; `pads` holds a pair for each dimension


def _plain(input: Spec, weight: Spec, stride, pads, dilation, groups) -> Spec:
    n = weight.ndim - 2
    return input.like(
        (
            *input.shape[: -n - 1],
            weight.shape[0],
            *fast.out_sizes(input.shape[-n:], weight.shape[2:], stride, pads, dilation),
        )
    )


def _batched(x: Any, n: int) -> Any:
    return x[None] if x.ndim == n + 1 else x


@op(
    _plain,
    api="",
    shown="Convolution",
    cases=[(S(2, 4, 5), S(6, 2, 3), (2,), ((1, 0),), (1,), 2)],
    grad=dict(
        input=lambda g, input_spec, weight, stride, pads, dilation, groups: _conv_input(
            g, conj(weight), input_spec.shape[2 - weight.ndim :], stride, pads, dilation, groups
        ),
        weight=lambda g, input, weight_spec, stride, pads, dilation, groups: _conv_weight(
            conj(input), g, weight_spec.shape[2:], stride, pads, dilation, groups
        ),
    ),
)
def _convolution(xp, input: T, weight: T, stride, pads, dilation, groups):
    """Cross-correlation with pairs of paddings: (N, C, *sizes), (O, C / groups, *kernel) -> (N, O, *out)."""
    x = _batched(input, len(stride))
    y = _way(xp, "correlate")(x, weight, None, stride, pads, dilation, groups)
    return y if input.ndim == weight.ndim else y[0]


@op(
    lambda input, weight, sizes, groups: input.like(
        (*input.shape[: -len(sizes) - 1], weight.shape[1] * groups, *sizes)
    ),
    api="",
    shown="Convolution",
    cases=[(S(2, 6, 2), S(6, 2, 3), (5,), (2,), ((1, 0),), (1,), 2)],
    grad=dict(
        input=lambda g, weight, stride, pads, dilation, groups: _convolution(
            g, conj(weight), stride, pads, dilation, groups
        ),
        weight=lambda g, input, weight_spec, stride, pads, dilation, groups: _conv_weight(
            g, conj(input), weight_spec.shape[2:], stride, pads, dilation, groups
        ),
    ),
)
def _conv_input(xp, input: T, weight: T, sizes, stride, pads, dilation, groups):
    """The adjoint of `_convolution` in its input: (N, O, *out), (O, C / groups, *kernel) -> (N, C, *sizes)."""
    x = _batched(input, len(sizes))
    x = _way(xp, "correlate_input")(x, weight, None, sizes, stride, pads, dilation, groups)
    return x if input.ndim == weight.ndim else x[0]


@op(
    lambda input, other, kernel, groups: input.like(
        (other.shape[-len(kernel) - 1], input.shape[-len(kernel) - 1] // groups, *kernel)
    ),
    api="",
    shown="ConvolutionBackward",
    cases=[(S(2, 4, 5), S(2, 6, 2), (3,), (2,), ((1, 0),), (1,), 2)],
    grad=dict(
        input=lambda g, input_spec, other, kernel, stride, pads, dilation, groups: _conv_input(
            conj(other), g, input_spec.shape[-len(kernel) :], stride, pads, dilation, groups
        ),
        other=lambda g, input, stride, pads, dilation, groups: _convolution(
            conj(input), g, stride, pads, dilation, groups
        ),
    ),
)
def _conv_weight(xp, input: T, other: T, kernel, stride, pads, dilation, groups):
    """The adjoint of `_convolution` in its weight: (N, C, *sizes), (N, O, *out) -> (O, C / groups, *kernel)."""
    x, g = _batched(input, len(kernel)), _batched(other, len(kernel))
    return _way(xp, "correlate_weight")(x, g, kernel, stride, pads, dilation, groups)


# ---- under other names


@composite(
    "torch",
    cases=[
        (S(2, 3, 5), S(4, 3, 2), S(4), (1,), (1,), (1,), False, (0,), 1),
        (S(2, 3, 5), S(3, 4, 2), None, (2,), (1,), (1,), True, (1,), 1),
    ],
)
def convolution(input, weight, bias, stride, padding, dilation, transposed, output_padding, groups):
    """Any convolution, over two dimensions less than `weight` has; the transpose of one if `transposed`."""
    n = weight.ndim - 2
    if transposed:
        return (conv_transpose1d, conv_transpose2d, conv_transpose3d)[n - 1](
            input, weight, bias, stride, padding, output_padding, groups, dilation
        )
    return (conv1d, conv2d, conv3d)[n - 1](input, weight, bias, stride, padding, dilation, groups)


@composite("torch nn.functional", cases=[(S(5, 2, 3), S(2, 3, 4), S(4), 1)])
def conv_tbc(input, weight, bias, pad=0):
    """Convolution over sequences with time first: input (T, B, C), weight (K, C, O), bias (O,) -> (T', B, O)."""
    return conv1d(input.permute(1, 2, 0), weight.permute(2, 1, 0), bias, 1, pad).permute(2, 0, 1)
