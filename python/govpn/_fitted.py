"""What a classifier does once it has weights: predict, show its noise, save."""

from __future__ import annotations

import inspect
import os
from typing import Any

import numpy as np

from . import _arrow, _benefit, _features, _labels, _params, _sklearn, _soft
from ._images import Images, as_images
from ._inputs import read
from ._model import Model
from ._transform import NoiseTransform
from ._warn import warn
from .errors import ArgumentError, NotFittedError

Path = str | os.PathLike[str]


class Fitted:
    """The part of VPNClassifier that uses the model in the library."""

    device: str
    classes_: np.ndarray
    n_features_in_: int
    image_shape_: tuple[int, int, int]
    history_: dict[str, list[Any]]
    n_epochs_: int
    device_: str
    config_: dict[str, Any]
    warnings_: list[str]

    def predict(
        self, X: Any, noise: str = "none", samples: int = 1, random_state: Any = None, std: Any = None
    ) -> np.ndarray:
        """The most likely label of each image (N,). noise="classwise" draws noise for every class and takes
        the class that the classifier is surest of under its own noise; "gaussian" adds noise of standard
        deviation std (a number of at least 0, in units of the pixel range 0 to 1) to every pixel, in every
        mode. samples is the number of draws, of classwise per class, whose probabilities are averaged.
        random_state None uses the model's seed: the same call gives the same result."""
        indices = self._predict(X, "label", noise, samples, random_state, std)
        return self.classes_[indices]

    def predict_proba(
        self, X: Any, noise: str = "none", samples: int = 1, random_state: Any = None, std: Any = None
    ) -> np.ndarray:
        """Probabilities (N, K) in the order of classes_; rows sum to 1. With noise="classwise" they are the
        scores of `classwise_scores`, normalised."""
        return self._predict(X, "proba", noise, samples, random_state, std)

    def classwise_scores(self, X: Any, samples: int = 1, random_state: Any = None) -> np.ndarray:
        """For every class k its probability under noise drawn for class k (N, K). The rows do not sum to
        1."""
        return self._predict(X, "scores", "classwise", samples, random_state)

    def decision_function(self, X: Any) -> np.ndarray:
        """The base classifier's logits (N, K), without noise; of two classes (N,), as in scikit-learn, the
        second's minus the first's."""
        logits = self._predict(X, "logits", "none", 1, None)
        return logits if logits.shape[1] != 2 else logits[:, 1] - logits[:, 0]

    def score(
        self, X: Any, y: Any = None, noise: str = "none", sample_weight: Any = None, std: Any = None
    ) -> float:
        """The accuracy, 0 to 1. noise is that of `evaluate`."""
        images = self._images(X)
        labels = self._labels(images, y)
        _labels.warn_of_unknown(labels, self.classes_)
        indices = self._predict(images, "label", noise, 1, None, std, labels)
        return float(np.average(self.classes_[indices] == labels, weights=sample_weight))

    def evaluate(
        self,
        X: Any,
        y: Any = None,
        noise: str = "none",
        samples: int = 1,
        random_state: Any = None,
        std: Any = None,
    ) -> dict[str, float]:
        """images, accuracy, cross_entropy (nats, of the probabilities averaged over samples), and over
        sigma at the true labels std_mean, std_rms, std_min, std_max, std_cv (coefficient of variation over
        pixels), std_label_change and std_image_change (mean change with the label and with the image, over
        the mean, of the first 1,024 images); None for these where the mode has no generator. noise is that of
        `predict`, or "label": drawn for each image's own label, an oracle. It reads the label, so its
        accuracy is leakage, for analysis only."""
        model, data = self._labelled(X, y)
        self._check_generator(noise)
        return model.evaluate(data, self._options(noise=noise, samples=samples, seed=random_state, std=std))

    def noise_benefit(
        self, X: Any, y: Any = None, samples: int = 8, random_state: Any = None
    ) -> _benefit.NoiseBenefit:
        """Does the noise help? Estimates of H(T), H(T|E) and I(T,E), accuracies, and the same under Gaussian
        noise of the same mean sigma, in all and by class, with standard errors; see `govpn.NoiseBenefit`.

        X and y are labelled images that training has not seen; at least 2. samples is the number of draws
        per image. random_state None uses the model's seed: the same call gives the same result. The images
        pass 2 * samples + 4 times, one of them under all classes, and a stream is decoded as often."""
        model, images = self._fitted(), self._images(X)
        labels = self._labels(images, y)
        indices = _labels.to_indices(labels, self.classes_)
        mode = self.config_["mode"]
        if "generator" not in model.describe()["parameters"]:
            raise ArgumentError(f"mode is {mode!r}, which has no generator; want joint or frozen")
        self._check_generator("label")
        count = self._options(samples=samples, seed=random_state)
        names = _labels.class_names_of(images.labels if y is None else y)
        return _benefit.measure(
            model,
            images.data(indices, self.image_shape_),
            indices,
            self.classes_,
            [str(names[c]) if names else str(c) for c in self.classes_],
            count["samples"],
            count["seed"] or self.config_["seed"],
        )

    def noise_std(self, X: Any, y: Any = None) -> np.ndarray:
        """The noise's standard deviation for images and labels, float32 (N, H, W, C), in units of the pixel
        range 0 to 1. With noise_layer it is (N, 1024), (N, height, width, channels) or (N, tokens, width), in
        units of that layer."""
        model, data = self._labelled(X, y)
        return model.noise(data, {"output": "std"})

    def input_gradient(self, X: Any, y: Any = None) -> np.ndarray:
        """The gradient of each image's loss, -log p(y), with respect to its pixels, without noise: float32
        (N, H, W, C), in nats per pixel range, to compare `noise_std` with. Works in every mode."""
        model, data = self._labelled(X, y)
        return model.noise(data, {"output": "gradient"})

    def sample_noise(self, X: Any, y: Any = None, n: int = 1, random_state: Any = None) -> np.ndarray:
        """Noise drawn for images and labels, float32 (n, N, H, W, C), or n times the shape that noise_std has
        with noise_layer. random_state None uses the model's
        seed: the same call gives the same noise."""
        model, data = self._labelled(X, y)
        return model.noise(data, self._options(output="sample", samples=n, seed=random_state))

    def noise_transform(
        self, scale: float = 1.0, clip: bool = False, random_state: Any = None
    ) -> NoiseTransform:
        """A function of (images, labels) that adds the learned noise to a batch of torch tensors (N, C, H, W)
        or numpy arrays (N, H, W, C), for a training loop of your own. scale multiplies the noise, clip keeps
        the pixels within 0 to 1."""
        if "generator" not in self._fitted().describe()["parameters"]:
            mode = self.config_["mode"]
            raise ArgumentError(f"mode is {mode!r}, which has no generator; want joint or frozen")
        if layer := self.config_["noise_layer"]:
            raise ArgumentError(f"noise_layer is {layer}, want 0: noise at a hidden layer is none for images")
        return NoiseTransform(self, scale, clip, random_state)

    def save(self, path: Path) -> None:
        """Writes weights, optimiser, configuration, history and class names to a file, replacing it in one
        step; `govpn.load` reads it. Whole-number labels come back as int64."""
        self._fitted().save(path)

    def export_safetensors(self, path: Path, part: str | None = None) -> None:
        """Writes the weights with PyTorch's names and layouts. part=None writes both parts, base.fc1.weight
        (out, in), generator.fc1.weight, …; "base" the base alone, without that prefix: torchvision and timm
        load it with strict=True (auxiliary batch norms, which they do not have, are left out); "generator"
        the generator alone."""
        if part is not None and part not in ("base", "generator"):
            raise ArgumentError(f'part is {part!r}, want None, "base" or "generator"')
        self._fitted().export_safetensors(path, {"part": part or ""})

    # ---- inside --------------------------------------------------------------------------------------------

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
        """Parameters that an older version did not pickle have their defaults."""
        known = inspect.signature(type(self).__init__).parameters.values()
        defaults = {p.name: p.default for p in known if p.default is not p.empty}
        self.__dict__.update(defaults | state)
