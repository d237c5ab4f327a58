"""torch.multiprocessing: tensors sent and shared, functions spawned, training by several processes."""

import copy
import io
import multiprocessing
import os
import pickle
import sys

import pytest

import flambeau
from flambeau import multiprocessing as mp
from flambeau import nn

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="shared memory needs Linux or macOS"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
METHODS = ["fork", "spawn"] if sys.platform == "linux" else ["spawn"]


def count(index, counter, times):
    for _ in range(times):
        counter.add_(1)


def train(index, model, steps):
    flambeau.manual_seed(index)
    optimizer = flambeau.optim.SGD(model.parameters(), lr=0.05)
    target = flambeau.tensor([[1.0], [2.0], [3.0]])
    for _ in range(steps):
        x = flambeau.randn(16, 3)
        optimizer.zero_grad()
        ((model(x) - x @ target) ** 2).mean().backward()
        optimizer.step()


def echo(index, received, answers):
    value = received.get()
    answers.put((value * 2, value.requires_grad))
    received.get()


def add_and_answer(index, received, answers):
    shared = received.get()
    shared.add_(1)
    answers.put(bool(shared.is_shared()))
    received.get()


def fail(index, kind):
    if index == 1:
        if kind == "raise":
            raise ValueError("no such luck")
        os._exit(3) if kind == "exit" else os.kill(os.getpid(), 9)


def write(index, tensor):
    tensor.fill_(7)


@pytest.mark.parametrize("method", METHODS)
def test_two_processes_count_together(method):
    counter = flambeau.zeros(2, dtype=flambeau.int64).share_memory_()
    assert counter.is_shared()
    mp.start_processes(count, (counter, 50), nprocs=2, start_method=method)
    assert counter.tolist() == [100, 100]
    counter.sub_(1)
    assert counter.tolist() == [99, 99]


@pytest.mark.parametrize("method", METHODS)
def test_two_processes_train_one_model(method):
    model = nn.Linear(3, 1).share_memory()
    assert model.weight.is_shared() and type(model.weight).__name__ == "Parameter"
    before = list(model.parameters())
    mp.start_processes(train, (model, 60), nprocs=2, start_method=method)
    assert model.weight is before[0] and model.weight.grad is None
    flambeau.testing.assert_close(model.weight.detach(), flambeau.tensor([[1.0, 2.0, 3.0]]), rtol=0.05, atol=0.05)
    train(0, model, 60)
    flambeau.testing.assert_close(model.weight.detach(), flambeau.tensor([[1.0, 2.0, 3.0]]), rtol=1e-3, atol=1e-3)


def test_a_shared_model_trains_as_another():
    losses = []
    for shared in (False, True):
        flambeau.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
        if shared:
            model.share_memory()
        for optimizer in (flambeau.optim.Adam(model.parameters(), 0.01), flambeau.optim.LBFGS(model.parameters())):
            for _ in range(3):
                x = flambeau.randn(16, 3)

                def closure(x=x, optimizer=optimizer, model=model):
                    optimizer.zero_grad()
                    loss = (model(x) - x.sum(1, keepdim=True)).square().mean()
                    loss.backward()
                    return loss

                losses.append(float(optimizer.step(closure)))
    assert losses[:6] == pytest.approx(losses[6:], rel=1e-5)


def test_what_is_not_shared_is_sent_by_value():
    tensor = flambeau.zeros(2)
    mp.spawn(write, (tensor,), nprocs=1)
    assert tensor.tolist() == [0.0, 0.0] and not tensor.is_shared()
    tensor.share_memory_()
    mp.spawn(write, (tensor,), nprocs=1)
    assert tensor.tolist() == [7.0, 7.0]


@pytest.mark.parametrize("value", [flambeau.arange(6.0).view(2, 3).t(), flambeau.ones(2, dtype=flambeau.bfloat16)])
def test_queues_carry_tensors(value):
    context = mp.get_context("spawn")
    there, back = context.SimpleQueue(), context.SimpleQueue()
    running = mp.spawn(echo, (there, back), nprocs=1, join=False)
    there.put(value)
    doubled, needs = back.get()
    there.put(None)
    assert running.join() or running.join()
    assert doubled.tolist() == (value * 2).tolist() and doubled.dtype is value.dtype and not needs


def test_a_shared_tensor_through_a_queue_stays_shared():
    context = mp.get_context("spawn")
    there, back = context.SimpleQueue(), context.SimpleQueue()
    running = mp.spawn(add_and_answer, (there, back), nprocs=1, join=False)
    counter = flambeau.zeros(3).share_memory_()
    there.put(counter)
    assert back.get() is True
    assert counter.tolist() == [1.0, 1.0, 1.0]
    there.put(None)
    while not running.join():
        pass


@pytest.mark.parametrize(
    ("kind", "error", "text"),
    [
        ("raise", mp.ProcessRaisedException, "ValueError: no such luck"),
        ("exit", mp.ProcessExitedException, "process 1 terminated with exit code 3"),
        ("kill", mp.ProcessExitedException, "process 1 terminated with signal SIGKILL"),
    ],
)
def test_a_failure_is_raised(kind, error, text):
    with pytest.raises(error, match=text) as caught:
        mp.start_processes(fail, (kind,), nprocs=2, start_method=METHODS[0])
    assert caught.value.error_index == 1
    again = pickle.loads(pickle.dumps(caught.value))
    assert type(again) is error and again.error_index == 1


def test_copies_and_files_of_shared_tensors_are_plain():
    model = nn.Linear(2, 2).share_memory()
    for again in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert not again.weight.is_shared() and type(again.weight) is nn.Parameter
        assert again.weight.tolist() == model.weight.tolist()
    file = io.BytesIO()
    flambeau.save([model.state_dict(), flambeau.ones(2).share_memory_()], file)
    file.seek(0)
    state, ones = flambeau.load(file)
    assert state["weight"].tolist() == model.weight.tolist() and type(ones) is flambeau.Tensor


def test_a_shared_tensor_is_an_ordinary_one():
    x = flambeau.tensor([1.0, 2.0, 3.0]).share_memory_()
    assert x.share_memory_() is x and repr(x) == "tensor([1., 2., 3.])" and isinstance(x, flambeau.FloatTensor)
    x[1] = 5.0
    view = x.view(3, 1)
    view.mul_(2)
    assert x.tolist() == [2.0, 10.0, 6.0] and (x + x).sum().item() == 36.0
    x.data = flambeau.zeros(2, 2)
    assert not x.is_shared() and x.tolist() == [[0.0, 0.0], [0.0, 0.0]]
    with pytest.raises(NotImplementedError, match="view"):
        flambeau.ones(4)[1:].share_memory_()


def test_the_standard_names_are_there():
    assert mp.Process is multiprocessing.Process and mp.cpu_count() == multiprocessing.cpu_count()
    assert mp.get_all_sharing_strategies() == {"file_descriptor"}
    mp.set_sharing_strategy("file_system")
    with pytest.raises(AssertionError):
        mp.set_sharing_strategy("post")
    x = flambeau.ones(1, requires_grad=True) * 2
    with pytest.raises(RuntimeError, match="Cowardly refusing to serialize non-leaf tensor"):
        multiprocessing.reduction.ForkingPickler.dumps(x)
