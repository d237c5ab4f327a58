"""torch.utils.flop_counter: the multiplications and additions of matrix products, convolutions and attention."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any, NoReturn

from ..graph import Node
from ..nn import Module
from ..profiler._costs import flops_of, names_of
from ..profiler._recorder import Recorder

__all__ = ["FlopCounterMode", "register_flop_formula"]


def register_flop_formula(targets: Any, get_raw: bool = False) -> Callable[[Callable], NoReturn]:
    """Refused: operations of PyTorch's dispatcher cannot be named."""
    raise NotImplementedError("flambeau: torch.utils.flop_counter.register_flop_formula is not supported")


class FlopCounterMode:
    """Counts within a `with` block, forward and backward: two for each multiplication and the addition after it.

    `get_flop_counts()` has the operations of each module, under the names of its classes' attributes.
    """

    def __init__(
        self, mods: Any = None, depth: int = 2, display: bool = True, custom_mapping: dict[Any, Any] | None = None
    ) -> None:
        if custom_mapping:
            raise NotImplementedError("flambeau: FlopCounterMode takes no custom_mapping")
        self.depth, self.display = depth, display
        self.flop_counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        self._inside = ["Global"]
        self._names: dict[Module, str] = {}
        self._handles: list[Any] = []

    def _note(self, node: Node) -> None:
        count = flops_of(node)
        if count:
            name = names_of(node)[-1].replace("aten::", "aten.")
            for module in self._inside:
                self.flop_counts[module][name] += count

    def __enter__(self) -> FlopCounterMode:
        from ..nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

        self.flop_counts.clear()
        self._recorder = Recorder(on_node=self._note)
        self._handles = [
            register_module_forward_pre_hook(self._entered),
            register_module_forward_hook(self._left, always_call=True),
        ]
        self._recorder.start()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._recorder.stop()
        for handle in self._handles:
            handle.remove()
        del self._inside[1:]
        if self.display and exception[:1] == (None,):
            print(self.get_table(self.depth))

    def _entered(self, module: Module, args: Any) -> None:
        if module not in self._names:
            if len(self._inside) == 1:  # the outermost: its parts are named under it
                for name, part in module.named_modules(prefix=type(module).__name__):
                    self._names[part] = name
            self._names.setdefault(module, type(module).__name__)
        self._inside.append(self._names[module])

    def _left(self, module: Module, args: Any, result: Any) -> None:
        self._inside.pop()

    def get_total_flops(self) -> int:
        """All together."""
        return sum(self.flop_counts["Global"].values())

    def get_flop_counts(self) -> dict[str, dict[str, int]]:
        """By module and operation; "Global" is all."""
        return {module: dict(counts) for module, counts in self.flop_counts.items()}

    def get_table(self, depth: int | None = None) -> str:
        """A table of modules down to `depth`, with their operations and shares."""
        depth = self.depth if depth is None else depth
        total = self.get_total_flops()
        rows = [["Module", "FLOP", "% Total"]]
        for module, counts in self.flop_counts.items():
            level = 0 if module == "Global" else module.count(".") + 1
            if level > depth:
                continue
            amount = sum(counts.values())
            rows.append([" " * level + module, _short(amount), _part(amount, total)])
            for name, count in counts.items():
                rows.append([" " * level + f" - {name}", _short(count), _part(count, total)])
        widths = [max(len(row[i]) for row in rows) for i in range(3)]
        lines = ["  ".join([row[0].ljust(widths[0]), row[1].rjust(widths[1]), row[2].rjust(widths[2])]) for row in rows]
        lines.insert(1, "  ".join("-" * width for width in widths))
        return "\n".join(lines)


def _short(count: int) -> str:
    for factor, unit in ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "K")):
        if count >= factor:
            return f"{count / factor:.3f}{unit}"
    return str(count)


def _part(count: int, total: int) -> str:
    return f"{count / total:.2%}" if total else "0%"
