"""Linear algebra and Fourier transforms: what the table of operations cannot say."""
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flambeau as torch

RNG = np.random.default_rng(0)


def real(*shape):
    return RNG.standard_normal(shape)


def complexes(*shape):
    return RNG.standard_normal(shape) + 1j * RNG.standard_normal(shape)


@st.composite
def equations(draw):
    """An einsum equation over up to three operands, and sizes of its labels."""
    parts = draw(st.lists(st.text("abcd", min_size=0, max_size=3), min_size=1, max_size=3))
    used = sorted(set("".join(parts)))
    target = "".join(draw(st.permutations(draw(st.lists(st.sampled_from(used), unique=True))))) if used else ""
    return ",".join(parts) + "->" + target, {label: draw(st.integers(1, 3)) for label in "abcd"}


@settings(deadline=None, max_examples=80)
@given(equations())
def test_einsum_as_numpy(case):
    equation, sizes = case
    arrays = [real(*(sizes[label] for label in part)) for part in equation.partition("->")[0].split(",")]
    tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
    result = torch.einsum(equation, *tensors)
    np.testing.assert_allclose(result.detach().numpy(), np.einsum(equation, *arrays), atol=1e-12)
    result.sum().backward()
    for i, t in enumerate(tensors):         # linear in each operand: its gradient times itself is the result
        np.testing.assert_allclose((t.grad.numpy() * arrays[i]).sum(), np.einsum(equation, *arrays).sum(), atol=1e-10)


def test_einsum_forms():
    a, b = torch.tensor(real(2, 3)), torch.tensor(real(3, 4))
    expected = (a @ b).numpy()
    assert np.allclose(torch.einsum("ij,jk", a, b).numpy(), expected)
    assert np.allclose(torch.einsum(a, [0, 1], b, [1, 2], [0, 2]).numpy(), expected)
    assert np.allclose(torch.einsum("...j,jk->...k", [a, b]).numpy(), expected)
    assert np.allclose(torch.einsum("ji", a).numpy(), a.numpy().T)


@pytest.mark.parametrize(
    "make, text",
    [
        (
            lambda: torch.linalg.inv(torch.ones(2, 3, 3)),
            "linalg.inv: (Batch element 0): The diagonal element 2 is zero, the inversion could not be completed "
            "because the input matrix is "
            "singular.",
        ),
        (
            lambda: torch.linalg.solve(torch.zeros(2, 2), torch.ones(2)),
            "torch.linalg.solve: The solver failed because the input matrix is singular.",
        ),
        (
            lambda: torch.linalg.cholesky(torch.tensor([[1.0, 2], [2, 1]])),
            "linalg.cholesky: The factorization could not be completed because the input is not positive-definite "
            "(the leading minor of order 2 "
            "is not positive-definite).",
        ),
        (
            lambda: torch.linalg.svdvals(torch.tensor([[float("nan")]])),
            "linalg.svd: The algorithm failed to converge because the input matrix contained non-finite values.",
        ),
    ],
)
def test_matrices_that_do_not_allow_it(make, text):
    with pytest.raises(torch.linalg.LinAlgError) as error:
        make().sum().item()
    assert str(error.value).split("\n")[0] == text
    assert issubclass(torch.linalg.LinAlgError, RuntimeError)


def test_info_instead_of_an_error():
    inverse, info = torch.linalg.inv_ex(torch.stack([torch.eye(2), torch.zeros(2, 2)]))
    assert info.tolist() == [0, 1] and inverse[0].tolist() == [[1, 0], [0, 1]]
    assert torch.linalg.cholesky_ex(-torch.eye(2)).info.item() == 1


def test_known_values():
    a = torch.tensor([[4.0, 2.0], [2.0, 3.0]])
    assert torch.det(a).item() == pytest.approx(8)
    assert torch.linalg.eigvalsh(a).tolist() == pytest.approx([(7 - 17 ** 0.5) / 2, (7 + 17 ** 0.5) / 2])
    assert torch.linalg.solve(a, torch.tensor([8.0, 7.0])).tolist() == pytest.approx([1.25, 1.5])
    assert torch.linalg.cond(torch.diag(torch.tensor([4.0, 2.0]))).item() == pytest.approx(2)
    assert torch.linalg.matrix_rank(torch.ones(3, 3)).item() == 1
    assert torch.matrix_exp(torch.zeros(2, 2)).tolist() == [[1, 0], [0, 1]]
    assert torch.fft.fft(torch.tensor([1.0, 0, 0, 0])).tolist() == [1, 1, 1, 1]
    assert torch.fft.fftfreq(4).tolist() == [0, 0.25, -0.5, -0.25]


def test_single_precision_stays():
    x = torch.ones(4)
    assert torch.fft.fft(x).dtype is torch.complex64 and torch.fft.irfft(torch.fft.rfft(x)).dtype is torch.float32
    assert torch.linalg.svdvals(torch.eye(2)).dtype is torch.float32


@pytest.mark.parametrize("length", [19, 20, 23])
def test_istft_undoes_stft(length):
    x, window = torch.tensor(real(2, length)), torch.tensor(np.hanning(10)[1:9].copy())
    found = torch.istft(torch.stft(x, 8, 2, window=window, return_complex=True), 8, 2, window=window, length=length)
    np.testing.assert_allclose(found.numpy()[:, :length - 3], x.numpy()[:, :length - 3], atol=1e-12)


def symmetric(x):
    return x + x.mH


CASES = {
    "matmul": (lambda t, a, b: a @ b, (5, 2, 3), (3, 4)),
    "batched": (lambda t, a, b: a @ b, (2, 1, 2, 3), (4, 3, 4)),
    "linear": (lambda t, a, b, c: t.nn.functional.linear(a, b, c), (5, 2, 3), (4, 3), (4,)),
    "vdot": (lambda t, a, b: t.vdot(a, b), (3,), (3,)),
    "einsum": (lambda t, a, b: t.einsum("iij,jk->i", a, b), (3, 3, 4), (4, 5)),
    "inv": (lambda t, a: t.linalg.inv(a), (2, 3, 3)),
    "det": (lambda t, a: t.linalg.det(a), (2, 3, 3)),
    "slogdet": (lambda t, a: t.linalg.slogdet(a)[1], (2, 3, 3)),
    "solve": (lambda t, a, b: t.linalg.solve(a, b, left=False), (3, 3), (2, 3)),
    "cholesky": (lambda t, a: t.linalg.cholesky(symmetric(a @ a.mH) + t.eye(3, dtype=a.dtype)), (3, 3)),
    "qr tall": (lambda t, a: t.linalg.qr(a)[1].abs(), (4, 3)),
    "qr wide": (lambda t, a: t.linalg.qr(a)[1].abs(), (3, 4)),
    "svd": (lambda t, a: t.linalg.svd(a, full_matrices=False)[0].abs(), (4, 3)),
    "svdvals": (lambda t, a: t.linalg.svdvals(a), (3, 4)),
    "eigh": (lambda t, a: t.linalg.eigh(symmetric(a))[1].abs(), (3, 3)),
    "eig": (lambda t, a: t.linalg.eig(a)[1].abs(), (3, 3)),
    "pinv": (lambda t, a: t.linalg.pinv(a), (4, 3)),
    "lu tall": (lambda t, a: t.linalg.lu(a)[1], (4, 3)),
    "lu wide": (lambda t, a: t.linalg.lu(a)[2], (3, 4)),
    "lstsq": (lambda t, a, b: t.linalg.lstsq(a, b)[0], (4, 3), (4, 2)),
    "householder": (lambda t, a, b: t.linalg.householder_product(a, b), (4, 3), (2,)),
    "irfft": (lambda t, a: t.fft.irfft2(a, norm="ortho"), (5, 4)),
    "hfft": (lambda t, a: t.fft.hfft(a, n=5), (5, 4)),
}


@pytest.mark.parametrize("make", [real, complexes])
@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients_as_pytorch(name, make):
    """Also of complex matrices, which differences along a real direction do not check."""
    reference = pytest.importorskip("torch")
    function, *shapes = CASES[name]
    arrays = [make(*shape) for shape in shapes]

    def run(t):
        leaves = [t.tensor(a, requires_grad=True) for a in arrays]
        y = function(t, *leaves)
        value = y.detach().resolve_conj().numpy()
        weight = np.cos(np.arange(value.size)).reshape(value.shape) * (1 + 0.5j if np.iscomplexobj(value) else 1)
        total = (y * t.tensor(weight)).sum()
        (total.real if np.iscomplexobj(value) else total).backward()
        return [value, *[x.grad.resolve_conj().numpy() for x in leaves]]
    for got, expected in zip(run(torch), run(reference), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-9)
