"""torch.utils.collect_env: what a report of a fault should say of the machine."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import sys
from typing import NamedTuple

from .._version import VERSION
from ..version import __version__ as torch_version

PACKAGES = ("numpy", "scipy", "ml_dtypes", "jax", "jaxlib", "pandas", "scikit-learn", "matplotlib")


class SystemEnv(NamedTuple):
    """What is known of the machine."""

    torch_version: str
    flambeau_version: str
    is_debug_build: str
    os: str
    python_version: str
    python_platform: str
    is_cuda_available: str
    cpu_info: str
    pip_packages: str


def get_env_info() -> SystemEnv:
    """What is known of the machine."""
    packages = []
    for name in PACKAGES:
        try:
            packages.append(f"[pip3] {name}=={importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return SystemEnv(
        torch_version=torch_version,
        flambeau_version=VERSION,
        is_debug_build="False",
        os=f"{platform.system()} {platform.release()}",
        python_version=f"{sys.version.split()[0]} ({platform.architecture()[0]} runtime)",
        python_platform=platform.platform(),
        is_cuda_available="False",
        cpu_info=_processor(),
        pip_packages="\n".join(packages),
    )


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            found = re.search(r"model name\s*: (.*)", file.read())
    except OSError:
        found = None
    return found.group(1) if found else platform.processor() or platform.machine()


def pretty_str(envinfo: SystemEnv) -> str:
    """A report as text."""
    return (
        f"PyTorch version: {envinfo.torch_version} (flambeau {envinfo.flambeau_version})\n"
        f"Is debug build: {envinfo.is_debug_build}\n\n"
        f"OS: {envinfo.os}\n\n"
        f"Python version: {envinfo.python_version}\n"
        f"Python platform: {envinfo.python_platform}\n"
        f"Is CUDA available: {envinfo.is_cuda_available}\n\n"
        f"CPU:\n{envinfo.cpu_info}\n\n"
        f"Versions of relevant libraries:\n{envinfo.pip_packages}"
    )


def get_pretty_env_info() -> str:
    """The report as text."""
    return pretty_str(get_env_info())


def main() -> None:
    """Prints the report."""
    print("Collecting environment information...")
    print(get_pretty_env_info())


if __name__ == "__main__":
    main()
