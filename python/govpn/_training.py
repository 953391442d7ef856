"""The steps of fit and partial_fit: from X and y to a model that can train."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike

from . import _params
from ._arrow import Data
from ._fitted import FittedModel
from ._inputs import features, labels, sample_weights, soft_labels
from ._inputs.features import Layout
from ._inputs.images import WANTED, Images, as_images, warn_if_dark
from ._inputs.source import read
from ._model import Model
from ._progress import announce_choice
from ._reading import reading, shown
from ._types import Config, Foreign, ImagesLike, Indices, JsonObject, LabelsLike, Shape, Targets
from .errors import ArgumentError, ArgumentTypeError

# Makes a model from its configuration, the shape (H, W, C) of its images and its classes.
MakeModel: TypeAlias = Callable[[JsonObject, Sequence[int], labels.Classes], Model]

# A safetensors file whose weights every fit starts from, and the options of its import.
Import: TypeAlias = tuple[str, Mapping[str, object]]


@dataclass(frozen=True)
class Ready:
    """A training that can begin."""

    model: Model
    classes: labels.Classes
    images: Images
    train: Data
    valid: Data | None
    unused: tuple[str, ...]  # names that y has for classes that no image is of


def prepare(
    X: ImagesLike,
    y: LabelsLike,
    config: JsonObject,
    *,
    make_model: MakeModel,
    resumed: tuple[FittedModel, Model] | None,
    classes: labels.Classes | None,
    known: labels.Classes | None,
    fixed: bool,
    whole: bool,
    class_weight: sample_weights.ClassWeight,
    sample_weight: ArrayLike | None,
    validation_data: Foreign,
    channels: str | None,
    image_shape: object,
    pixel_range: object,
    verbose: int,
) -> Ready:
    """Makes the data sets and, unless a training is resumed, the model.

    resumed is the fitted model and the one that goes on: itself or its copy on other devices.
    classes are all that will ever come. If they are None, known, fixed and whole decide as in
    `find_classes`. The other arguments are those of fit and the parameters of VPNClassifier.
    """
    if resumed is None:
        images, layout = _new_images(X, channels, image_shape, pixel_range, verbose)
    else:
        images, layout = resumed[0].images(X), resumed[0].layout()
    given = images.given_labels(y, soft=True)
    if classes is None:
        classes, targets = find_classes(given, known, fixed, whole)
        if resumed is None:
            classes = labels.with_names_if_all(classes, given.names)
    else:
        if resumed is None:
            classes = labels.with_names_for_all(classes, given.names)
        targets = soft_labels.to_targets(given, classes)
    labels.warn_of_one(classes.labels)
    weights = sample_weights.combined(targets, classes, class_weight, sample_weight)
    # If only the library can tell the shape of Arrow's images, layout has none and `Images.data`
    # complains.
    layout = dataclasses.replace(layout, shape=cast("Shape | None", images.shape))
    valid, held_out = _validation(validation_data, classes, layout, channels)
    train = images.data(targets, resumed[0].image_shape if resumed else None)
    if valid is train and held_out is not None and not np.array_equal(soft_labels.hard(targets), held_out):
        raise ArgumentError("validation_data X is X itself with other labels, want the same labels")
    train.set_weights(weights)
    unused = tuple(set(given.names or ()) - set(classes.names or ()))
    if resumed is not None:
        return Ready(resumed[1], classes, images, train, valid, unused)
    assert images.shape is not None, "Images.data has refused images without a shape"
    model = make_model(config | {"attributes": layout.to_attributes()}, images.shape, classes)
    return Ready(model, classes, images, train, valid, unused)


def _new_images(
    X: ImagesLike, channels: str | None, image_shape: object, pixel_range: object, verbose: int
) -> tuple[Images, Layout]:
    """Returns the images of a new model, and how X became images.

    Prints what was guessed of features.
    """
    with reading("X", X, WANTED):
        source = read(X, "X", channels)
        x, layout = features.layout_of(source.x, image_shape, pixel_range)
        images = as_images(source.with_pixels(x))
    if verbose and layout.n_features:
        print(layout.announcement(), flush=True)
    warn_if_dark(images)
    return images, layout


def find_classes(
    given: labels.Given, known: labels.Classes | None, fixed: bool, whole: bool
) -> tuple[labels.Classes, Targets]:
    """Returns the classes, and the labels as indices of them or as probabilities.

    known are the classes of the present weights. With fixed, labels must be of them, else this
    raises ArgumentError. Without fixed, they stay the classes if all labels are of them and, with
    whole, every class has a label.
    """
    if known is None:
        return soft_labels.find_classes(given)
    try:
        targets = soft_labels.to_targets(given, known)
    except ArgumentError:
        if fixed:
            raise
        return soft_labels.find_classes(given)
    if whole and targets.ndim == 1 and len(np.unique(targets)) < len(known.labels):
        return soft_labels.find_classes(given)
    return known, targets


def _validation(
    given: Foreign, classes: labels.Classes, layout: Layout, channels: str | None
) -> tuple[Data | None, Indices | None]:
    """Returns the validation data as a data set in the library, and its labels as indices of the classes."""
    if given is None:
        return None, None
    with reading("validation_data", given, "(X, y), a table or a stream"):
        x, y = given if isinstance(given, (tuple, list)) and len(given) == 2 else (given, None)
    name = "validation_data X"
    with reading(name, x, WANTED):
        source = read(x, name, channels, layout.shape)
        images = as_images(source.with_pixels(layout.images(source.x, name=name)))
    if layout.shape is not None:
        images.check_shape(layout.shape)
    found = images.given_labels(y, "validation_data y", soft=True)
    indices = soft_labels.hard(soft_labels.to_targets(found, classes, "validation_data y"))
    return images.data(indices, layout.shape), indices


def new_model(
    config: JsonObject,
    shape: Sequence[int],
    classes: labels.Classes,
    *,
    device: str,
    devices: object,
    random_state: object,
    verbose: int,
    imported: Iterable[Import],
) -> Model:
    """Makes a model with new weights, or with those of the imported files.

    shape is (H, W, C). The others are parameters of VPNClassifier.
    """
    if not isinstance(device, str):
        raise ArgumentTypeError(f"device is {shown(device)}, want a str: one of auto, go, cpu, cuda")
    sizes = {"image_shape": list(shape), **labels.to_config(classes)}
    seed = _params.seed_of(random_state)
    where = {"device": device, "devices": _params.devices_of(devices)}
    model = Model.create({**where, "seed": seed, **sizes, **config})
    if device == "auto" and verbose:
        announce_choice(model.describe()["device"])
    for path, options in imported:
        model.import_safetensors(path, options)
    return model


def warm_model(
    old: FittedModel,
    make_model: MakeModel,
    config: JsonObject,
    shape: Sequence[int],
    classes: labels.Classes,
) -> Model:
    """Makes a new model with the weights of an old one, which must have the same images and classes."""
    if tuple(shape) != old.image_shape or not classes.same_as(old.classes):
        raise ArgumentError(
            f"warm_start: X and y have images {tuple(shape)} and classes {classes}, want "
            f"{old.image_shape} and {old.classes} as before"
        )
    model = make_model(config, shape, classes)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "weights.safetensors")
        old.model.export_safetensors(path, {})
        model.import_safetensors(path, {})
    return model


def resumed_model(model: Model, old: Config, config: JsonObject, devices: object) -> Model:
    """Returns the model with which a training goes on: this one, or its copy on other devices.

    old is the model's configuration. config is the present one, in which only epochs may differ.
    """
    for name, value in config.items():
        before: Foreign = old.get(name, value)
        if isinstance(value, dict):
            same = all(before.get(k) == v for k, v in value.items())
        else:
            same = before == value
        if name == "augment":
            same = _params.augmentation(before) == value
        if not same and name != "epochs":
            raise ArgumentError(
                f"resume: {name} is {value!r}, want {before!r} as before; only epochs may change"
            )
    return model.spread(_params.devices_of(devices))
