"""Turns tensors, PIL images, files, data frames and so on into numpy arrays or Arrow data."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np

from .._arrow import LentArray
from .._types import AnyArray, Foreign, ImagesLike, LabelsLike
from ..errors import ArgumentError, ArgumentTypeError
from . import channel_order, encoded
from .columns import IMAGE_COLUMNS, LABEL_COLUMNS, column_of, only_column_of
from .foreign import Copies, is_array, is_of, is_tensor, to_numpy


@dataclass
class Source:
    """The images of an argument.

    x becomes a numpy array (N, H, W, C) or (N, H, W), features (N, F), a data frame of features, or
    an object with one of Arrow's interfaces.
    """

    x: Foreign
    name: str = "X"  # the argument's name, for messages
    channels: str | None = None  # the classifier's parameter
    shape: Sequence[int] | None = None  # (H, W, C) of the model, if known
    labels: LabelsLike = None  # labels that came with the images
    copies: Copies = field(default_factory=list)  # copies that were made of the caller's pixels

    def with_pixels(self, x: Foreign) -> Source:
        """Replaces x by the same images with converted pixels, and notes the copy if it is one."""
        if isinstance(x, np.ndarray) and x is not self.x:
            shared = isinstance(self.x, np.ndarray) and np.may_share_memory(x, self.x)
            if not shared:
                self.copies.append((x.nbytes, "converted to pixels from 0 to 1"))
        self.x = x
        return self


def read(
    x: ImagesLike, name: str = "X", channels: object = None, shape: Sequence[int] | None = None
) -> Source:
    """Reads X of fit or predict. Its channels come last in the result.

    name is the argument's name, for messages. channels is the classifier's parameter. shape is the
    model's (H, W, C), if known.
    """
    source = Source(x, name, channel_order.checked(channels), shape)
    if is_of(x, "datasets") and hasattr(x, "column_names"):
        source.x = _of_dataset(x, name)
    elif is_of(x, "pandas"):
        source.x, source.labels = _of_pandas(x, name)
    elif isinstance(x, np.ndarray) and x.ndim == 1 and x.dtype.kind in "OU":
        source.x = x.tolist()
    if encoded.is_path(source.x):
        _read_files(source)
    elif is_picture(source.x):
        source.x = _of_pictures([source.x], name, source.copies)
    elif isinstance(source.x, list) and source.x:
        _read_list(source)
    else:
        _read_array(source)
    return source


def is_picture(x: object) -> bool:
    """Says whether x is a PIL.Image.Image."""
    return is_of(x, "PIL") and hasattr(x, "getbands")


def _read_list(source: Source) -> None:
    """Reads a list of paths or encoded bytes, of PIL images or of arrays.

    A list of numbers stays.
    """
    items, first = source.x, source.x[0]
    if isinstance(first, (tuple, list)) and len(first) == 2 and _is_image(first[0]):
        raise ArgumentTypeError(
            f"{source.name}[0] is a {type(first).__name__} of an image and a {type(first[1]).__name__}, want "
            f"images and labels one by one: X, y = zip(*{source.name}), then list(X) and list(y)"
        )
    if encoded.is_encoded(first):
        _read_files(source)
    elif is_picture(first):
        source.x = _of_pictures(items, source.name, source.copies)
    elif is_array(first):
        source.x = _stacked(items, source.name, source.copies)
        _order(source, is_tensor(first))


def _is_image(x: object) -> bool:
    array = isinstance(x, np.ndarray) or is_tensor(x)
    return is_picture(x) or encoded.is_encoded(x) or (array and np.ndim(cast(AnyArray, x)) > 1)


def _read_files(source: Source) -> None:
    """Decodes image files: a list of them, or the path of a folder or of one file."""
    files, channels = source.x, source.shape[2] if source.shape else None
    if isinstance(files, list):
        source.x = encoded.decode(files, source.name, channels=channels)
    else:
        source.x, source.labels = encoded.of_path(files, source.name, channels)
    source.copies.append((source.x.nbytes, f"decoded from {len(source.x)} encoded images"))


def _read_array(source: Source) -> None:
    """Turns an array of any library into a numpy array with its channels last.

    Arrow's stay as they are.
    """
    if hasattr(source.x, "__arrow_c_array__") or hasattr(source.x, "__arrow_c_stream__"):
        return
    tensor = is_tensor(source.x)
    source.x = to_numpy(source.x, source.name, source.copies)
    if (
        not isinstance(source.x, np.ndarray)
        and hasattr(source.x, "__array__")
        and not hasattr(source.x, "columns")
    ):
        kind, source.x = type(source.x).__name__, np.asarray(source.x)  # a data set of h5py, for example
        if source.x.flags.owndata:
            source.copies.append((source.x.nbytes, f"copied from {kind}"))
    _order(source, tensor)


def _order(source: Source, tensor: bool) -> None:
    """Puts the channels of an array last, without a copy."""
    x = source.x
    if not isinstance(x, np.ndarray) or x.ndim != 4 or 0 in x.shape:
        return
    if isinstance(x, LentArray) and x.lent is not None and source.channels != "first":
        return
    if channel_order.are_first(x.shape[1:], source.channels, source.shape, tensor, source.name):
        source.x = x.transpose(0, 2, 3, 1)


def _of_pictures(images: Sequence[Foreign], name: str, copies: Copies) -> AnyArray:
    """Returns PIL images of one mode and size as upright pixels, uint8 (N, H, W) or (N, H, W, 3)."""
    for i, image in enumerate(images):
        if not is_picture(image):
            raise ArgumentTypeError(
                f"{name}[{i}] is a {type(image).__name__}, want PIL images as {name}[0] is"
            )
    images = [_upright(image) for image in images]
    first = images[0]
    for i, image in enumerate(images):
        if image.mode not in ("L", "RGB"):
            raise ArgumentError(
                f'{name}[{i}] has mode "{image.mode}", want "RGB" or "L" (grey): image.convert("RGB")'
            )
        if image.mode != first.mode:
            modes = f'{name}[{i}] has mode "{image.mode}", {name}[0] "{first.mode}"'
            raise ArgumentError(f'{modes}; want one mode: image.convert("RGB")')
        if image.size != first.size:
            sizes = f"{name}[{i}] is {_size(image)} (height×width), {name}[0] {_size(first)}"
            raise ArgumentError(f"{sizes}; want one size: PIL.ImageOps.fit(image, {first.size})")
    pixels = np.stack([np.asarray(image) for image in images])
    copies.append((pixels.nbytes, "copied from PIL images"))
    return pixels


def _upright(image: Foreign) -> Foreign:
    """Returns a PIL image turned as its EXIF orientation says, so that it equals its own file.

    An image that the caller has turned with PIL.ImageOps.exif_transpose has no orientation any more.
    """
    from PIL import ExifTags, ImageOps

    try:
        if image.getexif().get(ExifTags.Base.Orientation, 1) == 1:
            return image
    except (SyntaxError, ValueError, KeyError, struct.error):  # damaged EXIF data, as in files: upright
        return image
    return ImageOps.exif_transpose(image)


def _size(image: Foreign) -> str:
    return f"{image.height}×{image.width}"


def _stacked(items: Sequence[Foreign], name: str, copies: Copies) -> AnyArray:
    """Returns arrays or tensors of one shape and dtype as one array."""
    arrays = [to_numpy(x, f"{name}[{i}]", copies) for i, x in enumerate(items)]
    first = arrays[0]
    for i, array in enumerate(arrays):
        if not isinstance(array, np.ndarray):
            raise ArgumentTypeError(
                f"{name}[{i}] is a {type(array).__name__}, {name}[0] an array; want one kind"
            )
        if (array.shape, array.dtype) != (first.shape, first.dtype):
            raise ArgumentError(
                f"{name}[{i}] has shape {array.shape} and dtype {array.dtype}, {name}[0] {first.shape} and "
                f"{first.dtype}; want one shape and dtype: resize or crop the images before"
            )
    stacked = np.stack(arrays)
    copies.append((stacked.nbytes, "stacked from arrays"))
    return stacked


def _of_dataset(x: Foreign, name: str) -> Foreign:
    """Returns a data set of Hugging Face as an Arrow table.

    The table shares the memory of the data set, or its mapped files, unless that is shuffled or
    selected from.
    """
    if isinstance(x, dict):
        splits = ", ".join(x)
        raise ArgumentError(
            f'{name} is a {type(x).__name__} of {splits}, want one of them: X["{next(iter(x))}"]'
        )
    if not hasattr(x, "select_columns") or not hasattr(x, "__len__"):
        want = "want a datasets.Dataset: load_dataset(..., streaming=False)"
        raise ArgumentTypeError(f"{name} is a {type(x).__name__}, {want}")
    wanted = (column_of(x.column_names, IMAGE_COLUMNS), column_of(x.column_names, LABEL_COLUMNS))
    return x.select_columns([c for c in wanted if c] or x.column_names).with_format("arrow")[:]


def _of_pandas(x: Foreign, name: str) -> tuple[Foreign, LabelsLike]:
    """Returns the images and the labels in a data frame's columns of objects, and features as they are."""
    if not hasattr(x, "columns"):
        return (x.tolist(), None) if hasattr(x, "tolist") else (x, None)
    columns = x.columns.tolist()
    image = only_column_of(columns, IMAGE_COLUMNS, name)
    if image is None:
        return x, None
    label = only_column_of(columns, LABEL_COLUMNS, name)
    return x[image].tolist(), None if label is None else x[label]
