"""Checks soft labels: for each image the probabilities of the classes in place of one class."""

from __future__ import annotations

from typing import cast

import numpy as np
import pyarrow as pa

from .._reading import reading
from .._types import AnyArray, Floats, Indices, LabelsLike, Targets
from ..errors import ArgumentError
from . import labels as _labels

_TOLERANCE = 1e-3  # how far the sum of a row may be from 1, as in the library, which divides by the sum


def as_soft(y: LabelsLike, name: str = "y") -> Floats | None:
    """Returns y as probabilities, float32 (N, K), or None if y is anything but floats with two axes.

    Rows must have the sum 1, up to 0.001. An ArgumentError names the first row that has not.
    """
    with reading(name, y, _labels.WANTED):
        rows = _from_arrow(y, name) if isinstance(y, (pa.Array, pa.ChunkedArray)) else _from_any(y)
    if rows is None or rows.ndim != 2 or rows.dtype.kind != "f":
        return None
    if np.ma.is_masked(rows):
        raise ArgumentError(f"{name} has masked values, want none")
    if rows.shape[1] < 2:
        raise ArgumentError(
            f"{name} has shape {rows.shape}, want probabilities (N, K) of K classes, 2 or more"
        )
    bad = np.argwhere(~(np.isfinite(rows) & (rows >= 0)))
    if len(bad):
        i, k = bad[0]
        raise ArgumentError(f"{name}[{i}, {k}] is {rows[i, k]:g}, want a probability: 0 or more")
    soft = np.ascontiguousarray(rows, np.float32)
    sums = soft.sum(1, dtype=np.float64)
    wrong = np.flatnonzero(~(abs(sums - 1) <= _TOLERANCE))
    if wrong.size:
        raise ArgumentError(
            f"{name}[{wrong[0]}] has the sum {sums[wrong[0]]:.6g}, want probabilities of sum 1 (up to 0.001)"
        )
    return soft


def _from_any(y: LabelsLike) -> AnyArray | None:
    try:
        return np.asanyarray(y)
    except ValueError:  # rows of several lengths
        return None


def _from_arrow(y: pa.Array | pa.ChunkedArray, name: str) -> AnyArray | None:
    """Returns lists of one size, or tensors, of floats; a single array keeps its memory."""
    chunks = y.chunks if isinstance(y, pa.ChunkedArray) else [y]
    storage = [c.storage if isinstance(c, pa.ExtensionArray) else c for c in chunks]
    if not storage or not pa.types.is_fixed_size_list(storage[0].type):
        return None
    if not pa.types.is_floating(storage[0].type.value_type):
        raise ArgumentError(f"{name} has Arrow type {y.type}, want labels, or lists of float probabilities")
    if any(c.null_count or c.flatten().null_count for c in storage):
        raise ArgumentError(f"{name} has nulls, want none")
    size = storage[0].type.list_size
    rows = [c.flatten().to_numpy(zero_copy_only=False).reshape(-1, size) for c in storage]
    return cast(AnyArray, rows[0]) if len(rows) == 1 else np.concatenate(rows)


def find_classes(given: _labels.Given) -> tuple[_labels.Classes, Targets]:
    """Returns the classes of labels or probabilities, and the labels as indices of classes.

    Probabilities are returned as they are.
    """
    values, names = given.values, given.names
    if values.ndim == 1:
        labels, indices = _labels.find_classes(values)
        return _labels.with_names(labels, names), indices
    count = values.shape[1]
    if names is None:
        return _labels.Classes(np.arange(count)), values
    _check_columns(given)
    return _labels.with_names(_labels.given_classes(np.array(names)), None), values


def to_targets(given: _labels.Given, classes: _labels.Classes, name: str = "y") -> Targets:
    """Returns each label's index in the classes, int32 (N,), or the probabilities (N, K).

    Probabilities whose columns have names are put in the order of the classes. Others must have one
    column per class.
    """
    values = given.values
    if values.ndim == 1:
        return _labels.to_indices(given, classes, name)
    if given.names is not None and classes.names is not None:
        return _by_name(given, classes, name)
    count = len(classes.labels)
    if values.shape[1] != count:
        raise ArgumentError(
            f"{name} has {values.shape[1]} columns, want {count}: one for each class, {classes}"
        )
    return values


def _by_name(given: _labels.Given, classes: _labels.Classes, name: str) -> Floats:
    """Returns the columns of the classes (N, K). A class without a column has the probability 0."""
    values, names, wanted = given.values, given.names, classes.names
    assert names is not None
    assert wanted is not None
    _check_columns(given, name)
    if names == wanted:
        return values
    columns = np.zeros((len(values), len(wanted)), np.float32)
    index = {text: k for k, text in enumerate(wanted)}
    for j, text in enumerate(names):
        if text in index:
            columns[:, index[text]] += values[:, j]
        elif values[:, j].any():
            raise ArgumentError(f"{name} has the class name {text!r}, want those of {classes}")
    return columns


def _check_columns(given: _labels.Given, name: str = "y") -> None:
    """Raises ArgumentError unless every column has a name."""
    count = given.values.shape[1]
    if given.names is not None and len(given.names) != count:
        raise ArgumentError(f"{name} has {count} columns and {len(given.names)} class_names, want as many")


def hard(labels: Targets) -> Indices:
    """Returns the index of the largest probability in each row, the first of equal ones.

    Indices are returned as they are.
    """
    return labels.argmax(1).astype(np.int32) if labels.ndim == 2 else cast(Indices, labels)
