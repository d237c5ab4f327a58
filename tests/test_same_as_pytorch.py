"""Calls written once and evaluated by PyTorch and by flambeau: same values, dtypes, shapes and gradients.

For operations that are written in others, and so have no samples in the registry.
"""

import numpy as np
import pytest

import flambeau

torch = pytest.importorskip("torch")

GENERATOR = np.random.default_rng(0)
ARRAYS = {"x": GENERATOR.uniform(0.2, 0.9, (4, 6)), "y": GENERATOR.uniform(-1, 1, (4, 6)),
          "v": GENERATOR.uniform(0.2, 0.9, 6), "c": GENERATOR.uniform(0.2, 0.9, (2, 4, 6)),
          "s": GENERATOR.uniform(-1, 1, (4, 4)), "d": GENERATOR.uniform(-1, 1, (1, 2, 6, 6, 6)),
          "i": np.array([2, 0, 1, 3]), "b": GENERATOR.uniform(0, 1, (4, 6)) > 0.5}

# `t` is the module, the other names are the arrays above as tensors.
DIFFERENTIABLE = """
t.where(b[0, 0], x.sum(), y.sum())  t.nan_to_num(x.sum())  x.sum().clamp_min(y.sum())  x.sum() ** y.sum()
t.as_strided_copy(x, (2, 3), (6, 2), 1)  t.atleast_1d(v.sum())  t.atleast_2d(v)  t.atleast_3d(x)  t.block_diag(x, s)
t.broadcast_tensors(x, v)[1]  t.cartesian_prod(v, v)  t.chain_matmul(s, x)  t.linalg.multi_dot([s, s, x])
t.column_stack([x, s])  t.combinations(v, 2)  t.corrcoef(x)  x.corrcoef()  t.cumulative_trapezoid(x)
t.diag_embed(x, 1)  x.diag_embed()  t.diagflat(v, 1)  v.diagflat()  t.diagonal_copy(x)  t.dist(x, y, 3)  x.dist(y)
t.diagonal_scatter(x, v[:4])  x.diagonal_scatter(v[:3], 3)  t.dsplit(c, 2)[1]  c.dsplit(3)[0]  t.dstack([x, y])
t.expand_copy(v, (3, 6))  t.fliplr(x) * y  x.fliplr() * y  t.flipud(x) * y  x.flipud() * y  t.gradient(v)[0]
t.hsplit(x, 2)[1]  x.hsplit([1, 4])[1]  t.hstack([x, y])  t.vsplit(x, 2)[1]  x.vsplit([1])[1]  t.vstack([x, y])
t.row_stack([x, y])  t.index_put(x, (i,), y)  x.index_put((i,), y, accumulate=True)  x.clone().index_put_((i,), y)
t.index_reduce(x, 0, i, y, "mean")  x.index_reduce(0, i, y, "amax")  x.clone().index_reduce_(0, i, y, "prod")
t.masked_scatter(x, b, y)  x.masked_scatter(b, y)  x.clone().masked_scatter_(b, y)  t.masked_select(x, b)
x.masked_select(b)  t.movedim(c, 0, 2) * 2  c.movedim((0, 1), (1, 2)) * 2  t.msort(x)  x.msort()  t.nanmean(x, 1)
x.nanmean()  t.nanquantile(x, 0.3, 1)  x.nanquantile(0.7)  t.narrow_copy(x, 1, 1, 3)  x.narrow_copy(0, 1, 2)
t.norm_except_dim(x, 2, 0)  t.permute_copy(c, (2, 0, 1))  t.positive(x) * x  x.positive() * x  t.put(x, i, v[:4])
x.put(i, v[:4], True)  x.clone().put_(i, v[:4])  t.repeat_interleave(x, 2, 1)  x.repeat_interleave(i, 0)
t.roll(x, 2) * y  x.roll((1, -1), (0, 1)) * y  t.rot90(x) * x.sum()  x.rot90(2) * y
t.scatter_reduce(x, 0, i[:, None].expand(4, 6), y, "sum")  x.scatter_reduce(0, i[:, None].expand(4, 6), y, "amin")
x.clone().scatter_reduce_(0, i[:, None].expand(4, 6), y, "prod")  t.select(x, 1, 2) * 2  x.select(0, -1) * 2
t.select_copy(x, 1, 2)  t.select_scatter(x, v, 0, 1)  x.select_scatter(v[:4], 1, 2)
t.slice_scatter(x, y[:2], 0, 1, 3)  x.slice_scatter(y[:, :2], 1, 0, 4, 2)  t.split_copy(x, 4, 1)[1]
t.split_with_sizes(x, (1, 3))[1] * 2  x.split_with_sizes((2, 4), 1)[0] * 2  t.split_with_sizes_copy(x, (1, 3))[1]
t.squeeze_copy(x[:1])  t.t_copy(x)  t.transpose_copy(x, 0, 1)  t.std_mean(x, 1)[0]  t.swapdims(x, 0, 1) * 2
x.swapdims(0, 1) * 2  x.clone().swapdims_(0, 1)  x.clone().swapaxes_(0, 1)  t.take_along_dim(x, i[:, None], 0)
x.take_along_dim(i[:, None] * 2)  t.trapz(x)  t.unbind(x, 1)[2] * 2  x.unbind()[1] * 2  t.unbind_copy(x)[1]
t.unflatten(x, 1, (2, 3)) * 2  x.unflatten(1, (3, -1)) * 2  t.unfold_copy(x, 1, 2, 2)
t.unsafe_chunk(x, 2, 1)[1] * 2  x.unsafe_chunk(2)[0] * 2  t.unsafe_split(x, 2)[1] * 2  x.unsafe_split(4, 1)[1] * 2
t.unsafe_split_with_sizes(x, (1, 3))[1] * 2  x.unsafe_split_with_sizes((1, 3))[0] * 2  t.unsqueeze_copy(x, 1)
t.view_copy(x, (3, 8))  x.expand_as(c) * 2  x.reshape_as(c[:, :, :3]) * 2  x.view_as(c[:, :, :3]) * 2
x.type_as(y) * 2  t.adjoint(x) * 2  x.adjoint() * 2  c.mT * 2  x.H * 2  t.resolve_neg(x) * 2  x.resolve_neg() * 2
x.clone().renorm_(2, 0, 0.5)  x.clone().square_()  t.square_(x.clone())  t.relu_(y.clone())
t.nn.functional.relu_(y.clone())  t.selu_(y.clone())  t.nn.functional.selu_(y.clone())  t.celu_(y.clone(), 0.5)
t.nn.functional.celu_(y.clone(), 0.5)  t.nn.functional.elu_(y.clone(), 0.5)
t.nn.functional.hardtanh_(y.clone(), -0.5, 0.5)  t.nn.functional.leaky_relu_(y.clone(), 0.2)
t.threshold_(y.clone(), 0.1, 2.0)  t.nn.functional.threshold_(y.clone(), 0.1, 2.0)  t.rrelu_(y.clone())
t.nn.functional.rrelu_(y.clone())  t.dropout_(x.clone(), 0.3, False)  t.alpha_dropout_(x.clone(), 0.3, False)
t.feature_dropout_(x.clone(), 0.3, False)  t.feature_dropout(x, 0.3, False)
t.feature_alpha_dropout_(x.clone(), 0.3, False)
t.instance_norm(d[0], None, None, None, None, True, 0.1, 1e-5, False)  t.adaptive_max_pool1d(c, 3)[0]
t.nn.functional.adaptive_max_pool1d_with_indices(c, 3)[0]
t.nn.functional.adaptive_max_pool2d_with_indices(c, (2, 3))[0]  t.max_pool1d_with_indices(c, 2)[0]
t.nn.functional.adaptive_max_pool3d_with_indices(d, 2)[0]  t.nn.functional.max_pool1d_with_indices(c, 2)[0]
t.nn.functional.max_pool2d_with_indices(c, 2)[0]  t.nn.functional.max_pool3d_with_indices(d, 2)[0]
x.as_strided_((2, 3), (6, 2), 1) * 2
"""
PLAIN = """
t.detach_copy(x)  t.argwhere(b)  b.argwhere()  t.can_cast(x.dtype, i.dtype)  t.empty_like(x).shape
t.empty_permuted((2, 3), (1, 0)).shape  t.empty_strided((2, 3), (3, 1)).shape  t.full_like(x, 2.5)  t.zeros_like(i)
t.scalar_tensor(3)  t.tril_indices(3, 4, -1)  t.triu_indices(3, 3)  t.hann_window(5)  t.hamming_window(5)
t.blackman_window(5)  t.bartlett_window(5)  t.kaiser_window(5)  t.rand_like(x).shape  t.randn_like(x).dtype
t.randint_like(i, 5).dtype  x.element_size()  x.nbytes  x.nelement()  x.ndimension()  x.is_conj()  x.is_neg()
x.is_signed()  x.is_sparse  x.is_nested  x.is_quantized  x.is_mkldnn  x.is_meta  x.is_mps  x.is_xpu  x.is_cuda
x.is_cpu  x.is_pinned()  x.sum().is_nonzero()  str(x.layout)  x.new([1, 2])  x.new_empty((2, 3)).shape
x.new_full((2,), 3)  x.new_ones((2, 1))  x.new_tensor([1, 2])  x.new_zeros(2)
x.new_empty_strided((2, 3), (3, 1)).shape  x.char()  x.cfloat()  x.cdouble()  x.output_nr
t.resize_as_(i.clone(), i[:2])  i.clone().resize_(2, 2)  i.clone().resize_as_(i[:3])  x.detach_() + 1
t.detach_(x) + 1  x.retains_grad  t.zeros(2, dtype=t.float64).set_(x)  t.view_as_complex_copy(x[:, :2].contiguous())
t.view_as_real_copy(x.cfloat())  t.linalg.ldl_factor(s + s.T)[0]  t.linalg.ldl_factor_ex(s + s.T).info
"""


def calls(text):
    return [call.strip() for line in text.strip().splitlines() for call in line.split("  ") if call.strip()]


def evaluate(module, call, grad):
    """The result of a call, and the gradients of a weighted sum of it."""
    tensors = {n: module.tensor(a, requires_grad=grad and a.dtype.kind == "f") for n, a in ARRAYS.items()}
    found = eval(call.replace("x.as_strided_", "x.clone().as_strided_"), {"t": module, **tensors})
    if not grad:
        return found, {}
    weights = module.arange(found.numel(), dtype=module.float64).reshape(found.shape) + 1
    (found * weights).sum().backward()
    return found.detach(), {n: t.grad.numpy() for n, t in tensors.items() if t.requires_grad and t.grad is not None}


def compare(found, expected):
    if not isinstance(expected, torch.Tensor):
        assert str(found) == str(expected)
        return
    assert str(found.dtype) == str(expected.dtype)
    assert tuple(found.shape) == tuple(expected.shape)
    np.testing.assert_allclose(found.numpy(), expected.resolve_conj().numpy(), rtol=1e-6, atol=1e-7)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("call", calls(DIFFERENTIABLE))
def test_values_and_gradients(call):
    expected, slopes = evaluate(torch, call, True)
    found, ours = evaluate(flambeau, call, True)
    compare(found, expected)
    for name in slopes.keys() | ours.keys():
        zero = np.zeros(ARRAYS[name].shape)
        np.testing.assert_allclose(ours.get(name, zero), slopes.get(name, zero), rtol=1e-6, atol=1e-9, err_msg=name)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("call", calls(PLAIN))
def test_values(call):
    compare(evaluate(flambeau, call, False)[0], evaluate(torch, call, False)[0])
