"""Libraries made for PyTorch run on flambeau: what the programs of programs/use_*.py print is what PyTorch's prints."""
from __future__ import annotations

import importlib.util

import pytest
from alike import check_program

import flambeau

LIBRARIES = {"einops": "einops", "safetensors": "safetensors", "torchinfo": "torchinfo", "torchmetrics": "torchmetrics",
             "skorch": "skorch", "accelerate": "accelerate", "lightning": "pytorch_lightning",
             "transformers": "transformers", "timm": "timm"}


@pytest.mark.parametrize("library", LIBRARIES)
def test_library(library, tmp_path):
    # Looked for, not imported: outside `flambeau run` it would bring PyTorch.
    if importlib.util.find_spec(LIBRARIES[library]) is None:
        pytest.skip(f"{LIBRARIES[library]} is not installed")
    check_program(f"use_{library}", tmp_path)


# What they ask for besides, on a machine with one processor.


def test_states_of_no_gpu():
    assert flambeau.cuda.get_rng_state_all() == []
    flambeau.cuda.set_rng_state_all([])
    assert not flambeau.cuda.is_current_stream_capturing()
    with pytest.raises(AssertionError, match="Torch not compiled with CUDA enabled"):
        flambeau.cuda.get_rng_state()
    with pytest.raises(NotImplementedError, match="torch.cuda.Stream is not supported; there is no GPU"):
        flambeau.cuda.Stream()
    assert not isinstance(flambeau.ones(1), flambeau.cuda.CUDAGraph)


def test_no_tensor_or_module_is_spread_over_processes():
    from flambeau.distributed.tensor import DTensor
    from flambeau.nn.parallel import DistributedDataParallel

    assert not isinstance(flambeau.ones(1), DTensor)
    assert not isinstance(flambeau.nn.Linear(1, 1), DistributedDataParallel)
    with pytest.raises(NotImplementedError, match="use the module itself"):
        DistributedDataParallel(flambeau.nn.Linear(1, 1))


def test_where_and_what_a_module_goes_to():
    parse = flambeau._C._nn._parse_to
    assert parse("cpu", flambeau.float16)[:2] == (flambeau.device("cpu"), flambeau.float16)
    assert parse(dtype=flambeau.float64, non_blocking=True) == (None, flambeau.float64, True, None)


def test_kinds_of_collections():
    from collections import namedtuple

    from flambeau.utils import _pytree

    Pair = namedtuple("Pair", "a b")
    assert _pytree._get_node_type(Pair(1, 2)) in _pytree.SUPPORTED_NODES
    assert _pytree._get_node_type(3) not in _pytree.SUPPORTED_NODES
    assert _pytree.SUPPORTED_NODES[dict].flatten_fn({"a": 1, "b": 2}) == ([1, 2], ["a", "b"])
    keys, names = _pytree._dict_flatten_with_keys({"a": 1})
    assert [str(key) for key, _ in keys] == ["['a']"] and names == ["a"]


def test_an_optimizer_that_wraps_another_steps():
    class Wrapper(flambeau.optim.Optimizer):
        def __init__(self, inner):
            self.inner = inner

        def step(self, closure=None):
            return self.inner.step(closure)

    weight = flambeau.ones(2, requires_grad=True)
    weight.sum().backward()
    Wrapper(flambeau.optim.SGD([weight], lr=0.5)).step()
    assert weight.tolist() == [0.5, 0.5]


def test_hooks_are_taken_away_by_their_handles():
    from flambeau.utils.hooks import RemovableHandle, unserializable_hook, warn_if_has_hooks

    weight = flambeau.ones(2, requires_grad=True)
    handle = weight.register_hook(lambda g: g * 2)
    assert isinstance(handle, RemovableHandle)
    with pytest.warns(UserWarning, match="will not be serialized"):
        warn_if_has_hooks(weight)
    handle.remove()
    weight.register_hook(unserializable_hook(lambda g: g * 3))
    warn_if_has_hooks(weight)
