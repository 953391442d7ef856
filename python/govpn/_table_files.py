"""Reads tables of images: Parquet and Arrow IPC files."""

from __future__ import annotations

from collections.abc import Sequence

from ._inputs.stream import Opened, open_set
from ._open_options import Crop, Size, image_options, path_text, table_options
from ._types import Path


def parquet(
    path: Path,
    split: str | None = None,
    *,
    stream: bool = False,
    image_column: str | None = None,
    label_column: str | None = None,
    class_names: Sequence[str] | None = None,
    image_size: Size | None = None,
    resize: Size | None = None,
    center_crop: Size | None = None,
    random_resized_crop: Crop | None = None,
    channels: int | None = None,
    skip_broken: bool = False,
) -> Opened:
    """Reads a Parquet file, or a folder of them, with a column of encoded images or of tensors.

    Parameters
    ----------
    path : the file or folder
    split : only files of the folder whose names begin with this are read; None reads all
    image_column : a column of bytes, of tensors, or of structs of bytes and path as Hugging Face
        writes them. None takes a column with one of the usual names
    label_column : a column of whole numbers or text. None takes a column with one of the usual
        names
    class_names : the names of whole-number labels 0 to K - 1. None takes those that Hugging Face
        leaves in the file
    image_size, resize, center_crop, random_resized_crop, channels, skip_broken : how images are
        decoded; see `govpn.datasets`
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
    path: Path,
    split: str | None = None,
    *,
    stream: bool = False,
    image_column: str | None = None,
    label_column: str | None = None,
    class_names: Sequence[str] | None = None,
    image_size: Size | None = None,
    resize: Size | None = None,
    center_crop: Size | None = None,
    random_resized_crop: Crop | None = None,
    channels: int | None = None,
    skip_broken: bool = False,
) -> Opened:
    """Reads what `parquet` reads, from Arrow IPC files in the streaming or the random-access format.

    Parameters, results and errors are those of `parquet`.

    Examples
    --------
    >>> X, y = govpn.datasets.arrow("photos.arrow", image_column="image", label_column="label", channels=1)
    >>> X.shape, y.shape
    ((12, 8, 8, 1), (12,))
    """
    image = image_options(image_size, resize, center_crop, random_resized_crop, channels, skip_broken)
    table = table_options(image_column, label_column, class_names)
    return open_set(stream, format="arrow", path=path_text(path), split=split, **table, **image)
