"""torch.jit: scripts behave as what they were made of."""

import copy
import io
import pickle
from typing import Dict, List, Optional, Tuple  # noqa: UP035  (what programs for TorchScript write)

import pytest

import flambeau
from flambeau import jit, nn


class Model(nn.Module):
    """With a branch, a submodule, an attribute and marked methods."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.scale = 3

    def forward(self, x):
        if x.sum() > 0:
            return self.layer(x) * self.scale
        return x

    @jit.export
    def other(self, x):
        return x + self.scale

    @jit.ignore
    def ignored(self, x):
        return x

    @jit.unused
    def unused(self, x):
        return x


def test_a_script_shares_everything_with_its_module():
    model = Model()
    script = jit.script(model)
    x = flambeau.ones(1, 2)
    assert isinstance(script, jit.ScriptModule) and isinstance(script, nn.Module)
    assert script.original_name == "Model" and jit.script(script) is script
    assert script.layer.weight is model.layer.weight and list(script.state_dict()) == list(model.state_dict())
    assert script(x).tolist() == model(x).tolist() and script.other(x).tolist() == [[4.0, 4.0]]
    script.eval()
    assert not model.training and not model.layer.training
    script.scale = 5
    assert script(x).tolist() == (model.layer(x) * 5).tolist()
    script.load_state_dict({"layer.weight": flambeau.zeros(2, 2), "layer.bias": flambeau.ones(2)})
    assert model(x).tolist() == [[5.0, 5.0]]
    assert len(list(script.parameters())) == 2


def test_a_trace_keeps_its_branches():
    model = Model()
    script = jit.trace(model, flambeau.ones(1, 2))
    assert script(-flambeau.ones(1, 2)).tolist() == [[-1.0, -1.0]]
    assert script(flambeau.ones(1, 2)).tolist() == model(flambeau.ones(1, 2)).tolist()


def test_a_script_trains():
    script = jit.script(Model())
    before = script.layer.weight.tolist()
    optimizer = flambeau.optim.SGD(script.parameters(), lr=0.1)
    script(flambeau.ones(1, 2)).sum().backward()
    optimizer.step()
    assert script.layer.weight.tolist() != before


def test_hooks_of_a_script_run_once():
    script, seen = jit.script(Model()), []
    script.register_forward_hook(lambda module, args, out: seen.append(module))
    script(flambeau.ones(1, 2))
    assert seen == [script]


def test_functions():
    @jit.script
    def double(x, times: int = 2):
        return x * times

    assert isinstance(double, jit.ScriptFunction) and double.name == "double" and "x * times" in double.code
    assert double(flambeau.ones(2), times=3).tolist() == [3.0, 3.0]
    traced = jit.trace(lambda x: x + 1, (flambeau.ones(1),))
    assert traced(flambeau.zeros(2)).tolist() == [1.0, 1.0]


def test_freezing_takes_a_copy():
    model = Model().eval()
    frozen = jit.optimize_for_inference(jit.script(model))
    assert not any(p.requires_grad for p in frozen.parameters()) and all(p.requires_grad for p in model.parameters())
    with flambeau.no_grad():
        model.layer.weight.zero_()
    assert frozen.layer.weight.tolist() != model.layer.weight.tolist()


def test_copies_and_pickles_are_scripts():
    script = jit.script(nn.Sequential(nn.Linear(2, 1)))
    for again in (copy.deepcopy(script), pickle.loads(pickle.dumps(script))):
        assert type(again) is jit.RecursiveScriptModule and again[0].weight is not script[0].weight
        assert again(flambeau.ones(2)).tolist() == script(flambeau.ones(2)).tolist()


@pytest.mark.parametrize(
    "function",
    [
        lambda m: m.jit.freeze(m.nn.Linear(2, 2)),
        lambda m: m.jit.freeze(m.jit.script(m.nn.Linear(2, 2))),
        lambda m: m.jit.optimize_for_inference(m.nn.Linear(2, 2)),
        lambda m: m.jit.load("/no/such/file"),
        lambda m: m.jit.trace(m.nn.Linear(3, 2), m.ones(1, 2)),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_errors_are_pytorchs(torch, function):
    said = []
    for m in (flambeau, torch):
        with pytest.raises(Exception) as caught:
            function(m)
        said.append((caught.type, str(caught.value).split("\n")[0]))
    assert said[0] == said[1]


@pytest.mark.filterwarnings("ignore")
def test_is_shown_as_pytorch_shows_it(torch):
    for m in (flambeau, torch):
        model = m.nn.Sequential(m.nn.Linear(2, 2), m.nn.Sequential(m.nn.ReLU()))
        shown = str(m.jit.script(model)), str(m.jit.trace(model, m.ones(1, 2)))
        if m is flambeau:
            ours = shown
    assert ours == shown


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ([1], List[int]),  # noqa: UP006
        ([1, "a"], List[int]),  # noqa: UP006
        ({"a": 1}, Dict[str, int]),  # noqa: UP006
        ({"a": "b"}, Dict[str, int]),  # noqa: UP006
        ((1, "a"), Tuple[int, str]),  # noqa: UP006
        (None, Optional[int]),  # noqa: UP045
        (1, Optional[str]),  # noqa: UP045
        (1, (str, int)),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_isinstance_looks_inside(torch, value, kind):
    assert jit.isinstance(value, kind) == torch.jit.isinstance(value, kind)


def test_archives_are_refused(tmp_path):
    script = jit.script(nn.Linear(1, 1))
    path = tmp_path / "model.pt"
    path.write_bytes(b"PK\x03\x04")
    for function in (lambda: jit.save(script, path), lambda: script.save(path), lambda: jit.load(path)):
        with pytest.raises(NotImplementedError, match="state_dict"):
            function()
    assert jit.annotate(int, 3) == 3 and not jit.is_scripting() and not jit.is_tracing()


@pytest.mark.filterwarnings("ignore")
def test_an_archive_of_pytorchs_is_refused(torch):
    file = io.BytesIO()
    torch.jit.save(torch.jit.trace(torch.nn.Linear(1, 1), torch.ones(1)), file)
    file.seek(0)
    with pytest.raises(RuntimeError, match="TorchScript"):
        flambeau.load(file, weights_only=False)


def test_a_fork_has_run():
    task = jit.fork(lambda x: x * 2, 21)
    assert task.done() and jit.wait(task) == 42 and task.then(lambda done: done.value() + 1).wait() == 43
    with pytest.raises(ZeroDivisionError):
        jit.fork(lambda: 1 / 0).wait()
