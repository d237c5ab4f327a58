"""The registry once more, on XLA: values and gradients as on NumPy, the same errors, and nothing computed elsewhere."""

import functools

import numpy as np
import pytest
from test_every_op import arguments, call, differentiable, lacking, table, weighted

import flambeau
import flambeau.nn.functional as F
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
    options = {
        "xla_backend_optimization_level": 0,
        "xla_llvm_disable_expensive_passes": True,
        "xla_cpu_parallel_codegen_split_count": 1,
    }
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
    return [np.array(o._value()) for o in (*outs, *grads)]


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


def error_of(function, backend):
    """The error that `function`, or looking at its result, raises, with what is added to it."""
    with flambeau.backends.use(backend), pytest.raises(Exception) as caught:
        for o in function():
            if isinstance(o, Tensor):
                o._value()
    notes = [n.split(", recorded at")[0] for n in getattr(caught.value, "__notes__", []) if n.startswith("flambeau")]
    return caught.type, str(caught.value), notes


@pytest.mark.parametrize(
    "op, case",
    [
        pytest.param(op, case, id=f"{op.name}-wrong-{i}")
        for op in registry.values()
        for i, (case, _, _) in enumerate(op.wrong)
        if getattr(op, "checks", True)
    ],
)
def test_errors(op, case):
    """What is wrong raises the same error."""

    def function():
        args, words, _ = arguments(case)
        return call(op, args, words)

    assert error_of(function, "numpy") == error_of(function, "xla")


def whole(*values):
    return flambeau.tensor(values)


def zeros(*size):
    return flambeau.zeros(*size)


REFUSED = {
    "gather": lambda: zeros(3, 3).gather(0, whole((0, 5, 1))),
    "scatter": lambda: zeros(3, 3).scatter(0, whole((0, 5, 1)), 1.0),
    "scatter_add": lambda: zeros(3, 3).scatter_add(0, whole((0, -1, 1)), flambeau.ones(1, 3)),
    "scatter_reduce": lambda: zeros(3, 3).scatter_reduce(0, whole((0, 3, 1)), flambeau.ones(1, 3), "amax"),
    "index_select": lambda: zeros(3, 3).index_select(1, whole(3)),
    "take": lambda: zeros(3).take(whole(3)),
    "index": lambda: zeros(3)[whole(0, -4)],
    "index of no dimension": lambda: zeros(3)[flambeau.tensor(3)],
    "index_put": lambda: zeros(3).index_put((whole(3),), flambeau.tensor(1.0)),
    "index_add": lambda: zeros(3, 2).index_add(0, whole(3), flambeau.ones(1, 2)),
    "index_copy": lambda: zeros(3, 2).index_copy(0, whole(3), flambeau.ones(1, 2)),
    "index_fill": lambda: zeros(3, 2).index_fill(0, whole(-4), 1.0),
    "masked_scatter": lambda: zeros(3).masked_scatter(whole(True, True, False), flambeau.ones(1)),
    "nll_loss": lambda: F.nll_loss(zeros(2, 3), whole(0, 3)),
    "cross_entropy": lambda: F.cross_entropy(zeros(2, 3), whole(0, -1)),
    "one_hot": lambda: F.one_hot(whole(0, 3), 3),
    "multi_margin_loss": lambda: F.multi_margin_loss(zeros(2, 3), whole(0, 3)),
    "multilabel_margin_loss": lambda: F.multilabel_margin_loss(zeros(1, 3), whole((0, 3, -1))),
    "binary_cross_entropy": lambda: F.binary_cross_entropy(whole(1.5), whole(1.0)),
    "binary_cross_entropy target": lambda: F.binary_cross_entropy(whole(0.5), whole(1.1)),
    "floor_divide": lambda: whole(1, 2) // whole(1, 0),
    "remainder": lambda: whole(1, 2) % whole(1, 0),
    "fmod": lambda: flambeau.fmod(whole(1, 2), whole(1, 0)),
    "div": lambda: flambeau.div(whole(1, 2), whole(1, 0), rounding_mode="trunc"),
    "inv": lambda: flambeau.linalg.inv(flambeau.stack([flambeau.eye(2), zeros(2, 2)])),
    "solve": lambda: flambeau.linalg.solve(zeros(2, 2), flambeau.ones(2)),
    "cholesky": lambda: flambeau.linalg.cholesky(-flambeau.eye(2)),
    "lu_factor": lambda: flambeau.linalg.lu_factor(zeros(2, 2)),
    "lu_unpack": lambda: flambeau.lu_unpack(flambeau.eye(2), whole(1, 5).int()),
    "eigh": lambda: flambeau.linalg.eigh(whole((float("nan"),))),
    "svd": lambda: flambeau.linalg.svd(whole((float("inf"), 0.0), (0.0, 1.0))),
    "eig": lambda: flambeau.linalg.eig(whole((float("inf"),))),
    "embedding": lambda: F.embedding(whole(5), zeros(3, 2)),
    "embedding_bag": lambda: F.embedding_bag(whole((5,)), zeros(3, 2)),
    "embedding_bag offsets": lambda: F.embedding_bag(whole(1, 1), zeros(3, 2), whole(1)),
    "max_unpool2d": lambda: F.max_unpool2d(zeros(1, 1, 1, 1), flambeau.full((1, 1, 1, 1), 9), 2),
    "histc": lambda: flambeau.histc(whole(float("nan"), 1.0), 4),
    "ctc_loss": lambda: F.ctc_loss(zeros(4, 1, 3), whole((1, 5)), whole(4), whole(2)),
    "ctc_loss lengths": lambda: F.ctc_loss(zeros(4, 1, 3), whole((1, 2)), whole(5), whole(2)),
    "istft": lambda: flambeau.istft(zeros(3, 2).to(flambeau.complex64), 4, window=zeros(4)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    """What only values show to be wrong, which JAX would clamp or turn into NaN, raises the same error."""

    def function():
        found = REFUSED[name]()
        return found if isinstance(found, tuple) else [found]

    assert error_of(function, "numpy") == error_of(function, "xla")


INFO = {
    "inv_ex": lambda: flambeau.linalg.inv_ex(zeros(2, 2)),
    "cholesky_ex": lambda: flambeau.linalg.cholesky_ex(-flambeau.eye(2)),
    "lu_factor_ex": lambda: flambeau.linalg.lu_factor_ex(flambeau.ones(2, 2)),
    "solve_ex": lambda: flambeau.linalg.solve_ex(zeros(2, 2), flambeau.ones(2)),
}


@pytest.mark.parametrize("name", INFO)
def test_told_not_raised(name):
    """Forms that say what is wrong in a result."""
    found = []
    for backend in ("numpy", "xla"):
        with flambeau.backends.use(backend):
            found.append([np.array(o._value()) for o in INFO[name]()])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(b, a)


INCOMPLETE = {"igamma", "igammac", "_standard_gamma_grad", "_dirichlet_grad"}  # JAX's loops need not end


def test_what_stays_with_numpy():
    """Operations that NumPy and SciPy do under every backend."""
    found = {op.name for op in registry.values() if isinstance(op, Op) and op.host}
    assert found == BESSEL | POLYNOMIALS | MATRICES | INCOMPLETE and len(POLYNOMIALS) == 12
