"""Ray is imported when something of it is used: govpn works without it."""

from __future__ import annotations

import importlib
from typing import Any


def ray_module(part: str = "") -> Any:
    """Returns the module ray with one of its parts imported, or tells how to install it."""
    try:
        if part:
            importlib.import_module(f"ray.{part}")
        return importlib.import_module("ray")
    except ImportError as error:
        raise ImportError("govpn.ray needs Ray: pip install 'govpn[ray]'") from error
