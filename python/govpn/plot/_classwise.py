"""Classwise inference, the paper's Algorithm 2, of one image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _labels, _params
from .._images import as_images
from ..errors import ArgumentError
from . import _panels
from ._panels import BLUE, ORANGE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..estimator import VPNClassifier

_ACROSS = 5  # maps beside each other


def plot_classwise(
    model: VPNClassifier,
    image: Any,
    y: Any = None,
    *,
    samples: int = 1,
    random_state: Any = None,
    class_names: Sequence[str] | None = None,
    max_classes: int = 20,
    ax: Any = None,
) -> Figure:
    """How `predict(noise="classwise")` decides on one image: the image, the sigma that the generator gives it
    for every class (in units of the pixel range 0 to 1, one scale, the mean over the channels), and the
    scores of `classwise_scores`: every class's probability under its own noise, which is from 0 to 1, but of
    no common sum. The class chosen is orange, in the bars and in the frame of its map.

    model : a fitted classifier of mode joint or frozen, with its noise at pixels
    image : one image as `fit` took it, (H, W, C) or (H, W), or F features; or an array of one, X[:1]
    y : its label, to be marked; or None
    samples, random_state : those of `classwise_scores`
    class_names : of all classes, in the order of classes_. None: the labels
    max_classes : of more classes, those of the highest scores are shown
    ax : an Axes for the image, one per class shown for the maps, and one for the bars, in this order; a
        Figure or a SubFigure; see `govpn.plot`

    A NotFittedError before fit; a ValueError without a generator, of noise at a hidden layer, of another
    shape, of a label that is no class, and of names or a number of Axes that do not fit; a TypeError of
    another kind of ax.

    >>> import govpn, numpy as np
    >>> X, y = np.random.default_rng(0).integers(0, 256, (60, 8, 8), np.uint8), np.arange(60) % 3
    >>> clf = govpn.VPNClassifier("sr", device="go", epochs=2, batch_size=20, random_state=0, verbose=0)
    >>> fig = govpn.plot.plot_classwise(clf.fit(X, y), X[0], y[0])
    >>> np.allclose([bar.get_width() for bar in fig.axes[4].patches], clf.classwise_scores(X[:1])[0])
    True
    """
    _panels.with_noise_at_pixels(model)
    pixels = _one_image(model, image)
    names = _panels.names_of(model, y, class_names)
    if y is not None:
        true = _labels.to_indices(_labels.as_labels(np.reshape(y, -1)[:1]), model.classes_)[0]
        names[true] += " (true)"
    count = min(_params.whole(max_classes, "max_classes"), len(names))
    if count < 1:
        raise ArgumentError(f"max_classes is {max_classes}, want at least 1")
    place = _panels.several(ax, count + 2, "the image, sigma of every class shown, and the bars")
    scores = model.classwise_scores(as_images(pixels), samples, random_state)[0]
    best = np.argsort(-scores, kind="stable")
    shown = np.sort(best[:count])
    images, std = _panels.noise_std(model, pixels.repeat(count, 0), model.classes_[shown])
    with _panels.style(ax):
        axes = place if isinstance(place, list) else _layout(place, count)
        _panels.show_image(axes[0], images[0])
        axes[0].set_title("image")
        chosen = int(np.flatnonzero(shown == best[0])[0])
        titles = [_panels.short(names[k]) for k in shown]
        _maps(axes[1:-1], std, titles, chosen)
        _bars(axes[-1], scores[shown], titles, chosen)
    return _panels.figure_of(axes[0])


def _one_image(model: Any, image: Any) -> np.ndarray:
    """The image as an array of one, of a shape that the model takes."""
    pixels, shape = np.asarray(image), model.image_shape_
    for one in (shape, shape[:2] if shape[2] == 1 else shape, (model.n_features_in_,)):
        if pixels.shape in (one, (1, *one)):
            return _panels.pixels_of(model, pixels.reshape(1, *one))
    raise ArgumentError(f"image has shape {pixels.shape}, want one image of shape {shape}, or an array of one")


def _layout(fig: Any, count: int) -> list[Any]:
    """Image and bars, and below them the maps."""
    down = -(-count // _ACROSS)
    top = max(1.3, 0.5 + 0.12 * count)
    if fig is None:
        fig = _panels.figure(top + 0.45 + 0.8 * down)
    grid = fig.add_gridspec(1 + down, _ACROSS, height_ratios=[top, *[0.8] * down])
    maps = [fig.add_subplot(grid[1 + i // _ACROSS, i % _ACROSS]) for i in range(count)]
    return [fig.add_subplot(grid[0, :2]), *maps, fig.add_subplot(grid[0, 2:])]


def _maps(axes: Sequence[Any], std: np.ndarray, titles: Sequence[str], chosen: int) -> None:
    top = float(std.mean(-1).max())
    for ax, s, title in zip(axes, std, titles, strict=True):
        heat = _panels.show_std(ax, s, top)
        ax.set_title(title)
    axes[chosen].spines[:].set(color=ORANGE, linewidth=2)
    bar = axes[0].figure.colorbar(heat, ax=list(axes), location="bottom", aspect=40, fraction=0.05, pad=0.01)
    bar.set_label("σ under the noise of each class (pixel range)")


def _bars(ax: Any, scores: np.ndarray, titles: Sequence[str], chosen: int) -> None:
    colours = [ORANGE if i == chosen else BLUE for i in range(len(scores))]
    bars = ax.barh(titles, scores, color=colours)
    ax.bar_label(bars, [f"{s:.2f}" + " chosen" * (i == chosen) for i, s in enumerate(scores)], padding=2)
    ax.invert_yaxis()
    ax.margins(x=0.3)
    ax.set(title="classwise scores", xlabel="probability under the class's own noise")
