"""Checks soft labels: for each image the probabilities of the classes in place of one class."""

from __future__ import annotations

from typing import TypeAlias, cast

import numpy as np
import pyarrow as pa

from .._types import AnyArray, Floats, Indices, LabelsLike, Targets
from ..errors import ArgumentError
from . import labels as _labels

_TOLERANCE = 1e-3  # how far the sum of a row may be from 1, as in the library, which divides by the sum


def as_soft(y: LabelsLike, name: str = "y") -> Floats | None:
    """Returns y as probabilities, float32 (N, K), or None if y is anything but floats with two axes.

    Rows must have the sum 1, up to 0.001. An ArgumentError names the first row that has not.
    """
    rows = _from_arrow(y, name) if isinstance(y, (pa.Array, pa.ChunkedArray)) else _from_any(y)
    if rows is None or rows.ndim != 2 or rows.dtype.kind != "f":
        return None
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
        return np.asarray(y)
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


Names: TypeAlias = tuple[str, ...] | None  # the class names that labels carry


def find_classes(labels: AnyArray, names: Names) -> tuple[AnyArray, Targets]:
    """Returns the classes (K,) of labels or probabilities, and the labels as indices of classes.

    Probabilities are returned as they are.
    """
    if labels.ndim == 1:
        return _labels.find_classes(labels)
    count = labels.shape[1]
    if names is None:
        return np.arange(count), labels
    if len(names) != count:
        raise ArgumentError(f"y has {count} columns and {len(names)} class_names, want as many")
    return _labels.given_classes(np.array(names)), labels


def to_indices(labels: AnyArray, names: Names, classes: AnyArray, name: str = "y") -> Targets:
    """Returns each label's index in the classes, int32 (N,), or the probabilities as they are.

    Probabilities must have one column per class. If the labels are whole numbers that carry names,
    and these names are the classes, then the numbers are the indices.
    """
    same = names is not None and list(names) == classes.tolist()
    if labels.ndim == 1:
        numbers = same and labels.dtype.kind in "iu"
        return _labels.to_indices(labels, np.arange(len(classes)) if numbers else classes, name)
    if labels.shape[1] != len(classes):
        want = f"{len(classes)}: one for each class, {_labels.some(classes)}"
        raise ArgumentError(f"{name} has {labels.shape[1]} columns, want {want}")
    if names is not None and not same and classes.dtype.kind in "UST":
        shown = f"{_labels.some(np.array(names))}, want the classes {_labels.some(classes)}"
        raise ArgumentError(f"{name} has the class_names {shown}")
    return labels


def hard(labels: Targets) -> Indices:
    """Returns the index of the largest probability in each row, the first of equal ones.

    Indices are returned as they are.
    """
    return labels.argmax(1).astype(np.int32) if labels.ndim == 2 else cast(Indices, labels)
