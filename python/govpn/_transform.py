"""The learned noise for somebody else's training loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import _params
from ._host import to_numpy
from ._images import as_images
from ._inputs import Source
from .errors import ArgumentError, ArgumentTypeError

if TYPE_CHECKING:
    from .estimator import VPNClassifier


class NoiseTransform:
    """Adds noise to batches: what `VPNClassifier.noise_transform` returns.

    Called with images and labels, it returns noisy images of the same kind, dtype and device. torch tensors
    are (N, C, H, W), as torch has them, numpy arrays (N, H, W, C); both floats from 0 to 1. Labels are of
    classes_, (N,). Every call draws anew, from random_state on. Gradients pass through to the images. Not for
    forked workers: call it in the training loop, or start workers by spawn."""

    def __init__(
        self, classifier: VPNClassifier, scale: float = 1.0, clip: bool = False, random_state: Any = None
    ) -> None:
        self.classifier, self.scale, self.clip = classifier, _params.real(scale, "scale"), clip
        self._random = np.random.default_rng(_params.seed_of(random_state))

    def __call__(self, images: Any, labels: Any) -> Any:
        noise = self.scale * self._noise(images, to_numpy(labels, "labels"))
        if isinstance(images, np.ndarray):
            noisy = images + noise.astype(images.dtype).reshape(images.shape)
            return noisy.clip(0, 1) if self.clip else noisy
        noisy = images + images.new_tensor(noise.transpose(0, 3, 1, 2))
        return noisy.clamp(0, 1) if self.clip else noisy

    def _noise(self, images: Any, labels: np.ndarray) -> np.ndarray:
        """Noise (N, H, W, C) for the images."""
        pixels = to_numpy(images, "images")
        if pixels.dtype.kind != "f":
            raise ArgumentTypeError(f"images have dtype {images.dtype}, want floats from 0 to 1")
        if not isinstance(images, np.ndarray):
            if pixels.ndim != 4:
                raise ArgumentError(f"images have shape {pixels.shape}, want (N, C, H, W)")
            pixels = pixels.transpose(0, 2, 3, 1)
        pixels = np.ascontiguousarray(pixels, np.float32).clip(0, 1)  # as the generator knows them
        seed = int(self._random.integers(1, 2**63 - 1))
        return self.classifier.sample_noise(as_images(Source(pixels, "images")), labels, random_state=seed)[0]
