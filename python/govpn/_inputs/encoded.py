"""Decodes image files, and encoded images in the caller's memory, with the library."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeGuard

import pyarrow as pa

from .. import _types
from .._open_options import path_text
from .._types import AnyArray, Foreign
from ..errors import ArgumentError, ArgumentTypeError, FileError, GovpnError
from .labels import Labels
from .stream import open_set

_ARCHIVES = (".tar", ".tar.gz", ".tgz")
_BATCH = 64  # how many encoded images are in memory at a time


def is_path(x: object) -> TypeGuard[_types.Path]:
    """Says whether x is a path."""
    return isinstance(x, (str, os.PathLike))


def is_encoded(x: object) -> bool:
    """Says whether x is the path of an image file, its bytes, or a dict of both as Hugging Face has it."""
    return (
        is_path(x) or isinstance(x, bytes) or (isinstance(x, Mapping) and bool({"bytes", "path"} & x.keys()))
    )


def of_path(path: _types.Path, name: str, channels: int | None) -> tuple[AnyArray, Labels | None]:
    """Reads images and labels of a folder of class folders, or of an archive of such a folder.

    The path of an image file gives its image (1, H, W, C) and None.
    """
    if os.path.isdir(path) or str(path).endswith(_ARCHIVES):
        return _opened(format="image-folder", path=path_text(path), channels=channels)
    if not os.path.isfile(path):
        raise ArgumentError(f"{name} is {str(path)!r}, which is no folder of class folders and no image file")
    return decode([path], name, channels=channels), None


def decode(images: Sequence[Foreign] | pa.ChunkedArray, name: str, **options: object) -> AnyArray:
    """Returns encoded images, each as in `is_encoded`, as pixels uint8 (N, H, W, C).

    options are those of govpn_data_open. Messages call an image by its path, or else name[i].
    """
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


def _plain(x: Foreign) -> Foreign:
    """Returns Arrow's values as Python's."""
    return x.to_pylist() if isinstance(x, pa.ChunkedArray) else x.as_py() if isinstance(x, pa.Scalar) else x


def _content(image: object, name: str, i: int) -> bytes:
    """Returns the bytes of an encoded image."""
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


def _called(images: Foreign, i: int, name: str) -> str:
    """Returns what messages call image i."""
    image = _plain(images[i])
    path = image.get("path") if isinstance(image, Mapping) else image
    if not is_path(path):
        return f"{name}[{i}]"
    return os.fsencode(path).decode("utf-8", "backslashreplace")  # the name may not be UTF-8


def _opened(rename: Callable[[str], str] = str, **options: object) -> tuple[AnyArray, Labels | None]:
    """Returns what the library opens. Errors name images as the caller does, and say what to do."""
    try:
        pixels, labels = open_set(False, **options)
        return pixels, labels
    except GovpnError as error:
        text = rename(error.args[0])
        if re.search(r"\(height×width\), want \d+×\d+", text):
            text += ": image_size of govpn.datasets.image_folder and image_files brings them to one size"
        elif "has no folders" in text:
            text += "; of images without classes pass the list of files, sorted(Path(folder).iterdir())"
        raise type(error)(text) from None
