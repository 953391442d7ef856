"""The data sets of the paper, split as in its experiments."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import datasets
from .._lib import path_bytes
from ..errors import ArgumentError, FileError

# Name → where its files may lie below the data folder, and a note for the report. The first place that
# exists is read. The note applies to the last place, which does not hold the published data.
DATASETS = {
    "fashion-mnist": ((".",), ""),
    "cifar-10": (
        ("cifar-10-batches-bin", "cifar-10-binary.tar.gz", "cifar-10-images-jpeg.tar.gz"),
        "CIFAR-10 as JPEG files, which are not the published pixels",
    ),
    "tiny-imagenet": (
        ("tiny-imagenet-200", "tiny-imagenet-200.tar.gz", "tiny-imagenet-20.tar.gz"),
        "20 of Tiny ImageNet's 200 classes",
    ),
    "ilsvrc2012": (("ILSVRC2012",), ""),
}


class Part(NamedTuple):
    """Images uint8 (N, H, W, C) with labels (N,), or a stream with None."""

    X: Any
    y: Any


class Data(NamedTuple):
    train: Part
    valid: Part
    test: Part
    note: str  # what differs from the paper


def folder_of(data: str | os.PathLike[str] | None) -> Path:
    """Returns the folder of the data sets.

    It is the one given, else $GOVPN_DATA, else shared/data beside the current folder or one of its parents.
    """
    if data is not None or os.environ.get("GOVPN_DATA"):
        return Path(os.fsdecode(path_bytes(data if data is not None else os.environ["GOVPN_DATA"])))
    here = Path.cwd()
    for parent in (here, *here.parents):
        if (parent / "shared" / "data").is_dir():
            return parent / "shared" / "data"
    return here


@functools.lru_cache(maxsize=4)
def load(dataset: str, seed: int, folder: Path) -> Data:
    """Returns the splits of a seed: training, validation and test.

    The validation images are 10,000 of the training set, or a tenth of it if it has less than 50,000.
    They are stratified. The test set is the same for all seeds.
    """
    if dataset not in DATASETS:
        raise ArgumentError(f"dataset is {dataset!r}, want one of {', '.join(DATASETS)}")
    whole, test, note = _open(dataset, folder)
    first = len(whole.X) - (10_000 if len(whole.X) >= 50_000 else len(whole.X) // 10)
    if whole.y is None:
        train, valid = (Part(s, None) for s in datasets.split(whole.X, first=first, random_state=seed))
    else:
        train, valid = (Part(*p) for p in datasets.split(*whole, first=first, random_state=seed))
    return Data(train, valid, test, note)


@functools.lru_cache(maxsize=2)
def _open(dataset: str, folder: Path) -> tuple[Part, Part, str]:
    names, note = DATASETS[dataset]
    path = next((folder / n for n in names if (folder / n).exists()), None)
    if path is None:
        raise FileError(f"{dataset} is not in {folder}: want {' or '.join(names)}; give data, or GOVPN_DATA")
    if dataset == "fashion-mnist":
        return (
            Part(*datasets.fashion_mnist("train", folder)),
            Part(*datasets.fashion_mnist("test", folder)),
            "",
        )
    if dataset == "ilsvrc2012":
        train = datasets.image_folder(path, split="train", random_resized_crop=224, stream=True)
        valid = datasets.image_folder(path, split="val", resize=256, center_crop=224, stream=True)
        return Part(train, None), Part(valid, None), ""
    if dataset == "tiny-imagenet":  # its test set has no labels
        train, test = (Part(*datasets.tiny_imagenet(path, split)) for split in ("train", "val"))
    elif "jpeg" in path.name:
        train, test = (Part(*datasets.image_folder(path, split=split)) for split in ("train", "test"))
    else:
        train, test = (Part(*datasets.cifar10(path, split)) for split in ("train", "test"))
    return train, test, "" if path.name in names[:2] else note


def subset(part: Part, images: int, label_noise: float, seed: int) -> Part:
    """Returns a stratified subset of that many images, or all if images is 0.

    label_noise is the fraction of labels that are changed to another class, drawn evenly.
    """
    if not images and not label_noise:
        return part
    if part.y is None:
        raise ArgumentError("images or label_noise is given, want none of them with a stream")
    if images and images < len(part.y):
        part = Part(*datasets.split(*part, first=images, random_state=seed)[0])
    y, random = np.array(part.y), np.random.default_rng(seed)
    wrong = random.permutation(len(y))[: round(label_noise * len(y))]
    classes = int(y.max()) + 1
    y[wrong] = (y[wrong] + random.integers(1, classes, len(wrong))) % classes
    return Part(part.X, y)


def corrupted(X: np.ndarray, seed: int) -> Iterator[tuple[str, np.ndarray]]:
    """Yields each corruption's name and the images under it, float32 from 0 to 1."""
    from scipy.ndimage import gaussian_filter

    x = X.astype(np.float32) / 255
    for sigma in (0.1, 0.3):
        noise = np.random.default_rng(seed).standard_normal(x.shape, np.float32)
        yield f"noise {sigma}", np.clip(x + sigma * noise, 0, 1)
    yield "blur 1 px", gaussian_filter(x, (0, 1, 1, 0))
    mean = x.mean((1, 2, 3), keepdims=True)
    yield "contrast 0.5", mean + 0.5 * (x - mean)
