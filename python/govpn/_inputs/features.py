"""Turns features (N, F), which scikit-learn's users have, into images, and scales numbers to pixels."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

import numpy as np

from .. import _params, _sklearn
from .._reading import shown
from .._types import AnyArray, Floats, Foreign, ImagesLike, Shape
from ..errors import ArgumentError, ArgumentTypeError, FormatError, GovpnError
from .columns import IMAGE_COLUMNS

Range: TypeAlias = tuple[float, float]
_BYTES, _UNSCALED = (0.0, 255.0), (0.0, 1.0)


def is_features(x: Foreign) -> bool:
    """Says whether x has two axes.

    That may be an array, a sparse matrix, a data frame without a column of images, or rows of
    numbers.
    """
    if hasattr(x, "dtypes") and hasattr(x, "columns"):  # a data frame of pandas or polars
        return not set(IMAGE_COLUMNS) & set(map(str, x.columns))
    if hasattr(x, "__arrow_c_array__") or hasattr(x, "__arrow_c_stream__"):
        return False
    if hasattr(x, "ndim"):
        return bool(x.ndim == 2)
    if hasattr(x, "__array__"):
        return np.ndim(x.__array__()) == 2
    if not isinstance(x, (list, tuple)) or not len(x):
        return False
    return isinstance(x[0], (list, tuple, np.ndarray)) and np.ndim(x[0]) == 1 and not _has_text(x[0])


def _has_text(row: Foreign) -> bool:
    return len(row) > 0 and isinstance(row[0], str)


@dataclass(frozen=True)
class Layout:
    """How X becomes images (N, H, W, C) with pixels from 0 to 1."""

    shape: Shape | None = None  # of the images; None if X has images and they are not known yet
    pixel_range: Range | None = None  # what becomes 0 and 1; None if X has images with floats from 0 to 1
    n_features: int = 0  # F; 0 if X has images
    names: tuple[str, ...] | None = None  # the columns of a data frame

    def images(self, x: Foreign, estimator: _sklearn.TakesFeatures | None = None, name: str = "X") -> Foreign:
        """Returns X of predict, or of validation, as images.

        Features become images. Floats are scaled if there is a pixel_range. Other X stay as they
        are. Features must have the estimator's n_features_in_ and feature_names_in_. Without an
        estimator, they must have those of this layout. name is the argument's name, for messages.
        """
        if isinstance(x, np.ndarray) and x.ndim == 1 and x.dtype != object:
            want = "want (N, H, W, C) or (N, H, W), or features (N, F). Reshape your data"
            raise ArgumentError(f"{name} has shape {x.shape}, {want}")
        if is_features(x):
            rows = _sklearn.features(estimator or self._probe(), x, reset=False, name=name)
            if self.pixel_range is None:
                want = "want images (N, H, W, C) or (N, H, W), which fit got"
                raise ArgumentTypeError(f"{name} has features of shape {rows.shape}, {want}")
            return scaled(rows.reshape(len(rows), *self._known_shape()), self.pixel_range)
        if self.pixel_range and isinstance(x, np.ndarray) and x.dtype != np.uint8:
            return scaled(x, self.pixel_range)
        return x

    def announcement(self) -> str:
        """Returns a sentence that says what was guessed about features."""
        size, (low, high) = "x".join(map(str, self._known_shape())), self.pixel_range or _UNSCALED
        return (
            f"X has {self.n_features} features, taken as images {size} (image_shape), values from {low:g} to "
            f"{high:g} as pixels from 0 to 1 (pixel_range)"
        )

    def to_attributes(self) -> dict[str, str]:
        """Returns what a model's file keeps of the layout."""
        about = {"features": self.n_features, "pixel_range": self.pixel_range, "names": self.names}
        return {k: json.dumps(v) for k, v in about.items() if v}

    @classmethod
    def from_attributes(cls, attributes: Mapping[str, str] | None, shape: Sequence[int]) -> Layout:
        """Returns the layout that a model's file keeps. shape is (H, W, C) of the model."""
        about = {k: _kept(k, v, math.prod(shape)) for k, v in (attributes or {}).items() if k in _KEPT}
        names, pixel_range = about.get("names"), about.get("pixel_range")
        return cls(
            cast(Shape, tuple(shape)),
            tuple(pixel_range) if pixel_range else None,
            about.get("features", 0),
            tuple(names) if names else None,
        )

    def _known_shape(self) -> Shape:
        assert self.shape is not None, "only images that are not known yet have no shape"
        return self.shape

    def _probe(self) -> _sklearn.TakesFeatures:
        """Returns an estimator that has this layout's n_features_in_ and feature_names_in_."""
        probe = _sklearn.probe()
        probe.n_features_in_ = self.n_features or math.prod(self._known_shape())
        if self.names:
            probe.feature_names_in_ = np.array(self.names, object)
        return cast(_sklearn.TakesFeatures, probe)


_KEPT = ("features", "pixel_range", "names")


def _kept(name: str, text: str, size: int) -> Foreign:
    """Returns what an attribute of a model of images of so many values says, or raises FormatError."""
    try:
        value: Foreign = json.loads(text)
    except ValueError:
        value = None
    right = {
        "features": lambda: type(value) is int and value == size,
        "pixel_range": lambda: isinstance(value, list) and len(value) == 2 and _range(*value),
        "names": lambda: isinstance(value, list) and len(value) == size and {*map(type, value)} == {str},
    }
    if not right[name]():
        raise FormatError(
            f"the model's attribute {name} is {text!r}, which govpn's Python package never writes"
        )
    return value


def _range(low: Foreign, high: Foreign) -> bool:
    return {type(low), type(high)} <= {int, float} and -math.inf < low <= high < math.inf


def layout_of(X: ImagesLike, image_shape: object, pixel_range: object) -> tuple[Foreign, Layout]:
    """Returns X of a first fit as images, and the layout.

    image_shape and pixel_range are the estimator's parameters. X stays as it is unless it has
    features or there is a pixel_range.
    """
    given = None if pixel_range is None else given_range(pixel_range)
    if not is_features(X):
        layout = Layout(pixel_range=given)
        return layout.images(X), layout
    probe = _sklearn.probe()
    x = _sklearn.features(probe, X, reset=True)
    names = getattr(probe, "feature_names_in_", None)
    shape, used_range = shape_of(x.shape[1], image_shape), given or range_of(x)
    layout = Layout(shape, used_range, x.shape[1], None if names is None else tuple(map(str, names)))
    return scaled(x.reshape(len(x), *shape), used_range), layout


def scaled(pixels: AnyArray, pixel_range: Range) -> AnyArray:
    """Scales numbers from pixel_range to 0 to 1, clips them and returns float32.

    uint8 stays as it is if the range is 0 to 255.
    """
    if pixels.dtype == np.uint8 and pixel_range == _BYTES:
        return pixels
    low, high = pixel_range
    numbers: Floats = (pixels.astype(np.float32) - np.float32(low)) / np.float32(high - low)
    return np.clip(numbers, 0, 1)


def shape_of(count: int, image_shape: object) -> Shape:
    """Returns (H, W, C) of F features.

    That is image_shape or, if it is None, a square of one channel or of three, or else a row.
    """
    if image_shape is not None:
        shape = cast(Shape, tuple(_params.shape_of(image_shape)))
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


def range_of(x: AnyArray) -> Range:
    """Returns which numbers become 0 and 1.

    That is (0, 255) for uint8, (0, 1) for data within it, and the data's own range for other data.
    """
    if x.dtype == np.uint8:
        return _BYTES
    low, high = float(x.min()), float(x.max())
    if low >= 0 and high <= 1:
        return _UNSCALED
    return low, high if high > low else low + 1


def given_range(pixel_range: Foreign) -> Range:
    """Returns the parameter pixel_range as finite numbers low < high, or raises ArgumentError."""
    try:
        low, high = (_params.real(v, "pixel_range") for v in pixel_range)
    except GovpnError:
        raise
    except Exception:
        raise ArgumentError(f"pixel_range is {shown(pixel_range)}, want (low, high)") from None
    if not low < high:
        raise ArgumentError(f"pixel_range is {pixel_range!r}, want low < high")
    return low, high
