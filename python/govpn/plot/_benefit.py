"""A picture of whether the noise helps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentTypeError
from . import _panels
from ._classifier import Z95, NoiseBenefit
from ._panels import BLUE, GREEN, GREY, ORANGE, PINK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, FigureBase


def plot_noise_benefit(
    benefit: NoiseBenefit, *, ax: FigureBase | Sequence[Axes] | np.ndarray | None = None
) -> Figure:
    """Draws what `VPNClassifier.noise_benefit` found, with 95 % intervals.

    The left panel has I(T,E) in nats, for all images and for every class, under the learned noise and under
    the matched Gaussian noise. The right panel has the accuracies, 0 to 1. Their differences are surer than
    their intervals: see classwise_gain. benefit.reading() makes a caption.

    Parameters
    ----------
    benefit : NoiseBenefit
    ax : 2 Axes (information, accuracies), a Figure or a SubFigure
        See `govpn.plot`.

    Raises
    ------
    ValueError : for the wrong number of Axes
    TypeError : for another kind of ax or benefit

    Examples
    --------

    >>> import govpn, numpy as np
    >>> X, y = np.random.default_rng(0).integers(0, 256, (60, 8, 8), np.uint8), np.arange(60) % 3
    >>> clf = govpn.VPNClassifier("sr", device="go", epochs=2, batch_size=20, random_state=0, verbose=0)
    >>> fig = govpn.plot.plot_noise_benefit(clf.fit(X, y).noise_benefit(X, y, samples=1))
    >>> [ax.get_xlabel() for ax in fig.axes]
    ['estimate of I(T,E) (nats)', 'fraction right']
    """
    if not isinstance(benefit, NoiseBenefit):
        raise ArgumentTypeError(
            f"benefit is of type {type(benefit).__name__}, want what VPNClassifier.noise_benefit returns"
        )
    place = _panels.several(ax, 2, "information, accuracies")
    names = ["all", *map(_panels.short, benefit.per_class["class"])]
    places = [0.0, *np.arange(1, len(names)) + 0.4]
    with _panels.style(ax):
        height = min(1.6 + 0.17 * len(names), 9)
        left, right = _panels.grid(place, 1, 2, height, width_ratios=[3, 2])
        _information(left, benefit, places)
        small: dict[str, Any] = {"fontsize": min(7, 300 / len(names))} if ax is None else {}
        left.set_yticks(places, names, **small)
        _accuracies(right, benefit)
        fig = _panels.figure_with(left)
        if type(fig.figure.get_layout_engine()).__name__ == "ConstrainedLayoutEngine":
            handles, labels = left.get_legend_handles_labels()
            legend: Any = fig.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
        else:
            legend = left.legend()
        legend.set_title("bars: 95 % intervals", {"size": _panels.matplotlib().rcParams["legend.fontsize"]})
    return _panels.figure_of(left)


def _information(ax: Axes, benefit: NoiseBenefit, places: Sequence[float]) -> None:
    """Draws I(T,E) under both noises: a row for all images and one per class."""
    kinds = (
        ("mutual_information", "learned noise", BLUE, "o", -0.17),
        ("control_information", "Gaussian of the same mean σ", ORANGE, "s", 0.17),
    )
    for name, label, colour, marker, shift in kinds:
        values = np.append(getattr(benefit, name), benefit.per_class[name])
        errors = Z95 * np.append(getattr(benefit, name + "_se"), benefit.per_class[name + "_se"])
        ax.errorbar(
            values, np.add(places, shift), xerr=errors, fmt=marker, color=colour, label=label, ms=2.5, lw=1
        )
    ax.axvline(0, color=GREY, lw=0.6, zorder=0)
    ax.axhline(0.7, color="0.85", lw=0.6, zorder=0)
    ax.invert_yaxis()
    ax.set(title="information in the noise", xlabel="estimate of I(T,E) (nats)")


def _accuracies(ax: Axes, benefit: NoiseBenefit) -> None:
    kinds = (
        ("accuracy", "no noise", GREEN, "D", GREEN),
        ("accuracy_classwise", "classwise", BLUE, "o", BLUE),
        ("accuracy_control", "Gaussian", ORANGE, "s", ORANGE),
        ("accuracy_label_noise", "own label\n(leakage)", PINK, "o", "white"),
    )
    for i, (name, _, colour, marker, face) in enumerate(kinds):
        error = Z95 * getattr(benefit, name + "_se")
        ax.errorbar(getattr(benefit, name), i, xerr=error, fmt=marker, color=colour, mfc=face, ms=3, lw=1)
    ax.set_yticks(range(len(kinds)), [label for _, label, *_ in kinds])
    ax.set_ylim(len(kinds) - 0.5, -0.5)
    ax.set(title="accuracy", xlabel="fraction right")
