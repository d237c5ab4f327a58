"""flambeau's own names, most of which it gets from the registry of operations when they are asked for."""

from typing import Any

import flambeau

fl: Any = flambeau
