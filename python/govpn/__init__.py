"""govpn: image classification with variational positive-incentive noise.

In short::

    import govpn
    X, y = govpn.datasets.fashion_mnist("train")
    model = govpn.VPNClassifier("dnn3", "dnn3", epochs=10).fit(X, y)
    model.predict(X[:10]), model.noise_std(X[:10], y[:10])
"""

from . import augment, callbacks, datasets, errors, plot, ray
from ._arrow import empty, to_arrow
from ._benefit import NoiseBenefit
from ._lib import build_info, devices
from ._load import load
from ._scorer import Scorer
from ._version import __version__
from .errors import GovpnError, GovpnWarning, NotFittedError
from .estimator import VPNClassifier

__all__ = [
    "GovpnError",
    "GovpnWarning",
    "NoiseBenefit",
    "NotFittedError",
    "Scorer",
    "VPNClassifier",
    "__version__",
    "augment",
    "build_info",
    "callbacks",
    "datasets",
    "devices",
    "empty",
    "errors",
    "load",
    "plot",
    "ray",
    "to_arrow",
]


def __dir__() -> list[str]:
    return sorted(__all__)
