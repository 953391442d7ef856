"""The exceptions of govpn.

All derive from `GovpnError`. Each also derives from the built-in exception that fits, so that
`except ValueError` and the like work without an import from here.

>>> try:
...     govpn.VPNClassifier(base="forest").fit(X, y)
... except ValueError as error:
...     print(f"{type(error).__name__}, {error.status}: {error}"[:50])
ArgumentError, GOVPN_E_ARG: ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._printable import printable

__all__ = [
    "ArgumentError",
    "ArgumentTypeError",
    "BusyError",
    "CancelledError",
    "DeviceError",
    "FileError",
    "ForkedError",
    "FormatError",
    "GovpnError",
    "GovpnWarning",
    "HandleError",
    "InternalError",
    "NotFittedError",
    "OutOfMemoryError",
    "UnsupportedError",
]


class _PlainNotFittedError(ValueError, AttributeError):
    """Stands for scikit-learn's NotFittedError where scikit-learn is not installed."""


if TYPE_CHECKING:  # scikit-learn has no types; its class has the same bases
    _NotFittedError = _PlainNotFittedError
else:
    try:
        from sklearn.exceptions import NotFittedError as _NotFittedError
    except ImportError:
        _NotFittedError = _PlainNotFittedError


class GovpnWarning(UserWarning):
    """The result deserves a second look, for example because the generator's noise has collapsed."""


class GovpnError(RuntimeError):
    """The base of all errors of this package.

    `status` is the library's name for the kind of error, for example "GOVPN_E_ARG".
    """

    status = "GOVPN_E_INTERNAL"

    def __str__(self) -> str:
        """Returns the message. print can show it, also where standard output is ASCII."""
        return printable(super().__str__())


class ArgumentError(GovpnError, ValueError):
    """An argument has the right type and a wrong value.

    The message says what was given and what is wanted.
    """

    status = "GOVPN_E_ARG"


class ArgumentTypeError(GovpnError, TypeError):
    """An argument has the wrong type."""

    status = "GOVPN_E_ARG"


class NotFittedError(GovpnError, _NotFittedError):
    """The estimator has no weights yet. Call `fit`, `govpn.load` or `import_safetensors` first.

    This is also a ValueError, an AttributeError and, where scikit-learn is installed, its
    NotFittedError.
    """

    status = "GOVPN_E_ARG"


class HandleError(GovpnError, ValueError):
    """An object of the library was used after it had been freed."""

    status = "GOVPN_E_HANDLE"


class UnsupportedError(GovpnError, NotImplementedError):
    """The request makes sense, but this build, device or file format cannot do it."""

    status = "GOVPN_E_UNSUPPORTED"


class CancelledError(GovpnError):
    """The call was stopped. The model keeps what it has learned so far."""

    status = "GOVPN_E_CANCELLED"


class FileError(GovpnError, OSError):
    """A file could not be read or written."""

    status = "GOVPN_E_IO"


class _MissingFileError(FileError, FileNotFoundError):
    """A file does not exist."""


class FormatError(GovpnError, ValueError):
    """A file or an Arrow array is damaged or has another format."""

    status = "GOVPN_E_FORMAT"


class OutOfMemoryError(GovpnError, MemoryError):
    """The memory of the host or of the device does not suffice. A smaller batch_size may help."""

    status = "GOVPN_E_MEMORY"


class DeviceError(GovpnError):
    """The device cannot be opened, or it failed. `govpn.devices()` says why."""

    status = "GOVPN_E_DEVICE"


class ForkedError(GovpnError):
    """The library was used in a forked child process. Start workers with spawn instead."""

    status = "GOVPN_E_FORKED"


class BusyError(GovpnError):
    """The model is still training, or still ends a call that Ctrl-C interrupted.

    Try again later.
    """

    status = "GOVPN_E_BUSY"


class InternalError(GovpnError):
    """govpn has a defect. The model that met it is unusable. Please report it."""

    status = "GOVPN_E_INTERNAL"


BY_STATUS: dict[int, type[GovpnError]] = {  # the status codes of govpn.h
    1: ArgumentError,
    2: HandleError,
    3: UnsupportedError,
    4: CancelledError,
    5: FileError,
    6: FormatError,
    7: OutOfMemoryError,
    8: DeviceError,
    9: ForkedError,
    10: BusyError,
    11: InternalError,
}


def __dir__() -> list[str]:
    return sorted(__all__)
