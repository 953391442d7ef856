"""Tables of images on disk."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from ._open_options import image_options, path_text, table_options
from ._stream import open_set

PathLike = str | os.PathLike[str]
Size = int | tuple[int, int]


def parquet(
    path: PathLike,
    split: str | None = None,
    *,
    stream: bool = False,
    image_column: str | None = None,
    label_column: str | None = None,
    class_names: Sequence[str] | None = None,
    image_size: Size | None = None,
    resize: Size | None = None,
    center_crop: Size | None = None,
    random_resized_crop: Size | Mapping[str, Any] | None = None,
    channels: int | None = None,
    skip_broken: bool = False,
) -> Any:
    """A Parquet file, or a folder of them, with a column of encoded images or of tensors.

    Parameters
    ----------
    path : the file or folder
    split : takes the files of a folder whose names begin with it; None takes all
    image_column : bytes, structs of bytes and path, as Hugging Face writes them, or tensors; None finds it by
        its usual names
    label_column : whole numbers or text; None finds it by its usual names
    class_names : of whole numbers, in their order; None takes those that Hugging Face leaves in the file
    image_size, resize, center_crop, random_resized_crop, channels, skip_broken : of the images, see
        `govpn.datasets`
    stream : whether to return a `Stream`

    Returns
    -------
    (X, y) : uint8 (N, H, W, C) and `Labels` (N,); y is None without a label column

    Examples
    --------
    >>> X, y = govpn.datasets.parquet("photos.parquet", class_names=["a", "b", "c", "d"])
    >>> X.shape, y.class_names[y[-1]]
    ((12, 8, 8, 3), 'd')
    """
    image = image_options(image_size, resize, center_crop, random_resized_crop, channels, skip_broken)
    table = table_options(image_column, label_column, class_names)
    return open_set(stream, format="parquet", path=path_text(path), split=split, **table, **image)


def arrow(
    path: PathLike,
    split: str | None = None,
    *,
    stream: bool = False,
    image_column: str | None = None,
    label_column: str | None = None,
    class_names: Sequence[str] | None = None,
    image_size: Size | None = None,
    resize: Size | None = None,
    center_crop: Size | None = None,
    random_resized_crop: Size | Mapping[str, Any] | None = None,
    channels: int | None = None,
    skip_broken: bool = False,
) -> Any:
    """What `parquet` reads, in Arrow IPC files (streaming or random-access format).

    Parameters and results are those of `parquet`.

    Examples
    --------
    >>> X, y = govpn.datasets.arrow("photos.arrow", image_column="image", label_column="label", channels=1)
    >>> X.shape, y.shape
    ((12, 8, 8, 1), (12,))
    """
    image = image_options(image_size, resize, center_crop, random_resized_crop, channels, skip_broken)
    table = table_options(image_column, label_column, class_names)
    return open_set(stream, format="arrow", path=path_text(path), split=split, **table, **image)
