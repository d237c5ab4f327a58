"""torch.utils.tensorboard: logging for TensorBoard, which needs to be installed for looking only."""

from .writer import FileWriter, SummaryWriter

__all__ = ["FileWriter", "SummaryWriter"]
