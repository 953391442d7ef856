"""Converts labels of any type to indices 0..K-1, and to what a saved model says of its classes."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from .. import _params
from .._reading import described, reading, shown
from .._types import AnyArray, Config, Foreign, Indices, JsonObject, LabelsLike
from .._warn import warn
from ..errors import ArgumentError, ArgumentTypeError, FormatError
from .foreign import is_of, to_numpy

_INTEGER = re.compile(r"-?\d+")
_FLOAT = re.compile(r"-?\d+(\.\d+)?(e[+-]?\d+)?")
WANTED = "whole numbers, booleans or text, one per image"
_WANT = f"want {WANTED}"


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
        with reading("labels", labels, "whole numbers (N,), or floats (N, K)"):
            array = np.asarray(labels)
            soft = array.ndim == 2 and array.dtype.kind == "f"
            array = array.astype(np.float32 if soft else np.int64, copy=False)
        with reading("class_names", class_names, "a list of str, or None"):
            names = None if class_names is None else list(class_names)
        for i, name in enumerate(names or ()):
            if not isinstance(name, str):
                raise ArgumentTypeError(f"class_names[{i}] is {shown(name)}, want a str")
            _check_text(name, f"class_names[{i}]")
        return _named(array, names)

    def __array_finalize__(self, source: object) -> None:
        self.class_names = getattr(source, "class_names", None)

    def __array_function__(self, func: Foreign, types: Foreign, args: Foreign, kwargs: Foreign) -> Foreign:
        """Joins labels of the same class names to labels with these names."""
        result: Foreign = super().__array_function__(func, types, args, kwargs)
        if func is not np.concatenate or not isinstance(result, np.ndarray):
            return result
        names = [getattr(part, "class_names", None) for part in args[0]]
        if len(set(names) - {None}) > 1:
            raise ArgumentError(
                f"labels of the classes {some(names[0] or ())} and of others cannot be joined: "
                "equal numbers mean different classes; want labels with the same class_names"
            )
        return _named(np.asarray(result), names[0] if len(set(names)) == 1 else None)

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


Names: TypeAlias = tuple[str, ...] | None


@dataclass(frozen=True, eq=False)
class Classes:
    """The classes of a model, in the order of its outputs."""

    labels: AnyArray  # (K,): what predict returns
    names: Names = None  # (K,): what labels with names are compared with; text labels are names

    def same_as(self, other: Classes) -> bool:
        """Says whether both are the same classes in the same order: by name, if both have names."""
        if self.names is not None and other.names is not None:
            return self.names == other.names
        return np.array_equal(self.labels, other.labels)

    def __str__(self) -> str:
        """Returns the first of them for messages: by name, if they have names."""
        return some(self.labels if self.names is None else self.names)


@dataclass(frozen=True, eq=False)
class Given:
    """Labels that a caller gives."""

    values: AnyArray  # labels (N,), or probabilities (N, K)
    names: Names = None  # of the numbers 0, 1, .. in values, or of the columns
    listed: bool = False  # whether values are text of an Arrow dictionary, which are names too


def class_names_of(y: LabelsLike) -> Names:
    """Returns the class names that labels carry, or None."""
    names = y.class_names if isinstance(y, Labels) else None
    return tuple(str(name) for name in names) if names else None


def as_labels(y: LabelsLike, name: str = "y") -> AnyArray:
    """Returns y as an array (N,) of whole numbers, booleans or text.

    An ArgumentError names the first element that is no label.
    """
    with reading(name, y, WANTED):
        return _as_labels(y, name)


def _as_labels(y: LabelsLike, name: str) -> AnyArray:
    if hasattr(y, "null_count") and y.null_count:
        raise ArgumentError(f"{name} has {y.null_count} nulls, want none")
    given = plain(y, name)
    labels: AnyArray = np.asarray(given.to_numpy(zero_copy_only=False) if _is_arrow(given) else given)
    if np.ma.is_masked(given):
        raise ArgumentError(f"{name} has masked values, want none")
    if labels.ndim != 1:
        raise ArgumentError(
            f"{name} has shape {labels.shape} and dtype {labels.dtype}, want (N,): one label per image; "
            "only fit takes floats (N, K), the probabilities of K classes"
        )
    if labels.dtype.kind == "T":  # numpy's StringDType
        _from_objects(labels.astype(object), name)  # refuses missing values
    if labels.dtype.kind == "O":
        labels = _from_objects(labels, name)
    if labels.dtype.kind == "U":
        _check_texts(labels, name)
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
    if isinstance(y, (Mapping, Set, str, bytes)) or hasattr(y, "__next__"):
        raise ArgumentTypeError(f"{name} is {described(y)}, want an array or a list of labels, in an order")
    if hasattr(y, "__arrow_c_array__"):
        return pa.array(y)
    return pa.chunked_array(y) if hasattr(y, "__arrow_c_stream__") else to_numpy(y, name)


def is_listed(y: LabelsLike) -> bool:
    """Says whether y is an Arrow array of text that has a dictionary."""
    if not isinstance(y, (pa.Array, pa.ChunkedArray)) or not pa.types.is_dictionary(y.type):
        return False
    value = y.type.value_type
    return bool(
        pa.types.is_string(value) or pa.types.is_large_string(value) or pa.types.is_string_view(value)
    )


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
            raise ArgumentError(f"{name}[{i}] is {shown(value)}, {_WANT}")
    if len(kinds) > 1 and str in kinds:
        raise ArgumentError(f"{name} mixes text and numbers, want labels of one type")
    return np.asarray(labels.tolist())


def _check_texts(labels: AnyArray, name: str) -> None:
    letters = np.ascontiguousarray(labels).view(np.uint32)
    if ((letters >= 0xD800) & (letters <= 0xDFFF)).any():
        for i, text in enumerate(labels.tolist()):
            _check_text(text, f"{name}[{i}]")


def _check_text(text: str, name: str) -> None:
    """Raises ArgumentError for text that is not Unicode, such as Python makes of a Latin-1 file name."""
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ArgumentError(f"{name} is {shown(text)}, which is not UTF-8: rename it")


def _is_label(value: object) -> bool:
    if isinstance(value, float) and math.isnan(value):  # what pandas makes of a missing text
        return False
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
        if classes is None and n_classes is None:
            raise ArgumentError("n_classes and classes are None, want one of them: the weights do not tell")
        count = _params.whole(n_classes if classes is None else classes, "n_classes")
        if not 1 <= count < 2**31:
            raise ArgumentError(f"n_classes is {count}, want 1 to 2**31 - 1")
        labels = np.arange(count)
    else:
        labels = as_labels(classes, "classes")
    known, counts = np.unique(labels, return_counts=True)
    if (counts > 1).any():
        raise ArgumentError(f"classes has {shown(known[counts > 1][0])} twice, want each label once")
    if not len(labels):
        raise ArgumentError("classes has no labels, want at least one")
    if n_classes is not None and _params.whole(n_classes, "n_classes") != len(labels):
        raise ArgumentError(f"n_classes is {n_classes} and classes has {len(labels)} labels, want as many")
    return labels


def as_classes(given: LabelsLike, labels: AnyArray) -> Classes:
    """Returns the argument `classes`, whose labels are labels (K,), with the names that it carries."""
    return with_names(labels, class_names_of(given), "classes")


def in_order(classes: Classes) -> Classes:
    """Returns the classes sorted by name or, without names, by label."""
    keys = classes.labels if classes.names is None else np.array(classes.names)
    order = np.argsort(keys)
    names = None if classes.names is None else tuple(classes.names[i] for i in order)
    return Classes(classes.labels[order], names)


def with_names(labels: AnyArray, names: Names, name: str = "y") -> Classes:
    """Returns these labels (K,) as classes. name is the argument's that has the names.

    Text is its own name. names are those of the numbers 0, 1, ..; every label must have one.
    """
    if _is_text(labels):
        return Classes(labels, tuple(str(label) for label in labels.tolist()))
    if names is None or labels.dtype.kind not in "iu":
        return Classes(labels)
    _check_named(labels, names, name)
    own = [names[label] for label in labels.tolist()]
    if len(set(own)) < len(own):
        twice = next(text for i, text in enumerate(own) if text in own[:i])
        raise ArgumentError(
            f"{name} has the class name {twice!r} twice, want a name of its own for each class"
        )
    return Classes(labels, tuple(own))


def with_names_if_all(classes: Classes, names: Names) -> Classes:
    """Returns the classes of weights without names with those of y, if y has one for every class.

    Otherwise it warns that labels with names meet numbers.
    """
    labels = classes.labels
    if classes.names is not None or names is None or labels.dtype.kind not in "iu":
        return classes
    if _unnamed(labels, names).any():
        has = (
            f"y has names of {len(names)} classes, {some(names)}, and the weights have {len(labels)} classes"
        )
        warn(f"{has} without names: y[i] is the class of the same number")
        return classes
    return with_names(labels, names)


def with_names_for_all(classes: Classes, names: Names) -> Classes:
    """Returns the classes of the argument `classes` with the names of y. All must have one, or none."""
    if classes.names is not None or names is None or classes.labels.dtype.kind not in "iu":
        return classes
    unnamed = classes.labels[_unnamed(classes.labels, names)]
    if unnamed.size:
        raise ArgumentError(
            f"classes has {unnamed.item(0)!r}, for which y has no name: its class_names are {some(names)}; "
            "want classes by name"
        )
    return with_names(classes.labels, names)


def _unnamed(labels: AnyArray, names: tuple[str, ...]) -> NDArray[np.bool_]:
    """Says which numbers have no name."""
    unnamed: NDArray[np.bool_] = (labels < 0) | (labels >= len(names))
    return unnamed


def _check_named(labels: AnyArray, names: tuple[str, ...], name: str) -> None:
    """Raises ArgumentError if a number has no name."""
    bad = np.flatnonzero(_unnamed(labels, names))
    if bad.size:
        raise ArgumentError(
            f"{name} has the label {labels[bad[0]]} and {len(names)} class_names, want 0 to {len(names) - 1}"
        )


def is_by_name(given: Given, classes: Classes) -> bool:
    """Says whether labels meet the classes by their names. Otherwise they do by their values."""
    if classes.names is None:
        return False
    text_for_numbers = _is_text(given.values) and not _is_text(classes.labels)
    return given.names is not None or given.listed or text_for_numbers


def to_indices(given: Given, classes: Classes, name: str = "y") -> Indices:
    """Returns each label's index in the classes, int32 (N,). Labels with names are found by name.

    An ArgumentError names the first label that is none of the classes.
    """
    if not is_by_name(given, classes):
        return _find(given.values, classes.labels, name)
    assert classes.names is not None
    if given.names is None:
        return _find(given.values, np.array(classes.names), name)
    _check_named(given.values, given.names, name)
    index = {text: i for i, text in enumerate(classes.names)}
    indices = np.array([index.get(text, -1) for text in given.names], np.int32)[given.values]
    bad = np.flatnonzero(indices < 0)
    if bad.size:
        text = given.names[given.values[bad[0]]]
        raise ArgumentError(f"{name}[{bad[0]}] is {text!r}, want one of the class names {classes}")
    return indices


def to_known_indices(given: Given, classes: Classes, unused: Sequence[str] = (), name: str = "y") -> Indices:
    """Returns what `to_indices` does, but -1 and a warning for labels that no prediction can equal.

    These are labels without names that are none of the classes, and those whose name is in unused:
    names that the training data had for classes without images. The folds of a cross-validation have
    both. If no class has the labels' type, this raises ArgumentError.
    """
    values, remedy, names, wanted = given.values, "", None, str(classes)
    if not is_by_name(given, classes):
        wanted = some(classes.labels)
        _check_kind(values, classes.labels, name)
        known, remedy = np.isin(values, classes.labels), _remedy(values, classes.labels, name)
    elif given.names is None:
        known = ~np.isin(values, np.array(unused, str))
    else:
        names = given.names
        _check_named(values, names, name)
        known = np.array([text not in unused for text in names])[values]
    if known.all():
        return to_indices(given, classes, name)
    first = values[~known].item(0)
    text = f"{name} has {(~known).sum()} of {len(values)} labels that are none of the classes {wanted}"
    warn(f"{text}, such as {first if names is None else names[first]!r}; they count as wrong{remedy}")
    indices = np.full(len(values), -1, np.int32)
    if known.any():
        indices[known] = to_indices(replace(given, values=given.values[known]), classes, name)
    return indices


def _find(labels: AnyArray, classes: AnyArray, name: str) -> Indices:
    """Returns the index of each label in the classes, int32 (N,). All must be there."""
    _check_kind(labels, classes, name)
    order = np.argsort(classes)
    places = np.searchsorted(classes, labels, sorter=order)
    indices = order[places % len(classes)]  # a label after the last class gets any index, and fails below
    bad = np.flatnonzero(classes[indices] != labels)
    if bad.size:
        raise ArgumentError(
            f"{name}[{bad[0]}] is {shown(labels[bad[0]])}, want one of the classes {some(classes)}"
            + _remedy(labels, classes, name)
        )
    return indices.astype(np.int32)


def _check_kind(labels: AnyArray, classes: AnyArray, name: str) -> None:
    """Raises ArgumentError unless labels and classes are both text, both bytes or both numbers."""
    if any((labels.dtype.kind in kinds) != (classes.dtype.kind in kinds) for kinds in ("UT", "S")):
        raise ArgumentError(f"{name} has dtype {labels.dtype}, want labels like {some(classes)}")


def _remedy(labels: AnyArray, classes: AnyArray, name: str) -> str:
    """Returns advice, as the end of a message, if whole numbers all differ by one from a class."""
    if labels.dtype.kind in "iu" and classes.dtype.kind in "iu":
        for step, sign in ((1, "-"), (-1, "+")):
            if np.isin(labels.astype(np.int64) - step, classes).all():
                return f"; {name} {sign} 1 would fit: one of them counts from 0, the other from 1"
    return ""


def warn_of_one(classes: AnyArray, name: str = "y") -> None:
    """Warns if there is only one class, because then there is nothing to learn."""
    if len(classes) == 1:
        text = f"{name} has one class only, {some(classes)}: every image will be predicted as it"
        warn(text)


def some(classes: AnyArray | Sequence[object]) -> str:
    """Returns the first ten of the classes as text for messages."""
    shown = ", ".join(repr(c.item() if isinstance(c, np.generic) else c) for c in classes[:10])
    return shown + (", …" if len(classes) > 10 else "")


# ---- what a model's configuration says of its classes ------------------------------------------------------

_IN_NAMES: JsonObject = {"dtype": "class_names", "values": None}  # "labels" of 0.1.0, where it says nothing


def to_config(classes: Classes) -> JsonObject:
    """Returns the keys of a model's configuration that say what its classes are."""
    labels = classes.labels
    names = None if classes.names is None else list(classes.names)
    told: JsonObject = {"classes": len(labels), "class_names": names, "labels": None}
    kind = labels.dtype.kind
    if kind == "U":  # the names are the labels
        return told
    dtype = {"S": "bytes", "T": "string"}.get(kind, labels.dtype.name)
    return told | {"labels": {"dtype": dtype, "values": _to_values(labels)}}


def _to_values(labels: AnyArray) -> list[object]:
    """Returns labels as JSON has them: whole numbers, booleans or text."""
    if labels.dtype.kind == "S":
        return [value.decode("latin-1") for value in labels.tolist()]
    if labels.dtype.kind == "f":
        return [int(value) for value in labels.tolist()]  # `as_labels` takes whole numbers alone
    values: list[object] = labels.tolist()
    return values


def of_config(config: Config) -> AnyArray:
    """Returns the labels of a model's classes (K,). Without labels they are the names or, without
    those, 0 to K - 1."""
    names, told = config["class_names"] or [], config.get("labels", _IN_NAMES)
    if told is None:
        return np.array(names) if names else np.arange(config["classes"])
    if told["dtype"] == _IN_NAMES["dtype"]:
        return _from_names(names, config["classes"])
    values, labels = told["values"], _of_values(told["dtype"], told["values"])
    if labels is None or len(set(values)) < len(values):
        text = f"dtype {shown(told['dtype'])} and values {shown(values)}"
        raise FormatError(
            f"the labels of the classes have {text}, want labels as govpn writes them, each once"
        )
    return labels


def _of_values(dtype: str, values: list[Any]) -> AnyArray | None:
    """Returns the labels that `_to_values` turns into these values, or None if there are none."""
    try:
        if dtype == "bytes":
            labels: AnyArray = np.array([value.encode("latin-1") for value in values])
        else:
            labels = np.array(values, _numpy_dtype(dtype))
        back = _to_values(labels)
    except (AttributeError, TypeError, ValueError, OverflowError):
        return None
    same = [(type(v), v) for v in back] == [(type(v), v) for v in values]
    return labels if same and labels.dtype.kind in "SUTiufb" else None


def _numpy_dtype(name: str) -> Foreign:
    """Returns numpy's dtype of that name, or None if this numpy has none."""
    try:
        return np.dtypes.StringDType() if name == "string" else np.dtype(name)
    except (AttributeError, TypeError):
        return None


def names_in(config: Config, labels: AnyArray) -> Names:
    """Returns the names of a model's classes, whose labels are labels (K,)."""
    if config.get("labels", _IN_NAMES) == _IN_NAMES:  # class_names may hold labels that are no names
        return with_names(labels, None).names
    return tuple(config["class_names"]) if config["class_names"] else None


def _from_names(names: list[str], count: int) -> AnyArray:
    """Returns the labels (K,) that the class names of a model of 0.1.0 stand for; 0..K-1 without names."""
    if not names:
        return np.arange(count)
    if all(_INTEGER.fullmatch(n) for n in names):
        return np.array([int(n) for n in names])
    if all(_FLOAT.fullmatch(n) for n in names):
        return np.array([float(n) for n in names])
    if all(n in ("True", "False") for n in names):
        return np.array([n == "True" for n in names])
    return np.array([n[1:-1] if len(n) > 1 and n[0] == n[-1] == '"' else n for n in names])


def _is_text(labels: AnyArray) -> bool:
    return labels.dtype.kind in "UT"
