"""torch._dynamo.config: settings that programs assign to. They are kept and change nothing."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

suppress_errors = False
verbose = False
recompile_limit = cache_size_limit = 8
accumulated_recompile_limit = accumulated_cache_size_limit = 256
dynamic_shapes = True
assume_static_by_default = True
automatic_dynamic_shapes = True
capture_scalar_outputs = False
capture_dynamic_output_shape_ops = False
optimize_ddp = True
disable = False


def patch(*args: Any, **kwargs: Any) -> AbstractContextManager:
    """A context in which settings have other values; since they change nothing, one that does nothing."""
    return nullcontext()
