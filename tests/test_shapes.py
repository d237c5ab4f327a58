"""Shape functions take PyTorch's arguments, by position and by name; creation and dtype information agree."""

import pytest

import flambeau

torch = pytest.importorskip("torch")

CALLS = {
    "cumsum(axis=)": lambda m, x: m.cumsum(x, axis=1),
    "cumprod(axis=, out=)": lambda m, x: m.cumprod(x, axis=0, out=m.zeros(1, 6)),
    "gather(axis=)": lambda m, x: x.gather(axis=1, index=m.tensor([[1]])),
    "sum(axis=, keepdims=)": lambda m, x: x.sum(axis=1, keepdims=True),
    "squeeze(dim=0)": lambda m, x: x.squeeze(dim=0),
    "squeeze((0, 1))": lambda m, x: m.squeeze(x, (0, 1)),
    "reshape(shape=)": lambda m, x: m.reshape(x, shape=(2, -1)),
    "view(size=)": lambda m, x: x.view(size=(3, 2)),
    "permute(dims=)": lambda m, x: x.permute(dims=(1, 0)),
    "expand(size=)": lambda m, x: x.expand(size=(2, -1)),
    "repeat(repeats=)": lambda m, x: x.repeat(repeats=(2, 1)),
    "tile": lambda m, x: x.tile(2),
    "flip(dims=)": lambda m, x: m.flip(x, dims=(1,)),
    "split(split_size=)": lambda m, x: x.split(split_size=4, dim=1)[1],
    "tensor_split(sections=)": lambda m, x: m.tensor_split(x, sections=4, dim=1)[0],
    "narrow by a tensor": lambda m, x: x.narrow(1, m.tensor(1), 2),
    "scatter of a number": lambda m, x: x.scatter(1, m.tensor([[1]]), value=3.0),
    "scatter_ of a number": lambda m, x: x.clone().scatter_(1, m.tensor([[1]]), 9.0),
    "index_put_ adding": lambda m, x: x.clone().index_put_(
        (m.tensor([0, 0]), m.tensor([1, 1])), m.tensor(1.0), accumulate=True
    ),
    "meshgrid xy": lambda m, x: m.stack(m.meshgrid(x[0], x[0, :2], indexing="xy")),
    "one_hot": lambda m, x: m.nn.functional.one_hot(m.tensor([1, 0, 3])),
    "fill_diagonal_ wrapped": lambda m, x: m.zeros(7, 2).fill_diagonal_(1, wrap=True),
    "arange of floats": lambda m, x: m.arange(0, 1, 0.25),
    "arange to an integer type": lambda m, x: m.arange(0.5, 4.5, 1.5, dtype=m.int32),
    "linspace of integers": lambda m, x: m.linspace(0, 10, 4, dtype=m.int64),
    "vander": lambda m, x: m.vander(m.tensor([1, 2, 3]), 4, True),
    "ragged": lambda m, x: m.tensor([[1, 2], [3]]),
    "not a shape": lambda m, x: x.reshape(4, 2),
    "two unknown sizes": lambda m, x: x.reshape(-1, -1),
    "repeated dims": lambda m, x: x.permute(0, 0),
    "expand": lambda m, x: x.expand(2, 5),
    "expand to fewer": lambda m, x: x.expand(6),
    "unsqueeze out of range": lambda m, x: x.unsqueeze(4),
    "cat of shapes": lambda m, x: m.cat([x, m.zeros(2, 5)]),
    "cat of none": lambda m, x: m.cat([]),
    "stack of shapes": lambda m, x: m.stack([x, m.zeros(6)]),
    "split of sizes": lambda m, x: x.split([1, 2], 1),
    "gather beyond": lambda m, x: x.gather(1, m.tensor([[7]])).tolist(),
    "index_select beyond": lambda m, x: x.index_select(0, m.tensor([7])).tolist(),
    "step 0": lambda m, x: m.arange(0, 5, 0),
    "wrong sign": lambda m, x: m.arange(0, 5, -1),
    "negative size": lambda m, x: m.zeros(-1),
    "size of a wrong type": lambda m, x: m.zeros(2.5),
    "an integer that collects gradients": lambda m, x: m.ones(2, dtype=m.int64, requires_grad=True),
    "finfo": lambda m, x: (m.finfo(m.float32), m.finfo(m.bfloat16), m.finfo(m.float16).eps, m.iinfo(m.int8)),
    "finfo of integers": lambda m, x: m.finfo(m.int8),
    "promotion": lambda m, x: [
        m.result_type(x, 1),
        m.result_type(m.tensor([1]), 1.5),
        m.promote_types(m.int8, m.uint8),
    ],
    "broadcast_shapes": lambda m, x: m.broadcast_shapes((2, 1), (3,)),
    "broadcast_shapes that differ": lambda m, x: m.broadcast_shapes((2,), (3,)),
    "frombuffer": lambda m, x: m.frombuffer(bytearray(b"abcd"), dtype=m.int16, offset=2),
}


@pytest.mark.parametrize("what", CALLS)
def test_as_pytorch(what):
    def outcome(m):
        try:
            return repr(CALLS[what](m, m.arange(6.0).reshape(1, 6)))
        except Exception as error:
            return type(error).__name__, str(error).split("\n")[0]

    assert outcome(flambeau) == outcome(torch)
