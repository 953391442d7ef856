"""Is σ a map of what the classifier does not need? σ is compared with input gradients, and noise is placed
where σ says."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..estimator import VPNClassifier

_IMAGES = 1000  # the first of the validation set
_LEVELS = (0.1, 0.2, 0.4)  # RMS of the noise over the pixels of an image, in units of the pixel range


def explain(clf: VPNClassifier, X: np.ndarray, y: np.ndarray, seed: int) -> dict[str, Any]:
    """Measures on validation images what σ explains.

    - rank_correlation is Spearman's, over the pixels of an image, between σ at the true label and the
      absolute input gradient of the loss (K. Simonyan et al., ICLR 2014 workshop). It is the mean over
      the images; standard_error is that of the mean.
    - accuracy is measured under Gaussian noise of one RMS that is placed in four ways: as σ says, evenly,
      as σ says with its pixels shuffled, and where the gradient is small. Noisy pixels are clipped to 0
      to 1.
    """
    X, y = X[:_IMAGES], y[:_IMAGES]
    std = clf.noise_std(X, y).astype(float)
    gradient = np.abs(clf.input_gradient(X, y)).astype(float)
    rows = (len(X), -1)
    correlation = _rank_correlation(std.reshape(rows), gradient.reshape(rows))
    random = np.random.default_rng(seed)
    floor = np.median(gradient.reshape(rows), axis=1).reshape(-1, 1, 1, 1) + 1e-12
    placements = {
        "as σ": std,
        "evenly": np.ones_like(std),
        "as σ, shuffled": random.permuted(std.reshape(rows), axis=1).reshape(std.shape),
        "where the gradient is small": 1 / (gradient + floor),
    }
    x, z = X / 255.0, random.standard_normal(std.shape)
    return {
        "images": len(X),
        "rank_correlation": round(float(correlation.mean()), 6),
        "standard_error": round(float(correlation.std(ddof=1) / np.sqrt(len(X))), 6),
        "accuracy": {
            f"{level:g}": {
                name: float(np.mean(clf.predict(_noisy(x, level * _unit(p) * z)) == y))
                for name, p in placements.items()
            }
            for level in _LEVELS
        },
    }


def _noisy(x: np.ndarray, noise: np.ndarray) -> np.ndarray:
    return np.asarray(np.clip(x + noise, 0, 1), np.float32)


def _unit(placement: np.ndarray) -> np.ndarray:
    """Scales a placement to RMS 1 per image."""
    rms = np.sqrt((placement**2).mean((1, 2, 3), keepdims=True) + 1e-30)
    return np.asarray(placement / rms)


def _rank_correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Returns Spearman's rank correlation for each row of (N, d), 0 where a row is constant."""
    from scipy.stats import rankdata

    a, b = (r - r.mean(1, keepdims=True) for r in (rankdata(a, axis=1), rankdata(b, axis=1)))
    norm = np.sqrt((a**2).sum(1) * (b**2).sum(1))
    return np.asarray((a * b).sum(1) / np.maximum(norm, 1e-30))
