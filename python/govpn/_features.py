"""Features (N, F), as scikit-learn's users have them, to images and back to where they came from."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import _params, _sklearn
from ._inputs import IMAGE_COLUMNS
from .errors import ArgumentError

Range = tuple[float, float]
_BYTES = (0.0, 255.0)


def is_features(x: Any) -> bool:
    """Whether x is two-dimensional: an array, a sparse matrix, a data frame without a column of images, or
    rows of numbers."""
    if hasattr(x, "dtypes") and hasattr(x, "columns"):  # a data frame of pandas or polars
        return not set(IMAGE_COLUMNS) & set(map(str, x.columns))
    if hasattr(x, "__arrow_c_array__") or hasattr(x, "__arrow_c_stream__"):
        return False
    if hasattr(x, "ndim"):
        return x.ndim == 2
    if hasattr(x, "__array__"):
        return np.ndim(x.__array__()) == 2
    if not isinstance(x, (list, tuple)) or not len(x):
        return False
    return isinstance(x[0], (list, tuple, np.ndarray)) and np.ndim(x[0]) == 1 and not isinstance(x[0][0], str)


@dataclass(frozen=True)
class Layout:
    """How X becomes images (N, H, W, C) of pixels from 0 to 1."""

    shape: tuple[int, int, int] | None = None  # of features; None: X has images
    pixel_range: Range | None = None  # that numbers are scaled from; of images None: floats are 0 to 1
    n_features: int = 0
    names: tuple[str, ...] | None = None  # of the columns of a data frame

    def images(self, x: Any, estimator: Any = None) -> Any:
        """X of predict, or of validation, as images; what is none of features or floats to scale stays. With
        an estimator, its n_features_in_ and feature_names_in_ are asked for."""
        if isinstance(x, np.ndarray) and x.ndim == 1 and x.dtype != object:
            want = "want (N, H, W, C) or (N, H, W), or features (N, F). Reshape your data"
            raise ArgumentError(f"X has shape {x.shape}, {want}")
        if is_features(x):
            x = _sklearn.features(estimator or self._probe(), x, reset=False)
            return _scaled(x.reshape(len(x), *self.shape), self.pixel_range)
        floats = isinstance(x, np.ndarray) and x.dtype != np.uint8
        return _scaled(x, self.pixel_range) if floats and self.pixel_range else x

    def announcement(self) -> str:
        """What was guessed of features."""
        size, (low, high) = "x".join(map(str, self.shape)), self.pixel_range
        return (
            f"X has {self.n_features} features, taken as images {size} (image_shape), values from {low:g} to "
            f"{high:g} as pixels from 0 to 1 (pixel_range)"
        )

    def to_attributes(self) -> dict[str, str]:
        """What a model's file keeps of it."""
        about = {"features": self.n_features, "pixel_range": self.pixel_range, "names": self.names}
        return {k: json.dumps(v) for k, v in about.items() if v}

    @classmethod
    def from_attributes(cls, attributes: Mapping[str, str] | None, shape: Sequence[int]) -> Layout:
        about = {k: json.loads(v) for k, v in (attributes or {}).items() if k in _KEPT}
        names, pixel_range = about.get("names"), about.get("pixel_range")
        return cls(
            tuple(shape),
            tuple(pixel_range) if pixel_range else None,
            about.get("features", 0),
            tuple(names) if names else None,
        )

    def _probe(self) -> Any:
        probe = _probe()
        probe.n_features_in_ = self.n_features or math.prod(self.shape)
        if self.names:
            probe.feature_names_in_ = np.array(self.names, object)
        return probe


_KEPT = ("features", "pixel_range", "names")


def _probe() -> Any:
    """What stands for the estimator where that must not change yet; messages name its class."""
    return type("VPNClassifier", (_sklearn.BaseEstimator,), {})()


def of(X: Any, image_shape: Any, pixel_range: Any) -> tuple[Any, Layout]:
    """The images of X, or X itself where there is nothing to do, and the layout. image_shape and pixel_range
    are the estimator's parameters."""
    given = None if pixel_range is None else given_range(pixel_range)
    if not is_features(X):
        layout = Layout(pixel_range=given)
        return layout.images(X), layout
    probe = _probe()
    x = _sklearn.features(probe, X, reset=True)
    names = getattr(probe, "feature_names_in_", None)
    layout = Layout(
        shape_of(x.shape[1], image_shape),
        given or range_of(x),
        x.shape[1],
        None if names is None else tuple(map(str, names)),
    )
    return _scaled(x.reshape(len(x), *layout.shape), layout.pixel_range), layout


def _scaled(pixels: np.ndarray, pixel_range: Range) -> np.ndarray:
    """Numbers from pixel_range to 0 to 1, clipped, as float32; bytes as they are where they mean that."""
    if pixels.dtype == np.uint8 and pixel_range == _BYTES:
        return pixels
    low, high = pixel_range
    return np.clip((pixels.astype(np.float32) - np.float32(low)) / np.float32(high - low), 0, 1)


def shape_of(count: int, image_shape: Any) -> tuple[int, int, int]:
    """(H, W, C) of F features: image_shape, or a square of one channel or of three, or else a row."""
    if image_shape is not None:
        shape = tuple(_params.shape_of(image_shape))
        if math.prod(shape) != count:
            size = math.prod(shape)
            raise ArgumentError(
                f"image_shape is {image_shape!r}, of {size} values, and X has {count} features"
            )
        return shape
    for channels in (1, 3):
        side = math.isqrt(count // channels)
        if side > 1 and side * side * channels == count:
            return side, side, channels
    return 1, count, 1


def range_of(x: np.ndarray) -> Range:
    """What 0 and 1 are for these features: 0 and 255 for uint8, else the data's own range where they leave
    0 to 1."""
    if x.dtype == np.uint8:
        return _BYTES
    low, high = float(x.min()), float(x.max())
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    return low, high if high > low else low + 1


def given_range(pixel_range: Any) -> Range:
    """(low, high), finite and in this order."""
    try:
        low, high = (_params.real(v, "pixel_range") for v in pixel_range)
    except TypeError:
        raise ArgumentError(f"pixel_range is {pixel_range!r}, want (low, high)") from None
    if not low < high:
        raise ArgumentError(f"pixel_range is {pixel_range!r}, want low < high")
    return low, high
