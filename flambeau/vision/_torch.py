"""flambeau under the name that programs give it, for parts written in the functions that everybody calls."""

from __future__ import annotations

from typing import Any

import flambeau

torch: Any = flambeau
