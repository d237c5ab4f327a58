"""Pages that are made from the code are as the code makes them."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_the_table_of_operations_is_fresh():
    spec = importlib.util.spec_from_file_location("ops_table", ROOT / "tools" / "ops_table.py")
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    kept = (ROOT / "docs" / "ops.md").read_text(encoding="utf-8")
    assert kept == maker.table(), "docs/ops.md is old: run `python tools/ops_table.py`"
