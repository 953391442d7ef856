"""Turns arrays of other libraries, such as torch, JAX and CuPy, into numpy arrays.

The numpy array has the same memory where that is the host's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from .._types import AnyArray, Foreign
from ..errors import ArgumentError, ArgumentTypeError

Copies: TypeAlias = list[tuple[int, str]]  # how many bytes were copied, and why

_HOST = {1, 3, 11, 13}  # DLPack's types of devices that numpy reads: CPU, pinned CUDA and ROCm, managed CUDA
_DEVICES = {2: "cuda", 8: "metal", 10: "rocm", 14: "oneapi"}


def is_of(x: object, library: str) -> bool:
    """Says whether the type of x, or a base of it, is defined in a library, which need not be installed."""
    return any(kind.__module__.partition(".")[0] == library for kind in type(x).__mro__)


def is_tensor(x: object) -> bool:
    """Says whether x is a torch.Tensor."""
    return is_of(x, "torch") and hasattr(x, "detach")


def is_array(x: object) -> bool:
    """Says whether x is an array of some library, with any number of axes."""
    return isinstance(x, np.ndarray) or is_tensor(x) or hasattr(x, "__dlpack__")


def to_numpy(x: Foreign, name: str = "X", copies: Copies | None = None) -> Foreign:
    """Returns a tensor, or an array with `__dlpack__`, as a numpy array. Other x stay as they are.

    bfloat16 becomes float32. Copies that this makes are appended to copies. Raises
    ArgumentTypeError, in which x is called name.
    """
    copies = [] if copies is None else copies
    if isinstance(x, np.ndarray):
        if np.ma.is_masked(x):
            raise ArgumentError(f"{name} is an array with masked values, want none: {name}.filled(0)")
        return x
    if is_tensor(x):
        return _of_tensor(x, name, copies)
    return _of_dlpack(x, name, copies) if hasattr(x, "__dlpack__") else x


def _of_tensor(x: Foreign, name: str, copies: Copies) -> AnyArray:
    x, device = x.detach(), str(x.device)
    half = str(x.dtype) == "torch.bfloat16"
    try:
        array: AnyArray = (x.float() if half else x).numpy(force=True)
    except (TypeError, RuntimeError) as error:  # a tensor that is sparse, quantised or without memory
        raise ArgumentTypeError(
            f"{name} is a torch.Tensor that cannot become a numpy array: {error}"
        ) from error
    if device != "cpu":
        copies.append((array.nbytes, f"copied from {device}"))
    if half:
        copies.append((array.nbytes, "converted from bfloat16 to float32"))
    return array


def _of_dlpack(x: Foreign, name: str, copies: Copies) -> AnyArray:
    kind = int(x.__dlpack_device__()[0])
    array = _read(x, kind in _HOST)
    if array is None or array.dtype == object:
        raise ArgumentTypeError(
            f"{name} is a {type(x).__name__} on {_device(x, kind)}, which its library does not copy to the "
            "host by itself; want it as a numpy array, such as cupy.asnumpy makes"
        )
    if kind not in _HOST:
        copies.append((array.nbytes, f"copied from {_device(x, kind)}"))
    if array.dtype.name == "bfloat16":
        array = array.astype(np.float32)
        copies.append((array.nbytes, "converted from bfloat16 to float32"))
    return array


def _read(x: Foreign, on_host: bool) -> AnyArray | None:
    """Reads x by DLPack or else by numpy's own conversion; for a device, in the other order.

    Returns None if neither works.
    """
    convert: Callable[[Foreign], AnyArray] = np.asarray
    ways: list[Callable[[Foreign], AnyArray]] = (
        [np.from_dlpack, convert] if on_host else [convert, lambda x: np.from_dlpack(x, device="cpu")]
    )
    for way in ways:
        if way is convert and not hasattr(x, "__array__"):
            continue
        try:
            return way(x)
        except (TypeError, ValueError, RuntimeError, BufferError):  # an unknown dtype or device
            continue
    return None


def _device(x: Foreign, kind: int) -> str:
    return str(getattr(x, "device", "")) or _DEVICES.get(kind, f"DLPack device {kind}")
