"""torch.ao: quantisation is out of scope; its names say so when they are called."""

from . import quantization
