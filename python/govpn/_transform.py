"""The learned noise for a training loop outside of govpn."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from . import _params
from ._inputs.foreign import to_numpy
from ._inputs.images import as_images
from ._inputs.source import Source
from ._reading import described, reading
from ._types import Floats, Foreign, ImagesLike, LabelsLike, RandomState
from .errors import ArgumentError, ArgumentTypeError


class NoiseSource(Protocol):
    """What draws the noise: a fitted VPNClassifier."""

    def sample_noise(
        self, X: ImagesLike, y: LabelsLike = None, n: int = 1, random_state: RandomState = None
    ) -> Floats: ...


class NoiseTransform:
    """Adds the learned noise to batches. `VPNClassifier.noise_transform` makes it.

    Call it with images and labels. It returns noisy images of the same kind, dtype and device.
    Images are torch tensors (N, C, H, W) or numpy arrays (N, H, W, C), floats from 0 to 1. Labels
    (N,) are of classes_. Every call draws new noise; random_state fixes the sequence. Gradients
    pass through to the images.

    Do not use it in forked worker processes. Call it in the training loop, or start the workers
    with spawn.
    """

    def __init__(
        self,
        classifier: NoiseSource,
        scale: float = 1.0,
        clip: bool = False,
        random_state: RandomState = None,
    ) -> None:
        self.classifier, self.scale = classifier, _params.real(scale, "scale")
        self.clip = _params.truth(clip, "clip")
        self._random = np.random.default_rng(_params.seed_of(random_state))

    def __call__(self, images: Foreign, labels: LabelsLike) -> Foreign:
        with reading("images", images, "torch tensors (N, C, H, W) or numpy arrays (N, H, W, C) of floats"):
            noise = self.scale * self._noise(images, labels)
        if isinstance(images, np.ndarray):
            noisy = images + noise.astype(images.dtype).reshape(images.shape)
            return noisy.clip(0, 1) if self.clip else noisy
        noisy = images + images.new_tensor(noise.transpose(0, 3, 1, 2))
        return noisy.clamp(0, 1) if self.clip else noisy

    def _noise(self, images: Foreign, labels: LabelsLike) -> Floats:
        """Returns noise for the images, float32 (N, H, W, C)."""
        pixels = to_numpy(images, "images")
        if not isinstance(pixels, np.ndarray):
            raise ArgumentTypeError(f"images is {described(images)}, want a torch tensor or a numpy array")
        if pixels.dtype.kind != "f":
            raise ArgumentTypeError(f"images have dtype {images.dtype}, want floats from 0 to 1")
        if not isinstance(images, np.ndarray):
            if pixels.ndim != 4:
                raise ArgumentError(f"images have shape {pixels.shape}, want (N, C, H, W)")
            pixels = pixels.transpose(0, 2, 3, 1)
        pixels = np.ascontiguousarray(pixels, np.float32).clip(0, 1)  # the generator knows this range
        seed = int(self._random.integers(1, 2**63 - 1))
        batch = as_images(Source(pixels, "images"))
        noise: Floats = self.classifier.sample_noise(batch, labels, random_state=seed)[0]
        return noise
