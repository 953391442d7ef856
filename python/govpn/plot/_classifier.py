"""What the pictures ask of a classifier. No other module of the pictures imports private modules of govpn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import _arrow, _params
from .._benefit import Z95, NoiseBenefit
from .._fitted import fitted
from .._inputs.foreign import is_array, to_numpy
from .._inputs.images import Images, as_images
from .._inputs.source import Source
from .._inputs.stream import Stream
from .._reading import reading, shown
from ..errors import ArgumentError, ArgumentTypeError
from ..estimator import VPNClassifier

__all__ = [
    "Z95",
    "NoiseBenefit",
    "VPNClassifier",
    "classifier",
    "images_of",
    "indices_of",
    "is_array",
    "names_of",
    "noise_std",
    "pixels_of",
    "predicted",
    "reading",
    "to_numpy",
    "whole",
    "with_noise_at_pixels",
]
whole = _params.whole


def classifier(model: object) -> VPNClassifier:
    """Returns a fitted VPNClassifier. Anything else is an error."""
    if not isinstance(model, VPNClassifier):
        raise ArgumentTypeError(f"model is of type {type(model).__name__}, want a VPNClassifier")
    fitted(model)
    return model


def with_noise_at_pixels(model: object) -> VPNClassifier:
    """Returns a fitted VPNClassifier whose sigma is an image. Anything else is an error."""
    found = classifier(model)
    mode = found.config_["mode"]
    if mode not in ("joint", "frozen"):
        raise ArgumentError(f"model has mode {mode!r}, which has no generator; want joint or frozen")
    if layer := found.config_["noise_layer"]:
        raise ArgumentError(f"model has its noise at hidden layer {layer}, want it at pixels: noise_layer 0")
    return found


def indices_of(model: VPNClassifier, y: Any, count: int) -> np.ndarray:
    """Returns the labels of `count` images as indices of classes_."""
    images = Images("X", count, None, [])
    return fitted(model).indices(images, y)


def names_of(model: VPNClassifier, y: Any, class_names: Sequence[str] | None) -> list[str]:
    """Returns the names of classes_: those given, class_names_, those that y carries, or the labels."""
    if class_names is None:
        return fitted(model).names(y)
    want = f"{len(model.classes_)} names, one per class of classes_"
    with reading("class_names", class_names, want):
        given = [] if isinstance(class_names, str) else [str(name) for name in class_names]
    if len(given) != len(model.classes_):
        raise ArgumentError(f"class_names is {shown(class_names)}, want {want}")
    return given


def pixels_of(model: VPNClassifier, X: Any) -> np.ndarray:
    """Returns X as images that the model takes, uint8 or floats (N, H, W, C) or (N, H, W)."""
    if isinstance(X, Stream):
        raise ArgumentTypeError("X is a stream, want images: next(X.batches(256)) has the first of them")
    images = fitted(model).images(X)
    (batch,) = images.data(shape=model.image_shape_).export(batch_size=0, columns=["image"])
    return _arrow.writable(batch.column("image"))  # the library brings the channels last


def images_of(pixels: np.ndarray) -> Images:
    """Wraps what `pixels_of` returned for the classifier's methods, which would scale an array again."""
    return as_images(Source(pixels))


def noise_std(model: VPNClassifier, pixels: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the images from 0 to 1 and their sigma, both float (N, H, W, C)."""
    std = model.noise_std(images_of(pixels), labels)
    return pixels.reshape(std.shape) / (255.0 if pixels.dtype == np.uint8 else 1.0), std


def predicted(
    model: VPNClassifier,
    X: Any,
    y: Any,
    class_names: Sequence[str] | None,
    noise: str,
    samples: int,
    random_state: Any,
    std: float | None,
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Returns true and predicted classes as indices of classes_, and the names of classes_.

    X may be a stream, which is decoded once.
    """
    images = fitted(model).images(X)
    names = names_of(model, images.labels if y is None else y, class_names)
    truth = fitted(model).indices(images, y)
    indices = fitted(model).predict(images, "label", noise, samples, random_state, std, truth)
    return truth, indices, names
