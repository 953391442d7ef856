"""Splits a data set into two parts."""

from __future__ import annotations

from typing import overload

import numpy as np
import pyarrow as pa

from ._inputs.labels import as_labels, find_classes
from ._inputs.soft_labels import as_soft, hard
from ._inputs.stream import Stream, split_indices
from ._reading import reading
from ._types import AnyArray, Foreign, LabelsLike, RandomState
from .errors import ArgumentError

Part = tuple[AnyArray, Foreign]


@overload
def split(
    X: Stream, y: None = None, *, first: int, random_state: RandomState = 0
) -> tuple[Stream, Stream]: ...


@overload
def split(
    X: AnyArray, y: LabelsLike = None, *, first: int, random_state: RandomState = 0
) -> tuple[Part, Part]: ...


def split(
    X: AnyArray | Stream, y: LabelsLike = None, *, first: int, random_state: RandomState = 0
) -> tuple[Part, Part] | tuple[Stream, Stream]:
    """Splits images and labels at random into two parts. Each part keeps the order of X.

    With labels, every class is split in the same proportion.

    Parameters
    ----------
    X : a `Stream`, or images (N, ...): an array, a list, a data frame of pandas or Arrow data
    y : labels (N,) or soft labels (N, K); of soft labels the largest one is the class. None for a
        stream and for images without labels
    first : how many images the first part gets; the second part gets the rest
    random_state : an int or a numpy generator. The same int gives the same split here, in Go and in
        C

    Returns
    -------
    ((X1, y1), (X2, y2)) : for a stream, two streams

    Examples
    --------
    >>> X, y = np.zeros((10, 8, 8, 1), np.uint8), np.array(["cat"] * 6 + ["dog"] * 4)
    >>> (X1, y1), (X2, y2) = govpn.datasets.split(X, y, first=5)
    >>> y1.tolist(), len(X2)
    (['cat', 'cat', 'cat', 'dog', 'dog'], 5)
    """
    if isinstance(X, Stream):
        if y is not None:
            raise ArgumentError("y is given, want None: a stream has its own labels")
        return X.split(first, random_state)
    soft = None if y is None else as_soft(y)
    indices = None if y is None else hard(soft) if soft is not None else find_classes(as_labels(y))[1]
    with reading("X", X, "a Stream, or an array of images (N, …)"):
        a, b = split_indices(len(X), indices, first, random_state)
        first_part, second = _taken(X, a), _taken(X, b)
    labels: Foreign = y if y is None or isinstance(y, np.ndarray) else np.asarray(y) if soft is None else soft
    if labels is None:
        return (first_part, None), (second, None)
    return (first_part, labels[a]), (second, labels[b])


def _taken(x: Foreign, indices: AnyArray) -> Foreign:
    """Returns some of the images: of an array, a list, a data frame of pandas or Arrow data."""
    if hasattr(x, "iloc"):
        return x.iloc[indices]
    if isinstance(x, (list, tuple)):
        return [x[i] for i in indices]
    arrow = isinstance(x, (pa.Array, pa.ChunkedArray, pa.Table, pa.RecordBatch))
    return x.take(pa.array(indices)) if arrow else x[indices]
