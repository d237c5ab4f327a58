"""torch.nn.parallel.distributed: the module that several processes train together. There is one process here."""

from __future__ import annotations

from typing import Any, NoReturn

from ..module import Module

__all__ = ["DistributedDataParallel"]


class DistributedDataParallel(Module):
    """Not supported: programs may ask whether a module is one, and none is."""

    def __init__(self, module: Module, *args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError(
            "flambeau: torch.nn.parallel.DistributedDataParallel is not supported; flambeau trains in one process; "
            "use the module itself"
        )
