"""Arrays of other libraries (torch, JAX, CuPy, whatever speaks DLPack) as numpy arrays, over the same memory
where that is the host's."""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import ArgumentTypeError

Copies = list[tuple[int, str]]  # bytes, and why they were copied

_HOST = {1, 3, 11, 13}  # DLPack's device types that numpy reads: CPU, pinned CUDA and ROCm, managed CUDA
_DEVICES = {2: "cuda", 8: "metal", 10: "rocm", 14: "oneapi"}


def is_of(x: Any, library: str) -> bool:
    """Whether the type of x, or one that it derives from, is of this library, which need not be installed."""
    return any(kind.__module__.partition(".")[0] == library for kind in type(x).__mro__)


def is_tensor(x: Any) -> bool:
    """Whether x is a torch.Tensor."""
    return is_of(x, "torch") and hasattr(x, "detach")


def is_array(x: Any) -> bool:
    """Whether x is an array of some library, of any number of axes."""
    return isinstance(x, np.ndarray) or is_tensor(x) or hasattr(x, "__dlpack__")


def to_numpy(x: Any, name: str = "X", copies: Copies | None = None) -> Any:
    """A tensor, or an array with `__dlpack__`, as a numpy array; what is neither as it is. Copies that had to
    be made are added to the list. bfloat16 becomes float32."""
    copies = [] if copies is None else copies
    if isinstance(x, np.ndarray):
        return x
    if is_tensor(x):
        return _of_tensor(x, name, copies)
    return _of_dlpack(x, name, copies) if hasattr(x, "__dlpack__") else x


def _of_tensor(x: Any, name: str, copies: Copies) -> np.ndarray:
    x, device = x.detach(), str(x.device)
    half = str(x.dtype) == "torch.bfloat16"
    try:
        array = (x.float() if half else x).numpy(force=True)
    except (TypeError, RuntimeError) as error:  # sparse, quantised, of no memory
        raise ArgumentTypeError(
            f"{name} is a torch.Tensor that cannot become a numpy array: {error}"
        ) from error
    if device != "cpu":
        copies.append((array.nbytes, f"copied from {device}"))
    if half:
        copies.append((array.nbytes, "converted from bfloat16 to float32"))
    return array


def _of_dlpack(x: Any, name: str, copies: Copies) -> np.ndarray:
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


def _read(x: Any, on_host: bool) -> np.ndarray | None:
    """By DLPack, or as numpy converts it, on the host; from a device, the other way round."""
    ways = (
        [np.from_dlpack, np.asarray] if on_host else [np.asarray, lambda x: np.from_dlpack(x, device="cpu")]
    )
    for way in ways:
        if way is np.asarray and not hasattr(x, "__array__"):
            continue
        try:
            return way(x)
        except (TypeError, ValueError, RuntimeError, BufferError):  # of a dtype or device it does not know
            continue
    return None


def _device(x: Any, kind: int) -> str:
    return str(getattr(x, "device", "")) or _DEVICES.get(kind, f"DLPack device {kind}")
