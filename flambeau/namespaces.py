"""Public modules that only hold names of the registry: torch.special, torch.linalg, torch.fft and the like."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from collections import defaultdict
from importlib.machinery import ModuleSpec
from typing import Any

SPACES: dict[str, dict[str, Any]] = defaultdict(dict)  # public path -> names, filled from the registry


def fill(path: str, names: dict[str, Any]) -> None:
    """Puts `names` into the module flambeau.`path`, made here unless it has a file of its own."""
    parent: Any = sys.modules["flambeau"]
    full = "flambeau"
    for part in path.split("."):
        full += "." + part
        module = sys.modules.get(full)
        if module is None:
            if importlib.util.find_spec(full) is not None:
                module = importlib.import_module(full)
            else:
                module = sys.modules[full] = types.ModuleType(full)
                module.__path__ = []  # type: ignore[attr-defined]
                module.__spec__ = ModuleSpec(full, None, is_package=True)     # `import torch.special` asks for it
        setattr(parent, part, module)
        parent = module
    for name, value in names.items():
        if name not in vars(parent):
            setattr(parent, name, value)


def fill_all() -> None:
    """Fills every public module that the registry has names for."""
    for path, names in list(SPACES.items()):
        if path != "torch":
            fill(path, names)


# Modules with a file of their own that are imported when a program first names them.
LATE = {
    "": """_dynamo _higher_order_ops ao compiler distributed distributions export fx hub jit library mps mtia
        multiprocessing onnx overrides profiler
        quantization storage testing types xpu _utils""",
    "utils": """_pytree benchmark collect_env cpp_extension dlpack flop_counter hooks model_zoo module_tracker
        tensorboard""",
    "autograd": "forward_ad graph profiler",
    "nn.attention": "flex_attention",
    "nn.utils": "fusion",
}


# Names of `torch` itself that live in such a module.
ELSEWHERE = {"ScriptModule": "jit", "ScriptFunction": "jit", "PyTorchFileReader": "_C", "PyTorchFileWriter": "_C"}


def late(path: str, name: str) -> Any:
    """The module `path`.`name` (below flambeau), imported now, or None if there is none such."""
    if not path and name.endswith("Storage"):  # torch.FloatStorage and the like
        return getattr(importlib.import_module("flambeau.storage"), name, None)
    if not path and name in ELSEWHERE:
        return getattr(importlib.import_module(f"flambeau.{ELSEWHERE[name]}"), name, None)
    if path == "cuda" and name.endswith("Tensor"):
        from . import typed

        return typed.absent(name)
    if name not in LATE.get(path, "").split():
        return None
    full = f"flambeau.{path}.{name}" if path else f"flambeau.{name}"
    return importlib.import_module(full) if importlib.util.find_spec(full) is not None else None


HELPFUL = (
    "nn",
    "nn.functional",
    "nn.init",
    "optim",
    "optim.lr_scheduler",
    "utils",
    "utils.data",
    "nn.utils",
    "autograd",
    "autograd.functional",
    "func",
    "linalg",
    "fft",
    "special",
    "cuda",
)


def name_the_nearest() -> None:
    """Gives public modules the error that names what exists in place of a name that does not."""
    for path in HELPFUL:
        module = sys.modules.get("flambeau." + path)
        if module is not None and "__getattr__" not in vars(module):
            module.__getattr__ = _missing_in(path, vars(module))  # type: ignore[method-assign]


def _missing_in(path: str, names: dict[str, Any]) -> Any:
    def lookup(name: str) -> Any:
        found = late(path, name)
        if found is not None:
            names[name] = found
            return found
        from ._names import missing

        raise missing("torch." + path, name, names)

    return lookup


def complete_autograd() -> None:
    """Gives torch.autograd what is built on tensors: functions with gradients of their own, and checks."""
    from . import autograd, functions, gradcheck
    from .autograd import functional  # noqa: F401

    autograd.Function, autograd.function = functions.Function, functions  # type: ignore[attr-defined]
    autograd.gradcheck, autograd.gradgradcheck = gradcheck.gradcheck, gradcheck.gradgradcheck  # type: ignore[attr-defined]
    sys.modules["flambeau.autograd.function"] = functions
    autograd.Variable = sys.modules["flambeau"].Tensor  # type: ignore[attr-defined]
