"""Data sets on disk. Each function returns (X, y): images uint8 (N, H, W, C), and `Labels`, int64 (N,), whose
class_names is a tuple of names, or None; y is None where there are no labels. With stream=True it returns a
`Stream` in their place, which the classifier takes as X, for data larger than memory.

Images decode as Pillow decodes them, to RGB, on all cores. All must come out of one size:

image_size : s (the shorter side is resized to s, then the middle s×s is taken) or (height, width)
resize, center_crop, random_resized_crop : for full control, in this order, as torchvision v2 does it: an int
    or (height, width); random_resized_crop also takes a dict of size, scale (0.08, 1) and ratio (3/4, 4/3),
    and is drawn anew in every epoch of a stream
channels : 3, or 1 for grey
skip_broken : False: a broken image is an error that names it; True: it is left out, with a warning

Nothing is downloaded unless asked for."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ._encoded import decode
from ._labels import Labels, as_labels, find_classes
from ._open_options import image_options, path_text, table_options
from ._soft import as_soft, hard
from ._stream import Stream, open_set, split_indices
from .errors import ArgumentError, FileError, FormatError

__all__ = [
    "FASHION_MNIST_CLASSES",
    "Labels",
    "Stream",
    "arrow",
    "cifar10",
    "cifar100",
    "fashion_mnist",
    "idx",
    "image_files",
    "image_folder",
    "parquet",
    "split",
    "tiny_imagenet",
]

PathLike = str | os.PathLike[str]
Size = int | tuple[int, int]

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
    split: str = "train", path: PathLike | None = None, download: bool = False, stream: bool = False
) -> Any:
    """Fashion-MNIST (Zalando, MIT licence): images uint8 (N, 28, 28, 1), N = 60,000 for split "train" and
    10,000 for "test".

    Looks in path (and then nowhere else), or in $GOVPN_DATA, in shared/data beside this folder, its parents
    or the checkout, in the folder of Debian's package dataset-fashion-mnist, and in the cache
    (~/.cache/govpn). With download=True, files that are nowhere come from the publisher into the cache,
    checked by their SHA-256.

    The paper trains on 50,000 images, chooses on the other 10,000 and reports the test set::

        train, valid = datasets.split(*datasets.fashion_mnist("train"), first=50_000)
        test = datasets.fashion_mnist("test")
    """
    prefixes = {"train": "train", "test": "t10k"}
    if split not in prefixes:
        raise ArgumentError(f'split is {split!r}, want "train" or "test"')
    names = f"{prefixes[split]}-images-idx3-ubyte.gz", f"{prefixes[split]}-labels-idx1-ubyte.gz"
    places = list(_places(path))
    folder = next((place for place in places if _holds(place, names)), None)
    if folder is None and download and path is None:
        for name in names:
            _download(name)
        folder = _cache()
    if folder is None:
        shown = "\n  ".join(str(p) for p in places)
        raise FileError(
            f"Fashion-MNIST is in none of these folders:\n  {shown}\n"
            "Give path, set GOVPN_DATA, install Debian's dataset-fashion-mnist, or pass download=True"
        )
    return open_set(stream, format="fashion-mnist", path=str(folder), split=split)


def idx(images: PathLike, labels: PathLike | None = None, *, stream: bool = False) -> Any:
    """IDX files of bytes, gzip or not: MNIST, KMNIST, EMNIST and their family. images is a file of shape
    (N, H, W) or (N, H, W, C), labels one of shape (N,)."""
    return open_set(stream, format="idx", images=path_text(images), labels=path_text(labels))


def cifar10(path: PathLike, split: str = "train", *, stream: bool = False) -> Any:
    """CIFAR-10's binary version, uint8 (N, 32, 32, 3): the folder of its .bin files, or the tar.gz file."""
    return open_set(stream, format="cifar10", path=path_text(path), split=split)


def cifar100(path: PathLike, split: str = "train", labels: str = "fine", *, stream: bool = False) -> Any:
    """CIFAR-100's binary version, uint8 (N, 32, 32, 3). labels are the 100 "fine" classes or the 20 "coarse"
    ones."""
    return open_set(stream, format="cifar100", path=path_text(path), split=split, labels=labels)


def tiny_imagenet(
    path: PathLike,
    split: str = "train",
    *,
    stream: bool = False,
    image_size: Size | None = None,
    resize: Size | None = None,
    center_crop: Size | None = None,
    random_resized_crop: Size | Mapping[str, Any] | None = None,
    channels: int | None = None,
    skip_broken: bool = False,
) -> Any:
    """Tiny ImageNet as published, 64×64, folder or archive; split "train", "val" or "test" (unlabelled).
    Images come class by class, sorted; class_names are the first names of words.txt ("Egyptian cat")."""
    image = image_options(image_size, resize, center_crop, random_resized_crop, channels, skip_broken)
    return open_set(stream, format="tiny-imagenet", path=path_text(path), split=split, **image)


def image_folder(
    path: PathLike,
    image_size: Size | None = None,
    *,
    split: str | None = None,
    stream: bool = False,
    resize: Size | None = None,
    center_crop: Size | None = None,
    random_resized_crop: Size | Mapping[str, Any] | None = None,
    channels: int | None = None,
    skip_broken: bool = False,
) -> Any:
    """A folder, or a tar or tar.gz file, of images: <path>/<split>/<class>/*.{jpg,jpeg,png,webp,bmp}; without
    split <path>/<class>/…. Classes are the folders' names, sorted; images come class by class, sorted by
    their paths. ImageNet (ILSVRC2012) is laid out so::

        train = datasets.image_folder("ILSVRC2012", split="train", random_resized_crop=224, stream=True)
        valid = datasets.image_folder("ILSVRC2012", split="val", resize=256, center_crop=224, stream=True)
    """
    image = image_options(image_size, resize, center_crop, random_resized_crop, channels, skip_broken)
    return open_set(stream, format="image-folder", path=path_text(path), split=split, **image)


def image_files(
    files: Sequence[Any],
    image_size: Size | None = None,
    *,
    resize: Size | None = None,
    center_crop: Size | None = None,
    random_resized_crop: Size | Mapping[str, Any] | None = None,
    channels: int | None = None,
) -> np.ndarray:
    """Image files, in the order given: uint8 (N, H, W, C) without labels. files are paths, or the encoded
    bytes of an image each; while they are read, the temporary folder holds them twice.

    >>> import base64
    >>> png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
    >>> image_files([base64.b64decode(png)]).shape
    (1, 1, 1, 3)
    """
    image = image_options(image_size, resize, center_crop, random_resized_crop, channels, False)
    if not len(files):
        raise ArgumentError("files has none, want at least one image file")
    return decode(list(files), "files", **image)


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
    """A Parquet file, or a folder of them, with a column of encoded images (bytes, or structs of bytes and
    path, as Hugging Face writes them) or of tensors. The columns are found by their usual names where they
    are not given; so are the class names that Hugging Face leaves in the file. split takes the files of a
    folder whose names begin with it."""
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
    """What `parquet` reads, in Arrow IPC files (streaming or random-access format)."""
    image = image_options(image_size, resize, center_crop, random_resized_crop, channels, skip_broken)
    table = table_options(image_column, label_column, class_names)
    return open_set(stream, format="arrow", path=path_text(path), split=split, **table, **image)


def split(X: Any, y: Any = None, *, first: int, random_state: Any = 0) -> Any:
    """Two parts at random: the first of so many images, the second of the rest, each in the order of X. With
    labels, every class goes in proportion (by largest remainder).

    X is a stream (then so are the parts), or an array with its labels y: ((X1, y1), (X2, y2)); soft labels
    (N, K) count by their largest. The same random_state gives the same split, here, in Go and in C."""
    if isinstance(X, Stream):
        if y is not None:
            raise ArgumentError("y is given, want None: a stream has its own labels")
        return X.split(first, random_state)
    soft = None if y is None else as_soft(y)
    indices = None if y is None else hard(soft) if soft is not None else find_classes(as_labels(y))[1]
    parts = split_indices(len(X), indices, first, random_state)
    labels = y if y is None or isinstance(y, np.ndarray) else np.asarray(y) if soft is None else soft
    return tuple((X[part], None if labels is None else labels[part]) for part in parts)


def _places(path: PathLike | None) -> Iterator[Path]:
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


def _holds(folder: Path, names: tuple[str, str]) -> bool:
    return all(any((folder / n).is_file() for n in (name, name.removesuffix(".gz"))) for name in names)


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
