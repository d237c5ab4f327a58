"""torch.version: which PyTorch the programs are written for, and that nothing is built for a GPU."""

from ._names import PYTORCH_VERSION
from ._version import VERSION as _own

__version__ = f"{PYTORCH_VERSION}+flambeau{_own}"
cuda = hip = xpu = git_version = None
debug = False
