"""Encoded images that lie in files of their own or in the caller's memory, decoded by the library."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ._open_options import path_text
from ._stream import open_set
from .errors import ArgumentError, ArgumentTypeError, FileError, GovpnError

_ARCHIVES = (".tar", ".tar.gz", ".tgz")
_BATCH = 64  # encoded images in memory at a time


def is_path(x: Any) -> bool:
    return isinstance(x, (str, os.PathLike))


def is_encoded(x: Any) -> bool:
    """Whether x is an image file's path or its bytes, or a dict of both, as Hugging Face has them."""
    return (
        is_path(x) or isinstance(x, bytes) or (isinstance(x, Mapping) and bool({"bytes", "path"} & x.keys()))
    )


def of_path(path: Any, name: str, channels: int | None) -> tuple[np.ndarray, Any]:
    """Images and labels of a folder of class folders or an archive of that; of an image file (1, H, W, C) and
    None."""
    if os.path.isdir(path) or str(path).endswith(_ARCHIVES):
        return _opened(format="image-folder", path=path_text(path), channels=channels)
    if not os.path.isfile(path):
        raise ArgumentError(f"{name} is {str(path)!r}, which is no folder of class folders and no image file")
    return decode([path], name, channels=channels), None


def decode(images: Sequence[Any] | pa.ChunkedArray, name: str, **options: Any) -> np.ndarray:
    """Images uint8 (N, H, W, C) of what `is_encoded`. options are those of govpn_data_open; messages call an
    image by its path, or name[i]."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "images")
        with pa.ipc.new_stream(path, pa.schema({"image": pa.binary()})) as writer:
            for start in range(0, len(images), _BATCH):
                part = _plain(images[start : start + _BATCH])
                contents = [_content(image, name, start + i) for i, image in enumerate(part)]
                writer.write_batch(pa.record_batch({"image": pa.array(contents, pa.binary())}))

        def rename(text: str) -> str:
            row = re.escape(path) + r": row (\d+)"
            return re.sub(row, lambda found: _called(images, int(found[1]), name), text)

        return _opened(rename, format="arrow", path=path, **options)[0]


def _plain(x: Any) -> Any:
    """Arrow's values as Python's."""
    return x.to_pylist() if isinstance(x, pa.ChunkedArray) else x.as_py() if isinstance(x, pa.Scalar) else x


def _content(image: Any, name: str, i: int) -> bytes:
    if isinstance(image, Mapping):
        image = image.get("bytes") or image.get("path")
    if isinstance(image, bytes):
        return image
    if not is_path(image):
        raise ArgumentTypeError(
            f"{name}[{i}] is a {type(image).__name__}, want an image file as {name}[0] is"
        )
    try:
        return Path(image).read_bytes()
    except OSError as error:
        raise FileError(f"{name}[{i}] cannot be read: {error}") from error


def _called(images: Any, i: int, name: str) -> str:
    image = _plain(images[i])
    path = image.get("path") if isinstance(image, Mapping) else image
    return str(path) if is_path(path) else f"{name}[{i}]"


def _opened(rename: Callable[[str], str] = str, **options: Any) -> Any:
    """What the library opens; errors name images as the caller does, and tell the way out."""
    try:
        return open_set(False, **options)
    except GovpnError as error:
        text = rename(str(error))
        if "(height×width)" in text:
            text += ": image_size of govpn.datasets.image_folder and image_files brings them to one size"
        elif "has no folders" in text:
            text += "; of images without classes pass the list of files, sorted(Path(folder).iterdir())"
        raise type(error)(text) from None
