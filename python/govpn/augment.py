"""Changes training images at random, on the device, as torchvision.transforms.v2 does.

Names, parameters, defaults and units are those of torchvision for float images with pixels from 0
to 1. Every image of a batch draws its own parameters. The result has the size of the image. The
classifier's `random_state` fixes the draws. When training begins, a parameter of a wrong type
raises `govpn.errors.ArgumentTypeError`, a TypeError, and a wrong value
`govpn.errors.ArgumentError`, a ValueError.

>>> X, y = govpn.datasets.image_folder("photos")
>>> augment = [govpn.augment.RandomCrop(padding=1), govpn.augment.RandomHorizontalFlip()]
>>> clf = govpn.VPNClassifier("sr", mode="plain", epochs=1, batch_size=4, augment=augment, device="go")
>>> clf.fit(X, y).n_epochs_
1
"""

from __future__ import annotations

import dataclasses
import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar, TypeAlias

import numpy as np

from ._reading import reading, shown
from ._types import JsonObject
from .errors import ArgumentError, ArgumentTypeError

__all__ = [
    "Augmentation",
    "ColorJitter",
    "GaussianBlur",
    "GaussianNoise",
    "RandomAffine",
    "RandomCrop",
    "RandomHorizontalFlip",
    "RandomRotation",
]

Numbers: TypeAlias = float | Sequence[float]


class Augmentation:
    """The base class of the augmentations in this module.

    >>> isinstance(govpn.augment.RandomCrop(), govpn.augment.Augmentation)
    True
    """

    _known: ClassVar[dict[str, type[Augmentation]]] = {}

    def __init_subclass__(cls) -> None:
        Augmentation._known[cls.__name__] = cls

    def to_config(self) -> JsonObject:
        """Returns the augmentation as the library reads it: its "name" and all its parameters.

        The library checks their values when training begins.

        >>> govpn.augment.RandomHorizontalFlip().to_config()
        {'name': 'RandomHorizontalFlip', 'p': 0.5}
        """
        name = type(self).__name__
        fields = dataclasses.fields(self)  # type: ignore[arg-type]
        config: JsonObject = {"name": name}
        for field in fields:
            value, where = getattr(self, field.name), f"{name}.{field.name}"
            with reading(where, value, "a number, a list of numbers or a str"):
                config[field.name] = _plain(value, where)
        return config


@dataclass(frozen=True)
class RandomCrop(Augmentation):
    """Pads the image, then cuts out a part of the image's original size at a random place.

    Parameters
    ----------
    size : the size or (height, width) of the part. It must be that of the images. None means just
        that
    padding : pixels on all sides, (left and right, top and bottom), or (left, top, right, bottom).
        None is 0
    fill : the value from 0 to 1 with which "constant" pads: a number, or one per channel
    padding_mode : how the image is continued. "constant" uses fill, "edge" repeats the outermost
        pixels, "reflect" mirrors the image without its outermost pixels, "symmetric" mirrors it
        with them

    Examples
    --------
    >>> govpn.augment.RandomCrop(padding=4, padding_mode="reflect")
    RandomCrop(size=None, padding=4, fill=0, padding_mode='reflect')
    """

    size: int | Sequence[int] | None = None
    padding: int | Sequence[int] | None = None
    _: KW_ONLY
    fill: Numbers = 0
    padding_mode: str = "constant"


@dataclass(frozen=True)
class RandomHorizontalFlip(Augmentation):
    """Swaps left and right of the image with a probability.

    Parameters
    ----------
    p : the probability, 0 to 1

    Examples
    --------
    >>> govpn.augment.RandomHorizontalFlip(p=0.3)
    RandomHorizontalFlip(p=0.3)
    """

    p: float = 0.5


@dataclass(frozen=True)
class RandomRotation(Augmentation):
    """Turns the image by a random angle.

    Parameters
    ----------
    degrees : the range (low, high) of angles, counter-clockwise; a number d means (-d, d)
    interpolation : "nearest" or "bilinear"
    center : the point (x, y) that does not move, in pixels from the upper left corner. None is the
        middle
    fill : the value from 0 to 1 of pixels outside the image: a number, or one per channel

    Examples
    --------
    >>> govpn.augment.RandomRotation(15, interpolation="bilinear")
    RandomRotation(degrees=15, interpolation='bilinear', center=None, fill=0)
    """

    degrees: Numbers
    interpolation: str = "nearest"
    _: KW_ONLY
    center: Sequence[float] | None = None
    fill: Numbers = 0


@dataclass(frozen=True)
class RandomAffine(Augmentation):
    """Turns, moves, scales and shears the image at random. RandomAffine(0, (a, b)) only moves it.

    Parameters
    ----------
    degrees : the range (low, high) of angles, clockwise; a number d means (-d, d)
    translate : (a, b): the image moves to either side by up to the fraction a of its width, and up
        or down by up to the fraction b of its height, in whole pixels. None does not move it
    scale : the range (low, high) of the factor. None does not scale it
    shear : the range (low, high) of the angle along x in degrees; a number s means (-s, s). Four
        numbers (low, high, low, high) are the ranges along x and y. None does not shear it
    interpolation, fill, center : as for `RandomRotation`

    Examples
    --------
    >>> govpn.augment.RandomAffine(10, scale=(0.9, 1.1)).scale
    (0.9, 1.1)
    """

    degrees: Numbers
    translate: Sequence[float] | None = None
    scale: Sequence[float] | None = None
    shear: Numbers | None = None
    interpolation: str = "nearest"
    fill: Numbers = 0
    center: Sequence[float] | None = None


@dataclass(frozen=True)
class ColorJitter(Augmentation):
    """Changes the colours. The order of the changes is drawn anew for each image.

    Images have three channels, red, green and blue, or one channel, whose saturation and hue do not
    exist.

    Parameters
    ----------
    brightness, contrast, saturation : the range (low, high) of the factor; a number v means
        (max(0, 1 - v), 1 + v)
    hue : the range (low, high), within -0.5 to 0.5, of turns of the colour wheel; a number v means
        (-v, v)

    Examples
    --------
    >>> govpn.augment.ColorJitter(brightness=0.2, contrast=(0.8, 1.5))
    ColorJitter(brightness=0.2, contrast=(0.8, 1.5), saturation=0, hue=0)
    """

    brightness: Numbers | None = 0
    contrast: Numbers | None = 0
    saturation: Numbers | None = 0
    hue: Numbers | None = 0


@dataclass(frozen=True)
class GaussianBlur(Augmentation):
    """Blurs the image. Outside its borders the image is continued as its mirror image.

    Parameters
    ----------
    kernel_size : an odd number of pixels, or (width, height)
    sigma : the standard deviation of the kernel in pixels, or its range (low, high)

    Examples
    --------
    >>> govpn.augment.GaussianBlur(3)
    GaussianBlur(kernel_size=3, sigma=(0.1, 2.0))
    """

    kernel_size: int | Sequence[int]
    sigma: Numbers = (0.1, 2.0)


@dataclass(frozen=True)
class GaussianNoise(Augmentation):
    """Adds Gaussian noise to all or to randomly selected pixels.

    Parameters
    ----------
    mean, sigma : mean and standard deviation of the noise in units of the pixel range 0 to 1
    clip : whether the result is clipped to 0..1
    fraction : the probability from 0 to 1 that a pixel gets noise, in all its channels.
        torchvision, which has no such parameter, always adds it

    Examples
    --------
    >>> govpn.augment.GaussianNoise(sigma=0.05)
    GaussianNoise(mean=0.0, sigma=0.05, clip=True, fraction=1.0)
    """

    mean: float = 0.0
    sigma: float = 0.1
    clip: bool = True
    _: KW_ONLY
    fraction: float = 1.0


def as_config(augment: object) -> list[JsonObject]:
    """Returns the configuration of `fit(augment=...)`.

    augment is None, an augmentation, its dict, or a list of those.
    """
    if augment is None:
        return []
    if isinstance(augment, (list, tuple)):
        return [_config(a, f"augment[{i}]") for i, a in enumerate(augment)]
    return [_config(augment, "augment")]


def _config(augmentation: object, where: str) -> JsonObject:
    """Returns the configuration of one augmentation. where says in messages which one it is."""
    if isinstance(augmentation, Augmentation):
        return augmentation.to_config()
    if isinstance(augmentation, Mapping):
        return _of_mapping(augmentation, where)
    known = ", ".join(Augmentation._known)
    kind = augmentation if isinstance(augmentation, type) else type(augmentation)
    if kind.__name__ in Augmentation._known:
        want = f"govpn.augment.{kind.__name__}(...), which takes the same parameters and runs on the device"
    elif kind.__name__ == "Compose":
        want = "a list of augmentations"
    else:
        want = f"None, an augmentation of govpn.augment ({known}) or a list of them"
    raise ArgumentTypeError(
        f"{where} is {shown(augmentation)} of type {kind.__module__}.{kind.__name__}, want {want}"
    )


def _of_mapping(config: Mapping[str, object], where: str) -> JsonObject:
    """Checks the names in a configuration and fills in defaults."""
    name = config.get("name")
    if not isinstance(name, str) or name not in Augmentation._known:
        raise ArgumentError(f'{where}["name"] is {shown(name)}, want one of {", ".join(Augmentation._known)}')
    kind = Augmentation._known[name]
    names = [f.name for f in dataclasses.fields(kind)]  # type: ignore[arg-type]
    for key in config:
        if key != "name" and key not in names:
            raise ArgumentError(
                f"{where}: {name} has no parameter {shown(key)}, want one of {', '.join(names)}"
            )
    try:
        return kind(**{k: v for k, v in config.items() if k != "name"}).to_config()
    except TypeError as e:
        raise ArgumentTypeError(f"{where}: {e}") from None


def _plain(value: object, name: str) -> object:
    """Returns the value of a parameter as JSON has it."""
    if isinstance(value, (str, bool, type(None))):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        if not math.isfinite(value):
            raise ArgumentError(f"{name} is {shown(value)}, want finite numbers")
        return float(value)
    if isinstance(value, (Sequence, np.ndarray)):
        items = [_plain(v, name) for v in value]
        if all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in items):
            return items
    raise ArgumentTypeError(
        f"{name} is {shown(value)} of type {type(value).__name__}, want a number, a list of numbers or a str"
    )


def __dir__() -> list[str]:
    return sorted(__all__)
