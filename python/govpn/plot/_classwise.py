"""Classwise inference, the paper's Algorithm 2, of one image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _params
from .._inputs import labels as _labels
from .._inputs.foreign import is_array, to_numpy
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
    """How `predict(noise="classwise")` decides on one image: the image; its sigma for every class (in units
    of the pixel range 0 to 1, one scale, the mean over the channels); and its `classwise_scores`: every
    class's probability under its own noise, 0 to 1, of no fixed sum. The class chosen is orange.

    model : a fitted classifier of mode joint or frozen, with its noise at pixels
    image : one image as `fit` took it, (H, W, C) or (H, W), or F features; or an array of one, X[:1]
    y : its label, to be marked; samples, random_state : those of `classwise_scores`
    class_names : in the order of classes_ (default: the labels)
    max_classes : of more classes, those of the highest scores are shown
    ax : Axes for image, map of every class shown, and bars; a Figure or a SubFigure; see `govpn.plot`

    Errors are those of `plot_noise`, and a ValueError of more than one image or label.

    >>> import govpn, numpy as np
    >>> X, y = np.random.default_rng(0).integers(0, 256, (60, 8, 8), np.uint8), np.arange(60) % 3
    >>> clf = govpn.VPNClassifier("sr", device="go", epochs=2, batch_size=20, random_state=0, verbose=0)
    >>> fig = govpn.plot.plot_classwise(clf.fit(X, y), X[0], y[0])
    >>> np.allclose([bar.get_width() for bar in fig.axes[4].patches], clf.classwise_scores(X[:1])[0])
    True
    """
    _panels.with_noise_at_pixels(model)
    pixels = _one_image(model, image)
    true = _index(model, y)
    names = _panels.names_of(model, y, class_names)
    count = min(_at_least_one(max_classes), len(names))
    place = _panels.several(ax, count + 2, "the image, sigma of every class shown, and the bars")
    scores = model.classwise_scores(_panels.images_of(pixels), samples, random_state)[0]
    best = np.argsort(-scores, kind="stable")
    shown = sorted(best[:count].tolist())
    images, std = _panels.noise_std(model, pixels.repeat(count, 0), model.classes_[shown])
    with _panels.style(ax):
        axes = place if isinstance(place, list) else _layout(place, count)
        _panels.show_image(axes[0], images[0])
        axes[0].set_title("image")
        _maps(axes[1:-1], std, [names[k] for k in shown], shown.index(best[0]))
        labels = [_panels.short(names[k]) + " (true)" * (k == true) for k in shown]
        _bars(axes[-1], scores[shown], labels, shown.index(best[0]))
        axes[-1].set_title(f"chosen: {_panels.short(names[best[0]])}", color=ORANGE)
    return _panels.figure_of(axes[0])


def _at_least_one(max_classes: Any) -> int:
    count = _params.whole(max_classes, "max_classes")
    if count < 1:
        raise ArgumentError(f"max_classes is {count}, want at least 1")
    return count


def _one_image(model: Any, image: Any) -> np.ndarray:
    """The image as an array of one, of a shape that the model takes."""
    if not is_array(image):  # a path, a PIL image
        return _panels.pixels_of(model, [image])
    pixels, shape = to_numpy(image, "image"), model.image_shape_
    h, w, c = shape
    for one in (shape, (h, w) if c == 1 else shape, (c, h, w), (model.n_features_in_,)):
        if pixels.shape in (one, (1, *one)):
            return _panels.pixels_of(model, pixels.reshape(1, *one))
    raise ArgumentError(
        f"image has shape {pixels.shape}, want one image of shape {shape}, or an array of one"
    )


def _index(model: Any, y: Any) -> int | None:
    if y is None:
        return None
    labels = _labels.as_labels(np.reshape(y, -1))
    if len(labels) != 1:
        raise ArgumentError(f"y has {len(labels)} labels, want 1: that of the image")
    return int(_labels.to_indices(labels, model.classes_)[0])


def _layout(fig: Any, count: int) -> list[Any]:
    """Image and bars, and below them the maps."""
    across = min(_ACROSS, count)
    down = -(-count // across)
    top, bottom = max(1.4, 0.5 + 0.13 * count), 0.4 + (0.2 + 3.2 / across) * down
    if fig is None:
        fig = _panels.figure(top + bottom)
    upper, lower = fig.add_gridspec(2, 1, height_ratios=[top, bottom])
    image, bars = upper.subgridspec(1, 2, width_ratios=[2, 3])
    cells = lower.subgridspec(down, across)
    maps = [cells[i // across, i % across] for i in range(count)]
    return [fig.add_subplot(place) for place in (image, *maps, bars)]


def _maps(axes: Sequence[Any], std: np.ndarray, names: Sequence[str], chosen: int) -> None:
    top = float(std.mean(-1).max())
    for ax, s, name in zip(axes, std, names, strict=True):
        heat = _panels.show_std(ax, s, top)
        ax.set_title(_panels.short(name, 12), pad=3)
    for spine in axes[chosen].spines.values():
        spine.set(color=ORANGE, linewidth=2)
    bar = axes[0].figure.colorbar(heat, ax=list(axes), location="bottom", aspect=40, pad=0.02)
    bar.set_label("σ under the noise of each class (pixel range)")


def _bars(ax: Any, scores: np.ndarray, labels: Sequence[str], chosen: int) -> None:
    places = range(len(scores))
    bars = ax.barh(places, scores, color=[ORANGE if i == chosen else BLUE for i in places])
    ax.set_yticks(places, labels)
    ax.bar_label(bars, fmt="%.2f", padding=2)
    ax.invert_yaxis()
    ax.set_xlim(0, 1.3 * scores.max() or 1)
    ax.set_xticks([t for t in ax.get_xticks() if t <= 1])
    ax.set_xlabel("score (probability)")
