"""torch.nn: modules, parameters, losses, initialisation."""
from __future__ import annotations

from . import functional, init
from .container import ModuleDict, ModuleList, ParameterDict, ParameterList, Sequential
from .linear import Identity, Linear
from .module import Module
from .parameter import Buffer, Parameter, UninitializedParameter

__all__ = ["Buffer", "Identity", "Linear", "Module", "ModuleDict", "ModuleList", "Parameter", "ParameterDict", "ParameterList", "Sequential",
           "UninitializedParameter", "functional", "init"]
