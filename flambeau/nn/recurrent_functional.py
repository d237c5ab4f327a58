"""torch.lstm, torch.gru, torch.rnn_tanh, torch.rnn_relu: layers of recurrent layers, in one or both directions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..namespaces import SPACES
from ..ops import registry
from ..tensor import Tensor, from_array
from .random_functional import dropout as dropped
from .utils.rnn import places, row_lengths

_rnn: Any = registry["_rnn"]
_lstm: Any = registry["_lstm"]
_gru: Any = registry["_gru"]


def _states(hx: Tensor | None, count: int) -> Sequence[Tensor | None]:
    if hx is None:
        return (None,) * count
    return (hx.squeeze(0),) if count == 1 else hx.unbind(0)


def _last(states: list[Tensor]) -> Tensor:
    return states[0].unsqueeze(0) if len(states) == 1 else SPACES["torch"]["stack"](states)


def run(
    layer: Callable[[tuple, bool, Any], Sequence[Tensor]],
    input: Tensor,
    states: Sequence[Tensor | None],
    params: Sequence[Tensor],
    bias: bool,
    depth: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool = False,
    sizes: Tensor | None = None,
) -> tuple[Tensor, ...]:
    """The output of the last layer, and the last states of all layers, one tensor for each of `states`.

    `layer` runs one direction. With `sizes` input is packed, (total, I).
    """
    ways = 2 if bidirectional else 1
    each = len(params) // (depth * ways)
    projected = each == (5 if bias else 3)
    starts = [_states(s, depth * ways) for s in states]
    lengths = packed = padded = None
    if sizes is not None:
        rows, steps = int(sizes._value()[0]), sizes.shape[0]
        found = [from_array(a).to(input.device) for a in (row_lengths(sizes), *places(sizes))]
        lengths, packed, padded = found
    elif batch_first:
        input = input.transpose(0, 1)
    ends: list[list[Tensor]] = [[] for _ in states]
    for k in range(depth):
        if k and dropout > 0 and train:
            input = dropped(input, dropout, True)
        x = input
        if sizes is not None:
            x = x.index_select(0, padded).reshape((steps, rows, x.shape[1]))
        outputs = []
        for way in range(ways):
            place = k * ways + way
            own = params[place * each : (place + 1) * each]
            w_ih, w_hh, *rest = own
            b_ih, b_hh = rest[:2] if bias else (None, None)
            given = [s[place] for s in starts] + [None] * (2 - len(starts))
            out, *last = layer((x, *given, w_ih, w_hh, b_ih, b_hh, rest[-1] if projected else None), way == 1, lengths)
            outputs.append(out)
            for end, state in zip(ends, last, strict=False):
                end.append(state)
        input = outputs[0] if ways == 1 else SPACES["torch"]["cat"](outputs, 2)
        if sizes is not None:
            input = input.reshape((steps * rows, input.shape[2])).index_select(0, packed)
    if batch_first:
        input = input.transpose(0, 1)
    return (input, *map(_last, ends))


def _lstm_layer(tensors: tuple, reverse: bool, lengths: Any) -> Sequence[Tensor]:
    return _lstm(tensors, reverse, lengths)[:3]


def _gru_layer(tensors: tuple, reverse: bool, lengths: Any) -> Sequence[Tensor]:
    return _gru(tensors, reverse, lengths)[:2]


def _tanh_layer(tensors: tuple, reverse: bool, lengths: Any) -> Sequence[Tensor]:
    return _rnn(tensors, reverse, lengths, False)


def _relu_layer(tensors: tuple, reverse: bool, lengths: Any) -> Sequence[Tensor]:
    return _rnn(tensors, reverse, lengths, True)


LAYERS = {"LSTM": _lstm_layer, "GRU": _gru_layer, "RNN_TANH": _tanh_layer, "RNN_RELU": _relu_layer}


def _function(name: str, mode: str, meaning: str) -> Callable:
    layer = LAYERS[mode]

    def function(input: Tensor, *args: Any, **named: Any) -> tuple[Tensor, ...]:
        hx_place = 0 if mode == "LSTM" else 1  # a tensor there, where else a list stands: the sizes come before
        is_packed = "batch_sizes" in named or len(args) > hx_place and isinstance(args[hx_place], Tensor)
        names = ["hx", "params", "has_biases", "num_layers", "dropout", "train", "bidirectional"]
        names = ["batch_sizes", *names] if is_packed else [*names, "batch_first"]
        given = {**dict(zip(names, args, strict=False)), **named}
        hx = given["hx"]
        return run(
            layer,
            input,
            hx if mode == "LSTM" else (hx,),
            given["params"],
            given["has_biases"],
            given["num_layers"],
            given["dropout"],
            given["train"],
            given["bidirectional"],
            given.get("batch_first", False),
            given.get("batch_sizes"),
        )

    function.__name__ = function.__qualname__ = name
    function.__doc__ = (
        f"{meaning}, several layers: (input, hx, params, has_biases, num_layers, dropout, train, bidirectional, "
        "batch_first), or (data, batch_sizes, hx, ..., bidirectional) of packed sequences."
    )
    return function


def _install() -> None:
    for name, mode, meaning in (
        ("lstm", "LSTM", "Long short-term memory"),
        ("gru", "GRU", "Gated recurrent units"),
        ("rnn_tanh", "RNN_TANH", "Simple recurrent layers with tanh"),
        ("rnn_relu", "RNN_RELU", "Simple recurrent layers with relu"),
    ):
        SPACES["torch"][name] = _function(name, mode, meaning)


_install()
