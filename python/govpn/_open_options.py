"""The options of `govpn.datasets` as govpn_data_open takes them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from . import _lib, _params
from .errors import ArgumentError, ArgumentTypeError


def path_text(path: str | os.PathLike[str] | None) -> str | None:
    """A path as JSON takes it."""
    if path is None:
        return None
    _lib.path_bytes(path)  # refuses null characters
    text = os.fsdecode(path)
    if any("\ud800" <= c <= "\udfff" for c in text):
        raise ArgumentError(f"path is {path!r}, whose bytes are not UTF-8: rename it, or link to it")
    return text


def image_options(
    image_size: Any, resize: Any, center_crop: Any, random_resized_crop: Any, channels: Any, skip_broken: Any
) -> dict[str, Any]:
    """The options for encoded images, as the library takes them."""
    if image_size is not None:
        if any(o is not None for o in (resize, center_crop, random_resized_crop)):
            raise ArgumentError("image_size is given with resize or a crop, want one or the other")
        resize = image_size
        center_crop = image_size if len(_sizes(image_size, "image_size")) == 1 else None
    options: dict[str, Any] = {"skip_broken": _params.truth(skip_broken, "skip_broken")}
    if random_resized_crop is not None:
        crop = random_resized_crop
        crop = dict(crop) if isinstance(crop, Mapping) else {"size": crop}
        if unknown := crop.keys() - {"size", "scale", "ratio"}:
            raise ArgumentError(
                f"random_resized_crop has {sorted(unknown)[0]!r}, want size, and scale and ratio"
            )
        crop["size"] = _sizes(crop.get("size"), "random_resized_crop size")
        for name in crop.keys() & {"scale", "ratio"}:
            crop[name] = _range(crop[name], f"random_resized_crop {name}")
        options["random_resized_crop"] = crop
    if resize is not None:
        options["resize"] = _sizes(resize, "resize")
    if center_crop is not None:
        options["center_crop"] = _sizes(center_crop, "center_crop")
    if channels is not None:
        options["channels"] = _params.whole(channels, "channels")
    return options


def table_options(
    image_column: str | None, label_column: str | None, class_names: Sequence[str] | None
) -> dict[str, Any]:
    """The options for tables."""
    names = None if class_names is None else [str(name) for name in class_names]
    return {"image_column": image_column, "label_column": label_column, "class_names": names}


def _sizes(size: Any, name: str) -> list[int]:
    """[s] of a number, [height, width] of a pair."""
    given = list(size) if isinstance(size, (tuple, list)) else [size]
    if len(given) > 2 or not given:
        raise ArgumentError(f"{name} is {size!r}, want an int or (height, width)")
    if isinstance(size, str):
        raise ArgumentTypeError(
            f"{name} is {size!r}, want an int or (height, width); a split is split={size!r}"
        )
    return [_params.whole(s, name) for s in given]


def _range(values: Any, name: str) -> list[float]:
    try:
        low, high = (float(v) for v in values)
    except (TypeError, ValueError):
        raise ArgumentError(f"{name} is {values!r}, want a pair of numbers (low, high)") from None
    return [low, high]
