"""A classifier from a file."""

from __future__ import annotations

import os

from . import _features, _params
from ._model import Model
from .estimator import VPNClassifier


def load(path: str | os.PathLike[str], device: str = "auto", verbose: int = 1) -> VPNClassifier:
    """Reads a classifier that `VPNClassifier.save` (or the Go or C interface) wrote, ready to predict, and to
    go on training with fit(resume=True). Its parameters are the resolved ones. device and verbose are those
    of `VPNClassifier`: a file of any device loads on any other.

    >>> import tempfile
    >>> clf = VPNClassifier("sr", mode="plain", device="go", epochs=1, batch_size=2, verbose=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     clf.fit([[0, 1], [1, 0]], ["left", "right"]).save(folder + "/model.govpn")
    ...     loaded = load(folder + "/model.govpn", device="go", verbose=0)
    >>> loaded.classes_
    array(['left', 'right'], dtype='<U5')
    """
    return classifier_of(Model.load(path, device), device, verbose)


def classifier_of(model: Model, device: str, verbose: int) -> VPNClassifier:
    """The classifier that a model in the library stands for."""
    config = model.describe()["config"]
    layout = _features.Layout.from_attributes(config.get("attributes"), config["image_shape"])
    params = _params.restore(config) | {"pixel_range": layout.pixel_range}
    if layout.n_features:
        params["image_shape"] = layout.shape
    classifier = VPNClassifier(**params, device=device, verbose=verbose)
    classifier._adopt(model)
    return classifier
