"""torch.utils.dlpack: tensors of and for other libraries."""

from ..interchange import DLDeviceType, from_dlpack, to_dlpack

__all__ = ["DLDeviceType", "from_dlpack", "to_dlpack"]
