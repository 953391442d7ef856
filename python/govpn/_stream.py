"""Data sets on disk: opened into memory, or as streams that are decoded while they are used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NoReturn

import numpy as np

from . import _arrow, _lib, _params
from ._labels import Labels
from ._run import run
from ._warn import warn
from .errors import ArgumentError, ArgumentTypeError


class Stream:
    """Images on disk and their labels, for data larger than memory: the classifier's `fit`, `predict`,
    `score` and so on take it in place of X (and of y, which it holds), and decode ahead on all cores while
    they use it. Made by the functions of `govpn.datasets` with stream=True. The files must stay as they are.

    labels : `Labels`, int64 (N,); None where there are none. class_names : a tuple, or None
    shape : (H, W, C), of every image

    >>> stream = govpn.datasets.image_folder("photos", stream=True)
    >>> stream
    <govpn stream of 12 images 8×8×3, 4 classes>
    >>> [images.shape for images, labels in stream.batches(8)]
    [(8, 8, 8, 3), (4, 8, 8, 3)]
    """

    def __init__(self, data: _arrow.Data) -> None:
        info = data.info()
        self._data, self._count = data, info["images"]
        self.shape: tuple[int, int, int] = (info["height"], info["width"], info["channels"])
        self.class_names: tuple[str, ...] | None = tuple(info["class_names"]) or None
        self.labels = labels_of(data, info)

    def __len__(self) -> int:
        return self._count

    def __repr__(self) -> str:
        h, w, c = self.shape
        classes = "" if self.labels is None else f", {self.info()['classes']} classes"
        return f"<govpn stream of {len(self):,} images {h}×{w}×{c}{classes}>"

    def __reduce__(self) -> NoReturn:
        raise ArgumentTypeError("a stream holds open files and cannot be copied or pickled: open it again")

    def info(self) -> dict[str, Any]:
        """What the library knows: images, height, width, channels, classes, memory_bytes (the most that the
        queue of decoded images has held), skipped (broken images left out, and why), ..."""
        return self.data().info()

    def batches(
        self, batch_size: int, shuffle: bool = False, seed: int = 0, epoch: int = 0
    ) -> Iterator[tuple[np.ndarray, Labels | None]]:
        """Decoded images (n, H, W, C) and their labels, batch_size at a time (the last batch may have fewer).
        The order of shuffle, and random crops, depend on seed and epoch. Closing the iterator stops the
        decoding."""
        size = _params.whole(batch_size, "batch_size")
        if size < 1:
            raise ArgumentError(f"batch_size is {size}, want at least 1")
        order = {"shuffle": _params.truth(shuffle, "shuffle"), "seed": _params.whole(seed, "seed")}
        order["epoch"] = _params.whole(epoch, "epoch")
        batches = self.data().export(batch_size=size, **order)
        own = self.info()["streamed"]  # else the memory is that of the set
        return (images_and_labels(batch, self.class_names, copy=not own) for batch in batches)

    def split(self, first: int, random_state: Any = 0) -> tuple[Stream, Stream]:
        """Two streams of the same files: the first with so many of the images, the second with the rest,
        every class in proportion. The same random_state gives the same split, here, in Go and in C."""
        a, b = self.data().split(_params.whole(first, "first"), _params.seed_of(random_state))
        return Stream(a), Stream(b)

    def data(self, labels: np.ndarray | None = None) -> _arrow.Data:
        """The set in the library, with these labels, int32 (N,), or probabilities, float32 (N, K), or else
        its own labels."""
        if labels is not None:
            self._data.set_labels(labels)
        elif self.labels is not None:
            self._data.set_labels(self.labels, self.class_names)
        return self._data


def open_set(stream: bool, **options: Any) -> Any:
    """What govpn_data_open opens: a Stream, or (X, y) in memory. Long, and so on a worker thread."""
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
    if stream:
        return Stream(data)
    (batch,) = data.export(batch_size=0)
    return images_and_labels(batch, tuple(info["class_names"]) or None)


def images_and_labels(
    batch: Any, class_names: tuple[str, ...] | None, copy: bool = False
) -> tuple[np.ndarray, Labels | None]:
    """The two columns of a batch."""
    images = _arrow.writable(batch.column("image"))
    labels = Labels(batch.column("label"), class_names) if "label" in batch.schema.names else None
    return images.copy() if copy else images, labels


def labels_of(data: _arrow.Data, info: dict[str, Any]) -> Labels | None:
    """All labels, without decoding an image."""
    if not info["labelled"]:
        return None
    (batch,) = data.export(columns=["label"])
    return Labels(batch.column("label"), tuple(info["class_names"]) or None)


def split_indices(
    n: int, labels: np.ndarray | None, first: int, random_state: Any
) -> tuple[np.ndarray, np.ndarray]:
    """The indices of the two parts of n images with these labels, int32 (N,), by the library's own split: it
    splits images that are nothing but their own numbers."""
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
