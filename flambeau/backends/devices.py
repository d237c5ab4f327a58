"""GPUs: JAX's devices under PyTorch's names, and programs whose values live on them."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

import numpy as np

from ..device import CPU, OutOfMemoryError, gpus
from ..dtypes import float32
from ..graph import Node, spec
from . import Program, Refused, tiers
from . import numpy as host

STAND_IN = os.environ.get("FLAMBEAU_CUDA_STANDIN", "") not in ("", "0")  # for tests: JAX's further CPU devices are GPUs
_DRIVER = ("/dev/nvidiactl", "/dev/dxg", "/proc/driver/nvidia/version")
_found: list[Any] | None = None
NOTHING = spec((), float32)


def possible() -> bool:
    """Whether it is worth asking JAX for GPUs, which takes most of a second: its plugin and a driver are there."""
    if STAND_IN:
        return tiers.installed()
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1", "NoDevFiles")
    only = os.environ.get("JAX_PLATFORMS", "").replace(",", " ").split()
    if hidden or only and not {"cuda", "gpu"} & set(only) or not tiers.installed():
        return False
    return (sys.platform == "win32" or any(map(os.path.exists, _DRIVER))) and bool(plugins())


def plugins() -> list[str]:
    """The names of JAX's plugins for NVIDIA's GPUs."""
    space = importlib.util.find_spec("jax_plugins")
    folders = space.submodule_search_locations if space is not None and space.submodule_search_locations else []
    names = [n for f in folders if os.path.isdir(f) for n in os.listdir(f) if n.startswith("xla_cuda")]
    return names or [n for n in ("jax_cuda13_plugin", "jax_cuda12_plugin") if importlib.util.find_spec(n)]


def found() -> list[Any]:
    """The GPUs as JAX knows them, in order; looked for once."""
    global _found
    if _found is None:
        if possible():
            from . import xla

            _found = xla.gpus(STAND_IN)
        else:
            _found = []
    return _found


def count() -> int:
    """The number of GPUs."""
    return len(found() if _found is None else _found)


gpus.count = count


def started() -> bool:
    """Whether GPUs were looked for and found."""
    return bool(_found)


def arrays_on(index: int) -> list[Any]:
    """JAX's arrays that are alive on a GPU."""
    from . import xla

    return xla.arrays_on(found()[index])


# ---- values


def placed(value: Any, spec: Any) -> Any:
    """A value where its description says it lives: an array of JAX's on a GPU, else one of NumPy's, or a number."""
    from . import xla

    if type(value) is tuple:
        return tuple([placed(v, s) for v, s in zip(value, spec, strict=True)])
    if spec.device is CPU:
        return xla.on_host(value, spec)
    where = found()[spec.device.index]
    return value if xla.is_array(value) and value.devices() == {where} else xla.put(value, where)


def fetched(leaves: Sequence[Any]) -> list:
    """The values of `leaves`; those that were made on the processor for a GPU are moved there, for good."""
    values = []
    for v in leaves:
        if type(v) is Node:
            value = v.value
            if isinstance(value, (np.ndarray, np.generic)) and v.spec.device is not CPU:
                value = v.value = placed(value, v.spec)
            values.append(value)
        else:
            values.append(v)
    return values


def address(node: Node) -> int:
    """Where in the memory of a GPU the value of a computed node lies."""
    from . import xla

    return xla.address(fetched([node])[0])


def copied(value: Any, where: Any) -> Any:
    """An array on a GPU that nothing else refers to."""
    from . import xla

    return xla.copied(value, found()[where.index])


def step(program: Program, where: Any, flat: bool, negate: bool) -> Any:
    """The update of an optimizer over arrays on a GPU."""
    from . import xla

    return xla.Step(program, found()[where.index], flat, negate)


# ---- programs


def on_host_instead(program: Program) -> Callable[[list], tuple]:
    """`program` on NumPy: its inputs are fetched from where they live, and its results put where they belong."""
    run = host.prepare(program)

    def function(values: list) -> tuple:
        from . import xla

        results = run([xla.on_host(v, n.spec) for v, n in zip(values, program.inputs, strict=True)])
        return tuple([placed(r, n.spec) for r, n in zip(results, program.outputs, strict=True)])

    return function


def prepare(program: Program) -> Callable[[list], tuple]:
    """`program` compiled for the devices that its values live on, at its first run."""
    program.tier = tier = tiers.Tier(on_host_instead(program))
    program.fetch = fetched
    tier.settled = "cuda"

    def run(values: list) -> tuple:
        start = perf_counter()
        from . import xla

        xla.keep_compiled(tiers.policy.cache)
        function = compiled(program)
        results = function(values)
        tier.compile_seconds = perf_counter() - start
        tiers.policy.compiles += 1
        tiers.policy.compile_seconds += tier.compile_seconds
        tiers.policy.say(f"program {program.number}: compiled for a GPU in {tier.compile_seconds:.2f} s")
        program.run = function
        return results

    return run


def place_of(node: Node) -> Any:
    """The device that computes `node`; the processor for what only NumPy or SciPy can do."""
    s = node.spec[0] if type(node.spec) is tuple else node.spec
    return CPU if node.kind.op.host or s.weak else s.device


def stretches(nodes: Sequence[Node]) -> list[tuple[Any, list[Node]]]:
    """The instructions in stretches of one device each, as few as a simple rule gives: a device goes on for as long as
    it has something to do."""
    waits: dict[Node, int] = {}
    readers: dict[Node, list[Node]] = {}
    own = set(nodes)
    ready: dict[Any, list[Node]] = {}
    for node in nodes:
        sources = {s for s in node.inputs if type(s) is Node and s in own}
        waits[node] = len(sources)
        for s in sources:
            readers.setdefault(s, []).append(node)
        if not sources:
            ready.setdefault(place_of(node), []).append(node)
    runs: list[tuple[Any, list[Node]]] = []
    while any(ready.values()):
        place = max(ready, key=lambda d: len(ready[d]))
        run: list[Node] = []
        todo = ready[place]
        for node in todo:  # which grows on the way
            run.append(node)
            for reader in readers.get(node, ()):
                waits[reader] -= 1
                if not waits[reader]:
                    ready.setdefault(place_of(reader), []).append(reader)
        ready[place] = []
        runs.append((place, run))
    return runs


def compiled(program: Program) -> Callable[[list], tuple]:
    """`program` as a function from its inputs to its outputs, each where it lives."""
    from . import xla

    runs = stretches(program.nodes)
    later = set(program.outputs)
    made: list[tuple[Any, Any, list[int]]] = []
    for number, (place, nodes) in reversed(list(enumerate(runs))):
        if place is CPU:
            made.append((None, nodes, []))
            later.update(s for n in nodes for s in n.inputs if type(s) is Node)
            continue
        part = xla.Part(program, number, nodes, later, found()[place.index])
        other = [i for i, n in enumerate(part.inputs) if device_of(n) not in (place, CPU)]
        made.append((place, part, other))
        later.update(part.inputs)
    made.reverse()
    again = program.tier.host

    def run(values: list) -> tuple:
        known: dict[Node, Any] = dict(zip(program.inputs, values, strict=True))
        try:
            for place, part, other in made:
                if place is None:
                    on_processor(part, known)
                    continue
                given = [known[n] for n in part.inputs]
                for i in other:
                    given[i] = xla.put(given[i], part.where)
                known.update(zip(part.outputs, part(given), strict=True))
        except Refused:
            return again(values)
        except RuntimeError as error:
            if "RESOURCE_EXHAUSTED" in str(error):
                raise OutOfMemoryError(f"CUDA out of memory. {str(error).splitlines()[0]}") from error
            raise
        return tuple([known[n] for n in program.outputs])

    return run


def device_of(node: Node) -> Any:
    """The device that the value of `node` lives on."""
    return (node.spec[0] if type(node.spec) is tuple else node.spec).device


def on_processor(nodes: Sequence[Node], known: dict[Node, Any]) -> None:
    """Computes `nodes` by NumPy, and puts the results where they belong."""
    from . import xla

    with np.errstate(all="ignore"):
        for node in nodes:
            have = tuple([xla.on_host(known[s], s.spec) if type(s) is Node else s for s in node.inputs])
            try:
                value = host.evaluate(node, have)
            except Exception as error:
                error.__flambeau__ = node  # type: ignore[attr-defined]
                raise
            known[node] = value if device_of(node) is CPU else placed(value, node.spec)
