"""Reads a classifier from a file."""

from __future__ import annotations

import os

from . import _params
from ._fitted import adopt
from ._inputs.features import Layout
from ._model import Model
from ._types import Path
from .errors import FormatError
from .estimator import VPNClassifier


def load(path: Path, device: str = "auto", verbose: int = 1) -> VPNClassifier:
    """Reads a classifier that `VPNClassifier.save`, or the Go or C interface, wrote.

    The classifier can predict, and fit(resume=True) continues its training. Its parameters are
    those that were used, with the values of the preset. device and verbose are those of
    `VPNClassifier`. A file of any device loads on any other.

    Raises FileError if the file cannot be read, FormatError if it is no model, and DeviceError if
    the device does not open.

    >>> import tempfile
    >>> clf = VPNClassifier("sr", mode="plain", device="go", epochs=1, batch_size=2, verbose=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     clf.fit([[0, 1], [1, 0]], ["left", "right"]).save(folder + "/model.govpn")
    ...     loaded = load(folder + "/model.govpn", device="go", verbose=0)
    >>> loaded.classes_
    array(['left', 'right'], dtype='<U5')
    """
    model = Model.load(path, device)
    try:
        return classifier_of(model, device, verbose)
    except FormatError as error:
        raise FormatError(f"{os.fspath(path)!s}: {error}") from None


def classifier_of(model: Model, device: str, verbose: int) -> VPNClassifier:
    """Makes the classifier of a model in the library."""
    config = model.describe()["config"]
    layout = Layout.from_attributes(config.get("attributes"), config["image_shape"])
    params = _params.restore(config) | {"pixel_range": layout.pixel_range}
    if layout.n_features:
        params["image_shape"] = layout.shape
    classifier = VPNClassifier(**params, device=device, verbose=verbose)
    adopt(classifier, model)
    return classifier
