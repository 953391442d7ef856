"""Finds the files of Fashion-MNIST, and downloads them when asked to."""

from __future__ import annotations

import hashlib
import os
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from . import _files, _types
from ._lib import path_bytes
from ._reading import shown
from .errors import ArgumentError, FileError, FormatError

FASHION_MNIST_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
_PUBLISHER = "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/"
_SHA256 = {  # of each file that the publisher offers
    "train-images-idx3-ubyte.gz": "b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7",
    "train-labels-idx1-ubyte.gz": "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056",
    "t10k-images-idx3-ubyte.gz": "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa",
    "t10k-labels-idx1-ubyte.gz": "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05",
}
_FOLDER = "fashion-mnist"


def find(split: str, path: _types.Path | None, download: bool) -> Path:
    """Returns the folder that has the files of a split, or raises FileError.

    `govpn.datasets.fashion_mnist` says where it looks.
    """
    prefixes = {"train": "train", "test": "t10k"}
    if not isinstance(split, str) or split not in prefixes:
        raise ArgumentError(f'split is {shown(split)}, want "train" or "test"')
    names = f"{prefixes[split]}-images-idx3-ubyte.gz", f"{prefixes[split]}-labels-idx1-ubyte.gz"
    places = list(_places(path))
    folder = next((place for place in places if _holds(place, names)), None)
    if folder is None and download and path is None:
        for name in names:
            folder = _download(name).parent
    if folder is None:
        tried = "\n  ".join(str(p) for p in places)
        raise FileError(
            f"Fashion-MNIST is in none of these folders:\n  {tried}\n"
            "Give path, set GOVPN_DATA, install Debian's dataset-fashion-mnist, or pass download=True"
        )
    return folder


def _places(path: _types.Path | None) -> Iterator[Path]:
    """Yields the folders where the files may be, in the order in which they are tried."""
    if path is not None:
        yield from _with_subfolder(Path(os.fsdecode(path_bytes(path))))
        return
    if given := os.environ.get("GOVPN_DATA"):
        yield from _with_subfolder(Path(given))
    here, package = Path(os.path.abspath(_working_folder())), Path(__file__).resolve()
    for parent in dict.fromkeys((here, *here.parents, *package.parents)):
        if os.path.isdir(parent / "shared" / "data"):
            yield parent / "shared" / "data" / _FOLDER
    yield Path("/usr/share/datasets") / _FOLDER
    if cache := _cache():
        yield cache


def _working_folder() -> str:
    """Returns the working folder, or the root if it was removed."""
    try:
        return os.getcwd()
    except OSError:
        return os.sep


def _with_subfolder(folder: Path) -> tuple[Path, Path]:
    return folder / _FOLDER, folder


def _cache() -> Path | None:
    """Returns the folder of downloaded files; None for a user without a home folder."""
    folder = os.environ.get("XDG_CACHE_HOME")
    if not folder:
        home = os.path.expanduser("~")
        folder = None if home == "~" else os.path.join(home, ".cache")
    return Path(folder) / "govpn" / _FOLDER if folder else None


def _holds(folder: Path, names: tuple[str, str]) -> bool:
    """Says whether a folder has all these files, compressed or not."""
    return all(any(os.path.isfile(folder / n) for n in (name, name.removesuffix(".gz"))) for name in names)


def _download(name: str) -> Path:
    """Brings a file into the cache and returns its path.

    A file whose SHA-256 is wrong is not kept.
    """
    cache = _cache()
    if cache is None:
        raise FileError(
            f"{name} cannot be downloaded: there is no home folder to keep it in; set XDG_CACHE_HOME to a "
            "folder, or download the files and pass their folder as path"
        )
    target = cache / name
    if target.is_file():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(
            f"{name} cannot be downloaded into {target.parent}: {error}; set XDG_CACHE_HOME to a folder that "
            "can be written"
        ) from error
    try:
        _files.replace(target, lambda part: _fetch(name, part))
    except FileError:
        raise
    except OSError as error:
        raise FileError(f"{_PUBLISHER + name} cannot be downloaded: {error}") from error
    return target


def _fetch(name: str, path: Path) -> None:
    with path.open("wb") as file, urllib.request.urlopen(_PUBLISHER + name, timeout=60) as response:
        shutil.copyfileobj(response, file)
    got = hashlib.sha256(path.read_bytes()).hexdigest()
    if got != _SHA256[name]:
        raise FormatError(f"{_PUBLISHER + name} has SHA-256 {got}, want {_SHA256[name]}")
