"""Reads data sets from disk.

Each function returns (X, y). X holds the images, uint8 (N, H, W, C). y holds their labels as
`Labels`, int64 (N,), whose class_names is a tuple of names or None. y is None where there are no
labels. With stream=True each function returns a `Stream` instead: the classifier takes it as X and
decodes the images while it uses them, so the data may be larger than the memory.

Images are decoded as Pillow decodes them, to RGB and upright, on all cores. All must have the same
size in the end. These parameters change their size and channels:

- image_size : a number s resizes the shorter side to s and cuts out the middle s×s pixels; (height,
  width) resizes to just that
- resize, center_crop, random_resized_crop : the single steps, as in torchvision v2 and applied in
  this order. Each is an int or (height, width). random_resized_crop may also be a dict of size,
  scale (default (0.08, 1)) and ratio (default (3/4, 4/3)). A stream draws it anew in every epoch
- channels : 3 for colour, 1 for grey
- skip_broken : False raises an error that names a broken image; True leaves the image out, with a
  warning. In tables, null images are broken, too

A file that is missing or cannot be read raises `govpn.errors.FileError`, an OSError. A file that is
damaged or has another format raises `govpn.errors.FormatError`, a ValueError. A wrong argument
raises `govpn.errors.ArgumentError`, a ValueError. Nothing is downloaded unless you ask for it.

>>> X, y = govpn.datasets.image_folder("photos", image_size=8)
>>> X.shape, X.dtype, y.class_names
((12, 8, 8, 3), dtype('uint8'), ('a', 'b', 'c', 'd'))
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from . import _fashion_mnist
from ._fashion_mnist import FASHION_MNIST_CLASSES
from ._inputs.encoded import decode
from ._inputs.labels import Labels
from ._inputs.stream import Opened, Stream, open_set
from ._open_options import Crop, Size, image_options, path_text
from ._reading import described, reading
from ._split import split
from ._table_files import arrow, parquet
from ._types import AnyArray, Foreign, Path
from .errors import ArgumentError, ArgumentTypeError

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


def fashion_mnist(
    split: str = "train", path: Path | None = None, download: bool = False, stream: bool = False
) -> Opened:
    """Reads Fashion-MNIST (Zalando, MIT licence): 60,000 training and 10,000 test images in 10 classes.

    Parameters
    ----------
    split : "train" or "test"
    path : the folder of the files. None looks in $GOVPN_DATA; in shared/data in the working folder,
        its parents and the parents of this package; in the folder of Debian's package
        dataset-fashion-mnist; and in the cache, ~/.cache/govpn
    download : whether to download files that are in none of these places. They go from the
        publisher into the cache, and their SHA-256 is checked
    stream : whether to return a `Stream`

    Returns
    -------
    (X, y) : uint8 (N, 28, 28, 1) and `Labels` (N,)

    Examples
    --------
    The paper trains on 50,000 images, chooses the model on the other 10,000 and reports the test
    set. Here they are 300, 100 and 100 images of a smaller set:

    >>> X, y = govpn.datasets.fashion_mnist("train")
    >>> train, valid = govpn.datasets.split(X, y, first=300)
    >>> X_test, y_test = govpn.datasets.fashion_mnist("test")
    >>> train[0].shape, valid[0].shape, X_test.shape
    ((300, 28, 28, 1), (100, 28, 28, 1), (100, 28, 28, 1))
    >>> y.class_names[9]
    'Ankle boot'
    """
    folder = _fashion_mnist.find(split, path, download)
    return open_set(stream, format="fashion-mnist", path=str(folder), split=split)


def idx(images: Path, labels: Path | None = None, *, stream: bool = False) -> Opened:
    """Reads IDX files of bytes, compressed with gzip or not: MNIST, KMNIST, EMNIST and their family.

    Parameters
    ----------
    images : a file of shape (N, H, W) or (N, H, W, C)
    labels : a file of shape (N,), or None
    stream : whether to return a `Stream`

    Returns
    -------
    (X, y) : uint8 (N, H, W, C) and `Labels` (N,) without class names; y is None without labels

    Examples
    --------
    >>> X, y = govpn.datasets.idx("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz")
    >>> X.shape, y[:3].tolist()
    ((400, 28, 28, 1), [0, 1, 2])
    """
    return open_set(
        stream, format="idx", images=path_text(images, "images"), labels=path_text(labels, "labels")
    )


def cifar10(path: Path, split: str = "train", *, stream: bool = False) -> Opened:
    """Reads CIFAR-10's binary version: 50,000 training and 10,000 test images in 10 classes.

    Parameters
    ----------
    path : the folder that has its .bin files, or the tar.gz file
    split : "train" or "test"
    stream : whether to return a `Stream`

    Returns
    -------
    (X, y) : uint8 (N, 32, 32, 3) and `Labels` (N,)

    Examples
    --------
    >>> X, y = govpn.datasets.cifar10("cifar-10-batches-bin")
    >>> X.shape[1:], len(y.class_names)
    ((32, 32, 3), 10)
    """
    return open_set(stream, format="cifar10", path=path_text(path), split=split)


def cifar100(path: Path, split: str = "train", labels: str = "fine", *, stream: bool = False) -> Opened:
    """Reads CIFAR-100's binary version: 50,000 training and 10,000 test images.

    Parameters
    ----------
    path : the folder that has its .bin files, or the tar.gz file
    split : "train" or "test"
    labels : "fine" for 100 classes or "coarse" for 20
    stream : whether to return a `Stream`

    Returns
    -------
    (X, y) : uint8 (N, 32, 32, 3) and `Labels` (N,)

    Examples
    --------
    >>> X, y = govpn.datasets.cifar100("cifar-100-binary", "test", labels="coarse")
    >>> X.shape[1:], len(y.class_names)
    ((32, 32, 3), 20)
    """
    return open_set(stream, format="cifar100", path=path_text(path), split=split, labels=labels)


def tiny_imagenet(
    path: Path,
    split: str = "train",
    *,
    stream: bool = False,
    image_size: Size | None = None,
    resize: Size | None = None,
    center_crop: Size | None = None,
    random_resized_crop: Crop | None = None,
    channels: int | None = None,
    skip_broken: bool = False,
) -> Opened:
    """Reads Tiny ImageNet as published: 100,000 training and 10,000 validation images in 200 classes.

    Images are sorted by class. class_names are the first names in words.txt, for example "Egyptian
    cat".

    Parameters
    ----------
    path : the folder, or a tar or tar.gz file of it
    split : "train", "val", or "test", which has no labels: y is None
    image_size, resize, center_crop, random_resized_crop, channels, skip_broken : how images are
        decoded; see `govpn.datasets`
    stream : whether to return a `Stream`

    Returns
    -------
    (X, y) : uint8 (N, 64, 64, 3), or the size that was asked for, and `Labels` (N,)

    Examples
    --------
    >>> stream = govpn.datasets.tiny_imagenet("tiny-imagenet-200", "val", image_size=32, stream=True)
    >>> stream.shape, len(stream)
    ((32, 32, 3), 2)
    """
    image = image_options(image_size, resize, center_crop, random_resized_crop, channels, skip_broken)
    return open_set(stream, format="tiny-imagenet", path=path_text(path), split=split, **image)


def image_folder(
    path: Path,
    image_size: Size | None = None,
    *,
    split: str | None = None,
    stream: bool = False,
    resize: Size | None = None,
    center_crop: Size | None = None,
    random_resized_crop: Crop | None = None,
    channels: int | None = None,
    skip_broken: bool = False,
) -> Opened:
    """Reads a folder of class folders: the images in <path>/<split>/<class>.

    They are JPEG, PNG, WebP, BMP, TIFF, PPM, PGM and PBM files, told by their suffixes. A warning
    counts the other files in class folders, which are left out.

    The classes are the sorted names of the class folders. Images are sorted by class, then by path.

    Parameters
    ----------
    path : the folder, or a tar or tar.gz file of it
    split : the name of the split's folder; None if the class folders lie in path itself
    image_size, resize, center_crop, random_resized_crop, channels, skip_broken : how images are
        decoded; see `govpn.datasets`
    stream : whether to return a `Stream`

    Returns
    -------
    (X, y) : uint8 (N, H, W, C) and `Labels` (N,)

    Examples
    --------
    ImageNet (ILSVRC2012) has this layout::

        train = datasets.image_folder("ILSVRC2012", split="train", random_resized_crop=224,
        stream=True) valid = datasets.image_folder("ILSVRC2012", split="val", resize=256,
        center_crop=224, stream=True)

    >>> X, y = govpn.datasets.image_folder("photos", resize=12, center_crop=8, channels=1)
    >>> X.shape, y.class_names[y[0]]
    ((12, 8, 8, 1), 'a')
    """
    image = image_options(image_size, resize, center_crop, random_resized_crop, channels, skip_broken)
    return open_set(stream, format="image-folder", path=path_text(path), split=split, **image)


def image_files(
    files: Sequence[Foreign],
    image_size: Size | None = None,
    *,
    resize: Size | None = None,
    center_crop: Size | None = None,
    random_resized_crop: Crop | None = None,
    channels: int | None = None,
) -> AnyArray:
    """Reads image files without labels, in the given order.

    Parameters
    ----------
    files : paths, or the encoded bytes of one image each. While they are read, the temporary folder
        holds two copies of them
    image_size, resize, center_crop, random_resized_crop, channels : how images are decoded; see
        `govpn.datasets`

    Returns
    -------
    X : uint8 (N, H, W, C)

    Examples
    --------
    >>> govpn.datasets.image_files(["photos/a/0000.png", "photos/b/0001.png"]).shape
    (2, 8, 8, 3)
    """
    image = image_options(image_size, resize, center_crop, random_resized_crop, channels, False)
    want = "a list of paths, or of the encoded bytes of one image each"
    with reading("files", files, want):
        if isinstance(files, (str, bytes, os.PathLike)):
            raise ArgumentTypeError(f"files is {described(files)}, want {want}")
        listed = list(files)
        if not listed:
            raise ArgumentError("files has none, want at least one image file")
        return decode(listed, "files", **image)


def __dir__() -> list[str]:
    return sorted(__all__)
