"""The settings that the search tries.

In some of them learned noise might earn what noise of one σ does not. Some go beyond the paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import ArgumentError
from ._rows import Run

FEW = {"images": 5000}
BOUNDED = {"std": "bounded", "label_coefficient": 1.0}  # the library's defaults, in place of the paper's


def _few(**options: Any) -> dict[str, Any]:
    return FEW | {"options": BOUNDED | options}


# Name → fields of Run. All but the first two have 5,000 training images.
SETTINGS: dict[str, dict[str, Any]] = {
    "1,000 images": {"images": 1000, "options": BOUNDED},
    "20,000 images": {"images": 20000, "options": BOUNDED},
    "5,000 images": _few(),
    "cosine schedule": _few(schedule="cosine"),
    "κ = 0.01": _few(label_coefficient=0.01),
    "the paper's σ = |o|, κ = 0.01": FEW,
    "σ of RMS 0.1": _few(std="rms"),
    "σ from 0.05 to 0.5": _few(std_range=[0.05, 0.5]),
    "σ from 0.1 to 1": _few(std_range=[0.1, 1.0]),
    "λ = 1": _few(base_loss_weight=1.0),
    "m = 4": _few(noise_samples=4),
    "Laplace noise": _few(noise_distribution="laplace"),
    "uniform noise": _few(noise_distribution="uniform"),
    "entropy reward β = 0.01": _few(entropy_weight=0.01),
    "entropy reward β = 0.01, σ from 0.01 to 1": _few(entropy_weight=0.01, std_range=[0.01, 1.0]),
    "entropy reward β = 0.1": _few(entropy_weight=0.1),
    "entropy reward β = 0.1, λ = 1": _few(entropy_weight=0.1, base_loss_weight=1.0),
    "entropy reward β = 0.5, σ from 0.01 to 1": _few(entropy_weight=0.5, std_range=[0.01, 1.0]),
    "label as embedding": _few(label_fusion="embedding"),
    "label as one-hot planes": _few(label_fusion="plane"),
    "label as FiLM": _few(label_fusion="film"),
    "noise at hidden layer 1, σ from 0.1 to 1": _few(noise_layer=1, std_range=[0.1, 1.0]),
    "noise at hidden layer 2, σ from 0.1 to 1": _few(noise_layer=2, std_range=[0.1, 1.0]),
    "label smoothing 0.1": _few(label_smoothing=0.1),
    "soft labels, half the baseline's": _few() | {"teacher": 0.5},
    "20 % wrong labels": _few() | {"label_noise": 0.2},
    "40 % wrong labels": _few() | {"label_noise": 0.4},
    "40 % wrong labels, σ from 0.1 to 1": _few(std_range=[0.1, 1.0]) | {"label_noise": 0.4},
    "40 % wrong labels, β = 0.1": _few(entropy_weight=0.1) | {"label_noise": 0.4},
}


def named(run: Run) -> str | None:
    """Returns the name of the setting that a run belongs to, or None."""
    same = (k for k, f in SETTINGS.items() if run == Run(*_place(run), **f, test=run.test))
    return next(same, None)


def _place(run: Run) -> tuple[str, str, str, int, int]:
    return run.dataset, run.base, run.row, run.seed, run.epochs


def check(settings: Sequence[str]) -> None:
    """Raises an error if a name is none of SETTINGS."""
    for name in settings:
        if name not in SETTINGS:
            raise ArgumentError(f"settings has {name!r}, want of {'; '.join(SETTINGS)}")
