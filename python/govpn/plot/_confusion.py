"""Which classes are taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .._fitted import fitted
from .._inputs import labels as _labels
from ..errors import ArgumentError
from . import _panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..estimator import VPNClassifier

_LEAST = 3.5  # points, of names that can be read


def plot_confusion(
    model: VPNClassifier,
    X: Any,
    y: Any = None,
    *,
    noise: str = "none",
    samples: int = 1,
    random_state: Any = None,
    std: float | None = None,
    normalize: str | None = "true",
    class_names: Sequence[str] | None = None,
    ax: Any = None,
) -> Figure:
    """The confusion matrix: a row per true class, a column per predicted one, in the order of classes_.

    model : a fitted classifier
    X, y : labelled images, as `score` takes them; streams, too
    noise, samples, random_state, std : how to predict, as `evaluate` does; "label" is leakage
    normalize : "true" for each row's shares, 0 to 1, in percent (without images 0); None for counts
    class_names : in the order of classes_. None: those that y carries (`govpn.datasets.Labels`), or labels
    ax : one Axes; see `govpn.plot`

    The matrix is the data of ax.images[0], and sklearn.metrics.confusion_matrix's of the prediction. What
    rounds to 0 is left blank, and all numbers where they would be too small, in a column beyond some 40
    classes. A NotFittedError before fit; a ValueError of labels, shapes or names that do not fit; a TypeError
    of another kind of ax.

    >>> import govpn, numpy as np
    >>> X, y = np.random.default_rng(0).integers(0, 256, (60, 8, 8), np.uint8), np.arange(60) % 3
    >>> clf = govpn.VPNClassifier("sr", device="go", epochs=2, batch_size=20, random_state=0, verbose=0)
    >>> fig = govpn.plot.plot_confusion(clf.fit(X, y), X, y, normalize=None)
    >>> fig.axes[0].images[0].get_array().sum(axis=1).tolist()
    [20, 20, 20]
    """
    _panels.classifier(model)
    place = _panels.one(ax)
    if normalize not in ("true", None):
        raise ArgumentError(f'normalize is {normalize!r}, want "true" or None')
    images = fitted(model).images(X)
    labels = images.given_labels(y)
    names = _panels.names_of(model, images.labels if y is None else y, class_names)
    truth = _labels.to_indices(labels, model.classes_)
    predicted = fitted(model).predict(images, "label", noise, samples, random_state, std, labels)
    matrix = _matrix(truth, predicted, len(names), normalize)
    with _panels.style(ax):
        if place is None:
            place = _panels.figure(3.9).subplots()
        _draw(place, matrix, [_panels.short(name, 16 if len(names) <= 12 else 12) for name in names])
        place.set_title(f"accuracy {(truth == predicted).mean():.3f}, noise: {noise}")
    return _panels.figure_of(place)


def _matrix(truth: np.ndarray, predicted: np.ndarray, count: int, normalize: str | None) -> np.ndarray:
    matrix = np.bincount(count * truth + predicted, minlength=count**2).reshape(count, count)
    return matrix / np.maximum(matrix.sum(1, keepdims=True), 1) if normalize else matrix


def _draw(ax: Any, matrix: np.ndarray, names: Sequence[str]) -> None:
    shares = matrix.dtype.kind == "f"
    image = ax.imshow(matrix, cmap="Blues", vmin=0, vmax=1 if shares else max(matrix.max(), 1))
    ax.set(xlabel="predicted class", ylabel="true class")
    bar = ax.figure.colorbar(image, ax=ax, location="bottom", fraction=0.05, aspect=30, pad=0.02)
    bar.set_label("share of the true class" if shares else "images")
    if shares:
        bar.ax.xaxis.set_major_formatter(_panels.matplotlib().ticker.PercentFormatter(1))
    fig = _panels.figure_of(ax)
    for _ in range(2):  # the names need room, and that decides on their size
        _name_ticks(ax, names)
        fig.draw_without_rendering()
    _numbers(ax, matrix * 100 if shares else matrix, image.norm.vmax * (100 if shares else 1))


def _name_ticks(ax: Any, names: Sequence[str]) -> None:
    """Every class's name, or, of too many to be read, every second, third, ..."""
    size = 0.8 * _cell(ax, len(names))
    step = int(np.ceil(_LEAST / size))
    most = ax.xaxis.label.get_fontsize()
    shown = {"ticks": range(len(names))[::step], "labels": names[::step], "fontsize": min(size * step, most)}
    ax.set_yticks(**shown)
    if len(names) > 12 or max(map(len, names)) > 2:
        few = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
        shown |= few if len(names) <= 12 else {"rotation": 90}
    ax.set_xticks(**shown)


def _numbers(ax: Any, values: np.ndarray, top: float) -> None:
    """In every cell that does not round to 0, where they are large enough to be read."""
    texts = np.array([[f"{v:.0f}" for v in row] for row in values])
    letters = np.char.str_len(texts).max()
    size = min(1.3 * _cell(ax, len(values)) / max(letters, 2), ax.xaxis.label.get_fontsize())
    if size < 3:
        return
    for (i, j), text in np.ndenumerate(texts):
        if text != "0":
            colour = "white" if values[i, j] > 0.55 * top else "black"
            ax.text(j, i, text, ha="center", va="center", color=colour, fontsize=size)


def _cell(ax: Any, count: int) -> float:
    """About the side of a cell, in points."""
    box = ax.get_window_extent()
    return min(box.width, box.height) / ax.figure.dpi * 72 / count
