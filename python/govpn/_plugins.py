"""Finds the XLA plugins that installed Python packages bring, without importing those packages."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

_PACKAGED = (  # package, then the plugin's place in it
    ("fastatomstruct_xla_cpu", "libpjrt_cpu.so"),
    ("jax_plugins", "xla_cuda13/xla_cuda_plugin.so"),
    ("jax_plugins", "xla_cuda12/xla_cuda_plugin.so"),
)


def plugin_paths() -> list[str]:
    """Plugin files or folders, the most specific first: `$GOVPN_PLUGIN_PATH`, then installed packages."""
    paths = [p for p in os.environ.get("GOVPN_PLUGIN_PATH", "").split(os.pathsep) if p]
    for package, place in _PACKAGED:
        paths += [str(folder / place) for folder in _folders(package) if (folder / place).is_file()]
    return paths


def _folders(package: str) -> list[Path]:
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return []
    return [Path(p) for p in (spec.submodule_search_locations or ())] if spec else []
