"""Random tensors: PyTorch's generator, its functions and in-place methods. Numbers are drawn on the host and enter
the graph as values: tensors on a GPU get the numbers that the processor would draw."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import dtypes
from .binding import wrap
from .creation import _sized, empty
from .device import CPU, META, device, resolve
from .dtypes import dtype
from .engine import engine
from .generator import Stream
from .graph import leaf, mode, spec
from .ops import registry
from .tensor import Tensor, from_array
from .views import check_writable, write


class Generator:
    """A stream of random numbers with a state of its own.

    >>> import flambeau as torch
    >>> torch.Generator().manual_seed(7).initial_seed()
    7
    """

    def __init__(self, device: Any = "cpu") -> None:
        self._device = resolve(device)
        self._stream = Stream()
        self._regarded()

    @property
    def device(self) -> device:
        return self._device

    def put(self, stream: Stream) -> None:
        """Goes on with another stream."""
        self._regarded()
        self._stream = stream

    def _regarded(self) -> None:
        """Its state is set or looked at: not what `compile` can replay."""
        if engine.capture is not None:
            engine.capture.refuse("it makes a random generator, or sets or reads the state of one")

    def manual_seed(self, seed: int) -> Generator:
        """Starts the stream anew from `seed`."""
        self._regarded()
        self._stream.manual_seed(int(seed))
        return self

    def seed(self) -> int:
        """Starts the stream anew from a seed of the system's, which is returned."""
        self._regarded()
        return self._stream.seed()

    def initial_seed(self) -> int:
        """The seed that the stream started from."""
        self._regarded()
        return self._stream.initial_seed()

    def get_state(self) -> Tensor:
        """The state as a uint8 tensor of 5056 bytes, in PyTorch's own layout."""
        self._regarded()
        return from_array(np.array(self._stream.get_state()))

    def set_state(self, new_state: Tensor) -> None:
        """Puts the stream into a state that get_state returned."""
        if not isinstance(new_state, Tensor) or new_state.dtype is not dtypes.uint8:
            raise TypeError("RNG state must be a torch.ByteTensor")
        self._regarded()
        self._stream.set_state(np.asarray(new_state._value()))

    def clone_state(self) -> Generator:
        """A generator in the same state."""
        new = Generator()
        new._stream = self._stream.clone_state()
        return new

    def __reduce__(self) -> tuple:
        return _restored, (np.array(self._stream.get_state()),)


def _restored(state: np.ndarray) -> Generator:
    new = Generator()
    new._stream.set_state(state)
    return new


default_generator = Generator()


def stream(generator: Generator | None) -> Stream:
    """The stream to draw from."""
    if engine.capture is not None:
        return engine.capture.stream(lambda: (generator or default_generator)._stream)
    return (generator or default_generator)._stream


def from_draws(make: Callable[[], Any], where: device = CPU) -> Tensor:
    """A tensor on `where` of what `make` draws and works out on the host; `make` reads nothing that may change."""

    def wrapped(value: np.ndarray) -> Tensor:
        return from_array(value, s=spec(value.shape, dtype.by_numpy[value.dtype], where))

    if engine.capture is None or engine.capture.inside:
        return wrapped(make())
    return engine.capture.draw(make, wrapped)


def manual_seed(seed: int) -> Generator:
    """Starts the default generator anew from `seed`, and returns it."""
    return default_generator.manual_seed(seed)


def seed() -> int:
    """Starts the default generator anew from a seed of the system's."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed of the default generator."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The state of the default generator."""
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Puts the default generator into a state that get_rng_state returned."""
    default_generator.set_state(new_state)


def _made(
    value: Any, kind: dtype, requires_grad: bool = False, out: Tensor | None = None, where: Any = None
) -> Tensor:
    value = np.asarray(value, dtype=kind.numpy)
    found = from_array(value, False, spec(value.shape, kind, out.device if out is not None else resolve(where)))
    if out is not None:
        from .binding import copy_into

        return copy_into(out, found)
    return found.requires_grad_() if requires_grad else found


def _on_tape(drawn: Tensor, name: str, *inputs: Any) -> Tensor:
    """`drawn`, differentiable (with gradient zero) where the tensors it was drawn from are."""
    tensors = [t for t in inputs if isinstance(t, Tensor)]
    if mode.grad and any(t.requires_grad for t in tensors):
        return wrap(registry["_drawn"].record(drawn._node, tuple([t._node for t in tensors]), name))  # type: ignore[union-attr]
    return drawn


def rand(
    *size: Any,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor of the given shape, its elements uniform in [0, 1)."""
    where = resolve(device)
    kind = dtype or dtypes.default_dtype()
    _floating("check_uniform_bounds", kind)
    if where is META:
        return empty(_shape(size), dtype=kind, requires_grad=requires_grad, device=where)
    return _made(stream(generator).uniform(_shape(size), dtype=kind.name), kind, requires_grad, out, where)


def randn(
    *size: Any,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor of the given shape, its elements normal with mean 0 and standard deviation 1."""
    where = resolve(device)
    kind = dtype or dtypes.default_dtype()
    _floating("normal_kernel_cpu", kind)
    if where is META:
        return empty(_shape(size), dtype=kind, requires_grad=requires_grad, device=where)
    return _made(stream(generator).normal(_shape(size), dtype=kind.name), kind, requires_grad, out, where)


def _shape(size: tuple) -> tuple[int, ...]:
    """Sizes as given, none of them negative."""
    shape = _sized(size)
    for n in shape:
        if n < 0:
            raise RuntimeError(f"Trying to create tensor with negative dimension {n}: {list(shape)}")
    return shape


def _floating(name: str, kind: dtype) -> None:
    if kind.category < dtypes.FLOATING:
        from .ops._rules import title

        raise NotImplementedError(f"\"{name}\" not implemented for '{title(kind)}'")


def randint(
    *given: Any,
    low: int | None = None,
    high: Any = None,
    size: Any = None,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Integers from `low` (0 if left out) to below `high`, in shape `size`: `randint([low,] high, size)`."""
    rest = list(given)
    if size is None and rest:
        size = rest.pop()
    if high is None and rest:
        high = rest.pop()
    if low is None:
        low = rest.pop() if rest else 0
    if rest or high is None or size is None:
        kinds = ", ".join(type(value).__name__ for value in given)
        raise TypeError(f"randint() received an invalid combination of arguments - got ({kinds}), but expected one of:")
    kind = dtype or dtypes.int64
    where = resolve(device)
    drawn = stream(generator).integers(_sized((size,)), int(low), int(high), kind.name)
    return _made(drawn, kind, requires_grad, out, where)


def randperm(
    n: int,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """The integers 0 to n - 1 in random order."""
    kind = dtype or dtypes.int64
    where = resolve(device)
    return _made(stream(generator).permutation(n, kind.name), kind, requires_grad, out, where)


def _like(draw: Any) -> Any:
    def function(
        input: Tensor,
        *,
        dtype: Any = None,
        layout: Any = None,
        device: Any = None,
        requires_grad: bool = False,
        memory_format: Any = None,
        generator: Generator | None = None,
    ) -> Tensor:
        return draw(
            tuple(input.shape),
            dtype=dtype or input.dtype,
            requires_grad=requires_grad,
            generator=generator,
            device=device or input.device,
        )

    function.__doc__ = f"As `torch.{draw.__name__}`, in the shape and dtype of `input`."
    function.__name__ = draw.__name__ + "_like"
    return function


rand_like, randn_like = _like(rand), _like(randn)


def randint_like(
    input: Tensor,
    low: int,
    high: int | None = None,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
    generator: Generator | None = None,
) -> Tensor:
    """Integers from `low` (0 if left out) to below `high`, in the shape and dtype of `input`."""
    if high is None:
        low, high = 0, low
    return randint(
        low,
        high,
        tuple(input.shape),
        dtype=dtype or input.dtype,
        requires_grad=requires_grad,
        generator=generator,
        device=device or input.device,
    )


def normal(
    mean: Any,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Normal numbers, of mean and standard deviation given as numbers (with `size`) or tensors."""
    if size is not None:
        kind = dtype or dtypes.default_dtype()
        return _made(
            stream(generator).normal(_sized((size,)), float(mean), float(std), kind.name),
            kind,
            requires_grad,
            out,
            device,
        )
    if not isinstance(mean, Tensor) and not isinstance(std, Tensor):
        raise TypeError("normal() received an invalid combination of arguments: numbers need a size")
    like = mean if isinstance(mean, Tensor) else std
    kind = like.dtype
    given = [np.asarray(v.detach()._value()) if isinstance(v, Tensor) else v for v in (mean, std)]  # type: ignore[attr-defined]
    drawn = _made(stream(generator).normal_around(*given), kind, requires_grad, out, like.device)
    return _on_tape(drawn, "Normal", mean, std)


def bernoulli(
    input: Tensor, p: float | None = None, *, generator: Generator | None = None, out: Tensor | None = None
) -> Tensor:
    """Ones with the probabilities in `input` (or `p`), else zeros."""
    if p is None:
        drawn = stream(generator).bernoulli(np.asarray(input.detach()._value()))  # type: ignore[attr-defined]
    else:
        drawn = stream(generator).bernoulli(float(p), tuple(input.shape))
    return _on_tape(_made(drawn, input.dtype, out=out, where=input.device), "Bernoulli", input)


def multinomial(
    input: Tensor,
    num_samples: int,
    replacement: bool = False,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Indices drawn with probabilities proportional to the rows of `input`: (m, n) -> (m, num_samples), (n,) ->
    (num_samples,)."""
    weights = np.asarray(input.detach()._value())  # type: ignore[attr-defined]
    drawn = stream(generator).multinomial(weights, num_samples, replacement)
    return _made(drawn, dtypes.int64, out=out, where=input.device)


def poisson(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Poisson numbers with the rates in `input`."""
    drawn = stream(generator).poisson(np.asarray(input.detach()._value()))  # type: ignore[attr-defined]
    return _made(drawn, input.dtype, where=input.device)


def binomial(count: Tensor, prob: Tensor, generator: Generator | None = None) -> Tensor:
    """Successes among `count` trials of probability `prob`."""
    drawn = stream(generator).binomial(np.asarray(count._value()), np.asarray(prob._value()))
    return _made(drawn, count.dtype, where=count.device)


def _standard_gamma(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Gamma numbers of scale one with the concentrations in `input`, which they are differentiable in."""
    return _on_gamma_tape(stream(generator).gamma(np.asarray(input.detach()._value())), input, False)  # type: ignore[attr-defined]


def _sample_dirichlet(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Non-negative numbers of sum one along the last dimension, with the concentrations in `input`, which they are
    differentiable in."""
    return _on_gamma_tape(stream(generator).dirichlet(np.asarray(input.detach()._value())), input, True)  # type: ignore[attr-defined]


def _on_gamma_tape(value: np.ndarray, input: Tensor, dirichlet: bool) -> Tensor:
    drawn = _made(value, input.dtype, where=input.device)
    if mode.grad and input.requires_grad:
        return wrap(registry["_drawn_gamma"].record(drawn._node, input._node, dirichlet))  # type: ignore[union-attr]
    return drawn


def _fill(t: Tensor, value: Any) -> Tensor:
    return write(
        t, leaf(np.asarray(value, dtype=t.dtype.numpy).reshape(tuple(t.shape)), spec(tuple(t.shape), t.dtype, t.device))
    )


def _method(name: str, draw: Any, defaults: tuple, doc: str) -> None:
    """Adds the in-place method `name` to tensors: fills with what `draw(stream, tensor, *parameters)` gives."""
    names = [n for n, _ in defaults]

    def method(self: Tensor, *args: Any, generator: Generator | None = None, **kwargs: Any) -> Tensor:
        values = dict(defaults)
        values.update(zip(names, args, strict=False))
        for key in kwargs:
            if key not in values:
                raise TypeError(f"{name}() got an unexpected keyword argument '{key}'")
        values.update(kwargs)
        check_writable(self)
        if self.is_meta:
            return self
        return _fill(self, draw(stream(generator), self, *values.values()))

    method.__name__, method.__doc__ = name, doc
    setattr(Tensor, name, method)


def _bernoulli(s: Stream, t: Tensor, p: Any) -> Any:
    return s.bernoulli(np.asarray(p._value())) if isinstance(p, Tensor) else s.bernoulli(float(p), tuple(t.shape))


def _random(s: Stream, t: Tensor, low: Any, high: Any) -> Any:
    shape = tuple(t.shape)
    if low is None and high is None:
        return s.random_full(shape, t.dtype.name)
    return (
        s.random_to(shape, int(low), t.dtype.name)
        if high is None
        else s.integers(shape, int(low), int(high), t.dtype.name)
    )


_method(
    "uniform_",
    lambda s, t, low, high: s.uniform(tuple(t.shape), float(low), float(high), t.dtype.name),
    (("from", 0.0), ("to", 1.0)),
    "Fills with numbers uniform in [from, to).",
)
_method(
    "normal_",
    lambda s, t, mean, std: s.normal(tuple(t.shape), float(mean), float(std), t.dtype.name),
    (("mean", 0.0), ("std", 1.0)),
    "Fills with normal numbers.",
)
_method("random_", _random, (("from", None), ("to", None)), "Fills with integers from `from` to below `to`.")
_method("bernoulli_", _bernoulli, (("p", 0.5),), "Fills with ones with probability p, else zeros.")
_method(
    "exponential_",
    lambda s, t, lambd: s.exponential(tuple(t.shape), float(lambd), t.dtype.name),
    (("lambd", 1.0),),
    "Fills with exponential numbers of rate lambd.",
)
_method(
    "cauchy_",
    lambda s, t, median, sigma: s.cauchy(tuple(t.shape), float(median), float(sigma), t.dtype.name),
    (("median", 0.0), ("sigma", 1.0)),
    "Fills with Cauchy numbers.",
)
_method(
    "log_normal_",
    lambda s, t, mean, std: s.log_normal(tuple(t.shape), float(mean), float(std), t.dtype.name),
    (("mean", 1.0), ("std", 2.0)),
    "Fills with numbers whose logarithm is normal.",
)
_method(
    "geometric_",
    lambda s, t, p: s.geometric(tuple(t.shape), float(p), t.dtype.name),
    (("p", 0.5),),
    "Fills with geometric numbers.",
)
Tensor.bernoulli = bernoulli  # type: ignore[attr-defined]
Tensor.multinomial = multinomial  # type: ignore[attr-defined]


class fork_rng:
    """A context after which the default generator is in the state it was in before."""

    def __init__(self, devices: Any = None, enabled: bool = True, *_: Any, **__: Any) -> None:
        self.enabled = enabled

    def __enter__(self) -> None:
        default_generator._regarded()
        self.state = default_generator._stream.clone_state()

    def __exit__(self, *_: Any) -> None:
        if self.enabled:
            default_generator.put(self.state)
