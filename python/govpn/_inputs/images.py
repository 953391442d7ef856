"""Checks images and hands them to the library, without a copy where their layout allows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import pyarrow as pa

from .. import _arrow, _sklearn
from .._printable import printable
from .._reading import reading
from .._types import AnyArray, Foreign, LabelsLike, TrainingInfo
from .._warn import warn
from ..errors import ArgumentError, ArgumentTypeError
from . import arrow, encoded, labels, soft_labels
from .channel_order import are_first
from .foreign import Copies
from .labels import Given
from .source import Source
from .stream import Stream

WANTED = "images (N, H, W, C) or (N, H, W): an array or tensor, Arrow, PIL images, files or a folder"


@dataclass
class Images:
    """N images that were checked."""

    name: str  # the argument's name, for messages
    count: int  # N
    shape: tuple[int, ...] | None  # (H, W, C); None if only the library can tell
    chunks: list[pa.Array]  # the images as Arrow tensors; none if they are lent or a stream
    lent: _arrow.Data | None = None  # the data set of an array that `govpn.empty` made
    labels: LabelsLike = None  # the label column of a table, or the labels of a stream
    stream: Stream | None = None
    copies: Copies = field(default_factory=list)  # copies that were made of the caller's pixels
    borrowed: int = 0  # bytes that the library reads where the caller has them

    def info(self, data: _arrow.Data) -> TrainingInfo:
        """Returns what the library tells of the data set. The copies made here count, too."""
        about = data.info()
        why = dict.fromkeys([reason for _, reason in self.copies] + [about["why"]] * bool(about["why"]))
        copied = about["bytes_copied"] + sum(size for size, _ in self.copies)
        told = {
            **about,
            "bytes_copied": copied,
            "bytes_borrowed": self.borrowed,
            "why": printable("; ".join(why)),
        }
        return cast(TrainingInfo, told)

    def given_labels(self, y: LabelsLike, name: str = "y", soft: bool = False) -> Given:
        """Returns y, or else the labels that came with the images, as labels (N,), with their names.

        With soft, y may be probabilities, which are returned as float32 (N, K). name is the
        argument's name, for messages.
        """
        if y is None and self.labels is None:
            want = "want one label per image"
            if name == "y":  # these are scikit-learn's words
                want += ": VPNClassifier requires y to be passed, but the target y is None"
            raise ArgumentError(f"{name} is None and {self.name} has no labels, {want}")
        source = self.labels if y is None else y
        with reading(name, source, labels.WANTED):
            given = _sklearn.column(labels.plain(source, name))
            found: AnyArray | None = soft_labels.as_soft(given, name) if soft else None
            if found is None:
                found = labels.as_labels(given, name)
        if len(found) != self.count:
            raise ArgumentError(
                f"{name} has {len(found)} labels, want {self.count}, one per image of {self.name}"
            )
        numbers = found.ndim == 2 or found.dtype.kind in "iu"
        names = labels.class_names_of(source) if numbers else None
        return Given(found, names, labels.is_listed(source))

    def check_shape(self, shape: Sequence[int]) -> None:
        """Raises ArgumentError unless the images are known to be, or can be, (H, W, C) of the model."""
        if self.shape is None or tuple(self.shape) == tuple(shape):
            return
        text = f"{self.name} has images of {_sizes(self.shape)}, want {_sizes(shape)} as the model"
        if (self.count, *self.shape) == (*shape, 1):
            text += f"; of one image pass {self.name}[None]"
        raise ArgumentError(text)

    def data(self, targets: AnyArray | None = None, shape: Sequence[int] | None = None) -> _arrow.Data:
        """Makes the data set in the library.

        targets are indices of classes, int32 (N,), or probabilities, float32 (N, K). shape is the
        model's (H, W, C), if known.
        """
        if targets is not None and len(targets) != self.count:
            raise ArgumentError(
                f"y has {len(targets)} labels, want {self.count}, one per image of {self.name}"
            )
        if self.stream is not None:
            return self.stream.data(targets)
        if self.lent is not None:
            if targets is not None:
                self.lent.set_labels(targets)
            self.borrowed = self.lent.info()["memory_bytes"]
            return self.lent
        if self.shape is None and shape is None:
            kind = self.chunks[0].type
            want = f"fixed_shape_tensor(value_type={kind.value_type}, shape=[H, W, C])"
            raise ArgumentError(
                f"{self.name} has Arrow type {kind}, which does not tell H, W, C; want {want}"
            )
        with reading(self.name, self.chunks, WANTED):
            data = _arrow.import_chunks(self.chunks, targets, self.shape or shape)
        about = data.info()
        self.borrowed = 0 if self.copies or about["bytes_copied"] else about["memory_bytes"]
        return data


def as_images(source: Source) -> Images:
    """Checks images.

    They are a numpy array (N, H, W, C) or (N, H, W), an Arrow array, table or stream, or a
    `govpn.datasets.Stream`.
    """
    x, name = source.x, source.name
    if isinstance(x, Stream):
        return Images(name, len(x), x.shape, [], labels=x.labels, stream=x)
    table = arrow.as_arrow(x)
    images = _from_arrow(table, source) if table is not None else _from_numpy(x, name, source.copies)
    if images.count == 0:
        raise ArgumentError(f"{name} has no images, want at least one")
    if source.labels is not None:
        images.labels = source.labels
    return images


def warn_if_dark(images: Images) -> None:
    """Warns if all pixels are close to 0, because then the caller probably mistook their range."""
    largest = 0.0
    for chunk in images.chunks:
        pixels = _arrow.numbers(chunk)
        for part in (pixels[:65536], pixels[65536:]):  # mostly the first pixels decide
            largest = max(largest, float(part.max(initial=0)))
            if largest > (1 if pixels.dtype == np.uint8 else 1 / 254):
                return
    if largest:
        text = f"{images.name} has floats up to {largest:.3g}, which mean 0 to 1: divided by 255 twice?"
        if pixels.dtype == np.uint8:
            text = f"{images.name} is uint8 of 0 and 1 alone, which mean 0 to 255: want {images.name} * 255"
        warn(f"the images are almost black: {text}")


def _sizes(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape))


def _from_numpy(x: Foreign, name: str, copies: Copies) -> Images:
    if isinstance(x, tuple):
        raise ArgumentTypeError(
            f"{name} is a tuple of {len(x)}, want images: pass images and labels one by one"
        )
    try:
        array = np.asanyarray(x)
    except ValueError as error:  # lists of several lengths
        raise ArgumentError(f"{name} is no array of images: {error}") from error
    if array.dtype == object:
        if array.ndim in (3, 4):
            raise ArgumentTypeError(
                f"{name} has dtype object, want uint8 (0 to 255) or float (0 to 1): {name}.astype(np.uint8)"
            )
        raise ArgumentTypeError(f"{name} is a {type(x).__name__} of shape {array.shape}, want {WANTED}")
    if array.ndim not in (3, 4):
        raise ArgumentError(f"{name} has shape {array.shape}, want (N, H, W, C) or (N, H, W)")
    if array.shape[0] and 0 in array.shape:
        raise ArgumentError(f"{name} has shape {array.shape}, want images of at least one pixel")
    if array.dtype.kind == "f":
        if array.dtype != np.float32:
            with np.errstate(over="ignore"):  # a number that is too large becomes infinite; found below
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


def _check_range(array: AnyArray, name: str) -> None:
    """Raises ArgumentError unless all pixels are from 0 to 1.

    The error names the first that is not.
    """
    if array.size == 0 or (array.min() >= 0 and array.max() <= 1):  # false for NaN
        return
    for wrong, want in ((~np.isfinite(array), "finite"), ((array < 0) | (array > 1), "from 0 to 1")):
        if wrong.any():
            index = np.unravel_index(np.argmax(wrong), array.shape)
            where = ", ".join(str(i) for i in index)
            advice = "" if want == "finite" else "; divide by 255, or pass uint8, if the pixels are 0 to 255"
            raise ArgumentError(f"{name}[{where}] is {array[index]:g}, want float pixels {want}{advice}")


def _from_arrow(x: pa.Table | pa.ChunkedArray, source: Source) -> Images:
    name, given = source.name, None
    if isinstance(x, pa.Table):
        x, given = arrow.images_and_labels(x, name)
    if x.null_count:
        raise ArgumentError(f"{name} has {x.null_count} nulls, want images only")
    if arrow.holds_encoded(x.type):
        pixels = encoded.decode(x, name, channels=source.shape[2] if source.shape else None)
        source.copies.append((pixels.nbytes, f"decoded from {len(x)} encoded images"))
        images = _from_numpy(pixels, name, source.copies)
        images.labels = given
        return images
    chunks = [arrow.tensors(chunk, name) for chunk in x.chunks if len(chunk)]
    for chunk in chunks[1:]:
        if chunk.type != chunks[0].type:
            raise ArgumentError(
                f"{name} has images of {chunks[0].type} and {chunk.type}, want images of one size"
            )
    shape = None
    if chunks and isinstance(chunks[0].type, pa.FixedShapeTensorType):
        kind = chunks[0].type
        told = arrow.names_tell(kind) or (kind.permutation or [0, 1, 2]) != [0, 1, 2]
        asked = len(kind.shape) == 3 and not told
        if asked and are_first(kind.shape, source.channels, source.shape, False, name):
            chunks = [arrow.channels_first(chunk) for chunk in chunks]
        shape = arrow.shape_of(chunks[0], source.shape)
    return Images(name, len(x), shape, chunks, labels=given, copies=source.copies)
