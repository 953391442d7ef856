"""What fit and predict accept as images, checked, without a copy where the layout allows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from . import _arrow
from ._stream import Stream
from .errors import ArgumentError, ArgumentTypeError

_IMAGE_COLUMNS, _LABEL_COLUMNS = ("image", "images", "pixels"), ("label", "labels", "y")


@dataclass
class Images:
    """N images on their way to the library."""

    name: str  # of the argument, for messages
    count: int
    shape: tuple[int, ...] | None  # (H, W, C), None where only the library can tell
    chunks: list[pa.Array]
    lent: _arrow.Data | None = None
    labels: Any = None  # the label column of a table, or the labels of a stream
    stream: Stream | None = None

    def data(self, indices: np.ndarray | None = None, shape: Sequence[int] | None = None) -> _arrow.Data:
        """The data set in the library. indices are labels 0..K-1, int32 (N,), or probabilities, float32 (N,
        K); shape is that of the model, if known."""
        if indices is not None and len(indices) != self.count:
            raise ArgumentError(
                f"y has {len(indices)} labels, want {self.count}, one per image of {self.name}"
            )
        if self.stream is not None:
            return self.stream.data(indices)
        if self.lent is not None:
            if indices is not None:
                self.lent.set_labels(indices)
            return self.lent
        if self.shape is None and shape is None:
            kind = self.chunks[0].type
            want = f"fixed_shape_tensor(value_type={kind.value_type}, shape=[H, W, C])"
            raise ArgumentError(
                f"{self.name} has Arrow type {kind}, which does not tell H, W, C; want {want}"
            )
        return _arrow.import_chunks(self.chunks, indices, None if self.shape else shape)


def as_images(x: Any, name: str = "X") -> Images:
    """Images of a numpy array (N, H, W, C) or (N, H, W), of an Arrow array, table or stream, or of a
    `govpn.datasets.Stream`."""
    if isinstance(x, Images):
        return x
    if isinstance(x, Stream):
        return Images(name, len(x), x.shape, [], labels=x.labels, stream=x)
    table = _as_arrow(x)
    images = _from_arrow(table, name) if table is not None else _from_numpy(x, name)
    if images.count == 0:
        raise ArgumentError(f"{name} has no images, want at least one")
    return images


def _from_numpy(x: Any, name: str) -> Images:
    if isinstance(x, tuple):
        raise ArgumentTypeError(
            f"{name} is a tuple of {len(x)}, want images: pass images and labels one by one"
        )
    array = np.asanyarray(x)
    if array.ndim not in (3, 4):
        raise ArgumentError(f"{name} has shape {array.shape}, want (N, H, W, C) or (N, H, W)")
    if array.shape[0] and 0 in array.shape:
        raise ArgumentError(f"{name} has shape {array.shape}, want images of at least one pixel")
    if array.dtype.kind == "f":
        if array.dtype != np.float32:
            with np.errstate(over="ignore"):  # becomes infinite, which is found next
                array = np.asarray(array, np.float32)
        _check_range(array, name)
    elif array.dtype != np.uint8:
        raise ArgumentError(f"{name} has dtype {array.dtype}, want uint8 (0 to 255) or float (0 to 1)")
    n, h, w, c = (*array.shape, 1)[:4]
    lent = getattr(array, "lent", None)
    if lent is not None or n == 0:
        return Images(name, n, (h, w, c), [], lent)
    pixels = np.ascontiguousarray(np.asarray(array)).reshape(n, h, w, c)
    return Images(name, n, (h, w, c), [_arrow.tensor_array(pixels)])


def _check_range(array: np.ndarray, name: str) -> None:
    if array.size == 0 or (array.min() >= 0 and array.max() <= 1):  # false for NaN
        return
    for wrong, want in ((~np.isfinite(array), "finite"), ((array < 0) | (array > 1), "from 0 to 1")):
        if wrong.any():
            index = np.unravel_index(np.argmax(wrong), array.shape)
            where = ", ".join(str(i) for i in index)
            advice = "" if want == "finite" else "; divide by 255, or pass uint8, if the pixels are 0 to 255"
            raise ArgumentError(f"{name}[{where}] is {array[index]:g}, want float pixels {want}{advice}")


def _as_arrow(x: Any) -> pa.Table | pa.ChunkedArray | None:
    """x as an Arrow table or chunked array over the same memory, None if it is nothing of Arrow's."""
    if isinstance(x, (pa.Table, pa.ChunkedArray)):
        return x
    if isinstance(x, pa.RecordBatchReader):
        return x.read_all()
    if isinstance(x, np.ndarray):
        return None
    if not isinstance(x, (pa.Array, pa.RecordBatch)):
        if hasattr(x, "__arrow_c_stream__"):
            return _read_stream(x)
        if not hasattr(x, "__arrow_c_array__"):
            return None
        x = pa.array(x)
    if isinstance(x, pa.StructArray):
        x = pa.RecordBatch.from_struct_array(x)
    return pa.Table.from_batches([x]) if isinstance(x, pa.RecordBatch) else pa.chunked_array([x], x.type)


def _read_stream(x: Any) -> pa.Table | pa.ChunkedArray:
    try:
        return pa.RecordBatchReader.from_stream(x).read_all()
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # not of struct arrays
        return pa.chunked_array(x)


def _from_arrow(x: pa.Table | pa.ChunkedArray, name: str) -> Images:
    labels = None
    if isinstance(x, pa.Table):
        column = next((c for c in _IMAGE_COLUMNS if c in x.column_names), None)
        if column is None:
            raise ArgumentError(
                f"{name} has columns {x.column_names}, want one named {', '.join(_IMAGE_COLUMNS)}"
            )
        label = next((c for c in _LABEL_COLUMNS if c in x.column_names), None)
        labels = None if label is None else x.column(label)
        x = x.column(column)
    if x.null_count:
        raise ArgumentError(f"{name} has {x.null_count} nulls, want images only")
    tensors = isinstance(x.type, pa.FixedShapeTensorType)
    if not tensors and not pa.types.is_fixed_size_list(x.type):
        raise ArgumentTypeError(
            f"{name} has Arrow type {x.type}, want fixed_shape_tensor or fixed-size lists of pixels"
        )
    chunks = [chunk for chunk in x.chunks if len(chunk)]
    return Images(name, len(x), _shape(x.type) if tensors else None, chunks, labels=labels)


def _shape(kind: pa.FixedShapeTensorType) -> tuple[int, ...]:
    """The logical (H, W, C) of a tensor type, whose shape is that of its memory."""
    shape = list(kind.shape)
    if kind.permutation:
        shape = [shape[i] for i in kind.permutation]
    return tuple(shape) if len(shape) != 2 else (*shape, 1)
