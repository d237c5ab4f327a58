"""Modules that programs touch in passing: the compiler's switches, other devices, benchmark, library, overrides."""

import subprocess
import sys

import pytest
from side_by_side import same, table

import flambeau
from flambeau.utils import benchmark, checkpoint

REFUSED = {
    "onnx.export": lambda: flambeau.onnx.export(None, (), "m.onnx"),
    "fx.symbolic_trace": lambda: flambeau.fx.symbolic_trace(abs),
    "fx.GraphModule": lambda: flambeau.fx.GraphModule(None, None),
    "export.export": lambda: flambeau.export.export(None, ()),
    "quantization.quantize_dynamic": lambda: flambeau.quantization.quantize_dynamic(None),
    "distributed.init_process_group": lambda: flambeau.distributed.init_process_group("gloo"),
    "distributed.all_reduce": lambda: flambeau.distributed.all_reduce(flambeau.ones(1)),
    "cpp_extension.load": lambda: flambeau.utils.cpp_extension.load("a", []),
    "library.Library": lambda: flambeau.library.Library("a", "DEF"),
    "testing.FileCheck": lambda: flambeau.testing.FileCheck(),
    "overrides.get_testing_overrides": lambda: flambeau.overrides.get_testing_overrides(),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_supported_says_so(name):
    with pytest.raises(NotImplementedError, match=name.rpartition(".")[2]):
        REFUSED[name]()
    assert flambeau.fx.GraphModule is flambeau.fx.GraphModule and not isinstance(3, flambeau.fx.GraphModule)


def test_names_that_pytorch_lacks_are_missing():
    for module in (flambeau.onnx, flambeau.export, flambeau.distributed, flambeau.xpu, flambeau.library):
        with pytest.raises(AttributeError, match="nonsense"):
            module.nonsense  # noqa: B018


def test_devices_that_are_not_there():
    for module in (flambeau.xpu, flambeau.mps, flambeau.mtia, flambeau.accelerator, flambeau.distributed):
        assert module.is_available() is False
    assert flambeau.xpu.device_count() == 0 and flambeau.accelerator.current_accelerator() is None
    assert not flambeau.distributed.is_initialized() and not flambeau.distributed.is_torchelastic_launched()


def test_switches_of_the_compiler_change_nothing():
    compiler = flambeau.compiler

    @compiler.disable
    def plain(x):
        return x + 1

    @compiler.disable(recursive=False)
    def other(x):
        return x + 2

    assert plain(1) == 2 and other(1) == 3 and not compiler.is_compiling() and not compiler.is_dynamo_compiling()
    assert compiler.allow_in_graph([abs]) == [abs]
    with compiler.set_stance("force_eager"):
        x = flambeau.ones(2) * 3
    compiler.reset()
    compiler.cudagraph_mark_step_begin()
    assert x.tolist() == [3.0, 3.0]
    with pytest.raises(RuntimeError, match="invalid torch.compile stance"):
        compiler.set_stance("upright")
    assert compiler.wrap_numpy(lambda a: a * 2)(flambeau.ones(2)).tolist() == [2.0, 2.0]
    flambeau._dynamo.config.suppress_errors = True
    flambeau._dynamo.mark_dynamic(x, 0)
    assert flambeau._dynamo.optimize("inductor")(plain) is plain


def test_times_are_measured():
    timer = benchmark.Timer("x @ x", setup="x = torch.ones(64, 64)", label="product", sub_label="64", description="a")
    once = timer.timeit(20)
    assert once.number_per_run == 20 and once.times == [once.raw_times[0] / 20] and once.median == once.mean > 0
    longer = timer.blocked_autorange(min_run_time=0.01)
    assert sum(longer.raw_times) >= 0.01 and "measurement" in repr(longer) and longer.title == "product: 64"
    assert timer.adaptive_autorange(max_run_time=0.02).raw_times
    merged = benchmark.Measurement.merge([once, longer])
    assert len(merged) == 1 and len(merged[0].times) == len(once.times) + len(longer.times)
    with pytest.raises(ValueError, match="stmt"):
        benchmark.Timer(abs)
    with pytest.raises(NotImplementedError, match="Python only"):
        benchmark.Timer("x", language="c++")


def test_a_dropped_result_is_timed():
    globals_ = {"x": flambeau.ones(300, 300)}
    small = benchmark.Timer("x + x", globals={"x": flambeau.ones(1)}).timeit(10)
    assert benchmark.Timer("x @ x", globals=globals_).timeit(10).median > small.median


def test_measurements_side_by_side(capsys):
    def measured(description, seconds, sub="s"):
        task = benchmark.TaskSpec("f()", "", label="work", sub_label=sub, description=description)
        return benchmark.Measurement(10, [seconds * 10] * 3, task)

    compare = benchmark.Compare([measured("a", 2e-6), measured("b", 3e-6), measured("b", 4e-6, "t")])
    compare.trim_significant_figures()
    compare.colorize(rowwise=True)
    compare.print()
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["|", "a", "|", "b"] and lines[3].split() == ["s", "|", "*2.0", "|", "3.0"]
    assert lines[4].split() == ["t", "|", "|", "*4.0"] and "Times are in microseconds (us)." in lines
    assert benchmark.select_unit(0.002) == ("ms", 1e-3) and benchmark.trim_sigfig(1234.5, 2) == 1200.0


def test_the_report_of_the_machine():
    text = flambeau.utils.collect_env.get_pretty_env_info()
    assert "Python version" in text and "[pip3] numpy==" in text
    done = subprocess.run([sys.executable, "-m", "flambeau.utils.collect_env"], capture_output=True, text=True)
    assert done.returncode == 0 and "flambeau" in done.stdout


def test_both_runs_of_a_checkpoint_have_their_context():
    entered = []

    class Noting:
        def __init__(self, name):
            self.name = name

        def __enter__(self):
            entered.append(self.name)

        def __exit__(self, *exception):
            pass

    x = flambeau.tensor([1.0, 2.0], requires_grad=True)
    contexts = Noting("first"), Noting("again")
    out = checkpoint.checkpoint(lambda t: (t * t).sin(), x, use_reentrant=False, context_fn=lambda: contexts)
    assert entered == ["first"]
    out.sum().backward()
    assert entered == ["first", "again"]
    flambeau.testing.assert_close(x.grad, (2 * x * (x * x).cos()).detach())
    with pytest.raises(ValueError, match="only supported when use_reentrant=False"):
        checkpoint.checkpoint(abs, x, use_reentrant=True, context_fn=lambda: contexts)


def test_operations_of_a_program():
    @flambeau.library.custom_op("mine::square", mutates_args=())
    def square(x: flambeau.Tensor, scale: float = 1.0) -> flambeau.Tensor:
        return flambeau.from_numpy(x.detach().numpy() ** 2) * scale

    x = flambeau.tensor([3.0], requires_grad=True)
    assert square(x).tolist() == [9.0] and not square(x).requires_grad
    flambeau.library.register_fake("mine::square", lambda x: x)
    square.register_autograd(
        lambda ctx, g: (g * 2 * ctx.saved_tensors[0] * ctx.scale, None),
        setup_context=lambda ctx, inputs, output: (
            ctx.save_for_backward(inputs[0]),
            setattr(ctx, "scale", inputs[1]),
        ),
    )
    square(x, scale=2.0).sum().backward()
    assert x.grad.tolist() == [12.0]
    with pytest.raises(ValueError, match="namespace::name"):
        flambeau.library.custom_op("square", mutates_args=())


def test_objects_that_answer_for_functions():
    class Mine:
        @classmethod
        def __torch_function__(cls, function, types, args=(), kwargs=None):
            return NotImplemented if args[1:] == (0,) else ("mine", function.__name__, types)

    class Derived(Mine):
        pass

    @flambeau.overrides.wrap_torch_function(lambda a, b: (a, b))
    def combine(a, b):
        return a + b

    assert combine(1, 2) == 3 and combine(Mine(), 1)[:2] == ("mine", "combine")
    assert combine(Mine(), Derived())[2] == (Derived, Mine)
    with pytest.raises(TypeError, match="no implementation found for"):
        combine(Mine(), 0)
    overrides = flambeau.overrides
    assert overrides.is_tensor_like(Mine()) and overrides.is_tensor_like(flambeau.ones(1))
    assert not overrides.is_tensor_like(3) and not overrides.has_torch_function([flambeau.ones(1), 3])
    assert overrides.resolve_name(flambeau.nn.functional.relu) == "torch.nn.functional.relu"
    with pytest.raises(NotImplementedError, match="TorchFunctionMode"), overrides.TorchFunctionMode():
        pass


def test_flattened_tensors():
    from flambeau import _utils

    tensors = [flambeau.ones(2, 2), flambeau.zeros(3)]
    flat = _utils._flatten_dense_tensors(tensors)
    assert flat.tolist() == [1.0] * 4 + [0.0] * 3
    assert [t.tolist() for t in _utils._unflatten_dense_tensors(flat, tensors)] == [t.tolist() for t in tensors]


def test_nothing_of_this_is_imported_before_it_is_used():
    code = (
        "import sys, flambeau; late = {'profiler', 'jit', 'testing', 'hub', 'multiprocessing', 'fx', 'onnx', "
        "'storage', 'distributed', 'compiler', 'library', 'overrides', 'utils.benchmark', 'utils.tensorboard', "
        "'utils._pytree'}; "
        "loaded = {n for n in late if 'flambeau.' + n in sys.modules}; assert not loaded, loaded; "
        "[eval('flambeau.' + n) for n in late]; "
        "assert all('flambeau.' + n in sys.modules for n in late); from flambeau.autograd.profiler import profile"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "function",
    table(
        lambda m: (m.sym_int(3.7), m.sym_float(2), m.sym_not(True), m.sym_sum([1, 2.5])),
        lambda m: (m.sym_max(1, 2.0), m.sym_max(3, 2.0), m.sym_min(1, 2)),
        lambda m: m.sym_ite(True, 1, 2),
        lambda m: m.cond(True, lambda x: x + 1, lambda x: x, (m.ones(2),)),
        lambda m: m.get_device_module("cpu").__name__.partition(".")[2],
        lambda m: isinstance(3, m.SymInt),
        lambda m: m.set_deterministic_debug_mode("loud"),
        lambda m: m.set_deterministic_debug_mode(5),
        lambda m: (m.set_deterministic_debug_mode("warn"), m.get_deterministic_debug_mode(),
                   m.set_deterministic_debug_mode(0), m.get_deterministic_debug_mode()),
    ),
)  # fmt: skip
@pytest.mark.filterwarnings("ignore")
def test_numbers_and_switches_are_pytorchs(torch, function):
    same(function, torch)


def test_operations_of_a_program_are_found_by_their_namespace():
    @flambeau.library.custom_op("of_a_test::twice", mutates_args=())
    def twice(x):
        return x * 2

    assert flambeau.ops.of_a_test.twice is flambeau.ops.of_a_test.twice.default is twice
    assert flambeau.ops.aten.add(flambeau.ones(1), 2).tolist() == [3]
    with pytest.raises(AttributeError, match="'_OpNamespace' 'of_a_test' object has no attribute 'thrice'"):
        flambeau.ops.of_a_test.thrice  # noqa: B018
    with pytest.raises(AttributeError, match="has no attribute 'of_nobody'"):
        flambeau.ops.of_nobody  # noqa: B018


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("length", [1, 2, 7])
def test_associative_scan_of_a_recurrence(length, reverse):
    from flambeau._higher_order_ops.associative_scan import associative_scan

    def after(first, second):  # x -> a x + b, one after the other
        return first[0] * second[0], first[1] * second[0] + second[1]

    flambeau.manual_seed(0)
    a, b = flambeau.rand(3, length), flambeau.rand(3, length)
    state, expected = flambeau.zeros(3), [None] * length
    for i in reversed(range(length)) if reverse else range(length):
        state = expected[i] = a[:, i] * state + b[:, i]
    found = associative_scan(after, (a, b), 1, reverse, combine_mode="generic")[1]
    flambeau.testing.assert_close(found, flambeau.stack(expected, 1))
