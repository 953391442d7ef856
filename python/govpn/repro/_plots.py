"""The pictures of the reports, one column (3.5 inches) wide.

Their colours are Okabe and Ito's, which the colour-blind can tell apart (https://jfly.uni-koeln.de/color/).
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ArgumentError
from ..plot._panels import pyplot as _pyplot
from ..plot._panels import style as _style
from ._cell import Difference

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

COLORS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_WIDTH = 3.5


def save(fig: Figure, path: Path, formats: Sequence[str] = ("png", "svg"), photographs: bool = False) -> None:
    """Writes path.png and path.svg, as far as formats has them, and closes the figure.

    Charts become PNG files of 256 colours, which are a third as large. Photographs keep their colours.
    """
    if "png" in formats:
        from PIL import Image  # comes with matplotlib

        buffer = io.BytesIO()
        fig.savefig(buffer, format="png", dpi=200)
        image = Image.open(buffer).convert("RGB")
        if not photographs:
            image = image.quantize(256, dither=Image.Dither.NONE)
        image.save(path.with_suffix(".png"), optimize=True)
    if "svg" in formats:
        with _pyplot().rc_context({"svg.hashsalt": "govpn", "svg.fonttype": "none"}):  # repeatable, and small
            fig.savefig(path.with_suffix(".svg"), metadata={"Date": None})
    _pyplot().close(fig)


def figure(height: float) -> Figure:
    fig: Figure = _pyplot().figure(figsize=(_WIDTH, height), layout="constrained")
    return fig


Line = tuple[str, Difference, float | None]


def differences(panels: Mapping[str, Sequence[Line]], fig: Figure | None = None) -> Figure:
    """Draws a panel per column of a table, with differences to the baseline in points.

    A line is its name, our difference and the paper's. The interval of two seeds is so wide (12.7
    standard errors) that it does not set the axis: it may leave the panel.
    """
    with _style():
        fig = fig or figure(0.7 + sum(0.35 + 0.13 * len(lines) for lines in panels.values()))
        axes = fig.subplots(
            max(len(panels), 1), 1, squeeze=False, height_ratios=[len(c) + 1 for c in panels.values()] or None
        )[:, 0]
        for ax, (title, lines) in zip(axes, panels.items(), strict=False):
            ends = [0.0]
            for y, (_, d, paper) in enumerate(lines):
                bar = None if np.isnan(d.half) else d.half
                ax.errorbar(d.mean, y, xerr=bar, fmt="o", ms=3, capsize=1.5, color=COLORS[1])
                ends += [d.mean] if d.pairs < 3 else [d.mean - d.half, d.mean + d.half]
                if paper is not None:
                    ax.plot(paper, y, "D", ms=3, mfc="none", color=COLORS[2])
                    ends.append(paper)
            margin = 0.05 * (max(ends) - min(ends)) or 1.0
            ax.set_xlim(min(ends) - margin, max(ends) + margin)
            ax.axvline(0, color="0.6", lw=0.6, zorder=0)
            ax.set_yticks(range(len(lines)), [name for name, _, _ in lines])
            ax.set_ylim(len(lines) - 0.4, -0.6)
            ax.set_title(title, loc="left")
        note = "\n(an interval of two seeds may leave the panel)"
        two = any(d.pairs == 2 for lines in panels.values() for _, d, _ in lines)
        fig.supxlabel("test accuracy minus the baseline's, points" + two * note, fontsize=7)
        axes[0].plot([], [], "o", ms=3, color=COLORS[1], label="here, 95 % interval")
        axes[0].plot([], [], "D", ms=3, mfc="none", color=COLORS[2], label="the paper")
        fig.legend(loc="outside upper center", ncols=2, frameon=False)
    return fig


def curves(
    columns: Mapping[str, Mapping[str, Sequence[Mapping[str, Sequence[float]]]]],
    panels: Mapping[str, str],
    fig: Figure | None = None,
) -> Figure:
    """Draws histories by epoch: a column per title, a row per panel, a line per name.

    A panel is its y label and the name of the figure in a history. A line is the mean over its
    histories. A band reaches from the lowest to the highest.
    """
    with _style():
        fig = fig or figure(0.5 + 1.35 * len(panels))
        axes = fig.subplots(len(panels), len(columns), squeeze=False, sharex="col")
        for j, (title, lines) in enumerate(columns.items()):
            for ax, (label, key) in zip(axes[:, j], panels.items(), strict=True):
                for color, (name, histories) in zip(COLORS, lines.items(), strict=False):
                    values = np.array([h[key] for h in histories], float)
                    epochs = histories[0]["epoch"]
                    ax.plot(epochs, values.mean(0), color=color, label=name)
                    if len(values) > 1:
                        ax.fill_between(epochs, values.min(0), values.max(0), color=color, alpha=0.2, lw=0)
                ax.set_ylabel(label if j == 0 else "")
            axes[0, j].set_title(title)
            axes[-1, j].set_xlabel("epoch")
            axes[-1, j].xaxis.get_major_locator().set_params(integer=True)
        handles, names = axes[0, 0].get_legend_handles_labels()
        fig.legend(handles, names, loc="outside upper center", ncols=min(4, len(names)), frameon=False)
    return fig


Row = tuple[str, np.ndarray, np.ndarray, np.ndarray]
Rows = Sequence[Row]
Draw = Callable[["Axes", "Axes", np.ndarray, np.ndarray], "AxesImage"]


def noise(rows: Rows, across: int = 2, fig: Figure | None = None) -> Figure:
    """Draws image, heat map of the variance and drawn noise, with across rows beside each other.

    A row is a title, an image (H, W, C) from 0 to 1, σ and noise. Each heat map is scaled by its largest
    σ, which stands above it.
    """

    def draw(heat: Axes, other: Axes, std: np.ndarray, drawn: np.ndarray) -> AxesImage:
        shown = _heat(heat, std**2, "viridis", f"σ ≤ {std.max():.3g}")
        scale = max(float(np.abs(drawn).max()), 1e-30)
        _show(other, (drawn / scale + 1) / 2)
        other.set_title(f"±{scale:.2g}", fontsize=6, pad=2)
        return shown

    title = "image, variance of the noise, noise drawn from it (its scale above)"
    label = "variance σ² over its maximum in the image (σ of the pixel range)"
    return _grid(rows, across, draw, title, label, fig)


def explanation(rows: Rows, across: int = 2, fig: Figure | None = None) -> Figure:
    """Draws image, heat map of σ and heat map of the absolute input gradient.

    A row is a title, an image, σ and the gradient.
    """

    def draw(heat: Axes, other: Axes, std: np.ndarray, gradient: np.ndarray) -> AxesImage:
        _heat(other, np.abs(gradient), "viridis", f"≤ {np.abs(gradient).max():.1g}")
        return _heat(heat, std, "viridis", f"σ ≤ {std.max():.3g}")

    title = "image, σ of the noise, absolute input gradient of the loss (nats)"
    label = "value over its maximum in the image (σ of the pixel range)"
    return _grid(rows, across, draw, title, label, fig)


def _grid(rows: Rows, across: int, draw: Draw, title: str, label: str, fig: Figure | None) -> Figure:
    if not rows:
        raise ArgumentError("rows is empty, want at least one image")
    down = -(-len(rows) // across)
    with _style():
        fig = fig or figure(0.6 + down * (_WIDTH / (3 * across) + 0.1))
        axes = fig.subplots(down, 3 * across, squeeze=False)
        for ax in axes.flat:
            ax.axis("off")
        for i, (name, image, std, other) in enumerate(rows):
            left, middle, right = axes[i // across, 3 * (i % across) :][:3]
            _show(left, image)
            left.set_title(textwrap.fill(name, 13), fontsize=6, pad=2)
            heat = draw(middle, right, std.astype(float), other.astype(float))
        fig.suptitle(title, fontsize=7)
        bar = fig.colorbar(heat, ax=axes, location="bottom", fraction=0.03, aspect=40, pad=0.01)
        bar.set_label(label)
    return fig


def _heat(ax: Axes, values: np.ndarray, cmap: str, title: str) -> AxesImage:
    """Shows values (H, W, C): their mean over the channels, divided by its maximum."""
    values = values.mean(-1)
    ax.set_title(title, fontsize=6, pad=2)
    return ax.imshow(values / max(values.max(), 1e-30), cmap=cmap, vmin=0, vmax=1)


def _show(ax: Axes, image: np.ndarray) -> None:
    image = np.clip(image, 0, 1)
    ax.imshow(image if image.shape[-1] == 3 else image.mean(-1), cmap="gray", vmin=0, vmax=1)
