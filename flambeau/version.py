"""torch.version: which PyTorch the programs are written for, and that nothing is built for a GPU."""

from . import __version__ as _own
from ._names import PYTORCH_VERSION

__version__ = f"{PYTORCH_VERSION}+flambeau{_own}"
cuda = hip = xpu = git_version = None
debug = False
