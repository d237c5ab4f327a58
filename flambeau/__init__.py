"""flambeau runs PyTorch programs without PyTorch: `import flambeau as torch`."""
from __future__ import annotations

import collections as _collections

__version__ = "0.1.0"

from . import binding as _binding
from . import dtypes as _dtypes
from . import namespaces as _namespaces
from .autograd import enable_grad, inference_mode, is_grad_enabled, is_inference_mode_enabled, no_grad, set_grad_enabled
from .creation import as_tensor, empty, empty_like, from_numpy, full, full_like, ones, ones_like, tensor, zeros, zeros_like
from .device import device
from .dtypes import dtype
from .printing import set_printoptions
from .tensor import Size, Tensor, install_operators

for _name, _kind in {**_dtypes.dtype.by_name, **_dtypes.ALIASES}.items():
    globals()[_name] = _kind
_binding.use(Tensor)
_spaces: dict = _collections.defaultdict(dict)
_spaces["torch"] = globals()
_binding.install(_spaces)
install_operators()
for _path, _names in _spaces.items():
    if _path != "torch":
        _namespaces.fill(_path, _names)
