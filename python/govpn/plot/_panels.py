"""The panels of the pictures: where they are drawn, and in which style."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from .._reading import reading
from ..errors import ArgumentError, ArgumentTypeError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, FigureBase
    from matplotlib.image import AxesImage

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
    """Returns the module. govpn works without it until a picture is wanted."""
    try:
        with _quiet():
            import matplotlib
            import matplotlib.axes
            import matplotlib.figure
    except ImportError as error:
        raise ImportError("govpn.plot needs matplotlib: pip install 'govpn[notebook]'") from error
    return matplotlib


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps matplotlib's import from telling that its folder is a temporary one.

    It does so on standard error where the home folder cannot be written, as in many containers.
    """
    log = logging.getLogger("matplotlib")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


def pyplot() -> Any:
    """Returns matplotlib.pyplot."""
    matplotlib()
    import matplotlib.pyplot as plt

    return plt


@contextmanager
def style(ax: object = None) -> Iterator[None]:
    """Sets small type for a figure of our own. A figure that is given keeps the caller's style.

    rc_context would also undo what pyplot sets when a notebook's first figure is made.
    """
    params: Any = matplotlib().rcParams
    changed: Mapping[str, Any] = _STYLE if ax is None else {}
    before = {name: params[name] for name in changed}
    params.update(changed)
    try:
        yield
    finally:
        params.update(before)


def one(ax: Any) -> Axes | None:
    """Returns the ax of a picture of one panel. Another type is an error."""
    if ax is None or isinstance(ax, matplotlib().axes.Axes):
        checked: Axes | None = ax
        return checked
    raise ArgumentTypeError(f"ax is of type {type(ax).__name__}, want a matplotlib Axes")


def several(ax: Any, count: int, panels: str) -> FigureBase | list[Axes] | None:
    """Returns the ax of a picture of several panels: None, a Figure, a SubFigure or a list of Axes.

    Another type, or another number of Axes than count, is an error that names the panels.
    """
    mpl = matplotlib()
    if ax is None or isinstance(ax, mpl.figure.FigureBase):
        place: FigureBase | None = ax
        return place
    want = f"{count} Axes ({panels}), or a Figure or SubFigure"
    with reading("ax", ax, want):
        axes: list[Axes] = list(np.asarray(ax, object).flat)
    if isinstance(ax, mpl.axes.Axes) or not all(isinstance(a, mpl.axes.Axes) for a in axes):
        raise ArgumentTypeError(f"ax is of type {type(ax).__name__}, want {want}")
    if len(axes) != count:
        raise ArgumentError(f"ax has {len(axes)} Axes, want {count}: {panels}")
    return axes


def figure(height: float) -> Figure:
    """Returns a new figure of pyplot's, one column wide."""
    fig: Figure = pyplot().figure(figsize=(WIDTH, height), layout="compressed", dpi=200)
    return fig


def grid(
    place: FigureBase | list[Axes] | None, rows: int, columns: int, height: float, **options: Any
) -> list[Axes]:
    """Returns the Axes of a picture, row by row.

    They are those given, or new ones in the figure that is given, or new ones in a new figure.
    """
    if isinstance(place, list):
        return place
    fig = figure(height) if place is None else place
    return list(fig.subplots(rows, columns, squeeze=False, **options).flat)


def figure_of(ax: Axes) -> Figure:
    """Returns the Figure that has ax, also if ax lies in a SubFigure."""
    figure: Figure = figure_with(ax).figure  # a SubFigure's is the whole Figure, a Figure's is itself
    return figure


def figure_with(ax: Axes) -> Any:
    """Returns the Figure or SubFigure that ax lies in."""
    return ax.figure


def show_image(ax: Axes, image: np.ndarray) -> None:
    """Shows an image (H, W, C) from 0 to 1. Other pixels are clipped."""
    image = np.clip(image, 0, 1)
    ax.imshow(image if image.shape[-1] == 3 else image.mean(-1), cmap="gray", vmin=0, vmax=1)
    ax.set(xticks=[], yticks=[])


def show_std(ax: Axes, std: np.ndarray, top: float) -> AxesImage:
    """Shows a heat map of sigma (H, W, C), the mean over the channels, from 0 to top."""
    heat = ax.imshow(std.mean(-1), cmap="magma", vmin=0, vmax=top or 1)
    ax.set(xticks=[], yticks=[])
    return heat


def short(name: str, length: int = 16) -> str:
    """Cuts a name to that many letters."""
    return name if len(name) <= length else name[: length - 1] + "…"
