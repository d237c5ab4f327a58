"""torch.testing: comparing tensors with a tolerance, and making tensors to test with."""

from .._refusing import refusing
from ._comparison import assert_allclose, assert_close
from ._creation import make_tensor

__all__ = ["FileCheck", "assert_allclose", "assert_close", "make_tensor"]

FileCheck = refusing("torch.testing", "FileCheck", "it looks at the text of PyTorch's compiled graphs")
