"""How a classifier gets its weights from images: what fit and partial_fit share."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from . import _features, _labels, _params, _soft, _weights
from ._images import Images, as_images, warn_if_dark
from ._inputs import read
from ._model import Model
from ._pretrained import Pretrained
from ._progress import announce_choice
from .callbacks import as_callbacks
from .errors import ArgumentError, ArgumentTypeError


class Learning(Pretrained):
    """The part of VPNClassifier that trains."""

    def _learn(
        self,
        X: Any,
        y: Any,
        start: Callable[[dict[str, Any], Any, np.ndarray], Model] | None,
        options: dict[str, Any],
        *,
        classes: np.ndarray | None = None,
        sample_weight: Any = None,
        validation_data: Any = None,
        augment: Any = None,
        callbacks: Any = (),
    ) -> None:
        """Trains a new model, or with resume in the options, which are the library's, the present one. start
        makes the new one, of a configuration, its image shape and its classes."""
        config = _params.configuration(self.get_params())
        resume, verbose = options["resume"], _params.whole(self.verbose, "verbose")
        if augment is not None:
            options["augment"] = _params.augmentation(augment)
        for name in {"augment", "schedule"} & set(options):  # in place of the configured
            config.pop(name, None)
        model = self._resumed(config) if resume else None
        images, layout = self._training_images(X, model is None)
        given = images.labels if y is None else y
        names = _labels.class_names_of(given)
        labels = self._labels(images, y, soft=True)
        if classes is None:
            classes, indices = self._encode(labels, names, resume)
        else:
            indices = _soft.to_indices(labels, names, classes)
        _labels.warn_of_one(classes)
        weights = _weights.of(indices, classes, self.class_weight, sample_weight)
        layout = dataclasses.replace(layout, shape=images.shape)
        valid, held_out = self._validation(validation_data, classes, names, layout)
        train = images.data(indices, self.image_shape_ if resume else None)
        if valid is train and not np.array_equal(_soft.hard(indices), held_out):
            raise ArgumentError("validation_data X is X itself with other labels, want the same labels")
        train.set_weights(weights)
        if model is None:
            config["attributes"] = layout.to_attributes()
            model = (start or self._new_model)(config, images.shape, classes)
        try:
            model.fit(train, valid, options, verbose, as_callbacks(callbacks))
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) or model is self.__dict__.get("_model"):
                self._adopt(model, classes)  # it has changed
            raise
        self._adopt(model, classes)
        self.data_info_ = images.info(train)

    def _training_images(self, X: Any, new: bool) -> tuple[Images, _features.Layout]:
        """The images of X, and where they come from; of a new model it is X that tells."""
        if not new:
            return self._images(X), self._layout()
        source = read(X, "X", self.channels)
        x, layout = _features.of(source.x, self.image_shape, self.pixel_range)
        if self.verbose and layout.n_features:
            print(layout.announcement(), flush=True)
        images = as_images(source.with_pixels(x))
        warn_if_dark(images)
        return images, layout

    def _new_model(self, config: dict[str, Any], shape: Any, classes: np.ndarray) -> Model:
        if not isinstance(self.device, str):
            raise ArgumentTypeError(f"device is {self.device!r}, want a str: one of auto, go, cpu, cuda")
        sizes = {
            "image_shape": list(shape),
            "classes": len(classes),
            "class_names": _labels.to_names(classes),
        }
        seed = _params.seed_of(self.random_state)
        where = {"device": self.device, "devices": _params.devices_of(self.devices)}
        model = Model.create({**where, "seed": seed, **sizes, **config})
        if self.device == "auto" and self.verbose:
            announce_choice(model.describe()["device"])
        self._import_again(model)
        return model

    def _warm_model(self, config: dict[str, Any], shape: Any, classes: np.ndarray) -> Model:
        """A new model with the weights of the present one, which must be for the same images and classes."""
        old = self._fitted()
        if tuple(shape) != self.image_shape_ or not np.array_equal(classes, self.classes_):
            raise ArgumentError(
                f"warm_start: X and y have images {tuple(shape)} and classes {_labels.some(classes)}, want "
                f"{self.image_shape_} and {_labels.some(self.classes_)} as before"
            )
        model = self._new_model(config, shape, classes)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "weights.safetensors")
            old.export_safetensors(path, {})
            model.import_safetensors(path, {})
        return model

    def _validation(self, given: Any, classes: np.ndarray, class_names: Any, layout: _features.Layout) -> Any:
        """The validation data in the library, and the indices of its labels."""
        if given is None:
            return None, None
        x, y = given if isinstance(given, (tuple, list)) and len(given) == 2 else (given, None)
        source = read(x, "validation_data X", self.channels, layout.shape)
        images = as_images(source.with_pixels(layout.images(source.x)))
        labels = self._labels(images, y, "validation_data y", soft=True)
        names = _labels.class_names_of(images.labels if y is None else y)
        if class_names and names and class_names != names:
            both = f"{_labels.some(class_names)}, validation_data y {_labels.some(names)}"
            raise ArgumentError(f"y has the class_names {both}; want the same")
        indices = _soft.hard(_soft.to_indices(labels, names, classes, "validation_data y"))
        return images.data(indices, layout.shape), indices

    def _resumed(self, config: dict[str, Any]) -> Model:
        """The model to go on with, whose configuration stands: only epochs may have changed."""
        model = self._fitted()
        for name, value in config.items():
            old = self.config_.get(name, value)
            same = all(old.get(k) == v for k, v in value.items()) if isinstance(value, dict) else old == value
            if name == "augment":
                same = _params.augmentation(old) == value
            if not same and name != "epochs":
                raise ArgumentError(
                    f"resume: {name} is {value!r}, want {old!r} as before; only epochs may change"
                )
        return model.spread(_params.devices_of(self.devices))
