"""Pictures of training and of the noise. matplotlib is needed here only; nothing calls show().

In a notebook, end the line with a semicolon: the returned figure would appear a second time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ._benefit import Z95
from ._labels import as_labels
from ._stream import Stream
from .errors import ArgumentError, ArgumentTypeError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ._benefit import NoiseBenefit
    from .estimator import VPNClassifier


def plot_history(model: VPNClassifier | Mapping[str, Sequence[float]], fig: Figure | None = None) -> Figure:
    """Loss, accuracy and sigma by epoch, of a classifier or of its history_. Draws into fig, or into a new
    figure."""
    history = model if isinstance(model, Mapping) else model.history_
    epochs = history["epoch"]
    panels = [("loss", ["loss", "val_loss"]), ("accuracy", ["accuracy", "val_accuracy"])]
    if np.isfinite(history["std_mean"]).any():
        panels.append(("σ", ["std_min", "std_mean", "std_max"]))
    fig = fig or _pyplot().figure(figsize=(4 * len(panels), 3), layout="constrained")
    for ax, (title, names) in zip(np.atleast_1d(fig.subplots(1, len(panels))), panels, strict=True):
        for name in names:
            if np.isfinite(history[name]).any():
                ax.plot(epochs, history[name], marker=".", label=name)
        ax.set(title=title, xlabel="epoch")
        ax.xaxis.get_major_locator().set_params(integer=True)
        if ax.lines:
            ax.legend()
    return fig


def plot_noise(
    model: VPNClassifier,
    X: Any,
    y: Any,
    class_names: Sequence[str] | None = None,
    random_state: Any = None,
    fig: Figure | None = None,
) -> Figure:
    """The first image of every class in y, a row each: image, heat map of sigma (one scale for all rows),
    sampled noise and noisy image. X and y are numpy arrays; class_names, in the order of classes_, are the
    rows' titles: by default those that y carries (`govpn.datasets.Labels`), or the labels. Noise at a hidden
    layer (noise_layer > 0) is no image: a ValueError."""
    if layer := model._fitted().describe()["config"]["noise_layer"]:
        raise ArgumentError(f"model has its noise at hidden layer {layer}, want it at pixels: noise_layer 0")
    if isinstance(X, Stream):
        raise ArgumentTypeError("X is a stream, want images: next(X.batches(256)) has the first of them")
    pixels, labels = np.asarray(X), as_labels(y)
    if class_names is None and getattr(y, "class_names", None):
        class_names = [y.class_names[c] for c in model.classes_]
    if len(pixels) != len(labels):
        raise ArgumentError(f"y has {len(labels)} labels, want {len(pixels)}, one per image of X")
    rows = [int(np.flatnonzero(labels == c)[0]) for c in model.classes_ if (labels == c).any()]
    pixels, labels = pixels[rows], labels[rows]
    std = model.noise_std(pixels, labels)
    noise = model.sample_noise(pixels, labels, random_state=random_state)[0]
    images = pixels.reshape(std.shape) / (255.0 if pixels.dtype == np.uint8 else 1.0)
    fig = fig or _pyplot().figure(figsize=(6, 1.3 * len(rows) + 0.8), layout="constrained")
    axes = fig.subplots(len(rows), 4, squeeze=False)
    top, spread = float(std.max()), float(3 * std.max()) or 1.0
    for row, image, s, e, label in zip(axes, images, std, noise, labels, strict=True):
        _show(row[0], image)
        heat = row[1].imshow(s.mean(-1), cmap="magma", vmin=0, vmax=top or 1.0)
        _show(row[2], (e / spread + 1) / 2, "RdBu" if e.shape[-1] == 1 else None)
        _show(row[3], image + e)
        row[0].set_ylabel(_name(model, label, class_names), rotation=0, ha="right", va="center")
    for ax, title in zip(axes[0], ("image", "σ", "noise", "noisy image"), strict=True):
        ax.set_title(title)
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[])
    fig.colorbar(heat, ax=axes[:, 1].tolist(), location="bottom", aspect=12, pad=0.01)
    return fig


def plot_noise_benefit(benefit: NoiseBenefit, fig: Figure | None = None) -> Figure:
    """What `VPNClassifier.noise_benefit` found, 3.5 inches wide, which is a column of a paper: I(T,E) of all
    images and of every class, under the learned noise and under the matched Gaussian noise; and the
    accuracies, whose differences are surer than their intervals (classwise_gain). benefit.reading() makes a
    caption."""
    plt = _pyplot()
    names = ["all", *benefit.per_class["class"]]
    places = [0.0, *np.arange(1, len(names)) + 0.4]
    with plt.rc_context({"font.size": 7, "axes.titlesize": 7, "axes.linewidth": 0.6}):
        height = min(1.6 + 0.17 * len(names), 9)
        fig = fig or plt.figure(figsize=(3.5, height), layout="constrained", dpi=200)
        left, right = fig.subplots(1, 2, width_ratios=[3, 2])
        _information(left, benefit, places)
        left.set_yticks(places, names, fontsize=min(7, 300 / len(names)))
        _accuracies(right, benefit)
        handles, labels = left.get_legend_handles_labels()
        legend = fig.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
        legend.set_title("bars: 95 % intervals", {"size": 7})
    return fig


def _information(ax: Any, benefit: NoiseBenefit, places: Sequence[float]) -> None:
    """I(T,E) under both noises, a row for all images and one per class."""
    kinds = (
        ("mutual_information", "learned noise", "#0072B2", "o", -0.17),
        ("control_information", "Gaussian of the same mean σ", "#D55E00", "s", 0.17),
    )
    for name, label, colour, marker, shift in kinds:
        values = np.append(getattr(benefit, name), benefit.per_class[name])
        errors = Z95 * np.append(getattr(benefit, name + "_se"), benefit.per_class[name + "_se"])
        ax.errorbar(
            values, np.add(places, shift), xerr=errors, fmt=marker, color=colour, label=label, ms=2.5, lw=1
        )
    ax.axvline(0, color="0.6", lw=0.6, zorder=0)
    ax.axhline(0.7, color="0.85", lw=0.6, zorder=0)
    ax.invert_yaxis()
    ax.set(title="information in the noise", xlabel="estimate of I(T,E) (nats)")


def _accuracies(ax: Any, benefit: NoiseBenefit) -> None:
    kinds = (
        ("accuracy", "no noise", "#009E73", "D", "#009E73"),
        ("accuracy_classwise", "classwise", "#0072B2", "o", "#0072B2"),
        ("accuracy_control", "Gaussian", "#D55E00", "s", "#D55E00"),
        ("accuracy_label_noise", "own label\n(leakage)", "#CC79A7", "o", "white"),
    )
    for i, (name, _, colour, marker, face) in enumerate(kinds):
        error = Z95 * getattr(benefit, name + "_se")
        ax.errorbar(getattr(benefit, name), i, xerr=error, fmt=marker, color=colour, mfc=face, ms=3, lw=1)
    ax.set_yticks(range(len(kinds)), [label for _, label, *_ in kinds])
    ax.set_ylim(len(kinds) - 0.5, -0.5)
    ax.set(title="accuracy", xlabel="fraction right")


def _name(model: VPNClassifier, label: Any, class_names: Sequence[str] | None) -> str:
    if class_names is None:
        return str(label)
    return str(class_names[int(np.flatnonzero(model.classes_ == label)[0])])


def _show(ax: Any, image: np.ndarray, cmap: str | None = "gray") -> None:
    image = np.clip(image, 0, 1)
    if image.shape[-1] == 3:
        ax.imshow(image)
    else:
        ax.imshow(image.mean(-1), cmap=cmap or "gray", vmin=0, vmax=1)


def _pyplot() -> Any:
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError("govpn.plot needs matplotlib: pip install 'govpn[notebook]'") from error
    return plt
