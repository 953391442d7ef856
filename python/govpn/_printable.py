"""Text that standard output can show, whatever its encoding."""

from __future__ import annotations

import re
import sys

_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_PLAIN = str.maketrans(  # what stands for the other signs that govpn writes
    {
        "σ": "sigma",
        "±": "+/-",
        "×": "x",
        "−": "-",
        "–": "-",
        "·": "*",
        "⊙": "*",
        "…": "...",
        "≤": "<=",
        "≥": ">=",
        "→": "->",
        "√": "sqrt ",
        "β": "beta",
        "κ": "kappa",
        "λ": "lambda",
        "π": "pi",
    }
)


def printable(text: str) -> str:
    """Returns text as it is if standard output can show it, else in letters that it can show.

    Python's print raises UnicodeEncodeError for a σ where standard output is ASCII, as in many
    containers. Letters that are none of govpn's signs become escapes, such as \\xe9.
    """
    encoding, errors = getattr(sys.stdout, "encoding", None), getattr(sys.stdout, "errors", None)
    if text.isascii() or not isinstance(encoding, str):
        return text
    try:
        text.encode(encoding, errors if isinstance(errors, str) else "strict")
    except (UnicodeError, LookupError):
        raised = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+")
        plain = raised.sub(lambda found: "^" + found[0].translate(_RAISED), text).translate(_PLAIN)
        return plain.encode("ascii", "backslashreplace").decode()
    return text
