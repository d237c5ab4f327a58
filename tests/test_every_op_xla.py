"""The registry once more, on XLA: values and gradients as on NumPy, the same errors, and nothing computed elsewhere."""

import functools

import numpy as np
import pytest
from test_every_op import arguments, call, differentiable, lacking, table, weighted

import flambeau
from flambeau.backends import numpy as host
from flambeau.engine import engine
from flambeau.ops import Op, registry
from flambeau.tensor import Tensor

jax = pytest.importorskip("jax")

# SciPy has these, JAX does not, or on CPUs only
BESSEL = {
    "_special_bessel_j0", "_special_bessel_j1", "_special_bessel_y0", "_special_bessel_y1",
    "_special_modified_bessel_k0", "_special_modified_bessel_k1",
    "_special_scaled_modified_bessel_k0", "_special_scaled_modified_bessel_k1", "_special_airy_ai",
}  # fmt: skip
POLYNOMIALS = {name for name in registry if name.startswith("_special_") and "_polynomial_" in name}
MATRICES = {"_eig", "_eigvals", "_ldl", "_ldl_solve", "_lstsq"}


@pytest.fixture(autouse=True)
def quick_compiler(monkeypatch):
    """Programs that run once: what the compiler does not optimise takes half the time."""
    compile = jax.stages.Lowered.compile
    options = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
    monkeypatch.setattr(jax.stages.Lowered, "compile", functools.partialmethod(compile, compiler_options=options))


@pytest.fixture
def only_xla(monkeypatch):
    """A program that NumPy would run fails."""

    def prepare(program):
        def run(values):
            raise AssertionError(f"ran on NumPy: {program}")

        return run

    def forbid():
        monkeypatch.setattr(host, "prepare", prepare)

    monkeypatch.setattr(engine, "bound", float("inf"))
    return forbid


def results(op, case):
    """Values of the operation, and the gradients of a number that depends on all of them."""
    args, words, leaves = arguments(case, grad=differentiable(op))
    outs = [o for o in call(op, args, words) if isinstance(o, Tensor)]
    if leaves and not lacking(op, case):
        top = weighted(outs)
        if top is not None and top.requires_grad:
            top.backward()
    grads = [t.grad for t in leaves if t.grad is not None]
    return [np.array(o.detach()._value()) for o in (*outs, *grads)]


@pytest.mark.parametrize("op, case", list(table()))
def test_as_on_numpy(op, case, only_xla):
    """The value and the gradient of each case."""
    with flambeau.backends.use("numpy"):
        expected = results(op, case)
    with flambeau.backends.use("xla"):
        only_xla()
        found = results(op, case)
    for a, b in zip(expected, found, strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        tolerance = {2: 1e-2, 4: 2e-5, 8: 2e-5 if a.dtype.kind == "c" else 1e-9}.get(a.dtype.itemsize, 1e-9)
        np.testing.assert_allclose(b, a, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    "op, case, kind, text",
    [
        pytest.param(op, case, kind, text, id=f"{op.name}-wrong-{i}")
        for op in registry.values()
        for i, (case, kind, text) in enumerate(op.wrong)
        if getattr(op, "checks", False)
    ],
)
def test_errors(op, case, kind, text):
    """What only values show to be wrong raises the same error, with the operation and its line."""
    told = []
    for backend in ("numpy", "xla"):
        with flambeau.backends.use(backend):
            args, words, _ = arguments(case)
            with pytest.raises(kind, match=None) as caught:
                for o in call(op, args, words):
                    if isinstance(o, Tensor):
                        o._value()
            assert text in str(caught.value)
            told.append(str(caught.value))
    assert told[0] == told[1]


def test_what_stays_with_numpy():
    """Operations that NumPy and SciPy do under every backend."""
    found = {op.name for op in registry.values() if isinstance(op, Op) and op.host}
    assert found == BESSEL | POLYNOMIALS | MATRICES and len(POLYNOMIALS) == 12
