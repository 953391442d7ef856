"""Finds, loads and declares the C library, with ctypes alone. govpn.h documents every function."""

from __future__ import annotations

import ctypes
import json
import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping
from ctypes import (
    POINTER,
    c_char_p,
    c_double,
    c_int32,
    c_int64,
    c_size_t,
    c_uint8,
    c_uint32,
    c_uint64,
    c_void_p,
)
from pathlib import Path
from typing import Any, TypeAlias, cast

from ._plugins import plugin_paths
from ._printable import printable
from ._reading import reading, shown
from ._types import BuildInfo, DeviceInfo
from .errors import BY_STATUS, ArgumentError, ArgumentTypeError, InternalError

ABI_VERSION = 1
COMPILING, TRAINING, EPOCH = range(3)  # the phases of govpn_progress

CType: TypeAlias = Any  # a type of ctypes; they have no useful base class in common
Argument: TypeAlias = Any  # an argument of a C function: bytes, an int, a structure, a pointer, a callback


class ArrowSchema(ctypes.Structure):
    """struct ArrowSchema. pyarrow fills and reads it by its address."""

    _fields_ = [
        ("format", c_void_p),
        ("name", c_void_p),
        ("metadata", c_void_p),
        ("flags", c_int64),
        ("n_children", c_int64),
        ("children", c_void_p),
        ("dictionary", c_void_p),
        ("release", c_void_p),
        ("private_data", c_void_p),
    ]


class ArrowArray(ctypes.Structure):
    """struct ArrowArray."""

    _fields_ = [
        ("length", c_int64),
        ("null_count", c_int64),
        ("offset", c_int64),
        ("n_buffers", c_int64),
        ("n_children", c_int64),
        ("buffers", c_void_p),
        ("children", c_void_p),
        ("dictionary", c_void_p),
        ("release", c_void_p),
        ("private_data", c_void_p),
    ]


class ArrowStream(ctypes.Structure):
    """struct ArrowArrayStream."""

    _fields_ = [
        ("get_schema", c_void_p),
        ("get_next", c_void_p),
        ("get_last_error", c_void_p),
        ("release", c_void_p),
        ("private_data", c_void_p),
    ]


class ProgressStruct(ctypes.Structure):
    """govpn_progress."""

    _fields_ = [
        ("struct_size", c_uint32),
        ("epoch", c_int32),
        ("epochs", c_int32),
        ("phase", c_int32),
        ("step", c_int64),
        ("steps", c_int64),
        ("loss", c_double),
        ("metric", c_double),
        ("elapsed_s", c_double),
    ]


PROGRESS_FN = ctypes.CFUNCTYPE(c_int32, POINTER(ProgressStruct), c_void_p)
SUM_FN = ctypes.CFUNCTYPE(c_int32, POINTER(ctypes.c_float), c_int64, c_void_p)
LOG_FN = ctypes.CFUNCTYPE(None, c_int32, c_char_p, c_void_p)
_RELEASE_FN = ctypes.CFUNCTYPE(None, c_void_p)

_data, _model, _json, _path, _text = c_uint64, c_uint64, c_char_p, c_char_p, POINTER(c_void_p)
_schema, _array, _stream = POINTER(ArrowSchema), POINTER(ArrowArray), POINTER(ArrowStream)

_FUNCTIONS: dict[str, tuple[CType, list[CType]]] = {  # name: (restype, argtypes)
    "govpn_abi_version": (c_uint32, []),
    "govpn_version": (c_char_p, []),
    "govpn_status_name": (c_char_p, [c_int32]),
    "govpn_last_error": (c_char_p, []),
    "govpn_init": (c_int32, [_json]),
    "govpn_build_info": (c_int32, [_text]),
    "govpn_devices": (c_int32, [_text]),
    "govpn_set_log": (c_int32, [LOG_FN, c_void_p]),
    "govpn_free": (None, [c_void_p]),
    "govpn_data_import": (c_int32, [_schema, _array, _json, POINTER(_data)]),
    "govpn_data_import_stream": (c_int32, [_stream, _json, POINTER(_data)]),
    "govpn_data_alloc": (c_int32, [_json, _schema, _array, POINTER(_data)]),
    "govpn_data_open": (c_int32, [_json, POINTER(_data)]),
    "govpn_data_cancel_open": (c_int32, []),
    "govpn_data_export_stream": (c_int32, [_data, _json, _stream]),
    "govpn_data_set_labels": (c_int32, [_data, _schema, _array, _json]),
    "govpn_data_set_weights": (c_int32, [_data, _schema, _array, _json]),
    "govpn_data_split": (c_int32, [_data, _json, POINTER(_data), POINTER(_data)]),
    "govpn_data_info": (c_int32, [_data, _text]),
    "govpn_data_free": (None, [_data]),
    "govpn_model_create": (c_int32, [_json, POINTER(_model)]),
    "govpn_estimate_memory": (c_int32, [_json, _text]),
    "govpn_model_fit": (c_int32, [_model, _data, _data, _json, PROGRESS_FN, c_void_p]),
    "govpn_model_share": (c_int32, [_model, c_int32, c_int32, SUM_FN, c_void_p]),
    "govpn_model_train_batch": (c_int32, [_model, _data, _json, _text]),
    "govpn_model_cancel": (c_int32, [_model]),
    "govpn_model_set_learning_rate": (c_int32, [_model, c_double]),
    "govpn_model_predict": (c_int32, [_model, _data, _json, _schema, _array]),
    "govpn_model_noise": (c_int32, [_model, _data, _json, _schema, _array]),
    "govpn_model_evaluate": (c_int32, [_model, _data, _json, _text]),
    "govpn_model_history": (c_int32, [_model, _schema, _array]),
    "govpn_model_config": (c_int32, [_model, _text]),
    "govpn_model_export_safetensors": (c_int32, [_model, _path, _json]),
    "govpn_model_import_safetensors": (c_int32, [_model, _path, _json]),
    "govpn_model_save": (c_int32, [_model, _path]),
    "govpn_model_load": (c_int32, [_path, _json, POINTER(_model)]),
    "govpn_model_to_bytes": (c_int32, [_model, POINTER(c_void_p), POINTER(c_size_t)]),
    "govpn_model_from_bytes": (c_int32, [POINTER(c_uint8), c_size_t, _json, POINTER(_model)]),
    "govpn_model_free": (None, [_model]),
}

_log = logging.getLogger("govpn")
_log.addHandler(logging.NullHandler())
_LEVELS = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR)  # in the order of GOVPN_LOG_*


def _log_message(level: int, message: bytes, user_data: object) -> None:
    """Passes a message of the library on to Python's logging."""
    _log.log(_LEVELS[level], "%s", message.decode("utf-8", "replace"))


_to_logging = LOG_FN(_log_message)  # kept here, because the library calls it at any time


_loaded: ctypes.CDLL | None = None
_lock = threading.Lock()


def library() -> ctypes.CDLL:
    """Returns the library. The first call loads it and sets it up."""
    global _loaded
    if _loaded is None:
        with _lock:
            if _loaded is None:
                lib = _load(find_library())
                _check(lib, lib.govpn_init(encode({"plugin_paths": plugin_paths(), "log_level": "info"})))
                _check(lib, lib.govpn_set_log(_to_logging, None))
                _loaded = lib
    return _loaded


_limited = False  # whether limit_threads set a number that is not 0


def limit_threads(count: int) -> None:
    """Sets how many threads compute: on device go from now on, on device cpu if it opens later.

    0 is all cores: it undoes an earlier call, and does nothing without one.
    """
    global _limited
    if count:
        os.environ["NPROC"] = str(count)  # XLA reads this when the device opens
    elif _limited:
        os.environ.pop("NPROC", None)
    else:
        return
    _limited = count > 0
    call("govpn_init", encode({"threads": count}))


def find_library() -> Path:
    """Returns the path of the library: $GOVPN_LIBRARY, or the file beside this one.

    Raises ImportError if there is no such file.
    """
    name = {"darwin": "libgovpn.dylib", "win32": "govpn.dll"}.get(sys.platform, "libgovpn.so")
    path = Path(os.environ.get("GOVPN_LIBRARY") or Path(__file__).with_name(name))
    if not path.is_file():
        raise ImportError(f"govpn: the library {path} is not there; build it with `pip install .`")
    return path


NEEDED_MB = 1330  # of address space, see "What loading costs" in docs/embedding.md


def _check_address_space() -> None:
    """Raises ImportError where the library would end the process for want of address space."""
    try:
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit == resource.RLIM_INFINITY:
            return
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except (ImportError, OSError):  # not Linux
        return
    if limit - used < NEEDED_MB << 20:
        raise ImportError(
            f"govpn: the library needs {NEEDED_MB} MiB of address space, and {max(limit - used, 0) >> 20} "
            "MiB are left; raise the limit (ulimit -v, RLIMIT_AS)"
        )


def _load(path: Path) -> ctypes.CDLL:
    _check_address_space()
    try:
        lib = ctypes.CDLL(str(path))
    except OSError as error:
        raise ImportError(f"govpn: the library {path} does not load: {error}") from error
    for name, (restype, argtypes) in _FUNCTIONS.items():
        try:
            function = getattr(lib, name)
        except AttributeError:
            raise ImportError(f"govpn: {path} has no function {name}; it is of another version") from None
        function.restype, function.argtypes = restype, argtypes
    version = lib.govpn_abi_version()
    if version != ABI_VERSION:
        raise ImportError(f"govpn: {path} has ABI version {version}, want {ABI_VERSION}; build it again")
    return lib


def _check(lib: ctypes.CDLL, status: int) -> None:
    """Raises the error that a status stands for.

    This must run on the thread that made the call, because the library keeps messages per thread.
    """
    if status == 0:
        return
    message = lib.govpn_last_error().decode("utf-8", "replace")
    name = lib.govpn_status_name(status).decode()
    error = BY_STATUS.get(status, InternalError)(message or name)
    error.status = name
    raise error


def call(name: str, *args: Argument) -> None:
    """Calls a function that returns a status, and raises the error that the status stands for."""
    lib = library()
    _check(lib, getattr(lib, name)(*args))


def call_json(name: str, *args: Argument) -> Any:
    """Calls a function whose last parameter receives JSON text, and returns the decoded value."""
    text = c_void_p()
    call(name, *args, ctypes.byref(text))
    try:
        return json.loads(ctypes.string_at(text))
    finally:
        library().govpn_free(text)


def call_bytes(name: str, *args: Argument) -> bytes:
    """Calls a function whose last two parameters receive bytes and their number. Returns a copy."""
    memory, size = c_void_p(), c_size_t()
    call(name, *args, ctypes.byref(memory), ctypes.byref(size))
    try:
        return ctypes.string_at(memory, size.value)
    finally:
        library().govpn_free(memory)


def call_handle(name: str, *args: Argument) -> int:
    """Calls a function whose last parameter receives a handle, and returns the handle."""
    handle = c_uint64()
    call(name, *args, ctypes.byref(handle))
    return handle.value


def free(function: str) -> Callable[[int], None]:
    """Returns a finalizer that frees a handle with this function. It does not load the library."""

    def run(handle: int) -> None:
        if _loaded is not None:
            getattr(_loaded, function)(handle)

    return run


def release(struct: ArrowSchema | ArrowArray | ArrowStream) -> None:
    """Releases an Arrow struct unless the library has taken it over."""
    if struct.release:
        _RELEASE_FN(struct.release)(ctypes.addressof(struct))


def encode(options: Mapping[str, object] | None) -> bytes:
    """Returns options as JSON text. Raises ArgumentTypeError for what is not JSON, such as NaN."""
    try:
        return json.dumps(options or {}, allow_nan=False).encode()
    except Exception:
        bad = ((name, value) for name, value in (options or {}).items() if not _is_json(value))
        name, value = next(bad, ("options", options))
        kind = type(value).__name__
        raise ArgumentTypeError(f"{name} is {shown(value)} of type {kind}, want text or numbers") from None


def _is_json(value: object) -> bool:
    try:
        return bool(json.dumps(value, allow_nan=False))
    except Exception:
        return False


def path_bytes(path: str | os.PathLike[str], name: str = "path") -> bytes:
    """Returns a path as the library takes it: bytes, some, without a null character.

    name is what messages call it.
    """
    if not isinstance(path, (str, bytes, os.PathLike)):
        raise ArgumentTypeError(f"{name} is {shown(path)} of type {type(path).__name__}, want a path")
    with reading(name, path, "a str, bytes or a pathlib.Path"):
        encoded = os.fsencode(path)
    if not encoded:
        raise ArgumentError(f"{name} is {shown(path)}, want a path that is not empty")
    if b"\0" in encoded:
        raise ArgumentError(f"{name} is {shown(path)}, want one without a null character")
    return encoded


def build_info() -> BuildInfo:
    """Says how the library was built.

    Returns
    -------
    dict
        - version : str
        - abi_version : int
        - go_version, gomlx_version : str
        - os, arch : str, in Go's words
        - simd : bool, whether matrix products in pure Go are fast
        - xla : bool, whether the library can open XLA plugins, which devices cpu and cuda need
        - default_device : str
        - base_models, generators : list of str, the networks that `VPNClassifier` takes by name
    """
    return cast(BuildInfo, call_json("govpn_build_info"))


def devices() -> list[DeviceInfo]:
    """Says what can compute on this machine.

    Returns
    -------
    list of dict
        One per kind of device, the best first:

        - device : "cuda", "cpu" or "go"
        - available : bool, whether it opens
        - description : str, what it is
        - plugin : str, the path of its XLA plugin; "" without one
        - devices : int, how many devices of this kind there are
        - why : str, the reason why it is or is not available
    """
    rows = cast("list[DeviceInfo]", call_json("govpn_devices"))
    for row in rows:
        row["description"], row["why"] = printable(row["description"]), printable(row["why"])
    return rows
