"""What the pictures share: where they are drawn, their style, and what they ask of a classifier."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from .. import _arrow
from .._fitted import fitted
from .._inputs import labels as _labels
from .._inputs.images import Images, as_images
from .._inputs.source import Source
from .._inputs.stream import Stream
from ..errors import ArgumentError, ArgumentTypeError
from ..estimator import VPNClassifier

WIDTH = 3.4  # inches: a column of a paper
# Okabe and Ito's colours, which the colour-blind can tell apart (https://jfly.uni-koeln.de/color/)
BLUE, ORANGE, GREEN, PINK, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "0.6"
_STYLE = {
    "font.size": 7,
    "axes.titlesize": 7,
    "axes.labelsize": 7,
    "legend.fontsize": 6.5,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "axes.linewidth": 0.6,
    "lines.linewidth": 1,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2,
    "ytick.major.size": 2,
}


def matplotlib() -> Any:
    """The module; govpn works without it until a picture is wanted."""
    try:
        import matplotlib
        import matplotlib.axes
        import matplotlib.figure
    except ImportError as error:
        raise ImportError("govpn.plot needs matplotlib: pip install 'govpn[notebook]'") from error
    return matplotlib


def pyplot() -> Any:
    matplotlib()
    import matplotlib.pyplot as plt

    return plt


@contextmanager
def style(ax: Any = None) -> Iterator[None]:
    """Small type for a figure of our own; what is given has the caller's style. Not rc_context: that would
    also undo what pyplot sets when a notebook's first figure is made."""
    params, changed = matplotlib().rcParams, _STYLE if ax is None else {}
    before = {name: params[name] for name in changed}
    params.update(changed)
    try:
        yield
    finally:
        params.update(before)


def one(ax: Any) -> Any:
    """The ax of a picture of one panel, checked."""
    if ax is None or isinstance(ax, matplotlib().axes.Axes):
        return ax
    raise ArgumentTypeError(f"ax is of type {type(ax).__name__}, want a matplotlib Axes")


def several(ax: Any, count: int, panels: str) -> Any:
    """The ax of a picture of so many panels, checked: None, a Figure or SubFigure, or a list of Axes."""
    mpl = matplotlib()
    if ax is None or isinstance(ax, mpl.figure.FigureBase):
        return ax
    axes = list(np.asarray(ax, object).flat)
    if isinstance(ax, mpl.axes.Axes) or not all(isinstance(a, mpl.axes.Axes) for a in axes):
        want = f"{count} Axes ({panels}), or a Figure or SubFigure"
        raise ArgumentTypeError(f"ax is of type {type(ax).__name__}, want {want}")
    if len(axes) != count:
        raise ArgumentError(f"ax has {len(axes)} Axes, want {count}: {panels}")
    return axes


def figure(height: float) -> Any:
    return pyplot().figure(figsize=(WIDTH, height), layout="compressed", dpi=200)


def grid(ax: Any, rows: int, columns: int, height: float, **options: Any) -> list[Any]:
    """The Axes of a picture, row by row: those given, or new ones in the figure given, or in a new figure."""
    if isinstance(ax, list):
        return ax
    fig = figure(height) if ax is None else ax
    return list(fig.subplots(rows, columns, squeeze=False, **options).flat)


def figure_of(ax: Any) -> Any:
    """The Figure that has ax, also in a SubFigure."""
    return ax.figure.figure


def classifier(model: Any) -> Any:
    """A fitted VPNClassifier, or an error."""
    if not isinstance(model, VPNClassifier):
        raise ArgumentTypeError(f"model is of type {type(model).__name__}, want a VPNClassifier")
    fitted(model)
    return model


def with_noise_at_pixels(model: Any) -> Any:
    """A fitted VPNClassifier whose sigma is an image, or an error."""
    about = fitted(classifier(model)).describe()
    if "generator" not in about["parameters"]:
        mode = about["config"]["mode"]
        raise ArgumentError(f"model has mode {mode!r}, which has no generator; want joint or frozen")
    if layer := about["config"]["noise_layer"]:
        raise ArgumentError(f"model has its noise at hidden layer {layer}, want it at pixels: noise_layer 0")
    return model


def names_of(model: Any, y: Any, class_names: Sequence[str] | None) -> list[str]:
    """The names of classes_: those given, those that y carries, or the labels."""
    if class_names is None:
        names = _labels.class_names_of(y)
        return [str(names[c]) if names else str(c) for c in model.classes_]
    count = len(model.classes_)
    if isinstance(class_names, str) or len(class_names) != count:
        raise ArgumentError(f"class_names is {class_names!r}, want {count} names, one per class of classes_")
    return [str(name) for name in class_names]


def pixels_of(model: Any, X: Any) -> np.ndarray:
    """X as images that the model takes, uint8 or floats (N, H, W, C) or (N, H, W)."""
    if isinstance(X, Stream):
        raise ArgumentTypeError("X is a stream, want images: next(X.batches(256)) has the first of them")
    images = fitted(model).images(X)
    if not images.chunks:  # govpn.empty's
        return np.asarray(X)
    parts = [
        _arrow.numbers(chunk).reshape(-1, *(images.shape or model.image_shape_)) for chunk in images.chunks
    ]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def images_of(pixels: np.ndarray) -> Images:
    """What `pixels_of` returned, for the classifier's methods, which would scale it again."""
    return as_images(Source(pixels))


def noise_std(model: Any, pixels: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The images, from 0 to 1, and their sigma, both float (N, H, W, C)."""
    std = model.noise_std(images_of(pixels), labels)
    return pixels.reshape(std.shape) / (255.0 if pixels.dtype == np.uint8 else 1.0), std


def show_image(ax: Any, image: np.ndarray) -> None:
    """(H, W, C) from 0 to 1; other pixels are clipped."""
    image = np.clip(image, 0, 1)
    ax.imshow(image if image.shape[-1] == 3 else image.mean(-1), cmap="gray", vmin=0, vmax=1)
    ax.set(xticks=[], yticks=[])


def show_std(ax: Any, std: np.ndarray, top: float) -> Any:
    """A heat map of sigma (H, W, C), the mean over the channels, from 0 to top."""
    heat = ax.imshow(std.mean(-1), cmap="magma", vmin=0, vmax=top or 1)
    ax.set(xticks=[], yticks=[])
    return heat


def short(name: str, length: int = 16) -> str:
    return name if len(name) <= length else name[: length - 1] + "…"
