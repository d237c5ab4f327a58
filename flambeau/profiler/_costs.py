"""What an operation is called in PyTorch's reports, and how many multiplications and additions it takes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ..graph import Node

# Operations that PyTorch knows by another name; from the outermost in, where it shows one within the other.
NAMES = {
    "matmul": "matmul mm",
    "conv1d": "conv1d convolution",
    "conv2d": "conv2d convolution",
    "conv3d": "conv3d convolution",
    "conv_transpose1d": "conv_transpose1d convolution",
    "conv_transpose2d": "conv_transpose2d convolution",
    "conv_transpose3d": "conv_transpose3d convolution",
    "_convolution": "convolution",
    "_conv_input": "convolution_backward",
    "_conv_weight": "convolution_backward",
    "_leaky_relu": "leaky_relu",
    "_leaky_relu_backward": "leaky_relu_backward",
    "_silu": "silu",
    "_silu_backward": "silu_backward",
    "_gelu_backward": "gelu_backward",
    "_elu": "elu",
    "_mish": "mish",
    "_prelu": "_prelu_kernel",
    "_hardtanh": "hardtanh",
    "_hardsigmoid": "hardsigmoid",
    "_hardswish": "hardswish",
    "relu_backward": "threshold_backward",
    "_sigmoid_backward": "sigmoid_backward",
    "_softmax_backward": "_softmax_backward_data",
    "_log_softmax_backward": "_log_softmax_backward_data",
    "_cross_entropy": "cross_entropy_loss",
    "_cross_entropy_soft": "cross_entropy_loss",
    "_cross_backward": "nll_loss_backward",
    "_nll_loss": "nll_loss",
    "_nll_backward": "nll_loss_backward",
    "_mse_loss": "mse_loss",
    "_mse_backward": "mse_loss_backward",
    "_l1_loss": "l1_loss",
    "_huber_loss": "huber_loss",
    "_kl_div": "kl_div",
    "_bce_logits": "binary_cross_entropy_with_logits",
    "_binary_cross_entropy": "binary_cross_entropy",
    "_bce_backward": "binary_cross_entropy_backward",
    "_attention": "scaled_dot_product_attention",
    "_attention_backward": "_scaled_dot_product_attention_backward",
    "_view": "view",
    "_permute": "permute",
    "_expand": "expand",
    "_basic": "slice",
    "_index": "index",
    "_index_put": "index_put",
    "_scattered_rows": "embedding_dense_backward",
    "_where": "where",
    "_as_strided": "as_strided",
    "_flip": "flip",
    "_roll": "roll",
    "_max_pool": "max_pool2d",
    "_max_pool_back": "max_pool2d_backward",
    "_avg_pool": "avg_pool2d",
    "_avg_pool_back": "avg_pool2d_backward",
    "_pad_constant": "constant_pad_nd",
    "_statistics": "batch_norm_stats",
    "_normalize": "native_norm",
    "_norm_input": "native_norm_backward",
    "_norm_weight": "native_norm_backward",
    "_batch_norm_fixed": "batch_norm",
    "_rnn": "rnn",
    "_lstm": "lstm",
    "_gru": "gru",
    "_lstm_backward": "lstm_backward",
    "_gru_backward": "gru_backward",
    "_rnn_backward": "rnn_backward",
    "_sort": "sort",
    "_var": "var",
    "_std": "std",
    "_vector_norm": "linalg_vector_norm",
    "_max_all": "max",
    "_min_all": "min",
    "_max_dim": "max",
    "_min_dim": "min",
    "contract": "einsum bmm",
    "_rows_summed": "sum",
    "_full": "full",
    "_filled_like": "full_like",
    "_folded": "mm",
    "_select_at": "select",
    "_put_basic": "slice_scatter",
    "_strided_put": "as_strided_scatter",
    "_repeat": "repeat",
    "_gathered_masked": "masked_select",
    "_places": "nonzero",
    "_unique": "unique",
}
# Steps between operations that are no work of the program's.
HIDDEN = frozenset(["_pick", "_leaf", "_share", "_data"])


def names_of(node: Node) -> list[str]:
    """PyTorch's names of an operation, the outermost first."""
    name = node.kind.op.name
    if name == "linear":
        flat = len(shapes_of(node)[0]) <= 2
        names = ["linear", ("addmm" if flat and len(node.inputs) > 2 else "mm" if flat else "matmul")]
    elif name == "matmul":
        left, right = shapes_of(node)[:2]
        names = ["matmul", {(2, 2): "mm", (1, 1): "dot", (2, 1): "mv"}.get((len(left), len(right)), "bmm")]
    else:
        names = NAMES.get(name, name).split()
    return ["aten::" + word for word in names]


def shapes_of(node: Node) -> list[list[int]]:
    """The shapes of the inputs; of a number, an empty one."""
    return [
        list(source.spec.shape) if type(source) is Node and type(source.spec) is not tuple else []
        for source in node.inputs
    ]


def types_of(node: Node) -> list[str]:
    """The types of the inputs, as traces have them."""
    return [
        source.spec.dtype.name if type(source) is Node and type(source.spec) is not tuple else "Scalar"
        for source in node.inputs
    ]


def result_bytes(node: Node) -> int:
    """The memory that the result takes; none for a view."""
    if node.kind.view:
        return 0
    return sum(s.nbytes for s in (node.spec if type(node.spec) is tuple else (node.spec,)))


# ---- floating-point operations


def _size(node: Node) -> int:
    return (node.spec[0] if type(node.spec) is tuple else node.spec).numel


def _attention(node: Node, shapes: Sequence[list[int]]) -> int:
    *batch, rows, width = shapes[0]
    columns, deep = shapes[1][-2], shapes[2][-1]
    return 2 * math.prod(batch) * rows * columns * (width + deep)


def _attention_backward(node: Node, shapes: Sequence[list[int]]) -> int:
    *batch, rows, width = shapes[1]
    columns, deep = shapes[2][-2], shapes[3][-1]
    return 2 * math.prod(batch) * rows * columns * 2 * (width + deep)


def _contract(node: Node, shapes: Sequence[list[int]]) -> int:
    sizes: dict[Any, int] = {}
    labels = [where.value for where in node.kind.args[2:4]]
    for shape, names in zip(shapes, labels, strict=True):
        for size, name in zip(shape, names, strict=True):
            sizes[name] = max(size, sizes.get(name, 1))
    return 2 * math.prod(sizes.values())


def _kernel(shape: list[int]) -> int:
    return math.prod(shape[1:])


FLOPS: dict[str, Callable[[Node, list[list[int]]], int]] = {
    "mm": lambda node, s: 2 * _size(node) * s[0][-1],
    "bmm": lambda node, s: 2 * _size(node) * s[0][-1],
    "matmul": lambda node, s: 2 * _size(node) * s[0][-1],
    "linear": lambda node, s: 2 * _size(node) * s[0][-1],
    "_folded": lambda node, s: 2 * _size(node) * math.prod(s[0][:-1]),  # the gradient of a linear layer's weight
    "mv": lambda node, s: 2 * math.prod(s[0]),
    "dot": lambda node, s: 2 * s[0][0],
    "addmm": lambda node, s: 2 * _size(node) * s[1][-1],
    "baddbmm": lambda node, s: 2 * _size(node) * s[1][-1],
    "addbmm": lambda node, s: 2 * math.prod(s[1]) * s[2][-1],
    "addmv": lambda node, s: 2 * math.prod(s[1]),
    "contract": _contract,
    "conv1d": lambda node, s: 2 * _size(node) * _kernel(s[1]),
    "conv2d": lambda node, s: 2 * _size(node) * _kernel(s[1]),
    "conv3d": lambda node, s: 2 * _size(node) * _kernel(s[1]),
    "_convolution": lambda node, s: 2 * _size(node) * _kernel(s[1]),
    "conv_transpose1d": lambda node, s: 2 * math.prod(s[0]) * _kernel(s[1]),
    "conv_transpose2d": lambda node, s: 2 * math.prod(s[0]) * _kernel(s[1]),
    "conv_transpose3d": lambda node, s: 2 * math.prod(s[0]) * _kernel(s[1]),
    "_conv_input": lambda node, s: 2 * math.prod(s[0]) * _kernel(s[1]),
    "_conv_weight": lambda node, s: 2 * math.prod(s[1]) * _kernel(list(node.spec.shape)),
    "_attention": _attention,
    "_attention_backward": _attention_backward,
}
ELEMENTWISE = frozenset(["add", "mul"])  # counted by the profiler, not by the counter of FLOPs


def flops_of(node: Node) -> int:
    """The multiplications and additions of a product; 0 for other operations."""
    rule = FLOPS.get(node.kind.op.name)
    return rule(node, shapes_of(node)) if rule else 0
