"""Converts the options of `govpn.datasets` to those of govpn_data_open."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from . import _lib, _params
from ._reading import reading, shown
from ._types import Foreign, JsonObject, Path
from .errors import ArgumentError, ArgumentTypeError

Size: TypeAlias = int | tuple[int, int]  # the shorter side, or (height, width)
Crop: TypeAlias = Size | Mapping[str, object]  # also {"size": ..., "scale": ..., "ratio": ...}


def path_text(path: Path | None, name: str = "path") -> str | None:
    """Returns a path as JSON takes it: UTF-8 without a null character, or raises ArgumentError.

    name is what messages call it.
    """
    if path is None:
        return None
    text = os.fsdecode(_lib.path_bytes(path, name))
    if any("\ud800" <= c <= "\udfff" for c in text):
        raise ArgumentError(f"{name} is {shown(path)}, whose bytes are not UTF-8: rename it, or link to it")
    return text


def image_options(
    image_size: Size | None,
    resize: Size | None,
    center_crop: Size | None,
    random_resized_crop: Crop | None,
    channels: int | None,
    skip_broken: bool,
) -> JsonObject:
    """Returns the options for encoded images. `govpn.datasets` documents the parameters."""
    if image_size is not None:
        if any(o is not None for o in (resize, center_crop, random_resized_crop)):
            raise ArgumentError("image_size is given with resize or a crop, want one or the other")
        resize = image_size
        center_crop = image_size if len(_sizes(image_size, "image_size")) == 1 else None
    options: JsonObject = {"skip_broken": _params.truth(skip_broken, "skip_broken")}
    if random_resized_crop is not None:
        given = random_resized_crop
        crop: JsonObject = dict(given) if isinstance(given, Mapping) else {"size": given}
        if unknown := crop.keys() - {"size", "scale", "ratio"}:
            raise ArgumentError(
                f"random_resized_crop has {shown(min(unknown, key=str))}, want size, and scale and ratio"
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
) -> JsonObject:
    """Returns the options for tables. `govpn.datasets.parquet` documents the parameters."""
    with reading("class_names", class_names, "a list of str"):
        names = None if class_names is None else [str(name) for name in class_names]
    return {"image_column": image_column, "label_column": label_column, "class_names": names}


def _sizes(size: object, name: str) -> list[int]:
    """Returns [s] for a number s, [height, width] for a pair."""
    with reading(name, size, "an int or (height, width)"):
        given = list(size) if isinstance(size, (tuple, list)) else [size]
    if len(given) > 2 or not given:
        raise ArgumentError(f"{name} is {shown(size)}, want an int or (height, width)")
    if isinstance(size, str):
        raise ArgumentTypeError(
            f"{name} is {size!r}, want an int or (height, width); a split is split={size!r}"
        )
    return [_params.whole(s, name) for s in given]


def _range(values: Foreign, name: str) -> list[float]:
    """Returns [low, high] of a pair of numbers."""
    try:
        low, high = (float(v) for v in values)
    except Exception:
        raise ArgumentError(f"{name} is {shown(values)}, want a pair of numbers (low, high)") from None
    return [low, high]
