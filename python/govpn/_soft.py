"""Soft labels: an image's probabilities of the classes, in place of one class."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from . import _labels
from .errors import ArgumentError

_TOLERANCE = 1e-3  # of the sum of a row, as in the library, which divides by it


def as_soft(y: Any, name: str = "y") -> np.ndarray | None:
    """y as probabilities, float32 (N, K), rows of sum 1 up to 0.001; None where it is anything but floats of
    two axes. An error names the first row that is none."""
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


def _from_any(y: Any) -> np.ndarray | None:
    try:
        return np.asarray(y)
    except ValueError:  # rows of several lengths
        return None


def _from_arrow(y: Any, name: str) -> np.ndarray | None:
    """Lists of one size, or tensors, of floats; over the same memory where it is one array."""
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
    return rows[0] if len(rows) == 1 else np.concatenate(rows)


Names = tuple[str, ...] | None  # those that labels carry


def find_classes(labels: np.ndarray, names: Names) -> tuple[np.ndarray, np.ndarray]:
    """The classes (K,) of labels or probabilities, and each label's index among them, or the
    probabilities."""
    if labels.ndim == 1:
        return _labels.find_classes(labels)
    count = labels.shape[1]
    if names is None:
        return np.arange(count), labels
    if len(names) != count:
        raise ArgumentError(f"y has {count} columns and {len(names)} class_names, want as many")
    return _labels.given_classes(np.array(names)), labels


def to_indices(labels: np.ndarray, names: Names, classes: np.ndarray, name: str = "y") -> np.ndarray:
    """Each label's index in the classes, int32 (N,), or the probabilities, whose columns must be theirs.
    Numbers of names that are the classes are such indices."""
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


def hard(labels: np.ndarray) -> np.ndarray:
    """The index of each row's largest probability (the first of equal ones); indices as they are."""
    return labels.argmax(1).astype(np.int32) if labels.ndim == 2 else labels
