"""Turns the errors of other code, met while an argument is read, into errors of govpn.

Arguments come from many libraries, and their arrays, frames and readers raise whatever they like. What
reads one of them does so within `reading`, so that the caller's `except` needs to know govpn alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from .errors import (
    ArgumentError,
    ArgumentTypeError,
    FileError,
    GovpnError,
    OutOfMemoryError,
    _MissingFileError,
)

_LENGTH = 200  # letters of a value in a message
_KINDS: tuple[tuple[type[Exception], type[GovpnError]], ...] = (  # of all others: ArgumentError
    (MemoryError, OutOfMemoryError),
    (FileNotFoundError, _MissingFileError),
    (OSError, FileError),
    (TypeError, ArgumentTypeError),
)


@contextmanager
def reading(name: str, x: object, want: str) -> Iterator[None]:
    """Raises errors of other code as errors of govpn, with the other one as their cause.

    name is the argument's name, x its value, want says what the argument may be. Errors of govpn stay
    as they are. So do warnings that Python was told to raise.
    """
    try:
        yield
    except (GovpnError, Warning):
        raise
    except Exception as error:
        kind = next((ours for theirs, ours in _KINDS if isinstance(error, theirs)), ArgumentError)
        text = f"{name} is {described(x)}, which cannot be read ({_cause(error)}); want {want}"
        raise kind(text) from error


def described(x: object) -> str:
    """Returns what messages call a value that is too large to be shown."""
    if x is None or isinstance(x, (bool, int, float, complex, str, np.generic)):
        return shown(x)
    if isinstance(x, np.ndarray):
        return f"an array of shape {x.shape} and dtype {x.dtype}"
    if type(x) in (list, tuple):
        items: list[object] | tuple[object, ...] = x  # type: ignore[assignment]
        first = f", whose first is a {type(items[0]).__name__}" if items else ""
        return f"a {type(x).__name__} of {len(items)}{first}"
    return f"a {type(x).__name__}"


def shown(value: object) -> str:
    """Returns repr(value) for a message: on one line, of at most 200 letters, and without an error.

    numpy's scalars look like Python's.
    """
    if isinstance(value, np.generic):
        value = value.item()
    try:
        text = re.sub(r"\n\s*", " ", repr(value))
    except Exception:
        text = f"an object of type {type(value).__name__}"
    return text if len(text) <= _LENGTH else text[: _LENGTH - 1] + "…"


def _cause(error: Exception) -> str:
    """Returns an error in one short line."""
    text = " ".join(str(error).split())
    name = type(error).__name__
    return f"{name}: {text[:_LENGTH]}" if text else name
