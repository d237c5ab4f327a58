"""torch.profiler, torch.autograd.profiler and the counter of FLOPs: what they show, and that they leave no trace."""

import gzip
import json
import threading

import pytest

import flambeau
from flambeau import nn
from flambeau.autograd.profiler import profile as old_profile
from flambeau.engine import Engine, engine
from flambeau.profiler import ProfilerActivity, profile, record_function, schedule, tensorboard_trace_handler
from flambeau.utils.flop_counter import FlopCounterMode


def trained(m, steps=1, profiler=None):
    m.manual_seed(0)
    model = m.nn.Sequential(m.nn.Linear(10, 64), m.nn.ReLU(), m.nn.Linear(64, 2))
    optimizer = m.optim.SGD(model.parameters(), lr=0.1)
    x, y = m.randn(8, 10), m.randint(0, 2, (8,))
    for _ in range(steps):
        optimizer.zero_grad()
        loss = m.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        if profiler is not None:
            profiler.step()
    return loss.item(), model


def row(profiler, name, **how):
    return next(r for r in profiler.key_averages(**how) if r.key == name)


def test_a_step_is_shown_operation_by_operation():
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True, profile_memory=True) as p:
        with record_function("training"):
            trained(flambeau)
    assert row(p, "aten::linear").count == 2 and row(p, "aten::addmm").count == 2
    assert row(p, "aten::addmm").cpu_memory_usage == (8 * 64 + 8 * 2) * 4
    names = {r.key for r in p.key_averages()}
    assert {"aten::relu", "aten::cross_entropy_loss", "aten::threshold_backward", "aten::mm",
            "Optimizer.step#SGD.step"} <= names  # fmt: skip
    around = row(p, "training")
    assert around.count == 1 and around.is_user_annotation
    inside = sum(r.self_cpu_time_total for r in p.key_averages())
    assert inside == pytest.approx(around.cpu_time_total, rel=1e-6) or inside > around.cpu_time_total
    shapes = {str(r.input_shapes) for r in p.key_averages(group_by_input_shape=True) if r.key == "aten::addmm"}
    assert shapes == {"[[8, 10], [64, 10], [64]]", "[[8, 64], [2, 64], [2]]"}


def test_the_table_is_sorted_and_cut():
    with profile(with_stack=True, with_flops=True) as p:
        trained(flambeau)
    text = p.key_averages(group_by_stack_n=1).table(sort_by="self_cpu_time_total", row_limit=3, header="mine")
    lines = text.splitlines()
    assert lines[1] == "mine" and lines[3].split()[:4] == ["Name", "Self", "CPU", "%"]
    assert "Source Location" in lines[3] and "FLOPs" in lines[3] and text.count("test_programs_profiler.py(") == 3
    assert len(lines) == 2 + 3 + 3 + 2 and lines[-1].startswith("Self CPU time total: ")
    times = [r.count for r in sorted(p.key_averages(), key=lambda r: -r.count)]
    shown = p.key_averages().table(sort_by="count").splitlines()[3:-2]
    assert [int(line.split()[6]) for line in shown] == times
    assert row(p, "aten::addmm").flops == 2 * 8 * (10 * 64 + 64 * 2)


def test_profiling_changes_no_result_and_ends():
    expected, model = trained(flambeau, 3)
    with profile() as p:
        found, same = trained(flambeau, 3)
    assert found == pytest.approx(expected, rel=1e-6)
    flambeau.testing.assert_close(list(same.parameters()), list(model.parameters()))
    assert type(engine) is Engine and p.events()
    with pytest.raises(ZeroDivisionError), profile():
        _ = 1 / 0
    assert type(engine) is Engine and engine.bound > 0


def test_steps_by_schedule(tmp_path):
    ready = []
    plan = schedule(wait=1, warmup=1, active=2, repeat=2)
    with profile(schedule=plan, on_trace_ready=lambda p: ready.append((p.step_num, len(p.events())))) as p:
        trained(flambeau, 10, p)
    assert [step for step, _ in ready] == [4, 8] and ready[0][1] == ready[1][1] > 10
    assert row(p, "ProfilerStep*").count == 2 and row(p, "aten::addmm").count == 4
    with profile(on_trace_ready=tensorboard_trace_handler(str(tmp_path), "me", use_gzip=True)):
        trained(flambeau)
    (file,) = tmp_path.iterdir()
    assert file.name.startswith("me.") and json.loads(gzip.open(file).read())["traceEvents"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("how", [(1, 1, 2, 2, 1), (0, 0, 1, 0, 0), (2, 0, 3, 1, 0), (1, 2, 1, 0, 3)])
def test_schedules_are_pytorchs(torch, how):
    from torch.profiler import schedule as theirs

    words = dict(zip(("wait", "warmup", "active", "repeat", "skip_first"), how, strict=True))
    assert [schedule(**words)(i).name for i in range(20)] == [theirs(**words)(i).name for i in range(20)]


def test_the_trace_is_a_tree(tmp_path):
    @record_function("outer")
    def work():
        with record_function("inner"):
            return flambeau.ones(3, 3) @ flambeau.ones(3, 3)

    with profile(record_shapes=True) as p:
        work()
    p.add_metadata("who", "me")
    p.export_chrome_trace(str(tmp_path / "t.json"))
    trace = json.loads((tmp_path / "t.json").read_text())
    found = {e["name"]: e for e in trace["traceEvents"] if e["ph"] == "X"}
    assert list(found) == ["outer", "inner", "aten::matmul", "aten::mm"] and trace["who"] == "me"
    assert found["aten::mm"]["args"]["Input Dims"] == [[3, 3], [3, 3]] and found["aten::mm"]["cat"] == "cpu_op"
    assert found["outer"]["ts"] <= found["inner"]["ts"]
    assert found["inner"]["ts"] + found["inner"]["dur"] <= found["outer"]["ts"] + found["outer"]["dur"] + 0.01
    outer, inner, product, _ = p.events()
    assert inner.cpu_parent is outer and product.cpu_parent is inner and outer.self_cpu_time_total >= 0


def test_errors_and_what_is_not_recorded():
    p = profile()
    with pytest.raises(AssertionError, match="Profiler must be initialized before getting key averages"):
        p.key_averages()
    p.step()
    with record_function("nothing listens"):
        pass
    with profile(), pytest.raises(RuntimeError, match="already enabled"), profile():
        pass
    assert type(engine) is Engine
    with pytest.raises(NotImplementedError, match="vendor"):
        flambeau.autograd.profiler.emit_nvtx()
    with profile() as p, pytest.raises(IndexError):
        flambeau.ones(3)[flambeau.tensor([7])].sum().item()
    assert type(engine) is Engine


def test_the_older_profiler_and_operations_of_unknown_shape():
    with old_profile(profile_memory=True) as p:
        flambeau.tensor([1.0, 0.0]).nonzero()
        flambeau.ones(2).add(1)
    assert {e.name for e in p.function_events} == {"aten::nonzero", "aten::add"}
    assert p.total_average().count == 2 and p.self_cpu_time_total > 0 and "aten::add" in str(p)
    with old_profile(enabled=False) as q:
        flambeau.ones(2).add(1)
    assert q is None


def test_threads_have_their_own_ranges():
    def work():
        with record_function("other"):
            flambeau.ones(2).add(1)

    with profile() as p, record_function("main"):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    other = next(e for e in p.events() if e.name == "other")
    assert other.cpu_parent is None and [e.name for e in other.cpu_children] == ["aten::add"]


def counted(m, counter, function):
    with counter(display=False) as c:
        function(m)
    return c.get_total_flops()


@pytest.mark.parametrize(
    "function",
    [
        lambda m: m.nn.Sequential(m.nn.Linear(3, 4), m.nn.Linear(4, 5))(m.randn(2, 3)).sum().backward(),
        lambda m: m.nn.Conv2d(3, 4, 3)(m.randn(2, 3, 8, 8)).sum().backward(),
        lambda m: m.nn.Conv2d(4, 6, 3, groups=2)(m.randn(2, 4, 8, 8)),
        lambda m: m.nn.ConvTranspose2d(2, 3, 3)(m.randn(1, 2, 4, 4)),
        lambda m: m.einsum("bij,bjk->bik", m.randn(2, 3, 4), m.randn(2, 4, 5)),
        lambda m: m.baddbmm(m.randn(2, 3, 5), m.randn(2, 3, 4), m.randn(2, 4, 5)),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_flops_are_pytorchs(torch, function):
    from torch.utils.flop_counter import FlopCounterMode as Theirs

    assert counted(flambeau, FlopCounterMode, function) == counted(torch, Theirs, function) > 0


def test_flops_of_attention():
    query, key, value = flambeau.randn(2, 3, 4, 5), flambeau.randn(2, 3, 6, 5), flambeau.randn(2, 3, 6, 7)
    attention = nn.functional.scaled_dot_product_attention
    assert counted(flambeau, FlopCounterMode, lambda m: attention(query, key, value)) == 2 * 6 * 4 * 6 * (5 + 7)
    query.requires_grad_()
    both = counted(flambeau, FlopCounterMode, lambda m: attention(query, key, value).sum().backward())
    assert both == 3 * 2 * 6 * 4 * 6 * (5 + 7)


def test_flops_by_module(capsys):
    model = nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.Linear(4, 5)))
    with FlopCounterMode() as c:
        model(flambeau.ones(2, 3))
    counts = c.get_flop_counts()
    assert counts["Sequential.0"] == {"aten.addmm": 48} and counts["Sequential.1.0"] == {"aten.addmm": 80}
    assert counts["Global"] == counts["Sequential"] == {"aten.addmm": 128}
    assert "Sequential.0" in capsys.readouterr().out
