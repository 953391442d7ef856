"""What a classifier does once it has weights: predict, show its noise, save. The examples go on from that of
`VPNClassifier`."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from . import _benefit, _labels
from ._state import State
from ._transform import NoiseTransform
from .errors import ArgumentError

Path = str | os.PathLike[str]


class Fitted(State):
    """The part of VPNClassifier that uses the model in the library."""

    def predict(
        self, X: Any, noise: str = "none", samples: int = 1, random_state: Any = None, std: Any = None
    ) -> np.ndarray:
        """The most likely label of each image (N,). noise="classwise" draws noise for every class and takes
        the class that the classifier is surest of under its own noise; "gaussian" adds noise of standard
        deviation std (a number of at least 0, in units of the pixel range 0 to 1) to every pixel, in every
        mode. samples is the number of draws, of classwise per class, whose probabilities are averaged.
        random_state None uses the model's seed: the same call gives the same result.

        >>> clf.predict(X[:4])
        array([0, 1, 0, 1])
        >>> clf.predict(X[:4], noise="classwise", samples=3)
        array([0, 1, 0, 1])
        """
        indices = self._predict(X, "label", noise, samples, random_state, std)
        return self.classes_[indices]

    def predict_proba(
        self, X: Any, noise: str = "none", samples: int = 1, random_state: Any = None, std: Any = None
    ) -> np.ndarray:
        """Probabilities (N, K) in the order of classes_; rows sum to 1. With noise="classwise" they are the
        scores of `classwise_scores`, normalised.

        >>> proba = clf.predict_proba(X)
        >>> proba.shape, proba.dtype, np.allclose(proba.sum(axis=1), 1)
        ((64, 2), dtype('float32'), True)
        """
        return self._predict(X, "proba", noise, samples, random_state, std)

    def classwise_scores(self, X: Any, samples: int = 1, random_state: Any = None) -> np.ndarray:
        """For every class k its probability under noise drawn for class k (N, K). The rows do not sum to
        1.

        >>> scores = clf.classwise_scores(X)
        >>> proba = clf.predict_proba(X, noise="classwise")
        >>> np.allclose(scores / scores.sum(axis=1, keepdims=True), proba)
        True
        """
        return self._predict(X, "scores", "classwise", samples, random_state)

    def decision_function(self, X: Any) -> np.ndarray:
        """The base classifier's logits (N, K), without noise; of two classes (N,), as in scikit-learn, the
        second's minus the first's.

        >>> clf.decision_function(X[:4]) > 0
        array([False,  True, False,  True])
        """
        logits = self._predict(X, "logits", "none", 1, None)
        return logits if logits.shape[1] != 2 else logits[:, 1] - logits[:, 0]

    def score(
        self, X: Any, y: Any = None, noise: str = "none", sample_weight: Any = None, std: Any = None
    ) -> float:
        """The accuracy, 0 to 1. noise is that of `evaluate`.

        >>> clf.score(X, y), clf.score(X, y, noise="gaussian", std=0.1)
        (1.0, 1.0)
        """
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
    ) -> dict[str, Any]:
        """images, accuracy, cross_entropy (nats, of the probabilities averaged over samples), and over
        sigma at the true labels std_mean, std_rms, std_min, std_max, std_cv (coefficient of variation over
        pixels), std_label_change and std_image_change (mean change with the label and with the image, over
        the mean, of the first 1,024 images); None for these where the mode has no generator. noise is that of
        `predict`, or "label": drawn for each image's own label, an oracle. It reads the label, so its
        accuracy is leakage, for analysis only.

        >>> about = clf.evaluate(X, y)
        >>> about["accuracy"], about["images"], 0.009 < about["std_min"] < about["std_max"] < 0.301
        (1.0, 64, True)
        """
        model, data = self._labelled(X, y)
        self._check_generator(noise)
        options = self._options(noise=noise, samples=samples, seed=random_state, std=std)
        about = model.evaluate(data, options)
        return {k: v if v is None or k == "images" else float(v) for k, v in about.items()}

    def noise_benefit(
        self, X: Any, y: Any = None, samples: int = 8, random_state: Any = None
    ) -> _benefit.NoiseBenefit:
        """Does the noise help? Estimates of H(T), H(T|E) and I(T,E), accuracies, and the same under Gaussian
        noise of the same mean sigma, in all and by class, with standard errors; see `govpn.NoiseBenefit`.

        X and y are labelled images that training has not seen; at least 2. samples is the number of draws
        per image. random_state None uses the model's seed: the same call gives the same result. The images
        pass 2 * samples + 4 times, one of them under all classes, and a stream is decoded as often.

        >>> benefit = clf.noise_benefit(X, y, samples=2)
        >>> benefit.accuracy, benefit.per_class["images"]
        (1.0, array([32, 32]))
        """
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
        units of that layer.

        >>> sigma = clf.noise_std(X, y)
        >>> sigma.shape, sigma.dtype, bool(sigma.min() > 0.009)  # the lower end of std_range
        ((64, 4, 4, 1), dtype('float32'), True)
        """
        model, data = self._labelled(X, y)
        return model.noise(data, {"output": "std"})

    def input_gradient(self, X: Any, y: Any = None) -> np.ndarray:
        """The gradient of each image's loss, -log p(y), with respect to its pixels, without noise: float32
        (N, H, W, C), in nats per pixel range, to compare `noise_std` with. Works in every mode.

        >>> clf.input_gradient(X, y).shape
        (64, 4, 4, 1)
        """
        model, data = self._labelled(X, y)
        return model.noise(data, {"output": "gradient"})

    def sample_noise(self, X: Any, y: Any = None, n: int = 1, random_state: Any = None) -> np.ndarray:
        """Noise drawn for images and labels, float32 (n, N, H, W, C), or n times the shape that noise_std has
        with noise_layer. random_state None uses the model's seed: the same call gives the same noise.

        >>> noise = clf.sample_noise(X, y, n=100)  # (100, 64, 4, 4, 1)
        >>> np.allclose(noise.std(axis=0).mean(), clf.noise_std(X, y).mean(), rtol=0.05)
        True
        """
        model, data = self._labelled(X, y)
        return model.noise(data, self._options(output="sample", samples=n, seed=random_state))

    def noise_transform(
        self, scale: float = 1.0, clip: bool = False, random_state: Any = None
    ) -> NoiseTransform:
        """A function of (images, labels) that adds the learned noise to a batch of torch tensors (N, C, H, W)
        or numpy arrays (N, H, W, C), for a training loop of your own. scale multiplies the noise, clip keeps
        the pixels within 0 to 1.

        >>> add_noise = clf.noise_transform(clip=True, random_state=0)
        >>> noisy = add_noise(np.float32(X[:8, ..., None] / 255), y[:8])
        >>> noisy.shape, float(noisy.min()) >= 0
        ((8, 4, 4, 1), True)
        """
        if "generator" not in self._fitted().describe()["parameters"]:
            mode = self.config_["mode"]
            raise ArgumentError(f"mode is {mode!r}, which has no generator; want joint or frozen")
        if layer := self.config_["noise_layer"]:
            raise ArgumentError(f"noise_layer is {layer}, want 0: noise at a hidden layer is none for images")
        return NoiseTransform(self, scale, clip, random_state)

    def save(self, path: Path) -> None:
        """Writes weights, optimiser, configuration, history and class names to a file, replacing it in one
        step; `govpn.load` reads it. Whole-number labels come back as int64.

        >>> clf.save("model.govpn")
        >>> bool((govpn.load("model.govpn", device="go").predict(X) == clf.predict(X)).all())
        True
        """
        self._fitted().save(path)

    def export_safetensors(self, path: Path, part: str | None = None) -> None:
        """Writes the weights with PyTorch's names and layouts. part=None writes both parts, base.fc1.weight
        (out, in), generator.fc1.weight, …; "base" the base alone, without that prefix: torchvision and timm
        load it with strict=True (auxiliary batch norms, which they do not have, are left out); "generator"
        the generator alone.

        >>> from safetensors.numpy import load_file
        >>> clf.export_safetensors("base.safetensors", part="base")
        >>> {name: weight.shape for name, weight in load_file("base.safetensors").items()}
        {'linear.bias': (2,), 'linear.weight': (2, 16)}
        """
        if part is not None and part not in ("base", "generator"):
            raise ArgumentError(f'part is {part!r}, want None, "base" or "generator"')
        self._fitted().export_safetensors(path, {"part": part or ""})
