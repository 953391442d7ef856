"""How much each image counts in training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from . import _labels
from .errors import ArgumentError


def of(indices: np.ndarray, classes: np.ndarray, class_weight: Any, sample_weight: Any) -> np.ndarray | None:
    """The product of both, float32 (N,); None where all count alike. indices are labels (N,), or
    probabilities (N, K), whose weights are the mean of their classes'."""
    if class_weight is None and sample_weight is None:
        return None
    weights = np.ones(len(indices)) if sample_weight is None else _of_samples(sample_weight, len(indices))
    if class_weight is not None:
        per_class = _of_classes(indices, classes, class_weight)
        weights = weights * (indices @ per_class if indices.ndim == 2 else per_class[indices])
    if not (weights > 0).any():
        raise ArgumentError("the weights of all images are zero, want at least one above it")
    return (weights / weights.mean()).astype(np.float32)


def _of_samples(given: Any, count: int) -> np.ndarray:
    try:
        weights = np.asarray(given, np.float64)
    except (TypeError, ValueError):
        raise ArgumentError(f"sample_weight is {given!r}, want numbers (N,)") from None
    if weights.ndim == 0:
        weights = np.full(count, float(weights))
    if weights.ndim != 1:
        raise ArgumentError(
            f"sample_weight has shape {weights.shape}, want ({count},): Sample weights must be 1D"
        )
    if len(weights) != count:
        raise ArgumentError(f"sample_weight has {len(weights)} weights, want {count}, one per image of X")
    bad = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if bad.size:
        raise ArgumentError(f"sample_weight[{bad[0]}] is {weights[bad[0]]:g}, want finite weights, 0 or more")
    return weights


def _of_classes(indices: np.ndarray, classes: np.ndarray, given: Any) -> np.ndarray:
    """A weight per class (K,): "balanced" is N / (K n_k) of n_k images, as in scikit-learn; a dict has them
    by label, 1 for those that it lacks."""
    count = len(classes)
    if isinstance(given, str) and given == "balanced":
        images = indices.sum(0) if indices.ndim == 2 else np.bincount(indices, minlength=count)
        return len(indices) / (count * np.maximum(images, 1))
    if not isinstance(given, Mapping):
        raise ArgumentError(f'class_weight is {given!r}, want None, "balanced" or a dict of label: weight')
    weights, labels = np.ones(count), classes.tolist()
    for label, weight in given.items():
        if label not in labels:
            raise ArgumentError(f"class_weight has the label {label!r}, want of {_labels.some(classes)}")
        if not (np.isfinite(weight) and weight >= 0):
            raise ArgumentError(f"class_weight[{label!r}] is {weight!r}, want a finite number, 0 or more")
        weights[labels.index(label)] = weight
    return weights
