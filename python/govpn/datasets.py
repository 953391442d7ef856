"""Data sets for a first try. Nothing is downloaded unless asked for."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import tempfile
import urllib.request
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

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
_SHA256 = {  # of the published files
    "train-images-idx3-ubyte.gz": "b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7",
    "train-labels-idx1-ubyte.gz": "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056",
    "t10k-images-idx3-ubyte.gz": "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa",
    "t10k-labels-idx1-ubyte.gz": "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05",
}
_FOLDER = "fashion-mnist"


def fashion_mnist(
    split: str = "train", path: str | os.PathLike[str] | None = None, download: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Fashion-MNIST (Zalando, MIT licence): images uint8 (N, 28, 28, 1) and labels int64 (N,), N = 60,000 for
    split "train" and 10,000 for "test". FASHION_MNIST_CLASSES names the labels.

    Looks in path (and then nowhere else), or in $GOVPN_DATA, in shared/data beside this folder, its parents
    or the checkout, in the folder of Debian's package dataset-fashion-mnist, and in the cache
    (~/.cache/govpn). With download=True, files that are nowhere come from the publisher into the cache,
    checked by their SHA-256."""
    prefixes = {"train": "train", "test": "t10k"}
    if split not in prefixes:
        raise ArgumentError(f'split is {split!r}, want "train" or "test"')
    names = f"{prefixes[split]}-images-idx3-ubyte.gz", f"{prefixes[split]}-labels-idx1-ubyte.gz"
    places = list(_places(path))
    files = next((found for place in places if (found := _find(place, names))), None)
    if files is None and download and path is None:
        files = tuple(_download(name) for name in names)
    if files is None:
        shown = "\n  ".join(str(p) for p in places)
        raise FileError(
            f"Fashion-MNIST is in none of these folders:\n  {shown}\n"
            "Give path, set GOVPN_DATA, install Debian's dataset-fashion-mnist, or pass download=True"
        )
    images, labels = read_idx(files[0]), read_idx(files[1])
    if images.ndim != 3 or labels.shape != images.shape[:1]:
        raise FormatError(
            f"{files[0]} has shape {images.shape}, labels {labels.shape}; want (N, H, W) and (N,)"
        )
    return images[..., np.newaxis], labels.astype(np.int64)


def read_idx(path: str | os.PathLike[str]) -> np.ndarray:
    """An IDX file of bytes (plain or gzip) as a uint8 array."""
    try:
        content = Path(path).read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        kind = (
            FileError
            if isinstance(error, OSError) and not isinstance(error, gzip.BadGzipFile)
            else FormatError
        )
        raise kind(f"{path} cannot be read: {error}") from error
    ndim = content[3] if len(content) > 3 else 0
    if content[:3] != b"\x00\x00\x08" or len(content) < 4 + 4 * ndim:
        raise FormatError(f"{path} is not an IDX file of bytes")
    shape = np.frombuffer(content, ">u4", ndim, 4).tolist()
    size, want = len(content) - 4 - 4 * ndim, int(np.prod(shape, dtype=object))
    if size != want:
        raise FormatError(f"{path} has {size} bytes of data, want {want} for its shape {tuple(shape)}")
    return np.frombuffer(content, np.uint8, want, 4 + 4 * ndim).reshape(shape).copy()


def _places(path: str | os.PathLike[str] | None) -> Iterator[Path]:
    if path is not None:
        yield from _with_subfolder(Path(path))
        return
    if given := os.environ.get("GOVPN_DATA"):
        yield from _with_subfolder(Path(given))
    here, package = Path.cwd(), Path(__file__).resolve()
    for parent in dict.fromkeys((here, *here.parents, *package.parents)):
        if (parent / "shared" / "data").is_dir():
            yield parent / "shared" / "data" / _FOLDER
    yield Path("/usr/share/datasets") / _FOLDER
    yield _cache()


def _with_subfolder(folder: Path) -> tuple[Path, Path]:
    return folder / _FOLDER, folder


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "govpn" / _FOLDER


def _find(folder: Path, names: tuple[str, str]) -> tuple[Path, ...] | None:
    found = []
    for name in names:
        path = next((p for p in (folder / name, folder / name.removesuffix(".gz")) if p.is_file()), None)
        if path is None:
            return None
        found.append(path)
    return tuple(found)


def _download(name: str) -> Path:
    target = _cache() / name
    if target.is_file():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=name, delete=False) as part:
        try:
            with urllib.request.urlopen(_PUBLISHER + name, timeout=60) as response:
                shutil.copyfileobj(response, part)
            part.close()
            got = hashlib.sha256(Path(part.name).read_bytes()).hexdigest()
            if got != _SHA256[name]:
                raise FormatError(f"{_PUBLISHER + name} has SHA-256 {got}, want {_SHA256[name]}")
            os.replace(part.name, target)
        except BaseException as error:
            Path(part.name).unlink(missing_ok=True)
            if isinstance(error, OSError) and not isinstance(error, FileError):
                raise FileError(f"{_PUBLISHER + name} cannot be downloaded: {error}") from error
            raise
    return target
