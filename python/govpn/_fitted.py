"""The model of a fitted classifier, and how X and y reach it.

`FittedModel` is what the other modules of govpn use of a classifier, besides its public methods.
`fitted` returns it, `adopt` replaces it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from . import _params
from ._arrow import Data
from ._inputs import labels
from ._inputs.features import Layout
from ._inputs.images import WANTED, Images, as_images
from ._inputs.source import read
from ._model import Model
from ._reading import reading
from ._sklearn import TakesFeatures
from ._types import (
    AnyArray,
    Description,
    ImagesLike,
    Indices,
    JsonObject,
    LabelsLike,
    RandomState,
    Real,
    Shape,
)
from ._warn import warn
from .errors import ArgumentError

MAX_SAMPLES = 1_000_000  # how many noises one call draws for an image, vpn.MaxSamples


class Classifier(Protocol):
    """What the other modules of govpn need of a VPNClassifier besides its public methods."""

    def __govpn_fitted__(self) -> FittedModel:
        """See `fitted`."""
        ...

    def __govpn_adopt__(self, model: Model, classes: AnyArray | None = None) -> None:
        """See `adopt`."""
        ...


@dataclass(frozen=True)
class FittedModel:
    """A model in the library, with what the classifier knows of its images and labels."""

    model: Model
    classes: labels.Classes
    image_shape: Shape
    channels: str | None  # the classifier's parameter
    owner: TakesFeatures  # the classifier, whose n_features_in_ and feature_names_in_ features must have

    def describe(self) -> Description:
        """Returns what the model tells of itself."""
        return self.model.describe()

    def layout(self) -> Layout:
        """Returns how X becomes images."""
        config = self.describe()["config"]
        return Layout.from_attributes(config.get("attributes"), config["image_shape"])

    def require_generator(self) -> None:
        """Raises ArgumentError if the model has no generator, which makes noise from images and labels."""
        about = self.describe()
        if "generator" not in about["parameters"]:
            mode = about["config"]["mode"]
            raise ArgumentError(f"mode is {mode!r}, which has no generator; want joint or frozen")

    def images(self, X: ImagesLike) -> Images:
        """Returns X as images like those of training. Images that were checked stay as they are."""
        if isinstance(X, Images):
            return X
        layout = self.layout()
        with reading("X", X, WANTED):
            source = read(X, "X", self.channels, self.image_shape)
            images = as_images(source.with_pixels(layout.images(source.x, self.owner)))
        images.check_shape(self.image_shape)
        return images

    def labelled(self, X: ImagesLike, y: LabelsLike) -> Data:
        """Returns X and y as a data set in the library."""
        images = self.images(X)
        return images.data(self.indices(images, y), self.image_shape)

    def indices(self, images: Images, y: LabelsLike) -> Indices:
        """Returns y, or else the labels that came with the images, as indices of the classes (N,)."""
        return labels.to_indices(images.given_labels(y), self.classes)

    def names(self, y: LabelsLike) -> list[str]:
        """Returns a name per class for tables and pictures: the model's, else that of y, else the label."""
        if self.classes.names is not None:
            return list(self.classes.names)
        names = labels.class_names_of(y) or ()
        numbers = self.classes.labels.dtype.kind in "iu"
        return [
            names[label] if numbers and 0 <= label < len(names) else str(label)
            for label in self.classes.labels
        ]

    def predict(
        self,
        X: ImagesLike,
        output: str,
        noise: str = "none",
        samples: int = 1,
        random_state: RandomState = None,
        std: Real | None = None,
        truth: Indices | None = None,
    ) -> AnyArray:
        """Returns what the library predicts.

        output is "label" for indices of classes (N,), or "proba", "scores" or "logits" for (N, K).
        truth are the indices (N,) of the labels that noise="label" reads.
        """
        _params.text(noise, "noise")
        images = self.images(X)
        if noise == "label" and truth is None:
            raise ArgumentError('noise is "label", which reads labels; want evaluate or score with them')
        data = images.data(truth if noise == "label" else None, self.image_shape)
        self.warn_of_new_generator(noise)
        options = draw_options(output=output, noise=noise, samples=samples, seed=random_state, std=std)
        return self.model.predict(data, options)

    def warn_of_new_generator(self, noise: str) -> None:
        """Warns if this kind of noise comes from a generator that was never trained."""
        if _params.text(noise, "noise") not in ("classwise", "label"):
            return
        about = self.describe()
        if "generator" in about["parameters"] and not about["generator_trained"]:
            warn("the generator is newly initialised, its noise means nothing yet: fit or import weights")


def draw_options(seed: object, samples: object, std: object = None, **options: object) -> JsonObject:
    """Returns the library's options of a call that draws noise.

    samples is how many times it draws. std is the standard deviation of Gaussian noise. options are
    passed on.
    """
    name = "n" if options.get("output") == "sample" else "samples"
    count = _params.whole(samples, name)
    if not 1 <= count <= MAX_SAMPLES:
        raise ArgumentError(f"{name} is {count}, want 1 to {MAX_SAMPLES}")
    if std is not None:
        options["std"] = _params.real(std, "std")
    return {"samples": count, "seed": _params.draw_seed_of(seed), **options}


def fitted(classifier: Classifier) -> FittedModel:
    """Returns the fitted model of a classifier, or raises NotFittedError."""
    return classifier.__govpn_fitted__()


def adopt(classifier: Classifier, model: Model, classes: AnyArray | None = None) -> None:
    """Makes a model the classifier's own, with labels classes (K,) or else those of its file."""
    classifier.__govpn_adopt__(model, classes)
