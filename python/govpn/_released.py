"""What released versions did where a pickle says nothing.

A pickle keeps the behaviour of the version that wrote it, so the values stand here as literals. A default of
`VPNClassifier` may change without any effect on a pickle.

A pickle names no version, and every version so far pickles every parameter that it knows. A parameter that a
pickle lacks is then one that its version did not know. Who adds a parameter adds it here too, with the value
that means what the versions before did. A test fails until then.
"""

from __future__ import annotations

import inspect
from typing import Any

PARAMETERS: dict[str, Any] = {
    "base": "dnn3",
    "generator": "dnn3",
    "mode": "joint",
    "epochs": None,
    "batch_size": None,
    "learning_rate": None,
    "optimizer": None,
    "weight_decay": None,
    "schedule": None,
    "noise_samples": None,
    "base_loss_weight": None,
    "label_coefficient": None,
    "label_encoding": None,
    "std": None,
    "std_range": None,
    "preset": None,
    "device": "auto",
    "random_state": None,
    "verbose": 1,
    "momentum": None,
    "std_rms": None,
    "fixed_std": None,
    "normalize": None,
    "clip_noisy": None,
    "label_smoothing": None,
    "entropy_weight": None,
    "noise_layer": None,
    "label_fusion": None,
    "noise_distribution": None,
    "noisy_batch_norm": None,
    "compute_dtype": None,
    "patience": None,
    "restore_best": None,
    "augment": None,
    "channels": None,
    "class_weight": None,
    "warm_start": False,
    "image_shape": None,
    "pixel_range": None,
    "accumulate": None,
    "remat": None,
    "devices": 1,
    "drop_last": True,
    "initial_values": "torchvision",
    "std_epsilon": 1e-6,
}

# Options of an import that the pickle of a classifier with imported weights lacks.
IMPORT_OPTIONS: dict[str, object] = {"replace_head": False, "flatten": "hwc"}


def parameters(kind: type) -> dict[str, Any]:
    """The parameters of a pickled classifier that names none. A subclass with a constructor of its own has
    the defaults of that constructor."""
    owner = next(c for c in kind.__mro__ if "__init__" in vars(c))
    if owner.__module__.partition(".")[0] == "govpn":
        return dict(PARAMETERS)
    known = inspect.signature(kind).parameters.values()
    return {p.name: p.default for p in known if p.default is not p.empty}
