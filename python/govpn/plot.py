"""Pictures of training and of the noise. matplotlib is needed here only; nothing calls show().

In a notebook, end the line with a semicolon: the returned figure would appear a second time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ._labels import as_labels
from ._stream import Stream
from .errors import ArgumentError, ArgumentTypeError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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
