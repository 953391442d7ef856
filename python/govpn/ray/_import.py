"""Ray, which is there only where something of it is used."""

from __future__ import annotations

import importlib
from typing import Any


def ray_module(part: str = "") -> Any:
    """The module ray, with that part of it imported."""
    try:
        if part:
            importlib.import_module(f"ray.{part}")
        return importlib.import_module("ray")
    except ImportError as error:
        raise ImportError("govpn.ray needs Ray: pip install 'govpn[ray]'") from error
