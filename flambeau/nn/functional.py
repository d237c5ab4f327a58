"""torch.nn.functional: the registry's functions under their names there."""
from __future__ import annotations

from ..namespaces import SPACES

globals().update(SPACES["nn.functional"])
