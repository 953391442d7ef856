"""What can go wrong, as exceptions. All are `GovpnError`; each is also the built-in that fits, so that
`except ValueError` and the like work without importing anything from here.

>>> try:
...     govpn.VPNClassifier(base="forest").fit(X, y)
... except ValueError as error:
...     print(f"{type(error).__name__}, {error.status}: {error}"[:50])
ArgumentError, GOVPN_E_ARG: ...
"""

from __future__ import annotations

try:
    from sklearn.exceptions import NotFittedError as _NotFittedError
except ImportError:

    class _NotFittedError(ValueError, AttributeError):  # type: ignore[no-redef]
        pass


class GovpnWarning(UserWarning):
    """A result that deserves a second look, such as a generator whose noise has collapsed."""


class GovpnError(RuntimeError):
    """Base of all errors of this package. `status` is the library's name of the kind, such as
    "GOVPN_E_ARG"."""

    status = "GOVPN_E_INTERNAL"


class ArgumentError(GovpnError, ValueError):
    """An argument has the right type and a wrong value. The message names it, what it is and what is
    wanted."""

    status = "GOVPN_E_ARG"


class ArgumentTypeError(GovpnError, TypeError):
    """An argument has the wrong type."""

    status = "GOVPN_E_ARG"


class NotFittedError(GovpnError, _NotFittedError):
    """The estimator has no weights yet: call `fit`, `govpn.load` or `import_safetensors` first. With
    scikit-learn, also its NotFittedError; a ValueError and an AttributeError in any case."""

    status = "GOVPN_E_ARG"


class HandleError(GovpnError, ValueError):
    """A library object was used after it had been freed."""

    status = "GOVPN_E_HANDLE"


class UnsupportedError(GovpnError, NotImplementedError):
    """The request is sound, but this build, device or format cannot do it."""

    status = "GOVPN_E_UNSUPPORTED"


class CancelledError(GovpnError):
    """The call was stopped. The model keeps what it has learned so far."""

    status = "GOVPN_E_CANCELLED"


class FileError(GovpnError, OSError):
    """A file could not be read or written."""

    status = "GOVPN_E_IO"


class FormatError(GovpnError, ValueError):
    """A file or an Arrow array is damaged, or is of another format."""

    status = "GOVPN_E_FORMAT"


class OutOfMemoryError(GovpnError, MemoryError):
    """Host or device memory does not suffice. A smaller batch_size may."""

    status = "GOVPN_E_MEMORY"


class DeviceError(GovpnError):
    """The device cannot be opened, or failed. `govpn.devices()` says why."""

    status = "GOVPN_E_DEVICE"


class ForkedError(GovpnError):
    """The library was used in a forked child. Start workers by spawn instead."""

    status = "GOVPN_E_FORKED"


class BusyError(GovpnError):
    """The model is being trained, or ends a call that Ctrl-C has left behind. Try again later."""

    status = "GOVPN_E_BUSY"


class InternalError(GovpnError):
    """A defect of govpn. The model that met it is unusable; please report it."""

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
