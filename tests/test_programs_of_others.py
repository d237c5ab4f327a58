"""Programs of the kind that people post print the same numbers under flambeau as under PyTorch."""
from __future__ import annotations

import pytest
from alike import PROGRAMS, check_program

NAMES = sorted(path.stem for path in PROGRAMS.glob("*.py") if not path.stem.startswith("use_"))


@pytest.mark.parametrize("name", NAMES)
def test_program(name, tmp_path):
    check_program(name, tmp_path)
