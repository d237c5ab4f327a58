"""Tensors on GPUs. JAX's further CPU devices stand for GPUs: one process with three of them runs all checks below and
says which failed; each is a test here. What holds without a GPU is asked of a process without them."""

import io
import json
import os
import pathlib
import subprocess
import sys
import traceback

import pytest

HERE = pathlib.Path(__file__)
CHECKS = {}


def check(function):
    """A function that runs where there are two GPUs, cuda:0 and cuda:1."""
    CHECKS[function.__name__] = function
    return function


def raised(kind, function):
    """The text of the error that `function` raises."""
    try:
        function()
    except kind as error:
        return str(error)
    raise AssertionError(f"no {kind.__name__} was raised")


# ---- tensors


@check
def creation(torch):
    assert torch.cuda.is_available() and torch.cuda.device_count() == 2
    x = torch.tensor([1.0, 2.0], device="cuda")
    assert x.device == torch.device("cuda:0") and x.device.index == 0 and x.is_cuda and x.get_device() == 0
    assert repr(x) == "tensor([1., 2.], device='cuda:0')"
    assert repr(x.to("cuda:1").long()) == "tensor([1, 2], device='cuda:1')"
    made = [torch.zeros(2, device="cuda"), torch.arange(3, device=torch.device("cuda", 0)), torch.ones(2, device=0)]
    made += [
        torch.full((2,), 7, device="cuda:0"),
        torch.ones_like(x),
        x.new_zeros(2),
        torch.eye(2, device="cuda"),
        torch.linspace(0, 1, 3, device="cuda"),
    ]
    made += [torch.Tensor(2, 3).cuda(), torch.as_tensor([1], device="cuda"), torch.tensor(x), torch.empty_like(x)]
    assert all(str(t.device) == "cuda:0" for t in made), [t.device for t in made]
    assert x.cpu().device.type == "cpu" and x.cuda(1).get_device() == 1 and x.to(x.device) is x
    assert "invalid device ordinal" in raised(RuntimeError, lambda: torch.ones(1, device="cuda:2"))


@check
def values(torch):
    x = torch.arange(6.0, device="cuda").reshape(2, 3)
    assert x.tolist() == [[0, 1, 2], [3, 4, 5]] and x.sum().item() == 15 and float(x[1, 2]) == 5
    assert bool((x >= 0).all())
    assert raised(TypeError, x.numpy) == (
        "can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host memory first."
    )
    assert x.numpy(force=True).sum() == 15 and x.cpu().numpy()[1, 1] == 4
    for part in (x[0], x[:, 1], x[x > 2], x[torch.tensor([1, 0])], x.nonzero(), x.unique(), x.topk(2).values):
        assert str(part.device) == "cuda:0"
    assert x[torch.tensor([1, 0])].tolist() == [[3, 4, 5], [0, 1, 2]] and x[x > 2].tolist() == [3, 4, 5]


@check
def nothing_comes_back_on_the_way(torch):
    import jax

    x = torch.ones(3, device="cuda:1")
    y = x * 2 + 1
    torch.cuda.synchronize()
    value = y._node.value
    assert isinstance(value, jax.Array) and value.devices() == {jax.devices()[2]}
    (y * y).sum().item()
    assert y._node.value is value


@check
def one_device_for_all_operands(torch):
    x, y, z = torch.ones(2, device="cuda"), torch.ones(2), torch.ones(2, device="cuda:1")
    text = "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and "
    for function in (lambda: x + y, lambda: y * x, lambda: torch.cat([x, y]), lambda: torch.ones(2, 2) @ x):
        assert raised(RuntimeError, function) == text + "cpu!"
    assert raised(RuntimeError, lambda: x + z) == text + "cuda:1!"
    layer = torch.nn.Linear(2, 2)
    assert raised(RuntimeError, lambda: layer(x)) == text + "cpu!"
    assert (x + torch.tensor(3.0)).tolist() == [4, 4] and str((torch.tensor(2) * x).device) == "cuda:0"
    assert text in raised(RuntimeError, lambda: y + torch.tensor(3.0, device="cuda"))


@check
def writing(torch):
    def written(device):
        x = torch.zeros(3, 4, device=device)
        x[:, 1] = 2
        x[0] += torch.ones(4, device=device)
        x.view(-1)[5:8].mul_(3)
        x[x > 2] = 9
        x.t().add_(1)
        x[torch.tensor([0, 2]), torch.tensor([1, 1])] = torch.tensor([5.0, 6.0], device=device)
        x[1].copy_(torch.arange(4.0))  # from the processor
        x[2, 0] = torch.tensor(8)
        return x

    assert str(written("cuda").device) == "cuda:0" and written("cuda").tolist() == written("cpu").tolist()
    back = torch.zeros(2)
    back.copy_(torch.ones(2, device="cuda:1"))
    assert back.tolist() == [1, 1] and back.device.type == "cpu"


@check
def gradients_cross_devices(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x.cuda() * 3
    z = (y.to("cuda:1") ** 2).cpu()
    (z * x).sum().backward()
    assert x.grad.device.type == "cpu" and x.grad.tolist() == [27, 108] and z.grad_fn.name() == "ToCopyBackward0"
    leaf = torch.ones(2, device="cuda", requires_grad=True)
    (leaf * torch.tensor(2.0, requires_grad=True)).sum().backward()
    assert str(leaf.grad.device) == "cuda:0"
    assert "device" in raised(RuntimeError, lambda: setattr(leaf, "grad", torch.ones(2)))
    (g,) = torch.autograd.grad((leaf**3).sum(), leaf, create_graph=True)
    g.sum().backward()
    assert leaf.grad.tolist() == [8, 8]


@check
def errors_only_values_show(torch):
    layer = torch.nn.Embedding(5, 3).cuda()
    text = raised(IndexError, lambda: layer(torch.tensor([7], device="cuda")).sum().item())
    assert text == "index out of range in self"
    scores = torch.zeros(2, 3, device="cuda")
    loss = torch.nn.functional.cross_entropy
    assert "Target 5" in raised(IndexError, lambda: loss(scores, torch.tensor([0, 5], device="cuda")).item())
    assert loss(scores, torch.tensor([0, 2], device="cuda")).item() > 1


@check
def random_numbers_are_the_processors(torch):
    def drawn(device):
        torch.manual_seed(3)
        x = torch.rand(5, device=device)
        more = [torch.randn(20, device=device), torch.randint(9, (3,), device=device), torch.randperm(6, device=device)]
        more += [torch.bernoulli(x), torch.rand_like(x), torch.empty(3, device=device).normal_(), torch.normal(x, 1.0)]
        more += [torch.multinomial(x, 2), torch.nn.functional.dropout(torch.ones(30, device=device))]
        assert all(t.device.type == device for t in more)
        return [x.tolist()] + [t.tolist() for t in more]

    assert drawn("cuda") == drawn("cpu")
    torch.cuda.manual_seed_all(5)
    state = torch.cuda.get_rng_state()
    first = torch.rand(3, device="cuda").tolist()
    torch.cuda.set_rng_state_all([state, state])
    assert torch.rand(3, device="cuda:1").tolist() == first and torch.cuda.initial_seed() == 5
    assert torch.Generator("cuda").manual_seed(1).device.type == "cuda" and len(torch.cuda.default_generators) == 2


@check
def default_devices(torch):
    torch.set_default_device("cuda:1")
    try:
        assert torch.get_default_device() == torch.device("cuda:1") and torch.nn.Linear(2, 2).weight.get_device() == 1
        assert torch.rand(2).get_device() == 1 and torch.zeros(2, device="cpu").device.type == "cpu"
    finally:
        torch.set_default_device(None)
    with torch.device("cuda"):
        assert torch.ones(1).is_cuda
    with torch.cuda.device(1):
        assert torch.ones(1, device="cuda").get_device() == 1 and torch.cuda.current_device() == 1
    torch.cuda.set_device(1)
    assert torch.ones(1).cuda().get_device() == 1
    torch.cuda.set_device("cuda:0")
    assert torch.cuda.current_device() == 0 and not torch.ones(1).is_cuda


# ---- training


def network(torch):
    nn = torch.nn
    return nn.Sequential(nn.Linear(4, 6, bias=False), nn.BatchNorm1d(6), nn.Tanh(), nn.Dropout(0.3), nn.Linear(6, 3))


def trained(torch, device, make, steps=5):
    """Losses, and parameters and buffers, of a network trained on a device."""
    torch.manual_seed(0)
    net = network(torch).to(device)
    optimizer = make(net.parameters())
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 2)
    x, y = torch.randn(8, 4).to(device), torch.randint(3, (8,)).to(device)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(net(x), y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    assert all(p.device.type == p.grad.device.type == device for p in net.parameters())
    return torch.tensor(losses), [t.detach().cpu() for t in net.state_dict().values()], optimizer


@check
def training_is_the_processors(torch):
    optim = torch.optim
    for make in (
        lambda p: optim.SGD(p, 0.1),
        lambda p: optim.SGD(p, 0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
        lambda p: optim.Adam(p, 0.01, amsgrad=True),
        lambda p: optim.AdamW(p, 0.01, maximize=True),
        lambda p: optim.Adafactor(p, 0.01),  # whose parameters keep their shape
    ):
        (losses, there, _), (expected, here, _) = trained(torch, "cuda", make), trained(torch, "cpu", make)
        assert (losses - expected).abs().max() < 1e-6, (losses, expected)
        for a, b in zip(there, here, strict=True):
            assert (a.double() - b.double()).abs().max() < 1e-6, (a, b)


@check
def a_step_is_compiled_once(torch):
    _, _, optimizer = trained(torch, "cuda", lambda p: torch.optim.Adam(p, 0.01), 4)  # whose learning rate changes
    (bucket,) = optimizer._filled[0][1]
    (step,) = bucket.steps.values()
    assert step.given._cache_size() == 1 and step.kept._cache_size() == 0
    names = {n: str(t.device) for n, t in optimizer.state_dict()["state"][0].items()}
    assert names == {"step": "cpu", "exp_avg": "cuda:0", "exp_avg_sq": "cuda:0"}


@check
def who_looks_at_old_values_keeps_them(torch):
    net = torch.nn.Linear(3, 2).cuda()
    optimizer = torch.optim.Adam(net.parameters(), 0.1)
    x = torch.ones(4, 3, device="cuda", requires_grad=True)

    def step():
        optimizer.zero_grad()
        loss = net(x).sum()
        loss.backward()
        optimizer.step()

    step()
    copy, view, out = net.weight.detach().clone(), net.weight.detach(), net(x)
    array, before = net.weight.detach().cpu(), net.weight.tolist()
    state = optimizer.state_dict()["state"][0]["exp_avg"].clone()
    step()
    step()
    assert copy.tolist() == array.tolist() == before != net.weight.tolist() == view.tolist()
    assert out.shape == (4, 2) and abs(out[0, 0].item() - sum(before[0])) < 10 and state.shape == (2, 3)
    text = raised(RuntimeError, out.square().sum().backward)
    assert "[torch.cuda.FloatTensor [2, 3]] is at version 3; expected version 2" in text


@check
def modules_move(torch):
    net = network(torch)
    weight, optimizer = net[0].weight, torch.optim.SGD(net.parameters(), 0.1, momentum=0.9)
    assert net.cuda() is net and net[0].weight is weight and str(weight.device) == "cuda:0"
    assert all(t.is_cuda for t in (*net.parameters(), *net.buffers()))
    net(torch.ones(2, 4, device="cuda")).sum().backward()
    optimizer.step()
    assert optimizer.state[weight]["momentum_buffer"].is_cuda and weight.grad.is_cuda
    net.to("cuda:1", torch.float64)
    assert weight.get_device() == 1 and weight.dtype is torch.float64 and weight.grad.get_device() == 1
    net.float().cpu()
    assert not any(t.is_cuda for t in (*net.parameters(), *net.buffers()))
    assert "at least two devices, cuda:0 and cpu!" in raised(RuntimeError, optimizer.step)
    optimizer.load_state_dict(optimizer.state_dict())  # which brings the state to the parameters
    optimizer.step()
    assert not optimizer.state[weight]["momentum_buffer"].is_cuda


@check
def one_model_on_two_devices(torch):
    def trained_on(first, second):
        torch.manual_seed(0)
        a, b = torch.nn.Linear(4, 8).to(first), torch.nn.Linear(8, 2).to(second)
        params = [*a.parameters(), *b.parameters()]
        optimizer, x = torch.optim.Adam(params, 0.01), torch.randn(5, 4).to(first)
        for _ in range(4):
            optimizer.zero_grad()
            b(a(x).relu().to(second)).square().mean().backward()
            torch.nn.utils.clip_grad_norm_(params, 0.1)
            optimizer.step()
        assert [p.device for p in params] == [torch.device(d) for d in (first, first, second, second)]
        return torch.cat([p.detach().cpu().flatten() for p in params])

    assert (trained_on("cuda:0", "cuda:1") - trained_on("cpu", "cpu")).abs().max() < 1e-6


@check
def checkpoints(torch):
    net = torch.nn.Linear(2, 2).cuda()
    x = torch.arange(6.0, device="cuda:1").reshape(2, 3)
    file = io.BytesIO()
    torch.save({"net": net.state_dict(), "x": x, "part": x[:, 1]}, file)

    def places(**how):
        file.seek(0)
        found = torch.load(file, **how)
        assert found["x"].cpu().tolist() == [[0, 1, 2], [3, 4, 5]] and found["part"].tolist() == [1, 4]
        return str(found["net"]["weight"].device), str(found["x"].device), str(found["part"].device)

    assert places() == ("cuda:0", "cuda:1", "cuda:1") and places(map_location="cpu") == ("cpu", "cpu", "cpu")
    assert places(map_location={"cuda:1": "cuda:0"}) == ("cuda:0", "cuda:0", "cuda:0")
    assert places(map_location=lambda storage, where: storage.cuda(1)) == ("cuda:1", "cuda:1", "cuda:1")
    file.seek(0)
    other = torch.nn.Linear(2, 2)
    other.load_state_dict(torch.load(file)["net"])
    assert other.weight.device.type == "cpu" and other.weight.tolist() == net.weight.tolist()
    import copy
    import pickle

    assert pickle.loads(pickle.dumps(x)).get_device() == 1 and copy.deepcopy(net).weight.tolist() == net.weight.tolist()


@check
def mixed_precision(torch):
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.LayerNorm(4), torch.nn.Linear(4, 2)).cuda()
    optimizer, scaler = torch.optim.SGD(net.parameters(), 0.1), torch.amp.GradScaler("cuda", init_scale=1024.0)
    x, y = torch.randn(6, 3, device="cuda"), torch.tensor([0, 1, 0, 1, 0, 1], device="cuda")
    losses = []
    for _ in range(4):
        optimizer.zero_grad()
        with torch.autocast("cuda"):
            assert torch.is_autocast_enabled() and not torch.is_autocast_enabled("cpu")
            out = net(x)
            loss = torch.nn.functional.cross_entropy(out, y)
            assert out.dtype is torch.float16 and loss.dtype is out.exp().dtype is torch.float32
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype is torch.float32  # the processor's are left alone
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.item())
    assert losses[-1] < losses[0] and net[0].weight.grad.dtype is torch.float32 and scaler.get_scale() == 1024
    before = net[0].weight.tolist()
    (net(x).sum() * float("inf")).backward()
    scaler.step(optimizer)
    scaler.update()
    assert net[0].weight.tolist() == before and scaler.get_scale() == 512


@check
def compiled_and_eager_steps(torch):
    def stepped(device, wrap):
        torch.manual_seed(0)
        net = torch.nn.Linear(3, 2).to(device)
        optimizer = torch.optim.Adam(net.parameters(), 0.1)

        def step(x):
            optimizer.zero_grad()
            loss = net(x).square().mean()
            loss.backward()
            optimizer.step()
            return loss

        run = wrap(step)
        return [run(torch.full((4, 3), float(i), device=device)).item() for i in range(4)]

    def eagerly(step):
        def run(x):
            with torch.eager():
                return step(x)

        return run

    expected = stepped("cpu", lambda step: step)
    for wrap in (lambda step: step, torch.compile, eagerly):
        assert all(abs(a - b) < 1e-6 for a, b in zip(stepped("cuda", wrap), expected, strict=True))


# ---- torch.cuda


@check
def memory(torch):
    cuda = torch.cuda
    before = cuda.memory_allocated()
    x = torch.ones(1000, device="cuda") + 1
    cuda.synchronize()
    assert cuda.memory_allocated() - before >= 4000 and cuda.max_memory_allocated() >= 4000
    peak = cuda.max_memory_allocated("cuda:0")
    del x
    assert cuda.memory_allocated(0) <= peak - 4000 and cuda.max_memory_allocated() == peak
    cuda.reset_peak_memory_stats()
    assert cuda.max_memory_allocated() < peak and cuda.memory_reserved() >= cuda.memory_allocated()
    free, total = cuda.mem_get_info()
    assert 0 < free <= total == cuda.get_device_properties(0).total_memory
    assert cuda.memory_stats()["allocated_bytes.all.current"] == cuda.memory_allocated()
    assert "cuda:0" in cuda.memory_summary() and cuda.empty_cache() is None


@check
def streams_and_events(torch):
    cuda = torch.cuda
    start, end = cuda.Event(enable_timing=True), cuda.Event(enable_timing=True)
    start.record()
    x = torch.ones(200, 200, device="cuda") @ torch.ones(200, 200, device="cuda")
    end.record()
    end.synchronize()
    assert start.elapsed_time(end) > 0 and end.query() and x._node.value is not None
    assert "enable_timing" in raised(ValueError, lambda: cuda.Event().elapsed_time(end))
    with cuda.stream(cuda.Stream(device=1)) as _:
        assert torch.ones(1, device="cuda").get_device() == 1
    assert cuda.current_stream() == cuda.default_stream() != cuda.Stream("cuda:1")
    cuda.current_stream().wait_stream(cuda.Stream())
    assert cuda.nvtx.range_push("a") == 0 and cuda.nvtx.range_pop() == 0
    assert torch.accelerator.current_accelerator() == torch.device("cuda")
    assert torch.ones(2).type(cuda.DoubleTensor).type() == "torch.cuda.DoubleTensor"
    assert torch.ones(2).type("torch.cuda.LongTensor").is_cuda and not x.type(torch.FloatTensor).is_cuda
    assert isinstance(x, cuda.FloatTensor) and x.type() == "torch.cuda.FloatTensor" and cuda.is_bf16_supported()
    assert cuda.get_device_name() and cuda.get_device_capability() == (0, 0) and torch.device(1).type == "cuda"


@check
def products_in_full_precision(torch):
    from flambeau.backends import xla

    assert xla.precision() == "highest" and os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"
    a = torch.full((2, 2), 1 + 2.0**-20, device="cuda")
    assert (a @ torch.eye(2, device="cuda")).tolist() == a.tolist()
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        assert xla.precision() == "tensorfloat32" and torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision("highest")
    assert not torch.backends.cuda.matmul.allow_tf32


# ---- as tests


def environment(**words):
    """The surroundings of a process of its own."""
    kept = {k: v for k, v in os.environ.items() if k not in ("XLA_FLAGS", "FLAMBEAU_CUDA_STANDIN", "JAX_PLATFORMS")}
    path = os.pathsep.join([str(HERE.parent.parent), *filter(None, [kept.get("PYTHONPATH")])])
    return {**kept, "PYTHONPATH": path, **words}


@pytest.fixture(scope="module")
def told():
    """What each check says: nothing, or what went wrong."""
    pytest.importorskip("jax")
    words = environment(XLA_FLAGS="--xla_force_host_platform_device_count=3", FLAMBEAU_CUDA_STANDIN="1")
    ran = subprocess.run([sys.executable, str(HERE)], env=words, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", CHECKS)
def test_on_stand_in(told, name):
    assert not told[name], told[name]


WITHOUT = """
import sys
import flambeau as torch
assert not torch.cuda.is_available() and torch.cuda.device_count() == 0 and not torch.cuda.is_initialized()
assert torch.cuda.memory_allocated() == torch.cuda.max_memory_allocated() == 0 and torch.cuda.memory_stats() == {}
assert not torch.cuda.is_bf16_supported() and torch.cuda.get_rng_state_all() == [] == torch.cuda.get_arch_list()
assert torch.cuda.default_generators == () and not torch.accelerator.is_available()
torch.cuda.manual_seed_all(1); torch.cuda.empty_cache(); torch.cuda.reset_peak_memory_stats()
missing = "Torch not compiled with CUDA enabled"
for function in (torch.ones(1).cuda, lambda: torch.ones(1, device="cuda:0"), torch.cuda.current_stream,
                 torch.cuda.current_device, lambda: torch.nn.Linear(1, 1).to("cuda"), torch.cuda.synchronize,
                 torch.cuda.get_device_name, torch.cuda.mem_get_info, lambda: torch.cuda.set_device(0),
                 torch.cuda.get_rng_state):
    try:
        function()
    except AssertionError as error:
        assert str(error) == missing, error
    else:
        raise SystemExit(f"{function} raised nothing")
assert torch.device("cuda").index is None and not torch.backends.cuda.is_built()
assert "jax" not in sys.modules
"""


@pytest.mark.parametrize("words", [{}, {"CUDA_VISIBLE_DEVICES": ""}, {"JAX_PLATFORMS": "cpu"}], ids=str)
def test_without_a_gpu(words):
    if not words and os.path.exists("/dev/nvidiactl"):
        pytest.skip("there is a GPU")
    ran = subprocess.run([sys.executable, "-c", WITHOUT], env=environment(**words), capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


if __name__ == "__main__":
    import flambeau

    said = {}
    for what, function in CHECKS.items():
        try:
            function(flambeau)
            said[what] = ""
        except Exception:
            said[what] = traceback.format_exc()
    print(json.dumps(said))
