"""A classifier and its model in the library: how X and y get there, and what the model tells of itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _arrow, _features, _labels, _params, _released, _sklearn, _soft
from ._images import Images, as_images
from ._inputs import read
from ._model import Model
from ._warn import warn
from .errors import ArgumentError, NotFittedError


class State:
    """The part of VPNClassifier that holds the model."""

    device: str
    classes_: np.ndarray
    n_features_in_: int
    image_shape_: tuple[int, int, int]
    history_: dict[str, list[Any]]
    n_epochs_: int
    device_: str
    config_: dict[str, Any]
    warnings_: list[str]

    def _predict(
        self, X: Any, output: str, noise: str, samples: Any, random_state: Any, std: Any = None, y: Any = None
    ) -> np.ndarray:
        """What the library predicts; y are the labels that noise="label" reads."""
        model, images = self._fitted(), self._images(X)
        indices = None
        if noise == "label":
            if y is None:
                raise ArgumentError('noise is "label", which reads labels; want evaluate or score with them')
            indices = _labels.to_indices(y, self.classes_)
        data = images.data(indices, self.image_shape_)
        self._check_generator(noise)
        options = self._options(output=output, noise=noise, samples=samples, seed=random_state, std=std)
        return model.predict(data, options)

    def _check_generator(self, noise: str) -> None:
        """Warns of noise that a new generator makes."""
        if noise not in ("classwise", "label"):
            return
        about = self._fitted().describe()
        if "generator" in about["parameters"] and not about["generator_trained"]:
            text = "the generator is newly initialised, its noise means nothing yet: fit or import weights"
            warn(text)

    @staticmethod
    def _options(seed: Any, samples: Any, std: Any = None, **options: Any) -> dict[str, Any]:
        name = "n" if options.get("output") == "sample" else "samples"
        count = _params.whole(samples, name)
        if count < 1:
            raise ArgumentError(f"{name} is {count}, want at least 1")
        if std is not None:
            options["std"] = _params.real(std, "std")
        return {"samples": count, "seed": _params.draw_seed_of(seed), **options}

    def _layout(self) -> _features.Layout:
        """How X becomes images, as the model was trained."""
        config = self._fitted().describe()["config"]
        return _features.Layout.from_attributes(config.get("attributes"), config["image_shape"])

    def _images(self, X: Any) -> Images:
        """X as images like those of training."""
        if isinstance(X, Images):
            return X
        layout = self._layout()
        source = read(X, "X", self.channels, self.image_shape_)
        return as_images(source.with_pixels(layout.images(source.x, self)))

    def _labelled(self, X: Any, y: Any) -> tuple[Model, _arrow.Data]:
        model, images = self._fitted(), self._images(X)
        indices = _labels.to_indices(self._labels(images, y), self.classes_)
        return model, images.data(indices, self.image_shape_)

    @staticmethod
    def _labels(images: Images, y: Any, name: str = "y", soft: bool = False) -> np.ndarray:
        """Labels (N,), or, where soft ones may be, probabilities, float32 (N, K)."""
        if y is None and images.labels is None:
            want = "requires y to be passed, but the target y is None"  # scikit-learn's words
            want = (
                f"want one label per image: VPNClassifier {want}"
                if name == "y"
                else "want one label per image"
            )
            raise ArgumentError(f"{name} is None and {images.name} has no labels, {want}")
        given = _sklearn.column(_labels.plain(images.labels if y is None else y, name))
        labels = _soft.as_soft(given, name) if soft else None
        if labels is None:
            labels = _labels.as_labels(given, name)
        if len(labels) != images.count:
            raise ArgumentError(
                f"{name} has {len(labels)} labels, want {images.count}, one per image of {images.name}"
            )
        return labels

    def _fitted(self) -> Model:
        """The model in the library; one that was pickled opens here, on the device that `device` names
        now."""
        content = self.__dict__.get("_content")
        if content is not None:
            self._model = Model.from_bytes(content, self.device)
            del self.__dict__["_content"]
            self.device_ = self._model.describe()["device"]
        model = self.__dict__.get("_model")
        if model is None:
            want = "call fit, govpn.load or import_safetensors first"
            raise NotFittedError(f"this {type(self).__name__} has no weights yet: {want}")
        return model

    def _adopt(self, model: Model, classes: np.ndarray | None = None) -> None:
        """Takes a model over, with all that it tells of itself. Its new warnings become Python's."""
        about = model.describe()
        known = self.__dict__.get("warnings_", []) if self.__dict__.get("_model") is model else []
        self.__dict__.pop("_content", None)
        self._model = model
        self.config_ = about["config"]
        self.classes_ = classes if classes is not None else self._classes_of(self.config_)
        self.image_shape_ = tuple(self.config_["image_shape"])
        layout = self._layout()
        self.pixel_range_ = layout.pixel_range
        self.n_features_in_ = layout.n_features or int(np.prod(self.image_shape_))
        self.__dict__.pop("feature_names_in_", None)
        if layout.names:
            self.feature_names_in_ = np.array(layout.names, object)
        self.history_ = model.history()
        self.n_epochs_ = len(self.history_["epoch"])
        self.device_ = about["device"]
        self.warnings_ = list(about["warnings"] or [])
        for text in self.warnings_:
            if text not in known:
                warn(text)

    @staticmethod
    def _classes_of(config: dict[str, Any]) -> np.ndarray:
        return _labels.from_names(config["class_names"] or [], config["classes"])

    def __sklearn_is_fitted__(self) -> bool:
        return self.__dict__.get("_model") is not None or self.__dict__.get("_content") is not None

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        model = state.pop("_model", None)
        if model is not None:
            state["_content"] = model.to_bytes()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """A parameter that the pickle lacks has the value of the version that wrote it."""
        self.__dict__.update(_released.parameters(type(self)) | state)
