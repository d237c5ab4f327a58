"""Writes docs/ops.md: each operation of PyTorch's documentation, whether it is here, where, and how it is tested.

`python tools/ops_table.py` makes it from the registry of operations, flambeau/_torch_names.txt and the names that the
tests call; tests/test_docs.py sees that it is fresh.
"""
from __future__ import annotations

import inspect
import re
import sys
import types
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "ops.md"
sys.path.insert(0, str(ROOT))

import flambeau  # noqa: E402
from flambeau import out_of_scope  # noqa: E402
from flambeau._names import modules  # noqa: E402
from flambeau.ops import Op, registry  # noqa: E402

PAGES = ("torch", "torch.Tensor", "torch.nn.functional", "torch.linalg", "torch.fft", "torch.special",
         "torch.signal.windows", "torch.masked", "torch.sparse", "torch.nested")

# Names of these modules that are no operations on tensors: classes, dtypes, switches, helpers of PyTorch's own code.
OTHER = re.compile(
    r"^[A-Z]|^__|^(is_|has_|get_|set_|autocast_|clear_autocast|sym_|import_ir|parse_|unify_type|merge_type|init_num|"
    r"prepare_multi|profiler_|thread_safe|boolean_dispatch|assert_int|handle_torch|reproducibility_|sparse_support|"
    r"tf32_|common_notes)|_(format|affine|symmetric|qparams)$|legacy_contiguous_format|^channels_last\w*|^(q?u?int\d*(x\d)?|quint\dx\d|bits?\d*(x\d)?|"
    r"b?float\d*\w*|complex\d+|[cfd]?double|half|short|long|bool|int|cfloat|chalf|strided|jagged|typing|fork|wait|"
    r"compiled_with\w*|classproperty|dtype|layout|e|pi|inf|nan|newaxis|classes|ops|device|finfo|iinfo|memory_format|"
    r"compile|compiled\w*|seed|initial_seed|manual_seed|are_\w*|use_deter\w*|sparse_(coo|cs[rc]|bs[rc])|typename|"
    r"Tensor|read_vitals|vitals_enabled|save|load|no_grad|enable_grad|inference_mode)$")

# Modules that flambeau need not have for their names to be no operations.
INNER = """ao compiler cpp distributed distributions export func futures fx hub jit library monitor mps mtia
    multiprocessing nativert numa onnx overrides package profiler quantization quasirandom return_types serialization
    storage testing torch_version types version xpu qscheme ipu check_sparse_tensor_invariants random functional
    autograd backends cuda cpu nn optim utils amp accelerator signal special linalg fft masked sparse nested""".split()

# Why a name is not here, by its form, where no table says it.
MISSING = (
    (re.compile(r"^(batch_norm_(elemt|stats|gather|update|backward)|.*cuda|record_stream|ipu|xpu|mtia)"),
     "CUDA or another device only"),
    (re.compile(r"^(bilinear|binary_cross_entropy_with_logits|cosine_embedding_loss|ctc_loss|embedding_bag|kl_div|"
                r"hinge_embedding_loss|margin_ranking_loss|poisson_nll_loss|triplet_margin_loss)$"),
     "internal: the function of nn.functional is the public one"),
    (re.compile(r"^(native_|frobenius_norm|nuclear_norm|slice_inverse|const_data_ptr|is_|grad_dtype|module_load)"),
     "internal"),
    (re.compile(r"^(eig|lstsq|matrix_rank|solve|symeig|volatile|reinforce|resize|resize_as|name|index)$"),
     "taken out of PyTorch, or never its own"),
    (re.compile(r"^(scaled_|grouped_)"), "float8 on GPUs only"),
)


def entries() -> Iterator[tuple[str, str]]:
    """Page and name of every operation, in the order of the pages."""
    for page in PAGES:
        for name in sorted(modules().get(page, ())):
            found = lookup(page, name)
            is_class = isinstance(found, (type, types.ModuleType)) and not out_of_scope.reason_of(page, name)
            if out_of_scope.reason_of(page, name) or not (is_class or name.startswith("_") or other(page, name)):
                yield page, name


def other(page: str, name: str) -> bool:
    """Whether a name stands for something that is no operation. (A tensor's own `is_...` and `half` are some.)"""
    if page == "torch.Tensor":
        return bool(OTHER.search(name)) and not hasattr(flambeau.Tensor, name)
    return bool(OTHER.search(name)) or page in ("torch", "torch.sparse") and name in INNER


def lookup(page: str, name: str) -> Any:
    """What flambeau has under the name, None if nothing."""
    place: Any = flambeau
    for part in page.split(".")[1:]:
        place = getattr(place, part, None)
    try:
        return inspect.getattr_static(place, name)
    except AttributeError:
        return None


def public_names() -> dict[tuple[str, str], Any]:
    """The operation of the registry behind each public name, as flambeau.binding.install hands them out."""
    table: dict[tuple[str, str], Any] = {}
    for name, op in registry.items():
        names = [name, *(a for a in op.alias if "." not in a)]
        for token in op.api:
            for n in names if token != "out" else []:
                if token in ("method", "inplace"):
                    table["torch.Tensor", n + "_" * (token == "inplace")] = op
                    if token == "inplace":
                        table["torch", n + "_"] = op
                else:
                    table["torch" if token == "torch" else f"torch.{token}", n] = op
        for full in op.alias:
            space, _, n = full.rpartition(".")
            if space:
                table[f"torch.{space}", n] = op
    return table


def tested_by(words: dict[str, list[str]], op: Any, name: str) -> str:
    """How an operation is tested: the registry's samples, or the tests that call its name."""
    if op is not None:
        wrong = f", {len(op.wrong)} errors" if op.wrong else ""
        if op.cases:
            return f"{len(op.cases)} samples{wrong}" + ("" if isinstance(op, Op) else ", composite")
        if isinstance(op, Op) and standard(op):
            return f"standard samples{wrong}"
    files = words.get(name, [])
    text = f"[{Path(files[0]).stem}](../{files[0]})" if files else "no test of its own"
    return text if op is None or isinstance(op, Op) else f"composite, {text}"


def standard(op: Op) -> bool:
    """Whether tests/test_every_op.py makes up samples itself: one or two operands and nothing else needed."""
    needed = [p for p in op.parameters if p.default is inspect.Parameter.empty]
    return len(needed) in (1, 2) and all(p.operand and not p.sequence for p in needed)


def called_names() -> dict[str, list[str]]:
    """The test files in which a name is used as an attribute or in a table of names."""
    words: dict[str, list[str]] = {}
    for path in sorted((ROOT / "tests").glob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        for word in set(re.findall(r"\.(\w+)\b", text)) | set(re.findall(r"[\"'](\w+)[\"']", text)):
            words.setdefault(word, []).append(path.relative_to(ROOT).as_posix())
    return words


def file_of(found: Any, op: Any) -> str:
    """Where the code of a name is, from the repository's root."""
    if op is not None:
        code = op.where[0]
    else:
        function = found.fget if isinstance(found, property) else getattr(found, "__func__", found)
        function = inspect.unwrap(function) if callable(function) else None
        code = getattr(getattr(function, "__code__", None), "co_filename", "")
    path = Path(code)
    inside = path.is_absolute() and path.is_relative_to(ROOT)
    return path.relative_to(ROOT).as_posix() if inside else "flambeau/tensor.py"


def why_not(page: str, name: str) -> str:
    """Why a name is not here."""
    reason = out_of_scope.reason_of(page, name)
    if reason:
        return f"out of scope ({reason})"
    return next((text for form, text in MISSING if form.match(name)), "not yet")


def table() -> str:
    """The whole page."""
    operations, words = public_names(), called_names()
    rows: dict[str, list[str]] = {page: [] for page in PAGES}
    counts: dict[str, Counter] = {page: Counter() for page in PAGES}
    for page, name in entries():
        found = lookup(page, name)
        if found is None or out_of_scope.reason_of(page, name):
            reason = why_not(page, name)
            counts[page]["out of scope" if reason.startswith("out of scope") else "other"] += 1
            rows[page].append(f"| `{name}` | no | {reason} | |")
            continue
        counts[page]["here"] += 1
        op = operations.get((page, name))
        place = file_of(found, op)
        link = f"[{place.removeprefix('flambeau/')}](../{place})"
        rows[page].append(f"| `{name}` | yes | {tested_by(words, op, name)} | {link} |")
    lines = ["# Operations", "",
             "Every operation of PyTorch's documentation: is it here, how is it tested, where is its code; or why it",
             "is not here.",
             "Made by `python tools/ops_table.py`; do not edit.", "",
             "*Samples* are those of the registry: tests/test_every_op.py runs each for its value, shape and dtype,",
             "its gradients of first and second order, and its forms. A *composite* is written in others.", "",
             "| Page | here | out of scope | other reasons |", "|---|---|---|---|"]
    lines += [f"| [{page}](#{page.lower().replace('.', '')}) | {c['here']} | {c['out of scope']} | {c['other']} |"
              for page, c in counts.items()]
    for page in PAGES:
        lines += ["", f"## {page}", "", "| Name | Here | Tested by, or why not | Code |", "|---|---|---|---|"]
        lines += rows[page]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    TARGET.write_text(table(), encoding="utf-8")
