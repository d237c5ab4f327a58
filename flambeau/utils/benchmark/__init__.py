"""torch.utils.benchmark: how long statements take. Their operations run when they are called, so that all are timed."""

from ..._refusing import refusing
from ._common import Measurement, TaskSpec, ordered_unique, select_unit, set_torch_threads, trim_sigfig, unit_to_english
from ._compare import Colorize, Compare
from ._timer import Language, Timer, timer

__all__ = [
    "Colorize",
    "Compare",
    "Language",
    "Measurement",
    "TaskSpec",
    "Timer",
    "ordered_unique",
    "select_unit",
    "set_torch_threads",
    "timer",
    "trim_sigfig",
    "unit_to_english",
]

_REASON = "use Timer.blocked_autorange"
CallgrindStats = refusing("torch.utils.benchmark", "CallgrindStats", _REASON)
Fuzzer = refusing("torch.utils.benchmark", "Fuzzer", _REASON)
FuzzedParameter = refusing("torch.utils.benchmark", "FuzzedParameter", _REASON)
FuzzedTensor = refusing("torch.utils.benchmark", "FuzzedTensor", _REASON)
