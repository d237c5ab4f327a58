"""torch.utils."""

from . import _mode_utils, checkpoint, data
