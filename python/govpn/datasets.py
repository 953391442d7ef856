"""Data sets on disk.

Each function returns (X, y): images uint8 (N, H, W, C), and `Labels`, int64 (N,), whose class_names is a
tuple of names, or None; y is None where there are no labels. With stream=True it returns a `Stream` in their
place, which the classifier takes as X, for data larger than memory.

Images decode as Pillow decodes them, to RGB, on all cores. All must come out of one size:

- image_size : s (the shorter side is resized to s, then the middle s×s is taken) or (height, width)
- resize, center_crop, random_resized_crop : for full control, in this order, as torchvision v2 does it: an
  int or (height, width); random_resized_crop also takes a dict of size, scale (0.08, 1) and ratio (3/4, 4/3),
  and is drawn anew in every epoch of a stream
- channels : 3, or 1 for grey
- skip_broken : False: a broken image is an error that names it; True: it is left out, with a warning

Files that are missing or cannot be read raise `govpn.errors.FileError`, an OSError; damaged ones and those of
another format `govpn.errors.FormatError`, wrong arguments `govpn.errors.ArgumentError`, both ValueErrors.
Nothing is downloaded unless asked for.

>>> X, y = govpn.datasets.image_folder("photos", image_size=8)
>>> X.shape, X.dtype, y.class_names
((12, 8, 8, 3), dtype('uint8'), ('a', 'b', 'c', 'd'))
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from . import _fashion_mnist
from ._encoded import decode
from ._fashion_mnist import FASHION_MNIST_CLASSES
from ._labels import Labels
from ._open_options import image_options, path_text
from ._split import split
from ._stream import Stream, open_set
from ._table_files import arrow, parquet
from .errors import ArgumentError

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


def fashion_mnist(
    split: str = "train", path: PathLike | None = None, download: bool = False, stream: bool = False
) -> Any:
    """Fashion-MNIST (Zalando, MIT licence): 60,000 images for training and 10,000 for tests, in 10 classes.

    Parameters
    ----------
    split : "train" or "test"
    path : the folder of the files. None looks in $GOVPN_DATA, in shared/data beside this folder, its parents
        or the checkout, in the folder of Debian's package dataset-fashion-mnist, and in the cache
        (~/.cache/govpn)
    download : whether files that are nowhere come from the publisher into the cache, checked by their SHA-256
    stream : whether to return a `Stream`

    Returns
    -------
    (X, y) : uint8 (N, 28, 28, 1) and `Labels` (N,)

    Examples
    --------
    The paper trains on 50,000 images, chooses on the other 10,000 and reports the test set
    (here 300, 100 and 100 of a smaller set):

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


def idx(images: PathLike, labels: PathLike | None = None, *, stream: bool = False) -> Any:
    """IDX files of bytes, gzip or not: MNIST, KMNIST, EMNIST and their family.

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
    return open_set(stream, format="idx", images=path_text(images), labels=path_text(labels))


def cifar10(path: PathLike, split: str = "train", *, stream: bool = False) -> Any:
    """CIFAR-10's binary version: 50,000 images for training and 10,000 for tests, in 10 classes.

    Parameters
    ----------
    path : the folder of its .bin files, or the tar.gz file
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


def cifar100(path: PathLike, split: str = "train", labels: str = "fine", *, stream: bool = False) -> Any:
    """CIFAR-100's binary version: 50,000 images for training and 10,000 for tests.

    Parameters
    ----------
    path : the folder of its .bin files, or the tar.gz file
    split : "train" or "test"
    labels : "fine", 100 classes, or "coarse", 20
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
    """Tiny ImageNet as published: 200 classes, 100,000 images for training and 10,000 for validation.

    Images come class by class, sorted; class_names are the first names of words.txt ("Egyptian cat").

    Parameters
    ----------
    path : the folder, or a tar or tar.gz file of it
    split : "train", "val" or "test" (unlabelled: y is None)
    image_size, resize, center_crop, random_resized_crop, channels, skip_broken : of the images, see
        `govpn.datasets`
    stream : whether to return a `Stream`

    Returns
    -------
    (X, y) : uint8 (N, 64, 64, 3), or of the size that was asked for, and `Labels` (N,)

    Examples
    --------
    >>> stream = govpn.datasets.tiny_imagenet("tiny-imagenet-200", "val", image_size=32, stream=True)
    >>> stream.shape, len(stream)
    ((32, 32, 3), 2)
    """
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
    """A folder, or a tar or tar.gz file, of images: <path>/<split>/<class>/*.{jpg,jpeg,png,webp,bmp}.

    Classes are the folders' names, sorted; images come class by class, sorted by their paths.

    Parameters
    ----------
    path : the folder or file
    split : the folder of the split; None where the classes lie in path itself
    image_size, resize, center_crop, random_resized_crop, channels, skip_broken : of the images, see
        `govpn.datasets`
    stream : whether to return a `Stream`

    Returns
    -------
    (X, y) : uint8 (N, H, W, C) and `Labels` (N,)

    Examples
    --------
    ImageNet (ILSVRC2012) is laid out so::

        train = datasets.image_folder("ILSVRC2012", split="train", random_resized_crop=224, stream=True)
        valid = datasets.image_folder("ILSVRC2012", split="val", resize=256, center_crop=224, stream=True)

    >>> X, y = govpn.datasets.image_folder("photos", resize=12, center_crop=8, channels=1)
    >>> X.shape, y.class_names[y[0]]
    ((12, 8, 8, 1), 'a')
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
    """Image files, in the order given, without labels.

    Parameters
    ----------
    files : paths, or the encoded bytes of an image each; while they are read, the temporary folder holds
        them twice
    image_size, resize, center_crop, random_resized_crop, channels : of the images, see `govpn.datasets`

    Returns
    -------
    X : uint8 (N, H, W, C)

    Examples
    --------
    >>> govpn.datasets.image_files(["photos/a/0000.png", "photos/b/0001.png"]).shape
    (2, 8, 8, 3)
    """
    image = image_options(image_size, resize, center_crop, random_resized_crop, channels, False)
    if not len(files):
        raise ArgumentError("files has none, want at least one image file")
    return decode(list(files), "files", **image)
