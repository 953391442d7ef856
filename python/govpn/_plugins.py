"""Finds the XLA plugins of installed Python packages without importing these packages."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

_PACKAGED = (  # a package, and the path of the plugin in its folder
    ("fastatomstruct_xla_cpu", "libpjrt_cpu.so"),
    ("jax_plugins", "xla_cuda13/xla_cuda_plugin.so"),
    ("jax_plugins", "xla_cuda12/xla_cuda_plugin.so"),
)


def plugin_paths() -> list[str]:
    """Returns plugin files or folders: those in `$GOVPN_PLUGIN_PATH`, then those of installed packages."""
    paths = [p for p in os.environ.get("GOVPN_PLUGIN_PATH", "").split(os.pathsep) if p]
    for package, place in _PACKAGED:
        paths += [str(folder / place) for folder in _folders(package) if (folder / place).is_file()]
    return paths


def _folders(package: str) -> list[Path]:
    """Returns the folders of an installed package; none if it is not installed."""
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return []
    return [Path(p) for p in (spec.submodule_search_locations or ())] if spec else []
