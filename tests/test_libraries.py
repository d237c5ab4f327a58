"""Libraries made for PyTorch run on flambeau: what the programs of programs/use_*.py print is what PyTorch's prints."""
from __future__ import annotations

import importlib.util

import pytest
from alike import check_program

LIBRARIES = {"einops": "einops", "safetensors": "safetensors", "torchinfo": "torchinfo", "torchmetrics": "torchmetrics",
             "skorch": "skorch", "accelerate": "accelerate", "lightning": "pytorch_lightning"}


@pytest.mark.parametrize("library", LIBRARIES)
def test_library(library, tmp_path):
    # Looked for, not imported: outside `flambeau run` it would bring PyTorch.
    if importlib.util.find_spec(LIBRARIES[library]) is None:
        pytest.skip(f"{LIBRARIES[library]} is not installed")
    check_program(f"use_{library}", tmp_path)
