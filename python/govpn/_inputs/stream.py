"""Opens data sets on disk: into memory, or as streams that are decoded while they are used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NoReturn, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from .. import _arrow, _lib, _params
from .._printable import printable
from .._run import run
from .._types import AnyArray, DataInfo, RandomState, Shape
from .._warn import warn
from ..errors import ArgumentError, ArgumentTypeError
from .labels import Labels

# (X, y), or a `Stream` with stream=True. A union of both would be of no use to callers, who know
# which it is.
Opened: TypeAlias = Any


class Stream:
    """Images on disk and their labels, for data that is larger than the memory.

    The functions of `govpn.datasets` make it with stream=True. The classifier's `fit`, `predict`,
    `score` and so on take it as X, without y, and decode images ahead on all cores while they use
    it. The files must not change meanwhile. A stream cannot be pickled.

    Attributes
    ----------
    labels : `Labels`, int64 (N,), or None where there are none
    class_names : tuple of str, or None
    shape : (H, W, C) of every image

    Examples
    --------
    >>> stream = govpn.datasets.image_folder("photos", stream=True)
    >>> stream
    <govpn stream of 12 images 8×8×3, 4 classes>
    >>> [images.shape for images, labels in stream.batches(8)]
    [(8, 8, 8, 3), (4, 8, 8, 3)]
    """

    def __init__(self, data: _arrow.Data) -> None:
        info = data.info()
        self._data, self._count = data, info["images"]
        self.shape: Shape = (info["height"], info["width"], info["channels"])
        self.class_names: tuple[str, ...] | None = tuple(info["class_names"]) or None
        self.labels = labels_of(data, info)

    def __len__(self) -> int:
        return self._count

    def __repr__(self) -> str:
        h, w, c = self.shape
        classes = "" if self.labels is None else f", {self.info()['classes']} classes"
        return printable(f"<govpn stream of {len(self):,} images {h}×{w}×{c}{classes}>")

    def __reduce__(self) -> NoReturn:
        raise ArgumentTypeError("a stream holds open files and cannot be copied or pickled: open it again")

    def info(self) -> DataInfo:
        """Returns what the library tells of the data set.

        Among its keys are images, height, width, channels and classes. memory_bytes is the most
        that the queue of decoded images has held. skipped lists broken images that were left out,
        and why. warnings tells of other files that were left out.
        """
        info = self.data().info()
        info["skipped"] = [printable(text) for text in info["skipped"]]
        return info

    def batches(
        self, batch_size: int, shuffle: bool = False, seed: int = 0, epoch: int = 0
    ) -> Iterator[tuple[AnyArray, Labels | None]]:
        """Yields decoded images, uint8 (n, H, W, C), and their labels.

        n is batch_size, but may be smaller in the last batch. shuffle draws an order from seed and
        epoch; random crops depend on them, too. Closing the iterator stops the decoding.
        """
        size = _params.whole(batch_size, "batch_size")
        if size < 1:
            raise ArgumentError(f"batch_size is {size}, want at least 1")
        order = {
            "shuffle": _params.truth(shuffle, "shuffle"),
            "seed": _params.whole(seed, "seed"),
            "epoch": _params.whole(epoch, "epoch"),
        }
        batches = self.data().export(batch_size=size, **order)
        own = self.info()["streamed"]  # else the batches are views of the data set
        return (images_and_labels(batch, self.class_names, copy=not own) for batch in batches)

    def split(self, first: int, random_state: RandomState = 0) -> tuple[Stream, Stream]:
        """Returns two streams of the same files.

        The first has `first` images, the second has the rest. Every class is split in the same
        proportion. The same random_state gives the same split here, in Go and in C.
        """
        a, b = self.data().split(_params.whole(first, "first"), _params.seed_of(random_state))
        return Stream(a), Stream(b)

    def data(self, labels: AnyArray | None = None) -> _arrow.Data:
        """Returns the data set in the library, with these labels or else with its own.

        labels are indices of classes, int32 (N,), or probabilities, float32 (N, K).
        """
        if labels is not None:
            self._data.set_labels(labels)
        elif self.labels is not None:
            self._data.set_labels(self.labels, self.class_names)
        return self._data


def open_set(stream: bool, **options: object) -> Opened:
    """Opens a data set as govpn_data_open does, and returns a Stream, or (X, y) in memory.

    options are those of govpn_data_open. Ctrl-C interrupts the call. Broken images and other files
    that were left out are a GovpnWarning.
    """
    stream = _params.truth(stream, "stream")
    text = _lib.encode({k: v for k, v in options.items() if v is not None} | {"stream": stream})
    data = run(
        lambda: _arrow.Data(_lib.call_handle("govpn_data_open", text)),
        cancel=lambda: _lib.call("govpn_data_cancel_open"),
    )
    info = data.info()
    if skipped := [text.removeprefix("data: ") for text in info["skipped"]]:
        shown = "; ".join(skipped[:5]) + ("; …" if len(skipped) > 5 else "")
        count = "1 broken image was" if len(skipped) == 1 else f"{len(skipped)} broken images were"
        warn(f"{count} left out: {shown}")
    for told in info["warnings"]:
        warn(told.removeprefix("data: "))
    if stream:
        return Stream(data)
    (batch,) = data.export(batch_size=0)
    return images_and_labels(batch, tuple(info["class_names"]) or None)


def images_and_labels(
    batch: pa.RecordBatch, class_names: tuple[str, ...] | None, copy: bool = False
) -> tuple[AnyArray, Labels | None]:
    """Returns the two columns of a batch of the library."""
    images = _arrow.writable(batch.column("image"))
    labels = Labels(batch.column("label"), class_names) if "label" in batch.schema.names else None
    return images.copy() if copy else images, labels


def labels_of(data: _arrow.Data, info: DataInfo) -> Labels | None:
    """Returns all labels of a data set without decoding an image."""
    if not info["labelled"]:
        return None
    (batch,) = data.export(columns=["label"])
    return Labels(batch.column("label"), tuple(info["class_names"]) or None)


def split_indices(
    n: int, labels: AnyArray | None, first: int, random_state: RandomState
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Returns the indices of two parts of n images with these labels, int32 (N,).

    The library makes the split: it gets images whose pixels are just their own index.
    """
    numbers = np.arange(n, dtype="<u8").view(np.uint8).reshape(n, 1, 1, 8)
    if n == 0:
        raise ArgumentError("X has no images, want at least two")
    if labels is not None and len(labels) != n:
        raise ArgumentError(f"y has {len(labels)} labels, want {n}, one per image of X")
    data = _arrow.import_chunks([_arrow.tensor_array(numbers)], labels, None)
    parts = data.split(_params.whole(first, "first"), _params.seed_of(random_state))
    batches = (next(part.export(columns=["image"])) for part in parts)
    a, b = (_arrow.writable(batch.column("image")).copy().view("<u8").reshape(-1) for batch in batches)
    return a.astype(np.intp), b.astype(np.intp)
