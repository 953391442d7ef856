"""Converts labels of any type to indices 0..K-1, and to the class names that a saved model carries."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from .. import _params
from .._types import AnyArray, Foreign, Indices, LabelsLike
from .._warn import warn
from ..errors import ArgumentError
from .foreign import is_of, to_numpy

_INTEGER = re.compile(r"-?\d+")
_FLOAT = re.compile(r"-?\d+(\.\d+)?(e[+-]?\d+)?")
_WANT = "want whole numbers, booleans or text, one per image"


class Labels(np.ndarray[Any, np.dtype[Any]]):
    """Labels that know the names of their classes: ``y.class_names[y[0]]`` is the name of the first one.

    Labels are int64 (N,). Floats (N, K) are soft labels, the probabilities of K classes, and are
    kept as float32. class_names is a tuple, or None where there are no names. Slices, copies and
    pickles keep the names. The results of arithmetic are ordinary arrays.

    >>> y = govpn.datasets.Labels([0, 1, 1], ["cat", "dog"])
    >>> y.class_names[y[2]], y[:2].class_names
    ('dog', ('cat', 'dog'))
    """

    class_names: tuple[str, ...] | None

    def __new__(cls, labels: LabelsLike, class_names: Sequence[str] | None = None) -> Labels:
        array = np.asarray(labels)
        soft = array.ndim == 2 and array.dtype.kind == "f"
        return _named(array.astype(np.float32 if soft else np.int64, copy=False), class_names)

    def __array_finalize__(self, source: object) -> None:
        self.class_names = getattr(source, "class_names", None)

    def __array_wrap__(self, array: Foreign, context: object = None, return_scalar: bool = False) -> Foreign:
        plain = np.asarray(array)
        return plain[()] if return_scalar else plain

    def __reduce__(self) -> tuple[Callable[..., Labels], tuple[AnyArray, tuple[str, ...] | None]]:
        return _named, (np.asarray(self), self.class_names)


def _named(labels: AnyArray, class_names: Sequence[str] | None) -> Labels:
    """Makes Labels. Pickles name this function."""
    named = labels.view(Labels)
    named.class_names = None if class_names is None else tuple(class_names)
    return named


def class_names_of(y: LabelsLike) -> tuple[str, ...] | None:
    """Returns the class names that labels carry, or None."""
    return getattr(y, "class_names", None)


def as_labels(y: LabelsLike, name: str = "y") -> AnyArray:
    """Returns y as an array (N,) of whole numbers, booleans or text.

    An ArgumentError names the first element that is no label.
    """
    if hasattr(y, "null_count") and y.null_count:
        raise ArgumentError(f"{name} has {y.null_count} nulls, want none")
    given = plain(y, name)
    labels: AnyArray = np.asarray(given.to_numpy(zero_copy_only=False) if _is_arrow(given) else given)
    if labels.ndim != 1:
        raise ArgumentError(
            f"{name} has shape {labels.shape} and dtype {labels.dtype}, want (N,): one label per image; "
            "only fit takes floats (N, K), the probabilities of K classes"
        )
    if labels.dtype.kind == "O":
        labels = _from_objects(labels, name)
    if labels.dtype.kind == "f":
        bad = np.flatnonzero(~np.isfinite(labels) | (labels != np.floor(labels)))
        if bad.size:
            kind = (
                "Unknown label type: " if np.isfinite(labels[bad[0]]) else ""
            )  # these are scikit-learn's words
            raise ArgumentError(f"{kind}{name}[{bad[0]}] is {labels[bad[0]]}, {_WANT}")
    elif labels.dtype.kind not in "iubUST":
        raise ArgumentError(f"{name} has dtype {labels.dtype}, {_WANT}")
    return labels


def plain(y: LabelsLike, name: str = "y") -> Foreign:
    """Returns arrays of other libraries as numpy arrays, and their Arrow arrays as pyarrow's.

    Other y stay as they are.
    """
    if isinstance(y, np.ndarray) or _is_arrow(y) or is_of(y, "pandas"):
        return y
    if hasattr(y, "__arrow_c_array__"):
        return pa.array(y)
    return pa.chunked_array(y) if hasattr(y, "__arrow_c_stream__") else to_numpy(y, name)


def _is_arrow(y: object) -> bool:
    return type(y).__module__.partition(".")[0] == "pyarrow" and hasattr(y, "to_numpy")


def _from_objects(labels: AnyArray, name: str) -> AnyArray:
    """Returns an array of objects as text or as numbers. All objects must be of one kind."""
    kinds = {
        str if isinstance(v, str) else float if isinstance(v, float) else int
        for v in labels.tolist()
        if _is_label(v)
    }
    for i, value in enumerate(labels.tolist()):
        if not _is_label(value):
            raise ArgumentError(f"{name}[{i}] is {value!r}, {_WANT}")
    if len(kinds) > 1 and str in kinds:
        raise ArgumentError(f"{name} mixes text and numbers, want labels of one type")
    return np.asarray(labels.tolist())


def _is_label(value: object) -> bool:
    return isinstance(value, (str, int, float, np.integer, np.floating, np.bool_))


def find_classes(labels: AnyArray) -> tuple[AnyArray, Indices]:
    """Returns the sorted distinct labels (K,), and each label's index among them, int32 (N,)."""
    classes, indices = np.unique(labels, return_inverse=True)
    return classes, indices.astype(np.int32).reshape(-1)


def given_classes(classes: LabelsLike, n_classes: object = None) -> AnyArray:
    """Returns the classes (K,) that weights are for, in the order of the outputs.

    classes are labels, or the number K, or None, which takes n_classes as K. A number gives 0..K-1.
    """
    if classes is None or isinstance(classes, (int, np.integer)):
        count = _params.whole(n_classes if classes is None else classes, "n_classes")
        if count < 1:
            raise ArgumentError(f"n_classes is {count}, want at least 1")
        labels = np.arange(count)
    else:
        labels = as_labels(classes, "classes")
    known, counts = np.unique(labels, return_counts=True)
    if (counts > 1).any():
        raise ArgumentError(f"classes has {known[counts > 1][0].item()!r} twice, want each label once")
    if n_classes is not None and n_classes != len(labels):
        raise ArgumentError(f"n_classes is {n_classes!r} and classes has {len(labels)} labels, want as many")
    return labels


def to_indices(labels: AnyArray, classes: AnyArray, name: str = "y") -> Indices:
    """Returns each label's index in the classes, int32 (N,).

    An ArgumentError names the first label that is none of the classes.
    """
    _check_kind(labels, classes, name)
    order = np.argsort(classes)
    places = np.searchsorted(classes, labels, sorter=order)
    indices = order[places % len(classes)]  # a label after the last class gets any index, and fails below
    bad = np.flatnonzero(classes[indices] != labels)
    if bad.size:
        raise ArgumentError(
            f"{name}[{bad[0]}] is {labels[bad[0]]!r}, want one of the classes {some(classes)}"
            + _remedy(labels, classes, name)
        )
    return indices.astype(np.int32)


def _check_kind(labels: AnyArray, classes: AnyArray, name: str) -> None:
    """Raises ArgumentError unless labels and classes are both text or both numbers."""
    text = "UST"
    if (labels.dtype.kind in text) != (classes.dtype.kind in text):
        raise ArgumentError(f"{name} has dtype {labels.dtype}, want labels like {some(classes)}")


def _remedy(labels: AnyArray, classes: AnyArray, name: str) -> str:
    """Returns advice, as the end of a message, if whole numbers all differ by one from a class."""
    if labels.dtype.kind in "iu" and classes.dtype.kind in "iu":
        for step, sign in ((1, "-"), (-1, "+")):
            if np.isin(labels.astype(np.int64) - step, classes).all():
                return f"; {name} {sign} 1 would fit: one of them counts from 0, the other from 1"
    return ""


def warn_of_unknown(labels: AnyArray, classes: AnyArray, name: str = "y") -> None:
    """Warns of labels that no prediction can equal.

    If no class has their type, raises ArgumentError.
    """
    _check_kind(labels, classes, name)
    unknown = np.flatnonzero(~np.isin(labels, classes))
    if unknown.size:
        first, remedy = labels[unknown[0]].item(), _remedy(labels, classes, name)
        text = (
            f"{name} has {unknown.size} of {len(labels)} labels that are none of the classes {some(classes)}"
        )
        warn(f"{text}, such as {first!r}; they count as wrong{remedy}")


def warn_of_one(classes: AnyArray, name: str = "y") -> None:
    """Warns if there is only one class, because then there is nothing to learn."""
    if len(classes) == 1:
        text = f"{name} has one class only, {some(classes)}: every image will be predicted as it"
        warn(text)


def some(classes: AnyArray | Sequence[object]) -> str:
    """Returns the first ten of the classes as text for messages."""
    shown = ", ".join(repr(c) for c in np.asarray(classes[:10]).tolist())
    return shown + (", …" if len(classes) > 10 else "")


def to_names(classes: AnyArray) -> list[str]:
    """Returns the class names that stand for these labels in a file; none for 0..K-1.

    Text that reads like a number or a truth value gets quotation marks, so that from_names restores
    the type.
    """
    values = classes.tolist()
    if classes.dtype.kind in "iu" and values == list(range(len(values))):
        return []
    values = [v.decode() if isinstance(v, bytes) else v for v in values]
    return [_quote(v) if isinstance(v, str) else str(v) for v in values]


def _quote(text: str) -> str:
    clash = _FLOAT.fullmatch(text) or text in ("True", "False") or text.startswith('"')
    return f'"{text}"' if clash else text


def from_names(names: list[str], count: int) -> AnyArray:
    """Returns the labels (K,) that class names stand for; 0..K-1 without names."""
    if not names:
        return np.arange(count)
    if all(_INTEGER.fullmatch(n) for n in names):
        return np.array([int(n) for n in names])
    if all(_FLOAT.fullmatch(n) for n in names):
        return np.array([float(n) for n in names])
    if all(n in ("True", "False") for n in names):
        return np.array([n == "True" for n in names])
    return np.array([n[1:-1] if len(n) > 1 and n[0] == n[-1] == '"' else n for n in names])
