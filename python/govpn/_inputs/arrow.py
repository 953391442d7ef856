"""Reads images from Arrow arrays, tables and streams."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa

from .._arrow import is_list
from .._types import Foreign, ImagesLike, LabelsLike
from ..errors import ArgumentError, ArgumentTypeError
from .columns import IMAGE_COLUMNS, LABEL_COLUMNS, column_of
from .labels import Labels


def as_arrow(x: ImagesLike) -> pa.Table | pa.ChunkedArray | None:
    """Returns x as an Arrow table or chunked array over the same memory, or None if it is not Arrow's."""
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
    array: Foreign = x
    if isinstance(array, pa.StructArray):
        array = pa.RecordBatch.from_struct_array(array)
    if isinstance(array, pa.RecordBatch):
        return pa.Table.from_batches([array])
    return pa.chunked_array([array], array.type)


def _read_stream(x: Foreign) -> pa.Table | pa.ChunkedArray:
    try:
        return pa.RecordBatchReader.from_stream(x).read_all()
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # a stream of arrays that are no tables
        return pa.chunked_array(x)


def images_and_labels(table: pa.Table, name: str) -> tuple[pa.ChunkedArray, LabelsLike]:
    """Returns a table's columns of images and of labels; None for labels if there is no such column."""
    image, label = (column_of(table.column_names, names) for names in (IMAGE_COLUMNS, LABEL_COLUMNS))
    if image is None:
        wanted = ", ".join(IMAGE_COLUMNS)
        raise ArgumentError(f"{name} has columns {table.column_names}, want one named {wanted}")
    return table.column(image), None if label is None else labels_in(table, label)


def labels_in(table: pa.Table | pa.RecordBatch, label: str) -> LabelsLike:
    """Returns the column of labels, with the class names that Hugging Face leaves in the table."""
    metadata = (table.schema.metadata or {}).get(b"huggingface", b"{}")
    features = json.loads(metadata).get("info", {}).get("features", {})
    names = features.get(label, {}).get("names")
    column = table.column(label)
    return Labels(column.to_numpy(), names) if names and not column.null_count else column


def holds_encoded(kind: pa.DataType) -> bool:
    """Says whether values of the type are image files: bytes, paths, or Hugging Face's structs of both."""
    if pa.types.is_struct(kind):
        return bool({"bytes", "path"} & {field.name for field in kind})
    binary = pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    return bool(binary or text)


def tensors(images: pa.Array, name: str) -> pa.Array:
    """Returns images as Arrow tensors over the same memory.

    fixed_shape_tensor stays as it is. Lists in lists become tensors if all images have one shape.
    Lists of numbers become fixed-size lists, whose type does not tell the shape.
    """
    if isinstance(images.type, pa.FixedShapeTensorType):
        return images
    values = images.storage if isinstance(images, pa.ExtensionArray) else images
    sizes: list[int] = []
    nested = is_list(values.type) and is_list(values.type.value_type)
    if not nested and not pa.types.is_fixed_size_list(values.type):
        raise ArgumentTypeError(
            f"{name} has Arrow type {images.type}, want fixed_shape_tensor, lists of lists of one size, "
            "fixed-size lists of pixels, or encoded images"
        )
    while nested and is_list(values.type):
        inner = values.flatten()
        size = len(inner) // max(len(values), 1)
        if values.null_count or not _all_of_size(values, size):
            raise ArgumentError(f"{name} has nulls or lists of several lengths, want images of one size")
        values = inner
        sizes.append(size)
    if not nested:
        return values
    storage = pa.FixedSizeListArray.from_arrays(values, int(np.prod(sizes)))
    return pa.ExtensionArray.from_storage(pa.fixed_shape_tensor(values.type, sizes), storage)


def _all_of_size(lists: pa.Array, size: int) -> bool:
    if pa.types.is_fixed_size_list(lists.type):
        return bool(lists.type.list_size == size)
    return bool((lists.value_lengths().to_numpy() == size).all())


def channels_first(images: pa.Array) -> pa.Array:
    """Returns the same tensors with a type that says that their memory is (C, H, W)."""
    kind = pa.fixed_shape_tensor(images.type.value_type, images.type.shape, dim_names=["C", "H", "W"])
    return pa.ExtensionArray.from_storage(kind, images.storage)


def shape_of(kind: pa.FixedShapeTensorType) -> tuple[int, ...]:
    """Returns (H, W, C) of a tensor type. The type's own shape is that of its memory."""
    shape = list(kind.shape)
    if kind.permutation:
        shape = [shape[i] for i in kind.permutation]
    return tuple(shape) if len(shape) != 2 else (*shape, 1)
