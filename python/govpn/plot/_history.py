"""A picture of training: curves by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError
from . import _panels
from ._classifier import VPNClassifier, classifier, reading
from ._panels import BLUE, ORANGE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, FigureBase

_NAMES = ("epoch", "loss", "val_loss", "accuracy", "val_accuracy", "std_mean", "std_min", "std_max")


def plot_history(
    model: VPNClassifier | Mapping[str, Sequence[float]],
    *,
    ax: FigureBase | Sequence[Axes] | np.ndarray | None = None,
) -> Figure:
    """Draws loss, accuracy and sigma by epoch, in 2 or 3 panels below each other.

    The loss is in nats per image, the accuracy 0 to 1. Modes with noise have a panel of sigma: its mean, and
    its range from the least to the largest. The training loss is the whole objective, on noisy images;
    val_loss is the cross-entropy without noise. Without validation data there are no curves of it.

    Parameters
    ----------
    model : a fitted classifier, or its history_
    ax : 2 Axes (loss, accuracy), or 3 with sigma; a Figure or a SubFigure
        See `govpn.plot`.

    Raises
    ------
    ValueError : without epochs, as after an import of weights; for the wrong number of Axes
    TypeError : for another kind of ax

    Examples
    --------

    >>> import govpn, numpy as np
    >>> X, y = np.random.default_rng(0).integers(0, 256, (60, 8, 8), np.uint8), np.arange(60) % 3
    >>> clf = govpn.VPNClassifier("sr", device="go", epochs=2, batch_size=20, random_state=0, verbose=0)
    >>> fig = govpn.plot.plot_history(clf.fit(X, y))
    >>> [ax.get_title() for ax in fig.axes]
    ['loss', 'accuracy', 'noise']
    """
    history, unit = _history(model)
    curves = [("loss", "nats per image"), ("accuracy", "fraction right")]
    noisy = bool(np.isfinite(history["std_mean"]).any())
    count = len(curves) + noisy
    place = _panels.several(ax, count, "loss, accuracy" + ", sigma" * noisy)
    with _panels.style(ax):
        axes = _panels.grid(place, count, 1, 0.4 + 1.15 * count, sharex=True)
        for panel, (name, label) in zip(axes, curves, strict=False):
            _curve(panel, history, name, BLUE, "training")
            _curve(panel, history, "val_" + name, ORANGE, "validation")
            panel.set(title=name, ylabel=label)
        axes[0].legend(frameon=False)
        if noisy:
            _noise(axes[2], history, unit)
        for panel in axes:
            panel.set_xlabel("epoch")
            locator: Any = panel.xaxis.get_major_locator()
            locator.set_params(integer=True)
            if not isinstance(place, list):
                panel.label_outer()
    return _panels.figure_of(axes[0])


def _history(model: VPNClassifier | Mapping[str, Sequence[float]]) -> tuple[dict[str, np.ndarray], str]:
    """Returns the columns, and the unit of sigma."""
    unit = "pixel range"
    if isinstance(model, Mapping):
        given = model
    else:
        given = classifier(model).history_
        if layer := model.config_["noise_layer"]:
            unit = f"units of layer {layer}"
    if missing := [name for name in _NAMES if name not in given]:
        raise ArgumentError(f"the history has no {', '.join(missing)}; want the history_ of a classifier")
    with reading("model", given, "the history_ of a classifier"):
        history = {name: np.asarray(given[name], float) for name in _NAMES}
    if not len(history["epoch"]):
        raise ArgumentError("the history has 0 epochs, want at least 1: call fit first")
    return history, unit


def _curve(ax: Axes, history: Mapping[str, np.ndarray], name: str, colour: str, label: str) -> None:
    if np.isfinite(history[name]).any():
        marker = "." if len(history["epoch"]) <= 30 else None
        ax.plot(history["epoch"], history[name], color=colour, marker=marker, markersize=4, label=label)


def _noise(ax: Axes, history: Mapping[str, np.ndarray], unit: str) -> None:
    low, high = history["std_min"], history["std_max"]
    ax.fill_between(history["epoch"], low, high, color=BLUE, alpha=0.2, lw=0, label="min to max")
    _curve(ax, history, "std_mean", BLUE, "mean")
    ax.set(title="noise", ylabel=f"σ ({unit})")
    ax.set_ylim(0, 1.6 * np.nanmax(high) or 1)
    ax.legend(frameon=False, loc="upper right")
