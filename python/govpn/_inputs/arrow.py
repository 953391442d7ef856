"""Reads images from Arrow arrays, tables and streams."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import cast

import numpy as np
import pyarrow as pa

from .._arrow import import_chunks, is_list
from .._types import Foreign, ImagesLike, LabelsLike, Shape
from ..errors import ArgumentError, ArgumentTypeError
from .columns import IMAGE_COLUMNS, LABEL_COLUMNS, only_column_of
from .labels import Labels

_AXES = {"h": "h", "height": "h", "w": "w", "width": "w", "c": "c", "channel": "c", "channels": "c"}


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
    image, label = (
        only_column_of(table.column_names, names, name) for names in (IMAGE_COLUMNS, LABEL_COLUMNS)
    )
    if image is None:
        wanted = ", ".join(IMAGE_COLUMNS)
        raise ArgumentError(f"{name} has columns {table.column_names}, want one named {wanted}")
    return table.column(image), None if label is None else labels_in(table, label)


def labels_in(table: pa.Table | pa.RecordBatch, label: str) -> LabelsLike:
    """Returns the column of labels, with the class names that Hugging Face leaves in the table."""
    names, column = _hugging_face_names(table, label), table.column(label)
    whole = pa.types.is_integer(column.type) and not column.null_count
    return Labels(column.to_numpy(), names) if names and whole else column


def _hugging_face_names(table: pa.Table, label: str) -> list[str] | None:
    """Returns the class names in the table's metadata; None if it has none or is none of theirs."""
    about: object = (table.schema.metadata or {}).get(b"huggingface", b"{}")
    try:
        about = json.loads(cast(bytes, about))
    except (ValueError, RecursionError):
        return None
    for key in ("info", "features", label, "names"):
        about = about.get(key) if isinstance(about, dict) else None
    named = isinstance(about, list) and all(isinstance(name, str) for name in about)
    return cast("list[str]", about) if named else None


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
    numbers = values.type
    while is_list(numbers):
        numbers = numbers.value_type
    plain = pa.types.is_integer(numbers) or pa.types.is_floating(numbers)
    if not plain or (not nested and not pa.types.is_fixed_size_list(values.type)):
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
    if 0 in sizes:
        raise ArgumentError(f"{name} has images of {sizes} pixels, want at least one")
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


def names_tell(kind: pa.FixedShapeTensorType) -> bool:
    """Says whether dim_names tell which dimension is which, so that the library goes by them."""
    axes = [_AXES.get(name.lower()) for name in kind.dim_names or []]
    return len(axes) > 0 and sorted(map(str, axes)) in (["c", "h", "w"], ["h", "w"])


def shape_of(images: pa.Array, known: Sequence[int] | None) -> Shape:
    """Returns (H, W, C) of tensors as the library reads it. The type's own shape is that of its memory.

    known is the model's shape. It decides where the type leaves a choice.
    """
    try:
        info = import_chunks([images[:1]], None, known).info()
    except ArgumentError:
        if known is None:
            raise
        info = import_chunks([images[:1]], None, None).info()
    return info["height"], info["width"], info["channels"]
