"""Which torchvision the programs are written for: the release that goes with PyTorch 2.13."""

from .._version import VERSION

TORCHVISION_VERSION = "0.28.0"
__version__ = f"{TORCHVISION_VERSION}+flambeau{VERSION}"
cuda = None
