"""The pictures of the report, one column (3.5 inches) wide, in Okabe and Ito's colours, which the
colour-blind can tell apart (https://jfly.uni-koeln.de/color/)."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..plot._panels import pyplot as _pyplot
from ..plot._panels import style as _style

if TYPE_CHECKING:
    from ._report import Report

COLORS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_WIDTH = 3.5


def save(fig: Any, path: Path) -> None:
    """Writes path.png and path.svg."""
    fig.savefig(path.with_suffix(".png"), dpi=200, metadata={"Software": None})
    with _pyplot().rc_context({"svg.hashsalt": "govpn", "svg.fonttype": "none"}):  # repeatable, and small
        fig.savefig(path.with_suffix(".svg"), metadata={"Date": None})
    _pyplot().close(fig)


def figure(height: float) -> Any:
    return _pyplot().figure(figsize=(_WIDTH, height), layout="constrained")


def differences(report: Report, fig: Any = None) -> Any:
    """A panel per column of the table: each line's difference to the baseline in points. The interval of two
    seeds is so wide (12.7 standard errors) that it may leave the panel."""
    from ._report import title_of

    shown = {
        column: {k: c for k in report.lines if (c := report.cells[k, column]) and c.to_baseline}
        for column in report.columns
    }
    shown = {column: cells for column, cells in shown.items() if cells}
    with _style():
        fig = fig or figure(0.7 + sum(0.35 + 0.13 * len(cells) for cells in shown.values()))
        axes = fig.subplots(
            max(len(shown), 1), 1, squeeze=False, height_ratios=[len(c) + 1 for c in shown.values()] or None
        )[:, 0]
        for ax, (column, cells) in zip(axes, shown.items(), strict=False):
            baseline = report.paper_baseline(column)
            ends = [0.0]
            for y, c in enumerate(cells.values()):
                d = c.to_baseline
                bar = None if np.isnan(d.half) else d.half
                ax.errorbar(d.mean, y, xerr=bar, fmt="o", ms=3, capsize=1.5, color=COLORS[1])
                ends += [d.mean] if d.pairs < 3 else [d.mean - d.half, d.mean + d.half]
                if c.paper is not None and baseline is not None:
                    ax.plot(c.paper - baseline, y, "D", ms=3, mfc="none", color=COLORS[2])
                    ends.append(c.paper - baseline)
            margin = 0.05 * (max(ends) - min(ends)) or 1.0
            ax.set_xlim(min(ends) - margin, max(ends) + margin)
            ax.axvline(0, color="0.6", lw=0.6, zorder=0)
            ax.set_yticks(range(len(cells)), [title_of(report.table, k) for k in cells])
            ax.set_ylim(len(cells) - 0.4, -0.6)
            ax.set_title("/".join(column), loc="left")
        note = "\n(an interval of two seeds may leave the panel)"
        two = any(c.to_baseline.pairs == 2 for cells in shown.values() for c in cells.values())
        fig.supxlabel("test accuracy minus the baseline's, points" + two * note, fontsize=7)
        axes[0].plot([], [], "o", ms=3, color=COLORS[1], label="here, 95 % interval")
        axes[0].plot([], [], "D", ms=3, mfc="none", color=COLORS[2], label="the paper")
        fig.legend(loc="outside upper center", ncols=2, frameon=False)
    return fig


def curves(
    columns: Mapping[str, Mapping[str, Sequence[Mapping[str, Sequence[float]]]]],
    panels: Mapping[str, str],
    fig: Any = None,
) -> Any:
    """By epoch: a column per title, a row per panel (its y label and the name in the history), a line per
    name: the mean over its histories, with a band from the lowest to the highest."""
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


def noise(rows: Rows, across: int = 2, fig: Any = None) -> Any:
    """Image, heat map of the variance and drawn noise: rows of (title, image (H, W, C) in 0 to 1, σ, noise),
    so many of them beside each other. Each heat map has its own scale, by the largest σ, printed above."""

    def draw(heat: Any, other: Any, std: np.ndarray, drawn: np.ndarray) -> Any:
        shown = _heat(heat, std**2, "viridis", f"σ ≤ {std.max():.3g}")
        scale = max(float(np.abs(drawn).max()), 1e-30)
        _show(other, (drawn / scale + 1) / 2)
        other.set_title(f"±{scale:.2g}", fontsize=6, pad=2)
        return shown

    title = "image, variance of the noise, noise drawn from it (its scale above)"
    label = "variance σ² over its maximum in the image (σ of the pixel range)"
    return _grid(rows, across, draw, title, label, fig)


def explanation(rows: Rows, across: int = 2, fig: Any = None) -> Any:
    """Image, heat map of σ and of the absolute input gradient: rows of (title, image, σ, gradient)."""

    def draw(heat: Any, other: Any, std: np.ndarray, gradient: np.ndarray) -> Any:
        _heat(other, np.abs(gradient), "viridis", f"≤ {np.abs(gradient).max():.1g}")
        return _heat(heat, std, "viridis", f"σ ≤ {std.max():.3g}")

    title = "image, σ of the noise, absolute input gradient of the loss (nats)"
    label = "value over its maximum in the image (σ of the pixel range)"
    return _grid(rows, across, draw, title, label, fig)


def _grid(rows: Rows, across: int, draw: Any, title: str, label: str, fig: Any) -> Any:
    down = -(-len(rows) // across)
    with _style():
        fig = fig or figure(0.6 + down * (_WIDTH / (3 * across) + 0.1))
        axes = fig.subplots(down, 3 * across, squeeze=False)
        for ax in axes.flat:
            ax.axis("off")
        heat = None
        for i, (name, image, std, other) in enumerate(rows):
            left, middle, right = axes[i // across, 3 * (i % across) :][:3]
            _show(left, image)
            left.set_title(textwrap.fill(name, 13), fontsize=6, pad=2)
            heat = draw(middle, right, std.astype(float), other.astype(float))
        fig.suptitle(title, fontsize=7)
        bar = fig.colorbar(heat, ax=axes, location="bottom", fraction=0.03, aspect=40, pad=0.01)
        bar.set_label(label)
    return fig


def _heat(ax: Any, values: np.ndarray, cmap: str, title: str) -> Any:
    """Of (H, W, C), the mean over the channels, by its maximum."""
    values = values.mean(-1)
    ax.set_title(title, fontsize=6, pad=2)
    return ax.imshow(values / max(values.max(), 1e-30), cmap=cmap, vmin=0, vmax=1)


def _show(ax: Any, image: np.ndarray) -> None:
    image = np.clip(image, 0, 1)
    ax.imshow(image if image.shape[-1] == 3 else image.mean(-1), cmap="gray", vmin=0, vmax=1)
