"""torch.utils.cpp_extension: extensions against PyTorch's C++ library cannot be built, and everything says so."""

from __future__ import annotations

from .._refusing import refusing

_REASON = (
    "there is no C++ library of PyTorch's to build against; write the operation in Python, on tensors or as a "
    "torch.autograd.Function over NumPy's arrays"
)
__all__ = ["BuildExtension", "CUDAExtension", "CppExtension", "load", "load_inline"]

load = refusing("torch.utils.cpp_extension", "load", _REASON)
load_inline = refusing("torch.utils.cpp_extension", "load_inline", _REASON)
CppExtension = refusing("torch.utils.cpp_extension", "CppExtension", _REASON)
CUDAExtension = refusing("torch.utils.cpp_extension", "CUDAExtension", _REASON)
BuildExtension = refusing("torch.utils.cpp_extension", "BuildExtension", _REASON)
include_paths = refusing("torch.utils.cpp_extension", "include_paths", _REASON)
library_paths = refusing("torch.utils.cpp_extension", "library_paths", _REASON)
CUDA_HOME = ROCM_HOME = CUDNN_HOME = None


def is_ninja_available() -> bool:
    """Whether the build tool would be used: nothing is built."""
    return False
