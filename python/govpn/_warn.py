"""Shows warnings where the user looks for them."""

from __future__ import annotations

import sys
import warnings

from .errors import GovpnWarning


def warn(text: str, category: type[Warning] = GovpnWarning) -> None:
    """Warns at the line that called govpn, so that Python shows the warning once for each such line."""
    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == __package__:
        frame, level = frame.f_back, level + 1
    warnings.warn(text, category, stacklevel=level)
