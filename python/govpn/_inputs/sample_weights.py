"""Computes how much each image counts in training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from .. import _params
from .._reading import described, reading, shown
from .._types import Doubles, Floats, Foreign, Targets
from .._warn import warn
from ..errors import ArgumentError
from . import labels as _labels

ClassWeight: TypeAlias = Mapping[Any, float] | str | None  # weights by label, "balanced", or all alike


def combined(
    targets: Targets,
    classes: _labels.Classes,
    class_weight: ClassWeight,
    sample_weight: ArrayLike | None,
) -> Floats | None:
    """Returns the product of both weights, float32 (N,) with mean 1, or None if all images count alike.

    targets are indices of classes (N,), or probabilities (N, K). An image with probabilities gets
    the mean of the class weights under them.
    """
    if class_weight is None and sample_weight is None:
        return None
    weights = np.ones(len(targets)) if sample_weight is None else of_samples(sample_weight, len(targets))
    if class_weight is not None:
        per_class = _of_classes(targets, classes, class_weight)
        weights = weights * (targets @ per_class if targets.ndim == 2 else per_class[targets])
    check_sum(weights)
    combined: Floats = (weights / weights.mean()).astype(np.float32)
    return combined


def check_sum(weights: Doubles) -> None:
    """Raises ArgumentError if no image counts."""
    if not (weights > 0).any():
        raise ArgumentError("the weights of all images are zero, want at least one above it")


def of_samples(given: object, count: int) -> Doubles:
    """Returns sample_weight as (N,). One number counts for all images."""
    weights = _numbers(given)
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


def _numbers(given: Foreign) -> Doubles:
    """Returns real numbers of any library as an array."""
    with reading("sample_weight", given, "numbers (N,)"):
        plain = np.asanyarray(_labels.plain(given, "sample_weight"))
        if plain.dtype.kind in "OUST":
            try:
                return np.asarray(plain, np.float64)
            except (TypeError, ValueError):
                raise ArgumentError(f"sample_weight is {shown(given)}, want numbers (N,)") from None
        if plain.dtype.kind not in "fiub" or np.ma.is_masked(plain):
            raise ArgumentError(f"sample_weight is {described(given)}, want real numbers (N,)")
        return np.asarray(plain, np.float64)


def _of_classes(targets: Targets, classes: _labels.Classes, given: ClassWeight) -> Doubles:
    """Returns the weight of each class (K,).

    "balanced" is N / (K n_k) for a class with n_k of N images, as in scikit-learn. A dict has the
    weights by label or by class name. A label that it lacks has the weight 1. It may have labels
    that y lacks, because a fold of a cross-validation may lack a class; a warning names them, because
    one may be misspelt.
    """
    count = len(classes.labels)
    if isinstance(given, str) and given == "balanced":
        images = targets.sum(0) if targets.ndim == 2 else np.bincount(targets, minlength=count)
        return len(targets) / (count * np.maximum(images, 1))
    if not isinstance(given, Mapping):
        raise ArgumentError(
            f'class_weight is {shown(given)}, want None, "balanced" or a dict of label: weight'
        )
    weights, unknown = np.ones(count), list[object]()
    names, labels = list(classes.names or ()), classes.labels.tolist()
    for label, weight in given.items():
        name = f"class_weight[{shown(label)}]"
        if _params.real(weight, name) < 0:
            raise ArgumentError(f"{name} is {weight}, want a finite number, 0 or more")
        if label in labels:
            weights[labels.index(label)] = weight
        elif label in names:
            weights[names.index(label)] = weight
        else:
            unknown.append(label)
    if unknown:
        text = f"class_weight has labels that y lacks, {_labels.some(unknown)}; y has the classes {classes}"
        warn(text)
    return weights
