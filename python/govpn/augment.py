"""Random changes of training images, on the device, as torchvision.transforms.v2 makes them.

Names, parameters, defaults and units are torchvision's, for float images whose pixels are 0 to 1. Every image
of a batch draws parameters of its own. The result is as large as the image. `random_state` of the classifier
fixes the draws. Parameters of a wrong type raise `govpn.errors.ArgumentTypeError`, a TypeError, wrong values
`govpn.errors.ArgumentError`, a ValueError, when training begins.

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
from typing import Any, ClassVar

import numpy as np

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

Numbers = float | Sequence[float]


class Augmentation:
    """What the augmentations of this module have in common; none itself.

    >>> isinstance(govpn.augment.RandomCrop(), govpn.augment.Augmentation)
    True
    """

    _known: ClassVar[dict[str, type[Augmentation]]] = {}

    def __init_subclass__(cls) -> None:
        Augmentation._known[cls.__name__] = cls

    def to_config(self) -> dict[str, Any]:
        """The augmentation as the library reads it: its "name" and all parameters. The library checks their
        values when training begins.

        >>> govpn.augment.RandomHorizontalFlip().to_config()
        {'name': 'RandomHorizontalFlip', 'p': 0.5}
        """
        name = type(self).__name__
        fields = dataclasses.fields(self)  # type: ignore[arg-type]
        return {"name": name} | {f.name: _plain(getattr(self, f.name), f"{name}.{f.name}") for f in fields}


@dataclass(frozen=True)
class RandomCrop(Augmentation):
    """Pads the image and cuts a part of the image's own size out of it, at a random place.

    Parameters
    ----------
    size : size or (height, width), which must be that of the images; None for that
    padding : pixels on all sides, (left and right, top and bottom) or (left, top, right, bottom); None for 0
    fill : what "constant" pads with, 0 to 1: a number, or one per channel
    padding_mode : "constant", "edge" (the outermost pixels go on), "reflect" or "symmetric" (the image goes
        on as its mirror image, without and with the outermost pixels)

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
    """Mirrors the image, left to right.

    Parameters
    ----------
    p : the probability, 0 to 1

    >>> govpn.augment.RandomHorizontalFlip(p=0.3)
    RandomHorizontalFlip(p=0.3)
    """

    p: float = 0.5


@dataclass(frozen=True)
class RandomRotation(Augmentation):
    """Turns the image by a random angle.

    Parameters
    ----------
    degrees : counter-clockwise, from -degrees to degrees, or (low, high)
    interpolation : "nearest" or "bilinear"
    center : the point (x, y) that stays, in pixels from the upper left corner; None for the middle
    fill : what lies outside the image, 0 to 1: a number, or one per channel

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
    degrees : clockwise, from -degrees to degrees, or (low, high)
    translate : (a, b), by up to a of the width to either side and up to b of the height up or down, in whole
        pixels; None for 0
    scale : (low, high); None for 1
    shear : degrees along x, from -shear to shear, or (low, high), or (low, high, low, high) along x and y;
        None for 0
    interpolation, fill, center : as for `RandomRotation`

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
    """Changes the colours, in an order drawn anew for each image. Images have one channel, which has neither
    saturation nor hue, or three: red, green, blue.

    Parameters
    ----------
    brightness, contrast, saturation : a factor from max(0, 1 - v) to 1 + v, or (low, high)
    hue : turns of the colour wheel, from -v to v, or (low, high), within -0.5 to 0.5

    >>> govpn.augment.ColorJitter(brightness=0.2, contrast=(0.8, 1.5))
    ColorJitter(brightness=0.2, contrast=(0.8, 1.5), saturation=0, hue=0)
    """

    brightness: Numbers | None = 0
    contrast: Numbers | None = 0
    saturation: Numbers | None = 0
    hue: Numbers | None = 0


@dataclass(frozen=True)
class GaussianBlur(Augmentation):
    """Blurs the image. Outside, it goes on as its mirror image.

    Parameters
    ----------
    kernel_size : pixels, odd, or (width, height)
    sigma : standard deviation of the kernel in pixels, or (low, high)

    >>> govpn.augment.GaussianBlur(3)
    GaussianBlur(kernel_size=3, sigma=(0.1, 2.0))
    """

    kernel_size: int | Sequence[int]
    sigma: Numbers = (0.1, 2.0)


@dataclass(frozen=True)
class GaussianNoise(Augmentation):
    """Adds Gaussian noise to the image, or to randomly selected pixels of it.

    Parameters
    ----------
    mean, sigma : of the noise, in units of the pixel range 0 to 1
    clip : whether the result is clipped to 0..1
    fraction : the probability with which a pixel gets noise, in all its channels; torchvision's is 1

    >>> govpn.augment.GaussianNoise(sigma=0.05)
    GaussianNoise(mean=0.0, sigma=0.05, clip=True, fraction=1.0)
    """

    mean: float = 0.0
    sigma: float = 0.1
    clip: bool = True
    _: KW_ONLY
    fraction: float = 1.0


def as_config(augment: Any) -> list[dict[str, Any]]:
    """The configuration of `fit(augment=...)`: None, an augmentation, its dict, or a list of those."""
    if augment is None:
        return []
    if isinstance(augment, (list, tuple)):
        return [_config(a, f"augment[{i}]") for i, a in enumerate(augment)]
    return [_config(augment, "augment")]


def _config(augmentation: Any, where: str) -> dict[str, Any]:
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
        f"{where} is {augmentation!r} of type {kind.__module__}.{kind.__name__}, want {want}"
    )


def _of_mapping(config: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Checks names and fills in defaults."""
    name = config.get("name")
    if not isinstance(name, str) or name not in Augmentation._known:
        raise ArgumentError(f'{where}["name"] is {name!r}, want one of {", ".join(Augmentation._known)}')
    kind = Augmentation._known[name]
    names = [f.name for f in dataclasses.fields(kind)]  # type: ignore[arg-type]
    for key in config:
        if key != "name" and key not in names:
            raise ArgumentError(f"{where}: {name} has no parameter {key!r}, want one of {', '.join(names)}")
    try:
        return kind(**{k: v for k, v in config.items() if k != "name"}).to_config()
    except TypeError as e:
        raise ArgumentTypeError(f"{where}: {e}") from None


def _plain(value: Any, name: str) -> Any:
    """The value of a parameter as JSON has it."""
    if isinstance(value, (str, bool, type(None))):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        if not math.isfinite(value):
            raise ArgumentError(f"{name} is {value!r}, want finite numbers")
        return float(value)
    if isinstance(value, (Sequence, np.ndarray)):
        items = [_plain(v, name) for v in value]
        if all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in items):
            return items
    raise ArgumentTypeError(
        f"{name} is {value!r} of type {type(value).__name__}, want a number, a list of numbers or a str"
    )
