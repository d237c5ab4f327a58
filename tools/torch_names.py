"""Writes flambeau/_torch_names.txt, the public names of the installed PyTorch, module by module.

Run it with an interpreter that has the PyTorch of flambeau._names.PYTORCH_VERSION: `python tools/torch_names.py`.
"""
from __future__ import annotations

import importlib
import pkgutil
import textwrap
import types
import warnings
from pathlib import Path

import torch

TARGET = Path(__file__).resolve().parent.parent / "flambeau" / "_torch_names.txt"
CLASSES = ("torch.Tensor", "torch.nn.Module", "torch.optim.Optimizer")
# Importing these starts servers, needs optional packages or pulls in compilers.
UNWANTED = ("torch.ao", "torch.contrib", "torch.nn.intrinsic", "torch.nn.qat", "torch.nn.quantizable",
            "torch.nn.quantized", "torch.utils.bottleneck", "torch.utils.hipify", "torch.utils.tensorboard",
            "torch.utils.viz")
# Their inner modules are not for users; the packages themselves are listed.
CLOSED = ("accelerator", "backends", "compiler", "distributed", "export", "fx", "jit", "masked", "mtia", "nn.backends",
          "onnx", "package", "profiler", "quantization", "testing", "utils.benchmark", "utils.data.datapipes",
          "utils.jit", "utils.serialization", "xpu")


def public_modules() -> list[str]:
    """Names of the importable modules whose path holds no private part."""
    found = ["torch"]

    def below(package: types.ModuleType) -> None:
        for info in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
            if any(part.startswith("_") for part in info.name.split(".")) or info.name.startswith(UNWANTED):
                continue
            try:
                module = importlib.import_module(info.name)
            except Exception as error:  # optional dependencies fail in many ways; each is reported
                print(f"left out {info.name}: {error}")
                continue
            found.append(info.name)
            if info.ispkg and info.name.removeprefix("torch.") not in CLOSED:
                below(module)

    below(torch)
    return sorted({*found, "torch.special", "torch.linalg", "torch.fft", "torch.backends.cudnn", "torch.backends.mps"})


def public_names(module_name: str) -> list[str]:
    """`__all__` where a module has one, and else what it defines; all that `torch` itself shows."""
    module = importlib.import_module(module_name)
    names = set(getattr(module, "__all__", ()))
    for name, value in vars(module).items():
        foreign = not str(getattr(value, "__module__", "torch")).startswith("torch")
        if isinstance(value, types.ModuleType):
            foreign = not value.__name__ == f"{module_name}.{name}"
        if not foreign and (module_name == "torch" or not hasattr(module, "__all__")):
            names.add(name)
    return sorted(name for name in names if not name.startswith("_"))


def main() -> None:
    """Write the file."""
    warnings.simplefilter("ignore")
    version = torch.__version__.partition("+")[0]
    lines = [f"# Public names of PyTorch {version}, written by tools/torch_names.py"]
    listing = {name: public_names(name) for name in public_modules()}
    for path in CLASSES:
        owner, _, name = path.rpartition(".")
        members = dir(getattr(importlib.import_module(owner), name))
        listing[path] = [member for member in members if not member.startswith("_")]
    for name, members in sorted(listing.items()):
        lines.append(f"[{name}]")
        lines += textwrap.wrap(" ".join(members), 120, break_long_words=False, break_on_hyphens=False)
    TARGET.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(listing)} modules, {sum(map(len, listing.values()))} names")


if __name__ == "__main__":
    main()
