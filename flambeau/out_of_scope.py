"""Names of PyTorch that flambeau will not answer: calling one says so, and what to use instead."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

# Why, and where the way goes instead.
REASONS = {
    "sparse": "sparse layouts are not planned, use dense tensors",
    "quantised": "quantised tensors are not planned, use float16 or bfloat16",
    "nested": "nested tensors are not planned, use padding and a mask",
    "named": "named tensors are not planned, use positions of dimensions",
    "masked tensor": "the class MaskedTensor is not planned, use the functions of torch.masked with mask=",
    "complex32": "complex numbers of half precision are not planned, use complex64",
    "binding": "it binds PyTorch to one library or device, use the general function",
}

# By module (or class), then by reason.
NAMES = {
    "torch": {
        "sparse": "sparse_coo_tensor sparse_csr_tensor sparse_csc_tensor sparse_bsr_tensor sparse_bsc_tensor "
                  "sparse_compressed_tensor hspmm hsmm dsmm smm spmm sspaddmm saddmm resize_as_sparse_ "
                  "ccol_indices_copy col_indices_copy crow_indices_copy row_indices_copy indices_copy values_copy",
        "quantised": "quantize_per_tensor quantize_per_tensor_dynamic quantize_per_channel dequantize int_repr "
                     "q_scale q_zero_point q_per_channel_axis q_per_channel_scales q_per_channel_zero_points "
                     "empty_quantized choose_qparams_optimized fake_quantize_per_tensor_affine "
                     "fake_quantize_per_channel_affine fused_moving_avg_obs_fake_quant quantized_batch_norm "
                     "quantized_gru quantized_gru_cell quantized_lstm quantized_lstm_cell quantized_max_pool1d "
                     "quantized_max_pool2d quantized_max_pool3d quantized_rnn_relu_cell quantized_rnn_tanh_cell",
        "binding": "cudnn_affine_grid_generator cudnn_batch_norm cudnn_convolution cudnn_convolution_add_relu "
                   "cudnn_convolution_relu cudnn_convolution_transpose cudnn_grid_sampler cudnn_is_acceptable "
                   "miopen_batch_norm miopen_convolution miopen_convolution_add_relu miopen_convolution_relu "
                   "miopen_convolution_transpose miopen_ctc_loss miopen_depthwise_convolution miopen_rnn "
                   "mkldnn_adaptive_avg_pool2d mkldnn_convolution mkldnn_linear_backward_weights "
                   "mkldnn_max_pool2d mkldnn_max_pool3d mkldnn_rnn_layer fbgemm_linear_fp16_weight "
                   "fbgemm_linear_fp16_weight_fp32_activation fbgemm_linear_int8_weight "
                   "fbgemm_linear_int8_weight_fp32_activation fbgemm_linear_quantize_weight "
                   "fbgemm_pack_gemm_matrix_fp16 fbgemm_pack_quantized_matrix",
        "complex32": "chalf",
    },
    "torch.Tensor": {
        "sparse": "to_sparse to_sparse_coo to_sparse_csr to_sparse_csc to_sparse_bsr to_sparse_bsc coalesce "
                  "is_coalesced indices values crow_indices col_indices ccol_indices row_indices sparse_dim "
                  "dense_dim sparse_mask sparse_resize_ sparse_resize_and_clear_ resize_as_sparse_ smm sspaddmm",
        "quantised": "dequantize int_repr q_scale q_zero_point q_per_channel_axis q_per_channel_scales "
                     "q_per_channel_zero_points qscheme",
        "nested": "to_padded_tensor",
        "named": "rename rename_ refine_names align_to align_as",
        "binding": "to_mkldnn",
        "complex32": "chalf",
    },
    "torch.nested": {"nested": "nested_tensor as_nested_tensor nested_tensor_from_jagged narrow masked_select "
                               "to_padded_tensor"},
    "torch.sparse": {"sparse": "addmm as_sparse_gradcheck log_softmax mm sampled_addmm softmax spdiags spsolve sum "
                               "to_sparse_semi_structured"},
    "torch.masked": {"masked tensor": "masked_tensor as_masked_tensor MaskedTensor"},
}


def refusing(path: str, name: str, reason: str) -> Callable[..., NoReturn]:
    """A function that says that `path.name` is out of scope."""
    def function(*args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError(f"flambeau: {path}.{name} is out of scope; {REASONS[reason]}")
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Out of scope: {REASONS[reason]}."
    function.__module__ = __name__
    return function


def reason_of(path: str, name: str) -> str | None:
    """Why a name is out of scope, if it is."""
    return next((reason for reason, names in NAMES.get(path, {}).items() if name in names.split()), None)


def install(spaces: dict[str, dict[str, Any]], tensor: type) -> None:
    """Puts the refusing functions where PyTorch has the names, unless something is there."""
    for path, by_reason in NAMES.items():
        for reason, names in by_reason.items():
            for name in names.split():
                function = refusing(path, name, reason)
                if path == "torch.Tensor":
                    if not hasattr(tensor, name):
                        setattr(tensor, name, function)
                else:
                    spaces[path.removeprefix("torch.")].setdefault(name, function)
