"""A picture of which classes are taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .._reading import shown
from ..errors import ArgumentError
from . import _panels
from ._classifier import VPNClassifier, classifier, predicted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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
    ax: Axes | None = None,
) -> Figure:
    """Draws the confusion matrix: a row per true class, a column per predicted one, as in classes_.

    The matrix is the data of ax.images[0]. It equals sklearn.metrics.confusion_matrix of the prediction. A
    number that rounds to 0 is left blank. All numbers are left out if they would be too small to read: in
    one column of a paper, beyond some 40 classes.

    Parameters
    ----------
    model : a fitted classifier
    X, y : labelled images, or a stream, as `score` takes them
    noise, samples, random_state, std : how to predict, as in `evaluate`
        "label" is leakage.
    normalize : "true" or None
        "true" shows each row's shares in percent; a row without images is 0. None shows counts.
    class_names : names in the order of classes_
        None takes those that y carries (`govpn.datasets.Labels`), or the labels.
    ax : one Axes
        See `govpn.plot`.

    Raises
    ------
    NotFittedError : before fit
    ValueError : for labels, shapes or names that do not fit
    TypeError : for another kind of ax

    Examples
    --------

    >>> import govpn, numpy as np
    >>> X, y = np.random.default_rng(0).integers(0, 256, (60, 8, 8), np.uint8), np.arange(60) % 3
    >>> clf = govpn.VPNClassifier("sr", device="go", epochs=2, batch_size=20, random_state=0, verbose=0)
    >>> fig = govpn.plot.plot_confusion(clf.fit(X, y), X, y, normalize=None)
    >>> fig.axes[0].images[0].get_array().sum(axis=1).tolist()
    [20, 20, 20]
    """
    classifier(model)
    place = _panels.one(ax)
    if normalize is not None and not (isinstance(normalize, str) and normalize == "true"):
        raise ArgumentError(f'normalize is {shown(normalize)}, want "true" or None')
    truth, found, names = predicted(model, X, y, class_names, noise, samples, random_state, std)
    matrix = _matrix(truth, found, len(names), normalize)
    with _panels.style(ax):
        if place is None:
            place = _panels.figure(3.9).subplots()
        _draw(place, matrix, [_panels.short(name, 16 if len(names) <= 12 else 12) for name in names])
        place.set_title(f"accuracy {(truth == found).mean():.3f}, noise: {noise}")
    return _panels.figure_of(place)


def _matrix(truth: np.ndarray, found: np.ndarray, count: int, normalize: str | None) -> np.ndarray:
    matrix = np.bincount(count * truth + found, minlength=count**2).reshape(count, count)
    return matrix / np.maximum(matrix.sum(1, keepdims=True), 1) if normalize else matrix


def _draw(ax: Axes, matrix: np.ndarray, names: Sequence[str]) -> None:
    shares = matrix.dtype.kind == "f"
    top = 1.0 if shares else float(max(matrix.max(), 1))
    image = ax.imshow(matrix, cmap="Blues", vmin=0, vmax=top)
    ax.set(xlabel="predicted class", ylabel="true class")
    bar = _panels.figure_with(ax).colorbar(
        image, ax=ax, location="bottom", fraction=0.05, aspect=30, pad=0.02
    )
    bar.set_label("share of the true class" if shares else "images")
    if shares:
        bar.ax.xaxis.set_major_formatter(_panels.matplotlib().ticker.PercentFormatter(1))
    fig = _panels.figure_of(ax)
    for _ in range(2):  # names take room from the cells, and the cells decide on the size of the names
        _name_ticks(ax, names)
        fig.draw_without_rendering()
    _numbers(ax, matrix * 100 if shares else matrix, top * (100 if shares else 1))


def _name_ticks(ax: Axes, names: Sequence[str]) -> None:
    """Names every class, or every second, third, ... if all names would be too small to read."""
    size = 0.8 * _cell(ax, len(names))
    step = int(np.ceil(_LEAST / size))
    most = ax.xaxis.label.get_fontsize()
    shown: dict[str, Any] = {
        "ticks": range(len(names))[::step],
        "labels": names[::step],
        "fontsize": min(size * step, most),
    }
    ax.set_yticks(**shown)
    if len(names) > 12 or max(map(len, names)) > 2:
        few: dict[str, Any] = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
        shown |= few if len(names) <= 12 else {"rotation": 90}
    ax.set_xticks(**shown)


def _numbers(ax: Axes, values: np.ndarray, top: float) -> None:
    """Writes the values into their cells, if they are large enough to be read. What rounds to 0 is blank."""
    texts = np.array([[f"{v:.0f}" for v in row] for row in values])
    letters = np.char.str_len(texts).max()
    size = min(1.3 * _cell(ax, len(values)) / max(letters, 2), ax.xaxis.label.get_fontsize())
    if size < 3:
        return
    for (i, j), text in np.ndenumerate(texts):
        if text != "0":
            colour = "white" if values[i, j] > 0.55 * top else "black"
            ax.text(j, i, text, ha="center", va="center", color=colour, fontsize=size)


def _cell(ax: Axes, count: int) -> float:
    """Returns about the side of a cell, in points."""
    box = ax.get_window_extent()
    return float(min(box.width, box.height) / _panels.figure_with(ax).dpi * 72 / count)
