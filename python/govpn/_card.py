"""The card that notebooks show of a classifier.

It is HTML and SVG, without scripts and without links. Its text has the colour of the page. Its
other colours suit light and dark pages.
"""

from __future__ import annotations

import html
import inspect
import sys
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from . import _sklearn
from ._inputs import labels
from ._types import AnyArray, Config, Description, Doubles, Foreign, History, JsonObject, Shape

_BLUE, _ORANGE, _GREEN = "#2f86c9", "#d4661f", "#2a9d6e"
_STYLE = f"""
.govpn-card {{ display: inline-block; max-width: 56em; padding: .8em 1em;
  font: 13px/1.5 system-ui, sans-serif; border: 1px solid rgba(128, 128, 128, .4); border-radius: 8px; }}
.govpn-card .govpn-head {{ margin-bottom: .5em; }}
.govpn-card .govpn-name {{ font-size: 1.25em; font-weight: 600; margin-right: .5em; }}
.govpn-card .govpn-state {{ padding: 0 .6em; border: 1px solid; border-radius: 1em; font-size: .9em; }}
.govpn-card .govpn-charts {{ display: flex; flex-wrap: wrap; gap: 1.5em; margin: .6em 0; }}
.govpn-card .govpn-charts svg {{ display: block; margin: .2em 0; background: rgba(128, 128, 128, .1); }}
.govpn-card .govpn-rows {{ display: grid; grid-template-columns: max-content 1fr; gap: .1em 1.2em; }}
.govpn-card .govpn-label {{ opacity: .7; }}
.govpn-card .govpn-value {{ overflow-wrap: anywhere; }}
.govpn-card .govpn-value code {{ color: inherit; background: none; padding: 0; }}
.govpn-card .govpn-training {{ color: {_BLUE}; }}
.govpn-card .govpn-validation {{ color: {_ORANGE}; }}
"""
_WIDTH, _HEIGHT, _POINTS = 170, 44, 200  # a curve's size in pixels, and how many points it has at most


class Shown(Protocol):
    """What the card shows of a classifier. Attributes that end in _ are there after fit."""

    device: str
    classes_: AnyArray
    config_: Config
    device_: str
    history_: History
    image_shape_: Shape
    n_epochs_: int

    @property
    def class_names_(self) -> labels.Names: ...

    def get_params(self, deep: bool = True) -> JsonObject: ...

    def __sklearn_is_fitted__(self) -> bool: ...


def text_wanted() -> bool:
    """Says whether `sklearn.set_config(display="text")` asks for text in place of cards."""
    sklearn = sys.modules.get("sklearn")
    return sklearn is not None and sklearn.get_config().get("display") == "text"


def card(estimator: Shown, about: Description | None) -> str:
    """Returns the card. about is what the model tells; None if it is not open, as after unpickling."""
    fitted = estimator.__sklearn_is_fitted__()
    rows = _network(estimator, about["parameters"] if about else {}, fitted)
    charts = ""
    if fitted:
        charts = _charts(estimator.history_)
        rows |= _data(estimator) | _noise(estimator, about["best_epoch"] if about else 0)
    rows["changed parameters"] = _parameters(estimator)
    if warnings := getattr(estimator, "warnings_", None):
        rows["warnings"] = "<br>".join(map(html.escape, warnings))
    body = "".join(
        f'<div class="govpn-label">{name}</div><div class="govpn-value">{value}</div>'
        for name, value in rows.items()
    )
    head = (
        f'<span class="govpn-name">{html.escape(type(estimator).__name__)}</span>{_state(estimator, fitted)}'
    )
    return (
        f'<div class="govpn-card"><style>{_STYLE}</style><div class="govpn-head">{head}</div>'
        f'{charts}<div class="govpn-rows">{body}</div></div>'
    )


def _state(estimator: Shown, fitted: bool) -> str:
    """Returns whether the classifier is fitted, as HTML."""
    colour, text = _ORANGE, "not fitted"
    if fitted:
        epochs = estimator.n_epochs_
        colour, text = _GREEN, f"fitted, {epochs} epoch{'s' * (epochs != 1)}"
        if not epochs:
            text = "weights imported"
    return f'<span class="govpn-state" style="color: {colour}">{text}</span>'


def _network(estimator: Shown, counts: Mapping[str, int], fitted: bool) -> dict[str, str]:
    """Returns rows of base, generator, mode, images, classes and device. All values are HTML.

    counts has the numbers of parameters of base and generator, if known.
    """
    config: Mapping[str, object] = estimator.config_ if fitted else vars(estimator)

    def part(name: str) -> str:
        count = f", {counts[name]:,} parameters" if name in counts else ""
        return f"<code>{html.escape(str(config[name]))}</code>{count}"

    rows = {"base": part("base")}
    if config["mode"] in ("joint", "frozen"):
        rows["generator"] = part("generator")
    rows["mode"] = html.escape(str(config["mode"]))
    if fitted:
        classes, names = estimator.classes_, estimator.class_names_
        rows["images"] = "×".join(map(str, estimator.image_shape_))
        rows["classes"] = f"{len(classes)}: {html.escape(labels.some(names or classes))}"
    rows["device"] = html.escape(str(estimator.device_ if fitted else estimator.device))
    return rows


def _data(estimator: Shown) -> dict[str, str]:
    """Returns a row of the training data; none if the model was loaded."""
    info = getattr(estimator, "data_info_", None)
    if not info:
        return {}
    parts = [f"{info['images']:,} images", info["dtype"]]
    parts += [name.replace("_", " ") for name in ("streamed", "soft_labels", "weighted") if info.get(name)]
    if info.get("skipped"):
        parts.append(f"{len(info['skipped']):,} broken images skipped")
    why = f": {info['why']}" if info.get("why") else ""
    parts.append(f"{info['bytes_copied'] / 1e6:,.1f} MB copied{why}")
    return {"training data": html.escape(", ".join(parts))}


def _noise(estimator: Shown, best_epoch: int) -> dict[str, str]:
    """Returns a row of sigma after the epoch whose weights predict; none without noise.

    best_epoch is 0 if it is the last one.
    """
    history = estimator.history_
    row = (best_epoch or len(history["epoch"])) - 1
    if row < 0 or not np.isfinite(history["std_mean"][row]):
        return {}
    layer = estimator.config_["noise_layer"]
    unit = f"in units of layer {layer}" if layer else "of the pixel range"
    values = ", ".join(f"{name} {history['std_' + name][row]:.3g}" for name in ("mean", "min", "max"))
    return {"σ": f"{values} {unit} (epoch {history['epoch'][row]})"}


def _parameters(estimator: Shown) -> str:
    """Returns the parameters that differ from their defaults."""
    kind: Foreign = type(estimator)
    known = inspect.signature(kind.__init__).parameters
    changed = [
        f"<code>{html.escape(name)}={html.escape(_short(repr(value)))}</code>"
        for name, value in estimator.get_params(deep=False).items()
        if not _sklearn.same_value(value, known[name].default)
    ]
    return ", ".join(changed) or "none"


def _short(text: str, length: int = 100) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _charts(history: Mapping[str, Sequence[float]]) -> str:
    curves = [
        _chart("loss, nats", {"training": history["loss"], "validation": history["val_loss"]}),
        _chart("accuracy", {"training": history["accuracy"], "validation": history["val_accuracy"]}),
        _chart("mean σ", {"training": history["std_mean"]}),
    ]
    return f'<div class="govpn-charts">{"".join(curves)}</div>' if any(curves) else ""


def _chart(title: str, curves: Mapping[str, Sequence[float]]) -> str:
    """Draws curves by epoch on one scale, with their last values; "" if there are no values."""
    shown = {k: v for k, v in ((k, np.asarray(v, float)) for k, v in curves.items()) if np.isfinite(v).any()}
    if not shown:
        return ""
    values = np.concatenate([v[np.isfinite(v)] for v in shown.values()])
    low, high = float(values.min()), float(values.max())
    lines = "".join(_curve(name, v, low, high) for name, v in shown.items())
    last = " ".join(
        f'<span class="govpn-{k}">{k * (len(shown) > 1)} {v[np.isfinite(v)][-1]:.4g}</span>'
        for k, v in shown.items()
    )
    return (
        f'<div><span class="govpn-label">{title}</span><svg role="img" aria-label="{title} by epoch" '
        f'width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}">{lines}</svg>{last}</div>'
    )


def _curve(name: str, values: Doubles, low: float, high: float) -> str:
    """Draws the curve of "training" or "validation" in the scale from low to high."""
    at = np.unique(np.linspace(0, len(values) - 1, _POINTS).round().astype(int))
    at = at[np.isfinite(values[at])]
    margin = 4
    x = margin + at / max(len(values) - 1, 1) * (_WIDTH - 2 * margin)
    y = _HEIGHT - margin - (values[at] - low) / ((high - low) or 1) * (_HEIGHT - 2 * margin)
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    colour = {"training": _BLUE, "validation": _ORANGE}[name]
    return (
        f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        f'<circle cx="{x[-1]:.1f}" cy="{y[-1]:.1f}" r="2.5" fill="{colour}"/>'
    )
