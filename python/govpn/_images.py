"""What fit and predict accept as images, checked, without a copy where the layout allows it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from . import _arrow, _encoded
from ._channels import are_first
from ._host import Copies
from ._inputs import IMAGE_COLUMNS, LABEL_COLUMNS, Source, column_of
from ._labels import Labels
from ._stream import Stream
from ._warn import warn
from .errors import ArgumentError, ArgumentTypeError


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
    copies: Copies = field(default_factory=list)  # that were made of the caller's pixels
    borrowed: int = 0  # bytes of the caller's that the library reads where they lie

    def info(self, data: _arrow.Data) -> dict[str, Any]:
        """What the library knows of the data set, and of all copies, also those made before."""
        about = data.info()
        why = dict.fromkeys([reason for _, reason in self.copies] + [about["why"]] * bool(about["why"]))
        copied = about["bytes_copied"] + sum(size for size, _ in self.copies)
        return about | {"bytes_copied": copied, "bytes_borrowed": self.borrowed, "why": "; ".join(why)}

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
            self.borrowed = self.lent.info()["memory_bytes"]
            return self.lent
        if self.shape is None and shape is None:
            kind = self.chunks[0].type
            want = f"fixed_shape_tensor(value_type={kind.value_type}, shape=[H, W, C])"
            raise ArgumentError(
                f"{self.name} has Arrow type {kind}, which does not tell H, W, C; want {want}"
            )
        data = _arrow.import_chunks(self.chunks, indices, None if self.shape else shape)
        about = data.info()
        self.borrowed = 0 if self.copies or about["bytes_copied"] else about["memory_bytes"]
        return data


def as_images(source: Source) -> Images:
    """Images of a numpy array (N, H, W, C) or (N, H, W), of an Arrow array, table or stream, or of a
    `govpn.datasets.Stream`."""
    x, name = source.x, source.name
    if isinstance(x, Stream):
        return Images(name, len(x), x.shape, [], labels=x.labels, stream=x)
    table = _as_arrow(x)
    images = _from_arrow(table, source) if table is not None else _from_numpy(x, name, source.copies)
    if images.count == 0:
        raise ArgumentError(f"{name} has no images, want at least one")
    if source.labels is not None:
        images.labels = source.labels
    return images


def warn_if_dark(images: Images) -> None:
    """Warns of pixels that are all next to 0, as those are of which the range was mistaken."""
    largest = 0.0
    for chunk in images.chunks:
        pixels = _arrow.numbers(chunk)
        for part in (pixels[:65536], pixels[65536:]):  # the first tell, mostly
            largest = max(largest, float(part.max(initial=0)))
            if largest > (1 if pixels.dtype == np.uint8 else 1 / 254):
                return
    if largest:
        text = f"{images.name} has floats up to {largest:.3g}, which mean 0 to 1: divided by 255 twice?"
        if pixels.dtype == np.uint8:
            text = f"{images.name} is uint8 of 0 and 1 alone, which mean 0 to 255: want {images.name} * 255"
        warn(f"the images are almost black: {text}")


def _from_numpy(x: Any, name: str, copies: Copies) -> Images:
    if isinstance(x, tuple):
        raise ArgumentTypeError(
            f"{name} is a tuple of {len(x)}, want images: pass images and labels one by one"
        )
    try:
        array = np.asanyarray(x)
    except ValueError as error:  # lists of several lengths
        raise ArgumentError(f"{name} is no array of images: {error}") from error
    if array.dtype == object:
        want = "want (N, H, W, C) or (N, H, W): an array or tensor, Arrow, PIL images, files or a folder"
        raise ArgumentTypeError(f"{name} is a {type(x).__name__} of shape {array.shape}, {want}")
    if array.ndim not in (3, 4):
        raise ArgumentError(f"{name} has shape {array.shape}, want (N, H, W, C) or (N, H, W)")
    if array.shape[0] and 0 in array.shape:
        raise ArgumentError(f"{name} has shape {array.shape}, want images of at least one pixel")
    if array.dtype.kind == "f":
        if array.dtype != np.float32:
            with np.errstate(over="ignore"):  # becomes infinite, which is found next
                was, array = array.dtype, np.asarray(array, np.float32)
            copies.append((array.nbytes, f"converted from {was} to float32"))
        _check_range(array, name)
    elif array.dtype != np.uint8:
        raise ArgumentError(f"{name} has dtype {array.dtype}, want uint8 (0 to 255) or float (0 to 1)")
    n, h, w, c = (*array.shape, 1)[:4]
    lent = getattr(array, "lent", None)
    if lent is not None or n == 0:
        return Images(name, n, (h, w, c), [], lent)
    if not array.flags.c_contiguous:
        array = np.ascontiguousarray(array)
        copies.append((array.nbytes, "laid out as (N, H, W, C)"))
    pixels = np.asarray(array).reshape(n, h, w, c)
    return Images(name, n, (h, w, c), [_arrow.tensor_array(pixels)], copies=copies)


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


def _from_arrow(x: pa.Table | pa.ChunkedArray, source: Source) -> Images:
    name, labels = source.name, None
    if isinstance(x, pa.Table):
        column, label = (column_of(x.column_names, names) for names in (IMAGE_COLUMNS, LABEL_COLUMNS))
        if column is None:
            wanted = ", ".join(IMAGE_COLUMNS)
            raise ArgumentError(f"{name} has columns {x.column_names}, want one named {wanted}")
        labels = None if label is None else _named(x, label)
        x = x.column(column)
    if x.null_count:
        raise ArgumentError(f"{name} has {x.null_count} nulls, want images only")
    if _holds_encoded(x.type):
        pixels = _encoded.decode(x, name, channels=source.shape[2] if source.shape else None)
        source.copies.append((pixels.nbytes, f"decoded from {len(x)} encoded images"))
        images = _from_numpy(pixels, name, source.copies)
        images.labels = labels
        return images
    chunks = [_arrow.tensors(chunk, name) for chunk in x.chunks if len(chunk)]
    for chunk in chunks[1:]:
        if chunk.type != chunks[0].type:
            raise ArgumentError(
                f"{name} has images of {chunks[0].type} and {chunk.type}, want images of one size"
            )
    shape = None
    if chunks and isinstance(chunks[0].type, pa.FixedShapeTensorType):
        shape, kind = _shape(chunks[0].type), chunks[0].type
        told = kind.dim_names or (kind.permutation or [0, 1, 2]) != [0, 1, 2]
        if len(kind.shape) == 3 and not told and are_first(shape, source.channels, source.shape, False, name):
            chunks = [_arrow.channels_first(chunk) for chunk in chunks]
            shape = (*shape[1:], shape[0])
    return Images(name, len(x), shape, chunks, labels=labels, copies=source.copies)


def _holds_encoded(kind: pa.DataType) -> bool:
    """Whether values of the type are files: their bytes, their paths, or Hugging Face's structs of both."""
    if pa.types.is_struct(kind):
        return bool({"bytes", "path"} & {field.name for field in kind})
    binary = pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)
    return (
        binary or pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _named(table: pa.Table, label: str) -> Any:
    """The column of labels, with the class names that Hugging Face leaves in the table."""
    metadata = (table.schema.metadata or {}).get(b"huggingface", b"{}")
    features = json.loads(metadata).get("info", {}).get("features", {})
    names = features.get(label, {}).get("names")
    column = table.column(label)
    return Labels(column.to_numpy(), names) if names and not column.null_count else column


def _shape(kind: pa.FixedShapeTensorType) -> tuple[int, ...]:
    """The logical (H, W, C) of a tensor type, whose shape is that of its memory."""
    shape = list(kind.shape)
    if kind.permutation:
        shape = [shape[i] for i in kind.permutation]
    return tuple(shape) if len(shape) != 2 else (*shape, 1)
