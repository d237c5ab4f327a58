"""Fourier transforms, of whole signals and of short stretches of them."""
from __future__ import annotations

from typing import Any

from .. import dtypes
from ..device import CPU, resolve
from ..graph import Spec, spec
from ._op import S, T, composite, op
from ._rules import title, wrap
from .core import filled
from .joining import cat

_OPPOSITE = {"backward": "forward", "forward": "backward", "ortho": "ortho"}


# ---- the three transforms that all others are made of; each is, up to scale, the gradient of another

def _scaled(norm: Any) -> str:
    """Which direction is divided by the number of points."""
    if norm is None:
        return "backward"
    if norm not in _OPPOSITE:
        raise RuntimeError(f'Invalid normalization mode: "{norm}"')
    return norm


def _complex_spec(input: Spec, dims: tuple, norm: str, forward: bool) -> Spec:
    return input.like(dtype=input.dtype.to_complex())


@op(
    _complex_spec,
    api="",
    shown="FftC2C",
    grad=lambda g, dims, norm, forward: _c2c(g, dims, _OPPOSITE[norm], not forward),
    cases=[(S(4, 3), (0, 1), "ortho", True), (S(5), (0,), "backward", False)],
)
def _c2c(xp, input: T, dims, norm, forward):
    """The transform over `dims`, `forward` or inverse, to a complex result of the same shape."""
    return (xp.fft.fftn if forward else xp.fft.ifftn)(input, axes=dims, norm=norm)


def _half_spec(input: Spec, dims: tuple, norm: str) -> Spec:
    last = dims[-1]
    return input.like([n // 2 + 1 if i == last else n for i, n in enumerate(input.shape)], input.dtype.to_complex())


def _half_grad(g, input_spec: Spec, dims: tuple, norm: str):
    last = dims[-1]
    missing = input_spec.shape[last] - g.shape[last]
    if missing:
        g = cat((g, filled(g, tuple(missing if i == last else n for i, n in enumerate(g.shape)), 0)), last)
    return _c2c(g, dims, _OPPOSITE[norm], False)


@op(
    _half_spec,
    api="",
    shown="FftR2C",
    grad=_half_grad,
    cases=[(S(4, 3), (0, 1), "ortho"), (S(5), (0,), "backward"), (S(6), (0,), "forward")],
)
def _r2c(xp, input: T, dims, norm):
    """The transform of real numbers over `dims`; of the last only the first half, the rest being its mirror image."""
    return xp.fft.rfftn(input, axes=dims, norm=norm)


def _real_spec(input: Spec, dims: tuple, norm: str, size: int) -> Spec:
    return input.like([size if i == dims[-1] else n for i, n in enumerate(input.shape)], input.dtype.to_real())


def _real_grad(g, dims: tuple, norm: str, size: int):
    """What stands for two points of the spectrum, itself and its mirror image, counts twice."""
    return _mirrored(_r2c(g, dims, _OPPOSITE[norm]), dims[-1], size)


@op(
    _real_spec,
    api="",
    shown="FftC2R",
    grad=_real_grad,
    cases=[(S(4, 3), (0, 1), "ortho", 4), (S(3), (0,), "backward", 5)],
)
def _c2r(xp, input: T, dims, norm, size):
    """The inverse of `_r2c`, the last dimension being given `size` points."""
    sizes = [input.shape[d] for d in dims[:-1]] + [size]
    return xp.fft.irfftn(input, s=sizes, axes=dims, norm=norm).astype(xp.real(input).dtype)


@op(
    lambda input: input.like(),
    api="",
    grad=lambda g, dim, size: _mirrored(g, dim, size),
    cases=[(S(3), 0, 4), (S(3, 2), 0, 5)],
)
def _mirrored(xp, input: T, dim, size):
    """Twice `input`, but for the points that are their own mirror image: the first, and the last of an even `size`."""
    place = xp.arange(input.shape[dim])
    weight = xp.where((place == 0) | (2 * place == size), 1, 2).astype(xp.real(input).dtype)
    return input * xp.reshape(weight, [-1 if i == dim else 1 for i in range(input.ndim)])


# ---- arguments

def _fitted(input, dims: tuple, sizes: tuple):
    """`input` cut, or filled up with zeros, to `sizes` along `dims`."""
    for dim, size in zip(dims, sizes, strict=True):
        have = input.shape[dim]
        if size < have:
            input = input.narrow(dim, 0, size)
        elif size > have:
            input = cat(
                (input, filled(input, tuple(size - have if i == dim else n for i, n in enumerate(input.shape)), 0)), dim
            )
    return input


def _supported(input: Any) -> None:
    if input.dtype.half:
        raise RuntimeError(f"Unsupported dtype {title(input.dtype)}")


def _as_float(input):
    _supported(input)
    return input if input.dtype.category >= dtypes.FLOATING else input.to(dtypes.default_dtype())


def _as_complex(input):
    _supported(input)
    return (
        input
        if input.dtype.is_complex
        else input.to(
            dtypes.of_category(dtypes.FLOATING).to_complex()
            if input.dtype.category < dtypes.FLOATING
            else input.dtype.to_complex()
        )
    )


def _check_points(n: int) -> int:
    if n < 1:
        raise RuntimeError(f"Invalid number of data points ({n}) specified")
    return n


def _one(input: Any, n: int | None, dim: int) -> tuple[tuple, tuple]:
    if input.ndim == 0:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    place = wrap(dim, input.ndim)
    return (place,), (_check_points(input.shape[place] if n is None else n),)


def _several(input: Any, s: Any, dim: Any) -> tuple[tuple, tuple]:
    """The dimensions to transform and their sizes; -1 in `s` keeps a size."""
    s = (s,) if isinstance(s, int) else s
    dim = (dim,) if isinstance(dim, int) else dim
    if dim is not None:
        dims = tuple(wrap(d, input.ndim) for d in dim)
        if len(set(dims)) != len(dims):
            raise RuntimeError("FFT dims must be unique")
        if s is not None and len(s) != len(dims):
            raise RuntimeError("When given, dim and shape arguments must have the same length")
    elif s is not None:
        if len(s) > input.ndim:
            raise RuntimeError(f"Got shape with {len(s)} values but input tensor only has {input.ndim} dimensions.")
        dims = tuple(range(input.ndim - len(s), input.ndim))
    else:
        dims = tuple(range(input.ndim))
    sizes = tuple(input.shape[d] if s is None or s[i] == -1 else s[i] for i, d in enumerate(dims))
    return dims, sizes


def _full(input, dims: tuple, sizes: tuple, norm: Any, forward: bool):
    norm = _scaled(norm)
    for n in sizes:
        _check_points(n)
    input = _as_complex(_fitted(input, dims, sizes))
    return _c2c(input, dims, norm, forward) if dims else input


def _to_half(name: str, input, dims: tuple, sizes: tuple, norm: str):
    if not dims:
        raise RuntimeError(f"{name} must transform at least one axis")
    for n in sizes:
        _check_points(n)
    return _r2c(_as_float(_fitted(input, dims, sizes)), dims, norm)


def _from_half(name: str, input, dims: tuple, sizes: tuple, norm: str, given: bool):
    """`sizes` are of the result; without a given one the last is 2 * (n - 1)."""
    if not dims:
        raise RuntimeError(f"{name} must transform at least one axis")
    last = sizes[-1] if given else 2 * (input.shape[dims[-1]] - 1)
    for n in (*sizes[:-1], last):
        _check_points(n)
    return _c2r(_as_complex(_fitted(input, dims, (*sizes[:-1], last // 2 + 1))), dims, norm, last)


def _conj(x):
    return x.conj() if x.dtype.is_complex else x


# ---- one dimension

@composite("out", alias="fft.fft", cases=[(S(5),), (S(5, 3), 4, 0, "ortho")])
def _fft(input, n=None, dim=-1, norm=None):
    """X_k = sum_j x_j exp(-2 pi i j k / n) along `dim`, which is cut or filled up with zeros to `n`.

    `norm`: "forward" divides by n, "ortho" by its root, "backward" (or None) leaves the division to the inverse.
    """
    return _full(input, *_one(input, n, dim), norm, True)


@composite("fft out", cases=[(S(5),), (S(5, 3), 4, 0, "ortho")])
def ifft(input, n=None, dim=-1, norm=None):
    """x_j = 1 / n sum_k X_k exp(2 pi i j k / n) along `dim`: the inverse of `fft`."""
    return _full(input, *_one(input, n, dim), norm, False)


@composite("fft out", cases=[(S(5),), (S(5, 3), 4, 0, "ortho")])
def rfft(input, n=None, dim=-1, norm=None):
    """`fft` of real numbers, of which only the first n // 2 + 1 points are kept."""
    if input.dtype.is_complex:
        raise RuntimeError(f"rfft expects a real input tensor, but got {title(input.dtype)}")
    return _to_half("rfft", input, *_one(input, n, dim), _scaled(norm))


def _size_of(input: Any, n: int | None, dim: int) -> tuple[tuple, tuple]:
    if input.ndim == 0:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    place = wrap(dim, input.ndim)
    return (place,), (_check_points(2 * (input.shape[place] - 1) if n is None else n),)


@composite("fft out", cases=[(S(5),), (S(5, 3), 4, 0, "ortho")])
def irfft(input, n=None, dim=-1, norm=None):
    """The inverse of `rfft`: `n` real numbers, 2 * (points - 1) unless told."""
    return _from_half("irfft", input, *_size_of(input, n, dim), _scaled(norm), True)


@composite("fft out", cases=[(S(5),), (S(5, 3), 4, 0, "ortho")])
def hfft(input, n=None, dim=-1, norm=None):
    """`fft` of a signal with Hermitian symmetry, of which the first half is given: `n` real numbers."""
    return _from_half("hfft", _conj(input), *_size_of(input, n, dim), _OPPOSITE[_scaled(norm)], True)


@composite("fft out", cases=[(S(5),), (S(5, 3), 4, 0, "ortho")])
def ihfft(input, n=None, dim=-1, norm=None):
    """The inverse of `hfft`: half of a signal with Hermitian symmetry."""
    if input.dtype.is_complex:
        raise RuntimeError(f"ihfft expects a real input tensor, but got {title(input.dtype)}")
    return _to_half("ihfft", input, *_one(input, n, dim), _OPPOSITE[_scaled(norm)]).conj()


# ---- several dimensions

@composite("fft out", cases=[(S(4, 3),), (S(4, 3), (2, 5), (0, 1), "ortho")])
def fftn(input, s=None, dim=None, norm=None):
    """`fft` over the dimensions `dim` (all, or the last len(s)), cut or filled up to `s`."""
    return _full(input, *_several(input, s, dim), norm, True)


@composite("fft out", cases=[(S(4, 3),)])
def ifftn(input, s=None, dim=None, norm=None):
    """The inverse of `fftn`."""
    return _full(input, *_several(input, s, dim), norm, False)


@composite("fft out", cases=[(S(4, 3),)])
def rfftn(input, s=None, dim=None, norm=None):
    """`fftn` of real numbers, of whose last dimension only the first half is kept."""
    if input.dtype.is_complex:
        raise RuntimeError(f"rfftn expects a real-valued input tensor, but got {title(input.dtype)}")
    return _to_half("rfftn", input, *_several(input, s, dim), _scaled(norm))


def _last_given(s: Any) -> bool:
    return s is not None and (s if isinstance(s, int) else s[-1]) != -1


@composite("fft out", cases=[(S(4, 3),)])
def irfftn(input, s=None, dim=None, norm=None):
    """The inverse of `rfftn`; the last size is 2 * (points - 1) unless told."""
    return _from_half("irfftn", input, *_several(input, s, dim), _scaled(norm), _last_given(s))


@composite("fft out", cases=[(S(4, 3),)])
def hfftn(input, s=None, dim=None, norm=None):
    """`fftn` of a signal with Hermitian symmetry, of whose last dimension the first half is given: real numbers."""
    return _from_half("hfftn", _conj(input), *_several(input, s, dim), _OPPOSITE[_scaled(norm)], _last_given(s))


@composite("fft out", cases=[(S(4, 3),)])
def ihfftn(input, s=None, dim=None, norm=None):
    """The inverse of `hfftn`."""
    if input.dtype.is_complex:
        raise RuntimeError(f"Only supports floating-point dtypes, but found: {title(input.dtype)}")
    return _to_half("ihfftn", input, *_several(input, s, dim), _OPPOSITE[_scaled(norm)]).conj()


@composite("fft out", cases=[(S(4, 3),)])
def fft2(input, s=None, dim=(-2, -1), norm=None):
    """`fft` over two dimensions."""
    return fftn(input, s, dim, norm)


@composite("fft out", cases=[(S(4, 3),)])
def ifft2(input, s=None, dim=(-2, -1), norm=None):
    """The inverse of `fft2`."""
    return ifftn(input, s, dim, norm)


@composite("fft out", cases=[(S(4, 3),)])
def rfft2(input, s=None, dim=(-2, -1), norm=None):
    """`rfft` over two dimensions, the second halved."""
    return rfftn(input, s, dim, norm)


@composite("fft out", cases=[(S(4, 3),)])
def irfft2(input, s=None, dim=(-2, -1), norm=None):
    """The inverse of `rfft2`."""
    return irfftn(input, s, dim, norm)


@composite("fft out", cases=[(S(4, 3),)])
def hfft2(input, s=None, dim=(-2, -1), norm=None):
    """`hfft` over two dimensions, of the second of which half is given."""
    return hfftn(input, s, dim, norm)


@composite("fft out", cases=[(S(4, 3),)])
def ihfft2(input, s=None, dim=(-2, -1), norm=None):
    """The inverse of `hfft2`."""
    return ihfftn(input, s, dim, norm)


# ---- frequencies

def _shifted(input, dim: Any, back: bool):
    dims = tuple(range(input.ndim)) if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
    places = tuple(wrap(d, input.ndim) for d in dims)
    return input.roll(tuple((input.shape[d] + back) // 2 for d in places), places) if places else input.clone()


@composite("fft", cases=[(S(5, 4),), (S(5, 4), 0)])
def fftshift(input, dim=None):
    """Frequencies in rising order: the zero frequency moved to the middle of `dim` (all)."""
    return _shifted(input, dim, False)


@composite("fft", cases=[(S(5, 4),), (S(5, 4), 0)])
def ifftshift(input, dim=None):
    """The inverse of `fftshift`."""
    return _shifted(input, dim, True)


def _frequency_spec(n: int, d: float, dtype: Any, device: Any, half: bool) -> Spec:
    found = dtype or dtypes.default_dtype()
    if found.category < dtypes.FLOATING:
        raise RuntimeError(f"{'rfftfreq' if half else 'fftfreq'} requires a floating point or complex dtype")
    if n < 0:
        raise RuntimeError(f"Trying to create tensor with negative dimension {n}: [{n}]")
    return spec((n // 2 + 1 if half else n,), found, resolve(device) if device is not None else CPU)


@op(_frequency_spec, api="", upcast=False, detaches=True, cases=[(5, 0.5, None, None, False)])
def _frequencies(xp, n, d, dtype, device, half):
    """The frequencies of the points of a transform, in cycles per unit of the spacing `d`."""
    place = xp.arange(n // 2 + 1) if half else (xp.arange(n) + n // 2) % max(n, 1) - n // 2
    return (place * (1.0 / (n * d) if n else 1.0)).astype((dtype or dtypes.default_dtype()).numpy)


@composite("fft out", cases=[(5,)])
def fftfreq(n, d=1.0, *, dtype=None, layout=None, device=None, requires_grad=False):
    """The frequencies of `fft`'s points: [0, 1, ..., -2, -1] / (n * d)."""
    found = _frequencies(n, float(d), dtype, device, False)
    return found.requires_grad_() if requires_grad else found


@composite("fft out", cases=[(5,)])
def rfftfreq(n, d=1.0, *, dtype=None, layout=None, device=None, requires_grad=False):
    """The frequencies of `rfft`'s points: [0, 1, ..., n // 2] / (n * d)."""
    found = _frequencies(n, float(d), dtype, device, True)
    return found.requires_grad_() if requires_grad else found
