"""scikit-learn's base classes and checks. Without scikit-learn: the little of them that govpn
needs."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

import numpy as np

from ._reading import described, shown
from ._types import AnyArray, Foreign
from ._warn import warn
from .errors import ArgumentError, ArgumentTypeError, GovpnError

Self = TypeVar("Self", bound="_PlainEstimator")


class _PlainMixin:
    """Tells scikit-learn's functions that the estimator is a classifier."""

    _estimator_type = "classifier"


class _PlainEstimator:
    """Provides get_params, set_params and a repr, which follow the signature of __init__."""

    @classmethod
    def _defaults(cls) -> dict[str, Any]:
        parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
        return {p.name: p.default for p in parameters}

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Returns the parameters of __init__ and their values. deep has no effect: none is an estimator."""
        return {name: getattr(self, name) for name in sorted(self._defaults())}

    def set_params(self: Self, **params: object) -> Self:
        """Changes parameters and returns the estimator. They take effect at the next fit."""
        known = self._defaults()
        for name in params:
            if name not in known:
                want = ", ".join(known)
                raise ArgumentError(f"{type(self).__name__} has no parameter {name!r}, want one of {want}")
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        defaults, params = self._defaults(), self.get_params()
        changed = [f"{k}={v!r}" for k, v in params.items() if not same_value(v, defaults[k])]
        return f"{type(self).__name__}({', '.join(changed)})"


validate_data: Foreign = None
DataConversionWarning: type[Warning] = UserWarning

if TYPE_CHECKING:  # scikit-learn has no types, so the checker sees the classes of this module
    ClassifierMixin = _PlainMixin
    BaseEstimator = _PlainEstimator
else:
    try:
        from sklearn.base import BaseEstimator, ClassifierMixin
        from sklearn.exceptions import DataConversionWarning
        from sklearn.utils.validation import validate_data
    except ImportError:
        ClassifierMixin, BaseEstimator = _PlainMixin, _PlainEstimator


class TakesFeatures(Protocol):
    """What is known of an estimator that was fitted on features (N, F)."""

    n_features_in_: int


def same_value(a: object, b: object) -> bool:
    """Says whether two parameters have the same type and an equal value."""
    return a is b or (type(a) is type(b) and bool(a == b))


def probe() -> Foreign:
    """Returns an empty estimator named VPNClassifier.

    scikit-learn sets and checks attributes of the estimator that it is given. The probe stands in
    where the real one must not change yet.
    """
    return type("VPNClassifier", (BaseEstimator,), {})()


def features(estimator: TakesFeatures, X: object, reset: bool, name: str = "X") -> AnyArray:
    """Returns X as a finite array (N, F) of uint8 or float32.

    With reset, this sets the estimator's n_features_in_ and, with scikit-learn, its
    feature_names_in_. Without reset, it compares X with them. name is what messages call X.
    """
    if validate_data is not None:
        try:
            return cast(AnyArray, validate_data(estimator, X, reset=reset, dtype=[np.float32, np.uint8]))
        except GovpnError:
            raise
        except Exception as error:
            kind = ArgumentTypeError if isinstance(error, TypeError) else ArgumentError
            raise kind(_about_x(str(error), X, name)) from error
    array = np.asarray(X)
    if array.dtype.kind not in "fiub":
        raise ArgumentError(f"{name} has dtype {array.dtype}, want real numbers")
    array = array if array.dtype == np.uint8 else array.astype(np.float32, copy=False)
    if not np.isfinite(array).all():
        raise ArgumentError(f"{name} contains NaN or infinity, want finite features")
    if reset:
        estimator.n_features_in_ = array.shape[1]
    elif array.shape[1] != estimator.n_features_in_:
        owner, want = type(estimator).__name__, estimator.n_features_in_
        raise ArgumentError(
            f"{name} has {array.shape[1]} features, but {owner} is expecting {want} features as input"
        )
    return array


def _about_x(text: str, X: Foreign, name: str) -> str:
    """Returns scikit-learn's message, with X named in it."""
    if re.search(r"\bX\b", text):
        return re.sub(r"\bX\b", name, text)
    if hasattr(X, "columns"):
        names = shown([str(name) for name in X.columns])
        return (
            f"X has columns {names}, want numbers, or images in a column image, images, img or pixels: {text}"
        )
    return f"{name} is {described(X)}, want numbers (N, F): {text}"


def column(y: Foreign) -> Foreign:
    """Returns a column (N, 1) of labels as (N,), with scikit-learn's warning.

    Other y stay as they are.
    """
    if getattr(y, "ndim", 1) != 2 or y.shape[1] != 1:
        return y
    text = "A column-vector y was passed when a 1d array was expected: y has shape {}, want (N,)"
    warn(text.format(tuple(y.shape)), DataConversionWarning)
    return np.asarray(y).reshape(-1)
