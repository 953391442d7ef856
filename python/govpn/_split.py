"""A data set in two parts."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._labels import as_labels, find_classes
from ._soft import as_soft, hard
from ._stream import Stream, split_indices
from .errors import ArgumentError


def split(X: Any, y: Any = None, *, first: int, random_state: Any = 0) -> Any:
    """Two parts at random, each in the order of X; of labels, every class goes in proportion.

    Parameters
    ----------
    X : a `Stream`, or an array of images (N, ...)
    y : labels (N,) or soft labels (N, K), which count by their largest; None of a stream, or without labels
    first : how many images the first part gets; the second gets the rest
    random_state : an int, or a numpy generator: the same int gives the same split, here, in Go and in C

    Returns
    -------
    ((X1, y1), (X2, y2)) : or two streams, of a stream

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
    parts = split_indices(len(X), indices, first, random_state)
    labels = y if y is None or isinstance(y, np.ndarray) else np.asarray(y) if soft is None else soft
    return tuple((X[part], None if labels is None else labels[part]) for part in parts)
