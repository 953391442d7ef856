"""A picture of classwise inference, the paper's Algorithm 2, for one image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError, ArgumentTypeError
from . import _panels
from ._classifier import (
    VPNClassifier,
    images_of,
    indices_of,
    is_array,
    names_of,
    noise_std,
    pixels_of,
    reading,
    to_numpy,
    whole,
    with_noise_at_pixels,
)
from ._panels import BLUE, ORANGE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, FigureBase

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
    ax: FigureBase | Sequence[Axes] | np.ndarray | None = None,
) -> Figure:
    """Draws how `predict(noise="classwise")` decides on one image.

    The picture has the image, its sigma for every class, and its `classwise_scores`. sigma is in units of
    the pixel range 0 to 1, on one scale, as the mean over the channels. A score is the probability of a
    class under its own noise, 0 to 1; the scores have no fixed sum. The class chosen is orange.

    Parameters
    ----------
    model : a fitted classifier of mode joint or frozen, with its noise at pixels
    image : one image as `fit` took it: (H, W, C), (H, W), F features, or an array of one image, X[:1]
    y : its label, to be marked
    samples, random_state : those of `classwise_scores`
    class_names : names in the order of classes_
        None takes the labels.
    max_classes : int
        If there are more classes, those with the highest scores are shown.
    ax : Axes for the image, for the map of every class shown, and for the bars; a Figure or a SubFigure
        See `govpn.plot`.

    Raises
    ------
    ValueError : for more than one image or label; otherwise as `plot_noise`

    Examples
    --------

    >>> import govpn, numpy as np
    >>> X, y = np.random.default_rng(0).integers(0, 256, (60, 8, 8), np.uint8), np.arange(60) % 3
    >>> clf = govpn.VPNClassifier("sr", device="go", epochs=2, batch_size=20, random_state=0, verbose=0)
    >>> fig = govpn.plot.plot_classwise(clf.fit(X, y), X[0], y[0])
    >>> np.allclose([bar.get_width() for bar in fig.axes[4].patches], clf.classwise_scores(X[:1])[0])
    True
    """
    with_noise_at_pixels(model)
    pixels = _one_image(model, image)
    true = _index(model, y)
    names = names_of(model, y, class_names)
    count = min(_at_least_one(max_classes), len(names))
    place = _panels.several(ax, count + 2, "the image, sigma of every class shown, and the bars")
    scores = model.classwise_scores(images_of(pixels), samples, random_state)[0]
    best = np.argsort(-scores, kind="stable")
    shown = sorted(best[:count].tolist())
    images, std = noise_std(model, pixels.repeat(count, 0), model.classes_[shown])
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
    count = whole(max_classes, "max_classes")
    if count < 1:
        raise ArgumentError(f"max_classes is {count}, want at least 1")
    return count


def _one_image(model: VPNClassifier, image: Any) -> np.ndarray:
    """Returns the image as an array of one, in a shape that the model takes."""
    with reading("image", image, "one image as fit took it"):
        array = is_array(image)
    if not array:  # a path, a PIL image
        pixels = pixels_of(model, [image])
        if len(pixels) != 1:
            raise ArgumentError(f"image has {len(pixels)} images, want one")
        return pixels
    with reading("image", image, "one image as fit took it"):
        pixels, shape = to_numpy(image, "image"), model.image_shape_
    h, w, c = shape
    if not isinstance(pixels, np.ndarray):
        raise ArgumentTypeError(f"image is a {type(image).__name__}, want one image as fit took it")
    for one in (shape, (h, w) if c == 1 else shape, (c, h, w), (model.n_features_in_,)):
        if pixels.shape in (one, (1, *one)):
            return pixels_of(model, pixels.reshape(1, *one))
    raise ArgumentError(
        f"image has shape {pixels.shape}, want one image of shape {shape}, or an array of one"
    )


def _index(model: VPNClassifier, y: Any) -> int | None:
    if y is None:
        return None
    with reading("y", y, "the label of the image"):
        labels = np.reshape(y, -1)
    if len(labels) != 1:
        raise ArgumentError(f"y has {len(labels)} labels, want 1: that of the image")
    return int(indices_of(model, labels, 1)[0])


def _layout(fig: FigureBase | None, count: int) -> list[Axes]:
    """Lays out the image and the bars, and the maps below them."""
    across = min(_ACROSS, count)
    down = -(-count // across)
    top, bottom = max(1.4, 0.5 + 0.13 * count), 0.4 + (0.2 + 3.2 / across) * down
    if fig is None:
        fig = _panels.figure(top + bottom)
    halves = fig.add_gridspec(2, 1, height_ratios=[top, bottom])
    above = halves[0].subgridspec(1, 2, width_ratios=[2, 3])
    image, bars = above[0], above[1]
    cells = halves[1].subgridspec(down, across)
    maps = [cells[i // across, i % across] for i in range(count)]
    return [fig.add_subplot(place) for place in (image, *maps, bars)]


def _maps(axes: Sequence[Axes], std: np.ndarray, names: Sequence[str], chosen: int) -> None:
    top = float(std.mean(-1).max())
    for ax, s, name in zip(axes, std, names, strict=True):
        heat = _panels.show_std(ax, s, top)
        ax.set_title(_panels.short(name, 12), pad=3)
    for spine in axes[chosen].spines.values():
        spine.set(color=ORANGE, linewidth=2)
    bar = _panels.figure_with(axes[0]).colorbar(heat, ax=list(axes), location="bottom", aspect=40, pad=0.02)
    bar.set_label("σ under the noise of each class (pixel range)")


def _bars(ax: Axes, scores: np.ndarray, labels: Sequence[str], chosen: int) -> None:
    places = range(len(scores))
    bars = ax.barh(places, scores, color=[ORANGE if i == chosen else BLUE for i in places])
    ax.set_yticks(places, labels)
    ax.bar_label(bars, fmt="%.2f", padding=2)
    ax.invert_yaxis()
    ax.set_xlim(0, 1.3 * scores.max() or 1)
    ax.set_xticks([t for t in ax.get_xticks() if t <= 1])
    ax.set_xlabel("score (probability)")
