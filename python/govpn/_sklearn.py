"""scikit-learn's base classes; where it is not installed, the little that an estimator needs of them."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import numpy as np

from .errors import ArgumentError, ArgumentTypeError

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.exceptions import DataConversionWarning
    from sklearn.utils.validation import validate_data
except ImportError:
    validate_data = None
    DataConversionWarning = UserWarning

    class ClassifierMixin:  # type: ignore[no-redef]
        """What tells scikit-learn's functions that this is a classifier."""

        _estimator_type = "classifier"

    class BaseEstimator:  # type: ignore[no-redef]
        """get_params, set_params and a repr, from the signature of __init__."""

        @classmethod
        def _defaults(cls) -> dict[str, Any]:
            parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
            return {p.name: p.default for p in parameters}

        def get_params(self, deep: bool = True) -> dict[str, Any]:
            """The parameters of __init__ and their values. deep has no effect: none is an estimator."""
            return {name: getattr(self, name) for name in sorted(self._defaults())}

        def set_params(self, **params: Any) -> Any:
            """Changes parameters; they take effect at the next fit. Returns the estimator."""
            known = self._defaults()
            for name in params:
                if name not in known:
                    want = ", ".join(known)
                    raise ArgumentError(
                        f"{type(self).__name__} has no parameter {name!r}, want one of {want}"
                    )
            for name, value in params.items():
                setattr(self, name, value)
            return self

        def __repr__(self) -> str:
            defaults, params = self._defaults(), self.get_params()
            changed = [f"{k}={v!r}" for k, v in params.items() if not _same(v, defaults[k])]
            return f"{type(self).__name__}({', '.join(changed)})"


def _same(a: Any, b: Any) -> bool:
    return a is b or (type(a) is type(b) and a == b)


def features(estimator: Any, X: Any, reset: bool) -> np.ndarray:
    """X as a finite array (N, F) of uint8 or float32. Of scikit-learn, it also sets (reset) or checks
    n_features_in_ and feature_names_in_."""
    if validate_data is not None:
        try:
            return validate_data(estimator, X, reset=reset, dtype=[np.float32, np.uint8])
        except TypeError as error:
            raise ArgumentTypeError(str(error)) from error
        except ValueError as error:
            raise ArgumentError(str(error)) from error
    array = np.asarray(X)
    if array.dtype.kind not in "fiub":
        raise ArgumentError(f"X has dtype {array.dtype}, want real numbers")
    array = array if array.dtype == np.uint8 else array.astype(np.float32, copy=False)
    if not np.isfinite(array).all():
        raise ArgumentError("X contains NaN or infinity, want finite features")
    if reset:
        estimator.n_features_in_ = array.shape[1]
    elif array.shape[1] != estimator.n_features_in_:
        name, want = type(estimator).__name__, estimator.n_features_in_
        raise ArgumentError(
            f"X has {array.shape[1]} features, but {name} is expecting {want} features as input"
        )
    return array


def column(y: Any) -> Any:
    """Labels (N,) of a column (N, 1), with scikit-learn's warning."""
    if getattr(y, "ndim", 1) != 2 or y.shape[1] != 1:
        return y
    text = "A column-vector y was passed when a 1d array was expected: y has shape {}, want (N,)"
    warnings.warn(text.format(tuple(y.shape)), DataConversionWarning, stacklevel=4)
    return np.asarray(y).reshape(-1)
