"""The places where programs look for parts of torch.utils.data that have no public name."""

from . import collate, fetch, worker
