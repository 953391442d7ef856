"""Labels of any type to indices 0..K-1 and back, and to the class names that a saved model carries."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from . import _params
from ._host import is_of, to_numpy
from ._warn import warn
from .errors import ArgumentError

_INTEGER = re.compile(r"-?\d+")
_FLOAT = re.compile(r"-?\d+(\.\d+)?(e[+-]?\d+)?")
_WANT = "want whole numbers, booleans or text, one per image"


class Labels(np.ndarray):
    """Labels, int64 (N,), that know the names of their classes: ``y.class_names[y[0]]``; None where there are
    none. Or soft labels, probabilities of K named classes: floats (N, K), kept as float32. Slices, copies and
    pickles keep the names; the results of arithmetic are ordinary arrays.

    >>> y = govpn.datasets.Labels([0, 1, 1], ["cat", "dog"])
    >>> y.class_names[y[2]], y[:2].class_names
    ('dog', ('cat', 'dog'))
    """

    class_names: tuple[str, ...] | None

    def __new__(cls, labels: Any, class_names: Sequence[str] | None = None) -> Labels:
        array = np.asarray(labels)
        soft = array.ndim == 2 and array.dtype.kind == "f"
        return _named(array.astype(np.float32 if soft else np.int64, copy=False), class_names)

    def __array_finalize__(self, source: Any) -> None:
        self.class_names = getattr(source, "class_names", None)

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        plain = np.asarray(array)
        return plain[()] if return_scalar else plain

    def __reduce__(self) -> Any:
        return _named, (np.asarray(self), self.class_names)


def _named(labels: np.ndarray, class_names: Sequence[str] | None) -> Labels:
    named = labels.view(Labels)
    named.class_names = None if class_names is None else tuple(class_names)
    return named


def class_names_of(y: Any) -> tuple[str, ...] | None:
    """The names that labels carry, if any."""
    return getattr(y, "class_names", None)


def as_labels(y: Any, name: str = "y") -> np.ndarray:
    """y as an array of shape (N,); an error names the first label that is none."""
    if hasattr(y, "null_count") and y.null_count:
        raise ArgumentError(f"{name} has {y.null_count} nulls, want none")
    y = plain(y, name)
    labels = np.asarray(y.to_numpy(zero_copy_only=False) if _is_arrow(y) else y)
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
            kind = "Unknown label type: " if np.isfinite(labels[bad[0]]) else ""  # scikit-learn's words
            raise ArgumentError(f"{kind}{name}[{bad[0]}] is {labels[bad[0]]}, {_WANT}")
    elif labels.dtype.kind not in "iubUST":
        raise ArgumentError(f"{name} has dtype {labels.dtype}, {_WANT}")
    return labels


def plain(y: Any, name: str = "y") -> Any:
    """Tensors and other libraries' arrays as numpy's, other libraries' Arrow arrays as pyarrow's."""
    if isinstance(y, np.ndarray) or _is_arrow(y) or is_of(y, "pandas"):
        return y
    if hasattr(y, "__arrow_c_array__"):
        return pa.array(y)
    return pa.chunked_array(y) if hasattr(y, "__arrow_c_stream__") else to_numpy(y, name)


def _is_arrow(y: Any) -> bool:
    return type(y).__module__.partition(".")[0] == "pyarrow" and hasattr(y, "to_numpy")


def _from_objects(labels: np.ndarray, name: str) -> np.ndarray:
    """An object array as text or numbers, where all its values agree."""
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


def _is_label(value: Any) -> bool:
    return isinstance(value, (str, int, float, np.integer, np.floating, np.bool_))


def find_classes(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The sorted distinct labels (K,), and each label's index among them as int32 (N,)."""
    classes, indices = np.unique(labels, return_inverse=True)
    return classes, indices.astype(np.int32).reshape(-1)


def given_classes(classes: Any, n_classes: Any = None) -> np.ndarray:
    """The classes that weights are for, in the order of the outputs: as given, or 0..K-1 for a number."""
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


def to_indices(labels: np.ndarray, classes: np.ndarray, name: str = "y") -> np.ndarray:
    """Each label's index in the classes, int32 (N,); an error names the first label that is none of them."""
    _check_kind(labels, classes, name)
    order = np.argsort(classes)
    places = np.searchsorted(classes, labels, sorter=order)
    indices = order[places % len(classes)]
    bad = np.flatnonzero(classes[indices] != labels)
    if bad.size:
        raise ArgumentError(
            f"{name}[{bad[0]}] is {labels[bad[0]]!r}, want one of the classes {some(classes)}"
            + _remedy(labels, classes, name)
        )
    return indices.astype(np.int32)


def _check_kind(labels: np.ndarray, classes: np.ndarray, name: str) -> None:
    text = "UST"
    if (labels.dtype.kind in text) != (classes.dtype.kind in text):
        raise ArgumentError(f"{name} has dtype {labels.dtype}, want labels like {some(classes)}")


def _remedy(labels: np.ndarray, classes: np.ndarray, name: str) -> str:
    """What to do about whole numbers that all miss the classes by one."""
    if labels.dtype.kind in "iu" and classes.dtype.kind in "iu":
        for step, sign in ((1, "-"), (-1, "+")):
            if np.isin(labels.astype(np.int64) - step, classes).all():
                return f"; {name} {sign} 1 would fit: one of them counts from 0, the other from 1"
    return ""


def warn_of_unknown(labels: np.ndarray, classes: np.ndarray, name: str = "y") -> None:
    """Labels that no prediction can equal: of a type that no class has, an error; else a warning."""
    _check_kind(labels, classes, name)
    unknown = np.flatnonzero(~np.isin(labels, classes))
    if unknown.size:
        first, remedy = labels[unknown[0]].item(), _remedy(labels, classes, name)
        text = (
            f"{name} has {unknown.size} of {len(labels)} labels that are none of the classes {some(classes)}"
        )
        warn(f"{text}, such as {first!r}; they count as wrong{remedy}")


def warn_of_one(classes: np.ndarray, name: str = "y") -> None:
    """A single class is nothing to learn."""
    if len(classes) == 1:
        text = f"{name} has one class only, {some(classes)}: every image will be predicted as it"
        warn(text)


def some(classes: Any) -> str:
    """The first of them, for messages."""
    shown = ", ".join(repr(c) for c in np.asarray(classes[:10]).tolist())
    return shown + (", …" if len(classes) > 10 else "")


def to_names(classes: np.ndarray) -> list[str]:
    """The class names that stand for these labels; none where the labels are 0..K-1 anyway. Text that would
    read as a number or a truth value is put in quotation marks, so that from_names gives back the type."""
    values = classes.tolist()
    if classes.dtype.kind in "iu" and values == list(range(len(values))):
        return []
    values = [v.decode() if isinstance(v, bytes) else v for v in values]
    return [_quote(v) if isinstance(v, str) else str(v) for v in values]


def _quote(text: str) -> str:
    clash = _FLOAT.fullmatch(text) or text in ("True", "False") or text.startswith('"')
    return f'"{text}"' if clash else text


def from_names(names: list[str], count: int) -> np.ndarray:
    """The labels (K,) that class names stand for: 0..K-1 without names."""
    if not names:
        return np.arange(count)
    if all(_INTEGER.fullmatch(n) for n in names):
        return np.array([int(n) for n in names])
    if all(_FLOAT.fullmatch(n) for n in names):
        return np.array([float(n) for n in names])
    if all(n in ("True", "False") for n in names):
        return np.array([n == "True" for n in names])
    return np.array([n[1:-1] if len(n) > 1 and n[0] == n[-1] == '"' else n for n in names])
