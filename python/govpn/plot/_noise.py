"""A picture of the noise of images, by class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _panels
from ._classifier import (
    VPNClassifier,
    images_of,
    indices_of,
    names_of,
    noise_std,
    pixels_of,
    with_noise_at_pixels,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, FigureBase
    from matplotlib.image import AxesImage


def plot_noise(
    model: VPNClassifier,
    X: Any,
    y: Any,
    *,
    class_names: Sequence[str] | None = None,
    random_state: Any = None,
    ax: FigureBase | Sequence[Axes] | np.ndarray | None = None,
) -> Figure:
    """Draws the first image of every class in y, a row each.

    A row has the image, a heat map of sigma (one scale for all rows), noise drawn from it, and the noisy
    image, whose pixels are clipped to 0..1. sigma and noise are in units of the pixel range 0 to 1. The heat
    map of colour images shows the mean over the channels. Their noise is shown by channel, with grey for 0.

    Parameters
    ----------
    model : a fitted classifier of mode joint or frozen, with its noise at pixels
    X : images (N, H, W, C) or (N, H, W), uint8 or float, or features (N, F), as `fit` took them
        A stream is refused.
    y : their labels (N,)
        Select images to draw fewer classes.
    class_names : names of all classes, in the order of classes_
        None takes those that y carries (`govpn.datasets.Labels`), or the labels.
    random_state : of the noise
        None takes the model's own seed.
    ax : 4 Axes per class in y, row by row; a Figure or a SubFigure
        See `govpn.plot`.

    Raises
    ------
    NotFittedError : before fit
    ValueError : without a generator; for noise at a hidden layer, which is no image; for labels, shapes,
        names or a number of Axes that do not fit
    TypeError : for a stream, or another kind of ax

    Examples
    --------

    >>> import govpn, numpy as np
    >>> X, y = np.random.default_rng(0).integers(0, 256, (60, 8, 8), np.uint8), np.arange(60) % 3
    >>> clf = govpn.VPNClassifier("sr", device="go", epochs=2, batch_size=20, random_state=0, verbose=0)
    >>> fig = govpn.plot.plot_noise(clf.fit(X, y), X, y, class_names=["cat", "dog", "cow"])
    >>> [ax.get_title() for ax in fig.axes[:4]]
    ['image', 'σ', 'noise', 'noisy image']
    """
    with_noise_at_pixels(model)
    pixels = pixels_of(model, X)
    names = names_of(model, y, class_names)
    indices = indices_of(model, y, len(pixels))
    shown, rows = np.unique(indices, return_index=True)
    place = _panels.several(ax, 4 * len(rows), "image, sigma, noise and noisy image of every class in y")
    pixels, labels = pixels[rows], model.classes_[shown]
    images, std = noise_std(model, pixels, labels)
    noise = model.sample_noise(images_of(pixels), labels, random_state=random_state)[0]
    with _panels.style(ax):
        axes = _panels.grid(place, len(rows), 4, 0.65 + 0.63 * len(rows))
        for i, index in enumerate(shown):
            axes[4 * i].set_ylabel(_panels.short(names[index]), rotation=0, ha="right", va="center")
        _draw(axes, images, std, noise)
    return _panels.figure_of(axes[0])


def _draw(axes: list[Axes], images: np.ndarray, std: np.ndarray, noise: np.ndarray) -> None:
    top, spread = float(std.mean(-1).max()), float(2 * std.max()) or 1.0
    for row, image, s, e in zip(zip(*[iter(axes)] * 4, strict=True), images, std, noise, strict=True):
        _panels.show_image(row[0], image)
        heat = _panels.show_std(row[1], s, top)
        drawn = _show_noise(row[2], e, spread)
        _panels.show_image(row[3], image + e)
    for ax, title in zip(axes, ("image", "σ", "noise", "noisy image"), strict=False):
        ax.set_title(title)
    for column, shown, extend in ((1, heat, "neither"), (2, drawn, "both")):
        few = _panels.matplotlib().ticker.MaxNLocator(2)
        options: dict[str, Any] = {"location": "bottom", "aspect": 10, "pad": 0.01, "extend": extend}
        fig = _panels.figure_with(axes[0])
        fig.colorbar(shown, ax=axes[column::4], ticks=few, **options).set_label("pixel range")


def _show_noise(ax: Axes, noise: np.ndarray, spread: float) -> AxesImage:
    """Shows noise from -spread to spread: colours by channel, with a grey scale for the colour bar."""
    colours = noise.shape[-1] == 3
    grey = "gray" if colours else "RdBu_r"
    drawn = ax.imshow(noise.mean(-1), cmap=grey, vmin=-spread, vmax=spread)
    if colours:
        ax.imshow(np.clip((noise / spread + 1) / 2, 0, 1))
    ax.set(xticks=[], yticks=[])
    return drawn
